/*
 * What happens in a session, for who watches: GET /v1/sessions/{id}/events, as server-sent events to who accepts those,
 * else as a JSON answer that waits for the first event after number `since`, for at most `wait_ms`.
 */
#include "api/sessions_priv.h"

#include "base/cleanup.h"
#include "http/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS	    25000
#define WAIT_MS_MAX 60000

struct session_stream {
	struct session_stream *prev, *next;
	struct api *api;
	struct session_listener *listener; /* NULL: the session has ended */
	struct session *session;
	struct http_stream *stream; /* or */
	struct http_request *request;
	uv_timer_t *timer; /* of a request */
	int64_t since;
};

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

void session_stream_destroy(struct session_stream *stream)
{
	if (stream->prev)
		stream->prev->next = stream->next;
	else
		stream->api->session_streams = stream->next;
	if (stream->next)
		stream->next->prev = stream->prev;
	session_listener_leave(stream->listener);
	if (stream->timer)
		uv_close((uv_handle_t *)stream->timer, on_closed);
	free(stream);
}

static struct session_stream *stream_make(const struct session_ask *ask, int64_t since)
{
	struct session_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	*stream = (struct session_stream){
		.next = ask->api->session_streams, .api = ask->api, .session = ask->session, .since = since
	};
	if (stream->next)
		stream->next->prev = stream;
	ask->api->session_streams = stream;
	return stream;
}

/* Server-sent events */

static void on_stream_vanished(struct http_stream *http, void *user)
{
	session_stream_destroy(user);
}

/* One that is too slow to read is cut off: it comes again and says since when. */
static bool write_event(struct session_stream *stream, const json_t *event)
{
	const char *type = json_string_value(json_object_get(event, "type")) ?: "event";

	if (http_stream_event(stream->stream, type, json_deep_copy(event)) == 0)
		return true;
	http_stream_end(stream->stream);
	return false;
}

static void on_event(void *user, const json_t *event)
{
	struct session_stream *stream = user;

	if (event && write_event(stream, event))
		return;
	if (!event) {
		stream->listener = NULL;
		http_stream_end(stream->stream);
	}
	session_stream_destroy(stream);
}

static void stream_begin(struct session_ask *ask, int64_t since)
{
	struct session_stream *stream = stream_make(ask, since);
	const struct http_stream_options options = {
		.status = 200,
		.content_type = HTTP_EVENTS_TYPE,
		.heartbeat = HTTP_EVENTS_HEARTBEAT,
		.vanished = on_stream_vanished,
		.user = stream,
	};
	json_t *events, *event;
	struct err err = ERR_INIT;
	int64_t last;
	size_t i;

	if (!stream) {
		err_set(&err, -ENOMEM, "events");
		session_refuse(ask->api, ask->request, &err);
		return;
	}
	stream->stream = http_respond_stream(ask->request, &options);
	if (!stream->stream) {
		session_stream_destroy(stream);
		return;
	}
	events = session_events_json(ask->session, since, &last);
	json_array_foreach(events, i, event)
	{
		if (!write_event(stream, event)) {
			json_decref(events);
			session_stream_destroy(stream);
			return;
		}
	}
	json_decref(events);
	if (session_state(ask->session) <= SESSION_OPEN &&
	    session_listen(ask->session, on_event, stream, &stream->listener, &err) == 0)
		return;
	http_stream_end(stream->stream);
	session_stream_destroy(stream);
}

/* A JSON answer */

static void answer_now(struct api *api, struct http_request *request, struct session *session, int64_t since)
{
	int64_t last;
	json_t *events = session_events_json(session, since, &last);

	http_respond_json(request, 200,
			  events ? json_pack("{s:o, s:I}", "events", events, "last", (json_int_t)last)
				 : NULL);
}

static void on_request_vanished(struct http_request *request, void *user)
{
	session_stream_destroy(user);
}

static void answer_waiting(struct session_stream *stream)
{
	struct http_request *request = stream->request;

	answer_now(stream->api, request, stream->session, stream->since);
	session_stream_destroy(stream);
}

static void on_request_event(void *user, const json_t *event)
{
	struct session_stream *stream = user;

	if (!event)
		stream->listener = NULL;
	answer_waiting(stream);
}

static void on_timer(uv_timer_t *timer)
{
	answer_waiting(timer->data);
}

static void wait_begin(struct session_ask *ask, int64_t since, int64_t wait_ms)
{
	struct session_stream *stream = stream_make(ask, since);
	struct err err = ERR_INIT;

	if (stream)
		stream->timer = calloc(1, sizeof(*stream->timer));
	if (!stream || !stream->timer) {
		if (stream)
			session_stream_destroy(stream);
		err_set(&err, -ENOMEM, "events");
		session_refuse(ask->api, ask->request, &err);
		return;
	}
	uv_timer_init(ask->api->options.loop, stream->timer);
	stream->timer->data = stream;
	if (session_listen(ask->session, on_request_event, stream, &stream->listener, &err) < 0) {
		session_stream_destroy(stream);
		session_refuse(ask->api, ask->request, &err);
		return;
	}
	stream->request = ask->request;
	http_request_keep(ask->request, on_request_vanished, stream);
	uv_timer_start(stream->timer, on_timer, (uint64_t)wait_ms, 0);
}

static int read_number(const struct session_ask *ask, const char *name, int64_t max, int64_t *ret,
		       struct err *err)
{
	const char *text = http_request_query(ask->request, name);
	int64_t number = 0;

	if (!text)
		return 0;
	for (size_t i = 0; text[i]; i++) {
		if (text[i] < '0' || text[i] > '9' || i >= 15)
			return err_refuse(err, ERR_MALFORMED, "bad_value", name, "%s: must be a whole number",
					  name);
		number = number * 10 + (text[i] - '0');
	}
	if (number > max)
		return err_refuse(err, ERR_IMPOSSIBLE, "limit_too_high", name, "%s: is over %lld", name,
				  (long long)max);
	*ret = number;
	return 0;
}

void session_handle_events(struct session_ask *ask)
{
	struct err err = ERR_INIT;
	int64_t since = 0, wait_ms = WAIT_MS, last;
	json_t *events;
	bool any;

	if (read_number(ask, "since", INT64_MAX, &since, &err) < 0 ||
	    read_number(ask, "wait_ms", WAIT_MS_MAX, &wait_ms, &err) < 0) {
		session_refuse(ask->api, ask->request, &err);
		return;
	}
	if (http_request_wants_events(ask->request)) {
		stream_begin(ask, since);
		return;
	}
	events = session_events_json(ask->session, since, &last);
	any = json_array_size(events) > 0;
	json_decref(events);
	if (any || wait_ms == 0 || session_state(ask->session) > SESSION_OPEN)
		answer_now(ask->api, ask->request, ask->session, since);
	else
		wait_begin(ask, since, wait_ms);
}
