#include "bench/stats.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESAMPLES 500

int samples_add(struct samples *s, double value)
{
	if (s->count == s->cap) {
		size_t cap = s->cap > 0 ? s->cap * 2 : 256;
		double *grown = reallocarray(s->values, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		s->values = grown;
		s->cap = cap;
	}
	s->values[s->count++] = value;
	return 0;
}

void samples_clear(struct samples *s)
{
	s->count = 0;
}

void samples_finish(struct samples *s)
{
	free(s->values);
	*s = (struct samples){ 0 };
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double stats_percentile(const double *sorted, size_t count, double percent)
{
	double place;
	size_t below;

	if (count == 0)
		return 0;
	place = percent / 100 * (double)(count - 1);
	below = (size_t)place;
	if (below + 1 >= count)
		return sorted[count - 1];
	return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

int stats_summary(const double *values, size_t count, struct summary *ret)
{
	AUTO_FREE double *sorted = NULL;
	struct summary s = { .count = count };

	if (count > 0) {
		sorted = reallocarray(NULL, count, sizeof(*sorted));
		if (!sorted)
			return -ENOMEM;
		memcpy(sorted, values, count * sizeof(*sorted));
		qsort(sorted, count, sizeof(*sorted), ascending);
		for (size_t i = 0; i < count; i++)
			s.mean += sorted[i] / (double)count;
		s.min = sorted[0];
		s.p50 = stats_percentile(sorted, count, 50);
		s.p90 = stats_percentile(sorted, count, 90);
		s.p99 = stats_percentile(sorted, count, 99);
		s.max = sorted[count - 1];
	}
	*ret = s;
	return 0;
}

/* splitmix64 (Steele, Lea and Flood, 2014): a fixed seed has to give the same numbers everywhere. */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

/* The percentile of the rounds that `chosen` names (NULL: all of them), gathered in `scratch`. */
static double rounds_percentile(const double *values, size_t per_round, size_t rounds, const size_t *chosen,
				double percent, double *scratch)
{
	for (size_t i = 0; i < rounds; i++)
		memcpy(scratch + i * per_round, values + (chosen ? chosen[i] : i) * per_round,
		       per_round * sizeof(*values));
	qsort(scratch, rounds * per_round, sizeof(*scratch), ascending);
	return stats_percentile(scratch, rounds * per_round, percent);
}

static double pair_ratio(const struct paired *p, const size_t *chosen, double percent, double *scratch)
{
	double a = rounds_percentile(p->a, p->a_per_round, p->rounds, chosen, percent, scratch);
	double b = rounds_percentile(p->b, p->b_per_round, p->rounds, chosen, percent, scratch);

	return b > 0 ? a / b : 0;
}

/* What one round alone would say. */
static double round_ratio(const struct paired *p, size_t round, double percent, double *scratch)
{
	const struct paired one = {
		.a = p->a + round * p->a_per_round,
		.b = p->b + round * p->b_per_round,
		.rounds = 1,
		.a_per_round = p->a_per_round,
		.b_per_round = p->b_per_round,
	};

	return pair_ratio(&one, NULL, percent, scratch);
}

int stats_ratio(const struct paired *pair, double percent, uint64_t seed, struct ratio *ret)
{
	size_t widest = pair->a_per_round > pair->b_per_round ? pair->a_per_round : pair->b_per_round;
	size_t many = pair->rounds > RESAMPLES ? pair->rounds : RESAMPLES;
	AUTO_FREE double *scratch = calloc(pair->rounds * widest + 1, sizeof(*scratch));
	AUTO_FREE double *ratios = calloc(many, sizeof(*ratios));
	AUTO_FREE size_t *chosen = calloc(pair->rounds + 1, sizeof(*chosen));
	struct ratio ratio;

	if (!scratch || !ratios || !chosen)
		return -ENOMEM;
	if (pair->rounds == 0 || pair->a_per_round == 0 || pair->b_per_round == 0)
		return -EINVAL;
	if (rounds_percentile(pair->b, pair->b_per_round, pair->rounds, NULL, percent, scratch) <= 0)
		return -EINVAL;
	ratio.value = pair_ratio(pair, NULL, percent, scratch);
	for (size_t i = 0; i < pair->rounds; i++)
		ratios[i] = round_ratio(pair, i, percent, scratch);
	qsort(ratios, pair->rounds, sizeof(*ratios), ascending);
	ratio.q1 = stats_percentile(ratios, pair->rounds, 25);
	ratio.q3 = stats_percentile(ratios, pair->rounds, 75);
	for (size_t i = 0; i < RESAMPLES; i++) {
		for (size_t j = 0; j < pair->rounds; j++)
			chosen[j] = (size_t)(random_next(&seed) % pair->rounds);
		ratios[i] = pair_ratio(pair, chosen, percent, scratch);
	}
	qsort(ratios, RESAMPLES, sizeof(*ratios), ascending);
	ratio.low = stats_percentile(ratios, RESAMPLES, 2.5);
	ratio.high = stats_percentile(ratios, RESAMPLES, 97.5);
	*ret = ratio;
	return 0;
}
