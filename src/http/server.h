/*
 * The HTTP server: libmicrohttpd on the libuv loop, made strict. It knows connections, bodies, bearer tokens,
 * error shapes and metrics; what a route means is a handler's business (api/).
 *
 * A request is owned by the server and valid until http_respond() for it returns or its `vanished` was
 * called. A handler may answer at once or keep the request and answer later from the loop's thread; meanwhile
 * the connection is suspended and watched: when the client goes away, `vanished` is called once and the
 * handler must forget the request (it may not answer it any more).
 */
#ifndef KILN_HTTP_SERVER_H
#define KILN_HTTP_SERVER_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct http_server;
struct http_request;

enum http_auth {
	HTTP_AUTH_NONE,	  /* open to anybody: /alive, /ready */
	HTTP_AUTH_BEARER, /* a token when the configuration has tokens */
	/* Likewise; a browser, which cannot set headers, may give it as a subprotocol: "kiln.bearer." and the token, or
	 * "kiln.bearer64." and the token in base64url without padding. */
	HTTP_AUTH_WEBSOCKET,
};

struct http_route {
	const char *method; /* "GET", "POST", …; NULL: any */
	const char *path;   /* exact, or with a trailing slash-star for a prefix, as in "/v1/images/" followed
			       by a star */
	enum http_auth auth;
	/* The whole body is there. Runs on the loop's thread. */
	void (*handle)(struct http_request *request, void *user);
	bool cors; /* pages of the allowed origins may use it; not for prefixes */
};

struct http_token {
	const char *name;
	const char *token;
};

struct http_options {
	const struct http_route *routes;
	size_t routes_count;
	void *user;			 /* handed to the handlers */
	const struct http_token *tokens; /* none: no authentication */
	size_t tokens_count;
	char *const *
		origins; /* of other sites' pages, beside which only the server's own may do more than read; "*":
				 all; or NULL */
	uint64_t body_bytes;
	unsigned connections;
	unsigned idle_ms;
	unsigned header_ms;
};

/* Binds nothing yet. Strings and arrays in `options` must outlive the server. */
[[nodiscard]] int http_server_create(uv_loop_t *loop, const struct http_options *options,
				     struct http_server **ret, struct err *err);

/*
 * Listens on "host:port" (numeric IPv4, [IPv6], or "localhost"). -EADDRINUSE and the like with a sentence. To
 * be called before privileges are dropped. Port 0 takes a free one; http_server_port() tells the last one
 * bound. Before the path of whatever is asked there stands `prefix` ("/dialects/cyber-dojo"), which may be NULL
 * and must outlive the server.
 */
[[nodiscard]] int http_server_listen(struct http_server *server, const char *address, const char *prefix,
				     struct err *err);
unsigned http_server_port(const struct http_server *server);

/* Whether it can be listened on as far as its form goes: "host:port", "[IPv6]:port". */
[[nodiscard]] int http_address_check(const char *address, struct err *err);

/* True when the address part is loopback. */
bool http_address_is_loopback(const char *address);

/* Stops accepting; open requests go on and are answered. */
void http_server_quiesce(struct http_server *server);

/* Requests accepted and not answered yet. */
unsigned http_server_open_requests(const struct http_server *server);

/* What happened since the start, and what is so now. */
struct http_stats {
	uint64_t answers[6]; /* by the status's first digit; [0] is unused */
	uint64_t timeouts;   /* connections closed for being too slow */
	uint64_t connections_accepted;
	uint64_t connections_refused; /* over the cap or out of descriptors */
	unsigned connections_open;
	uint64_t body_bytes; /* memory that request bodies hold now */
	uint64_t websockets_accepted;
	unsigned websockets_open;
	uint64_t websocket_queued_bytes; /* what their clients have not taken yet */
};

void http_server_stats(const struct http_server *server, struct http_stats *ret);

/*
 * Closes everything at once; requests that handlers kept vanish. NULL is fine. Not from inside a handler or
 * `vanished`. The memory goes when the loop has run its closing callbacks: run it once more before
 * uv_loop_close().
 */
void http_server_destroy(struct http_server *server);

const char *http_request_method(const struct http_request *request);
const char *http_request_path(const struct http_request *request);
const char *http_request_header(const struct http_request *request, const char *name); /* or NULL */
const char *http_request_query(const struct http_request *request, const char *name);  /* decoded, or NULL */
const char *http_request_tenant(const struct http_request *request); /* token's name, "" without */
const uint8_t *http_request_body(const struct http_request *request, size_t *ret_len); /* NUL behind it */
uint64_t http_request_arrived_us(const struct http_request *request); /* monotonic, headers read */
/* The client's address without its port; "" when it is not known. `ret` has room for INET6_ADDRSTRLEN bytes. */
void http_request_peer(const struct http_request *request, char *ret);

/* One part of a multipart/form-data body. Strings are valid during the call. */
typedef int (*http_part_fn)(void *user, const char *name, const char *file_name, const char *content_type,
			    const uint8_t *data, size_t len, struct err *err);

/* Walks the parts of a multipart/form-data body in memory; -EINVAL with a refusal when it is malformed. */
[[nodiscard]] int http_request_multipart(const struct http_request *request, http_part_fn part, void *user,
					 struct err *err);

/* Keeps the request beyond the handler's return. `vanished` may be NULL. */
void http_request_keep(struct http_request *request,
		       void (*vanished)(struct http_request *request, void *user), void *user);

/*
 * Memory that a handler holds for what a client is sending it, counted with the bodies of all requests: false, and
 * nothing counted, when that were too much. To be given back.
 */
[[nodiscard]] bool http_server_memory_take(struct http_server *server, size_t bytes);
void http_server_memory_give(struct http_server *server, size_t bytes);

/* ---- WebSocket ---- */

/* While more than this is queued for a client, nothing is read from it; its owner is to stop what makes it. */
#define HTTP_WEBSOCKET_QUEUE_BYTES ((size_t)256 * 1024)

struct http_websocket;

struct http_websocket_options {
	const char *protocol; /* the subprotocol that is spoken; a client may name it */
	char *const *origins; /* those of pages that may connect beside the server's own, "*": all; or NULL */
	uint64_t message_bytes;
	unsigned idle_ms, timeout_ms; /* as in http/websocket.h */
};

struct http_websocket_events {
	/* The next piece of a message; `last` ends it, perhaps with no byte. */
	void (*data)(void *user, bool binary, const uint8_t *data, size_t len, bool last);
	/* After more than HTTP_WEBSOCKET_QUEUE_BYTES were queued: half of that is free again. */
	void (*room)(void *user);
	/* Twice a second or so. */
	void (*tick)(void *user);
	/* The end, exactly once unless accepting failed: the WebSocket must be forgotten. */
	void (*ended)(void *user);
};

/*
 * Makes a WebSocket of a GET request's connection. False: it was answered with a refusal. True: *ret is valid until
 * `ended`; its events never come from inside the functions below.
 */
bool http_websocket_accept(struct http_request *request, const struct http_websocket_options *options,
			   const struct http_websocket_events *events, void *user,
			   struct http_websocket **ret);

/* Queues one message of two parts, either of which may be empty; copied. After a close it is dropped. */
void http_websocket_send(struct http_websocket *socket, bool binary, const void *head, size_t head_len,
			 const void *data, size_t len);
size_t http_websocket_queued(const struct http_websocket *socket);

/* While held, no more is read from the client than what has been. */
void http_websocket_hold(struct http_websocket *socket, bool hold);

/* While busy it is not idle. */
void http_websocket_set_busy(struct http_websocket *socket, bool busy);

/* Queues a closing frame (http/websocket.h: enum websocket_code); no more data comes, `ended` later. */
void http_websocket_close(struct http_websocket *socket, unsigned code, const char *reason);

/* Adds a header to the answer to come; copied. */
void http_respond_header(struct http_request *request, const char *name, const char *value);

/* Answers. json: reference stolen, NULL becomes a 500. bytes: copied. */
void http_respond_json(struct http_request *request, unsigned status, json_t *json);
void http_respond_bytes(struct http_request *request, unsigned status, const char *content_type,
			const void *data, size_t len);
/* The error document of API.md, with the status of err->kind; `retry_after_s` > 0 adds Retry-After. */
void http_respond_error(struct http_request *request, const struct err *err, unsigned retry_after_s);
/* That document alone; NULL: out of memory. */
json_t *http_error_json(const struct err *err);

#endif
