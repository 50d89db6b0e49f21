/*
 * What went wrong, in one value on the stack.
 *
 * A function that can fail returns 0 (or a count) on success and a negative errno on failure, with `struct err *err` as
 * its last argument: untouched on success, set once where the cause is known (err_set, err_refuse), wrapped with
 * context on the way up (err_wrap) and logged or answered once at the top. Nothing here allocates, so it works in the
 * keeper and when memory is gone. `err` may be NULL: the caller then only wants the number.
 *
 * A refusal is an error of the person who asked, not of kiln: it carries what API.md calls `code` and `field`, and a
 * `kind` from which the HTTP layer takes its status.
 */
#ifndef KILN_BASE_ERR_H
#define KILN_BASE_ERR_H

#include <stddef.h>

enum err_kind {
	ERR_INTERNAL,	  /* kiln's own fault or the host's: 500 */
	ERR_MALFORMED,	  /* 400 */
	ERR_UNAUTHORIZED, /* 401 */
	ERR_FORBIDDEN,	  /* 403 */
	ERR_UNKNOWN,	  /* 404 */
	ERR_METHOD,	  /* 405 */
	ERR_CONFLICT,	  /* 409 */
	ERR_TOO_LARGE,	  /* 413 */
	ERR_TYPE,	  /* 415 */
	ERR_IMPOSSIBLE,	  /* 422 */
	ERR_QUOTA,	  /* 429 */
	ERR_BUSY,	  /* 503 */
};

struct err {
	int code; /* negative errno */
	enum err_kind kind;
	const char *slug; /* static; API.md's error code, e.g. "limit_too_high"; NULL when internal */
	char field[128];  /* the request field at fault, e.g. "limits.memory_bytes"; may be empty */
	char text[512];	  /* one sentence, UTF-8, no newline */
};

#define ERR_INIT ((struct err){ 0 })

/* Sets *err to an internal error. Returns `code` (a negative errno) for `return err_set(…)`. */
int err_set(struct err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the sentence in *err. Returns `code`. */
int err_wrap(struct err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/*
 * Sets *err to a refusal. `slug` must be a string literal; `field` may be NULL or a path such as "steps[1].name" (cut
 * at its end when longer than the buffer). Returns -EINVAL.
 */
int err_refuse(struct err *err, enum err_kind kind, const char *slug, const char *field, const char *format,
	       ...) __attribute__((format(printf, 5, 6)));

/* The HTTP status of a kind. */
int err_kind_http_status(enum err_kind kind);

#endif
