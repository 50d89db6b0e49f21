/*
 * A child does what a sandbox's set-up does and notes the first error in memory that it shares with us. Nothing that it
 * makes outlives it: its mounts are in a mount namespace of its own.
 */
#include "cmd/doctor_probe.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOT "/tmp" /* as the keeper's */

static int as_errno(int result)
{
	return result < 0 ? errno : 0;
}

static void map_write(const char *path, const char *text)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		errno = 0; /* the mounts will tell */
}

/* A map of the own ids, without which not even a tmpfs can be mounted. */
static int user_namespace_try(uid_t uid, gid_t gid)
{
	char map[32];

	if (unshare(CLONE_NEWUSER) < 0)
		return errno;
	map_write("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", (unsigned)uid);
	map_write("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", (unsigned)gid);
	map_write("/proc/self/gid_map", map);
	return 0;
}

static int mount_try(void)
{
	AUTO_CLOSE int fs_fd = -1, mount_fd = -1;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return errno;
	fs_fd = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs_fd < 0 || fsconfig(fs_fd, FSCONFIG_SET_STRING, "size", "64k", 0) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return errno;
	mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (mount_fd < 0 || move_mount(mount_fd, "", AT_FDCWD, ROOT, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return errno;
	return as_errno(mkdir(ROOT "/proc", 0755));
}

static void child_wait(pid_t pid)
{
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* The pid namespace holds for children only. */
static void proc_try(int *ret)
{
	pid_t pid = fork();

	if (pid == 0) {
		*ret = as_errno(
			mount("proc", ROOT "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2"));
		_exit(0);
	}
	child_wait(pid);
}

static int root_try(void)
{
	if (chdir(ROOT) < 0)
		return errno;
	return as_errno((int)syscall(SYS_pivot_root, ".", "."));
}

static void child_main(bool root, int *ret)
{
	const int others = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

	if (!root)
		ret[ATTEMPT_USER_NAMESPACE] = user_namespace_try(getuid(), getgid());
	if (!root && ret[ATTEMPT_USER_NAMESPACE] != 0)
		return;
	ret[ATTEMPT_NAMESPACES] = as_errno(unshare(others));
	if (ret[ATTEMPT_NAMESPACES] != 0)
		return;
	ret[ATTEMPT_MOUNT] = mount_try();
	if (ret[ATTEMPT_MOUNT] != 0)
		return;
	/* Before the root changes: what is covered in the old /proc decides about a new one. */
	proc_try(&ret[ATTEMPT_PROC]);
	ret[ATTEMPT_ROOT] = root_try();
}

/* As root the user namespace is the last thing that a sandbox needs: it is tried by itself. */
static void user_namespace_of_root_try(int *ret)
{
	pid_t pid = fork();

	if (pid == 0) {
		*ret = as_errno(unshare(CLONE_NEWUSER));
		_exit(0);
	}
	child_wait(pid);
}

void doctor_probe(bool root, int ret[ATTEMPT_COUNT])
{
	const size_t size = ATTEMPT_COUNT * sizeof(*ret);
	int *shared;
	pid_t pid;

	for (int i = 0; i < ATTEMPT_COUNT; i++)
		ret[i] = ATTEMPT_UNTRIED;
	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return;
	memcpy(shared, ret, size);
	if (root)
		user_namespace_of_root_try(&shared[ATTEMPT_USER_NAMESPACE]);
	pid = fork();
	if (pid == 0) {
		child_main(root, shared);
		_exit(0);
	}
	child_wait(pid);
	memcpy(ret, shared, size);
	munmap(shared, size);
}
