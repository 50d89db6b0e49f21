/*
 * Measures subjects in turns: a round is a block of runs of each of them, and who begins moves on from round to round.
 * What disturbs the machine for a while so disturbs all of them alike, and ratios of rounds can be compared.
 */
#ifndef KILN_BENCH_TURNS_H
#define KILN_BENCH_TURNS_H

#include "bench/stats.h"
#include "bench/subject.h"

#include <stdbool.h>

struct turns {
	unsigned rounds;
	unsigned per_round; /* runs of each subject in a round */
	unsigned warm_up;   /* runs of each before the first round, not counted */
	unsigned gap_us;    /* rest before each run */
	/* Called before each block; false ends it all with -EINTR. NULL: never. `round` is -1 while warming up. */
	bool (*go_on)(void *user, int round, const char *subject);
	void *user;
};

struct turn_series {
	struct subject *subject; /* the caller's; may be gone when the turns are over */
	char name[64];		 /* for reports */
	struct samples times_us; /* rounds × per_round, unless it failed */
	bool failed;		 /* then its later turns were left out, and err says why */
	struct err err;
};

/*
 * Measures `count` subjects; `series` come with their subject and else zeroed, and go with turn_series_finish(). A
 * subject's failure is noted in its series and does not end the others'. Returns 0, -EINTR or -ENOMEM. Blocks.
 */
[[nodiscard]] int turns_run(const struct turns *turns, struct turn_series *series, size_t count,
			    struct err *err);

void turn_series_finish(struct turn_series *series);

/* The ratio of two series that did not fail, as stats_ratio(). */
[[nodiscard]] int turn_ratio(const struct turns *turns, const struct turn_series *a,
			     const struct turn_series *b, double percent, struct ratio *ret);

#endif
