/*
 * One end of a WebSocket (RFC 6455), the server's, without the socket: bytes in, messages out; messages in, bytes out.
 * Pure: the caller says what time it is. Frames are wslay's; what makes messages of them, refuses what does not fit
 * and says why in the closing frame is here.
 *
 * Messages are handed out in the pieces in which they come, so that nothing is held for them. What is sent is held
 * until the caller could write it: websocket_queued() is for him to look at, who must stop what makes it.
 */
#ifndef KILN_HTTP_WEBSOCKET_H
#define KILN_HTTP_WEBSOCKET_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Codes of closing frames (RFC 6455, 7.4.1). */
enum websocket_code {
	WEBSOCKET_NORMAL = 1000,
	WEBSOCKET_GOING_AWAY = 1001, /* the server ends, or nothing was heard for too long */
	WEBSOCKET_PROTOCOL = 1002,   /* frames that RFC 6455 does not allow */
	WEBSOCKET_NOT_UTF8 = 1007,   /* text that is none */
	WEBSOCKET_POLICY = 1008,     /* a message that the application does not allow */
	WEBSOCKET_TOO_LARGE = 1009,  /* a message larger than message_bytes */
	WEBSOCKET_INTERNAL = 1011,   /* out of memory */
	WEBSOCKET_TRY_AGAIN = 1013,  /* the server has too much to do */
};

#define WEBSOCKET_REASON_MAX 123  /* bytes, of a control frame's 125 */
#define WEBSOCKET_CLOSE_MS   2000 /* the peer gets this long to answer a closing frame */

enum websocket_state {
	WEBSOCKET_OPEN,
	WEBSOCKET_CLOSING, /* our closing frame is queued or gone, the peer's awaited; what else comes is ignored */
	WEBSOCKET_CLOSED, /* nothing is awaited: the connection may end when what is queued has been written */
	WEBSOCKET_DEAD,	  /* nor is there a peer to write it to */
};

struct websocket_options {
	uint64_t message_bytes; /* largest message */
	unsigned idle_ms;	/* without a message, while websocket_set_busy() is off: closed */
	unsigned
		timeout_ms; /* without a byte from the peer or taken by it: dead; a third of it: it is asked (ping) */
};

struct websocket_events {
	/*
	 * The next piece of a message; `last` ends it, perhaps with no byte. May send and close; may not destroy.
	 */
	void (*data)(void *user, bool binary, const uint8_t *data, size_t len, bool last);
};

struct websocket;

[[nodiscard]] int websocket_create(const struct websocket_options *options,
				   const struct websocket_events *events, void *user, uint64_t now_ms,
				   struct websocket **ret, struct err *err);
void websocket_destroy(struct websocket *ws); /* NULL is fine */

/* All that came from the peer. A fault of the peer's closes it. */
void websocket_receive(struct websocket *ws, const uint8_t *data, size_t len, uint64_t now_ms);

/*
 * Queues a message: `head` and `data`, one behind the other, either of which may be empty. When it is not open any more
 * the message is dropped; without memory for it the connection is dead.
 */
struct websocket_message {
	bool binary;
	const void *head, *data;
	size_t head_len, data_len;
};
void websocket_send(struct websocket *ws, const struct websocket_message *message);

/* Closes it, if it is open; the reason is cut to WEBSOCKET_REASON_MAX bytes of UTF-8. */
void websocket_close(struct websocket *ws, enum websocket_code code, const char *reason, uint64_t now_ms);

/* The peer closed without saying so, or the socket failed. */
void websocket_lost(struct websocket *ws);

enum websocket_state websocket_state(const struct websocket *ws);

/* The code of the frame that closed it, ours or else the peer's; 0 before that, 1005 for a frame without one. */
unsigned websocket_close_code(const struct websocket *ws);

/* Bytes queued and not yet written. */
size_t websocket_queued(const struct websocket *ws);

/* The first of them, in at most `room` pieces; how many. Valid until something is sent, written or destroyed. */
unsigned websocket_pending(const struct websocket *ws, struct iovec *ret, unsigned room);
void websocket_written(struct websocket *ws, size_t len, uint64_t now_ms);

/* While busy it is not idle. */
void websocket_set_busy(struct websocket *ws, bool busy, uint64_t now_ms);

/* The caller does not read from the peer for now: silence says nothing about it. */
void websocket_set_deaf(struct websocket *ws, bool deaf, uint64_t now_ms);

/* To be called now and then: pings, the ends of waiting. */
void websocket_tick(struct websocket *ws, uint64_t now_ms);

/*
 * The value of Sec-WebSocket-Accept for a key (RFC 6455, 4.2.2), into 29 bytes. -EINVAL: the key is not 16 bytes in
 * base64.
 */
[[nodiscard]] int websocket_accept_key(const char *key, char ret[29]);

#endif
