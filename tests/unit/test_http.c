/*
 * What a client of good will meets: requests, answers, routes, tokens, kept requests and clients that go, listening,
 * and the parsers of forms and targets.
 */
#include "base/cleanup.h"
#include "http/multipart.h"
#include "http/target.h"
#include "http_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

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
	world_pump_for(w, 50);
	assert_non_null(w->kept);
	assert_int_equal(http_server_open_requests(w->server), 1);
	/* Far longer than every deadline: a handler's time is its own business. */
	world_pump_for(w, 1000);
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
		world_pump(w);
	world_pump_for(w, 30);
	assert_int_equal(w->vanished, 1);
	assert_int_equal(http_server_open_requests(w->server), 0);
}

static void a_client_that_closes_has_vanished_once(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w);

	client_say(&c, "POST /kept HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
	world_pump_for(w, 30);
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
	world_pump_for(w, 30);
	assert_int_equal(setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	client_close(&c);
	wait_for_vanished(w);
}

static void a_pipelined_request_does_not_hide_that_the_client_went(void **state)
{
	struct world *w = *state;
	struct client c = client_open(w);

	client_say(&c, "POST /kept HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
	world_pump_for(w, 30);
	client_say(&c, HELLO);
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
	world_pump_for(w, 100);
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
	world_pump_for(w, 30);
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
	world_pump_for(w, 30);
	http_respond_json(w->kept, 200, json_pack("{}"));
	assert_int_equal(http_server_open_requests(w->server), 1);
	world_stop(w);
	assert_int_equal(w->vanished, 0);
	client_close(&c);
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
	world_pump_for(w, 20);
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

	assert_int_equal(http_server_listen(w->server, "localhost:0", NULL, &err), 0);
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
		assert_int_equal(http_server_listen(w->server, wrong[i], NULL, &err), -EINVAL);
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", http_server_port(w->server));
	assert_int_equal(http_server_listen(w->server, taken, NULL, &err), -EADDRINUSE);
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
	return http_multipart_parse(content_type, (const uint8_t *)body, strlen(body), http_fixture_note_part,
				    w, err);
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

/* RFC 2046, 5.1.1: a preamble, an epilogue, and blanks behind a boundary that some gateway has put there. */
static void skips_what_may_stand_around_the_parts(void **state)
{
	static const char *const bodies[] = {
		"For readers without MIME.\r\n--b" PART("a") "x\r\n--b--",
		"\r\n--b" PART("a") "x\r\n--b--\r\n",
		"-b\r\n--b" PART("a") "x\r\n--b--\r\nThe end.\r\n--b" PART("c"),
		"--b \t" PART("a") "x\r\n--b-- \t\r\n",
		"--b" PART("a") "x\r\n--b-- ",
	};
	struct world *w = *state;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		if (multipart(FORM, bodies[i], w, &err) < 0)
			fail_msg("body %zu was refused: %s", i, err.text);
		assert_string_equal(w->parts, "[a|-|-|x]");
	}
}

/* `count` of `c` before or behind what is a whole body of no parts. */
static int multipart_around(struct world *w, const char *before, const char *behind, char c, size_t count)
{
	AUTO_BUF struct buf body = BUF_INIT(1 << 16);
	struct err err = ERR_INIT;

	assert_int_equal(buf_append_str(&body, before), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(buf_append(&body, &c, 1), 0);
	assert_int_equal(buf_append_str(&body, behind), 0);
	return multipart(FORM, (char *)body.data, w, &err);
}

static void bounds_what_may_stand_around_the_parts(void **state)
{
	struct world *w = *state;

	assert_int_equal(multipart_around(w, "", "\r\n--b--", 'x', HTTP_PREAMBLE_MAX), 0);
	assert_int_equal(multipart_around(w, "", "\r\n--b--", 'x', HTTP_PREAMBLE_MAX + 1), -EINVAL);
	assert_int_equal(multipart_around(w, "--b--\r\n", "", 'x', HTTP_PREAMBLE_MAX), 0);
	assert_int_equal(multipart_around(w, "--b--\r\n", "", 'x', HTTP_PREAMBLE_MAX + 1), -EINVAL);
	assert_int_equal(multipart_around(w, "--b--", "\r\n", ' ', HTTP_PADDING_MAX), 0);
	assert_int_equal(multipart_around(w, "--b--", "\r\n", ' ', HTTP_PADDING_MAX + 1), -EINVAL);
}

static void refuses_malformed_multipart(void **state)
{
	static const char *const bodies[] = {
		"",
		"--",
		"--b",
		"--b\r\n",
		"--bx--",
		"preamble--b--",
		"preamble\n--b--",
		"--b--epilogue",
		"--b-- epilogue",
		"--b \rx",
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

#define T(test) cmocka_unit_test_setup_teardown(test, http_fixture_setup, http_fixture_teardown)

/* One argument: the test to run, with * as wildcard. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(answers_with_the_headers_of_an_api),
		T(answers_pipelined_requests_in_order),
		T(keeps_the_connection_for_the_next_request),
		T(reads_a_request_that_comes_byte_by_byte),
		T(takes_a_body_with_any_method_where_a_route_wants_it),
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
		T(quiescing_answers_what_is_open_and_closes_the_idle),
		T(listens_on_several_addresses),
		T(says_why_it_cannot_listen),
		T(knows_loopback_addresses),
		T(takes_multipart_apart),
		T(takes_empty_parts_and_no_parts),
		T(skips_what_may_stand_around_the_parts),
		T(bounds_what_may_stand_around_the_parts),
		T(refuses_malformed_multipart),
		T(refuses_more_parts_than_it_says),
		T(takes_targets_apart),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
