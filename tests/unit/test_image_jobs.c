/*
 * Images made for a server: the jobs as the front sees them, with the builder's end of the socket in the test's hands;
 * and what the builder takes for a request.
 */
#include "base/cleanup.h"
#include "base/fd.h"
#include "image/builder.h"
#include "image/jobs.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct seen {
	int progress, over;
	enum image_job_state state;
	uint64_t done_bytes;
	char error[64], slug[32], phase[64];
	struct image_jobs *start_again; /* in `over`: the same job once more */
	struct image_watch *stop;	/* in any call: this one */
};

struct world {
	uv_loop_t loop;
	struct image_jobs *jobs;
	int builder_fd;
	struct seen seen, other;
};

static struct image_job_spec pull_of(const char *name)
{
	return (struct image_job_spec){
		.kind = BUILDER_PULL, .name = name, .source = name, .archive_fd = -1
	};
}

static void on_progress(void *user, const struct image_job *job)
{
	struct seen *seen = user;

	seen->progress++;
	seen->done_bytes = job->done_bytes;
	snprintf(seen->phase, sizeof(seen->phase), "%s", job->phase);
	image_watch_stop(TAKE_PTR(seen->stop));
}

static void on_over(void *user, const struct image_job *job)
{
	struct seen *seen = user;
	struct image_job_spec again = pull_of(job->name);

	seen->over++;
	seen->state = job->state;
	snprintf(seen->error, sizeof(seen->error), "%.60s", job->error ? job->error->text : "");
	snprintf(seen->slug, sizeof(seen->slug), "%s",
		 job->error && job->error->slug ? job->error->slug : "");
	image_watch_stop(TAKE_PTR(seen->stop));
	if (seen->start_again)
		assert_int_equal(image_jobs_start(seen->start_again, &again, NULL, NULL, NULL, NULL), 0);
}

static const struct image_watch_events events = { .progress = on_progress, .over = on_over };

static int setup(void **state)
{
	static struct world w;
	struct builder_request hello;
	int ends[2];

	memset(&w, 0, sizeof(w));
	assert_int_equal(uv_loop_init(&w.loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	w.builder_fd = ends[1];
	assert_int_equal(image_jobs_create(&w.loop, ends[0], &w.jobs, NULL), 0);
	assert_int_equal(recv(w.builder_fd, &hello, sizeof(hello), MSG_DONTWAIT), sizeof(hello));
	assert_int_equal(hello.op, BUILDER_HELLO);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	image_jobs_destroy(w->jobs);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	cleanup_close(&w->builder_fd);
	return 0;
}

/* The next request at the builder's end. */
static struct builder_request asked(struct world *w)
{
	struct builder_request request = { 0 };

	assert_int_equal(recv(w->builder_fd, &request, sizeof(request), MSG_DONTWAIT), sizeof(request));
	return request;
}

static void asked_nothing(struct world *w)
{
	char byte;

	assert_int_equal(recv(w->builder_fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void answer(struct world *w, struct builder_message message)
{
	assert_int_equal(send(w->builder_fd, &message, sizeof(message), 0), sizeof(message));
	uv_run(&w->loop, UV_RUN_NOWAIT);
}

static void over(struct world *w, uint64_t job, int result)
{
	answer(w, (struct builder_message){ .event = BUILDER_OVER,
					    .job = job,
					    .result = result,
					    .err_kind = ERR_UNKNOWN,
					    .slug = "gone",
					    .text = "it is not there" });
}

static uint64_t start(struct world *w, const char *name)
{
	struct image_job_spec spec = pull_of(name);
	struct builder_request request;

	assert_int_equal(image_jobs_start(w->jobs, &spec, NULL, NULL, NULL, NULL), 0);
	request = asked(w);
	assert_int_equal(request.op, BUILDER_START);
	assert_string_equal(request.name, name);
	return request.job;
}

static struct image_watch *watch(struct world *w, const char *name, struct seen *seen)
{
	struct image_job_spec spec = pull_of(name);
	struct image_watch *watch;

	assert_int_equal(image_jobs_start(w->jobs, &spec, &events, seen, &watch, NULL), 0);
	return watch;
}

static struct image_job job_of(struct world *w, const char *name)
{
	struct image_job job = { 0 };

	assert_true(image_jobs_find(w->jobs, name, &job));
	return job;
}

static void a_job_is_asked_for_told_and_over(void **state)
{
	struct world *w = *state;
	struct image_job job;
	uint64_t id;

	watch(w, "alpine", &w->seen);
	id = asked(w).job;
	job = job_of(w, "alpine");
	assert_int_equal(job.state, IMAGE_JOB_RUNNING);
	answer(w, (struct builder_message){ .event = BUILDER_PROGRESS,
					    .job = id,
					    .done_bytes = 5,
					    .total_bytes = 9,
					    .text = "downloading" });
	assert_int_equal(w->seen.progress, 1);
	assert_int_equal(w->seen.done_bytes, 5);
	assert_string_equal(w->seen.phase, "downloading");
	over(w, id, 0);
	assert_int_equal(w->seen.over, 1);
	assert_int_equal(w->seen.state, IMAGE_JOB_DONE);
	assert_int_equal(job_of(w, "alpine").state, IMAGE_JOB_DONE);
}

static void a_failure_says_what_the_builder_said_and_is_remembered(void **state)
{
	struct world *w = *state;
	struct image_job job;

	watch(w, "alpine", &w->seen);
	over(w, asked(w).job, -ENOENT);
	assert_int_equal(w->seen.state, IMAGE_JOB_FAILED);
	assert_string_equal(w->seen.error, "it is not there");
	assert_string_equal(w->seen.slug, "gone");
	job = job_of(w, "alpine");
	assert_int_equal(job.error->kind, ERR_UNKNOWN);
	assert_string_equal(job.error->slug, "gone");
}

static void who_asks_for_the_same_joins(void **state)
{
	struct world *w = *state;
	uint64_t id;

	watch(w, "alpine", &w->seen);
	id = asked(w).job;
	watch(w, "alpine", &w->other);
	asked_nothing(w);
	over(w, id, 0);
	assert_int_equal(w->seen.over + w->other.over, 2);
}

static void another_source_for_a_name_that_is_being_made_is_a_conflict(void **state)
{
	struct world *w = *state;
	struct image_job_spec spec = {
		.kind = BUILDER_BUILD, .name = "alpine", .source = "alpine", .archive_fd = -1
	};
	struct err err = ERR_INIT;

	start(w, "alpine");
	assert_true(image_jobs_start(w->jobs, &spec, NULL, NULL, NULL, &err) < 0);
	assert_string_equal(err.slug, "image_busy");
	assert_int_equal(err.kind, ERR_CONFLICT);
}

static void two_run_sixteen_wait_and_the_next_is_refused(void **state)
{
	struct world *w = *state;
	struct image_job_spec spec;
	struct err err = ERR_INIT;
	uint64_t first = start(w, "a");
	char name[16];

	start(w, "b");
	for (int i = 0; i < IMAGE_JOBS_WAITING; i++) {
		snprintf(name, sizeof(name), "w%d", i);
		spec = pull_of(name);
		assert_int_equal(image_jobs_start(w->jobs, &spec, NULL, NULL, NULL, &err), 0);
	}
	asked_nothing(w);
	spec = pull_of("more");
	assert_true(image_jobs_start(w->jobs, &spec, NULL, NULL, NULL, &err) < 0);
	assert_string_equal(err.slug, "images_busy");
	assert_int_equal(err.kind, ERR_BUSY);
	over(w, first, 0);
	assert_string_equal(asked(w).name, "w0");
	asked_nothing(w);
}

static void a_job_whose_last_watcher_goes_is_given_up(void **state)
{
	struct world *w = *state;
	struct image_watch *one = watch(w, "alpine", &w->seen), *two = watch(w, "alpine", &w->other);
	uint64_t id = asked(w).job;
	struct builder_request request;

	image_watch_stop(one);
	asked_nothing(w);
	image_watch_stop(two);
	request = asked(w);
	assert_int_equal(request.op, BUILDER_CANCEL);
	assert_int_equal(request.job, id);
	over(w, id, -ECANCELED);
	assert_int_equal(job_of(w, "alpine").state, IMAGE_JOB_CANCELLED);
	assert_int_equal(w->seen.over + w->other.over, 0);
}

static void one_that_somebody_started_without_watching_goes_on(void **state)
{
	struct world *w = *state;
	struct image_watch *one;

	start(w, "alpine");
	one = watch(w, "alpine", &w->seen);
	image_watch_stop(one);
	asked_nothing(w);
	assert_int_equal(job_of(w, "alpine").state, IMAGE_JOB_RUNNING);
}

static void one_that_waits_is_given_up_without_the_builder(void **state)
{
	struct world *w = *state;

	start(w, "a");
	start(w, "b");
	image_watch_stop(watch(w, "alpine", &w->seen));
	asked_nothing(w);
	assert_int_equal(job_of(w, "alpine").state, IMAGE_JOB_CANCELLED);
}

static void a_cancelled_name_can_be_asked_for_when_it_is_over(void **state)
{
	struct world *w = *state;
	struct image_job_spec spec = pull_of("alpine");
	uint64_t id = start(w, "alpine");

	assert_false(image_jobs_cancel(w->jobs, "other"));
	assert_true(image_jobs_cancel(w->jobs, "alpine"));
	assert_int_equal(asked(w).op, BUILDER_CANCEL);
	assert_true(image_jobs_start(w->jobs, &spec, NULL, NULL, NULL, NULL) < 0);
	over(w, id, -ECANCELED);
	assert_true(start(w, "alpine") != id);
}

static void a_watcher_may_stop_others_and_start_again_when_it_is_told(void **state)
{
	struct world *w = *state;
	uint64_t id;

	w->seen.stop = watch(w, "alpine", &w->other);
	watch(w, "alpine", &w->seen);
	id = asked(w).job;
	answer(w, (struct builder_message){ .event = BUILDER_PROGRESS, .job = id });
	w->seen.start_again = w->jobs;
	over(w, id, 0);
	assert_int_equal(w->seen.over, 1);
	assert_int_equal(w->other.over, 0);
	assert_int_equal(asked(w).op, BUILDER_START);
	assert_int_equal(job_of(w, "alpine").state, IMAGE_JOB_RUNNING);
}

static void a_builder_that_is_gone_fails_its_jobs_and_takes_no_more(void **state)
{
	struct world *w = *state;
	struct image_job_spec spec = pull_of("next");
	struct err err = ERR_INIT;

	watch(w, "alpine", &w->seen);
	close(w->builder_fd);
	w->builder_fd = -1;
	uv_run(&w->loop, UV_RUN_NOWAIT);
	assert_int_equal(w->seen.state, IMAGE_JOB_FAILED);
	assert_string_equal(w->seen.slug, "no_builder");
	assert_true(image_jobs_start(w->jobs, &spec, NULL, NULL, NULL, &err) < 0);
	assert_string_equal(err.slug, "no_builder");
}

static void a_builder_that_died_fails_what_it_had_and_the_next_one_gets_what_waited(void **state)
{
	struct world *w = *state;
	uint64_t given_up;

	watch(w, "first", &w->seen);
	given_up = asked(w).job;
	start(w, "cancelled");
	assert_true(image_jobs_cancel(w->jobs, "cancelled"));
	assert_int_equal(asked(w).op, BUILDER_CANCEL);
	watch(w, "waiting", &w->other);
	asked_nothing(w);
	answer(w, (struct builder_message){ .event = BUILDER_DIED, .job = given_up });
	assert_int_equal(w->seen.over, 1);
	assert_int_equal(w->seen.state, IMAGE_JOB_FAILED);
	assert_string_equal(w->seen.slug, "builder_died");
	assert_int_equal(job_of(w, "cancelled").state, IMAGE_JOB_CANCELLED);
	assert_string_equal(job_of(w, "cancelled").error->slug, "cancelled");
	/* What it may have found in the socket is given up before anything new is asked for. */
	assert_int_equal(asked(w).op, BUILDER_HELLO);
	assert_string_equal(asked(w).name, "waiting");
	asked_nothing(w);
	over(w, given_up, 0);
	assert_int_equal(job_of(w, "first").state, IMAGE_JOB_FAILED);
	assert_int_equal(w->other.over, 0);
}

static void whoever_is_told_that_the_builder_died_can_ask_again_at_once(void **state)
{
	struct world *w = *state;

	watch(w, "alpine", &w->seen);
	asked(w);
	w->seen.start_again = w->jobs;
	answer(w, (struct builder_message){ .event = BUILDER_DIED });
	assert_int_equal(w->seen.over, 1);
	assert_int_equal(job_of(w, "alpine").state, IMAGE_JOB_RUNNING);
	assert_int_equal(asked(w).op, BUILDER_HELLO);
	assert_string_equal(asked(w).name, "alpine");
}

static void the_end_of_the_server_is_told_to_every_watcher(void **state)
{
	struct world *w = *state;

	start(w, "a");
	watch(w, "b", &w->seen);
	watch(w, "c", &w->other);
	image_jobs_end(w->jobs);
	assert_int_equal(w->seen.state, IMAGE_JOB_CANCELLED);
	assert_string_equal(w->seen.slug, "draining");
	assert_int_equal(w->other.over, 1);
}

static void what_no_job_of_ours_is_about_is_passed_over(void **state)
{
	struct world *w = *state;
	struct builder_message unended = { .event = BUILDER_OVER, .result = -1, .err_kind = 4000000000U };

	watch(w, "alpine", &w->seen);
	unended.job = asked(w).job;
	over(w, 12345, 0);
	assert_int_equal(send(w->builder_fd, "short", 5, 0), 5);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	assert_int_equal(w->seen.over, 0);
	memset(unended.text, 'x', sizeof(unended.text));
	memset(unended.slug, 'y', sizeof(unended.slug));
	memset(unended.field, 'z', sizeof(unended.field));
	answer(w, unended);
	assert_int_equal(w->seen.state, IMAGE_JOB_FAILED);
	assert_int_equal(job_of(w, "alpine").error->kind, ERR_INTERNAL);
}

static void an_archive_goes_along_and_is_closed_here(void **state)
{
	struct world *w = *state;
	int fd = memfd_create("archive", MFD_CLOEXEC), there;
	struct image_job_spec spec = {
		.kind = BUILDER_IMPORT, .name = "mine", .source = "upload", .archive_fd = fd
	};
	struct builder_request request;

	assert_int_equal(image_jobs_start(w->jobs, &spec, NULL, NULL, NULL, NULL), 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(fd_receive(w->builder_fd, &request, sizeof(request), MSG_DONTWAIT, &there),
			 sizeof(request));
	assert_true(there >= 0);
	close(there);
	spec.archive_fd = memfd_create("archive", MFD_CLOEXEC);
	fd = spec.archive_fd;
	assert_true(image_jobs_start(w->jobs, &spec, NULL, NULL, NULL, NULL) < 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* --- what the builder takes for a request --- */

static struct builder_request request_of(enum builder_kind kind, const char *name, const char *source)
{
	struct builder_request request = { .op = BUILDER_START, .kind = kind, .job = 1 };

	snprintf(request.name, sizeof(request.name), "%s", name);
	snprintf(request.source, sizeof(request.source), "%s", source);
	return request;
}

static void the_builder_takes_what_the_kinds_allow(void **state)
{
	static const struct {
		enum builder_kind kind;
		const char *name, *source;
		bool fine;
	} cases[] = {
		{ BUILDER_BUILD, "python-3.9", "python-3.9", true },
		{ BUILDER_BUILD, "x", "../x", false },
		{ BUILDER_BUILD, "x", "/etc/x", false },
		{ BUILDER_BUILD, "x", "a/b", false },
		{ BUILDER_BUILD, "x", ".hidden", false },
		{ BUILDER_BUILD, "x", "-x", false },
		{ BUILDER_BUILD, "x", "", false },
		{ BUILDER_PULL, "x", "docker.io/library/alpine:3.20", true },
		{ BUILDER_PULL, "x", "--help", false },
		{ BUILDER_PULL, "x", "a b", false },
		{ BUILDER_PULL, "x", "a;reboot", false },
		{ BUILDER_PULL, "x", "", false },
		{ BUILDER_IMPORT, "x", "upload", true },
		{ BUILDER_IMPORT, "../x", "upload", false },
		{ BUILDER_REMOVE, "alpine:3.20", "", true },
		{ BUILDER_REMOVE, "host", "", false },
		{ BUILDER_REMOVE, "alpine:latest", "", false },
		{ BUILDER_KIND_COUNT, "x", "x", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct builder_request request = request_of(cases[i].kind, cases[i].name, cases[i].source);

		if ((builder_request_check(&request, NULL, NULL) == 0) != cases[i].fine)
			fail_msg("case %zu", i);
	}
}

static void texts_without_an_end_and_jobs_without_a_number_are_refused(void **state)
{
	struct builder_request request = request_of(BUILDER_REMOVE, "x", "");

	memset(request.name, 'a', sizeof(request.name));
	assert_true(builder_request_check(&request, NULL, NULL) < 0);
	request = request_of(BUILDER_REMOVE, "x", "");
	memset(request.source, 'a', sizeof(request.source));
	assert_true(builder_request_check(&request, NULL, NULL) < 0);
	request = request_of(BUILDER_REMOVE, "x", "");
	request.job = 0;
	assert_true(builder_request_check(&request, NULL, NULL) < 0);
}

static void registries_are_compared_as_wholes(void **state)
{
	static const char *const allowed[] = { "ghcr.io", "docker.io/library", "127.0.0.1:5000", NULL };
	static const struct {
		const char *reference;
		bool fine;
	} cases[] = {
		{ "ghcr.io/acme/tool:1", true },
		{ "ghcr.io.evil.example/acme", false },
		{ "ghcr.io:444/acme", false },
		{ "alpine", true },
		{ "alpine:3.20", true },
		{ "library/alpine", true },
		{ "docker.io/library/alpine@sha256:00", true },
		{ "docker.io/librarian/alpine", false },
		{ "somebody/alpine", false },
		{ "docker.io/library", true },
		{ "127.0.0.1:5000/x", true },
		{ "127.0.0.1:50000/x", false },
		{ "localhost/x", false },
		{ "LIBRARY/x", false },
		{ "Ghcr.io/x", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (image_registry_allowed((char *const *)allowed, cases[i].reference) != cases[i].fine)
			fail_msg("%s", cases[i].reference);
	}
	assert_true(image_registry_allowed(NULL, "anything.example/x"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_job_is_asked_for_told_and_over),
		T(a_failure_says_what_the_builder_said_and_is_remembered),
		T(who_asks_for_the_same_joins),
		T(another_source_for_a_name_that_is_being_made_is_a_conflict),
		T(two_run_sixteen_wait_and_the_next_is_refused),
		T(a_job_whose_last_watcher_goes_is_given_up),
		T(one_that_somebody_started_without_watching_goes_on),
		T(one_that_waits_is_given_up_without_the_builder),
		T(a_cancelled_name_can_be_asked_for_when_it_is_over),
		T(a_watcher_may_stop_others_and_start_again_when_it_is_told),
		T(a_builder_that_is_gone_fails_its_jobs_and_takes_no_more),
		T(a_builder_that_died_fails_what_it_had_and_the_next_one_gets_what_waited),
		T(whoever_is_told_that_the_builder_died_can_ask_again_at_once),
		T(the_end_of_the_server_is_told_to_every_watcher),
		T(what_no_job_of_ours_is_about_is_passed_over),
		T(an_archive_goes_along_and_is_closed_here),
		cmocka_unit_test(the_builder_takes_what_the_kinds_allow),
		cmocka_unit_test(texts_without_an_end_and_jobs_without_a_number_are_refused),
		cmocka_unit_test(registries_are_compared_as_wholes),
	};

	return cmocka_run_group_tests_name("image_jobs", tests, NULL, NULL);
}
