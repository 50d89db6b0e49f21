#include "run/queue.h"

#include "base/cleanup.h"
#include "base/plural.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct queue_entry {
	struct queue_entry *prev,
		*next;		     /* in its tenant's list while waiting, in queue.running with a slot */
	struct queue_tenant *tenant; /* NULL with a slot */
	queue_turn_fn turn;
	void *user;
	uint64_t began_us; /* of its slot */
};

/* Somebody with waiting entries; gone with the last of them. Tenants form a ring in the order of their turns. */
struct queue_tenant {
	struct queue_tenant *prev, *next;
	struct queue_entry *first, *last;
	unsigned waiting;
	char name[];
};

struct queue {
	unsigned parallel, waiting_max;
	struct queue_stats stats;
	struct queue_entry *running;
	struct queue_tenant *turn; /* whose entry gets the next slot; NULL when nobody waits */
	bool draining, dispatching;
};

int queue_create(unsigned parallel, unsigned waiting, struct queue **ret, struct err *err)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return err_set(err, -ENOMEM, "create the queue");
	queue->parallel = parallel ? parallel : 1;
	queue->waiting_max = waiting;
	*ret = queue;
	return 0;
}

static struct queue_tenant *tenant_find(const struct queue *queue, const char *name)
{
	struct queue_tenant *tenant = queue->turn;

	if (!tenant)
		return NULL;
	do {
		if (strcmp(tenant->name, name) == 0)
			return tenant;
		tenant = tenant->next;
	} while (tenant != queue->turn);
	return NULL;
}

/* A new tenant's turn comes after everybody else's. */
static struct queue_tenant *tenant_add(struct queue *queue, const char *name)
{
	size_t len = strlen(name);
	struct queue_tenant *tenant = calloc(1, sizeof(*tenant) + len + 1);

	if (!tenant)
		return NULL;
	memcpy(tenant->name, name, len + 1);
	if (!queue->turn) {
		tenant->prev = tenant->next = tenant;
		queue->turn = tenant;
		return tenant;
	}
	tenant->next = queue->turn;
	tenant->prev = queue->turn->prev;
	tenant->prev->next = tenant;
	tenant->next->prev = tenant;
	return tenant;
}

static void tenant_remove(struct queue *queue, struct queue_tenant *tenant)
{
	if (tenant->next == tenant) {
		queue->turn = NULL;
	} else {
		tenant->prev->next = tenant->next;
		tenant->next->prev = tenant->prev;
		if (queue->turn == tenant)
			queue->turn = tenant->next;
	}
	free(tenant);
}

static void waiting_add(struct queue *queue, struct queue_tenant *tenant, struct queue_entry *entry)
{
	entry->tenant = tenant;
	entry->prev = tenant->last;
	entry->next = NULL;
	if (tenant->last)
		tenant->last->next = entry;
	else
		tenant->first = entry;
	tenant->last = entry;
	tenant->waiting++;
	queue->stats.waiting++;
}

static void waiting_remove(struct queue *queue, struct queue_entry *entry)
{
	struct queue_tenant *tenant = entry->tenant;

	if (entry->prev)
		entry->prev->next = entry->next;
	else
		tenant->first = entry->next;
	if (entry->next)
		entry->next->prev = entry->prev;
	else
		tenant->last = entry->prev;
	entry->tenant = NULL;
	queue->stats.waiting--;
	if (--tenant->waiting == 0)
		tenant_remove(queue, tenant);
}

static void slot_give(struct queue *queue, struct queue_entry *entry, uint64_t now_us)
{
	entry->began_us = now_us;
	entry->prev = NULL;
	entry->next = queue->running;
	if (queue->running)
		queue->running->prev = entry;
	queue->running = entry;
	queue->stats.running++;
}

static void slot_take(struct queue *queue, struct queue_entry *entry, uint64_t now_us)
{
	uint64_t took = now_us > entry->began_us ? now_us - entry->began_us : 0;
	uint64_t average = queue->stats.run_us;

	if (entry->prev)
		entry->prev->next = entry->next;
	else
		queue->running = entry->next;
	if (entry->next)
		entry->next->prev = entry->prev;
	queue->stats.running--;
	/* Never back to 0, which says that nothing is known. */
	average = average == 0 ? took : average - average / 8 + took / 8;
	queue->stats.run_us = average ? average : 1;
}

static int refuse(struct queue *queue, struct err *err)
{
	queue->stats.refused++;
	if (queue->draining)
		err_refuse(err, ERR_BUSY, "draining", NULL,
			   "this node is shutting down and takes no new runs");
	else
		err_refuse(err, ERR_BUSY, "queue_full", NULL,
			   "%u %s running and %u waiting, which is all this node holds", queue->stats.running,
			   plural(queue->stats.running, "run is", "runs are"), queue->stats.waiting);
	if (err)
		err->code = -EBUSY;
	return -EBUSY;
}

/* The entry that makes way for a newcomer of `tenant` (NULL: one without waiting entries), or NULL. */
static struct queue_entry *push_out_candidate(const struct queue *queue, const struct queue_tenant *tenant)
{
	struct queue_tenant *greediest = queue->turn;

	if (!greediest)
		return NULL;
	for (struct queue_tenant *t = queue->turn->next; t != queue->turn; t = t->next) {
		if (t->waiting > greediest->waiting)
			greediest = t;
	}
	return greediest->waiting >= (tenant ? tenant->waiting : 0) + 2 ? greediest->last : NULL;
}

static int entry_wait(struct queue *queue, const char *tenant_name, struct queue_entry *entry,
		      struct err *err)
{
	struct queue_tenant *tenant = tenant_find(queue, tenant_name);
	struct queue_entry *pushed = NULL;

	if (queue->stats.waiting >= queue->waiting_max) {
		pushed = push_out_candidate(queue, tenant);
		if (!pushed)
			return refuse(queue, err);
	}
	if (!tenant)
		tenant = tenant_add(queue, tenant_name);
	if (!tenant)
		return err_set(err, -ENOMEM, "wait in the queue");
	waiting_add(queue, tenant, entry);
	queue->stats.admitted++;
	if (pushed) {
		waiting_remove(queue, pushed);
		queue->stats.pushed_out++;
		pushed->turn(pushed->user, QUEUE_TURN_PUSHED_OUT);
		free(pushed);
	}
	return 0;
}

void queue_refuse_pushed_out(struct err *err)
{
	err_refuse(err, ERR_BUSY, "queue_full", NULL,
		   "the queue is full, and others who had fewer runs waiting came before this one");
}

int queue_enter(struct queue *queue, const char *tenant, uint64_t now_us, queue_turn_fn turn, void *user,
		struct queue_entry **ret, struct err *err)
{
	AUTO_FREE struct queue_entry *entry = NULL;
	int r;

	if (queue->draining)
		return refuse(queue, err);
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return err_set(err, -ENOMEM, "enter the queue");
	entry->turn = turn;
	entry->user = user;

	/* While slots are being handed out, those who wait come before newcomers. */
	if (queue->stats.running < queue->parallel && queue->stats.waiting == 0) {
		slot_give(queue, entry, now_us);
		queue->stats.admitted++;
		*ret = TAKE_PTR(entry);
		return 1;
	}

	r = entry_wait(queue, tenant, entry, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(entry);
	return 0;
}

/*
 * Hands out free slots. A callback may leave at once (its run did not start), which comes here again: the outer
 * call goes on, the inner one does nothing, so that a thousand failing entries are a loop and not a thousand
 * stack frames.
 */
static void dispatch(struct queue *queue, uint64_t now_us)
{
	if (queue->dispatching)
		return;
	queue->dispatching = true;
	while (queue->turn && queue->stats.running < queue->parallel) {
		struct queue_tenant *tenant = queue->turn;
		struct queue_entry *entry = tenant->first;

		queue->turn = tenant->next;
		waiting_remove(queue, entry);
		slot_give(queue, entry, now_us);
		entry->turn(entry->user, QUEUE_TURN_RUN);
	}
	queue->dispatching = false;
}

void queue_leave(struct queue *queue, struct queue_entry *entry, uint64_t now_us)
{
	if (!entry)
		return;
	if (entry->tenant)
		waiting_remove(queue, entry);
	else
		slot_take(queue, entry, now_us);
	free(entry);
	dispatch(queue, now_us);
}

/* Counts by rounds: before the entry at place n of its tenant come up to n of every other tenant. */
unsigned queue_position(const struct queue *queue, const struct queue_entry *entry)
{
	const struct queue_tenant *own = entry->tenant;
	unsigned place = 0, before = 0;
	bool passed = false;

	if (!own)
		return 0;
	for (const struct queue_entry *e = own->first; e != entry; e = e->next)
		place++;
	before = place;
	for (const struct queue_tenant *t = queue->turn;;) {
		unsigned rounds = passed ? place : place + 1;

		if (t == own)
			passed = true;
		else
			before += t->waiting < rounds ? t->waiting : rounds;
		t = t->next;
		if (t == queue->turn)
			break;
	}
	return before + 1;
}

void queue_drain(struct queue *queue)
{
	queue->draining = true;
}

bool queue_is_draining(const struct queue *queue)
{
	return queue->draining;
}

unsigned queue_retry_after_s(const struct queue *queue)
{
	uint64_t ahead = (uint64_t)queue->stats.waiting + 1;
	uint64_t us = queue->stats.run_us * ahead / queue->parallel;
	uint64_t s = (us + 999999) / 1000000;

	return s < 1 ? 1 : s > 60 ? 60 : (unsigned)s;
}

struct queue_stats queue_stats(const struct queue *queue)
{
	return queue->stats;
}

void queue_destroy(struct queue *queue)
{
	if (!queue)
		return;
	while (queue->turn) {
		struct queue_entry *entry = queue->turn->first;

		waiting_remove(queue, entry);
		free(entry);
	}
	while (queue->running) {
		struct queue_entry *entry = queue->running;

		queue->running = entry->next;
		free(entry);
	}
	free(queue);
}
