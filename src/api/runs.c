/*
 * POST /v1/runs. A request becomes a plan at once, or a refusal; the plan waits for its turn in the queue,
 * runs, and its result is the answer. A client that goes away takes its run with it, wherever that is.
 */
#include "api/api_priv.h"

#include "base/cleanup.h"
#include "run/request.h"
#include "run/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct api_run {
	struct api_run *prev, *next;
	struct api *api;
	struct http_request *request;
	struct queue_entry *entry; /* NULL when it has no place in the queue any more */
	struct run_plan *plan;	   /* until it starts */
	struct run *run;	   /* from then on */
	uint64_t entered_us;
	char tenant[64];
	char language[64]; /* or the image */
};

static void run_link(struct api_run *run)
{
	run->next = run->api->runs;
	if (run->next)
		run->next->prev = run;
	run->api->runs = run;
	run->api->runs_count++;
}

static void run_unlink(struct api_run *run)
{
	if (run->prev)
		run->prev->next = run->next;
	else
		run->api->runs = run->next;
	if (run->next)
		run->next->prev = run->prev;
	run->api->runs_count--;
}

void api_run_destroy(struct api_run *run)
{
	struct api *api = run->api;
	struct queue_entry *entry = run->entry;

	run_unlink(run);
	run_destroy(run->run);
	plan_destroy(run->plan);
	free(run);
	/* Last: it may start the next one. */
	if (api->queue)
		queue_leave(api->queue, entry, api_now_us());
}

static void refuse(struct api *api, struct http_request *request, const struct err *err)
{
	bool busy = err->kind == ERR_BUSY;

	metric_add(api->metrics.refused[busy ? API_REFUSED_BUSY : API_REFUSED_REQUEST], 1);
	http_respond_error(request, err, busy ? queue_retry_after_s(api->queue) : 0);
}

void api_run_log(const struct api *api, const struct api_run_note *note)
{
	struct log_field fields[8] = {
		log_text("id", note->id),
		log_text("tenant", note->tenant),
		log_text("language", note->language),
		log_text("outcome", note->outcome),
		log_number("ms", (int64_t)(api_now_us() - note->entered_us) / 1000),
	};
	size_t count = 5;

	if (note->session)
		fields[count++] = log_text("session", note->session);
	if (note->error)
		fields[count++] = log_text("error", note->error);
	log_write(api->options.log, note->error ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "run", fields);
}

static void log_run(const struct api_run *run, const char *id, const char *outcome, const char *error)
{
	api_run_log(run->api, &(struct api_run_note){ .tenant = run->tenant,
						      .language = run->language,
						      .entered_us = run->entered_us,
						      .id = id,
						      .outcome = outcome,
						      .error = error });
}

void api_server_timing(struct http_request *request, const struct run_timing *timing)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "queue;dur=%.3f, acquire;dur=%.3f, upload;dur=%.3f, exec;dur=%.3f, collect;dur=%.3f, "
		 "total;dur=%.3f",
		 (double)timing->queue_us / 1000, (double)timing->acquire_us / 1000,
		 (double)timing->upload_us / 1000, (double)timing->exec_us / 1000,
		 (double)timing->collect_us / 1000, (double)timing->total_us / 1000);
	http_respond_header(request, "Server-Timing", text);
}

const char *api_engine_error(const struct run_result *result)
{
	if (result->outcome != RUN_ENGINE_ERROR || result->steps_count == 0)
		return NULL;
	return result->steps[result->steps_count - 1].error;
}

static void on_done(void *user, struct run_result *result)
{
	struct api_run *run = user;

	api_metrics_count(&run->api->metrics, result);
	log_run(run, result->id, run_outcome_name(result->outcome), api_engine_error(result));
	api_server_timing(run->request, &result->timing);
	http_respond_json(run->request, 200, result_to_json(result));
	run_result_destroy(result);
	api_run_destroy(run);
}

static void on_vanished(struct http_request *request, void *user)
{
	struct api_run *run = user;

	metric_add(run->api->metrics.runs[RUN_CANCELLED], 1);
	log_run(run, "", run_outcome_name(RUN_CANCELLED), NULL);
	api_run_destroy(run);
}

void api_not_started(struct api *api, struct err *err)
{
	struct engine *engine = api->options.engine;
	char why[256] = "";

	if (!engine->v->healthy(engine, why, sizeof(why)))
		err_refuse(err, ERR_BUSY, "not_ready", NULL, "no sandbox can be made now: %s", why);
	else
		metric_add(api->metrics.runs[RUN_ENGINE_ERROR], 1);
}

static void say_not_started(struct api_run *run, struct err *err)
{
	log_run(run, "", run_outcome_name(RUN_ENGINE_ERROR), err->text);
	api_not_started(run->api, err);
	refuse(run->api, run->request, err);
}

/* The run has a slot. Answers by itself when nothing can be started; `run` may be gone afterwards. */
static void run_begin(struct api_run *run)
{
	static const struct run_events events = { .done = on_done };
	const struct run_options options =
		api_run_options(run->api, run->tenant, api_now_us() - run->entered_us);
	struct err err = ERR_INIT;

	if (run_start(run->api->options.engine, TAKE_PTR(run->plan), &options, &events, run, &run->run,
		      &err) < 0) {
		say_not_started(run, &err);
		api_run_destroy(run);
	}
}

static void on_turn(void *user, enum queue_turn turn)
{
	struct api_run *run = user;
	struct err err = ERR_INIT;

	if (turn == QUEUE_TURN_RUN) {
		run_begin(run);
		return;
	}
	queue_refuse_pushed_out(&err);
	refuse(run->api, run->request, &err);
	run->entry = NULL;
	api_run_destroy(run);
}

int api_plan_make(struct api *api, struct run_request *request, struct run_plan **ret, struct err *err)
{
	const struct plan_context context = api_plan_context(api);

	if (api->options.images_look)
		api->options.images_look(api->options.user);
	return plan_make(request, &context, ret, err);
}

static int request_to_plan(struct api *api, const struct http_request *request, struct run_plan **ret,
			   struct err *err)
{
	struct run_request parsed = { 0 };
	int r = api_request_read(request, &parsed, err);

	if (r == 0)
		r = api_plan_make(api, &parsed, ret, err);
	request_finish(&parsed);
	return r;
}

/* Takes over the plan when it returns 0 or 1, as queue_enter() does. */
static int run_enter(struct api *api, struct http_request *request, struct run_plan *plan,
		     struct api_run **ret, struct err *err)
{
	AUTO_FREE struct api_run *run = calloc(1, sizeof(*run));
	const char *tenant = http_request_tenant(request);
	int r;

	if (!run)
		return err_set(err, -ENOMEM, "take a run");
	run->api = api;
	run->request = request;
	run->entered_us = api_now_us();
	snprintf(run->tenant, sizeof(run->tenant), "%s", tenant);
	snprintf(run->language, sizeof(run->language), "%s", plan->language ?: plan->steps[0].image);
	r = queue_enter(api->queue, tenant, run->entered_us, on_turn, run, &run->entry, err);
	if (r < 0)
		return r;
	run->plan = plan;
	run_link(run);
	*ret = TAKE_PTR(run);
	return r;
}

int api_drain_check(const struct api *api, struct err *err)
{
	if (!queue_is_draining(api->queue))
		return 0;
	return err_refuse(err, ERR_BUSY, "draining", NULL,
			  "this node is shutting down and takes no new runs");
}

void api_handle_runs(struct http_request *request, void *user)
{
	struct api *api = user;
	struct run_plan *plan = NULL;
	struct api_run *run = NULL;
	struct err err = ERR_INIT;
	int r = api_drain_check(api, &err);

	if (r == 0)
		r = request_to_plan(api, request, &plan, &err);
	if (r == 0)
		r = run_enter(api, request, plan, &run, &err);
	if (r < 0) {
		if (!run)
			plan_destroy(plan);
		refuse(api, request, &err);
		return;
	}
	http_request_keep(request, on_vanished, run);
	if (r > 0)
		run_begin(run);
}
