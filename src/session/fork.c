/*
 * A fork: the copy of one session is brought up to date, the worker copies it within the store, and then the new
 * session begins as any other. While it is copied it is `starting`, has no record, and is not in the engine.
 */
#include "session/task.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct forking {
	struct session_fork fork;
	char *id, *user_name;
	struct session_wait *outer; /* of whoever asked */
	struct session_wait *inner;
};

static void forking_free(struct forking *forking)
{
	free(forking->id);
	free(forking->user_name);
	free(forking->outer);
	free(forking);
}

static void on_fork_opened(void *user, struct session *session, const struct err *err)
{
	struct forking *forking = user;

	if (forking->outer->done)
		forking->outer->done(forking->outer->user, session, err);
	forking_free(forking);
}

/* The copy within the store. It belongs to the strand of the session that is copied, whose files stay as they are. */
struct copying {
	struct session_task task;
	struct store_walk walk;
	char to[RUN_ID_LEN + 1];
	char *user_name;
	int64_t run, ttl_ms;
};

static void copying_free(struct copying *copying)
{
	store_walk_finish(&copying->walk);
	free(copying->user_name);
	free(copying);
}

static int copy_piece(struct session_task *task, struct session_store *store, struct err *err)
{
	struct copying *copying = (struct copying *)task;
	const struct store_left left = { .key = task->key,
					 .user_name = copying->user_name,
					 .number = copying->run };

	return copying->run ? session_store_copy_run(store, &left, copying->to, err)
			    : session_store_copy(store, task->key, copying->user_name, copying->to,
						 &copying->walk, err);
}

static void on_copied(struct session_task *task, struct session *from, const struct err *copy_err)
{
	struct copying *copying = (struct copying *)task;
	struct session *session = session_of_key(task->all, copying->to);
	struct err err = copy_err ? *copy_err : ERR_INIT;
	int r = err.code;

	if (session)
		session->copying = false;
	if (!session) {
		/* It was removed meanwhile, before there was anything of it. */
		(void)!session_orphan_remove(task->all, copying->to);
	} else if (session_lives(session) && !session->ending) {
		if (r == 0)
			r = session_begin(session, copying->ttl_ms > 0 ? copying->ttl_ms : 1, &err);
		if (r < 0) {
			waits_tell(&session->opening, NULL, &err);
			(void)!session_give_up(session, r);
		}
	} else {
		/* It was finished meanwhile: a session like any other that has ended. */
		session_save(session);
	}
	copying_free(copying);
}

static int copy_post(struct session *from, const struct session_fork *fork, struct session *to,
		     int64_t ttl_ms, struct err *err)
{
	struct copying *copying = calloc(1, sizeof(*copying));
	int r = 0;

	if (!copying)
		return err_set(err, -ENOMEM, "a fork");
	copying->task.piece = copy_piece;
	copying->task.done = on_copied;
	copying->task.can_wait = true;
	copying->run = fork->run;
	copying->ttl_ms = ttl_ms;
	snprintf(copying->to, sizeof(copying->to), "%s", to->key);
	copying->user_name = fork->user_name ? strdup(fork->user_name) : NULL;
	if (fork->user_name && !copying->user_name)
		r = err_set(err, -ENOMEM, "a fork");
	if (r == 0)
		r = session_task_post(from, &copying->task, 0, err);
	if (r < 0)
		copying_free(copying);
	else
		to->copying = true;
	return r;
}

static int users_copy(const struct session *from, const char *name, struct session *to, struct err *err)
{
	int r = 0;

	for (const struct session_user *u = from->users; r == 0 && u; u = u->next) {
		if (!name || strcmp(u->as.name, name) == 0)
			r = session_user_put(to, u->as.number, u->as.name, &(struct session_user *){ NULL },
					     err);
	}
	to->highest_number = from->highest_number;
	return r;
}

static int fork_make(struct session *from, const struct session_fork *fork, const struct session_call *call,
		     struct err *err)
{
	struct sessions *all = from->all;
	int64_t ttl_ms = fork->ttl_ms ?: from->expires_ms - session_unix_ms();
	struct session *session;
	int r;

	if (!session_lives(from) && !fork->ttl_ms)
		ttl_ms = session_ttl_or_usual(all, 0);
	r = session_create(all, from->tenant, fork->id, &session, err);
	if (r < 0)
		return r;
	session->state = SESSION_LOST;
	session->spec_json = strdup(from->spec_json);
	r = session->spec_json
		    ? session_spec_parse(from->spec_json, strlen(from->spec_json), &session->spec, err)
		    : err_set(err, -ENOMEM, "a session");
	if (r == 0)
		r = session_spec_check(session, err);
	if (r == 0)
		r = sessions_quota_check(all, from->tenant, session->memory_bytes, err);
	if (r == 0)
		r = users_copy(from, fork->user_name, session, err);
	if (r == 0)
		r = wait_add(&session->opening, call, err);
	if (r == 0)
		r = copy_post(from, fork, session, ttl_ms, err);
	if (r < 0)
		return session_give_up(session, r);
	session->state = SESSION_STARTING;
	session->expires_ms = session_unix_ms() + ttl_ms;
	return 0;
}

static int user_check(const struct session *session, const char *name, struct err *err)
{
	if (!name || session_user_find(session, name))
		return 0;
	return err_refuse(err, ERR_UNKNOWN, "user_unknown", "user",
			  "there is no user '%.40s' in this session", name);
}

/* A run says by itself whose it was; he must be there, and the run be kept. */
static int run_check(const struct session *session, struct forking *forking, struct err *err)
{
	int r;

	if (!forking->fork.run)
		return user_check(session, forking->user_name, err);
	free(forking->user_name);
	r = session_past_user(session, forking->fork.run, &forking->user_name, err);
	forking->fork.user_name = forking->user_name;
	return r < 0 ? r : user_check(session, forking->user_name, err);
}

static void on_fork_settled(void *user, struct session *session, const struct err *settle_err)
{
	struct forking *forking = user;
	const struct session_call call = { .done = on_fork_opened, .user = forking, .ret = &forking->inner };
	struct err err = ERR_INIT;
	int r = 0;

	if (settle_err) {
		on_fork_opened(forking, session, settle_err);
		return;
	}
	r = session_id_check(session->all, session->tenant, forking->fork.id, &err);
	if (r == 0)
		r = run_check(session, forking, &err);
	if (r == 0)
		r = fork_make(session, &forking->fork, &call, &err);
	if (r < 0)
		on_fork_opened(forking, session, &err);
}

/* A run is asked for by its line of the history, which may be on its way to the store. */
static void on_fork_synced(void *user, struct session *session, const struct err *sync_err)
{
	struct forking *forking = user;
	const struct session_call call = { .done = on_fork_settled, .user = forking, .ret = &forking->inner };
	struct err err = ERR_INIT;

	if (sync_err || !forking->fork.run)
		on_fork_settled(forking, session, sync_err);
	else if (session_settle(session, &call, &err) < 0)
		on_fork_settled(forking, session, &err);
}

static int forking_make(const struct session_fork *fork, struct forking **ret, struct err *err)
{
	struct forking *forking = calloc(1, sizeof(*forking));

	if (!forking)
		return err_set(err, -ENOMEM, "a fork");
	forking->fork.ttl_ms = fork->ttl_ms;
	forking->fork.run = fork->run;
	forking->id = fork->id ? strdup(fork->id) : NULL;
	forking->user_name = fork->user_name ? strdup(fork->user_name) : NULL;
	forking->fork.id = forking->id;
	forking->fork.user_name = forking->user_name;
	if ((fork->id && !forking->id) || (fork->user_name && !forking->user_name)) {
		forking_free(forking);
		return err_set(err, -ENOMEM, "a fork");
	}
	*ret = forking;
	return 0;
}

int session_fork(struct session *session, const struct session_fork *fork, const struct session_call *call,
		 struct err *err)
{
	struct forking *forking = NULL;
	struct session_call sync;
	int r = session_id_check(session->all, session->tenant, fork->id, err);

	if (r == 0 && fork->ttl_ms)
		r = session_ttl_check(session->all, fork->ttl_ms, err);
	if (r == 0)
		r = user_check(session, fork->user_name, err);
	if (r == 0)
		r = forking_make(fork, &forking, err);
	if (r < 0)
		return r;
	r = wait_add(&forking->outer, call, err);
	sync = (struct session_call){ .done = on_fork_synced, .user = forking, .ret = &forking->inner };
	if (r == 0)
		r = session_sync(session, &sync, err);
	if (r < 0)
		forking_free(forking);
	return r;
}
