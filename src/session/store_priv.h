/*
 * What the files of the store share: store.c (sessions, users and files), store_open.c (its connections),
 * store_walk.c (what is done in pieces), store_runs.c (runs, and what each of them left), store_sql.c (tables and
 * statements), store_lock.c, journal.c (what the database does not have yet).
 */
#ifndef KILN_SESSION_STORE_PRIV_H
#define KILN_SESSION_STORE_PRIV_H

#include "session/store.h"

#include <sqlite3.h>

#define STORE_VERSION 3

struct journal;

/* Makes the tables of an empty database; makes those of the next version out of an older one's. */
extern const char store_schema[], store_schema_from_1[], store_schema_from_2[];

/* Each is prepared once. */
enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	SESSION_PUT,
	SESSION_EACH,
	SESSION_REMOVE,
	SESSION_USERS_REMOVE,
	SESSION_MARK,
	SESSION_UNMARK,
	SESSION_ORPHANS,
	SESSION_RUNS_REMOVE,
	SESSION_DETAILS_REMOVE,
	SESSION_VERSIONS_REMOVE,
	USER_ADD,
	USER_REMOVE,
	USER_EACH,
	FILE_REMOVE,
	FOLDER_REPLACE,
	FILE_SAME,
	FILE_KEEP,
	LIST_UNSEEN,
	LIST_ALL,
	ROW_READ,
	ROW_REMOVE,
	ROW_COPY,
	ROW_COPY_VERSION,
	NAMES,
	BLOB_ADD,
	FILE_ADD,
	VERSION_ADD,
	FILE_WEIGH,
	RUN_ADD,
	RUN_IS_NEW,
	DETAIL_ADD,
	DETAIL_FORGET,
	DETAIL_FORGET_OLDEST,
	DETAIL_FORGET_ALL,
	VERSION_FORGET,
	VERSION_FORGET_ALL,
	PAST_WEIGH,
	RUN_FILES,
	RUN_FORGET,
	RUN_EACH,
	RUN_LINE,
	RUN_ONE,
	COPY_USERS,
	COPY_HOME,
	COPY_RUN_FILES,
	COPY_RUN_VERSIONS,
	STATEMENT_COUNT,
};

extern const char *const store_statements[STATEMENT_COUNT];

struct session_store {
	sqlite3 *db;
	sqlite3_stmt *prepared[STATEMENT_COUNT];
	/* Of the one that was opened: */
	struct session_store *worker;
	sqlite3 *checkpoints; /* another thread's */
	_Atomic int frames;   /* in the log */
	struct journal *journal;
	int lock_fd;
};

/* Holds the folder as long as *ret_fd is open. -EBUSY: another has held it all the time. */
[[nodiscard]] int store_lock(const char *dir, unsigned patience_ms, int *ret_fd, struct err *err);

/* What SQLite says is wrong, as a negative errno with `err` filled in. */
int store_fail(const struct session_store *store, struct err *err, const char *what);

/* A prepared statement without bindings. */
sqlite3_stmt *store_begin(struct session_store *store, enum statement which);
void store_bind_text(sqlite3_stmt *s, int at, const char *text);
/* Executes a statement that gives no rows. A binding that found no memory leaves a NULL, which the tables refuse. */
[[nodiscard]] int store_done(struct session_store *store, enum statement which, struct err *err);
/* With texts as its parameters; NULL is a NULL. */
[[nodiscard]] int store_run_texts(struct session_store *store, enum statement which, const char *a,
				  const char *b, const char *c, struct err *err);
/* The next row: 1, or 0 at the end, or negative. */
[[nodiscard]] int store_row(struct session_store *store, sqlite3_stmt *s, struct err *err);
/* A text, "" for a NULL. */
const char *store_column(sqlite3_stmt *s, int at);
/* What a row of path, kind, mode, owner, mtime_ns and content says. Valid until the next step. */
struct store_file store_file_of(sqlite3_stmt *s);
/* Hands out the first column of each row, as text; stops at what is negative. Resets the statement. */
[[nodiscard]] int store_each_text(struct session_store *store, sqlite3_stmt *s,
				  int (*each)(void *user, const char *text), void *user, struct err *err);
/* The same with rows as of store_file_of(). */
[[nodiscard]] int store_each_file(struct session_store *store, sqlite3_stmt *s,
				  int (*each)(void *user, const struct store_file *file), void *user,
				  struct err *err);

[[nodiscard]] int store_transaction_begin(struct session_store *store, struct err *err);
/* Commits, or takes everything back when `r` is an error. SQLite has taken back some by itself then. */
int store_transaction_end(struct session_store *store, int r, struct err *err);

/* store_runs.c: within the transaction of session_store_apply(). */
[[nodiscard]] int store_run_put(struct session_store *store, const struct store_change *change,
				struct err *err);
/* At the opening: what another has noted and not brought into the database. On failure it stays noted. */
[[nodiscard]] int store_take_left(struct session_store *store, struct err *err);

#endif
