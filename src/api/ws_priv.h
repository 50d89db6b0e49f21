/*
 * GET /v1/ws, in three parts: ws.c (connections, and who may have how many), ws_input.c (what a client sends),
 * ws_run.c (a run from its start to its result). Ownership: the api its sockets and clients, a socket its runs.
 */
#ifndef KILN_API_WS_PRIV_H
#define KILN_API_WS_PRIV_H

#include "api/api_priv.h"
#include "run/message.h"

/* Of a binary message: the run's number, big-endian, and the channel. */
#define WS_HEAD_BYTES 5

/* Bytes of stdin that are held for one program before nothing more is read from its client. */
#define WS_STDIN_HELD ((size_t)256 * 1024)

/* Numbers of runs that are over, for which a client may still have sent something. */
#define WS_ENDED_KEPT 1024

enum ws_channel {
	WS_ARCHIVE = 0, /* from the client */
	WS_STDIN = 1,
	WS_STDOUT = 1, /* from the server */
	WS_STDERR = 2,
};

enum ws_run_state {
	WS_RUN_ARCHIVE, /* its archive is awaited */
	WS_RUN_WAITING, /* in the queue */
	WS_RUN_RUNNING,
};

struct ws_run {
	struct ws_run *prev, *next;
	struct ws *ws;
	uint32_t number;
	enum ws_run_state state;
	struct run_request request; /* until there is a plan */
	struct buf archive;
	struct queue_entry *entry; /* NULL when it has no place in the queue any more */
	struct run_plan *plan;	   /* until it starts */
	struct run *run;	   /* from then on */
	bool takes_stdin, has_tty, stdin_ended, stdin_eof_told;
	struct buf held;     /* stdin that the program does not take yet */
	size_t stdin_credit; /* bytes that it takes */
	unsigned position;   /* in the queue, as the client knows it */
	uint64_t entered_us;
	char language[64]; /* or the image */
};

/* Whose quotas are used: a token, or where there are none an address. Gone with its last socket. */
struct ws_client {
	struct ws_client *next;
	unsigned sockets, runs;
	char name[80];
};

struct ws {
	struct ws *prev, *next;
	struct api *api;
	struct http_websocket *socket;
	struct ws_client *client;
	char tenant[64];
	struct ws_run *runs;
	unsigned runs_count;
	uint32_t ended[WS_ENDED_KEPT]; /* a ring */
	unsigned ended_count;
	bool full; /* its client does not take what it is sent: no run may print */
	/* What is coming in. */
	struct buf text;
	uint8_t head[WS_HEAD_BYTES];
	size_t head_len;
	struct ws_run *target; /* whom the binary message is for; NULL: a run that is over */
	enum ws_channel channel;
	size_t memory; /* bytes of texts and archives, counted in the server's memory */
};

/* ws.c */
struct ws_run *ws_run_find(const struct ws *ws, uint32_t number);
bool ws_run_was(const struct ws *ws, uint32_t number);
void ws_send_json(struct ws *ws, json_t *json); /* takes the reference; NULL: out of memory */
/* The client broke the protocol: the connection ends, and all its runs. */
void ws_break(struct ws *ws, unsigned code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Adds to a text or archive; false: it was too much, and the connection ends. */
bool ws_gather(struct ws *ws, struct buf *to, const uint8_t *data, size_t len);
void ws_gathered_free(struct ws *ws, struct buf *from);
/* Something was sent that the client may not take: then its runs are held. */
void ws_sent(struct ws *ws);
/* Reads on, or not, as the runs' stdin demands. */
void ws_update(struct ws *ws);

/* ws_input.c */
void ws_data(void *user, bool binary, const uint8_t *data, size_t len, bool last);

/* ws_run.c */
void ws_run_start(struct ws *ws, struct run_message *message); /* takes over its request */
/* What was asked for is refused before there is a run of this number. */
void ws_refuse(struct ws *ws, uint32_t number, const struct err *err);
void ws_run_archive_came(struct ws_run *run);
void ws_run_stdin(struct ws_run *run, const uint8_t *data, size_t len);
void ws_run_stdin_eof(struct ws_run *run);
void ws_run_cancel(struct ws_run *run);
void ws_run_resize(struct ws_run *run, const struct engine_tty *size);
void ws_run_signal(struct ws_run *run, int number);
/* Tells of another place in the queue. */
void ws_run_tick(struct ws_run *run);
/* Ends it without a word to the client. */
void ws_run_drop(struct ws_run *run);

#endif
