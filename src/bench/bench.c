#include "bench/bench.h"

#include "base/cleanup.h"
#include "bench/exec.h"
#include "bench/load.h"
#include "bench/post.h"
#include "bench/server.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#define RUNS_PATH "/v1/runs"
#define RATE_SEED 4597

/* Where a run's result says how it ended: before anything that a program could have printed. */
#define WELL "\"outcome\":\"ok\",\"language\":"

const char *const bench_phase_names[BENCH_PHASES] = {
	"queue", "acquire", "upload", "exec", "collect", "total"
};

struct bench {
	const struct bench_options *options;
	struct bench_report *report;
	struct server server;
	char url[512];
	bool counting; /* not warming up */
};

/* A result is good when its outcome is; then its phases are counted. */
static int result_check(void *user, const char *body, size_t len, struct err *err)
{
	struct bench *b = user;
	json_t *result = json_loadb(body, len, 0, NULL);
	const char *outcome = json_string_value(json_object_get(result, "outcome"));
	const json_t *timing = json_object_get(result, "timing");
	int r = 0;

	if (!outcome || strcmp(outcome, "ok") != 0)
		r = err_refuse(err, ERR_IMPOSSIBLE, "job_failed", NULL, "outcome %s: %.*s",
			       outcome ? outcome : "missing", len > 300 ? 300 : (int)len, body);
	for (size_t i = 0; r >= 0 && b->counting && i < BENCH_PHASES; i++) {
		char name[32];
		const json_t *us;

		snprintf(name, sizeof(name), "%s_us", bench_phase_names[i]);
		us = json_object_get(timing, name);
		if (us && samples_add(&b->report->phases.us[i], json_number_value(us)) < 0)
			r = err_set(err, -ENOMEM, "out of memory");
	}
	json_decref(result);
	return r;
}

static unsigned processors(cpu_set_t *ret_all)
{
	CPU_ZERO(ret_all);
	if (sched_getaffinity(0, sizeof(*ret_all), ret_all) < 0)
		return 1;
	return (unsigned)CPU_COUNT(ret_all);
}

/* Splits the processors: the last for this program, the others for its server. False when there is but one. */
static bool processors_split(const cpu_set_t *all, cpu_set_t *ret_own, cpu_set_t *ret_others)
{
	int last = CPU_SETSIZE - 1;

	if (CPU_COUNT(all) < 2)
		return false;
	while (!CPU_ISSET(last, all))
		last--;
	CPU_ZERO(ret_own);
	CPU_SET(last, ret_own);
	CPU_XOR(ret_others, all, ret_own);
	return true;
}

static int server_begin(struct bench *b, const cpu_set_t *cpus, struct err *err)
{
	const struct bench_options *o = b->options;
	int r = o->url ? 0 : server_start(o->server_flags, cpus, &b->server, err);

	if (r >= 0)
		snprintf(b->url, sizeof(b->url), "%s" RUNS_PATH, o->url ? o->url : b->server.url);
	return r;
}

static struct post_options post_of(struct bench *b)
{
	return (struct post_options){
		.url = b->url,
		.body = b->options->job->body,
		.body_len = b->options->job->body_len,
		.token = b->options->token,
		.check = result_check,
		.user = b,
	};
}

static bool turns_go_on(void *user, int round, const char *subject)
{
	struct bench *b = user;

	b->counting = round >= 0;
	return !b->options->turns.go_on || b->options->turns.go_on(b->options->turns.user, round, subject);
}

static int turns_measure(struct bench *b, struct err *err)
{
	struct turns turns = b->options->turns;
	struct bench_report *report = b->report;
	int r;

	turns.go_on = turns_go_on;
	turns.user = b;
	r = turns_run(&turns, report->series, report->series_count, err);
	for (size_t i = 0; r >= 0 && i < (b->options->bare ? 2 : 1); i++) {
		if (!report->series[i].failed)
			continue;
		*err = report->series[i].err;
		r = err->code;
	}
	return r;
}

static void series_add(struct bench_report *report, struct subject *subject)
{
	struct turn_series *series = &report->series[report->series_count++];

	series->subject = subject;
	snprintf(series->name, sizeof(series->name), "%s", subject->name);
}

static int series_make(struct bench *b, struct subject *kiln, struct err *err)
{
	const struct bench_options *o = b->options;
	struct bench_report *report = b->report;

	report->series = calloc(o->peers_count + 2, sizeof(*report->series));
	if (!report->series)
		return err_set(err, -ENOMEM, "out of memory");
	series_add(report, kiln);
	if (o->bare)
		series_add(report, o->bare);
	for (size_t i = 0; i < o->peers_count; i++)
		series_add(report, o->peers[i]);
	return 0;
}

static int singles_measure(struct bench *b, struct err *err)
{
	cpu_set_t all, own, others;
	struct subject *kiln = NULL;
	struct post_options post;
	int r;

	processors(&all);
	b->report->pinned = b->options->pin && processors_split(&all, &own, &others);
	r = server_begin(b, b->report->pinned ? &others : NULL, err);
	if (r < 0)
		return r;
	if (b->report->pinned)
		sched_setaffinity(0, sizeof(own), &own);
	post = post_of(b);
	r = post_create("kiln", &post, &kiln, err);
	if (r >= 0)
		r = series_make(b, kiln, err);
	if (r >= 0)
		r = turns_measure(b, err);
	subject_destroy(kiln);
	server_stop(&b->server);
	if (b->report->pinned)
		sched_setaffinity(0, sizeof(all), &all);
	return r;
}

static int rate_of_kiln(struct bench *b, const struct post_target *target, unsigned ms, struct samples *times,
			struct err *err)
{
	const struct load load = {
		.target = target, .connections = b->options->connections, .ms = ms, .expect = WELL
	};
	struct bench_rates *rates = &b->report->rates;
	struct load_result result;
	int r = load_run(&load, &result, err);

	if (r < 0)
		return err_wrap(err, r, "kiln at %u connections", load.connections);
	if (times) {
		r = samples_add(&rates->kiln, result.per_second);
		for (size_t i = 0; r >= 0 && i < result.times_us.count; i++)
			r = samples_add(times, result.times_us.values[i]);
		rates->refused += result.refused;
		rates->cpu_share += result.cpu_share / b->options->rate_rounds;
	}
	samples_finish(&result.times_us);
	return r < 0 ? err_set(err, r, "out of memory") : 0;
}

/* Two workers a processor: while one waits for its child's end, the other starts one. */
static int rate_of_bare(struct bench *b, struct err *err)
{
	cpu_set_t all;
	double per_second;
	int r;

	if (!b->options->bare)
		return 0;
	r = exec_rate(b->options->bare, 2 * processors(&all), b->options->rate_ms, &per_second, err);
	if (r < 0)
		return r;
	return samples_add(&b->report->rates.bare, per_second) < 0 ? err_set(err, -ENOMEM, "out of memory")
								   : 0;
}

static int rate_rounds_measure(struct bench *b, const struct post_target *target, struct samples *times,
			       struct err *err)
{
	const struct turns *turns = &b->options->turns;
	/* The first half second is for the server to get used to it. */
	int r = rate_of_kiln(b, target, 500, NULL, err);

	for (unsigned i = 0; r >= 0 && i < b->options->rate_rounds; i++) {
		if (turns->go_on && !turns->go_on(turns->user, (int)i, "rate"))
			return err_set(err, -EINTR, "interrupted");
		r = rate_of_kiln(b, target, b->options->rate_ms, times, err);
		if (r >= 0)
			r = rate_of_bare(b, err);
	}
	return r;
}

static int rates_conclude(struct bench_rates *rates, const struct samples *times)
{
	const struct paired pair = {
		.a = rates->kiln.values,
		.b = rates->bare.values,
		.rounds = rates->kiln.count,
		.a_per_round = 1,
		.b_per_round = 1,
	};

	if (rates->bare.count == rates->kiln.count)
		rates->has_ratio = stats_ratio(&pair, 50, RATE_SEED, &rates->ratio) >= 0;
	return stats_summary(times->values, times->count, &rates->times_us);
}

static int rates_measure(struct bench *b, struct err *err)
{
	struct post_target target = { 0 };
	struct samples times = { 0 };
	struct post_options post;
	int r = server_begin(b, NULL, err);

	if (r < 0)
		return r;
	post = post_of(b);
	r = post_target_init(&post, &target, err);
	if (r >= 0)
		r = rate_rounds_measure(b, &target, &times, err);
	if (r >= 0 && rates_conclude(&b->report->rates, &times) < 0)
		r = err_set(err, -ENOMEM, "out of memory");
	samples_finish(&times);
	post_target_finish(&target);
	server_stop(&b->server);
	return r;
}

int bench_measure(const struct bench_options *options, struct bench_report *ret, struct err *err)
{
	struct bench b = { .options = options, .report = ret };
	int r = 0;

	*ret = (struct bench_report){ 0 };
	if (options->turns.rounds > 0)
		r = singles_measure(&b, err);
	if (r >= 0 && options->connections > 0)
		r = rates_measure(&b, err);
	return r;
}

void bench_report_finish(struct bench_report *report)
{
	for (size_t i = 0; i < report->series_count; i++)
		turn_series_finish(&report->series[i]);
	free(report->series);
	for (size_t i = 0; i < BENCH_PHASES; i++)
		samples_finish(&report->phases.us[i]);
	samples_finish(&report->rates.kiln);
	samples_finish(&report->rates.bare);
	*report = (struct bench_report){ 0 };
}
