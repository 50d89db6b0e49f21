/*
 * GET /v1/ws: who may connect, and the life of a connection. A client that closes, breaks the protocol or vanishes
 * takes its runs with it. While the node drains, a connection ends with the last of its runs.
 */
#include "api/ws_priv.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PROTOCOL	  "kiln.v1"
#define CODE_GOING_AWAY	  1001
#define CODE_TOO_LARGE	  1009
#define CODE_INTERNAL	  1011
#define CODE_TRY_AGAIN	  1013
#define QUOTA_RETRY_AFTER 5 /* seconds */

/* ---- clients ---- */

/* The one of this name; made if there is none. NULL: out of memory. */
static struct ws_client *client_get(struct api *api, const struct http_request *request)
{
	char peer[INET6_ADDRSTRLEN], name[sizeof(((struct ws_client *)0)->name)];
	const char *tenant = http_request_tenant(request);
	struct ws_client *client;

	http_request_peer(request, peer);
	snprintf(name, sizeof(name), "%s %s", tenant[0] ? "token" : "address", tenant[0] ? tenant : peer);
	for (client = api->ws_clients; client; client = client->next) {
		if (strcmp(client->name, name) == 0)
			return client;
	}
	client = calloc(1, sizeof(*client));
	if (!client)
		return NULL;
	snprintf(client->name, sizeof(client->name), "%s", name);
	client->next = api->ws_clients;
	api->ws_clients = client;
	return client;
}

static void client_put(struct api *api, struct ws_client *client)
{
	struct ws_client **at = &api->ws_clients;

	if (client->sockets > 0)
		return;
	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	free(client);
}

/* ---- what the others ask of a connection ---- */

struct ws_run *ws_run_find(const struct ws *ws, uint32_t number)
{
	struct ws_run *run = ws->runs;

	while (run && run->number != number)
		run = run->next;
	return run;
}

bool ws_run_was(const struct ws *ws, uint32_t number)
{
	unsigned kept = ws->ended_count < WS_ENDED_KEPT ? ws->ended_count : WS_ENDED_KEPT;

	for (unsigned i = 0; i < kept; i++) {
		if (ws->ended[i] == number)
			return true;
	}
	return false;
}

void ws_send_json(struct ws *ws, json_t *json)
{
	AUTO_FREE char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	if (text)
		http_websocket_send(ws->socket, false, text, strlen(text), NULL, 0);
	else
		http_websocket_close(ws->socket, CODE_INTERNAL, "the server has no memory for an answer");
}

void ws_break(struct ws *ws, unsigned code, const char *format, ...)
{
	char reason[256];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	http_websocket_close(ws->socket, code, reason);
	while (ws->runs)
		ws_run_drop(ws->runs);
}

bool ws_gather(struct ws *ws, struct buf *to, const uint8_t *data, size_t len)
{
	if (!http_server_memory_take(ws->api->server, len)) {
		ws_break(ws, CODE_TRY_AGAIN, "too many large requests are on their way; try again later");
		return false;
	}
	ws->memory += len;
	if (buf_append(to, data, len) == 0)
		return true;
	if (to->len + len > to->max)
		ws_break(ws, CODE_TOO_LARGE, "more than the %zu bytes that this server takes", to->max);
	else
		ws_break(ws, CODE_INTERNAL, "the server has no memory for this message");
	return false;
}

void ws_gathered_free(struct ws *ws, struct buf *from)
{
	http_server_memory_give(ws->api->server, from->len);
	ws->memory -= from->len;
	buf_finish(from);
}

void ws_update(struct ws *ws)
{
	bool hold = false;

	for (const struct ws_run *run = ws->runs; run; run = run->next)
		hold |= run->held.len >= WS_STDIN_HELD;
	http_websocket_hold(ws->socket, hold);
}

/* ---- life ---- */

static void hold_runs(struct ws *ws, bool hold)
{
	ws->full = hold;
	for (struct ws_run *run = ws->runs; run; run = run->next) {
		if (run->run)
			run_hold(run->run, hold);
	}
}

void ws_sent(struct ws *ws)
{
	if (!ws->full && http_websocket_queued(ws->socket) > HTTP_WEBSOCKET_QUEUE_BYTES)
		hold_runs(ws, true);
}

static void on_room(void *user)
{
	hold_runs(user, false);
}

static void on_tick(void *user)
{
	struct ws *ws = user;

	for (struct ws_run *run = ws->runs; run; run = run->next)
		ws_run_tick(run);
	if (queue_is_draining(ws->api->queue) && !ws->runs)
		http_websocket_close(ws->socket, CODE_GOING_AWAY, "this node is shutting down");
}

static void on_ended(void *user)
{
	struct ws *ws = user;
	struct api *api = ws->api;

	while (ws->runs)
		ws_run_drop(ws->runs);
	ws_gathered_free(ws, &ws->text);
	if (ws->prev)
		ws->prev->next = ws->next;
	else
		api->sockets = ws->next;
	if (ws->next)
		ws->next->prev = ws->prev;
	ws->client->sockets--;
	client_put(api, ws->client);
	free(ws);
}

static const struct http_websocket_events events = {
	.data = ws_data,
	.room = on_room,
	.tick = on_tick,
	.ended = on_ended,
};

/* 1: it is connected, 0: it was refused with an answer, or a negative errno. */
static int connect_client(struct api *api, struct http_request *request, struct ws_client *client,
			  struct err *err)
{
	const struct config *config = api->options.config;
	const struct http_websocket_options options = {
		.protocol = PROTOCOL,
		.origins = config->origins,
		.message_bytes = (uint64_t)config->body_bytes,
		.idle_ms = (unsigned)config->ws_idle_ms,
		.timeout_ms = (unsigned)config->ws_timeout_ms,
	};
	AUTO_FREE struct ws *ws = calloc(1, sizeof(*ws));

	if (!ws)
		return err_set(err, -ENOMEM, "open a WebSocket");
	if (client->sockets >= config->ws_connections)
		return err_refuse(err, ERR_QUOTA, "too_many_connections", NULL,
				  "%u WebSockets are open, which is all that one client may have",
				  client->sockets);
	ws->api = api;
	ws->client = client;
	ws->text = BUF_INIT((size_t)config->body_bytes);
	snprintf(ws->tenant, sizeof(ws->tenant), "%s", http_request_tenant(request));
	if (!http_websocket_accept(request, &options, &events, ws, &ws->socket))
		return 0;
	client->sockets++;
	ws->next = api->sockets;
	if (ws->next)
		ws->next->prev = ws;
	api->sockets = TAKE_PTR(ws);
	return 1;
}

void api_handle_ws(struct http_request *request, void *user)
{
	struct api *api = user;
	struct ws_client *client = NULL;
	struct err err = ERR_INIT;
	int r = api_drain_check(api, &err);

	if (r == 0) {
		client = client_get(api, request);
		r = client ? connect_client(api, request, client, &err)
			   : err_set(&err, -ENOMEM, "open a WebSocket");
	}
	if (client)
		client_put(api, client);
	if (r < 0)
		http_respond_error(request, &err,
				   err.kind == ERR_QUOTA  ? QUOTA_RETRY_AFTER
				   : err.kind == ERR_BUSY ? queue_retry_after_s(api->queue)
							  : 0);
}
