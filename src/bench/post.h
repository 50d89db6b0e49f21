/*
 * A server of runs that is asked over HTTP: the same POST again and again over one connection that is kept alive.
 */
#ifndef KILN_BENCH_POST_H
#define KILN_BENCH_POST_H

#include "bench/subject.h"

#include <stddef.h>
#include <sys/socket.h>

/* The time of one answer starts with its request's first byte and ends with its own last one. */
typedef int (*post_check_fn)(void *user, const char *body, size_t len, struct err *err);

/*
 * Where this stands in a body, each request has a number of the same length that no other had: a program with it in a
 * comment is never one that was compiled before. Only its first place is looked for.
 */
#define POST_MARK "KILN-BENCH-RUN-NUMBER"

struct post_options {
	const char *url; /* "http://host[:port]/path" */
	const char *body;
	size_t body_len;
	const char *token;   /* for "Authorization: Bearer", or NULL */
	post_check_fn check; /* looks at a body after the clock has stopped; NULL: status 200 is enough */
	void *user;
};

/* Where to connect to and the bytes to send there. */
struct post_target {
	struct sockaddr_storage address;
	socklen_t address_len;
	char *request;
	size_t request_len;
};

/*
 * Looks up the host and writes the request. Returns 0 and *ret (post_target_finish()); -EINVAL for a URL that is not
 * understood, -EHOSTUNREACH for a host without address, -ENOMEM.
 */
[[nodiscard]] int post_target_init(const struct post_options *options, struct post_target *ret,
				   struct err *err);
void post_target_finish(struct post_target *target);

/* A connected socket without Nagle's delay, or a negative errno. */
[[nodiscard]] int post_connect(const struct post_target *target, struct err *err);

/*
 * Copies what it needs of `options`; connects at the first once(), and anew after an answer that closes. once() is
 * -EPROTO for an answer that is none, -EINVAL for another status than 200, and whatever `check` returns.
 */
[[nodiscard]] int post_create(const char *name, const struct post_options *options, struct subject **ret,
			      struct err *err);

#endif
