/*
 * The server's front as our child: executed again from the same program file when it crashes.
 *
 * An exit is the front's own decision (0: drained, others: it could not start) and becomes ours. A death by
 * signal loses the runs of that moment, which are killed; a new front is told how many there were.
 */
#include "keeper/keeper_priv.h"

#include "base/plural.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CRASHES_MAX	5
#define CRASH_WINDOW_US (60ull * 1000000)
#define CRASH_PAUSE_NS	(200 * 1000 * 1000)

static _Noreturn void execute_front(const struct keeper *k, int socket_fd)
{
	sigset_t none;
	int exe_fd = fcntl(KEEPER_FRONT_FD, F_DUPFD_CLOEXEC, 20);

	/* A key at the terminal signals the keeper alone, which passes it on: twice would mean to end at once. */
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (exe_fd < 0 || dup2(socket_fd, KEEPER_SOCKET_FD) < 0)
		_exit(125);
	if (k->builder_fd >= 0 && dup2(k->builder_fd, KEEPER_BUILDER_FD) >= 0)
		setenv("KILN_BUILDER_FD", "4", 1);
	close_range((k->builder_fd >= 0 ? KEEPER_BUILDER_FD : KEEPER_SOCKET_FD) + 1, ~0u,
		    CLOSE_RANGE_CLOEXEC);
	setenv("KILN_KEEPER_FD", "3", 1);
	fexecve(exe_fd, k->argv, environ);
	_exit(125);
}

int front_start(struct keeper *k, struct err *err)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, -errno, "make the front's socket");
	keeper_be_patient(ends[0]);
	pid = fork();
	if (pid < 0) {
		close(ends[0]);
		close(ends[1]);
		return err_set(err, -errno, "fork the front");
	}
	if (pid == 0)
		execute_front(k, ends[1]);
	close(ends[1]);
	k->front_pid = pid;
	k->front_gone = false;
	k->epoch++;
	k->socket_fd = ends[0];
	return keeper_watch(k, ends[0], WATCH_SOCKET, 0);
}

/* The front drains and exits; then so do we. A second signal hurries it. A terminal that hangs up ends us alike. */
void front_tell_end(struct keeper *k, int number)
{
	if (number == SIGHUP)
		number = SIGTERM;
	if (number != SIGTERM && number != SIGINT)
		return;
	k->ending = true;
	if (k->front_pid > 0)
		kill(k->front_pid, number);
}

static bool crashes_too_often(void)
{
	static uint64_t times[CRASHES_MAX];
	static unsigned next;
	uint64_t now_us = keeper_now_us(), oldest = times[next];

	times[next] = now_us;
	next = (next + 1) % CRASHES_MAX;
	return oldest && now_us - oldest < CRASH_WINDOW_US;
}

/* Those that only waited for a run are no loss. */
static uint32_t count_lost(const struct keeper *k)
{
	uint32_t lost = 0;

	for (uint32_t i = 0; i < k->slots_count; i++)
		lost += k->slots[i].state != SLOT_FREE && k->slots[i].used &&
			!slot_outlives_front(&k->slots[i]);
	return lost;
}

static void restart(struct keeper *k, int status)
{
	uint32_t lost = count_lost(k);
	struct timespec pause = { .tv_nsec = CRASH_PAUSE_NS };
	struct err err = ERR_INIT;

	keeper_log("the front was killed by signal %d; %u %s lost; starting it again", WTERMSIG(status), lost,
		   plural(lost, "run is", "runs are"));
	k->lost += lost;
	slots_kill_of_front(k);
	nanosleep(&pause, NULL);
	if (front_start(k, &err) < 0) {
		keeper_log("%s", err.text);
		k->stopping = true;
	}
}

void front_reap(struct keeper *k)
{
	int status;

	if (k->front_pid <= 0 || waitpid(k->front_pid, &status, WNOHANG) != k->front_pid)
		return;
	k->front_pid = 0;
	k->front_gone = true;
	if (k->socket_fd >= 0) {
		keeper_unwatch(k, k->socket_fd);
		close(k->socket_fd);
		k->socket_fd = -1;
	}
	if (WIFSIGNALED(status) && !k->stopping && !k->ending && !crashes_too_often()) {
		restart(k, status);
		return;
	}
	/* It was too young to catch the signal that we passed on: there was nothing to drain. */
	if (k->ending && WIFSIGNALED(status) && (WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT))
		status = 0;
	k->front_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	k->stopping = true;
}
