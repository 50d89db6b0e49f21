/*
 * How it works: MHD asks for the body through stream_read(), whenever its buffer and the socket have room. With
 * nothing to give, the connection is suspended there, and watched as that of a kept request is; a write resumes it.
 * While it is suspended MHD looks at the socket no more, so the end of the client is seen by the watch, and by the
 * sweep when it says nothing and takes nothing.
 *
 * A FIN does not say whether the client listens still (see watch.c). Here an interim response is not possible, but a
 * heartbeat is: a socket that is really closed answers it with a reset.
 */
#include "http/stream.h"

#include "base/cleanup.h"
#include "http/http_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEARTBEAT_MS	  15000
#define HEARTBEAT_ASKS_MS 1000 /* after a FIN */
#define BLOCK_BYTES	  ((size_t)32 << 10)

struct http_stream {
	struct http_request *request;
	struct http_stream_options options;
	struct buf out;
	uint64_t spoke_ms; /* the last write */
	bool suspended;
	bool refused; /* a write, since `drained` was last called */
	bool ended;
	bool gone;
};

static void resume(struct http_stream *stream)
{
	struct http_connection *c = stream->request->connection;

	if (!stream->suspended)
		return;
	stream->suspended = false;
	http_watch_stop(c);
	MHD_resume_connection(c->mhd);
	http_server_wake(c->server);
}

static ssize_t stream_read(void *cls, uint64_t position, char *to, size_t room)
{
	struct http_stream *stream = cls;
	struct http_connection *c = stream->request->connection;
	size_t n = stream->out.len < room ? stream->out.len : room;

	c->server->callbacks++;
	if (stream->gone)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (n > 0) {
		memcpy(to, stream->out.data, n);
		buf_consume(&stream->out, n);
		if (stream->refused && stream->out.len <= HTTP_STREAM_MAX / 2) {
			stream->refused = false;
			if (!stream->ended && stream->options.drained)
				stream->options.drained(stream, stream->options.user);
		}
		return (ssize_t)n;
	}
	if (stream->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	stream->suspended = true;
	MHD_suspend_connection(c->mhd);
	http_watch_start(c);
	return 0;
}

struct http_stream *http_respond_stream(struct http_request *request,
					const struct http_stream_options *options)
{
	struct http_stream *stream = calloc(1, sizeof(*stream));
	struct MHD_Response *response = NULL;

	if (stream) {
		stream->request = request;
		stream->options = *options;
		stream->out = BUF_INIT(HTTP_STREAM_MAX);
		stream->spoke_ms = http_now_ms(request->connection->server);
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, stream_read,
							     stream, NULL);
	}
	if (!response) {
		free(stream);
		stream = NULL;
	}
	request->stream = stream;
	if (!http_respond_prepared(request, options->status, options->content_type, response)) {
		http_stream_free(request);
		return NULL;
	}
	return stream;
}

int http_stream_write(struct http_stream *stream, const void *data, size_t len)
{
	int r;

	assert(!stream->ended && !stream->gone);
	if (len > HTTP_STREAM_MAX)
		return -EMSGSIZE;
	r = buf_append(&stream->out, data, len);
	if (r < 0) {
		stream->refused = stream->refused || r == -EMSGSIZE;
		return r == -EMSGSIZE ? -EAGAIN : r;
	}
	stream->spoke_ms = http_now_ms(stream->request->connection->server);
	resume(stream);
	return 0;
}

int http_stream_event(struct http_stream *stream, const char *event, json_t *data)
{
	AUTO_FREE char *text = data ? json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	AUTO_BUF struct buf piece = BUF_INIT(HTTP_STREAM_MAX);
	int r;

	json_decref(data);
	if (!text)
		return -ENOMEM;
	r = buf_printf(&piece, "event: %s\ndata: %s\n\n", event, text);
	return r < 0 ? r : http_stream_write(stream, piece.data, piece.len);
}

size_t http_stream_waiting(const struct http_stream *stream)
{
	return stream->out.len;
}

void http_stream_end(struct http_stream *stream)
{
	assert(!stream->ended && !stream->gone);
	stream->ended = true;
	resume(stream);
}

void http_stream_abandon(struct http_stream *stream)
{
	if (stream->gone)
		return;
	stream->gone = true;
	stream->request->connection->hung_up = true;
	if (!stream->ended && stream->options.vanished)
		stream->options.vanished(stream, stream->options.user);
	resume(stream);
}

void http_stream_free(struct http_request *request)
{
	if (!request->stream)
		return;
	buf_finish(&request->stream->out);
	free(request->stream);
	request->stream = NULL;
}

static void beat(struct http_stream *stream)
{
	const char *text = stream->options.heartbeat;

	/* What waits already says as much. */
	if (stream->out.len == 0 && http_stream_write(stream, text, strlen(text)) < 0)
		stream->spoke_ms = http_now_ms(stream->request->connection->server);
}

void http_stream_disconnected(struct http_connection *c, bool half)
{
	struct http_stream *stream = c->request->stream;

	if (!half || c->probe_every_ms || !stream->options.heartbeat || stream->ended) {
		http_stream_abandon(stream);
		return;
	}
	/* From now on only an error wakes us: the FIN stays and would be reported for ever. */
	c->probe_every_ms = HEARTBEAT_ASKS_MS;
	http_watch_start(c);
	beat(stream);
}

void http_stream_check(struct http_connection *c, uint64_t now_ms)
{
	struct http_stream *stream = c->request->stream;
	struct http_counters now = http_counters_read(c->fd);
	uint64_t beat_ms = c->probe_every_ms ? HEARTBEAT_ASKS_MS : HEARTBEAT_MS;

	/* Nothing waits here or in the socket: nothing can be late. */
	if (now.acked != c->progress || (stream->out.len == 0 && stream->suspended && !now.waiting)) {
		c->progress = now.acked;
		c->progress_ms = now_ms;
	}
	if (now_ms - c->progress_ms >= c->server->options.idle_ms) {
		c->server->stats.timeouts++;
		if (stream->suspended)
			http_stream_abandon(stream);
		else
			http_connection_hang_up(c, 0);
	} else if (!stream->ended && stream->options.heartbeat && now_ms - stream->spoke_ms >= beat_ms) {
		beat(stream);
	}
}

bool http_request_wants_events(const struct http_request *request)
{
	const char *accept = http_request_header(request, MHD_HTTP_HEADER_ACCEPT);
	size_t len = strlen(HTTP_EVENTS_TYPE);

	while (accept && *accept) {
		accept += strspn(accept, " \t,");
		if (strncasecmp(accept, HTTP_EVENTS_TYPE, len) == 0 && strchr(" \t,;", accept[len]))
			return true;
		accept += strcspn(accept, ",");
	}
	return false;
}
