/*
 * A look at the raw bytes of a request's head, for what MHD would answer itself, with a page instead of
 * API.md's document (for a malformed Content-Length even with two heads). Pure. Not a parser: whatever it
 * lets pass is judged again by MHD and head.c.
 */
#ifndef KILN_HTTP_RAW_HEAD_H
#define KILN_HTTP_RAW_HEAD_H

#include <stddef.h>
#include <stdint.h>

struct http_raw_bounds {
	size_t target, head; /* bytes */
	size_t headers;
};

/*
 * The status to refuse the request with: 400, 413, 414, 431 or 505; 0 when there is nothing to say, or when
 * the head is not complete in these `len` bytes and can still become right.
 */
unsigned http_raw_head_check(const uint8_t *data, size_t len, const struct http_raw_bounds *bounds);

#endif
