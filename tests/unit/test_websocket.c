#include "http/websocket.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MESSAGE_BYTES 1000
#define IDLE_MS	      10000
#define TIMEOUT_MS    3000

struct fixture {
	struct websocket *ws;
	struct buf text, binary; /* of the messages that came, each behind the other with a '|' at its end */
	unsigned pieces;
};

static void on_data(void *user, bool binary, const uint8_t *data, size_t len, bool last)
{
	struct fixture *f = user;
	struct buf *to = binary ? &f->binary : &f->text;

	f->pieces++;
	assert_int_equal(buf_append(to, data, len), 0);
	if (last)
		assert_int_equal(buf_append_str(to, "|"), 0);
}

static int setup(void **state)
{
	static const struct websocket_options options = { MESSAGE_BYTES, IDLE_MS, TIMEOUT_MS };
	static const struct websocket_events events = { on_data };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->text = f->binary = BUF_INIT(1 << 20);
	assert_int_equal(websocket_create(&options, &events, f, 0, &f->ws, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	websocket_destroy(f->ws);
	buf_finish(&f->text);
	buf_finish(&f->binary);
	free(f);
	return 0;
}

/* A client's frame; `first` is its first byte. Masked with zeros, which leave the payload as it is. */
static size_t frame_put(uint8_t *to, unsigned first, const void *payload, size_t len)
{
	size_t at = 0;

	to[at++] = (uint8_t)first;
	if (len < 126) {
		to[at++] = (uint8_t)(0x80 | len);
	} else {
		to[at++] = 0x80 | 126;
		to[at++] = (uint8_t)(len >> 8);
		to[at++] = (uint8_t)len;
	}
	memset(to + at, 0, 4);
	if (len)
		memcpy(to + at + 4, payload, len);
	return at + 4 + len;
}

static void hear(struct fixture *f, unsigned first, const char *payload)
{
	uint8_t bytes[2048];

	websocket_receive(f->ws, bytes, frame_put(bytes, first, payload, strlen(payload)), 0);
}

static void hear_bytes(struct fixture *f, const void *bytes, size_t len)
{
	websocket_receive(f->ws, bytes, len, 0);
}

/* All that is queued, taken off. */
static struct buf said(struct fixture *f)
{
	struct buf all = BUF_INIT(1 << 20);
	struct iovec iov[4];
	unsigned count;

	while ((count = websocket_pending(f->ws, iov, 4)) > 0) {
		size_t len = 0;

		for (unsigned i = 0; i < count; i++) {
			assert_int_equal(buf_append(&all, iov[i].iov_base, iov[i].iov_len), 0);
			len += iov[i].iov_len;
		}
		websocket_written(f->ws, len, 0);
	}
	assert_int_equal(websocket_queued(f->ws), 0);
	return all;
}

static void says(struct fixture *f, const void *bytes, size_t len)
{
	AUTO_BUF struct buf all = said(f);

	assert_int_equal(all.len, len);
	assert_memory_equal(all.data, bytes, len);
}

/* It has closed with this code, and a reason. */
static void closed_with(struct fixture *f, unsigned code)
{
	AUTO_BUF struct buf all = said(f);

	assert_int_equal(websocket_close_code(f->ws), code);
	assert_true(all.len > 4);
	assert_int_equal(all.data[0], 0x88);
	assert_int_equal(all.data[1], all.len - 2);
	assert_int_equal(all.data[2] << 8 | all.data[3], code);
}

static void a_message_is_handed_out(void **state)
{
	struct fixture *f = *state;

	hear(f, 0x81, "hello");
	hear(f, 0x82, "bytes");
	hear(f, 0x81, "");
	assert_string_equal((char *)f->text.data, "hello||");
	assert_string_equal((char *)f->binary.data, "bytes|");
}

static void a_masked_payload_is_unmasked(void **state)
{
	/* The example of RFC 6455, 5.7. */
	static const uint8_t hello[] = { 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58 };
	struct fixture *f = *state;

	hear_bytes(f, hello, sizeof(hello));
	assert_string_equal((char *)f->text.data, "Hello|");
}

static void it_does_not_matter_how_the_bytes_are_cut(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[2048];
	char payload[300];
	size_t len = 0;

	memset(payload, 'x', sizeof(payload));
	len += frame_put(bytes + len, 0x01, payload, sizeof(payload));
	len += frame_put(bytes + len, 0x89, "ping", 4);
	len += frame_put(bytes + len, 0x00, "\xc3", 1);
	len += frame_put(bytes + len, 0x80, "\xbc!", 2);
	for (size_t i = 0; i < len; i++)
		hear_bytes(f, bytes + i, 1);
	assert_int_equal(f->text.len, 300 + 3 + 1);
	assert_memory_equal(f->text.data + 300, "\xc3\xbc!|", 4);
	says(f, "\x8a\x04ping", 6);
}

static void what_is_sent_is_one_frame_of_two_parts(void **state)
{
	struct fixture *f = *state;

	websocket_send(
		f->ws,
		&(struct websocket_message){
			.binary = true, .head = "\0\0\0\1\1", .head_len = 5, .data = "out", .data_len = 3 });
	websocket_send(f->ws, &(struct websocket_message){ .data = "{}", .data_len = 2 });
	websocket_send(f->ws, &(struct websocket_message){ 0 });
	says(f, "\x82\x08\0\0\0\1\1out\x81\x02{}\x81\0", 16);
}

static void large_messages_have_the_headers_of_their_size(void **state)
{
	static uint8_t data[70000];
	struct fixture *f = *state;
	AUTO_BUF struct buf all = { 0 };

	websocket_send(f->ws, &(struct websocket_message){ .binary = true, .data = data, .data_len = 300 });
	websocket_send(f->ws,
		       &(struct websocket_message){ .binary = true, .data = data, .data_len = sizeof(data) });
	assert_int_equal(websocket_queued(f->ws), 4 + 300 + 10 + sizeof(data));
	all = said(f);
	assert_memory_equal(all.data, "\x82\x7e\x01\x2c", 4);
	assert_memory_equal(all.data + 304, "\x82\x7f\0\0\0\0\0\x01\x11\x70", 10);
}

static void what_was_written_in_part_goes_on_there(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[1];

	websocket_send(f->ws, &(struct websocket_message){ .data = "abc", .data_len = 3 });
	websocket_written(f->ws, 3, 0);
	assert_int_equal(websocket_pending(f->ws, iov, 1), 1);
	assert_int_equal(iov[0].iov_len, 2);
	assert_memory_equal(iov[0].iov_base, "bc", 2);
	websocket_send(f->ws, &(struct websocket_message){ .data = "d", .data_len = 1 });
	says(f,
	     "bc\x81\x01"
	     "d",
	     5);
}

static void frames_that_may_not_be_close_it(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[24];
		size_t len;
		unsigned code;
	} rows[] = {
		{ "not masked", { 0x81, 0x01, 'x' }, 3, 1002 },
		{ "reserved bit", { 0xc1, 0x81, 0, 0, 0, 0, 'x' }, 7, 1002 },
		{ "unknown opcode", { 0x83, 0x81, 0, 0, 0, 0, 'x' }, 7, 1002 },
		{ "unknown control opcode", { 0x8b, 0x80, 0, 0, 0, 0 }, 6, 1002 },
		{ "goes on without a begin", { 0x80, 0x81, 0, 0, 0, 0, 'x' }, 7, 1002 },
		{ "begins twice", { 0x01, 0x80, 0, 0, 0, 0, 0x01, 0x80, 0, 0, 0, 0 }, 12, 1002 },
		{ "a ping in fragments", { 0x09, 0x80, 0, 0, 0, 0 }, 6, 1002 },
		{ "a ping too long", { 0x89, 0xfe, 0, 126, 0, 0, 0, 0 }, 8, 1002 },
		{ "a length longer than need be", { 0x82, 0xfe, 0, 5, 0, 0, 0, 0, 'x' }, 9, 1002 },
		{ "a length of 2^63", { 0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'x' }, 15, 1002 },
		{ "too large", { 0x82, 0xfe, 0x03, 0xe9, 0, 0, 0, 0, 'x' }, 9, 1009 },
		{ "far too large", { 0x82, 0xff, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'x' }, 15, 1009 },
		{ "not UTF-8", { 0x81, 0x81, 0, 0, 0, 0, 0xff }, 7, 1007 },
		{ "UTF-8 cut short", { 0x81, 0x81, 0, 0, 0, 0, 0xc3 }, 7, 1007 },
		{ "a code that may not be sent", { 0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed }, 8, 1002 },
		{ "half a code", { 0x88, 0x81, 0, 0, 0, 0, 0x03 }, 7, 1002 },
		{ "a reason that is not UTF-8", { 0x88, 0x83, 0, 0, 0, 0, 0x03, 0xe8, 0xff }, 9, 1007 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture *f;

		setup((void **)&f);
		hear_bytes(f, rows[i].bytes, rows[i].len);
		if (websocket_close_code(f->ws) != rows[i].code)
			fail_msg("%s: closed with %u", rows[i].what, websocket_close_code(f->ws));
		assert_int_equal(websocket_state(f->ws), WEBSOCKET_CLOSED);
		closed_with(f, rows[i].code);
		teardown((void **)&f);
	}
}

static void many_fragments_may_not_be_more_than_one_message(void **state)
{
	struct fixture *f = *state;
	char payload[501];

	memset(payload, 'x', 500);
	payload[500] = '\0';
	hear(f, 0x02, payload);
	hear(f, 0x00, payload);
	assert_int_equal(websocket_state(f->ws), WEBSOCKET_OPEN);
	hear(f, 0x00, "y");
	closed_with(f, WEBSOCKET_TOO_LARGE);
}

static void after_a_fault_nothing_is_heard(void **state)
{
	struct fixture *f = *state;

	hear(f, 0x83, "x");
	hear(f, 0x81, "late");
	assert_int_equal(f->text.len, 0);
}

static void the_peer_s_close_is_answered_with_its_code(void **state)
{
	struct fixture *f = *state;

	hear(f, 0x88,
	     "\x0f\xa0"
	     "bye");
	assert_int_equal(websocket_state(f->ws), WEBSOCKET_CLOSED);
	assert_int_equal(websocket_close_code(f->ws), 4000);
	says(f, "\x88\x02\x0f\xa0", 4);
}

static void a_close_without_a_code_is_answered_without_one(void **state)
{
	struct fixture *f = *state;

	hear(f, 0x88, "");
	assert_int_equal(websocket_close_code(f->ws), 1005);
	says(f, "\x88\0", 2);
}

static void our_close_waits_for_the_peer_s(void **state)
{
	struct fixture *f = *state;

	websocket_close(f->ws, WEBSOCKET_GOING_AWAY, "enough", 0);
	websocket_send(f->ws, &(struct websocket_message){ .data = "dropped", .data_len = 7 });
	says(f,
	     "\x88\x08\x03\xe9"
	     "enough",
	     10);
	hear(f, 0x81, "ignored");
	assert_int_equal(f->text.len, 0);
	assert_int_equal(websocket_state(f->ws), WEBSOCKET_CLOSING);
	hear(f, 0x88, "\x03\xe9");
	assert_int_equal(websocket_state(f->ws), WEBSOCKET_CLOSED);
	assert_int_equal(websocket_queued(f->ws), 0);
}

static void our_close_does_not_wait_for_ever(void **state)
{
	struct fixture *f = *state;
	AUTO_BUF struct buf all = { 0 };

	websocket_close(f->ws, WEBSOCKET_GOING_AWAY, "", 0);
	all = said(f);
	websocket_tick(f->ws, WEBSOCKET_CLOSE_MS - 1);
	assert_int_equal(websocket_state(f->ws), WEBSOCKET_CLOSING);
	websocket_tick(f->ws, WEBSOCKET_CLOSE_MS);
	assert_int_equal(websocket_state(f->ws), WEBSOCKET_CLOSED);
}

static void a_long_reason_is_cut_between_characters(void **state)
{
	struct fixture *f = *state;
	AUTO_BUF struct buf all = { 0 };
	char reason[201];

	for (size_t i = 0; i < 200; i += 2)
		memcpy(reason + i, "ü", 2);
	reason[200] = '\0';
	websocket_close(f->ws, WEBSOCKET_POLICY, reason, 0);
	all = said(f);
	assert_int_equal(all.len, 2 + 2 + 122);
	assert_int_equal(all.data[1], 124);
}

static void silence_is_asked_and_then_the_end(void **state)
{
	struct fixture *f = *state;

	websocket_set_busy(f->ws, true, 0);
	websocket_tick(f->ws, TIMEOUT_MS / 3 - 1);
	assert_int_equal(websocket_queued(f->ws), 0);
	websocket_tick(f->ws, TIMEOUT_MS / 3);
	websocket_tick(f->ws, TIMEOUT_MS / 3 + 1);
	says(f, "\x89\0", 2);
	websocket_tick(f->ws, TIMEOUT_MS);
	assert_int_equal(websocket_state(f->ws), WEBSOCKET_DEAD);
}

static void a_pong_is_a_sign_of_life(void **state)
{
	static const uint8_t pong[] = { 0x8a, 0x80, 0, 0, 0, 0 };
	struct fixture *f = *state;

	websocket_set_busy(f->ws, true, 0);
	for (uint64_t now_ms = 0; now_ms < 10 * TIMEOUT_MS; now_ms += TIMEOUT_MS / 2) {
		websocket_tick(f->ws, now_ms);
		websocket_receive(f->ws, pong, sizeof(pong), now_ms);
	}
	assert_int_equal(websocket_state(f->ws), WEBSOCKET_OPEN);
}

static void a_peer_that_takes_nothing_is_dead_though_nothing_is_read_from_him(void **state)
{
	struct fixture *f = *state;

	websocket_set_busy(f->ws, true, 0);
	websocket_set_deaf(f->ws, true, 0);
	websocket_tick(f->ws, 100 * TIMEOUT_MS);
	assert_int_equal(websocket_state(f->ws), WEBSOCKET_OPEN);
	websocket_send(f->ws, &(struct websocket_message){ .data = "x", .data_len = 1 });
	websocket_tick(f->ws, 200 * TIMEOUT_MS);
	assert_int_equal(websocket_state(f->ws), WEBSOCKET_DEAD);
	assert_int_equal(websocket_queued(f->ws), 0);
}

static void idleness_ends_only_who_is_not_busy(void **state)
{
	static const uint8_t pong[] = { 0x8a, 0x80, 0, 0, 0, 0 };
	struct fixture *f = *state;

	websocket_set_busy(f->ws, true, 0);
	websocket_receive(f->ws, pong, sizeof(pong), 2 * IDLE_MS);
	websocket_tick(f->ws, 2 * IDLE_MS);
	assert_int_equal(websocket_state(f->ws), WEBSOCKET_OPEN);
	websocket_set_busy(f->ws, false, 2 * IDLE_MS);
	websocket_receive(f->ws, pong, sizeof(pong), 3 * IDLE_MS);
	websocket_tick(f->ws, 3 * IDLE_MS);
	assert_int_equal(websocket_state(f->ws), WEBSOCKET_CLOSING);
	assert_int_equal(websocket_close_code(f->ws), WEBSOCKET_GOING_AWAY);
}

static void the_key_is_answered_as_the_rfc_says(void **state)
{
	static const char *const wrong[] = { "", "x", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZQ==",
					     "dGhlIHNhbXBsZSBub25jZSE=" };
	char accept[29];

	assert_int_equal(websocket_accept_key("dGhlIHNhbXBsZSBub25jZQ==", accept), 0);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_true(websocket_accept_key(wrong[i], accept) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_message_is_handed_out, setup, teardown),
		cmocka_unit_test_setup_teardown(a_masked_payload_is_unmasked, setup, teardown),
		cmocka_unit_test_setup_teardown(it_does_not_matter_how_the_bytes_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_sent_is_one_frame_of_two_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(large_messages_have_the_headers_of_their_size, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_was_written_in_part_goes_on_there, setup, teardown),
		cmocka_unit_test(frames_that_may_not_be_close_it),
		cmocka_unit_test_setup_teardown(many_fragments_may_not_be_more_than_one_message, setup,
						teardown),
		cmocka_unit_test_setup_teardown(after_a_fault_nothing_is_heard, setup, teardown),
		cmocka_unit_test_setup_teardown(the_peer_s_close_is_answered_with_its_code, setup, teardown),
		cmocka_unit_test_setup_teardown(a_close_without_a_code_is_answered_without_one, setup,
						teardown),
		cmocka_unit_test_setup_teardown(our_close_waits_for_the_peer_s, setup, teardown),
		cmocka_unit_test_setup_teardown(our_close_does_not_wait_for_ever, setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_reason_is_cut_between_characters, setup, teardown),
		cmocka_unit_test_setup_teardown(silence_is_asked_and_then_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pong_is_a_sign_of_life, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_peer_that_takes_nothing_is_dead_though_nothing_is_read_from_him, setup, teardown),
		cmocka_unit_test_setup_teardown(idleness_ends_only_who_is_not_busy, setup, teardown),
		cmocka_unit_test(the_key_is_answered_as_the_rfc_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
