/*
 * An answer whose body comes in pieces, for as long as its maker likes: events, output of something that goes on.
 *
 * It is sent chunked (to an HTTP/1.0 client until the connection closes). What is written waits in a buffer of at
 * most HTTP_STREAM_MAX bytes until the socket takes it: a reader that is too slow makes writes fail with -EAGAIN
 * instead of memory grow, and one that takes nothing at all for the server's idle time is cut off. A stream that is
 * silent for long says its heartbeat, so that proxies keep it and a client that went is noticed.
 *
 * A stream belongs to the server and is valid until http_stream_end(), or until its `vanished` returned.
 */
#ifndef KILN_HTTP_STREAM_H
#define KILN_HTTP_STREAM_H

#include "http/server.h"

#define HTTP_STREAM_MAX ((size_t)256 << 10)

/* A comment, which every reader of server-sent events skips. */
#define HTTP_EVENTS_HEARTBEAT ":\n\n"
#define HTTP_EVENTS_TYPE      "text/event-stream"

struct http_stream;

struct http_stream_options {
	unsigned status;
	const char *content_type;
	const char
		*heartbeat; /* static; NULL: none, and then a client that closes its sending half has gone */
	/* After a write failed with -EAGAIN: half of the buffer is free again. May be NULL; may write and end. */
	void (*drained)(struct http_stream *stream, void *user);
	/* The client has gone, or the server ends: called once, and not after http_stream_end(). May be NULL. */
	void (*vanished)(struct http_stream *stream, void *user);
	void *user;
};

/*
 * Answers a request, in its handler or later if it was kept; headers of http_respond_header() are sent along. The
 * request is used up, as by every answer. Returns NULL when there is no memory: then the answer is a 500.
 */
struct http_stream *http_respond_stream(struct http_request *request,
					const struct http_stream_options *options);

/*
 * All of `data` or nothing: -EAGAIN when it does not fit behind what waits (`drained` will tell), -EMSGSIZE when it
 * never will, -ENOMEM. Does not block; copied.
 */
[[nodiscard]] int http_stream_write(struct http_stream *stream, const void *data, size_t len);

/* Writes one server-sent event with a document as its data: reference stolen, also on failure. */
[[nodiscard]] int http_stream_event(struct http_stream *stream, const char *event, json_t *data);

/* Bytes that wait for the socket. */
size_t http_stream_waiting(const struct http_stream *stream);

/* What waits is still sent, then the answer ends. */
void http_stream_end(struct http_stream *stream);

/* True when a client says that it takes server-sent events: "text/event-stream" in its Accept header. */
bool http_request_wants_events(const struct http_request *request);

#endif
