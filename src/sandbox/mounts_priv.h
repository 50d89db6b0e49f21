/* What mounts.c and mounts_session.c share. All of it runs between clone and exec. */
#ifndef KILN_SANDBOX_MOUNTS_PRIV_H
#define KILN_SANDBOX_MOUNTS_PRIV_H

#include "sandbox/mounts.h"

/* Makes the tmpfs of a context and mounts it. */
[[nodiscard]] int mounts_new_scratch(int fs_fd, const char *target, uint64_t disk_bytes);
/* The working directory becomes the root; the old one is gone. */
[[nodiscard]] int mounts_change_root(void);
/* Attaches a detached tree. */
[[nodiscard]] int mounts_place(int tree_fd, const char *target);
[[nodiscard]] int mounts_add_user(const struct mount_op *op, const struct mount_values *values, int image_fd);
[[nodiscard]] int mounts_make_folders(const struct mount_op *op, const struct mount_values *values);
[[nodiscard]] int mounts_bind_folders(const struct mount_op *op, const struct mount_values *values);

#endif
