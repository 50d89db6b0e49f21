/*
 * Landlock as a second wall behind the mounts: whatever the mount flags say, the payload makes, removes,
 * renames and
 * truncates only below the scratch folders, and signals nobody but its own kind, nor speaks with others by abstract
 * sockets.
 *
 * Opening for writing is left to the mounts and to ownership: POSIX message queues are files on a mount that
 * has no
 * path in here, so that no rule could allow them.
 *
 * The rules are made once, by init, when the first step starts; each payload puts itself under them after
 * no_new_privs. Kernels without Landlock, or with its first version, which forbids every rename between
 * folders, go without (doctor says so): the mounts are the wall.
 */
#include "init/init_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* <linux/landlock.h> of the build machine may be older than the kernel that we run on. */
struct ruleset_attr {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

struct path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH      1
#define SCOPE_ABSTRACT                                                                                       \
	(1ull << 0) /* unix sockets without a file: users of a session share a network namespace */
#define SCOPE_SIGNAL (1ull << 1)

#define FS_FOLDER   (0x1ffull << 4) /* REMOVE_DIR … MAKE_SYM, bits 4 to 12 */
#define FS_REFER    (1ull << 13)    /* version 2 */
#define FS_TRUNCATE (1ull << 14)    /* version 3 */

#define VERSION_REFER	 2
#define VERSION_TRUNCATE 3
#define VERSION_SCOPE	 6

static int allow(int ruleset_fd, const char *path, uint64_t access)
{
	struct path_beneath_attr rule = { .allowed_access = access };
	int fd = open(path, O_PATH | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	rule.parent_fd = fd;
	if (syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PATH_BENEATH, &rule, 0) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int add_rules(int ruleset_fd, uint64_t folder, uint64_t file, char *const *more)
{
	static const char *const folders[] = { "/sandbox", "/sandboxes", "/tmp",
					       "/home",	   "/var/tmp",	 "/dev/shm" };
	static const char *const devices[] = { "/dev/null",    "/dev/zero", "/dev/full", "/dev/random",
					       "/dev/urandom", "/dev/tty",  "/dev/pts" };
	int r = 0;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && r == 0; i++)
		r = allow(ruleset_fd, folders[i], folder);
	for (; more && *more && r == 0; more++)
		r = allow(ruleset_fd, *more, folder);
	/* Truncating them does nothing, but shells open their output that way. */
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]) && r == 0 && file; i++)
		r = allow(ruleset_fd, devices[i], file);
	return r;
}

int landlock_prepare(char *const *more)
{
	struct ruleset_attr attr = { 0 };
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	size_t size = sizeof(attr.handled_access_fs);
	uint64_t file = 0;
	int fd, r;

	if (version < VERSION_REFER)
		return LANDLOCK_NONE;
	if (version >= VERSION_TRUNCATE)
		file = FS_TRUNCATE;
	attr.handled_access_fs = file | FS_FOLDER | FS_REFER;
	if (version >= VERSION_SCOPE) {
		attr.scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL;
		size = sizeof(attr);
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (fd < 0)
		return LANDLOCK_UNKNOWN;
	r = add_rules(fd, attr.handled_access_fs, file, more);
	if (r < 0) {
		close(fd);
		return LANDLOCK_UNKNOWN;
	}
	return fd;
}
