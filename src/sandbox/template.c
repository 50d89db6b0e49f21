/*
 * Plans applied in two parts.
 *
 * `sources` has, on a tmpfs, nothing but
 *   top/      the folders, files, links and nodes of the plan
 *   session/  what members of sessions have above that: a folder for its files, and a file to cover with their users
 *   none/     an empty folder, as an overlay without an upper layer asks for a second one
 *   s0/ ...   the host's folders of which the plan has overlays, in its order
 *   images/   those of the stored images, if the plan has one
 * `base` is a root without anything but
 *   root/     where the sandbox's root is mounted: an overlay of top/ and the image
 *   scratch/
 * A sandbox makes its overlays in `sources`, where a kernel takes what they stand on, and takes them, mounted nowhere
 * yet, to a copy of `base`, of which in the end the root is mounted over. So nothing of the host has to be unmounted,
 * for which the kernel would wait for all processors: it was never there.
 */
#include "sandbox/mounts_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OVERLAYS_MAX 16

/* Done in the template; all others are done in each sandbox. */
static bool is_of_template(enum mount_kind kind)
{
	return kind == MOUNT_DIR || kind == MOUNT_LINK || kind == MOUNT_TEXT || kind == MOUNT_COPY ||
	       kind == MOUNT_NODE || kind == MOUNT_HIDDEN;
}

/* A plan that makes its own top/ and goes into root/ itself; of another all is in top/. */
static bool has_top(const struct mount_plan *plan)
{
	for (unsigned i = 0; i < plan->count; i++) {
		if (plan->ops[i].kind == MOUNT_ENTER)
			return true;
	}
	return false;
}

static int make_tmpfs(const char *at)
{
	if (mount("kiln", at, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=4m,nr_inodes=1024") < 0 ||
	    chdir(at) < 0)
		return -errno;
	return 0;
}

/* The folder in which we are, its mount. */
static int make_read_only(void)
{
	return mount(NULL, ".", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0
		       ? -errno
		       : 0;
}

/* In an overlay it is a file of its own without the mount that keeps others from it in a tmpfs. */
static int make_hidden(const char *target)
{
	int fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0000);

	return fd < 0 ? -errno : close(fd);
}

static int make_one(const struct mount_op *op, const struct mount_plan *plan)
{
	if (op->kind == MOUNT_NODE)
		return mounts_make_node(op->target, op->source);
	return op->kind == MOUNT_HIDDEN ? make_hidden(op->target) : mounts_do(op, plan, NULL, -1);
}

static int make_session_layer(void)
{
	int fd;

	if (mkdir("session", 0755) < 0 || mkdir("session/sandboxes", 0755) < 0 ||
	    mkdir("session/etc", 0755) < 0)
		return -errno;
	fd = open("session/etc/passwd", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : close(fd);
}

static int make_parts(const struct mount_plan *plan, const struct mount_op **ret_failed)
{
	bool in_top = !has_top(plan);
	int r = 0;

	if (mkdir("none", 0555) < 0 || (in_top && (mkdir("top", 0755) < 0 || chdir("top") < 0)))
		return -errno;
	for (unsigned i = 0; i < plan->count && r == 0; i++) {
		const struct mount_op *op = &plan->ops[i];

		*ret_failed = op;
		if (op->kind == MOUNT_ENTER && chdir("top") < 0)
			return -errno;
		if (is_of_template(op->kind))
			r = make_one(op, plan);
	}
	return r;
}

static void name_source(char name[16], unsigned number)
{
	put_number(put_text(name, "s"), number);
}

/* A copy of one of the host's folders that is mounted nowhere; -ENOENT: it has none. */
static int copy_folder(const char *path)
{
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

struct folders {
	unsigned count;
	int fd[OVERLAYS_MAX], images_fd;
};

/* While all of the host can still be seen: it may stand below what is mounted over next. */
static int copy_folders(const struct mount_plan *plan, const char *images, struct folders *ret,
			const struct mount_op **ret_failed)
{
	ret->count = 0;
	ret->images_fd = -ENOENT;
	for (unsigned i = 0; i < plan->count; i++) {
		const struct mount_op *op = &plan->ops[i];
		int fd;

		if (op->kind != MOUNT_OVERLAY && op->kind != MOUNT_IMAGE)
			continue;
		*ret_failed = op;
		if (ret->count == OVERLAYS_MAX)
			return -ENOSPC;
		fd = copy_folder(op->kind == MOUNT_IMAGE ? images : op->source);
		if (fd < 0 && fd != -ENOENT)
			return fd;
		if (op->kind == MOUNT_IMAGE)
			ret->images_fd = fd;
		else
			ret->fd[ret->count++] = fd;
	}
	return 0;
}

static int place_folder(int fd, const char *name)
{
	if (fd < 0)
		return 0;
	return mkdir(name, 0700) < 0 ? -errno : mounts_place(fd, name);
}

static int place_folders(const struct folders *folders)
{
	int r = place_folder(folders->images_fd, MOUNTS_IMAGES);

	for (unsigned i = 0; i < folders->count && r == 0; i++) {
		char name[16];

		name_source(name, i);
		r = place_folder(folders->fd[i], name);
	}
	return r;
}

int mount_template_sources(const struct mount_plan *plan, const char *images,
			   const struct mount_op **ret_failed)
{
	static const struct mount_op root = { MOUNT_ROOT, "/", NULL, 0 };
	struct folders folders;
	int r;

	*ret_failed = &root;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	r = copy_folders(plan, images, &folders, ret_failed);
	if (r < 0)
		return r;
	*ret_failed = &root;
	r = make_tmpfs(MOUNTS_ROOT);
	if (r == 0)
		r = place_folders(&folders);
	umask(0);
	if (r == 0)
		r = make_session_layer();
	if (r == 0)
		r = make_parts(plan, ret_failed);
	umask(022);
	if (r < 0)
		return r;
	*ret_failed = &root;
	if (chdir(MOUNTS_ROOT) < 0)
		return -errno;
	r = make_read_only();
	if (r == 0)
		r = mounts_change_root();
	/* It is of no use to who may not enter it; that asks for the same capability. */
	return r == 0 && chroot("/") < 0 ? -errno : r;
}

int mount_template_base(void)
{
	int r;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	r = make_tmpfs(MOUNTS_ROOT);
	if (r == 0 && (mkdir("root", 0755) < 0 || mkdir("scratch", 0700) < 0))
		r = -errno;
	if (r == 0)
		r = make_read_only();
	return r < 0 ? r : mounts_change_root();
}

/* ---- in the sandbox ---- */

/* Mounted nowhere; `lower` are its layers. A descriptor, or -errno. */
static int overlay_open(const char *lower, unsigned attributes)
{
	int fs_fd = fsopen("overlay", FSOPEN_CLOEXEC);
	int fd;

	if (fs_fd < 0)
		return -errno;
	if (fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", "overlay", 0) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_SET_STRING, "lowerdir", lower, 0) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		fd = -errno;
	else if ((fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | attributes)) <
		 0)
		fd = -errno;
	close(fs_fd);
	return fd;
}

struct overlays {
	int root_fd, devices_fd;
	int fd[OVERLAYS_MAX]; /* in the order of the plan; -ENOENT: the host has it no more */
	unsigned next;
	int passwd_fd; /* of a session's member: what is there before its user; or -1 */
};

static bool is_member(const struct mount_values *values)
{
	return values->sandboxes_fd >= 0;
}

/* An image is told by the folder in which we are: what else there is of it a mount would show inside. */
static int overlay_of_root(const struct mount_values *values, struct overlays *ret)
{
	struct mount_values here = *values;
	int image_fd, fd;

	if (!values->image) {
		if (is_member(values))
			ret->passwd_fd = open("/top/etc/passwd", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		return overlay_open(is_member(values) ? "/session:/top:/none" : "/top:/none",
				    MOUNT_ATTR_NODEV);
	}
	here.images = "/" MOUNTS_IMAGES;
	image_fd = mounts_open_image(&here);
	if (image_fd < 0)
		return image_fd;
	if (is_member(values))
		ret->passwd_fd = mounts_open_passwd(image_fd);
	fd = fchdir(image_fd) < 0
		     ? -errno
		     : overlay_open(is_member(values) ? "/session:/top:." : "/top:.", MOUNT_ATTR_NODEV);
	close(image_fd);
	return fd;
}

static int overlay_of_source(unsigned number)
{
	char lower[32] = "/";

	name_source(lower + 1, number);
	put_text(lower + strlen(lower), ":/none");
	return overlay_open(lower, MOUNT_ATTR_NODEV);
}

/* Takes the descriptor. */
static int attach(int fd, const char *target)
{
	int r = move_mount(fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;

	close(fd);
	return r;
}

/* Devices have one of their own: in the root's there would be what the image has in its /dev, too. */
static int open_overlays(const struct mount_plan *plan, const struct mount_values *values,
			 struct overlays *ret, const struct mount_op **ret_failed)
{
	unsigned count = 0;

	ret->next = 0;
	ret->passwd_fd = -1;
	ret->devices_fd = overlay_open("/top/dev:/none", MOUNT_ATTR_NOEXEC);
	if (ret->devices_fd < 0)
		return ret->devices_fd;
	ret->root_fd = overlay_of_root(values, ret);
	if (ret->root_fd < 0)
		return ret->root_fd;
	for (unsigned i = 0; i < plan->count; i++) {
		if (plan->ops[i].kind != MOUNT_OVERLAY)
			continue;
		*ret_failed = &plan->ops[i];
		if (count == OVERLAYS_MAX)
			return -ENOSPC;
		ret->fd[count] = overlay_of_source(count);
		if (ret->fd[count] < 0 && ret->fd[count] != -ENOENT)
			return ret->fd[count];
		count++;
	}
	return 0;
}

/*
 * pivot_root() would go through all processes of the machine; what it makes unreachable is here an empty folder that is
 * read-only.
 */
static int change_root(void)
{
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return -errno;
	return mounts_check_root();
}

/* The root's overlay and that of the devices are read-only from birth. */
static bool is_sealed(const struct mount_op *op)
{
	return strcmp(op->target, ".") == 0 || strcmp(op->target, "dev") == 0;
}

/* On the scratch, of which only folders of its own can be reached. */
static int do_scratch(const struct mount_op *op, const struct mount_plan *plan,
		      const struct mount_values *values, struct overlays *overlays)
{
	char file[32];
	int r = mounts_do(op, plan, values, -1);

	if (r < 0 || !is_member(values))
		return r;
	put_text(put_text(file, op->target), "/passwd");
	return mounts_cover_passwd(file, overlays->passwd_fd, values->passwd_line,
				   has_top(plan) ? "root/etc/passwd" : "etc/passwd");
}

static int do_one(const struct mount_op *op, const struct mount_plan *plan, const struct mount_values *values,
		  struct overlays *overlays)
{
	int fd;

	if (is_of_template(op->kind))
		return 0;
	switch (op->kind) {
	case MOUNT_IMAGE:
	case MOUNT_USER:
		return 0; /* in the root's overlay, or over it with the scratch */
	case MOUNT_SESSION:
		return op->source ? mounts_do(op, plan, values, -1) : 0;
	case MOUNT_SCRATCH:
		return do_scratch(op, plan, values, overlays);
	case MOUNT_OVERLAY:
		fd = overlays->fd[overlays->next++];
		return fd < 0 ? 0 : attach(fd, op->target);
	case MOUNT_DEV:
		return attach(overlays->devices_fd, op->target);
	/* The covers are in the root's overlay, whatever the plan has. */
	case MOUNT_HIDE:
		return mounts_cover(op->target, "", NULL, op->number);
	case MOUNT_MASK:
		return mounts_cover(op->target, "", "dev/null", false);
	case MOUNT_SEAL:
		return is_sealed(op) ? 0 : mounts_do(op, plan, values, -1);
	default:
		return mounts_do(op, plan, values, -1);
	}
}

/* A copy of the template's base instead of the host's mounts, and the root's overlay in it. */
static int enter_base(int base_fd, const struct overlays *overlays, bool stay_above)
{
	int r;

	if (setns(base_fd, CLONE_NEWNS) < 0 || unshare(CLONE_NEWNS) < 0)
		return -errno;
	r = attach(overlays->root_fd, "/root");
	return r == 0 && !stay_above && chdir("/root") < 0 ? -errno : r;
}

int mount_template_apply(const struct mount_template *from, const struct mount_plan *plan,
			 const struct mount_values *values, const struct mount_op **ret_failed)
{
	static const struct mount_op root = { MOUNT_ROOT, "/", NULL, 0 };
	struct overlays overlays;
	int r;

	*ret_failed = &root;
	if (setns(from->sources_fd, CLONE_NEWNS) < 0)
		return -errno;
	r = open_overlays(plan, values, &overlays, ret_failed);
	if (r < 0)
		return r;
	*ret_failed = &root;
	r = enter_base(from->base_fd, &overlays, has_top(plan));
	umask(0);
	for (unsigned i = 0; i < plan->count && r == 0; i++) {
		*ret_failed = &plan->ops[i];
		r = do_one(&plan->ops[i], plan, values, &overlays);
	}
	umask(022);
	if (r < 0)
		return r;
	*ret_failed = &root;
	return change_root();
}
