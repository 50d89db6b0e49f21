/*
 * The registry of languages: what the YAML files in languages/ say, one file a language, read once at start.
 *
 * In a command the placeholders {entry} (the file to run), {stem} (entry without its last extension), {dir} (its
 * folder, "." at the top) and {files} (all files of the request with the language's extensions; replaced by as many
 * arguments) are filled in by plan_make().
 */
#ifndef KILN_RUN_LANGUAGE_H
#define KILN_RUN_LANGUAGE_H

#include "base/err.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>

struct language_step {
	char **command; /* NULL: the language has no such step */
	char **env;	/* "NAME=value" */
	struct limits limits;
	char **keep;
};

struct language {
	char *id;
	char *name; /* for people */
	char **aliases;
	char *version;	     /* as probed or as the file says, e.g. "3.11"; "" when not known */
	char **version_from; /* patterns for the probe, e.g. "/usr/bin/python{version}"; NULL: the file says it */
	char *image;
	char *source_file; /* e.g. "main.c" */
	char **extensions; /* without the dot; for `kiln run FILE` and {files} */
	char **requires;   /* absolute paths that its image must have; with '|' between: either of them */
	struct language_step compile;
	struct language_step run;
	char *hello;	/* a program that prints "Hello, World!" */
	char *echo;	/* a program that prints "got: " and each line of stdin */
	bool available; /* its image is here and has what `requires` names; false until the probe */
};

struct language_registry;

/*
 * Reads every *.yaml of a folder. A file that is wrong is an error that names file, line and key (-EINVAL). Two
 * languages with one id or alias and version too.
 */
[[nodiscard]] int language_registry_load(const char *dir, struct language_registry **ret, struct err *err);

/*
 * The language of this id or alias whose version fits the range; the newest that fits, available ones first. NULL when
 * there is none. Ranges: NULL or "*" any, "3" and "3.11" that version and whatever is more precise, "17-21" from one up
 * to the other's last, ">3.8" ">=3.9" "<4" "<=3.11" "=3.11", several with commas between: all must fit. A version that
 * is not known fits "*" alone.
 */
const struct language *language_find(const struct language_registry *reg, const char *id, const char *range);

/* True when `range` is written like one of those. */
bool language_range_valid(const char *range);

/* The first available language, by id, for a file name's extension; or NULL. */
const struct language *language_for_file(const struct language_registry *reg, const char *file_name);

/* Iterates: NULL starts, NULL ends. Sorted by id, then version. */
const struct language *language_next(const struct language_registry *reg, const struct language *after);

/*
 * Sets `available` of the languages of an image by asking `exists` for each required path, and for the image "host"
 * their version where the file leaves it to a probe of the host's files. A version that cannot be found out stays "".
 */
void language_registry_probe(struct language_registry *reg, const char *image,
			     bool (*exists)(void *user, const char *path), void *user);

void language_registry_destroy(struct language_registry *reg);

#endif
