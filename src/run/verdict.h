/*
 * From what was seen of a step to what is said about it. Pure.
 *
 * The facts come from three witnesses: init (exit status, output counts, disk), the keeper (cgroup counters) and the
 * front (cancelled, engine failed). The rules are a table in verdict.c, first that fits wins, and each has a test.
 */
#ifndef KILN_RUN_VERDICT_H
#define KILN_RUN_VERDICT_H

#include "base/limits.h"
#include "engine/facts.h"

#include <stdint.h>

enum run_outcome {
	RUN_OK,
	RUN_FAILED,
	RUN_SIGNALED,
	RUN_WALL_TIME_EXCEEDED,
	RUN_CPU_TIME_EXCEEDED,
	RUN_MEMORY_EXCEEDED,
	RUN_OUTPUT_EXCEEDED,
	RUN_DISK_EXCEEDED,
	RUN_PROCESSES_EXCEEDED,
	RUN_CANCELLED,
	RUN_COMPILE_FAILED, /* of a run only, never of a step */
	RUN_ENGINE_ERROR,
	RUN_OUTCOME_COUNT,
};

/* "ok", "failed", … as in API.md. */
const char *run_outcome_name(enum run_outcome outcome);

enum enforcer {
	ENFORCER_CGROUP,
	ENFORCER_RLIMIT,
	ENFORCER_WATCHDOG,
	ENFORCER_TMPFS,
};

const char *enforcer_name(enum enforcer enforcer);

struct verdict {
	enum run_outcome outcome;
	int limit; /* enum limit_id that ended or failed the step, or -1 */
	uint64_t used;
	int64_t value;
	enum enforcer enforced_by;
};

struct verdict verdict_of(const struct step_facts *facts, const struct limits *limits);

/*
 * One English sentence for people, e.g. "killed at its memory limit: 256 MiB allowed, 256.0 MiB used (cgroup)".
 * Always NUL-terminated in `text`.
 */
void verdict_explain(const struct verdict *verdict, const struct step_facts *facts, char *text,
		     unsigned long size);

#endif
