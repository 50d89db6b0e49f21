/*
 * The payload's system call policy, compiled once by the keeper into two BPF programs that init loads, both,
 * before exec.
 *
 * The first is the allow-list (seccomp_table.c) with ENOSYS for the rest and death for foreign
 * architectures (i386, x32); the second refuses argument values of allowed calls, compared on 32 bits as
 * the kernel does: namespace flags of clone, pushing characters into a terminal, socket filters. IP sockets
 * can be made also where the loopback interface is down: programs ask for one to find out that there is no
 * network, and get ENETUNREACH as they expect.
 */
#ifndef KILN_SANDBOX_SECCOMP_POLICY_H
#define KILN_SANDBOX_SECCOMP_POLICY_H

#include "base/err.h"

#include <stdbool.h>

extern const char *const seccomp_allowed[]; /* NULL-terminated */

/*
 * Writes the two programs into two memfds. Blocks for a few milliseconds. `watched`: no cgroup holds
 * memory, so that none may be had which no process maps and the watchdog could not see (memfd_create,
 * shmget).
 */
[[nodiscard]] int seccomp_compile(bool watched, int ret_fds[2], struct err *err);

#endif
