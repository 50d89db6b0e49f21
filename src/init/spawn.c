/*
 * From fork to exec of the user's program. The order is the point: what needs a capability comes before the
 * bounding set and the uid are given up, seccomp is the last thing before exec.
 *
 * Only async-signal-safe calls and prepared data in here; what fails goes up the error pipe as {stage,
 * errno}.
 */
#include "init/init_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

/* Where they stand while everything else is closed. In init these numbers are taken, so that none is overwritten. */
#define CONTROL_FD  3 /* a driver's, the only one that it keeps; of LAUNCH_ANY until exec */
#define ERROR_FD    4
#define LANDLOCK_FD 5

static _Noreturn void fail(int fd, enum wire_stage stage, int error)
{
	struct spawn_error report = { .stage = (uint8_t)stage, .error = error };

	while (write(fd, &report, sizeof(report)) < 0 && errno == EINTR)
		;
	_exit(127);
}

/* No more than the mask: init has every signal's default (in containers by container.c), and no handler. */
static int reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* One that need not be open. */
static int close_one(int fd)
{
	return close(fd) < 0 && errno != EBADF ? -1 : 0;
}

/* Standard streams to 0, 1, 2; a driver's control, error pipe and Landlock rules behind them; all else closed. */
static int connect_stdio(const struct spawn *spawn)
{
	for (int i = 0; i < 3; i++) {
		if (dup2(spawn->stdio[i], i) < 0)
			return -errno;
	}
	if (spawn->control_fd >= 0
		    ? dup3(spawn->control_fd, CONTROL_FD, spawn->how == LAUNCH_DRIVER ? 0 : O_CLOEXEC) < 0
		    : close_one(CONTROL_FD) < 0)
		return -errno;
	if (dup3(spawn->error_fd, ERROR_FD, O_CLOEXEC) < 0)
		return -errno;
	if (spawn->landlock_fd >= 0 ? dup3(spawn->landlock_fd, LANDLOCK_FD, O_CLOEXEC) < 0
				    : close_one(LANDLOCK_FD) < 0)
		return -errno;
	return close_from(LANDLOCK_FD + 1);
}

static int set_rlimit(int which, int64_t value)
{
	struct rlimit now, want = { .rlim_cur = (rlim_t)value, .rlim_max = (rlim_t)value };

	if (getrlimit((__rlimit_resource_t)which, &now) < 0)
		return -errno;
	/* Raising a hard limit needs a capability that kiln does without. */
	if (now.rlim_max < want.rlim_max)
		want.rlim_cur = want.rlim_max = now.rlim_max;
	return setrlimit((__rlimit_resource_t)which, &want) < 0 ? -errno : 0;
}

int64_t spawn_cpu_seconds(const struct limits *limits)
{
	return (limits->value[LIMIT_CPU_MS] + 999) / 1000 + 2;
}

/* What RLIMIT_NPROC is where a cgroup holds processes: a back-stop, which a program that asks finds roomy. */
#define NPROC_BACKSTOP 1024

int64_t spawn_processes(const struct spawn *spawn)
{
	int64_t processes = spawn->limits->value[LIMIT_PROCESSES];

	/* Init itself counts if it is the same uid; the step's own process where the kernel counts forks. */
	if (spawn->flags & WIRE_START_NPROC)
		return processes + (spawn->init_uid == spawn->config->payload_uid) -
		       spawn->foreign.nproc_without_self;
	return processes + 8 > NPROC_BACKSTOP ? processes + 8 : NPROC_BACKSTOP;
}

struct rlimit_row {
	int which;
	int64_t value;
	bool may_be_refused; /* by a kernel that does not know it, and has nothing that it would bound */
};

static int set_rlimit_rows(const struct rlimit_row *rows, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		r = set_rlimit(rows[i].which, rows[i].value);
		if (r == -EPERM && rows[i].may_be_refused)
			r = 0;
	}
	return r;
}

/*
 * What every step has. CORE is 1 and not 0: with a pipe in core_pattern the kernel ignores 0 and starts the host's
 * handler; 1 makes it skip the dump (fs/coredump.c). AS and DATA stay unlimited: memory is the cgroup's business
 * (runtimes reserve terabytes).
 *
 * gVisor refuses (EPERM) to lower what it does not know: its message queues take no messages, a process may be nice but
 * not the opposite, and signals that are pending have a bound of their own.
 */
static int set_fixed_rlimits(void)
{
	static const struct rlimit_row rows[] = {
		{ RLIMIT_CORE, 1 },
		{ RLIMIT_MEMLOCK, 64 * 1024 },
		{ RLIMIT_MSGQUEUE, 64 * 1024, true },
		{ RLIMIT_SIGPENDING, 256, true },
		{ RLIMIT_NICE, 0, true },
		{ RLIMIT_RTPRIO, 0, true },
	};

	return set_rlimit_rows(rows, ARRAY_LEN(rows));
}

static int set_rlimits(const struct spawn *spawn)
{
	const int64_t *limit = spawn->limits->value;
	const struct rlimit_row rows[] = {
		{ RLIMIT_FSIZE, limit[LIMIT_FILE_BYTES] },
		{ RLIMIT_NOFILE, limit[LIMIT_OPEN_FILES] },
		{ RLIMIT_STACK, limit[LIMIT_STACK_BYTES] },
		{ RLIMIT_NPROC, spawn_processes(spawn) },
	};
	int r = set_rlimit_rows(rows, ARRAY_LEN(rows));

	/* What is booted ahead gets its time when its step begins. */
	if (r < 0 || spawn->how == LAUNCH_HELD || spawn->how == LAUNCH_DRIVER)
		return r;
	return set_rlimit(RLIMIT_CPU, spawn_cpu_seconds(spawn->limits));
}

/*
 * The keeper has said so for a whole sandbox; of a container init itself is to be the last to go. The file is root's,
 * as all of a process that cannot be looked into, and init, whose ids we still have, touches files as the user.
 */
static void go_first_without_memory(void)
{
	int fd;

	setfsuid(getuid());
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1000", 4) < 0)
		errno = 0;
	close(fd);
}

/*
 * Not even a capability that root could get back: the bounding set empty, securebits locked. Needs CAP_SETPCAP. EINVAL
 * is what a kernel says of an option that it does not know: one without ambient capabilities has none to clear, and one
 * without securebits, which is gVisor's, gives root no more than is in the bounding set.
 */
static int drop_bounding_set(void)
{
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
				   SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
				   SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	for (int cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno != EINVAL)
			return -errno;
		break; /* this kernel has no more */
	}
	return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0 && errno != EINVAL ? -errno : 0;
}

static int become_user(const struct init_config *config)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	int r = drop_bounding_set();

	if (r < 0)
		return r;
	/*
	 * Raw system calls: glibc's wrappers would signal other threads, of which there are none.
	 * Supplementary groups were given up when the sandbox was made, where the host allows that.
	 */
	if (syscall(SYS_setresgid, config->payload_gid, config->payload_gid, config->payload_gid) < 0 ||
	    syscall(SYS_setresuid, config->payload_uid, config->payload_uid, config->payload_uid) < 0 ||
	    syscall(SYS_capset, &header, none) < 0)
		return -errno;
	/* A change of credentials clears the death signal. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

static int load_filters(const struct spawn *spawn)
{
	const struct sock_filter *filter = spawn->filter;

	for (int i = 0; i < 2; i++) {
		struct sock_fprog program = {
			.len = (unsigned short)spawn->config->filter_len[i],
			.filter = (struct sock_filter *)filter,
		};

		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
			return -errno;
		filter += program.len;
	}
	return 0;
}

static const char *search_path(char *const *envp)
{
	for (; *envp; envp++) {
		if (strncmp(*envp, "PATH=", 5) == 0)
			return *envp + 5;
	}
	return DEFAULT_PATH;
}

/* One folder of the search path; what is too long for a path is not there. */
static int execute_in(const struct spawn *spawn, const char *folder, size_t folder_len)
{
	size_t command_len = strlen(spawn->argv[0]);
	char path[WIRE_PATH_MAX];

	if (folder_len + 1 + command_len >= sizeof(path))
		return ENOENT;
	memcpy(path, folder, folder_len);
	path[folder_len] = '/';
	memcpy(path + folder_len + 1, spawn->argv[0], command_len + 1);
	execve(path, spawn->argv, spawn->envp);
	return errno;
}

/* As execvp(3) searches: a file that may not be executed is remembered, one that is not there passed over. */
static int execute(const struct spawn *spawn)
{
	const char *at = search_path(spawn->envp);
	int error = ENOENT;

	if (strchr(spawn->argv[0], '/')) {
		execve(spawn->argv[0], spawn->argv, spawn->envp);
		return -errno;
	}
	for (;;) {
		size_t len = strcspn(at, ":");
		int tried = len ? execute_in(spawn, at, len) : ENOENT;

		if (tried != ENOENT && tried != ENOTDIR)
			error = tried;
		if ((tried != ENOENT && tried != ENOTDIR && tried != EACCES) || !at[len])
			return -error;
		at += len + 1;
	}
}

static void read_all(int fd, uint8_t *to, size_t len)
{
	while (len) {
		ssize_t n = read(fd, to, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(127); /* init has thought better of it */
		to += n;
		len -= (size_t)n;
	}
}

static void fill_vector(const struct wire_strings *strings, char **vector)
{
	const char *at = strings->first;

	for (uint32_t i = 0; i < strings->count; i++, at = wire_strings_next(at))
		vector[i] = (char *)at;
	vector[strings->count] = NULL;
}

/*
 * In a new mount the first look at a file takes ten times as long as the second. Nearly every program begins with
 * these; that one is not there does not matter.
 */
static void look_ahead(void)
{
	static const char *const files[] = {
#if defined(__x86_64__)
		"/lib64/ld-linux-x86-64.so.2",
		"/lib/x86_64-linux-gnu/libc.so.6",
#elif defined(__aarch64__)
		"/lib/ld-linux-aarch64.so.1",
		"/lib/aarch64-linux-gnu/libc.so.6",
#endif
		"/etc/ld.so.cache",
		"/usr/bin/env",
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if (access(files[i], F_OK) < 0)
			errno = 0;
	}
}

/* Everything is done but what depends on the step: says so, and waits for the payload of its START. */
static void await_command(struct spawn *spawn)
{
	static char *argv[WIRE_STRINGS_MAX + 1], *envp[WIRE_STRINGS_MAX + 1];
	static struct wire_start start;
	struct wire_frame frame = { .payload = spawn->room };

	if (write(CONTROL_FD, "", 1) != 1)
		_exit(127);
	read_all(CONTROL_FD, (uint8_t *)&frame.len, sizeof(frame.len));
	if (frame.len > WIRE_TO_INIT_MAX)
		_exit(127);
	read_all(CONTROL_FD, spawn->room, frame.len);
	if (wire_start_decode(&frame, &start) < 0)
		_exit(127);
	fill_vector(&start.argv, argv);
	fill_vector(&start.envp, envp);
	spawn->argv = argv;
	spawn->envp = envp;
	spawn->limits = &start.limits;
}

/*
 * As the user, who may have closed a home of his own to himself, and is to be able to open it. Ahead of the step it is
 * not opened: a run that is still at work may want it closed.
 */
static int enter(const struct spawn *spawn)
{
	if (chdir(spawn->dir) == 0)
		return 0;
	if (errno != EACCES || spawn->how == LAUNCH_ANY || chmod(spawn->dir, S_IRWXU) < 0 ||
	    chdir(spawn->dir) < 0)
		return -errno;
	return 0;
}

_Noreturn void spawn_child(struct spawn *spawn)
{
	int r;

	if (setsid() < 0 || reset_signals() < 0)
		fail(spawn->error_fd, WIRE_STAGE_SESSION, errno);
	umask(022);
	r = connect_stdio(spawn);
	if (r < 0)
		fail(spawn->error_fd, WIRE_STAGE_STDIO, -r);
	if (spawn->flags & WIRE_START_TTY && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
		fail(ERROR_FD, WIRE_STAGE_SESSION, errno);
	/* Its own cgroup as the root of what /proc/self/cgroup shows. */
	if (spawn->flags & WIRE_START_CGROUP)
		unshare(CLONE_NEWCGROUP);
	if (spawn->contained)
		go_first_without_memory();
	r = set_fixed_rlimits();
	if (r == 0 && spawn->how != LAUNCH_ANY)
		r = set_rlimits(spawn);
	if (r < 0)
		fail(ERROR_FD, WIRE_STAGE_RLIMIT, -r);
	r = become_user(spawn->config);
	if (r < 0)
		fail(ERROR_FD, WIRE_STAGE_CREDENTIALS, -r);
	r = enter(spawn);
	if (r < 0)
		fail(ERROR_FD, WIRE_STAGE_CHDIR, -r);
	if (spawn->landlock_fd >= 0 && syscall(SYS_landlock_restrict_self, LANDLOCK_FD, 0) < 0)
		fail(ERROR_FD, WIRE_STAGE_LANDLOCK, errno);
	r = load_filters(spawn);
	if (r < 0)
		fail(ERROR_FD, WIRE_STAGE_SECCOMP, -r);
	if (spawn->how == LAUNCH_HELD && syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0) < 0)
		fail(ERROR_FD, WIRE_STAGE_EXEC, errno);
	if (spawn->how == LAUNCH_ANY) {
		look_ahead();
		await_command(spawn);
		r = set_rlimits(spawn);
		if (r < 0)
			fail(ERROR_FD, WIRE_STAGE_RLIMIT, -r);
	}
	r = execute(spawn);
	fail(ERROR_FD, WIRE_STAGE_EXEC, -r);
}
