/*
 * Version 2: a box with the leaves init/ and run<step>/.
 *
 * init clones the payload into run<step> by CLONE_INTO_CGROUP, for which it must own cgroup.procs there and
 * in the common ancestor; the files with limits stay the keeper's. One group a step: its peak and its
 * counters start at zero, which 6.1's memory.peak cannot be made to do otherwise.
 */
#include "sandbox/cgroup_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CPU_PERIOD_US 100000L

static int give(int fd, uid_t owner)
{
	if (owner == geteuid())
		return 0;
	return fchownat(fd, "cgroup.procs", owner, (gid_t)owner, 0) < 0 ? -errno : 0;
}

static int v2_create(struct cgroup_box *box, uid_t owner, struct err *err)
{
	const struct cgroup_host *host = box->host;
	const bool enabled[3] = { host->memory, host->pids, host->cpu };
	int r;

	box->fd[0] = cgroup_make(host->fd[0], box->name);
	if (box->fd[0] < 0)
		return err_set(err, box->fd[0], "cgroup: make %s", box->name);
	for (int i = 0; i < 3; i++) {
		r = enabled[i] ? cgroup_write(box->fd[0], "cgroup.subtree_control", "+%s",
					      cgroup_controller_names[i])
			       : 0;
		if (r < 0)
			return err_set(err, r, "cgroup: enable %s", cgroup_controller_names[i]);
	}
	box->init_fd = cgroup_make(box->fd[0], "init");
	if (box->init_fd < 0)
		return err_set(err, box->init_fd, "cgroup: make init");
	r = give(box->fd[0], owner);
	if (r == 0)
		r = give(box->init_fd, owner);
	return r < 0 ? err_set(err, r, "cgroup: give cgroup.procs to init") : 0;
}

static int v2_make_run(struct cgroup_box *box, uint32_t step)
{
	char name[32];
	struct stat st;
	int r = 0;

	if (box->run_fd >= 0)
		close(box->run_fd);
	snprintf(name, sizeof(name), "run%u", step);
	box->run_fd = cgroup_make(box->fd[0], name);
	if (box->run_fd < 0)
		return box->run_fd;
	box->step = step;
	memset(&box->written, 0, sizeof(box->written));
	if (box->host->memory)
		r = cgroup_write(box->run_fd, "memory.oom.group", "1");
	if (r == 0 && box->host->memory && box->host->swap_limited)
		r = cgroup_write(box->run_fd, "memory.swap.max", "0");
	if (r == 0 && fstatat(box->init_fd, "cgroup.procs", &st, 0) == 0)
		r = give(box->run_fd, st.st_uid);
	return r;
}

static int write_processors(const struct cgroup_box *box, int64_t percent)
{
	if (percent < 100 * box->host->processors)
		return cgroup_write(box->run_fd, "cpu.max", "%ld %ld", (long)percent * (CPU_PERIOD_US / 100),
				    CPU_PERIOD_US);
	return box->written.value[LIMIT_CPU_PERCENT]
		       ? cgroup_write(box->run_fd, "cpu.max", "max %ld", CPU_PERIOD_US)
		       : 0;
}

static int v2_limits(struct cgroup_box *box, const struct limits *limits, struct err *err)
{
	const int64_t *want = limits->value, *have = box->written.value;
	const struct cgroup_host *host = box->host;
	int r = 0;

	if (host->memory && want[LIMIT_MEMORY_BYTES] != have[LIMIT_MEMORY_BYTES])
		r = cgroup_write(box->run_fd, "memory.max", "%lld", (long long)want[LIMIT_MEMORY_BYTES]);
	if (r == 0 && host->pids && want[LIMIT_PROCESSES] != have[LIMIT_PROCESSES])
		r = cgroup_write(box->run_fd, "pids.max", "%lld", (long long)want[LIMIT_PROCESSES]);
	if (r == 0 && host->cpu && want[LIMIT_CPU_PERCENT] != have[LIMIT_CPU_PERCENT])
		r = write_processors(box, want[LIMIT_CPU_PERCENT]);
	if (r < 0)
		return err_set(err, r, "cgroup: set limits");
	box->written = *limits;
	return 0;
}

static int v2_prepare(struct cgroup_box *box, const struct limits *limits, struct err *err)
{
	int r = box->run_fd < 0 ? v2_make_run(box, 1) : 0;

	return r < 0 ? err_set(err, r, "cgroup: make run1") : v2_limits(box, limits, err);
}

static struct cgroup_file v2_counter(const struct cgroup_box *box, enum cgroup_counter counter)
{
	static const char *const files[COUNTERS] = {
		[COUNTER_CPU] = "cpu.stat",	   [COUNTER_MEMORY_PEAK] = "memory.peak",
		[COUNTER_OOM] = "memory.events",   [COUNTER_PIDS_EVENTS] = "pids.events",
		[COUNTER_PIDS_PEAK] = "pids.peak", [COUNTER_PIDS_NOW] = "pids.current",
	};

	return (struct cgroup_file){ box->run_fd, files[counter] };
}

static uint64_t v2_cpu_us(struct cgroup_box *box)
{
	return cgroup_count(box, COUNTER_CPU, "usage_usec", 0);
}

static uint32_t v2_oom_kills(struct cgroup_box *box)
{
	return (uint32_t)cgroup_count(box, COUNTER_OOM, "oom_kill", 0);
}

/* memory.peak is there since 5.19; before, the present value is better than nothing. */
static uint64_t v2_memory_peak(struct cgroup_box *box)
{
	uint64_t peak = cgroup_count(box, COUNTER_MEMORY_PEAK, NULL, UINT64_MAX);

	return peak != UINT64_MAX ? peak : cgroup_read_number(box->run_fd, "memory.current", 0);
}

static int v2_step(struct cgroup_box *box, uint32_t step, const struct limits *limits, struct err *err)
{
	bool prepared = box->run_fd >= 0 && box->step == step;
	bool held = prepared && cgroup_holds(box, limits);
	int r = prepared ? 0 : v2_make_run(box, step);

	if (r == 0)
		r = v2_limits(box, limits, err);
	else
		err_set(err, r, "cgroup: make run%u", step);
	if (r < 0)
		return r;
	/* A runtime that was booted in here is not charged to the step, but for the memory that it holds. */
	prepared = prepared && box->warm;
	box->cpu_base_us = prepared ? v2_cpu_us(box) : 0;
	if (prepared && held)
		return 0; /* it may be running already: what counts is what cgroup_box_weigh() saw */
	box->oom_base = prepared ? v2_oom_kills(box) : 0;
	box->refused_base = prepared ? (uint32_t)cgroup_count(box, COUNTER_PIDS_EVENTS, "max", 0) : 0;
	return 0;
}

static int v2_remove(struct cgroup_box *box)
{
	int r = cgroup_remove_tree(box->host->fd[0], box->name);

	return r < 0 ? r : 0;
}

const struct cgroup_ops cgroup_ops_v2 = {
	.create = v2_create,
	.prepare = v2_prepare,
	.step = v2_step,
	.counter = v2_counter,
	.cpu_us = v2_cpu_us,
	.oom_kills = v2_oom_kills,
	.memory_peak = v2_memory_peak,
	.remove = v2_remove,
};
