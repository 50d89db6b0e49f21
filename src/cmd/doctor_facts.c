#include "cmd/doctor_facts.h"

#include "base/cleanup.h"
#include "cmd/doctor_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The first line of a small file without its newline; false when it cannot be read. */
static bool line_read(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	bool good = file && fgets(text, (int)size, file);

	if (file)
		fclose(file);
	if (good)
		text[strcspn(text, "\n")] = '\0';
	return good;
}

/* The number in a file, or -1 without it. */
static long long number_read(const char *path)
{
	char text[64];

	return line_read(path, text, sizeof(text)) ? strtoll(text, NULL, 10) : -1;
}

static void kernel_read(struct doctor_facts *ret)
{
	struct utsname u;

	uname(&u);
	snprintf(ret->release, sizeof(ret->release), "%.63s", u.release);
	if (sscanf(u.release, "%u.%u", &ret->kernel_major, &ret->kernel_minor) != 2)
		ret->kernel_major = ret->kernel_minor = 0;
	ret->max_user_namespaces = number_read("/proc/sys/user/max_user_namespaces");
	ret->unprivileged_userns_clone = number_read("/proc/sys/kernel/unprivileged_userns_clone");
	ret->apparmor_restrict_userns = number_read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
	ret->memfd_noexec = number_read("/proc/sys/vm/memfd_noexec");
	line_read("/proc/sys/kernel/core_pattern", ret->core_pattern, sizeof(ret->core_pattern));
}

static void rights_read(struct doctor_facts *ret)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long capabilities = 0;
	unsigned filter = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "CapEff: %llx", &capabilities) == 1)
			ret->capabilities = capabilities;
		else if (sscanf(line, "Seccomp: %u", &filter) == 1)
			ret->filtered = filter != 0;
	}
	if (file)
		fclose(file);
	ret->no_new_privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
	if (!line_read("/proc/self/attr/apparmor/current", ret->apparmor, sizeof(ret->apparmor)) ||
	    strcmp(ret->apparmor, "unconfined") == 0)
		ret->apparmor[0] = '\0';
	ret->apparmor[strcspn(ret->apparmor, " ")] = '\0'; /* " (enforce)" */
}

/* True when the file gives the user, by name or number, at least two ids. */
static bool range_has(const char *path, const char *user)
{
	FILE *file = fopen(path, "re");
	char line[512], owner[256], number[24];
	unsigned long long first, count;
	bool found = false;

	snprintf(number, sizeof(number), "%u", (unsigned)getuid());
	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%255[^:]:%llu:%llu", owner, &first, &count) == 3 && count >= 2 &&
			(strcmp(owner, user) == 0 || strcmp(owner, number) == 0);
	if (file)
		fclose(file);
	return found;
}

static void user_read(struct doctor_facts *ret)
{
	const struct passwd *pw = getpwuid(getuid());

	ret->root = geteuid() == 0;
	if (pw)
		snprintf(ret->user, sizeof(ret->user), "%.63s", pw->pw_name);
	else
		snprintf(ret->user, sizeof(ret->user), "%u", (unsigned)getuid());
	ret->newuidmap = access("/usr/bin/newuidmap", X_OK) == 0 && access("/usr/bin/newgidmap", X_OK) == 0;
	ret->subuids = range_has("/etc/subuid", ret->user);
	ret->subgids = range_has("/etc/subgid", ret->user);
}

/* A machine may have been made from a container's image, signs included; but no container is in all these at once. */
static bool in_first_namespaces(void)
{
	static const struct {
		const char *path;
		ino_t first; /* the kernel's fixed numbers: include/linux/proc_ns.h */
	} namespaces[] = {
		{ "/proc/self/ns/ipc", 0xEFFFFFFF },
		{ "/proc/self/ns/uts", 0xEFFFFFFE },
		{ "/proc/self/ns/pid", 0xEFFFFFFC },
	};
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
		if (stat(namespaces[i].path, &st) < 0 || st.st_ino != namespaces[i].first)
			return false;
	}
	return true;
}

static void container_read(struct doctor_facts *ret)
{
	static const struct {
		const char *path;
		enum container_kind kind;
		const char *name;
	} signs[] = {
		{ "/var/run/secrets/kubernetes.io/serviceaccount", CONTAINER_KUBERNETES, "kubernetes" },
		{ "/.dockerenv", CONTAINER_DOCKER, "docker" },
		{ "/run/.containerenv", CONTAINER_PODMAN, "podman" },
	};

	if (in_first_namespaces())
		return;
	if (getenv("KUBERNETES_SERVICE_HOST")) {
		ret->container = CONTAINER_KUBERNETES;
		snprintf(ret->container_name, sizeof(ret->container_name), "kubernetes");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
		if (access(signs[i].path, F_OK) < 0)
			continue;
		ret->container = signs[i].kind;
		snprintf(ret->container_name, sizeof(ret->container_name), "%s", signs[i].name);
		return;
	}
	if (line_read("/run/systemd/container", ret->container_name, sizeof(ret->container_name)))
		ret->container = CONTAINER_OTHER;
}

/* Calls that the engine cannot do without, each with arguments that fail in a known way, or do no harm. */
static void calls_read(struct doctor_facts *ret)
{
	const struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH };
	uint32_t action = SECCOMP_RET_KILL_PROCESS;
	AUTO_CLOSE int dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int beneath = (int)syscall(SYS_openat2, dir, ".", &how, sizeof(how));
	AUTO_CLOSE int pidfd = -1, memfd = -1;
	long abi;

	ret->openat2 = beneath < 0 ? errno : 0;
	pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	ret->pidfd = pidfd < 0 ? errno : 0;
	memfd = (int)syscall(SYS_memfd_create, "kiln-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ret->memfd = memfd < 0 ? errno : 0;
	syscall(SYS_clone3, NULL, 0);
	ret->clone3 = errno == EINVAL ? 0 : errno;
	ret->seccomp = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
	abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	ret->landlock_abi = abi > 0 ? abi : 0;
}

static void proc_read(struct doctor_facts *ret)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096], target[1024];

	ret->proc_mounted = file != NULL;
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*s %*s %*s %*s %1023s", target) == 1 &&
		    strncmp(target, "/proc/", 6) == 0 && strcmp(target, "/proc/sys/fs/binfmt_misc") != 0)
			ret->proc_covered++;
	}
	if (file)
		fclose(file);
}

static void swap_read(struct doctor_facts *ret)
{
	FILE *file = fopen("/proc/swaps", "re");
	char line[512];
	unsigned lines = 0;

	while (file && fgets(line, sizeof(line), file))
		lines++;
	if (file)
		fclose(file);
	ret->swap_in_use = lines > 1; /* the first is a heading */
}

/* Of the group that kiln is in, of the controllers that it uses those that are there. */
static void controllers_read(const char *own, struct doctor_facts *ret)
{
	static const char *const used[] = { "memory", "pids", "cpu" };
	char path[1100], line[256], word[16], list[260];
	size_t len = 0;

	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cgroup.controllers", own);
	if (!line_read(path, line, sizeof(line)))
		return;
	snprintf(list, sizeof(list), " %s ", line);
	for (size_t i = 0; i < ARRAY_LEN(used); i++) {
		snprintf(word, sizeof(word), " %s ", used[i]);
		if (strstr(list, word) && len < sizeof(ret->cgroup_controllers))
			len += (size_t)snprintf(ret->cgroup_controllers + len,
						sizeof(ret->cgroup_controllers) - len, "%s%s", len ? " " : "",
						used[i]);
	}
}

static void cgroups_read(struct doctor_facts *ret)
{
	bool unified = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
	const char *where = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
	FILE *file = fopen("/proc/self/cgroup", "re");
	struct statvfs fs;
	char line[1024];

	ret->cgroup_version = unified ? 2 : access("/sys/fs/cgroup/memory/tasks", F_OK) == 0 ? 1 : 0;
	ret->cgroup_read_only = statvfs(where, &fs) == 0 && fs.f_flag & ST_RDONLY;
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (unified && strncmp(line, "0::", 3) == 0)
			controllers_read(line + 3, ret);
	}
	if (file)
		fclose(file);
	ret->systemd = access("/run/systemd/system", F_OK) == 0;
}

void doctor_facts_read(struct doctor_facts *ret)
{
	*ret = (struct doctor_facts){ 0 };
	kernel_read(ret);
	rights_read(ret);
	user_read(ret);
	container_read(ret);
	calls_read(ret);
	proc_read(ret);
	swap_read(ret);
	cgroups_read(ret);
	doctor_probe(ret->root, ret->attempts);
}
