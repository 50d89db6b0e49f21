/*
 * The copy of a session's files: what goes from the engine to the store and back.
 *
 * Jobs run one after the other, each with a FILES member of its own. A look at everything (FILES_READ) tells the store
 * of each file as it comes, so that no more than one of them is in memory. Runs go on meanwhile: what one of them
 * brings to the copy during a look is newer than what the look saw, so the look then stops, and another one follows.
 */
#include "session/session_priv.h"

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
#define SYNC_REST      10 /* times as long as a look took it has to wait for the next */

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

void files_job_destroy(struct files_job *job)
{
	if (!job)
		return;
	for (size_t i = 0; i < job->files_count; i++) {
		free((char *)job->files[i].name);
		free((uint8_t *)job->files[i].data);
	}
	free(job->files);
	free(job);
}

static void member_end(struct session *session)
{
	if (session->files_sb)
		session->all->options.engine->v->sandbox_destroy(session->files_sb);
	session->files_sb = NULL;
	free(session->incoming_name);
	session->incoming_name = NULL;
	session->incoming_open = false;
	buf_finish(&session->incoming_data);
}

void files_jobs_drop(struct session *session, const struct err *err)
{
	struct files_job *job = session->jobs;

	session->jobs = NULL;
	session->jobs_count = 0;
	member_end(session);
	while (job) {
		struct files_job *next = job->next;
		struct session_wait *waits = job->waits;

		files_job_destroy(job);
		waits_tell(&waits, session->removing ? NULL : session, err);
		job = next;
	}
}

/* The first job is over; the session may be, too, afterwards. */
static void job_end(struct session *session, const struct err *err)
{
	struct files_job *job = session->jobs;
	struct session_wait *waits = job->waits;
	files_done_fn done = job->done;
	struct err why = err ? *err : ERR_INIT;
	char key[sizeof(session->key)];
	struct sessions *all = session->all;

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
	for (session = all->first; session && strcmp(session->key, key) != 0;)
		session = session->next;
	waits_tell(&waits, session, err ? &why : NULL);
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

/* The file that is being received is whole: the store is told of it. */
static void incoming_end(struct session *session)
{
	struct files_job *job = session->jobs;
	const struct engine_collected *head = &session->incoming;
	const struct store_file file = {
		.path = session->incoming_name,
		.kind = kind_of(head),
		.data = session->incoming_data.data,
		.len = session->incoming_data.len,
		.mode = head->mode & 07777,
		.owner = head->owner,
		.mtime_ns = head->mtime_ns,
	};

	if (!session->incoming_open)
		return;
	session->incoming_open = false;
	if (job->changes != session->changes)
		job->whole = false;
	if (!job->whole || session->job_err.code < 0)
		return;
	session_notes_write(session->all);
	if (head->truncated || (file.kind == STORE_FILE && file.len < head->size))
		session_omitted_add(session, file.path, "too large");
	else
		(void)!session_store_see(session->all->options.store, session->key, job->round, &file,
					 &session->job_err);
}

static void on_file(void *user, const struct engine_collected *file)
{
	struct session *session = user;
	const char *fault = file_name_fault(file->name, strlen(file->name));

	incoming_end(session);
	if (file->change == ENGINE_FILE_OMITTED || fault) {
		session_omitted_add(session, file->name, fault ?: wire_omit_reason(file->omit_reason));
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

static void on_collected(void *user, const struct err *err)
{
	struct session *session = user;
	struct files_job *job = session->jobs;
	struct err why;

	incoming_end(session);
	if (job->changes != session->changes)
		job->whole = false;
	if (err && session->job_err.code == 0)
		session->job_err = *err;
	session_notes_write(session->all);
	if (job->whole && session->job_err.code == 0)
		(void)!session_store_seen(session->all->options.store, session->key, job->round,
					  &session->job_err);
	session->sync_cost_ms = session_now_ms() - job->began_ms;
	session->kept = session->job_err.code == 0;
	snprintf(session->kept_reason, sizeof(session->kept_reason), "%.150s",
		 session->kept ? "" : session->job_err.text);
	if (job->whole && session->kept && session->turns == 0)
		session->dirty = false;
	else
		session_sync_soon(session);
	(void)!session_save(session, NULL);
	why = session->job_err;
	job_end(session, why.code < 0 ? &why : NULL);
}

static void on_uploaded(void *user, const struct err *err)
{
	job_end(user, err);
}

static void on_failed(void *user, const struct err *err)
{
	struct session *session = user;

	if (session->jobs->kind == FILES_READ) {
		session->kept = false;
		snprintf(session->kept_reason, sizeof(session->kept_reason), "%.150s", err->text);
	}
	job_end(session, err);
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

	if (!session || !session->jobs || session->files_sb)
		return;
	err_set(&why, -EIO, "the files of session '%s' cannot be reached", session->id);
	job_end(session, &why);
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

	session->job_err = ERR_INIT;
	job->began_ms = session_now_ms();
	if (job->kind == FILES_READ) {
		int64_t now_ms = session_unix_ms();

		session->round = session->round + 1 > now_ms ? session->round + 1 : now_ms;
		job->round = session->round;
		job->changes = session->changes;
		job->whole = true;
		session->sync_due_ms = 0;
		json_decref(session->omitted);
		session->omitted = NULL;
	}
	if (engine->v->sandbox_create(engine, &spec, &events, session, &session->files_sb, NULL) < 0)
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
	while (*at)
		at = &(*at)->next;
	*at = job;
	session->jobs_count++;
	if (session->jobs == job)
		job_begin(session);
	return 0;
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

struct restoring {
	struct files_job *job;
	json_t *known;
};

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
	return files_job_add(restoring->job, &to, restoring->known);
}

int files_restore(struct session *session, files_done_fn done, struct err *err)
{
	struct restoring restoring = { .known = json_object() };
	int r = restoring.known ? files_job_make(FILES_RESTORE, &restoring.job, err) : -ENOMEM;

	if (r == 0) {
		restoring.job->done = done;
		r = session_store_files(session->all->options.store, session->key, NULL, restore_one,
					&restoring, err);
	}
	json_decref(restoring.known);
	if (r < 0) {
		files_job_destroy(restoring.job);
		return r == -ENOMEM ? err_set(err, r, "files of a session") : r;
	}
	if (restoring.job->files_count > 0)
		return job_queue(session, restoring.job, NULL, err);
	files_job_destroy(restoring.job);
	done(session, NULL);
	return 0;
}

int session_copy_apply(struct session *session, const struct store_change *change, struct err *err)
{
	struct session_store *store = session->all->options.store;
	int r;

	session->changes++;
	/* What these runs left is not what comes now. */
	session_notes_write(session->all);
	r = session_store_apply(store, change, err);
	/* The present is worth more than the past: where there is no room, what is kept of runs goes first. */
	if (r == -ENOSPC && session_store_forget(store, NULL) == 0)
		r = session_store_apply(store, change, err);
	return r;
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
