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

/* Who sees memory that no process maps. */
enum seccomp_memory {
	SECCOMP_MEMORY_HELD,	/* a cgroup counts and holds it */
	SECCOMP_MEMORY_WATCHED, /* nobody: a watchdog looks at what processes map */
	SECCOMP_MEMORY_SERVICE, /* nobody either, of a session's service: a little is let */
};

/* The largest segment there; as a sandbox may have 4096 of them, this is what bounds all of it, to 16 MiB. */
#define SECCOMP_SERVICE_SEGMENT_BYTES 4096

extern const char *const seccomp_allowed[]; /* NULL-terminated */

/*
 * Writes the two programs into two memfds. Blocks for a few milliseconds. Where no cgroup holds memory none
 * may be had which no process maps and the watchdog could not see (memfd_create, shmget), but small
 * segments by services: PostgreSQL needs one of 56 bytes to find out whether it runs twice.
 */
[[nodiscard]] int seccomp_compile(enum seccomp_memory memory, int ret_fds[2], struct err *err);

#endif
