/*
 * The files of a session. They are a tmpfs that stands alone in a mount namespace of its own; a sandbox of the session
 * goes there, takes copies of its mounts, and goes back to its own namespace, or on to that of the template, where the
 * plan puts them. So all see one file system, and nobody's mounts are anybody else's. Runs in children between clone
 * and exec, as mounts.c.
 */
#include "sandbox/mounts_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SESSION_ROOT "/tmp" /* every Linux has it */
#define SANDBOXES    "/sandboxes"
#define SHARED	     SANDBOXES "/shared"
#define PASSWD_MAX   (32 * 1024) /* half of the smallest scratch */

static int make_owned(const char *path, mode_t mode, uid_t owner)
{
	/* In this order: the group's bit is for its members to set, and a folder keeps it when it is given away. */
	return mkdir(path, 0700) < 0 || chmod(path, mode) < 0 || chown(path, owner, owner) < 0 ? -errno : 0;
}

int mounts_session_make(uint64_t disk_bytes, uid_t owner)
{
	int fs_fd, r;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	fs_fd = fsopen("tmpfs", FSOPEN_CLOEXEC);
	r = fs_fd < 0 ? -errno : mounts_new_scratch(fs_fd, SESSION_ROOT, disk_bytes);
	if (fs_fd >= 0)
		close(fs_fd);
	if (r < 0)
		return r;
	if (chdir(SESSION_ROOT) < 0)
		return -errno;
	r = mounts_change_root();
	if (r == 0)
		r = make_owned(SANDBOXES, 0755, owner);
	return r < 0 ? r : make_owned(SHARED, 02775, owner);
}

/* The home of a user; whoever finds it without an owner of the session gives it the right one. */
static int make_home(int dir_fd, const struct mount_member *member)
{
	struct stat st;
	int fd, r = 0;

	if (mkdirat(dir_fd, member->name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir_fd, member->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 ||
	    ((st.st_uid < member->owner || st.st_uid - member->owner >= member->owners) &&
	     (fchown(fd, member->user, member->owner) < 0 || fchmod(fd, 0755) < 0)))
		r = -errno;
	close(fd);
	return r;
}

static int copy_tree(int dir_fd, const char *name, bool read_only)
{
	struct {
		uint64_t set, clear, propagation, userns_fd;
	} attributes = { .set = MOUNT_ATTR_RDONLY };
	int fd = (int)syscall(SYS_open_tree, dir_fd, name,
			      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
	int error;

	if (fd < 0)
		return -errno;
	if (read_only &&
	    syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0) {
		error = errno;
		close(fd);
		return -error;
	}
	return fd;
}

/* In the session's namespace. */
static int take_there(const struct mount_member *member, struct mount_values *ret)
{
	int dir_fd = open(SANDBOXES, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = dir_fd < 0 ? -errno : 0;

	if (r == 0 && member->name && !member->read_only)
		r = make_home(dir_fd, member);
	if (r == 0)
		r = ret->sandboxes_fd = copy_tree(dir_fd, "", member->read_only);
	if (r >= 0)
		r = ret->home_fd = copy_tree(dir_fd, member->name ? member->name : "", member->read_only);
	if (dir_fd >= 0)
		close(dir_fd);
	return r < 0 ? r : 0;
}

int mounts_session_enter(const struct mount_member *member, struct mount_values *ret)
{
	return setns(member->mnt_fd, CLONE_NEWNS) < 0 ? -errno : take_there(member, ret);
}

int mounts_session_take(const struct mount_member *member, struct mount_values *ret)
{
	int own_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	int r;

	if (own_fd < 0)
		return -errno;
	r = mounts_session_enter(member, ret);
	if (setns(own_fd, CLONE_NEWNS) < 0)
		r = -errno;
	close(own_fd);
	return r;
}

int mounts_place(int tree_fd, const char *target)
{
	return syscall(SYS_move_mount, tree_fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno
												   : 0;
}

/* ---- what else differs from an ordinary sandbox ---- */

/* Copies what there is, so that a line can follow. */
static int copy_text(int from_fd, int to_fd)
{
	char chunk[4096], last = '\n';
	size_t all = 0;
	ssize_t n;

	while (all < PASSWD_MAX && (n = read(from_fd, chunk, sizeof(chunk))) > 0) {
		if (write(to_fd, chunk, (size_t)n) != n)
			return -EIO;
		last = chunk[n - 1];
		all += (size_t)n;
	}
	return last == '\n' || write(to_fd, "\n", 1) == 1 ? 0 : -EIO;
}

int mounts_open_passwd(int image_fd)
{
	struct open_how how = { .flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
					   RESOLVE_NO_XDEV };

	return (int)syscall(SYS_openat2, image_fd, "etc/passwd", &how, sizeof(how));
}

/* Takes over from_fd, which may be -1. */
static int write_passwd(const char *target, int from_fd, const char *line)
{
	int to_fd = open(target, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
	size_t len = strlen(line);
	int r = to_fd < 0 ? -errno : 0;

	if (r == 0 && from_fd >= 0)
		r = copy_text(from_fd, to_fd);
	if (r == 0 && write(to_fd, line, len) != (ssize_t)len)
		r = -EIO;
	if (from_fd >= 0)
		close(from_fd);
	if (to_fd >= 0)
		close(to_fd);
	return r;
}

int mounts_add_user(const struct mount_op *op, const struct mount_values *values, int image_fd)
{
	if (!values->passwd_line)
		return 0;
	return write_passwd(op->target, op->source && image_fd >= 0 ? mounts_open_passwd(image_fd) : -1,
			    values->passwd_line);
}

int mounts_cover_passwd(const char *file, int from_fd, const char *line, const char *target)
{
	int r = write_passwd(file, from_fd, line ?: "");

	if (r < 0)
		return r;
	if (mount(file, target, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  NULL) < 0)
		return -errno;
	return 0;
}

/* Follows no link: neither one that an image has on the way, nor a descriptor's own in /proc, leads out of the root. */
static int open_beneath(int at_fd, const char *name)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	int fd = (int)syscall(SYS_openat2, at_fd, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* Without an owner what is made stays ours. */
static int open_made(int at_fd, const char *name, const struct mount_values *owner)
{
	int fd = open_beneath(at_fd, name);

	if (fd != -ENOENT)
		return fd;
	if (mkdirat(at_fd, name, 0755) < 0 ||
	    (owner && fchownat(at_fd, name, owner->user, owner->group, AT_SYMLINK_NOFOLLOW) < 0))
		return -errno;
	return open_beneath(at_fd, name);
}

/* The folder at `target` ("var/lib/x") below `base`, made if it is not there, as are those on the way to it. */
static int open_folder(const char *base, const char *target, const struct mount_values *owner)
{
	char path[256], *rest = path, *name;
	int at_fd, fd;

	if (strlen(target) >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, target, strlen(target) + 1);
	at_fd = open_beneath(AT_FDCWD, base);
	while (at_fd >= 0 && (name = strsep(&rest, "/"))) {
		fd = open_made(at_fd, name, owner);
		close(at_fd);
		at_fd = fd;
	}
	return at_fd;
}

int mounts_make_folders(const struct mount_op *op, const struct mount_values *values)
{
	for (const char *at = values->folders; at && *at; at += strlen(at) + 1) {
		int fd = open_folder(op->target, at + 1, NULL);

		if (fd < 0)
			return fd;
		close(fd);
	}
	return 0;
}

static int bind_folder(const char *from, int to_fd)
{
	int tree_fd = (int)syscall(SYS_open_tree, AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int r = 0;

	if (tree_fd < 0 || syscall(SYS_move_mount, tree_fd, "", to_fd, "",
				   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		r = -errno;
	if (tree_fd >= 0)
		close(tree_fd);
	return r;
}

/* A part of the scratch for it, bound where it is wanted. */
static int add_folder(const char *from, const char *target, const struct mount_values *values)
{
	int to_fd, r;

	if (mkdir(from, 0700) < 0 || chmod(from, 0755) < 0 || chown(from, values->user, values->group) < 0)
		return -errno;
	to_fd = open_folder(".", target, values); /* in another part of the scratch it is not there yet */
	if (to_fd < 0)
		return to_fd;
	r = bind_folder(from, to_fd);
	close(to_fd);
	return r;
}

int mounts_bind_folders(const struct mount_op *op, const struct mount_values *values)
{
	char from[64];
	unsigned number = 0;
	int r = 0;

	for (const char *at = values->folders; at && *at && r == 0; at += strlen(at) + 1, number++) {
		size_t len = strlen(op->source);

		if (number > 9 || len + 2 >= sizeof(from))
			return -E2BIG;
		memcpy(from, op->source, len);
		from[len] = (char)('0' + number);
		from[len + 1] = '\0';
		r = add_folder(from, at + 1, values);
	}
	return r;
}
