/*
 * Admission: who runs now, who waits, who is sent away. Pure logic: no clock of its own, no threads, no I/O.
 *
 * At most `parallel` entries have a slot. Others wait, at most `waiting` of them: tenants take turns (round
 * robin), within a tenant the first comes first. When the waiting list is full, a newcomer is refused; but if
 * another tenant has at least two more places than the newcomer's, that tenant's latest entry is pushed out for
 * him. So one tenant alone may use the whole list, and none can lock another out.
 *
 * The queue owns its entries; an entry ends with queue_leave(), whether it waits or has a slot.
 */
#ifndef KILN_RUN_QUEUE_H
#define KILN_RUN_QUEUE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;
struct queue_entry;

enum queue_turn {
	QUEUE_TURN_RUN,	       /* the entry has a slot now */
	QUEUE_TURN_PUSHED_OUT, /* it lost its place and does not exist any more when the callback returns */
};

/*
 * Says what became of a waiting entry. Comes inside queue_enter() or queue_leave() of another entry; may call
 * queue_enter() and queue_leave(), but for a pushed-out entry not queue_leave().
 */
typedef void (*queue_turn_fn)(void *user, enum queue_turn turn);

/* Sets *err to the refusal of who was pushed out. */
void queue_refuse_pushed_out(struct err *err);

struct queue_stats {
	unsigned running, waiting;
	uint64_t admitted, refused, pushed_out; /* since the start; a pushed-out one was admitted before */
	uint64_t run_us;			/* moving average of the time in a slot; 0 before the first */
};

[[nodiscard]] int queue_create(unsigned parallel, unsigned waiting, struct queue **ret, struct err *err);

/*
 * Enters. Returns 1: has a slot at once, `turn` is never called; 0: waits; or negative with *err: -EBUSY a
 * refusal (ERR_BUSY, "queue_full" or "draining"; queue_retry_after_s() says when to come back), -ENOMEM. *ret
 * is set where not negative. `tenant` is copied.
 */
[[nodiscard]] int queue_enter(struct queue *queue, const char *tenant, uint64_t now_us, queue_turn_fn turn,
			      void *user, struct queue_entry **ret, struct err *err);

/* Ends an entry and gives its slot, if it had one, to the next. NULL is fine. */
void queue_leave(struct queue *queue, struct queue_entry *entry, uint64_t now_us);

/* The place in the waiting list, from 1: the one that gets the next slot. 0 for an entry that has a slot. */
unsigned queue_position(const struct queue *queue, const struct queue_entry *entry);

/* From now on nobody is let in; those inside stay. */
void queue_drain(struct queue *queue);
bool queue_is_draining(const struct queue *queue);

/* When a place will probably be free, from the moving average: 1..60 seconds. */
unsigned queue_retry_after_s(const struct queue *queue);

struct queue_stats queue_stats(const struct queue *queue);

/* Frees it with all its entries; no callback comes. */
void queue_destroy(struct queue *queue);

#endif
