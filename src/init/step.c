/*
 * The life of one step: pipes, fork, stdin, output, and an end that is certain.
 *
 * A step is over when its own process is, whoever still holds its stdout. Then, unless PID 1 has no child left:
 * kill(-1) from it reaches every process of the namespace (a fork in progress sees the signal pending and fails), all
 * are reaped until there is no child, and only then are the pipes drained: nobody can write any more, so the end of
 * file is real.
 */
#include "init/session.h"
#include "init/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CREDIT_STEP	  (WIRE_STDIN_WINDOW / 4)
#define TYPED_EOF_UNKNOWN 3 /* more than there may be */

uint64_t now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static void report_not_started(struct init *init, enum wire_stage stage, int error)
{
	struct wire_exit end = { .stage = (uint8_t)stage, .error = (uint32_t)error };
	uint8_t payload[128];
	int64_t len = wire_exit_encode(&end, payload, sizeof(payload));

	out_frame(init, WIRE_EXIT, 0, payload, (uint32_t)len);
}

uint64_t children_cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

uint64_t step_cpu_us(const struct step *step, uint64_t living_us)
{
	uint64_t all_us = children_cpu_us() + living_us;

	/* Two of the kernel's clocks, which need not agree to the microsecond. */
	return all_us > step->reaped_cpu_us ? all_us - step->reaped_cpu_us : 0;
}

static void step_begin(struct init *init, const struct wire_start *start, struct launched *process)
{
	struct step *step = &init->step;
	uint8_t credit[4];

	step->main_pid = process->pid;
	step->running = true;
	step->error_fd = process->error_fd;
	step->stdin_fd = process->stdin_fd;
	step->output_fd[0] = process->output_fd[0];
	step->output_fd[1] = process->output_fd[1];
	step->tty_fd = process->tty_fd;
	step->start_us = process->start_us;
	*process = LAUNCHED_NONE;
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
	step->input.in_line = false;
	step->input.typed_eof = 0;
}

void step_start(struct init *init, const struct wire_start *start)
{
	struct step *step = &init->step;
	struct launched process = LAUNCHED_NONE;
	enum wire_stage stage = WIRE_STAGE_NONE;
	uint64_t used_us = 0;
	bool hot;
	int r = 0;

	if (step->running || start->flags & (WIRE_START_DRIVER | WIRE_START_ANY) || init->role == ROLE_FILES)
		_exit(1);
	session_look(init);
	hot = start->flags & WIRE_START_HOT && warm_take(init, start, &process, &used_us);
	if (!hot)
		warm_drop(init);
	step_reset(step, start);
	counters_begin(init);
	step->reaped_cpu_us += used_us;
	if (!hot)
		r = launch(init, start, LAUNCH_STEP, &process, &stage);
	if (r < 0)
		report_not_started(init, stage, -r);
	else
		step_begin(init, start, &process);
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

/* A pipe is closed. A terminal is not, for the program prints there too: the end is typed, as a user would. */
static void stdin_end(struct step *step)
{
	struct stdin_queue *in = &step->input;
	unsigned times;
	uint8_t end;

	if (step->tty_fd >= 0 && step->stdin_fd >= 0) {
		end = tty_eof(step->stdin_fd, in->in_line, &times);
		if (in->typed_eof == TYPED_EOF_UNKNOWN)
			in->typed_eof = times;
		while (in->typed_eof && write(step->stdin_fd, &end, 1) == 1)
			in->typed_eof--;
		if (in->typed_eof && errno == EAGAIN)
			return;
	}
	in->typed_eof = 0;
	close_fd(&step->stdin_fd);
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
		/* A terminal that is full takes nothing. */
		if (n == 0 || (n < 0 && errno == EAGAIN))
			return;
		if (n < 0) {
			close_fd(&step->stdin_fd); /* the program closed its stdin: normal */
		} else {
			in->in_line = in->data[(in->start + (size_t)n - 1) % sizeof(in->data)] != '\n';
			stdin_taken(init, (size_t)n);
		}
	}
	if (step->stdin_fd < 0 && in->len)
		stdin_taken(init, in->len); /* swallowed, so that the host is not left waiting */
	if (in->eof && !in->len)
		stdin_end(step);
}

void step_stdin_eof(struct init *init)
{
	struct stdin_queue *in = &init->step.input;

	if (in->eof)
		return;
	in->eof = true;
	in->typed_eof = TYPED_EOF_UNKNOWN;
	step_stdin_pump(init);
}

bool step_stdin_waits(const struct step *step)
{
	return step->running && (step->input.len || step->input.typed_eof);
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
	if (step->printed[which] > limit && step->kill == STEP_KILL_NONE && !(step->flags & WIRE_START_DROP))
		step->kill = STEP_KILL_OUTPUT;
}

void step_reap(struct init *init)
{
	struct step *step = &init->step;
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG | __WALL, &usage)) > 0) {
		if (WIFSTOPPED(status)) {
			warm_stopped(init, pid, status);
			continue;
		}
		if (warm_ended(init, pid))
			continue;
		/* Only the step's own process speaks for it: a CLONE_PARENT sibling is init's child too. */
		if (!step->running || pid != step->main_pid || step->main_gone)
			continue;
		step->main_gone = true;
		step->main_status = status;
		step->end_us = now_us();
	}
}

/*
 * The first process of a namespace has all of it among its descendants, since whoever loses his parent is given to it:
 * if it has no child, nobody is left. That spares kill(2) a walk over all processes of the machine. In a container
 * others may have come in from outside.
 */
static bool is_alone(const struct init *init)
{
	siginfo_t info;

	return !init->contained && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 &&
	       errno == ECHILD;
}

void kill_and_reap_all(struct init *init)
{
	struct step *step = &init->step;
	int status;
	pid_t pid;

	while (!is_alone(init)) {
		kill(-1, SIGKILL);
		pid = wait4(-1, &status, __WALL, NULL);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return;
		/* A program that calls init its tracer is told of here when it stops, and dies as well. */
		if (pid == step->main_pid && !step->main_gone && !WIFSTOPPED(status)) {
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
	end.cpu_us = step_cpu_us(step, 0);
	if (end.cpu_us < step->cpu_seen_us)
		end.cpu_us = step->cpu_seen_us;
	end.memory_peak_bytes = step->memory_peak_bytes;
	end.disk_used_bytes = step->disk_used_bytes;
	end.disk_full = step->disk_full;
	end.file_full = end.status != 0 && size_was_reached(init);
	end.processes_peak = step->processes_peak ? step->processes_peak : 1;
	end.stdout_bytes = step->printed[0];
	end.stderr_bytes = step->printed[1];
	close_fd(&step->stdin_fd);
	close_fd(&step->tty_fd);
	close_fd(&step->error_fd);
	step->running = false;
	counters_tell(init);
	len = wire_exit_encode(&end, payload, sizeof(payload));
	out_frame(init, WIRE_EXIT, 0, payload, (uint32_t)len);
}
