/*
 * The pool: an engine over an engine that has sandboxes ready before they are asked for.
 *
 * One shelf for each kind of sandbox (image, network, runtime), stocked as demand.h says within the options' bounds.
 * A sandbox that is taken is never put back: it serves one run, is destroyed, and another is made behind the answer.
 * An empty shelf is no reason to refuse or to wait: then the sandbox is made as if there were no pool.
 */
#ifndef KILN_POOL_POOL_H
#define KILN_POOL_POOL_H

#include "base/err.h"
#include "engine/engine.h"

#include <uv.h>

struct pool_options {
	unsigned min;	       /* sandboxes that a fostered shelf always holds */
	unsigned max;	       /* most of one shelf */
	unsigned total;	       /* most of all shelves */
	uint64_t memory_bytes; /* that all waiting sandboxes together may hold */
	uint64_t idle_us;      /* a shelf that nobody took from for this long is emptied */
	bool hot;	       /* boot runtimes ahead */
};

/* `inner` belongs to the pool, which destroys it, from now on; on an error it does not. */
[[nodiscard]] int pool_create(uv_loop_t *loop, struct engine *inner, const struct pool_options *options,
			      struct engine **ret, struct err *err);

/* Stocks a shelf before its first run, and holds `min` on it from then on. */
void pool_foster(struct engine *pool, const struct engine_sandbox_spec *spec);

/* Gives up what waits of an image ("sha256:…") that is to be removed, and no longer expects anybody to ask for it. */
void pool_forget(struct engine *pool, const char *digest);

struct pool_shelf_facts {
	const char *image;
	const char *runtime; /* id of what is booted in it; NULL: nothing */
	bool loopback;
	unsigned ready, making, target;
	uint64_t taken, missed; /* runs that got one, that found none */
	double rate;		/* runs a second */
	uint64_t make_us;	/* to make one; 0: not known yet */
	uint64_t memory_bytes;	/* of one, as reckoned */
};

struct pool_totals {
	unsigned waiting, making;
	uint64_t memory_bytes;	/* of both, as reckoned */
	uint64_t taken, missed; /* runs that got one just of their kind, that did not */
};

struct pool_totals pool_totals(const struct engine *pool);

/* The shelves, at most `room` of them; their number. The texts are valid until the next call to the pool. */
size_t pool_inspect(const struct engine *pool, struct pool_shelf_facts *ret, size_t room);

#endif
