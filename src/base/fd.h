/*
 * Descriptors.
 */
#ifndef KILN_BASE_FD_H
#define KILN_BASE_FD_H

#include <stddef.h>

/* Writes all of `len` bytes to a blocking descriptor. 0 or a negative errno; -EIO when it takes nothing. */
[[nodiscard]] int fd_write_all(int fd, const void *data, size_t len);

#endif
