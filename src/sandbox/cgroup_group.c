/*
 * The group of a session, in which those of its sandboxes are made: what all of them together may have.
 *
 * What a sandbox of it leaves in files stays charged up here when its own group is gone. Nothing is held open, since
 * there may be a thousand of these and they are seldom looked at.
 */
#include "sandbox/cgroup_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define INITS_SPARE                                                                                          \
	128 /* init of each sandbox, and what it has started ahead, are no processes of the users */
#define WEIGHT_V2	 100
#define WEIGHT_V2_MAX	 10000
#define WEIGHT_V1	 1024
#define WEIGHT_V1_MAX	 262144
#define TCP_BUFFER_BYTES (16L * 1024 * 1024)

static int open_dir(const struct cgroup_group *group, enum cgroup_hierarchy which)
{
	int base_fd = group->host->fd[group->host->version == 2 ? 0 : which];
	int fd = base_fd < 0 ? -1 : openat(base_fd, group->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd;
}

static int limit_memory(const struct cgroup_host *host, int fd, int64_t bytes)
{
	int r;

	if (host->version == 2) {
		r = cgroup_write(fd, "memory.max", "%lld", (long long)bytes);
		return r == 0 && host->swap_limited ? cgroup_write(fd, "memory.swap.max", "0") : r;
	}
	r = cgroup_write(fd, "memory.limit_in_bytes", "%lld", (long long)bytes);
	if (r == 0)
		r = cgroup_write(fd, "memory.memsw.limit_in_bytes", "%lld", (long long)bytes);
	if (r == -ENOENT)
		r = 0;
	if (cgroup_write(fd, "memory.kmem.tcp.limit_in_bytes", "%ld", TCP_BUFFER_BYTES) < 0 ||
	    cgroup_write(fd, "memory.swappiness", "0") < 0)
		errno = 0; /* refused on some kernels */
	return r;
}

static int limit(const struct cgroup_host *host, enum cgroup_hierarchy which, int fd,
		 const struct limits *limits)
{
	if (which == CGROUP_MEMORY && host->memory)
		return limit_memory(host, fd, limits->value[LIMIT_MEMORY_BYTES]);
	if (which == CGROUP_PIDS && host->pids)
		return cgroup_write(fd, "pids.max", "%lld",
				    (long long)limits->value[LIMIT_PROCESSES] + INITS_SPARE);
	return 0;
}

static int create_v2(const struct cgroup_group *group, const struct limits *limits)
{
	const struct cgroup_host *host = group->host;
	const bool enabled[3] = { host->memory, host->pids, host->cpu };
	int fd = cgroup_make(host->fd[0], group->name);
	int r = fd < 0 ? fd : 0;

	for (int i = 0; i < 3 && r == 0; i++) {
		r = limit(host, (enum cgroup_hierarchy)i, fd, limits);
		if (r == 0 && enabled[i])
			r = cgroup_write(fd, "cgroup.subtree_control", "+%s", cgroup_controller_names[i]);
	}
	if (fd >= 0)
		close(fd);
	return r;
}

static int create_v1(const struct cgroup_group *group, const struct limits *limits)
{
	int r = 0;

	for (int i = 0; i < CGROUP_HIERARCHIES && r == 0; i++) {
		int fd = group->host->fd[i] < 0 ? -1 : cgroup_make(group->host->fd[i], group->name);

		if (group->host->fd[i] < 0)
			continue;
		r = fd < 0 ? fd : limit(group->host, (enum cgroup_hierarchy)i, fd, limits);
		if (fd >= 0)
			close(fd);
	}
	return r;
}

int cgroup_group_create(struct cgroup_group *group, const struct cgroup_host *host, unsigned number,
			const struct limits *limits, struct err *err)
{
	int r = 0;

	*group = (struct cgroup_group){ .host = host };
	snprintf(group->name, sizeof(group->name), "x%u", number);
	if (host->version == 2)
		r = create_v2(group, limits);
	else if (host->version == 1)
		r = create_v1(group, limits);
	return r < 0 ? err_set(err, r, "cgroup: make %s", group->name) : 0;
}

void cgroup_group_weigh(const struct cgroup_group *group, uint64_t *ret_memory_bytes, uint32_t *ret_processes)
{
	bool v2 = group->host->version == 2;
	int fd = group->host->memory ? open_dir(group, CGROUP_MEMORY) : -1;

	*ret_memory_bytes =
		fd < 0 ? 0 : cgroup_read_number(fd, v2 ? "memory.current" : "memory.usage_in_bytes", 0);
	if (fd >= 0)
		close(fd);
	fd = group->host->pids ? open_dir(group, CGROUP_PIDS) : -1;
	*ret_processes = fd < 0 ? 0 : (uint32_t)cgroup_read_number(fd, "pids.current", 0);
	if (fd >= 0)
		close(fd);
}

void cgroup_group_share(struct cgroup_group *group, unsigned sandboxes)
{
	unsigned count = sandboxes ? sandboxes : 1;
	bool v2 = group->host->version == 2;
	unsigned long weight = (v2 ? WEIGHT_V2 : WEIGHT_V1) * (unsigned long)count;
	unsigned long most = v2 ? WEIGHT_V2_MAX : WEIGHT_V1_MAX;
	int fd;

	if (count <= group->sandboxes && group->sandboxes <= 2 * count)
		return;
	fd = group->host->cpu ? open_dir(group, CGROUP_CPU) : -1;
	if (fd < 0)
		return;
	/* Without it the session has the share that it had. */
	if (cgroup_write(fd, v2 ? "cpu.weight" : "cpu.shares", "%lu", weight < most ? weight : most) == 0)
		group->sandboxes = count;
	errno = 0;
	close(fd);
}

int cgroup_group_remove(struct cgroup_group *group)
{
	const struct cgroup_host *host = group->host;
	int r = 0;

	if (!host || !host->version)
		return 0;
	cgroup_group_clear(group);
	if (host->version == 2) {
		r = cgroup_remove_tree(host->fd[0], group->name);
		return r < 0 ? r : 0;
	}
	for (int i = 0; i < CGROUP_HIERARCHIES && r == 0; i++) {
		if (host->fd[i] < 0 || unlinkat(host->fd[i], group->name, AT_REMOVEDIR) == 0 ||
		    errno == ENOENT)
			continue;
		/* One that was kept and could not be removed may be left in it. */
		r = errno == EBUSY ? cgroup_remove_tree(host->fd[i], group->name) : -errno;
		if (r > 0)
			r = 0;
	}
	return r;
}
