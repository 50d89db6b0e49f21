/*
 * From clone to the exec of init: the child's side of making a sandbox, in the order of docs/security.md.
 *
 * As root the user namespace comes last, so that every other namespace and every mount belong to the host's
 * and nothing inside can ever change them. Rootless it comes first, since without it nothing else is
 * allowed.
 */
#ifndef KILN_SANDBOX_SETUP_H
#define KILN_SANDBOX_SETUP_H

#include "sandbox/cgroup.h"
#include "sandbox/mounts.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum setup_stage {
	SETUP_START,
	SETUP_DEATH_SIGNAL,
	SETUP_SESSION,
	SETUP_CGROUP,
	SETUP_NETWORK,
	SETUP_HOST_PROC,
	SETUP_FILES,
	SETUP_MOUNT, /* `what` tells the operation */
	SETUP_DISK,
	SETUP_LOOPBACK,
	SETUP_HOSTNAME,
	SETUP_RLIMIT,
	SETUP_GROUPS,
	SETUP_CREDENTIALS,
	SETUP_USER_NAMESPACE,
	SETUP_CAPABILITIES,
	SETUP_DESCRIPTORS,
	SETUP_EXEC,
	SETUP_STAGE_COUNT,
};

const char *setup_stage_name(unsigned stage);

enum setup_report_kind {
	SETUP_REPORT_FAILED,
	SETUP_REPORT_DISK, /* comes with the scratch's context (mounts.h); of a session, with a place on it */
	SETUP_REPORT_MOUNTS,  /* of a session: its mount namespace comes as a descriptor */
	SETUP_REPORT_NETWORK, /* of a session: its network namespace likewise; the last of the two */
	SETUP_REPORT_MAP,     /* it is in a user namespace now, and waits for its maps and one byte */
};

/* Child to keeper on the sync socket. Nothing more and end of file: init is executed. */
struct setup_report {
	uint32_t kind;
	uint32_t stage; /* of a failure, as the rest */
	int32_t error;	/* errno */
	char what[64];
};

struct setup {
	const struct mount_plan *plan;
	struct mount_values values;
	bool privileged; /* user namespace last, as `supervisor` */
	bool single_uid; /* rootless without a uid range: init keeps its capabilities by the ambient set */
	bool loopback;
	bool signals_ignored; /* by the keeper, since whoever started it did */
	bool fresh_proc;      /* /proc/sys is mounted read-only here, as in containers */
	uid_t supervisor;
	const struct mount_member *member; /* of a session whose files it has, or NULL */
	bool joined; /* rootless, of a session: its files come on sync_fd, behind the byte (join.c) */
	char *const *init_argv;
	const struct cgroup_box *box; /* to enter */
	int net_fd;		      /* network namespace to enter; -1: it was cloned into a new one */
	const struct mount_template
		*mounts_from; /* NULL: in a copy of the host's mounts, which it was cloned with */
	int sync_fd, init_fd, config_fd, socket_fd, cgroup_fd; /* cgroup_fd -1: none */
};

/*
 * The files and the network of a session, made in the calling process's namespaces, which are new ones, and handed to
 * the keeper. Waits for one byte on sync_fd first. Never returns: nobody needs this process when the descriptors are
 * away.
 */
_Noreturn void setup_session(int sync_fd, uint64_t disk_bytes, uid_t owner, bool fresh_proc);

/* Waits for one byte on sync_fd first. Never returns. */
_Noreturn void setup_child(const struct setup *setup);

#endif
