/*
 * The builder (image/builder.h): the server's own program once more, which makes images for the front. Each front gets
 * the other end of its socket.
 *
 * What it runs needs more than we keep, so that nobody could start it again once we are confined. Therefore our child
 * is not the builder but its guard, forked before that: a process with the builder's rights that hears nobody. When a
 * builder dies, the guard takes over what its jobs had running, ends all of it, tells the front, and starts the next
 * one with the same socket. Without a guard a server runs as ever and makes no images.
 */
#include "keeper/keeper_priv.h"

#include "base/cleanup.h"
#include "wire/builder_proto.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HIGH_FD		20
#define GUARD_SOCKET_FD 3
#define GUARD_EXE_FD	4
#define LOOK_MS		50
#define PAUSE_MS	200
#define END_MS		5000 /* for a builder that is told to end, and for jobs whose builder has died */
#define DEATHS_MAX	5
#define DEATHS_US	(60ull * 1000000)

struct guard {
	char **argv;
	sigset_t signals; /* that it waits for; blocked */
	bool ending;
	pid_t builder_pid; /* 0: there is none */
	int status;	   /* how the last one ended */
	uint64_t deaths_us[DEATHS_MAX];
	unsigned deaths;
};

static _Noreturn void execute_builder(const struct guard *g, pid_t parent)
{
	sigset_t none;
	int exe_fd = fcntl(GUARD_EXE_FD, F_DUPFD_CLOEXEC, HIGH_FD);

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	if (getppid() != parent || exe_fd < 0 || fcntl(GUARD_SOCKET_FD, F_SETFD, 0) < 0)
		_exit(125);
	close_range(GUARD_SOCKET_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	setenv("KILN_BUILDER_FD", "3", 1);
	fexecve(exe_fd, g->argv, environ);
	_exit(125);
}

/* Waits a moment for a signal; notes that we are told to end. */
static void guard_wait(struct guard *g, int ms)
{
	const struct timespec time = { ms / 1000, ms % 1000 * 1000000L };
	int number = sigtimedwait(&g->signals, NULL, &time);

	if (number > 0 && number != SIGCHLD)
		g->ending = true;
}

/* All that have ended; false: there are no children any more. */
static bool guard_reap(struct guard *g)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != g->builder_pid)
			continue;
		g->builder_pid = 0;
		g->status = status;
	}
	return pid == 0;
}

/*
 * With their process groups, as the builder does it: jobs have their own. What they leave behind comes to us and is
 * found the next time.
 */
static void signal_children(int number)
{
	FILE *list = fopen("/proc/thread-self/children", "re");
	int pid;

	while (list && fscanf(list, "%d", &pid) == 1) {
		kill(-pid, number);
		kill(pid, number);
	}
	if (list)
		fclose(list);
}

/* After it nothing of a builder lives, of whose children we are the parent when it is dead. */
static void end_children(struct guard *g)
{
	uint64_t until_us = keeper_now_us() + END_MS * 1000ull;

	signal_children(SIGTERM);
	while (guard_reap(g)) {
		if (keeper_now_us() >= until_us)
			signal_children(SIGKILL);
		guard_wait(g, LOOK_MS);
	}
}

static bool guard_dies_too_often(struct guard *g)
{
	uint64_t now_us = keeper_now_us(), *oldest = &g->deaths_us[g->deaths++ % DEATHS_MAX];
	bool often = *oldest && now_us - *oldest < DEATHS_US;

	*oldest = now_us;
	return often;
}

/* A front that does not read just now hears it later; one that is gone has a successor with jobs of its own. */
static void tell_front(struct guard *g)
{
	struct builder_message message = { .event = BUILDER_DIED };

	while (send(GUARD_SOCKET_FD, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
	       (errno == EAGAIN || errno == EINTR) && !g->ending)
		guard_wait(g, LOOK_MS);
}

static void start_builder(struct guard *g)
{
	pid_t parent = getpid();

	g->status = 125 << 8;
	g->builder_pid = fork();
	if (g->builder_pid == 0)
		execute_builder(g, parent);
	if (g->builder_pid < 0)
		g->builder_pid = 0;
}

/* Until we are told to end. A builder that ends by itself was told so by somebody else. */
static void guard_builders(struct guard *g)
{
	for (;;) {
		start_builder(g);
		while (g->builder_pid && !g->ending) {
			guard_wait(g, 3600 * 1000);
			guard_reap(g);
		}
		end_children(g);
		if (g->ending || guard_dies_too_often(g))
			return;
		keeper_log("the builder died (%s %d): what it was making is given up; starting it again",
			   WIFSIGNALED(g->status) ? "signal" : "status",
			   WIFSIGNALED(g->status) ? WTERMSIG(g->status) : WEXITSTATUS(g->status));
		tell_front(g);
		guard_wait(g, PAUSE_MS);
	}
}

/* Keeps the socket, the program and stderr of all that the keeper has. */
static _Noreturn void guard(const struct keeper *k, int socket_fd, pid_t parent)
{
	static const int numbers[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };
	struct guard g = { .argv = k->argv };
	int exe_fd;

	setsid();
	prctl(PR_SET_NAME, "kiln-guard", 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	exe_fd = fcntl(KEEPER_FRONT_FD, F_DUPFD_CLOEXEC, HIGH_FD);
	if (getppid() != parent || exe_fd < 0 || dup3(socket_fd, GUARD_SOCKET_FD, O_CLOEXEC) < 0 ||
	    dup3(exe_fd, GUARD_EXE_FD, O_CLOEXEC) < 0 || close_range(GUARD_EXE_FD + 1, ~0u, 0) < 0)
		_exit(125);
	sigemptyset(&g.signals);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		sigaddset(&g.signals, numbers[i]);
	guard_builders(&g);
	_exit(0);
}

/* Away from the numbers that the children expect. */
static int high(int *fd)
{
	int old = *fd;

	*fd = fcntl(old, F_DUPFD_CLOEXEC, HIGH_FD);
	close(old);
	return *fd < 0 ? -errno : 0;
}

int builder_start(struct keeper *k, struct err *err)
{
	AUTO_CLOSE int own_fd = -1, their_fd = -1;
	pid_t parent = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, -errno, "make the builder's socket");
	own_fd = ends[0];
	their_fd = ends[1];
	if (high(&own_fd) < 0 || high(&their_fd) < 0)
		return err_set(err, -errno, "make the builder's socket");
	k->builder_pid = fork();
	if (k->builder_pid == 0)
		guard(k, their_fd, parent);
	if (k->builder_pid < 0)
		return err_set(err, -errno, "fork the builder's guard");
	k->builder_fd = TAKE_FD(own_fd);
	return 0;
}

void builder_reap(struct keeper *k)
{
	if (k->builder_pid <= 0 || waitpid(k->builder_pid, NULL, WNOHANG) != k->builder_pid)
		return;
	k->builder_pid = 0;
	cleanup_close(&k->builder_fd);
	k->builder_fd = -1;
	if (!k->stopping && !k->ending)
		keeper_log("the builder ended for good: no images can be made until the server is started "
			   "again");
}

void builder_tell_end(struct keeper *k)
{
	if (k->builder_pid > 0)
		kill(k->builder_pid, SIGTERM);
}
