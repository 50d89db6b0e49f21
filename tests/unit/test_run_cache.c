/* Which steps the cache is for, under which key, and what a run does with it, over the fake engine. */
#include "run_fixture.h"

#include "run/run_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE "host@sha256:0123456789abcdef"

static int setup(void **state)
{
	struct fixture *f;

	if (run_fixture_setup(state) < 0)
		return -1;
	f = *state;
	return cache_create(1024 * 1024, 16, &f->options.cache, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct cache *cache = f->options.cache;
	int r = run_fixture_teardown(state);

	cache_destroy(cache);
	return r;
}

/* ---- keys ---- */

/* A plan in which everything that goes into a key is something. */
static void fill_plan(struct fixture *f)
{
	struct plan_step *step = run_fixture_step(f, "compile", "cc -o main");

	step->envp = run_fixture_words("A=1 B=2");
	step->stdin_bytes = (struct run_bytes){ .data = (uint8_t *)strdup("in"), .len = 2 };
	run_fixture_add(f, "main.c", "source");
	run_fixture_add(f, "lib.c", "more");
	f->plan->language = strdup("c");
	f->plan->language_version = strdup("12");
}

static struct cache_key key_of(struct fixture *f, const char *image, const char *scope)
{
	struct cache_key key;

	assert_true(run_cache_key(f->plan, image, scope, &key));
	return key;
}

static void set_text(char **text, const char *to)
{
	free(*text);
	*text = strdup(to);
}

static void change_name(struct run_plan *plan)
{
	set_text(&plan->files[0].name, "main.C");
}
static void change_content(struct run_plan *plan)
{
	plan->files[1].data[0] ^= 1;
}
static void change_length(struct run_plan *plan)
{
	plan->files[1].len--;
}
static void change_mode(struct run_plan *plan)
{
	plan->files[0].mode = 0600;
}
static void change_kind(struct run_plan *plan)
{
	plan->files[0].is_dir = true;
}
static void change_order(struct run_plan *plan)
{
	struct run_file first = plan->files[0];

	plan->files[0] = plan->files[1];
	plan->files[1] = first;
}
static void change_argument(struct run_plan *plan)
{
	set_text(&plan->steps[0].argv[1], "-O");
}
static void change_environment(struct run_plan *plan)
{
	set_text(&plan->steps[0].envp[1], "B=3");
}
static void change_input(struct run_plan *plan)
{
	plan->steps[0].stdin_bytes.data[0] ^= 1;
}
static void change_language(struct run_plan *plan)
{
	set_text(&plan->language, "cpp");
}
static void change_version(struct run_plan *plan)
{
	set_text(&plan->language_version, "13");
}
static void change_network(struct run_plan *plan)
{
	plan->network_loopback = true;
}

static const struct {
	const char *what;
	void (*change)(struct run_plan *plan);
} changes[] = {
	{ "the name of a file", change_name },
	{ "its content", change_content },
	{ "its length", change_length },
	{ "its mode", change_mode },
	{ "its kind", change_kind },
	{ "the order of files", change_order },
	{ "an argument", change_argument },
	{ "the environment", change_environment },
	{ "stdin", change_input },
	{ "the language", change_language },
	{ "its version", change_version },
	{ "the network", change_network },
};

static void every_input_of_the_step_changes_the_key(void **state)
{
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct fixture *f;
		struct cache_key before, after;
		void *inner = NULL;

		assert_int_equal(setup(&inner), 0);
		f = inner;
		fill_plan(f);
		before = key_of(f, IMAGE, "lion");
		changes[i].change(f->plan);
		after = key_of(f, IMAGE, "lion");
		if (memcmp(&before, &after, sizeof(before)) == 0)
			fail_msg("%s is not in the key", changes[i].what);
		teardown(&inner);
	}
}

static void every_limit_changes_the_key(void **state)
{
	struct fixture *f = *state;
	struct cache_key before, after;

	fill_plan(f);
	before = key_of(f, IMAGE, "lion");
	for (int i = 0; i < LIMIT_COUNT; i++) {
		f->plan->steps[0].limits.value[i]++;
		after = key_of(f, IMAGE, "lion");
		f->plan->steps[0].limits.value[i]--;
		assert_memory_not_equal(&before, &after, sizeof(before));
	}
	after = key_of(f, IMAGE, "lion");
	assert_memory_equal(&before, &after, sizeof(before));
}

static void image_and_tenant_change_the_key(void **state)
{
	struct fixture *f = *state;
	struct cache_key before, after;

	fill_plan(f);
	before = key_of(f, IMAGE, "lion");
	after = key_of(f, IMAGE "0", "lion");
	assert_memory_not_equal(&before, &after, sizeof(before));
	after = key_of(f, IMAGE, "tiger");
	assert_memory_not_equal(&before, &after, sizeof(before));
	after = key_of(f, IMAGE, NULL);
	assert_memory_not_equal(&before, &after, sizeof(before));
}

static void what_comes_after_the_step_does_not_change_the_key(void **state)
{
	struct fixture *f = *state;
	struct cache_key before, after;

	fill_plan(f);
	before = key_of(f, IMAGE, "lion");
	run_fixture_step(f, "run", "./main");
	f->plan->collect = COLLECT_ALL;
	after = key_of(f, IMAGE, "lion");
	assert_memory_equal(&before, &after, sizeof(before));
}

static void only_a_compile_step_or_one_that_keeps_has_a_key(void **state)
{
	struct fixture *f = *state;
	struct plan_step *step = run_fixture_step(f, "run", "exit 0");
	struct cache_key key;

	assert_false(run_cache_key(f->plan, IMAGE, "", &key));
	step->keep = run_fixture_words("main");
	assert_true(run_cache_key(f->plan, IMAGE, "", &key));
	f->plan->no_cache = true;
	assert_false(run_cache_key(f->plan, IMAGE, "", &key));
}

static void input_that_takes_long_to_hash_has_no_key(void **state)
{
	struct fixture *f = *state;
	struct cache_key key;
	uint8_t *data = calloc(1, RUN_CACHE_INPUT_BYTES);

	run_fixture_step(f, "compile", "exit 0");
	run_fixture_add(f, "big", "");
	free(f->plan->files[0].data);
	f->plan->files[0].data = data;
	f->plan->files[0].len = RUN_CACHE_INPUT_BYTES;
	assert_true(run_cache_key(f->plan, IMAGE, "", &key));
	run_fixture_add(f, "one more", "1");
	assert_false(run_cache_key(f->plan, IMAGE, "", &key));
}

/* ---- runs ---- */

/* Runs once more: compiles with `command`, then runs `then` unless it is NULL. */
static void run_again(struct fixture *f, const char *command, const char *then)
{
	run_destroy(f->run);
	f->run = NULL;
	run_result_destroy(f->result);
	f->result = NULL;
	f->done = 0;
	if (!f->plan)
		f->plan = calloc(1, sizeof(*f->plan));
	run_fixture_add(f, "main.c", "source");
	run_fixture_step(f, "compile", command);
	if (then)
		run_fixture_step(f, "run", then);
	f->plan->collect = COLLECT_ALL;
	run_fixture_finish(f);
}

static unsigned steps_run(const struct fixture *f)
{
	return engine_fake_counts(f->engine).steps;
}

static void runs_a_compile_step_once(void **state)
{
	struct fixture *f = *state;

	run_again(f, "touch main binary", "show main");
	assert_false(f->result->steps[0].cached);
	assert_int_equal(steps_run(f), 2);
	run_again(f, "touch main binary", "show main");
	assert_int_equal(steps_run(f), 3);
	assert_true(f->result->steps[0].cached);
	assert_false(f->result->steps[1].cached);
	assert_int_equal(f->result->outcome, RUN_OK);
	assert_int_equal(f->result->steps_count, 2);
	assert_string_equal(run_fixture_out(f, 1), "binary");
}

static void collects_the_same_after_a_hit(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		run_again(f, "touch main binary main.c changed", "touch out text");
		assert_int_equal(f->result->steps[0].cached, i);
		assert_int_equal(f->result->files_count, 3);
		assert_int_equal(run_fixture_file(f, "main")->change, FILE_CREATED);
		assert_int_equal(run_fixture_file(f, "main")->mode, 0755);
		assert_int_equal(run_fixture_file(f, "main.c")->change, FILE_CHANGED);
		assert_memory_equal(run_fixture_file(f, "main.c")->data, "changed", 7);
		assert_int_equal(run_fixture_file(f, "out")->change, FILE_CREATED);
	}
}

static void tells_again_what_was_printed(void **state)
{
	struct fixture *f = *state;

	run_again(f, "say compiled", "say ran");
	f->live_len = 0;
	run_again(f, "say compiled", "say ran");
	assert_true(f->result->steps[0].cached);
	assert_string_equal(run_fixture_out(f, 0), "compiled");
	assert_memory_equal(f->result->steps[0].err.data, "!", 1);
	assert_int_equal(f->live_len, strlen("compiled!ran!"));
	assert_memory_equal(f->live, "compiled!ran!", f->live_len);
}

static void survives_being_destroyed_while_it_tells(void **state)
{
	struct fixture *f = *state;

	run_again(f, "say compiled", NULL);
	run_destroy(f->run);
	f->run = NULL;
	f->destroy_at_output = true;
	f->done = 0;
	f->plan = calloc(1, sizeof(*f->plan));
	run_fixture_add(f, "main.c", "source");
	run_fixture_step(f, "compile", "say compiled");
	assert_int_equal(run_fixture_start(f), 0);
	run_fixture_spin(f);
	assert_int_equal(f->done, 0);
	assert_null(f->run);
	assert_int_equal(steps_run(f), 1);
}

static void does_not_keep_a_step_that_failed(void **state)
{
	struct fixture *f = *state;

	run_again(f, "exit 1", "exit 0");
	run_again(f, "exit 1", "exit 0");
	assert_int_equal(f->result->outcome, RUN_COMPILE_FAILED);
	assert_false(f->result->steps[0].cached);
	assert_int_equal(steps_run(f), 2);
	assert_int_equal(cache_stats(f->options.cache).entries, 0);
}

static void does_not_keep_a_step_that_left_no_snapshot(void **state)
{
	struct fixture *f = *state;

	run_again(f, "remove main.c", "exit 0");
	assert_int_equal(f->result->outcome, RUN_OK);
	run_again(f, "remove main.c", "exit 0");
	assert_false(f->result->steps[0].cached);
	assert_int_equal(run_fixture_file(f, "main.c")->change, FILE_DELETED);
}

static void does_not_keep_what_is_too_large(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		run_again(f, "big", "exit 0");
		assert_int_equal(f->result->outcome, RUN_OK);
		assert_false(f->result->steps[0].cached);
	}
	assert_int_equal(cache_stats(f->options.cache).bytes, 0);
}

static void looks_neither_up_nor_keeps_without_leave(void **state)
{
	struct fixture *f = *state;

	run_again(f, "touch main 1", "exit 0");
	f->plan = calloc(1, sizeof(*f->plan));
	f->plan->no_cache = true;
	run_again(f, "touch main 1", "exit 0");
	assert_false(f->result->steps[0].cached);
	f->plan = calloc(1, sizeof(*f->plan));
	f->plan->no_cache = true;
	run_again(f, "touch main 2", "exit 0");
	assert_int_equal(cache_stats(f->options.cache).entries, 1);
	assert_int_equal(cache_stats(f->options.cache).hits, 0);
}

static void goes_on_without_when_the_snapshot_is_refused(void **state)
{
	struct fixture *f = *state;

	engine_fake_fail(f->engine, FAKE_COLLECT_REFUSED, 1, -ENOTSUP);
	run_again(f, "touch main binary", "show main");
	assert_int_equal(f->result->outcome, RUN_OK);
	assert_string_equal(run_fixture_out(f, 1), "binary");
	assert_int_equal(cache_stats(f->options.cache).entries, 0);
	assert_int_equal(cache_stats(f->options.cache).bytes, 0);
}

static void tells_engine_error_when_the_sandbox_is_lost_in_the_snapshot(void **state)
{
	struct fixture *f = *state;

	engine_fake_fail(f->engine, FAKE_COLLECT_LOST, 1, -EPIPE);
	run_again(f, "touch main binary", "show main");
	assert_int_equal(f->result->outcome, RUN_ENGINE_ERROR);
	assert_int_equal(f->result->steps[0].verdict.outcome, RUN_OK);
	assert_int_equal(cache_stats(f->options.cache).bytes, 0);
}

static void needs_no_sandbox_any_more_in_the_snapshot_of_the_last_step(void **state)
{
	struct fixture *f = *state;

	engine_fake_fail(f->engine, FAKE_COLLECT_LOST, 1, -EPIPE);
	run_fixture_step(f, "compile", "touch main 1");
	run_fixture_finish(f);
	assert_int_equal(f->result->outcome, RUN_OK);
}

static void compiles_after_all_when_what_was_kept_cannot_be_put_back(void **state)
{
	struct fixture *f = *state;

	run_again(f, "touch main binary", "show main");
	engine_fake_fail(f->engine, FAKE_UPLOAD_REFUSED, 1, -ENOSPC);
	run_again(f, "touch main binary", "show main");
	assert_int_equal(f->result->outcome, RUN_OK);
	assert_false(f->result->steps[0].cached);
	assert_string_equal(run_fixture_out(f, 1), "binary");
}

static void takes_another_sandbox_when_one_is_lost_before_it_is_filled(void **state)
{
	struct fixture *f = *state;

	run_again(f, "touch main binary", "show main");
	engine_fake_fail(f->engine, FAKE_UPLOAD_LOST, 1, -EPIPE);
	run_again(f, "touch main binary", "show main");
	assert_int_equal(f->result->outcome, RUN_OK);
	assert_true(f->result->steps[0].cached);
	assert_string_equal(run_fixture_out(f, 1), "binary");
}

static void hands_over_to_a_fresh_sandbox_what_was_kept(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		struct plan_step *step;

		run_destroy(f->run);
		f->run = NULL;
		run_result_destroy(f->result);
		f->result = NULL;
		f->done = 0;
		if (!f->plan)
			f->plan = calloc(1, sizeof(*f->plan));
		run_fixture_add(f, "main.c", "source");
		run_fixture_step(f, "build", "touch main binary junk 1")->keep = run_fixture_words("main");
		step = run_fixture_step(f, "run", "show main");
		step->fresh = true;
		set_text(&step->image, "gcc");
		run_fixture_step(f, "look", "show junk");
		run_fixture_finish(f);
		assert_int_equal(f->result->steps[0].cached, i);
		assert_string_equal(run_fixture_out(f, 1), "binary");
		assert_int_equal(f->result->steps[2].facts.exit_code, 1);
	}
}

static void gives_back_what_it_was_lent_when_it_is_destroyed(void **state)
{
	struct fixture *f = *state;

	run_again(f, "touch main binary", "exit 0");
	run_destroy(f->run);
	f->run = NULL;
	f->plan = calloc(1, sizeof(*f->plan));
	run_fixture_add(f, "main.c", "source");
	run_fixture_step(f, "compile", "touch main binary");
	assert_int_equal(run_fixture_start(f), 0);
	assert_int_equal(cache_stats(f->options.cache).hits, 1);
	run_destroy(f->run);
	f->run = NULL;
	/* The tear-down asserts that nothing is lent. */
}

/* What a sandbox says of its files is not believed. */
static void emit_setuid(struct engine_sandbox *sb)
{
	const struct engine_collected file = { .change = ENGINE_FILE_CREATED, .name = "main", .mode = 04755 };

	engine_fake_emit_file(sb, &file);
}

static void emit_short(struct engine_sandbox *sb)
{
	const struct engine_collected file = { .change = ENGINE_FILE_CREATED, .name = "main", .size = 10 };

	engine_fake_emit_file(sb, &file);
	engine_fake_emit_data(sb, "12345", 5);
}

static void emit_long(struct engine_sandbox *sb)
{
	const struct engine_collected file = { .change = ENGINE_FILE_CREATED, .name = "main", .size = 1 };

	engine_fake_emit_file(sb, &file);
	engine_fake_emit_data(sb, "12345", 5);
}

static void emit_nameless(struct engine_sandbox *sb)
{
	engine_fake_emit_data(sb, "12345", 5);
}

static void emit_deleted(struct engine_sandbox *sb)
{
	const struct engine_collected file = { .change = ENGINE_FILE_DELETED, .name = "main.c" };

	engine_fake_emit_file(sb, &file);
}

static void keeps_no_snapshot_that_is_absurd(void **state)
{
	static void (*const emit[])(struct engine_sandbox * sb) = { emit_setuid, emit_short, emit_long,
								    emit_nameless, emit_deleted };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(emit) / sizeof(emit[0]); i++) {
		engine_fake_on_collect(f->engine, emit[i]);
		f->plan = f->plan ?: calloc(1, sizeof(*f->plan));
		run_fixture_step(f, "compile", "exit 0");
		run_fixture_finish(f);
		assert_int_equal(f->result->outcome, RUN_OK);
		assert_int_equal(cache_stats(f->options.cache).entries, 0);
		assert_int_equal(cache_stats(f->options.cache).bytes, 0);
		run_destroy(f->run);
		f->run = NULL;
		run_result_destroy(f->result);
		f->result = NULL;
		f->done = 0;
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_input_of_the_step_changes_the_key),
		TEST(every_limit_changes_the_key),
		TEST(image_and_tenant_change_the_key),
		TEST(what_comes_after_the_step_does_not_change_the_key),
		TEST(only_a_compile_step_or_one_that_keeps_has_a_key),
		TEST(input_that_takes_long_to_hash_has_no_key),
		TEST(runs_a_compile_step_once),
		TEST(collects_the_same_after_a_hit),
		TEST(tells_again_what_was_printed),
		TEST(survives_being_destroyed_while_it_tells),
		TEST(does_not_keep_a_step_that_failed),
		TEST(does_not_keep_a_step_that_left_no_snapshot),
		TEST(does_not_keep_what_is_too_large),
		TEST(looks_neither_up_nor_keeps_without_leave),
		TEST(goes_on_without_when_the_snapshot_is_refused),
		TEST(tells_engine_error_when_the_sandbox_is_lost_in_the_snapshot),
		TEST(needs_no_sandbox_any_more_in_the_snapshot_of_the_last_step),
		TEST(compiles_after_all_when_what_was_kept_cannot_be_put_back),
		TEST(takes_another_sandbox_when_one_is_lost_before_it_is_filled),
		TEST(hands_over_to_a_fresh_sandbox_what_was_kept),
		TEST(gives_back_what_it_was_lent_when_it_is_destroyed),
		TEST(keeps_no_snapshot_that_is_absurd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
