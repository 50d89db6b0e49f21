#include "engine/fake/fake.h"
#include "pool/demand.h"
#include "pool/pool.h"
#include "pool/ready.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000ull
#define MIB    (1024ull * 1024)

/* ---- demand ---- */

static void nothing_is_held_of_what_was_never_asked_for(void **state)
{
	struct demand demand = { 0 };

	demand_tick(&demand, SECOND);
	assert_int_equal(demand_target(&demand, 2 * SECOND, 600 * SECOND), 0);
}

static void one_arrival_asks_for_two(void **state)
{
	struct demand demand = { 0 };

	demand_arrival(&demand, SECOND);
	assert_int_equal(demand_target(&demand, SECOND, 600 * SECOND), 2);
}

static void a_burst_is_met_while_it_lasts_and_remembered(void **state)
{
	struct demand demand = { 0 };

	for (int i = 0; i < 30; i++)
		demand_arrival(&demand, SECOND + (uint64_t)i * 1000);
	assert_int_equal(demand_target(&demand, SECOND + 30000, 600 * SECOND), 31);
	demand_tick(&demand, 2 * SECOND);
	assert_true(demand_target(&demand, 2 * SECOND, 600 * SECOND) >= 30);
	demand_tick(&demand, 62 * SECOND);
	assert_in_range(demand_target(&demand, 62 * SECOND, 600 * SECOND), 15, 18);
	demand_tick(&demand, 600 * SECOND);
	assert_in_range(demand_target(&demand, 600 * SECOND, 3600 * SECOND), 1, 2);
}

static void a_shelf_that_nobody_asks_is_emptied(void **state)
{
	struct demand demand = { 0 };

	demand_arrival(&demand, SECOND);
	demand_tick(&demand, 601 * SECOND);
	assert_true(demand_target(&demand, 601 * SECOND, 600 * SECOND) > 0);
	assert_int_equal(demand_target(&demand, 602 * SECOND, 600 * SECOND), 0);
}

/* Little's law: a hundred a second that take 50 ms each are five under way. */
static void a_steady_rate_holds_what_is_under_way_with_a_margin(void **state)
{
	struct demand demand = { 0 };

	for (int i = 0; i < 10; i++)
		demand_made(&demand, 50000);
	for (uint64_t i = 0; i < 6000; i++)
		demand_arrival(&demand, SECOND + i * 10000);
	assert_true(demand.rate > 95 && demand.rate < 105);
	assert_in_range(demand_target(&demand, 61 * SECOND, 600 * SECOND), 15, 25);
}

static void making_that_became_slow_raises_the_target(void **state)
{
	struct demand demand = { 0 };
	unsigned before;

	for (uint64_t i = 0; i < 600; i++)
		demand_arrival(&demand, SECOND + i * 100000);
	demand_made(&demand, 5000);
	before = demand_target(&demand, 61 * SECOND, 600 * SECOND);
	for (int i = 0; i < 50; i++)
		demand_made(&demand, 2 * SECOND);
	assert_true(demand_target(&demand, 61 * SECOND, 600 * SECOND) > before + 20);
}

/* ---- pool ---- */

struct fixture {
	uv_loop_t loop;
	struct engine *fake, *pool;
};

struct guest {
	struct engine_sandbox *sb;
	int ready, failed;
};

static void on_ready(void *user)
{
	((struct guest *)user)->ready++;
}

static void on_failed(void *user, const struct err *err)
{
	((struct guest *)user)->failed++;
}

static const struct engine_events guest_events = { .ready = on_ready, .failed = on_failed };
static const struct pool_options roomy = {
	.min = 2, .max = 8, .total = 100, .memory_bytes = 1024 * MIB, .idle_us = 600 * SECOND, .hot = true
};
static const struct engine_warm python = { .id = "python", .limits.value[LIMIT_DISK_BYTES] = 1 << 20 };

static void open_pool(struct fixture *f, const struct pool_options *options, bool warm_fails)
{
	static const char *const images[] = { "host", "other", NULL };
	const struct fake_options fake = { .images = images, .warm_fails = warm_fails };

	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(engine_fake_create(&f->loop, &fake, &f->fake, NULL), 0);
	assert_int_equal(pool_create(&f->loop, f->fake, options, &f->pool, NULL), 0);
}

static void close_pool(struct fixture *f)
{
	f->pool->v->destroy(f->pool);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
}

/* Lets the loop run for some milliseconds. */
static void on_time(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, NULL);
	uv_stop(timer->loop);
}

static void run_for(struct fixture *f, uint64_t ms)
{
	uv_timer_t timer;

	uv_timer_init(&f->loop, &timer);
	uv_timer_start(&timer, on_time, ms, 0);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	uv_run(&f->loop, UV_RUN_NOWAIT);
}

/* Until the engine below has made so many, and they are ready; a slow machine may take long for it. */
static void run_until_created(struct fixture *f, uint64_t count)
{
	for (int i = 0; i < 1000 && engine_fake_counts(f->fake).created < count; i++)
		run_for(f, 10);
	run_for(f, 20);
}

static struct engine_sandbox_spec spec_of(const char *image, const struct engine_warm *warm)
{
	struct engine_sandbox_spec spec = { .image = image, .warm = warm };

	spec.limits.value[LIMIT_DISK_BYTES] = 1 << 20;
	return spec;
}

static void take(struct fixture *f, const struct engine_sandbox_spec *spec, struct guest *guest)
{
	*guest = (struct guest){ 0 };
	assert_int_equal(f->pool->v->sandbox_create(f->pool, spec, &guest_events, guest, &guest->sb, NULL),
			 0);
}

static void give_back(struct fixture *f, struct guest *guest)
{
	f->pool->v->sandbox_destroy(guest->sb);
}

static struct pool_shelf_facts only_shelf(struct fixture *f)
{
	struct pool_shelf_facts facts[4];

	assert_int_equal(pool_inspect(f->pool, facts, 4), 1);
	return facts[0];
}

static void a_fostered_shelf_is_stocked_before_anybody_asks(void **state)
{
	struct engine_sandbox_spec spec = spec_of("host", NULL);
	struct fixture f;

	open_pool(&f, &roomy, false);
	pool_foster(f.pool, &spec);
	run_for(&f, 20);
	assert_int_equal(only_shelf(&f).ready, 2);
	assert_int_equal(engine_fake_counts(f.fake).created, 2);
	assert_int_equal(f.pool->v->sandbox_count(f.pool), 0);
	close_pool(&f);
}

static void a_run_takes_one_of_the_stock_and_another_is_made(void **state)
{
	struct engine_sandbox_spec spec = spec_of("host", NULL);
	struct fixture f;
	struct guest guest;

	open_pool(&f, &roomy, false);
	pool_foster(f.pool, &spec);
	run_for(&f, 20);
	take(&f, &spec, &guest);
	assert_int_equal(guest.ready, 0); /* no event from inside a call */
	run_until_created(&f, 3);
	assert_int_equal(guest.ready, 1);
	assert_int_equal(engine_fake_counts(f.fake).adopted, 1);
	assert_int_equal(engine_fake_counts(f.fake).created, 3);
	assert_int_equal(only_shelf(&f).taken, 1);
	assert_int_equal(only_shelf(&f).ready, 2);
	assert_int_equal(f.pool->v->sandbox_count(f.pool), 1);
	give_back(&f, &guest);
	run_for(&f, 120);
	assert_in_range(only_shelf(&f).ready, 2, 3); /* never put back */
	close_pool(&f);
}

static void of_a_runtime_that_is_dear_to_boot_no_more_wait_than_its_language_says(void **state)
{
	struct engine_warm dear = { .id = "dear", .limits.value[LIMIT_DISK_BYTES] = 1 << 20, .most = 2 };
	struct engine_sandbox_spec spec = spec_of("host", &dear);
	struct guest guests[5];
	struct fixture f;

	open_pool(&f, &roomy, false);
	for (size_t i = 0; i < 5; i++)
		take(&f, &spec, &guests[i]);
	run_until_created(&f, 7);
	run_for(&f, 120);
	assert_int_equal(only_shelf(&f).target, 2);
	assert_int_equal(only_shelf(&f).ready, 2);
	for (size_t i = 0; i < 5; i++)
		give_back(&f, &guests[i]);
	close_pool(&f);
}

static struct limits made_last;
static const struct engine_vtable *real;

static int note_and_create(struct engine *engine, const struct engine_sandbox_spec *spec,
			   const struct engine_events *events, void *user, struct engine_sandbox **ret,
			   struct err *err)
{
	made_last = spec->limits;
	return real->sandbox_create(engine, spec, events, user, ret, err);
}

static void a_run_with_hardly_any_room_does_not_starve_the_stock_of_others(void **state)
{
	struct engine_sandbox_spec spec = spec_of("host", NULL);
	struct engine_vtable noting;
	struct fixture f;
	struct guest guest;

	for (int i = 0; i < LIMIT_COUNT; i++)
		spec.limits.value[i] = limit_table[i].minimum;
	open_pool(&f, &roomy, false);
	real = f.fake->v;
	noting = *real;
	noting.sandbox_create = note_and_create;
	f.fake->v = &noting;
	take(&f, &spec, &guest);
	pool_foster(f.pool, &spec);
	run_for(&f, 20);
	assert_true(made_last.value[LIMIT_CPU_PERCENT] >= 100);
	assert_true(made_last.value[LIMIT_MEMORY_BYTES] >= 64 * 1024 * 1024);
	assert_true(made_last.value[LIMIT_PROCESSES] >= 16);
	give_back(&f, &guest);
	f.fake->v = real;
	close_pool(&f);
}

static void an_empty_shelf_refuses_nobody(void **state)
{
	struct engine_sandbox_spec spec = spec_of("host", NULL);
	struct guest guests[20];
	struct fixture f;

	open_pool(&f, &roomy, false);
	for (int i = 0; i < 20; i++)
		take(&f, &spec, &guests[i]);
	run_for(&f, 100);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(guests[i].ready, 1);
		give_back(&f, &guests[i]);
	}
	assert_int_equal(only_shelf(&f).missed, 20);
	assert_int_equal(only_shelf(&f).ready, 8); /* for the next burst, within `max` */
	close_pool(&f);
}

static void kinds_have_shelves_of_their_own(void **state)
{
	struct engine_sandbox_spec specs[] = { spec_of("host", NULL), spec_of("other", NULL),
					       spec_of("host", &python), spec_of("host", NULL) };
	struct pool_shelf_facts facts[8];
	struct fixture f;
	struct guest guest;

	open_pool(&f, &roomy, false);
	specs[3].loopback = true;
	for (int i = 0; i < 4; i++) {
		take(&f, &specs[i], &guest);
		run_for(&f, 20);
		give_back(&f, &guest);
		run_for(&f, 20);
	}
	assert_int_equal(pool_inspect(f.pool, facts, 8), 4);
	for (int i = 0; i < 4; i++)
		assert_true(facts[i].ready >= 1);
	close_pool(&f);
}

static void without_a_hot_one_a_plain_one_serves(void **state)
{
	struct engine_sandbox_spec plain = spec_of("host", NULL), hot = spec_of("host", &python);
	struct fixture f;
	struct guest guest;

	open_pool(&f, &roomy, false);
	pool_foster(f.pool, &plain);
	run_for(&f, 20);
	take(&f, &hot, &guest);
	run_for(&f, 20);
	assert_int_equal(guest.ready, 1);
	assert_int_equal(engine_fake_counts(f.fake).adopted, 1);
	give_back(&f, &guest);
	run_for(&f, 20);
	take(&f, &hot, &guest); /* by now the runtime is booted */
	run_for(&f, 20);
	assert_int_equal(pool_totals(f.pool).taken, 1);
	give_back(&f, &guest);
	close_pool(&f);
}

static void a_runtime_that_does_not_boot_is_not_tried_without_end(void **state)
{
	struct engine_sandbox_spec hot = spec_of("host", &python);
	struct fixture f;
	struct guest guest;

	open_pool(&f, &roomy, true);
	take(&f, &hot, &guest);
	run_for(&f, 100);
	assert_int_equal(guest.ready, 1);
	assert_in_range(engine_fake_counts(f.fake).created, 2, 3);
	give_back(&f, &guest);
	close_pool(&f);
}

static void a_sandbox_that_dies_in_stock_is_replaced(void **state)
{
	struct engine_sandbox_spec spec = spec_of("host", NULL);
	struct fixture f;

	open_pool(&f, &roomy, false);
	engine_fake_fail(f.fake, FAKE_CREATE_LOST, 1, -EIO);
	pool_foster(f.pool, &spec);
	run_for(&f, 1000);
	assert_int_equal(only_shelf(&f).ready, 2);
	close_pool(&f);
}

static void an_engine_that_makes_nothing_is_asked_with_growing_pauses(void **state)
{
	struct engine_sandbox_spec spec = spec_of("host", NULL);
	struct fixture f;

	open_pool(&f, &roomy, false);
	engine_fake_fail(f.fake, FAKE_CREATE_REFUSED, 1000000, -EAGAIN);
	pool_foster(f.pool, &spec);
	run_for(&f, 1200);
	assert_in_range(engine_fake_counts(f.fake).created, 1, 4);
	assert_int_equal(only_shelf(&f).ready, 0);
	close_pool(&f);
}

static void the_memory_budget_goes_to_what_is_asked_for_now(void **state)
{
	struct pool_options tight = roomy;
	struct engine_sandbox_spec old = spec_of("host", NULL), now = spec_of("other", NULL);
	struct pool_shelf_facts facts[2];
	struct fixture f;
	struct guest guest;

	tight.memory_bytes = 2 * MIB;
	open_pool(&f, &tight, false);
	take(&f, &old, &guest);
	run_for(&f, 20);
	give_back(&f, &guest);
	assert_int_equal(pool_totals(f.pool).waiting, 2);
	take(&f, &now, &guest);
	run_for(&f, 20);
	give_back(&f, &guest);
	assert_int_equal(pool_totals(f.pool).waiting, 2);
	assert_true(pool_totals(f.pool).memory_bytes <= 2 * MIB);
	assert_int_equal(pool_inspect(f.pool, facts, 2), 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(facts[i].ready, strcmp(facts[i].image, "other") == 0 ? 2 : 0);
	close_pool(&f);
}

/* As many kinds as a pool may know, each asked for once and then forgotten but by the pool. */
static void a_kind_is_stocked_however_many_there_were_before(void **state)
{
	enum { KINDS = 256 };
	static struct engine_warm kinds[KINDS + 1];
	static char ids[KINDS + 1][16];
	struct pool_options brief = roomy;
	struct pool_shelf_facts facts[KINDS + 1];
	struct fixture f;
	struct guest guest;

	brief.idle_us = 1;
	open_pool(&f, &brief, false);
	for (int i = 0; i <= KINDS; i++) {
		struct engine_sandbox_spec spec = spec_of("host", &kinds[i]);

		snprintf(ids[i], sizeof(ids[i]), "kind %d", i);
		kinds[i].id = ids[i];
		kinds[i].limits.value[LIMIT_DISK_BYTES] = 1 << 20;
		if (i == KINDS) {
			run_for(&f, 1500); /* they shrink to nothing */
			pool_foster(f.pool, &spec);
		}
		take(&f, &spec, &guest);
		run_for(&f, 1);
		give_back(&f, &guest);
	}
	run_for(&f, 20);
	assert_int_equal(pool_inspect(f.pool, facts, KINDS + 1), KINDS);
	assert_string_equal(facts[0].runtime, ids[KINDS]);
	assert_int_equal(facts[0].ready, 2);
	close_pool(&f);
}

static void what_nobody_asks_for_shrinks_to_nothing(void **state)
{
	struct pool_options brief = roomy;
	struct engine_sandbox_spec spec = spec_of("host", NULL);
	struct fixture f;
	struct guest guest;

	brief.idle_us = 300000;
	open_pool(&f, &brief, false);
	take(&f, &spec, &guest);
	run_for(&f, 20);
	give_back(&f, &guest);
	assert_true(only_shelf(&f).ready > 0);
	run_for(&f, 1500);
	assert_int_equal(only_shelf(&f).ready, 0);
	assert_int_equal(only_shelf(&f).making, 0);
	assert_int_equal(pool_totals(f.pool).memory_bytes, 0);
	close_pool(&f);
}

/* ---- members of sessions ---- */

static void on_session(void *user)
{
}

static void on_session_ended(void *user, enum engine_session_end why, const struct err *err)
{
}

static const struct engine_session_events session_events = { .opened = on_session,
							     .ended = on_session_ended };

static struct engine_session *open_session(struct fixture *f, const char *id)
{
	struct engine_session_spec spec = { .disk_bytes = 1 << 20, .ttl_ms = 1000 };
	struct engine_session *session;

	snprintf((char *)spec.id, sizeof(spec.id), "%s", id);
	assert_int_equal(f->pool->v->session_open(f->pool, &spec, &session_events, NULL, &session, NULL), 0);
	run_for(f, 5);
	return session;
}

static struct engine_sandbox_spec run_of(struct engine_session *session, uint32_t number, const char *name)
{
	struct engine_sandbox_spec spec = spec_of("host", NULL);

	spec.session = session;
	spec.user.number = number;
	snprintf(spec.user.name, sizeof(spec.user.name), "%s", name);
	return spec;
}

static void a_user_who_comes_again_is_awaited_and_nobody_else(void **state)
{
	struct engine_sandbox_spec lion, bear;
	struct engine_session *session;
	struct fixture f;
	struct guest guest;

	open_pool(&f, &roomy, false);
	session = open_session(&f, "kata");
	lion = run_of(session, 1, "lion");
	bear = run_of(session, 2, "bear");
	take(&f, &lion, &guest);
	run_for(&f, 200);
	give_back(&f, &guest);
	assert_int_equal(engine_fake_counts(f.fake).created, 2);
	assert_int_equal(engine_fake_counts(f.fake).adopted, 0);
	assert_int_equal(f.pool->v->sandbox_count(f.pool), 0);

	take(&f, &bear, &guest);
	run_for(&f, 20);
	give_back(&f, &guest);
	assert_int_equal(engine_fake_counts(f.fake).adopted, 0);
	take(&f, &lion, &guest);
	run_for(&f, 20);
	assert_int_equal(guest.ready, 1);
	assert_int_equal(engine_fake_counts(f.fake).adopted, 1);
	give_back(&f, &guest);
	f.pool->v->session_destroy(session);
	assert_int_equal(f.fake->v->sandbox_count(f.fake), 0);
	close_pool(&f);
}

static void a_user_who_comes_again_and_again_is_awaited_by_several(void **state)
{
	struct engine_sandbox_spec lion;
	struct engine_session *session;
	struct fixture f;
	struct guest guest;

	open_pool(&f, &roomy, false);
	session = open_session(&f, "kata");
	lion = run_of(session, 1, "lion");
	/* The first is made for him and one more for the next time, then two. */
	for (unsigned made = 2; made <= 4; made += 2) {
		take(&f, &lion, &guest);
		run_until_created(&f, made);
		give_back(&f, &guest);
	}
	assert_int_equal(f.fake->v->sandbox_count(f.fake), 2);
	/* Not even a moment between them. */
	for (int i = 0; i < 2; i++) {
		take(&f, &lion, &guest);
		give_back(&f, &guest);
	}
	assert_int_equal(engine_fake_counts(f.fake).adopted, 3);
	run_until_created(&f, 8);
	assert_int_equal(f.fake->v->sandbox_count(f.fake), 4);
	f.pool->v->session_destroy(session);
	close_pool(&f);
}

static void who_is_in_no_hurry_any_more_is_awaited_by_one(void **state)
{
	struct engine_sandbox_spec lion;
	struct engine_session *session;
	struct ready_stock stock;
	struct fixture f;

	open_pool(&f, &roomy, false);
	session = open_session(&f, "kata");
	lion = run_of(session, 1, "lion");
	ready_init(&stock, f.fake);
	for (uint64_t at_us = 1; at_us < 4; at_us++)
		assert_null(ready_take(&stock, &lion, at_us));
	for (int i = 0; i < 3; i++) {
		ready_fill(&stock);
		run_for(&f, 10);
	}
	assert_int_equal(stock.held, 3);
	ready_expire(&stock, 0, 5000000);
	assert_int_equal(stock.held, 3);
	ready_expire(&stock, 0, 20000000);
	assert_int_equal(stock.held, 1);
	assert_int_equal(f.fake->v->sandbox_count(f.fake), 1);
	ready_clear(&stock);
	f.pool->v->session_destroy(session);
	close_pool(&f);
}

static void nothing_waits_in_a_session_that_ends(void **state)
{
	struct engine_sandbox_spec lion;
	struct engine_session *session, *other;
	struct fixture f;
	struct guest guest;

	open_pool(&f, &roomy, false);
	session = open_session(&f, "kata");
	other = open_session(&f, "other");
	lion = run_of(session, 1, "lion");
	take(&f, &lion, &guest);
	run_for(&f, 200);
	give_back(&f, &guest);
	lion.session = other;
	take(&f, &lion, &guest);
	run_for(&f, 200);
	give_back(&f, &guest);
	assert_int_equal(f.fake->v->sandbox_count(f.fake), 2);
	f.pool->v->session_finish(session);
	run_for(&f, 300);
	assert_int_equal(f.fake->v->sandbox_count(f.fake), 1);
	f.pool->v->session_destroy(session);
	f.pool->v->session_destroy(other);
	assert_int_equal(f.fake->v->sandbox_count(f.fake), 0);
	close_pool(&f);
}

static void a_user_who_does_not_come_again_is_not_awaited_for_ever(void **state)
{
	struct pool_options brief = roomy;
	struct engine_sandbox_spec lion;
	struct engine_session *session;
	struct fixture f;
	struct guest guest;

	brief.idle_us = 300000;
	open_pool(&f, &brief, false);
	session = open_session(&f, "kata");
	lion = run_of(session, 1, "lion");
	take(&f, &lion, &guest);
	run_for(&f, 1500);
	give_back(&f, &guest);
	assert_int_equal(f.fake->v->sandbox_count(f.fake), 0);
	f.pool->v->session_destroy(session);
	close_pool(&f);
}

static void a_member_that_dies_waiting_is_not_made_again_before_it_is_asked_for(void **state)
{
	struct engine_sandbox_spec lion;
	struct engine_session *session;
	struct fixture f;
	struct guest guest;

	open_pool(&f, &roomy, false);
	session = open_session(&f, "kata");
	lion = run_of(session, 1, "lion");
	take(&f, &lion, &guest);
	engine_fake_fail(f.fake, FAKE_CREATE_LOST, 1, -EIO);
	run_for(&f, 500);
	give_back(&f, &guest);
	assert_int_equal(engine_fake_counts(f.fake).created, 2);
	assert_int_equal(f.fake->v->sandbox_count(f.fake), 0);
	take(&f, &lion, &guest);
	run_for(&f, 200);
	assert_int_equal(guest.ready, 1);
	give_back(&f, &guest);
	f.pool->v->session_destroy(session);
	close_pool(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_held_of_what_was_never_asked_for),
		cmocka_unit_test(one_arrival_asks_for_two),
		cmocka_unit_test(a_burst_is_met_while_it_lasts_and_remembered),
		cmocka_unit_test(a_shelf_that_nobody_asks_is_emptied),
		cmocka_unit_test(a_steady_rate_holds_what_is_under_way_with_a_margin),
		cmocka_unit_test(making_that_became_slow_raises_the_target),
		cmocka_unit_test(a_fostered_shelf_is_stocked_before_anybody_asks),
		cmocka_unit_test(of_a_runtime_that_is_dear_to_boot_no_more_wait_than_its_language_says),
		cmocka_unit_test(a_run_takes_one_of_the_stock_and_another_is_made),
		cmocka_unit_test(a_run_with_hardly_any_room_does_not_starve_the_stock_of_others),
		cmocka_unit_test(an_empty_shelf_refuses_nobody),
		cmocka_unit_test(kinds_have_shelves_of_their_own),
		cmocka_unit_test(without_a_hot_one_a_plain_one_serves),
		cmocka_unit_test(a_runtime_that_does_not_boot_is_not_tried_without_end),
		cmocka_unit_test(a_sandbox_that_dies_in_stock_is_replaced),
		cmocka_unit_test(an_engine_that_makes_nothing_is_asked_with_growing_pauses),
		cmocka_unit_test(the_memory_budget_goes_to_what_is_asked_for_now),
		cmocka_unit_test(a_kind_is_stocked_however_many_there_were_before),
		cmocka_unit_test(what_nobody_asks_for_shrinks_to_nothing),
		cmocka_unit_test(a_user_who_comes_again_is_awaited_and_nobody_else),
		cmocka_unit_test(a_user_who_comes_again_and_again_is_awaited_by_several),
		cmocka_unit_test(who_is_in_no_hurry_any_more_is_awaited_by_one),
		cmocka_unit_test(nothing_waits_in_a_session_that_ends),
		cmocka_unit_test(a_user_who_does_not_come_again_is_not_awaited_for_ever),
		cmocka_unit_test(a_member_that_dies_waiting_is_not_made_again_before_it_is_asked_for),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
