/*
 * Sessions: places that outlive a run, with users of their own and services beside them.
 *
 * A `struct sessions` knows all of them, on one loop. Each session has a record in the store and, while it lives, an
 * engine's session (engine/session.h). Its files are in the engine; the store has a copy, brought up to date at the end
 * of each run with what the run changed, and soon after with everything. From the copy a session is finished, forked
 * and made again when the engine lost it.
 *
 *   starting  the engine's session is being made, or files are being put back, or services are not ready yet
 *   open      runs are taken
 *   finished  nothing can run; files can be read from the copy
 *   expired   its time is over: as finished
 *   lost      the engine lost it, or a service did not start: as finished, and `reason` says what happened
 *
 * What ended can be made again (session_reopen) until its record goes, `keep_ms` after its end. Names are the tenant's:
 * he sees and disturbs nobody else's sessions.
 */
#ifndef KILN_SESSION_SESSION_H
#define KILN_SESSION_SESSION_H

#include "run/plan.h"
#include "run/result.h"
#include "run/run.h"
#include "session/spec.h"
#include "session/store.h"

#include <jansson.h>
#include <uv.h>

struct sessions;
struct session;
struct session_user;

enum session_state {
	SESSION_STARTING,
	SESSION_OPEN,
	SESSION_FINISHED,
	SESSION_EXPIRED,
	SESSION_LOST,
};

/* Runs that wait for one user's turn, and events and runs that are remembered. */
#define SESSION_TURNS_MAX  16
#define SESSION_RUNS_KEPT  200
#define SESSION_EVENTS_MAX 256
/* What is kept of a session's past: results, and text files that were changed since. */
#define SESSION_PAST_BYTES ((uint64_t)16 * 1024 * 1024)
/* Of each stream of a run of the past; its end. */
#define SESSION_PAST_OUTPUT_BYTES ((size_t)32 * 1024)

struct sessions_options {
	uv_loop_t *loop;
	struct engine *engine;
	struct session_store *store;
	struct plan_context plan; /* how commands of services become steps */
	size_t per_tenant;	  /* sessions at one time */
	uint64_t memory_bytes;	  /* that those of one tenant may have together, by their limits */
	int64_t ttl_ms_max;
	int64_t keep_ms;
};

/*
 * Reads the store and takes back what an earlier front left in the engine; what is not there any more is lost, or, if
 * the last one ended in good order, opened again. The engine and the store must outlive it.
 */
[[nodiscard]] int sessions_create(const struct sessions_options *options, struct sessions **ret,
				  struct err *err);

/*
 * Before the end of the front, which is that of every session: copies are brought up to date, and what is open is noted
 * down as to be opened again. False while that is under way.
 */
void sessions_drain(struct sessions *all);
bool sessions_drained(struct sessions *all);

/* No callback comes any more. */
void sessions_destroy(struct sessions *all);

/* The tenant's session of this name, or NULL. */
struct session *sessions_find(const struct sessions *all, const char *tenant, const char *id);
/* The tenant's sessions one after the other, NULL first and last. */
struct session *sessions_next(const struct sessions *all, const char *tenant, const struct session *after);

/* How many are open or starting, of all tenants. */
size_t sessions_open_count(const struct sessions *all);

/*
 * Something that takes time. `done` comes once, from the loop, unless the answer is forgotten; err NULL: it is done.
 * The session may be NULL when it does not exist any more.
 */
typedef void (*session_done_fn)(void *user, struct session *session, const struct err *err);
struct session_wait;
void session_wait_forget(struct session_wait *wait);

struct session_call {
	session_done_fn done;
	void *user;
	struct session_wait **ret; /* valid until `done` */
};

/*
 * Makes a session, takes what is in the request. 0, and `done` comes when it is there, its services perhaps not yet
 * (state `starting`); or a refusal: ERR_CONFLICT "session_exists", ERR_QUOTA "too_many_sessions" or
 * "sessions_memory_exhausted", ERR_UNKNOWN for images, ERR_IMPOSSIBLE for limits.
 */
[[nodiscard]] int session_make(struct sessions *all, const char *tenant, struct session_request *request,
			       const struct session_call *call, struct err *err);

/* A new session with what this one is made of, and its users and files, or those of one user. */
struct session_fork {
	const char *id;	       /* or NULL: one is made up */
	const char *user_name; /* or NULL: all */
	int64_t run;	/* number of a run of this user: with the text files that it left; 0: as they are */
	int64_t ttl_ms; /* 0: as much as the other one has left */
};
[[nodiscard]] int session_fork(struct session *session, const struct session_fork *fork,
			       const struct session_call *call, struct err *err);

/* Makes an ended one again, with the files of the copy. ttl_ms 0: SESSION_TTL_MS. */
[[nodiscard]] int session_reopen(struct session *session, int64_t ttl_ms, const struct session_call *call,
				 struct err *err);

/* Kills what runs, and keeps the files. An ended one is done soon. */
[[nodiscard]] int session_finish_begin(struct session *session, const struct session_call *call,
				       struct err *err);

/* Its end is ttl_ms from now. */
[[nodiscard]] int session_set_ttl(struct session *session, int64_t ttl_ms, struct err *err);

/* Ends it and removes everything. Waiting calls are told ERR_UNKNOWN. */
void session_remove(struct session *session);

/*
 * Sees to it that the copy has all files as they are now, as far as it can. `call` may be NULL. Done soon where there
 * are no others.
 */
[[nodiscard]] int session_sync(struct session *session, const struct session_call *call, struct err *err);

/* Weighs what it uses, for session_to_json(). */
[[nodiscard]] int session_weigh_begin(struct session *session, const struct session_call *call,
				      struct err *err);

enum session_state session_state(const struct session *session);
const char *session_id(const struct session *session);
const struct session_spec *session_spec(const struct session *session);

/* The limits of a run that says none. */
struct limits session_limits(const struct session *session);

/* All that there is to say of it. NULL when out of memory. */
json_t *session_to_json(const struct session *session);

/*
 * A new user with his home and files (names relative to it). ERR_CONFLICT "user_exists", ERR_IMPOSSIBLE
 * "too_many_users". The files' bytes must stay until `done`, or the forgetting, so they are taken over.
 */
[[nodiscard]] int session_user_add(struct session *session, const char *name, struct run_request *files,
				   const struct session_call *call, struct err *err);
/* Kills his run and removes his home. */
[[nodiscard]] int session_user_remove(struct session *session, const char *name,
				      const struct session_call *call, struct err *err);
struct session_user *session_user_find(const struct session *session, const char *name);
json_t *session_user_to_json(const struct session *session, const struct session_user *user);

/*
 * One user's turn to run: runs of one user come one after the other, in the order in which they asked, and wait for a
 * session that is starting.
 */
struct session_turn;

struct session_turn_events {
	/* err NULL: it is your turn. Otherwise the turn does not exist any more. */
	void (*turn)(void *user, const struct err *err);
	/*
	 * The session or the user goes while it is your turn: what runs is to be destroyed, and the turn ended, before
	 * this returns.
	 */
	void (*end)(void *user, const struct err *err);
};

/*
 * Asks for one. 1: it is your turn at once; 0: `turn` comes; or a refusal: ERR_UNKNOWN for the user, ERR_CONFLICT when
 * nothing can run here any more, ERR_BUSY when too many wait.
 */
[[nodiscard]] int session_turn_ask(struct session *session, const char *user_name,
				   const struct session_turn_events *events, void *user,
				   struct session_turn **ret, struct err *err);

/* Where the run is to take place; valid until the turn ends. `remove` is empty. */
void session_turn_member(const struct session_turn *turn, struct run_member *ret);

/* What a run was given, and what became of it. `result` has to have been collected whole. */
struct session_ran {
	const struct run_result *result;
	const struct run_file *files;
	size_t files_count;
	char *const *remove;
};

/* What a run was given, what it changed and how it ended goes to the copy and the history. */
void session_turn_record(struct session_turn *turn, const struct session_ran *ran);

/* Gives it back, at any time. NULL is fine. */
void session_turn_end(struct session_turn *turn);

/* Names of the files in a user's home, as the copy has them; see request_add_there(). */
[[nodiscard]] int session_files_there(const struct session *session, const char *user_name,
				      struct run_request *request, struct err *err);

/* Each file of the copy below a folder ("lion"), NULL: of all. */
[[nodiscard]] int session_files(const struct session *session, const char *below,
				int (*each)(void *user, const struct store_file *file), void *user,
				struct err *err);

/* The history of runs after number `since`; an array. NULL when out of memory. */
json_t *session_runs_json(const struct session *session, int64_t since, const char *user_name);

/*
 * A run of the past: *ret is an object with `run`, as in the history, and `result`. ERR_UNKNOWN "run_unknown", or
 * "run_forgotten" when only its line in the history is left.
 */
[[nodiscard]] int session_past_run(const struct session *session, int64_t number, json_t **ret,
				   struct err *err);
/* Each text file that it left in its user's home; paths begin with his name. */
[[nodiscard]] int session_past_files(const struct session *session, int64_t number, const char *user_name,
				     int (*each)(void *user, const struct store_file *file), void *user,
				     struct err *err);

/*
 * What happened, as numbered events, of which the last SESSION_EVENTS_MAX are remembered. A listener is told of each
 * new one, and of the end of the session by NULL: then he exists no more. He may leave in the call otherwise.
 */
struct session_listener;
typedef void (*session_event_fn)(void *user, const json_t *event);
[[nodiscard]] int session_listen(struct session *session, session_event_fn fn, void *user,
				 struct session_listener **ret, struct err *err);
/* Those after number `since`, and the last one's number. NULL when out of memory. */
json_t *session_events_json(const struct session *session, int64_t since, int64_t *ret_last);
void session_listener_leave(struct session_listener *listener);

#endif
