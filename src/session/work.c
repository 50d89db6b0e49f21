/*
 * How it works: strands that have jobs stand in a ring. The thread takes the first one out, does a piece of its first
 * job, and puts it back at the end while it has jobs. Jobs that are over go into a list, and an async handle (an
 * eventfd) wakes the loop, which calls their `done`s. One lock guards ring and list; nobody holds it while he works.
 *
 * Before work_start(), and where the thread could not be started, work_finish() does the work itself.
 */
#include "session/work.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

struct job {
	struct job *next;
	struct work_job what;
	struct err err;
	int result;
};

struct strand {
	struct strand *next;
	char *name;
	struct job *first, **last;
};

struct work {
	uv_thread_t thread;
	bool started;
	void (*relieved)(void *user);
	void *user;
	/* the loop's */
	uv_async_t *wake; /* closes itself */
	size_t count, bytes;
	bool crowded;
	/* everybody's, under the lock */
	uv_mutex_t lock;
	uv_cond_t more, over;
	struct strand *ring, **ring_last;
	struct strand *busy; /* whose piece is being done; not in the ring */
	struct job *finished, **finished_last;
	bool ending;
};

static void deliver(struct work *work);

static void on_wake(uv_async_t *wake)
{
	deliver(wake->data);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

static int sync_begin(struct work *work)
{
	int r = uv_mutex_init(&work->lock);

	if (r < 0)
		return r;
	r = uv_cond_init(&work->more);
	if (r < 0) {
		uv_mutex_destroy(&work->lock);
		return r;
	}
	r = uv_cond_init(&work->over);
	if (r < 0) {
		uv_cond_destroy(&work->more);
		uv_mutex_destroy(&work->lock);
	}
	return r;
}

static void sync_end(struct work *work)
{
	uv_cond_destroy(&work->over);
	uv_cond_destroy(&work->more);
	uv_mutex_destroy(&work->lock);
}

int work_create(uv_loop_t *loop, void (*relieved)(void *user), void *user, struct work **ret, struct err *err)
{
	AUTO_FREE struct work *work = calloc(1, sizeof(*work));
	AUTO_FREE uv_async_t *wake = malloc(sizeof(*wake));
	int r = work && wake ? sync_begin(work) : -ENOMEM;

	if (r < 0)
		return err_set(err, r, "the sessions' worker");
	r = uv_async_init(loop, wake, on_wake);
	if (r < 0) {
		sync_end(work);
		return err_set(err, r, "the sessions' worker");
	}
	uv_unref((uv_handle_t *)wake);
	wake->data = work;
	work->wake = TAKE_PTR(wake);
	work->relieved = relieved;
	work->user = user;
	work->ring_last = &work->ring;
	work->finished_last = &work->finished;
	*ret = TAKE_PTR(work);
	return 0;
}

/* Under the lock: the first strand of the ring is the busy one. */
static void take_turn(struct work *work)
{
	work->busy = work->ring;
	work->ring = work->busy->next;
	if (!work->ring)
		work->ring_last = &work->ring;
	work->busy->next = NULL;
}

/* Under the lock: the busy strand has had its turn. */
static void give_turn_back(struct work *work)
{
	struct strand *strand = work->busy;

	work->busy = NULL;
	if (!strand->first) {
		free(strand->name);
		free(strand);
		return;
	}
	*work->ring_last = strand;
	work->ring_last = &strand->next;
}

/* Under the lock, which it gives up for the piece. */
static void do_piece(struct work *work)
{
	struct job *job;

	take_turn(work);
	job = work->busy->first;
	uv_mutex_unlock(&work->lock);
	job->result = job->what.piece(job->what.user, &job->err);
	uv_mutex_lock(&work->lock);
	if (job->result <= 0) {
		work->busy->first = job->next;
		if (!job->next)
			work->busy->last = &work->busy->first;
		job->next = NULL;
		*work->finished_last = job;
		work->finished_last = &job->next;
	}
	give_turn_back(work);
}

static void run(void *user)
{
	struct work *work = user;

	uv_mutex_lock(&work->lock);
	while (!work->ending || work->ring) {
		if (!work->ring) {
			uv_cond_wait(&work->more, &work->lock);
			continue;
		}
		do_piece(work);
		if (work->finished) {
			uv_cond_signal(&work->over);
			uv_async_send(work->wake);
		}
	}
	uv_mutex_unlock(&work->lock);
}

int work_start(struct work *work, struct err *err)
{
	int r = uv_thread_create(&work->thread, run, work);

	if (r < 0)
		return err_set(err, r, "start the sessions' worker");
	work->started = true;
	return 0;
}

/* Under the lock: the strand of this name, a new one if need be; NULL: no memory. */
static struct strand *strand_of(struct work *work, const char *name)
{
	struct strand *strand = work->busy;

	if (strand && strcmp(strand->name, name) == 0)
		return strand;
	for (strand = work->ring; strand; strand = strand->next) {
		if (strcmp(strand->name, name) == 0)
			return strand;
	}
	strand = calloc(1, sizeof(*strand));
	if (strand)
		strand->name = strdup(name);
	if (!strand || !strand->name) {
		free(strand);
		return NULL;
	}
	strand->last = &strand->first;
	*work->ring_last = strand;
	work->ring_last = &strand->next;
	return strand;
}

int work_post(struct work *work, const struct work_job *what, struct err *err)
{
	struct job *job = calloc(1, sizeof(*job));
	struct strand *strand;

	if (!job)
		return err_set(err, -ENOMEM, "work for a session");
	job->what = *what;
	job->what.strand = NULL;
	uv_mutex_lock(&work->lock);
	strand = strand_of(work, what->strand);
	if (strand) {
		*strand->last = job;
		strand->last = &job->next;
		uv_cond_signal(&work->more);
	}
	uv_mutex_unlock(&work->lock);
	if (!strand) {
		free(job);
		return err_set(err, -ENOMEM, "work for a session");
	}
	work->count++;
	work->bytes += what->bytes;
	work->crowded |= work->bytes > WORK_CROWD_BYTES;
	/* Somebody waits for it: the loop may not end before. */
	uv_ref((uv_handle_t *)work->wake);
	return 0;
}

static void tell(struct work *work, struct job *job)
{
	work->count--;
	work->bytes -= job->what.bytes;
	if (work->count == 0)
		uv_unref((uv_handle_t *)work->wake);
	job->what.done(job->what.user, job->result < 0 ? &job->err : NULL);
	free(job);
}

static void deliver(struct work *work)
{
	struct job *job;

	uv_mutex_lock(&work->lock);
	job = work->finished;
	work->finished = NULL;
	work->finished_last = &work->finished;
	uv_mutex_unlock(&work->lock);
	while (job) {
		struct job *next = job->next;

		tell(work, job);
		job = next;
	}
	if (work->crowded && work->bytes <= WORK_CROWD_BYTES / 2) {
		work->crowded = false;
		if (work->relieved)
			work->relieved(work->user);
	}
}

bool work_is_crowded(const struct work *work)
{
	return work->bytes > WORK_CROWD_BYTES;
}

bool work_is_idle(const struct work *work)
{
	return work->count == 0;
}

void work_finish(struct work *work)
{
	while (work->count > 0) {
		uv_mutex_lock(&work->lock);
		while (!work->finished) {
			if (work->started)
				uv_cond_wait(&work->over, &work->lock);
			else
				do_piece(work);
		}
		uv_mutex_unlock(&work->lock);
		deliver(work);
	}
}

void work_destroy(struct work *work)
{
	if (!work)
		return;
	work_finish(work);
	uv_mutex_lock(&work->lock);
	work->ending = true;
	uv_cond_signal(&work->more);
	uv_mutex_unlock(&work->lock);
	if (work->started)
		uv_thread_join(&work->thread);
	uv_close((uv_handle_t *)work->wake, on_closed);
	sync_end(work);
	free(work);
}
