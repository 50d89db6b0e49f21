/*
 * The server and its client in one process and one loop: a test says raw bytes and pumps the loop until the
 * bytes that it expects are there, or fails after five seconds.
 */
#include "base/cleanup.h"
#include "http/multipart.h"
#include "http/server.h"
#include "http/target.h"

#include <setjmp.h>
#include <stdarg.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define BODY_BYTES  200000
#define PATIENCE_MS 5000
#define HOST	    "Host: t\r\n"

struct world {
	uv_loop_t loop;
	struct http_server *server;
	struct http_request *kept;
	int handled;
	int vanished;
	char parts[512];
};

struct client {
	struct world *world;
	int fd;
	struct buf in;
	bool eof;
};

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

static int note_part(void *user, const char *name, const char *file_name, const char *content_type,
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

	if (http_request_multipart(request, note_part, w, &err) < 0)
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
	{ "GET", "/quota", HTTP_AUTH_NONE, handle_quota },
	{ "GET", "/big", HTTP_AUTH_NONE, handle_big },
	{ "POST", "/upload", HTTP_AUTH_NONE, handle_upload },
	{ NULL, "/secret", HTTP_AUTH_BEARER, handle_describe },
};

static const struct http_token tokens[] = { { "alice", "tok-alice" }, { "bob", "tok-bob-longer" } };

static void world_start(struct world *w, const struct http_token *with_tokens, size_t tokens_count)
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
	assert_int_equal(http_server_listen(w->server, "127.0.0.1:0", &err), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	world_start(w, tokens, ARRAY_LEN(tokens));
	*state = w;
	return 0;
}

static void world_stop(struct world *w)
{
	http_server_destroy(w->server);
	w->server = NULL;
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
}

static int teardown(void **state)
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

/* One turn of the loop that lasts 2 ms at most. */
static void pump(struct world *w)
{
	uv_timer_t timer;

	uv_timer_init(&w->loop, &timer);
	uv_timer_start(&timer, pump_timer, 2, 0);
	uv_run(&w->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&w->loop, UV_RUN_NOWAIT);
}

static void pump_for(struct world *w, unsigned ms)
{
	uint64_t until = uv_hrtime() + ms * 1000000ull;

	while (uv_hrtime() < until)
		pump(w);
}

static struct client client_open(struct world *w)
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

static void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	buf_finish(&c->in);
}

static void client_take(struct client *c)
{
	char piece[65536];
	ssize_t n;

	while ((n = recv(c->fd, piece, sizeof(piece), 0)) > 0)
		assert_int_equal(buf_append(&c->in, piece, (size_t)n), 0);
	if (n == 0 || errno != EAGAIN)
		c->eof = true;
}

static void client_say_bytes(struct client *c, const void *bytes, size_t len)
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
		pump(c->world);
	}
}

static void client_say(struct client *c, const char *text)
{
	client_say_bytes(c, text, strlen(text));
}

static unsigned client_count(const struct client *c, const char *text)
{
	unsigned count = 0;

	if (!c->in.data)
		return 0;
	for (const char *at = (const char *)c->in.data; (at = strstr(at, text)); at++)
		count++;
	return count;
}

static void client_expect_times(struct client *c, const char *text, unsigned times)
{
	uint64_t until = uv_hrtime() + PATIENCE_MS * 1000000ull;

	while (client_count(c, text) < times && !c->eof && uv_hrtime() < until) {
		pump(c->world);
		client_take(c);
	}
	if (client_count(c, text) != times)
		fail_msg("expected %u × «%s», got «%s»", times, text, c->in.data ? (char *)c->in.data : "");
}

static void client_expect(struct client *c, const char *text)
{
	client_expect_times(c, text, 1);
}

static void client_expect_end(struct client *c)
{
	uint64_t until = uv_hrtime() + PATIENCE_MS * 1000000ull;

	while (!c->eof && uv_hrtime() < until) {
		pump(c->world);
		client_take(c);
	}
	assert_true(c->eof);
}

/* Says `text` on a new connection and expects `answer` in what comes until the server closes. */
static void refused(struct world *w, const char *text, const char *status, const char *code)
{
	struct client c = client_open(w);

	client_say(&c, text);
	client_expect_end(&c);
	if (client_count(&c, "HTTP/1.1 ") != 1 || client_count(&c, status) != 1 ||
	    client_count(&c, code) != 1)
		fail_msg("«%s» was answered «%s»", text, c.in.data ? (char *)c.in.data : "");
	client_close(&c);
}

static void answers_with_the_headers_of_an_api(void **state)
{
	struct client c = client_open(*state);

	client_say(&c, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&c, "{\"hello\":\"wörld\",\"n\":[1,2]}");
	client_expect(&c, "HTTP/1.1 200 OK\r\n");
	client_expect(&c, "Content-Type: application/json\r\n");
	client_expect(&c, "X-Content-Type-Options: nosniff\r\n");
	client_expect(&c, "Cache-Control: no-store\r\n");
	client_expect(&c, "Server-Timing: total;dur=1\r\n");
	client_expect(&c, "Server: kiln\r\n");
	client_close(&c);
}

static void answers_pipelined_requests_in_order(void **state)
{
	struct client c = client_open(*state);

	client_say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nfirst"
		       "POST /kept-and-answered HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"
		       "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
		       "3\r\nsec\r\n3;x=y\r\nond\r\n0\r\n\r\n"
		       "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&c, "hello\":");
	client_expect_times(&c, "HTTP/1.1 200 OK", 4);
	assert_true(strstr((char *)c.in.data, "first") < strstr((char *)c.in.data, "at_once"));
	assert_true(strstr((char *)c.in.data, "at_once") < strstr((char *)c.in.data, "second"));
	client_close(&c);
}

static void keeps_the_connection_for_the_next_request(void **state)
{
	struct client c = client_open(*state);

	for (unsigned i = 1; i <= 3; i++) {
		client_say(&c, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
		client_expect_times(&c, "hello\":", i);
	}
	assert_false(c.eof);
	client_close(&c);
}

static void reads_a_request_that_comes_byte_by_byte(void **state)
{
	const char text[] =
		"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
	struct client c = client_open(*state);

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		client_say_bytes(&c, text + i, 1);
	client_expect(&c, "\r\n\r\nab");
	client_close(&c);
}

static void takes_a_body_with_any_method_where_a_route_wants_it(void **state)
{
	struct client c = client_open(*state);

	client_say(&c, "GET /any HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody"
		       "OPTIONS /any HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&c, "{\"method\":\"GET\",\"path\":\"/any\",\"x\":\"none\",\"body\":4,\"tenant\":\"\"}");
	client_expect(&c, "\"method\":\"OPTIONS\"");
	client_close(&c);
}

static void does_not_take_a_second_request_out_of_a_body(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w);

	client_say(&c, "POST /nowhere HTTP/1.1\r\n" HOST "Content-Length: 38\r\n\r\n"
		       "GET /hello HTTP/1.1\r\nHost: smuggled\r\n\r\n"
		       "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nok");
	client_expect(&c, "\r\n\r\nok");
	client_expect(&c, "HTTP/1.1 404");
	client_expect_times(&c, "HTTP/1.1 ", 2);
	assert_int_equal(w->handled, 1);
	client_close(&c);
}

#define SMUGGLED "GET /hello HTTP/1.1\r\n" HOST "\r\n"

static void refuses_ambiguous_framing_and_closes(void **state)
{
	static const char *const heads[] = {
		"Content-Length: 0\r\nContent-Length: 0\r\n",
		"Content-Length: 0\r\nContent-Length: 5\r\n",
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding: gzip, chunked\r\n",
		"Transfer-Encoding: identity\r\n",
		"Transfer-Encoding: \x0b"
		"chunked\r\n",
		"Content-Length : 5\r\n",
		"Content-Length: 5\r\nX Y: z\r\n",
		"Host: another\r\n",
		"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n",
		"X: a\x01\r\n",
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		char text[512];

		snprintf(text, sizeof(text), "POST /echo HTTP/1.1\r\n" HOST "%s\r\n0\r\n\r\n" SMUGGLED,
			 heads[i]);
		refused(w, text, "HTTP/1.1 400 Bad Request\r\n", "\"code\":\"bad_request\"");
	}
	refused(w, "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
		"HTTP/1.1 400", "bad_request");
	refused(w, "GET /hello HTTP/1.1\r\n\r\n" SMUGGLED, "HTTP/1.1 400", "bad_request");
	refused(w, "GET /hello HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n", "HTTP/1.1 417",
		"expectation_failed");
	assert_int_equal(w->handled, 0);
}

static void malformed_lengths_and_lines_are_refused_as_json(void **state)
{
	static const char *const heads[] = {
		"Content-Length: +5\r\n",
		"Content-Length: 5,5\r\n",
		"Content-Length: 0x5\r\n",
		"Content-Length: -1\r\n",
		"Content-Length:\r\n",
		"content-length: 5 \r\n",
		"no colon here\r\n",
		": no name\r\n",
		"X: folded\r\n Content-Length: 5\r\n",
		"X: a\rContent-Length: 5\r\n",
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		char text[512];

		snprintf(text, sizeof(text), "POST /echo HTTP/1.1\r\n" HOST "%s\r\nhello" SMUGGLED, heads[i]);
		refused(w, text, "HTTP/1.1 400 Bad Request\r\n", "\"code\":\"bad_request\"");
	}
	refused(w, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\nhello",
		"HTTP/1.1 413", "body_too_large");
	refused(w, "GET /hello\r\n\r\n" SMUGGLED, "HTTP/1.1 400", "bad_request");
	refused(w, "GET /hello HTTP/9.9\r\n" HOST "\r\n", "HTTP/1.1 505", "http_version");
	assert_int_equal(w->handled, 0);
}

/* MHD answers these itself; what counts is that it closes and that nothing behind them is a request. */
static void malformed_chunks_end_the_connection(void **state)
{
	static const char *const chunks[] = {
		"zz\r\nhello\r\n0\r\n\r\n",
		"-1\r\nhello\r\n0\r\n\r\n",
		"0x5\r\nhello\r\n0\r\n\r\n",
		"5\r\nhelloX\r\n0\r\n\r\n",
		"\r\n",
		";x\r\n",
		"ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
		struct client c = client_open(w);

		client_say(&c, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
		client_say(&c, chunks[i]);
		client_say(&c, SMUGGLED);
		client_expect_end(&c);
		if (client_count(&c, "HTTP/1.1 ") != 1 || client_count(&c, "HTTP/1.1 4") != 1)
			fail_msg("«%s» was answered «%s»", chunks[i], c.in.data ? (char *)c.in.data : "");
		client_close(&c);
	}
	assert_int_equal(w->handled, 0);
}

/* Here MHD has the bytes before we can look at them, and its answer has two heads. */
static void a_malformed_length_in_a_later_request_ends_the_connection(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w);

	client_say(&c, SMUGGLED);
	client_expect(&c, "hello\":");
	client_say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello" SMUGGLED);
	client_expect_end(&c);
	client_expect_times(&c, "HTTP/1.1 200", 1);
	assert_int_equal(w->handled, 1);
	client_close(&c);
}

static void says_400_to_what_is_not_http(void **state)
{
	struct world *w = *state;

	refused(w, "\x16\x03\x01\x02TLS?\r\n\r\n", "HTTP/1.1 400", "bad_request");
	refused(w, "GARBAGE\r\n\r\n", "HTTP/1.1 400", "bad_request");
	refused(w, "G@T /hello HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 400", "bad_request");
	refused(w, "GET hello HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 400", "bad_request");
	refused(w, "GET /a b HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 400", "bad_request");
	refused(w, "GET /%00 HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 400", "bad_request");
	refused(w, "GET /%zz HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 400", "bad_request");
}

static void refuses_a_long_target_and_large_headers(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *filler = malloc(60001), *text = malloc(80000);

	assert_non_null(filler);
	assert_non_null(text);
	memset(filler, 'a', 60000);
	filler[60000] = '\0';
	snprintf(text, 80000, "GET /%.20000s HTTP/1.1\r\n" HOST "\r\n", filler);
	refused(w, text, "HTTP/1.1 414", "uri_too_long");
	snprintf(text, 80000, "GET /hello HTTP/1.1\r\n" HOST "X: %.60000s\r\n\r\n", filler);
	refused(w, text, "HTTP/1.1 431", "headers_too_large");
}

static void an_endless_head_ends(void **state)
{
	struct client c = client_open(*state);

	client_say(&c, "GET /hello HTTP/1.1\r\nX: ");
	for (int i = 0; i < 300 && !c.eof; i++) {
		char filler[1000];

		memset(filler, 'a', sizeof(filler));
		client_say_bytes(&c, filler, sizeof(filler));
		client_take(&c);
	}
	client_expect_end(&c);
	client_expect(&c, "HTTP/1.1 431");
	client_close(&c);
}

static void an_endless_chunk_extension_ends(void **state)
{
	struct client c = client_open(*state);

	client_say(&c, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5;");
	for (int i = 0; i < 300 && !c.eof; i++) {
		char filler[1000];

		memset(filler, 'a', sizeof(filler));
		client_say_bytes(&c, filler, sizeof(filler));
		client_take(&c);
	}
	client_expect_end(&c);
	client_expect(&c, "HTTP/1.1 4");
	client_close(&c);
}

static void refuses_a_large_body_from_its_head_alone(void **state)
{
	struct world *w = *state;

	refused(w, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 200001\r\n\r\n", "HTTP/1.1 413",
		"body_too_large");
	refused(w, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 200001\r\nExpect: 100-continue\r\n\r\n",
		"HTTP/1.1 413", "body_too_large");
	refused(w, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551615\r\n\r\n",
		"HTTP/1.1 413", "body_too_large");
}

/* The client sends all of its megabytes before it reads: it must find the answer and no reset. */
static void a_client_that_sends_first_and_reads_later_gets_its_413(void **state)
{
	const size_t size = 4 << 20;
	AUTO_FREE char *body = calloc(1, size);
	struct client c = client_open(*state);

	client_say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4194304\r\n\r\n");
	client_say_bytes(&c, body, size);
	client_expect(&c, "HTTP/1.1 413");
	client_expect(&c, "body_too_large");
	client_close(&c);
}

static void refuses_a_chunked_body_when_it_passes_the_limit(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w);
	char chunk[8 + 4096 + 2];

	memcpy(chunk, "1000\r\n", 6);
	memset(chunk + 6, 'x', 4096);
	memcpy(chunk + 6 + 4096, "\r\n", 2);
	client_say(&c, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 60; i++)
		client_say_bytes(&c, chunk, 6 + 4096 + 2);
	client_expect(&c, "HTTP/1.1 413");
	client_expect(&c, "body_too_large");
	client_expect_end(&c);
	assert_int_equal(w->handled, 0);
	client_close(&c);
}

static void takes_a_body_of_exactly_the_limit(void **state)
{
	AUTO_FREE char *body = malloc(BODY_BYTES);
	struct client c = client_open(*state);

	memset(body, 'b', BODY_BYTES);
	client_say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 200000\r\n\r\n");
	client_say_bytes(&c, body, BODY_BYTES);
	client_expect(&c, "Content-Length: 200000\r\n");
	while (c.in.len < BODY_BYTES && !c.eof) {
		pump(c.world);
		client_take(&c);
	}
	assert_memory_equal(c.in.data + c.in.len - BODY_BYTES, body, BODY_BYTES);
	client_close(&c);
}

static void tells_a_client_that_asks_to_go_on(void **state)
{
	struct client c = client_open(*state);

	client_say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	client_expect(&c, "HTTP/1.1 100 Continue\r\n\r\n");
	client_say(&c, "yes");
	client_expect(&c, "\r\n\r\nyes");
	client_close(&c);
}

static void tells_unknown_paths_from_wrong_methods(void **state)
{
	struct client c = client_open(*state);

	client_say(&c, "GET /nowhere HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&c, "HTTP/1.1 404 ");
	client_expect(&c, "{\"error\":{\"code\":\"not_found\",");
	client_say(&c, "OPTIONS /echo HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&c, "HTTP/1.1 405 ");
	client_expect(&c, "Allow: POST, GET, HEAD\r\n");
	client_say(&c, "BREW /hello HTTP/1.1\r\n" HOST "\r\n");
	client_expect_times(&c, "HTTP/1.1 405 ", 2);
	client_expect(&c, "Allow: GET, HEAD\r\n");
	client_close(&c);
}

static void an_exact_route_wins_over_a_prefix(void **state)
{
	struct client c = client_open(*state);

	client_say(&c, "GET /images/special HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&c, "hello\":");
	client_say(&c, "GET /images/a%2Fb HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&c, "\"path\":\"/images/a/b\"");
	client_say(&c, "GET /images HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&c, "HTTP/1.1 404");
	client_close(&c);
}

static void answers_head_without_a_body(void **state)
{
	struct client c = client_open(*state);

	client_say(&c, "HEAD /hello HTTP/1.1\r\n" HOST "\r\nGET /any HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&c, "\"method\":\"GET\"");
	client_expect(&c, "Content-Length: 28\r\n");
	client_expect_times(&c, "hello\":", 0);
	client_close(&c);
}

static void decodes_the_query(void **state)
{
	struct client c = client_open(*state);

	client_say(&c, "GET http://t/any?y=1&x=a+b%26%3d%C3%A9&x=2 HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&c, "\"path\":\"/any\",\"x\":\"a b&=é\"");
	client_close(&c);
}

static void asks_for_a_token_and_knows_its_tenant(void **state)
{
	struct client c = client_open(*state);

	client_say(&c, "GET /secret HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&c, "WWW-Authenticate: Bearer");
	client_say(&c, "GET /secret HTTP/1.1\r\n" HOST "Authorization: Bearer tok-alic\r\n\r\n");
	client_expect_times(&c, "HTTP/1.1 401", 2);
	client_say(&c, "GET /secret HTTP/1.1\r\n" HOST "Authorization: Bearer tok-alicetok-alice\r\n\r\n");
	client_expect_times(&c, "HTTP/1.1 401", 3);
	client_say(&c, "GET /secret HTTP/1.1\r\n" HOST "Authorization: Basic tok-alice\r\n\r\n");
	client_expect_times(&c, "HTTP/1.1 401", 4);
	client_say(&c, "GET /secret HTTP/1.1\r\n" HOST "Authorization: bearer tok-bob-longer\r\n\r\n");
	client_expect(&c, "\"tenant\":\"bob\"");
	client_say(&c, "POST /secret HTTP/1.1\r\n" HOST
		       "Authorization: Bearer tok-alice\r\nContent-Length: 1\r\n\r\nx");
	client_expect(&c, "\"tenant\":\"alice\"");
	client_expect_times(&c, "\"code\":\"unauthorized\"", 4);
	client_close(&c);
}

static void without_tokens_everybody_is_welcome(void **state)
{
	struct world w = { 0 };
	struct client c;

	world_start(&w, NULL, 0);
	c = client_open(&w);
	client_say(&c, "GET /secret HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&c, "\"tenant\":\"\"");
	client_close(&c);
	world_stop(&w);
}

static void an_error_document_names_code_field_and_when_to_retry(void **state)
{
	struct client c = client_open(*state);

	client_say(&c, "GET /quota HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&c, "HTTP/1.1 429 ");
	client_expect(&c, "Retry-After: 7\r\n");
	client_expect(&c, "{\"error\":{\"code\":\"quota\",\"message\":\"Too \\\"much\\\" for you?.\","
			  "\"field\":\"limits.?\"}}");
	client_close(&c);
}

static void a_kept_request_is_answered_later(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w);

	client_say(&c, "POST /kept HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi"
		       "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	pump_for(w, 50);
	assert_non_null(w->kept);
	assert_int_equal(http_server_open_requests(w->server), 1);
	/* Far longer than every deadline: a handler's time is its own business. */
	pump_for(w, 1000);
	client_take(&c);
	assert_int_equal(c.in.len, 0);
	http_respond_json(w->kept, 200, json_pack("{s:i}", "late", 1));
	client_expect(&c, "{\"late\":1}");
	client_expect(&c, "hello\":");
	assert_int_equal(w->vanished, 0);
	assert_int_equal(http_server_open_requests(w->server), 0);
	client_close(&c);
}

static void wait_for_vanished(struct world *w)
{
	uint64_t until = uv_hrtime() + PATIENCE_MS * 1000000ull;

	while (!w->vanished && uv_hrtime() < until)
		pump(w);
	pump_for(w, 30);
	assert_int_equal(w->vanished, 1);
	assert_int_equal(http_server_open_requests(w->server), 0);
}

static void a_client_that_closes_has_vanished_once(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w);

	client_say(&c, "POST /kept HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
	pump_for(w, 30);
	assert_non_null(w->kept);
	client_close(&c);
	wait_for_vanished(w);
}

static void a_client_that_resets_has_vanished_once(void **state)
{
	const struct linger now = { .l_onoff = 1 };
	struct world *w = *state;
	struct client c = client_open(w);

	client_say(&c, "POST /kept HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
	pump_for(w, 30);
	assert_int_equal(setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	client_close(&c);
	wait_for_vanished(w);
}

static void a_pipelined_request_does_not_hide_that_the_client_went(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w);

	client_say(&c, "POST /kept HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
	pump_for(w, 30);
	client_say(&c, SMUGGLED);
	client_close(&c);
	wait_for_vanished(w);
	assert_int_equal(w->handled, 1);
}

static void a_client_that_half_closes_still_gets_its_answer(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w);

	client_say(&c, "POST /kept HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	pump_for(w, 100);
	assert_non_null(w->kept);
	assert_int_equal(w->vanished, 0);
	http_respond_json(w->kept, 200, json_pack("{s:i}", "late", 1));
	client_expect(&c, "{\"late\":1}");
	client_expect(&c, "HTTP/1.1 200");
	client_expect_end(&c);
	client_close(&c);
}

static void a_client_that_half_closes_and_then_goes_has_vanished(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w);

	client_say(&c, "POST /kept HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	/* Having read all there was, its close() sends nothing: the server must ask. */
	client_expect(&c, "HTTP/1.1 100");
	assert_int_equal(w->vanished, 0);
	client_close(&c);
	wait_for_vanished(w);
}

static void answering_in_the_same_turn_as_keeping_works(void **state)
{
	struct client c = client_open(*state);

	for (unsigned i = 1; i <= 3; i++) {
		client_say(&c, "POST /kept-and-answered HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
		client_expect_times(&c, "{\"at_once\":true}", i);
	}
	client_close(&c);
}

static void destroying_the_server_makes_kept_requests_vanish(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w), idle = client_open(w), half = client_open(w);

	client_say(&c, "POST /kept HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
	client_say(&half, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nhal");
	pump_for(w, 30);
	assert_non_null(w->kept);
	world_stop(w);
	assert_int_equal(w->vanished, 1);
	assert_null(w->kept);
	client_close(&c);
	client_close(&idle);
	client_close(&half);
}

static void destroying_the_server_loses_no_answer_that_is_under_way(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w);

	client_say(&c, "POST /kept HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
	pump_for(w, 30);
	http_respond_json(w->kept, 200, json_pack("{}"));
	assert_int_equal(http_server_open_requests(w->server), 1);
	world_stop(w);
	assert_int_equal(w->vanished, 0);
	client_close(&c);
}

static void headers_that_trickle_are_cut_off(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w);
	struct http_stats stats;
	uint64_t begun = uv_hrtime();

	client_say(&c, "GET /hello HTTP/1.1\r\nX: ");
	while (!c.eof && uv_hrtime() - begun < PATIENCE_MS * 1000000ull) {
		client_say(&c, "x");
		pump_for(w, 20);
		client_take(&c);
	}
	client_expect(&c, "HTTP/1.1 408");
	client_expect(&c, "request_timeout");
	assert_true(uv_hrtime() - begun >= 300 * 1000000ull);
	http_server_stats(w->server, &stats);
	assert_int_equal(stats.timeouts, 1);
	assert_int_equal(stats.answers[4], 1);
	client_close(&c);
}

static void a_connection_that_says_nothing_is_closed(void **state)
{
	struct client c = client_open(*state);

	client_expect_end(&c);
	assert_int_equal(c.in.len, 0);
	client_close(&c);
}

static void an_idle_keep_alive_connection_is_closed_without_a_word(void **state)
{
	struct client c = client_open(*state);

	client_say(&c, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	client_expect_end(&c);
	client_expect_times(&c, "HTTP/1.1 ", 1);
	client_close(&c);
}

static void the_second_request_has_a_header_time_too(void **state)
{
	struct client c = client_open(*state);

	client_say(&c, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&c, "hello\":");
	client_say(&c, "GET /hel");
	client_expect_end(&c);
	client_expect(&c, "HTTP/1.1 408");
	client_close(&c);
}

static void a_body_that_stops_is_cut_off(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w);

	client_say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nhalf");
	client_expect_end(&c);
	client_expect(&c, "HTTP/1.1 408");
	assert_int_equal(w->handled, 0);
	client_close(&c);
}

static void a_body_that_trickles_is_cut_off(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w);
	uint64_t begun = uv_hrtime();

	client_say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n");
	while (!c.eof && uv_hrtime() - begun < PATIENCE_MS * 1000000ull) {
		client_say(&c, "x");
		pump_for(w, 20);
		client_take(&c);
	}
	client_expect(&c, "HTTP/1.1 408");
	client_close(&c);
}

static void a_client_that_does_not_read_is_cut_off(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w);
	struct http_stats stats;

	client_say(&c, "GET /big HTTP/1.1\r\n" HOST "\r\n");
	pump_for(w, 1500);
	http_server_stats(w->server, &stats);
	assert_int_equal(stats.timeouts, 1);
	assert_int_equal(stats.connections_open, 0);
	client_close(&c);
}

static void a_half_written_request_harms_nobody(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w);
	struct http_stats stats;

	client_say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nhalf");
	client_close(&c);
	pump_for(w, 50);
	http_server_stats(w->server, &stats);
	assert_int_equal(stats.connections_open, 0);
	assert_int_equal(stats.body_bytes, 0);
	assert_int_equal(http_server_open_requests(w->server), 0);
}

static void refuses_connections_over_the_cap_in_words(void **state)
{
	struct world *w = *state;
	struct client many[6], one_more;
	struct http_stats stats;

	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = client_open(w);
	pump_for(w, 20);
	one_more = client_open(w);
	client_expect(&one_more, "HTTP/1.1 503");
	client_expect(&one_more, "Retry-After: 1\r\n");
	client_expect_end(&one_more);
	client_close(&one_more);
	http_server_stats(w->server, &stats);
	assert_int_equal(stats.connections_open, 6);
	assert_int_equal(stats.connections_refused, 1);

	client_close(&many[0]);
	pump_for(w, 20);
	one_more = client_open(w);
	client_say(&one_more, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&one_more, "HTTP/1.1 200");
	client_close(&one_more);
	for (size_t i = 1; i < ARRAY_LEN(many); i++)
		client_close(&many[i]);
}

static void survives_running_out_of_descriptors(void **state)
{
	struct world *w = *state;
	struct rlimit before, none;
	struct client c = client_open(w), next;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	/* Nothing above the client's socket: accept() finds EMFILE. */
	none.rlim_cur = (rlim_t)c.fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	client_expect(&c, "HTTP/1.1 503");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	client_close(&c);

	next = client_open(w);
	client_say(&next, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&next, "HTTP/1.1 200");
	client_close(&next);
}

static void quiescing_answers_what_is_open_and_closes_the_idle(void **state)
{
	struct world *w = *state;
	struct client kept = client_open(w), idle = client_open(w);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	client_say(&idle, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&idle, "HTTP/1.1 200");
	client_say(&kept, "POST /kept HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
	pump_for(w, 20);
	to.sin_port = htons((uint16_t)http_server_port(w->server));

	http_server_quiesce(w->server);
	client_expect_end(&idle);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(http_server_open_requests(w->server), 1);
	http_respond_json(w->kept, 200, json_pack("{s:i}", "late", 1));
	client_expect(&kept, "{\"late\":1}");
	client_expect(&kept, "Connection: close\r\n");
	client_expect_end(&kept);
	assert_int_equal(http_server_open_requests(w->server), 0);
	client_close(&kept);
	client_close(&idle);
}

static void listens_on_several_addresses(void **state)
{
	struct world *w = *state;
	unsigned first = http_server_port(w->server);
	struct err err = ERR_INIT;
	struct client c;

	assert_int_equal(http_server_listen(w->server, "localhost:0", &err), 0);
	assert_int_not_equal(http_server_port(w->server), first);
	c = client_open(w);
	client_say(&c, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&c, "HTTP/1.1 200");
	client_close(&c);
}

static void says_why_it_cannot_listen(void **state)
{
	static const char *const wrong[] = {
		"",	      "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
		"nowhere:80", "::1:80",	   "[::1:80",	 "127.0.0.1:8x"
	};
	struct world *w = *state;
	struct err err = ERR_INIT;
	char taken[64];

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(http_server_listen(w->server, wrong[i], &err), -EINVAL);
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", http_server_port(w->server));
	assert_int_equal(http_server_listen(w->server, taken, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, taken));
}

static void knows_loopback_addresses(void **state)
{
	assert_true(http_address_is_loopback("127.0.0.1:1"));
	assert_true(http_address_is_loopback("127.9.9.9:1"));
	assert_true(http_address_is_loopback("[::1]:1"));
	assert_true(http_address_is_loopback("localhost:1"));
	assert_false(http_address_is_loopback("0.0.0.0:1"));
	assert_false(http_address_is_loopback("[::]:1"));
	assert_false(http_address_is_loopback("128.0.0.1:1"));
	assert_false(http_address_is_loopback("rubbish"));
}

static void takes_multipart_apart(void **state)
{
	static const char body[] =
		"--b b\r\nContent-Disposition: form-data; name=\"run\"\r\n\r\n{\"a\":1}\r\n--b b\r\n"
		"content-disposition: form-data; name=archive; filename=\"x\\\"y.tar\"\r\n"
		"Content-Type: application/x-tar\r\n\r\n\r\n--bb\r\n\r\n--b b--\r\n";
	struct client c = client_open(*state);
	char head[256];

	snprintf(head, sizeof(head),
		 "POST /upload HTTP/1.1\r\n" HOST "Content-Type: multipart/form-data; boundary=\"b b\"\r\n"
		 "Content-Length: %zu\r\n\r\n",
		 sizeof(body) - 1);
	client_say(&c, head);
	client_say(&c, body);
	client_expect(&c, "[run|-|-|{\"a\":1}][archive|x\"y.tar|application/x-tar|\r\n--bb\r\n]");
	client_close(&c);
}

static int multipart(const char *content_type, const char *body, struct world *w, struct err *err)
{
	w->parts[0] = '\0';
	return http_multipart_parse(content_type, (const uint8_t *)body, strlen(body), note_part, w, err);
}

#define FORM	"multipart/form-data; boundary=b"
#define PART(n) "\r\nContent-Disposition: form-data; name=\"" n "\"\r\n\r\n"

static void takes_empty_parts_and_no_parts(void **state)
{
	struct world *w = *state;
	struct err err = ERR_INIT;

	assert_int_equal(multipart(FORM, "--b" PART("a") "\r\n--b" PART("b") "\r\n--b--", w, &err), 0);
	assert_string_equal(w->parts, "[a|-|-|][b|-|-|]");
	assert_int_equal(multipart(FORM, "--b--\r\n", w, &err), 0);
	assert_string_equal(w->parts, "");
}

static void refuses_malformed_multipart(void **state)
{
	static const char *const bodies[] = {
		"",
		"--",
		"--b",
		"--b\r\n",
		"--bx--",
		"preamble\r\n--b--",
		"--b" PART("a") "x",
		"--b" PART("a") "x\r\n--b",
		"--b" PART("a") "x\r\n--b-",
		"--b" PART("a") "x\r\n--b--more",
		"--b" PART("a") "x\n--b--",
		"--b\r\n\r\nx\r\n--b--",
		"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
		"--b\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--b--",
		"--b\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--b--",
		"--b\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nx\r\n--b--",
		"--b\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; "
		"name=b\r\n\r\nx\r\n--b--",
		"--b\r\nContent-Disposition: form-data; name=a\nX: y\r\n\r\nx\r\n--b--",
		"--b\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: "
		"base64\r\n\r\nx\r\n--b--",
		"--b\r\nno colon\r\n\r\nx\r\n--b--",
	};
	static const char *const types[] = { "multipart/form-data", "multipart/form-data; boundary=",
					     "multipart/form-data; boundary=\"b",
					     "multipart/form-data; boundary=b; boundary=b" };
	struct world *w = *state;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		if (multipart(FORM, bodies[i], w, &err) != -EINVAL || err.kind != ERR_MALFORMED)
			fail_msg("body %zu was taken", i);
	}
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		assert_int_equal(multipart(types[i], "--b--", w, &err), -EINVAL);
		assert_int_equal(err.kind, ERR_MALFORMED);
	}
	assert_int_equal(multipart(NULL, "--b--", w, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_TYPE);
	assert_int_equal(multipart("multipart/form-database; boundary=b", "--b--", w, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_TYPE);
}

static void refuses_more_parts_than_it_says(void **state)
{
	AUTO_BUF struct buf body = BUF_INIT(1 << 16);
	struct world *w = *state;
	struct err err = ERR_INIT;

	for (int i = 0; i <= HTTP_PARTS_MAX; i++)
		assert_int_equal(buf_printf(&body, "%s--b" PART("a"), i ? "\r\n" : ""), 0);
	assert_int_equal(buf_append_str(&body, "\r\n--b--"), 0);
	assert_int_equal(multipart(FORM, (char *)body.data, w, &err), -EINVAL);
}

static void takes_targets_apart(void **state)
{
	struct http_target t = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(http_target_parse("/a%2fb+c?x=%41&&y&=z&x=2", &t, &err), 0);
	assert_string_equal(t.path, "/a/b+c");
	assert_string_equal(http_target_param(&t, "x"), "A");
	assert_string_equal(http_target_param(&t, "y"), "");
	assert_null(http_target_param(&t, "z"));
	http_target_finish(&t);
	assert_int_equal(http_target_parse("http://h?x", &t, &err), 0);
	assert_string_equal(t.path, "/");
	http_target_finish(&t);
	assert_int_equal(http_target_parse("", &t, &err), -EINVAL);
	assert_int_equal(http_target_parse("*", &t, &err), -EINVAL);
	assert_int_equal(http_target_parse("http:///x", &t, &err), -EINVAL);
	assert_int_equal(http_target_parse("/x#y", &t, &err), -EINVAL);
	assert_int_equal(http_target_parse("/\xc3\xa9", &t, &err), -EINVAL);
	assert_int_equal(http_target_parse("/%4", &t, &err), -EINVAL);
	assert_int_equal(http_target_parse("/?x=%00", &t, &err), -EINVAL);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* One argument: the test to run, with * as wildcard. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(answers_with_the_headers_of_an_api),
		T(answers_pipelined_requests_in_order),
		T(keeps_the_connection_for_the_next_request),
		T(reads_a_request_that_comes_byte_by_byte),
		T(takes_a_body_with_any_method_where_a_route_wants_it),
		T(does_not_take_a_second_request_out_of_a_body),
		T(refuses_ambiguous_framing_and_closes),
		T(malformed_lengths_and_lines_are_refused_as_json),
		T(malformed_chunks_end_the_connection),
		T(a_malformed_length_in_a_later_request_ends_the_connection),
		T(says_400_to_what_is_not_http),
		T(refuses_a_long_target_and_large_headers),
		T(an_endless_head_ends),
		T(an_endless_chunk_extension_ends),
		T(refuses_a_large_body_from_its_head_alone),
		T(a_client_that_sends_first_and_reads_later_gets_its_413),
		T(refuses_a_chunked_body_when_it_passes_the_limit),
		T(takes_a_body_of_exactly_the_limit),
		T(tells_a_client_that_asks_to_go_on),
		T(tells_unknown_paths_from_wrong_methods),
		T(an_exact_route_wins_over_a_prefix),
		T(answers_head_without_a_body),
		T(decodes_the_query),
		T(asks_for_a_token_and_knows_its_tenant),
		T(without_tokens_everybody_is_welcome),
		T(an_error_document_names_code_field_and_when_to_retry),
		T(a_kept_request_is_answered_later),
		T(a_client_that_closes_has_vanished_once),
		T(a_client_that_resets_has_vanished_once),
		T(a_pipelined_request_does_not_hide_that_the_client_went),
		T(a_client_that_half_closes_still_gets_its_answer),
		T(a_client_that_half_closes_and_then_goes_has_vanished),
		T(answering_in_the_same_turn_as_keeping_works),
		T(destroying_the_server_makes_kept_requests_vanish),
		T(destroying_the_server_loses_no_answer_that_is_under_way),
		T(headers_that_trickle_are_cut_off),
		T(a_connection_that_says_nothing_is_closed),
		T(an_idle_keep_alive_connection_is_closed_without_a_word),
		T(the_second_request_has_a_header_time_too),
		T(a_body_that_stops_is_cut_off),
		T(a_body_that_trickles_is_cut_off),
		T(a_client_that_does_not_read_is_cut_off),
		T(a_half_written_request_harms_nobody),
		T(refuses_connections_over_the_cap_in_words),
		T(survives_running_out_of_descriptors),
		T(quiescing_answers_what_is_open_and_closes_the_idle),
		T(listens_on_several_addresses),
		T(says_why_it_cannot_listen),
		T(knows_loopback_addresses),
		T(takes_multipart_apart),
		T(takes_empty_parts_and_no_parts),
		T(refuses_malformed_multipart),
		T(refuses_more_parts_than_it_says),
		T(takes_targets_apart),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
