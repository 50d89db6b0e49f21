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

static int v2_limits(int fd, const struct cgroup_host *host, const int64_t *want)
{
	int r = 0;

	if (host->memory) {
		r = cgroup_write(fd, "memory.max", "%lld", (long long)want[LIMIT_MEMORY_BYTES]);
		if (r == 0)
			r = cgroup_write(fd, "memory.oom.group", "1");
		if (r == 0 && host->swap_limited)
			r = cgroup_write(fd, "memory.swap.max", "0");
	}
	if (r == 0 && host->pids)
		r = cgroup_write(fd, "pids.max", "%lld", (long long)want[LIMIT_PROCESSES]);
	if (r == 0 && host->cpu && want[LIMIT_CPU_PERCENT] < 100 * host->processors)
		r = cgroup_write(fd, "cpu.max", "%ld %ld",
				 (long)want[LIMIT_CPU_PERCENT] * (CPU_PERIOD_US / 100), CPU_PERIOD_US);
	return r;
}

static int v2_step(struct cgroup_box *box, uint32_t step, const struct limits *limits, struct err *err)
{
	char name[32];
	int r;

	if (box->run_fd >= 0)
		close(box->run_fd);
	snprintf(name, sizeof(name), "run%u", step);
	box->run_fd = cgroup_make(box->fd[0], name);
	if (box->run_fd < 0)
		return err_set(err, box->run_fd, "cgroup: make %s", name);
	r = v2_limits(box->run_fd, box->host, limits->value);
	if (r < 0)
		return err_set(err, r, "cgroup: set limits");
	{
		struct stat st;

		if (fstatat(box->init_fd, "cgroup.procs", &st, 0) == 0)
			r = give(box->run_fd, st.st_uid);
	}
	box->step = step;
	return r < 0 ? err_set(err, r, "cgroup: give cgroup.procs to init") : 0;
}

static uint64_t v2_cpu_us(const struct cgroup_box *box)
{
	return box->run_fd < 0 ? 0 : cgroup_read_key(box->run_fd, "cpu.stat", "usage_usec", 0);
}

static uint32_t v2_oom_kills(const struct cgroup_box *box)
{
	return (uint32_t)cgroup_read_key(box->run_fd, "memory.events", "oom_kill", 0);
}

static uint32_t v2_refused(const struct cgroup_box *box)
{
	return (uint32_t)cgroup_read_key(box->run_fd, "pids.events", "max", 0);
}

/* memory.peak is there since 5.19; before, the present value is better than nothing. */
static uint64_t v2_memory_peak(const struct cgroup_box *box)
{
	return cgroup_read_number(box->run_fd, "memory.peak",
				  cgroup_read_number(box->run_fd, "memory.current", 0));
}

static int v2_pids_fd(const struct cgroup_box *box)
{
	return box->run_fd;
}

static int v2_remove(struct cgroup_box *box)
{
	int r = cgroup_remove_tree(box->host->fd[0], box->name);

	return r < 0 ? r : 0;
}

const struct cgroup_ops cgroup_ops_v2 = {
	.create = v2_create,
	.step = v2_step,
	.cpu_us = v2_cpu_us,
	.oom_kills = v2_oom_kills,
	.refused = v2_refused,
	.memory_peak = v2_memory_peak,
	.pids_fd = v2_pids_fd,
	.remove = v2_remove,
};
