/*
 * A run over a WebSocket: as POST /v1/runs does it (runs.c), but that its archive and its stdin may come by and by, and
 * that what it prints goes out at once. Its end is one message, a result or an error; after that its number is free.
 */
#include "api/ws_priv.h"

#include "base/cleanup.h"
#include "base/plural.h"
#include "run/run_id.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- life ---- */

static void run_unlink(struct ws_run *run)
{
	struct ws *ws = run->ws;

	if (run->prev)
		run->prev->next = run->next;
	else
		ws->runs = run->next;
	if (run->next)
		run->next->prev = run->prev;
	if (ws->target == run)
		ws->target = NULL;
	ws->ended[ws->ended_count++ % WS_ENDED_KEPT] = run->number;
	if (ws->ended_count == 2 * WS_ENDED_KEPT)
		ws->ended_count = WS_ENDED_KEPT;
	ws->runs_count--;
	ws->client->runs--;
	ws->api->runs_count--;
}

/* After its last word. */
static void run_free(struct ws_run *run)
{
	struct ws *ws = run->ws;
	struct api *api = ws->api;
	struct queue_entry *entry = run->entry;

	run_unlink(run);
	run_destroy(run->run);
	plan_destroy(run->plan);
	request_finish(&run->request);
	ws_gathered_free(ws, &run->archive);
	buf_finish(&run->held);
	free(run);
	http_websocket_set_busy(ws->socket, ws->runs != NULL);
	ws_update(ws);
	/* Last: it may start the next one. */
	queue_leave(api->queue, entry, api_now_us());
}

static void log_run(const struct ws_run *run, const char *id, enum run_outcome outcome, const char *error)
{
	api_run_log(run->ws->api, &(struct api_run_note){ .tenant = run->ws->tenant,
							  .language = run->language,
							  .entered_us = run->entered_us,
							  .id = id,
							  .outcome = run_outcome_name(outcome),
							  .error = error });
}

void ws_run_drop(struct ws_run *run)
{
	metric_add(run->ws->api->metrics.runs[RUN_CANCELLED], 1);
	log_run(run, "", RUN_CANCELLED, NULL);
	run_free(run);
}

/* ---- what the client is told ---- */

static void send_simple(struct ws_run *run, const char *type)
{
	ws_send_json(run->ws, json_pack("{s:I,s:s}", "run", (json_int_t)run->number, "type", type));
}

static void send_position(struct ws_run *run)
{
	unsigned position = queue_position(run->ws->api->queue, run->entry);

	if (position == run->position)
		return;
	run->position = position;
	ws_send_json(run->ws, json_pack("{s:I,s:s,s:I}", "run", (json_int_t)run->number, "type", "queued",
					"position", (json_int_t)position));
}

void ws_refuse(struct ws *ws, uint32_t number, const struct err *err)
{
	struct api *api = ws->api;
	bool busy = err->kind == ERR_BUSY;
	json_t *json = http_error_json(err);

	metric_add(api->metrics.refused[busy ? API_REFUSED_BUSY : API_REFUSED_REQUEST], 1);
	if (json && (json_object_set_new(json, "run", json_integer(number)) < 0 ||
		     json_object_set_new(json, "type", json_string("error")) < 0 ||
		     json_object_set_new(json, "status", json_integer(err_kind_http_status(err->kind))) < 0 ||
		     (busy && json_object_set_new(json, "retry_after_s",
						  json_integer(queue_retry_after_s(api->queue))) < 0))) {
		json_decref(json);
		json = NULL;
	}
	ws_send_json(ws, json);
	/* What the client sent behind it is on its way. */
	if (!ws_run_was(ws, number))
		ws->ended[ws->ended_count++ % WS_ENDED_KEPT] = number;
	if (ws->ended_count == 2 * WS_ENDED_KEPT)
		ws->ended_count = WS_ENDED_KEPT;
}

static void refuse_and_free(struct ws_run *run, const struct err *err)
{
	ws_refuse(run->ws, run->number, err);
	run_free(run);
}

static void send_result(struct ws_run *run, const struct run_result *result)
{
	json_t *json = result_to_json(result);

	ws_send_json(run->ws, json ? json_pack("{s:I,s:s,s:o}", "run", (json_int_t)run->number, "type",
					       "result", "result", json)
				   : NULL);
}

/* The result of a run that was cancelled before it began. */
static void send_cancelled(struct ws_run *run)
{
	struct run_result result = { .outcome = RUN_CANCELLED };
	struct err err = ERR_INIT;

	if (run_id_make(result.id, &err) < 0) {
		ws_refuse(run->ws, run->number, &err);
		return;
	}
	result.timing.queue_us = result.timing.total_us = api_now_us() - run->entered_us;
	if (run->plan) {
		result.language = run->plan->language;
		result.image = run->plan->steps[run->plan->steps_count - 1].image;
	}
	api_metrics_count(&run->ws->api->metrics, &result);
	log_run(run, result.id, RUN_CANCELLED, NULL);
	send_result(run, &result);
}

/* ---- stdin ---- */

/* Gives the program what it takes of what is held. */
static void stdin_pump(struct ws_run *run)
{
	size_t len = run->held.len < run->stdin_credit ? run->held.len : run->stdin_credit;

	if (!run->run)
		return;
	if (len > 0) {
		run_stdin_write(run->run, run->held.data, len);
		run->stdin_credit -= len;
		buf_consume(&run->held, len);
	}
	if (run->held.len == 0 && run->stdin_ended && !run->stdin_eof_told) {
		run->stdin_eof_told = true;
		run_stdin_eof(run->run);
	}
}

void ws_run_stdin(struct ws_run *run, const uint8_t *data, size_t len)
{
	struct ws *ws = run->ws;

	if (buf_append(&run->held, data, len) < 0) {
		ws_break(ws, 1011, "the server has no memory for stdin of run %u", run->number);
		return;
	}
	stdin_pump(run);
	ws_update(ws);
}

void ws_run_stdin_eof(struct ws_run *run)
{
	run->stdin_ended = true;
	stdin_pump(run);
}

static void on_stdin_wanted(void *user, size_t len)
{
	struct ws_run *run = user;

	run->stdin_credit += len;
	stdin_pump(run);
	ws_update(run->ws);
}

/* ---- running ---- */

static void on_output(void *user, size_t step, int stream, const uint8_t *data, size_t len)
{
	struct ws_run *run = user;
	const uint8_t head[WS_HEAD_BYTES] = {
		(uint8_t)(run->number >> 24),	     (uint8_t)(run->number >> 16),
		(uint8_t)(run->number >> 8),	     (uint8_t)run->number,
		stream == 2 ? WS_STDERR : WS_STDOUT,
	};

	http_websocket_send(run->ws->socket, true, head, sizeof(head), data, len);
	ws_sent(run->ws);
}

static void on_done(void *user, struct run_result *result)
{
	struct ws_run *run = user;

	api_metrics_count(&run->ws->api->metrics, result);
	log_run(run, result->id, result->outcome, api_engine_error(result));
	send_result(run, result);
	run_result_destroy(result);
	run_free(run);
}

/* It has a slot; may be gone afterwards. */
static void run_begin(struct ws_run *run)
{
	static const struct run_events events = { .output = on_output,
						  .stdin_wanted = on_stdin_wanted,
						  .done = on_done };
	struct api *api = run->ws->api;
	struct run_options options = api_run_options(api, run->ws->tenant, api_now_us() - run->entered_us);
	struct err err = ERR_INIT;

	options.live_stdin = run->takes_stdin;
	run->state = WS_RUN_RUNNING;
	if (run_start(api->options.engine, TAKE_PTR(run->plan), &options, &events, run, &run->run, &err) <
	    0) {
		log_run(run, "", RUN_ENGINE_ERROR, err.text);
		api_not_started(api, &err);
		refuse_and_free(run, &err);
		return;
	}
	send_simple(run, "started");
	if (run->ws->full)
		run_hold(run->run, true);
	stdin_pump(run);
}

static void on_turn(void *user, enum queue_turn turn)
{
	struct ws_run *run = user;
	struct err err = ERR_INIT;

	if (turn == QUEUE_TURN_RUN) {
		run_begin(run);
		return;
	}
	queue_refuse_pushed_out(&err);
	run->entry = NULL;
	refuse_and_free(run, &err);
}

/* Its request is complete; may be gone afterwards. */
static void run_enter(struct ws_run *run)
{
	struct api *api = run->ws->api;
	struct err err = ERR_INIT;
	int r = api_drain_check(api, &err);

	if (r == 0)
		r = api_plan_make(api, &run->request, &run->plan, &err);
	request_finish(&run->request);
	if (r == 0) {
		snprintf(run->language, sizeof(run->language), "%s",
			 run->plan->language ?: run->plan->steps[0].image);
		run->state = WS_RUN_WAITING;
		r = queue_enter(api->queue, run->ws->tenant, run->entered_us, on_turn, run, &run->entry,
				&err);
	}
	if (r < 0)
		refuse_and_free(run, &err);
	else if (r > 0)
		run_begin(run);
	else
		send_position(run);
}

/* ---- what the client asks ---- */

static int quota_check(const struct ws *ws, struct err *err)
{
	const struct config *config = ws->api->options.config;

	if (ws->runs_count >= config->ws_runs)
		return err_refuse(err, ERR_QUOTA, "too_many_runs", NULL,
				  "%u %s under way, which is all that one WebSocket may have", ws->runs_count,
				  plural(ws->runs_count, "run is", "runs are"));
	if (ws->client->runs >= config->ws_client_runs)
		return err_refuse(err, ERR_QUOTA, "too_many_runs", NULL,
				  "%u %s under way, which is all that one client's WebSockets may have",
				  ws->client->runs, plural(ws->client->runs, "run is", "runs are"));
	return 0;
}

static struct ws_run *run_create(struct ws *ws, struct run_message *message)
{
	struct ws_run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	run->ws = ws;
	run->number = message->run;
	run->request = message->request;
	message->request = (struct run_request){ 0 };
	run->takes_stdin = run->request.stdin_follows;
	run->has_tty = run->request.tty.rows > 0;
	run->archive = BUF_INIT(ws->text.max);
	run->held = BUF_INIT(ws->text.max + WS_STDIN_HELD);
	run->entered_us = api_now_us();

	run->next = ws->runs;
	if (run->next)
		run->next->prev = run;
	ws->runs = run;
	ws->runs_count++;
	ws->client->runs++;
	ws->api->runs_count++;
	http_websocket_set_busy(ws->socket, true);
	return run;
}

void ws_run_start(struct ws *ws, struct run_message *message)
{
	struct err err = ERR_INIT;
	struct ws_run *run = NULL;
	int r = quota_check(ws, &err);

	if (r == 0) {
		run = run_create(ws, message);
		r = run ? 0 : err_set(&err, -ENOMEM, "take a run");
	}
	if (r < 0)
		ws_refuse(ws, message->run, &err);
	else if (run->request.archive_follows)
		run->state = WS_RUN_ARCHIVE;
	else
		run_enter(run);
}

void ws_run_archive_came(struct ws_run *run)
{
	struct err err = ERR_INIT;
	int r = request_add_archive(&run->request, run->archive.data ?: (const uint8_t *)"", run->archive.len,
				    &request_bounds_default, &err);

	ws_gathered_free(run->ws, &run->archive);
	if (r < 0)
		refuse_and_free(run, &err);
	else
		run_enter(run);
}

void ws_run_cancel(struct ws_run *run)
{
	if (run->state == WS_RUN_RUNNING) {
		run_cancel(run->run);
		return;
	}
	send_cancelled(run);
	run_free(run);
}

void ws_run_resize(struct ws_run *run, const struct engine_tty *size)
{
	if (run->state == WS_RUN_RUNNING)
		run_resize(run->run, size);
	else if (run->plan)
		run->plan->tty = *size;
	else
		run->request.tty = *size;
}

void ws_run_signal(struct ws_run *run, int number)
{
	if (run->state == WS_RUN_RUNNING)
		run_signal(run->run, number);
}

void ws_run_tick(struct ws_run *run)
{
	if (run->state == WS_RUN_WAITING && run->entry)
		send_position(run);
}
