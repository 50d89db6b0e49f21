/*
 * The builder (image/builder.h) as a child of ours: the server's own program once more, which makes images for the
 * front. It must be started before we confine ourselves, since what it runs needs more than we keep, and there is no
 * second one: without it a server runs as ever and makes no images. Each front gets the other end of its socket.
 */
#include "keeper/keeper_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HIGH_FD 20

static _Noreturn void execute_builder(const struct keeper *k, int socket_fd, pid_t parent)
{
	sigset_t none;
	int exe_fd = fcntl(KEEPER_FRONT_FD, F_DUPFD_CLOEXEC, HIGH_FD);

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	if (getppid() != parent || exe_fd < 0 || dup2(socket_fd, KEEPER_SOCKET_FD) < 0)
		_exit(125);
	close_range(KEEPER_SOCKET_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	setenv("KILN_BUILDER_FD", "3", 1);
	fexecve(exe_fd, k->argv, environ);
	_exit(125);
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
		execute_builder(k, their_fd, parent);
	if (k->builder_pid < 0)
		return err_set(err, -errno, "fork the builder");
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
		keeper_log("the builder ended: no images can be made until the server is started again");
}

void builder_tell_end(struct keeper *k)
{
	if (k->builder_pid > 0)
		kill(k->builder_pid, SIGTERM);
}
