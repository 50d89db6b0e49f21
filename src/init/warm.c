/*
 * A step that is started ahead, so that its runtime has booted when the user's code comes.
 *
 * How it works. The process is the command of the step itself, made by the same code as a cold one, and traced by init
 * while it boots. At each system call that it enters init looks at the path among its arguments; the first one that
 * names something below /sandbox, or a relative one, since /sandbox is the working directory, finds the process stopped
 * before the kernel has done anything about it. There it waits. Its other threads are let go: none of the runtimes
 * looks at files of its program but from the one thread. When the step comes, the process is let go too, and goes on
 * untraced with the very call: nothing tells it from one that was fast. So what the user's program can see of itself is
 * what it would see cold, but for its age. (A process that must do other things ahead, like warming up a compiler, is a
 * driver: another program, which is told by a socket what it shall be.)
 *
 * Everything that a booted runtime has read must be what it would read now, or it is killed and the step made cold:
 * arguments and environment are compared, so is the stack, from which the sizes of threads' stacks follow; the other
 * resource limits are set when the step begins. Nothing that it may have printed is kept: then it is killed as well.
 */
#include "init/init_priv.h"
#include "init/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSCALL_STOP (SIGTRAP | 0x80)
#define OPTIONS                                                                                              \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |             \
	 PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL)
#define PATH_SHOWN 16 /* bytes of a path that are looked at */

/* ---- what a system call names ---- */

#define NO_FOLDER (-1)

/* Calls that take a path: which argument it is, and which one is the folder that it starts from. */
static const struct path_call {
	int number;
	int8_t path, folder;
} path_calls[] = {
#ifdef SYS_open
	{ SYS_open, 0, NO_FOLDER },
	{ SYS_creat, 0, NO_FOLDER },
	{ SYS_stat, 0, NO_FOLDER },
	{ SYS_lstat, 0, NO_FOLDER },
	{ SYS_access, 0, NO_FOLDER },
	{ SYS_readlink, 0, NO_FOLDER },
	{ SYS_mkdir, 0, NO_FOLDER },
	{ SYS_unlink, 0, NO_FOLDER },
	{ SYS_rename, 0, NO_FOLDER },
	{ SYS_rename, 1, NO_FOLDER },
	{ SYS_link, 1, NO_FOLDER },
	{ SYS_symlink, 1, NO_FOLDER },
#endif
	{ SYS_openat, 1, 0 },
	{ SYS_openat2, 1, 0 },
	{ SYS_newfstatat, 1, 0 },
	{ SYS_statx, 1, 0 },
	{ SYS_faccessat, 1, 0 },
	{ SYS_faccessat2, 1, 0 },
	{ SYS_readlinkat, 1, 0 },
	{ SYS_mkdirat, 1, 0 },
	{ SYS_unlinkat, 1, 0 },
	{ SYS_renameat2, 1, 0 },
	{ SYS_renameat2, 3, 2 },
	{ SYS_linkat, 3, 2 },
	{ SYS_symlinkat, 2, 1 },
	{ SYS_execve, 0, NO_FOLDER },
	{ SYS_execveat, 1, 0 },
	{ SYS_chdir, 0, NO_FOLDER },
	{ SYS_statfs, 0, NO_FOLDER },
	{ SYS_truncate, 0, NO_FOLDER },
	{ SYS_getxattr, 0, NO_FOLDER },
	{ SYS_lgetxattr, 0, NO_FOLDER },
	{ SYS_listxattr, 0, NO_FOLDER },
	{ SYS_inotify_add_watch, 1, NO_FOLDER },
};

/* The begin of a text in the stopped thread's memory; aligned words never run into a page that is not there. */
static bool read_text(pid_t pid, uint64_t address, char ret[PATH_SHOWN + 1])
{
	size_t len = 0;

	for (uint64_t at = address & ~(uint64_t)(sizeof(long) - 1); len < PATH_SHOWN; at += sizeof(long)) {
		char bytes[sizeof(long)];
		long word;

		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, pid, (void *)(uintptr_t)at, NULL);
		if (errno)
			return false;
		memcpy(bytes, &word, sizeof(bytes));
		for (size_t i = at < address ? address - at : 0; i < sizeof(bytes) && len < PATH_SHOWN; i++) {
			ret[len++] = bytes[i];
			if (bytes[i] == '\0')
				return true;
		}
	}
	ret[len] = '\0';
	return true;
}

static bool is_in_sandbox(const char *path, bool from_here)
{
	static const char sandbox[] = "/sandbox";
	size_t len = sizeof(sandbox) - 1;

	if (path[0] != '/')
		return from_here;
	return strncmp(path, sandbox, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static bool looks_at_sandbox(pid_t pid, const struct path_call *call, const uint64_t *args)
{
	bool from_here = call->folder == NO_FOLDER || (int)args[call->folder] == AT_FDCWD;
	char path[PATH_SHOWN + 1];

	/* What cannot be read the kernel will refuse as well. */
	return read_text(pid, args[call->path], path) && is_in_sandbox(path, from_here);
}

/* 1: the thread is about to look at the sandbox's files, 0: it is not, or a negative errno. */
static int reaches_sandbox(pid_t pid)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) < 0)
		return -errno;
	if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return 0;
	for (size_t i = 0; i < sizeof(path_calls) / sizeof(path_calls[0]); i++) {
		if ((uint64_t)path_calls[i].number == info.entry.nr &&
		    looks_at_sandbox(pid, &path_calls[i], info.entry.args))
			return 1;
	}
	return 0;
}

/* ---- the process ---- */

static void warm_clear(struct warm *warm)
{
	launched_close(&warm->process);
	free(warm->payload);
	*warm = (struct warm){ .process = LAUNCHED_NONE };
}

static void tell_warmed(struct init *init, int error)
{
	uint8_t payload[4];

	counters_tell(init);
	wire_u32_encode((uint32_t)error, payload, sizeof(payload));
	out_frame(init, WIRE_WARMED, 0, payload, sizeof(payload));
}

/* Kills and reaps it; who waits for it is told why it will not come. */
static void warm_fail(struct init *init, int error)
{
	bool awaited = init->warm.state == WARM_BOOTING || init->warm.state == WARM_SETTLING;

	kill_and_reap_all(init);
	warm_clear(&init->warm);
	if (awaited)
		tell_warmed(init, error);
}

void warm_drop(struct init *init)
{
	if (init->warm.state != WARM_NONE)
		warm_fail(init, ECANCELED);
}

void warm_give_up(struct init *init)
{
	warm_fail(init, ETIMEDOUT);
}

static void warm_ready(struct init *init)
{
	init->warm.state = WARM_READY;
	tell_warmed(init, 0);
	session_own_pages(init);
}

static enum launch_how how_to_launch(const struct wire_start *start)
{
	if (start->flags & WIRE_START_ANY)
		return LAUNCH_ANY;
	return start->flags & WIRE_START_DRIVER ? LAUNCH_DRIVER : LAUNCH_HELD;
}

void warm_start(struct init *init, const struct wire_frame *frame)
{
	struct warm *warm = &init->warm;
	struct wire_frame copy = { .len = frame->len };
	enum wire_stage stage;
	int r = -ENOMEM;

	if (init->step.running || warm->state != WARM_NONE)
		_exit(1);
	warm->payload = malloc(frame->len);
	if (warm->payload) {
		memcpy(warm->payload, frame->payload, frame->len);
		copy.payload = warm->payload;
		if (wire_start_decode(&copy, &warm->start) < 0 || warm->start.flags & WIRE_START_HOT)
			_exit(1);
		r = launch(init, &warm->start, how_to_launch(&warm->start), &warm->process, &stage);
	}
	if (r < 0) {
		warm_clear(warm);
		tell_warmed(init, -r);
		return;
	}
	warm->deadline_us = warm->process.start_us + (uint64_t)warm->start.limits.value[LIMIT_WALL_MS] * 1000;
	warm->state = WARM_BOOTING;
}

void warm_heard(struct init *init)
{
	uint8_t byte;
	ssize_t n = recv(init->warm.process.control_fd, &byte, 1, MSG_DONTWAIT);

	if (n == 1)
		warm_ready(init);
	else if (n == 0 || errno != EAGAIN)
		warm_fail(init, ECHILD);
}

/* Ready when nothing but the held thread is traced. */
static void check_settled(struct init *init)
{
	const struct warm *warm = &init->warm;

	for (size_t i = 0; i < warm->tasks_count; i++) {
		if (!warm->tasks[i].free && warm->tasks[i].pid != warm->held)
			return;
	}
	if (warm->state == WARM_SETTLING)
		warm_ready(init);
}

static struct warm_task *find_task(struct warm *warm, pid_t pid)
{
	for (size_t i = 0; i < warm->tasks_count; i++) {
		if (warm->tasks[i].pid == pid)
			return &warm->tasks[i];
	}
	return NULL;
}

bool warm_ended(struct init *init, pid_t pid)
{
	struct warm *warm = &init->warm;
	struct warm_task *task;

	if (warm->state == WARM_NONE)
		return false;
	task = find_task(warm, pid);
	if (task)
		task->free = true;
	if (pid == warm->process.pid || pid == warm->held)
		warm_fail(init, ECHILD);
	else
		check_settled(init);
	return true;
}

/* ---- stops of what init traces ---- */

/* NULL: there are too many. */
static struct warm_task *add_task(struct warm *warm, pid_t pid)
{
	if (warm->tasks_count == WARM_TASKS_MAX)
		return NULL;
	warm->tasks[warm->tasks_count] = (struct warm_task){ .pid = pid };
	return &warm->tasks[warm->tasks_count++];
}

/* Everything but the held thread goes on untraced: each is stopped for that. One that is new stops by itself. */
static void let_others_go(struct init *init)
{
	struct warm *warm = &init->warm;

	warm->state = WARM_SETTLING;
	for (size_t i = 0; i < warm->tasks_count; i++) {
		if (warm->tasks[i].pid != warm->held && warm->tasks[i].begun && !warm->tasks[i].free)
			syscall(SYS_tkill, warm->tasks[i].pid, SIGSTOP);
	}
	check_settled(init);
}

/* It is about to enter, or has left, a system call. */
static void stopped_at_call(struct init *init, pid_t pid)
{
	struct warm *warm = &init->warm;
	int r = reaches_sandbox(pid);

	if (r == 0) {
		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	} else if (r > 0 && warm->state == WARM_BOOTING) {
		warm->held = pid;
		let_others_go(init);
	} else {
		/* Two that want to at once are more than this is made for. */
		warm_fail(init, r < 0 ? -r : EBUSY);
	}
}

/*
 * SIGSTOP is what each new thread begins with, or was sent by let_others_go(); the first of all begins with the SIGTRAP
 * of its exec.
 */
static void stopped_by_signal(struct init *init, struct warm_task *task, int number)
{
	bool first = !task->begun;

	task->begun = true;
	if (number == SIGSTOP && init->warm.state == WARM_SETTLING) {
		ptrace(PTRACE_DETACH, task->pid, NULL, NULL);
		task->free = true;
		check_settled(init);
		return;
	}
	if (first)
		ptrace(PTRACE_SETOPTIONS, task->pid, NULL, (void *)OPTIONS);
	ptrace(PTRACE_SYSCALL, task->pid, NULL, (void *)(intptr_t)(first ? 0 : number));
}

/* A thread has made another one, or has executed something. Which of the two is heard of first is chance. */
static void stopped_by_event(struct init *init, pid_t pid, int event)
{
	struct warm *warm = &init->warm;
	unsigned long made = 0;

	if (event != PTRACE_EVENT_EXEC && ptrace(PTRACE_GETEVENTMSG, pid, NULL, &made) == 0 &&
	    !find_task(warm, (pid_t)made) && !add_task(warm, (pid_t)made))
		warm_fail(init, E2BIG);
	else
		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
}

void warm_stopped(struct init *init, pid_t pid, int status)
{
	struct warm *warm = &init->warm;
	int number = WSTOPSIG(status);
	struct warm_task *task;

	if (warm->state == WARM_NONE) {
		/* A program of the user's has made init its tracer: nothing comes of it. */
		ptrace(PTRACE_DETACH, pid, NULL, (void *)(intptr_t)(number == SIGTRAP ? 0 : number));
		return;
	}
	task = find_task(warm, pid);
	if (!task)
		task = add_task(warm, pid);
	if (!task)
		warm_fail(init, E2BIG);
	else if (number == SYSCALL_STOP)
		stopped_at_call(init, pid);
	else if (status >> 16)
		stopped_by_event(init, pid, status >> 16);
	else
		stopped_by_signal(init, task, number);
}

/* ---- becoming the step ---- */

static bool same_strings(const struct wire_strings *a, const struct wire_strings *b)
{
	return a->count == b->count && a->size == b->size && memcmp(a->first, b->first, a->size) == 0;
}

/* Whether it would have booted in the same way for `start`, and its limits need not be raised. */
static bool warm_fits(const struct warm *warm, const struct wire_start *start)
{
	static const enum limit_id lowered[] = { LIMIT_FILE_BYTES, LIMIT_OPEN_FILES, LIMIT_PROCESSES };
	const uint32_t beside = WIRE_START_HOT | WIRE_START_DRIVER | WIRE_START_ANY | WIRE_START_DROP;
	const struct wire_start *own = &warm->start;

	if (own->step != start->step || (own->flags & ~beside) != (start->flags & ~beside))
		return false;
	if (own->flags & WIRE_START_ANY)
		return true;
	if (own->limits.value[LIMIT_STACK_BYTES] != start->limits.value[LIMIT_STACK_BYTES])
		return false;
	for (size_t i = 0; i < sizeof(lowered) / sizeof(lowered[0]); i++) {
		if (start->limits.value[lowered[i]] > own->limits.value[lowered[i]])
			return false;
	}
	return own->flags & WIRE_START_DRIVER ||
	       (same_strings(&own->argv, &start->argv) && same_strings(&own->envp, &start->envp));
}

static bool has_printed(const struct launched *process)
{
	int waiting;

	for (int which = 0; which < 2; which++) {
		if (ioctl(process->output_fd[which], FIONREAD, &waiting) < 0 || waiting)
			return true;
	}
	return false;
}

static bool lower_limit(pid_t pid, int which, int64_t value)
{
	struct rlimit now, want = { .rlim_cur = (rlim_t)value, .rlim_max = (rlim_t)value };

	if (prlimit(pid, (__rlimit_resource_t)which, NULL, &now) < 0)
		return false;
	if (now.rlim_max < want.rlim_max)
		want.rlim_cur = want.rlim_max = now.rlim_max;
	return prlimit(pid, (__rlimit_resource_t)which, &want, NULL) == 0;
}

static bool lower_limits(const struct init *init, pid_t pid, const struct wire_start *start, uint64_t used_us)
{
	const int64_t *limit = start->limits.value;
	const struct spawn spawn = { .config = init->config,
				     .limits = &start->limits,
				     .flags = start->flags,
				     .init_uid = getuid(),
				     .foreign = init->foreign };

	return lower_limit(pid, RLIMIT_FSIZE, limit[LIMIT_FILE_BYTES]) &&
	       lower_limit(pid, RLIMIT_NOFILE, limit[LIMIT_OPEN_FILES]) &&
	       lower_limit(pid, RLIMIT_NPROC, spawn_processes(&spawn)) &&
	       lower_limit(pid, RLIMIT_CPU, (int64_t)(used_us / 1000000) + spawn_cpu_seconds(&start->limits));
}

/* Tells a driver what it shall be. What the socket does not take at once is too much for it. */
static bool tell_driver(const struct launched *process, const struct wire_start *start)
{
	size_t room = start->argv.size + start->envp.size + 64;
	uint8_t *message = malloc(room);
	int64_t len = message ? wire_driver_encode(start, message, room) : -ENOMEM;
	bool told = len > 0 &&
		    send(process->control_fd, message, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) == len;

	free(message);
	return told;
}

static bool tell_command(const struct launched *process, const struct wire_start *start)
{
	uint32_t len = start->raw_len;
	struct iovec iov[2] = { { &len, sizeof(len) }, { (void *)start->raw, len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n = sendmsg(process->control_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

	return n == (ssize_t)(sizeof(len) + len);
}

static bool let_go(const struct warm *warm, const struct wire_start *start)
{
	if (warm->start.flags & WIRE_START_ANY)
		return tell_command(&warm->process, start);
	if (warm->start.flags & WIRE_START_DRIVER)
		return tell_driver(&warm->process, start);
	return ptrace(PTRACE_DETACH, warm->held, NULL, NULL) == 0;
}

bool warm_take(struct init *init, const struct wire_start *start, struct launched *ret, uint64_t *ret_used_us)
{
	struct warm *warm = &init->warm;
	uint64_t start_us = now_us(), used_us;

	step_reap(init); /* it may have died without our having heard of it */
	if (warm->state != WARM_READY || !warm_fits(warm, start) || has_printed(&warm->process))
		return false;
	/* Where a cgroup counts it is the keeper that knows what was used before. */
	used_us = start->flags & WIRE_START_WATCH_CPU || !(warm->start.flags & WIRE_START_ANY)
			  ? process_cpu_us(init, warm->process.pid)
			  : 0;
	/* What executes the command itself sets its limits by itself. */
	if (!(warm->start.flags & WIRE_START_ANY) && !lower_limits(init, warm->process.pid, start, used_us))
		return false;
	if (!let_go(warm, start))
		return false;
	close_fd(&warm->process.control_fd);
	*ret = warm->process;
	ret->start_us = start_us;
	*ret_used_us = used_us;
	warm->process = LAUNCHED_NONE;
	warm_clear(warm);
	return true;
}
