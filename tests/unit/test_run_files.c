#include "run_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void collects_partial_results_of_a_killed_step(void **state)
{
	struct fixture *f = *state;

	f->plan->collect = COLLECT_ALL;
	run_fixture_step(f, "run", "oom");
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_MEMORY_EXCEEDED);
	assert_int_equal(f->result->timing.exec_us, 1500);
	assert_true(f->result->collected);
	assert_int_equal(run_fixture_file(f, "partial")->change, FILE_CREATED);
}

static void gives_a_fresh_sandbox_only_what_was_kept(void **state)
{
	struct fixture *f = *state;
	struct plan_step *step;

	run_fixture_add(f, "main.c", "source");
	step = run_fixture_step(f, "compile", "touch a.out binary other junk");
	step->keep = run_fixture_words("a.out missing*");
	step = run_fixture_step(f, "run", "show a.out");
	step->fresh = true;
	free(step->image);
	step->image = strdup("gcc");
	run_fixture_step(f, "look", "show main.c");
	run_fixture_finish(f);
	assert_int_equal(engine_fake_counts(f->engine).created, 2);
	assert_string_equal(run_fixture_out(f, 1), "binary");
	assert_int_equal(f->result->steps[2].facts.exit_code, 1);
	assert_int_equal(f->result->outcome, RUN_FAILED);
}

static void gives_a_fresh_sandbox_nothing_when_nothing_was_kept(void **state)
{
	struct fixture *f = *state;

	run_fixture_add(f, "main.c", "source");
	run_fixture_step(f, "one", "exit 0");
	run_fixture_step(f, "two", "show main.c")->fresh = true;
	run_fixture_finish(f);
	assert_int_equal(f->result->steps[1].facts.exit_code, 1);
}

static void refuses_the_next_step_when_what_is_kept_does_not_fit(void **state)
{
	struct fixture *f = *state;
	struct plan_step *step;

	run_fixture_step(f, "compile", "big")->keep = run_fixture_words("big");
	step = run_fixture_step(f, "run", "show big");
	step->fresh = true;
	step->limits.value[LIMIT_DISK_BYTES] = 1024 * 1024;
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_DISK_EXCEEDED);
	assert_int_equal(f->result->steps_count, 2);
	assert_int_equal(f->result->steps[0].verdict.outcome, RUN_OK);
	assert_int_equal(f->result->steps[1].verdict.limit, LIMIT_DISK_BYTES);
	assert_non_null(f->result->steps[1].error);
}

static void tells_engine_error_when_keeping_fails(void **state)
{
	struct fixture *f = *state;

	run_fixture_step(f, "compile", "touch a b")->keep = run_fixture_words("a");
	run_fixture_step(f, "run", "exit 0")->fresh = true;
	engine_fake_fail(f->engine, FAKE_COLLECT_REFUSED, 1, -EIO);
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_ENGINE_ERROR);
	assert_int_equal(f->result->steps[0].verdict.outcome, RUN_OK);
	assert_int_equal(f->result->steps[1].verdict.outcome, RUN_ENGINE_ERROR);
}

static void keeps_the_steps_when_collecting_fails(void **state)
{
	struct fixture *f = *state;

	f->plan->collect = COLLECT_ALL;
	run_fixture_step(f, "run", "say hello");
	engine_fake_fail(f->engine, FAKE_COLLECT_LOST, 1, -EPIPE);
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_ENGINE_ERROR);
	assert_int_equal(f->result->steps[0].verdict.outcome, RUN_OK);
	assert_string_equal(run_fixture_out(f, 0), "hello");
	assert_non_null(f->result->steps[0].error);
	assert_false(f->result->collected);
}

static void keeps_the_verdict_when_the_sandbox_dies_of_memory_while_files_are_collected(void **state)
{
	struct fixture *f = *state;

	f->plan->collect = COLLECT_ALL;
	run_fixture_step(f, "run", "oom");
	engine_fake_fail(f->engine, FAKE_COLLECT_LOST, 1, -EPIPE);
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_MEMORY_EXCEEDED);
	assert_int_equal(f->result->steps[0].verdict.limit, LIMIT_MEMORY_BYTES);
	assert_non_null(strstr(f->result->steps[0].error, "files"));
	assert_int_equal(f->result->files_count, 0);
}

static void tells_created_changed_and_deleted_files_apart(void **state)
{
	struct fixture *f = *state;

	f->plan->collect = COLLECT_ALL;
	run_fixture_add(f, "old", "1");
	run_fixture_add(f, "same", "1");
	run_fixture_add(f, "gone", "1");
	run_fixture_step(f, "one", "touch old 2 new 3");
	run_fixture_step(f, "two", "remove gone");
	run_fixture_finish(f);
	assert_int_equal(run_fixture_file(f, "old")->change, FILE_CHANGED);
	assert_memory_equal(run_fixture_file(f, "old")->data, "2", 1);
	assert_int_equal(run_fixture_file(f, "old")->mode, 0755);
	assert_int_equal(run_fixture_file(f, "new")->change, FILE_CREATED);
	assert_int_equal(run_fixture_file(f, "gone")->change, FILE_DELETED);
	assert_null(run_fixture_file(f, "same"));
}

static void collects_only_text_when_text_is_asked_for(void **state)
{
	struct fixture *f = *state;

	f->plan->collect = COLLECT_TEXT;
	run_fixture_step(f, "run", "binary");
	run_fixture_finish(f);
	assert_int_equal(run_fixture_file(f, "bin")->change, FILE_OMITTED);
	assert_string_equal(run_fixture_file(f, "bin")->reason, "binary");
	assert_int_equal(run_fixture_file(f, "latin")->change, FILE_CREATED);
	assert_int_equal(run_fixture_file(f, "latin")->len, 4);
}

static void omits_names_that_are_not_utf8_under_an_escaped_name(void **state)
{
	struct fixture *f = *state;

	f->plan->collect = COLLECT_ALL;
	run_fixture_step(f, "run", "binary");
	run_fixture_finish(f);
	assert_int_equal(run_fixture_file(f, "bin")->len, 6);
	assert_int_equal(run_fixture_file(f, "n\\xff")->change, FILE_OMITTED);
	assert_string_equal(run_fixture_file(f, "n\\xff")->reason, "name is not UTF-8");
	assert_null(run_fixture_file(f, "n\\xff")->data);
}

static void collects_what_the_globs_name(void **state)
{
	struct fixture *f = *state;

	f->plan->collect = COLLECT_GLOBS;
	f->plan->collect_globs = run_fixture_words("*.txt");
	run_fixture_step(f, "run", "touch a.txt 1 b.o 2");
	run_fixture_finish(f);
	assert_int_equal(f->result->files_count, 1);
	assert_non_null(run_fixture_file(f, "a.txt"));
}

static void cuts_a_large_file_and_says_so(void **state)
{
	struct fixture *f = *state;

	f->plan->collect = COLLECT_ALL;
	run_fixture_step(f, "run", "big");
	run_fixture_finish(f);
	assert_int_equal(run_fixture_file(f, "big")->len, 1024 * 1024);
	assert_true(run_fixture_file(f, "big")->truncated);
}

static void omits_files_beyond_the_total(void **state)
{
	struct fixture *f = *state;

	f->plan->collect = COLLECT_ALL;
	run_fixture_step(f, "run", "twenty");
	run_fixture_finish(f);
	assert_int_equal(f->result->files_count, 20);
	assert_int_equal(f->result->files[15].change, FILE_CREATED);
	assert_int_equal(f->result->files[16].change, FILE_OMITTED);
	assert_int_equal(f->result->files[19].change, FILE_OMITTED);
}

static void collect_many(struct engine_sandbox *sb)
{
	struct engine_collected file = { .change = ENGINE_FILE_CREATED, .name = "n" };

	for (int i = 0; i < 10000; i++)
		engine_fake_emit_file(sb, &file);
}

static void bounds_the_number_of_files(void **state)
{
	struct fixture *f = *state;

	f->plan->collect = COLLECT_ALL;
	engine_fake_on_collect(f->engine, collect_many);
	run_fixture_step(f, "run", "exit 0");
	run_fixture_finish(f);
	assert_int_equal(f->result->files[999].change, FILE_CREATED);
	assert_int_equal(f->result->files[1000].change, FILE_OMITTED);
	assert_int_equal(f->result->files_count, 4000);
	assert_string_equal(f->result->files[3999].reason, "too many files, and 6000 more after this one");
}

static void collect_nonsense(struct engine_sandbox *sb)
{
	struct engine_collected file = { .change = ENGINE_FILE_CREATED, .name = "short", .size = 10 };
	struct engine_collected gone = { .change = ENGINE_FILE_DELETED, .name = "gone" };
	struct engine_collected omitted = { .change = ENGINE_FILE_OMITTED,
					    .name = "odd",
					    .omit_reason = 200 };
	static const char flood[2 * 1024 * 1024];

	engine_fake_emit_data(sb, "stray", 5);
	engine_fake_emit_file(sb, &file);
	engine_fake_emit_data(sb, "abc", 3);
	engine_fake_emit_file(sb, &gone);
	engine_fake_emit_data(sb, "of a deleted one", 16);
	engine_fake_emit_file(sb, &omitted);
	engine_fake_emit_data(sb, "of an omitted one", 17);
	file.name = "flood";
	engine_fake_emit_file(sb, &file);
	for (int i = 0; i < 4; i++)
		engine_fake_emit_data(sb, flood, sizeof(flood));
}

static void survives_collections_that_make_no_sense(void **state)
{
	struct fixture *f = *state;

	f->plan->collect = COLLECT_ALL;
	engine_fake_on_collect(f->engine, collect_nonsense);
	run_fixture_step(f, "run", "exit 0");
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_OK);
	assert_int_equal(f->result->files_count, 4);
	assert_int_equal(run_fixture_file(f, "short")->len, 3);
	assert_true(run_fixture_file(f, "short")->truncated);
	assert_null(run_fixture_file(f, "gone")->data);
	assert_int_equal(run_fixture_file(f, "flood")->len, 1024 * 1024);
	assert_true(run_fixture_file(f, "flood")->truncated);
}

#define with_run(f) cmocka_unit_test_setup_teardown(f, run_fixture_setup, run_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_run(collects_partial_results_of_a_killed_step),
		with_run(gives_a_fresh_sandbox_only_what_was_kept),
		with_run(gives_a_fresh_sandbox_nothing_when_nothing_was_kept),
		with_run(refuses_the_next_step_when_what_is_kept_does_not_fit),
		with_run(tells_engine_error_when_keeping_fails),
		with_run(keeps_the_steps_when_collecting_fails),
		with_run(keeps_the_verdict_when_the_sandbox_dies_of_memory_while_files_are_collected),
		with_run(tells_created_changed_and_deleted_files_apart),
		with_run(collects_only_text_when_text_is_asked_for),
		with_run(omits_names_that_are_not_utf8_under_an_escaped_name),
		with_run(collects_what_the_globs_name),
		with_run(cuts_a_large_file_and_says_so),
		with_run(omits_files_beyond_the_total),
		with_run(bounds_the_number_of_files),
		with_run(survives_collections_that_make_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
