/*
 * Parts of the command line that need no engine: arguments, limits, exit statuses, files, streams.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/strv.h"
#include "cmd/args.h"
#include "cmd/cmd.h"
#include "cmd/run_files.h"
#include "cmd/run_session.h"
#include "cmd/stream.h"
#include "cmd/units.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1 << 20)

struct seen {
	int ids[8];
	const char *values[8];
	size_t count;
};

static int see(void *user, int id, const char *value, struct err *err)
{
	struct seen *seen = user;

	seen->ids[seen->count] = id;
	seen->values[seen->count++] = value;
	return 0;
}

static const struct arg_option options[] = {
	{ 1, 'l', "language", "LANG", "" },
	{ 2, 0, "json", NULL, "" },
};

static int parse(struct seen *seen, struct args *args, struct err *err, int argc, const char *const *argv)
{
	const struct args_spec spec = {
		.options = options,
		.options_count = ARRAY_LEN(options),
		.settings = true,
		.on_option = see,
		.user = seen,
	};

	*seen = (struct seen){ 0 };
	return args_parse(&spec, argc, (char *const *)argv, args, err);
}

#define PARSE(...)                                                                                           \
	parse(&seen, &args, &err, (int)ARRAY_LEN(((const char *const[]){ __VA_ARGS__ })),                    \
	      (const char *const[]){ __VA_ARGS__ })

static void reads_options_in_every_spelling(void **state)
{
	AUTO_ARGS struct args args;
	struct err err = ERR_INIT;
	struct seen seen;

	assert_int_equal(
		PARSE("-l", "c", "a.c", "-lpython", "--language=perl", "--language", "bash", "--json", "b.c"),
		0);
	assert_int_equal(seen.count, 5);
	assert_string_equal(seen.values[0], "c");
	assert_string_equal(seen.values[1], "python");
	assert_string_equal(seen.values[2], "perl");
	assert_string_equal(seen.values[3], "bash");
	assert_null(seen.values[4]);
	assert_int_equal(args.operands_count, 2);
	assert_string_equal(args.operands[1], "b.c");
	assert_null(args.rest);
}

static void leaves_everything_behind_two_dashes_alone(void **state)
{
	AUTO_ARGS struct args args;
	struct err err = ERR_INIT;
	struct seen seen;

	assert_int_equal(PARSE("a", "--", "-l", "--json", "--"), 0);
	assert_int_equal(seen.count, 0);
	assert_int_equal(args.rest_count, 3);
	assert_string_equal(args.rest[2], "--");
}

static void passes_settings_on_as_flags(void **state)
{
	AUTO_ARGS struct args args;
	struct err err = ERR_INIT;
	struct seen seen;

	assert_int_equal(PARSE("--config", "f", "--listen", "127.0.0.1:1", "--queue=7", "--insecure-no-auth"),
			 0);
	assert_string_equal(args.config, "f");
	assert_int_equal(strv_len(args.flags), 3);
	assert_string_equal(args.flags[0], "--listen=127.0.0.1:1");
	assert_string_equal(args.flags[1], "--queue=7");
	assert_string_equal(args.flags[2], "--insecure-no-auth");
}

static void refuses_what_it_does_not_know(void **state)
{
	static const char *const bad[] = { "--nosuch", "-Z",	"--language", "-l",
					   "--json=x", "--jso", "--listen" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_ARGS struct args args;
		struct err err = ERR_INIT;
		struct seen seen;

		assert_int_equal(parse(&seen, &args, &err, 1, &bad[i]), -EINVAL);
		assert_string_not_equal(err.text, "");
	}
}

static void takes_a_single_dash_for_an_operand(void **state)
{
	AUTO_ARGS struct args args;
	struct err err = ERR_INIT;
	struct seen seen;

	assert_int_equal(PARSE("-"), 0);
	assert_int_equal(args.operands_count, 1);
}

static void reads_limits_with_units(void **state)
{
	struct limits limits = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(limit_read("memory_bytes=64MiB", &limits, &err), 0);
	assert_int_equal(limit_read("wall_ms=2s", &limits, &err), 0);
	assert_int_equal(limit_read("processes=5", &limits, &err), 0);
	assert_int_equal(limits.value[LIMIT_MEMORY_BYTES], 64 * MIB);
	assert_int_equal(limits.value[LIMIT_WALL_MS], 2000);
	assert_int_equal(limits.value[LIMIT_PROCESSES], 5);
}

static void refuses_limits_that_are_none(void **state)
{
	static const char *const bad[] = { "wall_ms",
					   "wall_ms=",
					   "wall_ms=-1",
					   "wall_ms=0",
					   "wall_ms=1MiB",
					   "nosuch=1",
					   "=1",
					   "",
					   "processes=2s",
					   "memory_bytes=1",
					   "wall_ms=1e3",
					   "wall_ms= ",
					   "wall_ms=99999999999999999999999" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct limits limits = { 0 };
		struct err err = ERR_INIT;

		assert_int_equal(limit_read(bad[i], &limits, &err), -EINVAL);
		assert_string_not_equal(err.text, "");
	}
}

static void exits_as_the_help_promises(void **state)
{
	static const struct {
		enum run_outcome run, step;
		struct step_facts facts;
		int cancelled_by, expected;
	} cases[] = {
		{ RUN_OK, RUN_OK, { .started = true }, 0, 0 },
		{ RUN_FAILED, RUN_FAILED, { .started = true, .exit_code = 42 }, 0, 42 },
		{ RUN_SIGNALED, RUN_SIGNALED, { .started = true, .signaled = true, .signal = 11 }, 0, 139 },
		{ RUN_WALL_TIME_EXCEEDED, RUN_WALL_TIME_EXCEEDED, { .signaled = true, .signal = 9 }, 0, 124 },
		{ RUN_CPU_TIME_EXCEEDED, RUN_CPU_TIME_EXCEEDED, { .signaled = true, .signal = 24 }, 0, 124 },
		{ RUN_MEMORY_EXCEEDED, RUN_MEMORY_EXCEEDED, { .exit_code = 1 }, 0, 137 },
		{ RUN_OUTPUT_EXCEEDED, RUN_OUTPUT_EXCEEDED, { .signaled = true, .signal = 9 }, 0, 1 },
		{ RUN_DISK_EXCEEDED, RUN_DISK_EXCEEDED, { .exit_code = 5 }, 0, 5 },
		{ RUN_PROCESSES_EXCEEDED, RUN_PROCESSES_EXCEEDED, { .exit_code = 254 }, 0, 254 },
		{ RUN_CANCELLED, RUN_CANCELLED, { .signaled = true, .signal = 9 }, SIGINT, 130 },
		{ RUN_CANCELLED, RUN_CANCELLED, { .signaled = true, .signal = 9 }, SIGTERM, 143 },
		{ RUN_COMPILE_FAILED, RUN_FAILED, { .started = true, .exit_code = 1 }, 0, 1 },
		{ RUN_COMPILE_FAILED, RUN_WALL_TIME_EXCEEDED, { .signaled = true, .signal = 9 }, 0, 124 },
		{ RUN_ENGINE_ERROR, RUN_ENGINE_ERROR, { .engine_failed = true }, 0, 125 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct step_result step = { .facts = cases[i].facts, .verdict.outcome = cases[i].step };
		const struct run_result result = { .outcome = cases[i].run,
						   .steps = &step,
						   .steps_count = 1 };

		assert_int_equal(run_exit_status(&result, cases[i].cancelled_by), cases[i].expected);
	}
}

static void exits_with_125_when_an_engine_ran_nothing(void **state)
{
	const struct run_result result = { .outcome = RUN_ENGINE_ERROR };

	assert_int_equal(run_exit_status(&result, 0), 125);
}

/* A working directory with a project in it, and the way back. */
struct folder {
	char path[64];
	int before_fd;
};

static void file_make(const char *path, mode_t mode)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, path, strlen(path)), (ssize_t)strlen(path));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int folder_enter(void **state)
{
	static struct folder folder;

	snprintf(folder.path, sizeof(folder.path), "/tmp/kiln-test-cmd-XXXXXX");
	folder.before_fd = open(".", O_DIRECTORY | O_CLOEXEC);
	if (!mkdtemp(folder.path) || chdir(folder.path) < 0 || mkdir("src", 0755) < 0 ||
	    mkdir("src/deep", 0755) < 0)
		return -1;
	file_make("main.c", 0644);
	file_make("src/a.c", 0600);
	file_make("src/deep/run.sh", 0755);
	*state = &folder;
	return 0;
}

static int folder_leave(void **state)
{
	static const char *const made[] = { "main.c", "src/a.c", "src/deep/run.sh", "src/pipe", "src/link" };
	const struct folder *folder = *state;

	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		unlink(made[i]);
	rmdir("src/deep");
	rmdir("src");
	rmdir(folder->path);
	return fchdir(folder->before_fd) | close(folder->before_fd);
}

static const struct run_file *file_named(const struct run_request *req, const char *name)
{
	for (size_t i = 0; i < req->files_count; i++) {
		if (strcmp(req->files[i].name, name) == 0)
			return &req->files[i];
	}
	return NULL;
}

static void names_files_by_their_paths_below_the_working_directory(void **state)
{
	const struct folder *folder = *state;
	struct run_request req = { 0 };
	struct err err = ERR_INIT;
	char absolute[128];

	snprintf(absolute, sizeof(absolute), "%s/src/deep/run.sh", folder->path);
	assert_int_equal(run_files_add(&req, ".//main.c", &err), 0);
	assert_int_equal(run_files_add(&req, "src/a.c", &err), 0);
	assert_int_equal(run_files_add(&req, absolute, &err), 0);
	assert_int_equal(req.files_count, 3);
	assert_non_null(file_named(&req, "main.c"));
	assert_int_equal(file_named(&req, "src/a.c")->mode, 0600);
	assert_int_equal(file_named(&req, "run.sh")->mode, 0755);
	request_finish(&req);
}

static void names_files_that_climb_by_their_last_component(void **state)
{
	struct run_request req = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(run_files_add(&req, "src/../src/a.c", &err), 0);
	assert_non_null(file_named(&req, "a.c"));
	request_finish(&req);
}

static void adds_a_folder_with_names_relative_to_it(void **state)
{
	struct run_request req = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(run_files_add(&req, "src/", &err), 0);
	assert_int_equal(req.files_count, 2);
	assert_non_null(file_named(&req, "a.c"));
	assert_non_null(file_named(&req, "deep/run.sh"));
	request_finish(&req);
}

static void refuses_pipes_and_links_to_folders(void **state)
{
	struct run_request req = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(mkfifo("src/pipe", 0644), 0);
	assert_int_equal(run_files_add(&req, "src/pipe", &err), -EINVAL);
	assert_int_equal(run_files_add(&req, "src", &err), -EINVAL);
	assert_int_equal(unlink("src/pipe"), 0);
	request_finish(&req);

	req = (struct run_request){ 0 };
	assert_int_equal(symlink("..", "src/link"), 0);
	assert_int_equal(run_files_add(&req, "src", &err), -EINVAL);
	request_finish(&req);
}

static void says_which_file_is_not_there(void **state)
{
	struct run_request req = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(run_files_add(&req, "nosuch.c", &err), -ENOENT);
	assert_non_null(strstr(err.text, "nosuch.c"));
	request_finish(&req);
}

static void on_wake(uv_async_t *handle)
{
	(*(int *)handle->data)++;
}

static void loop_open(uv_loop_t *loop, uv_async_t *wake, int *woken)
{
	assert_int_equal(uv_loop_init(loop), 0);
	assert_int_equal(uv_async_init(loop, wake, on_wake), 0);
	wake->data = woken;
}

static void loop_shut(uv_loop_t *loop, uv_async_t *wake)
{
	uv_close((uv_handle_t *)wake, NULL);
	uv_run(loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(loop), 0);
}

static void a_sink_writes_everything_through_a_narrow_non_blocking_pipe(void **state)
{
	static uint8_t chunk[3 * MIB], got[65536];
	struct sink *sink;
	uv_async_t wake;
	uv_loop_t loop;
	int fds[2], woken = 0;
	size_t total = 0;
	ssize_t n;

	memset(chunk, 'x', sizeof(chunk));
	loop_open(&loop, &wake, &woken);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(sink_create(fds[1], &wake, &sink, NULL), 0);
	sink_write(sink, chunk, sizeof(chunk));
	while (total < sizeof(chunk) && (n = read(fds[0], got, sizeof(got))) > 0)
		total += (size_t)n;
	assert_int_equal(total, sizeof(chunk));
	sink_detach(sink);
	assert_int_equal(sink_finish(sink), 0);
	close(fds[0]);
	close(fds[1]);
	loop_shut(&loop, &wake);
}

static void a_sink_whose_reader_has_gone_says_so_once_and_drops_the_rest(void **state)
{
	struct sink *sink;
	uv_async_t wake;
	uv_loop_t loop;
	int fds[2], woken = 0;

	loop_open(&loop, &wake, &woken);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	assert_int_equal(sink_create(fds[1], &wake, &sink, NULL), 0);
	sink_write(sink, (const uint8_t *)"x", 1);
	uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(woken, 1);
	assert_true(sink_broken(sink));
	sink_write(sink, (const uint8_t *)"y", 1);
	sink_detach(sink);
	assert_int_equal(sink_finish(sink), -EPIPE);
	close(fds[1]);
	loop_shut(&loop, &wake);
}

static void a_source_reads_no_more_than_was_wanted(void **state)
{
	struct source *source;
	uint8_t got[64];
	uv_async_t wake;
	uv_loop_t loop;
	int fds[2], woken = 0;
	bool eof;

	loop_open(&loop, &wake, &woken);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], "abcdef", 6), 6);
	assert_int_equal(source_create(fds[0], &wake, &source, NULL), 0);
	source_want(source, 4);
	uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(source_take(source, got, sizeof(got), &eof), 4);
	assert_memory_equal(got, "abcd", 4);
	assert_false(eof);
	close(fds[1]);
	source_want(source, 100);
	uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(source_take(source, got, sizeof(got), &eof), 2);
	while (!eof) {
		uv_run(&loop, UV_RUN_ONCE);
		source_take(source, got, sizeof(got), &eof);
	}
	source_destroy(source);
	loop_shut(&loop, &wake);
}

static void a_source_can_be_forgotten_while_it_waits(void **state)
{
	struct source *source;
	uv_async_t wake;
	uv_loop_t loop;
	int fds[2], woken = 0;

	loop_open(&loop, &wake, &woken);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(source_create(fds[0], &wake, &source, NULL), 0);
	source_want(source, 4);
	source_destroy(source);
	loop_shut(&loop, &wake);
	close(fds[1]); /* its thread ends and frees it */
	assert_int_equal(woken, 0);
}

static int pipes_ignore(void **state)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	return sigaction(SIGPIPE, &ignore, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_options_in_every_spelling),
		cmocka_unit_test(leaves_everything_behind_two_dashes_alone),
		cmocka_unit_test(passes_settings_on_as_flags),
		cmocka_unit_test(refuses_what_it_does_not_know),
		cmocka_unit_test(takes_a_single_dash_for_an_operand),
		cmocka_unit_test(reads_limits_with_units),
		cmocka_unit_test(refuses_limits_that_are_none),
		cmocka_unit_test(exits_as_the_help_promises),
		cmocka_unit_test(exits_with_125_when_an_engine_ran_nothing),
		cmocka_unit_test_setup_teardown(names_files_by_their_paths_below_the_working_directory,
						folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(names_files_that_climb_by_their_last_component, folder_enter,
						folder_leave),
		cmocka_unit_test_setup_teardown(adds_a_folder_with_names_relative_to_it, folder_enter,
						folder_leave),
		cmocka_unit_test_setup_teardown(refuses_pipes_and_links_to_folders, folder_enter,
						folder_leave),
		cmocka_unit_test_setup_teardown(says_which_file_is_not_there, folder_enter, folder_leave),
		cmocka_unit_test(a_sink_writes_everything_through_a_narrow_non_blocking_pipe),
		cmocka_unit_test(a_sink_whose_reader_has_gone_says_so_once_and_drops_the_rest),
		cmocka_unit_test(a_source_reads_no_more_than_was_wanted),
		cmocka_unit_test(a_source_can_be_forgotten_while_it_waits),
	};

	return cmocka_run_group_tests_name("cmd", tests, pipes_ignore, NULL);
}
