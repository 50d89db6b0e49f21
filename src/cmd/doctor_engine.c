#include "base/cleanup.h"
#include "cmd/doctor.h"

static const char cgroup_mend[] =
	"as root: nothing to do where cgroups are mounted; as an ordinary user: start kiln with "
	"systemd-run --user --scope -p Delegate=yes, or name a delegated cgroup by --cgroup";

/* One row for each thing that the keeper tried; the offset is that of its bool in struct native_host. */
static const struct fact {
	const char *name;
	size_t offset;
	const char *present, *absent, *mend;
} facts[] = {
	{ "memory limit", offsetof(struct native_host, memory), "held by a cgroup",
	  "watched, not held: a program can be over it for some milliseconds", cgroup_mend },
	{ "processes limit", offsetof(struct native_host, pids), "held by a cgroup",
	  "held by an rlimit of the uid", cgroup_mend },
	{ "cpu share", offsetof(struct native_host, cpu), "held by a cgroup", "cpu_percent cannot be held",
	  cgroup_mend },
	{ "cpu time", offsetof(struct native_host, cpu_time), "counted by a cgroup",
	  "counted by sampling processes", cgroup_mend },
	{ "swap limit", offsetof(struct native_host, swap_limited), "sandboxes cannot swap",
	  "swap is not counted to the memory limit", "swapoff, or boot with swapaccount=1" },
	{ "own uids", offsetof(struct native_host, separate_uids), "each sandbox has a range of its own",
	  "sandboxes share one uid",
	  "run as root, or apt install uidmap and give the user a range in /etc/subuid" },
	{ "overlay", offsetof(struct native_host, overlay), "images are mounted through overlayfs",
	  "images are bind-mounted read-only instead", "a kernel with overlayfs in user namespaces (5.11)" },
};

void doctor_engine_check(struct findings *to, const struct native_host *host)
{
	finding_add(to, "privilege", FINDING_PRESENT, "", "%s",
		    host->privileged ? "the keeper runs as root"
				     : "rootless: the keeper runs as an ordinary user");
	if (host->cgroup_version > 0)
		finding_add(to, "cgroups", FINDING_PRESENT, "", "version %d, %s", host->cgroup_version,
			    host->cgroup_path);
	else
		finding_add(to, "cgroups", FINDING_DEGRADED, cgroup_mend, "none that kiln may use");
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		const struct fact *f = &facts[i];
		bool held = *(const bool *)((const char *)host + f->offset);

		finding_add(to, f->name, held ? FINDING_PRESENT : FINDING_DEGRADED, f->mend, "%s",
			    held ? f->present : f->absent);
	}
	if (host->leftovers > 0)
		finding_add(to, "leftovers", FINDING_PRESENT, "",
			    "%u sandboxes of an earlier kiln were removed", host->leftovers);
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
