/*
 * Uid and gid maps of sandboxes.
 *
 * As root we write them ourselves. Rootless there is newuidmap(1) with the caller's range of /etc/subuid:
 * init is the caller, each payload another uid of the range, the first ones for sandboxes and what is left for
 * sessions; without those all is one uid and the host is told so (separate_uids).
 */
#include "keeper/keeper_priv.h"

#include "wire/init_config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RANGES_DIR	"/run/kiln/uids"
#define RANGE_PARTS	8
#define RANGE_TO_DIVIDE 4096
#define SMALL_PARTS	64 /* of the last part */
#define PART_TO_DIVIDE	65536

static const struct inside usual = { PAYLOAD_UID, PAYLOAD_GID };

/* The first range for `name` or the number `id` in a file of "who:first:count" lines. */
static bool find_range(const char *path, const char *name, uid_t id, uint64_t *ret_first, uint64_t *ret_count)
{
	char line[256], who[128];
	unsigned long long first, count, number;
	bool found = false;
	FILE *file = fopen(path, "re");

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%127[^:]:%llu:%llu", who, &first, &count) != 3)
			continue;
		if ((name && strcmp(who, name) == 0) || (sscanf(who, "%llu", &number) == 1 && number == id)) {
			*ret_first = first;
			*ret_count = count;
			found = count > 0;
		}
	}
	fclose(file);
	return found;
}

/* The name of a uid in /etc/passwd; a static program cannot ask other name services. */
static bool find_user_name(uid_t id, char *ret, size_t size)
{
	char line[512], name[128];
	unsigned long long number;
	bool found = false;
	FILE *file = fopen("/etc/passwd", "re");

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%127[^:]:%*[^:]:%llu:", name, &number) == 2 && number == id) {
			snprintf(ret, size, "%s", name);
			found = true;
		}
	}
	fclose(file);
	return found;
}

void idmap_find(struct idmap *map)
{
	uint64_t gid_count = 0;
	char name[128];
	bool named = find_user_name(getuid(), name, sizeof(name));

	*map = (struct idmap){ .own_uid = getuid(), .own_gid = getgid() };
	if (access("/usr/bin/newuidmap", X_OK) < 0 || access("/usr/bin/newgidmap", X_OK) < 0)
		return;
	/* They would run without the rights that they are there for. */
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return;
	if (!find_range("/etc/subuid", named ? name : NULL, getuid(), &map->uid_base, &map->uid_count) ||
	    !find_range("/etc/subgid", named ? name : NULL, getuid(), &map->gid_base, &gid_count))
		return;
	if (gid_count < map->uid_count)
		map->uid_count = gid_count;
	map->ranges = true;
}

/* Takes the lock of the part whose first uid is `base`. 0 and *ret_fd, -EBUSY when another keeper has it. */
static int lock_part(uint64_t base, int *ret_fd)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), RANGES_DIR "/%llu", (unsigned long long)base);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return -EBUSY;
	}
	*ret_fd = fd;
	return 0;
}

/*
 * Two keepers on one machine (a server, and `kiln run` beside it) must not give the same uids to their sandboxes: what
 * the kernel counts by uid would reach from one to the other. The range is divided, and a part is held by a lock while
 * its keeper lives. Servers need many uids, for their sessions; of what is no server there can be many at a time, and
 * each needs few: the last part is divided once more, for those. With a range too small to divide, or more keepers than
 * parts, the last one shares, and says so.
 */
int idmap_claim_part(struct keeper_settings *settings, int *ret_lock_fd)
{
	uint64_t count = settings->uid_count, parts = 1;

	*ret_lock_fd = -1;
	if (count >= RANGE_TO_DIVIDE) {
		count /= RANGE_PARTS;
		parts = RANGE_PARTS;
	}
	if (count >= PART_TO_DIVIDE) {
		parts--;
		if (!settings->serve) {
			settings->uid_base += parts * count;
			count /= SMALL_PARTS;
			parts = SMALL_PARTS;
		}
	}
	settings->uid_count = count;
	mkdir("/run/kiln", 0755);
	mkdir(RANGES_DIR, 0700);
	for (uint64_t i = 0; i < parts; i++) {
		int r = lock_part(settings->uid_base + i * count, ret_lock_fd);

		if (r == 0)
			settings->uid_base += i * count;
		if (r != -EBUSY)
			return r;
	}
	return -EBUSY;
}

static int write_proc(pid_t pid, const char *file, const char *text, struct err *err)
{
	char path[64];
	int fd, r = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "open '%s'", path);
	if (write(fd, text, strlen(text)) < 0)
		r = err_set(err, -errno, "write '%s'", path);
	close(fd);
	return r;
}

/* What init is inside beside the payload. A uid of 0 is always init's; its group gives no rights, and gives way. */
static unsigned beside(unsigned inside)
{
	return inside == 0 ? 1 : 0;
}

static int write_pair(pid_t pid, const char *file, uint64_t supervisor, unsigned inside,
		      const struct id_range *users, struct err *err)
{
	char map[96];

	snprintf(map, sizeof(map), "%u %llu 1\n%u %llu %u\n", beside(inside), (unsigned long long)supervisor,
		 inside, (unsigned long long)users->first, users->count);
	return write_proc(pid, file, map, err);
}

static int write_pairs(pid_t pid, uint64_t supervisor, const struct id_range *users,
		       const struct inside *inside, struct err *err)
{
	int r = write_pair(pid, "uid_map", supervisor, inside->uid, users, err);

	return r < 0 ? r : write_pair(pid, "gid_map", supervisor, inside->gid, users, err);
}

int idmap_write_root(pid_t pid, uint64_t supervisor, const struct id_range *users,
		     const struct inside *inside, struct err *err)
{
	int r = write_proc(pid, "setgroups", "deny", err);

	return r < 0 ? r : write_pairs(pid, supervisor, users, inside, err);
}

int idmap_write_below(pid_t pid, const struct id_range *users, const struct inside *inside, struct err *err)
{
	return write_pairs(pid, 0, users, inside, err);
}

static int run_mapper(const char *program, pid_t pid, uint64_t own, unsigned inside,
		      const struct id_range *users, struct err *err)
{
	char pid_text[16], beside_text[16], own_text[24], inside_text[16], first_text[24], count_text[16];
	char *const argv[] = { (char *)program, pid_text,   beside_text, own_text, (char *)"1",
			       inside_text,	first_text, count_text,	 NULL };
	char *const envp[] = { NULL };
	int status;
	pid_t child;

	snprintf(pid_text, sizeof(pid_text), "%d", (int)pid);
	snprintf(beside_text, sizeof(beside_text), "%u", beside(inside));
	snprintf(own_text, sizeof(own_text), "%llu", (unsigned long long)own);
	snprintf(inside_text, sizeof(inside_text), "%u", inside);
	snprintf(first_text, sizeof(first_text), "%llu", (unsigned long long)users->first);
	snprintf(count_text, sizeof(count_text), "%u", users->count);
	child = vfork();
	if (child < 0)
		return err_set(err, -errno, "fork for %s", program);
	if (child == 0) {
		execve(program, argv, envp);
		_exit(127);
	}
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return err_set(err, -errno, "wait for %s", program);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(err, -EPERM, "%s refused the map", program);
	return 0;
}

/* Without ranges: one uid and one gid, which anybody may map for himself. */
static int write_single(pid_t pid, uid_t uid, gid_t gid, const struct inside *inside, struct err *err)
{
	char line[64];
	int r = write_proc(pid, "setgroups", "deny", err);

	snprintf(line, sizeof(line), "%u %u 1\n", inside->uid, (unsigned)uid);
	if (r == 0)
		r = write_proc(pid, "uid_map", line, err);
	snprintf(line, sizeof(line), "%u %u 1\n", inside->gid, (unsigned)gid);
	if (r == 0)
		r = write_proc(pid, "gid_map", line, err);
	return r;
}

int idmap_write_self(const struct idmap *map)
{
	return write_single(getpid(), map->own_uid, map->own_gid, &usual, NULL);
}

/* `part` of the ranges, as the ids from those of `inside` on. */
static int write_part(const struct idmap *map, pid_t pid, const struct id_range *part,
		      const struct inside *inside, struct err *err)
{
	struct id_range uids = { map->uid_base + part->first, part->count };
	struct id_range gids = { map->gid_base + part->first, part->count };
	int r = run_mapper("/usr/bin/newuidmap", pid, map->own_uid, inside->uid, &uids, err);

	return r < 0 ? r : run_mapper("/usr/bin/newgidmap", pid, map->own_gid, inside->gid, &gids, err);
}

static int write_ranges(const struct idmap *map, pid_t pid, uint32_t slot, const struct inside *inside,
			struct err *err)
{
	const struct id_range one = { slot, 1 };

	return write_part(map, pid, &one, inside, err);
}

int idmap_write_session(const struct idmap *map, pid_t pid, const struct id_range *part, struct err *err)
{
	static const struct inside first = { JOIN_ID_FIRST, JOIN_ID_FIRST };

	return write_part(map, pid, part, &first, err);
}

int idmap_write_rootless(const struct idmap *map, pid_t pid, uint32_t slot, const struct inside *inside,
			 struct err *err)
{
	return map->ranges ? write_ranges(map, pid, slot, inside, err)
			   : write_single(pid, map->own_uid, map->own_gid, inside, err);
}

void idmap_try_ranges(struct idmap *map)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	struct err err = ERR_INIT;
	int hold[2];
	pid_t pid;
	char byte;

	if (!map->ranges || pipe2(hold, O_CLOEXEC) < 0)
		return;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		close(hold[1]);
		_exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(hold[0]);
	if (pid > 0 && write_ranges(map, pid, 0, &usual, &err) < 0) {
		map->ranges = false;
		keeper_log("%s: sandboxes share the uid of this user", err.text);
	}
	close(hold[1]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
