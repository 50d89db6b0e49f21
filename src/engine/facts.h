/*
 * What was seen of one step, before anything is concluded from it (that is run/verdict.h).
 *
 * Three witnesses fill it in: init (exit status, output counts, disk), the keeper (cgroup counters) and the front
 * (cancelled, engine failed).
 */
#ifndef KILN_ENGINE_FACTS_H
#define KILN_ENGINE_FACTS_H

#include "wire/step_kill.h"

#include <stdbool.h>
#include <stdint.h>

struct step_facts {
	bool engine_failed;
	bool started; /* false: exec or set-up of the step failed; the engine's error says why */
	bool signaled;
	int exit_code; /* where not signaled */
	int signal;    /* where signaled */
	enum step_kill kill;
	uint32_t oom_kills;	/* processes that the kernel killed for memory during the step */
	uint32_t forks_refused; /* by the pids cgroup or RLIMIT_NPROC, as far as the host counts them */
	bool disk_full; /* the sandbox's tmpfs had no block or no inode left, at the end or at a sample */
	bool file_full; /* a file that the step has written is as large as one may be; looked for where it failed */
	uint64_t disk_used_bytes; /* peak of the samples */
	uint64_t stdout_bytes;	  /* printed, which may be more than was kept */
	uint64_t stderr_bytes;
	uint64_t wall_us;
	uint64_t cpu_us;
	uint64_t memory_peak_bytes;
	uint32_t processes_peak;
	bool memory_by_cgroup, cpu_by_cgroup, processes_by_cgroup; /* else watchdog, watchdog, rlimit */
};

#endif
