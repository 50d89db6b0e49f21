#include "run/language_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char cc[] = "cc", unknown[] = "", run_name[] = "run";
static char *compiler[] = { cc, NULL };

/* A result with one step, or two when the language compiles; the last step prints `out` and `err`. */
struct made {
	struct run_result result;
	struct step_result steps[2];
};

static const struct run_result *made(struct made *m, size_t steps, enum run_outcome outcome, const char *out,
				     const char *err)
{
	struct step_result *last = &m->steps[steps - 1];

	*m = (struct made){ .result = { .outcome = outcome, .steps = m->steps, .steps_count = steps } };
	last->name = run_name;
	last->out = (struct buf){ .data = (uint8_t *)(uintptr_t)out, .len = strlen(out) };
	last->err = (struct buf){ .data = (uint8_t *)(uintptr_t)err, .len = strlen(err) };
	return &m->result;
}

static bool judged(const struct language *language, enum language_check check,
		   const struct run_result *result)
{
	char why[512] = "";
	bool ok = language_check_judge(language, check, result, why, sizeof(why));

	assert_int_equal(ok, !why[0]);
	return ok;
}

static void hello_must_be_said_exactly(void **state)
{
	const struct language l = { .version = unknown };
	struct made m;

	assert_true(judged(&l, LANGUAGE_CHECK_HELLO, made(&m, 1, RUN_OK, "Hello, World!\n", "")));
	assert_false(judged(&l, LANGUAGE_CHECK_HELLO, made(&m, 1, RUN_OK, "Hello, World!", "")));
	assert_false(judged(&l, LANGUAGE_CHECK_HELLO, made(&m, 1, RUN_FAILED, "Hello, World!\n", "")));
}

static void a_compiler_s_refusal_is_not_a_program_s_failure(void **state)
{
	const struct language compiled = { .version = unknown, .compile.command = compiler };
	const struct language interpreted = { .version = unknown };
	struct made m;

	assert_true(
		judged(&compiled, LANGUAGE_CHECK_COMPILE_ERROR, made(&m, 1, RUN_COMPILE_FAILED, "", "no")));
	assert_false(judged(&compiled, LANGUAGE_CHECK_COMPILE_ERROR, made(&m, 2, RUN_FAILED, "", "no")));
	assert_false(
		judged(&compiled, LANGUAGE_CHECK_COMPILE_ERROR, made(&m, 1, RUN_COMPILE_FAILED, "", "")));
	assert_true(judged(&interpreted, LANGUAGE_CHECK_COMPILE_ERROR, made(&m, 1, RUN_FAILED, "", "no")));
	assert_false(
		judged(&compiled, LANGUAGE_CHECK_RUNTIME_ERROR, made(&m, 1, RUN_COMPILE_FAILED, "", "no")));
	assert_true(judged(&compiled, LANGUAGE_CHECK_RUNTIME_ERROR, made(&m, 2, RUN_SIGNALED, "", "")));
}

static void a_limit_must_end_what_has_no_end(void **state)
{
	const struct language l = { .version = unknown };
	struct made m;

	assert_true(judged(&l, LANGUAGE_CHECK_ENDLESS_LOOP, made(&m, 1, RUN_CPU_TIME_EXCEEDED, "", "")));
	assert_false(judged(&l, LANGUAGE_CHECK_ENDLESS_LOOP, made(&m, 1, RUN_FAILED, "", "")));
	assert_true(judged(&l, LANGUAGE_CHECK_MEMORY_HOG, made(&m, 1, RUN_MEMORY_EXCEEDED, "", "")));
	assert_true(judged(&l, LANGUAGE_CHECK_MEMORY_HOG, made(&m, 1, RUN_FAILED, "", "heap is full")));
	assert_false(judged(&l, LANGUAGE_CHECK_MEMORY_HOG, made(&m, 1, RUN_OK, "", "")));
	assert_false(judged(&l, LANGUAGE_CHECK_MEMORY_HOG, made(&m, 1, RUN_WALL_TIME_EXCEEDED, "", "")));
	assert_false(judged(&l, LANGUAGE_CHECK_ENDLESS_LOOP, made(&m, 1, RUN_ENGINE_ERROR, "", "")));
}

static void assert_version(const char *out, const char *err, const char *expected)
{
	char version[LANGUAGE_VERSION_MAX];
	struct made m;

	language_check_version(made(&m, 1, RUN_OK, out, err), version);
	assert_string_equal(version, expected);
}

static void a_version_is_found_in_what_compilers_say(void **state)
{
	assert_version("Python 3.11.2\n", "", "3.11.2");
	assert_version("go version go1.24.4 linux/amd64\n", "", "1.24.4");
	assert_version("", "openjdk version \"17.0.19\" 2026-04-21\n", "17.0.19");
	assert_version("This is perl 5, version 40 (v5.40.1) built for x86_64\n", "", "5.40.1");
	assert_version("27", "", "27");
	assert_version("SBCL 2.5.2.debian\n", "", "2.5.2");
	assert_version("nothing", "", "");
}

static void a_version_must_fit_the_file_s(void **state)
{
	char version[] = "3.13";
	const struct language l = { .version = version };
	struct made m;

	assert_true(judged(&l, LANGUAGE_CHECK_VERSION, made(&m, 1, RUN_OK, "Python 3.13.5\n", "")));
	assert_false(judged(&l, LANGUAGE_CHECK_VERSION, made(&m, 1, RUN_OK, "Python 3.11.2\n", "")));
	assert_false(judged(&l, LANGUAGE_CHECK_VERSION, made(&m, 1, RUN_OK, "", "")));
}

/* With start files a sample stands in the place of the source file. */
static void a_sample_joins_the_start_files(void **state)
{
	char id[] = "toy", source[] = "hiker.py", test[] = "test_hiker.py", good[] = "good", text[] = "test",
	     bad[] = "bad";
	char *names[] = { source, test, NULL }, *texts[] = { good, text, NULL };
	const struct language l = { .id = id,
				    .version = unknown,
				    .source_file = source,
				    .start = { names, texts },
				    .runtime_error = bad };
	struct run_request req;
	struct err err = ERR_INIT;

	assert_true(language_check_applies(&l, LANGUAGE_CHECK_START));
	assert_false(language_check_applies(&l, LANGUAGE_CHECK_HELLO));
	assert_int_equal(language_check_request(&l, LANGUAGE_CHECK_RUNTIME_ERROR, &req, &err), 0);
	assert_int_equal(req.files_count, 2);
	for (size_t i = 0; i < 2; i++)
		assert_memory_equal(req.files[i].data, strcmp(req.files[i].name, "hiker.py") ? "test" : "bad",
				    req.files[i].len);
	request_finish(&req);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_must_be_said_exactly),
		cmocka_unit_test(a_compiler_s_refusal_is_not_a_program_s_failure),
		cmocka_unit_test(a_limit_must_end_what_has_no_end),
		cmocka_unit_test(a_version_is_found_in_what_compilers_say),
		cmocka_unit_test(a_version_must_fit_the_file_s),
		cmocka_unit_test(a_sample_joins_the_start_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
