/*
 * One measurement: a job by kiln over HTTP, bare, and by peers, in turns; then as many of them a second as N
 * connections get done. Starts a server of its own for each of the two unless it is told the URL of one.
 *
 * While single runs are timed, this program keeps to the last processor and leaves the others to its server, where
 * there are two; while rates are measured, everybody may have every processor.
 */
#ifndef KILN_BENCH_BENCH_H
#define KILN_BENCH_BENCH_H

#include "bench/job.h"
#include "bench/turns.h"

#include <jansson.h>

#define BENCH_PHASES 6

struct bench_options {
	const char *url;	   /* "http://host:port"; NULL: a server of its own */
	const char *token;	   /* for it, or NULL */
	char *const *server_flags; /* settings of the server of its own, "--name=value" */
	const struct job *job;
	struct subject *bare; /* NULL: nothing to compare with */
	struct subject **peers;
	size_t peers_count;
	struct turns turns;   /* rounds 0: no single runs */
	unsigned connections; /* 0: no rates */
	unsigned rate_rounds;
	unsigned rate_ms; /* of each round */
	bool pin;
};

/* What the server says of its phases, in µs: the medians of the counted runs. */
struct bench_phases {
	struct samples us[BENCH_PHASES];
};

struct bench_rates {
	struct samples kiln, bare; /* runs a second, one for each round */
	struct summary times_us;   /* of kiln's answers at that load */
	size_t refused;
	double cpu_share; /* of one core that the load itself took; the mean of the rounds */
	struct ratio ratio;
	bool has_ratio;
};

struct bench_report {
	struct turn_series *series; /* kiln first, then bare if there is one, then the peers */
	size_t series_count;
	struct bench_phases phases;
	struct bench_rates rates;
	bool pinned;
};

extern const char *const bench_phase_names[BENCH_PHASES];

/*
 * Measures. Returns 0 and *ret, or a negative errno: the server did not start, the job failed by kiln or bare,
 * interrupted. *ret can be given to bench_report_finish() in any case. Blocks as long as it takes.
 */
[[nodiscard]] int bench_measure(const struct bench_options *options, struct bench_report *ret,
				struct err *err);

void bench_report_finish(struct bench_report *report);

/* The whole report with the machine it was made on; NULL: out of memory. */
json_t *bench_report_json(const struct bench_options *options, const struct bench_report *report);

/* The machine: processors, kernel, memory, cgroup version, and the load that others put on it. NULL: out of memory. */
json_t *bench_machine_json(void);

#endif
