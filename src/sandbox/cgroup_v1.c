/*
 * Version 1: one group for init and payload in each of four hierarchies.
 *
 * There is no kill as one: the keeper hears of the first kill for memory through an eventfd and has the
 * step ended. TCP and UDP buffers are not charged here but through kmem.tcp, which gets its own small
 * limit.
 */
#include "sandbox/cgroup_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TCP_BUFFER_BYTES (4L * 1024 * 1024)
#define CPU_PERIOD_US	 100000L
#define UNKNOWN		 (-1) /* like no limit */

static const struct {
	enum cgroup_hierarchy hierarchy;
	const char *name;
} counter_files[COUNTERS] = {
	[COUNTER_CPU] = { CGROUP_CPUACCT, "cpuacct.usage" },
	[COUNTER_MEMORY_PEAK] = { CGROUP_MEMORY, "memory.max_usage_in_bytes" },
	[COUNTER_OOM] = { CGROUP_MEMORY, "memory.oom_control" },
	[COUNTER_PIDS_EVENTS] = { CGROUP_PIDS, "pids.events" },
	[COUNTER_PIDS_PEAK] = { CGROUP_PIDS, "pids.peak" },
	[COUNTER_PIDS_NOW] = { CGROUP_PIDS, "pids.current" },
};

static struct cgroup_file v1_counter(const struct cgroup_box *box, enum cgroup_counter counter)
{
	return (struct cgroup_file){ box->fd[counter_files[counter].hierarchy], counter_files[counter].name };
}

static uint64_t v1_cpu_us(struct cgroup_box *box)
{
	return cgroup_count(box, COUNTER_CPU, NULL, 0) / 1000;
}

static int watch_oom(struct cgroup_box *box)
{
	int memory_fd = box->fd[CGROUP_MEMORY];
	int control_fd, r;

	box->oom_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (box->oom_fd < 0)
		return -errno;
	control_fd = openat(memory_fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	if (control_fd < 0)
		return -errno;
	r = cgroup_write(memory_fd, "cgroup.event_control", "%d %d", box->oom_fd, control_fd);
	close(control_fd);
	return r;
}

static struct cgroup_name group_name(const struct cgroup_box *box, enum cgroup_hierarchy which)
{
	struct cgroup_name name;

	if (cgroup_can_keep(box, which))
		return cgroup_name_in(box->group, CGROUP_KEPT_PREFIX, box->number[which]);
	snprintf(name.text, sizeof(name.text), "%s", box->name);
	return name;
}

static int make_group(struct cgroup_box *box, enum cgroup_hierarchy which)
{
	if (box->host->fd[which] < 0 || cgroup_take_kept(box, which))
		return 0;
	if (cgroup_can_keep(box, which))
		box->number[which] = box->host->stock->made++;
	box->fd[which] = cgroup_make(box->host->fd[which], group_name(box, which).text);
	return box->fd[which] < 0 ? box->fd[which] : 0;
}

static int v1_create(struct cgroup_box *box, uid_t owner, struct err *err)
{
	for (int i = 0; i < CGROUP_HIERARCHIES; i++) {
		int r = make_group(box, (enum cgroup_hierarchy)i);

		if (r < 0)
			return err_set(err, r, "cgroup: make %s/%s", cgroup_controller_names[i], box->name);
	}
	box->cpu_base_us = v1_cpu_us(box);
	if (box->fd[CGROUP_MEMORY] >= 0) {
		int r = watch_oom(box);

		/* Refused on some kernels: then the counter at the step's end still tells. */
		(void)r;
		r = cgroup_write(box->fd[CGROUP_MEMORY], "memory.kmem.tcp.limit_in_bytes", "%ld",
				 TCP_BUFFER_BYTES);
		(void)r;
		r = cgroup_write(box->fd[CGROUP_MEMORY], "memory.swappiness", "0");
		(void)r;
	}
	return 0;
}

/* memory and memory+swap must never cross: the larger limit is moved first when rising, last when falling. */
static int write_memory(const struct cgroup_box *box, int64_t bytes)
{
	static const char *const files[2] = { "memory.limit_in_bytes", "memory.memsw.limit_in_bytes" };
	bool rising =
		box->written.value[LIMIT_MEMORY_BYTES] && bytes > box->written.value[LIMIT_MEMORY_BYTES];

	for (int i = 0; i < 2; i++) {
		int which = rising ? 1 - i : i;
		int r = cgroup_write(box->fd[CGROUP_MEMORY], files[which], "%lld", (long long)bytes);

		if (r < 0 && !(which == 1 && r == -ENOENT))
			return r;
	}
	return 0;
}

/* A group that is kept is another sandbox's next: what one that failed has written must not pass for what it had. */
static int write_noted(int64_t *have, int64_t want, int fd, const char *file, long value)
{
	int r;

	*have = UNKNOWN;
	r = cgroup_write(fd, file, "%ld", value);
	if (r == 0)
		*have = want;
	return r;
}

static int v1_limits(struct cgroup_box *box, const struct limits *limits, struct err *err)
{
	const int64_t *want = limits->value;
	int64_t *have = box->written.value;
	int r = 0;

	if (box->fd[CGROUP_MEMORY] >= 0 && want[LIMIT_MEMORY_BYTES] != have[LIMIT_MEMORY_BYTES])
		r = write_memory(box, want[LIMIT_MEMORY_BYTES]);
	if (r < 0)
		return err_set(err, r, "cgroup: limit memory to %lld bytes",
			       (long long)want[LIMIT_MEMORY_BYTES]);
	if (box->fd[CGROUP_PIDS] >= 0 && want[LIMIT_PROCESSES] != have[LIMIT_PROCESSES])
		r = write_noted(&have[LIMIT_PROCESSES], want[LIMIT_PROCESSES], box->fd[CGROUP_PIDS],
				"pids.max", (long)want[LIMIT_PROCESSES] + 1);
	if (r < 0)
		return err_set(err, r, "cgroup: limit processes");
	if (box->fd[CGROUP_CPU] >= 0 && want[LIMIT_CPU_PERCENT] != have[LIMIT_CPU_PERCENT]) {
		bool all = want[LIMIT_CPU_PERCENT] >= 100 * box->host->processors;

		if (!all || have[LIMIT_CPU_PERCENT])
			r = write_noted(&have[LIMIT_CPU_PERCENT], want[LIMIT_CPU_PERCENT],
					box->fd[CGROUP_CPU], "cpu.cfs_quota_us",
					all ? -1 : (long)(want[LIMIT_CPU_PERCENT] * (CPU_PERIOD_US / 100)));
	}
	if (r < 0)
		return err_set(err, r, "cgroup: limit the share of processors");
	box->written = *limits;
	return 0;
}

static uint32_t v1_oom_kills(struct cgroup_box *box)
{
	return (uint32_t)cgroup_count(box, COUNTER_OOM, "oom_kill", 0);
}

static uint64_t v1_memory_peak(struct cgroup_box *box)
{
	return cgroup_count(box, COUNTER_MEMORY_PEAK, NULL, 0);
}

static int v1_step(struct cgroup_box *box, uint32_t step, const struct limits *limits, struct err *err)
{
	bool held = cgroup_holds(box, limits);
	int r = v1_limits(box, limits, err);

	if (r < 0)
		return r;
	if (box->fd[CGROUP_MEMORY] >= 0)
		r = cgroup_write(box->fd[CGROUP_MEMORY], "memory.max_usage_in_bytes", "0");
	if (r < 0)
		return err_set(err, r, "cgroup: reset the memory peak");
	box->cpu_base_us = v1_cpu_us(box);
	box->step = step;
	if (step == 1 && !box->warm)
		return 0; /* all other counters are at zero: none but init was in the group */
	if (box->fd[CGROUP_PIDS] >= 0)
		box->peak_base = (uint32_t)cgroup_count(box, COUNTER_PIDS_PEAK, NULL, 0);
	if (step == 1 && held)
		return 0; /* it may be running already: what counts is what cgroup_box_weigh() saw */
	if (box->fd[CGROUP_MEMORY] >= 0)
		box->oom_base = v1_oom_kills(box);
	if (box->fd[CGROUP_PIDS] >= 0)
		box->refused_base = (uint32_t)cgroup_count(box, COUNTER_PIDS_EVENTS, "max", 0);
	return 0;
}

static int v1_remove(struct cgroup_box *box)
{
	for (int i = 0; i < CGROUP_HIERARCHIES; i++) {
		enum cgroup_hierarchy which = (enum cgroup_hierarchy)i;

		if (box->fd[i] < 0)
			continue;
		/* That of memory is the first: once it is gone, no process is in the others either. */
		if (cgroup_can_keep(box, which) && cgroup_keep(box, which))
			continue;
		if (unlinkat(box->host->fd[i], group_name(box, which).text, AT_REMOVEDIR) < 0 &&
		    errno != ENOENT)
			return -errno;
	}
	return 0;
}

const struct cgroup_ops cgroup_ops_v1 = {
	.create = v1_create,
	.prepare = v1_limits,
	.step = v1_step,
	.counter = v1_counter,
	.cpu_us = v1_cpu_us,
	.oom_kills = v1_oom_kills,
	.memory_peak = v1_memory_peak,
	.remove = v1_remove,
};
