/*
 * How it works: the rules stand in one table in the order in which they are asked, and the first that fits is the
 * verdict. What kiln itself did (a kill) comes before what the kernel did (an OOM kill, a refused write), and that
 * before what the program says of itself (a signal, an exit code).
 */
#include "run/verdict.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define KIB 1024
#define MIB (1024 * KIB)

static const char *const outcome_names[RUN_OUTCOME_COUNT] = {
	[RUN_OK] = "ok",
	[RUN_FAILED] = "failed",
	[RUN_SIGNALED] = "signaled",
	[RUN_WALL_TIME_EXCEEDED] = "wall_time_exceeded",
	[RUN_CPU_TIME_EXCEEDED] = "cpu_time_exceeded",
	[RUN_MEMORY_EXCEEDED] = "memory_exceeded",
	[RUN_OUTPUT_EXCEEDED] = "output_exceeded",
	[RUN_DISK_EXCEEDED] = "disk_exceeded",
	[RUN_PROCESSES_EXCEEDED] = "processes_exceeded",
	[RUN_CANCELLED] = "cancelled",
	[RUN_COMPILE_FAILED] = "compile_failed",
	[RUN_ENGINE_ERROR] = "engine_error",
};

static const char *const enforcer_names[] = {
	[ENFORCER_CGROUP] = "cgroup",
	[ENFORCER_RLIMIT] = "rlimit",
	[ENFORCER_WATCHDOG] = "watchdog",
	[ENFORCER_TMPFS] = "tmpfs",
};

const char *run_outcome_name(enum run_outcome outcome)
{
	return outcome_names[outcome];
}

const char *enforcer_name(enum enforcer enforcer)
{
	return enforcer_names[enforcer];
}

struct rule {
	bool (*fits)(const struct step_facts *f, const struct limits *l);
	enum run_outcome outcome;
	int limit; /* enum limit_id or -1; the two below are NULL then */
	uint64_t (*used)(const struct step_facts *f, const struct limits *l);
	enum enforcer (*by)(const struct step_facts *f);
};

/* No limit (LIMIT_UNSET) is never reached. */
static bool reached(uint64_t used, int64_t limit)
{
	return limit > 0 && used >= (uint64_t)limit;
}

static bool failed_or_signaled(const struct step_facts *f)
{
	return f->signaled || f->exit_code != 0;
}

static uint64_t output_used(const struct step_facts *f, const struct limits *l)
{
	return f->stdout_bytes > f->stderr_bytes ? f->stdout_bytes : f->stderr_bytes;
}

static uint64_t wall_used(const struct step_facts *f, const struct limits *l)
{
	return f->wall_us / 1000;
}

static uint64_t cpu_used(const struct step_facts *f, const struct limits *l)
{
	return f->cpu_us / 1000;
}

static uint64_t memory_used(const struct step_facts *f, const struct limits *l)
{
	return f->memory_peak_bytes;
}

static uint64_t disk_used(const struct step_facts *f, const struct limits *l)
{
	return f->disk_used_bytes;
}

/*
 * The kernel sends SIGXFSZ for a write or truncation beyond the limit. A program that sends it to itself cannot be
 * told from that: the kernel does it by send_sig(), with the very siginfo of a kill(2) of one's own (si_code SI_USER,
 * the own pid), an exit status has neither, and the file may be small all the same (truncate -s 1T).
 */
static uint64_t file_used(const struct step_facts *f, const struct limits *l)
{
	return (uint64_t)l->value[LIMIT_FILE_BYTES];
}

static uint64_t processes_used(const struct step_facts *f, const struct limits *l)
{
	return f->processes_peak;
}

static bool engine_failed(const struct step_facts *f, const struct limits *l)
{
	return f->engine_failed;
}

static bool cancelled(const struct step_facts *f, const struct limits *l)
{
	return f->kill == STEP_KILL_CANCEL;
}

static bool killed_for_wall(const struct step_facts *f, const struct limits *l)
{
	return f->kill == STEP_KILL_WALL;
}

static bool killed_for_cpu(const struct step_facts *f, const struct limits *l)
{
	return f->kill == STEP_KILL_CPU;
}

static bool killed_for_memory(const struct step_facts *f, const struct limits *l)
{
	return f->kill == STEP_KILL_MEMORY;
}

static bool killed_for_disk(const struct step_facts *f, const struct limits *l)
{
	return f->kill == STEP_KILL_DISK;
}

static bool killed_for_output(const struct step_facts *f, const struct limits *l)
{
	return f->kill == STEP_KILL_OUTPUT;
}

/* A program that outlived the kernel's killing of a child, and says that all is well, is believed. */
static bool oom_killed(const struct step_facts *f, const struct limits *l)
{
	return f->oom_kills > 0 && failed_or_signaled(f);
}

/* Also of a program that ended by itself before it could be killed: what it printed is not all there. */
static bool printed_too_much(const struct step_facts *f, const struct limits *l)
{
	int64_t limit = l->value[LIMIT_OUTPUT_BYTES];

	return limit > 0 && output_used(f, l) > (uint64_t)limit;
}

static bool cpu_signal(const struct step_facts *f, const struct limits *l)
{
	return f->signaled && f->signal == SIGXCPU && reached(cpu_used(f, l), l->value[LIMIT_CPU_MS]);
}

/* However it ended: it did so between two looks of the watchdog, or RLIMIT_CPU's SIGKILL was faster. */
static bool cpu_all_used(const struct step_facts *f, const struct limits *l)
{
	return reached(cpu_used(f, l), l->value[LIMIT_CPU_MS]);
}

static bool file_signal(const struct step_facts *f, const struct limits *l)
{
	return f->signaled && f->signal == SIGXFSZ && l->value[LIMIT_FILE_BYTES] > 0;
}

static bool disk_ran_full(const struct step_facts *f, const struct limits *l)
{
	return f->disk_full && failed_or_signaled(f);
}

/* Who wrote it was told by an error, or was another process than the step's own. */
static bool file_is_full(const struct step_facts *f, const struct limits *l)
{
	return f->file_full && l->value[LIMIT_FILE_BYTES] > 0 && failed_or_signaled(f);
}

static bool forks_refused(const struct step_facts *f, const struct limits *l)
{
	return f->forks_refused > 0 && failed_or_signaled(f);
}

static bool died_of_signal(const struct step_facts *f, const struct limits *l)
{
	return f->signaled;
}

/* Of a command that could not be executed too: the exit code is then the shell's 126 or 127. */
static bool exited_not_zero(const struct step_facts *f, const struct limits *l)
{
	return f->exit_code != 0;
}

static bool exited_zero(const struct step_facts *f, const struct limits *l)
{
	return f->started;
}

/* Neither started nor a reason: whoever filled this in is broken, and it must not pass for a success. */
static bool always(const struct step_facts *f, const struct limits *l)
{
	return true;
}

static enum enforcer by_watchdog(const struct step_facts *f)
{
	return ENFORCER_WATCHDOG;
}

static enum enforcer by_rlimit(const struct step_facts *f)
{
	return ENFORCER_RLIMIT;
}

static enum enforcer by_tmpfs(const struct step_facts *f)
{
	return ENFORCER_TMPFS;
}

static enum enforcer by_memory(const struct step_facts *f)
{
	return f->memory_by_cgroup ? ENFORCER_CGROUP : ENFORCER_WATCHDOG;
}

/* The kernel kills for memory where a cgroup is full, also where that stands behind the watchdog (gVisor). */
static enum enforcer by_cgroup(const struct step_facts *f)
{
	return ENFORCER_CGROUP;
}

static enum enforcer by_cpu(const struct step_facts *f)
{
	return f->cpu_by_cgroup ? ENFORCER_CGROUP : ENFORCER_WATCHDOG;
}

static enum enforcer by_processes(const struct step_facts *f)
{
	return f->processes_by_cgroup ? ENFORCER_CGROUP : ENFORCER_RLIMIT;
}

static const struct rule rules[] = {
	{ engine_failed, RUN_ENGINE_ERROR, -1, NULL, NULL },
	{ cancelled, RUN_CANCELLED, -1, NULL, NULL },
	{ killed_for_wall, RUN_WALL_TIME_EXCEEDED, LIMIT_WALL_MS, wall_used, by_watchdog },
	{ killed_for_cpu, RUN_CPU_TIME_EXCEEDED, LIMIT_CPU_MS, cpu_used, by_cpu },
	{ killed_for_memory, RUN_MEMORY_EXCEEDED, LIMIT_MEMORY_BYTES, memory_used, by_memory },
	{ killed_for_disk, RUN_DISK_EXCEEDED, LIMIT_DISK_BYTES, disk_used, by_watchdog },
	{ killed_for_output, RUN_OUTPUT_EXCEEDED, LIMIT_OUTPUT_BYTES, output_used, by_watchdog },
	{ oom_killed, RUN_MEMORY_EXCEEDED, LIMIT_MEMORY_BYTES, memory_used, by_cgroup },
	{ printed_too_much, RUN_OUTPUT_EXCEEDED, LIMIT_OUTPUT_BYTES, output_used, by_watchdog },
	{ cpu_signal, RUN_CPU_TIME_EXCEEDED, LIMIT_CPU_MS, cpu_used, by_rlimit },
	{ cpu_all_used, RUN_CPU_TIME_EXCEEDED, LIMIT_CPU_MS, cpu_used, by_cpu },
	{ file_signal, RUN_DISK_EXCEEDED, LIMIT_FILE_BYTES, file_used, by_rlimit },
	{ disk_ran_full, RUN_DISK_EXCEEDED, LIMIT_DISK_BYTES, disk_used, by_tmpfs },
	{ file_is_full, RUN_DISK_EXCEEDED, LIMIT_FILE_BYTES, file_used, by_rlimit },
	{ forks_refused, RUN_PROCESSES_EXCEEDED, LIMIT_PROCESSES, processes_used, by_processes },
	{ died_of_signal, RUN_SIGNALED, -1, NULL, NULL },
	{ exited_not_zero, RUN_FAILED, -1, NULL, NULL },
	{ exited_zero, RUN_OK, -1, NULL, NULL },
	{ always, RUN_ENGINE_ERROR, -1, NULL, NULL },
};

struct verdict verdict_of(const struct step_facts *facts, const struct limits *limits)
{
	const struct rule *rule = rules;
	struct verdict verdict;

	while (!rule->fits(facts, limits))
		rule++;
	verdict = (struct verdict){ .outcome = rule->outcome, .limit = rule->limit };
	if (rule->limit >= 0) {
		verdict.used = rule->used(facts, limits);
		verdict.value = limits->value[rule->limit];
		verdict.enforced_by = rule->by(facts);
	}
	return verdict;
}

enum unit {
	UNIT_BYTES,
	UNIT_MS,
	UNIT_COUNT,
};

/* How the limits that can end a step are spoken of. */
static const struct phrase {
	const char *noun;
	const char *used; /* "… 256.0 MiB used" */
	enum unit unit;
} phrases[LIMIT_COUNT] = {
	[LIMIT_WALL_MS] = { "wall time", "used", UNIT_MS },
	[LIMIT_CPU_MS] = { "CPU time", "used", UNIT_MS },
	[LIMIT_MEMORY_BYTES] = { "memory", "used", UNIT_BYTES },
	[LIMIT_PROCESSES] = { "process", "at one time", UNIT_COUNT },
	[LIMIT_OUTPUT_BYTES] = { "output", "printed", UNIT_BYTES },
	[LIMIT_DISK_BYTES] = { "disk", "seen in use", UNIT_BYTES },
	[LIMIT_FILE_BYTES] = { "file size", "written", UNIT_BYTES },
};

/* `whole`: a limit, which is shown without a fraction and thus exactly. */
static void amount_format(uint64_t n, enum unit unit, bool whole, char *text, size_t size)
{
	if (unit == UNIT_MS)
		snprintf(text, size, "%" PRIu64 " ms", n);
	else if (unit == UNIT_COUNT)
		snprintf(text, size, "%" PRIu64, n);
	else if (n == 1)
		snprintf(text, size, "1 byte");
	else if (whole && n >= MIB && n % MIB == 0)
		snprintf(text, size, "%" PRIu64 " MiB", n / MIB);
	else if (whole && n >= KIB && n % KIB == 0)
		snprintf(text, size, "%" PRIu64 " KiB", n / KIB);
	else if (!whole && n >= MIB)
		snprintf(text, size, "%.1f MiB", (double)n / MIB);
	else if (!whole && n >= KIB)
		snprintf(text, size, "%.1f KiB", (double)n / KIB);
	else
		snprintf(text, size, "%" PRIu64 " bytes", n);
}

static const char *limit_verb(const struct verdict *verdict, const struct step_facts *facts)
{
	if (facts->kill != STEP_KILL_NONE && facts->signaled)
		return "killed at";
	switch (verdict->outcome) {
	case RUN_DISK_EXCEEDED:
		return verdict->limit == LIMIT_FILE_BYTES && facts->signaled ? "killed at" : "failed at";
	case RUN_PROCESSES_EXCEEDED:
		return "failed at";
	case RUN_MEMORY_EXCEEDED:
		if (facts->signaled)
			return "killed at";
		return facts->exit_code != 0 ? "failed after one of its processes was killed at"
					     : "ended over";
	case RUN_CPU_TIME_EXCEEDED:
		return facts->signaled ? "killed at" : "ended over";
	default:
		return "ended over";
	}
}

static void explain_limit(const struct verdict *verdict, const struct step_facts *facts, char *text,
			  size_t size)
{
	const struct phrase *phrase = &phrases[verdict->limit];
	char value[40], used[40];

	amount_format((uint64_t)verdict->value, phrase->unit, true, value, sizeof(value));
	amount_format(verdict->used, phrase->unit, false, used, sizeof(used));
	snprintf(text, size, "%s its %s limit: %s allowed, %s %s (%s)", limit_verb(verdict, facts),
		 phrase->noun, value, used, phrase->used, enforcer_name(verdict->enforced_by));
}

static void explain_signal(int number, char *text, size_t size)
{
	const char *name = sigabbrev_np(number);
	const char *meaning = sigdescr_np(number);

	if (name && meaning)
		snprintf(text, size, "killed by signal %d (SIG%s, %s)", number, name, meaning);
	else
		snprintf(text, size, "killed by signal %d", number);
}

void verdict_explain(const struct verdict *verdict, const struct step_facts *facts, char *text,
		     unsigned long size)
{
	if (verdict->limit >= 0)
		explain_limit(verdict, facts, text, size);
	else if (verdict->outcome == RUN_CANCELLED)
		snprintf(text, size, "cancelled before it had ended");
	else if (verdict->outcome == RUN_ENGINE_ERROR)
		snprintf(text, size, "kiln could not run it or lost it: not the program's fault");
	else if (verdict->outcome == RUN_SIGNALED)
		explain_signal(facts->signal, text, size);
	else if (!facts->started)
		snprintf(text, size, "could not be started (exit code %d)", facts->exit_code);
	else
		snprintf(text, size, "ended with exit code %d", facts->exit_code);
}
