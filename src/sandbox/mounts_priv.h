/* What mounts.c, mounts_session.c and template.c share. All of it runs between clone and exec. */
#ifndef KILN_SANDBOX_MOUNTS_PRIV_H
#define KILN_SANDBOX_MOUNTS_PRIV_H

#include "sandbox/mounts.h"

#define MOUNTS_ROOT "/tmp" /* every Linux has it; only this namespace sees what is mounted over it */

#define MOUNTS_IMAGES "images" /* the folder of the stored images in a template */

/* Appends a text, or a number, behind `to`; its new end, where a NUL is. */
char *put_text(char *to, const char *text);
char *put_number(char *to, uint64_t number);

/* One operation of a plan, in the folder that is to become the root; `image_fd` of a stored image. */
[[nodiscard]] int mounts_do(const struct mount_op *op, const struct mount_plan *plan,
			    const struct mount_values *values, int image_fd);
/* The node that `path` is on every Linux, made at `target`; -ENOENT: not one that sandboxes have. */
[[nodiscard]] int mounts_make_node(const char *target, const char *path);
/* Covers with the folder `covers`empty or with a file: `with`, or without that `covers`hidden. */
[[nodiscard]] int mounts_cover(const char *target, const char *covers, const char *with, bool is_folder);
/* Beneath the folder of the images nothing is a link, or it is refused. A descriptor or -errno. */
int mounts_open_image(const struct mount_values *values);
/* The root of this process must have nothing above it. */
[[nodiscard]] int mounts_check_root(void);
/* The folder in which we are becomes the root, and nothing of the old one has a path any more. */
[[nodiscard]] int mounts_change_root(void);
/* Makes the tmpfs of a context and mounts it. */
[[nodiscard]] int mounts_new_scratch(int fs_fd, const char *target, uint64_t disk_bytes);
/* Attaches a detached tree. */
[[nodiscard]] int mounts_place(int tree_fd, const char *target);
/* The names of users of a stored image, or -1: it has none that can be opened without following a link. */
int mounts_open_passwd(int image_fd);
/*
 * Mounts over `target` the new file `file`: what `from_fd` has, which is closed and may be -1, and a line, which may be
 * NULL.
 */
[[nodiscard]] int mounts_cover_passwd(const char *file, int from_fd, const char *line, const char *target);
[[nodiscard]] int mounts_add_user(const struct mount_op *op, const struct mount_values *values, int image_fd);
[[nodiscard]] int mounts_make_folders(const struct mount_op *op, const struct mount_values *values);
[[nodiscard]] int mounts_bind_folders(const struct mount_op *op, const struct mount_values *values);

#endif
