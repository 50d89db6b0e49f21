/*
 * The copy of a session's files: what goes from the engine to the store and back.
 *
 * Jobs run one after the other, each with a FILES member of its own. A look at everything (FILES_READ) gives the worker
 * the files as they come, some at a time; when too much waits there, no more is read for a while. Runs go on meanwhile:
 * what one of them brings to the copy during a look is newer than what the look saw, so the look then stops, and
 * another one follows.
 */
#include "session/task.h"

#include "base/cleanup.h"
#include "base/strv.h"
#include "run/request_read.h"
#include "wire/init_proto.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_BYTES_MAX ((uint64_t)64 * 1024 * 1024)
#define LOOK_FILES_MAX 100000
#define OMITTED_MAX    100
#define SYNC_AFTER_MS  1000
/* What is given to the worker at a time. */
#define BATCH_FILES 256
#define BATCH_BYTES ((size_t)1024 * 1024)
#define SYNC_REST   10 /* times as long as a look took it has to wait for the next */

static void job_begin(struct session *session);

int files_job_make(enum files_kind kind, struct files_job **ret, struct err *err)
{
	struct files_job *job = calloc(1, sizeof(*job));

	if (!job)
		return err_set(err, -ENOMEM, "files of a session");
	job->kind = kind;
	*ret = job;
	return 0;
}

static int job_append(struct files_job *job, const struct engine_file *file)
{
	if (job->files_count == job->files_room) {
		size_t room = job->files_room ? 2 * job->files_room : 16;
		struct engine_file *grown = reallocarray(job->files, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		job->files = grown;
		job->files_room = room;
	}
	job->files[job->files_count++] = *file;
	return 0;
}

static int add_parents(struct files_job *job, const struct engine_file *file, json_t *known)
{
	const char *slash = file->name;

	while ((slash = strchr(slash + 1, '/'))) {
		struct engine_file folder = { .name = strndup(file->name, (size_t)(slash - file->name)),
					      .mode = 0755,
					      .is_dir = true,
					      .owner = file->owner,
					      .mtime_ns = file->mtime_ns };

		if (!folder.name)
			return -ENOMEM;
		if (json_object_get(known, folder.name)) {
			free((char *)folder.name);
			continue;
		}
		if (json_object_set_new(known, folder.name, json_true()) < 0 ||
		    job_append(job, &folder) < 0) {
			free((char *)folder.name);
			return -ENOMEM;
		}
	}
	return 0;
}

int files_job_add(struct files_job *job, struct engine_file *file, json_t *known)
{
	int r = file->name ? add_parents(job, file, known) : -ENOMEM;

	if (r == 0 && file->is_dir && json_object_set_new(known, file->name, json_true()) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = job_append(job, file);
	if (r < 0) {
		free((char *)file->name);
		free((uint8_t *)file->data);
	}
	return r;
}

void files_job_clear(struct files_job *job)
{
	for (size_t i = 0; i < job->files_count; i++) {
		free((char *)job->files[i].name);
		free((uint8_t *)job->files[i].data);
	}
	free(job->files);
	job->files = NULL;
	job->files_count = job->files_room = 0;
}

void files_job_destroy(struct files_job *job)
{
	if (!job)
		return;
	files_job_clear(job);
	free(job);
}

/* Looks, and what of them is with the worker. */

struct look {
	size_t holders; /* the job, and what was posted for it */
	int64_t round;
	bool failed; /* the worker's: something is not in the copy */
	struct seeing *batch;
};

/* Some files that were seen, or the end of the look, when all were. */
struct seeing {
	struct session_task task;
	struct look *look;
	struct store_file *files; /* BATCH_FILES of them */
	size_t count, bytes;
	struct store_walk walk;
};

static void seeing_free(struct seeing *seeing)
{
	if (!seeing)
		return;
	for (size_t i = 0; i < seeing->count; i++) {
		free((char *)seeing->files[i].path);
		free((void *)seeing->files[i].data);
	}
	free(seeing->files);
	store_walk_finish(&seeing->walk);
	free(seeing);
}

static void look_leave(struct look *look)
{
	if (--look->holders > 0)
		return;
	seeing_free(look->batch);
	free(look);
}

static struct seeing *seeing_make(struct look *look, bool with_files)
{
	struct seeing *seeing = calloc(1, sizeof(*seeing));

	if (!seeing)
		return NULL;
	seeing->look = look;
	seeing->task.can_wait = true;
	seeing->files = with_files ? calloc(BATCH_FILES, sizeof(*seeing->files)) : NULL;
	if (with_files && !seeing->files) {
		free(seeing);
		return NULL;
	}
	return seeing;
}

static void out_of_memory(struct session *session)
{
	if (session->job_err.code == 0)
		err_set(&session->job_err, -ENOMEM, "copy of the files");
}

static void member_end(struct session *session)
{
	if (session->files_sb)
		session->all->options.engine->v->sandbox_destroy(session->files_sb);
	session->files_sb = NULL;
	session->held = false;
	free(session->incoming_name);
	session->incoming_name = NULL;
	session->incoming_open = false;
	buf_finish(&session->incoming_data);
	if (session->look)
		look_leave(session->look);
	session->look = NULL;
}

void files_jobs_drop(struct session *session, const struct err *err)
{
	struct files_job *job = session->jobs;

	session->jobs = NULL;
	session->jobs_count = 0;
	files_restore_drop(session);
	member_end(session);
	while (job) {
		struct files_job *next = job->next;
		struct session_wait *waits = job->waits;

		files_job_destroy(job);
		waits_tell(&waits, session->removing ? NULL : session, err);
		job = next;
	}
}

void files_job_end(struct session *session, const struct err *err)
{
	struct files_job *job = session->jobs;
	struct session_wait *waits = job->waits;
	files_done_fn done = job->done;
	struct err why = err ? *err : ERR_INIT;
	char key[sizeof(session->key)];
	struct sessions *all = session->all;

	if (job->kind == FILES_RESTORE)
		files_restore_drop(session);
	member_end(session);
	session->jobs = job->next;
	session->jobs_count--;
	files_job_destroy(job);
	if (session->jobs)
		job_begin(session);
	snprintf(key, sizeof(key), "%s", session->key);
	if (done)
		done(session, err ? &why : NULL);
	/* It may be gone. */
	waits_tell(&waits, session_of_key(all, key), err ? &why : NULL);
}

void session_omitted_add(struct session *session, const char *name, const char *reason)
{
	json_t *text = json_string(name);

	if (!session->omitted)
		session->omitted = json_array();
	if (!text)
		text = json_string("(a name that is not UTF-8)");
	if (json_array_size(session->omitted) < OMITTED_MAX)
		(void)!json_array_append_new(session->omitted,
					     json_pack("{s:o, s:s}", "name", text, "reason", reason));
	else
		json_decref(text);
}

static enum store_kind kind_of(const struct engine_collected *file)
{
	return file->is_dir ? STORE_FOLDER : file->is_link ? STORE_LINK : STORE_FILE;
}

static int see_piece(struct session_task *task, struct session_store *store, struct err *err)
{
	struct seeing *seeing = (struct seeing *)task;
	struct look *look = seeing->look;
	int r;

	if (look->failed)
		return 0;
	r = session_store_see(store, task->key, look->round, seeing->files, seeing->count, err);
	look->failed = r < 0;
	return r;
}

static void on_seen_some(struct session_task *task, struct session *session, const struct err *err)
{
	struct seeing *seeing = (struct seeing *)task;

	if (session && session->look == seeing->look && err && session->job_err.code == 0)
		session->job_err = *err;
	look_leave(seeing->look);
	seeing_free(seeing);
}

static int look_post(struct session *session, struct seeing *seeing)
{
	if (session_task_post(session, &seeing->task, seeing->bytes, NULL) < 0) {
		seeing_free(seeing);
		out_of_memory(session);
		return -ENOMEM;
	}
	seeing->look->holders++;
	return 0;
}

/* Gives the worker what there is, unless something newer has come. */
static void batch_post(struct session *session)
{
	struct files_job *job = session->jobs;
	struct seeing *batch = TAKE_PTR(session->look->batch);

	if (job->changes != session->changes)
		job->whole = false;
	if (!job->whole || session->job_err.code < 0) {
		seeing_free(batch);
		return;
	}
	if (!batch)
		return;
	batch->task.piece = see_piece;
	batch->task.done = on_seen_some;
	if (look_post(session, batch) == 0 && work_is_crowded(session->all->work) && session->files_sb) {
		session->held = true;
		session->all->options.engine->v->output_hold(session->files_sb, true);
	}
}

void files_relieve(struct sessions *all)
{
	for (struct session *session = all->first; session; session = session->next) {
		if (session->held && session->files_sb)
			all->options.engine->v->output_hold(session->files_sb, false);
		session->held = false;
	}
}

/* The file that is being received is whole. */
static void incoming_end(struct session *session)
{
	const struct engine_collected *head = &session->incoming;
	struct look *look = session->look;
	struct store_file *file;

	if (!session->incoming_open)
		return;
	session->incoming_open = false;
	if (session->jobs->changes != session->changes)
		session->jobs->whole = false;
	if (!session->jobs->whole || session->job_err.code < 0)
		return;
	if (head->truncated || (kind_of(head) == STORE_FILE && session->incoming_data.len < head->size)) {
		session_omitted_add(session, session->incoming_name, "too large");
		return;
	}
	if (!look->batch)
		look->batch = seeing_make(look, true);
	if (!look->batch) {
		out_of_memory(session);
		return;
	}
	file = &look->batch->files[look->batch->count++];
	*file = (struct store_file){ .kind = kind_of(head),
				     .path = TAKE_PTR(session->incoming_name),
				     .mode = head->mode & 07777,
				     .owner = head->owner,
				     .mtime_ns = head->mtime_ns };
	file->data = buf_take(&session->incoming_data, &file->len);
	look->batch->bytes += file->len + strlen(file->path);
	if (look->batch->count == BATCH_FILES || look->batch->bytes >= BATCH_BYTES)
		batch_post(session);
}

/* A look asks for as much as there can be: a file is too large by itself. */
static const char *why_omitted(const struct engine_collected *file)
{
	return file->omit_reason == WIRE_OMIT_TOO_LARGE ? "too large" : wire_omit_reason(file->omit_reason);
}

static void on_file(void *user, const struct engine_collected *file)
{
	struct session *session = user;
	const char *fault = file_name_fault(file->name, strlen(file->name));

	incoming_end(session);
	if (file->change == ENGINE_FILE_OMITTED || fault) {
		session_omitted_add(session, file->name, fault ?: why_omitted(file));
		return;
	}
	free(session->incoming_name);
	session->incoming_name = strdup(file->name);
	if (!session->incoming_name) {
		err_set(&session->job_err, -ENOMEM, "copy of the files");
		return;
	}
	session->incoming = *file;
	session->incoming.name = session->incoming_name;
	session->incoming_open = true;
	buf_finish(&session->incoming_data);
	session->incoming_data = BUF_INIT(FILE_BYTES_MAX);
}

static void on_file_data(void *user, const uint8_t *data, size_t len)
{
	struct session *session = user;

	if (!session->incoming_open)
		return;
	if (buf_append(&session->incoming_data, data, len) < 0) {
		session->incoming.truncated = true;
		buf_finish(&session->incoming_data);
	}
}

/* What was seen is in the copy, as far as it could be. */
static void look_over(struct session *session)
{
	struct files_job *job = session->jobs;
	struct err why;

	if (job->changes != session->changes)
		job->whole = false;
	session->sync_cost_ms = session_now_ms() - job->began_ms;
	session->kept = session->job_err.code == 0;
	snprintf(session->kept_reason, sizeof(session->kept_reason), "%.150s",
		 session->kept ? "" : session->job_err.text);
	if (job->whole && session->kept && session->turns == 0)
		session->dirty = false;
	else
		session_sync_soon(session);
	session_save(session);
	why = session->job_err;
	files_job_end(session, why.code < 0 ? &why : NULL);
}

static int seen_piece(struct session_task *task, struct session_store *store, struct err *err)
{
	struct seeing *seeing = (struct seeing *)task;

	if (seeing->look->failed)
		return 0;
	return session_store_seen(store, task->key, seeing->look->round, &seeing->walk, err);
}

static void on_seen_all(struct session_task *task, struct session *session, const struct err *err)
{
	struct seeing *seeing = (struct seeing *)task;
	bool wanted = session && session->look == seeing->look;

	if (wanted && err && session->job_err.code == 0)
		session->job_err = *err;
	look_leave(seeing->look);
	seeing_free(seeing);
	if (wanted)
		look_over(session);
}

static void on_collected(void *user, const struct err *err)
{
	struct session *session = user;
	struct seeing *end;

	incoming_end(session);
	if (err && session->job_err.code == 0)
		session->job_err = *err;
	batch_post(session);
	end = seeing_make(session->look, false);
	if (!end) {
		out_of_memory(session);
	} else if (session->jobs->whole && session->job_err.code == 0) {
		end->task.piece = seen_piece;
		end->task.done = on_seen_all;
		if (look_post(session, end) == 0)
			return;
		end = NULL;
	}
	seeing_free(end);
	look_over(session);
}

static void on_uploaded(void *user, const struct err *err)
{
	struct session *session = user;

	if (!err && session->jobs->kind == FILES_RESTORE)
		files_restore_next(session);
	else
		files_job_end(session, err);
}

static void on_failed(void *user, const struct err *err)
{
	struct session *session = user;

	if (session->jobs->kind == FILES_READ) {
		session->kept = false;
		snprintf(session->kept_reason, sizeof(session->kept_reason), "%.150s", err->text);
	}
	files_job_end(session, err);
}

static void on_ready(void *user)
{
	struct session *session = user;
	const struct engine *engine = session->all->options.engine;
	struct files_job *job = session->jobs;
	uint64_t disk = (uint64_t)session->limits.value[LIMIT_DISK_BYTES];
	const struct engine_collect_spec spec = {
		.kind = ENGINE_COLLECT_TREE,
		.file_bytes = disk < FILE_BYTES_MAX ? disk : FILE_BYTES_MAX,
		.total_bytes = disk,
		.files = LOOK_FILES_MAX,
	};

	if (job->kind == FILES_READ)
		engine->v->collect(session->files_sb, &spec);
	else if (job->kind == FILES_RESTORE)
		files_restore_begin(session);
	else
		engine->v->upload(session->files_sb, job->files, job->files_count);
}

static const struct engine_events events = {
	.ready = on_ready,
	.uploaded = on_uploaded,
	.file = on_file,
	.file_data = on_file_data,
	.collected = on_collected,
	.failed = on_failed,
};

/* So that a job that could not even begin does not end inside of who asked for it. */
static void on_soon(void *user, struct session *session, const struct err *err)
{
	struct err why = ERR_INIT;

	if (!session || !session->jobs || !session->jobs->begun || session->files_sb)
		return;
	err_set(&why, -EIO, "the files of session '%s' cannot be reached", session->id);
	files_job_end(session, &why);
}

static void job_begin(struct session *session)
{
	struct engine *engine = session->all->options.engine;
	struct files_job *job = session->jobs;
	const struct engine_sandbox_spec spec = {
		.image = "host",
		.limits = session->limits,
		.session = session->handle,
		.member = ENGINE_MEMBER_FILES,
	};
	struct session_wait *wait;
	const struct session_call soon = { .done = on_soon, .ret = &wait };

	/* Now or in files_settled(). */
	if (job->kind == FILES_READ && session->unsettled > 0)
		return;
	job->begun = true;
	session->job_err = ERR_INIT;
	job->began_ms = session_now_ms();
	if (job->kind == FILES_READ) {
		int64_t now_ms = session_unix_ms();

		session->round = session->round + 1 > now_ms ? session->round + 1 : now_ms;
		session->look = calloc(1, sizeof(*session->look));
		if (session->look)
			*session->look = (struct look){ .holders = 1, .round = session->round };
		job->changes = session->changes;
		job->whole = true;
		session->sync_due_ms = 0;
		json_decref(session->omitted);
		session->omitted = NULL;
	}
	if ((job->kind == FILES_READ && !session->look) ||
	    engine->v->sandbox_create(engine, &spec, &events, session, &session->files_sb, NULL) < 0)
		(void)!session_done_later(session, &soon, NULL);
}

static int job_queue(struct session *session, struct files_job *job, const struct session_call *call,
		     struct err *err)
{
	struct files_job **at = &session->jobs;
	int r = 0;

	if (session->jobs_count >= FILES_JOBS_MAX)
		r = err_refuse(err, ERR_BUSY, "session_busy", NULL,
			       "too much is asked of this session's files");
	if (r == 0)
		r = wait_add(&job->waits, call, err);
	if (r < 0) {
		files_job_destroy(job);
		return r;
	}
	/* What is written is seen by looks that have not begun. */
	while (*at && (job->kind == FILES_READ || (*at)->kind != FILES_READ || (*at)->begun))
		at = &(*at)->next;
	job->next = *at;
	*at = job;
	session->jobs_count++;
	if (session->jobs == job)
		job_begin(session);
	return 0;
}

void files_unsettle(struct session *session)
{
	session->unsettled++;
}

void files_settled(struct session *session)
{
	session->unsettled--;
	if (session->jobs && !session->jobs->begun)
		job_begin(session);
}

int files_read(struct session *session, files_done_fn done, const struct session_call *call, struct err *err)
{
	struct files_job *job;
	int r = files_job_make(FILES_READ, &job, err);

	if (r < 0)
		return r;
	job->done = done;
	return job_queue(session, job, call, err);
}

int files_write(struct session *session, struct files_job *job, const struct session_call *call,
		struct err *err)
{
	return job_queue(session, job, call, err);
}

void session_sync_soon(struct session *session)
{
	uint64_t rest_ms = session->sync_cost_ms * SYNC_REST;

	session->dirty = true;
	if (session->sync_due_ms == 0)
		session->sync_due_ms = session_now_ms() + (rest_ms > SYNC_AFTER_MS ? rest_ms : SYNC_AFTER_MS);
}

void session_sync_look(struct session *session, uint64_t now_ms)
{
	if (session->sync_due_ms == 0 || session->sync_due_ms > now_ms || session->jobs || !session->there ||
	    session->ending)
		return;
	session->sync_due_ms = 0;
	(void)!files_read(session, NULL, NULL, NULL);
}
