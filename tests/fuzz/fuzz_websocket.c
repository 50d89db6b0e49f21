/*
 * What a client may send over a WebSocket, in pieces whose lengths the input chooses; and what is sent back is frames.
 */
#include "base/utf8.h"
#include "http/websocket.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_BYTES 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reader {
	struct websocket *ws;
	uint8_t text[MESSAGE_BYTES];
	size_t len; /* of the present message */
	bool begun, binary;
};

static void on_data(void *user, bool binary, const uint8_t *data, size_t len, bool last)
{
	struct reader *r = user;

	assert(websocket_state(r->ws) == WEBSOCKET_OPEN);
	assert(!r->begun || r->binary == binary);
	assert(len <= MESSAGE_BYTES - r->len);
	if (len)
		memcpy(r->text + r->len, data, len);
	r->begun = !last;
	r->binary = binary;
	r->len += len;
	if (!last)
		return;
	assert(binary || utf8_valid(r->text, r->len));
	/* Echoes, and now and then has enough. */
	websocket_send(r->ws, &(struct websocket_message){ .binary = binary,
							   .head = "head",
							   .head_len = 4,
							   .data = r->text,
							   .data_len = r->len });
	if (r->len == 77)
		websocket_close(r->ws, WEBSOCKET_POLICY, "77", 0);
	r->len = 0;
}

/* Every byte that is queued belongs to a whole frame of a server's. */
static void check_output(struct websocket *ws)
{
	uint8_t all[8192];
	struct iovec iov[8];
	size_t len = 0, at = 0, queued = websocket_queued(ws);
	unsigned count;

	while ((count = websocket_pending(ws, iov, 8)) > 0) {
		size_t part = iov[0].iov_len < 1000 ? iov[0].iov_len : 1000;

		assert(part > 0 && len + part <= queued);
		if (len + part <= sizeof(all))
			memcpy(all + len, iov[0].iov_base, part);
		len += part;
		websocket_written(ws, part, 1);
	}
	assert(len == queued && websocket_queued(ws) == 0);
	while (len <= sizeof(all) && at < len) {
		size_t payload = all[at + 1], head = 2;

		assert((all[at] & 0xf0) == 0x80 && payload <= 126);
		if (payload == 126) {
			payload = (size_t)all[at + 2] << 8 | all[at + 3];
			head = 4;
		}
		at += head + payload;
		assert(at <= len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct websocket_options options = { MESSAGE_BYTES, 1000, 3000 };
	static const struct websocket_events events = { on_data };
	struct reader reader = { 0 };
	uint64_t now_ms = 0;

	if (websocket_create(&options, &events, &reader, 0, &reader.ws, NULL) < 0)
		return 0;
	while (size > 0) {
		size_t part = 1 + data[0] % 64 * 4;
		uint8_t *exact;

		/* The byte that says how much comes at once is not part of it; a high one lets time pass. */
		now_ms += data[0] >= 0xf0 ? 500 : 0;
		data++;
		size--;
		part = part < size ? part : size;
		exact = malloc(part ? part : 1);
		assert(exact);
		memcpy(exact, data, part);
		websocket_receive(reader.ws, exact, part, now_ms);
		websocket_tick(reader.ws, now_ms);
		free(exact);
		check_output(reader.ws);
		data += part;
		size -= part;
	}
	if (websocket_state(reader.ws) == WEBSOCKET_CLOSED)
		assert(websocket_close_code(reader.ws) >= 1000);
	websocket_destroy(reader.ws);
	return 0;
}
