/*
 * What `kiln bench` measures with: statistics, the end of an answer, subjects in turns, the bare side of a job.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/strv.h"
#include "bench/answer.h"
#include "bench/exec.h"
#include "bench/job.h"
#include "bench/load.h"
#include "bench/post.h"
#include "bench/stats.h"
#include "bench/turns.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void near(double value, double expected)
{
	if (fabs(value - expected) > 1e-9)
		fail_msg("%.12f is not %.12f", value, expected);
}

/* Statistics */

static void percentiles_lie_between_their_neighbours(void **state)
{
	const double sorted[] = { 1, 2, 3, 4 };

	near(stats_percentile(sorted, 4, 0), 1);
	near(stats_percentile(sorted, 4, 50), 2.5);
	near(stats_percentile(sorted, 4, 90), 3.7);
	near(stats_percentile(sorted, 4, 100), 4);
	near(stats_percentile(sorted, 1, 99), 1);
	near(stats_percentile(sorted, 0, 50), 0);
}

static void a_summary_sorts_a_copy(void **state)
{
	const double values[] = { 9, 1, 5 };
	struct summary s;

	assert_int_equal(stats_summary(values, 3, &s), 0);
	near(s.min, 1);
	near(s.p50, 5);
	near(s.max, 9);
	near(s.mean, 5);
	assert_int_equal(s.count, 3);
	near(values[0], 9);
}

static void a_summary_of_nothing_is_all_zero(void **state)
{
	struct summary s = { .count = 7, .max = 3 };

	assert_int_equal(stats_summary(NULL, 0, &s), 0);
	assert_int_equal(s.count, 0);
	near(s.max, 0);
}

/* Two samples a round against one. */
static const double slow[] = { 20, 22, 19, 21, 40, 18, 20, 20, 23, 21, 22, 20 };
static const double fast[] = { 10, 11, 10, 9, 10, 11 };
static const struct paired pair = { .a = slow, .b = fast, .rounds = 6, .a_per_round = 2, .b_per_round = 1 };

static void a_ratio_is_that_of_all_values_with_the_quartiles_of_the_rounds(void **state)
{
	struct ratio ratio;

	assert_int_equal(stats_ratio(&pair, 50, 1, &ratio), 0);
	near(ratio.value, 2.05);
	/* Of the rounds: 21/10, 20/11, 29/10, 20/9, 22/10, 21/11. */
	near(ratio.q1, 21.0 / 11 + 0.25 * (2.1 - 21.0 / 11));
	near(ratio.q3, 2.2 + 0.75 * (20.0 / 9 - 2.2));
}

static void the_bootstrap_holds_the_ratio_and_repeats_itself_with_its_seed(void **state)
{
	struct ratio one, again, other;

	assert_int_equal(stats_ratio(&pair, 50, 1, &one), 0);
	assert_int_equal(stats_ratio(&pair, 50, 1, &again), 0);
	assert_int_equal(stats_ratio(&pair, 99, 2, &other), 0);
	assert_true(one.low <= one.value && one.value <= one.high);
	assert_true(one.low > 1.7 && one.high < 3 && one.low < one.high);
	assert_memory_equal(&one, &again, sizeof(one));
	assert_true(other.high > one.high);
}

static void series_that_never_differ_have_no_spread(void **state)
{
	const double a[] = { 3, 3, 3, 3 }, b[] = { 2, 2, 2, 2 };
	const struct paired same = { .a = a, .b = b, .rounds = 4, .a_per_round = 1, .b_per_round = 1 };
	struct ratio ratio;

	assert_int_equal(stats_ratio(&same, 50, 3, &ratio), 0);
	near(ratio.low, 1.5);
	near(ratio.value, 1.5);
	near(ratio.high, 1.5);
}

static void a_ratio_to_nothing_is_refused(void **state)
{
	const double zero[] = { 0, 0 }, one[] = { 1, 1 };
	struct paired bad = { .a = one, .b = zero, .rounds = 2, .a_per_round = 1, .b_per_round = 1 };
	struct ratio ratio;

	assert_int_equal(stats_ratio(&bad, 50, 1, &ratio), -EINVAL);
	bad.rounds = 0;
	assert_int_equal(stats_ratio(&bad, 50, 1, &ratio), -EINVAL);
}

/* Answers */

static const struct {
	const char *text;
	int found, status;
	size_t body_len, total;
} answers[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP", 1, 200, 2, 40 },
	{ "HTTP/1.1 503 Busy\r\ncontent-length:0\r\n\r\n", 1, 503, 0, 39 },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n0\r\n\r\n", 1, 200, 16, 63 },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", 0, 0, 0, 0 },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhi\r\n0\r\n\r\n", 0, 0, 0, 0 },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 3", 0, 0, 0, 0 },
	{ "", 0, 0, 0, 0 },
	{ "HTTP/1.1 200 OK\r\n\r\n", -EBADMSG, 0, 0, 0 },
	{ "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n", -EBADMSG, 0, 0, 0 },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", -EBADMSG, 0, 0, 0 },
	{ "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n", -EBADMSG, 0, 0, 0 },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n0\r\n\r\n", -EBADMSG, 0, 0, 0 },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n0\r\n\r\n", -EBADMSG, 0, 0, 0 },
	{ "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n\r\n", -EBADMSG, 0, 0, 0 },
};

static void finds_the_end_of_an_answer(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct answer a = { 0 };
		int found = answer_find(answers[i].text, strlen(answers[i].text), &a);

		if (found != answers[i].found || a.status != answers[i].status ||
		    a.body_len != answers[i].body_len || a.total != answers[i].total)
			fail_msg("%s: %d, status %d, body %zu, total %zu", answers[i].text, found, a.status,
				 a.body_len, a.total);
	}
}

/* Whatever piece of it has come, it is complete only with its last byte. */
static void an_answer_in_pieces_is_complete_with_its_last_byte(void **state)
{
	for (size_t i = 0; i < 3; i++) {
		struct answer a;

		for (size_t len = 0; len < answers[i].total; len++)
			assert_int_equal(answer_find(answers[i].text, len, &a), 0);
		assert_int_equal(answer_find(answers[i].text, answers[i].total, &a), 1);
	}
}

/* Turns */

struct counted {
	struct subject subject;
	char *log; /* of the letters of everybody's runs */
	unsigned runs, fails_at;
};

static int counted_once(struct subject *subject, uint64_t *ret_ns, struct err *err)
{
	struct counted *c = container_of(subject, struct counted, subject);
	size_t len = strlen(c->log);

	c->log[len] = subject->name[0];
	c->log[len + 1] = '\0';
	if (++c->runs == c->fails_at)
		return err_set(err, -EIO, "it fell over");
	*ret_ns = c->runs * 1000U;
	return 0;
}

static const struct subject_vtable counted_vtable = { .once = counted_once };

static void everybody_has_his_turn_and_another_one_begins_each_round(void **state)
{
	char log[64] = "";
	struct counted a = { .subject = { &counted_vtable, (char *)"a" }, .log = log };
	struct counted b = { .subject = { &counted_vtable, (char *)"b" }, .log = log };
	const struct turns turns = { .rounds = 2, .per_round = 2, .warm_up = 1 };
	struct turn_series series[] = { { .subject = &a.subject }, { .subject = &b.subject } };
	struct err err = ERR_INIT;

	assert_int_equal(turns_run(&turns, series, 2, &err), 0);
	assert_string_equal(log, "abaabbbbaa");
	assert_int_equal(series[0].times_us.count, 4);
	near(series[0].times_us.values[0], 2);
	near(series[1].times_us.values[3], 5);
	turn_series_finish(&series[0]);
	turn_series_finish(&series[1]);
}

static void who_fails_is_left_out_and_the_others_go_on(void **state)
{
	char log[64] = "";
	struct counted a = { .subject = { &counted_vtable, (char *)"a" }, .log = log };
	struct counted b = { .subject = { &counted_vtable, (char *)"b" }, .log = log, .fails_at = 2 };
	const struct turns turns = { .rounds = 2, .per_round = 2 };
	struct turn_series series[] = { { .subject = &a.subject }, { .subject = &b.subject } };
	struct err err = ERR_INIT;
	struct ratio ratio;

	assert_int_equal(turns_run(&turns, series, 2, &err), 0);
	assert_string_equal(log, "aabbaa");
	assert_true(series[1].failed);
	assert_non_null(strstr(series[1].err.text, "it fell over"));
	assert_int_equal(turn_ratio(&turns, &series[1], &series[0], 50, &ratio), -EINVAL);
	turn_series_finish(&series[0]);
	turn_series_finish(&series[1]);
}

static bool never(void *user, int round, const char *subject)
{
	return false;
}

static void an_interruption_ends_the_turns(void **state)
{
	char log[64] = "";
	struct counted a = { .subject = { &counted_vtable, (char *)"a" }, .log = log };
	const struct turns turns = { .rounds = 2, .per_round = 2, .go_on = never };
	struct turn_series series = { .subject = &a.subject };
	struct err err = ERR_INIT;

	assert_int_equal(turns_run(&turns, &series, 1, &err), -EINTR);
	assert_string_equal(log, "");
}

/* Programs of this machine */

static struct subject *program(const char *const *argv)
{
	const struct exec_step step = { .argv = (char **)argv };
	struct subject *subject = NULL;
	struct err err = ERR_INIT;

	if (exec_create("bare", &step, 1, NULL, &subject, &err) < 0)
		fail_msg("%s", err.text);
	return subject;
}

static void a_program_takes_the_time_until_it_has_ended(void **state)
{
	struct subject *subject = program((const char *const[]){ "sleep", "0.02", NULL });
	struct err err = ERR_INIT;
	uint64_t ns = 0;

	assert_int_equal(subject->v->once(subject, &ns, &err), 0);
	assert_true(ns >= 20000000);
	subject_destroy(subject);
}

static void a_program_that_fails_is_no_measurement(void **state)
{
	struct subject *subject = program((const char *const[]){ "false", NULL });
	struct err err = ERR_INIT;
	uint64_t ns = 0;
	double rate = 0;

	assert_int_equal(subject->v->once(subject, &ns, &err), -EINVAL);
	assert_non_null(strstr(err.text, "exit code 1"));
	assert_int_equal(exec_rate(subject, 2, 10, &rate, &err), -EINVAL);
	subject_destroy(subject);
}

static void a_program_that_is_not_there_is_said_at_once(void **state)
{
	char *argv[] = { (char *)"no-such-program-of-kiln", NULL };
	const struct exec_step step = { .argv = argv };
	struct subject *subject = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(exec_create("bare", &step, 1, NULL, &subject, &err), -ENOENT);
	assert_int_equal(exec_create("bare", &step, 0, NULL, &subject, &err), -EINVAL);
	assert_null(subject);
}

static void a_rate_counts_what_all_workers_did(void **state)
{
	struct subject *subject = program((const char *const[]){ "true", NULL });
	struct err err = ERR_INIT;
	double rate = 0;

	assert_int_equal(exec_rate(subject, 2, 100, &rate, &err), 0);
	assert_true(rate > 1);
	/* Its workers are gone, and nobody else was waited for. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	subject_destroy(subject);
}

/* Jobs */

static void a_job_is_done_bare_with_its_files_in_a_folder_that_goes_away(void **state)
{
	static const char body[] = "{\"image\":\"host\",\"files\":{\"a/b.txt\":\"b\"},\"steps\":["
				   "{\"name\":\"one\",\"command\":[\"cp\",\"a/b.txt\",\"c\"]},"
				   "{\"name\":\"two\",\"command\":[\"grep\",\"-q\",\"b\",\"c\"]}]}";
	struct plan_context context = { .image_find = job_image_find };
	struct job job = { .body = strdup(body), .body_len = strlen(body), .label = strdup("job") };
	struct subject *bare = NULL;
	struct err err = ERR_INIT;
	AUTO_FREE char *dir = NULL;
	uint64_t ns = 0;

	for (int i = 0; i < LIMIT_COUNT; i++)
		context.ceilings.value[i] = INT64_MAX;
	if (job_bare(&job, &context, &bare, &err) < 0 || bare->v->once(bare, &ns, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(ns > 0);
	dir = strdup(job.dir);
	assert_int_equal(access(dir, F_OK), 0);
	subject_destroy(bare);
	job_finish(&job);
	assert_int_equal(access(dir, F_OK), -1);
}

static void a_job_of_another_image_has_no_bare_side(void **state)
{
	char *const argv[] = { (char *)"true", NULL };
	struct plan_context context = { .image_find = job_image_find };
	struct subject *bare = NULL;
	struct err err = ERR_INIT;
	struct job job;

	assert_int_equal(job_of_command("debian", argv, 1, &job, &err), 0);
	assert_string_equal(job.body,
			    "{\"image\":\"debian\",\"steps\":[{\"name\":\"run\",\"command\":[\"true\"]}]}");
	assert_int_equal(job_bare(&job, &context, &bare, &err), -EINVAL);
	assert_null(bare);
	job_finish(&job);
}

/* Servers: a child that answers every connection's requests with the same bytes. */

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"

struct fixed {
	pid_t pid;
	char url[64];
};

__attribute__((noreturn)) static void fixed_serve(int listener, const char *bytes)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		char request[4096];

		if (fork() != 0) {
			close(fd);
			continue;
		}
		while (read(fd, request, sizeof(request)) > 0 &&
		       write(fd, bytes, strlen(bytes)) == (ssize_t)strlen(bytes))
			;
		_exit(0);
	}
}

static struct fixed fixed_start(const char *bytes)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(address);
	struct fixed fixed = { 0 };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 16), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	snprintf(fixed.url, sizeof(fixed.url), "http://127.0.0.1:%u/run", ntohs(address.sin_port));
	fixed.pid = fork();
	if (fixed.pid == 0) {
		setpgid(0, 0);
		fixed_serve(listener, bytes);
	}
	setpgid(fixed.pid, fixed.pid);
	close(listener);
	return fixed;
}

static void fixed_stop(const struct fixed *fixed)
{
	kill(-fixed->pid, SIGKILL);
	waitpid(fixed->pid, NULL, 0);
}

static int post(const char *url, struct err *err)
{
	const struct post_options options = { .url = url, .body = "{}", .body_len = 2 };
	struct subject *subject = NULL;
	uint64_t ns = 0;
	int r = post_create("server", &options, &subject, err);

	for (int i = 0; r >= 0 && i < 3; i++)
		r = subject->v->once(subject, &ns, err);
	subject_destroy(subject);
	return r;
}

static void a_post_measures_good_answers_and_refuses_others(void **state)
{
	struct fixed good = fixed_start(GOOD);
	struct fixed busy = fixed_start("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
	struct fixed odd = fixed_start("+OK POP3 server ready\r\n\r\n");
	struct err err = ERR_INIT;

	assert_int_equal(post(good.url, &err), 0);
	assert_int_equal(post(busy.url, &err), -EINVAL);
	assert_non_null(strstr(err.text, "503: busy"));
	assert_int_equal(post(odd.url, &err), -EPROTO);
	assert_int_equal(post("https://127.0.0.1/", &err), -EINVAL);
	assert_int_equal(post("http://:80/", &err), -EINVAL);
	fixed_stop(&good);
	fixed_stop(&busy);
	fixed_stop(&odd);
}

static int load(const char *url, const char *expect, struct load_result *ret, struct err *err)
{
	const struct post_options options = { .url = url, .body = "{}", .body_len = 2 };
	struct post_target target = { 0 };
	const struct load load = { .target = &target, .connections = 4, .ms = 100, .expect = expect };
	int r = post_target_init(&options, &target, err);

	if (r >= 0)
		r = load_run(&load, ret, err);
	post_target_finish(&target);
	return r;
}

static void a_load_counts_good_answers_and_refusals_apart(void **state)
{
	struct fixed good = fixed_start(GOOD);
	struct fixed busy = fixed_start("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
	struct load_result result = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(load(good.url, "good", &result, &err), 0);
	assert_true(result.runs > 4 && result.runs == result.times_us.count && result.refused == 0);
	near(result.per_second, (double)result.runs * 10);
	samples_finish(&result.times_us);
	assert_int_equal(load(busy.url, "good", &result, &err), 0);
	assert_true(result.runs == 0 && result.refused > 4);
	samples_finish(&result.times_us);
	assert_int_equal(load(good.url, "better", &result, &err), -EINVAL);
	fixed_stop(&good);
	fixed_stop(&busy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_lie_between_their_neighbours),
		cmocka_unit_test(a_summary_sorts_a_copy),
		cmocka_unit_test(a_summary_of_nothing_is_all_zero),
		cmocka_unit_test(a_ratio_is_that_of_all_values_with_the_quartiles_of_the_rounds),
		cmocka_unit_test(the_bootstrap_holds_the_ratio_and_repeats_itself_with_its_seed),
		cmocka_unit_test(series_that_never_differ_have_no_spread),
		cmocka_unit_test(a_ratio_to_nothing_is_refused),
		cmocka_unit_test(finds_the_end_of_an_answer),
		cmocka_unit_test(an_answer_in_pieces_is_complete_with_its_last_byte),
		cmocka_unit_test(everybody_has_his_turn_and_another_one_begins_each_round),
		cmocka_unit_test(who_fails_is_left_out_and_the_others_go_on),
		cmocka_unit_test(an_interruption_ends_the_turns),
		cmocka_unit_test(a_program_takes_the_time_until_it_has_ended),
		cmocka_unit_test(a_program_that_fails_is_no_measurement),
		cmocka_unit_test(a_program_that_is_not_there_is_said_at_once),
		cmocka_unit_test(a_rate_counts_what_all_workers_did),
		cmocka_unit_test(a_job_is_done_bare_with_its_files_in_a_folder_that_goes_away),
		cmocka_unit_test(a_job_of_another_image_has_no_bare_side),
		cmocka_unit_test(a_post_measures_good_answers_and_refuses_others),
		cmocka_unit_test(a_load_counts_good_answers_and_refusals_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
