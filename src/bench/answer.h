/*
 * Finds the end of an HTTP/1.1 answer in the bytes received so far. Pure; as much of RFC 9112 as servers of runs use:
 * Content-Length or chunks, no trailers worth reading.
 */
#ifndef KILN_BENCH_ANSWER_H
#define KILN_BENCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

struct answer {
	int status;
	size_t body_at;	 /* where the body begins */
	size_t body_len; /* its bytes, for a chunked one with the lines between the chunks */
	size_t total;	 /* bytes of the whole answer */
	bool close;	 /* the server closes the connection behind it */
};

/* Returns 1 and *ret when the answer is complete, 0 when more has to come, -EBADMSG when it is none. */
[[nodiscard]] int answer_find(const char *data, size_t len, struct answer *ret);

#endif
