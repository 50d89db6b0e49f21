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
};

struct http_route {
	const char *method; /* "GET", "POST", …; NULL: any */
	const char *path;   /* exact, or with a trailing slash-star for a prefix, as in "/v1/images/" followed
			       by a star */
	enum http_auth auth;
	/* The whole body is there. Runs on the loop's thread. */
	void (*handle)(struct http_request *request, void *user);
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
 * bound.
 */
[[nodiscard]] int http_server_listen(struct http_server *server, const char *address, struct err *err);
unsigned http_server_port(const struct http_server *server);

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

/* One part of a multipart/form-data body. Strings are valid during the call. */
typedef int (*http_part_fn)(void *user, const char *name, const char *file_name, const char *content_type,
			    const uint8_t *data, size_t len, struct err *err);

/* Walks the parts of a multipart/form-data body in memory; -EINVAL with a refusal when it is malformed. */
[[nodiscard]] int http_request_multipart(const struct http_request *request, http_part_fn part, void *user,
					 struct err *err);

/* Keeps the request beyond the handler's return. `vanished` may be NULL. */
void http_request_keep(struct http_request *request,
		       void (*vanished)(struct http_request *request, void *user), void *user);

/* Adds a header to the answer to come; copied. */
void http_respond_header(struct http_request *request, const char *name, const char *value);

/* Answers. json: reference stolen, NULL becomes a 500. bytes: copied. */
void http_respond_json(struct http_request *request, unsigned status, json_t *json);
void http_respond_bytes(struct http_request *request, unsigned status, const char *content_type,
			const void *data, size_t len);
/* The error document of API.md, with the status of err->kind; `retry_after_s` > 0 adds Retry-After. */
void http_respond_error(struct http_request *request, const struct err *err, unsigned retry_after_s);

#endif
