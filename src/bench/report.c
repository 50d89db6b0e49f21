#include "bench/bench.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define CGROUP2_MAGIC 0x63677270

/* µs with one decimal: more would pretend. */
static json_t *tenths(double value)
{
	return json_real((double)(long long)(value * 10 + 0.5) / 10);
}

static json_t *thousandths(double value)
{
	return json_real((double)(long long)(value * 1000 + 0.5) / 1000);
}

static json_t *summary_json(const struct summary *s)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "runs", (json_int_t)s->count, "mean_us",
			 tenths(s->mean), "min_us", tenths(s->min), "p50_us", tenths(s->p50), "p90_us",
			 tenths(s->p90), "p99_us", tenths(s->p99), "max_us", tenths(s->max));
}

static json_t *ratio_json(const struct ratio *r)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "value", thousandths(r->value), "low",
			 thousandths(r->low), "high", thousandths(r->high), "q1", thousandths(r->q1), "q3",
			 thousandths(r->q3));
}

/* With what the subject is to the others: ratios to `base`, when that was measured. */
static json_t *series_json(const struct turns *turns, const struct turn_series *s,
			   const struct turn_series *base)
{
	static const struct {
		const char *name;
		double percent;
	} ratios[] = { { "p50_to_bare", 50 }, { "p90_to_bare", 90 }, { "p99_to_bare", 99 } };
	struct summary summary;
	struct ratio ratio;
	json_t *json;

	if (s->failed)
		return json_pack("{s:s, s:s}", "name", s->name, "failed", s->err.text);
	if (stats_summary(s->times_us.values, s->times_us.count, &summary) < 0)
		return NULL;
	json = summary_json(&summary);
	json_object_set_new(json, "name", json_string(s->name));
	for (size_t i = 0; base && base != s && i < ARRAY_LEN(ratios); i++) {
		if (turn_ratio(turns, s, base, ratios[i].percent, &ratio) >= 0)
			json_object_set_new(json, ratios[i].name, ratio_json(&ratio));
	}
	return json;
}

static json_t *subjects_json(const struct bench_options *options, const struct bench_report *report)
{
	const struct turn_series *base = options->bare ? &report->series[1] : NULL;
	json_t *list = json_array();

	for (size_t i = 0; i < report->series_count; i++)
		json_array_append_new(list, series_json(&options->turns, &report->series[i], base));
	return list;
}

static json_t *phases_json(const struct bench_phases *phases)
{
	json_t *json = json_object();

	for (size_t i = 0; i < BENCH_PHASES; i++) {
		struct summary summary;

		if (phases->us[i].count == 0 ||
		    stats_summary(phases->us[i].values, phases->us[i].count, &summary) < 0)
			continue;
		json_object_set_new(json, bench_phase_names[i], summary_json(&summary));
	}
	return json;
}

static json_t *rates_json(const struct bench_options *options, const struct bench_rates *rates)
{
	struct summary kiln, bare;
	json_t *json;

	if (stats_summary(rates->kiln.values, rates->kiln.count, &kiln) < 0 ||
	    stats_summary(rates->bare.values, rates->bare.count, &bare) < 0)
		return NULL;
	json = json_pack("{s:i, s:i, s:i, s:o, s:o, s:I, s:o}", "connections", (int)options->connections,
			 "rounds", (int)options->rate_rounds, "round_ms", (int)options->rate_ms,
			 "runs_per_second", tenths(kiln.p50), "answers", summary_json(&rates->times_us),
			 "refused", (json_int_t)rates->refused, "load_cpu_share",
			 thousandths(rates->cpu_share));
	if (rates->bare.count > 0)
		json_object_set_new(json, "bare_per_second", tenths(bare.p50));
	if (rates->has_ratio)
		json_object_set_new(json, "to_bare", ratio_json(&rates->ratio));
	return json;
}

/* The first value of a field of /proc/cpuinfo or /proc/meminfo; "" when it is not there. */
static void proc_field(const char *path, const char *field, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	char line[512];

	text[0] = '\0';
	while (file && text[0] == '\0' && fgets(line, sizeof(line), file)) {
		const char *colon = strchr(line, ':');

		if (!colon || strncmp(line, field, strlen(field)) != 0)
			continue;
		colon += 1 + strspn(colon + 1, " \t");
		snprintf(text, size, "%.*s", (int)strcspn(colon, "\n"), colon);
	}
	if (file)
		fclose(file);
}

json_t *bench_machine_json(void)
{
	char processor[256], memory[64], date[32];
	struct utsname name = { 0 };
	struct statfs cgroup = { 0 };
	time_t now = time(NULL);
	double load = 0;
	struct tm utc;

	uname(&name);
	statfs("/sys/fs/cgroup", &cgroup);
	proc_field("/proc/cpuinfo", "model name", processor, sizeof(processor));
	proc_field("/proc/meminfo", "MemTotal", memory, sizeof(memory));
	(void)!getloadavg(&load, 1);
	gmtime_r(&now, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &utc);
	return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:i, s:o}", "date", date, "processor", processor,
			 "processors", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "memory", memory, "kernel",
			 name.release, "architecture", name.machine, "cgroup_version",
			 cgroup.f_type == CGROUP2_MAGIC ? 2 : 1, "load", tenths(load));
}

json_t *bench_report_json(const struct bench_options *options, const struct bench_report *report)
{
	json_t *json = json_pack("{s:s, s:s, s:o}", "kiln", KILN_VERSION, "job", options->job->label,
				 "machine", bench_machine_json());

	if (json && report->series_count > 0) {
		json_object_set_new(json, "rounds", json_integer(options->turns.rounds));
		json_object_set_new(json, "runs_per_round", json_integer(options->turns.per_round));
		json_object_set_new(json, "gap_us", json_integer(options->turns.gap_us));
		json_object_set_new(json, "pinned", json_boolean(report->pinned));
		json_object_set_new(json, "subjects", subjects_json(options, report));
		json_object_set_new(json, "phases", phases_json(&report->phases));
	}
	if (json && report->rates.kiln.count > 0)
		json_object_set_new(json, "rate", rates_json(options, &report->rates));
	return json;
}
