/*
 * A run request as the client said it: checked in itself (types, names, encodings), not yet against languages, images
 * or ceilings (that is plan.h). Owns all it points to; request_finish() frees it, half-built ones too.
 *
 * Names of files are relative, without "." or ".." or empty components, at most 4096 bytes and 255 per component, valid
 * UTF-8 without NUL, and never twice nor both file and folder: request_parse() and request_add_archive() refuse others.
 */
#ifndef KILN_RUN_REQUEST_H
#define KILN_RUN_REQUEST_H

#include "base/err.h"
#include "base/limits.h"
#include "engine/engine.h"
#include "run/run_light.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run_file {
	char *name;
	uint8_t *data; /* NULL for a folder or an empty file */
	size_t len;    /* bytes */
	uint32_t mode; /* permission bits 0..0777 */
	bool is_dir;
	bool from_archive;
	bool there; /* of a run in a session: it is in the user's home already, and has no data here */
};

struct run_bytes {
	uint8_t *data;
	size_t len; /* bytes */
};

struct run_step_request {
	char *name;
	char **command; /* argv, at least one element */
	char *image;	/* NULL: the run's */
	struct limits limits;
	bool has_stdin; /* false: the run's stdin for the last step, empty for others */
	struct run_bytes stdin_bytes;
	char **env;  /* "NAME=value" */
	char **keep; /* globs or names; NULL: nothing */
};

enum collect_mode {
	COLLECT_NONE,
	COLLECT_TEXT,
	COLLECT_ALL,
	COLLECT_GLOBS,
};

struct run_request {
	char *language;		/* id or alias, without the version range; NULL when image is given */
	char *version_range;	/* what stood behind '@', or NULL */
	char *image;		/* NULL when language is given */
	struct run_file *files; /* those of `files` in their order, then what the archive has besides */
	size_t files_count;
	size_t files_bytes;   /* their contents together */
	size_t folders_count; /* folders that their names imply */
	struct json_t *
		names; /* each name and implied folder, for request_add_*() to find it again; NULL while empty */
	char *entry;
	char **args;
	struct run_bytes stdin_bytes;
	char **env; /* "NAME=value" */
	struct run_step_request *steps;
	size_t steps_count;
	struct limits limits; /* unset where not given */
	enum collect_mode collect;
	char **collect_globs;
	bool network_loopback;
	bool no_cache; /* `cache` is false */
	struct run_light_spec light;
	bool archive_given; /* the JSON had `archive` */
	/* Only of a run that is started over a connection that stays, see message.h: */
	bool archive_follows, stdin_follows;
	struct engine_tty tty;
};

/* Bounds on what a request may hold; every one of them is named in the error that it causes. */
struct request_bounds {
	size_t files;	    /* number of files, archive members included; as many folders may be implied */
	size_t files_bytes; /* all their contents together, after decompression */
	size_t steps;
	size_t args_bytes; /* command, args and env of one step together */
	size_t stdin_bytes;
};

extern const struct request_bounds request_bounds_default;

/*
 * Reads the JSON of POST /v1/runs (UTF-8, `len` bytes). The archive in field `archive` is unpacked into files.
 * Returns 0, or -EINVAL with *err a refusal that names the field, or -ENOMEM. *ret is initialised in any case.
 */
[[nodiscard]] int request_parse(const char *json, size_t len, const struct request_bounds *bounds,
				struct run_request *ret, struct err *err);

/*
 * Adds the members of a .tar, .tar.gz or .zip (found out by its content) beneath the files already there: a name that
 * the request's own `files` has stays theirs. Links, devices, sockets and bad names refuse the whole archive (-EINVAL,
 * field "archive"), and so does what is cut short, encrypted, or over a bound, found while inflating (ERR_TOO_LARGE).
 * Reads from memory only. After an error the request can only be finished.
 */
[[nodiscard]] int request_add_archive(struct run_request *req, const uint8_t *data, size_t len,
				      const struct request_bounds *bounds, struct err *err);

/*
 * Adds one file with a copy of its bytes; for callers that are not JSON (command line, libkiln). Same checks, errors;
 * a file of the same name from an archive is replaced.
 */
[[nodiscard]] int request_add_file(struct run_request *req, const char *name, const void *data, size_t len,
				   uint32_t mode, const struct request_bounds *bounds, struct err *err);

/*
 * Adds the name of a file that a run in a session will find there, so that languages know of it. One that the request
 * brings itself, or that does not go together with those, is passed over. 0 or -ENOMEM.
 */
[[nodiscard]] int request_add_there(struct run_request *req, const char *name, struct err *err);

/* What a variable of an environment may be called, and the sentence for one that is called otherwise. */
#define REQUEST_VARIABLE_RULE "the name of a variable has letters, digits and _, no digit first"
bool request_is_variable(const char *name, size_t len);

void request_finish(struct run_request *req);

#endif
