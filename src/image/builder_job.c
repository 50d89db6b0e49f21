/*
 * One job of the builder, in a process of its own: what `kiln image` does by the same functions, told to a pipe instead
 * of a terminal. SIGTERM gives it up at the next step of its progress, tidied.
 */
#include "base/cleanup.h"
#include "base/fd.h"
#include "image/builder.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define SILENT_MS     5000 /* the same again is told this often */
#define TELL_MS	      250
#define NICE	      10	   /* runs come first */
#define RESERVE_BYTES (1ULL << 30) /* of the disk that stay free for others; less on a small one */
#define RESERVE_PART  20	   /* a twentieth of it */
#define IN_USE_TRIES  40	   /* a sandbox that only waited needs a moment to go */
#define IN_USE_NS     (50 * 1000 * 1000)

/* Set by the one signal handler; a handler can be told nothing else. */
static volatile sig_atomic_t told_to_end;

struct job_run {
	const struct builder_options *options;
	const struct builder_request *request;
	int archive_fd, message_fd;
	uint64_t told_ms, told_done;
	char phase[64];
	struct image_store *store;
	bool disk_full;
};

static void on_signal(int number)
{
	told_to_end = 1;
}

static void catch_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal }, ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

static uint64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static bool disk_is_full(const struct job_run *job)
{
	struct statvfs fs;
	uint64_t reserve = RESERVE_BYTES, size;

	if (statvfs(job->options->state_dir, &fs) < 0)
		return false;
	size = (uint64_t)fs.f_blocks * fs.f_frsize;
	reserve = size / RESERVE_PART < reserve ? size / RESERVE_PART : reserve;
	return (uint64_t)fs.f_bavail * fs.f_frsize < reserve;
}

static int on_progress(void *user, const char *phase, uint64_t done, uint64_t total)
{
	struct job_run *job = user;
	struct builder_message message = { .event = BUILDER_PROGRESS,
					   .done_bytes = done,
					   .total_bytes = total };
	uint64_t now = now_ms();
	bool same;

	if (told_to_end)
		return -ECANCELED;
	same = strcmp(phase, job->phase) == 0;
	if (same && now - job->told_ms < (done == job->told_done ? SILENT_MS : TELL_MS))
		return 0;
	/* The daemon's disk is its own affair. */
	if (!builder_kind_is_daemons(job->request->kind) && disk_is_full(job)) {
		job->disk_full = true;
		return -ECANCELED;
	}
	job->told_ms = now;
	job->told_done = done;
	snprintf(job->phase, sizeof(job->phase), "%s", phase);
	snprintf(message.text, sizeof(message.text), "%s", phase);
	return fd_write_all(job->message_fd, &message, sizeof(message)) < 0 ? -ECANCELED : 0;
}

static int do_build(struct job_run *job, const struct image_make *make, struct image *image, struct err *err)
{
	return image_make_build(make, job->request->source, image, err);
}

static int do_pull(struct job_run *job, const struct image_make *make, struct image *image, struct err *err)
{
	return image_make_pull(make, job->request->source, job->request->name, image, err);
}

static int do_import(struct job_run *job, const struct image_make *make, struct image *image, struct err *err)
{
	struct stat st;

	if (fstat(job->archive_fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "an archive that is no file");
	return image_make_import_fd(make, job->archive_fd, job->request->source, job->request->name, image,
				    err);
}

static int do_remove(struct job_run *job, const struct image_make *make, struct image *image, struct err *err)
{
	const struct timespec pause = { .tv_nsec = IN_USE_NS };
	int r = -EBUSY;

	for (int i = 0; r == -EBUSY && i < IN_USE_TRIES && !told_to_end; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		r = image_store_remove(job->store, job->request->name, err);
	}
	return r;
}

static int do_daemon_pull(struct job_run *job, const struct image_make *make, struct image *image,
			  struct err *err)
{
	const struct builder_daemon *daemon = job->options->daemon;

	return daemon->pull(daemon->user, job->request->source, &make->progress, err);
}

static int do_daemon_remove(struct job_run *job, const struct image_make *make, struct image *image,
			    struct err *err)
{
	const struct builder_daemon *daemon = job->options->daemon;
	const struct timespec pause = { .tv_nsec = IN_USE_NS };
	int r = -EBUSY;

	/* A container that only waited needs a moment to go. */
	for (int i = 0; (r == -EBUSY || err->kind == ERR_CONFLICT) && i < IN_USE_TRIES && !told_to_end; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		*err = ERR_INIT;
		r = daemon->remove(daemon->user, job->request->name, err);
	}
	return r;
}

static int (*const kinds[BUILDER_KIND_COUNT])(struct job_run *job, const struct image_make *make,
					      struct image *image, struct err *err) = {
	[BUILDER_BUILD] = do_build,
	[BUILDER_PULL] = do_pull,
	[BUILDER_IMPORT] = do_import,
	[BUILDER_REMOVE] = do_remove,
	[BUILDER_DAEMON_PULL] = do_daemon_pull,
	[BUILDER_DAEMON_REMOVE] = do_daemon_remove,
};

static int do_job(struct job_run *job, struct err *err)
{
	AUTO_IMAGE struct image image = { 0 };
	struct image_make make = job->options->make;
	int r;

	make.progress = (struct image_progress){ .tell = on_progress, .user = job };
	if (builder_kind_is_daemons(job->request->kind)) {
		r = kinds[job->request->kind](job, &make, &image, err);
		return r < 0 && told_to_end ? err_refuse(err, ERR_CONFLICT, "cancelled", NULL, "given up")
					    : r;
	}
	r = image_store_open(job->options->state_dir, IMAGE_STORE_WRITE, &job->store, err);
	if (r < 0)
		return r;
	if (job->request->kind != BUILDER_REMOVE && disk_is_full(job)) {
		job->disk_full = true;
		r = -ENOSPC;
	}
	make.store = job->store;
	if (r == 0)
		r = kinds[job->request->kind](job, &make, &image, err);
	image_store_close(job->store);
	if (r < 0 && job->disk_full)
		err_refuse(err, ERR_IMPOSSIBLE, "disk_full", NULL,
			   "too little space is left on this node for another image");
	else if (r < 0 && told_to_end)
		err_refuse(err, ERR_CONFLICT, "cancelled", NULL, "given up");
	return r;
}

_Noreturn void builder_job_run(const struct builder_options *options, const struct builder_request *request,
			       int archive_fd, int message_fd)
{
	struct job_run job = {
		.options = options, .request = request, .archive_fd = archive_fd, .message_fd = message_fd
	};
	struct builder_message message = { .event = BUILDER_OVER };
	struct err err = ERR_INIT;

	catch_signals();
	(void)!setpriority(PRIO_PROCESS, 0, NICE);
	message.result = do_job(&job, &err);
	message.err_kind = err.kind;
	snprintf(message.slug, sizeof(message.slug), "%s", err.slug ? err.slug : "");
	snprintf(message.field, sizeof(message.field), "%s", err.field);
	snprintf(message.text, sizeof(message.text), "%s", err.text);
	_exit(fd_write_all(message_fd, &message, sizeof(message)) < 0 ? 1 : 0);
}
