/*
 * The registry of languages: what the YAML files in languages/ say, one file a language, read once at start.
 *
 * A file may name several versions, each with its image; every one of them is a `struct language` here. So a host's own
 * python3 and the images of Python 3.11 and 3.13 stand side by side.
 *
 * In a command the placeholders {entry} (the file to run), {stem} (entry without its last extension), {dir} (its
 * folder, "." at the top), {class} (what `source_class` finds, else the stem's last component), {heap_mib} (what a
 * runtime may use as its heap, so that it collects garbage in time: 70 % of the step's memory_bytes, in MiB) and
 * {files} (all files of the request with the language's extensions; replaced by as many arguments) are filled in by
 * plan_make().
 */
#ifndef KILN_RUN_LANGUAGE_H
#define KILN_RUN_LANGUAGE_H

#include "base/err.h"
#include "base/limits.h"
#include "engine/engine.h"
#include "run/run_light.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct language_step {
	char **command; /* NULL: the language has no such step */
	char **env;	/* "NAME=value" */
	struct limits limits;
	char **keep;
};

/* Where a language takes the name of its program from, and demands that the source file has that name. */
enum class_rule {
	CLASS_RULE_NONE,
	CLASS_RULE_JAVA, /* run/source_class.h */
};

/* Files to begin with, of a language that is a test framework: a name and a text each. */
struct language_files {
	char **names;
	char **texts;
};

/*
 * How the first step of a run is started ahead (`warm`), so that its runtime has booted when the run comes.
 *
 * With `until: files` it is the step's own command, for the one file `source_file`; it waits as it is about to look for
 * its files, and serves runs with the very same arguments and environment. With `command` it is a driver, which serves
 * any: see wire/init_proto.h for what it has to do. A run that cannot be served is started as if there were none.
 */
struct language_warm {
	char *until;
	char **command;	 /* a driver; NULL: the step's own */
	char **cold_env; /* globs of variables that a driver cannot take on when it has booted */
	unsigned most;	 /* that wait at a time, where booting is dear; 0: as many as are asked for */
	/* Worked out from those: */
	char *id; /* "python", or with a version that the file says "java@17" */
	char **argv, **envp;
	struct engine_warm engine;
};

struct language {
	char *id;
	char *name; /* for people */
	char **aliases;
	char *version;	     /* as probed or as the file says, e.g. "3.11"; "" when not known */
	char **version_from; /* patterns for the probe, e.g. "/usr/bin/python{version}"; NULL: the file says it */
	char *image;
	char *engine;	   /* "native" or "docker": which one its image runs in; NULL: as the settings say */
	char *runtime;	   /* of the daemon's, for it; NULL: likewise */
	char *source_file; /* e.g. "main.c" */
	char **extensions; /* without the dot; for `kiln run FILE` and {files} */
	char **requires;   /* absolute paths that its image must have; with '|' between: either of them */
	char **version_command; /* prints its version; NULL: there is none */
	enum class_rule source_class;
	bool needs_registry; /* no recipe makes `image`: it is an OCI image of a registry, pulled or imported */
	struct language_step compile;
	struct language_step run;
	struct language_warm *warm; /* or NULL; stays where it is as long as the registry */
	struct language_files start;
	struct run_light_spec light; /* its own traffic light; all zero: it has none */
	/*
	 * Programs by which `kiln language test` proves that the language works, each may be NULL. With start files it
	 * is the file `source_file` among them.
	 */
	char *hello;	     /* prints "Hello, World!" */
	char *echo;	     /* prints "got: " and each line of stdin */
	char *compile_error; /* is no program of this language */
	char *runtime_error; /* begins to run, then fails */
	char *endless_loop;
	char *memory_hog; /* asks for more and more memory, and uses it */
	bool available;	  /* its image is here and has what `requires` names; false until the probe */
};

struct language_registry;

/*
 * Reads every *.yaml of a folder. A file that is wrong is an error that names file, line and key (-EINVAL). Two
 * languages with one id or alias, version and image too.
 */
[[nodiscard]] int language_registry_load(const char *dir, struct language_registry **ret, struct err *err);

/*
 * Reads a site's own languages into a registry before its probe. One of them takes the place of all languages there
 * with its id, and its names are taken from the others' aliases. No such folder is no error. On failure the registry is
 * as it was, or with some of the folder's languages.
 */
[[nodiscard]] int language_registry_load_site(struct language_registry *reg, const char *dir,
					      struct err *err);

/* The same for one file in memory; `name` is for errors. -EINVAL with file, line and key. */
[[nodiscard]] int language_registry_add_site(struct language_registry *reg, const char *name,
					     const uint8_t *data, size_t len, struct err *err);

/* The id that a language file in memory says, once it is known to be right. *ret: free(). */
[[nodiscard]] int language_file_id(const char *name, const uint8_t *data, size_t len, char **ret,
				   struct err *err);

/*
 * The language of this id or alias whose version fits the range; the newest that fits, available ones first, and of
 * two with the same version rather one with an image of its own than this host's. NULL when there is none. Ranges: NULL
 * or "*" any, "3" and "3.11" that version and whatever is more precise, "17-21" from one up to the other's last, ">3.8"
 * ">=3.9" "<4" "<=3.11" "=3.11", several with commas between: all must fit. A version that is not known fits "*" alone.
 */
const struct language *language_find(const struct language_registry *reg, const char *id, const char *range);

/* True when language_find() takes `one` rather than `best`, both fitting. */
bool language_is_better(const struct language *one, const struct language *best);

/* True when this is the language's id or one of its aliases. */
bool language_has_name(const struct language *language, const char *name);

/* True when the version fits the range; one that is not known ("") fits only NULL and "*". */
bool language_version_fits(const char *version, const char *range);

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

/* Says whether a language of an image other than the host's can be run: when its image came or went. */
void language_set_available(struct language_registry *reg, const struct language *language, bool available);

void language_registry_destroy(struct language_registry *reg);

#endif
