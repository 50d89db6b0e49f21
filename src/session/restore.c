/*
 * The copy of a session's files goes back into the engine: the worker reads some of them, a FILES member takes them,
 * and so on, so that no more than those are in memory.
 */
#include "session/task.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

/* What is read and written at a time. */
#define PART_BYTES ((size_t)8 * 1024 * 1024)

struct restoring {
	struct session_task task;
	bool posted; /* it is the worker's */
	struct store_walk walk;
	json_t *known;
	struct files_job *part; /* what was read */
	size_t bytes;
	bool more;
	files_done_fn done;
};

static void restoring_free(struct restoring *restoring)
{
	store_walk_finish(&restoring->walk);
	json_decref(restoring->known);
	files_job_destroy(restoring->part);
	free(restoring);
}

void files_restore_drop(struct session *session)
{
	struct restoring *restoring = TAKE_PTR(session->restoring);

	/* What the worker has comes back. */
	if (restoring && !restoring->posted)
		restoring_free(restoring);
}

static int restore_one(void *user, const struct store_file *from)
{
	struct restoring *restoring = user;
	struct engine_file to = {
		.name = strdup(from->path),
		.data = from->len ? malloc(from->len) : NULL,
		.len = from->len,
		.mode = from->mode,
		.is_dir = from->kind == STORE_FOLDER,
		.is_link = from->kind == STORE_LINK,
		.mtime_ns = from->mtime_ns,
		.owner = from->owner,
	};

	if (from->len && !to.data) {
		free((char *)to.name);
		return -ENOMEM;
	}
	if (from->len)
		memcpy((uint8_t *)to.data, from->data, from->len);
	restoring->bytes += from->len;
	return files_job_add(restoring->part, &to, restoring->known);
}

static int read_piece(struct session_task *task, struct session_store *store, struct err *err)
{
	struct restoring *restoring = (struct restoring *)task;
	int r = session_store_read(store, task->key, NULL, &restoring->walk, restore_one, restoring, err);

	if (r < 0)
		return r == -ENOMEM ? err_set(err, r, "files of a session") : r;
	restoring->more = r > 0;
	return restoring->more && restoring->bytes < PART_BYTES;
}

static int read_post(struct session *session, struct restoring *restoring, struct err *err)
{
	int r;

	restoring->bytes = 0;
	r = session_task_post(session, &restoring->task, 0, err);
	restoring->posted = r == 0;
	return r;
}

/* What was read becomes the job that is under way, or the one that begins it. */
static void part_upload(struct session *session, struct restoring *restoring)
{
	const struct engine *engine = session->all->options.engine;
	struct files_job *job = session->jobs, *part = restoring->part;

	files_job_clear(job);
	job->files = TAKE_PTR(part->files);
	job->files_count = part->files_count;
	job->files_room = part->files_room;
	part->files_count = part->files_room = 0;
	engine->v->upload(session->files_sb, job->files, job->files_count);
}

static void on_read(struct session_task *task, struct session *session, const struct err *err)
{
	struct restoring *restoring = (struct restoring *)task;
	files_done_fn done = restoring->done;
	struct files_job *first;
	struct err why = ERR_INIT;
	bool begun;

	restoring->posted = false;
	if (!session || session->restoring != restoring) {
		restoring_free(restoring);
		return;
	}
	begun = session->jobs && session->jobs->kind == FILES_RESTORE;
	if (begun && err) {
		files_job_end(session, err);
	} else if (begun) {
		part_upload(session, restoring);
	} else if (err || restoring->part->files_count == 0) {
		files_restore_drop(session);
		done(session, err);
	} else if (files_job_make(FILES_RESTORE, &first, &why) < 0) {
		files_restore_drop(session);
		done(session, &why);
	} else {
		first->done = done;
		if (files_write(session, first, NULL, &why) < 0) {
			files_restore_drop(session);
			done(session, &why);
		}
	}
}

void files_restore_begin(struct session *session)
{
	part_upload(session, session->restoring);
}

void files_restore_next(struct session *session)
{
	struct restoring *restoring = session->restoring;
	struct err err = ERR_INIT;

	if (!restoring->more)
		files_job_end(session, NULL);
	else if (read_post(session, restoring, &err) < 0)
		files_job_end(session, &err);
}

int files_restore(struct session *session, files_done_fn done, struct err *err)
{
	struct restoring *restoring = calloc(1, sizeof(*restoring));
	int r;

	if (!restoring)
		return err_set(err, -ENOMEM, "files of a session");
	restoring->task.piece = read_piece;
	restoring->task.done = on_read;
	restoring->task.can_wait = true;
	restoring->done = done;
	restoring->known = json_object();
	r = restoring->known ? files_job_make(FILES_RESTORE, &restoring->part, err)
			     : err_set(err, -ENOMEM, "files of a session");
	if (r == 0)
		r = read_post(session, restoring, err);
	if (r < 0) {
		restoring_free(restoring);
		return r;
	}
	session->restoring = restoring;
	return 0;
}
