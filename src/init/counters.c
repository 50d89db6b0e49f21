/*
 * What the control groups of a container say, as far as they are to be seen from inside: version 2 in one tree,
 * version 1 in one for each controller. Outside of containers the keeper counts.
 *
 * A container's own group is the root of the tree that it sees, or is below that: Podman shows containers all groups of
 * a machine with version 1, unless its operator says otherwise.
 *
 * The groups are not reset between steps: each counter is taken as it was when the step began. A peak cannot be
 * taken so but where it has grown since; else it is the largest of the samples.
 */
#include "init/init_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NANO	     1000
#define GROUPS	     "/sys/fs/cgroup"
#define GROUP_MAX    512
#define GROUP_FORMAT "%511s"

/* "9:cpu,cpuacct:/path" of /proc/self/cgroup: the path, when that line is the controller's; version 2's has none. */
static const char *path_in_line(char *line, const char *controller)
{
	char *rest = line, *names, *name;

	line[strcspn(line, "\n")] = '\0';
	strsep(&rest, ":");
	names = strsep(&rest, ":");
	while (rest && (name = strsep(&names, ","))) {
		if (strcmp(name, controller) == 0)
			return rest;
	}
	return NULL;
}

static bool own_path(const char *controller, char ret[GROUP_MAX])
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[GROUP_MAX + 64];
	const char *path = NULL;

	while (file && !path && fgets(line, sizeof(line), file))
		path = path_in_line(line, controller);
	if (file)
		fclose(file);
	return path && snprintf(ret, GROUP_MAX, "%s", path) < GROUP_MAX;
}

/* Which group is to be seen at a folder where groups are mounted. */
static bool path_of_mount(const char *folder, char ret[GROUP_MAX])
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, point[PATH_MAX], root[GROUP_MAX], real[PATH_MAX];
	bool found = false;
	size_t size = 0;

	if (!realpath(folder, real))
		real[0] = '\0';
	/* The last one is on top. */
	while (file && getline(&line, &size, file) > 0) {
		if (sscanf(line, "%*s %*s %*s " GROUP_FORMAT " %4095s", root, point) != 2 ||
		    strcmp(point, real) != 0)
			continue;
		memcpy(ret, root, sizeof(root));
		found = true;
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

/* A file of our own group; -1: it is not to be seen. */
static int open_own(const char *folder, const char *controller, const char *name)
{
	char path[GROUP_MAX], root[GROUP_MAX], full[PATH_MAX];
	size_t len;

	if (!own_path(controller, path) || !path_of_mount(folder, root))
		return -1;
	len = strcmp(root, "/") == 0 ? 0 : strlen(root);
	if (strncmp(path, root, len) != 0 || (path[len] && path[len] != '/') || strstr(path, "/.."))
		return -1;
	snprintf(full, sizeof(full), "%s%s/%s", folder, path + len, name);
	return open(full, O_RDONLY | O_CLOEXEC);
}

static int open_first(const char *new_name, const char *controller, const char *old_name)
{
	char folder[64];
	int fd = open_own(GROUPS, "", new_name);

	if (fd >= 0)
		return fd;
	snprintf(folder, sizeof(folder), GROUPS "/%s", controller);
	return open_own(folder, controller, old_name);
}

void counters_open(struct init *init)
{
	init->counters = (struct counters){
		.memory_fd = open_first("memory.current", "memory", "memory.usage_in_bytes"),
		.peak_fd = open_first("memory.peak", "memory", "memory.max_usage_in_bytes"),
		.oom_fd = open_first("memory.events", "memory", "memory.oom_control"),
		.cpu_fd = open_first("cpu.stat", "cpuacct", "cpuacct.usage"),
		.tasks_fd = open_first("pids.current", "pids", "pids.current"),
		.pids_fd = open_first("pids.events", "pids", "pids.events"),
	};
	if (init->foreign.own_meminfo && !meminfo_bytes(OWN_MEMINFO, &init->counters.meminfo_base))
		init->foreign.own_meminfo = false;
}

/* The number behind `key` at the begin of a line, or at the begin of the file when that is NULL. False: not there. */
static bool read_number(int fd, const char *key, uint64_t *ret)
{
	char text[2048], *at = text, *end;
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	while (key && (strncmp(at, key, strlen(key)) != 0 || at[strlen(key)] != ' ')) {
		at = strchr(at, '\n');
		if (!at)
			return false;
		at++;
	}
	at += key ? strlen(key) + 1 : 0;
	errno = 0;
	*ret = strtoull(at, &end, 10);
	return end != at && errno == 0;
}

static bool read_cpu_us(const struct counters *c, uint64_t *ret)
{
	if (read_number(c->cpu_fd, "usage_usec", ret))
		return true;
	if (!read_number(c->cpu_fd, NULL, ret))
		return false;
	*ret /= NANO;
	return true;
}

static uint64_t own_cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static uint64_t since(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

static uint64_t number_or_zero(int fd, const char *key)
{
	uint64_t value = 0;

	return read_number(fd, key, &value) ? value : 0;
}

void counters_begin(struct init *init)
{
	struct counters *c = &init->counters;

	if (!init->contained)
		return;
	c->peak_before = number_or_zero(c->peak_fd, NULL);
	c->oom_before = number_or_zero(c->oom_fd, "oom_kill");
	c->refused_before = number_or_zero(c->pids_fd, "max");
	c->own_cpu_before_us = own_cpu_us();
	if (!read_cpu_us(c, &c->cpu_before_us))
		c->cpu_before_us = 0;
	c->memory_seen = c->tasks_seen = 0;
	/* What no group shows is watched as where there is none. */
	if (c->cpu_fd < 0)
		init->step.flags |= WIRE_START_WATCH_CPU;
	if (c->memory_fd < 0)
		init->step.flags |= WIRE_START_WATCH_MEMORY;
}

/* Of the step's processes, not of init's. */
static bool step_cpu(const struct counters *c, uint64_t *ret)
{
	uint64_t all_us;

	if (!read_cpu_us(c, &all_us))
		return false;
	*ret = since(since(all_us, c->cpu_before_us), since(own_cpu_us(), c->own_cpu_before_us));
	return true;
}

void counters_sample(struct init *init, enum step_kill *ret_kill)
{
	struct counters *c = &init->counters;
	uint64_t cpu_us, memory, tasks;

	if (!init->contained)
		return;
	if (read_number(c->memory_fd, NULL, &memory) && memory > c->memory_seen)
		c->memory_seen = memory;
	if (read_number(c->tasks_fd, NULL, &tasks) && since(tasks, 1) > c->tasks_seen)
		c->tasks_seen = since(tasks, 1);
	/* One killed for memory is enough: the others would go on with half of a program. */
	if (number_or_zero(c->oom_fd, "oom_kill") > c->oom_before)
		*ret_kill = STEP_KILL_MEMORY;
	else if (step_cpu(c, &cpu_us) && cpu_us / 1000 >= (uint64_t)init->step.limits.value[LIMIT_CPU_MS])
		*ret_kill = STEP_KILL_CPU;
}

static uint64_t memory_peak(const struct counters *c)
{
	uint64_t peak = number_or_zero(c->peak_fd, NULL);

	return peak > c->peak_before || peak < c->memory_seen ? peak : c->memory_seen;
}

void counters_tell(struct init *init)
{
	const struct counters *c = &init->counters;
	struct wire_usage usage = { 0 };
	uint8_t payload[64];
	int64_t len;

	if (!init->contained)
		return;
	if (step_cpu(c, &usage.cpu_us))
		usage.flags |= WIRE_USAGE_CPU;
	if (c->memory_fd >= 0 && c->oom_fd >= 0) {
		usage.flags |= WIRE_USAGE_MEMORY;
		usage.memory_peak_bytes = memory_peak(c);
		usage.oom_kills = (uint32_t)since(number_or_zero(c->oom_fd, "oom_kill"), c->oom_before);
	}
	if (c->pids_fd >= 0) {
		usage.flags |= WIRE_USAGE_PIDS;
		usage.processes_peak = (uint32_t)c->tasks_seen;
		usage.forks_refused = (uint32_t)since(number_or_zero(c->pids_fd, "max"), c->refused_before);
	}
	len = wire_usage_encode(&usage, payload, sizeof(payload));
	out_frame(init, WIRE_USAGE, 0, payload, (uint32_t)len);
}
