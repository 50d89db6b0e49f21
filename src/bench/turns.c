#include "bench/turns.h"

#include <errno.h>

#define SEED 4597

static void rest(unsigned us)
{
	const struct timespec time = { .tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000 };

	if (us > 0)
		nanosleep(&time, NULL);
}

/* A failure of the subject is not one of this function, which only runs out of memory. */
static int block_run(const struct turns *turns, struct turn_series *series, unsigned runs, bool counted,
		     struct err *err)
{
	for (unsigned i = 0; i < runs && !series->failed; i++) {
		uint64_t ns = 0;

		rest(turns->gap_us);
		series->failed = series->subject->v->once(series->subject, &ns, &series->err) < 0;
		if (counted && !series->failed && samples_add(&series->times_us, (double)ns / 1000) < 0)
			return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

static int round_run(const struct turns *turns, struct turn_series *series, size_t count, int round,
		     struct err *err)
{
	size_t first = round > 0 ? (size_t)round % count : 0;
	unsigned runs = round < 0 ? turns->warm_up : turns->per_round;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < count; i++) {
		struct turn_series *one = &series[(first + i) % count];

		if (turns->go_on && !turns->go_on(turns->user, round, one->subject->name))
			return err_set(err, -EINTR, "interrupted");
		r = block_run(turns, one, runs, round >= 0, err);
	}
	return r;
}

int turns_run(const struct turns *turns, struct turn_series *series, size_t count, struct err *err)
{
	int r = 0;

	for (int round = -1; r >= 0 && round < (int)turns->rounds; round++)
		r = round_run(turns, series, count, round, err);
	return r;
}

void turn_series_finish(struct turn_series *series)
{
	samples_finish(&series->times_us);
}

int turn_ratio(const struct turns *turns, const struct turn_series *a, const struct turn_series *b,
	       double percent, struct ratio *ret)
{
	const struct paired pair = {
		.a = a->times_us.values,
		.b = b->times_us.values,
		.rounds = turns->rounds,
		.a_per_round = turns->per_round,
		.b_per_round = turns->per_round,
	};

	if (a->failed || b->failed)
		return -EINVAL;
	return stats_ratio(&pair, percent, SEED, ret);
}
