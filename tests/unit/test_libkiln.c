/*
 * libkiln through its public header alone, on the native engine of this host (suite "engine").
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <kiln/kiln.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int engine_open(void **state)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct kiln_engine *engine;
	struct kiln_error error;

	sigaction(SIGPIPE, &ignore, NULL);
	if (kiln_engine_create(NULL, &engine, &error) < 0) {
		print_error("%s\n", error.text);
		return -1;
	}
	*state = engine;
	return 0;
}

static int engine_shut(void **state)
{
	kiln_engine_destroy(*state);
	return 0;
}

static struct kiln_run *shell(struct kiln_engine *engine, const char *script)
{
	const char *const command[] = { "sh", "-c", script, NULL };
	struct kiln_run *run;

	assert_int_equal(kiln_run_create(engine, NULL, "host", &run, NULL), 0);
	assert_int_equal(kiln_run_add_step(run, "run", command, NULL), 0);
	return run;
}

static void gives_streams_and_exit_code(void **state)
{
	struct kiln_run *run = shell(*state, "cat; echo err >&2; exit 3");
	struct kiln_step step;

	assert_int_equal(kiln_run_set_stdin(run, "in\0put", 6, NULL), 0);
	assert_null(kiln_run_outcome(run));
	assert_int_equal(kiln_run_execute(run, NULL), 0);
	assert_string_equal(kiln_run_outcome(run), "failed");
	assert_int_equal(kiln_run_steps(run), 1);
	assert_true(kiln_run_step(run, 0, &step));
	assert_false(kiln_run_step(run, 1, &step));
	assert_int_equal(step.exit_code, 3);
	assert_int_equal(step.signal, 0);
	assert_int_equal(step.stdout_len, 6);
	assert_memory_equal(step.stdout_data, "in\0put", 6);
	assert_string_equal(step.stderr_data, "err\n");
	assert_non_null(strstr(kiln_run_json(run), "\"outcome\":\"failed\""));
	kiln_run_destroy(run);
}

static void files_args_and_variables_are_there(void **state)
{
	struct kiln_run *run;
	struct kiln_step step;

	assert_int_equal(kiln_run_create(*state, "bash", NULL, &run, NULL), 0);
	assert_int_equal(kiln_run_add_file(run, "main.sh", "cat sub/data; echo $1 $NAME", 27, 0644, NULL), 0);
	assert_int_equal(kiln_run_add_file(run, "sub/data", "given\n", 6, 0600, NULL), 0);
	assert_int_equal(kiln_run_add_arg(run, "arg", NULL), 0);
	assert_int_equal(kiln_run_add_env(run, "NAME=value", NULL), 0);
	assert_int_equal(kiln_run_execute(run, NULL), 0);
	assert_true(kiln_run_step(run, kiln_run_steps(run) - 1, &step));
	assert_string_equal(step.stdout_data, "given\narg value\n");
	kiln_run_destroy(run);
}

static void says_what_is_wrong_with_a_request(void **state)
{
	struct kiln_error error;
	struct kiln_run *run;

	assert_int_equal(kiln_run_create(*state, "c", "host", &run, &error), -EINVAL);
	assert_int_equal(kiln_run_create(*state, "nosuchlanguage", NULL, &run, &error), 0);
	assert_int_equal(kiln_run_add_file(run, "../up", "", 0, 0644, &error), -EINVAL);
	assert_int_equal(kiln_run_set_limit(run, "nosuch", 1, &error), -EINVAL);
	assert_int_equal(kiln_run_execute(run, &error), -EINVAL);
	assert_string_equal(error.field, "language");
	assert_string_not_equal(error.text, "");
	assert_int_equal(kiln_run_execute(run, &error), -EALREADY);
	assert_null(kiln_run_outcome(run));
	assert_null(kiln_run_json(run));
	kiln_run_destroy(run);
}

static void a_limit_over_its_ceiling_names_itself(void **state)
{
	struct kiln_run *run = shell(*state, "true");
	struct kiln_error error;

	assert_int_equal(kiln_run_set_limit(run, "wall_ms", INT64_MAX, &error), 0);
	assert_int_equal(kiln_run_execute(run, &error), -EINVAL);
	assert_string_equal(error.field, "limits.wall_ms");
	kiln_run_destroy(run);
}

static void a_limit_that_was_met_is_explained(void **state)
{
	struct kiln_run *run = shell(*state, "echo before; sleep 30");
	struct kiln_step step;

	assert_int_equal(kiln_run_set_limit(run, "wall_ms", 300, NULL), 0);
	assert_int_equal(kiln_run_execute(run, NULL), 0);
	assert_string_equal(kiln_run_outcome(run), "wall_time_exceeded");
	assert_true(kiln_run_step(run, 0, &step));
	assert_string_equal(step.stdout_data, "before\n");
	assert_non_null(strstr(step.explanation, "300"));
	assert_int_equal(step.exit_code, -1);
	kiln_run_destroy(run);
}

static void cancel_at_first_output(void *user, size_t step, int stream, const void *data, size_t len)
{
	kiln_run_cancel(user);
}

static void the_output_callback_may_cancel(void **state)
{
	struct kiln_run *run = shell(*state, "echo x; sleep 30");

	kiln_run_on_output(run, cancel_at_first_output, run);
	assert_int_equal(kiln_run_execute(run, NULL), 0);
	assert_string_equal(kiln_run_outcome(run), "cancelled");
	kiln_run_destroy(run);
}

static void *cancel_later(void *run)
{
	const struct timespec pause = { .tv_nsec = 200000000 };

	nanosleep(&pause, NULL);
	kiln_run_cancel(run);
	return NULL;
}

static void another_thread_may_cancel(void **state)
{
	struct kiln_run *run = shell(*state, "sleep 30");
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, cancel_later, run), 0);
	assert_int_equal(kiln_run_execute(run, NULL), 0);
	pthread_join(thread, NULL);
	assert_string_equal(kiln_run_outcome(run), "cancelled");
	kiln_run_destroy(run);
}

static void a_run_cancelled_before_it_executes_is_cancelled(void **state)
{
	struct kiln_run *run = shell(*state, "sleep 30");

	kiln_run_cancel(run);
	assert_int_equal(kiln_run_execute(run, NULL), 0);
	assert_string_equal(kiln_run_outcome(run), "cancelled");
	kiln_run_destroy(run);
}

static void two_engines_live_side_by_side(void **state)
{
	struct kiln_run *one = shell(*state, "echo one"), *two;
	struct kiln_engine *other;
	struct kiln_step step;

	assert_int_equal(kiln_engine_create(NULL, &other, NULL), 0);
	two = shell(other, "echo two");
	assert_int_equal(kiln_run_execute(two, NULL), 0);
	assert_int_equal(kiln_run_execute(one, NULL), 0);
	assert_true(kiln_run_step(two, 0, &step));
	assert_string_equal(step.stdout_data, "two\n");
	kiln_run_destroy(two);
	kiln_engine_destroy(other);
	assert_true(kiln_run_step(one, 0, &step));
	assert_string_equal(step.stdout_data, "one\n");
	kiln_run_destroy(one);
}

/* The parent of a process, 0 of one that is gone; field 4 of /proc/PID/stat, behind a name that may have blanks. */
static int parent_of(int pid)
{
	char path[64], text[512];
	const char *after;
	size_t len = 0;
	int parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (file) {
		len = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
	}
	text[len] = '\0';
	after = strrchr(text, ')');
	if (!after || sscanf(after, ") %*c %d", &parent) != 1)
		return 0;
	return parent;
}

static unsigned count_descendants(void)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	unsigned count = 0;

	assert_non_null(proc);
	while ((entry = readdir(proc))) {
		int pid = 0;

		if (sscanf(entry->d_name, "%d", &pid) != 1 || pid == getpid())
			continue;
		while (pid > 1 && pid != getpid())
			pid = parent_of(pid);
		count += pid == getpid();
	}
	closedir(proc);
	return count;
}

static void the_sandbox_goes_though_no_other_run_comes(void **state)
{
	static const char *const settings[] = { "--pool=false", NULL };
	const struct timespec pause = { .tv_nsec = 20000000 };
	struct kiln_engine *engine;
	struct kiln_run *run;
	unsigned before;

	assert_int_equal(kiln_engine_create(settings, &engine, NULL), 0);
	before = count_descendants();
	run = shell(engine, "echo here");
	assert_int_equal(kiln_run_execute(run, NULL), 0);
	for (int i = 0; i < 500 && count_descendants() > before; i++)
		nanosleep(&pause, NULL);
	assert_true(count_descendants() <= before);
	kiln_run_destroy(run);
	kiln_engine_destroy(engine);
}

static void refuses_settings_that_are_none(void **state)
{
	static const char *const settings[] = { "--nosuch=1", NULL };
	struct kiln_engine *engine;
	struct kiln_error error;

	assert_true(kiln_engine_create(settings, &engine, &error) < 0);
	assert_non_null(strstr(error.text, "nosuch"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_streams_and_exit_code),
		cmocka_unit_test(files_args_and_variables_are_there),
		cmocka_unit_test(says_what_is_wrong_with_a_request),
		cmocka_unit_test(a_limit_over_its_ceiling_names_itself),
		cmocka_unit_test(a_limit_that_was_met_is_explained),
		cmocka_unit_test(the_output_callback_may_cancel),
		cmocka_unit_test(another_thread_may_cancel),
		cmocka_unit_test(a_run_cancelled_before_it_executes_is_cancelled),
		cmocka_unit_test(two_engines_live_side_by_side),
		cmocka_unit_test(the_sandbox_goes_though_no_other_run_comes),
		cmocka_unit_test(refuses_settings_that_are_none),
	};

	return cmocka_run_group_tests_name("libkiln", tests, engine_open, engine_shut);
}
