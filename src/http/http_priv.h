/*
 * What the files of http/ share. Ownership: a server owns its listeners, connections and lingering sockets; a
 * connection owns at most one request, that of the bytes it is working on. MHD tells when a connection starts
 * and ends (http_connection_notify) and when a request is over (http_request_completed): the only places that
 * free them.
 */
#ifndef KILN_HTTP_PRIV_H
#define KILN_HTTP_PRIV_H

#include "http/server.h"
#include "http/target.h"
#include "http/tcp_counters.h"

#include <microhttpd.h>
#include <sys/socket.h>

/* MHD's pool of one connection. Head limits are well below it, so that it is us who refuse (as JSON) and not
 * MHD. */
#define HTTP_POOL_BYTES	 ((size_t)128 << 10)
#define HTTP_TARGET_MAX	 ((size_t)16 << 10)
#define HTTP_HEAD_MAX	 ((size_t)32 << 10)
#define HTTP_HEADERS_MAX 100
/* Largest body that is swallowed behind a 401, 404 or 405 to keep the connection usable. */
#define HTTP_SWALLOW_BYTES ((uint64_t)64 << 10)
/* All bodies in flight together may hold this many times `body_bytes`. */
#define HTTP_BODIES_FACTOR	8
#define HTTP_ANSWER_HEADERS_MAX 16
#define HTTP_LINGERS_MAX	256
/* An idle connection younger than this may have a request on its way when the server quiesces. */
#define HTTP_QUIESCE_GRACE_MS 100

enum http_phase {
	HTTP_PHASE_HEAD,     /* between requests, or reading a request line and headers */
	HTTP_PHASE_BODY,     /* headers accepted, body coming */
	HTTP_PHASE_HANDLER,  /* complete; the handler has it, time is the handler's business */
	HTTP_PHASE_ANSWER,   /* answer queued, the socket is taking it */
	HTTP_PHASE_STREAM,   /* the same of one that is still being made (stream.c) */
	HTTP_PHASE_UPGRADED, /* a WebSocket, see upgrade.c */
};

struct http_connection {
	struct http_server *server;
	struct http_connection *prev, *next;
	struct MHD_Connection *mhd;
	int fd;		    /* MHD's, not ours to close */
	const char *prefix; /* of its listener, or NULL */
	struct http_request *request;
	struct http_websocket *websocket; /* from the request that asks for it to its end; or NULL */

	enum http_phase phase;
	uint64_t since_ms;	 /* when the phase began */
	uint64_t first_byte_ms;	 /* HEAD: first byte of this request was seen by then; 0: none yet */
	uint64_t progress_ms;	 /* BODY, ANSWER, STREAM: the last time a byte moved */
	uint64_t progress;	 /* …and the counter then */
	struct http_counters at; /* counters when the phase HEAD began */

	unsigned farewell;	 /* status of the answer that we write ourselves when MHD closes; 0: none */
	bool linger;		 /* an answer went out before all of the request was read */
	bool hung_up;		 /* we asked for the end of this connection */
	uint64_t probe_every_ms; /* the peer sent FIN and is asked whether it still listens, see watch.c; 0:
				    no FIN */
	uint64_t probe_next_ms;
	bool watch_live;
	uv_poll_t watch;
};

struct http_field {
	char *name;
	char *value;
};

/* A refusal found in the head: answered instead of calling a handler. */
struct http_refusal {
	unsigned status; /* 0: none */
	const char *code;
	const char *message;
	bool at_once; /* nothing more of this connection may be read as HTTP */
};

struct http_request {
	struct http_connection *connection;
	struct http_target target;
	char *raw_target; /* until it is parsed */
	const char *method;
	bool http11;
	bool target_too_long;
	const struct http_route *route;
	const struct http_token *token;
	struct http_refusal refusal;
	char *allow; /* of a 405 */

	struct buf body;
	uint64_t body_counted; /* bytes of it in the server's total */
	uint64_t body_seen;
	uint64_t arrived_us;

	bool shared;	/* with a page of another site, which is allowed (origin.c) */
	bool preflight; /* such a page's browser asks whether it may */
	bool head_done;
	bool dispatched;
	bool kept;
	bool suspended;
	bool gone;
	void (*vanished)(struct http_request *request, void *user);
	void *vanished_user;

	struct http_field fields[HTTP_ANSWER_HEADERS_MAX];
	size_t fields_count;
	struct MHD_Response *response; /* ready and not yet queued */
	struct http_stream *stream;    /* that makes its body; NULL: it has one */
	unsigned status;
	bool failed; /* no memory for an answer: a farewell instead */
};

struct http_listener {
	struct http_listener *next;
	struct http_server *server;
	int fd;
	const char *prefix; /* or NULL */
	struct sockaddr_storage address;
	uv_poll_t poll;
};

/* An accepted socket whose first byte is awaited; no request yet, and nothing of MHD's. */
struct http_greeting {
	struct http_server *server;
	struct http_greeting *prev, *next;
	int fd;
	uint64_t since_ms;
	struct sockaddr_storage peer;
	socklen_t peer_len;
	uv_poll_t poll;
};

struct http_linger {
	struct http_server *server;
	struct http_linger *prev, *next;
	int fd;
	uint64_t until_ms;
	uint64_t quiet_since_ms;
	uv_poll_t poll;
};

struct http_server {
	uv_loop_t *loop;
	struct http_options options;
	char body_too_large[96]; /* what is said of a body over its bound, which it names */
	struct MHD_Daemon *daemon;
	uv_poll_t mhd_poll;
	uv_timer_t pump;  /* MHD has more to do at once */
	uv_timer_t sweep; /* deadlines; runs while there is a connection */
	unsigned handles; /* of these three, open */
	bool sweeping;
	bool in_mhd;
	bool wanted;	    /* a connection was resumed: MHD must run */
	uint64_t callbacks; /* calls of MHD so far: that something moves */
	bool quiescing;
	bool stopping;
	unsigned port;
	int reserve_fd;		  /* given up to accept and refuse when descriptors run out */
	uint64_t accept_again_ms; /* listeners are paused until then; 0: they are not */

	struct http_listener *listeners;
	struct http_greeting *greetings;
	struct http_connection *connections;
	struct http_linger *lingers;
	uint64_t handed_over_ms; /* when the connection that MHD is being given was accepted */
	unsigned lingers_count;
	unsigned requests_open;
	struct http_stats stats;
};

uint64_t http_now_ms(const struct http_server *server);

/* server.c */
void http_server_run(struct http_server *server);
/* A run soon, from wherever this is called. */
void http_server_wake(struct http_server *server);
void http_server_sweep_start(struct http_server *server);

/* listen.c */
/* What stands before the paths of a connection that was accepted, or NULL: nothing. */
const char *http_listener_prefix(const struct http_server *server, int fd);
void http_listeners_pause(struct http_server *server, unsigned ms);
void http_listeners_resume(struct http_server *server);
void http_listeners_accept(struct http_server *server);
void http_listeners_close(struct http_server *server);

/* connection.c */
void http_connection_notify(void *cls, struct MHD_Connection *mhd, void **context,
			    enum MHD_ConnectionNotificationCode code);
void http_connection_phase(struct http_connection *c, enum http_phase phase);
/* Makes MHD close it soon: by an EOF while it reads, by an error while it writes. `farewell` as in the
 * struct. */
void http_connection_hang_up(struct http_connection *c, unsigned farewell);
void http_connections_check(struct http_server *server, uint64_t now_ms);

/* greet.c: takes `fd`. */
void http_greeting_start(struct http_server *server, int fd, const struct sockaddr *peer, socklen_t peer_len);
void http_greetings_check(struct http_server *server, uint64_t now_ms);
void http_greetings_close(struct http_server *server);

/* watch.c: has the client of a suspended request gone? */
void http_watch_start(struct http_connection *c);
void http_watch_stop(struct http_connection *c);
void http_watch_check(struct http_connection *c, uint64_t now_ms);
/* The request's owner is told to forget it; its connection is dropped. */
void http_request_abandon(struct http_request *request);

/* linger.c */
void http_farewell_send(const struct http_server *server, int fd, unsigned status);
/* Takes `fd`: tells the peer that nothing more comes, reads what it still sends for a while, closes. */
void http_linger_start(struct http_server *server, int fd);
void http_lingers_check(struct http_server *server, uint64_t now_ms);
void http_lingers_close(struct http_server *server);

/* upgrade.c */
void http_websocket_check(struct http_websocket *socket, uint64_t now_ms);
/* Ends it at once, with what can be said of it. */
void http_websocket_end(struct http_websocket *socket);
bool http_websocket_is_unsent(const struct http_websocket *socket);
/* The token among the subprotocols of `header` (may be NULL) as "Bearer …" (free()); NULL: none, or no memory. */
char *http_websocket_bearer(const char *header);

/* head.c: fills request->refusal, route and token from the headers. */
void http_head_check(struct http_request *request, const char *method, const char *version);

/* route.c */
const struct http_route *http_route_find(const struct http_options *options, const char *method,
					 const char *path, char **ret_allow, bool *ret_known);
bool http_bearer_check(const struct http_options *options, const char *header, const struct http_token **ret);

/* request.c: MHD's callbacks, with the parameters that it gives them. */
void *http_request_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result http_request_access(void *cls, struct MHD_Connection *mhd, const char *url,
				    const char *method, const char *version, const char *data, size_t *len,
				    void **context);
void http_request_completed(void *cls, struct MHD_Connection *mhd, void **context,
			    enum MHD_RequestTerminationCode why);

/* origin.c: whose page sends a request. */
enum http_origin {
	HTTP_ORIGIN_NONE, /* no page does */
	HTTP_ORIGIN_OWN,
	HTTP_ORIGIN_ALLOWED,
	HTTP_ORIGIN_FOREIGN,
};
enum http_origin http_origin_find(const struct http_request *request, char *const *allowed);
/* Refuses what pages of other sites may not do; may take back a refusal, of their browser's question. */
void http_origin_check(struct http_request *request);
/* What lets such a page see the answer; false: no memory. */
bool http_origin_add_headers(const struct http_request *request, struct MHD_Response *response);
void http_respond_preflight(struct http_request *request);

/* respond.c */
void http_respond_refusal(struct http_request *request, const struct http_refusal *refusal);
/* Takes `response`; NULL is an answer that failed. False when it did. */
bool http_respond_prepared(struct http_request *request, unsigned status, const char *content_type,
			   struct MHD_Response *response);

/* stream.c */
/* The owner is told that the client has gone; its connection is dropped. */
void http_stream_abandon(struct http_stream *stream);
void http_stream_free(struct http_request *request);
/* The watch saw a FIN (`half`) or an error while the stream was suspended. */
void http_stream_disconnected(struct http_connection *c, bool half);
void http_stream_check(struct http_connection *c, uint64_t now_ms);

#endif
