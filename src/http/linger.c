/*
 * The end of a connection whose client may still be sending: say what is to be said, send FIN, and read (and
 * drop) what comes until the client has seen it and closes, is quiet, or has had its time. All bounded: many
 * of them at once are closed straight away.
 */
#include "http/http_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LINGER_MS	10000
#define LINGER_QUIET_MS 1000

static const struct farewell {
	unsigned status;
	const char *reason;
	const char *code;
	const char *message;
	const char *header;
} farewells[] = {
	{ 400, "Bad Request", "bad_request", "The request is not well-formed HTTP/1.1.", "" },
	{ 408, "Request Timeout", "request_timeout", "The request did not arrive in time.", "" },
	{ 413, "Content Too Large", "body_too_large", NULL, "" }, /* the server's own words, with its bound */
	{ 414, "URI Too Long", "uri_too_long", "The request target is longer than 16 KiB.", "" },
	{ 431, "Request Header Fields Too Large", "headers_too_large",
	  "The headers are more than 100 or larger than 32 KiB.", "" },
	{ 505, "HTTP Version Not Supported", "http_version", "The version of HTTP must be 1.1 or 1.0.", "" },
	{ 500, "Internal Server Error", "internal", "The server has no memory for the answer.", "" },
	{ 503, "Service Unavailable", "busy", "The server has too much to do; try again later.",
	  "Retry-After: 1\r\n" },
};

void http_farewell_send(const struct http_server *server, int fd, unsigned status)
{
	const struct farewell *f = NULL;
	char body[256], head[512];
	int body_len, head_len;

	for (size_t i = 0; i < ARRAY_LEN(farewells); i++) {
		if (farewells[i].status == status)
			f = &farewells[i];
	}
	if (!f)
		return;
	body_len = snprintf(body, sizeof(body), "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", f->code,
			    f->message ? f->message : server->body_too_large);
	head_len = snprintf(head, sizeof(head),
			    "HTTP/1.1 %u %s\r\nServer: kiln\r\nContent-Type: application/json\r\n"
			    "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
			    "%sContent-Length: %d\r\nConnection: close\r\n\r\n%s",
			    f->status, f->reason, f->header, body_len, body);
	/* A peer that does not take a few hundred bytes is not waited for. */
	(void)!send(fd, head, (size_t)head_len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void linger_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void linger_end(struct http_linger *l)
{
	struct http_server *server = l->server;

	if (l->prev)
		l->prev->next = l->next;
	else
		server->lingers = l->next;
	if (l->next)
		l->next->prev = l->prev;
	server->lingers_count--;
	uv_close((uv_handle_t *)&l->poll, linger_closed);
	close(l->fd);
}

static void linger_readable(uv_poll_t *handle, int status, int events)
{
	struct http_linger *l = handle->data;
	char sink[16384];
	ssize_t n = -1;

	/* A few rounds each time, so that a fast sender does not keep the loop. */
	for (int i = 0; status == 0 && i < 16; i++) {
		n = recv(l->fd, sink, sizeof(sink), MSG_DONTWAIT);
		if (n <= 0)
			break;
		l->quiet_since_ms = http_now_ms(l->server);
	}
	if (status < 0 || n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		linger_end(l);
}

void http_linger_start(struct http_server *server, int fd)
{
	struct http_linger *l = NULL;

	shutdown(fd, SHUT_WR);
	if (server->lingers_count < HTTP_LINGERS_MAX)
		l = calloc(1, sizeof(*l));
	if (!l || uv_poll_init(server->loop, &l->poll, fd) < 0) {
		free(l);
		close(fd);
		return;
	}
	l->server = server;
	l->fd = fd;
	l->quiet_since_ms = http_now_ms(server);
	l->until_ms = l->quiet_since_ms + LINGER_MS;
	l->poll.data = l;
	l->next = server->lingers;
	if (l->next)
		l->next->prev = l;
	server->lingers = l;
	server->lingers_count++;
	if (uv_poll_start(&l->poll, UV_READABLE, linger_readable) < 0)
		linger_end(l);
	else
		http_server_sweep_start(server);
}

void http_lingers_check(struct http_server *server, uint64_t now_ms)
{
	struct http_linger *next;

	for (struct http_linger *l = server->lingers; l; l = next) {
		next = l->next;
		if (now_ms >= l->until_ms || now_ms - l->quiet_since_ms >= LINGER_QUIET_MS)
			linger_end(l);
	}
}

void http_lingers_close(struct http_server *server)
{
	while (server->lingers)
		linger_end(server->lingers);
}
