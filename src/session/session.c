/*
 * The life of one session.
 *
 *   make, fork, reopen → session_begin → opened → (files put back) → services → open
 *   an earlier front's → session_take_back ──────────────────────────┘
 *   finish → everything is killed → the copy is brought up to date → finished
 *   the engine says `ended` → expired or lost
 *
 * What ended leaves nothing in the engine; its record, users and copy stay in the store.
 */
#include "session/task.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const state_names[] = {
	[SESSION_STARTING] = "starting", [SESSION_OPEN] = "open", [SESSION_FINISHED] = "finished",
	[SESSION_EXPIRED] = "expired",	 [SESSION_LOST] = "lost",
};

const char *session_state_name(enum session_state state)
{
	return state_names[state];
}

bool session_lives(const struct session *session)
{
	return session->state == SESSION_STARTING || session->state == SESSION_OPEN;
}

enum session_state session_state(const struct session *session)
{
	return session->state;
}

const char *session_id(const struct session *session)
{
	return session->id;
}

const struct session_spec *session_spec(const struct session *session)
{
	return &session->spec;
}

struct limits session_limits(const struct session *session)
{
	return session->limits;
}

int wait_add(struct session_wait **list, const struct session_call *call, struct err *err)
{
	struct session_wait *wait;

	if (!call)
		return 0;
	wait = calloc(1, sizeof(*wait));
	if (!wait)
		return err_set(err, -ENOMEM, "a session");
	*wait = (struct session_wait){ .next = *list, .done = call->done, .user = call->user };
	*list = wait;
	*call->ret = wait;
	return 0;
}

void waits_tell(struct session_wait **list, struct session *session, const struct err *err)
{
	struct session_wait *wait = *list;

	*list = NULL;
	while (wait) {
		struct session_wait *next = wait->next;

		if (wait->done)
			wait->done(wait->user, session, err);
		free(wait);
		wait = next;
	}
}

void session_wait_forget(struct session_wait *wait)
{
	if (wait)
		wait->done = NULL;
}

static void tell_state(struct session *session)
{
	session_tell(session, "state",
		     json_pack("{s:s, s:s*}", "state", state_names[session->state], "reason",
			       session->reason[0] ? session->reason : NULL));
}

void session_end(struct session *session, enum session_state state, const char *reason)
{
	struct err err = ERR_INIT;

	if (!session_lives(session))
		return;
	session->state = state;
	session->ended_ms = session_unix_ms();
	snprintf(session->reason, sizeof(session->reason), "%s", reason);
	err_refuse(&err, ERR_CONFLICT, "session_ended", NULL, "session '%s' is %s%s%s", session->id,
		   state_names[state], *reason ? ": " : "", reason);
	/* Members go before their session does. */
	session_turns_end(session, &err);
	services_end(session);
	files_jobs_drop(session, &err);
	files_restore_drop(session);
	if (session->handle)
		session->all->options.engine->v->session_destroy(session->handle);
	session->handle = NULL;
	session->there = false;
	session->fresh = false;
	session->dirty = false;
	session->weighed = false;
	session->sync_due_ms = 0;
	session_save(session);
	tell_state(session);
	session_listeners_end(session);
	waits_tell(&session->opening, session, &err);
	waits_tell(&session->weighing, session, NULL);
	waits_settle(&session->finishing, session);
}

void session_look(struct session *session)
{
	if (session->state != SESSION_STARTING || !session->there || !services_ready(session))
		return;
	session->state = SESSION_OPEN;
	session_save(session);
	tell_state(session);
	session_turns_look(session);
}

/* Its files are there: whoever asked for it is told, and services begin. */
static void there(struct session *session)
{
	struct err err = ERR_INIT;

	session->there = true;
	if (services_begin(session, false, &err) < 0) {
		session_end(session, SESSION_LOST, err.text);
		return;
	}
	session_look(session);
	waits_settle(&session->opening, session);
}

static void on_restored(struct session *session, const struct err *err)
{
	if (err)
		session_end(session, SESSION_LOST, err->text);
	else
		there(session);
}

static void on_opened(void *user)
{
	struct session *session = user;
	struct err err = ERR_INIT;

	if (session->fresh && session->changes == 0)
		there(session);
	else if (files_restore(session, on_restored, &err) < 0)
		session_end(session, SESSION_LOST, err.text);
}

static void on_ended(void *user, enum engine_session_end why, const struct err *err)
{
	struct session *session = user;
	bool expired = why == ENGINE_SESSION_EXPIRED;

	/* What a finish was waiting for is gone: the copy is as the last run left it. */
	session_end(session, expired ? SESSION_EXPIRED : SESSION_LOST,
		    expired ? "its time was over"
		    : err   ? err->text
			    : "the engine lost it");
}

static void on_weighed(void *user, const struct engine_session_usage *usage, const struct err *err)
{
	struct session *session = user;

	session->weighed = !err && usage;
	if (session->weighed)
		session->usage = *usage;
	waits_tell(&session->weighing, session, NULL);
}

static const struct engine_session_events engine_events = {
	.opened = on_opened,
	.ended = on_ended,
	.weighed = on_weighed,
};

static void engine_id(const struct session *session, uint8_t ret[ENGINE_SESSION_ID_SIZE])
{
	memset(ret, 0, ENGINE_SESSION_ID_SIZE);
	memcpy(ret, session->key, strlen(session->key));
}

/*
 * The record of a session that begins, which comes before its files are read. One that could not be noted down does
 * not begin: who waits is told why.
 */
static void on_begin_saved(struct session *session, const struct err *err)
{
	struct err why;

	if (!err) {
		session->recorded = true;
		return;
	}
	why = *err;
	waits_tell(&session->opening, session, &why);
	if (session->there)
		session->begin_err = why;
	/* It stays what it was: nothing, or what had ended before. One that is there already goes when that is told. */
	if (!session->recorded && !session->there)
		(void)!session_give_up(session, why.code);
	else
		session_end(session, session->before, why.text);
}

int session_begin(struct session *session, int64_t ttl_ms, struct err *err)
{
	struct engine *engine = session->all->options.engine;
	struct engine_session_spec spec = {
		.image = session->image,
		.disk_bytes = session->limits.value[LIMIT_DISK_BYTES],
		.memory_bytes = session->memory_bytes,
		.processes = session->processes,
		.ttl_ms = (uint64_t)ttl_ms,
	};
	int r;

	if (!engine->v->session_open)
		return err_refuse(err, ERR_IMPOSSIBLE, "not_supported", NULL,
				  "the engine '%s' of this node has no sessions", engine->v->name);
	engine_id(session, spec.id);
	if (!session_lives(session))
		session->before = session->state;
	session->begin_err = ERR_INIT;
	session->state = SESSION_STARTING;
	session->reason[0] = '\0';
	session->ended_ms = 0;
	session->ending = false;
	session->expires_ms = session_unix_ms() + ttl_ms;
	r = session_save_then(session, on_begin_saved, NULL, err);
	if (r == 0)
		r = engine->v->session_open(engine, &spec, &engine_events, session, &session->handle, err);
	if ((r == -EAGAIN || r == -ENOTSUP) && err) {
		const struct err why = *err;

		return r == -EAGAIN ? err_refuse(err, ERR_BUSY, "too_many_sessions", NULL,
						 "this node has no room for another session: %s", why.text)
				    : err_refuse(err, ERR_IMPOSSIBLE, "not_supported", NULL, "%s", why.text);
	}
	return r;
}

/* One that was not open yet when the front died begins anew: nothing of worth is in it. */
static int begin_anew(struct session *session, const uint8_t *id, struct err *err)
{
	static const struct engine_session_events none = { 0 };
	struct engine *engine = session->all->options.engine;
	struct engine_session *handle;
	int r = engine->v->session_take(engine, id, &none, NULL, &handle, err);

	if (r < 0)
		return r;
	engine->v->session_destroy(handle);
	return session_begin(session, session->expires_ms - session_unix_ms(), err);
}

int session_take_back(struct session *session, bool was_open, struct err *err)
{
	struct engine *engine = session->all->options.engine;
	struct engine_session_record record;
	uint8_t id[ENGINE_SESSION_ID_SIZE];
	bool found = false;
	int r;

	engine_id(session, id);
	for (size_t i = 0; !found && engine->v->session_found && engine->v->session_found(engine, i, &record);
	     i++)
		found = memcmp(record.id, id, sizeof(id)) == 0;
	if (!found)
		return err_set(err, -ENOENT, "the engine does not have it any more");
	if (!was_open)
		return begin_anew(session, id, err);
	r = engine->v->session_take(engine, id, &engine_events, session, &session->handle, err);
	if (r < 0)
		return r;
	session->expires_ms = session_unix_ms() + (int64_t)record.left_ms;
	/* A run may have been under way when the front died. */
	session->there = true;
	session_sync_soon(session);
	r = services_begin(session, true, err);
	if (r == 0)
		session_look(session);
	return r;
}

int session_give_up(struct session *session, int r)
{
	if (session->opening)
		session->opening->done = NULL;
	(void)!session_remove_post(session, NULL, NULL);
	session_free(session);
	return r;
}

int session_id_check(const struct sessions *all, const char *tenant, const char *id, struct err *err)
{
	if (!id || !sessions_find(all, tenant, id))
		return 0;
	return err_refuse(err, ERR_CONFLICT, "session_exists", "id", "there is a session '%s' already", id);
}

static int spec_text(struct session *session, struct err *err)
{
	json_t *json = session_spec_to_json(&session->spec);

	session->spec_json = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	return session->spec_json ? 0 : err_set(err, -ENOMEM, "a session");
}

int session_make(struct sessions *all, const char *tenant, struct session_request *request,
		 const struct session_call *call, struct err *err)
{
	int64_t ttl_ms = session_ttl_or_usual(all, request->ttl_ms);
	struct session *session;
	int r = session_id_check(all, tenant, request->id, err);

	if (r == 0)
		r = session_ttl_check(all, ttl_ms, err);
	if (r == 0)
		r = session_create(all, tenant, request->id, &session, err);
	if (r < 0)
		return r;
	session->spec = request->spec;
	request->spec = (struct session_spec){ 0 };
	session->fresh = true;
	session->state = SESSION_LOST; /* it does not count yet */
	r = session_spec_check(session, err);
	if (r == 0)
		r = sessions_quota_check(all, tenant, session->memory_bytes, err);
	if (r == 0)
		r = spec_text(session, err);
	if (r == 0)
		r = wait_add(&session->opening, call, err);
	if (r == 0)
		r = session_begin(session, ttl_ms, err);
	return r < 0 ? session_give_up(session, r) : 0;
}

int session_reopen(struct session *session, int64_t ttl_ms, const struct session_call *call, struct err *err)
{
	int64_t time_ms = session_ttl_or_usual(session->all, ttl_ms);
	enum session_state before = session->state;
	int64_t ended_ms = session->ended_ms;
	int r;

	if (session_lives(session))
		return err_refuse(err, ERR_CONFLICT, "session_open", NULL, "session '%s' is %s", session->id,
				  state_names[session->state]);
	if (session->all->draining)
		return err_refuse(err, ERR_BUSY, "draining", NULL, "this node is shutting down");
	r = session_ttl_check(session->all, time_ms, err);
	if (r == 0)
		r = session_spec_check(session, err);
	if (r == 0)
		r = sessions_quota_check(session->all, session->tenant, session->memory_bytes, err);
	if (r == 0)
		r = wait_add(&session->opening, call, err);
	if (r < 0)
		return r;
	r = session_begin(session, time_ms, err);
	if (r == 0) {
		tell_state(session);
		return 0;
	}
	/* It stays what it was. */
	if (call)
		session->opening->done = NULL;
	waits_tell(&session->opening, session, NULL);
	session->state = before;
	session->ended_ms = ended_ms;
	session_save(session);
	return r;
}

static void on_finish_read(struct session *session, const struct err *err)
{
	session_end(session, SESSION_FINISHED, "");
}

static void on_later(uv_timer_t *timer)
{
	struct sessions *all = timer->data;
	struct session_later *later = all->laters;

	all->laters = NULL;
	while (later) {
		struct session_later *next = later->next;
		struct session *session = session_of_key(all, later->key);
		struct err err = ERR_INIT;

		if (!session)
			err_refuse(&err, ERR_UNKNOWN, "session_unknown", NULL,
				   "the session has been removed");
		waits_tell(&later->wait, session, session ? NULL : &err);
		free(later);
		later = next;
	}
}

int session_done_later(struct session *session, const struct session_call *call, struct err *err)
{
	struct sessions *all = session->all;
	struct session_later *later;

	if (!call)
		return 0;
	later = calloc(1, sizeof(*later));
	if (!later)
		return err_set(err, -ENOMEM, "a session");
	if (wait_add(&later->wait, call, err) < 0) {
		free(later);
		return -ENOMEM;
	}
	snprintf(later->key, sizeof(later->key), "%s", session->key);
	later->next = all->laters;
	all->laters = later;
	uv_timer_start(all->later_timer, on_later, 0, 0);
	return 0;
}

int session_finish_begin(struct session *session, const struct session_call *call, struct err *err)
{
	struct err why = ERR_INIT;
	bool first = !session->ending;
	int r;

	if (!session_lives(session))
		return session_done_later(session, call, err);
	r = wait_add(&session->finishing, call, err);
	if (r < 0 || !first)
		return r;
	session->ending = true;
	err_refuse(&why, ERR_CONFLICT, "session_ended", NULL, "session '%s' is being finished", session->id);
	session_turns_end(session, &why);
	services_end(session);
	files_jobs_drop(session, &why);
	if (session->handle)
		session->all->options.engine->v->session_finish(session->handle);
	/* What has not been put back yet is in the copy as it was. */
	if (!session->there || files_read(session, on_finish_read, NULL, &why) < 0)
		session_end(session, SESSION_FINISHED, "");
	return 0;
}

int session_set_ttl(struct session *session, int64_t ttl_ms, const struct session_call *call, struct err *err)
{
	int r = session_ttl_check(session->all, ttl_ms, err);

	if (r < 0)
		return r;
	if (!session_lives(session))
		return err_refuse(err, ERR_CONFLICT, "session_ended", NULL, "session '%s' is %s", session->id,
				  state_names[session->state]);
	session->expires_ms = session_unix_ms() + ttl_ms;
	if (session->handle)
		session->all->options.engine->v->session_prolong(session->handle, (uint64_t)ttl_ms);
	return session_save_then(session, NULL, call, err);
}

int session_remove(struct session *session, const struct session_call *call, struct err *err)
{
	int r = session_remove_post(session, call, err);

	if (r == 0)
		session_free(session);
	return r;
}

int session_sync(struct session *session, const struct session_call *call, struct err *err)
{
	if (session->copying)
		return wait_add(&session->opening, call, err);
	if (!session_lives(session) || !session->there || !session->dirty)
		return session_settle(session, call, err);
	return files_read(session, NULL, call, err);
}

int session_weigh_begin(struct session *session, const struct session_call *call, struct err *err)
{
	int r;

	if (!session_lives(session) || !session->handle || session->opening)
		return session_done_later(session, call, err);
	r = wait_add(&session->weighing, call, err);
	if (r == 0)
		session->all->options.engine->v->session_weigh(session->handle);
	return r;
}
