/*
 * The mounts of a sandbox as data: a list of operations worked out once for an image, applied in each
 * sandbox's own mount namespace. Golden tests print the list.
 *
 * Targets are relative to the new root, which is a tmpfs of its own mounted over /tmp of the private
 * namespace; sources are paths of the host, or relative to the new root where `inside` is set.
 */
#ifndef KILN_SANDBOX_MOUNTS_H
#define KILN_SANDBOX_MOUNTS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum mount_kind {
	MOUNT_DIR,     /* make a folder, mode in `number` */
	MOUNT_LINK,    /* a symbolic link to `source` */
	MOUNT_TEXT,    /* a file with the text `source` */
	MOUNT_COPY,    /* a copy of a host file; none there: an empty one */
	MOUNT_IMAGE,   /* a stored image's files beneath the folder `source`, read-only, likewise */
	MOUNT_ENTER,   /* go into `target`: the root from now on; later targets are relative to it */
	MOUNT_OVERLAY, /* a host folder, read-only, with inodes of this sandbox's own */
	MOUNT_SCRATCH, /* the one tmpfs of all that is writable, `disk_bytes` large */
	MOUNT_PART,    /* a folder of the scratch, bound at `target`; flags in `number` */
	MOUNT_HOME,    /* a part of the scratch, or in a session the home of its user, or (files) all homes */
	MOUNT_SESSION, /* in a session: without `source` make the folder, with it mount the homes of all users there */
	MOUNT_USER, /* in a session: a line for its user at the end of the file, which is the image's `source` */
	MOUNT_FOLDERS, /* of a service: without `source` make its folders, with it bind parts of the scratch there */
	MOUNT_DEV, /* the tmpfs for devices */
	MOUNT_NODE, /* a character device: made, or the host's bound where making is not allowed; makedev in `number` */
	MOUNT_TTY, /* in a sandbox whose steps may have them: terminals of its own, in an instance of devpts */
	MOUNT_PROC,
	MOUNT_HIDDEN, /* a file that nobody inside can open, for MOUNT_HIDE */
	MOUNT_HIDE, /* cover with the above, or a folder (`number` 1) with an empty one; nothing there: fine */
	MOUNT_MASK, /* cover a file with our null device: it can be read, and is empty */
	MOUNT_SEAL, /* remount read-only; further flags in `number` */
	MOUNT_ROOT, /* not in a plan: before its first and after its last operation */
	MOUNT_KIND_COUNT,
};

struct mount_op {
	enum mount_kind kind;
	const char *target;
	const char *source;
	uint64_t number;
};

#define MOUNT_OPS_MAX 128

struct mount_plan {
	struct mount_op ops[MOUNT_OPS_MAX];
	unsigned count;
	const char *covers; /* in front of "empty" and "hidden", where MOUNT_HIDE finds them */
};

/* What differs between sandboxes of one plan. */
struct mount_values {
	uint64_t disk_bytes;
	uid_t user; /* owner of the scratch folders, as seen where the mounts are made */
	gid_t group;
	bool may_mknod;
	bool overlay; /* false: bind */
	bool tty;     /* there may be terminals */
	const char *images,
		*image; /* of a stored image: the folder of all, and beneath it its files'; else NULL */
	int sandboxes_fd, home_fd; /* of a session: detached trees; else -1 */
	const char *passwd_line;   /* of a session's user; or NULL */
	const char *folders; /* of a service: absolute paths, each with its NUL; "" ends them; or NULL */
	int *ret_disk_fd; /* gets the scratch's context, for mounts_resize_scratch(); the caller's to close */
};

/* The plan of the `host` image: this machine's /usr, a minimal /etc and /dev. Looks at the host's /bin, /lib, … */
[[nodiscard]] int mount_plan_host(struct mount_plan *plan, struct err *err);

/*
 * The plan of a stored image, the same for all: folders and files of our own in front of the image's, so that whatever
 * it has at the places that are mounted on, links perhaps, is not followed.
 */
[[nodiscard]] int mount_plan_image(struct mount_plan *plan, struct err *err);

/*
 * Applies a plan in the calling process's mount namespace (a private copy) and makes the result its root.
 * Returns 0, or
 * -errno with *ret_failed the operation at fault. Async-signal-safe.
 */
[[nodiscard]] int mount_plan_apply(const struct mount_plan *plan, const struct mount_values *values,
				   const struct mount_op **ret_failed);

/*
 * A template: two mount namespaces, held by descriptors, with all of a plan that is the same in every sandbox, so that
 * a sandbox does not start from a copy of the host's mounts, but from one of nearly nothing. The template's files reach
 * a sandbox through an overlay, as those of an image do: its inodes are its own. Only as root.
 */
struct mount_template {
	int sources_fd; /* what overlays are made of */
	int base_fd;	/* where they are mounted */
};

/*
 * Make one of them out of the calling process's mount namespace (a private copy); `images` is where those of stored
 * images are. -errno (with *ret_failed the operation at fault): then plans are to be applied without.
 */
[[nodiscard]] int mount_template_sources(const struct mount_plan *plan, const char *images,
					 const struct mount_op **ret_failed);
[[nodiscard]] int mount_template_base(void);

/* Like mount_plan_apply(), out of the plan's template; the calling process leaves its namespace of mounts. */
[[nodiscard]] int mount_template_apply(const struct mount_template *from, const struct mount_plan *plan,
				       const struct mount_values *values, const struct mount_op **ret_failed);

/*
 * Gives a scratch that is mounted another size, from wherever its user namespace's owner is. -errno: -EINVAL when it
 * holds more already. Async-signal-safe.
 */
[[nodiscard]] int mounts_resize_scratch(int disk_fd, uint64_t disk_bytes);

/* Whom a sandbox of a session belongs to. */
struct mount_member {
	int mnt_fd;	  /* the session's mount namespace */
	const char *name; /* of the user; NULL: of none, with all files as its own */
	uid_t user;	  /* his uid on the host */
	uid_t owner;	  /* uid and gid of the session */
	unsigned owners;  /* how many uids from there on are the session's */
	bool read_only;
};

/* The files of a session, in the calling process's mount namespace, of which they become the root. */
[[nodiscard]] int mounts_session_make(uint64_t disk_bytes, uid_t owner);

/* Fills in sandboxes_fd and home_fd of `ret`, and makes the user's home if need be. Async-signal-safe. */
[[nodiscard]] int mounts_session_take(const struct mount_member *member, struct mount_values *ret);

/* The same for who does not come back from the session's mount namespace. */
[[nodiscard]] int mounts_session_enter(const struct mount_member *member, struct mount_values *ret);

/* Tries an overlay of /usr over /tmp, in a mount namespace that the caller throws away. */
bool mounts_can_overlay(void);

const char *mount_kind_name(enum mount_kind kind);

#endif
