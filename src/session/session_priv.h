/*
 * What the files of session/ share: sessions.c (all of them), session.c (the life of one), fork.c, copy.c (files from
 * the engine to the copy), restore.c (and back), task.c (what is given to the worker), service.c, user.c (users and
 * their turns), history.c (runs), events.c, lines.c (runs on their way to the worker), json.c.
 */
#ifndef KILN_SESSION_PRIV_H
#define KILN_SESSION_PRIV_H

#include "base/buf.h"
#include "run/run_id.h"
#include "session/session.h"
#include "session/work.h"

#define FILES_JOBS_MAX 256

/* Somebody who waits for the end of something. */
struct session_wait {
	struct session_wait *next;
	session_done_fn done; /* NULL: forgotten */
	void *user;
};

struct session_user {
	struct session_user *next;
	struct engine_session_user as;
	struct session_turn *turn; /* whose it is */
	bool leaving;		   /* nothing more of his files is kept */
	struct session_turn *first_waiting, **last_waiting;
	size_t waiting;
};

struct session_turn {
	struct session_turn *next;
	struct session *session;
	struct session_user *owner;
	void (*fn)(void *user, const struct err *err);
	void (*end)(void *user, const struct err *err);
	void *user;
	bool granted;
};

enum service_state {
	SERVICE_WAITING, /* for what it depends on, or for its next start */
	SERVICE_STARTING,
	SERVICE_READY,
	SERVICE_DEAD, /* of a session that ended */
};

struct service {
	struct session *session;
	const struct service_spec *spec;
	size_t at; /* its number is that + 1, its prober's SERVICES_MAX more */
	enum service_state state;
	struct engine_sandbox *sb, *prober;
	struct run_plan *plan, *probe_plan;
	uv_timer_t *timer; /* closes itself; NULL: closed */
	uint64_t started_ms;
	uint64_t deadline_ms;	     /* when it has to be ready, while it starts */
	unsigned restarts, failures; /* failures: one after the other */
	bool was_ready;
	struct buf tail;
	char last_exit[160]; /* "" or why it ended the last time */
};

enum files_kind {
	FILES_READ, /* everything to the copy */
	FILES_WRITE,
	FILES_RESTORE, /* everything from the copy */
};

typedef void (*files_done_fn)(struct session *session, const struct err *err);

/* Something to be done with the files of a living session; one at a time. Owned by its session once queued. */
struct files_job {
	struct files_job *next;
	enum files_kind kind;
	files_done_fn done; /* at its end, not when it is dropped */
	struct session_wait *waits;
	/* FILES_WRITE, FILES_RESTORE: what is written, with memory of its own */
	struct engine_file *files;
	size_t files_count, files_room;
	bool begun;
	bool whole; /* of FILES_READ: nothing was changed while it looked */
	int64_t changes;
	uint64_t began_ms;
};

struct session_line;

struct look;	  /* at all files: what of it is with the worker */
struct restoring; /* of all files: likewise */

struct session_listener {
	struct session_listener *next;
	struct session *session;
	session_event_fn fn;
	void *user;
};

struct session {
	struct sessions *all;
	struct session *prev, *next;
	char key[RUN_ID_LEN + 1], id[SESSION_NAME_MAX + 1], tenant[SESSION_NAME_MAX + 1];
	struct session_spec spec;
	char *spec_json;
	char *image;	      /* that runs without one of their own have, as the engine names it; or NULL */
	struct limits limits; /* of a run that says none */
	int64_t memory_bytes, processes;  /* of everything in it together */
	enum session_state state, before; /* before: that which it had ended with when it was begun again */
	bool recorded;			  /* the store has it */
	bool fresh;			  /* it was just made: there is nothing to be put back */
	struct err begin_err;		  /* why the store does not have it */
	char reason[320];
	int64_t created_ms, expires_ms, ended_ms;
	int64_t runs;
	struct engine_session *handle; /* or NULL */
	bool removing, ending;	       /* it is being finished */
	/* users, in the order of their numbers */
	struct session_user *users;
	uint32_t highest_number;
	struct service services[SERVICES_MAX];
	/* files */
	struct files_job *jobs; /* the first is under way */
	size_t jobs_count;
	size_t unsettled; /* changes that are on their way to the store and then to the engine */
	struct engine_sandbox *files_sb;
	struct engine_collected incoming; /* its name: incoming_name */
	char *incoming_name;
	bool incoming_open;
	struct buf incoming_data;
	struct look *look;	     /* of the job that is under way, or NULL */
	struct restoring *restoring; /* or NULL */
	bool held;		     /* nothing is read of the files: too much waits for the worker */
	bool copying;		     /* it is a fork whose files are not all in the copy yet */
	struct err job_err;
	bool there; /* they have been put back */
	bool dirty; /* the copy is perhaps not all that there is */
	bool kept;  /* the last attempt to bring it up to date went well */
	char kept_reason[160];
	json_t *omitted;       /* names of what the copy cannot hold; or NULL */
	uint64_t sync_due_ms;  /* 0: not */
	uint64_t sync_cost_ms; /* of the last one */
	int64_t round;	       /* the last look's */
	int64_t changes;       /* of the copy, by others than looks */
	size_t turns;	       /* that somebody has now */
	/* of the history, on their way to the worker */
	struct session_line *first_line, *last_line;
	struct session_line *first_untold; /* from it on they are no events yet */
	size_t lines_count;
	/* who waits */
	struct session_wait *opening, *finishing, *weighing;
	struct engine_session_usage usage;
	bool weighed;
	/* events */
	json_t *events; /* array, the oldest first */
	int64_t events_seq;
	struct session_listener *listeners;
};

/* A call that is done already, and is told so by the loop. */
struct session_later {
	struct session_later *next;
	struct session_wait *wait;
	char key[RUN_ID_LEN + 1];
};

struct sessions {
	struct sessions_options options;
	struct work *work;
	_Atomic bool hurried; /* what can be given up is */
	struct session *first;
	uv_timer_t *timer;
	uv_work_t checkpoint;
	bool checkpointing;
	bool draining, ending;
	struct session_later *laters;
	uv_timer_t *later_timer;
};

/* Milliseconds since 1970, and of a clock that only goes forward. */
int64_t session_unix_ms(void);
uint64_t session_now_ms(void);

/* Refused where the image runs in an engine of the node that has no sessions, or not this one; `field` named it. */
[[nodiscard]] int session_image_check(const struct session *session, const char *image, const char *field,
				      struct err *err);

/* sessions.c */
[[nodiscard]] int session_create(struct sessions *all, const char *tenant, const char *id,
				 struct session **ret, struct err *err);
void session_free(struct session *session);
/* Works out limits from the spec, and checks it against images and ceilings. */
[[nodiscard]] int session_spec_check(struct session *session, struct err *err);
/* What was asked for; of 0 the usual time, as far as this node allows it. */
int64_t session_ttl_or_usual(const struct sessions *all, int64_t ttl_ms);
int session_ttl_check(const struct sessions *all, int64_t ttl_ms, struct err *err);
[[nodiscard]] int sessions_quota_check(const struct sessions *all, const char *tenant, int64_t memory_bytes,
				       struct err *err);

/* session.c */
/* Makes it in the engine, with the files of its copy. */
[[nodiscard]] int session_begin(struct session *session, int64_t ttl_ms, struct err *err);
/* There may be one of each name, and so many. */
[[nodiscard]] int session_id_check(const struct sessions *all, const char *tenant, const char *id,
				   struct err *err);
/* One that could not be made leaves no trace; nobody who waits for it is told. Returns r. */
int session_give_up(struct session *session, int r);
[[nodiscard]] int session_take_back(struct session *session, bool was_open, struct err *err);
const char *session_state_name(enum session_state state);
/* Ends it: everything of it in the engine goes; the record and the copy stay. */
void session_end(struct session *session, enum session_state state, const char *reason);
/* Whose run it was, if it is kept. */
[[nodiscard]] int session_past_user(const struct session *session, int64_t number, char **ret,
				    struct err *err);
/* A service became ready, or all of them. */
void session_look(struct session *session);
bool session_lives(const struct session *session);

/* `done` comes from the loop although all is done already. `call` may be NULL. */
[[nodiscard]] int session_done_later(struct session *session, const struct session_call *call,
				     struct err *err);

/* Lists of waiting calls. */
[[nodiscard]] int wait_add(struct session_wait **list, const struct session_call *call, struct err *err);
void waits_tell(struct session_wait **list, struct session *session, const struct err *err);

/* copy.c */
/* All of it, however far it is; who waits is told `err`. */
void files_jobs_drop(struct session *session, const struct err *err);
/*
 * A change that the store gets first: no look begins until the engine has got it too, or it would take the one for
 * what the other is not. files_write() comes before the end.
 */
void files_unsettle(struct session *session);
void files_settled(struct session *session);
/* `call` may be NULL. */
[[nodiscard]] int files_read(struct session *session, files_done_fn done, const struct session_call *call,
			     struct err *err);
[[nodiscard]] int files_job_make(enum files_kind kind, struct files_job **ret, struct err *err);
void files_job_destroy(struct files_job *job);
/*
 * Adds a file, which it takes over, behind the folders that its path implies, which are the owner's; `known` remembers
 * those. 0 or -ENOMEM.
 */
[[nodiscard]] int files_job_add(struct files_job *job, struct engine_file *file, json_t *known);
/* Takes the job over, also on failure. */
[[nodiscard]] int files_write(struct session *session, struct files_job *job, const struct session_call *call,
			      struct err *err);
void files_job_clear(struct files_job *job);
/* The first job is over; the session may be, too, afterwards. */
void files_job_end(struct session *session, const struct err *err);
/* The worker has room again. */
void files_relieve(struct sessions *all);
/* Brings the copy up to date soon. */
void session_sync_soon(struct session *session);
void session_sync_look(struct session *session, uint64_t now_ms);
void session_omitted_add(struct session *session, const char *name, const char *reason);

/* restore.c */
/* Puts everything of the copy into the engine. `done` comes later. */
[[nodiscard]] int files_restore(struct session *session, files_done_fn done, struct err *err);
/* Its member can take the first part; a part is in place, and the next one follows, or the job is over. */
void files_restore_begin(struct session *session);
void files_restore_next(struct session *session);
void files_restore_drop(struct session *session);

/* service.c */
[[nodiscard]] int services_begin(struct session *session, bool take, struct err *err);
void services_end(struct session *session);
void services_finish(struct session *session); /* for good */
bool services_ready(const struct session *session);
[[nodiscard]] int services_plan(struct session *session, struct err *err);
json_t *services_to_json(const struct session *session);

/* user.c */
[[nodiscard]] int session_user_put(struct session *session, uint32_t number, const char *name,
				   struct session_user **ret, struct err *err);
void session_users_free(struct session *session);
/* Gives turns to those who may have one, or refuses all when the session has ended. */
void session_turns_look(struct session *session);
void session_turns_end(struct session *session, const struct err *err);

/* events.c */
/* Steals `event`, which may be NULL: then nothing is told. Adds seq, type and time. */
void session_tell(struct session *session, const char *type, json_t *event);
/* A run's line of the history, with the time that stands in it. */
void session_tell_run(struct session *session, const char *line);
void session_listeners_end(struct session *session);

#endif
