/*
 * What the tests of the HTTP server share: the server and its clients in one process and one loop. A test says raw
 * bytes and pumps the loop until the bytes that it expects are there, or fails after PATIENCE_MS. cmocka's set-up
 * starts a server with two tokens; its tear-down asserts that the loop closes with no handle left.
 */
#ifndef KILN_TESTS_HTTP_FIXTURE_H
#define KILN_TESTS_HTTP_FIXTURE_H

#include "base/buf.h"
#include "http/server.h"
#include "http/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <uv.h>

#include <cmocka.h>

#define BODY_BYTES                                                                                           \
	200000 /* the server's limit; it also has 6 connections, 400 ms idle and 300 ms for a head */
#define PATIENCE_MS 5000
#define HOST	    "Host: t\r\n"
#define HELLO	    "GET /hello HTTP/1.1\r\n" HOST "\r\n" /* a whole request; also what one tries to smuggle in */

struct world {
	uv_loop_t loop;
	struct http_server *server;
	struct http_request *kept;  /* of POST /kept, until it is answered or its client has gone */
	struct http_stream *stream; /* of GET /stream, likewise */
	int drained;		    /* times that it was */
	int handled;		    /* requests that reached a handler that counts */
	int vanished;
	char parts[512]; /* as http_fixture_note_part() saw them */
};

struct client {
	struct world *world;
	int fd;
	struct buf in; /* all that came, NUL-terminated */
	bool eof;
};

int http_fixture_setup(void **state);
int http_fixture_teardown(void **state);

/* Writes "[name|file name|type|data]" behind the world's parts. */
int http_fixture_note_part(void *user, const char *name, const char *file_name, const char *content_type,
			   const uint8_t *data, size_t len, struct err *err);

/* What GET /stream answers with. */
struct http_stream_options http_fixture_stream_options(struct world *w);

/* Without a set-up: a world of one's own, with these tokens or none. */
void world_start(struct world *w, const struct http_token *with_tokens, size_t tokens_count);
void world_stop(struct world *w);

/* One turn of the loop that lasts 2 ms at most; as many as fit into `ms`. */
void world_pump(struct world *w);
void world_pump_for(struct world *w, unsigned ms);

/* Says `text` on a new connection; one answer with `status` and `code` must come, and then the end. */
void world_refuses(struct world *w, const char *text, const char *status, const char *code);

struct client client_open(struct world *w);
void client_close(struct client *c);
/* Reads what is there now. */
void client_take(struct client *c);
/* Pumps until the server has taken all of it, or has closed. */
void client_say(struct client *c, const char *text);
void client_say_bytes(struct client *c, const void *bytes, size_t len);
/* How often `text` is in what came. */
unsigned client_count(const struct client *c, const char *text);
/* Pumps until `text` has come so often; fails when it did not, or more often. */
void client_expect_times(struct client *c, const char *text, unsigned times);
void client_expect(struct client *c, const char *text);
/* Pumps until the server closes. */
void client_expect_end(struct client *c);

#endif
