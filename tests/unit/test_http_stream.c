/*
 * Answers that come in pieces: order and framing, clients that are slow, go, or only close half, and the ends of both
 * sides.
 */
#include "base/cleanup.h"
#include "http_fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define STREAM "GET /stream HTTP/1.1\r\n" HOST "\r\n"

static struct client stream_open(struct world *w, const char *request)
{
	struct client c = client_open(w);

	client_say(&c, request);
	client_expect(&c, "\r\n\r\n");
	assert_non_null(w->stream);
	return c;
}

static void say(struct world *w, const char *text)
{
	assert_int_equal(http_stream_write(w->stream, text, strlen(text)), 0);
}

static void wait_until_vanished(struct world *w)
{
	uint64_t until = uv_hrtime() + PATIENCE_MS * 1000000ull;

	while (!w->vanished && uv_hrtime() < until)
		world_pump(w);
	world_pump_for(w, 30);
	assert_int_equal(w->vanished, 1);
	assert_null(w->stream);
	assert_int_equal(http_server_open_requests(w->server), 0);
}

static void sends_each_piece_when_it_is_written(void **state)
{
	struct world *w = *state;
	struct client c = stream_open(w, STREAM);

	client_expect(&c, "Transfer-Encoding: chunked\r\n");
	client_expect(&c, "Content-Type: text/event-stream\r\n");
	client_expect(&c, "X-Of-Stream: yes\r\n");
	client_expect(&c, "Cache-Control: no-store\r\n");
	say(w, "first");
	client_expect(&c, "5\r\nfirst\r\n");
	world_pump_for(w, 50);
	say(w, "second");
	client_expect(&c, "6\r\nsecond\r\n");
	http_stream_end(w->stream);
	client_expect(&c, "0\r\n\r\n");
	assert_int_equal(w->vanished, 0);
	client_close(&c);
}

static void keeps_the_connection_for_the_next_request_after_its_end(void **state)
{
	struct world *w = *state;
	struct client c = stream_open(w, STREAM);

	say(w, "x");
	http_stream_end(w->stream);
	client_say(&c, HELLO);
	client_expect(&c, "hello\":");
	assert_false(c.eof);
	client_close(&c);
}

static void begins_on_a_request_that_was_kept(void **state)
{
	struct world *w = *state;
	struct http_stream_options options = http_fixture_stream_options(w);
	struct client c = client_open(w);

	client_say(&c, "POST /kept HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
	world_pump_for(w, 30);
	assert_non_null(w->kept);
	options.status = 202;
	w->stream = http_respond_stream(w->kept, &options);
	say(w, "late");
	http_stream_end(w->stream);
	client_expect(&c, "HTTP/1.1 202 ");
	client_expect(&c, "4\r\nlate\r\n0\r\n\r\n");
	assert_int_equal(w->vanished, 0);
	client_close(&c);
}

static void ends_with_the_connection_for_a_client_of_http_1_0(void **state)
{
	struct world *w = *state;
	struct client c = stream_open(w, "GET /stream HTTP/1.0\r\n\r\n");

	say(w, "plain");
	http_stream_end(w->stream);
	client_expect_end(&c);
	client_expect(&c, "\r\n\r\nplain");
	client_expect_times(&c, "chunked", 0);
	client_close(&c);
}

static void an_event_is_one_line_of_json_whatever_is_in_it(void **state)
{
	struct world *w = *state;
	struct client c = stream_open(w, STREAM);

	assert_int_equal(
		http_stream_event(w->stream, "progress", json_pack("{s:s}", "text", "a\nb\r\n\ndata: x")), 0);
	client_expect(&c, "event: progress\ndata: {\"text\":\"a\\nb\\r\\n\\ndata: x\"}\n\n");
	assert_int_equal(http_stream_event(w->stream, "progress", NULL), -ENOMEM);
	http_stream_end(w->stream);
	client_close(&c);
}

/* A reader that takes nothing: the socket's buffers fill, then ours, and then writes fail. */
static size_t fill(struct world *w)
{
	static char piece[10000];
	size_t written = 0;

	memset(piece, 'x', sizeof(piece));
	for (int stuck = 0; stuck < 10; stuck++) {
		while (http_stream_write(w->stream, piece, sizeof(piece)) == 0) {
			written += sizeof(piece);
			stuck = 0;
		}
		world_pump(w);
		assert_non_null(w->stream);
		assert_true(written < 64 << 20);
	}
	assert_int_equal(http_stream_write(w->stream, piece, sizeof(piece)), -EAGAIN);
	return written;
}

static void a_slow_reader_makes_writes_fail_until_it_has_read(void **state)
{
	struct world *w = *state;
	struct client c = stream_open(w, STREAM);
	uint64_t until = uv_hrtime() + PATIENCE_MS * 1000000ull;
	size_t written = fill(w);

	assert_int_equal(http_stream_write(w->stream, "fits", 4), 0); /* what fits is still taken */
	assert_true(http_stream_waiting(w->stream) <= HTTP_STREAM_MAX);
	w->drained = 0;
	while (!w->drained && uv_hrtime() < until) {
		world_pump(w);
		client_take(&c);
	}
	assert_int_equal(w->drained, 1);
	assert_true(http_stream_waiting(w->stream) <= HTTP_STREAM_MAX / 2);
	http_stream_end(w->stream);
	client_expect(&c, "\r\n0\r\n\r\n");
	client_expect(&c, "fits");
	assert_true(c.in.len > written);
	client_close(&c);
}

static void a_piece_that_never_fits_is_refused(void **state)
{
	static char big[HTTP_STREAM_MAX + 1];
	struct world *w = *state;
	struct client c = stream_open(w, STREAM);

	assert_int_equal(http_stream_write(w->stream, big, sizeof(big)), -EMSGSIZE);
	say(w, "small");
	client_expect(&c, "5\r\nsmall\r\n");
	client_close(&c);
	wait_until_vanished(w);
}

static void a_reader_that_takes_nothing_for_the_idle_time_is_cut_off(void **state)
{
	struct world *w = *state;
	struct client c = stream_open(w, STREAM);

	fill(w);
	wait_until_vanished(w);
	client_close(&c);
}

static void silence_is_no_reason_to_end(void **state)
{
	struct world *w = *state;
	struct client c = stream_open(w, STREAM);

	say(w, "before");
	/* Several times the idle time. */
	world_pump_for(w, 1500);
	assert_int_equal(w->vanished, 0);
	say(w, "after");
	client_expect(&c, "5\r\nafter\r\n");
	http_stream_end(w->stream);
	client_expect(&c, "0\r\n\r\n");
	client_close(&c);
}

static void a_client_that_closes_has_vanished_once(void **state)
{
	struct world *w = *state;
	struct client c = stream_open(w, STREAM);

	say(w, "x");
	client_expect(&c, "1\r\nx\r\n");
	client_close(&c);
	wait_until_vanished(w);
}

static void a_client_that_resets_has_vanished_once(void **state)
{
	const struct linger now = { .l_onoff = 1 };
	struct world *w = *state;
	struct client c = stream_open(w, STREAM);

	assert_int_equal(setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	client_close(&c);
	wait_until_vanished(w);
}

static void a_client_that_half_closes_still_gets_what_comes(void **state)
{
	struct world *w = *state;
	struct client c = stream_open(w, STREAM);

	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	client_expect(&c, "3\r\n" HTTP_EVENTS_HEARTBEAT "\r\n");
	assert_int_equal(w->vanished, 0);
	say(w, "there");
	client_expect(&c, "5\r\nthere\r\n");
	http_stream_end(w->stream);
	client_expect(&c, "0\r\n\r\n");
	client_expect_end(&c);
	assert_int_equal(w->vanished, 0);
	client_close(&c);
}

static void a_client_that_half_closes_and_then_goes_has_vanished(void **state)
{
	struct world *w = *state;
	struct client c = stream_open(w, STREAM);

	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	client_expect(&c, "3\r\n" HTTP_EVENTS_HEARTBEAT "\r\n");
	client_close(&c);
	wait_until_vanished(w);
}

static void nobody_is_told_of_a_client_that_goes_after_the_end(void **state)
{
	struct world *w = *state;
	struct client c = stream_open(w, STREAM);

	fill(w);
	http_stream_end(w->stream);
	client_close(&c);
	world_pump_for(w, 200);
	assert_int_equal(w->vanished, 0);
	assert_int_equal(http_server_open_requests(w->server), 0);
}

static void destroying_the_server_makes_streams_vanish(void **state)
{
	struct world *w = *state;
	struct client c = stream_open(w, STREAM);

	say(w, "x");
	world_stop(w);
	assert_int_equal(w->vanished, 1);
	client_close(&c);
}

static void knows_who_wants_events(void **state)
{
	static const struct {
		const char *accept;
		bool wants;
	} cases[] = {
		{ "text/event-stream", true },	 { "application/json, Text/Event-Stream;q=0.9", true },
		{ "text/event-streams", false }, { "application/json", false },
		{ "text/event", false },	 { "*/*", false },
	};
	struct world *w = *state;
	char text[256];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct client c = client_open(w);

		snprintf(text, sizeof(text),
			 "POST /kept HTTP/1.1\r\n" HOST "Accept: %s\r\nContent-Length: 0\r\n\r\n",
			 cases[i].accept);
		client_say(&c, text);
		world_pump_for(w, 30);
		assert_non_null(w->kept);
		assert_int_equal(http_request_wants_events(w->kept), cases[i].wants);
		http_respond_json(w->kept, 200, json_object());
		client_expect(&c, "{}");
		client_close(&c);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, http_fixture_setup, http_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(sends_each_piece_when_it_is_written),
		T(keeps_the_connection_for_the_next_request_after_its_end),
		T(begins_on_a_request_that_was_kept),
		T(ends_with_the_connection_for_a_client_of_http_1_0),
		T(an_event_is_one_line_of_json_whatever_is_in_it),
		T(a_slow_reader_makes_writes_fail_until_it_has_read),
		T(a_piece_that_never_fits_is_refused),
		T(a_reader_that_takes_nothing_for_the_idle_time_is_cut_off),
		T(silence_is_no_reason_to_end),
		T(a_client_that_closes_has_vanished_once),
		T(a_client_that_resets_has_vanished_once),
		T(a_client_that_half_closes_still_gets_what_comes),
		T(a_client_that_half_closes_and_then_goes_has_vanished),
		T(nobody_is_told_of_a_client_that_goes_after_the_end),
		T(destroying_the_server_makes_streams_vanish),
		T(knows_who_wants_events),
	};

	return cmocka_run_group_tests_name("http_stream", tests, NULL, NULL);
}
