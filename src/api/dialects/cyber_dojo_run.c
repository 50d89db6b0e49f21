/*
 * How it works: a call is a plan that waits in the queue and runs like any other; then, where it ended by itself, its
 * traffic light is found (the manifest's, one that is known of the image, or it is read in a sandbox of the image), and
 * a thread beside the loop cleans what was printed, judges it and writes the answer.
 *
 * A call that is not wanted any more is freed at once, unless a thread has it: then when that comes back.
 */
#include "api/dialects/cyber_dojo_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_BYTES 512 /* of what cat says of a traffic light that is not there */

static void call_link(struct dojo_call *call)
{
	call->next = call->dojo->calls;
	if (call->next)
		call->next->prev = call;
	call->dojo->calls = call;
	call->dojo->calls_count++;
}

static void call_unlink(struct dojo_call *call)
{
	if (call->prev)
		call->prev->next = call->next;
	else
		call->dojo->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	call->dojo->calls_count--;
}

static void call_free(struct dojo_call *call)
{
	run_destroy(call->run);
	run_ruby_destroy(call->ruby);
	run_source_destroy(call->reading);
	plan_destroy(call->plan);
	run_result_destroy(call->result);
	dojo_request_finish(&call->request);
	buf_finish(&call->out);
	buf_finish(&call->err);
	buf_finish(&call->light.message);
	light_unref(call->compiled);
	json_decref(call->answer);
	free(call->source);
	free(call->image);
	free(call);
}

void dojo_call_destroy(struct dojo_call *call)
{
	struct api *api = call->dojo->api;
	struct queue_entry *entry = TAKE_PTR(call->entry);

	call_unlink(call);
	call->http = NULL;
	if (call->stage == DOJO_STAGE_WORK)
		uv_cancel((uv_req_t *)&call->work); /* where it has not begun it need not */
	else
		call_free(call);
	/* Last: it may start the next one. */
	if (api->queue)
		queue_leave(api->queue, entry, api_now_us());
}

static void call_log(const struct dojo_call *call, const char *outcome)
{
	const struct log_field fields[] = {
		{ .key = "id", .text = call->result ? call->result->id : "" },
		{ .key = "tenant", .text = call->tenant },
		{ .key = "image", .text = call->image },
		{ .key = "dojo_id", .text = call->request.id },
		{ .key = "outcome", .text = outcome },
		{ .key = "ms", .number = (int64_t)(api_now_us() - call->entered_us) / 1000 },
		{ 0 },
	};

	log_write(call->dojo->api->options.log, LOG_LEVEL_INFO, "run_cyber_dojo_sh", fields);
}

static void on_vanished(struct http_request *request, void *user)
{
	struct dojo_call *call = user;

	metric_add(call->dojo->api->metrics.runs[RUN_CANCELLED], 1);
	call_log(call, run_outcome_name(RUN_CANCELLED));
	dojo_call_destroy(call);
}

/* ---- the answer ---- */

static void facts_of(const struct dojo_call *call, struct dojo_facts *ret)
{
	*ret = (struct dojo_facts){
		.request = &call->request,
		.result = call->result,
		.end = call->result ? dojo_end_of(call->result) : DOJO_END_FAULTY,
		.out = &call->out,
		.err = &call->err,
		.out_truncated = call->out_truncated,
		.err_truncated = call->err_truncated,
		.light = &call->light,
		.kind = call->dojo->kind,
	};
}

/* A stream as the original returns it: no byte that is not UTF-8, and 50 K characters of it. */
static void clean(const struct buf *from, bool cut, struct buf *to, bool *ret_truncated)
{
	*to = BUF_INIT(DOJO_FILE_BYTES);
	if (light_text_clean(from->data, from->len, DOJO_TEXT_CHARS, to, ret_truncated) < 0)
		cut = true;
	*ret_truncated |= cut;
}

/* In a thread; nobody else touches the call meanwhile. */
static void on_work(uv_work_t *work)
{
	struct dojo_call *call = container_of(work, struct dojo_call, work);
	struct dojo_facts facts;

	if (call->result && call->result->steps_count > 0 && !call->judged) {
		const struct step_result *step = &call->result->steps[0];

		clean(&step->out, step->out_truncated, &call->out, &call->out_truncated);
		clean(&step->err, step->err_truncated, &call->err, &call->err_truncated);
	}
	facts_of(call, &facts);
	if (facts.end == DOJO_END_ITSELF)
		dojo_light_judge(call);
	if (call->unsupported && call->ruby_image)
		return;
	facts_of(call, &facts);
	call->answer = dojo_answer(&facts);
}

static void work(struct dojo_call *call);

static void on_ruby(void *user, const struct run_ruby_verdict *verdict)
{
	struct dojo_call *call = user;

	run_ruby_destroy(TAKE_PTR(call->ruby));
	call->ruby_image = NULL;
	dojo_light_take(&call->light, verdict);
	work(call);
}

/* Where it cannot be asked, the fault that kiln found stands. */
static void ask_ruby(struct dojo_call *call)
{
	struct api *api = call->dojo->api;
	const struct run_ruby_options options = {
		.engine = api->options.engine,
		.image = call->ruby_image,
		.ceilings = api->options.config->ceilings,
		.done = on_ruby,
		.user = call,
	};
	const struct light_input input = dojo_light_input(call);
	struct err err = ERR_INIT;

	call->stage = DOJO_STAGE_RUBY;
	if (run_ruby_start(&options, call->light.source, call->light.source_len, &input, &call->ruby, &err) ==
	    0)
		return;
	call->ruby_image = NULL;
	work(call);
}

static void respond(struct dojo_call *call)
{
	struct http_request *http = TAKE_PTR(call->http);
	const json_t *run = json_object_get(call->answer, "run_cyber_dojo_sh");

	call_log(call, json_string_value(json_object_get(run, "outcome")) ?: "no memory");
	http_respond_json(http, 200, TAKE_PTR(call->answer));
	dojo_call_destroy(call);
}

static void on_worked(uv_work_t *work, int status)
{
	struct dojo_call *call = container_of(work, struct dojo_call, work);
	struct cyber_dojo *dojo = call->dojo;

	dojo->working--;
	call->stage = DOJO_STAGE_RUN;
	if (!call->http) {
		call_free(call);
		if (dojo->closed && dojo->working == 0)
			dojo_free(dojo);
		return;
	}
	if (call->compiled_here)
		light_cache_keep(dojo->api->lights, call->light.source, call->light.source_len,
				 call->compiled);
	call->compiled_here = false;
	if (call->unsupported && call->ruby_image)
		ask_ruby(call);
	else
		respond(call);
}

static void work(struct dojo_call *call)
{
	struct uv_loop_s *loop = call->dojo->api->options.loop;

	call->dojo->working++;
	call->stage = DOJO_STAGE_WORK;
	if (loop && uv_queue_work(loop, &call->work, on_work, on_worked) == 0)
		return;
	on_work(&call->work);
	on_worked(&call->work, 0);
}

/* ---- the traffic light ---- */

static void light_set(struct dojo_call *call, const char *source, size_t len)
{
	call->light.source = source;
	call->light.source_len = len;
	call->compiled = light_cache_find(call->dojo->api->lights, source, len);
}

/* The image has none, or it could not be read: `why` is what cat said. */
static void light_miss(struct dojo_call *call, const char *why, size_t len)
{
	call->light.fault = DOJO_FAULT_MISSING;
	call->light.message = BUF_INIT(WHY_BYTES);
	if (buf_append(&call->light.message, why, len < WHY_BYTES ? len : WHY_BYTES) < 0)
		call->light.message.len = 0;
}

/* A copy of one that somebody else may forget while a thread judges by it. */
static void light_copy(struct dojo_call *call, const char *source, size_t len)
{
	call->source = malloc(len ? len : 1);
	if (!call->source) {
		light_miss(call, "", 0);
		return;
	}
	memcpy(call->source, source, len);
	light_set(call, call->source, len);
}

static void on_source(void *user, const struct run_source_found *found)
{
	struct dojo_call *call = user;

	if (found->text)
		light_copy(call, found->text, found->len);
	else
		light_miss(call, found->why, found->why_len);
	run_source_destroy(TAKE_PTR(call->reading));
	work(call);
}

static void source_fetch(struct dojo_call *call)
{
	struct api *api = call->dojo->api;
	const struct run_source_options options = {
		.engine = api->options.engine,
		.image = call->image,
		.ceilings = api->options.config->ceilings,
		.sources = api->light_sources,
		.done = on_source,
		.user = call,
	};
	struct err err = ERR_INIT;

	call->stage = DOJO_STAGE_SOURCE;
	if (run_source_start(&options, &call->reading, &err) == 0)
		return;
	light_miss(call, "", 0);
	work(call);
}

/* Whoever maps an image's name to a language wants it judged as that. False: it has no light. */
static bool light_of_language(struct dojo_call *call)
{
	const struct language *language = dojo_image_language(call->dojo, call->request.image_name);

	if (!language || !run_light_wanted(&language->light))
		return false;
	if (language->light.ruby) {
		light_copy(call, language->light.ruby, language->light.ruby_len);
	} else {
		call->light.source = "";
		call->compiled = light_ref(language->light.rules);
	}
	return true;
}

static void light_find(struct dojo_call *call)
{
	const char *known;
	size_t len;

	if (call->request.lambda) {
		call->light.from_manifest = true;
		light_set(call, call->request.lambda, call->request.lambda_len);
		work(call);
		return;
	}
	if (light_of_language(call)) {
		work(call);
		return;
	}
	known = light_sources_find(call->dojo->api->light_sources, call->image, &len);
	if (!known) {
		source_fetch(call);
		return;
	}
	light_copy(call, known, len);
	work(call);
}

/* ---- the run ---- */

static void on_done(void *user, struct run_result *result)
{
	struct dojo_call *call = user;

	api_metrics_count(&call->dojo->api->metrics, result);
	call->result = result;
	run_destroy(TAKE_PTR(call->run));
	if (dojo_end_of(result) == DOJO_END_ITSELF)
		light_find(call);
	else
		work(call);
}

static void say_not_started(struct dojo_call *call, struct err *err)
{
	struct engine *engine = call->dojo->api->options.engine;
	char why[256] = "";

	call_log(call, run_outcome_name(RUN_ENGINE_ERROR));
	if (!engine->v->healthy(engine, why, sizeof(why)))
		err_refuse(err, ERR_BUSY, "not_ready", NULL, "no sandbox can be made now: %s", why);
	else
		metric_add(call->dojo->api->metrics.runs[RUN_ENGINE_ERROR], 1);
	dojo_refuse(call->dojo, TAKE_PTR(call->http), err);
	dojo_call_destroy(call);
}

static void run_begin(struct dojo_call *call)
{
	static const struct run_events events = { .done = on_done };
	struct api *api = call->dojo->api;
	const struct run_options options =
		api_run_options(api, call->tenant, api_now_us() - call->entered_us);
	struct err err = ERR_INIT;

	call->stage = DOJO_STAGE_RUN;
	if (run_start(api->options.engine, TAKE_PTR(call->plan), &options, &events, call, &call->run, &err) <
	    0)
		say_not_started(call, &err);
}

static void on_turn(void *user, enum queue_turn turn)
{
	struct dojo_call *call = user;
	struct err err = ERR_INIT;

	if (turn == QUEUE_TURN_RUN) {
		run_begin(call);
		return;
	}
	queue_refuse_pushed_out(&err);
	call->entry = NULL;
	dojo_refuse(call->dojo, TAKE_PTR(call->http), &err);
	dojo_call_destroy(call);
}

/* What needs no run at all. */
static int answer_at_once(struct cyber_dojo *dojo, struct http_request *http,
			  const struct dojo_request *request, enum dojo_end end)
{
	const struct dojo_facts facts = { .request = request, .end = end, .kind = dojo->kind };

	http_respond_json(http, 200, dojo_answer(&facts));
	return 0;
}

static int call_enter(struct dojo_call *call, struct err *err)
{
	struct api *api = call->dojo->api;
	int r = dojo_plan_run(api, &call->request, call->image, &call->plan, err);

	return r < 0 ? r
		     : queue_enter(api->queue, call->tenant, call->entered_us, on_turn, call, &call->entry,
				   err);
}

static int call_create(struct cyber_dojo *dojo, struct http_request *http, const char *image,
		       struct dojo_call **ret, struct err *err)
{
	struct dojo_call *call = calloc(1, sizeof(*call));

	if (!call)
		return err_set(err, -ENOMEM, "take a call");
	call->dojo = dojo;
	call->http = http;
	call->entered_us = api_now_us();
	call->image = strdup(image);
	call->ruby_image = api_ruby_image(dojo->api);
	snprintf(call->tenant, sizeof(call->tenant), "%s", http_request_tenant(http));
	if (!call->image) {
		call_free(call);
		return err_set(err, -ENOMEM, "take a call");
	}
	*ret = call;
	return 0;
}

int dojo_call_begin(struct cyber_dojo *dojo, struct http_request *http, struct dojo_request *request,
		    struct err *err)
{
	const char *image = dojo_image_find(dojo, request->image_name);
	struct dojo_call *call = NULL;
	int r;

	if (queue_is_draining(dojo->api->queue))
		return err_refuse(err, ERR_BUSY, "draining", NULL,
				  "this node is shutting down and takes no new runs");
	if (!image) {
		dojo_image_pull(dojo, request->image_name);
		return answer_at_once(dojo, http, request, DOJO_END_PULLING);
	}
	if (request->tar_fault[0])
		return answer_at_once(dojo, http, request, DOJO_END_FAULTY);
	r = call_create(dojo, http, image, &call, err);
	if (r < 0)
		return r;
	call->request = *request;
	*request = (struct dojo_request){ 0 };
	r = call_enter(call, err);
	if (r < 0) {
		call_free(call);
		return r;
	}
	call_link(call);
	http_request_keep(http, on_vanished, call);
	if (r > 0)
		run_begin(call);
	return 0;
}
