/* See task.h. */
#include "session/task.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct session *session_of_key(const struct sessions *all, const char *key)
{
	struct session *session = all->first;

	while (session && strcmp(session->key, key) != 0)
		session = session->next;
	return session;
}

static int on_piece(void *user, struct err *err)
{
	struct session_task *task = user;

	if (task->can_wait && task->all->hurried)
		return err_set(err, -ECANCELED, "this node is shutting down");
	return task->piece(task, session_store_worker(task->all->options.store), err);
}

static void on_done(void *user, const struct err *err)
{
	struct session_task *task = user;

	task->done(task, session_of_key(task->all, task->key), err);
}

static int post(struct session_task *task, const char *strand, size_t bytes, struct err *err)
{
	const struct work_job job = {
		.strand = strand, .bytes = bytes, .piece = on_piece, .done = on_done, .user = task
	};

	return work_post(task->all->work, &job, err);
}

int session_task_post(struct session *session, struct session_task *task, size_t bytes, struct err *err)
{
	char strand[sizeof(session->tenant) + sizeof(session->id)];

	session_lines_post(session);
	snprintf(strand, sizeof(strand), "%s/%s", session->tenant, session->id);
	task->all = session->all;
	snprintf(task->key, sizeof(task->key), "%s", session->key);
	return post(task, strand, bytes, err);
}

/* Whoever waits is told when all that came before is done */

struct settling {
	struct session_task task;
	struct session_wait *waits;
};

/* Of a session that is gone nobody is told that all went well. */
static void tell_or_gone(struct session_wait **waits, struct session *session, const struct err *err)
{
	struct err gone = ERR_INIT;

	if (!session && !err)
		err_refuse(&gone, ERR_UNKNOWN, "session_unknown", NULL, "the session has been removed");
	waits_tell(waits, session, gone.code ? &gone : err);
}

static int settle_piece(struct session_task *task, struct session_store *store, struct err *err)
{
	return 0;
}

static void on_settled(struct session_task *task, struct session *session, const struct err *err)
{
	struct settling *settling = (struct settling *)task;

	struct err begin_err = session ? session->begin_err : ERR_INIT;

	/* One that was open before it turned out that it cannot be noted down. */
	if (session)
		session->begin_err = ERR_INIT;
	tell_or_gone(&settling->waits, session, begin_err.code < 0 ? &begin_err : err);
	session = session_of_key(task->all, task->key);
	if (session && begin_err.code < 0 && !session->recorded)
		(void)!session_give_up(session, begin_err.code);
	free(settling);
}

static int settle(struct session *session, struct session_wait **waits, struct err *err)
{
	struct settling *settling = calloc(1, sizeof(*settling));

	if (!settling)
		return err_set(err, -ENOMEM, "a session");
	settling->task.piece = settle_piece;
	settling->task.done = on_settled;
	settling->waits = *waits;
	if (session_task_post(session, &settling->task, 0, err) < 0) {
		free(settling);
		return -ENOMEM;
	}
	*waits = NULL;
	return 0;
}

void waits_settle(struct session_wait **waits, struct session *session)
{
	if (*waits && settle(session, waits, NULL) < 0)
		waits_tell(waits, session, NULL);
}

int session_settle(struct session *session, const struct session_call *call, struct err *err)
{
	struct session_wait *waits = NULL;
	int r;

	if (!call)
		return 0;
	r = wait_add(&waits, call, err);
	if (r == 0)
		r = settle(session, &waits, err);
	if (r < 0)
		free(waits);
	return r;
}

/* Records */

struct saving {
	struct session_task task;
	struct store_session record;
	char *spec;
	char id[SESSION_NAME_MAX + 1], tenant[SESSION_NAME_MAX + 1],
		reason[sizeof(((struct session *)0)->reason)];
	struct session_wait *waits;
	session_saved_fn saved;
};

static int save_piece(struct session_task *task, struct session_store *store, struct err *err)
{
	return session_store_put(store, &((struct saving *)task)->record, err);
}

static void saving_free(struct saving *saving)
{
	free(saving->spec);
	free(saving);
}

static void on_saved(struct session_task *task, struct session *session, const struct err *err)
{
	struct saving *saving = (struct saving *)task;

	if (session && saving->saved)
		saving->saved(session, err);
	/* It may be gone now. */
	tell_or_gone(&saving->waits, session_of_key(task->all, task->key), err);
	saving_free(saving);
}

static int saving_make(const struct session *session, struct saving **ret)
{
	bool stopped = session->all->draining && session_lives(session);
	struct saving *saving = calloc(1, sizeof(*saving));

	if (!saving)
		return -ENOMEM;
	saving->spec = strdup(session->spec_json);
	if (!saving->spec) {
		free(saving);
		return -ENOMEM;
	}
	snprintf(saving->id, sizeof(saving->id), "%s", session->id);
	snprintf(saving->tenant, sizeof(saving->tenant), "%s", session->tenant);
	snprintf(saving->reason, sizeof(saving->reason), "%s", session->reason);
	saving->task.piece = save_piece;
	saving->task.done = on_saved;
	saving->record = (struct store_session){
		.key = saving->task.key,
		.tenant = saving->tenant,
		.id = saving->id,
		.spec = saving->spec,
		.state = stopped ? "stopped" : session_state_name(session->state),
		.reason = saving->reason,
		.created_ms = session->created_ms,
		.expires_ms = session->expires_ms,
		.ended_ms = session->ended_ms,
		.runs = session->runs,
		.kept = session->kept,
	};
	*ret = saving;
	return 0;
}

int session_save_then(struct session *session, session_saved_fn saved, const struct session_call *call,
		      struct err *err)
{
	struct saving *saving;
	int r;

	if (saving_make(session, &saving) < 0)
		return err_set(err, -ENOMEM, "a session");
	saving->saved = saved;
	r = wait_add(&saving->waits, call, err);
	if (r == 0)
		r = session_task_post(session, &saving->task, 0, err);
	if (r < 0) {
		free(saving->waits);
		saving_free(saving);
	}
	return r;
}

void session_save(struct session *session)
{
	(void)!session_save_then(session, NULL, NULL, NULL);
}

/* The end: the record first, so that the name is free, then everything else, which nobody else asks for. */

struct removing {
	struct session_task task;
	struct store_walk walk;
	struct session_wait *waits;
};

static int remove_record_piece(struct session_task *task, struct session_store *store, struct err *err)
{
	return session_store_remove_record(store, task->key, err);
}

static int remove_rest_piece(struct session_task *task, struct session_store *store, struct err *err)
{
	return session_store_remove_rest(store, task->key, &((struct removing *)task)->walk, err);
}

static void on_rest_removed(struct session_task *task, struct session *session, const struct err *err)
{
	struct removing *removing = (struct removing *)task;

	waits_tell(&removing->waits, NULL, err);
	store_walk_finish(&removing->walk);
	free(removing);
}

static void on_record_removed(struct session_task *task, struct session *session, const struct err *err)
{
	task->piece = remove_rest_piece;
	task->done = on_rest_removed;
	task->can_wait = true;
	/* What cannot be removed now is removed at the next start. */
	if (err || post(task, task->key, 0, NULL) < 0)
		on_rest_removed(task, NULL, err);
}

static int removing_make(struct sessions *all, const char *key, struct removing **ret)
{
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	(*ret)->task.all = all;
	snprintf((*ret)->task.key, sizeof((*ret)->task.key), "%s", key);
	return 0;
}

int session_remove_post(struct session *session, const struct session_call *call, struct err *err)
{
	struct removing *removing;
	int r;

	if (removing_make(session->all, session->key, &removing) < 0)
		return err_set(err, -ENOMEM, "a session");
	removing->task.piece = remove_record_piece;
	removing->task.done = on_record_removed;
	r = wait_add(&removing->waits, call, err);
	if (r == 0)
		r = session_task_post(session, &removing->task, 0, err);
	if (r < 0) {
		free(removing->waits);
		free(removing);
	}
	return r;
}

int session_orphan_remove(void *user, const char *key)
{
	struct removing *removing;

	if (removing_make(user, key, &removing) < 0)
		return -ENOMEM;
	removing->task.piece = remove_rest_piece;
	removing->task.done = on_rest_removed;
	removing->task.can_wait = true;
	if (post(&removing->task, key, 0, NULL) < 0) {
		free(removing);
		return -ENOMEM;
	}
	return 0;
}

/* Changes */

struct applying {
	struct session_task task;
	struct store_change change;
	session_applied_fn done;
	void *user;
};

static int apply_piece(struct session_task *task, struct session_store *store, struct err *err)
{
	const struct store_change *change = &((struct applying *)task)->change;
	int r = session_store_apply(store, change, err);

	/* The present is worth more than the past: where there is no room, what is kept of runs goes first. */
	if (r == -ENOSPC && session_store_forget(store, NULL) == 0)
		r = session_store_apply(store, change, err);
	return r;
}

static void on_applied(struct session_task *task, struct session *session, const struct err *err)
{
	struct applying *applying = (struct applying *)task;

	applying->done(applying->user, session, err);
	free(applying);
}

int session_copy_apply(struct session *session, const struct store_change *change, session_applied_fn done,
		       void *user, struct err *err)
{
	struct applying *applying = calloc(1, sizeof(*applying));
	size_t bytes =
		(change->run ? strlen(change->run) : 0) + (change->detail ? strlen(change->detail) : 0);
	int r;

	if (!applying)
		return err_set(err, -ENOMEM, "files of a session");
	*applying = (struct applying){ .task = { .piece = apply_piece, .done = on_applied },
				       .change = *change,
				       .done = done,
				       .user = user };
	applying->change.key = applying->task.key;
	for (size_t i = 0; i < change->files_count; i++)
		bytes += change->files[i].len;
	r = session_task_post(session, &applying->task, bytes, err);
	if (r < 0)
		free(applying);
	else if (change->files_count > 0)
		session->changes++;
	return r;
}
