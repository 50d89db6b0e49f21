/*
 * Samples of the running step: how full the disk is, always; memory, processor time and processes only
 * where no cgroup holds them (rootless without delegation). Those samples are what enforces the limit then,
 * and the result says `watchdog`.
 */
#include "init/init_priv.h"

#include "init/proc_text.h"
#include "wire/writable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define DISK_SAMPLE_US	 20000
#define WATCH_SAMPLE_US	 4000
#define WATCH_CLOSE_US	 1000 /* when more than half of the memory is used */
#define NEAR_FULL_BLOCKS 2
#define TICKS_PER_SECOND 100 /* USER_HZ */

uint64_t watch_next_us(const struct init *init)
{
	const struct step *step = &init->step;
	uint64_t interval = DISK_SAMPLE_US;

	if (init->contained || step->flags & (WIRE_START_WATCH_MEMORY | WIRE_START_WATCH_CPU))
		interval = WATCH_SAMPLE_US;
	if (step->flags & WIRE_START_WATCH_MEMORY &&
	    step->memory_peak_bytes > (uint64_t)step->limits.value[LIMIT_MEMORY_BYTES] / 2)
		interval = WATCH_CLOSE_US;
	return step->sample_us + interval;
}

static uint64_t bytes_used(const struct statfs *fs)
{
	return (uint64_t)(fs->f_blocks - fs->f_bfree) * (uint64_t)fs->f_bsize;
}

/* A container has a tmpfs for each folder that can be written, and each may hold disk_bytes. */
static uint64_t disk_beside(struct init *init, bool *ret_full)
{
	uint64_t used = 0;

	for (size_t i = 0; init->contained && i < sizeof(writable_outside) / sizeof(writable_outside[0]);
	     i++) {
		struct statfs fs;

		if (statfs(writable_outside[i], &fs) < 0)
			continue;
		used += bytes_used(&fs);
		*ret_full |= fs.f_bfree < NEAR_FULL_BLOCKS;
	}
	return used;
}

uint64_t watch_disk_used(const struct init *init)
{
	struct statfs fs;

	return fstatfs(init->sandbox_fd, &fs) < 0 ? 0 : bytes_used(&fs);
}

static void sample_disk(struct init *init)
{
	struct step *step = &init->step;
	struct statfs fs;
	uint64_t used, beside;

	if (fstatfs(init->sandbox_fd, &fs) < 0)
		return;
	if (fs.f_bfree < NEAR_FULL_BLOCKS || (fs.f_files && fs.f_ffree == 0))
		step->disk_full = true;
	beside = disk_beside(init, &step->disk_full);
	used = bytes_used(&fs) + beside;
	step->disk_own_bytes = init->role == ROLE_RUN ? beside : used;
	/* No room for another file is no room: many small ones take up the list of files, not blocks. */
	if (fs.f_files && fs.f_ffree == 0 && used < (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize)
		used = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
	if (used > step->disk_used_bytes)
		step->disk_used_bytes = used;
}

/* A small file of a process as text; false: the process is gone. */
static bool read_process_file(int proc_fd, const char *pid, const char *file, char *text, size_t size)
{
	char path[sizeof(((struct dirent *)0)->d_name) + 8];

	snprintf(path, sizeof(path), "%s/%s", pid, file);
	return proc_text(proc_fd, path, text, size);
}

/* The status of a process, or, when its first thread has ended and shows no memory any more, of another thread. */
static bool read_status(int proc_fd, const char *pid, char *text, size_t size)
{
	char path[sizeof(((struct dirent *)0)->d_name) + 8];
	struct dirent *entry;
	bool found = false;
	DIR *dir;
	int fd;

	if (!read_process_file(proc_fd, pid, "status", text, size))
		return false;
	if (strstr(text, "\nRssAnon:") || strstr(text, "\nThreads:\t1\n"))
		return true;
	snprintf(path, sizeof(path), "%s/task", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && !found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.' &&
			read_process_file(dirfd(dir), entry->d_name, "status", text, size) &&
			strstr(text, "\nRssAnon:");
	if (dir)
		closedir(dir);
	return found;
}

/*
 * Pages of its own, page tables included (reading zeros needs nothing else), and in *ret_shared the shared memory that
 * it maps: anonymous, or files on the scratch.
 */
static uint64_t resident_bytes(int proc_fd, const char *pid, uint64_t *ret_shared)
{
	uint64_t own, tables;
	char text[4096];

	*ret_shared = 0;
	if (!read_status(proc_fd, pid, text, sizeof(text)))
		return 0;
	(void)proc_bytes(text, "\nRssShmem:", ret_shared);
	(void)proc_bytes(text, "\nRssAnon:", &own);
	(void)proc_bytes(text, "\nVmPTE:", &tables);
	return own + tables;
}

/* The same shared memory, each page divided among those that map it. Walks the page tables: only when it matters. */
static uint64_t shared_part_bytes(int proc_fd, const char *pid, uint64_t shared)
{
	char text[2048];
	uint64_t part;

	/* Not to be had once the first thread has ended. */
	if (!read_process_file(proc_fd, pid, "smaps_rollup", text, sizeof(text)) ||
	    !proc_bytes(text, "\nPss_Shmem:", &part))
		return shared;
	return part;
}

/* Of the children that it has waited for: fields 16 and 17 of its stat, behind a name that may hold anything. */
static uint64_t waited_cpu_us(int proc_fd, const char *pid)
{
	unsigned long user, system;
	char text[1024];
	const char *at;

	if (!read_process_file(proc_fd, pid, "stat", text, sizeof(text)))
		return 0;
	at = strrchr(text, ')');
	if (!at ||
	    sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
		return 0;
	return (uint64_t)(user + system) * (1000000 / TICKS_PER_SECOND);
}

static uint64_t own_cpu_us(pid_t pid)
{
	struct timespec time;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) < 0)
		return 0;
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

uint64_t process_cpu_us(const struct init *init, pid_t pid)
{
	char name[16];

	snprintf(name, sizeof(name), "%d", pid);
	return own_cpu_us(pid) + waited_cpu_us(init->proc_fd, name);
}

struct sample {
	uint64_t own, shared; /* bytes */
	uint64_t cpu_us;
	uint32_t processes;
};

/* `exact`: shared memory counted once, however many map it, for the price of a walk through page tables. */
static bool take_sample(const struct init *init, bool exact, struct sample *ret)
{
	struct dirent *entry;
	int fd = openat(init->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	*ret = (struct sample){ 0 };
	if (!dir)
		return false;
	while ((entry = readdir(dir))) {
		uint64_t shared = 0;
		int pid = 0;

		if (sscanf(entry->d_name, "%d", &pid) != 1 || pid <= 1)
			continue;
		ret->processes++;
		ret->cpu_us += own_cpu_us(pid) + waited_cpu_us(init->proc_fd, entry->d_name);
		if (init->foreign.own_meminfo)
			continue;
		ret->own += resident_bytes(init->proc_fd, entry->d_name, &shared);
		ret->shared +=
			exact && shared ? shared_part_bytes(init->proc_fd, entry->d_name, shared) : shared;
	}
	closedir(dir);
	return true;
}

/*
 * What the processes have, and what lies on the scratch. A file there may be mapped as well: of the two the larger
 * counts, so that nobody is killed for one page seen twice. What lies in the folders of a session is not this run's,
 * whoever wrote it: nobody is killed for a neighbour's files, and the session's own size bounds them. A kernel of the
 * sandbox's own counts it all itself.
 */
static uint64_t memory_of(const struct init *init, const struct sample *sample)
{
	uint64_t disk = 0, all;
	struct statfs fs;

	if (init->foreign.own_meminfo)
		return meminfo_bytes(OWN_MEMINFO, &all) && all > init->counters.meminfo_base
			       ? all - init->counters.meminfo_base
			       : 0;
	if (fstatfs(init->scratch_fd, &fs) == 0)
		disk = (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize;
	return sample->own + (sample->shared > disk ? sample->shared : disk);
}

static void sample_processes(struct init *init, enum step_kill *ret_kill)
{
	struct step *step = &init->step;
	uint64_t limit = (uint64_t)step->limits.value[LIMIT_MEMORY_BYTES];
	struct sample sample;
	uint64_t memory, cpu;

	if (!take_sample(init, false, &sample))
		return;
	memory = memory_of(init, &sample);
	/* Shared memory counted too often may be why it looks like too much, or like a new peak. */
	if (sample.shared && memory > step->memory_peak_bytes && take_sample(init, true, &sample))
		memory = memory_of(init, &sample);
	cpu = step_cpu_us(step, sample.cpu_us);
	/* Reaped already, but it was one of those that stood in the way of a fork. */
	sample.processes += step->main_gone;
	if (sample.processes > step->processes_peak)
		step->processes_peak = sample.processes;
	if (memory > step->memory_peak_bytes)
		step->memory_peak_bytes = memory;
	if (cpu > step->cpu_seen_us)
		step->cpu_seen_us = cpu;
	if (step->flags & WIRE_START_WATCH_MEMORY && memory > limit)
		*ret_kill = STEP_KILL_MEMORY;
	else if (step->flags & WIRE_START_WATCH_CPU &&
		 cpu / 1000 >= (uint64_t)step->limits.value[LIMIT_CPU_MS])
		*ret_kill = STEP_KILL_CPU;
}

void watch_sample(struct init *init, enum step_kill *ret_kill)
{
	*ret_kill = STEP_KILL_NONE;
	init->step.sample_us = now_us();
	sample_disk(init);
	if (init->step.flags & (WIRE_START_WATCH_MEMORY | WIRE_START_WATCH_CPU | WIRE_START_NPROC))
		sample_processes(init, ret_kill);
	/* No one tmpfs holds all of a container. */
	if (init->contained &&
	    init->step.disk_own_bytes > (uint64_t)init->step.limits.value[LIMIT_DISK_BYTES])
		*ret_kill = STEP_KILL_DISK;
	counters_sample(init, ret_kill);
}
