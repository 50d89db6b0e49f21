/*
 * Has the client of a suspended request gone?
 *
 * A FIN alone does not say: a client may have closed its sending half only and still wait for the answer,
 * which HTTP allows (and `nc -N` does). So the first FIN is answered with an interim "100 Continue", which
 * every HTTP/1.1 client skips (RFC 9110, 15.2): a socket that is really closed answers that with a reset, and
 * then the client has vanished. One that closes later sends nothing more, so it is asked again, at doubling
 * intervals. HTTP/1.0 knows no interim responses; there a FIN is the end.
 */
#include "http/http_priv.h"

#include <string.h>
#include <sys/socket.h>

#define PROBE_FIRST_MS 500

static bool interim_send(struct http_connection *c)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
	ssize_t n = send(c->fd, interim, sizeof(interim) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);

	return n == (ssize_t)sizeof(interim) - 1;
}

static bool probe(struct http_connection *c)
{
	if (c->probe_every_ms || !c->request->http11)
		return false;
	c->probe_every_ms = PROBE_FIRST_MS;
	c->probe_next_ms = http_now_ms(c->server) + c->probe_every_ms;
	return interim_send(c);
}

static void watch_event(uv_poll_t *handle, int status, int events)
{
	struct http_connection *c = handle->data;

	if (c->phase == HTTP_PHASE_STREAM) {
		http_stream_disconnected(c, status == 0 && (events & UV_DISCONNECT));
		return;
	}
	/* From now on only an error or a reset wakes us: the FIN stays and would be reported for ever. */
	if (status == 0 && (events & UV_DISCONNECT) && probe(c) &&
	    uv_poll_start(handle, UV_PRIORITIZED, watch_event) == 0)
		return;
	http_request_abandon(c->request);
}

void http_watch_start(struct http_connection *c)
{
	if (!c->watch_live) {
		if (uv_poll_init(c->server->loop, &c->watch, c->fd) < 0)
			return;
		c->watch.data = c;
		c->watch_live = true;
	}
	/* Without a watch the answer meets a closed socket, no more: not worth failing the request. */
	(void)!uv_poll_start(&c->watch, c->probe_every_ms ? UV_PRIORITIZED : UV_DISCONNECT, watch_event);
}

void http_watch_stop(struct http_connection *c)
{
	if (c->watch_live)
		uv_poll_stop(&c->watch);
}

void http_watch_check(struct http_connection *c, uint64_t now_ms)
{
	if (!c->probe_every_ms || now_ms < c->probe_next_ms || !c->request || !c->request->suspended)
		return;
	c->probe_every_ms *= 2;
	c->probe_next_ms = now_ms + c->probe_every_ms;
	/* Part of an interim response would garble the answer behind it. */
	if (!interim_send(c))
		http_request_abandon(c->request);
}
