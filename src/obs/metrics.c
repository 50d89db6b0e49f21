#include "obs/metrics.h"

#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LABELS_BYTES 4096

enum kind {
	KIND_COUNTER,
	KIND_GAUGE,
	KIND_HISTOGRAM,
};

static const char *const kind_names[] = {
	[KIND_COUNTER] = "counter",
	[KIND_GAUGE] = "gauge",
	[KIND_HISTOGRAM] = "histogram",
};

struct metric {
	struct metric *next; /* in the order of registration, but beside those of the same name */
	const char *name;
	const char *help;
	enum kind kind;
	char *labels; /* rendered: `a="b",c="d"`, "" without */
	double value; /* of a histogram: the sum */
	const double *bounds;
	size_t bounds_count;
	uint64_t *buckets; /* bounds_count + 1, not cumulated */
};

struct metrics {
	struct metric *first;
};

const double metrics_seconds[] = { 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
				   0.1,	   0.25,    0.5,    1,	   2.5,	   5,	  10,	30,    60 };
const size_t metrics_seconds_count = ARRAY_LEN(metrics_seconds);

struct metrics *metrics_create(void)
{
	return calloc(1, sizeof(struct metrics));
}

static void metric_free(struct metric *m)
{
	if (!m)
		return;
	free(m->labels);
	free(m->buckets);
	free(m);
}

void metrics_destroy(struct metrics *metrics)
{
	if (!metrics)
		return;
	while (metrics->first) {
		struct metric *m = metrics->first;

		metrics->first = m->next;
		metric_free(m);
	}
	free(metrics);
}

/* Backslash and line feed are escaped everywhere, the quote in label values only. */
static int escaped(struct buf *to, const char *text, bool quote)
{
	int r = 0;

	for (; *text && r == 0; text++) {
		if (*text == '\\')
			r = buf_append_str(to, "\\\\");
		else if (*text == '\n')
			r = buf_append_str(to, "\\n");
		else if (*text == '"' && quote)
			r = buf_append_str(to, "\\\"");
		else
			r = buf_append(to, text, 1);
	}
	return r;
}

static char *labels_render(const struct metric_label *labels)
{
	AUTO_BUF struct buf text = BUF_INIT(LABELS_BYTES);

	for (; labels && labels->name; labels++) {
		if (buf_printf(&text, "%s%s=\"", text.len ? "," : "", labels->name) < 0 ||
		    escaped(&text, labels->value, true) < 0 || buf_append(&text, "\"", 1) < 0)
			return NULL;
	}
	return (char *)buf_take(&text, NULL);
}

/* Puts it behind the last of its name, which the exposition format wants together, else at the end. */
static void metric_insert(struct metrics *metrics, struct metric *m)
{
	struct metric **at = &metrics->first, **behind = NULL;

	for (; *at; at = &(*at)->next) {
		if (strcmp((*at)->name, m->name) == 0) {
			assert((*at)->kind == m->kind && strcmp((*at)->labels, m->labels) != 0);
			behind = &(*at)->next;
		}
	}
	if (!behind)
		behind = at;
	m->next = *behind;
	*behind = m;
}

static struct metric *metric_register(struct metrics *metrics, struct metric proto,
				      const struct metric_label *labels)
{
	struct metric *m = metrics ? malloc(sizeof(*m)) : NULL;

	if (!m)
		return NULL;
	*m = proto;
	m->labels = labels_render(labels);
	if (m->kind == KIND_HISTOGRAM)
		m->buckets = calloc(m->bounds_count + 1, sizeof(*m->buckets));
	if (!m->labels || (m->kind == KIND_HISTOGRAM && !m->buckets)) {
		metric_free(m);
		return NULL;
	}
	metric_insert(metrics, m);
	return m;
}

struct metric *metrics_counter(struct metrics *metrics, const char *name, const char *help,
			       const struct metric_label *labels)
{
	return metric_register(metrics, (struct metric){ .name = name, .help = help, .kind = KIND_COUNTER },
			       labels);
}

struct metric *metrics_gauge(struct metrics *metrics, const char *name, const char *help,
			     const struct metric_label *labels)
{
	return metric_register(metrics, (struct metric){ .name = name, .help = help, .kind = KIND_GAUGE },
			       labels);
}

struct metric *metrics_histogram(struct metrics *metrics, const char *name, const char *help,
				 const struct metric_label *labels, const double *bounds, size_t bounds_count)
{
	const struct metric proto = {
		.name = name,
		.help = help,
		.kind = KIND_HISTOGRAM,
		.bounds = bounds,
		.bounds_count = bounds_count,
	};

	for (size_t i = 1; i < bounds_count; i++)
		assert(bounds[i - 1] < bounds[i]);
	return metric_register(metrics, proto, labels);
}

void metric_add(struct metric *metric, double by)
{
	if (!metric)
		return;
	assert(metric->kind == KIND_GAUGE || (metric->kind == KIND_COUNTER && by >= 0));
	metric->value += by;
}

void metric_set(struct metric *metric, double value)
{
	if (!metric)
		return;
	assert(metric->kind != KIND_HISTOGRAM);
	metric->value = value;
}

void metric_observe(struct metric *histogram, double value)
{
	size_t i = 0;

	if (!histogram || isnan(value))
		return;
	assert(histogram->kind == KIND_HISTOGRAM);
	while (i < histogram->bounds_count && value > histogram->bounds[i])
		i++;
	histogram->buckets[i]++;
	histogram->value += value;
}

/* `le` is the text of a bucket's bound or NULL. */
static int sample(struct buf *to, const struct metric *m, const char *suffix, const char *le, double value)
{
	const char *comma = le && m->labels[0] ? "," : "";
	char bound[64] = "";

	if (le)
		snprintf(bound, sizeof(bound), "%sle=\"%s\"", comma, le);
	if (!le && !m->labels[0])
		return buf_printf(to, "%s%s %.17g\n", m->name, suffix, value);
	return buf_printf(to, "%s%s{%s%s} %.17g\n", m->name, suffix, m->labels, bound, value);
}

static int histogram_render(struct buf *to, const struct metric *m)
{
	uint64_t sum = 0;
	char le[32];
	int r;

	for (size_t i = 0; i < m->bounds_count; i++) {
		sum += m->buckets[i];
		snprintf(le, sizeof(le), "%.9g", m->bounds[i]);
		r = sample(to, m, "_bucket", le, (double)sum);
		if (r < 0)
			return r;
	}
	sum += m->buckets[m->bounds_count];
	r = sample(to, m, "_bucket", "+Inf", (double)sum);
	if (r == 0)
		r = sample(to, m, "_sum", NULL, m->value);
	if (r == 0)
		r = sample(to, m, "_count", NULL, (double)sum);
	return r;
}

static int head_render(struct buf *to, const struct metric *m)
{
	int r = buf_printf(to, "# HELP %s ", m->name);

	if (r == 0)
		r = escaped(to, m->help, false);
	if (r == 0)
		r = buf_printf(to, "\n# TYPE %s %s\n", m->name, kind_names[m->kind]);
	return r;
}

int metrics_render(const struct metrics *metrics, struct buf *to)
{
	const char *last = "";
	int r = 0;

	for (const struct metric *m = metrics->first; m && r == 0; m = m->next) {
		if (strcmp(last, m->name) != 0)
			r = head_render(to, m);
		last = m->name;
		if (r == 0)
			r = m->kind == KIND_HISTOGRAM ? histogram_render(to, m)
						      : sample(to, m, "", NULL, m->value);
	}
	return r;
}
