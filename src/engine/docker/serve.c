/*
 * The Docker keeper's process: one loop with the daemon, the containers and the front. In a server it is the
 * main process and the front is its child, as with the native keeper: executed again when it crashes, its exit
 * is ours, the signals that end us go to it.
 */
#include "engine/docker/names.h"
#include "engine/docker/sessions.h"
#include "engine/docker/spec.h"

#include "base/cleanup.h"
#include "base/plural.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sha2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_PATIENCE_MS	 15000 /* for the daemon to remove what there is */
#define CRASH_WINDOW_MS	 60000
#define FRONT_FD	 3
#define FRONT_BUILDER_FD 4
#define HIGH_FD		 20

struct server {
	struct docker *docker;
	struct program program;
	pid_t pid;
	struct builder builder;
	uv_signal_t child, ending[3];
	struct crashes crashes;
	bool told_to_end, over;
	int status;
};

static const int ending_signals[] = { SIGTERM, SIGINT, SIGHUP };

struct daemon_call *docker_call(struct docker *d, const char *method, const char *path, json_t *body,
				daemon_fn done, void *user)
{
	AUTO_FREE char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	bool wants_body = body != NULL;
	struct err err = ERR_INIT;
	const struct daemon_request request = {
		.method = method,
		.path = path,
		.body = text,
		.body_len = text ? strlen(text) : 0,
		.timeout_ms = CALL_MS,
		.answer_max = LARGE_ANSWER,
	};

	json_decref(body);
	if (wants_body && !text)
		return NULL;
	return daemon_call(&d->daemon, &request, done, user, &err);
}

/* ---- the front's process ---- */

void keeper_say(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "kiln-keeper (docker): %s\n", text);
}

_Noreturn void child_execute(const struct program *program, const char *variable, int socket_fd,
			     int builder_fd)
{
	int program_fd = fcntl(program->fd, F_DUPFD_CLOEXEC, HIGH_FD), high_fd;
	sigset_t none;

	/* A key at the terminal signals the keeper alone, which passes it on: twice would mean to end at once. */
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	high_fd = builder_fd < 0 ? -1 : fcntl(builder_fd, F_DUPFD_CLOEXEC, HIGH_FD);
	if (program_fd < 0 || dup2(socket_fd, FRONT_FD) < 0 ||
	    (high_fd >= 0 && dup2(high_fd, FRONT_BUILDER_FD) < 0))
		_exit(125);
	close_range((high_fd >= 0 ? FRONT_BUILDER_FD : FRONT_FD) + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	setenv(variable, "3", 1);
	if (high_fd >= 0)
		setenv("KILN_BUILDER_FD", "4", 1);
	fexecve(program_fd, program->argv, environ);
	_exit(125);
}

static int start_front(struct server *s, struct err *err)
{
	int ends[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, -errno, "make the front's socket");
	s->pid = fork();
	if (s->pid == 0)
		child_execute(&s->program, "KILN_KEEPER_FD", ends[1], s->builder.own_fd);
	close(ends[1]);
	if (s->pid < 0) {
		close(ends[0]);
		return err_set(err, -errno, "fork the front");
	}
	r = requests_begin(s->docker, ends[0], err);
	return r;
}

bool crashes_too_often(struct crashes *crashes, uint64_t now_ms)
{
	uint64_t *oldest = &crashes->at_ms[crashes->next++ % CRASHES_MAX];
	bool often = *oldest && now_ms - *oldest < CRASH_WINDOW_MS;

	*oldest = now_ms;
	return often;
}

static uint32_t count_used(const struct docker *d)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < d->slots_count; i++)
		used += d->slots[i].state == SLOT_RUNNING && !slot_outlives_front(&d->slots[i]);
	return used;
}

/* Its socket is seen to be closed before its death is, as a rule. */
static void leave_front(struct docker *d)
{
	d->front_lost += count_used(d);
	slots_destroy_of_front(d);
	docker_sessions_forget_front(d);
}

static void front_died(struct server *s, int status)
{
	struct docker *d = s->docker;
	struct err err = ERR_INIT;
	uint32_t used;

	requests_end(d);
	leave_front(d);
	used = d->front_lost;
	d->front_lost = 0;
	if (WIFSIGNALED(status) && !s->told_to_end && !crashes_too_often(&s->crashes, uv_now(&d->loop))) {
		keeper_say("the front was killed by signal %d; %u %s lost; starting it again",
			   WTERMSIG(status), used, plural(used, "run is", "runs are"));
		d->lost += used;
		if (start_front(s, &err) == 0)
			return;
		keeper_say("%s", err.text);
	}
	/* It was too young to catch the signal that we passed on: there was nothing to drain. */
	if (s->told_to_end && WIFSIGNALED(status) &&
	    (WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT))
		status = 0;
	s->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	s->over = true;
}

static void on_child(uv_signal_t *handle, int number)
{
	struct server *s = handle->data;
	int status;

	if (!s->over)
		builder_reap(&s->builder);
	if (s->pid <= 0 || waitpid(s->pid, &status, WNOHANG) != s->pid)
		return;
	s->pid = 0;
	front_died(s, status);
}

static void on_ending(uv_signal_t *handle, int number)
{
	struct server *s = handle->data;

	s->told_to_end = s->builder.ending = true;
	if (s->pid > 0)
		kill(s->pid, number == SIGHUP ? SIGTERM : number);
}

/* In a server its process tells how it went; else there is nobody left to serve. */
void front_lost(struct docker *d)
{
	leave_front(d);
	if (!d->server)
		d->ending = true;
}

static void server_begin(struct server *s)
{
	uv_loop_t *loop = &s->docker->loop;

	uv_signal_init(loop, &s->child);
	s->child.data = s;
	uv_signal_start(&s->child, on_child, SIGCHLD);
	for (size_t i = 0; i < ARRAY_LEN(ending_signals); i++) {
		uv_signal_init(loop, &s->ending[i]);
		s->ending[i].data = s;
		uv_signal_start(&s->ending[i], on_ending, ending_signals[i]);
	}
}

static void server_end(struct server *s)
{
	builder_end(&s->builder);
	uv_close((uv_handle_t *)&s->child, NULL);
	for (size_t i = 0; i < ARRAY_LEN(ending_signals); i++)
		uv_close((uv_handle_t *)&s->ending[i], NULL);
}

/* ---- the keeper ---- */

/* The containers of this node among those of its daemon: no two nodes of one machine have one state folder. */
static void name_owner(struct docker *d)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char machine[64] = "";
	SHA2_CTX hash;
	ssize_t n;
	int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);

	n = fd < 0 ? 0 : read(fd, machine, sizeof(machine));
	if (fd >= 0)
		close(fd);
	SHA256Init(&hash);
	SHA256Update(&hash, (const uint8_t *)machine, n > 0 ? (size_t)n : 0);
	SHA256Update(&hash, (const uint8_t *)d->options->owner, strlen(d->options->owner));
	SHA256Final(digest, &hash);
	hex_encode(digest, OWNER_MAX / 2, d->owner);
}

static int docker_begin(struct docker *d, const struct docker_options *options, struct err *err)
{
	int r;

	*d = (struct docker){ .options = options, .front_fd = -1 };
	name_owner(d);
	r = uv_loop_init(&d->loop);
	if (r < 0)
		return err_set(err, r, "event loop");
	r = daemon_open(&d->daemon, &d->loop, options, err);
	if (r == 0)
		r = place_begin(d, err);
	if (r == 0)
		r = names_begin(d, err);
	if (r == 0)
		r = docker_sessions_begin(d, err);
	if (r == 0)
		r = slots_begin(d, err);
	if (r == 0)
		host_begin(d);
	return r;
}

static void docker_end(struct docker *d)
{
	requests_end(d);
	if (d->tick.data)
		host_end(d);
	docker_sessions_end(d);
	slots_end(d);
	images_end(d);
	place_end(d);
	names_end(d);
	daemon_close(&d->daemon);
	while (uv_run(&d->loop, UV_RUN_DEFAULT))
		;
	uv_loop_close(&d->loop);
	free(d->slots);
	free(d->waiting);
	free(d->sessions);
	free(d->opens);
}

static bool is_over(const struct docker *d)
{
	return d->server ? d->server->over : d->ending;
}

static bool is_settled(const struct docker *d)
{
	return !slots_busy(d) && !docker_sessions_busy(d) && !d->place_call && !names_busy(d) &&
	       !d->removing && !d->call;
}

static void wait_settled(struct docker *d, uint64_t end_ms)
{
	/* The tick wakes us. */
	while (d->host.up && !is_settled(d) && uv_now(&d->loop) < end_ms)
		uv_run(&d->loop, UV_RUN_ONCE);
}

/* Until the front has gone, and then until its containers have. */
static void run(struct docker *d)
{
	uint64_t end_ms;

	while (!is_over(d))
		uv_run(&d->loop, UV_RUN_ONCE);
	d->ending = true;
	slots_destroy_all(d);
	docker_sessions_close_all(d);
	end_ms = uv_now(&d->loop) + END_PATIENCE_MS;
	wait_settled(d, end_ms);
	names_remove_volume(d);
	wait_settled(d, end_ms);
	if (d->options->heirs)
		return;
	/* What others depend on goes after them. */
	for (int i = 0; i < 2; i++) {
		host_sweep(d);
		wait_settled(d, end_ms);
	}
	host_sweep_volumes(d);
	wait_settled(d, end_ms);
}

int docker_keeper_serve(const struct docker_options *options, int front_fd, struct err *err)
{
	struct docker d;
	int r = docker_begin(&d, options, err);

	if (r == 0)
		r = requests_begin(&d, front_fd, err);
	if (r == 0)
		run(&d);
	docker_end(&d);
	return r;
}

int docker_keeper_serve_front(const struct docker_options *options, char *const *argv, struct err *err)
{
	struct server server = { .program.argv = argv };
	struct docker d;
	int r;

	server.program.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (server.program.fd < 0)
		return err_set(err, -errno, "open this program");
	r = docker_begin(&d, options, err);
	if (r == 0) {
		server.docker = &d;
		d.server = &server;
		server_begin(&server);
		r = builder_begin(&server.builder, &d, &server.program, err);
		if (r == 0)
			r = start_front(&server, err);
		if (r == 0)
			run(&d);
		server_end(&server);
	}
	docker_end(&d);
	close(server.program.fd);
	return r < 0 ? r : server.status;
}

/* Nothing of the front's but its socket and the standard descriptors comes along. */
static _Noreturn void serve_child(const struct docker_options *options, int socket_fd)
{
	struct err err = ERR_INIT;
	int r;

	/*
	 * A key at the terminal, or who ends the service, ends the front, and with it us, when the containers are
	 * removed.
	 */
	setsid();
	for (size_t i = 0; i < ARRAY_LEN(ending_signals); i++)
		sigaction(ending_signals[i], &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	if (dup2(socket_fd, FRONT_FD) < 0)
		_exit(1);
	close_range(FRONT_FD + 1, ~0u, 0);
	fcntl(FRONT_FD, F_SETFD, FD_CLOEXEC);
	r = docker_keeper_serve(options, FRONT_FD, &err);
	if (r < 0)
		keeper_say("%s", err.text);
	_exit(r < 0 ? 1 : 0);
}

int docker_keeper_start(const struct docker_options *options, int *ret_fd, pid_t *ret_pid, struct err *err)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, -errno, "make the keeper's socket");
	pid = fork();
	if (pid == 0)
		serve_child(options, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return err_set(err, -errno, "fork the keeper");
	}
	*ret_fd = ends[0];
	*ret_pid = pid;
	return 0;
}
