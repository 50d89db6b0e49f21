/*
 * What readers of requests share, for other requests that hold parts of a run's: where in the JSON they are, how they
 * refuse, and fields as data.
 */
#ifndef KILN_RUN_REQUEST_READ_H
#define KILN_RUN_REQUEST_READ_H

#include "run/request.h"

#include <jansson.h>

/* A place in the request, as a chain on the stack from the innermost field outwards; it becomes text on refusal. */
struct path {
	const struct path *up; /* NULL: the request itself */
	const char *key;       /* NULL: an element of an array */
	size_t index;
};

/* What is being read, and into what. */
struct reader {
	struct run_request *req;
	const struct request_bounds *bounds;
	const json_t *archive; /* the string, or NULL; unpacked when all else is read */
	struct err *err;
};

/*
 * A field of an object: `read` gets the value and the place in the target struct where it belongs. Returns 0 or a
 * negative errno with r->err filled.
 */
struct field {
	const char *name;
	int (*read)(struct reader *r, const json_t *value, const struct path *path, void *target);
	size_t offset;
};

/* A piece of the request, fit to be quoted: valid UTF-8 without control characters, cut to 47 bytes. */
struct excerpt {
	char text[48];
};

struct excerpt excerpt_of(const char *text, size_t len);

/* err_refuse() with the path as field (NULL: none), which also stands before the sentence. */
int request_refuse(struct err *err, const struct path *path, enum err_kind kind, const char *slug,
		   const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Refuses a value that is not what it `must` be ("a string"). */
int request_refuse_type(struct err *err, const struct path *path, const json_t *value, const char *must);

/* Loads JSON after bounding its depth and its number of values. Returns 0 and *ret (json_decref()), or -EINVAL. */
[[nodiscard]] int request_json_load(const char *json, size_t len, json_t **ret, struct err *err);

/* Reads every member of `json` by the table; one that is not in it is refused. */
[[nodiscard]] int object_read(struct reader *r, const json_t *json, const struct path *path,
			      const struct field *fields, size_t count, void *target);

/* A string without NUL, still the JSON's. */
[[nodiscard]] int read_text(struct reader *r, const json_t *v, const struct path *p, const char **ret);

/* Readers of values, for tables. What target points to stands behind the name. */
[[nodiscard]] int read_language(struct reader *r, const json_t *v, const struct path *p, void *run_request);
[[nodiscard]] int read_image(struct reader *r, const json_t *v, const struct path *p, void *string);
[[nodiscard]] int read_file_name(struct reader *r, const json_t *v, const struct path *p, void *string);
[[nodiscard]] int read_step_name(struct reader *r, const json_t *v, const struct path *p, void *string);
[[nodiscard]] int read_strings(struct reader *r, const json_t *v, const struct path *p, void *strv);
/* An argument vector: strings, of which the first is not empty. */
[[nodiscard]] int read_program(struct reader *r, const json_t *v, const struct path *p, void *strv);
[[nodiscard]] int read_globs(struct reader *r, const json_t *v, const struct path *p, void *strv);
[[nodiscard]] int read_env(struct reader *r, const json_t *v, const struct path *p, void *strv);
[[nodiscard]] int read_limits(struct reader *r, const json_t *v, const struct path *p, void *limits);
[[nodiscard]] int read_stdin(struct reader *r, const json_t *v, const struct path *p, void *run_bytes);
/* Into the request's files, with a copy of their bytes. */
[[nodiscard]] int read_files(struct reader *r, const json_t *v, const struct path *p, void *run_request);

/* NULL when the name is one that a file may have, else half a sentence that says why not ("is empty"). */
const char *file_name_fault(const char *name, size_t len);

/*
 * What a request to a session says of its run: the fields of POST /v1/runs but for those that choose image, language
 * and network, which are the session's; with `command` in place of a single step, and `collect` "text" where nothing is
 * said. Otherwise as request_parse().
 */
[[nodiscard]] int request_read_in_session(json_t *root, const struct request_bounds *bounds,
					  struct run_request *ret, struct err *err);

#endif
