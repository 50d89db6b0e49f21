/*
 * Between accept and MHD: a connection is handed over when its first bytes are there, after a look at them
 * without taking them (MSG_PEEK). What MHD would refuse with a page of its own is refused here, with the
 * document of API.md. A head that is not complete then is MHD's and head.c's; so are the later requests of a
 * connection, which MHD may have read already. It also keeps MHD's pool of 128 KiB from connections that
 * never say a word.
 */
#include "http/http_priv.h"

#include "http/raw_head.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void greeting_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* Takes the descriptor out: the caller has it from here. */
static int greeting_end(struct http_greeting *g)
{
	struct http_server *server = g->server;

	if (g->prev)
		g->prev->next = g->next;
	else
		server->greetings = g->next;
	if (g->next)
		g->next->prev = g->prev;
	server->stats.connections_open--;
	uv_close((uv_handle_t *)&g->poll, greeting_closed);
	return g->fd;
}

static void refuse(struct http_server *server, int fd, unsigned status)
{
	http_farewell_send(server, fd, status);
	server->stats.answers[status / 100]++;
	http_linger_start(server, fd);
}

static void greeting_readable(uv_poll_t *handle, int status, int events)
{
	static const struct http_raw_bounds bounds = { .target = HTTP_TARGET_MAX,
						       .head = HTTP_HEAD_MAX,
						       .headers = HTTP_HEADERS_MAX };
	struct http_greeting *g = handle->data;
	struct http_server *server = g->server;
	uint8_t head[HTTP_HEAD_MAX + 1];
	ssize_t n = recv(g->fd, head, sizeof(head), MSG_PEEK | MSG_DONTWAIT);
	unsigned refusal;

	if (n < 0 && (errno == EAGAIN || errno == EINTR) && status == 0)
		return;
	if (n <= 0) {
		close(greeting_end(g));
		return;
	}
	refusal = http_raw_head_check(head, (size_t)n, &bounds);
	if (refusal) {
		refuse(server, greeting_end(g), refusal);
		return;
	}
	server->handed_over_ms = g->since_ms;
	/* Closes the descriptor itself when it fails. */
	(void)!MHD_add_connection(server->daemon, greeting_end(g), (struct sockaddr *)&g->peer, g->peer_len);
	http_server_run(server);
}

void http_greeting_start(struct http_server *server, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct http_greeting *g = calloc(1, sizeof(*g));

	if (!g || uv_poll_init(server->loop, &g->poll, fd) < 0) {
		free(g);
		close(fd);
		return;
	}
	g->server = server;
	g->fd = fd;
	g->since_ms = http_now_ms(server);
	memcpy(&g->peer, peer, peer_len);
	g->peer_len = peer_len;
	g->poll.data = g;
	g->next = server->greetings;
	if (g->next)
		g->next->prev = g;
	server->greetings = g;
	server->stats.connections_open++;
	if (uv_poll_start(&g->poll, UV_READABLE, greeting_readable) < 0)
		close(greeting_end(g));
	else
		http_server_sweep_start(server);
}

void http_greetings_check(struct http_server *server, uint64_t now_ms)
{
	struct http_greeting *next;

	for (struct http_greeting *g = server->greetings; g; g = next) {
		uint64_t age_ms = now_ms - g->since_ms;

		next = g->next;
		if (age_ms >= server->options.header_ms ||
		    (server->quiescing && age_ms >= HTTP_QUIESCE_GRACE_MS)) {
			server->stats.timeouts += !server->quiescing;
			close(greeting_end(g));
		}
	}
}

void http_greetings_close(struct http_server *server)
{
	while (server->greetings)
		close(greeting_end(server->greetings));
}
