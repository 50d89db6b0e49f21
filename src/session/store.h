/*
 * What outlives the processes: every session's record, users, files and the history of its runs, in one SQLite
 * database.
 *
 * It is opened before the front gives up its right to open files, and lives from then on by the descriptors that it
 * has. Writes go to the write-ahead log and are there when a call returns, whatever process dies then; a machine that
 * loses its power loses at most what a checkpoint had not yet brought to the disk, and is never left half-written.
 * Contents of files are shared between sessions that were forked from one another.
 *
 * Every call may block for as long as the kernel takes to copy what is read or written. What may be of any number of
 * files is done in pieces of a few milliseconds, each a transaction: calls with a walk, which return 1 while there is
 * more to be done. A store has a second connection for another thread (session_store_worker()); whoever writes by the
 * one while the other does waits for it, so all writing is best left to one of them. Checkpoints, which wait for the
 * disk, are a call of their own for a third thread. All other calls of one connection come from one thread.
 */
#ifndef KILN_SESSION_STORE_H
#define KILN_SESSION_STORE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest name of a session, a user or a tenant, without the NUL. */
#define SESSION_NAME_MAX 64

struct session_store;

struct store_options {
	const char *dir;    /* is made when it is not there */
	uint64_t bytes_max; /* of the database; a write beyond is -ENOSPC */
	unsigned lock_ms;   /* how long to wait for another process that has it and is about to end */
};

/*
 * Opens or makes the database. Blocks up to `lock_ms`. -EBUSY when another process has it still; -EINVAL when what is
 * there was made by a later version or is damaged.
 */
[[nodiscard]] int session_store_open(const struct store_options *options, struct session_store **ret,
				     struct err *err);

void session_store_close(struct session_store *store);

/* The same database by the connection of another thread; it ends with `store`. */
struct session_store *session_store_worker(struct session_store *store);

/* Brings the log into the database, in any thread. Whether it could does not matter: the next one will. */
void session_store_checkpoint(struct session_store *store);

/* The log has grown so much that a checkpoint is due. */
bool session_store_wants_checkpoint(const struct session_store *store);

/* One session. Strings are borrowed in both directions, in a callback for its duration. */
struct store_session {
	const char *key;    /* names it in the store and to the engine: never used for another one */
	const char *tenant; /* "" without tokens */
	const char *id;	    /* what people call it; one session of a tenant has it */
	const char *spec;   /* JSON */
	const char *state;
	const char *reason;
	int64_t created_ms, expires_ms, ended_ms; /* since 1970; ended 0: it is not */
	int64_t runs;				  /* how many there were */
	bool kept; /* the files here are all that the session has, as far as is known */
};

typedef int (*store_session_fn)(void *user, const struct store_session *session);

/* Inserts or replaces the record with this key. */
[[nodiscard]] int session_store_put(struct session_store *store, const struct store_session *session,
				    struct err *err);
/* Each record; stops at a negative value of `each` and returns it. */
[[nodiscard]] int session_store_each(struct session_store *store, store_session_fn each, void *user,
				     struct err *err);

/* How far something has come that is done in pieces: zeros before the first call, to be finished after the last. */
struct store_walk {
	struct store_row_id {
		int64_t seq;
		uint64_t bytes;
	} * rows;
	size_t count, room, at;
	bool listed;
};
void store_walk_finish(struct store_walk *walk);

/*
 * The end of a session: its record, with which it is gone for good, then, in pieces, everything else of it. What was
 * not removed then is an orphan.
 */
[[nodiscard]] int session_store_remove_record(struct session_store *store, const char *key, struct err *err);
[[nodiscard]] int session_store_remove_rest(struct session_store *store, const char *key,
					    struct store_walk *walk, struct err *err);
[[nodiscard]] int session_store_orphans(struct session_store *store, int (*each)(void *user, const char *key),
					void *user, struct err *err);

/* Those that the session has, in the order of their numbers; and the highest number that any had, of those gone too. */
struct store_users {
	int (*each)(void *user, uint32_t number, const char *name);
	void *user;
	uint32_t highest; /* is set */
};
[[nodiscard]] int session_store_users(struct session_store *store, const char *key, struct store_users *users,
				      struct err *err);
[[nodiscard]] int session_store_user_add(struct session_store *store, const char *key, uint32_t number,
					 const char *name, struct err *err);
/* In pieces: with the files in his home. His number stays taken. */
[[nodiscard]] int session_store_user_remove(struct session_store *store, const char *key, uint32_t number,
					    const char *name, struct store_walk *walk, struct err *err);

enum store_kind {
	STORE_FILE,
	STORE_FOLDER,
	STORE_LINK, /* its target is its content */
};

struct store_file {
	const char *path; /* from /sandboxes on: "lion/main.c" */
	enum store_kind kind;
	const void *data;
	size_t len;
	uint32_t mode, owner; /* permission bits; the user's number */
	uint64_t mtime_ns;
	bool gone; /* a deletion; of a folder with all in it */
};

/* What a run changed, and what is remembered of the run. Everything or nothing is written. */
struct store_change {
	const char *key;
	const struct store_file *files;
	size_t files_count;
	const char *user_name; /* a new user, whose files they are; or NULL */
	uint32_t user_number;
	const char *run;    /* JSON for the history; NULL: it is no run */
	const char *detail; /* JSON with all that is to be told of it; NULL: it is not kept */
	int64_t number;	    /* of that run, from 1 */
	/* The oldest go, several at a time: up to fifteen runs more may be there. */
	int64_t runs_kept;
	uint64_t past_bytes; /* of details, and of what runs left that is not so any more */
};

/* -ENOSPC: over the store's bound; nothing is written. */
[[nodiscard]] int session_store_apply(struct session_store *store, const struct store_change *change,
				      struct err *err);

/*
 * A look at all files of a session: each is told, and what was not told of by the end is gone (in pieces). `round` is a
 * number that no look at this session had before. What is as it was is not written again. Of each call everything or
 * nothing is written.
 */
[[nodiscard]] int session_store_see(struct session_store *store, const char *key, int64_t round,
				    const struct store_file *files, size_t count, struct err *err);
[[nodiscard]] int session_store_seen(struct session_store *store, const char *key, int64_t round,
				     struct store_walk *walk, struct err *err);

/*
 * In pieces. Folders first, then the rest, those first that were written first. `below` is a folder such as "lion", or
 * NULL: all. What goes between two calls is not told.
 */
[[nodiscard]] int session_store_read(struct session_store *store, const char *key, const char *below,
				     struct store_walk *walk,
				     int (*each)(void *user, const struct store_file *file), void *user,
				     struct err *err);

/* The names of the files below a folder, of at most so many that stand there. */
[[nodiscard]] int session_store_names(struct session_store *store, const char *key, const char *below,
				      size_t rows_max, int (*each)(void *user, const char *path), void *user,
				      struct err *err);

/* Number and bytes of the files of a session. */
[[nodiscard]] int session_store_weigh(struct session_store *store, const char *key, uint64_t *ret_files,
				      uint64_t *ret_bytes, struct err *err);

/*
 * Lines of the history for which nobody waits. To note one is a single write to a file beside the database, and is
 * there then, whatever process dies; to bring many into the database at once costs little more than to bring one.
 * What was noted and not brought there is brought there when the store is opened.
 */
struct store_line {
	const char *run, *detail; /* JSON, as in a change; detail may be NULL */
	int64_t number;
};

struct store_lines {
	const char *key;
	const struct store_line *lines; /* in the order of their numbers */
	size_t count;
	int64_t runs_kept; /* and past_bytes: as in a change */
	uint64_t past_bytes;
};

/* In the loop. False: there is no room for it now, or it is long; nothing is noted. */
[[nodiscard]] bool session_store_note(struct session_store *store, const char *key,
				      const struct store_line *line);
/* So many that were noted are in the database now, or nobody wants them any more. */
void session_store_noted(struct session_store *store, size_t count);
/* -ENOSPC: over the store's bound; nothing is written. */
[[nodiscard]] int session_store_lines(struct session_store *store, const struct store_lines *lines,
				      struct err *err);

/* A run of the past. */
struct store_run {
	int64_t number;
	const char *run;    /* as it came in a change */
	const char *detail; /* of session_store_run() only, if it is kept */
	bool kept;	    /* its detail and the text files that it left */
};

typedef int (*store_run_fn)(void *user, const struct store_run *run);

/* The runs after number `since`, oldest first; the run of that number, if it is remembered. */
[[nodiscard]] int session_store_runs(struct session_store *store, const char *key, int64_t since,
				     store_run_fn each, void *user, struct err *err);
[[nodiscard]] int session_store_run(struct session_store *store, const char *key, int64_t number,
				    store_run_fn each, void *user, struct err *err);

/* Likewise without its detail. */
[[nodiscard]] int session_store_run_line(struct session_store *store, const char *key, int64_t number,
					 store_run_fn each, void *user, struct err *err);

/* What a run left in the home of its user: text files of at most STORE_TEXT_MAX bytes. */
#define STORE_TEXT_MAX ((size_t)256 * 1024)

struct store_left {
	const char *key;
	const char *user_name;
	int64_t number; /* of a run that is kept */
};
[[nodiscard]] int session_store_run_files(struct session_store *store, const struct store_left *left,
					  int (*each)(void *user, const struct store_file *file), void *user,
					  struct err *err);

/* Makes room: no run of any session is kept. */
[[nodiscard]] int session_store_forget(struct session_store *store, struct err *err);

/*
 * In pieces: users and files of one session to another, or one user with his home; contents are shared. `from` must not
 * change meanwhile. Until `to` has a record it is an orphan.
 */
[[nodiscard]] int session_store_copy(struct session_store *store, const char *from, const char *user_name,
				     const char *to, struct store_walk *walk, struct err *err);

/* Likewise one user with what a run left in his home; all at once. */
[[nodiscard]] int session_store_copy_run(struct session_store *store, const struct store_left *from,
					 const char *to, struct err *err);

#endif
