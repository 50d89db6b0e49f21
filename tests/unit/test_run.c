#include "run_fixture.h"

#include "run/run_id.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void runs_a_step_and_tells_what_it_printed(void **state)
{
	struct fixture *f = *state;

	f->plan->language = strdup("fake");
	f->options.queue_us = 1000000;
	run_fixture_step(f, "run", "say hello");
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_OK);
	assert_string_equal(f->result->language, "fake");
	assert_string_equal(f->result->image, "host@sha256:0123456789abcdef");
	assert_int_equal(f->result->steps_count, 1);
	assert_string_equal(f->result->steps[0].name, "run");
	assert_string_equal(run_fixture_out(f, 0), "hello");
	assert_string_equal((char *)f->result->steps[0].err.data, "!");
	assert_string_equal(f->live, "hello!");
	assert_string_equal(f->result->unenforced[0], "memory_bytes");
	assert_null(f->result->unenforced[1]);
	assert_false(f->result->collected);
	assert_int_equal(strlen(f->result->id), RUN_ID_LEN);
	assert_int_equal(f->result->timing.queue_us, 1000000);
	assert_true(f->result->timing.total_us >= 1000000);
}

static void sees_the_uploaded_files(void **state)
{
	struct fixture *f = *state;

	run_fixture_add(f, "a/b.txt", "content");
	run_fixture_step(f, "run", "show a/b.txt");
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_OK);
	assert_string_equal(run_fixture_out(f, 0), "content");
}

static void stops_at_the_first_step_that_fails(void **state)
{
	struct fixture *f = *state;

	run_fixture_step(f, "one", "exit 0");
	run_fixture_step(f, "two", "exit 3");
	run_fixture_step(f, "three", "exit 0");
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_FAILED);
	assert_int_equal(f->result->steps_count, 2);
	assert_int_equal(f->result->steps[1].facts.exit_code, 3);
	assert_int_equal(engine_fake_counts(f->engine).created, 1);
}

static void says_compile_failed_when_the_compile_step_exits_with_an_error(void **state)
{
	struct fixture *f = *state;

	run_fixture_step(f, "compile", "exit 1");
	run_fixture_step(f, "run", "exit 0");
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_COMPILE_FAILED);
	assert_int_equal(f->result->steps[0].verdict.outcome, RUN_FAILED);
	assert_int_equal(f->result->steps_count, 1);
}

static void says_compile_failed_when_the_compile_step_is_killed_at_a_limit(void **state)
{
	struct fixture *f = *state;

	f->plan->collect = COLLECT_ALL;
	run_fixture_step(f, "compile", "oom");
	run_fixture_step(f, "run", "exit 0");
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_COMPILE_FAILED);
	assert_int_equal(f->result->steps[0].verdict.outcome, RUN_MEMORY_EXCEEDED);
	assert_non_null(run_fixture_file(f, "partial"));
}

static void give_stdin(struct plan_step *step, const char *text)
{
	step->stdin_bytes = (struct run_bytes){ (uint8_t *)strdup(text), strlen(text) };
}

static void feeds_stdin_within_the_credit_and_then_ends_it(void **state)
{
	struct fixture *f = *state;

	give_stdin(run_fixture_step(f, "run", "cat"), "a text that is a good deal longer than sixteen bytes");
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_OK);
	assert_string_equal(run_fixture_out(f, 0), "a text that is a good deal longer than sixteen bytes");
}

static void ends_an_empty_stdin_at_once(void **state)
{
	struct fixture *f = *state;

	run_fixture_step(f, "one", "cat");
	give_stdin(run_fixture_step(f, "two", "cat"), "second");
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_OK);
	assert_string_equal(run_fixture_out(f, 0), "");
	assert_string_equal(run_fixture_out(f, 1), "second");
}

static void passes_live_stdin_on(void **state)
{
	struct fixture *f = *state;

	f->options.live_stdin = true;
	run_fixture_step(f, "run", "cat");
	assert_int_equal(run_fixture_start(f), 0);
	while (f->wanted == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->wanted, 16);
	/* Four bytes more than was wanted: those are dropped, not passed on. */
	run_stdin_write(f->run, (const uint8_t *)"0123456789abcdefGHIJ", 20);
	while (f->live_len < 16)
		uv_run(&f->loop, UV_RUN_ONCE);
	run_stdin_eof(f->run);
	run_stdin_eof(f->run);
	run_stdin_write(f->run, (const uint8_t *)"late", 4);
	run_fixture_spin(f);
	assert_int_equal(f->result->outcome, RUN_OK);
	assert_string_equal(run_fixture_out(f, 0), "0123456789abcdef");
}

static void remembers_an_end_of_live_stdin_that_comes_before_the_step(void **state)
{
	struct fixture *f = *state;

	f->options.live_stdin = true;
	run_fixture_step(f, "run", "cat");
	assert_int_equal(run_fixture_start(f), 0);
	run_stdin_eof(f->run);
	run_fixture_spin(f);
	assert_int_equal(f->result->outcome, RUN_OK);
}

static void keeps_output_up_to_its_limit_whatever_the_engine_sends(void **state)
{
	struct fixture *f = *state;

	run_fixture_step(f, "run", "flood")->limits.value[LIMIT_OUTPUT_BYTES] = 5000;
	run_fixture_finish(f);
	assert_int_equal(f->result->steps[0].out.len, 5000);
	assert_true(f->result->steps[0].out_truncated);
	assert_false(f->result->steps[0].err_truncated);
	assert_int_equal(f->result->outcome, RUN_OUTPUT_EXCEEDED);
}

static void says_disk_exceeded_when_the_upload_does_not_fit(void **state)
{
	struct fixture *f = *state;

	f->plan->collect = COLLECT_ALL;
	run_fixture_add(f, "a", "content");
	run_fixture_step(f, "run", "exit 0");
	engine_fake_fail(f->engine, FAKE_UPLOAD_REFUSED, 1, -ENOSPC);
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_DISK_EXCEEDED);
	assert_int_equal(f->result->steps_count, 1);
	assert_int_equal(f->result->steps[0].verdict.outcome, RUN_DISK_EXCEEDED);
	assert_int_equal(f->result->steps[0].verdict.enforced_by, ENFORCER_TMPFS);
	assert_int_equal(engine_fake_counts(f->engine).steps, 0);
}

static void says_memory_exceeded_when_the_files_alone_fill_the_memory(void **state)
{
	struct fixture *f = *state;

	f->plan->collect = COLLECT_ALL;
	run_fixture_add(f, "a", "content");
	run_fixture_step(f, "run", "exit 0");
	engine_fake_fail(f->engine, FAKE_UPLOAD_REFUSED, 1, -ENOMEM);
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_MEMORY_EXCEEDED);
	assert_int_equal(f->result->steps_count, 1);
	assert_int_equal(f->result->steps[0].verdict.outcome, RUN_MEMORY_EXCEEDED);
	assert_int_equal(f->result->steps[0].verdict.enforced_by, ENFORCER_CGROUP);
	assert_int_equal(engine_fake_counts(f->engine).steps, 0);
}

static void tells_engine_error_when_the_upload_fails_otherwise(void **state)
{
	struct fixture *f = *state;

	run_fixture_add(f, "a", "content");
	run_fixture_step(f, "run", "exit 0");
	engine_fake_fail(f->engine, FAKE_UPLOAD_REFUSED, 1, -EIO);
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_ENGINE_ERROR);
	assert_non_null(strstr(f->result->steps[0].error, "told to fail"));
}

static void reports_a_command_that_does_not_exist(void **state)
{
	struct fixture *f = *state;

	run_fixture_step(f, "run", "nonesuch");
	run_fixture_finish(f);
	assert_int_not_equal(f->result->outcome, RUN_OK);
	assert_non_null(strstr(f->result->steps[0].error, "nonesuch"));
}

static void returns_an_error_when_no_sandbox_can_be_asked_for(void **state)
{
	struct fixture *f = *state;

	run_fixture_step(f, "run", "exit 0");
	engine_fake_fail(f->engine, FAKE_CREATE_REFUSED, 1, -EAGAIN);
	assert_int_equal(run_fixture_start(f), -EAGAIN);
	assert_null(f->run);
	run_fixture_spin(f);
	assert_int_equal(f->done, 0);
}

static void takes_another_sandbox_when_one_is_lost_before_a_step(void **state)
{
	struct fixture *f = *state;

	run_fixture_add(f, "a", "content");
	run_fixture_step(f, "run", "show a");
	engine_fake_fail(f->engine, FAKE_UPLOAD_LOST, 1, -EPIPE);
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_OK);
	assert_string_equal(run_fixture_out(f, 0), "content");
	assert_int_equal(engine_fake_counts(f->engine).created, 2);
}

static void gives_up_when_the_second_sandbox_is_lost_too(void **state)
{
	struct fixture *f = *state;

	run_fixture_step(f, "run", "exit 0");
	engine_fake_fail(f->engine, FAKE_CREATE_LOST, 2, -EPIPE);
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_ENGINE_ERROR);
	assert_int_equal(engine_fake_counts(f->engine).created, 2);
	assert_int_equal(f->result->steps_count, 1);
	assert_non_null(f->result->steps[0].error);
}

static void never_starts_a_step_twice(void **state)
{
	struct fixture *f = *state;

	run_fixture_step(f, "one", "say first");
	run_fixture_step(f, "two", "hang");
	engine_fake_fail(f->engine, FAKE_STEP_LOST, 0, 0);
	assert_int_equal(run_fixture_start(f), 0);
	while (engine_fake_counts(f->engine).steps == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	engine_fake_fail(f->engine, FAKE_STEP_LOST, 1, -EPIPE);
	run_fixture_spin(f);
	assert_int_equal(f->result->outcome, RUN_ENGINE_ERROR);
	assert_int_equal(f->result->steps_count, 2);
	assert_string_equal(run_fixture_out(f, 0), "first");
	assert_string_equal(run_fixture_out(f, 1), "begun");
	assert_int_equal(f->result->steps[1].verdict.outcome, RUN_ENGINE_ERROR);
	assert_int_equal(engine_fake_counts(f->engine).created, 1);
}

static void tells_engine_error_when_a_step_is_refused(void **state)
{
	struct fixture *f = *state;

	run_fixture_step(f, "run", "exit 0");
	engine_fake_fail(f->engine, FAKE_STEP_REFUSED, 1, -E2BIG);
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_ENGINE_ERROR);
}

static void cancels_a_running_step_and_keeps_what_it_printed(void **state)
{
	struct fixture *f = *state;

	f->plan->collect = COLLECT_ALL;
	run_fixture_step(f, "run", "hang");
	run_fixture_step(f, "next", "exit 0");
	assert_int_equal(run_fixture_start(f), 0);
	while (f->live_len == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	run_cancel(f->run);
	run_cancel(f->run);
	assert_int_equal(f->done, 0);
	run_fixture_spin(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(f->result->outcome, RUN_CANCELLED);
	assert_int_equal(f->result->steps[0].verdict.outcome, RUN_CANCELLED);
	assert_string_equal(run_fixture_out(f, 0), "begun");
	assert_int_equal(f->result->steps_count, 1);
	assert_false(f->result->collected);
}

static void cancels_before_anything_began(void **state)
{
	struct fixture *f = *state;

	run_fixture_step(f, "run", "exit 0");
	assert_int_equal(run_fixture_start(f), 0);
	run_cancel(f->run);
	run_fixture_spin(f);
	assert_int_equal(f->result->outcome, RUN_CANCELLED);
	assert_int_equal(f->result->steps_count, 0);
	assert_int_equal(engine_fake_counts(f->engine).steps, 0);
}

static void does_not_go_on_when_cancelled_between_steps(void **state)
{
	struct fixture *f = *state;

	run_fixture_step(f, "one", "touch a b")->keep = run_fixture_words("a");
	run_fixture_step(f, "two", "exit 0")->fresh = true;
	assert_int_equal(run_fixture_start(f), 0);
	while (engine_fake_counts(f->engine).steps == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	uv_run(&f->loop, UV_RUN_ONCE);
	uv_run(&f->loop, UV_RUN_ONCE);
	run_cancel(f->run);
	run_fixture_spin(f);
	assert_int_equal(f->result->outcome, RUN_CANCELLED);
	assert_int_equal(engine_fake_counts(f->engine).steps, 1);
}

/* A run of two steps in two sandboxes, after so many turns of the loop. */
static struct fixture *under_way(int turns)
{
	struct fixture *f = NULL;

	run_fixture_setup((void **)&f);
	f->plan->collect = COLLECT_ALL;
	run_fixture_add(f, "a", "content");
	run_fixture_step(f, "one", "touch b c")->keep = run_fixture_words("*");
	run_fixture_step(f, "two", "touch d e")->fresh = true;
	assert_int_equal(run_fixture_start(f), 0);
	for (int i = 0; i < turns; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	return f;
}

static void can_be_destroyed_in_every_state(void **state)
{
	for (int turns = 0; turns < 12; turns++) {
		struct fixture *f = under_way(turns);

		run_destroy(f->run);
		f->run = NULL;
		run_fixture_spin(f);
		assert_true(f->done == 0 || turns > 8);
		run_fixture_teardown((void **)&f);
	}
}

static void is_stopped_at_once_with_what_was_printed(void **state)
{
	struct fixture *f = *state;
	struct err why = ERR_INIT;

	run_fixture_step(f, "run", "hang");
	run_fixture_step(f, "next", "exit 0");
	assert_int_equal(run_fixture_start(f), 0);
	while (f->live_len == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	err_set(&why, -ESHUTDOWN, "the place is gone");
	assert_true(run_stop(f->run, &why));
	assert_int_equal(f->done, 1);
	assert_false(run_stop(f->run, &why));
	run_fixture_spin(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(f->result->outcome, RUN_CANCELLED);
	assert_int_equal(f->result->steps_count, 1);
	assert_int_equal(f->result->steps[0].verdict.outcome, RUN_CANCELLED);
	assert_true(f->result->steps[0].facts.started && f->result->steps[0].facts.signaled);
	assert_non_null(strstr(f->result->steps[0].error, "the place is gone"));
	assert_string_equal(run_fixture_out(f, 0), "begun");
}

static void can_be_stopped_in_every_state(void **state)
{
	struct err why = ERR_INIT;

	err_set(&why, -ESHUTDOWN, "the place is gone");
	for (int turns = 0; turns < 12; turns++) {
		struct fixture *f = under_way(turns);
		bool stopped = run_stop(f->run, &why);
		assert_int_equal(f->done, 1);
		assert_true(stopped || turns > 8);
		assert_int_equal(f->result->outcome, stopped ? RUN_CANCELLED : RUN_OK);
		run_fixture_spin(f);
		assert_int_equal(f->done, 1);
		run_fixture_teardown((void **)&f);
	}
}

static void can_be_destroyed_in_its_output_callback(void **state)
{
	struct fixture *f = *state;

	f->destroy_at_output = true;
	run_fixture_step(f, "run", "say hello");
	assert_int_equal(run_fixture_start(f), 0);
	run_fixture_spin(f);
	assert_int_equal(f->done, 0);
	assert_null(f->run);
}

static void can_be_destroyed_in_its_done_callback(void **state)
{
	struct fixture *f = *state;

	f->destroy_at_done = true;
	f->plan->collect = COLLECT_ALL;
	run_fixture_step(f, "run", "touch a b");
	run_fixture_finish(f);
	assert_null(f->run);
	assert_int_equal(f->result->outcome, RUN_OK);
}

static void hands_the_loopback_wish_to_the_engine(void **state)
{
	struct fixture *f = *state;

	f->plan->network_loopback = true;
	run_fixture_step(f, "run", "exit 0");
	run_fixture_finish(f);
	assert_int_equal(engine_fake_counts(f->engine).loopback, 1);
}

static void names_runs_by_time_and_chance(void **state)
{
	static const uint8_t ones[10] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
	static const uint8_t one[10] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
	char id[RUN_ID_LEN + 1], other[RUN_ID_LEN + 1];

	run_id_format(0, ones, id);
	assert_string_equal(id, "0000000000ZZZZZZZZZZZZZZZZ");
	run_id_format(281474976710655, one, id);
	assert_string_equal(id, "7ZZZZZZZZZ0000000000000001");
	/* The example of the ULID specification. */
	run_id_format(1469918176385, one, id);
	assert_memory_equal(id, "01ARYZ6S41", 10);
	assert_int_equal(run_id_make(id, NULL), 0);
	assert_int_equal(run_id_make(other, NULL), 0);
	assert_string_not_equal(id, other);
}

#define with_run(f) cmocka_unit_test_setup_teardown(f, run_fixture_setup, run_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_run(runs_a_step_and_tells_what_it_printed),
		with_run(sees_the_uploaded_files),
		with_run(stops_at_the_first_step_that_fails),
		with_run(says_compile_failed_when_the_compile_step_exits_with_an_error),
		with_run(says_compile_failed_when_the_compile_step_is_killed_at_a_limit),
		with_run(feeds_stdin_within_the_credit_and_then_ends_it),
		with_run(ends_an_empty_stdin_at_once),
		with_run(passes_live_stdin_on),
		with_run(remembers_an_end_of_live_stdin_that_comes_before_the_step),
		with_run(keeps_output_up_to_its_limit_whatever_the_engine_sends),
		with_run(says_disk_exceeded_when_the_upload_does_not_fit),
		with_run(says_memory_exceeded_when_the_files_alone_fill_the_memory),
		with_run(tells_engine_error_when_the_upload_fails_otherwise),
		with_run(reports_a_command_that_does_not_exist),
		with_run(returns_an_error_when_no_sandbox_can_be_asked_for),
		with_run(takes_another_sandbox_when_one_is_lost_before_a_step),
		with_run(gives_up_when_the_second_sandbox_is_lost_too),
		with_run(never_starts_a_step_twice),
		with_run(tells_engine_error_when_a_step_is_refused),
		with_run(cancels_a_running_step_and_keeps_what_it_printed),
		with_run(cancels_before_anything_began),
		with_run(does_not_go_on_when_cancelled_between_steps),
		cmocka_unit_test(can_be_destroyed_in_every_state),
		with_run(is_stopped_at_once_with_what_was_printed),
		cmocka_unit_test(can_be_stopped_in_every_state),
		with_run(can_be_destroyed_in_its_output_callback),
		with_run(can_be_destroyed_in_its_done_callback),
		with_run(hands_the_loopback_wish_to_the_engine),
		cmocka_unit_test(names_runs_by_time_and_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
