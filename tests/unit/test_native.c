/*
 * The host's side of the native engine: a sandbox's plain way, the keeper's word, destruction at any time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "native_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* ---- the plain way ---- */

static void a_sandbox_goes_from_ready_to_collected(void **state)
{
	struct guest g;

	guest_uploading(*state, &g);
	assert_true(init_hears(&g, WIRE_SYNC));
	init_say(&g, WIRE_SYNCED, 0, "\0\0\0\0", 5);
	assert_int_equal(g.told[TOLD_UPLOADED], 1);
	assert_int_equal(g.error, 0);
	step_begin(&g);
	keeper_answer(&g, KEEPER_STEP, 0);
	assert_true(init_hears(&g, WIRE_START));
	init_say(&g, WIRE_STARTED, 0, NULL, 0);
	init_say(&g, WIRE_OUTPUT, 1, "out", 3);
	init_say_number(&g, WIRE_STDIN_CREDIT, 10);
	exit_say(&g, &(struct wire_exit){ .status = 3, .stdout_bytes = 3, .cpu_us = 99 });
	assert_int_equal(g.told[TOLD_STEP], 0);
	keeper_answer(&g, KEEPER_STEP_END, 0);
	assert_int_equal(g.told[TOLD_STEP], 1);
	assert_int_equal(g.facts.exit_code, 3);
	assert_int_equal(g.facts.cpu_us, 7); /* the keeper's word against init's */
	assert_int_equal(g.output_bytes, 3);
	assert_int_equal(g.stdin_bytes, 10);
	guest_finish(&g);
}

static void the_keeper_is_asked_to_destroy_what_was_destroyed(void **state)
{
	struct fixture *fx = *state;
	struct keeper_request request;
	struct guest g;

	guest_idle(fx, &g);
	assert_int_equal(fx->engine->v->sandbox_count(fx->engine), 1);
	fx->engine->v->sandbox_destroy(TAKE_PTR(g.sb));
	assert_int_equal(fx->engine->v->sandbox_count(fx->engine), 0);
	settle(fx);
	request = keeper_hear(fx, KEEPER_DESTROY);
	assert_int_equal(request.slot, g.slot);
	assert_int_equal(request.generation, 1);
	guest_finish(&g);
}

struct answer {
	struct fixture *fx;
	int sent_before; /* 1: when the keeper had heard nothing yet */
};

static void on_answer(uv_timer_t *timer)
{
	struct answer *answer = timer->data;

	answer->sent_before = keeper_heard_nothing(answer->fx);
}

/* As the server's connections do it: what is answered in a turn of the loop is sent by a timer in the next. */
static void an_answer_is_sent_before_the_keeper_hears_of_the_end(void **state)
{
	struct fixture *fx = *state;
	struct answer answer = { .fx = fx, .sent_before = -1 };
	uv_timer_t timer = { .data = &answer };
	struct guest g;
	char byte;

	guest_idle(fx, &g);
	assert_int_equal(uv_timer_init(&fx->loop, &timer), 0);
	assert_int_equal(uv_timer_start(&timer, on_answer, 0, 0), 0);
	fx->engine->v->sandbox_destroy(TAKE_PTR(g.sb));
	assert_int_equal(recv(g.init_fd, &byte, 1, MSG_DONTWAIT), -1); /* its socket is open as yet */
	uv_run(&fx->loop, UV_RUN_NOWAIT);
	assert_int_equal(answer.sent_before, 1);
	assert_int_equal(keeper_hear(fx, KEEPER_DESTROY).slot, g.slot);
	uv_run(&fx->loop, UV_RUN_NOWAIT);
	assert_int_equal(recv(g.init_fd, &byte, 1, MSG_DONTWAIT), 0);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&fx->loop, UV_RUN_NOWAIT);
	guest_finish(&g);
}

/* Its place is free for what the keeper is asked for next. */
static void the_keeper_hears_of_the_end_before_it_is_asked_for_another(void **state)
{
	struct fixture *fx = *state;
	struct guest g, next;

	guest_idle(fx, &g);
	fx->engine->v->sandbox_destroy(TAKE_PTR(g.sb));
	guest_create(fx, &next);
	assert_int_equal(keeper_hear(fx, KEEPER_DESTROY).slot, g.slot);
	guest_give(&next, keeper_hear(fx, KEEPER_CREATE).tag);
	guest_finish(&g);
	guest_finish(&next);
}

static void a_sandbox_that_comes_after_its_destruction_is_destroyed_again(void **state)
{
	struct fixture *fx = *state;
	struct guest g;
	uint32_t tag;
	char byte;

	guest_create(fx, &g);
	tag = keeper_hear(fx, KEEPER_CREATE).tag;
	fx->engine->v->sandbox_destroy(TAKE_PTR(g.sb));
	guest_give(&g, tag);
	assert_int_equal(keeper_hear(fx, KEEPER_DESTROY).slot, g.slot);
	assert_int_equal(recv(g.init_fd, &byte, 1, MSG_DONTWAIT), 0); /* its socket is closed */
	guest_finish(&g);
}

static void a_sandbox_that_the_keeper_cannot_make_has_failed(void **state)
{
	struct fixture *fx = *state;
	struct keeper_message message = { .event = KEEPER_REPLY, .error = -ENOSPC, .stage = "mount" };
	struct guest g;

	guest_create(fx, &g);
	message.tag = keeper_hear(fx, KEEPER_CREATE).tag;
	keeper_say(fx, &message, -1);
	settle(fx);
	assert_failed_once(&g);
	assert_int_equal(g.error, -ENOSPC);
	guest_finish(&g);
}

static void a_step_that_the_keeper_refuses_fails_the_sandbox(void **state)
{
	struct guest g;

	guest_preparing(*state, &g);
	keeper_answer(&g, KEEPER_STEP, -EBUSY);
	assert_failed_once(&g);
	assert_int_equal(g.error, -EBUSY);
	guest_finish(&g);
}

/* ---- the keeper's word ---- */

static void an_init_that_died_fails_its_sandbox_unless_exit_had_come(void **state)
{
	struct guest g;

	for (size_t i = 0; i < ARRAY_LEN(reach); i++) {
		if (reach[i] == guest_ending)
			continue;
		reach[i](*state, &g);
		keeper_tell(&g, KEEPER_EVENT_DIED, 0);
		assert_failed_once(&g);
		guest_finish(&g);
	}
}

static void an_end_of_the_sandbox_that_crosses_exit_leaves_what_init_told(void **state)
{
	static const enum keeper_event ends[] = { KEEPER_EVENT_DEADLINE, KEEPER_EVENT_DIED };
	static const struct engine_collect_spec all = { .file_bytes = COLLECT_MAX,
							.total_bytes = COLLECT_MAX,
							.files = 10 };
	struct guest g;

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		guest_ending(*state, &g);
		keeper_tell(&g, ends[i], 0);
		assert_int_equal(g.told[TOLD_STEP], 1);
		assert_int_equal(g.facts.exit_code, 3);
		assert_false(g.facts.signaled);
		assert_int_equal(g.facts.kill, STEP_KILL_NONE);
		assert_int_equal(g.told[TOLD_FAILED], 0);
		/* Its files are gone: that is an error, not an empty folder. */
		g.fx->engine->v->collect(g.sb, &all);
		settle(*state);
		assert_int_equal(g.told[TOLD_COLLECTED], 1);
		assert_int_equal(g.error, -EPIPE);
		guest_finish(&g);
	}
}

/* Runs a step that says what follows. */
static void guest_runs_to_collect(struct fixture *fx, struct guest *g,
				  const struct engine_collect_spec *collects)
{
	static char *const argv[] = { (char *)"true", NULL };
	struct engine_step step = { .argv = argv, .limits = some_limits(), .collects = collects };

	step.limits.value[LIMIT_PROCESSES]++;
	guest_idle(fx, g);
	assert_int_equal(fx->engine->v->step_start(g->sb, &step, NULL), 0);
	keeper_answer(g, KEEPER_STEP, 0);
}

static void guest_ended_early(struct fixture *fx, struct guest *g, const struct engine_collect_spec *collects)
{
	guest_runs_to_collect(fx, g, collects);
	assert_true(init_hears(g, WIRE_COLLECT));
	init_say(g, WIRE_STARTED, 0, NULL, 0);
	exit_say(g, &(struct wire_exit){ .status = 3 });
}

static void a_collection_that_follows_begins_while_the_keeper_counts(void **state)
{
	static const struct engine_collect_spec all = { .file_bytes = COLLECT_MAX,
							.total_bytes = COLLECT_MAX,
							.files = 1 };
	struct guest g;

	guest_ended_early(*state, &g, &all);
	collected_say(&g, 1, 1);
	init_say(&g, WIRE_DATA, 0, "x", 1);
	init_say_number(&g, WIRE_COLLECT_END, 0);
	settle(*state);
	assert_int_equal(g.told[TOLD_STEP] + g.told[TOLD_FILE] + g.told[TOLD_FAILED], 0);
	keeper_answer(&g, KEEPER_STEP_END, 0);
	assert_int_equal(g.told[TOLD_STEP], 1);
	/* Nobody asked yet. */
	assert_int_equal(g.told[TOLD_FILE], 0);
	g.fx->engine->v->collect(g.sb, &all);
	settle(*state);
	assert_int_equal(g.told[TOLD_FILE], 1);
	assert_int_equal(g.told[TOLD_COLLECTED], 1);
	assert_false(init_hears(&g, WIRE_COLLECT));
	guest_finish(&g);
}

/* A frame at the end of `to`. */
static void frame_add(struct buf *to, uint8_t type, const void *payload, size_t len)
{
	uint8_t header[WIRE_HEADER_SIZE];

	wire_header_put(header, type, 0, (uint32_t)len);
	assert_int_equal(buf_append(to, header, sizeof(header)), 0);
	assert_int_equal(buf_append(to, payload, len), 0);
}

/* EXIT and a collection of one file, in one piece. */
static void guest_ends_with_a_file(struct guest *g, size_t size)
{
	static const uint8_t content[32 * 1024];
	const struct wire_collected file = {
		.change = WIRE_CREATED, .size = size, .sent = size, .path = "out"
	};
	AUTO_BUF struct buf all = BUF_INIT(256 * 1024);
	uint8_t payload[128];

	frame_add(&all, WIRE_EXIT, payload,
		  (size_t)wire_exit_encode(&(struct wire_exit){ .status = 3 }, payload, sizeof(payload)));
	frame_add(&all, WIRE_COLLECTED, payload,
		  (size_t)wire_collected_encode(&file, payload, sizeof(payload)));
	for (size_t left = size; left > 0;) {
		size_t len = left < sizeof(content) ? left : sizeof(content);

		frame_add(&all, WIRE_DATA, content, len);
		left -= len;
	}
	memset(payload, 0, 4);
	frame_add(&all, WIRE_COLLECT_END, payload, 4);
	assert_int_equal(send(g->init_fd, all.data, all.len, MSG_NOSIGNAL), all.len);
	settle(g->fx);
}

static void what_comes_in_one_piece_with_the_end_of_its_step_waits_to_be_asked_for(void **state)
{
	static const size_t sizes[] = { 1, 150 * 1024 };
	const struct engine_collect_spec all = { .file_bytes = 256 * 1024,
						 .total_bytes = 256 * 1024,
						 .files = 1 };
	struct guest g;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		guest_runs_to_collect(*state, &g, &all);
		guest_ends_with_a_file(&g, sizes[i]);
		assert_int_equal(g.told[TOLD_STEP] + g.told[TOLD_FILE] + g.told[TOLD_FAILED], 0);
		keeper_answer(&g, KEEPER_STEP_END, 0);
		assert_int_equal(g.told[TOLD_STEP], 1);
		assert_int_equal(g.told[TOLD_FILE], 0);
		g.fx->engine->v->collect(g.sb, &all);
		assert_int_equal(g.told[TOLD_FILE], 0); /* never from inside the call */
		settle(*state);
		assert_int_equal(g.told[TOLD_FILE], 1);
		assert_int_equal(g.told[TOLD_COLLECTED], 1);
		assert_int_equal(g.told[TOLD_FAILED], 0);
		guest_finish(&g);
	}
}

static void what_waits_to_be_asked_for_goes_with_its_sandbox(void **state)
{
	static const struct engine_collect_spec all = { .file_bytes = 1, .total_bytes = 1, .files = 1 };
	struct guest g;

	guest_runs_to_collect(*state, &g, &all);
	guest_ends_with_a_file(&g, 1);
	keeper_answer(&g, KEEPER_STEP_END, 0);
	g.fx->engine->v->collect(g.sb, &all);
	guest_finish(&g);
	assert_int_equal(g.told[TOLD_FILE] + g.told[TOLD_COLLECTED] + g.told[TOLD_FAILED], 0);
}

static void a_collection_of_many_globs_is_asked_for_when_it_is_wanted(void **state)
{
	static char glob[WIRE_FOLLOWS_MAX];
	static char *const globs[] = { glob, NULL };
	const struct engine_collect_spec some = { .globs = globs, .files = 1 };
	struct guest g;

	memset(glob, 'x', sizeof(glob) - 1);
	guest_runs_to_collect(*state, &g, &some);
	assert_false(init_hears(&g, WIRE_COLLECT));
	exit_say(&g, &(struct wire_exit){ .status = 3 });
	keeper_answer(&g, KEEPER_STEP_END, 0);
	g.fx->engine->v->collect(g.sb, &some);
	settle(*state);
	assert_true(init_hears(&g, WIRE_COLLECT));
	init_say_number(&g, WIRE_COLLECT_END, 0);
	assert_int_equal(g.told[TOLD_COLLECTED], 1);
	guest_finish(&g);
}

static void what_follows_is_bounded_by_what_was_announced(void **state)
{
	static const struct engine_collect_spec all = { .file_bytes = COLLECT_MAX,
							.total_bytes = COLLECT_MAX,
							.files = 1 };
	struct guest g;

	guest_ended_early(*state, &g, &all);
	collected_say(&g, 0, 0);
	collected_say(&g, 0, 0);
	keeper_answer(&g, KEEPER_STEP_END, 0);
	g.fx->engine->v->collect(g.sb, &all);
	settle(*state);
	assert_failed_once(&g);
	guest_finish(&g);
}

static void a_collection_that_follows_need_not_be_asked_for(void **state)
{
	static const struct engine_collect_spec all = { .files = 1 };
	struct guest g;

	guest_ended_early(*state, &g, &all);
	init_say_number(&g, WIRE_COLLECT_END, 0);
	keeper_answer(&g, KEEPER_STEP_END, 0);
	settle(*state);
	assert_int_equal(g.told[TOLD_STEP], 1);
	assert_int_equal(g.told[TOLD_COLLECTED] + g.told[TOLD_FAILED], 0);
	guest_finish(&g);
}

static void init_killed_for_memory_in_a_step_is_the_steps_end(void **state)
{
	struct guest g;

	guest_running(*state, &g);
	init_say(&g, WIRE_OUTPUT, 1, "last", 4);
	keeper_tell(&g, KEEPER_EVENT_DIED, 1);
	assert_int_equal(g.told[TOLD_STEP], 1);
	assert_int_equal(g.facts.oom_kills, 1);
	assert_int_equal(g.facts.signal, SIGKILL);
	assert_int_equal(g.facts.stdout_bytes, 4);
	assert_int_equal(g.told[TOLD_FAILED], 0);
	guest_finish(&g);
}

static void events_of_another_generation_or_slot_reach_nobody(void **state)
{
	struct fixture *fx = *state;
	struct keeper_message message = { .event = KEEPER_EVENT_DIED };
	struct guest g;

	guest_running(fx, &g);
	message.slot = g.slot;
	message.generation = 2;
	keeper_say(fx, &message, -1);
	message.slot = g.slot + 1;
	message.generation = 1;
	keeper_say(fx, &message, -1);
	settle(fx);
	assert_goes_on(&g);
	guest_finish(&g);
}

static void a_reply_that_nobody_waits_for_is_dropped_with_its_descriptor(void **state)
{
	struct fixture *fx = *state;
	struct guest stray = { .fx = fx, .slot = 7, .init_fd = -1 };
	char byte;

	guest_give(&stray, 4242);
	assert_int_equal(recv(stray.init_fd, &byte, 1, MSG_DONTWAIT), 0);
	assert_true(keeper_heard_nothing(fx));
	close(stray.init_fd);
}

static void keeper_lost(void *user)
{
	((struct fixture *)user)->lost++;
}

static void the_keepers_death_fails_every_sandbox_once_and_is_told_once(void **state)
{
	struct fixture *fx = *state;
	struct guest g[ARRAY_LEN(reach) + 1];
	const struct engine_sandbox_spec spec = { .image = "host", .limits = some_limits() };
	struct engine_sandbox *sb;
	char why[64];

	engine_native_on_keeper_lost(fx->engine, keeper_lost, fx);
	for (size_t i = 0; i < ARRAY_LEN(reach); i++) {
		reach[i](fx, &g[i]);
		while (!keeper_heard_nothing(fx))
			;
	}
	guest_create(fx, &g[ARRAY_LEN(reach)]);
	assert_true(fx->engine->v->healthy(fx->engine, why, sizeof(why)));
	close(fx->keeper_fd);
	fx->keeper_fd = -1;
	settle(fx);
	assert_int_equal(fx->lost, 1);
	assert_false(fx->engine->v->healthy(fx->engine, why, sizeof(why)));
	assert_int_equal(fx->engine->v->sandbox_create(fx->engine, &spec, &guest_events, NULL, &sb, NULL),
			 -EPIPE);
	for (size_t i = 0; i < ARRAY_LEN(g); i++) {
		assert_failed_once(&g[i]);
		guest_finish(&g[i]);
	}
}

static void a_packet_of_another_size_is_the_keepers_death(void **state)
{
	struct fixture *fx = *state;
	struct guest g;

	engine_native_on_keeper_lost(fx->engine, keeper_lost, fx);
	guest_running(fx, &g);
	assert_int_equal(send(fx->keeper_fd, "short", 5, MSG_NOSIGNAL), 5);
	settle(fx);
	assert_int_equal(fx->lost, 1);
	assert_failed_once(&g);
	guest_finish(&g);
}

static void sandboxes_may_destroy_each_other_when_the_keeper_dies(void **state)
{
	struct fixture *fx = *state;
	struct guest g[3];

	for (size_t i = 0; i < ARRAY_LEN(g); i++)
		guest_idle(fx, &g[i]);
	g[1].destroy_at = TOLD_FAILED;
	g[1].also = &g[0];
	g[2].destroy_at = TOLD_FAILED;
	close(fx->keeper_fd);
	fx->keeper_fd = -1;
	settle(fx);
	assert_int_equal(g[0].told[TOLD_FAILED], 0);
	assert_int_equal(g[1].told[TOLD_FAILED], 1);
	assert_int_equal(g[2].told[TOLD_FAILED], 1);
	assert_int_equal(fx->engine->v->sandbox_count(fx->engine), 0);
	for (size_t i = 0; i < ARRAY_LEN(g); i++)
		guest_finish(&g[i]);
}

/* A new front of an old keeper finds words about sandboxes of the one before it in its socket. */
static void a_greeting_passes_over_what_was_meant_for_another_front(void **state)
{
	struct keeper_message gone = { .event = KEEPER_EVENT_GONE, .slot = 1, .generation = 3 };
	struct keeper_message message = { .event = KEEPER_REPLY, .hello = keeper_hello };
	struct native_options options = { 0 };
	struct fixture fx = { 0 };
	int ends[2];

	assert_int_equal(uv_loop_init(&fx.loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	fx.keeper_fd = ends[0];
	options.keeper_fd = ends[1];
	keeper_say(&fx, &gone, -1);
	keeper_say(&fx, &message, -1);
	assert_int_equal(engine_native_create(&fx.loop, &options, &fx.engine, NULL), 0);
	fx.engine->v->destroy(fx.engine);
	assert_int_equal(uv_loop_close(&fx.loop), 0);
	close(fx.keeper_fd);
}

static void a_keeper_of_another_version_is_refused(void **state)
{
	struct keeper_message message = { .event = KEEPER_REPLY, .hello = { .version = KEEPER_VERSION + 1 } };
	struct native_options options = { 0 };
	struct engine *engine;
	struct fixture fx;
	uv_loop_t loop;
	int ends[2];

	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	fx.keeper_fd = ends[0];
	options.keeper_fd = ends[1];
	keeper_say(&fx, &message, -1);
	assert_int_equal(engine_native_create(&loop, &options, &engine, NULL), -EPROTO);
	close(ends[0]);
	assert_int_equal(uv_loop_close(&loop), 0);
}

/* ---- destruction ---- */

/* Brings a guest to where the callback `what` is called. */
static void provoke(struct fixture *fx, struct guest *g, enum told what)
{
	switch (what) {
	case TOLD_READY:
		guest_greeting(fx, g);
		g->destroy_at = what;
		init_say_number(g, WIRE_HELLO, WIRE_VERSION);
		break;
	case TOLD_UPLOADED:
		guest_uploading(fx, g);
		assert_true(init_hears(g, WIRE_SYNC));
		g->destroy_at = what;
		init_say(g, WIRE_SYNCED, 0, "\0\0\0\0", 5);
		break;
	case TOLD_OUTPUT:
		guest_running(fx, g);
		g->destroy_at = what;
		init_say(g, WIRE_OUTPUT, 1, "x", 1);
		break;
	case TOLD_STDIN:
		guest_running(fx, g);
		g->destroy_at = what;
		init_say_number(g, WIRE_STDIN_CREDIT, 1);
		break;
	case TOLD_STEP:
		guest_ending(fx, g);
		g->destroy_at = what;
		keeper_answer(g, KEEPER_STEP_END, 0);
		break;
	case TOLD_FILE:
		guest_collecting(fx, g);
		g->destroy_at = what;
		collected_say(g, 1, 1);
		break;
	case TOLD_DATA:
		guest_in_a_file(fx, g);
		g->destroy_at = what;
		init_say(g, WIRE_DATA, 0, "x", 1);
		break;
	case TOLD_COLLECTED:
		guest_collecting(fx, g);
		g->destroy_at = what;
		init_say_number(g, WIRE_COLLECT_END, 0);
		break;
	default:
		guest_running(fx, g);
		g->destroy_at = TOLD_FAILED;
		init_say(g, 99, 0, NULL, 0);
	}
}

static void a_sandbox_may_be_destroyed_in_each_of_its_callbacks(void **state)
{
	struct guest g;

	for (enum told what = 0; what < TOLD_COUNT; what++) {
		provoke(*state, &g, what);
		assert_null(g.sb);
		assert_int_equal(g.told[what], 1);
		assert_int_equal(keeper_hear(*state, KEEPER_DESTROY).slot, g.slot);
		guest_finish(&g);
	}
}

static void nothing_is_told_after_destruction_though_more_has_come(void **state)
{
	uint8_t frames[2 * (WIRE_HEADER_SIZE + 1)];
	struct guest g;

	guest_running(*state, &g);
	g.destroy_at = TOLD_OUTPUT;
	for (int i = 0; i < 2; i++) {
		wire_header_put(frames + i * (WIRE_HEADER_SIZE + 1), WIRE_OUTPUT, 1, 1);
		frames[i * (WIRE_HEADER_SIZE + 1) + WIRE_HEADER_SIZE] = 'x';
	}
	assert_int_equal(send(g.init_fd, frames, sizeof(frames), MSG_NOSIGNAL), sizeof(frames));
	settle(*state);
	assert_int_equal(g.told[TOLD_OUTPUT], 1);
	guest_finish(&g);
}

static void an_engine_ends_with_sandboxes_in_every_state(void **state)
{
	struct fixture *fx;
	struct guest g[ARRAY_LEN(reach)];

	assert_int_equal(native_setup((void **)&fx), 0);
	for (size_t i = 0; i < ARRAY_LEN(reach); i++) {
		reach[i](fx, &g[i]);
		while (!keeper_heard_nothing(fx))
			;
	}
	assert_int_equal(native_teardown((void **)&fx), 0);
	for (size_t i = 0; i < ARRAY_LEN(reach); i++)
		close(g[i].init_fd);
}

static void a_step_with_the_sandboxs_own_limits_starts_before_the_keeper_answers(void **state)
{
	const struct limits limits = some_limits();
	struct guest g;

	guest_idle(*state, &g);
	step_begin_with(&g, &limits);
	settle(*state);
	assert_true(init_hears(&g, WIRE_START));
	init_say(&g, WIRE_STARTED, 0, NULL, 0);
	exit_say(&g, &(struct wire_exit){ .status = 3 });
	keeper_answer(&g, KEEPER_STEP, 0);
	keeper_answer(&g, KEEPER_STEP_END, 0);
	assert_int_equal(g.told[TOLD_STEP], 1);
	assert_int_equal(g.facts.exit_code, 3);
	guest_finish(&g);
}

static void a_step_that_started_early_and_is_then_refused_has_failed(void **state)
{
	const struct limits limits = some_limits();
	struct guest g;

	guest_idle(*state, &g);
	step_begin_with(&g, &limits);
	settle(*state);
	keeper_answer(&g, KEEPER_STEP, -ENOSPC);
	assert_failed_once(&g);
	guest_finish(&g);
}

static void a_second_step_waits_for_the_keeper_whatever_its_limits(void **state)
{
	const struct limits limits = some_limits();
	struct guest g;

	guest_idle(*state, &g);
	step_begin_with(&g, &limits);
	settle(*state);
	keeper_answer(&g, KEEPER_STEP, 0);
	init_say(&g, WIRE_STARTED, 0, NULL, 0);
	exit_say(&g, &(struct wire_exit){ .status = 0 });
	keeper_answer(&g, KEEPER_STEP_END, 0);
	assert_true(init_hears(&g, WIRE_START));
	step_begin_with(&g, &limits);
	settle(*state);
	assert_false(init_hears(&g, WIRE_START));
	keeper_answer(&g, KEEPER_STEP, 0);
	assert_true(init_hears(&g, WIRE_START));
	guest_finish(&g);
}

static void adopt(struct guest *g, const struct limits *limits)
{
	const struct engine_sandbox_spec spec = { .image = "host", .limits = *limits };

	g->told[TOLD_READY] = 0;
	g->fx->engine->v->sandbox_adopt(g->sb, &spec, &guest_events, g);
	assert_int_equal(g->told[TOLD_READY], 0);
	settle(g->fx);
}

static void an_adopted_sandbox_is_ready_for_its_new_owner(void **state)
{
	const struct limits limits = some_limits();
	struct guest g;

	guest_idle(*state, &g);
	adopt(&g, &limits);
	assert_int_equal(g.told[TOLD_READY], 1);
	guest_finish(&g);
}

static void an_adopted_sandbox_gets_its_new_size_before_it_is_ready(void **state)
{
	struct limits limits = some_limits();
	struct guest g;

	limits.value[LIMIT_DISK_BYTES] *= 2;
	guest_idle(*state, &g);
	adopt(&g, &limits);
	assert_int_equal(g.told[TOLD_READY], 0);
	keeper_answer(&g, KEEPER_ADOPT, 0);
	assert_int_equal(g.told[TOLD_READY], 1);
	guest_finish(&g);
}

static void an_adoption_that_the_keeper_refuses_fails_the_sandbox(void **state)
{
	struct limits limits = some_limits();
	struct guest g;

	limits.value[LIMIT_DISK_BYTES] *= 2;
	guest_idle(*state, &g);
	adopt(&g, &limits);
	keeper_answer(&g, KEEPER_ADOPT, -EINVAL);
	assert_failed_once(&g);
	assert_int_equal(g.told[TOLD_READY], 0);
	guest_finish(&g);
}

static void a_sandbox_that_dies_while_it_is_adopted_fails_once(void **state)
{
	const struct limits limits = some_limits();
	const struct engine_sandbox_spec spec = { .image = "host", .limits = limits };
	struct guest g;

	guest_idle(*state, &g);
	g.told[TOLD_READY] = 0;
	g.fx->engine->v->sandbox_adopt(g.sb, &spec, &guest_events, &g);
	keeper_tell(&g, KEEPER_EVENT_DIED, 0);
	settle(*state);
	assert_failed_once(&g);
	assert_true(g.told[TOLD_READY] <= 1);
	guest_finish(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_engine(a_sandbox_goes_from_ready_to_collected),
		with_engine(the_keeper_is_asked_to_destroy_what_was_destroyed),
		with_engine(an_answer_is_sent_before_the_keeper_hears_of_the_end),
		with_engine(the_keeper_hears_of_the_end_before_it_is_asked_for_another),
		with_engine(a_sandbox_that_comes_after_its_destruction_is_destroyed_again),
		with_engine(a_sandbox_that_the_keeper_cannot_make_has_failed),
		with_engine(a_step_that_the_keeper_refuses_fails_the_sandbox),
		with_engine(an_init_that_died_fails_its_sandbox_unless_exit_had_come),
		with_engine(an_end_of_the_sandbox_that_crosses_exit_leaves_what_init_told),
		with_engine(a_collection_that_follows_begins_while_the_keeper_counts),
		with_engine(what_comes_in_one_piece_with_the_end_of_its_step_waits_to_be_asked_for),
		with_engine(what_waits_to_be_asked_for_goes_with_its_sandbox),
		with_engine(a_collection_of_many_globs_is_asked_for_when_it_is_wanted),
		with_engine(what_follows_is_bounded_by_what_was_announced),
		with_engine(a_collection_that_follows_need_not_be_asked_for),
		with_engine(init_killed_for_memory_in_a_step_is_the_steps_end),
		with_engine(events_of_another_generation_or_slot_reach_nobody),
		with_engine(a_reply_that_nobody_waits_for_is_dropped_with_its_descriptor),
		with_engine(the_keepers_death_fails_every_sandbox_once_and_is_told_once),
		with_engine(a_packet_of_another_size_is_the_keepers_death),
		with_engine(sandboxes_may_destroy_each_other_when_the_keeper_dies),
		with_engine(a_sandbox_may_be_destroyed_in_each_of_its_callbacks),
		with_engine(nothing_is_told_after_destruction_though_more_has_come),
		cmocka_unit_test(a_greeting_passes_over_what_was_meant_for_another_front),
		cmocka_unit_test(a_keeper_of_another_version_is_refused),
		cmocka_unit_test(an_engine_ends_with_sandboxes_in_every_state),
		with_engine(a_step_with_the_sandboxs_own_limits_starts_before_the_keeper_answers),
		with_engine(a_step_that_started_early_and_is_then_refused_has_failed),
		with_engine(a_second_step_waits_for_the_keeper_whatever_its_limits),
		with_engine(an_adopted_sandbox_is_ready_for_its_new_owner),
		with_engine(an_adopted_sandbox_gets_its_new_size_before_it_is_ready),
		with_engine(an_adoption_that_the_keeper_refuses_fails_the_sandbox),
		with_engine(a_sandbox_that_dies_while_it_is_adopted_fails_once),
	};

	return cmocka_run_group_tests_name("native", tests, NULL, NULL);
}
