/*
 * How it works: one MHD daemon without a listening socket or a thread, polled through its epoll descriptor by
 * the libuv loop. We accept and hand sockets over (listen.c). MHD runs only from http_server_run(), which is
 * never entered twice: an answer given later resumes its connection and asks for a run in the next turn.
 * (Without threads of its own MHD makes no wake-up channel, whatever MHD_USE_ITC says.)
 */
#include "http/http_priv.h"

#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Runs of MHD in one turn of the loop before others get theirs. */
#define RUNS_A_TURN  16
#define SWEEP_MIN_MS 20
#define SWEEP_MAX_MS 500
/* MHD can claim to have work while it is stuck on a full buffer: when nothing moves it is asked again at this
 * pace. */
#define STUCK_PACE_MS 1

uint64_t http_now_ms(const struct http_server *server)
{
	/* Not uv_now(): a handler may have kept the loop for long since that was taken. */
	return uv_hrtime() / 1000000;
}

static void pump_fired(uv_timer_t *timer)
{
	http_server_run(timer->data);
}

void http_server_run(struct http_server *server)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms = 1;
	uint64_t callbacks = server->callbacks;
	int runs = 0;

	assert(!server->in_mhd);
	server->in_mhd = true;
	do {
		server->wanted = false;
		MHD_run(server->daemon);
		if (MHD_get_timeout(server->daemon, &timeout_ms) != MHD_YES)
			timeout_ms = 1;
	} while ((timeout_ms == 0 || server->wanted) && ++runs < RUNS_A_TURN);
	server->in_mhd = false;
	if (timeout_ms == 0 || server->wanted)
		uv_timer_start(&server->pump, pump_fired, callbacks == server->callbacks ? STUCK_PACE_MS : 0,
			       0);
}

void http_server_wake(struct http_server *server)
{
	server->wanted = true;
	if (!server->in_mhd && !server->stopping)
		uv_timer_start(&server->pump, pump_fired, 0, 0);
}

static void mhd_ready(uv_poll_t *handle, int status, int events)
{
	http_server_run(handle->data);
}

static void sweep_fired(uv_timer_t *timer)
{
	struct http_server *server = timer->data;
	uint64_t now_ms = http_now_ms(server);

	http_greetings_check(server, now_ms);
	http_connections_check(server, now_ms);
	http_lingers_check(server, now_ms);
	/* MHD closes by its own clock what we hung up and it did not notice. */
	http_server_run(server);
	if (server->accept_again_ms && now_ms >= server->accept_again_ms)
		http_listeners_resume(server);
	if (!server->greetings && !server->connections && !server->lingers && !server->accept_again_ms) {
		uv_timer_stop(timer);
		server->sweeping = false;
	}
}

void http_server_sweep_start(struct http_server *server)
{
	const struct http_options *o = &server->options;
	uint64_t every_ms = (o->header_ms < o->idle_ms ? o->header_ms : o->idle_ms) / 8;

	if (server->sweeping || server->stopping)
		return;
	if (every_ms < SWEEP_MIN_MS)
		every_ms = SWEEP_MIN_MS;
	if (every_ms > SWEEP_MAX_MS)
		every_ms = SWEEP_MAX_MS;
	server->sweeping = true;
	uv_timer_start(&server->sweep, sweep_fired, every_ms, every_ms);
}

static struct MHD_Daemon *daemon_start(struct http_server *server)
{
	const unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
			       MHD_ALLOW_UPGRADE | MHD_USE_ITC | MHD_USE_TURBO;

	/* One more than we let in, since MHD frees a closed connection a moment after it told us. */
	return MHD_start_daemon(
		flags, 0, NULL, NULL, http_request_access, server, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		HTTP_POOL_BYTES, MHD_OPTION_CONNECTION_LIMIT, server->options.connections + 16,
		MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_URI_LOG_CALLBACK, http_request_uri, server,
		MHD_OPTION_NOTIFY_COMPLETED, http_request_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
		http_connection_notify, server, MHD_OPTION_END);
}

int http_server_create(uv_loop_t *loop, const struct http_options *options, struct http_server **ret,
		       struct err *err)
{
	AUTO_FREE struct http_server *server = calloc(1, sizeof(*server));
	const union MHD_DaemonInfo *info;
	int r;

	if (!server)
		return err_set(err, -ENOMEM, "HTTP server");
	server->loop = loop;
	server->options = *options;
	snprintf(server->body_too_large, sizeof(server->body_too_large),
		 "The request body is larger than the %" PRIu64 " bytes that this server takes.",
		 options->body_bytes);
	server->daemon = daemon_start(server);
	if (!server->daemon)
		return err_set(err, -EIO, "HTTP server: libmicrohttpd does not start");

	info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	r = info ? uv_poll_init(loop, &server->mhd_poll, info->epoll_fd) : -EIO;
	if (r < 0) {
		MHD_stop_daemon(server->daemon);
		return err_set(err, r, "HTTP server: poll libmicrohttpd");
	}
	uv_timer_init(loop, &server->pump);
	uv_timer_init(loop, &server->sweep);
	server->handles = 3;
	server->mhd_poll.data = server;
	server->pump.data = server;
	server->sweep.data = server;
	uv_poll_start(&server->mhd_poll, UV_READABLE, mhd_ready);
	server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	*ret = TAKE_PTR(server);
	return 0;
}

unsigned http_server_port(const struct http_server *server)
{
	return server->port;
}

unsigned http_server_open_requests(const struct http_server *server)
{
	unsigned unsent = 0;

	for (const struct http_connection *c = server->connections; c; c = c->next)
		unsent += c->websocket && http_websocket_is_unsent(c->websocket);
	return server->requests_open + unsent;
}

void http_server_stats(const struct http_server *server, struct http_stats *ret)
{
	*ret = server->stats;
	for (const struct http_connection *c = server->connections; c; c = c->next)
		ret->websocket_queued_bytes += c->websocket ? http_websocket_queued(c->websocket) : 0;
}

void http_server_quiesce(struct http_server *server)
{
	if (server->quiescing)
		return;
	/* Who is in the backlog was told by the kernel that we are here: they are taken in before the door
	 * closes. */
	http_listeners_accept(server);
	http_listeners_close(server);
	server->quiescing = true;
	uv_timer_start(&server->pump, pump_fired, 0, 0);
	http_server_sweep_start(server);
}

static void handle_closed(uv_handle_t *handle)
{
	struct http_server *server = handle->data;

	if (--server->handles == 0)
		free(server);
}

void http_server_destroy(struct http_server *server)
{
	if (!server)
		return;
	assert(!server->in_mhd);
	server->stopping = true;
	http_listeners_close(server);
	uv_timer_stop(&server->pump);
	uv_timer_stop(&server->sweep);
	/* MHD's descriptors die with the daemon: the loop lets go of them first. */
	uv_close((uv_handle_t *)&server->mhd_poll, handle_closed);
	for (struct http_connection *c = server->connections; c; c = c->next) {
		if (c->websocket)
			http_websocket_end(c->websocket);
		else if (c->request && c->request->dispatched)
			http_request_abandon(c->request);
		if (c->request && c->request->stream)
			http_stream_abandon(c->request->stream);
	}
	MHD_stop_daemon(server->daemon);
	http_greetings_close(server);
	http_lingers_close(server);
	if (server->reserve_fd >= 0)
		close(server->reserve_fd);
	uv_close((uv_handle_t *)&server->pump, handle_closed);
	uv_close((uv_handle_t *)&server->sweep, handle_closed);
}
