/*
 * How it works: one loop over the front's socket, a signalfd and one pipe for each job. A job's process writes whole
 * messages into its pipe (each is smaller than PIPE_BUF); they go on to the front, progress only while its socket has
 * room, the outcome in any case. The pipe's end is the job's end: a job that died without an outcome gets one here. One
 * that is told to end and does not is killed with its process group.
 */
#include "image/builder.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/strv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CANCEL_PATIENCE_MS 10000
#define END_PATIENCE_MS	   3000
#define JOB_MAX_MS	   (4ULL * 3600 * 1000) /* a registry that trickles is not waited for for ever */

enum { POLL_SOCKET, POLL_SIGNALS, POLL_JOBS };

struct job {
	uint64_t id; /* 0: free */
	pid_t pid;
	int pipe_fd;
	uint64_t until_ms;		  /* then it is killed */
	bool told_to_end, over, answered; /* `over`: ended, its outcome in `outcome` */
	struct builder_message outcome;
};

struct builder {
	const struct builder_options *options;
	int socket_fd, signal_fd;
	bool ending;
	sigset_t signals;
	struct job jobs[BUILDER_JOBS_MAX];
};

static uint64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static bool text_ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* As a recipe's file may be called, without ".yaml": never a path. */
static bool recipe_name_valid(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.+_-");

	return len > 0 && name[len] == '\0' && name[0] != '.' && name[0] != '-';
}

static int check_source(const struct builder_request *request, char *const *registries, struct err *err)
{
	AUTO_FREE char *reference = NULL;
	int r;

	if (request->kind == BUILDER_BUILD && !recipe_name_valid(request->source))
		return err_refuse(err, ERR_IMPOSSIBLE, "recipe_name_bad", "source",
				  "'%.100s' is no name of a recipe", request->source);
	if (request->kind != BUILDER_PULL && request->kind != BUILDER_DAEMON_PULL)
		return 0;
	if (request->kind == BUILDER_DAEMON_PULL && strcmp(request->name, request->source) != 0)
		return err_refuse(err, ERR_IMPOSSIBLE, "image_name_bad", "name",
				  "an image that the daemon pulls has the name that it is pulled by");
	r = image_name_canonical(request->source, &reference, err);
	if (r < 0)
		return r;
	if (!image_registry_allowed(registries, reference))
		return err_refuse(err, ERR_FORBIDDEN, "registry_not_allowed", "source",
				  "this node does not pull from the registry of '%.128s'", reference);
	return 0;
}

int builder_request_check(const struct builder_request *request, char *const *registries, struct err *err)
{
	AUTO_FREE char *name = NULL;
	int r;

	if (request->kind >= BUILDER_KIND_COUNT || request->job == 0 ||
	    !text_ends(request->name, sizeof(request->name)) ||
	    !text_ends(request->source, sizeof(request->source)))
		return err_set(err, -EINVAL, "a request to the builder that is none");
	r = image_name_canonical(request->name, &name, err);
	if (r == 0 && strcmp(name, request->name) != 0)
		r = err_set(err, -EINVAL, "the name '%.100s' is not in its shortest form", request->name);
	return r < 0 ? r : check_source(request, registries, err);
}

static struct job *job_find(struct builder *b, uint64_t id)
{
	for (size_t i = 0; i < BUILDER_JOBS_MAX; i++) {
		if (b->jobs[i].id == id)
			return &b->jobs[i];
	}
	return NULL;
}

/* True when the front has it, or is gone and wants nothing. */
static bool tell(const struct builder *b, const struct builder_message *message)
{
	ssize_t n = send(b->socket_fd, message, sizeof(*message), MSG_DONTWAIT | MSG_NOSIGNAL);

	return n >= 0 || (errno != EAGAIN && errno != EINTR);
}

static void outcome_from(struct builder_message *message, uint64_t id, int result, const struct err *err)
{
	*message = (struct builder_message){
		.event = BUILDER_OVER, .job = id, .result = result, .err_kind = err->kind
	};
	snprintf(message->slug, sizeof(message->slug), "%s", err->slug ? err->slug : "");
	snprintf(message->field, sizeof(message->field), "%s", err->field);
	snprintf(message->text, sizeof(message->text), "%s", err->text);
}

static void job_signal(struct job *job, int number, uint64_t patience_ms)
{
	/* With whatever it started, as a key at a terminal would: mmdebstrap waits for its own children. */
	kill(-job->pid, number);
	job->until_ms = now_ms() + patience_ms;
	job->told_to_end = true;
}

static int job_start(struct builder *b, struct job *job, const struct builder_request *request,
		     int archive_fd, struct err *err)
{
	pid_t parent = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, -errno, "start a job for an image");
	job->pid = fork();
	if (job->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
		if (getppid() != parent)
			_exit(1);
		setpgid(0, 0);
		close(b->socket_fd);
		close(b->signal_fd);
		close(ends[0]);
		sigprocmask(SIG_UNBLOCK, &b->signals, NULL);
		builder_job_run(b->options, request, archive_fd, ends[1]);
	}
	close(ends[1]);
	if (job->pid < 0) {
		int r = err_set(err, -errno, "start a job for an image");

		close(ends[0]);
		return r;
	}
	setpgid(job->pid, job->pid); /* whoever of both comes first */
	job->id = request->job;
	job->pipe_fd = ends[0];
	job->until_ms = now_ms() + JOB_MAX_MS;
	return 0;
}

static int start(struct builder *b, const struct builder_request *request, int archive_fd, struct err *err)
{
	struct job *job = job_find(b, 0);
	int r = builder_request_check(request, b->options->registries, err);

	if (r < 0)
		return r;
	if (builder_kind_is_daemons(request->kind) ? !b->options->daemon : b->options->only_daemon)
		return err_refuse(err, ERR_IMPOSSIBLE, "not_supported", NULL,
				  "this node has no images of that kind: see `engine` of its settings");
	if (job_find(b, request->job))
		return err_set(err, -EEXIST, "a job of that number is under way");
	if (!job)
		return err_refuse(err, ERR_BUSY, "images_busy", NULL, "too many images are being made");
	if ((request->kind == BUILDER_IMPORT) != (archive_fd >= 0))
		return err_set(err, -EINVAL, "an archive that is missing, or not asked for");
	*job = (struct job){ .pipe_fd = -1 };
	return job_start(b, job, request, archive_fd, err);
}

static void cancel_all(struct builder *b, uint64_t patience_ms)
{
	for (size_t i = 0; i < BUILDER_JOBS_MAX; i++) {
		if (b->jobs[i].id && !b->jobs[i].over)
			job_signal(&b->jobs[i], SIGTERM, patience_ms);
	}
}

static void handle_request(struct builder *b, const struct builder_request *request, int archive_fd)
{
	struct builder_message message;
	struct err err = ERR_INIT;
	struct job *job;
	int r;

	switch (request->op) {
	case BUILDER_HELLO:
		cancel_all(b, CANCEL_PATIENCE_MS);
		break;
	case BUILDER_START:
		r = start(b, request, archive_fd, &err);
		if (r < 0) {
			outcome_from(&message, request->job, r, &err);
			(void)!tell(b, &message);
		}
		break;
	case BUILDER_CANCEL:
		job = request->job ? job_find(b, request->job) : NULL;
		if (job && !job->over)
			job_signal(job, SIGTERM, CANCEL_PATIENCE_MS);
		break;
	default:
		break;
	}
}

static void handle_socket(struct builder *b)
{
	struct builder_request request;
	AUTO_CLOSE int archive_fd = -1;
	ssize_t n =
		fd_receive(b->socket_fd, &request, sizeof(request), MSG_DONTWAIT | MSG_TRUNC, &archive_fd);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0)
		b->ending = true;
	else if ((size_t)n == sizeof(request))
		handle_request(b, &request, archive_fd);
}

static void job_ended(struct job *job)
{
	struct err err = ERR_INIT;
	siginfo_t how = { 0 };

	while (waitid(P_PID, (id_t)job->pid, &how, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	/* What it started and left behind; before its number is free for others. */
	kill(-job->pid, SIGKILL);
	while (waitpid(job->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(job->pipe_fd);
	job->pipe_fd = -1;
	job->over = true;
	if (job->outcome.event == BUILDER_OVER)
		return;
	if (job->told_to_end)
		err_refuse(&err, ERR_CONFLICT, "cancelled", NULL, "given up");
	else
		err_set(&err, -EIO, "the making of the image ended without a word (%s %d)",
			how.si_code == CLD_EXITED ? "status" : "signal", how.si_status);
	outcome_from(&job->outcome, job->id, job->told_to_end ? -ECANCELED : -EIO, &err);
}

static void handle_job(struct builder *b, struct job *job)
{
	struct builder_message message;
	ssize_t n = read(job->pipe_fd, &message, sizeof(message));

	if (n < 0 && errno == EINTR)
		return;
	if (n != (ssize_t)sizeof(message)) {
		job_ended(job);
		return;
	}
	message.job = job->id;
	if (message.event == BUILDER_OVER)
		job->outcome = message;
	else
		(void)!tell(b, &message);
}

/* Outcomes that wait for the socket, and jobs whose time is over. Returns how long poll may wait. */
static int tick(struct builder *b)
{
	uint64_t now = now_ms();
	int wait_ms = -1;

	for (size_t i = 0; i < BUILDER_JOBS_MAX; i++) {
		struct job *job = &b->jobs[i];

		if (job->id && job->over && tell(b, &job->outcome))
			*job = (struct job){ .pipe_fd = -1 };
		if (job->id && !job->over && now >= job->until_ms)
			job_signal(job, job->told_to_end ? SIGKILL : SIGTERM, CANCEL_PATIENCE_MS);
		if (job->id)
			wait_ms = job->over ? 50 : wait_ms == 50 ? 50 : 500;
	}
	return wait_ms;
}

static bool jobs_left(const struct builder *b)
{
	for (size_t i = 0; i < BUILDER_JOBS_MAX; i++) {
		if (b->jobs[i].id && !b->jobs[i].over)
			return true;
	}
	return false;
}

static void wait_once(struct builder *b, int wait_ms)
{
	struct pollfd fds[POLL_JOBS + BUILDER_JOBS_MAX] = {
		[POLL_SOCKET] = { .fd = b->ending ? -1 : b->socket_fd, .events = POLLIN },
		[POLL_SIGNALS] = { .fd = b->ending ? -1 : b->signal_fd, .events = POLLIN },
	};

	for (size_t i = 0; i < BUILDER_JOBS_MAX; i++)
		fds[POLL_JOBS + i] =
			(struct pollfd){ .fd = b->jobs[i].id ? b->jobs[i].pipe_fd : -1, .events = POLLIN };
	if (poll(fds, ARRAY_LEN(fds), wait_ms) <= 0)
		return;
	for (size_t i = 0; i < BUILDER_JOBS_MAX; i++) {
		if (fds[POLL_JOBS + i].revents)
			handle_job(b, &b->jobs[i]);
	}
	if (fds[POLL_SIGNALS].revents)
		b->ending = true;
	if (fds[POLL_SOCKET].revents)
		handle_socket(b);
}

int builder_serve(int socket_fd, const struct builder_options *options, struct err *err)
{
	AUTO_CLOSE int own_fd = socket_fd, signal_fd = -1;
	struct builder b = { .options = options, .socket_fd = socket_fd };

	for (size_t i = 0; i < BUILDER_JOBS_MAX; i++)
		b.jobs[i].pipe_fd = -1;
	sigemptyset(&b.signals);
	sigaddset(&b.signals, SIGTERM);
	sigaddset(&b.signals, SIGINT);
	sigaddset(&b.signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &b.signals, NULL);
	signal_fd = signalfd(-1, &b.signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0)
		return err_set(err, -errno, "the builder of images");
	b.signal_fd = signal_fd;
	while (!b.ending)
		wait_once(&b, tick(&b));
	cancel_all(&b, END_PATIENCE_MS);
	while (jobs_left(&b)) {
		tick(&b);
		wait_once(&b, 50);
	}
	return 0;
}
