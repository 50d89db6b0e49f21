/*
 * Sessions: places that outlive a run, with users of their own and services beside them.
 *
 * A `struct sessions` knows all of them, on one loop. Each session has a record in the store and, while it lives, an
 * engine's session (engine/session.h). Its files are in the engine; the store has a copy, brought up to date at the end
 * of each run with what the run changed, and soon after with everything. From the copy a session is finished, forked
 * and made again when the engine lost it.
 *
 * Whatever is written there, and what may be much to read, a thread does (work.h), in the order in which it was asked
 * of a session. What is answered is in the store by then.
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
 * Starts the thread, which must have the bounds of whoever calls: in a confined process, when it is confined. What is
 * asked before waits for it.
 */
[[nodiscard]] int sessions_start(struct sessions *all, struct err *err);

/*
 * At the end: waits until all that was asked of the thread is done and told. What can be done again another time, and
 * was promised to nobody, is given up.
 */
void sessions_settle(struct sessions *all);

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
	int64_t run;	/* number of a run: its user, with the text files that it left; 0: as they are */
	int64_t ttl_ms; /* 0: as much as the other one has left */
};
[[nodiscard]] int session_fork(struct session *session, const struct session_fork *fork,
			       const struct session_call *call, struct err *err);

/* Makes an ended one again, with the files of the copy. ttl_ms 0: the usual time. */
[[nodiscard]] int session_reopen(struct session *session, int64_t ttl_ms, const struct session_call *call,
				 struct err *err);

/* Kills what runs, and keeps the files. An ended one is done soon. */
[[nodiscard]] int session_finish_begin(struct session *session, const struct session_call *call,
				       struct err *err);

/* Its end is ttl_ms from now. `call` may be NULL. */
[[nodiscard]] int session_set_ttl(struct session *session, int64_t ttl_ms, const struct session_call *call,
				  struct err *err);

/*
 * Ends it: it is gone at once, and waiting calls are told ERR_UNKNOWN. `call`, which may be NULL, is told when
 * everything is removed, without a session.
 */
[[nodiscard]] int session_remove(struct session *session, const struct session_call *call, struct err *err);

/* All that was asked of the session so far is in the store. */
[[nodiscard]] int session_settle(struct session *session, const struct session_call *call, struct err *err);

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

/* Nothing can run there any more, or the time is over, which the engine may not have told yet; then `why` is set. */
bool session_turn_is_over(const struct session_turn *turn, struct err *why);

/* What a run was given, and what became of it. `result` has to have been collected whole. */
struct session_ran {
	const struct run_result *result;
	const struct run_file *files;
	size_t files_count;
	char *const *remove;
	const char *answer; /* the result's JSON, when there are no files in it; or NULL */
};

/*
 * What a run was given, what it changed and how it ended goes to the copy and the history. The turn can be given back
 * at once. False: nobody has to wait for it. True: what `ran` points to must stay until `recorded` comes, as it does
 * whatever becomes of the session, and the run is to be answered then.
 */
typedef void (*session_recorded_fn)(void *user);
bool session_turn_record(struct session_turn *turn, const struct session_ran *ran,
			 session_recorded_fn recorded, void *user);

/* More waits for the thread than should: nobody should begin what will be written there. */
bool sessions_are_crowded(const struct sessions *all);

/* Gives it back, at any time. NULL is fine. */
void session_turn_end(struct session_turn *turn);

/* Names of the files in a user's home, as the copy has them; see request_add_there(). */
[[nodiscard]] int session_files_there(const struct session *session, const char *user_name,
				      struct run_request *request, struct err *err);

/*
 * Something that the thread reads. `each` is called there, with one thing at a time, and so is `end`, with the last;
 * `done` in the loop, in any case, with what was wrong: it frees `user`.
 */
struct session_reading {
	int (*each)(void *user, const struct store_file *file);
	int (*end)(void *user); /* or NULL */
	void (*done)(void *user, const struct err *err);
	void *user;
};

/* The files of the copy below a folder ("lion"), NULL: all. */
[[nodiscard]] int session_files_read(struct session *session, const char *below,
				     const struct session_reading *reading, struct err *err);

/* The history of runs after number `since`, as it is now (session_settle()); an array. NULL when out of memory. */
json_t *session_runs_json(const struct session *session, int64_t since, const char *user_name);

/*
 * A run of the past. `run` is called in the thread with an object that has `run`, as in the history, and `result`,
 * then `each` of the reading with each text file that the run left in its user's home, without the user's name.
 * ERR_UNKNOWN "run_unknown", or "run_forgotten" when only its line in the history is left.
 */
struct session_past_reading {
	struct session_reading files;
	int (*run)(void *user, json_t *run);
};
[[nodiscard]] int session_past_read(struct session *session, int64_t number,
				    const struct session_past_reading *reading, struct err *err);

/*
 * What happened, as numbered events, of which the last SESSION_EVENTS_MAX are remembered. A listener is told of each
 * new one, and of the end of the session by NULL: then he exists no more. He may leave in the call otherwise.
 */
struct session_listener;
typedef void (*session_event_fn)(void *user, const json_t *event);
[[nodiscard]] int session_listen(struct session *session, session_event_fn fn, void *user,
				 struct session_listener **ret, struct err *err);
/* Those after number `since`, and the last one's number. NULL when out of memory. */
json_t *session_events_json(struct session *session, int64_t since, int64_t *ret_last);
void session_listener_leave(struct session_listener *listener);

#endif
