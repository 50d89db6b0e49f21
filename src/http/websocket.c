#include "http/websocket.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/utf8.h"

#include <errno.h>
#include <sha1.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#define CHUNK_BYTES ((size_t)16 * 1024) /* small frames share one */
#define HEADER_MAX  10			/* of a server's frame, which is not masked */
#define CONTROL_MAX 125
#define KEY_BYTES   16
#define MAGIC	    "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

/* Bytes on their way to the peer, oldest first. */
struct chunk {
	struct chunk *next;
	size_t len, room, written;
	uint8_t bytes[];
};

struct websocket {
	struct websocket_options options;
	struct websocket_events events;
	void *user;
	struct wslay_frame_context *frames;
	enum websocket_state state;
	unsigned code;

	const uint8_t *input; /* during websocket_receive() */
	size_t input_len;

	bool in_frame;
	uint64_t frame_left; /* payload of the present frame that has not come */
	uint8_t frame_opcode;
	bool frame_fin;

	bool in_message, message_binary;
	uint64_t message_len;
	uint8_t cut[4]; /* of text: a character whose end has not come */
	size_t cut_len;

	uint8_t control[CONTROL_MAX];
	size_t control_len;

	struct chunk *first, **last, *newest;
	size_t queued;

	bool busy, deaf, pinged;
	uint64_t heard_ms;  /* a byte came, or the peer took one */
	uint64_t active_ms; /* a message came, or it was busy */
	uint64_t closing_ms;
};

/* ---- what goes out ---- */

/* Room for `len` bytes that stay together, at the end of the queue; NULL: no memory. */
static uint8_t *queue_room(struct websocket *ws, size_t len)
{
	size_t room = len > CHUNK_BYTES ? len : CHUNK_BYTES;
	struct chunk *chunk = ws->newest;

	if (!chunk || chunk->room - chunk->len < len) {
		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		*chunk = (struct chunk){ .room = room };
		*ws->last = chunk;
		ws->last = &chunk->next;
		ws->newest = chunk;
	}
	return chunk->bytes + chunk->len;
}

static void queue_add(struct websocket *ws, size_t len)
{
	ws->newest->len += len;
	ws->queued += len;
}

static void queue_clear(struct websocket *ws)
{
	while (ws->first) {
		struct chunk *next = ws->first->next;

		free(ws->first);
		ws->first = next;
	}
	ws->last = &ws->first;
	ws->newest = NULL;
	ws->queued = 0;
}

static void die(struct websocket *ws)
{
	ws->state = WEBSOCKET_DEAD;
	queue_clear(ws);
}

/* Wslay's frame goes straight to its place in the queue. */
static ssize_t on_send(const uint8_t *data, size_t len, int flags, void *user)
{
	struct websocket *ws = user;
	uint8_t *to = queue_room(ws, len);

	if (!to)
		return -1;
	memcpy(to, data, len);
	queue_add(ws, len);
	return (ssize_t)len;
}

/* One frame: its payload is head and data. Both must fit before the header is written. */
static int send_frame(struct websocket *ws, uint8_t opcode, const struct websocket_message *message)
{
	size_t len = message->head_len + message->data_len;
	struct wslay_frame_iocb frame = { .fin = 1, .opcode = opcode, .payload_length = len };
	const void *parts[] = { message->head, message->data };
	const size_t lengths[] = { message->head_len, message->data_len };
	ssize_t n = 0;

	if (!queue_room(ws, HEADER_MAX + len))
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_LEN(parts) && n >= 0; i++) {
		if (lengths[i] == 0 && (i == 0 || len > 0))
			continue;
		frame.data = parts[i];
		frame.data_length = lengths[i];
		n = wslay_frame_send(ws->frames, &frame);
	}
	return n < 0 ? -ENOMEM : 0;
}

static void send_control(struct websocket *ws, uint8_t opcode, const void *data, size_t len)
{
	const struct websocket_message message = { .data = data, .data_len = len };

	if (send_frame(ws, opcode, &message) < 0)
		die(ws);
}

void websocket_send(struct websocket *ws, const struct websocket_message *message)
{
	if (ws->state != WEBSOCKET_OPEN)
		return;
	if (send_frame(ws, message->binary ? WSLAY_BINARY_FRAME : WSLAY_TEXT_FRAME, message) < 0)
		die(ws);
}

static void close_frame_send(struct websocket *ws, unsigned code, const char *reason)
{
	uint8_t payload[2 + WEBSOCKET_REASON_MAX] = { (uint8_t)(code >> 8), (uint8_t)code };
	size_t len = strnlen(reason, WEBSOCKET_REASON_MAX);

	if (!utf8_valid_but_tail(reason, len, &len))
		len = 0;
	memcpy(payload + 2, reason, len);
	send_control(ws, WSLAY_CONNECTION_CLOSE, payload, code ? 2 + len : 0);
}

void websocket_close(struct websocket *ws, enum websocket_code code, const char *reason, uint64_t now_ms)
{
	if (ws->state != WEBSOCKET_OPEN)
		return;
	ws->state = WEBSOCKET_CLOSING;
	ws->code = code;
	ws->closing_ms = now_ms;
	close_frame_send(ws, code, reason);
}

/* After a fault of the peer's nothing that it says can be understood: its closing frame is not waited for. */
static void fail(struct websocket *ws, enum websocket_code code, const char *reason)
{
	if (ws->state == WEBSOCKET_OPEN)
		websocket_close(ws, code, reason, ws->heard_ms);
	if (ws->state == WEBSOCKET_CLOSING)
		ws->state = WEBSOCKET_CLOSED;
}

void websocket_lost(struct websocket *ws)
{
	die(ws);
}

/* ---- what comes in ---- */

static ssize_t on_receive(uint8_t *buffer, size_t room, int flags, void *user)
{
	struct websocket *ws = user;
	size_t len = ws->input_len < room ? ws->input_len : room;

	if (len == 0)
		return -1;
	memcpy(buffer, ws->input, len);
	ws->input += len;
	ws->input_len -= len;
	return (ssize_t)len;
}

/* Checks one more piece of text; a character that is cut waits for its end. */
static bool text_goes_on(struct websocket *ws, const uint8_t *data, size_t len, bool last)
{
	uint32_t point;
	size_t good;

	while (ws->cut_len > 0 && len > 0) {
		int r;

		ws->cut[ws->cut_len++] = *data++;
		len--;
		r = utf8_decode(ws->cut, ws->cut_len, &point);
		if (r == 0)
			return false;
		if (r > 0)
			ws->cut_len = 0;
	}
	if (len > 0) {
		if (!utf8_valid_but_tail(data, len, &good))
			return false;
		ws->cut_len = len - good;
		memcpy(ws->cut, data + good, ws->cut_len);
	}
	return !last || ws->cut_len == 0;
}

static void data_came(struct websocket *ws, const uint8_t *data, size_t len, bool last)
{
	if (ws->state != WEBSOCKET_OPEN)
		return;
	if (!ws->message_binary && !text_goes_on(ws, data, len, last)) {
		fail(ws, WEBSOCKET_NOT_UTF8, "a text message is not UTF-8");
		return;
	}
	ws->active_ms = ws->heard_ms;
	if (last)
		ws->in_message = false;
	ws->events.data(ws->user, ws->message_binary, data, len, last);
}

/* RFC 6455, 7.4: what a peer may say in a closing frame. */
static bool code_is_valid(unsigned code)
{
	return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
	       (code >= 3000 && code <= 4999);
}

static void close_came(struct websocket *ws)
{
	const uint8_t *payload = ws->control;
	size_t len = ws->control_len;
	unsigned code = len >= 2 ? (unsigned)payload[0] << 8 | payload[1] : 0;

	if (ws->state == WEBSOCKET_CLOSING) {
		ws->state = WEBSOCKET_CLOSED;
		return;
	}
	if (len == 1 || (len >= 2 && !code_is_valid(code))) {
		fail(ws, WEBSOCKET_PROTOCOL, "a closing frame without a code that may be sent");
		return;
	}
	if (len > 2 && !utf8_valid(payload + 2, len - 2)) {
		fail(ws, WEBSOCKET_NOT_UTF8, "the reason of a closing frame is not UTF-8");
		return;
	}
	ws->code = code ? code : 1005;
	ws->state = WEBSOCKET_CLOSED;
	close_frame_send(ws, code, "");
}

static void control_came(struct websocket *ws)
{
	if (ws->frame_opcode == WSLAY_CONNECTION_CLOSE)
		close_came(ws);
	else if (ws->frame_opcode == WSLAY_PING && ws->state == WEBSOCKET_OPEN)
		send_control(ws, WSLAY_PONG, ws->control, ws->control_len);
}

/* What is wrong with a frame that begins here, or NULL. */
static const char *frame_fault(const struct websocket *ws, const struct wslay_frame_iocb *frame)
{
	bool control = wslay_is_ctrl_frame(frame->opcode);

	if (!frame->mask)
		return "a frame is not masked";
	if (frame->rsv)
		return "a frame has reserved bits set";
	if (frame->opcode > WSLAY_PONG || (frame->opcode > WSLAY_BINARY_FRAME && !control))
		return "a frame has an opcode that is not known";
	if (control)
		return NULL;
	if (ws->in_message && frame->opcode != WSLAY_CONTINUATION_FRAME)
		return "a message begins before the last one has ended";
	if (!ws->in_message && frame->opcode == WSLAY_CONTINUATION_FRAME)
		return "a message goes on that has not begun";
	return NULL;
}

static void frame_begins(struct websocket *ws, const struct wslay_frame_iocb *frame)
{
	const char *fault = frame_fault(ws, frame);
	uint64_t before = ws->in_message ? ws->message_len : 0;

	if (fault) {
		fail(ws, WEBSOCKET_PROTOCOL, fault);
		return;
	}
	ws->in_frame = true;
	ws->frame_left = frame->payload_length;
	ws->frame_opcode = frame->opcode;
	ws->frame_fin = frame->fin;
	ws->control_len = 0;
	if (wslay_is_ctrl_frame(frame->opcode))
		return;
	if (frame->payload_length > ws->options.message_bytes - before) {
		fail(ws, WEBSOCKET_TOO_LARGE, "a message is larger than this server takes");
		return;
	}
	ws->message_len = before + frame->payload_length;
	if (ws->in_message)
		return;
	ws->in_message = true;
	ws->message_binary = frame->opcode == WSLAY_BINARY_FRAME;
	ws->cut_len = 0;
}

static void frame_goes_on(struct websocket *ws, const struct wslay_frame_iocb *frame)
{
	bool ends = frame->data_length == ws->frame_left;

	ws->frame_left -= frame->data_length;
	ws->in_frame = !ends;
	if (!wslay_is_ctrl_frame(ws->frame_opcode)) {
		data_came(ws, frame->data, frame->data_length, ends && ws->frame_fin);
		return;
	}
	/* Wslay lets no longer one pass. */
	memcpy(ws->control + ws->control_len, frame->data, frame->data_length);
	ws->control_len += frame->data_length;
	if (ends)
		control_came(ws);
}

static bool listens(const struct websocket *ws)
{
	return ws->state == WEBSOCKET_OPEN || ws->state == WEBSOCKET_CLOSING;
}

void websocket_receive(struct websocket *ws, const uint8_t *data, size_t len, uint64_t now_ms)
{
	ws->input = data;
	ws->input_len = len;
	ws->heard_ms = now_ms;
	ws->pinged = false;
	while (listens(ws)) {
		struct wslay_frame_iocb frame = { 0 };
		ssize_t n = wslay_frame_recv(ws->frames, &frame);

		if (n == WSLAY_ERR_WANT_READ)
			return;
		if (n < 0) {
			fail(ws, WEBSOCKET_PROTOCOL, "a frame's header is malformed");
			return;
		}
		if (!ws->in_frame)
			frame_begins(ws, &frame);
		if (listens(ws))
			frame_goes_on(ws, &frame);
	}
}

/* ---- life ---- */

int websocket_create(const struct websocket_options *options, const struct websocket_events *events,
		     void *user, uint64_t now_ms, struct websocket **ret, struct err *err)
{
	static const struct wslay_frame_callbacks callbacks = { .send_callback = on_send,
								.recv_callback = on_receive };
	AUTO_FREE struct websocket *ws = calloc(1, sizeof(*ws));

	if (!ws || wslay_frame_context_init(&ws->frames, &callbacks, ws) < 0)
		return err_set(err, -ENOMEM, "open a WebSocket");
	ws->options = *options;
	ws->events = *events;
	ws->user = user;
	ws->last = &ws->first;
	ws->heard_ms = ws->active_ms = now_ms;
	*ret = TAKE_PTR(ws);
	return 0;
}

void websocket_destroy(struct websocket *ws)
{
	if (!ws)
		return;
	queue_clear(ws);
	wslay_frame_context_free(ws->frames);
	free(ws);
}

enum websocket_state websocket_state(const struct websocket *ws)
{
	return ws->state;
}

unsigned websocket_close_code(const struct websocket *ws)
{
	return ws->code;
}

size_t websocket_queued(const struct websocket *ws)
{
	return ws->queued;
}

unsigned websocket_pending(const struct websocket *ws, struct iovec *ret, unsigned room)
{
	unsigned count = 0;

	for (struct chunk *c = ws->first; c && count < room; c = c->next) {
		if (c->len > c->written)
			ret[count++] = (struct iovec){ c->bytes + c->written, c->len - c->written };
	}
	return count;
}

void websocket_written(struct websocket *ws, size_t len, uint64_t now_ms)
{
	ws->heard_ms = now_ms;
	ws->queued -= len;
	while (ws->first) {
		struct chunk *chunk = ws->first;
		size_t left = chunk->len - chunk->written;

		if (len < left) {
			chunk->written += len;
			return;
		}
		len -= left;
		ws->first = chunk->next;
		free(chunk);
	}
	ws->last = &ws->first;
	ws->newest = NULL;
}

void websocket_set_busy(struct websocket *ws, bool busy, uint64_t now_ms)
{
	ws->busy = busy;
	ws->active_ms = now_ms;
}

void websocket_set_deaf(struct websocket *ws, bool deaf, uint64_t now_ms)
{
	ws->deaf = deaf;
	ws->heard_ms = now_ms;
}

void websocket_tick(struct websocket *ws, uint64_t now_ms)
{
	/* A peer that neither speaks nor takes what it is sent, while there is either to be expected. */
	uint64_t silent_ms = ws->deaf && ws->queued == 0 ? 0 : now_ms - ws->heard_ms;

	if (ws->state == WEBSOCKET_DEAD)
		return;
	if (silent_ms >= ws->options.timeout_ms) {
		die(ws);
	} else if (ws->state == WEBSOCKET_CLOSING && ws->queued == 0 &&
		   now_ms - ws->closing_ms >= WEBSOCKET_CLOSE_MS) {
		ws->state = WEBSOCKET_CLOSED;
	} else if (ws->state == WEBSOCKET_OPEN && !ws->busy &&
		   now_ms - ws->active_ms >= ws->options.idle_ms) {
		websocket_close(ws, WEBSOCKET_GOING_AWAY, "nothing was asked for too long", now_ms);
	} else if (ws->state == WEBSOCKET_OPEN && !ws->pinged && silent_ms >= ws->options.timeout_ms / 3) {
		ws->pinged = true;
		send_control(ws, WSLAY_PING, "", 0);
	}
}

int websocket_accept_key(const char *key, char ret[29])
{
	AUTO_FREE uint8_t *bytes = NULL;
	AUTO_FREE char *text = NULL;
	uint8_t digest[SHA1_DIGEST_LENGTH];
	SHA1_CTX context;
	size_t len;
	int r = base64_decode(key, strlen(key), &bytes, &len);

	if (r < 0)
		return r;
	if (len != KEY_BYTES)
		return -EINVAL;
	SHA1Init(&context);
	SHA1Update(&context, (const uint8_t *)key, strlen(key));
	SHA1Update(&context, (const uint8_t *)MAGIC, sizeof(MAGIC) - 1);
	SHA1Final(digest, &context);
	text = base64_encode(digest, sizeof(digest), &len);
	if (!text)
		return -ENOMEM;
	memcpy(ret, text, 29);
	return 0;
}
