/*
 * init: PID 1 of a sandbox.
 *
 * How it works. The keeper has made the namespaces and mounts and has executed this static program from a
 * sealed memfd, with the host's socket as descriptor 3, its configuration as 4 and the sandbox's cgroup
 * directory as 5. It is another uid than the payload, not dumpable, and hidden by hidepid, so that nothing
 * in here can look at or touch it. One poll loop: frames from the host, the step's pipes, SIGCHLD, the
 * step's deadline and the watchdog's samples. What must hold even if this process is stopped or broken
 * (deadline, cgroup limits) is the keeper's; when the host's socket closes, or this process ends in any
 * way, the kernel kills every process of the namespace.
 *
 * In a container of another engine it is PID 1 too, and what the keeper would have done before container.c does.
 *
 * The host is trusted: a frame out of place is our own bug, and ends the sandbox.
 */
#include "init/session.h"
#include "init/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

static void resync(struct init *init, const struct wire_frame *frame)
{
	uint8_t payload[WIRE_NONCE_SIZE + 1];

	if (frame->len != WIRE_NONCE_SIZE)
		_exit(1);
	wire_resynced_encode(frame->payload, init->step.running, payload, sizeof(payload));
	out_frame(init, WIRE_RESYNCED, 0, payload, sizeof(payload));
}

static void weigh(struct init *init)
{
	uint8_t payload[8];

	wire_weighed_encode(watch_disk_used(init), payload, sizeof(payload));
	out_frame(init, WIRE_WEIGHED, 0, payload, sizeof(payload));
}

static void collect_as(struct init *init, const struct wire_frame *frame)
{
	struct wire_collect what;

	if (wire_collect_decode(frame, &what) < 0)
		_exit(1);
	collect(init, &what);
}

static void handle_collect(struct init *init, const struct wire_frame *frame)
{
	if (!init->step.running) {
		collect_as(init, frame);
		return;
	}
	if (frame->len == 0 || frame->len > sizeof(init->follows))
		_exit(1);
	memcpy(init->follows, frame->payload, frame->len);
	init->follows_len = frame->len;
}

/* EXIT goes out first: the host has somebody to ask, too. Only a single run's empty home takes no time. */
static void collect_after_step(struct init *init)
{
	const struct wire_frame frame = { .type = WIRE_COLLECT,
					  .payload = init->follows,
					  .len = (uint32_t)init->follows_len };

	if (init->step.running || frame.len == 0)
		return;
	init->follows_len = 0;
	if (init->uploads.count > 0 || init->role == ROLE_RUN)
		out_flush(init);
	collect_as(init, &frame);
}

static void handle_frame(struct init *init, const struct wire_frame *frame)
{
	struct wire_file file;
	struct wire_start start;

	switch (frame->type) {
	case WIRE_FILE:
		if (init->step.running || wire_file_decode(frame, &file) < 0)
			_exit(1);
		files_begin(init, &file);
		break;
	case WIRE_DATA:
		files_data(init, frame->payload, frame->len);
		break;
	case WIRE_SYNC:
		files_synced(init);
		break;
	case WIRE_START:
		if (wire_start_decode(frame, &start) < 0)
			_exit(1);
		step_start(init, &start);
		break;
	case WIRE_WARM:
		warm_start(init, frame);
		break;
	case WIRE_RESYNC:
		resync(init, frame);
		break;
	case WIRE_STDIN:
		step_stdin(init, frame->payload, frame->len);
		break;
	case WIRE_STDIN_EOF:
		step_stdin_eof(init);
		break;
	case WIRE_KILL:
		if (frame->len == 1 && init->step.running)
			step_finish(init, (enum step_kill)frame->payload[0]);
		break;
	case WIRE_TTY:
		if (wire_tty_decode(frame, &init->tty) < 0)
			_exit(1);
		if (init->step.running && init->step.tty_fd >= 0)
			tty_resize(init->step.output_fd[0], &init->tty);
		break;
	case WIRE_SIGNAL:
		if (frame->len == 1 && init->step.running)
			tty_signal(&init->step, frame->payload[0]);
		break;
	case WIRE_PING:
		break;
	case WIRE_WEIGH:
		weigh(init);
		break;
	case WIRE_COLLECT:
		handle_collect(init, frame);
		break;
	default:
		_exit(1);
	}
}

#define POLL_MAX_US 3600000000ull

static void hear_host(struct init *init)
{
	ssize_t n = read(init->in_fd, init->in + init->in_len, sizeof(init->in) - init->in_len);
	struct wire_frame frame;
	size_t used = 0;
	int64_t size;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		_exit(0);
	if (init->contained)
		init->heard_us = now_us();
	init->in_len += (size_t)n;
	while ((size = wire_frame_parse(init->in + used, init->in_len - used, WIRE_TO_INIT_MAX, &frame)) >
	       0) {
		handle_frame(init, &frame);
		used += (size_t)size;
	}
	if (size < 0)
		_exit(1);
	memmove(init->in, init->in + used, init->in_len - used);
	init->in_len -= used;
}

static void drain_signals(int fd)
{
	struct signalfd_siginfo info[16];

	while (read(fd, info, sizeof(info)) > 0)
		;
}

static bool is_getting_warm(const struct init *init)
{
	return init->warm.state == WARM_BOOTING || init->warm.state == WARM_SETTLING;
}

/* Milliseconds until the deadline or the next sample, rounded up; -1 when there is none. */
static int poll_timeout(const struct init *init)
{
	uint64_t now, next;

	if (init->step.running) {
		next = watch_next_us(init);
		if (init->step.deadline_us < next)
			next = init->step.deadline_us;
	} else if (is_getting_warm(init)) {
		next = init->warm.deadline_us;
	} else {
		return container_host_timeout(init);
	}
	now = now_us();
	/* A service runs for days, which poll() does not count. */
	if (next > now + POLL_MAX_US)
		next = now + POLL_MAX_US;
	return next <= now ? 0 : (int)((next - now + 999) / 1000);
}

static void check_step(struct init *init)
{
	enum step_kill reason = STEP_KILL_NONE;

	if (!init->step.running)
		return;
	if (init->step.main_gone || init->step.kill != STEP_KILL_NONE) {
		step_finish(init, init->step.kill);
		return;
	}
	if (now_us() >= watch_next_us(init))
		watch_sample(init, &reason);
	if (reason == STEP_KILL_NONE && now_us() >= init->step.deadline_us)
		reason = STEP_KILL_WALL;
	if (reason != STEP_KILL_NONE)
		step_finish(init, reason);
}

enum { POLL_HOST, POLL_HOST_OUT, POLL_SIGNAL, POLL_STDIN, POLL_STDOUT, POLL_STDERR, POLL_DRIVER, POLL_COUNT };

static void loop_once(struct init *init)
{
	struct step *step = &init->step;
	bool room = out_room(init) >= OUTPUT_CHUNK_MIN;
	struct pollfd p[POLL_COUNT] = {
		[POLL_HOST] = { init->in_fd, POLLIN, 0 },
		[POLL_HOST_OUT] = { init->out_len ? init->out_fd : -1, POLLOUT, 0 },
		[POLL_SIGNAL] = { init->signal_fd, POLLIN, 0 },
		[POLL_STDIN] = { step_stdin_waits(step) ? step->stdin_fd : -1, POLLOUT, 0 },
		[POLL_STDOUT] = { step->running && room ? step->output_fd[0] : -1, POLLIN, 0 },
		[POLL_STDERR] = { step->running && room ? step->output_fd[1] : -1, POLLIN, 0 },
		[POLL_DRIVER] = { is_getting_warm(init) ? init->warm.process.control_fd : -1, POLLIN, 0 },
	};

	if (poll(p, POLL_COUNT, poll_timeout(init)) < 0 && errno != EINTR)
		_exit(1);
	for (int which = 0; which < 2; which++) {
		if (p[POLL_STDOUT + which].revents)
			step_output_pump(init, which);
	}
	if (p[POLL_STDIN].revents)
		step_stdin_pump(init);
	if (p[POLL_SIGNAL].revents) {
		drain_signals(init->signal_fd);
		step_reap(init);
	}
	if (p[POLL_DRIVER].revents && is_getting_warm(init))
		warm_heard(init);
	if (is_getting_warm(init) && now_us() >= init->warm.deadline_us)
		warm_give_up(init);
	check_step(init);
	if (p[POLL_HOST].revents)
		hear_host(init);
	collect_after_step(init);
	out_flush(init);
	container_check_host(init);
}

/* Our own keeper's: what is wrong with them is a bug. */
static void read_arguments(struct init *init, struct init_config *config, char **argv)
{
	if (sscanf(argv[INIT_ARG_UID], "%u", &config->payload_uid) != 1 ||
	    sscanf(argv[INIT_ARG_GID], "%u", &config->payload_gid) != 1)
		_exit(1);
	init->home = argv[INIT_ARG_HOME];
	if (strcmp(argv[INIT_ARG_ROLE], INIT_AS_SERVICE) == 0)
		init->folders = argv + INIT_ARG_COUNT;
	else if (strcmp(argv[INIT_ARG_ROLE], INIT_AS_SANDBOX) != 0)
		init->role = strcmp(argv[INIT_ARG_ROLE], INIT_AS_FILES) == 0 ? ROLE_FILES : ROLE_RUN;
}

static void load_config(struct init *init, int argc, char **argv)
{
	struct stat st;
	static struct init_config own;
	const struct init_config *map;

	if (fstat(INIT_CONFIG_FD, &st) < 0)
		_exit(1);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, INIT_CONFIG_FD, 0);
	if (map == MAP_FAILED)
		_exit(1);
	close(INIT_CONFIG_FD);
	own = *map;
	init->config = &own;
	init->filter = (const void *)(map + 1);
	if (own.magic != INIT_CONFIG_MAGIC)
		_exit(1);
	init->home = "/sandbox";
	if (argc >= INIT_ARG_COUNT)
		read_arguments(init, &own, argv);
}

/* What the keeper has made ready: sandbox/setup.c. */
static void sandbox_enter(struct init *init, int argc, char **argv)
{
	load_config(init, argc, argv);
	init->in_fd = init->out_fd = INIT_SOCKET_FD;
	init->cgroup_fd = INIT_CGROUP_FD;
}

/* Ends when the host cannot be spoken to without waiting for it. */
static void never_wait(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		_exit(1);
}

int main(int argc, char **argv)
{
	static struct init init; /* a megabyte of buffers of which an idle sandbox touches nothing */
	uint8_t version[4];
	struct stat st;
	sigset_t all;

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_NAME, "kiln-init", 0, 0, 0);
	if (argc >= 3 && strcmp(argv[1], INIT_CONTAINER_WORD) == 0)
		container_enter(&init, argc - 1, argv + 1);
	else
		sandbox_enter(&init, argc, argv);
	never_wait(init.in_fd);
	never_wait(init.out_fd);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	init.sandbox_fd = open("/sandbox", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	init.scratch_fd =
		init.role == ROLE_RUN ? open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC) : init.sandbox_fd;
	init.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	init.signal_fd = signalfd(-1, &all, SFD_NONBLOCK | SFD_CLOEXEC);
	init.uploads.fd = -1;
	init.landlock_fd = LANDLOCK_UNKNOWN;
	init.warm.process = LAUNCHED_NONE;
	init.step.error_fd = init.step.stdin_fd = init.step.output_fd[0] = init.step.output_fd[1] = -1;
	init.step.tty_fd = -1;
	if (init.sandbox_fd < 0 || init.scratch_fd < 0 || init.signal_fd < 0 ||
	    fstat(init.sandbox_fd, &st) < 0)
		_exit(1);
	init.sandbox_mode = st.st_mode;
	/* Files and pipes that init makes are the user's; where it has those of all it gives each away. */
	if (init.role != ROLE_FILES)
		files_begin_as(&init.foreign, init.config->payload_uid, init.config->payload_gid);
	umask(022);

	wire_u32_encode(WIRE_VERSION, version, sizeof(version));
	out_frame(&init, WIRE_HELLO, 0, version, sizeof(version));
	out_flush(&init);
	session_begin(&init);
	for (;;)
		loop_once(&init);
}
