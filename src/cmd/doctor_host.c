#include "cmd/doctor.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define KERNEL_MAJOR 5
#define KERNEL_MINOR 10

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

/* The number in a file, or `missing` without it. */
static long long number_read(const char *path, long long missing)
{
	char text[64];

	return line_read(path, text, sizeof(text)) ? strtoll(text, NULL, 10) : missing;
}

static void kernel_check(struct findings *to)
{
	struct utsname u;
	unsigned major = 0, minor = 0;
	bool good;

	uname(&u);
	good = sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	       (major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR));
	finding_add(to, "kernel", good ? FINDING_PRESENT : FINDING_MISSING, "install Linux 5.10 or newer",
		    "Linux %s", u.release);
}

/* Whether a process of ours may make a user namespace: asked by making one, in a child that ends at once. */
static bool userns_works(void)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void userns_check(struct findings *to)
{
	static const char name[] = "user namespaces";

	if (userns_works())
		finding_add(to, name, FINDING_PRESENT, "", "can be made");
	else if (number_read("/proc/sys/user/max_user_namespaces", 1) == 0)
		finding_add(to, name, FINDING_MISSING, "sysctl user.max_user_namespaces=10000",
			    "switched off");
	else if (number_read("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0)
		finding_add(to, name, FINDING_MISSING, "sysctl kernel.unprivileged_userns_clone=1",
			    "switched off for ordinary users");
	else if (number_read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) == 1)
		finding_add(to, name, FINDING_MISSING,
			    "an AppArmor profile with userns for kiln, or sysctl "
			    "kernel.apparmor_restrict_unprivileged_userns=0",
			    "AppArmor refuses them to ordinary users");
	else
		finding_add(to, name, FINDING_MISSING,
			    "a container needs --security-opt seccomp=unconfined or the like",
			    "refused: by a container's seccomp filter, it seems");
}

/* True when /etc/subuid gives the user at least two ids. */
static bool subuid_has(const char *user)
{
	FILE *file = fopen("/etc/subuid", "re");
	char line[512], owner[256];
	unsigned long long first, count;
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%255[^:]:%llu:%llu", owner, &first, &count) == 3 &&
			strcmp(owner, user) == 0 && count >= 2;
	if (file)
		fclose(file);
	return found;
}

static void subuid_check(struct findings *to)
{
	static const char name[] = "sub-uids";
	const struct passwd *pw;

	if (geteuid() == 0) {
		finding_add(to, name, FINDING_PRESENT, "", "not needed by root");
		return;
	}
	pw = getpwuid(getuid());
	if (access("/usr/bin/newuidmap", X_OK) < 0 || access("/usr/bin/newgidmap", X_OK) < 0)
		finding_add(to, name, FINDING_DEGRADED, "apt install uidmap",
			    "no newuidmap: sandboxes share this user's uid");
	else if (!pw || !subuid_has(pw->pw_name))
		finding_add(to, name, FINDING_DEGRADED,
			    "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER",
			    "/etc/subuid has no range for this user: sandboxes share its uid");
	else
		finding_add(to, name, FINDING_PRESENT, "", "newuidmap and a range in /etc/subuid");
}

static void seccomp_check(struct findings *to)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;
	bool good = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;

	finding_add(to, "seccomp", good ? FINDING_PRESENT : FINDING_MISSING,
		    "a kernel with CONFIG_SECCOMP_FILTER",
		    good ? "filters that end a process" : "no filters");
}

static void landlock_check(struct findings *to)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi > 0)
		finding_add(to, "landlock", FINDING_PRESENT, "", "ABI %ld", abi);
	else
		finding_add(to, "landlock", FINDING_DEGRADED,
			    "a kernel with CONFIG_SECURITY_LANDLOCK and lsm=landlock,…",
			    "not in this kernel: one wall less behind the others");
}

static void memfd_check(struct findings *to)
{
	long long noexec = number_read("/proc/sys/vm/memfd_noexec", 0);
	AUTO_CLOSE int fd = (int)syscall(SYS_memfd_create, "kiln-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		finding_add(to, "memfd", FINDING_MISSING,
			    "a newer kernel, or a container without this filter", "no memfd");
	else if (noexec >= 2)
		finding_add(to, "memfd", FINDING_MISSING, "sysctl vm.memfd_noexec=0",
			    "programs in memory are switched off");
	else
		finding_add(to, "memfd", FINDING_PRESENT, "", "programs can be run from sealed memory");
}

/* Calls that the engine cannot do without, each with arguments that fail in a known way, or do no harm. */
static void calls_check(struct findings *to)
{
	const struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH };
	static const char mend[] = "a newer kernel, or a container whose seccomp filter lets it through";
	AUTO_CLOSE int dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int beneath = (int)syscall(SYS_openat2, dir, ".", &how, sizeof(how));
	AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	bool clone3 = syscall(SYS_clone3, NULL, 0) < 0 && errno == EINVAL;

	finding_add(to, "openat2", beneath >= 0 ? FINDING_PRESENT : FINDING_MISSING, mend, "%s",
		    beneath >= 0 ? "resolves beneath a folder" : "refused");
	finding_add(to, "pidfd", pidfd >= 0 ? FINDING_PRESENT : FINDING_MISSING, mend, "%s",
		    pidfd >= 0 ? "processes can be held by descriptor" : "refused");
	finding_add(to, "clone3", clone3 ? FINDING_PRESENT : FINDING_MISSING, mend, "%s",
		    clone3 ? "available" : "refused");
}

/* Mounts upon parts of /proc, as containers have them, make the kernel refuse a fresh /proc to a user namespace. */
static void proc_check(struct findings *to)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096], target[1024];
	unsigned covered = 0;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*s %*s %*s %*s %1023s", target) == 1 &&
		    strncmp(target, "/proc/", 6) == 0 && strcmp(target, "/proc/sys/fs/binfmt_misc") != 0)
			covered++;
	}
	if (file)
		fclose(file);
	finding_add(to, "/proc",
		    !file     ? FINDING_MISSING
		    : covered ? FINDING_DEGRADED
			      : FINDING_PRESENT,
		    "in a container: --security-opt systempaths=unconfined", "%s",
		    !file     ? "not mounted"
		    : covered ? "parts of it are covered: ordinary users may get no sandbox"
			      : "fully visible");
}

static void swap_check(struct findings *to)
{
	FILE *file = fopen("/proc/swaps", "re");
	char line[512];
	unsigned lines = 0;

	while (file && fgets(line, sizeof(line), file))
		lines++;
	if (file)
		fclose(file);
	finding_add(to, "swap", FINDING_PRESENT, "", "%s",
		    lines > 1 ? "in use on this host" : "none on this host");
}

static void core_check(struct findings *to)
{
	char pattern[256] = "";

	line_read("/proc/sys/kernel/core_pattern", pattern, sizeof(pattern));
	/* A handler behind a pipe runs as root on every crash; RLIMIT_CORE 1, which sandboxes have, makes the kernel
	 * skip it: core(5). */
	finding_add(to, "core dumps", FINDING_PRESENT, "", "core_pattern is '%s'; sandboxes dump none",
		    pattern);
}

static void container_check(struct findings *to)
{
	char manager[64] = "";
	const char *kind = NULL;

	if (access("/.dockerenv", F_OK) == 0)
		kind = "docker";
	else if (access("/run/.containerenv", F_OK) == 0)
		kind = "podman";
	else if (line_read("/run/systemd/container", manager, sizeof(manager)))
		kind = manager;
	if (kind)
		finding_add(to, "container", FINDING_DEGRADED,
			    "run kiln on the host, or give the container what is missing",
			    "kiln itself is in a container (%s)", kind);
	else
		finding_add(to, "container", FINDING_PRESENT, "", "kiln is not in one");
}

void doctor_host_check(struct findings *to)
{
	static void (*const checks[])(struct findings * to) = {
		kernel_check, userns_check, subuid_check, seccomp_check, landlock_check,  memfd_check,
		calls_check,  proc_check,   swap_check,	  core_check,	 container_check,
	};

	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		checks[i](to);
}
