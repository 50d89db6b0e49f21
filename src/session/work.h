/*
 * The thread that does what may take long with the sessions' database, so that the loop never waits for it.
 *
 * A job belongs to a strand, by name: jobs of one strand come one after the other, in the order in which they were
 * posted. A job is done in pieces; after each piece the next strand has its turn, so that what is small does not wait
 * for all of what is large. What is done here and not on the loop stands in docs/adr/0019.
 *
 * All calls come from the loop's thread. `piece` is called in the worker's, one at a time, `done` in the loop's.
 */
#ifndef KILN_SESSION_WORK_H
#define KILN_SESSION_WORK_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Jobs that hold so many bytes in memory are a crowd: whoever can hold more back does so. */
#define WORK_CROWD_BYTES ((size_t)8 * 1024 * 1024)

struct work;

struct work_job {
	const char *strand; /* copied */
	size_t bytes;	    /* that the job holds in memory */
	/* 1: there is more to be done; 0: that was all; or a negative errno with *err filled, and it is over. */
	int (*piece)(void *user, struct err *err);
	/* Once for each job that was posted, whatever else happened; err NULL: all went well. Frees `user`. */
	void (*done)(void *user, const struct err *err);
	void *user;
};

/* `relieved` is called, from the loop, when a crowd has become half as large. */
[[nodiscard]] int work_create(uv_loop_t *loop, void (*relieved)(void *user), void *user, struct work **ret,
			      struct err *err);

/* Starts the thread, which has the rights and bounds of whoever calls. What was posted before has waited. */
[[nodiscard]] int work_start(struct work *work, struct err *err);

/* -ENOMEM: nothing was posted, no `done` comes. */
[[nodiscard]] int work_post(struct work *work, const struct work_job *job, struct err *err);

/* More than WORK_CROWD_BYTES are held by jobs that are not done. */
bool work_is_crowded(const struct work *work);
/* Each job's `done` has been called. */
bool work_is_idle(const struct work *work);

/* Waits, without the loop, until it is idle. What its `done`s post is done too. */
void work_finish(struct work *work);

/* work_finish(), and the end of the thread. NULL is fine. */
void work_destroy(struct work *work);

#endif
