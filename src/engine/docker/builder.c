/*
 * When a builder dies, the front is told first and hears nothing of the dead one's jobs any more; then the next one
 * starts, with the same socket. Its jobs are calls of the daemon and die with it by themselves (image/builder.c).
 */
#include "engine/docker/docker_priv.h"

#include "wire/builder_proto.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE_MS 200

static void on_pause_over(uv_timer_t *timer);

static void close_ends(struct builder *b)
{
	if (b->own_fd >= 0)
		close(b->own_fd);
	if (b->their_fd >= 0)
		close(b->their_fd);
	b->own_fd = b->their_fd = -1;
}

static void start(struct builder *b)
{
	b->pid = fork();
	if (b->pid == 0)
		child_execute(b->program, "KILN_BUILDER_FD", b->their_fd, -1);
}

static void pause_then_start(struct builder *b)
{
	uv_timer_start(&b->pause, on_pause_over, PAUSE_MS, 0);
}

/* A front that does not read just now hears it later; one that is gone has a successor with jobs of its own. */
static void on_pause_over(uv_timer_t *timer)
{
	struct builder *b = timer->data;
	const struct builder_message died = { .event = BUILDER_DIED };

	if (b->ending || b->their_fd < 0)
		return;
	if (send(b->their_fd, &died, sizeof(died), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		pause_then_start(b);
		return;
	}
	start(b);
	if (b->pid < 0)
		pause_then_start(b);
}

void builder_reap(struct builder *b)
{
	int status;

	if (b->pid <= 0 || waitpid(b->pid, &status, WNOHANG) != b->pid)
		return;
	b->pid = 0;
	if (b->ending)
		return;
	if (crashes_too_often(&b->crashes, uv_now(&b->docker->loop))) {
		keeper_say("the builder ended for good: no images can be pulled until the server is started "
			   "again");
		close_ends(b);
		return;
	}
	keeper_say("the builder died (%s %d): what it was pulling is given up; starting it again",
		   WIFSIGNALED(status) ? "signal" : "status",
		   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	pause_then_start(b);
}

int builder_begin(struct builder *b, struct docker *d, const struct program *program, struct err *err)
{
	int ends[2];

	*b = (struct builder){ .docker = d, .program = program, .own_fd = -1, .their_fd = -1 };
	uv_timer_init(&d->loop, &b->pause);
	b->pause.data = b;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, -errno, "make the builder's socket");
	b->own_fd = ends[0];
	b->their_fd = ends[1];
	start(b);
	return b->pid < 0 ? err_set(err, -errno, "fork the builder") : 0;
}

void builder_end(struct builder *b)
{
	b->ending = true;
	close_ends(b);
	if (b->pid > 0) {
		kill(b->pid, SIGTERM);
		while (waitpid(b->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	uv_close((uv_handle_t *)&b->pause, NULL);
}
