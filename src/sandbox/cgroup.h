/*
 * Control groups: one interface over version 2, version 1, and none.
 *
 * `struct cgroup_host` is the folder of this keeper, "kiln-<pid>-<start time>", in each hierarchy that it
 * could use; a box is one sandbox in it. Version 2 gives a box the leaves init/ and run<step>/: limits and
 * counters are those of one step, and a kill for memory takes the step as one. Version 1 has one group for
 * both: counters are reset or remembered at each step's start. All files are written by descriptor-relative
 * paths. Nothing here blocks for longer than the kernel does.
 */
#ifndef KILN_SANDBOX_CGROUP_H
#define KILN_SANDBOX_CGROUP_H

#include "base/err.h"
#include "base/limits.h"
#include "wire/keeper_proto.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum cgroup_hierarchy {
	CGROUP_MEMORY,
	CGROUP_PIDS,
	CGROUP_CPU,
	CGROUP_CPUACCT,
	CGROUP_HIERARCHIES,
};

/* What is read of a group, from files that stay open. */
enum cgroup_counter {
	COUNTER_CPU,
	COUNTER_MEMORY_PEAK,
	COUNTER_OOM,
	COUNTER_PIDS_EVENTS,
	COUNTER_PIDS_PEAK,
	COUNTER_PIDS_NOW,
	COUNTERS,
};

/* Of each kind: as many as come back, while a server has its hands full, before the next sandboxes take them. */
#define CGROUP_KEPT_MAX 32
/* In all sessions together, of all kinds. */
#define CGROUP_KEPT_OF_SESSIONS_MAX 96
/* Without a sandbox made or ended, after which none should be. */
#define CGROUP_KEPT_IDLE_US 2000000

/*
 * Version 1, as root: groups of former sandboxes that are as they were when they were made, for later ones; of a
 * session for its own. Never those of memory, which go on holding what was charged to them.
 */
struct cgroup_kept {
	unsigned number; /* of its name */
	int fd;
	int64_t limit; /* that is written: processes, or percent of a processor */
};

struct cgroup_stock {
	struct cgroup_kept items[CGROUP_HIERARCHIES][CGROUP_KEPT_MAX];
	unsigned count[CGROUP_HIERARCHIES];
	/* The host's, for all: */
	unsigned made; /* for names */
	unsigned of_sessions;
};

struct cgroup_host {
	int version; /* 2, 1, or 0: none */
	bool memory, pids, cpu, cpu_time, swap_limited;
	bool evacuated; /* version 2: our kind was moved to a leaf, to be moved back at the end */
	int processors;
	char name[64];			    /* "kiln-<pid>-<start time>" */
	char path[256];			    /* of the memory hierarchy, or the unified one; for people */
	char base[CGROUP_HIERARCHIES][320]; /* absolute folders in which `name` stands; "" without */
	int fd[CGROUP_HIERARCHIES];	    /* the folders called `name`; version 2 uses the first */
	uint32_t leftovers;		    /* boxes of dead keepers that were removed */
	struct cgroup_stock *stock;	    /* NULL: no group is used again */
};

struct cgroup_box {
	const struct cgroup_host *host;
	char name[32];			     /* "s<slot>", behind "x<session>/" in a session */
	struct cgroup_group *group;	     /* of the session; or NULL */
	unsigned number[CGROUP_HIERARCHIES]; /* version 1: in the names of groups that can be used again */
	int fd[CGROUP_HIERARCHIES];	     /* version 2: the first */
	int init_fd, run_fd;		     /* version 2 */
	int oom_fd; /* version 1: eventfd, readable after a kill for memory; else -1 */
	uint32_t step;
	struct limits written; /* version 2: to run<step>; 0: nothing yet */
	bool warm;	       /* something may be in run1 before the first step begins */
	uint64_t cpu_base_us;
	uint32_t oom_base, refused_base, peak_base, processes_peak;
};

/*
 * Finds the hierarchies, removes what dead keepers left, makes the folder. `wanted` is a path below the
 * hierarchies' mount points, or NULL: the caller's own group where it is delegated, else (as root) the top.
 * Without any usable hierarchy returns 0 with version 0. -errno only when something that should work did
 * not.
 */
[[nodiscard]] int cgroup_host_open(struct cgroup_host *host, const char *wanted, struct err *err);
void cgroup_host_close(struct cgroup_host *host);
/* Whether groups wait for the next sandbox, and to remove them all: when none was made or ended for a while. */
bool cgroup_host_keeps(const struct cgroup_host *host);
void cgroup_host_clear(struct cgroup_host *host);

/* A session's group in each hierarchy, above those of its sandboxes. */
struct cgroup_group {
	const struct cgroup_host *host;
	char name[16];		    /* "x<number>" */
	struct cgroup_stock *stock; /* NULL: nothing is kept */
	unsigned sandboxes;	    /* whose share it has; 0: none was given */
};

/* Makes it; memory and processes of `limits` hold for all in it together. */
[[nodiscard]] int cgroup_group_create(struct cgroup_group *group, const struct cgroup_host *host,
				      unsigned number, const struct limits *limits, struct err *err);
/* What is in it now; 0 where nothing counts it. */
void cgroup_group_weigh(const struct cgroup_group *group, uint64_t *ret_memory_bytes,
			uint32_t *ret_processes);
/*
 * Gives it the share of processors that so many sandboxes have. A share of up to twice as many is left as it is: with
 * each run one comes and goes.
 */
void cgroup_group_share(struct cgroup_group *group, unsigned sandboxes);
/* As of the host, for sandboxes of the session. */
bool cgroup_group_keeps(const struct cgroup_group *group);
void cgroup_group_clear(struct cgroup_group *group);
/* -EBUSY while there is something in it. */
[[nodiscard]] int cgroup_group_remove(struct cgroup_group *group);

/*
 * Makes the groups of a sandbox, in that of a session, which outlives it, or (NULL) beside all others. `owner` (uid and
 * gid) may move processes between init/ and run<n>/.
 */
[[nodiscard]] int cgroup_box_create(struct cgroup_box *box, const struct cgroup_host *host,
				    struct cgroup_group *group, unsigned slot, uid_t owner, struct err *err);
/* Version 2: the descriptor for CLONE_INTO_CGROUP; else -1. */
int cgroup_box_clone_fd(const struct cgroup_box *box);
/*
 * Version 1: puts the calling thread in, which is the only one of its process; else does nothing. Async-signal-safe. A
 * thread that moves itself is the one case in which the kernel does not hold up every fork and exec of the machine.
 */
[[nodiscard]] int cgroup_box_enter(const struct cgroup_box *box);
/*
 * Before the first step: its limits, as far as they can hold already, so that preparing that step costs next to
 * nothing. Can be called again with others.
 */
[[nodiscard]] int cgroup_box_prepare(struct cgroup_box *box, const struct limits *limits, struct err *err);
/* Prepares a step: its limits, its counters at zero. */
[[nodiscard]] int cgroup_box_step(struct cgroup_box *box, uint32_t step, const struct limits *limits,
				  struct err *err);
uint64_t cgroup_box_cpu_us(struct cgroup_box *box);
uint32_t cgroup_box_oom_kills(struct cgroup_box *box);
/* Notes how many processes there are now, for hosts without pids.peak. */
void cgroup_box_sample(struct cgroup_box *box);
void cgroup_box_usage(struct cgroup_box *box, struct keeper_usage *ret);
/*
 * The same of what was started ahead, and takes note of it: kills and refusals from now on are the first step's, which
 * may begin a moment before cgroup_box_step().
 */
void cgroup_box_weigh(struct cgroup_box *box, struct keeper_usage *ret);
/* Removes the groups; -EBUSY while a process is still in them (call again). Closes all descriptors on success. */
[[nodiscard]] int cgroup_box_remove(struct cgroup_box *box);

#define CGROUP_BOX_NONE                                                                                      \
	((struct cgroup_box){ .fd = { -1, -1, -1, -1 }, .init_fd = -1, .run_fd = -1, .oom_fd = -1 })

#endif
