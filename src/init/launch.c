/*
 * A process for a step: its pipes, its cgroup, its fork. What happens in the child is in spawn.c.
 */
#include "init/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void launched_close(struct launched *process)
{
	close_fd(&process->stdin_fd);
	close_fd(&process->output_fd[0]);
	close_fd(&process->output_fd[1]);
	close_fd(&process->error_fd);
	close_fd(&process->control_fd);
	close_fd(&process->tty_fd);
}

static char **strings_to_vector(const struct wire_strings *strings)
{
	char **vector = calloc(strings->count + 1, sizeof(*vector));
	const char *at = strings->first;

	for (uint32_t i = 0; vector && i < strings->count; i++, at = wire_strings_next(at))
		vector[i] = (char *)at;
	return vector;
}

/* Its home, or where PWD says. */
static const char *start_dir(const char *home, uint32_t flags, char *const *envp)
{
	for (; flags & WIRE_START_IN_PWD && *envp; envp++) {
		if (strncmp(*envp, "PWD=", 4) == 0)
			return *envp + 4;
	}
	return home;
}

static pid_t clone_child(int cgroup_fd)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	pid_t pid;

	if (cgroup_fd >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	/* Docker's filter says that there is no such call. */
	if (pid < 0 && errno == ENOSYS && cgroup_fd < 0)
		pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	return pid;
}

/*
 * Entering a cgroup asks for write permission on its cgroup.procs, which is init's: for the moment of the clone init's
 * file system id is its own, not the user's. The child's becomes the user's with its other ids. Where it is the
 * effective id that is the user's, the child needs init's too, and its capabilities, to become him for good.
 */
static pid_t fork_into(const struct init *init, int cgroup_fd)
{
	pid_t pid;

	if (cgroup_fd < 0 && !init->foreign.by_euid)
		return clone_child(-1);
	files_as(&init->foreign, getuid());
	pid = clone_child(cgroup_fd);
	if (pid != 0) {
		int error = errno;

		files_as(&init->foreign, init->config->payload_uid);
		errno = error;
	}
	return pid;
}

/* The child's ends of its pipes. */
struct child_ends {
	int stdio[3];
	int error_fd, control_fd;
};

static void child_ends_close(struct child_ends *child)
{
	for (int i = 0; i < 3; i++)
		close_fd(&child->stdio[i]);
	close_fd(&child->error_fd);
	close_fd(&child->control_fd);
}

/* One end of each is init's own, and only that is non-blocking: each is a file description of its own. */
static int pipe_open(int *ret_own, int own_end, int *ret_child)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	*ret_own = ends[own_end];
	*ret_child = ends[!own_end];
	return fcntl(*ret_own, F_SETFL, O_NONBLOCK | (own_end ? O_WRONLY : O_RDONLY)) < 0 ? -errno : 0;
}

static int control_open(struct launched *own, struct child_ends *child)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	own->control_fd = ends[0];
	child->control_fd = ends[1];
	return 0;
}

/*
 * The pipes belong to the user, since init's file system ids are his: the program can reopen /dev/stdin and
 * /dev/stdout.
 */
static int pipes_open(struct launched *own, struct child_ends *child, bool control)
{
	int r = pipe_open(&own->stdin_fd, 1, &child->stdio[0]);

	if (r == 0)
		r = pipe_open(&own->output_fd[0], 0, &child->stdio[1]);
	if (r == 0)
		r = pipe_open(&own->output_fd[1], 0, &child->stdio[2]);
	if (r == 0)
		r = pipe_open(&own->error_fd, 0, &child->error_fd);
	if (r == 0 && control)
		r = control_open(own, child);
	return r;
}

/* One terminal for all three streams. */
static int terminal_open(const struct init *init, struct launched *own, struct child_ends *child)
{
	int r;

	container_make_terminal(init, true);
	r = tty_open(&init->tty, &own->output_fd[0], &own->tty_fd);
	container_make_terminal(init, false);
	if (r < 0)
		return r;
	own->stdin_fd = fcntl(own->output_fd[0], F_DUPFD_CLOEXEC, 0);
	for (int i = 0; i < 3; i++) {
		child->stdio[i] = fcntl(own->tty_fd, F_DUPFD_CLOEXEC, 0);
		if (child->stdio[i] < 0)
			return -errno;
	}
	if (own->stdin_fd < 0)
		return -errno;
	return pipe_open(&own->error_fd, 0, &child->error_fd);
}

static int open_run_cgroup(const struct init *init, const struct wire_start *start)
{
	char name[32];

	snprintf(name, sizeof(name), "run%u", start->step);
	return openat(init->cgroup_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* All that the child needs, or -ENOMEM. */
static int spawn_prepare(struct spawn *spawn, const char *home, const struct wire_start *start)
{
	spawn->argv = strings_to_vector(&start->argv);
	spawn->envp = strings_to_vector(&start->envp);
	if (!spawn->argv || !spawn->envp)
		return -ENOMEM;
	spawn->dir = start_dir(home, start->flags, spawn->envp);
	return 0;
}

static void spawn_finish(struct spawn *spawn)
{
	free(spawn->argv);
	free(spawn->envp);
}

static int fork_child(struct init *init, struct spawn *spawn, int cgroup_fd, struct launched *ret,
		      enum wire_stage *ret_stage)
{
	struct child_ends child = { { -1, -1, -1 }, -1, -1 };
	bool control = spawn->how == LAUNCH_DRIVER || spawn->how == LAUNCH_ANY;
	int r = spawn->flags & WIRE_START_TTY ? terminal_open(init, ret, &child)
					      : pipes_open(ret, &child, control);

	*ret_stage = WIRE_STAGE_PIPE;
	if (r == 0) {
		*ret_stage = WIRE_STAGE_FORK;
		memcpy(spawn->stdio, child.stdio, sizeof(spawn->stdio));
		spawn->error_fd = child.error_fd;
		spawn->control_fd = child.control_fd;
		ret->start_us = now_us();
		ret->pid = fork_into(init, cgroup_fd);
		if (ret->pid == 0)
			spawn_child(spawn);
		if (ret->pid < 0)
			r = -errno;
	}
	child_ends_close(&child);
	if (r < 0)
		launched_close(ret);
	return r;
}

int launch(struct init *init, const struct wire_start *start, enum launch_how how, struct launched *ret,
	   enum wire_stage *ret_stage)
{
	struct spawn spawn = { .config = init->config,
			       .filter = init->filter,
			       .limits = &start->limits,
			       .flags = start->flags,
			       .room = init->in,
			       .init_uid = getuid(),
			       .how = how,
			       .contained = init->contained,
			       .foreign = init->foreign };
	int cgroup_fd = -1;
	int r = 0;

	*ret = LAUNCHED_NONE;
	if (start->flags & WIRE_START_CGROUP) {
		*ret_stage = WIRE_STAGE_CGROUP;
		cgroup_fd = open_run_cgroup(init, start);
		if (cgroup_fd < 0)
			return -errno;
	}
	if (init->landlock_fd == LANDLOCK_UNKNOWN)
		init->landlock_fd = landlock_prepare(init->folders);
	*ret_stage = WIRE_STAGE_LANDLOCK;
	if (init->landlock_fd == LANDLOCK_UNKNOWN)
		r = -errno;
	spawn.landlock_fd = init->landlock_fd;
	if (r == 0) {
		*ret_stage = WIRE_STAGE_PIPE;
		r = spawn_prepare(&spawn, init->home, start);
	}
	if (r == 0)
		r = fork_child(init, &spawn, cgroup_fd, ret, ret_stage);
	close_fd(&cgroup_fd);
	spawn_finish(&spawn);
	return r;
}
