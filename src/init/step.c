/*
 * The life of one step: pipes, fork, stdin, output, and an end that is certain.
 *
 * A step is over when its own process is, whoever still holds its stdout. Then, always: kill(-1) from PID 1
 * reaches every process of the namespace (a fork in progress sees the signal pending and fails), all are
 * reaped until there is no child, and only then are the pipes drained: nobody can write any more, so the
 * end of file is real.
 */
#include "init/init_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CREDIT_STEP  (WIRE_STDIN_WINDOW / 4)
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

uint64_t now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static char **strings_to_vector(const struct wire_strings *strings)
{
	char **vector = calloc(strings->count + 1, sizeof(*vector));
	const char *at = strings->first;

	for (uint32_t i = 0; vector && i < strings->count; i++, at = wire_strings_next(at))
		vector[i] = (char *)at;
	return vector;
}

static const char *search_path(char *const *envp)
{
	for (; *envp; envp++) {
		if (strncmp(*envp, "PATH=", 5) == 0)
			return *envp + 5;
	}
	return DEFAULT_PATH;
}

/* The paths at which argv[0] may be, one allocation a path; NULL: out of memory. */
static char **command_candidates(const char *command, const char *path)
{
	size_t parts = 2;
	char **list;
	size_t count = 0;

	for (const char *at = path; *at; at++)
		parts += *at == ':';
	list = calloc(parts + 1, sizeof(*list));
	if (!list)
		return NULL;
	if (strchr(command, '/')) {
		list[0] = strdup(command);
		return list;
	}
	for (;;) {
		size_t len = strcspn(path, ":");

		if (len && asprintf(&list[count], "%.*s/%s", (int)len, path, command) < 0) {
			list[count] = NULL;
			return list;
		}
		count += len != 0;
		if (!path[len])
			return list;
		path += len + 1;
	}
}

static void free_candidates(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

/*
 * Entering a cgroup asks for write permission on its cgroup.procs, which is init's: for the moment of the clone init's
 * file system id is its own, not the user's. The child's becomes the user's with its other ids.
 */
static pid_t fork_into(int cgroup_fd, uid_t user)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	pid_t pid;

	if (cgroup_fd < 0)
		return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	args.flags = CLONE_INTO_CGROUP;
	args.cgroup = (uint64_t)cgroup_fd;
	setfsuid(getuid());
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid != 0) {
		int error = errno;

		setfsuid(user);
		errno = error;
	}
	return pid;
}

/* Pipe ends as the child and as init see them. */
struct pipes {
	int child[3], own[3];
	int error[2];
};

static void pipes_close(struct pipes *p)
{
	for (int i = 0; i < 3; i++) {
		close_fd(&p->child[i]);
		close_fd(&p->own[i]);
	}
	close_fd(&p->error[0]);
	close_fd(&p->error[1]);
}

/*
 * The pipes belong to the user, since init's file system ids are his: the program can reopen /dev/stdin and
 * /dev/stdout. Only init's own ends are non-blocking; each end is a file description of its own.
 */
static int pipes_open(struct pipes *p)
{
	int ends[2];

	*p = (struct pipes){ { -1, -1, -1 }, { -1, -1, -1 }, { -1, -1 } };
	for (int i = 0; i < 3; i++) {
		if (pipe2(ends, O_CLOEXEC) < 0)
			return -errno;
		p->child[i] = ends[i == 0 ? 0 : 1];
		p->own[i] = ends[i == 0 ? 1 : 0];
		if (fcntl(p->own[i], F_SETFL, O_NONBLOCK | (i == 0 ? O_WRONLY : O_RDONLY)) < 0)
			return -errno;
	}
	return pipe2(p->error, O_CLOEXEC) < 0 ? -errno : 0;
}

static void report_not_started(struct init *init, enum wire_stage stage, int error)
{
	struct wire_exit end = { .stage = (uint8_t)stage, .error = (uint32_t)error };
	uint8_t payload[128];
	int64_t len = wire_exit_encode(&end, payload, sizeof(payload));

	out_frame(init, WIRE_EXIT, 0, payload, (uint32_t)len);
}

static int open_run_cgroup(const struct init *init, const struct wire_start *start)
{
	char name[32];

	snprintf(name, sizeof(name), "run%u", start->step);
	return openat(init->cgroup_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

uint64_t children_cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void step_begin(struct init *init, const struct wire_start *start, struct pipes *p, pid_t pid)
{
	struct step *step = &init->step;
	uint8_t credit[4];

	step->main_pid = pid;
	step->running = true;
	step->error_fd = p->error[0];
	step->stdin_fd = p->own[0];
	step->output_fd[0] = p->own[1];
	step->output_fd[1] = p->own[2];
	p->error[0] = p->own[0] = p->own[1] = p->own[2] = -1;
	step->sample_us = step->start_us;
	step->deadline_us = step->start_us + (uint64_t)start->limits.value[LIMIT_WALL_MS] * 1000;
	out_frame(init, WIRE_STARTED, 0, NULL, 0);
	wire_u32_encode(WIRE_STDIN_WINDOW, credit, sizeof(credit));
	out_frame(init, WIRE_STDIN_CREDIT, 0, credit, sizeof(credit));
}

static void step_reset(struct step *step, const struct wire_start *start)
{
	step->main_gone = false;
	step->kill = STEP_KILL_NONE;
	step->printed[0] = step->printed[1] = 0;
	step->limits = start->limits;
	step->flags = start->flags;
	step->reaped_cpu_us = children_cpu_us();
	step->cpu_seen_us = step->memory_peak_bytes = step->disk_used_bytes = 0;
	step->processes_peak = 0;
	step->disk_full = false;
	step->input.start = step->input.len = 0;
	step->input.owed = 0;
	step->input.eof = false;
}

void step_start(struct init *init, const struct wire_start *start)
{
	struct step *step = &init->step;
	struct pipes pipes;
	struct spawn spawn = { .config = init->config,
			       .filter = init->filter,
			       .limits = &start->limits,
			       .flags = start->flags };
	int cgroup_fd = -1;
	pid_t pid = -1;

	if (step->running)
		_exit(1);
	step_reset(step, start);
	if (start->flags & WIRE_START_CGROUP) {
		cgroup_fd = open_run_cgroup(init, start);
		if (cgroup_fd < 0) {
			report_not_started(init, WIRE_STAGE_CGROUP, errno);
			return;
		}
	}
	spawn.argv = strings_to_vector(&start->argv);
	spawn.envp = strings_to_vector(&start->envp);
	if (spawn.argv && spawn.envp)
		spawn.candidates = command_candidates(spawn.argv[0], search_path(spawn.envp));
	if (init->landlock_fd == LANDLOCK_UNKNOWN)
		init->landlock_fd = landlock_prepare();
	if (init->landlock_fd == LANDLOCK_UNKNOWN) {
		pipes = (struct pipes){ { -1, -1, -1 }, { -1, -1, -1 }, { -1, -1 } };
		report_not_started(init, WIRE_STAGE_LANDLOCK, errno);
	} else if (pipes_open(&pipes) < 0 || !spawn.candidates) {
		report_not_started(init, WIRE_STAGE_PIPE, errno);
	} else {
		memcpy(spawn.stdio, pipes.child, sizeof(spawn.stdio));
		spawn.error_fd = pipes.error[1];
		spawn.landlock_fd = init->landlock_fd;
		step->start_us = now_us();
		pid = fork_into(cgroup_fd, init->config->payload_uid);
		if (pid == 0)
			spawn_child(&spawn);
		if (pid < 0)
			report_not_started(init, WIRE_STAGE_FORK, errno);
		else
			step_begin(init, start, &pipes, pid);
	}
	pipes_close(&pipes);
	close_fd(&cgroup_fd);
	free_candidates(spawn.candidates);
	free(spawn.argv);
	free(spawn.envp);
}

void step_stdin(struct init *init, const uint8_t *data, size_t len)
{
	struct stdin_queue *in = &init->step.input;

	if (!init->step.running)
		return;
	if (in->eof || len > sizeof(in->data) - in->len)
		_exit(1); /* beyond its credit */
	for (size_t i = 0; i < len; i++)
		in->data[(in->start + in->len + i) % sizeof(in->data)] = data[i];
	in->len += len;
	step_stdin_pump(init);
}

static void stdin_taken(struct init *init, size_t len)
{
	struct stdin_queue *in = &init->step.input;
	uint8_t credit[4];

	in->start = (in->start + len) % sizeof(in->data);
	in->len -= len;
	in->owed += (uint32_t)len;
	if (in->owed < CREDIT_STEP)
		return;
	wire_u32_encode(in->owed, credit, sizeof(credit));
	out_frame(init, WIRE_STDIN_CREDIT, 0, credit, sizeof(credit));
	in->owed = 0;
}

void step_stdin_pump(struct init *init)
{
	struct step *step = &init->step;
	struct stdin_queue *in = &step->input;

	while (in->len && step->stdin_fd >= 0) {
		size_t run = sizeof(in->data) - in->start;
		ssize_t n = write(step->stdin_fd, in->data + in->start, in->len < run ? in->len : run);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			close_fd(&step->stdin_fd); /* the program closed its stdin: normal */
		else
			stdin_taken(init, (size_t)n);
	}
	if (step->stdin_fd < 0 && in->len)
		stdin_taken(init, in->len); /* swallowed, so that the host is not left waiting */
	if (in->eof && !in->len)
		close_fd(&step->stdin_fd);
}

/*
 * Moves what a pipe holds into frames. Beyond the limit bytes are counted but not sent: one chunk is enough
 * to know, then the step is killed.
 */
void step_output_pump(struct init *init, int which)
{
	struct step *step = &init->step;
	uint64_t limit = (uint64_t)step->limits.value[LIMIT_OUTPUT_BYTES];
	uint64_t room = limit - step->printed[which];
	uint8_t beyond[4096];
	ssize_t n;

	if (step->printed[which] < limit)
		n = out_read_frame(init, step->output_fd[which], WIRE_OUTPUT, (uint8_t)(which + 1),
				   room < WIRE_TO_HOST_MAX ? (size_t)room : WIRE_TO_HOST_MAX);
	else
		n = read(step->output_fd[which], beyond, sizeof(beyond));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close_fd(&step->output_fd[which]);
		return;
	}
	step->printed[which] += (uint64_t)n;
	if (step->printed[which] > limit && step->kill == STEP_KILL_NONE)
		step->kill = STEP_KILL_OUTPUT;
}

void step_reap(struct init *init)
{
	struct step *step = &init->step;
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG | __WALL, &usage)) > 0) {
		/* Only the step's own process speaks for it: a CLONE_PARENT sibling is init's child too. */
		if (!step->running || pid != step->main_pid || step->main_gone)
			continue;
		step->main_gone = true;
		step->main_status = status;
		step->end_us = now_us();
	}
}

static void kill_and_reap_all(struct init *init)
{
	struct step *step = &init->step;
	int status;
	pid_t pid;

	for (;;) {
		kill(-1, SIGKILL);
		pid = wait4(-1, &status, __WALL, NULL);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return;
		if (pid == step->main_pid && !step->main_gone) {
			step->main_gone = true;
			step->main_status = status;
			step->end_us = now_us();
		}
	}
}

static void drain_output(struct init *init)
{
	struct step *step = &init->step;

	for (int which = 0; which < 2; which++) {
		while (step->output_fd[which] >= 0) {
			uint64_t before = step->printed[which];

			if (out_room(init) < OUTPUT_CHUNK_MIN)
				out_wait(init, 0);
			step_output_pump(init, which);
			if (step->printed[which] == before || step->kill == STEP_KILL_OUTPUT)
				close_fd(&step->output_fd[which]);
		}
	}
}

static void read_spawn_error(struct step *step, struct wire_exit *end)
{
	struct spawn_error report;

	if (read(step->error_fd, &report, sizeof(report)) != (ssize_t)sizeof(report))
		return;
	end->stage = report.stage;
	end->error = (uint32_t)report.error;
}

void step_finish(struct init *init, enum step_kill reason)
{
	struct step *step = &init->step;
	struct wire_exit end = { 0 };
	uint8_t payload[128];
	enum step_kill ignored;
	int64_t len;

	if (step->kill == STEP_KILL_NONE)
		step->kill = reason;
	watch_sample(init, &ignored);
	kill_and_reap_all(init);
	drain_output(init);
	read_spawn_error(step, &end);

	end.signaled = WIFSIGNALED(step->main_status);
	end.status = (uint32_t)(end.signaled ? WTERMSIG(step->main_status) : WEXITSTATUS(step->main_status));
	/* It may have ended by itself while the kill was on its way; then that is what happened. */
	if (step->kill != STEP_KILL_OUTPUT && !(end.signaled && end.status == SIGKILL))
		step->kill = STEP_KILL_NONE;
	end.kill = (uint8_t)step->kill;
	end.wall_us = step->end_us - step->start_us;
	end.cpu_us = children_cpu_us() - step->reaped_cpu_us;
	if (end.cpu_us < step->cpu_seen_us)
		end.cpu_us = step->cpu_seen_us;
	end.memory_peak_bytes = step->memory_peak_bytes;
	end.disk_used_bytes = step->disk_used_bytes;
	end.disk_full = step->disk_full;
	end.processes_peak = step->processes_peak ? step->processes_peak : 1;
	end.stdout_bytes = step->printed[0];
	end.stderr_bytes = step->printed[1];
	close_fd(&step->stdin_fd);
	close_fd(&step->error_fd);
	step->running = false;
	len = wire_exit_encode(&end, payload, sizeof(payload));
	out_frame(init, WIRE_EXIT, 0, payload, (uint32_t)len);
}
