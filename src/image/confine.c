/*
 * The walls around unpacking; see landlock(7) and seccomp(2). The order matters: chroot and uid while there
 * are privileges, then no new ones, then the folder, then the calls.
 */
#include "image/unpack.h"

#include "base/cleanup.h"

#include <errno.h>
#include <grp.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rights of Landlock's ABIs 1, 2 (REFER) and 3 (TRUNCATE). */
#define RIGHTS_ABI_1 ((1ULL << 13) - 1)
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#define NOT_NEEDED                                                                                           \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |         \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO)

#define MEMORY_MAX (2ULL << 30) /* xz may ask for one */

/* All others fail with EPERM; mknod, socket, execve, mount and their kin are simply not among these. */
static const int allowed[] = {
	SCMP_SYS(read),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(close),
	SCMP_SYS(dup),
	SCMP_SYS(fcntl),
	SCMP_SYS(openat),
	SCMP_SYS(openat2),
	SCMP_SYS(mkdirat),
	SCMP_SYS(unlinkat),
	SCMP_SYS(linkat),
	SCMP_SYS(symlinkat),
	SCMP_SYS(readlinkat),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat),
	SCMP_SYS(utimensat),
	SCMP_SYS(ftruncate),
	SCMP_SYS(getdents64),
	SCMP_SYS(brk),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(mprotect),
	SCMP_SYS(futex),
	SCMP_SYS(prctl),
	SCMP_SYS(getppid),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(sched_yield),
	SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(tgkill), /* abort() */
	SCMP_SYS(sigaltstack),
};

static int hide_files(int root_fd, struct err *err)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	uint64_t rights = RIGHTS_ABI_1 | (abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0) |
			  (abi >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0);
	const struct landlock_ruleset_attr attr = { .handled_access_fs = rights };
	const struct landlock_path_beneath_attr rule = { .allowed_access = rights & ~(uint64_t)NOT_NEEDED,
							 .parent_fd = root_fd };
	AUTO_CLOSE int ruleset = -1;

	/* Before the second ABI nothing could be linked from one folder to another. */
	if (abi < 2)
		return 0;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	if (ruleset < 0 ||
	    syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_set(err, -errno, "hide all files from the process that unpacks");
	return 0;
}

static int limit_calls(struct err *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter ? seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(allowed); i++) {
		/* Negative numbers are calls that this architecture does not have. */
		if (allowed[i] >= 0)
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	}
	if (r == 0)
		r = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	return r < 0 ? err_set(err, r, "limit the calls of the process that unpacks") : 0;
}

static int become(int root_fd, uid_t as_user, struct err *err)
{
	if (fchdir(root_fd) < 0 || chroot(".") < 0)
		return err_set(err, -errno, "put the process that unpacks into a chroot");
	for (int cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return err_set(err, -errno, "give up capability %d", cap);
	}
	if (setgroups(0, NULL) < 0 || setresgid(as_user, as_user, as_user) < 0 ||
	    setresuid(as_user, as_user, as_user) < 0 || setresuid(0, 0, 0) == 0)
		return err_set(err, -EPERM, "become user %u to unpack", (unsigned)as_user);
	return 0;
}

static int limit_resources(struct err *err)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return err_set(err, -errno, "limits of the process that unpacks");
#ifndef __SANITIZE_ADDRESS__ /* whose shadow takes terabytes of addresses */
	const struct rlimit memory = { MEMORY_MAX, MEMORY_MAX };

	if (setrlimit(RLIMIT_AS, &memory) < 0)
		return err_set(err, -errno, "limits of the process that unpacks");
#endif
	return 0;
}

int unpack_confine(int root_fd, uid_t as_user, struct err *err)
{
	int r = limit_resources(err);

	if (r == 0 && geteuid() == 0)
		r = become(root_fd, as_user, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(err, -errno, "give up privileges");
	r = hide_files(root_fd, err);
	return r < 0 ? r : limit_calls(err);
}
