/*
 * The target of a request line, taken apart strictly: a path and the parameters of a query, both decoded.
 * Pure.
 *
 * Accepted are origin form ("/v1/runs?x=1") and absolute form ("http://host/v1/runs"); a fragment, a control
 * byte, a blank, a byte above 0x7e, an escape that is not two hex digits and an encoded NUL are refused: each
 * is a way to make two readers see two different paths.
 */
#ifndef KILN_HTTP_TARGET_H
#define KILN_HTTP_TARGET_H

#include "base/err.h"

#include <stddef.h>

struct http_param {
	const char *name;
	const char *value; /* "" when there was no '=' */
};

/* Owns everything its pointers show. Zeroed is empty. */
struct http_target {
	char *storage;
	char *prefixed;	  /* the path, once a prefix was put before it */
	const char *path; /* begins with '/' */
	struct http_param *params;
	size_t params_count;
};

/* -EINVAL with a refusal, -ENOMEM. On failure *ret is untouched. */
[[nodiscard]] int http_target_parse(const char *raw, struct http_target *ret, struct err *err);

/* Puts `prefix` before the path. -ENOMEM, with *target as it was. */
[[nodiscard]] int http_target_prefix(struct http_target *target, const char *prefix);

/* The first parameter of this name, or NULL. */
const char *http_target_param(const struct http_target *target, const char *name);

void http_target_finish(struct http_target *target);

#endif
