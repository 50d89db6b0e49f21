/*
 * As many runs a second as a server answers at N connections: each connection sends its next request when it has the
 * answer to the last. One thread with epoll.
 */
#ifndef KILN_BENCH_LOAD_H
#define KILN_BENCH_LOAD_H

#include "bench/post.h"
#include "bench/stats.h"

#define LOAD_CONNECTIONS_MAX 4096

struct load {
	const struct post_target *target;
	unsigned connections; /* at most LOAD_CONNECTIONS_MAX */
	unsigned ms;	      /* how long; answers that come later are awaited, but not counted */
	const char *expect;   /* what the body of a good answer holds */
};

struct load_result {
	double per_second;	 /* good answers */
	size_t runs;		 /* good answers */
	size_t refused;		 /* 503: the server's queue was full */
	struct samples times_us; /* of the good answers; the caller's, samples_finish() */
	double cpu_share;	 /* of one core that this program itself took */
};

/*
 * Returns 0 and *ret, or a negative errno: a connection was refused or broke, an answer was none, had another status
 * than 200 or 503, or not what is expected in it. Blocks.
 */
[[nodiscard]] int load_run(const struct load *load, struct load_result *ret, struct err *err);

#endif
