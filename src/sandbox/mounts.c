/*
 * Applying a mount plan. Runs in the child between clone and exec: system calls and prepared data only.
 */
#include "sandbox/mounts_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define EMPTY	      MOUNTS_ROOT "/empty"
#define SCRATCH_FLAGS (MS_NOSUID | MS_NODEV)

static const struct {
	const char *path;
	unsigned major, minor;
} nodes[] = { { "/dev/null", 1, 3 },   { "/dev/zero", 1, 5 },	 { "/dev/full", 1, 7 },
	      { "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 } };

static const struct {
	const char *name;
	mode_t mode;
} scratch_parts[] = {
	{ "sandbox", 0755 }, { "tmp", 01777 }, { "home", 0755 }, { "vartmp", 01777 }, { "shm", 01777 },
};

char *put_text(char *to, const char *text)
{
	size_t len = strlen(text);

	memcpy(to, text, len + 1);
	return to + len;
}

char *put_number(char *to, uint64_t number)
{
	char digits[24];
	int n = 0;

	do {
		digits[n++] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	while (n)
		*to++ = digits[--n];
	*to = '\0';
	return to;
}

static int make_file(const char *target, const char *source_path, const char *text)
{
	char chunk[8192];
	int fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	int from, r = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (text && write(fd, text, strlen(text)) < 0)
		r = -errno;
	from = source_path ? open(source_path, O_RDONLY | O_CLOEXEC) : -1;
	while (from >= 0 && r == 0 && (n = read(from, chunk, sizeof(chunk))) > 0) {
		if (write(fd, chunk, (size_t)n) != n)
			r = -EIO;
	}
	if (from >= 0)
		close(from);
	close(fd);
	return r;
}

/* Flags that a bind inside a user namespace may not drop from what it binds. */
static unsigned long locked_flags(const char *path)
{
	struct statvfs fs;
	unsigned long flags = 0;

	if (statvfs(path, &fs) < 0)
		return 0;
	flags |= fs.f_flag & ST_NODEV ? MS_NODEV : 0;
	flags |= fs.f_flag & ST_NOSUID ? MS_NOSUID : 0;
	flags |= fs.f_flag & ST_NOEXEC ? MS_NOEXEC : 0;
	flags |= fs.f_flag & ST_NOATIME ? MS_NOATIME : 0;
	flags |= fs.f_flag & ST_RELATIME ? MS_RELATIME : 0;
	return flags;
}

static int bind_read_only(const char *source, const char *target)
{
	/* What is mounted below the source comes along, and must be as read-only as the rest. */
	struct {
		uint64_t set, clear, propagation, userns_fd;
	} attributes = { .set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };

	if (mount(source, target, NULL, MS_BIND | MS_REC, NULL) < 0)
		return -errno;
	if (syscall(SYS_mount_setattr, AT_FDCWD, target, AT_RECURSIVE, &attributes, sizeof(attributes)) < 0)
		return -errno;
	return 0;
}

/*
 * Two lower layers and no upper one: read-only, and with inodes that belong to this mount, so that locks,
 * leases and watches on a file of the image do not reach a neighbour. The page cache stays shared.
 */
static int mount_overlay(const struct mount_op *op, const struct mount_values *values)
{
	char options[320];
	struct stat st;

	if (stat(op->source, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (strlen(op->source) > 200)
		return -ENAMETOOLONG;
	put_text(put_text(put_text(options, "lowerdir="), op->source), ":" EMPTY);
	if (values->overlay &&
	    mount("overlay", op->target, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options) == 0)
		return 0;
	return bind_read_only(op->source, op->target);
}

/* Opened here and not before the clone: an overlay takes only what is mounted in its own namespace. */
int mounts_open_image(const struct mount_values *values)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
					   RESOLVE_NO_XDEV };
	int images_fd = open(values->images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd, error;

	if (images_fd < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, images_fd, values->image, &how, sizeof(how));
	error = errno;
	close(images_fd);
	return fd < 0 ? -error : fd;
}

/*
 * Our own folder in front of the image's files; where there is no overlay the files alone, which have the same
 * folders.
 */
static int mount_image(const struct mount_op *op, const struct mount_values *values, int fd)
{
	char path[64], options[160];
	int r = 0;

	if (fd < 0)
		return -EBADF;
	put_number(put_text(path, "/proc/self/fd/"), (uint64_t)fd);
	put_text(put_text(put_text(put_text(options, "lowerdir="), op->source), ":"), path);
	if (!values->overlay ||
	    mount("overlay", op->target, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options) < 0)
		r = bind_read_only(path, op->target);
	return r;
}

static int set_scratch_size(int fs_fd, uint64_t disk_bytes)
{
	uint64_t inodes = disk_bytes / 2048;
	char number[24];

	if (inodes < 2048)
		inodes = 2048;
	if (inodes > 262144)
		inodes = 262144;
	put_number(number, disk_bytes);
	if (fsconfig(fs_fd, FSCONFIG_SET_STRING, "size", number, 0) < 0)
		return -errno;
	put_number(number, inodes);
	return fsconfig(fs_fd, FSCONFIG_SET_STRING, "nr_inodes", number, 0) < 0 ? -errno : 0;
}

int mounts_resize_scratch(int disk_fd, uint64_t disk_bytes)
{
	int r = set_scratch_size(disk_fd, disk_bytes);

	if (r < 0)
		return r;
	return fsconfig(disk_fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0 ? -errno : 0;
}

int mounts_new_scratch(int fs_fd, const char *target, uint64_t disk_bytes)
{
	int r = set_scratch_size(fs_fd, disk_bytes);
	int mount_fd;

	if (r < 0)
		return r;
	if (fsconfig(fs_fd, FSCONFIG_SET_STRING, "mode", "0700", 0) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV); /* SCRATCH_FLAGS */
	if (mount_fd < 0)
		return -errno;
	if (move_mount(mount_fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		r = -errno;
	close(mount_fd);
	return r;
}

static int make_part(const char *scratch, const char *name, mode_t mode, const struct mount_values *values)
{
	char path[64];

	if (strlen(scratch) + 1 + strlen(name) >= sizeof(path))
		return -ENAMETOOLONG;
	put_text(put_text(put_text(path, scratch), "/"), name);
	/* There is no umask. */
	return mkdir(path, mode) < 0 || chown(path, values->user, values->group) < 0 ? -errno : 0;
}

/* One tmpfs, one budget of bytes and of inodes, for everything that a run can write. */
static int mount_scratch(const struct mount_op *op, const struct mount_values *values)
{
	int fs_fd = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int r = fs_fd < 0 ? -errno : mounts_new_scratch(fs_fd, op->target, values->disk_bytes);

	if (r == 0 && values->ret_disk_fd)
		*values->ret_disk_fd = fs_fd;
	else if (fs_fd >= 0)
		close(fs_fd);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(scratch_parts) / sizeof(scratch_parts[0]) && r == 0; i++)
		r = make_part(op->target, scratch_parts[i].name, scratch_parts[i].mode, values);
	return r;
}

int mounts_make_node(const char *target, const char *path)
{
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		if (strcmp(nodes[i].path, path) != 0)
			continue;
		if (mknod(target, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) < 0)
			return -errno;
		return chmod(target, 0666) < 0 ? -errno : 0;
	}
	return -ENOENT;
}

static int make_node(const struct mount_op *op, const struct mount_values *values)
{
	unsigned long flags = MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NOEXEC;
	int fd;

	if (values->may_mknod && mounts_make_node(op->target, op->source) == 0)
		return 0;
	fd = open(op->target, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	close(fd);
	if (mount(op->source, op->target, NULL, MS_BIND, NULL) < 0)
		return -errno;
	/* A node has no use for them; a host whose own /dev is mounted oddly does not let them be set. */
	flags |= locked_flags(op->target);
	if (mount(NULL, op->target, NULL, flags, NULL) < 0)
		errno = 0;
	return 0;
}

/*
 * An instance of devpts that nothing else sees, with few terminals: the machine has one number of them for all. Links
 * and nodes stand where programs look for them.
 */
static int mount_tty(const struct mount_values *values)
{
	static const struct mount_op controlling = { MOUNT_NODE, "dev/tty", "/dev/tty", 0 };

	if (!values->tty)
		return 0;
	if (mkdir("dev/pts", 0755) < 0 ||
	    mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		  "newinstance,ptmxmode=0666,mode=0600,max=16") < 0 ||
	    symlink("pts/ptmx", "dev/ptmx") < 0)
		return -errno;
	return make_node(&controlling, values);
}

/* Nobody may open it, and even a run with its owner's uid cannot change that: the mount is read-only. */
static int make_hidden(const char *target)
{
	int fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0000);

	if (fd < 0)
		return -errno;
	close(fd);
	if (mount(target, target, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0)
		return -errno;
	return 0;
}

/*
 * `is_folder` is what it is on all kernels that we know:
 * to ask each time costs as much as the mount, and to be told by the kernel, which refuses to mount one over the other,
 * ten times that, as it waits for all processors.
 */
int mounts_cover(const char *target, const char *covers, const char *with, bool is_folder)
{
	char empty[32], hidden[32];

	put_text(put_text(empty, covers), "empty");
	put_text(put_text(hidden, covers), "hidden");
	if (!with)
		with = hidden;
	for (int i = 0; i < 2; i++, is_folder = !is_folder) {
		if (mount(is_folder ? empty : with, target, NULL, MS_BIND, NULL) == 0)
			return 0;
		if (errno != ENOTDIR)
			break;
	}
	/* What is not there needs no cover; what is there must get one. */
	return errno == ENOENT ? 0 : -errno;
}

static int seal(const struct mount_op *op)
{
	unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | op->number | locked_flags(op->target);

	return mount(NULL, op->target, NULL, flags, NULL) < 0 ? -errno : 0;
}

static int mount_part(const struct mount_op *op)
{
	if (mount(op->source, op->target, NULL, MS_BIND, NULL) < 0)
		return -errno;
	/* It has the flags of the scratch's own mount until it gets others. */
	if (op->number != SCRATCH_FLAGS &&
	    mount(NULL, op->target, NULL, MS_REMOUNT | MS_BIND | op->number, NULL) < 0)
		return -errno;
	return 0;
}

int mounts_do(const struct mount_op *op, const struct mount_plan *plan, const struct mount_values *values,
	      int image_fd)
{
	switch (op->kind) {
	case MOUNT_DIR:
		return mkdir(op->target, (mode_t)op->number) < 0 ? -errno : 0;
	case MOUNT_LINK:
		return symlink(op->source, op->target) < 0 ? -errno : 0;
	case MOUNT_TEXT:
		return make_file(op->target, NULL, op->source);
	case MOUNT_COPY:
		return make_file(op->target, op->source, NULL);
	case MOUNT_IMAGE:
		return mount_image(op, values, image_fd);
	case MOUNT_ENTER:
		return chdir(op->target) < 0 ? -errno : 0;
	case MOUNT_OVERLAY:
		return mount_overlay(op, values);
	case MOUNT_SCRATCH:
		return mount_scratch(op, values);
	case MOUNT_PART:
		return mount_part(op);
	case MOUNT_HOME:
		return values->home_fd < 0 ? mount_part(op) : mounts_place(values->home_fd, op->target);
	case MOUNT_SESSION:
		if (values->sandboxes_fd < 0)
			return 0;
		return op->source		     ? mounts_place(values->sandboxes_fd, op->target)
		       : mkdir(op->target, 0755) < 0 ? -errno
						     : 0;
	case MOUNT_USER:
		return mounts_add_user(op, values, image_fd);
	case MOUNT_FOLDERS:
		return op->source ? mounts_bind_folders(op, values) : mounts_make_folders(op, values);
	case MOUNT_DEV:
		return mount("dev", op->target, "tmpfs", MS_NOSUID | MS_NOEXEC,
			     "mode=0755,size=64k,nr_inodes=32") < 0
			       ? -errno
			       : 0;
	case MOUNT_NODE:
		return make_node(op, values);
	case MOUNT_TTY:
		return mount_tty(values);
	case MOUNT_PROC:
		return mount("proc", op->target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2") < 0
			       ? -errno
			       : 0;
	case MOUNT_HIDDEN:
		return make_hidden(op->target);
	case MOUNT_HIDE:
		return mounts_cover(op->target, plan->covers, NULL, op->number);
	case MOUNT_MASK:
		return mounts_cover(op->target, plan->covers, "dev/null", false);
	case MOUNT_SEAL:
		return seal(op);
	case MOUNT_ROOT:
	case MOUNT_KIND_COUNT:
		break;
	}
	return -EINVAL;
}

int mounts_change_root(void)
{
	/* The new root over the old one, which is then detached. */
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return mounts_check_root();
}

int mounts_check_root(void)
{
	struct stat root, above;

	if (stat("/", &root) < 0 || stat("/..", &above) < 0)
		return -errno;
	return root.st_ino == above.st_ino && root.st_dev == above.st_dev ? 0 : -EXDEV;
}

bool mounts_can_overlay(void)
{
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("kiln", MOUNTS_ROOT, "tmpfs", 0, "mode=0755,size=64k") == 0 && mkdir(EMPTY, 0755) == 0 &&
	       mkdir(MOUNTS_ROOT "/usr", 0755) == 0 &&
	       mount("overlay", MOUNTS_ROOT "/usr", "overlay", MS_RDONLY, "lowerdir=/usr:" EMPTY) == 0;
}

int mount_plan_apply(const struct mount_plan *plan, const struct mount_values *values,
		     const struct mount_op **ret_failed)
{
	static const struct mount_op root = { MOUNT_ROOT, "/", NULL, 0 };
	static const struct mount_op image = { MOUNT_IMAGE, "root", NULL, 0 };
	int image_fd = -1, r;

	*ret_failed = &root;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	/* While everything can still be seen: it may stand below what is mounted over next. */
	if (values->image) {
		*ret_failed = &image;
		image_fd = mounts_open_image(values);
		if (image_fd < 0)
			return image_fd;
		*ret_failed = &root;
	}
	if (mount("kiln", MOUNTS_ROOT, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=2m,nr_inodes=256") <
		    0 ||
	    chdir(MOUNTS_ROOT) < 0)
		return -errno;
	umask(0);
	for (unsigned i = 0; i < plan->count; i++) {
		*ret_failed = &plan->ops[i];
		r = mounts_do(&plan->ops[i], plan, values, image_fd);
		if (r < 0)
			return r;
	}
	umask(022);
	*ret_failed = &root;
	return mounts_change_root();
}
