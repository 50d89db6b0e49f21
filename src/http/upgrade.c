/*
 * From a GET request to a WebSocket, and its socket.
 *
 * MHD answers with 101, lets go of the socket and keeps the connection's struct until we say that we are done with it
 * (MHD_upgrade_action); meanwhile the loop polls the socket. What is sent goes out at once when nothing waits before
 * it, else when the socket can take it. The end is told from the loop only, never from inside a call of the owner's:
 * whoever finds a reason for it asks for a poll that comes back at once.
 */
#include "http/http_priv.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "http/websocket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define READ_BYTES  ((size_t)16 * 1024)
#define READ_ROUNDS 4 /* in one turn, before others get theirs */
#define IOV_COUNT   32

struct http_websocket {
	struct http_server *server;
	struct http_connection *connection;
	struct http_websocket_events events;
	void *user;
	struct websocket *protocol;
	struct MHD_UpgradeResponseHandle *upgraded; /* NULL: the 101 has not gone out */
	uv_poll_t poll;
	bool poll_open;
	int poll_events;
	bool held; /* by its owner */
	bool full; /* more than HTTP_WEBSOCKET_QUEUE_BYTES are queued, and the owner will be told of room */
};

/* ---- the socket ---- */

static void poll_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void http_websocket_end(struct http_websocket *socket)
{
	struct http_connection *c = socket->connection;
	struct iovec iov[IOV_COUNT];
	struct msghdr msg = { .msg_iov = iov };

	/* What can be said now: the server ends, and the client may still be there. */
	websocket_close(socket->protocol, WEBSOCKET_GOING_AWAY, "the server ends", http_now_ms(c->server));
	msg.msg_iovlen = websocket_pending(socket->protocol, iov, IOV_COUNT);
	if (socket->upgraded && msg.msg_iovlen > 0)
		(void)!sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

	c->websocket = NULL;
	c->hung_up = true;
	c->linger = true;
	c->server->stats.websockets_open--;
	socket->events.ended(socket->user);
	websocket_destroy(socket->protocol);
	if (socket->upgraded) {
		MHD_upgrade_action(socket->upgraded, MHD_UPGRADE_ACTION_CLOSE);
		http_server_wake(c->server);
	}
	if (socket->poll_open)
		uv_close((uv_handle_t *)&socket->poll, poll_closed);
	else
		free(socket);
}

static bool is_over(const struct http_websocket *socket)
{
	enum websocket_state state = websocket_state(socket->protocol);

	return state == WEBSOCKET_DEAD ||
	       (state == WEBSOCKET_CLOSED && websocket_queued(socket->protocol) == 0);
}

static void flush(struct http_websocket *socket)
{
	struct iovec iov[IOV_COUNT];
	struct msghdr msg = { .msg_iov = iov };
	ssize_t n;

	while (socket->upgraded && (msg.msg_iovlen = websocket_pending(socket->protocol, iov, IOV_COUNT))) {
		n = sendmsg(socket->connection->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				websocket_lost(socket->protocol);
			return;
		}
		websocket_written(socket->protocol, (size_t)n, http_now_ms(socket->server));
	}
}

static void on_poll(uv_poll_t *poll, int status, int events);

/* Polls for what is to be done next. */
static void update(struct http_websocket *socket)
{
	size_t queued = websocket_queued(socket->protocol);
	bool deaf, over = is_over(socket);
	int events = 0;

	if (queued > HTTP_WEBSOCKET_QUEUE_BYTES)
		socket->full = true;
	deaf = socket->held || socket->full || websocket_state(socket->protocol) == WEBSOCKET_CLOSED;
	if (!socket->upgraded)
		return;
	/* Whoever has closed while nothing is read from him has gone. */
	events |= deaf ? UV_DISCONNECT : UV_READABLE;
	/* A socket that failed can always be written to: that is how the end comes from the loop. */
	events |= queued > 0 || over ? UV_WRITABLE : 0;
	if (events == socket->poll_events)
		return;
	if ((events & UV_READABLE) != (socket->poll_events & UV_READABLE))
		websocket_set_deaf(socket->protocol, deaf, http_now_ms(socket->server));
	socket->poll_events = events;
	if (uv_poll_start(&socket->poll, events, on_poll) < 0)
		websocket_lost(socket->protocol); /* seen by the next check */
}

/* Tells the owner of room once half of the queue is free. */
static void tell_room(struct http_websocket *socket)
{
	if (!socket->full || websocket_queued(socket->protocol) > HTTP_WEBSOCKET_QUEUE_BYTES / 2)
		return;
	socket->full = false;
	socket->events.room(socket->user);
}

static void half_closed(struct http_websocket *socket)
{
	uint64_t now_ms = http_now_ms(socket->server);

	if (websocket_state(socket->protocol) != WEBSOCKET_OPEN) {
		websocket_lost(socket->protocol);
		return;
	}
	/* Who closed only his sending half can still read why that is the end. */
	websocket_close(socket->protocol, WEBSOCKET_PROTOCOL, "closed without a closing frame", now_ms);
	flush(socket);
	websocket_lost(socket->protocol);
}

static void receive(struct http_websocket *socket)
{
	uint8_t bytes[READ_BYTES];

	for (int i = 0; i < READ_ROUNDS && !socket->held && !socket->full && !is_over(socket); i++) {
		ssize_t n = recv(socket->connection->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			websocket_lost(socket->protocol);
		else if (n == 0)
			half_closed(socket);
		else
			websocket_receive(socket->protocol, bytes, (size_t)n, http_now_ms(socket->server));
		if (n < (ssize_t)sizeof(bytes))
			return;
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct http_websocket *socket = poll->data;

	if (status < 0)
		websocket_lost(socket->protocol);
	if (events & UV_READABLE)
		receive(socket);
	else if (events & UV_DISCONNECT)
		half_closed(socket);
	flush(socket);
	if (is_over(socket)) {
		http_websocket_end(socket);
		return;
	}
	tell_room(socket);
	update(socket);
}

void http_websocket_check(struct http_websocket *socket, uint64_t now_ms)
{
	websocket_tick(socket->protocol, now_ms);
	flush(socket);
	if (is_over(socket)) {
		http_websocket_end(socket);
		return;
	}
	tell_room(socket);
	socket->events.tick(socket->user);
	update(socket);
}

bool http_websocket_is_unsent(const struct http_websocket *socket)
{
	return websocket_queued(socket->protocol) > 0;
}

/* ---- its owner's side ---- */

static void on_data(void *user, bool binary, const uint8_t *data, size_t len, bool last)
{
	struct http_websocket *socket = user;

	socket->events.data(socket->user, binary, data, len, last);
}

void http_websocket_send(struct http_websocket *socket, bool binary, const void *head, size_t head_len,
			 const void *data, size_t len)
{
	const struct websocket_message message = {
		.binary = binary, .head = head, .head_len = head_len, .data = data, .data_len = len
	};
	bool waited = websocket_queued(socket->protocol) > 0;

	websocket_send(socket->protocol, &message);
	if (!waited)
		flush(socket);
	update(socket);
}

size_t http_websocket_queued(const struct http_websocket *socket)
{
	return websocket_queued(socket->protocol);
}

void http_websocket_hold(struct http_websocket *socket, bool hold)
{
	if (socket->held == hold)
		return;
	socket->held = hold;
	update(socket);
}

void http_websocket_set_busy(struct http_websocket *socket, bool busy)
{
	websocket_set_busy(socket->protocol, busy, http_now_ms(socket->server));
}

void http_websocket_close(struct http_websocket *socket, unsigned code, const char *reason)
{
	websocket_close(socket->protocol, (enum websocket_code)code, reason, http_now_ms(socket->server));
	flush(socket);
	update(socket);
}

/* ---- the handshake ---- */

/* Takes the next item of a comma-separated list off *list; false at its end. */
static bool item_take(const char **list, const char **ret, size_t *ret_len)
{
	const char *at = *list + strspn(*list, ", \t");
	size_t len = strcspn(at, ",");

	*list = at + len;
	while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
		len--;
	*ret = at;
	*ret_len = len;
	return len > 0;
}

static bool list_has(const char *list, const char *wanted)
{
	const char *item;
	size_t len;

	while (list && item_take(&list, &item, &len)) {
		if (len == strlen(wanted) && strncasecmp(item, wanted, len) == 0)
			return true;
	}
	return false;
}

/* base64url without padding, as text; NULL: it is none, or no memory. */
static char *base64url_text(const char *text, size_t len)
{
	AUTO_FREE char *plain = malloc(len + 4);
	uint8_t *data = NULL;
	size_t data_len;

	if (!plain)
		return NULL;
	for (size_t i = 0; i < len; i++)
		plain[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
	while (len % 4 != 0)
		plain[len++] = '=';
	return base64_decode(plain, len, &data, &data_len) == 0 ? (char *)data : NULL;
}

static char *bearer_header(const char *token)
{
	char *header = NULL;

	return token && asprintf(&header, "Bearer %s", token) >= 0 ? header : NULL;
}

char *http_websocket_bearer(const char *list)
{
	static const char plain[] = "kiln.bearer.", encoded[] = "kiln.bearer64.";
	const char *item;
	size_t len;

	while (list && item_take(&list, &item, &len)) {
		AUTO_FREE char *token = NULL;

		if (len > sizeof(plain) - 1 && strncmp(item, plain, sizeof(plain) - 1) == 0)
			token = strndup(item + sizeof(plain) - 1, len - (sizeof(plain) - 1));
		else if (len > sizeof(encoded) - 1 && strncmp(item, encoded, sizeof(encoded) - 1) == 0)
			token = base64url_text(item + sizeof(encoded) - 1, len - (sizeof(encoded) - 1));
		if (token)
			return bearer_header(token);
	}
	return NULL;
}

/* The refusal of a request that cannot become a WebSocket; status 0 when it can. */
static struct http_refusal handshake_check(const struct http_request *request,
					   const struct http_websocket_options *options, char accept[29])
{
	const char *key = http_request_header(request, "Sec-WebSocket-Key");
	const char *version = http_request_header(request, "Sec-WebSocket-Version");

	if (strcmp(request->method, "GET") != 0 || !request->http11 ||
	    !list_has(http_request_header(request, "Upgrade"), "websocket") ||
	    !list_has(http_request_header(request, "Connection"), "upgrade"))
		return (struct http_refusal){ 426, "upgrade_required",
					      "This path speaks WebSocket: \"Connection: Upgrade\", "
					      "\"Upgrade: websocket\".",
					      false };
	if (!version || strcmp(version, "13") != 0)
		return (struct http_refusal){ 426, "websocket_version", "Sec-WebSocket-Version must be 13.",
					      false };
	if (!key || websocket_accept_key(key, accept) < 0)
		return (struct http_refusal){ 400, "bad_request",
					      "Sec-WebSocket-Key must be 16 bytes in base64.", false };
	if (request->body_seen > 0)
		return (struct http_refusal){ 400, "bad_request", "A WebSocket's request has no body.",
					      false };
	if (http_origin_find(request, options->origins) == HTTP_ORIGIN_FOREIGN)
		return (struct http_refusal){
			403, "origin_not_allowed",
			"Pages of this origin may not connect; the setting origins names those that may.",
			false
		};
	return (struct http_refusal){ 0 };
}

/* MHD calls this once the 101 has gone out. */
static void on_upgraded(void *cls, struct MHD_Connection *mhd, void *context, const char *extra,
			size_t extra_len, MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
	struct http_request *request = context;
	struct http_websocket *socket = request->connection->websocket;
	struct http_connection *c = socket->connection;

	c->server->callbacks++;
	http_connection_phase(c, HTTP_PHASE_UPGRADED);
	c->server->requests_open--;
	socket->upgraded = handle;
	if (uv_poll_init(socket->server->loop, &socket->poll, c->fd) < 0) {
		websocket_lost(socket->protocol); /* ends in the next check */
		return;
	}
	socket->poll_open = true;
	socket->poll.data = socket;
	if (extra_len > 0)
		websocket_receive(socket->protocol, (const uint8_t *)extra, extra_len,
				  http_now_ms(socket->server));
	flush(socket);
	update(socket);
}

static int answer_queue(struct http_request *request, const struct http_websocket_options *options,
			const char *accept)
{
	struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgraded, NULL);
	bool asked = list_has(http_request_header(request, "Sec-WebSocket-Protocol"), options->protocol);

	if (!response)
		return -ENOMEM;
	if (MHD_add_response_header(response, "Server", "kiln") != MHD_YES ||
	    MHD_add_response_header(response, "Upgrade", "websocket") != MHD_YES ||
	    MHD_add_response_header(response, "Sec-WebSocket-Accept", accept) != MHD_YES ||
	    (asked &&
	     MHD_add_response_header(response, "Sec-WebSocket-Protocol", options->protocol) != MHD_YES)) {
		MHD_destroy_response(response);
		return -ENOMEM;
	}
	request->status = 101;
	request->response = response;
	return 0;
}

static struct http_websocket *socket_create(struct http_request *request,
					    const struct http_websocket_options *options)
{
	static const struct websocket_events events = { .data = on_data };
	const struct websocket_options protocol = { .message_bytes = options->message_bytes,
						    .idle_ms = options->idle_ms,
						    .timeout_ms = options->timeout_ms };
	struct http_server *server = request->connection->server;
	AUTO_FREE struct http_websocket *socket = calloc(1, sizeof(*socket));

	if (!socket ||
	    websocket_create(&protocol, &events, socket, http_now_ms(server), &socket->protocol, NULL) < 0)
		return NULL;
	socket->server = server;
	socket->connection = request->connection;
	return TAKE_PTR(socket);
}

bool http_websocket_accept(struct http_request *request, const struct http_websocket_options *options,
			   const struct http_websocket_events *events, void *user,
			   struct http_websocket **ret)
{
	char accept[29];
	const struct http_refusal refusal = handshake_check(request, options, accept);
	struct http_websocket *socket;

	if (refusal.status) {
		if (refusal.status == 426) {
			http_respond_header(request, "Upgrade", "websocket");
			http_respond_header(request, "Sec-WebSocket-Version", "13");
		}
		http_respond_refusal(request, &refusal);
		return false;
	}
	socket = socket_create(request, options);
	if (!socket || answer_queue(request, options, accept) < 0) {
		if (socket)
			websocket_destroy(socket->protocol);
		free(socket);
		request->failed = true;
		return false;
	}
	socket->events = *events;
	socket->user = user;
	request->connection->websocket = socket;
	request->connection->server->stats.websockets_open++;
	request->connection->server->stats.websockets_accepted++;
	*ret = socket;
	return true;
}
