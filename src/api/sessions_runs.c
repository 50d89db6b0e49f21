/*
 * Runs in a session: POST /v1/sessions/{id}/runs.
 *
 * A run waits for its user's turn, then for a slot of the node like any other, then runs as a member of the session.
 * Whatever a request wants to have collected, all changes are, for the copy of the session's files; the answer gets its
 * choice of them. A client that goes away takes its run with it, but the turn is given back only when that has ended; a
 * detached run goes on, as long as there are not too many whose clients have gone.
 */
#include "api/sessions_priv.h"

#include "base/cleanup.h"
#include "base/strv.h"
#include "run/request_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Runs whose clients have gone, and bytes of their files and stdin: of the node, since no connection bounds them. */
#define ADRIFT_MAX	 64
#define ADRIFT_BYTES_MAX ((uint64_t)64 * 1024 * 1024)

struct session_run {
	struct session_run *prev, *next;
	struct api *api;
	struct session_turn *turn; /* or NULL: not any more */
	struct queue_entry *entry;
	struct run_plan *plan;
	struct run *run;
	struct run_result *result; /* of one that is over, while the session's copy gets what it changed */
	char *answer;		   /* its JSON, when it changed no file: the history keeps the same text */
	struct run_member member;
	char **remove;
	enum collect_mode collect;
	char **collect_globs;
	void (*done)(void *user, struct run_result *result, const struct err *err); /* NULL: abandoned */
	void *user;
	uint64_t entered_us;
	uint64_t bytes; /* of its files and stdin */
	bool adrift;	/* its client has gone, and it goes on */
	char tenant[SESSION_NAME_MAX + 1], session[SESSION_NAME_MAX + 1], language[64];
};

void session_run_destroy(struct session_run *run)
{
	struct api *api = run->api;
	struct queue_entry *entry = run->entry;
	struct session_turn *turn = run->turn;

	if (run->prev)
		run->prev->next = run->next;
	else
		api->session_runs = run->next;
	if (run->next)
		run->next->prev = run->prev;
	api->runs_count--;
	if (run->adrift) {
		api->adrift_count--;
		api->adrift_bytes -= run->bytes;
	}
	run_result_destroy(run->result);
	free(run->answer);
	run_destroy(run->run);
	plan_destroy(run->plan);
	strv_free(run->remove);
	strv_free(run->collect_globs);
	free(run);
	/* Last: both may start the next one. */
	if (api->queue)
		queue_leave(api->queue, entry, api_now_us());
	session_turn_end(turn);
}

static void log_run(const struct session_run *run, const char *id, const char *outcome, const char *error)
{
	api_run_log(run->api, &(struct api_run_note){ .tenant = run->tenant,
						      .session = run->session,
						      .language = run->language,
						      .entered_us = run->entered_us,
						      .id = id,
						      .outcome = outcome,
						      .error = error });
}

/* Ends it without a result. */
static void give_up(struct session_run *run, const struct err *err)
{
	void (*done)(void *user, struct run_result *result, const struct err *err) = run->done;
	void *user = run->user;
	struct err why = *err;

	log_run(run, "", run_outcome_name(RUN_CANCELLED), NULL);
	session_run_destroy(run);
	if (done)
		done(user, NULL, &why);
}

/* What the run changed is kept: it is answered, and only then cleared away. */
static void on_recorded(void *user)
{
	struct session_run *run = user;
	void (*done)(void *user, struct run_result *result, const struct err *err) = TAKE_PTR(run->done);

	if (done) {
		result_files_choose(run->result, run->collect, run->collect_globs);
		done(run->user, run->result, NULL);
	}
	session_run_destroy(run);
}

/* Once for the client and for the history. */
static char *make_answer(struct session_run *run)
{
	if (run->result->files_count > 0)
		return NULL;
	result_files_choose(run->result, run->collect, run->collect_globs);
	return result_to_text(run->result);
}

/*
 * The turn is over, and so is the use of the node's slot; but where too much waits to be written no other run is to
 * bring more.
 */
static void on_run_done(void *user, struct run_result *result)
{
	struct session_run *run = user;
	struct api *api = run->api;
	const struct run_plan *plan = run_plan_of(run->run);
	struct session_ran ran = { .result = result,
				   .files = plan->files,
				   .files_count = plan->files_count,
				   .remove = run->remove };
	struct session_turn *turn = TAKE_PTR(run->turn);
	struct queue_entry *entry = NULL;
	struct err why = ERR_INIT;

	/* At its deadline the engine kills all of a session, and says so only then. */
	if (result->outcome == RUN_ENGINE_ERROR && session_turn_is_over(turn, &why))
		result_cancel(result, why.text);

	api_metrics_count(&api->metrics, result);
	log_run(run, result->id, run_outcome_name(result->outcome), api_engine_error(result));
	run->result = result;
	ran.answer = run->answer = make_answer(run);
	if (!session_turn_record(turn, &ran, on_recorded, run)) {
		run->turn = turn;
		on_recorded(run);
		return;
	}
	if (!sessions_are_crowded(api->sessions))
		entry = TAKE_PTR(run->entry);
	/* Last: both may start the next one. */
	queue_leave(api->queue, entry, api_now_us());
	session_turn_end(turn);
}

static void start(struct session_run *run)
{
	static const struct run_events events = { .done = on_run_done };
	struct api *api = run->api;
	struct run_options options = api_run_options(api, run->tenant, api_now_us() - run->entered_us);
	struct err err = ERR_INIT;

	session_turn_member(run->turn, &run->member);
	run->member.remove = run->remove;
	options.member = &run->member;
	options.cache = NULL;
	if (run_start(api->options.engine, TAKE_PTR(run->plan), &options, &events, run, &run->run, &err) == 0)
		return;
	api_not_started(api, &err);
	give_up(run, &err);
}

static void on_slot(void *user, enum queue_turn turn)
{
	struct session_run *run = user;
	struct err err = ERR_INIT;

	if (turn == QUEUE_TURN_RUN) {
		start(run);
		return;
	}
	queue_refuse_pushed_out(&err);
	run->entry = NULL;
	give_up(run, &err);
}

/* It is the user's turn: now a slot of the node is wanted. 1: there is one at once. */
static int enter(struct session_run *run, struct err *err)
{
	return queue_enter(run->api->queue, run->tenant, api_now_us(), on_slot, run, &run->entry, err);
}

static void on_turn(void *user, const struct err *turn_err)
{
	struct session_run *run = user;
	struct err err = ERR_INIT;
	int r;

	if (turn_err) {
		run->turn = NULL;
		give_up(run, turn_err);
		return;
	}
	r = enter(run, &err);
	if (r > 0)
		start(run);
	else if (r < 0)
		give_up(run, &err);
}

/* The session, or the user in it, goes while this runs or waits for its slot. */
static void on_session_end(void *user, const struct err *err)
{
	struct session_run *run = user;

	if (!run->run || !run_stop(run->run, err))
		give_up(run, err);
}

static int make_plan(struct api *api, struct session *session, struct session_run_call *call,
		     struct run_plan **ret, struct err *err)
{
	const struct session_spec *spec = session_spec(session);
	struct run_request *request = call->request;
	struct plan_context context = api_plan_context(api);
	AUTO_FREE char *home = NULL;
	int r = 0;

	if (!spec->language && request->steps_count == 0)
		return err_refuse(
			err, ERR_MALFORMED, "missing_field", "steps",
			"steps: a session of an image needs steps or a command that say what to run");
	if (asprintf(&home, "/sandboxes/%s", call->user_name) < 0) {
		home = NULL;
		return err_set(err, -ENOMEM, "a run");
	}
	request->language = spec->language ? strdup(spec->language) : NULL;
	request->version_range = spec->version_range ? strdup(spec->version_range) : NULL;
	request->image = spec->image ? strdup(spec->image) : NULL;
	if (!request->language && !request->image)
		return err_set(err, -ENOMEM, "a run");
	limits_merge(&request->limits, &spec->limits, &request->limits);
	/* Its loopback is the session's. */
	request->network_loopback = true;
	context.hot = false;
	context.login = call->user_name;
	context.home = home;
	if (spec->language && request->steps_count == 0)
		r = session_files_there(session, call->user_name, request, err);
	return r < 0 ? r : plan_make(request, &context, ret, err);
}

static struct session_run *run_make(struct api *api, struct session *session, const char *tenant,
				    struct session_run_call *call, struct run_plan *plan)
{
	struct session_run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	*run = (struct session_run){
		.next = api->session_runs,
		.api = api,
		.plan = plan,
		.remove = TAKE_PTR(call->remove),
		.collect = plan->collect,
		.collect_globs = TAKE_PTR(plan->collect_globs),
		.done = call->done,
		.user = call->user,
		.entered_us = api_now_us(),
	};
	plan->collect = COLLECT_ALL;
	for (size_t i = 0; i < plan->files_count; i++)
		run->bytes += plan->files[i].len;
	for (size_t i = 0; i < plan->steps_count; i++)
		run->bytes += plan->steps[i].stdin_bytes.len;
	snprintf(run->tenant, sizeof(run->tenant), "%s", tenant);
	snprintf(run->session, sizeof(run->session), "%s", session_id(session));
	snprintf(run->language, sizeof(run->language), "%s", plan->language ?: plan->steps[0].image);
	if (run->next)
		run->next->prev = run;
	api->session_runs = run;
	api->runs_count++;
	return run;
}

int session_run_begin(struct api *api, struct session *session, const char *tenant,
		      struct session_run_call *call, struct session_run **ret, struct err *err)
{
	static const struct session_turn_events events = { .turn = on_turn, .end = on_session_end };
	struct run_plan *plan = NULL;
	struct session_run *run;
	int r;

	r = api_drain_check(api, err);
	if (r < 0)
		return r;
	if (!session_user_find(session, call->user_name))
		return err_refuse(err, ERR_UNKNOWN, "user_unknown", "user",
				  "there is no user '%.40s' in this session", call->user_name);
	r = make_plan(api, session, call, &plan, err);
	if (r < 0)
		return r;
	run = run_make(api, session, tenant, call, plan);
	if (!run) {
		plan_destroy(plan);
		return err_set(err, -ENOMEM, "a run");
	}
	r = session_turn_ask(session, call->user_name, &events, run, &run->turn, err);
	if (r > 0)
		r = enter(run, err);
	if (r < 0) {
		session_run_destroy(run);
		return r;
	}
	*ret = run;
	return r;
}

void session_run_go(struct session_run *run)
{
	start(run);
}

void session_run_abandon(struct session_run *run)
{
	if (!run)
		return;
	run->done = NULL;
	if (run->result)
		return; /* it is over, and only being written down */
	if (run->run)
		run_cancel(run->run);
	else
		session_run_destroy(run);
}

void session_run_set_adrift(struct session_run *run)
{
	struct api *api = run->api;

	if (api->adrift_count >= ADRIFT_MAX || run->bytes > ADRIFT_BYTES_MAX - api->adrift_bytes) {
		session_run_abandon(run);
		return;
	}
	run->done = NULL;
	run->adrift = true;
	api->adrift_count++;
	api->adrift_bytes += run->bytes;
}

/* The endpoint */

/* A request that waits for its run. */
struct run_answer {
	struct api *api;
	struct http_request *request;
	struct session_run *run;
	bool detached;
};

static void respond(struct http_request *request, const struct run_result *result, const char *text)
{
	if (text)
		http_respond_bytes(request, 200, "application/json", text, strlen(text));
	else
		http_respond_json(request, 200, result_to_json(result));
}

static void on_done(void *user, struct run_result *result, const struct err *err)
{
	struct run_answer *answer = user;

	if (err) {
		session_refuse(answer->api, answer->request, err);
	} else {
		api_server_timing(answer->request, &result->timing);
		respond(answer->request, result, answer->run->answer);
	}
	free(answer);
}

static void on_vanished(struct http_request *request, void *user)
{
	struct run_answer *answer = user;

	if (answer->detached)
		session_run_set_adrift(answer->run);
	else
		session_run_abandon(answer->run);
	free(answer);
}

static int read_remove(json_t *body, char ***ret, struct err *err)
{
	struct reader reader = { .err = err };
	struct path path = { .key = "delete" };
	json_t *list = json_object_get(body, "delete");
	int r;

	if (!list)
		return 0;
	r = read_strings(&reader, list, &path, ret);
	for (size_t i = 0; r == 0 && (*ret)[i]; i++) {
		struct path here = { .up = &path, .index = i };
		const char *fault = file_name_fault((*ret)[i], strlen((*ret)[i]));

		if (fault)
			r = request_refuse(err, &here, ERR_MALFORMED, "bad_name", "the name '%s' %s",
					   excerpt_of((*ret)[i], strlen((*ret)[i])).text, fault);
	}
	json_object_del(body, "delete");
	return r;
}

static int read_detached(json_t *body, bool *ret, struct err *err)
{
	const struct path path = { .key = "detached" };
	json_t *value = json_object_get(body, "detached");

	if (value && !json_is_boolean(value))
		return request_refuse_type(err, &path, value, "true or false");
	*ret = json_is_true(value);
	json_object_del(body, "detached");
	return 0;
}

int session_run_read(json_t *body, struct session_run_words *ret_words, struct run_request *ret,
		     struct err *err)
{
	int r = session_take_text(body, "user", &ret_words->user_name, err);

	if (r == 0 && !ret_words->user_name)
		r = err_refuse(err, ERR_MALFORMED, "missing_field", "user", "user: is missing");
	if (r == 0)
		r = read_remove(body, &ret_words->remove, err);
	if (r == 0)
		r = read_detached(body, &ret_words->detached, err);
	if (r == 0)
		r = request_read_in_session(body, &request_bounds_default, ret, err);
	return r;
}

static int read_run(const struct session_ask *ask, struct session_run_words *ret_words,
		    struct run_request *ret, struct err *err)
{
	json_t *body = NULL;
	int r = session_body_read(ask->request, &body, err);

	if (r == 0)
		r = session_run_read(body, ret_words, ret, err);
	json_decref(body);
	return r;
}

void session_handle_run(struct session_ask *ask)
{
	struct session_run_words words = { 0 };
	struct run_request request = { 0 };
	struct run_answer *answer = calloc(1, sizeof(*answer));
	struct session_run_call call = { .request = &request, .done = on_done, .user = answer };
	struct err err = ERR_INIT;
	int r = answer ? read_run(ask, &words, &request, &err) : err_set(&err, -ENOMEM, "a run");

	call.user_name = words.user_name;
	call.remove = words.remove;
	if (r == 0)
		r = session_run_begin(ask->api, ask->session, ask->tenant, &call, &answer->run, &err);
	free(words.user_name);
	strv_free(call.remove);
	request_finish(&request);
	if (r < 0) {
		free(answer);
		session_refuse(ask->api, ask->request, &err);
		return;
	}
	answer->api = ask->api;
	answer->request = ask->request;
	answer->detached = words.detached;
	http_request_keep(ask->request, on_vanished, answer);
	if (r > 0)
		session_run_go(answer->run);
}
