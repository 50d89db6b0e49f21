/*
 * Where kiln's groups stand, and the removal of what a dead keeper left there.
 *
 * The folder's name holds the keeper's pid and start time, so that a later keeper can tell a dead neighbour
 * from a living one. As root the folders in use are also noted under /run/kiln/keepers, because a later
 * keeper may start in another group and would not look here.
 */
#include "sandbox/cgroup_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define NOTES_DIR   "/run/kiln/keepers"
#define NAME_PREFIX "kiln-"
#define MAIN_SUFFIX "-main"

/* For a group to be empty: whoever starts is waited for; a machine may take long over what memory it gives back. */
#define START_PATIENCE_MS 1000
#define END_PATIENCE_MS	  5000

/* Field 22 of /proc/<pid>/stat, or 0 without such a process. */
static unsigned long long process_start_time(int pid)
{
	char path[64], text[1024];
	unsigned long long start = 0;
	const char *at;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, " %llu", &start) != 1)
		return 0;
	return start;
}

/* Whether `name` with nothing but `suffix` behind it is that of a keeper that is gone. */
static bool name_is_dead(const char *name, const char *suffix)
{
	unsigned long long start;
	int pid, end = 0;

	if (sscanf(name, NAME_PREFIX "%d-%llu%n", &pid, &start, &end) != 2 || strcmp(name + end, suffix) != 0)
		return false;
	return process_start_time(pid) != start;
}

static void kill_members(int fd)
{
	char text[8192];
	int len;

	if (cgroup_write(fd, "cgroup.kill", "1") == 0)
		return;
	len = cgroup_read(fd, "cgroup.procs", text, sizeof(text));
	for (const char *line = text; len > 0 && line && *line; line = strchr(line, '\n')) {
		int pid;

		line += *line == '\n';
		if (sscanf(line, "%d", &pid) == 1 && pid > 1)
			kill(pid, SIGKILL);
	}
}

int cgroup_remove_tree(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	int boxes = 0;
	DIR *dir;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	kill_members(fd);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		/* What was kept was nobody's sandbox. */
		if (cgroup_remove_tree(dirfd(dir), entry->d_name) >= 0 &&
		    entry->d_name[0] != CGROUP_KEPT_PREFIX)
			boxes++;
	}
	closedir(dir);
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;
	return boxes;
}

/* Processes die at their own pace: short waits, then the group is left to the next start. */
static int remove_dead(int base_fd, const char *name, int patience_ms)
{
	struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int boxes = -EBUSY;

	/* Another user's group stays another user's, however long one waits. */
	for (int waited_ms = 0; waited_ms < patience_ms && boxes == -EBUSY; waited_ms += 10) {
		boxes = cgroup_remove_tree(base_fd, name);
		if (boxes == -EBUSY)
			nanosleep(&pause, NULL);
	}
	return boxes;
}

/* Removes the groups of dead keepers in `base`, and notes how many sandboxes they had; false: one is still busy. */
static bool sweep(struct cgroup_host *host, const char *base)
{
	DIR *dir = opendir(base);
	struct dirent *entry;
	bool all = true;

	if (!dir)
		return true;
	while ((entry = readdir(dir))) {
		int boxes;

		/* Where the keeper's own kind had to move; whoever is in there still is not ours to kill. */
		if (name_is_dead(entry->d_name, MAIN_SUFFIX))
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
		if (!name_is_dead(entry->d_name, ""))
			continue;
		boxes = remove_dead(dirfd(dir), entry->d_name, START_PATIENCE_MS);
		all &= boxes != -EBUSY;
		if (boxes > 0 && (uint32_t)boxes > host->leftovers)
			host->leftovers = (uint32_t)boxes;
	}
	closedir(dir);
	return all;
}

/* The mount point of a hierarchy: type cgroup2, or cgroup with `controller` among its options. */
static int find_mount(const char *controller, char *ret, size_t size)
{
	char line[1024], point[512], options[256], type[32];
	FILE *file = fopen("/proc/self/mountinfo", "re");
	int r = -ENOENT;

	if (!file)
		return -errno;
	while (r < 0 && fgets(line, sizeof(line), file)) {
		const char *tail = strstr(line, " - ");
		char needle[64], haystack[260];

		if (!tail || sscanf(line, "%*s %*s %*s %*s %511s", point) != 1 ||
		    sscanf(tail, " - %31s %*s %255s", type, options) != 2)
			continue;
		snprintf(needle, sizeof(needle), ",%s,", controller ? controller : "");
		snprintf(haystack, sizeof(haystack), ",%s,", options);
		if (controller ? strcmp(type, "cgroup") == 0 && strstr(haystack, needle)
			       : strcmp(type, "cgroup2") == 0) {
			snprintf(ret, size, "%s", point);
			r = 0;
		}
	}
	fclose(file);
	return r;
}

/* This process's own path in a hierarchy; controller NULL: version 2. */
static int find_own(const char *controller, char *ret, size_t size)
{
	char line[1024];
	FILE *file = fopen("/proc/self/cgroup", "re");
	int r = -ENOENT;

	if (!file)
		return -errno;
	while (r < 0 && fgets(line, sizeof(line), file)) {
		char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
		char needle[64], haystack[260];

		if (!path)
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		snprintf(needle, sizeof(needle), ",%s,", controller ? controller : "");
		snprintf(haystack, sizeof(haystack), ",%s,", list + 1);
		if (controller ? strstr(haystack, needle) != NULL : list[1] == '\0') {
			snprintf(ret, size, "%s", path);
			r = 0;
		}
	}
	fclose(file);
	return r;
}

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static bool is_delegated(const char *path)
{
	char value[8];

	if (getxattr(path, "trusted.delegate", value, sizeof(value)) > 0 ||
	    getxattr(path, "user.delegate", value, sizeof(value)) > 0)
		return true;
	return false;
}

static void move_members(int from_fd, int to_fd)
{
	char text[65536];
	int len = cgroup_read(from_fd, "cgroup.procs", text, sizeof(text));

	for (const char *line = text; len > 0 && line && *line; line = strchr(line, '\n')) {
		int pid, r;

		line += *line == '\n';
		if (sscanf(line, "%d", &pid) != 1)
			continue;
		r = cgroup_write(to_fd, "cgroup.procs", "%d", pid);
		(void)r; /* one that is gone already is fine */
	}
}

static void main_name(const struct cgroup_host *host, char *ret, size_t size)
{
	snprintf(ret, size, "%.60s" MAIN_SUFFIX, host->name);
}

/* A group that is not the top may not hold processes beside sub-groups with controllers: they move to a leaf. */
static void evacuate(struct cgroup_host *host, int base_fd)
{
	char leaf[80];
	int leaf_fd;

	if (faccessat(base_fd, "cgroup.type", F_OK, 0) < 0)
		return;
	main_name(host, leaf, sizeof(leaf));
	leaf_fd = cgroup_make(base_fd, leaf);
	if (leaf_fd < 0)
		return;
	move_members(base_fd, leaf_fd);
	close(leaf_fd);
	host->evacuated = true;
}

/* The other way round, at the end. Not possible while another kiln has groups here; then the last one does it. */
static void move_back(const struct cgroup_host *host, int base_fd)
{
	char leaf[80];
	int leaf_fd;

	for (int i = 0; i < CGROUP_CPUACCT; i++) {
		int r = cgroup_write(base_fd, "cgroup.subtree_control", "-%s", cgroup_controller_names[i]);

		(void)r; /* was not enabled, or is in use */
	}
	main_name(host, leaf, sizeof(leaf));
	leaf_fd = cgroup_make(base_fd, leaf);
	if (leaf_fd < 0)
		return;
	move_members(leaf_fd, base_fd);
	close(leaf_fd);
	unlinkat(base_fd, leaf, AT_REMOVEDIR);
}

static bool has_controller(int fd, const char *file, const char *name)
{
	char text[256], needle[32], haystack[260];

	if (cgroup_read(fd, file, text, sizeof(text)) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	snprintf(needle, sizeof(needle), " %s ", name);
	snprintf(haystack, sizeof(haystack), " %s ", text);
	return strstr(haystack, needle) != NULL;
}

static bool enable_controller(int fd, const char *name)
{
	if (!has_controller(fd, "cgroup.controllers", name))
		return false;
	if (has_controller(fd, "cgroup.subtree_control", name))
		return true;
	return cgroup_write(fd, "cgroup.subtree_control", "+%s", name) == 0;
}

/*
 * Whether a group holds nobody but us and, where we are the child of a command line, our parent. Root has
 * another place to go than a group from which strangers would have to move.
 */
static bool is_ours_alone(const char *path)
{
	char text[65536];
	int fd = open_dir(path);
	int len = fd < 0 ? fd : cgroup_read(fd, "cgroup.procs", text, sizeof(text));
	bool alone = len >= 0;

	for (const char *line = text; alone && *line; line = strchr(line, '\n')) {
		int pid;

		line += *line == '\n';
		if (sscanf(line, "%d", &pid) == 1)
			alone = pid == getpid() || pid == getppid();
	}
	if (fd >= 0)
		close(fd);
	return alone;
}

static int choose_v2_base(const char *wanted, char *ret, size_t size)
{
	char mount[512], own[512], path[1100];
	bool usable;
	int fd;

	if (find_mount(NULL, mount, sizeof(mount)) < 0)
		return -ENOENT;
	fd = open_dir(mount);
	usable = fd >= 0 && has_controller(fd, "cgroup.controllers", "memory");
	if (fd >= 0)
		close(fd);
	if (!usable)
		return -ENOENT;
	if (wanted && *wanted) {
		snprintf(path, sizeof(path), "%s/%s", mount, wanted);
	} else {
		if (find_own(NULL, own, sizeof(own)) < 0)
			return -ENOENT;
		snprintf(path, sizeof(path), "%s%s", mount, own);
		if (geteuid() == 0 && strcmp(own, "/") != 0 && !(is_delegated(path) && is_ours_alone(path)))
			snprintf(path, sizeof(path), "%s", mount);
	}
	if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0)
		return -EACCES;
	if (strlen(path) >= size)
		return -ENAMETOOLONG;
	memcpy(ret, path, strlen(path) + 1);
	return 0;
}

static int open_v2(struct cgroup_host *host, const char *wanted, struct err *err)
{
	int base_fd, r = choose_v2_base(wanted, host->base[0], sizeof(host->base[0]));

	if (r < 0)
		return 0;
	base_fd = open_dir(host->base[0]);
	if (base_fd < 0)
		return err_set(err, base_fd, "cgroup: open '%s'", host->base[0]);
	sweep(host, host->base[0]);
	evacuate(host, base_fd);
	host->memory = enable_controller(base_fd, "memory");
	host->pids = enable_controller(base_fd, "pids");
	host->cpu = enable_controller(base_fd, "cpu");
	host->fd[0] = cgroup_make(base_fd, host->name);
	close(base_fd);
	if (host->fd[0] < 0)
		return 0;
	host->memory = host->memory && enable_controller(host->fd[0], "memory");
	host->pids = host->pids && enable_controller(host->fd[0], "pids");
	host->cpu = host->cpu && enable_controller(host->fd[0], "cpu");
	host->cpu_time = true;
	host->version = 2;
	return 0;
}

/* Swap cannot appear where the kernel has none configured or the controller limits it. */
static bool swap_is_off(void)
{
	char line[256];
	int lines = 0;
	FILE *file = fopen("/proc/swaps", "re");

	if (!file)
		return true;
	while (fgets(line, sizeof(line), file))
		lines++;
	fclose(file);
	return lines <= 1;
}

static bool open_v1_one(struct cgroup_host *host, int which, const char *wanted)
{
	const char *controller = cgroup_controller_names[which];
	char mount[512], own[512], path[1100];
	int fd;

	if (find_mount(controller, mount, sizeof(mount)) < 0 || find_own(controller, own, sizeof(own)) < 0)
		return false;
	snprintf(path, sizeof(path), "%s%s%s", mount, wanted && *wanted ? "/" : "",
		 wanted && *wanted ? wanted : own);
	if (strlen(path) >= sizeof(host->base[which]))
		return false;
	sweep(host, path);
	fd = open_dir(path);
	if (fd < 0)
		return false;
	host->fd[which] = cgroup_make(fd, host->name);
	close(fd);
	if (host->fd[which] < 0)
		return false;
	memcpy(host->base[which], path, strlen(path) + 1);
	return true;
}

static void open_v1(struct cgroup_host *host, const char *wanted)
{
	host->memory = open_v1_one(host, CGROUP_MEMORY, wanted);
	host->pids = open_v1_one(host, CGROUP_PIDS, wanted);
	host->cpu = open_v1_one(host, CGROUP_CPU, wanted);
	host->cpu_time = open_v1_one(host, CGROUP_CPUACCT, wanted);
	host->version = host->memory || host->pids || host->cpu || host->cpu_time ? 1 : 0;
}

static void note_path(const char *name, char *ret, size_t size)
{
	snprintf(ret, size, NOTES_DIR "/%s", name);
}

/* Best effort: without the note only a start in another group than this one would miss our leftovers. */
static void note_write(const struct cgroup_host *host)
{
	char path[128];
	FILE *file;

	if (geteuid() != 0 || !host->version)
		return;
	mkdir("/run/kiln", 0755);
	mkdir(NOTES_DIR, 0700);
	note_path(host->name, path, sizeof(path));
	file = fopen(path, "wxe");
	if (!file)
		return;
	for (int i = 0; i < CGROUP_HIERARCHIES; i++) {
		if (host->base[i][0])
			fprintf(file, "%s\n", host->base[i]);
	}
	fclose(file);
}

static void note_sweep(struct cgroup_host *host, const char *name)
{
	char path[128], line[512];
	bool all = true;
	FILE *file;

	note_path(name, path, sizeof(path));
	file = fopen(path, "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		all &= sweep(host, line);
	}
	fclose(file);
	if (all)
		unlink(path);
}

static void notes_sweep(struct cgroup_host *host)
{
	DIR *dir = geteuid() == 0 ? opendir(NOTES_DIR) : NULL;
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (name_is_dead(entry->d_name, ""))
			note_sweep(host, entry->d_name);
	}
	closedir(dir);
}

int cgroup_host_open(struct cgroup_host *host, const char *wanted, struct err *err)
{
	int r;

	memset(host, 0, sizeof(*host));
	for (int i = 0; i < CGROUP_HIERARCHIES; i++)
		host->fd[i] = -1;
	host->processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
	snprintf(host->name, sizeof(host->name), NAME_PREFIX "%d-%llu", (int)getpid(),
		 process_start_time(getpid()));
	r = open_v2(host, wanted, err);
	if (r < 0)
		return r;
	if (!host->version)
		open_v1(host, wanted);
	cgroup_stock_open(host);
	notes_sweep(host);
	note_write(host);
	host->swap_limited = swap_is_off();
	if (host->version == 1 && host->memory)
		host->swap_limited |=
			faccessat(host->fd[CGROUP_MEMORY], "memory.memsw.limit_in_bytes", W_OK, 0) == 0;
	if (host->version == 2 && host->memory)
		host->swap_limited =
			faccessat(host->fd[0], "memory.swap.max", W_OK, 0) == 0 || host->swap_limited;
	snprintf(host->path, sizeof(host->path), "%.180s%s%s", host->base[0], host->version ? "/" : "",
		 host->version ? host->name : "");
	return 0;
}

void cgroup_host_close(struct cgroup_host *host)
{
	bool left = false;
	char path[128];

	cgroup_stock_close(host);
	for (int i = 0; i < CGROUP_HIERARCHIES; i++) {
		int base_fd;

		if (host->fd[i] < 0)
			continue;
		close(host->fd[i]);
		host->fd[i] = -1;
		base_fd = open_dir(host->base[i]);
		if (base_fd < 0)
			continue;
		left |= remove_dead(base_fd, host->name, END_PATIENCE_MS) < 0;
		if (host->evacuated)
			move_back(host, base_fd);
		close(base_fd);
	}
	note_path(host->name, path, sizeof(path));
	if (geteuid() == 0 && !left)
		unlink(path); /* else the next start finds it */
}
