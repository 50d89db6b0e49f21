/*
 * Making and removing images from within a server: jobs that the builder does (builder.h), as the front sees them.
 *
 * There is one job for each name at a time; who asks for what is under way already joins it. A few run at once, some
 * more wait, all beyond that are refused. A job goes on as long as somebody wants it: a watcher, or whoever started it
 * without watching. What became of the last ones is remembered, so that a name can be asked for later.
 *
 * Lives on one loop and one thread. Nothing here blocks.
 */
#ifndef KILN_IMAGE_JOBS_H
#define KILN_IMAGE_JOBS_H

#include "base/err.h"
#include "wire/builder_proto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define IMAGE_JOBS_RUNNING    2
#define IMAGE_JOBS_WAITING    16
#define IMAGE_JOBS_REMEMBERED 64

struct image_jobs;
struct image_watch;

enum image_job_state {
	IMAGE_JOB_WAITING,
	IMAGE_JOB_RUNNING,
	IMAGE_JOB_DONE,
	IMAGE_JOB_FAILED,
	IMAGE_JOB_CANCELLED,
	IMAGE_JOB_STATE_COUNT,
};

struct image_job_spec {
	enum builder_kind kind;
	const char *name;   /* of the image, canonical (image_name_canonical()) */
	const char *source; /* as in struct builder_request; "" where there is none */
	int archive_fd;	    /* of BUILDER_IMPORT, taken over in any case; else -1 */
};

/* What is known of a job; texts are valid until the next call. */
struct image_job {
	enum builder_kind kind;
	enum image_job_state state;
	const char *name, *source;
	const char *phase;		  /* what is being done, in a few words; "" */
	uint64_t done_bytes, total_bytes; /* of that; 0: not known */
	const struct err *error;	  /* FAILED and CANCELLED; else NULL */
};

struct image_watch_events {
	void (*progress)(void *user, const struct image_job *job); /* may be NULL */
	void (*over)(void *user, const struct image_job *job); /* the last call; the watch is gone with it */
};

/* `socket_fd` leads to the builder and is owned from now on. The loop must outlive it. */
[[nodiscard]] int image_jobs_create(uv_loop_t *loop, int socket_fd, struct image_jobs **ret, struct err *err);

/*
 * Starts a job, or joins the one that does the same. `on` NULL: nobody watches, and the job goes on to its end;
 * else *ret_watch is to be given back by image_watch_stop() unless `over` was called, which happens in a later turn of
 * the loop. Refused: "image_busy" (409) when another job has that name, "images_busy" (503) when too many wait,
 * "no_builder" (503).
 */
[[nodiscard]] int image_jobs_start(struct image_jobs *jobs, const struct image_job_spec *spec,
				   const struct image_watch_events *on, void *user,
				   struct image_watch **ret_watch, struct err *err);

/* Watches no longer. A job that nobody wants any more is given up. NULL is fine. */
void image_watch_stop(struct image_watch *watch);

/* Whom to tell of every job that is over, before its watchers; NULL: nobody. */
void image_jobs_on_over(struct image_jobs *jobs, void (*over)(void *user, const struct image_job *job),
			void *user);

/*
 * What has been done at the daemon is over when this node has seen it: `settle` is asked then, and gives a number,
 * or 0: at once. Every job whose number is not above that of image_jobs_settled() is over. NULL: all are over at
 * once.
 */
void image_jobs_on_settle(struct image_jobs *jobs, uint32_t (*settle)(void *user), void *user);
void image_jobs_settled(struct image_jobs *jobs, uint32_t number);

/* The job of a name that waits or runs, else the last one that ended. False: none is known. */
bool image_jobs_find(const struct image_jobs *jobs, const char *name, struct image_job *ret);

/* Every job that waits or runs, at most `room` of them, and then those that failed; their number. */
size_t image_jobs_list(const struct image_jobs *jobs, struct image_job *ret, size_t room);

/* Gives up what makes this name; true when something did. It is over a moment later. */
bool image_jobs_cancel(struct image_jobs *jobs, const char *name);

/* Forgets what became of the last job of a name. */
void image_jobs_forget(struct image_jobs *jobs, const char *name);

/* Gives up everything and takes nothing more; each watcher is told in this call. */
void image_jobs_end(struct image_jobs *jobs);

/* "waiting", "running", "done", "failed", "cancelled". */
const char *image_job_state_name(enum image_job_state state);

/* Tells nobody anything more. The memory goes with the loop's closing callbacks. NULL is fine. */
void image_jobs_destroy(struct image_jobs *jobs);

#endif
