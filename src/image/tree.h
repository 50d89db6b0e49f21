/*
 * Folders of the store, walked by descriptor: no path is built, no link followed, no other file system
 * entered.
 */
#ifndef KILN_IMAGE_TREE_H
#define KILN_IMAGE_TREE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define TREE_DEPTH_MAX 400

/* Opens a folder beneath `dir_fd` without following links. Returns the descriptor or -errno. */
int tree_open_dir(int dir_fd, const char *name);

/* The names in a folder, sorted by their bytes (strv_free()). -E2BIG: more than a million. */
[[nodiscard]] int tree_names(int dir_fd, char ***ret);

/*
 * Removes `name` with all that is in it; nothing there is fine. Returns 0 or -errno of the first thing that
 * could not be removed, having removed what could be.
 */
[[nodiscard]] int tree_remove(int dir_fd, const char *name);

/* Bytes of the regular files beneath a folder, as far as they can be seen: for progress. */
uint64_t tree_bytes(int dir_fd);

/* Reads a small regular file whole (free() it; NUL-terminated). -EFBIG when it is larger than `max`. */
[[nodiscard]] int tree_read_file(int dir_fd, const char *name, size_t max, char **ret, size_t *ret_len);

/* The same of a file that is open. */
[[nodiscard]] int tree_read_fd(int fd, size_t max, char **ret, size_t *ret_len);

/*
 * Writes a file durably in place of whatever `name` was: a temporary one, fsync, rename, fsync of the folder.
 */
[[nodiscard]] int tree_write_file(int dir_fd, const char *name, const char *text, size_t len);

#endif
