/*
 * How it works: the pool's vtable is the inner engine's with another sandbox_create, so that what happens in a sandbox
 * costs nothing more. A waiting sandbox is an `item`, which gets its events; sandbox_adopt() gives it and its further
 * events to the run that takes it, and the item is freed.
 *
 * Making competes with running for the processors and for the keeper. So a shelf that still has stock is filled a
 * moment later, when the answer is out; one that has run low at once. At most MAKING_MAX are made at a time.
 */
#include "pool/pool.h"

#include "base/cleanup.h"
#include "pool/demand.h"
#include "pool/ready.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHELVES_MAX    256
#define MAKING_MAX     2
#define TICK_MS	       200
#define LATER_MS       2
#define PUT_OFF_MAX    25
#define BACKOFF_US     500000u
#define BACKOFF_MAX_US 60000000u
#define COLD_BYTES                                                                                           \
	(1024u * 1024) /* reckoned of an idle sandbox: its init, and what the kernel holds for it */
#define RUNTIME_BYTES (64u * 1024 * 1024) /* reckoned of a runtime where no cgroup tells */

struct pool;

struct item {
	struct item *next, **link; /* on its shelf, newest first */
	struct shelf *shelf;
	struct engine_sandbox *sb;
	bool ready;
	uint64_t asked_us;
	uint64_t memory_bytes;
};

struct shelf {
	struct shelf *next;
	struct pool *pool;
	char *image;
	bool loopback, fostered;
	struct engine_identity identity;
	const struct engine_warm *warm;
	struct limits limits; /* of the last run: the next one's are most likely the same */
	struct item *items;
	unsigned ready, making;
	uint64_t memory_bytes; /* of one, as last seen */
	struct demand demand;
	uint64_t taken, missed;
	uint64_t backoff_us, retry_us; /* making failed: not before */
};

struct pool {
	struct engine base;
	struct engine_vtable vtable;
	struct engine *inner;
	struct pool_options options;
	uv_loop_t *loop;
	uv_timer_t tick, later;
	unsigned handles;
	struct shelf *shelves;
	size_t shelves_count;
	struct ready_stock members; /* of sessions */
	unsigned put_off;	    /* how often the filling that is due was */
	unsigned held, making;	    /* items, and those of them that are not ready */
	uint64_t memory_bytes;
};

static void refill(struct pool *pool);

/* All sandboxes that are the pool's own affair. */
static size_t held(const struct pool *pool)
{
	return pool->held + pool->members.held;
}

static uint64_t now_us(void)
{
	return uv_hrtime() / 1000;
}

/* ---- items ---- */

/* Off its shelf; the sandbox is no longer the item's business. */
static void item_remove(struct item *item)
{
	struct shelf *shelf = item->shelf;
	struct pool *pool = shelf->pool;

	*item->link = item->next;
	if (item->next)
		item->next->link = item->link;
	shelf->ready -= item->ready;
	shelf->making -= !item->ready;
	pool->making -= !item->ready;
	pool->held--;
	pool->memory_bytes -= item->memory_bytes;
	free(item);
}

static void item_destroy(struct item *item)
{
	struct engine *inner = item->shelf->pool->inner;

	inner->v->sandbox_destroy(item->sb);
	item_remove(item);
}

static void item_reckon(struct item *item, uint64_t memory_bytes)
{
	struct pool *pool = item->shelf->pool;

	pool->memory_bytes += memory_bytes - item->memory_bytes;
	item->memory_bytes = memory_bytes;
}

static void shelf_back_off(struct shelf *shelf)
{
	shelf->backoff_us = shelf->backoff_us ? shelf->backoff_us * 2 : BACKOFF_US;
	if (shelf->backoff_us > BACKOFF_MAX_US)
		shelf->backoff_us = BACKOFF_MAX_US;
	shelf->retry_us = now_us() + shelf->backoff_us;
}

/* A runtime that did not boot will not boot the next time either; the sandbox itself is as good as any. */
static void on_ready(void *user)
{
	struct item *item = user;
	struct shelf *shelf = item->shelf;
	struct pool *pool = shelf->pool;
	struct engine_idle idle = { 0 };

	item->ready = true;
	shelf->ready++;
	shelf->making--;
	pool->making--;
	pool->inner->v->sandbox_idle(item->sb, &idle);
	demand_made(&shelf->demand, now_us() - item->asked_us);
	shelf->memory_bytes = COLD_BYTES + (idle.memory_bytes ?: idle.hot ? RUNTIME_BYTES : 0);
	item_reckon(item, shelf->memory_bytes);
	if (shelf->warm && !idle.hot)
		shelf_back_off(shelf);
	else
		shelf->backoff_us = 0;
	refill(pool);
}

static void on_failed(void *user, const struct err *err)
{
	struct item *item = user;
	struct shelf *shelf = item->shelf;

	if (!item->ready)
		shelf_back_off(shelf);
	item_destroy(item);
	refill(shelf->pool);
}

/* Nothing but these comes of a sandbox that is asked for nothing. */
static const struct engine_events item_events = { .ready = on_ready, .failed = on_failed };

static int item_make(struct shelf *shelf)
{
	struct pool *pool = shelf->pool;
	const struct engine_sandbox_spec spec = {
		.image = shelf->image,
		.limits = shelf->limits,
		.loopback = shelf->loopback,
		.identity = shelf->identity,
		.waits = true,
		.warm = shelf->warm,
	};
	struct item *item = calloc(1, sizeof(*item));
	struct err err = ERR_INIT;
	int r;

	if (!item)
		return -ENOMEM;
	item->shelf = shelf;
	item->asked_us = now_us();
	r = pool->inner->v->sandbox_create(pool->inner, &spec, &item_events, item, &item->sb, &err);
	if (r < 0) {
		free(item);
		return r;
	}
	item->next = shelf->items;
	item->link = &shelf->items;
	if (item->next)
		item->next->link = &item->next;
	shelf->items = item;
	shelf->making++;
	pool->making++;
	pool->held++;
	item_reckon(item, shelf->memory_bytes);
	return 0;
}

/*
 * What the last run asked for, but nothing so low that the making of the next one's sandbox would be slow, or fail:
 * with one group for init and payload (cgroup version 1) it is made under these limits.
 */
static struct limits limits_to_make(const struct limits *asked)
{
	static const struct {
		enum limit_id limit;
		int64_t least;
	} floors[] = { { LIMIT_MEMORY_BYTES, 64 * 1024 * 1024 },
		       { LIMIT_PROCESSES, 16 },
		       { LIMIT_CPU_PERCENT, 100 },
		       { LIMIT_DISK_BYTES, 1024 * 1024 } };
	struct limits limits = *asked;

	for (size_t i = 0; i < ARRAY_LEN(floors); i++) {
		if (limits.value[floors[i].limit] < floors[i].least)
			limits.value[floors[i].limit] = floors[i].least;
	}
	return limits;
}

/* ---- shelves ---- */

static bool same_runtime(const struct engine_warm *a, const struct engine_warm *b)
{
	return a == b || (a && b && strcmp(a->id, b->id) == 0);
}

static struct shelf *shelf_find(struct pool *pool, const struct engine_sandbox_spec *spec,
				const struct engine_warm *warm)
{
	for (struct shelf *shelf = pool->shelves; shelf; shelf = shelf->next) {
		if (shelf->loopback == spec->loopback && shelf->identity.uid == spec->identity.uid &&
		    shelf->identity.gid == spec->identity.gid && same_runtime(shelf->warm, warm) &&
		    strcmp(shelf->image, spec->image) == 0)
			return shelf;
	}
	return NULL;
}

static void shelf_destroy(struct shelf *shelf)
{
	while (shelf->items)
		item_destroy(shelf->items);
	free(shelf->image);
	free(shelf);
}

/* Forgets the kind that was not asked for longest, of those that have nothing in stock. False: each has. */
static bool make_room_for_shelf(struct pool *pool)
{
	struct shelf **idlest = NULL, *gone;

	for (struct shelf **at = &pool->shelves; *at; at = &(*at)->next) {
		if (!(*at)->items && !(*at)->fostered &&
		    (!idlest || (*at)->demand.last_us < (*idlest)->demand.last_us))
			idlest = at;
	}
	if (!idlest)
		return false;
	gone = *idlest;
	*idlest = gone->next;
	pool->shelves_count--;
	shelf_destroy(gone);
	return true;
}

/* NULL: all that there may be are in use, or no memory; then this kind is made when it is asked for. */
static struct shelf *shelf_get(struct pool *pool, const struct engine_sandbox_spec *spec,
			       const struct engine_warm *warm)
{
	struct shelf *shelf = shelf_find(pool, spec, warm);

	if (shelf || (pool->shelves_count == SHELVES_MAX && !make_room_for_shelf(pool)))
		return shelf;
	shelf = calloc(1, sizeof(*shelf));
	if (shelf)
		shelf->image = strdup(spec->image);
	if (!shelf || !shelf->image) {
		free(shelf);
		return NULL;
	}
	shelf->pool = pool;
	shelf->loopback = spec->loopback;
	shelf->identity = spec->identity;
	shelf->warm = warm;
	shelf->memory_bytes = COLD_BYTES + (warm ? RUNTIME_BYTES : 0);
	shelf->next = pool->shelves;
	pool->shelves = shelf;
	pool->shelves_count++;
	return shelf;
}

static struct item *shelf_first_ready(const struct shelf *shelf)
{
	struct item *item = shelf->ready ? shelf->items : NULL;

	while (item && !item->ready)
		item = item->next;
	return item;
}

/* The one that waits longest. */
static struct item *shelf_last_ready(const struct shelf *shelf)
{
	struct item *found = NULL;

	for (struct item *item = shelf->items; item; item = item->next)
		found = item->ready ? item : found;
	return found;
}

static unsigned shelf_target(const struct shelf *shelf, uint64_t at_us)
{
	const struct pool_options *options = &shelf->pool->options;
	unsigned target = demand_target(&shelf->demand, at_us, options->idle_us), most = options->max;

	if (shelf->fostered && target < options->min)
		target = options->min;
	if (shelf->warm && shelf->warm->most && shelf->warm->most < most)
		most = shelf->warm->most;
	return target < most ? target : most;
}

/* Over its budget the pool gives up what was not asked for longest, for the sake of what is asked for now. */
static bool make_room(struct pool *pool, const struct shelf *wanted)
{
	while (pool->held >= pool->options.total ||
	       pool->memory_bytes + wanted->memory_bytes > pool->options.memory_bytes) {
		struct shelf *idlest = NULL;

		for (struct shelf *shelf = pool->shelves; shelf; shelf = shelf->next) {
			if (shelf != wanted && shelf->ready &&
			    shelf->demand.last_us < wanted->demand.last_us &&
			    (!idlest || shelf->demand.last_us < idlest->demand.last_us))
				idlest = shelf;
		}
		if (!idlest)
			return false;
		item_destroy(shelf_last_ready(idlest));
	}
	return true;
}

/* ---- stock ---- */

/* The shelf that is furthest from what it should hold. */
static struct shelf *neediest(struct pool *pool, uint64_t at_us)
{
	struct shelf *found = NULL;
	double worst = 1;

	for (struct shelf *shelf = pool->shelves; shelf; shelf = shelf->next) {
		unsigned target = shelf_target(shelf, at_us), have = shelf->ready + shelf->making;
		double filled = target ? (double)have / target : 1;

		if (have < target && filled < worst && at_us >= shelf->retry_us) {
			found = shelf;
			worst = filled;
		}
	}
	return found;
}

static void refill(struct pool *pool)
{
	uint64_t at_us = now_us();
	struct shelf *shelf;

	while (pool->making < MAKING_MAX && (shelf = neediest(pool, at_us))) {
		if (!make_room(pool, shelf))
			shelf->retry_us = at_us + BACKOFF_US;
		else if (item_make(shelf) < 0)
			shelf_back_off(shelf);
	}
}

/* While runs are under way the processors are theirs, for a while. */
static void on_later(uv_timer_t *timer)
{
	struct pool *pool = timer->data;

	if (pool->put_off < PUT_OFF_MAX && pool->inner->v->sandbox_count(pool->inner) > held(pool)) {
		pool->put_off++;
		uv_timer_start(timer, on_later, LATER_MS, 0);
		return;
	}
	pool->put_off = 0;
	refill(pool);
	ready_fill(&pool->members);
}

static void fill_later(struct pool *pool)
{
	if (!uv_is_active((uv_handle_t *)&pool->later))
		uv_timer_start(&pool->later, on_later, LATER_MS, 0);
}

/* One at a time: what a burst has left is needed again if another one comes. */
static void shelf_shrink(struct shelf *shelf, uint64_t at_us)
{
	unsigned target = shelf_target(shelf, at_us);

	if (shelf->ready > target && shelf->ready + shelf->making > target)
		item_destroy(shelf_last_ready(shelf));
}

static void on_tick(uv_timer_t *timer)
{
	struct pool *pool = timer->data;
	uint64_t at_us = now_us();

	for (struct shelf *shelf = pool->shelves; shelf; shelf = shelf->next) {
		demand_tick(&shelf->demand, at_us);
		shelf_shrink(shelf, at_us);
	}
	ready_expire(&pool->members, at_us > pool->options.idle_us ? at_us - pool->options.idle_us : 0,
		     at_us);
	ready_fill(&pool->members);
	refill(pool);
}

static void refill_soon(struct pool *pool, const struct shelf *shelf)
{
	if (shelf && shelf->ready * 2 < shelf_target(shelf, now_us()))
		refill(pool);
	else
		fill_later(pool);
}

/* ---- the engine ---- */

static struct pool *of(struct engine *engine)
{
	return (struct pool *)engine;
}

/*
 * From the shelf of just this kind, else without the runtime; NULL when both are empty. What is demanded is what was
 * asked for: a runtime that is missing today is to be there tomorrow.
 */
static struct item *take(struct pool *pool, const struct engine_sandbox_spec *spec, struct shelf **ret_shelf)
{
	const struct engine_warm *warm = pool->options.hot ? spec->warm : NULL;
	struct shelf *shelf = shelf_get(pool, spec, warm), *plain;
	struct item *item;

	*ret_shelf = shelf;
	if (!shelf)
		return NULL;
	shelf->limits = limits_to_make(&spec->limits);
	demand_arrival(&shelf->demand, now_us());
	item = shelf_first_ready(shelf);
	shelf->taken += item != NULL;
	shelf->missed += item == NULL;
	if (item || !warm)
		return item;
	plain = shelf_find(pool, spec, NULL);
	return plain ? shelf_first_ready(plain) : NULL;
}

/* A run of a user of a session takes what waits for him; other members are made when they are asked for. */
static int member_create(struct pool *pool, const struct engine_sandbox_spec *spec,
			 const struct engine_events *events, void *user, struct engine_sandbox **ret,
			 struct err *err)
{
	struct engine_sandbox *sb = NULL;
	bool low = false;
	int r = 0;

	if (spec->member == ENGINE_MEMBER_RUN && !spec->waits) {
		sb = ready_take(&pool->members, spec, now_us());
		low = pool->members.low;
		fill_later(pool);
	}
	*ret = sb;
	if (sb)
		pool->inner->v->sandbox_adopt(sb, spec, events, user);
	else
		r = pool->inner->v->sandbox_create(pool->inner, spec, events, user, ret, err);
	/* The one that is waited for is made first. */
	if (low)
		ready_fill(&pool->members);
	return r;
}

static int pool_sandbox_create(struct engine *engine, const struct engine_sandbox_spec *spec,
			       const struct engine_events *events, void *user, struct engine_sandbox **ret,
			       struct err *err)
{
	struct pool *pool = of(engine);
	struct engine_sandbox_spec cold = *spec;
	struct shelf *shelf;
	struct item *item;
	int r = 0;

	if (spec->session)
		return member_create(pool, spec, events, user, ret, err);
	/* Terminals are few, and whoever sits before one does not see a millisecond. */
	if (spec->tty)
		return pool->inner->v->sandbox_create(pool->inner, spec, events, user, ret, err);
	item = take(pool, spec, &shelf);
	if (item) {
		*ret = item->sb;
		pool->inner->v->sandbox_adopt(item->sb, spec, events, user);
		item_remove(item);
	} else {
		cold.warm = NULL; /* nobody waits for a runtime to boot that he could start himself */
		r = pool->inner->v->sandbox_create(pool->inner, &cold, events, user, ret, err);
	}
	refill_soon(pool, shelf);
	return r;
}

static const char *pool_image_find(struct engine *engine, const char *name)
{
	return of(engine)->inner->v->image_find(of(engine)->inner, name);
}

static const char *pool_image_digest_name(struct engine *engine, const char *name)
{
	return of(engine)->inner->v->image_digest_name(of(engine)->inner, name);
}

static const char *const *pool_unenforced(struct engine *engine)
{
	return of(engine)->inner->v->unenforced(of(engine)->inner);
}

static bool pool_healthy(struct engine *engine, char *why, size_t size)
{
	return of(engine)->inner->v->healthy(of(engine)->inner, why, size);
}

/* Of runs: those that wait are the pool's own affair. */
static size_t pool_sandbox_count(struct engine *engine)
{
	return of(engine)->inner->v->sandbox_count(of(engine)->inner) - held(of(engine));
}

static int pool_session_open(struct engine *engine, const struct engine_session_spec *spec,
			     const struct engine_session_events *events, void *user,
			     struct engine_session **ret, struct err *err)
{
	int r = of(engine)->inner->v->session_open(of(engine)->inner, spec, events, user, ret, err);

	if (r == 0)
		(*ret)->engine = engine;
	return r;
}

static bool pool_session_found(struct engine *engine, size_t index, struct engine_session_record *ret)
{
	return of(engine)->inner->v->session_found(of(engine)->inner, index, ret);
}

static int pool_session_take(struct engine *engine, const uint8_t id[ENGINE_SESSION_ID_SIZE],
			     const struct engine_session_events *events, void *user,
			     struct engine_session **ret, struct err *err)
{
	int r = of(engine)->inner->v->session_take(of(engine)->inner, id, events, user, ret, err);

	if (r == 0)
		(*ret)->engine = engine;
	return r;
}

static void pool_session_finish(struct engine_session *session)
{
	struct pool *pool = of(session->engine);

	ready_drop(&pool->members, session);
	pool->inner->v->session_finish(session);
}

static void pool_session_destroy(struct engine_session *session)
{
	struct pool *pool;

	if (!session)
		return;
	pool = of(session->engine);
	ready_drop(&pool->members, session);
	pool->inner->v->session_destroy(session);
}

static void on_closed(uv_handle_t *handle)
{
	struct pool *pool = handle->data;

	pool->handles--;
}

static void pool_destroy(struct engine *engine)
{
	struct pool *pool = of(engine);

	if (!pool)
		return;
	while (pool->shelves) {
		struct shelf *next = pool->shelves->next;

		shelf_destroy(pool->shelves);
		pool->shelves = next;
	}
	ready_clear(&pool->members);
	uv_close((uv_handle_t *)&pool->tick, on_closed);
	uv_close((uv_handle_t *)&pool->later, on_closed);
	while (pool->handles)
		uv_run(pool->loop, UV_RUN_ONCE);
	pool->inner->v->destroy(pool->inner);
	free(pool);
}

static void pool_vtable(struct pool *pool)
{
	pool->vtable = *pool->inner->v;
	pool->vtable.sandbox_create = pool_sandbox_create;
	pool->vtable.image_find = pool_image_find;
	pool->vtable.image_digest_name = pool_image_digest_name;
	pool->vtable.unenforced = pool_unenforced;
	pool->vtable.healthy = pool_healthy;
	pool->vtable.sandbox_count = pool_sandbox_count;
	pool->vtable.destroy = pool_destroy;
	if (pool->inner->v->session_open) {
		pool->vtable.session_open = pool_session_open;
		pool->vtable.session_found = pool_session_found;
		pool->vtable.session_take = pool_session_take;
		pool->vtable.session_finish = pool_session_finish;
		pool->vtable.session_destroy = pool_session_destroy;
	}
	pool->base.v = &pool->vtable;
}

static int open_timers(struct pool *pool)
{
	int r = uv_timer_init(pool->loop, &pool->tick);

	if (r < 0)
		return r;
	uv_timer_init(pool->loop, &pool->later);
	pool->tick.data = pool->later.data = pool;
	pool->handles = 2;
	return uv_timer_start(&pool->tick, on_tick, TICK_MS, TICK_MS);
}

int pool_create(uv_loop_t *loop, struct engine *inner, const struct pool_options *options,
		struct engine **ret, struct err *err)
{
	AUTO_FREE struct pool *pool = calloc(1, sizeof(*pool));
	int r;

	if (!pool)
		return err_set(err, -ENOMEM, "the pool");
	pool->inner = inner;
	pool->options = *options;
	pool->loop = loop;
	ready_init(&pool->members, inner);
	pool_vtable(pool);
	r = open_timers(pool);
	if (r < 0)
		return err_set(err, r, "the pool's timers");
	*ret = &TAKE_PTR(pool)->base;
	return 0;
}

void pool_foster(struct engine *engine, const struct engine_sandbox_spec *spec)
{
	struct shelf *shelf = shelf_get(of(engine), spec, spec->warm);

	if (!shelf)
		return;
	shelf->fostered = true;
	shelf->limits = limits_to_make(&spec->limits);
	refill(of(engine));
}

void pool_forget(struct engine *engine, const char *digest)
{
	struct pool *pool = of(engine);
	struct shelf **link = &pool->shelves;

	while (*link) {
		struct shelf *shelf = *link;
		const char *at = strrchr(shelf->image, '@');

		if (at && strcmp(at + 1, digest) == 0) {
			*link = shelf->next;
			pool->shelves_count--;
			shelf_destroy(shelf);
		} else {
			link = &shelf->next;
		}
	}
}

struct pool_totals pool_totals(const struct engine *engine)
{
	const struct pool *pool = (const struct pool *)engine;
	struct pool_totals totals = { .waiting = pool->held - pool->making,
				      .making = pool->making,
				      .memory_bytes = pool->memory_bytes };

	for (const struct shelf *shelf = pool->shelves; shelf; shelf = shelf->next) {
		totals.taken += shelf->taken;
		totals.missed += shelf->missed;
	}
	return totals;
}

size_t pool_inspect(const struct engine *engine, struct pool_shelf_facts *ret, size_t room)
{
	const struct pool *pool = (const struct pool *)engine;
	uint64_t at_us = now_us();
	size_t count = 0;

	for (const struct shelf *shelf = pool->shelves; shelf && count < room; shelf = shelf->next) {
		ret[count++] = (struct pool_shelf_facts){
			.image = shelf->image,
			.runtime = shelf->warm ? shelf->warm->id : NULL,
			.loopback = shelf->loopback,
			.ready = shelf->ready,
			.making = shelf->making,
			.target = shelf_target(shelf, at_us),
			.taken = shelf->taken,
			.missed = shelf->missed,
			.rate = shelf->demand.rate,
			.make_us = (uint64_t)shelf->demand.make_us,
			.memory_bytes = shelf->memory_bytes,
		};
	}
	return count;
}
