/*
 * The life of a connection around MHD, and its deadlines.
 *
 * MHD's own timeout is one idle time in seconds that any byte resets. Ours are kept by a sweep over all
 * connections every fraction of the shortest deadline: what has moved is read from TCP's counters (TCP_INFO),
 * so a client that trickles one byte at a time is seen for what it is without a hook in MHD. A connection is
 * ended by shutting its socket down: MHD then finds an EOF or an error and closes it by its own paths.
 *
 * MHD closes without a word on a malformed request line. As it runs in turbo mode it leaves the socket whole
 * until the notification of the end, where we say what it did not (the farewell).
 */
#include "http/http_priv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* Slower than this over the whole of a body or an answer, beyond idle_ms of grace, is not a client to wait
 * for. */
#define BODY_BYTES_PER_S   ((uint64_t)64 << 10)
#define ANSWER_BYTES_PER_S ((uint64_t)16 << 10)
/* Bytes that MHD leaves in the socket for this long while it reads a body: its buffer is full of chunk
 * framing. */
#define STUCK_MS 1000

void http_connection_phase(struct http_connection *c, enum http_phase phase)
{
	c->phase = phase;
	c->since_ms = http_now_ms(c->server);
	c->progress_ms = c->since_ms;
	c->progress = 0;
	if (phase == HTTP_PHASE_HEAD) {
		c->first_byte_ms = 0;
		c->at = http_counters_read(c->fd);
	} else if (phase == HTTP_PHASE_ANSWER || phase == HTTP_PHASE_STREAM) {
		c->progress = http_counters_read(c->fd).acked;
		c->at.acked = c->progress;
	}
}

static void connection_started(struct http_server *server, struct MHD_Connection *mhd, void **context)
{
	struct http_connection *c = calloc(1, sizeof(*c));

	/* Without it the first callback of a request refuses to go on, and MHD closes. */
	if (!c)
		return;
	c->server = server;
	c->mhd = mhd;
	c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	c->prefix = http_listener_prefix(c->server, c->fd);
	http_connection_phase(c, HTTP_PHASE_HEAD);
	/* The first request's clock runs from the connect. */
	c->first_byte_ms = server->handed_over_ms;
	c->at = (struct http_counters){ 0 };

	c->next = server->connections;
	if (c->next)
		c->next->prev = c;
	server->connections = c;
	server->stats.connections_open++;
	*context = c;
	http_server_sweep_start(server);
}

/* Bytes of a request came, MHD closes, and nothing was said about it. */
static bool closed_without_a_word(const struct http_connection *c)
{
	struct http_counters now;

	if (c->phase != HTTP_PHASE_HEAD || c->hung_up)
		return false;
	now = http_counters_read(c->fd);
	return now.received > c->at.received && now.sent == c->at.sent;
}

static void say_farewell(struct http_connection *c)
{
	int unread = 0;
	int fd;

	if (!c->farewell && closed_without_a_word(c))
		c->farewell = 400;
	if (c->farewell) {
		http_farewell_send(c->server, c->fd, c->farewell);
		c->server->stats.answers[c->farewell / 100]++;
	}
	/* Closing with bytes unread makes the kernel send a reset, which can overtake the answer. */
	if (!c->farewell && !c->linger && (ioctl(c->fd, FIONREAD, &unread) < 0 || unread == 0))
		return;
	fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0)
		http_linger_start(c->server, fd);
}

static void watch_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void connection_ended(struct http_server *server, void **context)
{
	struct http_connection *c = *context;

	if (!c)
		return;
	*context = NULL;
	if (!server->stopping)
		say_farewell(c);
	if (c->prev)
		c->prev->next = c->next;
	else
		server->connections = c->next;
	if (c->next)
		c->next->prev = c->prev;
	server->stats.connections_open--;

	/* MHD closes the descriptor right after this: the loop must have let go of it. */
	if (c->watch_live)
		uv_close((uv_handle_t *)&c->watch, watch_closed);
	else
		free(c);
}

void http_connection_notify(void *cls, struct MHD_Connection *mhd, void **context,
			    enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		connection_started(cls, mhd, context);
	else
		connection_ended(cls, context);
}

void http_connection_hang_up(struct http_connection *c, unsigned farewell)
{
	if (c->hung_up)
		return;
	c->hung_up = true;
	c->farewell = farewell;
	/* Should MHD be stuck and look at its socket no more (a buffer full of chunk framing), its own clock
	 * ends it. */
	MHD_set_connection_option(c->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 1u);
	shutdown(c->fd, c->phase == HTTP_PHASE_ANSWER || c->phase == HTTP_PHASE_STREAM ? SHUT_RDWR : SHUT_RD);
}

static void timed_out(struct http_connection *c, unsigned farewell)
{
	c->server->stats.timeouts++;
	http_connection_hang_up(c, farewell);
}

/*
 * MHD polls edge-triggered and takes a short read for "nothing more": a FIN that came with the last data is
 * never seen. All data read and a FIN there means that.
 */
static bool eof_missed(const struct http_connection *c, const struct http_counters *now)
{
	int unread = 0;

	return now->fin && ioctl(c->fd, FIONREAD, &unread) == 0 && unread == 0;
}

static void check_head(struct http_connection *c, uint64_t now_ms)
{
	const struct http_options *o = &c->server->options;
	struct http_counters now = http_counters_read(c->fd);
	bool bytes = now.received > c->at.received;

	if (!c->first_byte_ms && bytes)
		c->first_byte_ms = now_ms;
	if (eof_missed(c, &now))
		http_connection_hang_up(c, 0);
	else if (c->server->quiescing && !bytes && now_ms - c->since_ms >= HTTP_QUIESCE_GRACE_MS)
		http_connection_hang_up(c, 0);
	else if (c->first_byte_ms && now_ms - c->first_byte_ms >= o->header_ms)
		timed_out(c, bytes ? 408 : 0);
	else if (!c->first_byte_ms && now_ms - c->since_ms >= o->idle_ms)
		http_connection_hang_up(c, 0);
}

static bool too_slow(const struct http_connection *c, uint64_t now_ms, uint64_t moved, uint64_t bytes_per_s)
{
	uint64_t idle_ms = c->server->options.idle_ms;

	return now_ms - c->progress_ms >= idle_ms ||
	       now_ms - c->since_ms >= idle_ms + moved * 1000 / bytes_per_s;
}

static void check_body(struct http_connection *c, uint64_t now_ms)
{
	struct http_counters now = http_counters_read(c->fd);
	uint64_t seen = c->request ? c->request->body_seen : 0;
	int unread = 0;

	if (seen != c->progress) {
		c->progress = seen;
		c->progress_ms = now_ms;
	}
	if (eof_missed(c, &now))
		http_connection_hang_up(c, 0);
	else if (too_slow(c, now_ms, seen, BODY_BYTES_PER_S))
		timed_out(c, 408);
	else if (now_ms - c->progress_ms >= STUCK_MS && ioctl(c->fd, FIONREAD, &unread) == 0 && unread > 0)
		http_connection_hang_up(c, 400);
}

static void check_answer(struct http_connection *c, uint64_t now_ms)
{
	uint64_t acked = http_counters_read(c->fd).acked;

	if (acked != c->progress) {
		c->progress = acked;
		c->progress_ms = now_ms;
	}
	if (too_slow(c, now_ms, acked - c->at.acked, ANSWER_BYTES_PER_S))
		timed_out(c, 0);
}

void http_connections_check(struct http_server *server, uint64_t now_ms)
{
	/* Nothing here frees a connection: MHD does, in its next run. */
	for (struct http_connection *c = server->connections; c; c = c->next) {
		if (c->hung_up)
			continue;
		switch (c->phase) {
		case HTTP_PHASE_HEAD:
			check_head(c, now_ms);
			break;
		case HTTP_PHASE_BODY:
			check_body(c, now_ms);
			break;
		case HTTP_PHASE_HANDLER:
			http_watch_check(c, now_ms);
			break;
		case HTTP_PHASE_ANSWER:
			check_answer(c, now_ms);
			break;
		case HTTP_PHASE_STREAM:
			http_stream_check(c, now_ms);
			break;
		case HTTP_PHASE_UPGRADED:
			if (c->websocket)
				http_websocket_check(c->websocket, now_ms);
			break;
		}
	}
}
