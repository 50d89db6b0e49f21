/*
 * What the tests of the API share: loop, fake engine, one language ("fake": prints its main.fk), a server on a
 * free port of loopback, one run at a time and two waiting; and clients on the same loop. Tear-down asserts
 * that nothing is left.
 */
#ifndef KILN_TESTS_API_FIXTURE_H
#define KILN_TESTS_API_FIXTURE_H

#include "api/api.h"
#include "engine/fake/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <uv.h>

#include <cmocka.h>

struct answer {
	unsigned status;
	char *text;   /* head and body */
	json_t *json; /* the body, or NULL when it is none */
};

struct client;

struct fixture {
	uv_loop_t loop;
	struct engine *engine;
	struct language_registry *languages;
	struct config config;
	struct api *api;
	struct http_server *server;
	struct client *clients;
	struct session_store *store; /* of a fixture with sessions */
	char *store_dir;
	const char *token; /* sent with requests: "token-of-a" (at first), "token-of-b", or NULL */
};

int api_fixture_setup(void **state);
/* The same with sessions: two for each tenant, a store in a folder of its own, three runs at a time. */
int api_fixture_setup_sessions(void **state);
int api_fixture_teardown(void **state);

/* As if the front ended, in good order or not, and another one began: the engine stays. */
void api_fixture_restart(struct fixture *f, bool in_good_order);
/* As if the engine had died, and a new front and a new engine began. */
void api_fixture_lose(struct fixture *f);

/* Sends a request; its answer comes with api_fixture_wait(). `type` NULL: no Content-Type. */
struct client *api_fixture_send(struct fixture *f, const char *method, const char *path, const char *type,
				const void *body, size_t len);
struct answer *api_fixture_wait(struct fixture *f, struct client *client);
void api_fixture_hang_up(struct fixture *f, struct client *client);

/* Both at once. Answers are valid until the tear-down. */
struct answer *api_fixture_get(struct fixture *f, const char *path);
struct answer *api_fixture_post(struct fixture *f, const char *path, const char *type, const char *body);
/* `body` NULL: none; otherwise JSON. */
struct answer *api_fixture_call(struct fixture *f, const char *method, const char *path, const char *body);
struct answer *api_fixture_post_bytes(struct fixture *f, const char *path, const char *type, const void *body,
				      size_t len);

/* Turns the loop until this many runs are under way. */
void api_fixture_until_open(struct fixture *f, size_t runs);

#endif
