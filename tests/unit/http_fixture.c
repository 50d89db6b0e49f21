#include "http_fixture.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void handle_hello(struct http_request *request, void *user)
{
	((struct world *)user)->handled++;
	http_respond_header(request, "Server-Timing", "total;dur=1");
	http_respond_json(request, 200, json_pack("{s:s, s:[i,i]}", "hello", "wörld", "n", 1, 2));
}

static void handle_echo(struct http_request *request, void *user)
{
	size_t len;
	const uint8_t *body = http_request_body(request, &len);

	((struct world *)user)->handled++;
	http_respond_bytes(request, 200, "text/plain", body, len);
}

static void handle_describe(struct http_request *request, void *user)
{
	const char *x = http_request_query(request, "x");
	size_t len;

	http_request_body(request, &len);
	http_respond_json(request, 200,
			  json_pack("{s:s,s:s,s:s,s:i,s:s}", "method", http_request_method(request), "path",
				    http_request_path(request), "x", x ? x : "none", "body", (int)len,
				    "tenant", http_request_tenant(request)));
}

static void on_vanished(struct http_request *request, void *user)
{
	struct world *w = user;

	assert_ptr_equal(request, w->kept);
	w->kept = NULL;
	w->vanished++;
}

static void handle_kept(struct http_request *request, void *user)
{
	struct world *w = user;

	w->handled++;
	w->kept = request;
	http_request_keep(request, on_vanished, w);
}

static void handle_kept_and_answered(struct http_request *request, void *user)
{
	http_request_keep(request, on_vanished, user);
	http_respond_json(request, 200, json_pack("{s:b}", "at_once", 1));
}

static void on_stream_vanished(struct http_stream *stream, void *user)
{
	struct world *w = user;

	assert_ptr_equal(stream, w->stream);
	w->stream = NULL;
	w->vanished++;
}

static void on_stream_drained(struct http_stream *stream, void *user)
{
	((struct world *)user)->drained++;
}

struct http_stream_options http_fixture_stream_options(struct world *w)
{
	return (struct http_stream_options){ .status = 200,
					     .content_type = HTTP_EVENTS_TYPE,
					     .heartbeat = HTTP_EVENTS_HEARTBEAT,
					     .drained = on_stream_drained,
					     .vanished = on_stream_vanished,
					     .user = w };
}

static void handle_stream(struct http_request *request, void *user)
{
	const struct http_stream_options options = http_fixture_stream_options(user);

	http_respond_header(request, "X-Of-Stream", "yes");
	((struct world *)user)->stream = http_respond_stream(request, &options);
}

static void handle_quota(struct http_request *request, void *user)
{
	struct err err = ERR_INIT;

	err_refuse(&err, ERR_QUOTA, "quota", "limits.\xff", "Too \"much\" for %s.", "you\x80");
	http_respond_error(request, &err, 7);
}

static void handle_big(struct http_request *request, void *user)
{
	AUTO_FREE char *big = calloc(1, 16 << 20);

	assert_non_null(big);
	http_respond_bytes(request, 200, "application/octet-stream", big, 16 << 20);
}

int http_fixture_note_part(void *user, const char *name, const char *file_name, const char *content_type,
			   const uint8_t *data, size_t len, struct err *err)
{
	struct world *w = user;
	size_t used = strlen(w->parts);

	snprintf(w->parts + used, sizeof(w->parts) - used, "[%s|%s|%s|%.*s]", name,
		 file_name ? file_name : "-", content_type ? content_type : "-", (int)len,
		 (const char *)data);
	return 0;
}

static void handle_upload(struct http_request *request, void *user)
{
	struct world *w = user;
	struct err err = ERR_INIT;

	if (http_request_multipart(request, http_fixture_note_part, w, &err) < 0)
		http_respond_error(request, &err, 0);
	else
		http_respond_bytes(request, 200, "text/plain", w->parts, strlen(w->parts));
}

static const struct http_route routes[] = {
	{ "GET", "/hello", HTTP_AUTH_NONE, handle_hello },
	{ "POST", "/echo", HTTP_AUTH_NONE, handle_echo },
	{ "GET", "/echo", HTTP_AUTH_NONE, handle_describe },
	{ NULL, "/any", HTTP_AUTH_NONE, handle_describe },
	{ "GET", "/images/*", HTTP_AUTH_NONE, handle_describe },
	{ "GET", "/images/special", HTTP_AUTH_NONE, handle_hello },
	{ "POST", "/kept", HTTP_AUTH_NONE, handle_kept },
	{ "POST", "/kept-and-answered", HTTP_AUTH_NONE, handle_kept_and_answered },
	{ "GET", "/stream", HTTP_AUTH_NONE, handle_stream },
	{ "GET", "/quota", HTTP_AUTH_NONE, handle_quota },
	{ "GET", "/big", HTTP_AUTH_NONE, handle_big },
	{ "POST", "/upload", HTTP_AUTH_NONE, handle_upload },
	{ NULL, "/secret", HTTP_AUTH_BEARER, handle_describe },
};

static const struct http_token tokens[] = { { "alice", "tok-alice" }, { "bob", "tok-bob-longer" } };

void world_start(struct world *w, const struct http_token *with_tokens, size_t tokens_count)
{
	const struct http_options options = {
		.routes = routes,
		.routes_count = ARRAY_LEN(routes),
		.user = w,
		.tokens = with_tokens,
		.tokens_count = tokens_count,
		.body_bytes = BODY_BYTES,
		.connections = 6,
		.idle_ms = 400,
		.header_ms = 300,
	};
	struct err err = ERR_INIT;

	assert_int_equal(uv_loop_init(&w->loop), 0);
	assert_int_equal(http_server_create(&w->loop, &options, &w->server, &err), 0);
	assert_int_equal(http_server_listen(w->server, "127.0.0.1:0", NULL, &err), 0);
}

int http_fixture_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	world_start(w, tokens, ARRAY_LEN(tokens));
	*state = w;
	return 0;
}

void world_stop(struct world *w)
{
	http_server_destroy(w->server);
	w->server = NULL;
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
}

int http_fixture_teardown(void **state)
{
	struct world *w = *state;

	if (w->server)
		world_stop(w);
	free(w);
	return 0;
}

static void pump_timer(uv_timer_t *timer)
{
}

void world_pump(struct world *w)
{
	uv_timer_t timer;

	uv_timer_init(&w->loop, &timer);
	/* Again and again: one that fires before the loop sleeps would leave nothing to wake it. */
	uv_timer_start(&timer, pump_timer, 2, 2);
	uv_run(&w->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&w->loop, UV_RUN_NOWAIT);
}

void world_pump_for(struct world *w, unsigned ms)
{
	uint64_t until = uv_hrtime() + ms * 1000000ull;

	while (uv_hrtime() < until)
		world_pump(w);
}

struct client client_open(struct world *w)
{
	struct client c = { .world = w, .in = BUF_INIT(64 << 20) };
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)http_server_port(w->server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	c.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(c.fd >= 0);
	assert_int_equal(connect(c.fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(fcntl(c.fd, F_SETFL, O_NONBLOCK), 0);
	return c;
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	buf_finish(&c->in);
}

void client_take(struct client *c)
{
	char piece[65536];
	ssize_t n;

	while ((n = recv(c->fd, piece, sizeof(piece), 0)) > 0)
		assert_int_equal(buf_append(&c->in, piece, (size_t)n), 0);
	if (n == 0 || errno != EAGAIN)
		c->eof = true;
}

void client_say_bytes(struct client *c, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);

		if (n > 0) {
			at += n;
			len -= (size_t)n;
		} else if (n < 0 && errno != EAGAIN) {
			return;
		}
		world_pump(c->world);
	}
}

void client_say(struct client *c, const char *text)
{
	client_say_bytes(c, text, strlen(text));
}

unsigned client_count(const struct client *c, const char *text)
{
	unsigned count = 0;

	if (!c->in.data)
		return 0;
	for (const char *at = (const char *)c->in.data; (at = strstr(at, text)); at++)
		count++;
	return count;
}

void client_expect_times(struct client *c, const char *text, unsigned times)
{
	uint64_t until = uv_hrtime() + PATIENCE_MS * 1000000ull;

	while (client_count(c, text) < times && !c->eof && uv_hrtime() < until) {
		world_pump(c->world);
		client_take(c);
	}
	if (client_count(c, text) != times)
		fail_msg("expected %u × «%s», got «%s»", times, text, c->in.data ? (char *)c->in.data : "");
}

void client_expect(struct client *c, const char *text)
{
	client_expect_times(c, text, 1);
}

void client_expect_end(struct client *c)
{
	uint64_t until = uv_hrtime() + PATIENCE_MS * 1000000ull;

	while (!c->eof && uv_hrtime() < until) {
		world_pump(c->world);
		client_take(c);
	}
	assert_true(c->eof);
}

void world_refuses(struct world *w, const char *text, const char *status, const char *code)
{
	struct client c = client_open(w);

	client_say(&c, text);
	client_expect_end(&c);
	if (client_count(&c, "HTTP/1.1 ") != 1 || client_count(&c, status) != 1 ||
	    client_count(&c, code) != 1)
		fail_msg("«%s» was answered «%s»", text, c.in.data ? (char *)c.in.data : "");
	client_close(&c);
}
