/*
 * What a client of ill will says, byte for byte: ambiguous and malformed framing, too much of anything, too slowly,
 * too many at once.
 */
#include "base/cleanup.h"
#include "http_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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

		snprintf(text, sizeof(text), "POST /echo HTTP/1.1\r\n" HOST "%s\r\n0\r\n\r\n" HELLO,
			 heads[i]);
		world_refuses(w, text, "HTTP/1.1 400 Bad Request\r\n", "\"code\":\"bad_request\"");
	}
	world_refuses(w, "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HELLO,
		      "HTTP/1.1 400", "bad_request");
	world_refuses(w, "GET /hello HTTP/1.1\r\n\r\n" HELLO, "HTTP/1.1 400", "bad_request");
	world_refuses(w, "GET /hello HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n", "HTTP/1.1 417",
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

		snprintf(text, sizeof(text), "POST /echo HTTP/1.1\r\n" HOST "%s\r\nhello" HELLO, heads[i]);
		world_refuses(w, text, "HTTP/1.1 400 Bad Request\r\n", "\"code\":\"bad_request\"");
	}
	world_refuses(w, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\nhello",
		      "HTTP/1.1 413", "body_too_large");
	world_refuses(w, "GET /hello\r\n\r\n" HELLO, "HTTP/1.1 400", "bad_request");
	world_refuses(w, "GET /hello HTTP/9.9\r\n" HOST "\r\n", "HTTP/1.1 505", "http_version");
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
		client_say(&c, HELLO);
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

	client_say(&c, HELLO);
	client_expect(&c, "hello\":");
	client_say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello" HELLO);
	client_expect_end(&c);
	client_expect_times(&c, "HTTP/1.1 200", 1);
	assert_int_equal(w->handled, 1);
	client_close(&c);
}

static void says_400_to_what_is_not_http(void **state)
{
	struct world *w = *state;

	world_refuses(w, "\x16\x03\x01\x02TLS?\r\n\r\n", "HTTP/1.1 400", "bad_request");
	world_refuses(w, "GARBAGE\r\n\r\n", "HTTP/1.1 400", "bad_request");
	world_refuses(w, "G@T /hello HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 400", "bad_request");
	world_refuses(w, "GET hello HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 400", "bad_request");
	world_refuses(w, "GET /a b HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 400", "bad_request");
	world_refuses(w, "GET /%00 HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 400", "bad_request");
	world_refuses(w, "GET /%zz HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 400", "bad_request");
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
	world_refuses(w, text, "HTTP/1.1 414", "uri_too_long");
	snprintf(text, 80000, "GET /hello HTTP/1.1\r\n" HOST "X: %.60000s\r\n\r\n", filler);
	world_refuses(w, text, "HTTP/1.1 431", "headers_too_large");
}

/* MHD would refuse these by a page of its own: its memory for them is used up before their bytes are many. */
static void refuses_many_small_headers(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *text = malloc(32000);
	size_t used;

	assert_non_null(text);
	used = (size_t)snprintf(text, 32000, "GET /hello HTTP/1.1\r\n" HOST);
	for (int i = 0; i < 5000; i++, used += 5)
		memcpy(text + used, "a:b\r\n", 5);
	memcpy(text + used, "\r\n", 3);
	world_refuses(w, text, "HTTP/1.1 431", "headers_too_large");
}

static void an_endless_head_ends(void **state)
{
	struct client c = client_open(*state);

	client_say(&c, "GET /hello HTTP/1.1\r\nX: ");
	for (int i = 0; i < 20 && !c.eof; i++) {
		char filler[16000]; /* few rounds: the time for a head is short */

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

	world_refuses(w, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 200001\r\n\r\n", "HTTP/1.1 413",
		      "larger than the 200000 bytes that this server takes");
	world_refuses(w,
		      "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 200001\r\nExpect: 100-continue\r\n\r\n",
		      "HTTP/1.1 413", "body_too_large");
	world_refuses(w, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551615\r\n\r\n",
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
	client_expect(&c, "larger than the 200000 bytes that this server takes");
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
		world_pump(c.world);
		client_take(&c);
	}
	assert_memory_equal(c.in.data + c.in.len - BODY_BYTES, body, BODY_BYTES);
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
		world_pump_for(w, 20);
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
	client_say(&c, "GET /hello");
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
		world_pump_for(w, 20);
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
	world_pump_for(w, 1500);
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
	world_pump_for(w, 50);
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
	world_pump_for(w, 20);
	one_more = client_open(w);
	client_expect(&one_more, "HTTP/1.1 503");
	client_expect(&one_more, "Retry-After: 1\r\n");
	client_expect_end(&one_more);
	client_close(&one_more);
	http_server_stats(w->server, &stats);
	assert_int_equal(stats.connections_open, 6);
	assert_int_equal(stats.connections_refused, 1);

	client_close(&many[0]);
	world_pump_for(w, 20);
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

#define T(test) cmocka_unit_test_setup_teardown(test, http_fixture_setup, http_fixture_teardown)

/* One argument: the test to run, with * as wildcard. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(does_not_take_a_second_request_out_of_a_body),
		T(refuses_ambiguous_framing_and_closes),
		T(malformed_lengths_and_lines_are_refused_as_json),
		T(malformed_chunks_end_the_connection),
		T(a_malformed_length_in_a_later_request_ends_the_connection),
		T(says_400_to_what_is_not_http),
		T(refuses_a_long_target_and_large_headers),
		T(refuses_many_small_headers),
		T(an_endless_head_ends),
		T(an_endless_chunk_extension_ends),
		T(refuses_a_large_body_from_its_head_alone),
		T(a_client_that_sends_first_and_reads_later_gets_its_413),
		T(refuses_a_chunked_body_when_it_passes_the_limit),
		T(takes_a_body_of_exactly_the_limit),
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
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
