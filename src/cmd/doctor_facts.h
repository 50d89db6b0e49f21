/*
 * What the checks of `kiln doctor` know about the host, found out once by doctor_facts_read(). The checks only judge
 * it: tests give them hosts that are not there.
 */
#ifndef KILN_CMD_DOCTOR_FACTS_H
#define KILN_CMD_DOCTOR_FACTS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Whatever started kiln may have put it into a container of this kind. */
enum container_kind {
	CONTAINER_NONE,
	CONTAINER_DOCKER,
	CONTAINER_PODMAN,
	CONTAINER_KUBERNETES,
	CONTAINER_OTHER,
};

/* Making a sandbox, tried in a child that ends at once. What could not be tried without another is ATTEMPT_UNTRIED. */
enum attempt {
	ATTEMPT_USER_NAMESPACE,
	ATTEMPT_NAMESPACES, /* all others together */
	ATTEMPT_MOUNT,	    /* a tmpfs */
	ATTEMPT_PROC,	    /* a new /proc */
	ATTEMPT_ROOT,	    /* pivot_root */
	ATTEMPT_COUNT,
};

#define ATTEMPT_UNTRIED (-1)

struct doctor_facts {
	char release[64];
	unsigned kernel_major, kernel_minor;

	bool root;
	char user[64];	       /* a name, or a number without one */
	uint64_t capabilities; /* effective */
	bool no_new_privileges;
	bool filtered;	   /* by a seccomp filter that was there before kiln */
	char apparmor[64]; /* the profile that kiln runs under; "" without AppArmor, or "unconfined" */

	enum container_kind container;
	char container_name[32];

	int attempts[ATTEMPT_COUNT]; /* 0, an errno, or ATTEMPT_UNTRIED */

	/* Settings of the kernel; -1: it does not have them. */
	long long max_user_namespaces, unprivileged_userns_clone, apparmor_restrict_userns, memfd_noexec;

	bool newuidmap;	       /* and newgidmap */
	bool subuids, subgids; /* a range for this user */

	bool seccomp;			   /* filters that end a process */
	long landlock_abi;		   /* 0: none */
	int memfd, openat2, pidfd, clone3; /* 0 or an errno */

	bool proc_mounted;
	unsigned proc_covered; /* mounts upon parts of it */
	bool swap_in_use;
	char core_pattern[128];

	int cgroup_version; /* of what is mounted: 2, 1 or 0 */
	bool cgroup_read_only;
	char cgroup_controllers[64]; /* version 2: what kiln's own group was given, of those that it uses */
	bool systemd;
};

/*
 * Hands the facts on to a later life of this same program, in its environment, where less can be tried: they are asked
 * for when the privileges are still there. 0 or a negative errno.
 */
[[nodiscard]] int doctor_facts_hand_on(const struct doctor_facts *facts, struct err *err);
/* Takes them, and the variable away. False: nobody has handed them on. */
bool doctor_facts_take(struct doctor_facts *ret);

/* Asks the kernel, by trying where trying is harmless. Forks children that end before it returns. */
void doctor_facts_read(struct doctor_facts *ret);

#endif
