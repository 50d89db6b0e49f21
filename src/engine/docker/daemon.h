/*
 * Calls of the daemon's HTTP API, on a libuv loop. libcurl has the protocol and TLS; answers are a stranger's:
 * bounded in size and time.
 */
#ifndef KILN_ENGINE_DOCKER_DAEMON_H
#define KILN_ENGINE_DOCKER_DAEMON_H

#include "base/buf.h"
#include "base/err.h"
#include "engine/docker/docker.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#define DAEMON_TEXT_MAX 200

struct daemon_call;

/* Whatever is added to the daemon's multi handle has this as CURLOPT_PRIVATE: it is told when it has finished. */
struct daemon_transfer {
	void (*finished)(struct daemon_transfer *transfer, CURLcode code);
};

struct daemon {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer;
	unsigned handles;	  /* libuv handles not closed yet */
	char *socket_path;	  /* of "unix://", else NULL */
	char *base;		  /* "http://docker", "https://name:2376" */
	char version[16];	  /* "/v1.41", or "" before it is agreed on */
	struct buf ca, cert, key; /* PEM; empty: none */
	struct daemon_call *calls;
	uint64_t alive_ms; /* when anything last came from it, by the loop's clock */
};

/*
 * The address and the files of TLS alone, for daemon_handle(). 0 or a negative errno, and to be finished in any case:
 * the address is none, or a file cannot be read.
 */
[[nodiscard]] int daemon_address(struct daemon *daemon, const struct docker_options *options,
				 struct err *err);
void daemon_address_finish(struct daemon *daemon);

/* 0 or a negative errno: the address is none, or a file of TLS cannot be read. Connects to nothing. */
[[nodiscard]] int daemon_open(struct daemon *daemon, uv_loop_t *loop, const struct docker_options *options,
			      struct err *err);

/* Gives up every call without calling back; handles close on the loop. */
void daemon_close(struct daemon *daemon);

struct daemon_answer {
	int error;	    /* negative errno when there was no answer, or none that could be taken; else 0 */
	long status;	    /* of HTTP */
	const json_t *json; /* the body where it is JSON, else NULL; lasts for the call, as the body does */
	const uint8_t *body;
	size_t body_len;
	const char *api_version;    /* of the header, or "" */
	bool podman;		    /* by a header that it alone sends */
	char text[DAEMON_TEXT_MAX]; /* when it failed: why, in the daemon's own words if it had any */
};

/* True when the daemon did it: 2xx, or 304 (it was so already). */
bool daemon_succeeded(const struct daemon_answer *answer);

typedef void (*daemon_fn)(void *user, const struct daemon_answer *answer);

struct daemon_request {
	const char *method;
	const char *path;	  /* behind the version, with its query */
	const char *content_type; /* of the body; NULL: JSON */
	const void *body;	  /* copied; NULL: none */
	size_t body_len;
	unsigned timeout_ms;
	size_t answer_max; /* bytes; a longer one is no answer */
	bool unversioned;
};

/* Calls back once, never from inside. NULL with *err filled: it could not even be begun. */
struct daemon_call *daemon_call(struct daemon *daemon, const struct daemon_request *request, daemon_fn done,
				void *user, struct err *err);

/* It will not be called back; the daemon may do what was asked all the same. NULL is fine. */
void daemon_call_forget(struct daemon_call *call);

/* A new handle for this daemon's address and TLS, with nothing else set; NULL: no memory. For attach.c. */
CURL *daemon_handle(const struct daemon *daemon);

/* A text of somebody else's as one line of plain characters; others become '?'. Cut to fit. */
void daemon_words(char *to, size_t size, const char *from);

#endif
