#include "sandbox/cgroup_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const cgroup_controller_names[CGROUP_HIERARCHIES] = {
	[CGROUP_MEMORY] = "memory",
	[CGROUP_PIDS] = "pids",
	[CGROUP_CPU] = "cpu",
	[CGROUP_CPUACCT] = "cpuacct",
};

int cgroup_write(int dir_fd, const char *file, const char *format, ...)
{
	char text[64];
	va_list args;
	ssize_t n;
	int len, fd, r = 0;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fd = openat(dir_fd, file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, text, (size_t)len);
	if (n != len)
		r = n < 0 ? -errno : -EIO;
	close(fd);
	return r;
}

int cgroup_read(int dir_fd, const char *file, char *text, size_t size)
{
	int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	close(fd);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return (int)n;
}

uint64_t cgroup_read_number(int dir_fd, const char *file, uint64_t missing)
{
	unsigned long long value;
	char text[64];

	if (cgroup_read(dir_fd, file, text, sizeof(text)) < 0 || sscanf(text, "%llu", &value) != 1)
		return missing;
	return value;
}

uint64_t cgroup_find_key(const char *text, const char *key, uint64_t missing)
{
	size_t key_len = strlen(key);
	unsigned long long value;

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, key_len) == 0 && line[key_len] == ' ' &&
		    sscanf(line + key_len, "%llu", &value) == 1)
			return value;
	}
	return missing;
}

static const struct cgroup_ops *ops(const struct cgroup_box *box)
{
	if (!box->host)
		return NULL;
	return box->host->version == 2 ? &cgroup_ops_v2 : box->host->version == 1 ? &cgroup_ops_v1 : NULL;
}

/*
 * Opened for each look: a file that somebody has open when its group is removed stays in the kernel's cache of names,
 * with the folder and an inode for each, until memory is short; and whoever is being forked has all that is open here.
 */
uint64_t cgroup_count(const struct cgroup_box *box, enum cgroup_counter counter, const char *key,
		      uint64_t missing)
{
	struct cgroup_file file = ops(box)->counter(box, counter);
	char text[1024];

	if (file.dir_fd < 0)
		return missing;
	if (!key)
		return cgroup_read_number(file.dir_fd, file.name, missing);
	if (cgroup_read(file.dir_fd, file.name, text, sizeof(text)) < 0)
		return missing;
	return cgroup_find_key(text, key, missing);
}

int cgroup_make(int dir_fd, const char *name)
{
	int fd;

	if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

struct cgroup_name cgroup_name_in(const struct cgroup_group *group, char kind, unsigned number)
{
	struct cgroup_name name;

	snprintf(name.text, sizeof(name.text), "%s%s%c%u", group ? group->name : "", group ? "/" : "", kind,
		 number);
	return name;
}

int cgroup_box_create(struct cgroup_box *box, const struct cgroup_host *host, struct cgroup_group *group,
		      unsigned slot, uid_t owner, struct err *err)
{
	*box = CGROUP_BOX_NONE;
	box->host = host;
	box->group = group;
	snprintf(box->name, sizeof(box->name), "%s", cgroup_name_in(group, 's', slot).text);
	return ops(box) ? ops(box)->create(box, owner, err) : 0;
}

int cgroup_box_clone_fd(const struct cgroup_box *box)
{
	return box->init_fd;
}

int cgroup_box_prepare(struct cgroup_box *box, const struct limits *limits, struct err *err)
{
	return ops(box) ? ops(box)->prepare(box, limits, err) : 0;
}

int cgroup_box_step(struct cgroup_box *box, uint32_t step, const struct limits *limits, struct err *err)
{
	box->processes_peak = 0;
	return ops(box) ? ops(box)->step(box, step, limits, err) : 0;
}

uint64_t cgroup_box_cpu_us(struct cgroup_box *box)
{
	return ops(box) ? ops(box)->cpu_us(box) - box->cpu_base_us : 0;
}

uint32_t cgroup_box_oom_kills(struct cgroup_box *box)
{
	return ops(box) ? ops(box)->oom_kills(box) - box->oom_base : 0;
}

void cgroup_box_sample(struct cgroup_box *box)
{
	/* Version 1 counts init too. */
	uint64_t init = box->host && box->host->version == 1;
	uint64_t count;

	if (!ops(box) || !box->host->pids)
		return;
	count = cgroup_count(box, COUNTER_PIDS_NOW, NULL, 0);
	if (count > init && count - init > box->processes_peak)
		box->processes_peak = (uint32_t)(count - init);
}

void cgroup_box_usage(struct cgroup_box *box, struct keeper_usage *ret)
{
	uint64_t init = box->host && box->host->version == 1; /* it is counted too */
	uint64_t peak;

	*ret = (struct keeper_usage){ 0 };
	if (!ops(box))
		return;
	ret->cpu_us = box->host->cpu_time ? cgroup_box_cpu_us(box) : 0;
	ret->memory_peak_bytes = box->host->memory ? ops(box)->memory_peak(box) : 0;
	ret->oom_kills = box->host->memory ? cgroup_box_oom_kills(box) : 0;
	if (!box->host->pids)
		return;
	ret->forks_refused = (uint32_t)cgroup_count(box, COUNTER_PIDS_EVENTS, "max", 0) - box->refused_base;
	/* A peak that an earlier step set (version 1: one group for all) says nothing about this one. */
	peak = cgroup_count(box, COUNTER_PIDS_PEAK, NULL, 0);
	peak = peak > box->peak_base ? peak - init : 0;
	ret->processes_peak = peak > box->processes_peak ? (uint32_t)peak : box->processes_peak;
}

void cgroup_box_weigh(struct cgroup_box *box, struct keeper_usage *ret)
{
	cgroup_box_usage(box, ret);
	box->oom_base += ret->oom_kills;
	box->refused_base += ret->forks_refused;
}

bool cgroup_holds(const struct cgroup_box *box, const struct limits *limits)
{
	const int64_t *want = limits->value, *have = box->written.value;

	return want[LIMIT_MEMORY_BYTES] == have[LIMIT_MEMORY_BYTES] &&
	       want[LIMIT_PROCESSES] == have[LIMIT_PROCESSES] &&
	       want[LIMIT_CPU_PERCENT] == have[LIMIT_CPU_PERCENT];
}

int cgroup_box_remove(struct cgroup_box *box)
{
	int r = ops(box) ? ops(box)->remove(box) : 0;

	if (r < 0)
		return r;
	for (int i = 0; i < CGROUP_HIERARCHIES; i++) {
		if (box->fd[i] >= 0)
			close(box->fd[i]);
	}
	if (box->init_fd >= 0)
		close(box->init_fd);
	if (box->run_fd >= 0)
		close(box->run_fd);
	if (box->oom_fd >= 0)
		close(box->oom_fd);
	*box = CGROUP_BOX_NONE;
	return 0;
}
