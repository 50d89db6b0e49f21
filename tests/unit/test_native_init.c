/*
 * The host's side of the native engine against hostile inits: each ends in `failed` or in a bounded result.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "native_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void bytes_that_are_no_frame_fail_the_sandbox_in_every_state(void **state)
{
	struct guest other, g;

	for (size_t i = 0; i < ARRAY_LEN(reach); i++) {
		guest_running(*state, &other);
		reach[i](*state, &g);
		assert_int_equal(send(g.init_fd, "\xde\xad\xbe\xef garbage", 12, MSG_NOSIGNAL), 12);
		settle(*state);
		assert_failed_once(&g);
		guest_finish(&g);
		assert_goes_on(&other);
		guest_finish(&other);
	}
}

static void a_frame_longer_than_allowed_fails_the_sandbox_before_it_comes(void **state)
{
	uint8_t header[WIRE_HEADER_SIZE];
	struct guest g;

	for (size_t i = 0; i < ARRAY_LEN(reach); i++) {
		reach[i](*state, &g);
		wire_header_put(header, WIRE_OUTPUT, 1, WIRE_TO_HOST_MAX + 1);
		assert_int_equal(send(g.init_fd, header, sizeof(header), MSG_NOSIGNAL), sizeof(header));
		settle(*state);
		assert_failed_once(&g);
		guest_finish(&g);
	}
}

static void a_frame_that_only_the_host_sends_fails_the_sandbox(void **state)
{
	struct guest g;

	for (uint8_t type = 0; type < 8 + 2; type++) {
		if (type == WIRE_DATA)
			continue;
		guest_running(*state, &g);
		init_say(&g, type, 0, NULL, 0);
		assert_failed_once(&g);
		guest_finish(&g);
	}
}

/* Which frame each state of `reach` allows, one bit for each type from HELLO on; DATA is bit 15. */
static void a_frame_out_of_order_fails_the_sandbox(void **state)
{
#define BIT(type) (1u << ((type)-WIRE_HELLO))
	static const unsigned allowed[ARRAY_LEN(reach)] = {
		BIT(WIRE_HELLO),
		0,
		BIT(WIRE_SYNCED),
		0,
		BIT(WIRE_OUTPUT) | BIT(WIRE_STDIN_CREDIT) | BIT(WIRE_EXIT),
		0,
		BIT(WIRE_COLLECTED) | BIT(WIRE_COLLECT_END),
		1u << 15,
	};
	static const uint8_t types[] = { WIRE_HELLO,	    WIRE_SYNCED, WIRE_STARTED,	 WIRE_OUTPUT,
					 WIRE_STDIN_CREDIT, WIRE_EXIT,	 WIRE_COLLECTED, WIRE_COLLECT_END };
	uint8_t payload[128] = { 0 };
	struct guest g;

	for (size_t i = 0; i < ARRAY_LEN(reach); i++) {
		for (size_t t = 0; t < ARRAY_LEN(types); t++) {
			if (allowed[i] & BIT(types[t]))
				continue;
			reach[i](*state, &g);
			init_say(&g, types[t], 1, payload, types[t] == WIRE_STARTED ? 0 : 4);
			assert_failed_once(&g);
			guest_finish(&g);
		}
		if (allowed[i] & 1u << 15)
			continue;
		reach[i](*state, &g);
		init_say(&g, WIRE_DATA, 0, payload, 1);
		assert_failed_once(&g);
		guest_finish(&g);
	}
#undef BIT
}

static void another_version_of_init_fails_the_sandbox(void **state)
{
	struct guest g;

	guest_greeting(*state, &g);
	init_say_number(&g, WIRE_HELLO, WIRE_VERSION + 1);
	assert_failed_once(&g);
	guest_finish(&g);
}

static void a_second_hello_fails_the_sandbox(void **state)
{
	struct guest g;

	guest_idle(*state, &g);
	init_say_number(&g, WIRE_HELLO, WIRE_VERSION);
	assert_failed_once(&g);
	guest_finish(&g);
}

/* Each would cost a request to the keeper. */
static void a_runtime_that_says_twice_that_it_has_booted_fails_the_sandbox(void **state)
{
	struct fixture *fx = *state;
	const struct engine_sandbox_spec spec = { .image = "host", .limits = some_limits(), .waits = true };
	struct guest g = { .fx = fx, .init_fd = -1, .destroy_at = -1, .slot = fx->next_slot++ };

	assert_int_equal(fx->engine->v->sandbox_create(fx->engine, &spec, &guest_events, &g, &g.sb, NULL), 0);
	guest_give(&g, keeper_hear(fx, KEEPER_CREATE).tag);
	init_say_number(&g, WIRE_HELLO, WIRE_VERSION);
	assert_true(init_hears(&g, WIRE_WARM));
	init_say_number(&g, WIRE_WARMED, 0);
	assert_int_equal(g.told[TOLD_FAILED], 0);
	init_say_number(&g, WIRE_WARMED, 0);
	assert_failed_once(&g);
	keeper_hear(fx, KEEPER_USAGE);
	keeper_hear(fx, KEEPER_DESTROY);
	assert_true(keeper_heard_nothing(fx));
	guest_finish(&g);
}

static void an_upload_acknowledged_before_it_was_read_fails_the_sandbox(void **state)
{
	struct fixture *fx = *state;
	const size_t len = 8u << 20; /* more than a socket takes */
	uint8_t *data = calloc(1, len);
	struct engine_file file = { .name = "a", .data = data, .len = len, .mode = 0644 };
	static uint8_t sink[1u << 20];
	struct guest g;

	assert_non_null(data);
	guest_idle(fx, &g);
	fx->engine->v->upload(g.sb, &file, 1);
	settle(fx);
	init_say(&g, WIRE_SYNCED, 0, "\0\0\0\0", 5);
	/* Its owner is told that the bytes may go: they must not be sent any more, whatever init reads. */
	free(data);
	while (recv(g.init_fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		settle(fx);
	assert_int_equal(g.told[TOLD_UPLOADED], 0);
	assert_failed_once(&g);
	guest_finish(&g);
}

static void a_file_that_init_could_not_write_is_named_and_the_sandbox_lives(void **state)
{
	struct guest g;

	guest_uploading(*state, &g);
	assert_true(init_hears(&g, WIRE_SYNC));
	init_say(&g, WIRE_SYNCED, 0,
		 "\0\0\0\x1c"
		 "a",
		 6);
	assert_int_equal(g.told[TOLD_UPLOADED], 1);
	assert_int_equal(g.error, -ENOSPC);
	assert_int_equal(g.told[TOLD_FAILED], 0);
	guest_finish(&g);
}

static void output_up_to_the_limit_is_taken_and_a_byte_more_fails_the_sandbox(void **state)
{
	uint8_t bytes[OUTPUT_LIMIT] = { 0 };
	struct guest g;

	guest_running(*state, &g);
	init_say(&g, WIRE_OUTPUT, 1, bytes, OUTPUT_LIMIT);
	init_say(&g, WIRE_OUTPUT, 2, bytes, OUTPUT_LIMIT);
	assert_int_equal(g.output_bytes, 2 * OUTPUT_LIMIT);
	assert_int_equal(g.told[TOLD_FAILED], 0);
	init_say(&g, WIRE_OUTPUT, 1, bytes, 1);
	assert_failed_once(&g);
	assert_int_equal(g.output_bytes, 2 * OUTPUT_LIMIT);
	guest_finish(&g);
}

static void output_of_a_third_stream_fails_the_sandbox(void **state)
{
	struct guest g;

	for (unsigned stream = 0; stream < 256; stream = stream == 0 ? 3 : stream == 3 ? 255 : 256) {
		guest_running(*state, &g);
		init_say(&g, WIRE_OUTPUT, (uint8_t)stream, "x", 1);
		assert_failed_once(&g);
		guest_finish(&g);
	}
}

static void a_second_started_fails_the_sandbox(void **state)
{
	struct guest g;

	guest_running(*state, &g);
	init_say(&g, WIRE_STARTED, 0, NULL, 0);
	assert_failed_once(&g);
	guest_finish(&g);
}

static void credit_for_more_stdin_than_the_window_fails_the_sandbox(void **state)
{
	struct fixture *fx = *state;
	struct guest g;

	guest_running(fx, &g);
	init_say_number(&g, WIRE_STDIN_CREDIT, WIRE_STDIN_WINDOW);
	assert_int_equal(g.stdin_bytes, WIRE_STDIN_WINDOW);
	/* What was used of it may be given again. */
	fx->engine->v->stdin_write(g.sb, (const uint8_t *)"abc", 3);
	init_say_number(&g, WIRE_STDIN_CREDIT, 3);
	assert_int_equal(g.told[TOLD_FAILED], 0);
	init_say_number(&g, WIRE_STDIN_CREDIT, 1);
	assert_failed_once(&g);
	assert_int_equal(g.stdin_bytes, WIRE_STDIN_WINDOW + 3);
	guest_finish(&g);
}

static void a_second_exit_fails_the_sandbox_and_ends_the_step_only_once(void **state)
{
	struct guest g;

	guest_ending(*state, &g);
	exit_say(&g, &(struct wire_exit){ .status = 0 });
	assert_failed_once(&g);
	assert_int_equal(g.told[TOLD_STEP], 0);
	guest_finish(&g);
}

static void an_exit_that_counts_less_output_than_came_fails_the_sandbox(void **state)
{
	struct guest g;

	guest_running(*state, &g);
	init_say(&g, WIRE_OUTPUT, 1, "abc", 3);
	exit_say(&g, &(struct wire_exit){ .stdout_bytes = 2 });
	assert_failed_once(&g);
	assert_int_equal(g.told[TOLD_STEP], 0);
	guest_finish(&g);
}

static void an_exit_of_unheard_of_values_fails_the_sandbox(void **state)
{
	struct guest g;

	guest_running(*state, &g);
	exit_say(&g, &(struct wire_exit){ .kill = 200 });
	assert_failed_once(&g);
	guest_finish(&g);
}

static void a_file_with_more_content_than_announced_fails_the_sandbox(void **state)
{
	struct guest g;

	guest_in_a_file(*state, &g);
	init_say(&g, WIRE_DATA, 0, "123456", 6);
	assert_failed_once(&g);
	assert_int_equal(g.data_bytes, 0);
	guest_finish(&g);
}

static void a_file_with_less_content_than_announced_fails_the_sandbox(void **state)
{
	struct guest g;

	guest_in_a_file(*state, &g);
	init_say(&g, WIRE_DATA, 0, "123", 3);
	init_say_number(&g, WIRE_COLLECT_END, 0);
	assert_failed_once(&g);
	assert_int_equal(g.told[TOLD_COLLECTED], 0);
	guest_finish(&g);
}

static void files_larger_together_than_asked_for_fail_the_sandbox(void **state)
{
	struct guest g;

	guest_collecting(*state, &g);
	collected_say(&g, COLLECT_MAX + 1, COLLECT_MAX + 1);
	assert_failed_once(&g);
	guest_finish(&g);

	guest_collecting(*state, &g);
	collected_say(&g, 1ull << 40, COLLECT_MAX);
	assert_int_equal(g.told[TOLD_FILE], 1);
	init_say(&g, WIRE_DATA, 0, (uint8_t[COLLECT_MAX]){ 0 }, COLLECT_MAX);
	collected_say(&g, 1, 1);
	assert_failed_once(&g);
	assert_int_equal(g.told[TOLD_FILE], 1);
	guest_finish(&g);
}

static void a_collection_without_end_fails_the_sandbox(void **state)
{
	struct guest g;
	unsigned i;

	guest_collecting(*state, &g);
	for (i = 0; i < 200000 && !g.told[TOLD_FAILED]; i++) {
		struct wire_collected file = { .change = WIRE_DELETED, .path = "x" };
		uint8_t payload[64], header[WIRE_HEADER_SIZE];
		int64_t len = wire_collected_encode(&file, payload, sizeof(payload));

		wire_header_put(header, WIRE_COLLECTED, 0, (uint32_t)len);
		if (send(g.init_fd, header, sizeof(header), MSG_NOSIGNAL) < 0 ||
		    send(g.init_fd, payload, (size_t)len, MSG_NOSIGNAL) < 0)
			break;
		if (i % 50 == 0)
			uv_run(&g.fx->loop, UV_RUN_NOWAIT);
	}
	assert_failed_once(&g);
	guest_finish(&g);
}

/* Turns the loop until the guest has failed; the test's own time limit is the bound. */
static void wait_until_failed(struct guest *g)
{
	while (!g->told[TOLD_FAILED])
		uv_run(&g->fx->loop, UV_RUN_ONCE);
}

/*
 * The keeper knows why an init died, but of one that only closed its socket it will never speak. While files are taken
 * its word is waited for a moment, since it may be that they were too many.
 */
static void an_init_that_closes_its_socket_outside_a_step_has_failed(void **state)
{
	struct guest g;

	for (size_t i = 0; i < ARRAY_LEN(reach); i++) {
		if (reach[i] == guest_running || reach[i] == guest_ending)
			continue;
		reach[i](*state, &g);
		close(g.init_fd);
		g.init_fd = -1;
		settle(*state);
		if (reach[i] == guest_uploading)
			wait_until_failed(&g);
		assert_failed_once(&g);
		guest_finish(&g);
	}
}

static void an_init_that_files_alone_drove_out_of_memory_refuses_them(void **state)
{
	struct guest g;

	guest_uploading(*state, &g);
	close(g.init_fd);
	g.init_fd = -1;
	keeper_tell(&g, KEEPER_EVENT_DIED, 1);
	assert_int_equal(g.told[TOLD_UPLOADED], 1);
	assert_int_equal(g.error, -ENOMEM);
	assert_int_equal(g.told[TOLD_FAILED], 0);
	guest_finish(&g);
}

static void an_init_that_closes_its_socket_in_a_step_is_ended_by_the_keepers_deadline(void **state)
{
	struct guest g;

	guest_running(*state, &g);
	close(g.init_fd);
	g.init_fd = -1;
	settle(*state);
	assert_int_equal(g.told[TOLD_FAILED], 0);
	keeper_tell(&g, KEEPER_EVENT_DEADLINE, 0);
	assert_int_equal(g.told[TOLD_STEP], 1);
	assert_int_equal(g.facts.kill, STEP_KILL_WALL);
	assert_int_equal(g.facts.cpu_us, 5);
	guest_finish(&g);
}

static void an_init_that_closes_its_socket_after_exit_gives_its_facts_and_then_fails(void **state)
{
	struct guest g;

	guest_ending(*state, &g);
	close(g.init_fd);
	g.init_fd = -1;
	settle(*state);
	keeper_answer(&g, KEEPER_STEP_END, 0);
	assert_int_equal(g.told[TOLD_STEP], 1);
	assert_failed_once(&g);
	guest_finish(&g);
}

static void frames_that_come_byte_by_byte_are_the_same_frames(void **state)
{
	uint8_t bytes[WIRE_HEADER_SIZE + 5];
	struct guest g;

	guest_running(*state, &g);
	wire_header_put(bytes, WIRE_OUTPUT, 1, 5);
	memcpy(bytes + WIRE_HEADER_SIZE, "hello", 5);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(send(g.init_fd, bytes + i, 1, MSG_NOSIGNAL), 1);
		settle(*state);
	}
	assert_int_equal(g.output_bytes, 5);
	init_say(&g, WIRE_OUTPUT, 1, "x", 1);
	assert_int_equal(g.output_bytes, 6);
	guest_finish(&g);
}

static void an_init_that_never_reads_holds_up_nobody(void **state)
{
	struct fixture *fx = *state;
	static uint8_t data[4u << 20];
	struct engine_file file = { .name = "a", .data = data, .len = sizeof(data), .mode = 0644 };
	struct guest g, other;

	guest_running(fx, &other);
	guest_idle(fx, &g);
	fx->engine->v->upload(g.sb, &file, 1);
	settle(fx);
	assert_goes_on(&other);
	guest_finish(&other);
	guest_finish(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_engine(bytes_that_are_no_frame_fail_the_sandbox_in_every_state),
		with_engine(a_frame_longer_than_allowed_fails_the_sandbox_before_it_comes),
		with_engine(a_frame_that_only_the_host_sends_fails_the_sandbox),
		with_engine(a_frame_out_of_order_fails_the_sandbox),
		with_engine(another_version_of_init_fails_the_sandbox),
		with_engine(a_second_hello_fails_the_sandbox),
		with_engine(a_runtime_that_says_twice_that_it_has_booted_fails_the_sandbox),
		with_engine(an_upload_acknowledged_before_it_was_read_fails_the_sandbox),
		with_engine(a_file_that_init_could_not_write_is_named_and_the_sandbox_lives),
		with_engine(output_up_to_the_limit_is_taken_and_a_byte_more_fails_the_sandbox),
		with_engine(output_of_a_third_stream_fails_the_sandbox),
		with_engine(a_second_started_fails_the_sandbox),
		with_engine(credit_for_more_stdin_than_the_window_fails_the_sandbox),
		with_engine(a_second_exit_fails_the_sandbox_and_ends_the_step_only_once),
		with_engine(an_exit_that_counts_less_output_than_came_fails_the_sandbox),
		with_engine(an_exit_of_unheard_of_values_fails_the_sandbox),
		with_engine(a_file_with_more_content_than_announced_fails_the_sandbox),
		with_engine(a_file_with_less_content_than_announced_fails_the_sandbox),
		with_engine(files_larger_together_than_asked_for_fail_the_sandbox),
		with_engine(a_collection_without_end_fails_the_sandbox),
		with_engine(an_init_that_closes_its_socket_outside_a_step_has_failed),
		with_engine(an_init_that_files_alone_drove_out_of_memory_refuses_them),
		with_engine(an_init_that_closes_its_socket_in_a_step_is_ended_by_the_keepers_deadline),
		with_engine(an_init_that_closes_its_socket_after_exit_gives_its_facts_and_then_fails),
		with_engine(frames_that_come_byte_by_byte_are_the_same_frames),
		with_engine(an_init_that_never_reads_holds_up_nobody),
	};

	return cmocka_run_group_tests_name("native_init", tests, NULL, NULL);
}
