/*
 * Something whose time is measured: it can do its job once and say how long that took.
 *
 * Kinds: a program started on this machine (exec.h), a request over HTTP (post.h). A subject that fails says why; who
 * measures decides what follows.
 */
#ifndef KILN_BENCH_SUBJECT_H
#define KILN_BENCH_SUBJECT_H

#include "base/err.h"

#include <stdint.h>
#include <time.h>

struct subject;

struct subject_vtable {
	/* Does the job once. Returns 0 and *ret_ns, the time that the job alone took, or a negative errno. Blocks. */
	int (*once)(struct subject *subject, uint64_t *ret_ns, struct err *err);
	/* Accepts NULL. */
	void (*destroy)(struct subject *subject);
};

/* Embedded first in each kind. */
struct subject {
	const struct subject_vtable *v;
	char *name; /* owned */
};

static inline uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static inline void subject_destroy(struct subject *subject)
{
	if (subject)
		subject->v->destroy(subject);
}

#endif
