/*
 * The parts of the registry of languages among themselves.
 */
#ifndef KILN_RUN_LANGUAGE_PRIV_H
#define KILN_RUN_LANGUAGE_PRIV_H

#include "run/language.h"

#include <stdint.h>

/* What one file says: the language in each of its versions, in the file's order; at least one. */
struct language_list {
	struct language *items;
	size_t count;
};

/*
 * Reads one language file from memory; `name` is for errors. Returns 0 and *ret (language_list_finish()), or -EINVAL
 * with a sentence that names file, line and key, or -ENOMEM. Pure.
 */
[[nodiscard]] int language_parse(const char *name, const uint8_t *data, size_t len, struct language_list *ret,
				 struct err *err);

/* The same from a file. */
[[nodiscard]] int language_load(const char *path, struct language_list *ret, struct err *err);

void language_list_finish(struct language_list *list);

void language_finish(struct language *language);

struct yaml_tree;
struct yaml_node_s;

/*
 * language_light.c: reads the key `traffic_light` into *ret, which is empty. -EINVAL with file, line and key, of the
 * very condition that is wrong.
 */
[[nodiscard]] int language_light_read(struct yaml_tree *tree, const struct yaml_node_s *node,
				      struct run_light_spec *ret, struct err *err);

/* language_warm.c: the step that a run of the language begins with. */
const struct language_step *language_first_step(const struct language *language);

/* Works out what is started ahead, when all else has been read. 0 or -ENOMEM. */
[[nodiscard]] int language_warm_prepare(struct language *language, struct language_warm *warm);

/*
 * Whether it can serve a first step: argv, envp and limits of the step, and what of the environment the request said.
 */
bool language_warm_fits(const struct language_warm *warm, char *const *argv, char *const *envp,
			char *const *request_env, const struct limits *limits);

void language_warm_destroy(struct language_warm *warm);

/* Orders versions by their numbers: "3.9" < "3.11"; "" is lowest. */
int language_version_compare(const char *a, const char *b);

/*
 * The version of the installed program `path`, worked out without running it: a pattern such as
 * "/usr/bin/python{version}" names files beside it, and one of them that is the same file (by link or symlink) tells.
 * Returns 0 and *ret (free()) with the longest such version, "" when there is none; -ENOMEM.
 */
[[nodiscard]] int language_version_probe(const char *path, char *const *patterns, char **ret);

/*
 * Adds a language, in its order; takes *language over on success. -EINVAL when one of its names is there already with
 * the same version in the same image.
 */
[[nodiscard]] int language_registry_add(struct language_registry *reg, struct language *language,
					struct err *err);

/* An empty registry, or NULL. */
struct language_registry *language_registry_create(void);

#endif
