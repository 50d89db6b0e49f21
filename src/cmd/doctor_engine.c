#include "base/cleanup.h"
#include "base/plural.h"
#include "cmd/doctor.h"

#include <errno.h>
#include <string.h>

/* Where the groups would have to come from, where there are none or too few of them. */
static const char *cgroup_mend(const struct doctor_facts *facts)
{
	static const char *const contained[] = {
		[CONTAINER_DOCKER] =
			"docker run as root with CAP_SYS_ADMIN and --cgroupns private: docs/docker.md; "
			"or give the container itself --memory and --pids-limit",
		[CONTAINER_PODMAN] =
			"podman run --security-opt unmask=/sys/fs/cgroup, as root in the container; or "
			"give the container itself --memory and --pids-limit",
		[CONTAINER_KUBERNETES] =
			"a runtime that makes the container's cgroups writable; or give the container "
			"itself resources.limits",
		[CONTAINER_OTHER] =
			"make the container's own cgroups writable for kiln; or give the container limits",
	};

	if (facts->container)
		return contained[facts->container];
	if (facts->cgroup_version == 0)
		return "mount cgroup version 2 at /sys/fs/cgroup";
	if (facts->root)
		return "cgroup_enable=memory on the kernel's command line, and no program that keeps the "
		       "controllers "
		       "from groups below the top";
	if (facts->systemd)
		return "start kiln with systemd-run --user --scope -p Delegate=yes, or as a user service "
		       "with "
		       "Delegate=yes; missing controllers: Delegate=memory pids cpu in user@.service.d";
	return "have root make a cgroup, give it to this user and name it by --cgroup";
}

static void cgroup_why(const struct doctor_facts *facts, char *ret, size_t size)
{
	if (facts->cgroup_version == 0)
		snprintf(ret, size, "none is mounted at /sys/fs/cgroup");
	else if (facts->cgroup_read_only)
		snprintf(ret, size, "version %d, mounted read-only%s", facts->cgroup_version,
			 facts->container ? ", as containers have them" : "");
	else if (!facts->root)
		snprintf(ret, size, "version %d, and none is delegated to this user", facts->cgroup_version);
	else
		snprintf(ret, size, "version %d, and none that kiln may use", facts->cgroup_version);
}

static void cgroups_check(struct findings *to, const struct native_host *host,
			  const struct doctor_facts *facts)
{
	char why[160];

	if (host->cgroup_version == 0) {
		cgroup_why(facts, why, sizeof(why));
		finding_add(to, "cgroups", FINDING_DEGRADED, cgroup_mend(facts), "%s", why);
		return;
	}
	finding_add(to, "cgroups", FINDING_PRESENT, "", "version %d, %s%s%s", host->cgroup_version,
		    host->cgroup_path, facts->cgroup_controllers[0] ? ", controllers: " : "",
		    facts->cgroup_controllers);
}

static const char *uids_mend(const struct doctor_facts *facts)
{
	if (facts->subuids && facts->subgids && facts->newuidmap && !facts->no_new_privileges)
		return facts->container
			       ? "newuidmap is refused: give it capabilities of its file in place of setuid "
				 "root, and the container SETUID and SETGID: docs/docker.md"
			       : "newuidmap is refused: look whether it is setuid root or has its "
				 "capabilities";
	return "run as root, or see the line sub-uids";
}

static const char *overlay_mend(const struct doctor_facts *facts)
{
	if (facts->root)
		return "modprobe overlay; an image store that is an overlay of many layers itself can refuse "
		       "one more";
	return "a kernel with overlayfs in user namespaces (5.11)";
}

static const char *swap_mend(const struct doctor_facts *facts)
{
	return facts->container ? "on the host: swapoff, or boot with swapaccount=1"
				: "swapoff, or boot with swapaccount=1";
}

/* One row for each thing that the keeper tried; the offset is that of its bool in struct native_host. */
static const struct fact {
	const char *name;
	size_t offset;
	const char *present, *absent;
	const char *(*mend)(const struct doctor_facts *facts);
} facts_of_keeper[] = {
	{ "memory limit", offsetof(struct native_host, memory), "held by a cgroup",
	  "watched, not held: a program can be over it for some milliseconds", cgroup_mend },
	{ "processes limit", offsetof(struct native_host, pids), "held by a cgroup",
	  "held by an rlimit of the uid", cgroup_mend },
	{ "cpu share", offsetof(struct native_host, cpu), "held by a cgroup", "cpu_percent cannot be held",
	  cgroup_mend },
	{ "cpu time", offsetof(struct native_host, cpu_time), "counted by a cgroup",
	  "counted by sampling processes", cgroup_mend },
	{ "swap limit", offsetof(struct native_host, swap_limited), "sandboxes cannot swap",
	  "swap is not counted to the memory limit", swap_mend },
	{ "own uids", offsetof(struct native_host, separate_uids), "each sandbox has a range of its own",
	  "sandboxes share one uid", uids_mend },
	{ "overlay", offsetof(struct native_host, overlay), "images are mounted through overlayfs",
	  "images are bind-mounted read-only instead: locks on their files are seen by neighbours",
	  overlay_mend },
};

static void sessions_check(struct findings *to, const struct native_host *host,
			   const struct doctor_facts *facts)
{
	if (host->sessions)
		finding_add(to, "sessions", FINDING_PRESENT, "", "up to %u at one time", host->sessions);
	else if (host->separate_uids)
		finding_add(to, "sessions", FINDING_DEGRADED,
			    "a range of 65536 in /etc/subuid and /etc/subgid",
			    "none: this user's range is too small for the uids of their users");
	else
		finding_add(to, "sessions", FINDING_DEGRADED, uids_mend(facts),
			    "none: their users need uids of their own");
}

void doctor_engine_check(struct findings *to, const struct native_host *host,
			 const struct doctor_facts *facts)
{
	finding_add(to, "privilege", FINDING_PRESENT, "", "%s",
		    host->privileged ? "the keeper runs as root"
				     : "rootless: the keeper runs as an ordinary user");
	cgroups_check(to, host, facts);
	for (size_t i = 0; i < ARRAY_LEN(facts_of_keeper); i++) {
		const struct fact *f = &facts_of_keeper[i];
		bool held = *(const bool *)((const char *)host + f->offset);

		finding_add(to, f->name, held ? FINDING_PRESENT : FINDING_DEGRADED, f->mend(facts), "%s",
			    held ? f->present : f->absent);
	}
	sessions_check(to, host, facts);
	if (host->leftovers > 0)
		finding_add(to, "leftovers", FINDING_PRESENT, "", "%u %s removed that an earlier kiln left",
			    host->leftovers, plural(host->leftovers, "sandbox was", "sandboxes were"));
}

void doctor_languages_check(struct findings *to, const struct language_registry *languages)
{
	char here[200] = "", gone[200] = "";
	size_t here_len = 0, gone_len = 0;

	for (const struct language *l = language_next(languages, NULL); l; l = language_next(languages, l)) {
		char *text = l->available ? here : gone;
		size_t *len = l->available ? &here_len : &gone_len;

		if (*len < sizeof(here))
			*len += (size_t)snprintf(text + *len, sizeof(here) - *len, " %s", l->id);
	}
	finding_add(to, "languages",
		    here_len == 0  ? FINDING_MISSING
		    : gone_len > 0 ? FINDING_DEGRADED
				   : FINDING_PRESENT,
		    "apt install gcc g++ python3 perl nodejs", "%s%s%s%s", here_len ? "here:" : "none", here,
		    gone_len ? "; not here:" : "", gone);
}
