/*
 * What sessions give the worker (work.h), in task.c. Private to session/.
 *
 * Jobs of sessions of one name are one strand, so that what is asked of one comes in the order in which it was asked;
 * also of a new session that has the name of one that is being removed. A session may be gone when a task is done: a
 * task owns all that it works with, and is handed the session that it was for, if that is still there.
 */
#ifndef KILN_SESSION_TASK_H
#define KILN_SESSION_TASK_H

#include "session/session_priv.h"

/* Something for the worker. Embedded as the first member; `done` frees it. */
struct session_task {
	struct sessions *all;
	char key[RUN_ID_LEN + 1];
	bool can_wait; /* it can be given up at the end of the process: nothing that was answered depends on it */
	/* In the worker's thread, as in work.h. */
	int (*piece)(struct session_task *task, struct session_store *store, struct err *err);
	/* In the loop's. The session is NULL when it is gone. */
	void (*done)(struct session_task *task, struct session *session, const struct err *err);
};

/* The session of this key, or NULL. */
struct session *session_of_key(const struct sessions *all, const char *key);
/* On failure the task is still the caller's. `bytes` are those that it holds in memory. */
[[nodiscard]] int session_task_post(struct session *session, struct session_task *task, size_t bytes,
				    struct err *err);
/*
 * Lines of the history that nobody waits for. To add one is to note it, so that whatever dies the next front has it,
 * and takes over both texts; false: it was not, and they are the caller's still. They are posted before anything else
 * is, and when it is asked for, of one session or all.
 */
[[nodiscard]] bool session_line_add(struct session *session, int64_t number, char **run, char **detail);
void session_lines_post(struct session *session);
void sessions_lines_post(struct sessions *all);
/* What of them is no event yet becomes one. */
void session_lines_tell(struct session *session);
/* Those that are not posted; nobody will want them. */
void session_lines_drop(struct session *session);

/* Those who wait are told that all is well as soon as all that was posted before is in the store. */
void waits_settle(struct session_wait **waits, struct session *session);

/* Notes down what the session is now. That it could not be is told with the next answer that depends on it. */
void session_save(struct session *session);
typedef void (*session_saved_fn)(struct session *session, const struct err *err);
/* `saved` and `call` may be NULL. */
[[nodiscard]] int session_save_then(struct session *session, session_saved_fn saved,
				    const struct session_call *call, struct err *err);

/* Removes everything of it from the store, behind what was posted before. `call` may be NULL. */
[[nodiscard]] int session_remove_post(struct session *session, const struct session_call *call,
				      struct err *err);
/* Likewise what is left of one without a record; for session_store_orphans(). */
int session_orphan_remove(void *sessions, const char *key);

/*
 * Changes of the copy that are not a look's. What the change points to stays until `done`, which comes in any case; the
 * session is NULL when it is gone.
 */
typedef void (*session_applied_fn)(void *user, struct session *session, const struct err *err);
[[nodiscard]] int session_copy_apply(struct session *session, const struct store_change *change,
				     session_applied_fn done, void *user, struct err *err);

#endif
