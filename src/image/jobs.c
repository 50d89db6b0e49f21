#include "image/jobs.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct image_watch {
	struct image_watch *next;
	struct job *job;
	struct image_watch_events on;
	void *user;
	bool dead; /* told for the last time, or stopped */
};

/* While watchers are told, whatever they do, no watch and no job goes away: sweep() takes the dead ones later. */
struct job {
	struct job *next; /* oldest first */
	struct image_jobs *jobs;
	uint64_t id;
	enum builder_kind kind;
	enum image_job_state state;
	char name[BUILDER_NAME_MAX], source[BUILDER_NAME_MAX], phase[64];
	uint64_t done_bytes, total_bytes;
	int archive_fd;
	bool wanted; /* whoever watches or not */
	bool cancelled;
	uint32_t settling; /* the builder has done it; the number that this node waits for; 0: not yet */
	struct image_watch *watches;
	struct err error;
	char slug[BUILDER_SLUG_MAX]; /* error.slug */
};

struct image_jobs {
	uv_loop_t *loop;
	uv_poll_t poll;
	int socket_fd; /* -1: the builder is gone */
	bool ended;
	bool closing;
	unsigned telling; /* watchers are being called: nothing is freed */
	uint64_t next_id;
	void (*on_over)(void *user, const struct image_job *job);
	void *on_over_user;
	uint32_t (*settle)(void *user);
	void *settle_user;
	struct job *list;
};

static const char *const state_names[IMAGE_JOB_STATE_COUNT] = {
	[IMAGE_JOB_WAITING] = "waiting", [IMAGE_JOB_RUNNING] = "running",     [IMAGE_JOB_DONE] = "done",
	[IMAGE_JOB_FAILED] = "failed",	 [IMAGE_JOB_CANCELLED] = "cancelled",
};

const char *image_job_state_name(enum image_job_state state)
{
	return state_names[state];
}

static bool is_open(const struct job *job)
{
	return job->state == IMAGE_JOB_WAITING || job->state == IMAGE_JOB_RUNNING;
}

static struct image_job facts_of(const struct job *job)
{
	bool failed = job->state == IMAGE_JOB_FAILED || job->state == IMAGE_JOB_CANCELLED;

	return (struct image_job){ .kind = job->kind,
				   .state = job->state,
				   .name = job->name,
				   .source = job->source,
				   .phase = job->phase,
				   .done_bytes = job->done_bytes,
				   .total_bytes = job->total_bytes,
				   .error = failed ? &job->error : NULL };
}

static size_t count(const struct image_jobs *jobs, enum image_job_state state)
{
	size_t n = 0;

	for (const struct job *job = jobs->list; job; job = job->next)
		n += job->state == state;
	return n;
}

static void job_free(struct job *job)
{
	cleanup_close(&job->archive_fd);
	free(job);
}

/* Takes it off the list; the job must have no watchers. */
static void job_remove(struct job *job)
{
	struct job **link = &job->jobs->list;

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	job_free(job);
}

/* Successes are seen in the store; of what was not done the last ones are kept. */
static void forget_old(struct image_jobs *jobs)
{
	size_t closed = 0;
	struct job *next;

	if (jobs->telling)
		return;
	for (const struct job *job = jobs->list; job; job = job->next)
		closed += !is_open(job);
	for (struct job *job = jobs->list; job && closed > IMAGE_JOBS_REMEMBERED; job = next) {
		next = job->next;
		if (!is_open(job) && !job->watches) {
			job_remove(job);
			closed--;
		}
	}
}

static void job_cancel(struct job *job);

/* Nobody is told just now: watches that are over go, and with the last of them what only they wanted. */
static void sweep(struct image_jobs *jobs)
{
	for (struct job *job = jobs->list; job; job = job->next) {
		struct image_watch **link = &job->watches;

		while (*link) {
			struct image_watch *watch = *link;

			if (watch->dead) {
				*link = watch->next;
				free(watch);
			} else {
				link = &watch->next;
			}
		}
		if (!job->watches && !job->wanted && is_open(job))
			job_cancel(job);
	}
}

static void tell(struct job *job)
{
	const struct image_job facts = facts_of(job);
	bool over = !is_open(job);

	job->jobs->telling++;
	if (over && job->jobs->on_over)
		job->jobs->on_over(job->jobs->on_over_user, &facts);
	for (struct image_watch *watch = job->watches; watch; watch = watch->next) {
		if (watch->dead)
			continue;
		watch->dead = over;
		if (over)
			watch->on.over(watch->user, &facts);
		else if (watch->on.progress)
			watch->on.progress(watch->user, &facts);
	}
	if (--job->jobs->telling == 0)
		sweep(job->jobs);
}

static void job_over(struct job *job, enum image_job_state state)
{
	job->state = state;
	cleanup_close(&job->archive_fd);
	job->archive_fd = -1;
	tell(job);
}

static void error_from(struct job *job, const struct builder_message *message)
{
	struct err *error = &job->error;

	*error = (struct err){ .code = message->result < 0 ? message->result : -EIO };
	error->kind = message->err_kind <= ERR_BUSY ? (enum err_kind)message->err_kind : ERR_INTERNAL;
	snprintf(job->slug, sizeof(job->slug), "%s", message->slug);
	error->slug = job->slug[0] ? job->slug : NULL;
	snprintf(error->field, sizeof(error->field), "%s", message->field);
	snprintf(error->text, sizeof(error->text), "%s", message->text);
}

static int send_request(const struct image_jobs *jobs, enum builder_op op, const struct job *job)
{
	struct builder_request request = { .op = op };
	ssize_t n;

	if (job) {
		request.job = job->id;
		request.kind = job->kind;
		memcpy(request.name, job->name, sizeof(request.name));
		memcpy(request.source, job->source, sizeof(request.source));
	}
	n = fd_send(jobs->socket_fd, &request, sizeof(request),
		    op == BUILDER_START && job ? job->archive_fd : -1);
	return n < 0 ? (int)n : 0;
}

static void pump(struct image_jobs *jobs)
{
	struct job *next;

	for (struct job *job = jobs->list; job; job = next) {
		next = job->next;
		if (jobs->ended || jobs->socket_fd < 0 ||
		    count(jobs, IMAGE_JOB_RUNNING) >= IMAGE_JOBS_RUNNING)
			return;
		if (job->state != IMAGE_JOB_WAITING)
			continue;
		/* It waits on: the socket is full, or closed, which the loop will tell. */
		if (send_request(jobs, BUILDER_START, job) < 0)
			return;
		job->state = IMAGE_JOB_RUNNING;
		cleanup_close(&job->archive_fd);
		job->archive_fd = -1;
	}
}

static void job_cancel(struct job *job)
{
	if (job->cancelled)
		return;
	job->cancelled = true;
	err_refuse(&job->error, ERR_CONFLICT, "cancelled", NULL, "given up");
	if (job->state == IMAGE_JOB_WAITING)
		job_over(job, IMAGE_JOB_CANCELLED);
	else if (send_request(job->jobs, BUILDER_CANCEL, job) < 0)
		job->cancelled = false; /* then it goes on */
}

static struct job *job_by_id(const struct image_jobs *jobs, uint64_t id)
{
	struct job *job = jobs->list;

	while (job && (job->id != id || job->state != IMAGE_JOB_RUNNING || job->settling))
		job = job->next;
	return job;
}

/*
 * What was under way is lost; what waited is begun by the next one. First of all that one is told to give up what it
 * found in the socket: whoever hears of the loss may ask again at once, and that is not to be given up.
 */
static void builder_died(struct image_jobs *jobs)
{
	uint64_t last_id = jobs->next_id;

	(void)!send_request(jobs, BUILDER_HELLO,
			    NULL); /* without it the next one is one job busier, no more */
	for (struct job *job = jobs->list; job; job = job->next) {
		if (job->state != IMAGE_JOB_RUNNING || job->settling || job->id > last_id)
			continue;
		if (!job->cancelled)
			err_refuse(&job->error, ERR_BUSY, "builder_died", NULL,
				   "the process that makes images died and was started again: ask once more");
		job_over(job, job->cancelled ? IMAGE_JOB_CANCELLED : IMAGE_JOB_FAILED);
	}
	forget_old(jobs);
	pump(jobs);
}

static void on_message(struct image_jobs *jobs, struct builder_message *message)
{
	struct job *job = job_by_id(jobs, message->job);

	if (message->event == BUILDER_DIED) {
		builder_died(jobs);
		return;
	}
	message->slug[sizeof(message->slug) - 1] = '\0';
	message->field[sizeof(message->field) - 1] = '\0';
	message->text[sizeof(message->text) - 1] = '\0';
	if (!job)
		return;
	if (message->event == BUILDER_OVER) {
		if (message->result >= 0 && builder_kind_is_daemons(job->kind) && jobs->settle)
			job->settling = jobs->settle(jobs->settle_user);
		if (job->settling)
			return;
		if (message->result < 0)
			error_from(job, message);
		job_over(job, message->result >= 0 ? IMAGE_JOB_DONE
			      : job->cancelled	   ? IMAGE_JOB_CANCELLED
						   : IMAGE_JOB_FAILED);
		forget_old(jobs);
		pump(jobs);
		return;
	}
	snprintf(job->phase, sizeof(job->phase), "%.*s", (int)sizeof(job->phase) - 1, message->text);
	job->done_bytes = message->done_bytes;
	job->total_bytes = message->total_bytes;
	tell(job);
}

void image_jobs_on_settle(struct image_jobs *jobs, uint32_t (*settle)(void *user), void *user)
{
	jobs->settle = settle;
	jobs->settle_user = user;
}

void image_jobs_settled(struct image_jobs *jobs, uint32_t number)
{
	if (jobs->ended || jobs->closing)
		return;
	for (struct job *job = jobs->list; job; job = job->next) {
		if (job->state == IMAGE_JOB_RUNNING && job->settling && job->settling <= number)
			job_over(job, IMAGE_JOB_DONE);
	}
	forget_old(jobs);
	pump(jobs);
}

static void builder_lost(struct image_jobs *jobs)
{
	uv_poll_stop(&jobs->poll);
	cleanup_close(&jobs->socket_fd);
	jobs->socket_fd = -1;
	for (struct job *job = jobs->list; job; job = job->next) {
		if (!is_open(job) || job->settling)
			continue;
		err_refuse(&job->error, ERR_BUSY, "no_builder", NULL,
			   "the process that makes images is gone");
		job_over(job, IMAGE_JOB_FAILED);
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct image_jobs *jobs = poll->data;
	struct builder_message message;

	while (jobs->socket_fd >= 0 && !jobs->closing) {
		ssize_t n = recv(jobs->socket_fd, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			builder_lost(jobs);
		else if ((size_t)n == sizeof(message))
			on_message(jobs, &message);
	}
}

int image_jobs_create(uv_loop_t *loop, int socket_fd, struct image_jobs **ret, struct err *err)
{
	AUTO_FREE struct image_jobs *jobs = calloc(1, sizeof(*jobs));
	AUTO_CLOSE int fd = socket_fd;
	int r;

	if (!jobs)
		return err_set(err, -ENOMEM, "jobs for images");
	jobs->loop = loop;
	jobs->socket_fd = fd;
	/* Numbers that no front before this one had given, whose answers may still be under way. */
	jobs->next_id = uv_hrtime();
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return err_set(err, -errno, "the builder's socket");
	r = send_request(jobs, BUILDER_HELLO, NULL);
	if (r == 0)
		r = uv_poll_init(loop, &jobs->poll, fd);
	if (r < 0)
		return err_set(err, r, "the builder's socket");
	jobs->poll.data = jobs;
	uv_poll_start(&jobs->poll, UV_READABLE | UV_DISCONNECT, on_readable);
	jobs->socket_fd = TAKE_FD(fd);
	*ret = TAKE_PTR(jobs);
	return 0;
}

void image_jobs_on_over(struct image_jobs *jobs, void (*over)(void *user, const struct image_job *job),
			void *user)
{
	jobs->on_over = over;
	jobs->on_over_user = user;
}

static struct job *job_open_of(const struct image_jobs *jobs, const char *name)
{
	struct job *job = jobs->list;

	while (job && (!is_open(job) || strcmp(job->name, name) != 0))
		job = job->next;
	return job;
}

static struct image_watch *watch_add(struct job *job, const struct image_watch_events *on, void *user)
{
	struct image_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	*watch = (struct image_watch){ .next = job->watches, .job = job, .on = *on, .user = user };
	job->watches = watch;
	return watch;
}

static int can_start(const struct image_jobs *jobs, const struct job *same, const struct image_job_spec *spec,
		     struct err *err)
{
	if (jobs->ended || jobs->socket_fd < 0)
		return err_refuse(err, ERR_BUSY, "no_builder", NULL,
				  jobs->ended ? "this node is shutting down"
					      : "the process that makes images is gone");
	if (same && (same->cancelled || same->kind != spec->kind || spec->kind == BUILDER_IMPORT ||
		     strcmp(same->source, spec->source) != 0))
		return err_refuse(err, ERR_CONFLICT, "image_busy", "name",
				  "image '%.128s' is being made or removed just now", spec->name);
	if (!same && count(jobs, IMAGE_JOB_WAITING) >= IMAGE_JOBS_WAITING)
		return err_refuse(err, ERR_BUSY, "images_busy", NULL, "too many images wait to be made");
	return 0;
}

static struct job *job_create(struct image_jobs *jobs, const struct image_job_spec *spec)
{
	struct job *job = calloc(1, sizeof(*job));
	struct job **link = &jobs->list;

	if (!job)
		return NULL;
	job->jobs = jobs;
	job->id = ++jobs->next_id;
	job->kind = spec->kind;
	job->archive_fd = -1;
	snprintf(job->name, sizeof(job->name), "%s", spec->name);
	snprintf(job->source, sizeof(job->source), "%s", spec->source);
	while (*link)
		link = &(*link)->next;
	*link = job;
	return job;
}

int image_jobs_start(struct image_jobs *jobs, const struct image_job_spec *spec,
		     const struct image_watch_events *on, void *user, struct image_watch **ret_watch,
		     struct err *err)
{
	AUTO_CLOSE int archive_fd = spec->archive_fd;
	struct job *job = job_open_of(jobs, spec->name);
	bool fresh = !job;
	int r = can_start(jobs, job, spec, err);

	if (r == 0 && (strlen(spec->name) >= BUILDER_NAME_MAX || strlen(spec->source) >= BUILDER_NAME_MAX))
		r = err_refuse(err, ERR_IMPOSSIBLE, "image_name_bad", "source", "the name is too long");
	if (r < 0)
		return r;
	if (fresh) {
		image_jobs_forget(jobs, spec->name);
		job = job_create(jobs, spec);
	}
	if (!job)
		return err_set(err, -ENOMEM, "start a job for an image");
	if (on) {
		*ret_watch = watch_add(job, on, user);
		if (!*ret_watch) {
			if (fresh)
				job_remove(job);
			return err_set(err, -ENOMEM, "start a job for an image");
		}
	} else {
		job->wanted = true;
	}
	if (fresh)
		job->archive_fd = TAKE_FD(archive_fd);
	pump(jobs);
	return 0;
}

void image_watch_stop(struct image_watch *watch)
{
	struct image_jobs *jobs;

	if (!watch)
		return;
	jobs = watch->job->jobs;
	watch->dead = true;
	if (jobs->telling == 0)
		sweep(jobs);
}

bool image_jobs_find(const struct image_jobs *jobs, const char *name, struct image_job *ret)
{
	const struct job *found = job_open_of(jobs, name);

	for (const struct job *job = jobs->list; job && (!found || !is_open(found)); job = job->next) {
		if (strcmp(job->name, name) == 0)
			found = job;
	}
	if (found)
		*ret = facts_of(found);
	return found;
}

size_t image_jobs_list(const struct image_jobs *jobs, struct image_job *ret, size_t room)
{
	size_t n = 0;

	for (const struct job *job = jobs->list; job && n < room; job = job->next) {
		if (is_open(job))
			ret[n++] = facts_of(job);
	}
	for (const struct job *job = jobs->list; job && n < room; job = job->next) {
		if (job->state == IMAGE_JOB_FAILED)
			ret[n++] = facts_of(job);
	}
	return n;
}

bool image_jobs_cancel(struct image_jobs *jobs, const char *name)
{
	struct job *job = job_open_of(jobs, name);

	if (!job || job->kind == BUILDER_REMOVE)
		return false;
	job_cancel(job);
	return true;
}

void image_jobs_forget(struct image_jobs *jobs, const char *name)
{
	struct job *next;

	for (struct job *job = jobs->list; job && !jobs->telling; job = next) {
		next = job->next;
		if (!is_open(job) && !job->watches && strcmp(job->name, name) == 0)
			job_remove(job);
	}
}

void image_jobs_end(struct image_jobs *jobs)
{
	if (jobs->ended)
		return;
	jobs->ended = true;
	for (struct job *job = jobs->list; job; job = job->next) {
		if (!is_open(job))
			continue;
		if (job->state == IMAGE_JOB_RUNNING && jobs->socket_fd >= 0)
			(void)!send_request(jobs, BUILDER_CANCEL, job);
		err_refuse(&job->error, ERR_BUSY, "draining", NULL, "this node is shutting down");
		job_over(job, IMAGE_JOB_CANCELLED);
	}
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void image_jobs_destroy(struct image_jobs *jobs)
{
	if (!jobs)
		return;
	jobs->closing = true;
	while (jobs->list) {
		struct job *job = jobs->list;

		jobs->list = job->next;
		while (job->watches) {
			struct image_watch *watch = job->watches;

			job->watches = watch->next;
			free(watch);
		}
		job_free(job);
	}
	uv_close((uv_handle_t *)&jobs->poll, on_closed);
	cleanup_close(&jobs->socket_fd);
	jobs->socket_fd = -1;
}
