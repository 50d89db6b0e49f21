/*
 * A tiny judge: compiles and runs a C program in a sandbox, once for each test, and says which it passes.
 *
 *	cc tiny.c $(pkg-config --cflags --libs libkiln) -o tiny
 *	./tiny            judges the solution below
 *	./tiny mine.c     judges a file
 *
 * The problem: read two numbers, print their sum. Exit status 0 when every test is accepted.
 */
#include <kiln/kiln.h>

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE_MAX (1 << 20)

static const char own_solution[] = "#include <stdio.h>\n"
				   "int main(void)\n"
				   "{\n"
				   "	long a, b;\n"
				   "	if (scanf(\"%ld %ld\", &a, &b) != 2)\n"
				   "		return 1;\n"
				   "	printf(\"%ld\\n\", a + b);\n"
				   "}\n";

static const struct test {
	const char *input;
	const char *expected;
} tests[] = {
	{ "1 2\n", "3\n" },
	{ "-4000000000 3999999999\n", "-1\n" },
};

/* What Ctrl-C cancels. */
static struct kiln_run *volatile running;

static void on_interrupt(int number)
{
	if (running)
		kiln_run_cancel(running);
}

static int fail(const char *what, const struct kiln_error *error)
{
	fprintf(stderr, "tiny: %s: %s\n", what, error->text);
	return -1;
}

/* The whole file, or NULL; *ret_len bytes. Free it. */
static char *source_read(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "rb");
	char *text = malloc(SOURCE_MAX);

	if (!file || !text) {
		perror(path);
		free(text);
		text = NULL;
	} else {
		*ret_len = fread(text, 1, SOURCE_MAX, file);
	}
	if (file)
		fclose(file);
	return text;
}

/* Equal but for blanks at the end. */
static int same(const char *printed, size_t len, const char *expected)
{
	size_t expected_len = strlen(expected);

	while (len > 0 && isspace((unsigned char)printed[len - 1]))
		len--;
	while (expected_len > 0 && isspace((unsigned char)expected[expected_len - 1]))
		expected_len--;
	return len == expected_len && memcmp(printed, expected, len) == 0;
}

/* Prints the verdict of a run that is over. Returns 1 when it is accepted. */
static int verdict_print(size_t number, const struct kiln_run *run, const struct test *test)
{
	const char *outcome = kiln_run_outcome(run), *verdict = outcome;
	struct kiln_step step;
	int accepted;

	if (kiln_run_steps(run) == 0 || !kiln_run_step(run, kiln_run_steps(run) - 1, &step)) {
		printf("test %zu: %s\n", number, outcome);
		return 0;
	}
	if (strcmp(outcome, "ok") == 0)
		verdict =
			same(step.stdout_data, step.stdout_len, test->expected) ? "accepted" : "wrong_answer";
	accepted = strcmp(verdict, "accepted") == 0;
	printf("test %zu: %s (%llu ms, %.1f MiB)\n", number, verdict, (unsigned long long)step.cpu_ms,
	       (double)step.memory_peak_bytes / (1 << 20));
	if (!accepted)
		printf("  %s\n%.*s", step.explanation, (int)step.stderr_len, (const char *)step.stderr_data);
	return accepted;
}

static int run_prepare(struct kiln_run *run, const char *source, size_t len, const struct test *test,
		       struct kiln_error *error)
{
	if (kiln_run_add_file(run, "main.c", source, len, 0644, error) < 0 ||
	    kiln_run_set_stdin(run, test->input, strlen(test->input), error) < 0 ||
	    kiln_run_set_limit(run, "wall_ms", 10000, error) < 0 ||
	    kiln_run_set_limit(run, "memory_bytes", 256 << 20, error) < 0)
		return -1;
	return 0;
}

/* 1: accepted, 0: not, -1: it could not be run. */
static int test_run(struct kiln_engine *engine, size_t index, const char *source, size_t len)
{
	struct kiln_error error;
	struct kiln_run *run;
	int r;

	if (kiln_run_create(engine, "c", NULL, &run, &error) < 0)
		return fail("run", &error);
	r = run_prepare(run, source, len, &tests[index], &error);
	if (r >= 0) {
		running = run;
		r = kiln_run_execute(run, &error);
		running = NULL;
	}
	r = r < 0 ? fail("run", &error) : verdict_print(index + 1, run, &tests[index]);
	kiln_run_destroy(run);
	return r;
}

int main(int argc, char **argv)
{
	const struct sigaction on_int = { .sa_handler = on_interrupt }, ignore = { .sa_handler = SIG_IGN };
	const char *source = own_solution;
	size_t len = strlen(own_solution), accepted = 0, count = sizeof(tests) / sizeof(tests[0]);
	struct kiln_engine *engine;
	struct kiln_error error;
	char *file = NULL;
	int r = 0;

	sigaction(SIGINT, &on_int, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	if (argc > 1) {
		source = file = source_read(argv[1], &len);
		if (!file)
			return 2;
	}
	if (kiln_engine_create(NULL, &engine, &error) < 0) {
		fail("engine", &error);
		free(file);
		return 2;
	}
	for (size_t i = 0; i < count && r >= 0; i++) {
		r = test_run(engine, i, source, len);
		accepted += r == 1;
	}
	kiln_engine_destroy(engine);
	free(file);
	printf("%zu of %zu accepted\n", accepted, count);
	return r < 0 ? 2 : accepted == count ? 0 : 1;
}
