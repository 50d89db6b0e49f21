/*
 * Sandboxes that wait for the next run of a user of a session. One for each who had a run not long ago, made when the
 * run is under way: he is likely to come again, and a waiting sandbox is his alone. More for who comes again and again
 * within a second, since one cannot be made as quickly as that. Those that were not asked for longest give way.
 */
#ifndef KILN_POOL_READY_H
#define KILN_POOL_READY_H

#include "engine/engine.h"

struct ready;

struct ready_stock {
	struct engine *inner;
	struct ready *first; /* the one asked for last */
	unsigned count;	     /* kinds of runs that are remembered */
	unsigned held;	     /* sandboxes, and how many of them are not ready */
	unsigned making;
	bool low; /* who asked last will ask again before ready_fill() is called a moment later */
	uint64_t taken, missed;
};

void ready_init(struct ready_stock *stock, struct engine *inner);
/*
 * For a run of a user: a sandbox that waits for just this kind, the caller's from now on, to be adopted; or NULL.
 * Either way another one will be made by ready_fill().
 */
struct engine_sandbox *ready_take(struct ready_stock *stock, const struct engine_sandbox_spec *spec,
				  uint64_t now_us);
/* Makes what is missing, a few at a time. */
void ready_fill(struct ready_stock *stock);
/* Gives up what was last asked for before this time, and of who is in no hurry any more all but one. */
void ready_expire(struct ready_stock *stock, uint64_t before_us, uint64_t now_us);
/* Of a session that ends. */
void ready_drop(struct ready_stock *stock, const struct engine_session *session);
void ready_clear(struct ready_stock *stock);

#endif
