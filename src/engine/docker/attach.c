/*
 * How it works: libcurl connects (and does TLS) and then lets go of the connection, CURLOPT_CONNECT_ONLY; the request
 * that turns it into a raw stream and everything behind it are written and read here.
 */
#include "engine/docker/attach.h"

#include "base/cleanup.h"
#include "engine/docker/hijack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define CHUNK_SIZE (64u * 1024)
#define SAID_MAX   400u
#define ROUNDS_MAX 32 /* reads in one turn of the loop */
#define UPGRADE_MS 20000

enum attach_state {
	ATTACH_CONNECTING,
	ATTACH_ASKING,	  /* the request is being written */
	ATTACH_ANSWERING, /* the head of the answer is being read */
	ATTACH_OPEN,
	ATTACH_OVER,
};

/* Bytes that one side gave and the other has not taken yet. */
struct chunk {
	uint8_t data[CHUNK_SIZE];
	size_t start, len;
};

struct attach {
	struct daemon_transfer transfer;
	struct daemon *daemon;
	const struct attach_events *events;
	void *user;
	enum attach_state state;
	CURL *easy;
	char *request;
	size_t request_sent;
	uv_poll_t remote_poll, front_poll;
	uv_timer_t patience;
	bool remote_open, front_open; /* their polls are */
	unsigned handles;
	int front_fd;
	bool front_eof;
	bool more;   /* the daemon may have more that its socket does not show */
	bool closed; /* by our owner */
	size_t passed;
	struct chunk to_daemon, to_front;
	struct demux demux;
	uint8_t raw[CHUNK_SIZE]; /* of the daemon, not taken apart yet */
	size_t raw_len;
	char said[SAID_MAX];
	size_t said_len;
};

static void update_polls(struct attach *a);

/* ---- life ---- */

static void on_handle_closed(uv_handle_t *handle)
{
	struct attach *a = handle->data;

	a->daemon->handles--;
	if (--a->handles)
		return;
	if (a->front_fd >= 0)
		close(a->front_fd);
	free(a->request);
	free(a);
}

static void close_polls(struct attach *a)
{
	if (a->remote_open)
		uv_close((uv_handle_t *)&a->remote_poll, on_handle_closed);
	if (a->front_open)
		uv_close((uv_handle_t *)&a->front_poll, on_handle_closed);
	a->remote_open = a->front_open = false;
}

/* The connection goes with its handle. */
static void drop_connection(struct attach *a)
{
	if (a->remote_open)
		uv_close((uv_handle_t *)&a->remote_poll, on_handle_closed);
	a->remote_open = false;
	if (!a->easy)
		return;
	curl_multi_remove_handle(a->daemon->multi, a->easy);
	curl_easy_cleanup(a->easy);
	a->easy = NULL;
}

void attach_close(struct attach *a)
{
	if (!a || a->closed)
		return;
	a->closed = true;
	drop_connection(a);
	close_polls(a);
	uv_close((uv_handle_t *)&a->patience, on_handle_closed);
}

static void finish(struct attach *a, const char *why)
{
	if (a->closed || a->state == ATTACH_OVER)
		return;
	a->state = ATTACH_OVER;
	drop_connection(a);
	uv_timer_stop(&a->patience);
	/* What the front has not taken by now it may still take: the sender of a socket may go. */
	if (a->front_fd >= 0)
		shutdown(a->front_fd, SHUT_RDWR);
	if (a->front_open)
		uv_poll_stop(&a->front_poll);
	a->events->closed(a->user, why);
}

/* ---- the front's side ---- */

/* False when the front is gone. */
static bool flush_to_front(struct attach *a)
{
	struct chunk *c = &a->to_front;

	while (c->len && a->front_fd >= 0) {
		ssize_t n = send(a->front_fd, c->data + c->start, c->len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK;
		c->start += (size_t)n;
		c->len -= (size_t)n;
	}
	if (c->len == 0)
		c->start = 0;
	return true;
}

static void read_front(struct attach *a)
{
	struct chunk *c = &a->to_daemon;
	ssize_t n;

	if (c->len || a->front_eof || a->front_fd < 0)
		return;
	n = recv(a->front_fd, c->data, sizeof(c->data), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		a->front_eof = true;
		return;
	}
	c->start = 0;
	c->len = (size_t)n;
}

/* ---- the daemon's side ---- */

static CURLcode flush_to_daemon(struct attach *a)
{
	struct chunk *c = &a->to_daemon;

	while (c->len) {
		size_t sent = 0;
		CURLcode code = curl_easy_send(a->easy, c->data + c->start, c->len, &sent);

		if (code == CURLE_AGAIN)
			return CURLE_OK;
		if (code != CURLE_OK)
			return code;
		c->start += sent;
		c->len -= sent;
	}
	return CURLE_OK;
}

static void remember_said(struct attach *a, const uint8_t *data, size_t len)
{
	char text[SAID_MAX];
	size_t part = len < sizeof(text) - 1 ? len : sizeof(text) - 1;

	memcpy(text, data, part);
	text[part] = '\0';
	/* A line's end is none of a sentence. */
	while (part && text[part - 1] == '\n')
		text[--part] = '\0';
	if (a->said_len + 1 < sizeof(a->said))
		daemon_words(a->said + a->said_len, sizeof(a->said) - a->said_len, text);
	a->said_len = strlen(a->said);
}

static size_t take_passed(struct attach *a, size_t len)
{
	size_t part = len < a->passed ? len : a->passed;

	a->passed -= part;
	return part;
}

/* Takes the daemon's framing off. */
static int take_apart(struct attach *a)
{
	const uint8_t *data = a->raw, *piece;
	size_t len = a->raw_len, piece_len;
	enum demux_stream stream;
	int r;

	/* A piece is never longer than what is taken apart, so it fits. */
	while ((r = demux_next(&a->demux, &data, &len, &stream, &piece, &piece_len)) > 0) {
		struct chunk *c = &a->to_front;
		size_t passed = 0;

		if (stream == DEMUX_STDERR) {
			remember_said(a, piece, piece_len);
			continue;
		}
		passed = take_passed(a, piece_len);
		memcpy(c->data + c->start + c->len, piece + passed, piece_len - passed);
		c->len += piece_len - passed;
	}
	a->raw_len = 0;
	return r;
}

/* 1: something came, 0: nothing now; else it is over: -EPIPE at the end of file, or another negative errno. */
static int read_daemon(struct attach *a)
{
	size_t got = 0;
	CURLcode code = curl_easy_recv(a->easy, a->raw + a->raw_len, sizeof(a->raw) - a->raw_len, &got);

	if (code == CURLE_AGAIN)
		return 0;
	if (code != CURLE_OK || got == 0)
		return -EPIPE;
	a->raw_len += got;
	a->daemon->alive_ms = uv_now(a->daemon->loop);
	return 1;
}

/* Moves what there is, both ways. */
static void pump(struct attach *a)
{
	int r = 0;

	a->more = false;
	if (!flush_to_front(a))
		a->front_eof = true;
	for (int rounds = 0; !a->to_front.len && a->front_fd >= 0; rounds++) {
		if (rounds == ROUNDS_MAX) {
			a->more = true;
			break;
		}
		r = a->raw_len ? 1 : read_daemon(a);
		if (r > 0)
			r = take_apart(a) < 0 ? -EPROTO : 1;
		if (r <= 0)
			break;
		if (!flush_to_front(a))
			a->front_eof = true;
	}
	if (r < 0) {
		finish(a, r == -EPROTO	? "the daemon sent something that it may not"
			  : a->said_len ? a->said
					: "the container has ended");
		return;
	}
	read_front(a);
	if (flush_to_daemon(a) != CURLE_OK)
		finish(a, "the connection to the container broke");
	else
		update_polls(a);
}

/* ---- switching over ---- */

static void fail_upgrade(struct attach *a, int status, const uint8_t *body, size_t len)
{
	json_t *json = json_loadb((const char *)body, len, 0, NULL);
	const char *message = json_string_value(json_object_get(json, "message"));
	char why[DAEMON_TEXT_MAX], text[DAEMON_TEXT_MAX];

	if (message)
		snprintf(text, sizeof(text), "%.198s", message);
	else
		snprintf(text, sizeof(text), "the daemon answered an attachment with status %d", status);
	daemon_words(why, sizeof(why), text);
	json_decref(json);
	finish(a, why);
}

static void read_head(struct attach *a)
{
	int status = 0, r = read_daemon(a);
	int64_t head = r > 0 ? hijack_head_parse(a->raw, a->raw_len, &status) : 0;

	if (r < 0 || head < 0) {
		finish(a, "the daemon closed an attachment");
		return;
	}
	if (head == 0)
		return;
	if (status != 101 && status != 200) {
		fail_upgrade(a, status, a->raw + head, a->raw_len - (size_t)head);
		return;
	}
	a->raw_len -= (size_t)head;
	memmove(a->raw, a->raw + head, a->raw_len);
	a->state = ATTACH_OPEN;
	uv_timer_stop(&a->patience);
	update_polls(a);
	a->events->opened(a->user);
}

static void write_request(struct attach *a)
{
	size_t len = strlen(a->request), sent = 0;
	CURLcode code = CURLE_OK;

	while (a->request_sent < len && code == CURLE_OK) {
		code = curl_easy_send(a->easy, a->request + a->request_sent, len - a->request_sent, &sent);
		a->request_sent += code == CURLE_OK ? sent : 0;
	}
	if (code != CURLE_OK && code != CURLE_AGAIN) {
		finish(a, "the daemon closed an attachment");
		return;
	}
	if (a->request_sent == len)
		a->state = ATTACH_ANSWERING;
	update_polls(a);
}

/* ---- the loop ---- */

static void advance(struct attach *a)
{
	if (a->closed)
		return;
	switch (a->state) {
	case ATTACH_ASKING:
		write_request(a);
		break;
	case ATTACH_ANSWERING:
		read_head(a);
		break;
	case ATTACH_OPEN:
		pump(a);
		break;
	case ATTACH_CONNECTING:
	case ATTACH_OVER:
		break;
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	advance(poll->data);
}

static void set_poll(uv_poll_t *poll, int events)
{
	if (events)
		uv_poll_start(poll, events, on_poll);
	else
		uv_poll_stop(poll);
}

static void update_polls(struct attach *a)
{
	bool room = a->state != ATTACH_OPEN || (a->front_fd >= 0 && !a->to_front.len);

	if (a->closed || a->state == ATTACH_OVER)
		return;
	if (a->remote_open)
		set_poll(&a->remote_poll,
			 (room ? UV_READABLE : 0) |
				 (a->to_daemon.len || a->state == ATTACH_ASKING ? UV_WRITABLE : 0));
	if (a->front_open)
		set_poll(&a->front_poll,
			 (!a->to_daemon.len && !a->front_eof ? UV_READABLE : 0) |
				 ((a->to_front.len && !a->front_eof) || a->more ? UV_WRITABLE : 0));
}

static int watch(struct attach *a, uv_poll_t *poll, int fd)
{
	int r = uv_poll_init(a->daemon->loop, poll, fd);

	if (r < 0)
		return r;
	poll->data = a;
	a->handles++;
	a->daemon->handles++;
	return 0;
}

static void on_connected(struct daemon_transfer *transfer, CURLcode code)
{
	struct attach *a = (struct attach *)transfer;
	curl_socket_t fd = CURL_SOCKET_BAD;
	char why[DAEMON_TEXT_MAX];

	if (code == CURLE_OK)
		curl_easy_getinfo(a->easy, CURLINFO_ACTIVESOCKET, &fd);
	if (fd == CURL_SOCKET_BAD || watch(a, &a->remote_poll, fd) < 0) {
		snprintf(why, sizeof(why), "the daemon does not answer: %.150s", curl_easy_strerror(code));
		finish(a, why);
		return;
	}
	a->remote_open = true;
	a->state = ATTACH_ASKING;
	update_polls(a);
}

static void on_patience(uv_timer_t *timer)
{
	finish(timer->data, "the daemon does not answer an attachment");
}

static int make_request(struct attach *a, const char *container)
{
	const char *host = strstr(a->daemon->base, "://") + 3;
	int n = asprintf(&a->request,
			 "POST %s/containers/%s/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\n"
			 "Host: %s\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n",
			 a->daemon->version, container, host);

	if (n < 0)
		a->request = NULL;
	return n < 0 ? -ENOMEM : 0;
}

struct attach *attach_open(struct daemon *daemon, const char *container, const struct attach_events *events,
			   void *user, struct err *err)
{
	struct attach *a = calloc(1, sizeof(*a));

	err_set(err, -ENOMEM, "attach to a container");
	if (!a)
		return NULL;
	a->transfer.finished = on_connected;
	a->daemon = daemon;
	a->events = events;
	a->user = user;
	a->front_fd = -1;
	a->easy = daemon_handle(daemon);
	if (!a->easy || make_request(a, container) < 0 ||
	    curl_easy_setopt(a->easy, CURLOPT_URL, daemon->base) != CURLE_OK) {
		curl_easy_cleanup(a->easy);
		free(a->request);
		free(a);
		return NULL;
	}
	uv_timer_init(daemon->loop, &a->patience);
	a->patience.data = a;
	a->handles++;
	daemon->handles++;
	uv_timer_start(&a->patience, on_patience, UPGRADE_MS, 0);
	curl_easy_setopt(a->easy, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(a->easy, CURLOPT_PRIVATE, &a->transfer);
	if (curl_multi_add_handle(daemon->multi, a->easy) != CURLM_OK) {
		attach_close(a);
		return NULL;
	}
	return a;
}

void attach_relay(struct attach *a, int front_fd, size_t passed)
{
	a->front_fd = front_fd;
	a->front_eof = false;
	a->passed = passed;
	if (watch(a, &a->front_poll, front_fd) < 0) {
		shutdown(front_fd, SHUT_RDWR);
		return;
	}
	a->front_open = true;
	/* The daemon's first bytes may be here already; they are looked at from the loop. */
	a->more = true;
	update_polls(a);
}

int attach_take_front(struct attach *a)
{
	int fd = a->front_fd;

	if (a->front_open)
		uv_close((uv_handle_t *)&a->front_poll, on_handle_closed);
	a->front_open = false;
	a->front_fd = -1;
	return fd;
}
