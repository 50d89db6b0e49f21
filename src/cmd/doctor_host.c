/*
 * The checks of the host: each judges the facts, says why something is missing, and how to mend it where kiln stands:
 * on a machine, or in a container of this or that kind.
 */
#include "base/cleanup.h"
#include "base/plural.h"
#include "cmd/doctor.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#define KERNEL_MAJOR 5
#define KERNEL_MINOR 10

#define PROFILE "packaging/docker/kiln-seccomp.json"

/* How the walls of a container that stand in kiln's way are opened, by its kind. docs/docker.md has all. */
static const struct {
	const char *seccomp, *apparmor, *proc, *privilege, *capability, *sysctl;
} openings[] = {
	[CONTAINER_NONE] = {
		.seccomp = "start kiln without that filter: in a service, look at SystemCallFilter= and "
			   "RestrictNamespaces=",
		.apparmor = "give kiln an AppArmor profile of its own with the rules userns, mount, umount, pivot_root",
		.proc = "umount what covers parts of /proc, or run kiln as root",
		.privilege = "start kiln as an ordinary user, or as root with its capabilities",
		.capability = "give them back: in a service, CapabilityBoundingSet=",
		.sysctl = "sysctl",
	},
	[CONTAINER_DOCKER] = {
		.seccomp = "docker run --security-opt seccomp=" PROFILE ": docs/docker.md",
		.apparmor = "docker run --security-opt apparmor=unconfined: docs/docker.md",
		.proc = "docker run --security-opt systempaths=unconfined: docs/docker.md",
		.privilege = "docker run --user kiln, or --cap-add SYS_ADMIN and the others of docs/docker.md",
		.capability = "docker run --cap-add for each: docs/docker.md",
		.sysctl = "on the host: sysctl",
	},
	[CONTAINER_PODMAN] = {
		.seccomp = "podman run --security-opt seccomp=" PROFILE,
		.apparmor = "podman run --security-opt apparmor=unconfined",
		.proc = "podman run --security-opt unmask=ALL",
		.privilege = "podman run --user with an ordinary user, or --cap-add SYS_ADMIN and the others of "
			     "docs/docker.md",
		.capability = "podman run --cap-add for each: docs/docker.md",
		.sysctl = "on the host: sysctl",
	},
	[CONTAINER_KUBERNETES] = {
		.seccomp = "securityContext.seccompProfile of type Localhost with " PROFILE ": docs/docker.md",
		.apparmor = "securityContext.appArmorProfile of type Unconfined: docs/docker.md",
		.proc = "securityContext.procMount: Unmasked, with hostUsers: false: docs/docker.md",
		.privilege = "securityContext.runAsUser with an ordinary user: docs/docker.md",
		.capability = "securityContext.capabilities.add for each: docs/docker.md",
		.sysctl = "on the node: sysctl",
	},
	[CONTAINER_OTHER] = {
		.seccomp = "start the container with the seccomp profile " PROFILE,
		.apparmor = "start the container without an AppArmor profile",
		.proc = "start the container without anything mounted upon its /proc",
		.privilege = "start kiln as an ordinary user, or the container with CAP_SYS_ADMIN",
		.capability = "start the container with them",
		.sysctl = "on the host: sysctl",
	},
};

static bool has_capability(const struct doctor_facts *facts, int capability)
{
	return facts->capabilities >> capability & 1;
}

static void kernel_check(struct findings *to, const struct doctor_facts *facts)
{
	bool good = facts->kernel_major > KERNEL_MAJOR ||
		    (facts->kernel_major == KERNEL_MAJOR && facts->kernel_minor >= KERNEL_MINOR);

	finding_add(to, "kernel", good ? FINDING_PRESENT : FINDING_MISSING, "install Linux 5.10 or newer",
		    "Linux %s%s", facts->release, good ? "" : " is too old for what sandboxes are made of");
}

/* What the keeper needs as root; without the last one only "network": "loopback" is missing. */
static const struct {
	int number;
	const char *name;
	bool needed;
} root_capabilities[] = {
	{ CAP_SYS_ADMIN, "SYS_ADMIN", true },  { CAP_SETUID, "SETUID", true }, { CAP_SETGID, "SETGID", true },
	{ CAP_SETPCAP, "SETPCAP", true },      { CAP_CHOWN, "CHOWN", true },   { CAP_KILL, "KILL", true },
	{ CAP_NET_ADMIN, "NET_ADMIN", false },
};

static void capabilities_check(struct findings *to, const struct doctor_facts *facts)
{
	enum finding_status status = FINDING_PRESENT;
	const char *mend = openings[facts->container].capability;
	char missing[128] = "";
	size_t len = 0;

	for (size_t i = 0; facts->root && i < ARRAY_LEN(root_capabilities); i++) {
		if (has_capability(facts, root_capabilities[i].number))
			continue;
		len += (size_t)snprintf(missing + len, sizeof(missing) - len, " %s",
					root_capabilities[i].name);
		if (root_capabilities[i].needed)
			status = FINDING_MISSING;
		else if (status == FINDING_PRESENT)
			status = FINDING_DEGRADED;
	}
	if (facts->root && !has_capability(facts, CAP_SYS_ADMIN))
		mend = openings[facts->container].privilege;
	finding_add(to, "capabilities", status, mend, "%s%s",
		    !facts->root ? "not needed by an ordinary user"
		    : len	 ? "root without"
				 : "root with all that the keeper needs",
		    missing);
}

/* Why the kernel says no to what an ordinary machine allows, as far as the facts tell. */
static void refusal_add(struct findings *to, const struct doctor_facts *facts, const char *name, int error)
{
	if (facts->root && !has_capability(facts, CAP_SYS_ADMIN))
		finding_add(to, name, FINDING_MISSING, openings[facts->container].privilege,
			    "refused to a root without CAP_SYS_ADMIN");
	else if (error == EACCES && facts->apparmor[0])
		finding_add(to, name, FINDING_MISSING, openings[facts->container].apparmor,
			    "refused by the AppArmor profile %s", facts->apparmor);
	else if (facts->filtered)
		finding_add(to, name, FINDING_MISSING, openings[facts->container].seccomp,
			    "refused (%s), by the seccomp filter that kiln was started under",
			    strerrorname_np(error));
	else if (facts->apparmor[0])
		finding_add(to, name, FINDING_MISSING, openings[facts->container].apparmor,
			    "refused (%s), by the AppArmor profile %s it seems", strerrorname_np(error),
			    facts->apparmor);
	else
		finding_add(to, name, FINDING_MISSING,
			    "leave the chroot if kiln is in one, and look into the kernel's log",
			    "refused (%s), and nothing known to kiln does that here", strerrorname_np(error));
}

/* A setting of the kernel that is in the way of user namespaces, if one is: `mend` is what to write behind "sysctl". */
static bool setting_refuses(struct findings *to, const struct doctor_facts *facts, const char *name)
{
	const char *why = NULL, *setting = NULL;
	char mend[160];

	if (facts->max_user_namespaces == 0) {
		why = "user.max_user_namespaces is 0";
		setting = "user.max_user_namespaces=10000";
	} else if (!facts->root && facts->unprivileged_userns_clone == 0) {
		why = "kernel.unprivileged_userns_clone refuses them to ordinary users";
		setting = "kernel.unprivileged_userns_clone=1";
	} else if (!facts->root && facts->apparmor_restrict_userns == 1) {
		why = "AppArmor refuses them, or all rights in them, to ordinary users "
		      "(kernel.apparmor_restrict_unprivileged_userns)";
		setting = "kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with "
			  "userns for kiln";
	}
	if (!why)
		return false;
	snprintf(mend, sizeof(mend), "%s %s", openings[facts->container].sysctl, setting);
	finding_add(to, name, FINDING_MISSING, mend, "%s", why);
	return true;
}

static void userns_check(struct findings *to, const struct doctor_facts *facts)
{
	static const char name[] = "user namespaces";
	int error = facts->attempts[ATTEMPT_USER_NAMESPACE];

	if (error == 0)
		finding_add(to, name, FINDING_PRESENT, "", "can be made");
	else if (error == EINVAL)
		finding_add(to, name, FINDING_MISSING, "a kernel with CONFIG_USER_NS", "not in this kernel");
	else if (error == ENOSPC && facts->max_user_namespaces != 0)
		finding_add(to, name, FINDING_MISSING,
			    "raise user.max_user_namespaces, or look for who makes so many",
			    "all %lld that user.max_user_namespaces allows are in use",
			    facts->max_user_namespaces);
	else if (!setting_refuses(to, facts, name))
		refusal_add(to, facts, name, error == ATTEMPT_UNTRIED ? EAGAIN : error);
}

/* Namespaces and mounts. In a user namespace without rights, as AppArmor gives it, these are what fails. */
static void attempt_check(struct findings *to, const struct doctor_facts *facts, const char *name,
			  enum attempt which, const char *present)
{
	int error = facts->attempts[which];

	if (error == 0)
		finding_add(to, name, FINDING_PRESENT, "", "%s", present);
	else if (error == ATTEMPT_UNTRIED)
		finding_add(to, name, FINDING_MISSING, "see the lines above",
			    "not tried after what failed before");
	else if (facts->root || facts->apparmor_restrict_userns != 1 || !setting_refuses(to, facts, name))
		refusal_add(to, facts, name, error);
}

static void sandbox_check(struct findings *to, const struct doctor_facts *facts)
{
	attempt_check(to, facts, "namespaces", ATTEMPT_NAMESPACES, "mount, pid, network, IPC and UTS");
	attempt_check(to, facts, "mounts", ATTEMPT_MOUNT, "can be made in a mount namespace");
	attempt_check(to, facts, "own root", ATTEMPT_ROOT, "can be changed to");
}

/* Mounts upon parts of /proc, as containers have them, make the kernel refuse a fresh /proc to a user namespace. */
static void proc_check(struct findings *to, const struct doctor_facts *facts)
{
	static const char name[] = "/proc";
	int error = facts->attempts[ATTEMPT_PROC];

	if (!facts->proc_mounted)
		finding_add(to, name, FINDING_MISSING, "mount -t proc proc /proc", "not mounted");
	else if (error == 0)
		finding_add(to, name, FINDING_PRESENT, "", "a new one can be mounted%s",
			    facts->proc_covered ? ", although parts of this one are covered" : "");
	else if (error == EPERM && !facts->root && facts->proc_covered > 0)
		finding_add(to, name, FINDING_MISSING, openings[facts->container].proc,
			    "%u %s covered: the kernel gives a user namespace no new one",
			    facts->proc_covered,
			    plural(facts->proc_covered, "part of it is", "parts of it are"));
	else
		attempt_check(to, facts, name, ATTEMPT_PROC, "");
}

static void subuid_check(struct findings *to, const struct doctor_facts *facts)
{
	static const char name[] = "sub-uids";
	char mend[200];

	snprintf(mend, sizeof(mend), "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s",
		 facts->user);
	if (facts->root)
		finding_add(to, name, FINDING_PRESENT, "", "not needed by root");
	else if (!facts->newuidmap)
		finding_add(to, name, FINDING_DEGRADED, "apt install uidmap",
			    "no newuidmap: sandboxes share this user's uid");
	else if (!facts->subuids || !facts->subgids)
		finding_add(to, name, FINDING_DEGRADED, mend,
			    "%s has no range for %s: sandboxes share its uid",
			    facts->subuids ? "/etc/subgid" : "/etc/subuid", facts->user);
	else if (facts->no_new_privileges)
		finding_add(
			to, name, FINDING_DEGRADED,
			facts->container ? "start the container without no-new-privileges, or leave it so"
					 : "start kiln without NoNewPrivileges=, or leave it so",
			"newuidmap gets no rights under no-new-privileges: sandboxes share this user's uid");
	else
		finding_add(to, name, FINDING_PRESENT, "", "newuidmap and a range in /etc/subuid");
}

static void seccomp_check(struct findings *to, const struct doctor_facts *facts)
{
	finding_add(to, "seccomp", facts->seccomp ? FINDING_PRESENT : FINDING_MISSING,
		    "a kernel with CONFIG_SECCOMP_FILTER",
		    facts->seccomp ? "filters that end a process" : "no filters");
}

static void landlock_check(struct findings *to, const struct doctor_facts *facts)
{
	if (facts->landlock_abi > 0)
		finding_add(to, "landlock", FINDING_PRESENT, "", "ABI %ld", facts->landlock_abi);
	else
		finding_add(to, "landlock", FINDING_DEGRADED,
			    facts->filtered && facts->kernel_major > 5
				    ? openings[facts->container].seccomp
				    : "a kernel with CONFIG_SECURITY_LANDLOCK and lsm=landlock,…",
			    "not to be had here: one wall less behind the others");
}

static void calls_check(struct findings *to, const struct doctor_facts *facts)
{
	const struct {
		const char *name;
		int error;
		const char *present;
	} calls[] = {
		{ "memfd", facts->memfd, "programs can be run from sealed memory" },
		{ "openat2", facts->openat2, "resolves beneath a folder" },
		{ "pidfd", facts->pidfd, "processes can be held by descriptor" },
		{ "clone3", facts->clone3, "available" },
	};

	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		if (calls[i].error == 0 && (i > 0 || facts->memfd_noexec < 2))
			finding_add(to, calls[i].name, FINDING_PRESENT, "", "%s", calls[i].present);
		else if (calls[i].error == 0)
			finding_add(to, calls[i].name, FINDING_MISSING, "sysctl vm.memfd_noexec=0",
				    "programs in memory are switched off");
		else
			finding_add(to, calls[i].name, FINDING_MISSING,
				    facts->filtered ? openings[facts->container].seccomp : "a newer kernel",
				    "refused (%s)%s", strerrorname_np(calls[i].error),
				    facts->filtered ? ", by the seccomp filter that kiln was started under"
						    : "");
	}
}

static void habits_check(struct findings *to, const struct doctor_facts *facts)
{
	finding_add(to, "swap", FINDING_PRESENT, "", "%s",
		    facts->swap_in_use ? "in use on this host" : "none on this host");
	/* A handler behind a pipe runs as root on every crash; RLIMIT_CORE 1, which sandboxes have, makes the kernel
	 * skip it: core(5). */
	finding_add(to, "core dumps", FINDING_PRESENT, "", "core_pattern is '%s'; sandboxes dump none",
		    facts->core_pattern);
}

/* Being in one is no fault: what it lacks has lines of its own. Having all rights of the host in one is. */
static void container_check(struct findings *to, const struct doctor_facts *facts)
{
	static const int privileged[] = { CAP_SYS_ADMIN, CAP_SYS_MODULE, CAP_SYS_RAWIO };
	bool all = facts->root && !facts->filtered;

	for (size_t i = 0; i < ARRAY_LEN(privileged); i++)
		all &= has_capability(facts, privileged[i]);
	if (!facts->container)
		finding_add(to, "container", FINDING_PRESENT, "", "kiln is not in one");
	else if (all)
		finding_add(to, "container", FINDING_DEGRADED,
			    "start the container without --privileged: docs/docker.md says what is enough",
			    "kiln is in one (%s) that is privileged: as good as none", facts->container_name);
	else
		finding_add(to, "container", FINDING_PRESENT, "", "kiln is in one (%s), without --privileged",
			    facts->container_name);
}

void doctor_host_check(struct findings *to, const struct doctor_facts *facts)
{
	static void (*const checks[])(struct findings * to, const struct doctor_facts *facts) = {
		kernel_check,  capabilities_check, userns_check, sandbox_check, proc_check,	 subuid_check,
		seccomp_check, landlock_check,	   calls_check,	 habits_check,	container_check,
	};

	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		checks[i](to, facts);
}
