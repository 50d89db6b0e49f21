/* All sessions of this node: found, counted, read from the store, swept. */
#include "session/task.h"

#include "base/cleanup.h"
#include "base/plural.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TICK_MS	      500
#define NUMBERS_TOTAL 4 /* as many runs of the usual size a session may hold at one time */

int64_t session_unix_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t session_now_ms(void)
{
	return uv_hrtime() / 1000000;
}

int session_create(struct sessions *all, const char *tenant, const char *id, struct session **ret,
		   struct err *err)
{
	struct session *session = calloc(1, sizeof(*session)), **at = &all->first, *last = NULL;
	int r;

	if (!session)
		return err_set(err, -ENOMEM, "a session");
	r = run_id_make(session->key, err);
	session->events = json_array();
	if (r == 0 && !session->events)
		r = err_set(err, -ENOMEM, "a session");
	if (r < 0) {
		free(session);
		return r;
	}
	snprintf(session->id, sizeof(session->id), "%s", id ?: session->key);
	snprintf(session->tenant, sizeof(session->tenant), "%s", tenant);
	session->all = all;
	session->kept = true;
	session->created_ms = session_unix_ms();
	/* Those that came first stand first. */
	while (*at) {
		last = *at;
		at = &last->next;
	}
	session->prev = last;
	*at = session;
	*ret = session;
	return 0;
}

void session_free(struct session *session)
{
	struct err err = ERR_INIT;

	err_refuse(&err, ERR_UNKNOWN, "session_unknown", NULL, "session '%s' has been removed", session->id);
	session->removing = true;
	files_jobs_drop(session, &err);
	files_restore_drop(session);
	session_turns_end(session, &err);
	services_finish(session);
	/* At the end of a front the engine has it, for the next one or to end with it. */
	if (session->handle && !session->all->ending)
		session->all->options.engine->v->session_destroy(session->handle);
	session->handle = NULL;
	waits_tell(&session->opening, NULL, &err);
	waits_tell(&session->finishing, NULL, &err);
	waits_tell(&session->weighing, NULL, &err);
	session_listeners_end(session);
	session_lines_drop(session);
	session_users_free(session);
	if (session->prev)
		session->prev->next = session->next;
	else
		session->all->first = session->next;
	if (session->next)
		session->next->prev = session->prev;
	json_decref(session->events);
	json_decref(session->omitted);
	buf_finish(&session->incoming_data);
	free(session->incoming_name);
	free(session->spec_json);
	free(session->image);
	session_spec_finish(&session->spec);
	free(session);
}

struct session *sessions_find(const struct sessions *all, const char *tenant, const char *id)
{
	struct session *session = all->first;

	while (session && (strcmp(session->id, id) != 0 || strcmp(session->tenant, tenant) != 0))
		session = session->next;
	return session;
}

struct session *sessions_next(const struct sessions *all, const char *tenant, const struct session *after)
{
	struct session *session = after ? after->next : all->first;

	while (session && strcmp(session->tenant, tenant) != 0)
		session = session->next;
	return session;
}

size_t sessions_open_count(const struct sessions *all)
{
	size_t count = 0;

	for (const struct session *s = all->first; s; s = s->next)
		count += session_lives(s);
	return count;
}

int64_t session_ttl_or_usual(const struct sessions *all, int64_t ttl_ms)
{
	int64_t most_ms = all->options.ttl_ms_max;

	return ttl_ms ?: most_ms < SESSION_TTL_MS ? most_ms : SESSION_TTL_MS;
}

int session_ttl_check(const struct sessions *all, int64_t ttl_ms, struct err *err)
{
	if (ttl_ms <= all->options.ttl_ms_max)
		return 0;
	return err_refuse(err, ERR_IMPOSSIBLE, "limit_too_high", "ttl_ms",
			  "ttl_ms: %lld is over the ceiling of this node, %lld", (long long)ttl_ms,
			  (long long)all->options.ttl_ms_max);
}

int sessions_quota_check(const struct sessions *all, const char *tenant, int64_t memory_bytes,
			 struct err *err)
{
	const struct sessions_options *options = &all->options;
	uint64_t memory = (uint64_t)memory_bytes;
	size_t count = 0;

	for (const struct session *s = all->first; s; s = s->next) {
		if (!session_lives(s) || strcmp(s->tenant, tenant) != 0)
			continue;
		count++;
		memory += (uint64_t)s->memory_bytes;
	}
	if (count >= options->per_tenant)
		return err_refuse(err, ERR_QUOTA, "too_many_sessions", NULL,
				  "%zu %s open, and no more than %zu may be: finish or remove one", count,
				  plural(count, "session is", "sessions are"), options->per_tenant);
	if (memory > options->memory_bytes)
		return err_refuse(
			err, ERR_QUOTA, "sessions_memory_exhausted", "limits.memory_bytes",
			"with this one the open sessions could use %llu bytes of memory, and no more than "
			"%llu may be: finish or remove one, or ask for less",
			(unsigned long long)memory, (unsigned long long)options->memory_bytes);
	return 0;
}

int session_image_check(const struct session *session, const char *image, const char *field, struct err *err)
{
	struct engine *engine = session->all->options.engine;
	const struct engine *part = engine_of_image(engine, image);

	if (!part->v->session_open)
		return err_refuse(
			err, ERR_IMPOSSIBLE, "not_supported", field,
			"image '%.128s' runs in the engine '%s' of this node, which has no sessions", image,
			part->v->name);
	if (session->image && part != engine_of_image(engine, session->image))
		return err_refuse(err, ERR_IMPOSSIBLE, "not_supported", field,
				  "image '%.128s' runs in the engine '%s' of this node, and the session in "
				  "another: they share no network",
				  image, part->v->name);
	return 0;
}

/* The limits that commands of this session get when they say none: as a plan works them out. */
static int limits_resolve(struct session *session, struct err *err)
{
	const struct session_spec *spec = &session->spec;
	static char run_name[] = "run", program[] = "/bin/true";
	char *command[] = { program, NULL };
	struct run_step_request step = { .name = run_name, .command = command };
	struct run_request request = { .language = spec->language,
				       .version_range = spec->version_range,
				       .image = spec->image,
				       .steps = &step,
				       .steps_count = 1,
				       .limits = spec->limits };
	struct run_plan *plan = NULL;
	int r = plan_make(&request, &session->all->options.plan, &plan, err);

	free(session->image);
	session->image = NULL;
	if (r == 0)
		session->limits = plan->steps[0].limits;
	if (r == 0)
		r = session_image_check(session, plan->steps[0].image, spec->image ? "image" : "language",
					err);
	if (r == 0)
		session->image = strdup(plan->steps[0].image);
	plan_destroy(plan);
	return r == 0 && !session->image ? err_set(err, -ENOMEM, "a session") : r;
}

int session_spec_check(struct session *session, struct err *err)
{
	int r = limits_resolve(session, err);
	int64_t memory, processes;

	if (r < 0)
		return r;
	memory = session->limits.value[LIMIT_MEMORY_BYTES] * NUMBERS_TOTAL +
		 session->limits.value[LIMIT_DISK_BYTES];
	processes = session->limits.value[LIMIT_PROCESSES] * NUMBERS_TOTAL;
	r = services_plan(session, err);
	for (size_t i = 0; r == 0 && i < session->spec.services_count; i++) {
		const struct limits *limits = &session->services[i].plan->steps[0].limits;

		memory += limits->value[LIMIT_MEMORY_BYTES];
		processes += 2 * limits->value[LIMIT_PROCESSES]; /* its prober too */
	}
	session->memory_bytes = memory;
	session->processes = processes;
	return r;
}

/* One of the store's records. */
static int load(void *user, const struct store_session *from)
{
	static const char *const lives[] = { "starting", "open", "stopped" };
	struct sessions *all = user;
	struct session *session;
	int r = session_create(all, from->tenant, from->id, &session, NULL);
	bool lived = false;

	if (r < 0)
		return r;
	snprintf(session->key, sizeof(session->key), "%s", from->key);
	snprintf(session->reason, sizeof(session->reason), "%s", from->reason);
	session->created_ms = from->created_ms;
	session->expires_ms = from->expires_ms;
	session->ended_ms = from->ended_ms;
	session->runs = from->runs;
	session->kept = from->kept;
	session->recorded = true;
	session->before = SESSION_LOST;
	session->spec_json = strdup(from->spec);
	if (!session->spec_json)
		return -ENOMEM;
	r = session_spec_parse(from->spec, strlen(from->spec), &session->spec, NULL);
	if (r == -ENOMEM)
		return r;
	session->state = SESSION_LOST;
	for (int i = SESSION_FINISHED; i <= SESSION_LOST; i++) {
		if (strcmp(session_state_name((enum session_state)i), from->state) == 0)
			session->state = (enum session_state)i;
	}
	for (size_t i = 0; i < ARRAY_LEN(lives); i++)
		lived |= strcmp(lives[i], from->state) == 0;
	if (lived && r == 0) {
		session->state = SESSION_STARTING;
		snprintf(session->reason, sizeof(session->reason), "%s", from->state);
	}
	return 0;
}

static int load_user(void *user, uint32_t number, const char *name)
{
	return session_user_put(user, number, name, &(struct session_user *){ NULL }, NULL);
}

/* The record is not written anew for each run. */
static int load_run(void *user, const struct store_run *run)
{
	((struct session *)user)->runs = run->number;
	return 0;
}

static int load_users(struct session *session, struct err *err)
{
	struct store_users users = { .each = load_user, .user = session };
	struct session_store *store = session->all->options.store;
	int r = session_store_users(store, session->key, &users, err);

	session->highest_number = users.highest;
	if (r == 0)
		r = session_store_runs(store, session->key, session->runs, load_run, session, err);
	return r;
}

/* Whatever the engine has that no record knows of goes. */
static void sweep_engine(struct sessions *all)
{
	static const struct engine_session_events events = { 0 };
	struct engine *engine = all->options.engine;
	struct engine_session_record record;

	while (engine->v->session_found && engine->v->session_found(engine, 0, &record)) {
		struct engine_session *handle;

		if (engine->v->session_take(engine, record.id, &events, NULL, &handle, NULL) < 0)
			return;
		engine->v->session_destroy(handle);
	}
}

static void checkpoint_work(uv_work_t *work)
{
	session_store_checkpoint(((struct sessions *)work->data)->options.store);
}

static void checkpoint_after(uv_work_t *work, int status)
{
	((struct sessions *)work->data)->checkpointing = false;
}

static void on_tick(uv_timer_t *timer)
{
	struct sessions *all = timer->data;
	int64_t unix_ms = session_unix_ms();
	uint64_t now_ms = session_now_ms();

	sessions_lines_post(all);
	for (struct session *s = all->first, *next; s; s = next) {
		next = s->next;
		if (session_lives(s))
			session_sync_look(s, now_ms);
		else if (!s->copying && unix_ms - s->ended_ms > all->options.keep_ms)
			(void)!session_remove(s, NULL, NULL);
	}
	if (!all->checkpointing && session_store_wants_checkpoint(all->options.store)) {
		all->checkpoint.data = all;
		all->checkpointing = uv_queue_work(all->options.loop, &all->checkpoint, checkpoint_work,
						   checkpoint_after) == 0;
	}
}

/* What the last front left is taken back, opened again, or lost. `reason` is the state that it had. */
static void revive(struct session *session)
{
	struct err err = ERR_INIT;
	bool stopped = strcmp(session->reason, "stopped") == 0,
	     was_open = strcmp(session->reason, "open") == 0;
	int64_t left_ms = session->expires_ms - session_unix_ms();
	int r = 0;

	if (session->state != SESSION_STARTING) {
		(void)!session_spec_check(session, NULL);
		return;
	}
	session->reason[0] = '\0';
	r = session_spec_check(session, &err);
	if (r == 0 && left_ms <= 0) {
		session_end(session, SESSION_EXPIRED, "its time was over while no server ran");
		return;
	}
	if (r == 0)
		r = stopped ? session_begin(session, left_ms, &err)
			    : session_take_back(session, was_open, &err);
	if (r == 0)
		return;
	session_end(session, SESSION_LOST,
		    r == -ENOENT
			    ? "the keeper ended, and everything that ran here with it; the files are as the "
			      "last run left them"
			    : err.text);
}

static int timers_begin(struct sessions *all, struct err *err)
{
	all->timer = malloc(sizeof(*all->timer));
	all->later_timer = malloc(sizeof(*all->later_timer));
	if (!all->timer || !all->later_timer) {
		free(all->timer);
		free(all->later_timer);
		all->timer = all->later_timer = NULL;
		return err_set(err, -ENOMEM, "sessions");
	}
	uv_timer_init(all->options.loop, all->later_timer);
	uv_timer_init(all->options.loop, all->timer);
	all->timer->data = all->later_timer->data = all;
	uv_timer_start(all->timer, on_tick, TICK_MS, TICK_MS);
	uv_unref((uv_handle_t *)all->timer);
	return 0;
}

static void on_relieved(void *user)
{
	files_relieve(user);
}

bool sessions_are_crowded(const struct sessions *all)
{
	return work_is_crowded(all->work);
}

int sessions_start(struct sessions *all, struct err *err)
{
	return work_start(all->work, err);
}

void sessions_settle(struct sessions *all)
{
	sessions_lines_post(all);
	all->hurried = true;
	work_finish(all->work);
}

int sessions_create(const struct sessions_options *options, struct sessions **ret, struct err *err)
{
	struct sessions *all = calloc(1, sizeof(*all));
	int r;

	if (!all)
		return err_set(err, -ENOMEM, "sessions");
	all->options = *options;
	r = timers_begin(all, err);
	if (r == 0)
		r = work_create(options->loop, on_relieved, all, &all->work, err);
	if (r == 0)
		r = session_store_each(options->store, load, all, err);
	for (struct session *s = all->first; r == 0 && s; s = s->next)
		r = load_users(s, err);
	/* What an earlier front had begun to remove, or to copy. */
	if (r == 0)
		r = session_store_orphans(options->store, session_orphan_remove, all, err);
	if (r < 0) {
		sessions_destroy(all);
		return r;
	}
	for (struct session *s = all->first; s; s = s->next)
		revive(s);
	sweep_engine(all);
	*ret = all;
	return 0;
}

void sessions_drain(struct sessions *all)
{
	all->draining = true;
}

bool sessions_drained(struct sessions *all)
{
	bool done;

	sessions_lines_post(all);
	done = work_is_idle(all->work);
	for (struct session *s = all->first; s; s = s->next) {
		/* A copy that could not be made now will not be in a moment. */
		if (session_lives(s) && s->dirty && !s->jobs && s->kept)
			(void)!session_sync(s, NULL, NULL);
		done &= s->jobs == NULL;
	}
	return done;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

void sessions_destroy(struct sessions *all)
{
	struct err err = ERR_INIT;

	if (!all)
		return;
	err_refuse(&err, ERR_BUSY, "draining", NULL, "this node is shutting down");
	/* In good order: these are opened again by the next one. */
	for (struct session *s = all->first; all->draining && s; s = s->next) {
		if (session_lives(s))
			session_save(s);
	}
	sessions_lines_post(all);
	all->ending = true;
	while (all->first)
		session_free(all->first);
	while (all->laters) {
		struct session_later *later = all->laters;

		all->laters = later->next;
		waits_tell(&later->wait, NULL, &err);
		free(later);
	}
	if (all->timer) {
		uv_close((uv_handle_t *)all->timer, on_closed);
		uv_close((uv_handle_t *)all->later_timer, on_closed);
	}
	work_destroy(all->work);
	while (all->checkpointing)
		uv_run(all->options.loop, UV_RUN_ONCE);
	free(all);
}
