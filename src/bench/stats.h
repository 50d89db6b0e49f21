/*
 * What is said of measured times: percentiles, and the ratio of two series with its spread. Pure.
 *
 * Two series are compared that were measured in turns, round by round, so that whatever disturbs the machine disturbs
 * both. The spread of their ratio comes from a bootstrap over the rounds (Efron, 1979; a round is drawn as a whole,
 * because neighbouring samples are alike): rounds are drawn with replacement, the ratio is worked out anew, and the
 * middle 95 % of what comes out is the interval.
 */
#ifndef KILN_BENCH_STATS_H
#define KILN_BENCH_STATS_H

#include <stddef.h>
#include <stdint.h>

/* A growing row of values in the order in which they were measured. Zeroed is empty. */
struct samples {
	double *values;
	size_t count;
	size_t cap;
};

struct summary {
	size_t count;
	double mean, min, p50, p90, p99, max;
};

/* Two series of `rounds` rounds each; values of round i of a are a[i * a_per_round] and the following. */
struct paired {
	const double *a, *b;
	size_t rounds;
	size_t a_per_round, b_per_round;
};

struct ratio {
	double value;	  /* percentile of all of a / percentile of all of b */
	double low, high; /* 95 % of the bootstrap */
	double q1, q3;	  /* quartiles of the ratios of the single rounds */
};

[[nodiscard]] int samples_add(struct samples *s, double value);
void samples_clear(struct samples *s);
void samples_finish(struct samples *s);

/*
 * The value below which `percent` of 100 of the `count` ≥ 1 values lie, which must be sorted; between two of them it
 * is interpolated (Hyndman and Fan's definition 7, as R and NumPy do by default). 0 when there are none.
 */
double stats_percentile(const double *sorted, size_t count, double percent);

/* 0 and *ret, or -ENOMEM. No values: all zero. */
[[nodiscard]] int stats_summary(const double *values, size_t count, struct summary *ret);

/*
 * The ratio of the percentiles of two series. The same `seed` gives the same interval. Returns 0 and *ret; -EINVAL when
 * a series has no rounds or b's percentile is not positive; -ENOMEM.
 */
[[nodiscard]] int stats_ratio(const struct paired *pair, double percent, uint64_t seed, struct ratio *ret);

#endif
