/*
 * Descriptors.
 */
#ifndef KILN_BASE_FD_H
#define KILN_BASE_FD_H

#include <stddef.h>
#include <sys/types.h>

/* Writes all of `len` bytes to a blocking descriptor. 0 or a negative errno; -EIO when it takes nothing. */
[[nodiscard]] int fd_write_all(int fd, const void *data, size_t len);

/*
 * Sends one packet, with a descriptor when fd >= 0. Bytes sent, or a negative errno. Async-signal-safe.
 */
ssize_t fd_send(int socket_fd, const void *data, size_t len, int fd);

/*
 * Receives one packet as recvmsg(2) with `flags` does; *ret_fd is the descriptor that came with it (close-on-exec, the
 * caller's), or -1. Bytes received (with MSG_TRUNC in `flags` the whole packet's), or a negative errno.
 */
ssize_t fd_receive(int socket_fd, void *data, size_t size, int flags, int *ret_fd);

#endif
