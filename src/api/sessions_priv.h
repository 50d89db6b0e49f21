/*
 * What the files of the sessions' endpoints share: sessions.c (routes, and a session as a whole), sessions_users.c,
 * sessions_files.c, sessions_runs.c, sessions_past.c (the history), sessions_events.c; and the dialect that is
 * built on sessions.
 */
#ifndef KILN_API_SESSIONS_PRIV_H
#define KILN_API_SESSIONS_PRIV_H

#include "api/api_priv.h"
#include "session/session.h"

/* A path below /v1/sessions, taken apart: /{id}/{noun}/{name}/{verb}; what is not there is "". */
struct session_path {
	char parts[4][SESSION_NAME_MAX + 1];
	size_t count;
};

/* Who asks, about what. */
struct session_ask {
	struct api *api;
	struct http_request *request;
	const char *tenant;
	struct session_path path;
	struct session *session; /* where the path names one that exists */
};

/* A request that waits for something of a session. The answer is its own from session_answer_begin() on. */
struct session_answer {
	struct session_answer *prev, *next;
	struct api *api;
	struct http_request *request; /* NULL: the client has gone */
	struct session_wait *wait;    /* for session_call */
	unsigned status;
	/* Answers when all went well; the session is NULL when it was removed. NULL: with the session as JSON. */
	void (*answer)(struct session_answer *answer, struct session *session);
	/* Set by `answer` where the worker reads for it: it lives on, and this is told when it is destroyed before. */
	struct session_answer **reader;
	char name[SESSION_NAME_MAX + 1]; /* for `answer` */
	int64_t number;			 /* likewise */
	bool as_archive;
};

/* Keeps the request. Hand *ret_call to a call; when that fails, session_answer_refuse(). NULL: refused already. */
struct session_answer *session_answer_begin(const struct session_ask *ask, unsigned status,
					    struct session_call *ret_call);
void session_answer_refuse(struct session_answer *answer, const struct err *err);
void session_answer_destroy(struct session_answer *answer);

void session_refuse(struct api *api, struct http_request *request, const struct err *err);

/* What an answer with files may hold, in bytes of content. */
#define SESSION_ANSWER_BYTES_MAX ((uint64_t)64 * 1024 * 1024)

/* An answer as JSON that is made in the worker, of files that are read there. */
struct session_text {
	struct session_answer *answer; /* NULL: the client has gone; the loop's, all else is the worker's */
	uint64_t bytes;
	json_t *json;
	char *text;
	size_t len;
};
/* Counts a file: 0, or -EFBIG when they are too many bytes together. */
int session_text_count(struct session_text *text, const struct store_file *file);
/* Writes down `json`, which must not be NULL: for session_reading. */
int session_text_end(struct session_text *text);
/* Answers, if somebody waits, and empties it. */
void session_text_done(struct session_text *text, const char *type, const struct err *err);

/* A file as {"content", "encoding", "mode"}. NULL when out of memory. */
json_t *session_file_json(const struct store_file *file);

/* The JSON object of a body; an empty body is an empty one. 0 and *ret (json_decref()), or a refusal. */
[[nodiscard]] int session_body_read(const struct http_request *request, json_t **ret, struct err *err);

/* Takes a member out of an object: a string without NUL, copied to *ret; NULL when it is not there. */
[[nodiscard]] int session_take_text(json_t *object, const char *name, char **ret, struct err *err);
/* Likewise a whole number of at least 1; 0 when it is not there. */
[[nodiscard]] int session_take_number(json_t *object, const char *name, int64_t *ret, struct err *err);
/* What a request for a run says beside the run request; its strings are the caller's, after a refusal too. */
struct session_run_words {
	char *user_name;
	char **remove;
	bool detached;
};
/* Takes all of `body` apart. Pure. 0 and *ret (request_finish()), or a refusal. */
[[nodiscard]] int session_run_read(json_t *body, struct session_run_words *ret_words, struct run_request *ret,
				   struct err *err);
/* Refuses what is left in the object. */
[[nodiscard]] int session_take_nothing(const json_t *object, struct err *err);

void session_handle_user_add(struct session_ask *ask);
void session_handle_user_get(struct session_ask *ask);
void session_handle_user_remove(struct session_ask *ask);
void session_handle_files(struct session_ask *ask);
void session_handle_run(struct session_ask *ask);
void session_handle_runs(struct session_ask *ask);
void session_handle_past(struct session_ask *ask);
void session_handle_events(struct session_ask *ask);

/* A run in a session, from its wait for the user's turn to its result. */
struct session_run_call {
	const char *user_name;
	struct run_request *request; /* without image and language, which are the session's; taken over */
	char **remove;		     /* names of what goes before; taken over */
	/* The end: a result, which is there until it returns, or a refusal. The run is not the caller's any more. */
	void (*done)(void *user, struct run_result *result, const struct err *err);
	void *user;
};

/* 1 and *ret: call session_run_go() when `done` may come; 0 and *ret: `done` will come; or a refusal. */
[[nodiscard]] int session_run_begin(struct api *api, struct session *session, const char *tenant,
				    struct session_run_call *call, struct session_run **ret, struct err *err);
void session_run_go(struct session_run *run);
/* It is ended, and nobody is told. NULL is fine. */
void session_run_abandon(struct session_run *run);
/* It goes on, and nobody is told; it is abandoned where too many do so. */
void session_run_set_adrift(struct session_run *run);

#endif
