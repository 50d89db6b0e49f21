/*
 * Counters, gauges and histograms, and their text for Prometheus (exposition format 0.0.4).
 *
 * A registry is an object, handed to whom counts. Metrics are registered at start-up and never removed; a
 * handle lives as long as the registry, and NULL is a handle that counts nothing (what registering returns
 * without memory, so callers need no check). Names are `kiln_…` in base units (`_seconds`, `_bytes`),
 * counters end in `_total`. Labels are fixed at registration: one handle for each combination, which bounds
 * how many series there can be. Not thread-safe: one registry to a loop.
 */
#ifndef KILN_OBS_METRICS_H
#define KILN_OBS_METRICS_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

struct metrics;
struct metric;

/* NULL: out of memory. */
struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *metrics);

struct metric_label {
	const char *name;
	const char *value; /* any UTF-8 */
};

/* `labels` (copied) ends with a zeroed entry and may be NULL. `name` and `help` must be literals. */
struct metric *metrics_counter(struct metrics *metrics, const char *name, const char *help,
			       const struct metric_label *labels);
struct metric *metrics_gauge(struct metrics *metrics, const char *name, const char *help,
			     const struct metric_label *labels);
/* `bounds`: upper bounds, rising, static; a bucket for what is above the last comes of itself. */
struct metric *metrics_histogram(struct metrics *metrics, const char *name, const char *help,
				 const struct metric_label *labels, const double *bounds,
				 size_t bounds_count);

/* Bounds for times from 100 µs to 60 s. */
extern const double metrics_seconds[];
extern const size_t metrics_seconds_count;

/* A counter only rises: `by` ≥ 0, and metric_set() is for counters that somebody else keeps. */
void metric_add(struct metric *metric, double by);
void metric_set(struct metric *metric, double value);
void metric_observe(struct metric *histogram, double value);

/* Appends the whole registry; series of one name stand together. -EMSGSIZE or -ENOMEM from the buffer. */
[[nodiscard]] int metrics_render(const struct metrics *metrics, struct buf *to);

#endif
