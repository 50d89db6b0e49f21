/*
 * How it works: two connections to one database with a write-ahead log. The first does all that is asked, the second
 * only checkpoints, so that the waiting for a disk happens in another thread without holding up the first. Both read
 * once while files can still be opened: from then on SQLite needs no more than the descriptors of database, log and
 * index. `synchronous` is NORMAL: a commit writes to the log and does not wait.
 *
 * A file's content is a blob of its own, counted by the files that show it, so that a fork copies names only. The
 * counts stand in a table of their own, because SQLite writes a whole row anew when one of its columns changes.
 */
#include "session/store.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define STORE_VERSION	  1
#define CHECKPOINT_FRAMES 1000

static const char schema[] =
	"CREATE TABLE sessions (key TEXT PRIMARY KEY, tenant TEXT NOT NULL, id TEXT NOT NULL, spec TEXT NOT "
	"NULL,"
	" state TEXT NOT NULL, reason TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT "
	"NULL,"
	" ended_ms INTEGER NOT NULL, runs INTEGER NOT NULL, kept INTEGER NOT NULL);"
	"CREATE UNIQUE INDEX session_names ON sessions (tenant, id);"
	"CREATE TABLE users (session TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL,"
	" gone INTEGER NOT NULL, PRIMARY KEY (session, number)) WITHOUT ROWID;"
	"CREATE TABLE files (seq INTEGER PRIMARY KEY, session TEXT NOT NULL, path TEXT NOT NULL,"
	" kind INTEGER NOT NULL, mode INTEGER NOT NULL, owner INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL, round INTEGER NOT NULL, blob INTEGER NOT NULL, UNIQUE (session, path));"
	"CREATE TABLE blobs (id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
	"CREATE TABLE counts (blob INTEGER PRIMARY KEY, shown INTEGER NOT NULL);"
	"CREATE TABLE runs (session TEXT NOT NULL, number INTEGER NOT NULL, run TEXT NOT NULL,"
	" PRIMARY KEY (session, number)) WITHOUT ROWID;"
	"CREATE TRIGGER file_made AFTER INSERT ON files BEGIN"
	" INSERT INTO counts VALUES (NEW.blob, 1) ON CONFLICT DO UPDATE SET shown = shown + 1; END;"
	"CREATE TRIGGER file_gone AFTER DELETE ON files BEGIN"
	" UPDATE counts SET shown = shown - 1 WHERE blob = OLD.blob;"
	" DELETE FROM blobs WHERE id = OLD.blob AND (SELECT shown FROM counts WHERE blob = OLD.blob) = 0;"
	" DELETE FROM counts WHERE blob = OLD.blob AND shown = 0; END;";

/* Each is prepared once. */
enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	SESSION_PUT,
	SESSION_EACH,
	SESSION_REMOVE,
	SESSION_USERS_REMOVE,
	SESSION_FILES_REMOVE,
	SESSION_RUNS_REMOVE,
	USER_ADD,
	USER_REMOVE,
	USER_EACH,
	FILE_REMOVE,
	FOLDER_REPLACE,
	FILE_SAME,
	FILE_KEEP,
	FILE_UNSEEN,
	BLOB_ADD,
	FILE_ADD,
	FILE_EACH,
	FILE_WEIGH,
	RUN_ADD,
	RUN_FORGET,
	RUN_EACH,
	COPY_USERS,
	COPY_FILES,
	STATEMENT_COUNT,
};

static const char *const statements[STATEMENT_COUNT] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[SESSION_PUT] =
		"INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE "
		"SET"
		" spec = excluded.spec, state = excluded.state, reason = excluded.reason,"
		" expires_ms = excluded.expires_ms, ended_ms = excluded.ended_ms, runs = excluded.runs,"
		" kept = excluded.kept",
	[SESSION_EACH] =
		"SELECT key, tenant, id, spec, state, reason, created_ms, expires_ms, ended_ms, runs, kept"
		" FROM sessions ORDER BY created_ms, key",
	[SESSION_REMOVE] = "DELETE FROM sessions WHERE key = ?",
	[SESSION_USERS_REMOVE] = "DELETE FROM users WHERE session = ?",
	[SESSION_FILES_REMOVE] = "DELETE FROM files WHERE session = ?",
	[SESSION_RUNS_REMOVE] = "DELETE FROM runs WHERE session = ?",
	[USER_ADD] = "INSERT INTO users VALUES (?, ?, ?, 0)",
	[USER_REMOVE] = "UPDATE users SET gone = 1 WHERE session = ? AND number = ?",
	[USER_EACH] = "SELECT number, name, gone FROM users WHERE session = ? ORDER BY number",
	/* With what is beneath: "0" is the character behind "/". */
	[FILE_REMOVE] = "DELETE FROM files WHERE session = ?1"
			" AND (path = ?2 OR (path > ?2 || '/' AND path < ?2 || '0'))",
	[FOLDER_REPLACE] = "DELETE FROM files WHERE session = ? AND path = ?",
	[FILE_SAME] =
		"SELECT seq FROM files JOIN blobs ON blobs.id = files.blob WHERE session = ? AND path = ?"
		" AND kind = ? AND data = ?",
	[FILE_KEEP] = "UPDATE files SET mode = ?, owner = ?, mtime_ns = ?, round = ? WHERE seq = ?",
	[FILE_UNSEEN] = "DELETE FROM files WHERE session = ? AND round <> ?",
	[BLOB_ADD] = "INSERT INTO blobs (data) VALUES (?)",
	[FILE_ADD] = "INSERT INTO files (session, path, kind, mode, owner, mtime_ns, bytes, round, blob)"
		     " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[FILE_EACH] = "SELECT path, kind, mode, owner, mtime_ns, data FROM files"
		      " JOIN blobs ON blobs.id = files.blob WHERE session = ?1"
		      " AND (?2 IS NULL OR path = ?2 OR (path > ?2 || '/' AND path < ?2 || '0'))"
		      " ORDER BY kind <> 1, CASE kind WHEN 1 THEN path ELSE '' END, mtime_ns, seq",
	[FILE_WEIGH] = "SELECT count(*), coalesce(sum(bytes), 0) FROM files WHERE session = ? AND kind <> 1",
	[RUN_ADD] = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?)",
	[RUN_FORGET] = "DELETE FROM runs WHERE session = ? AND number <= ?",
	[RUN_EACH] = "SELECT number, run FROM runs WHERE session = ? AND number > ? ORDER BY number",
	[COPY_USERS] = "INSERT INTO users SELECT ?1, number, name, gone FROM users"
		       " WHERE session = ?2 AND (?3 IS NULL OR name = ?3 OR gone)",
	[COPY_FILES] =
		"INSERT INTO files (session, path, kind, mode, owner, mtime_ns, bytes, round, blob)"
		" SELECT ?1, path, kind, mode, owner, mtime_ns, bytes, 0, blob FROM files WHERE session = ?2"
		" AND (?3 IS NULL OR path = ?3 OR (path > ?3 || '/' AND path < ?3 || '0')) ORDER BY seq",
};

struct session_store {
	sqlite3 *db;
	sqlite3 *checkpoints; /* the other thread's */
	sqlite3_stmt *prepared[STATEMENT_COUNT];
	int frames; /* in the log */
};

static int code_of(int sqlite)
{
	switch (sqlite & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_READONLY:
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EINVAL;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	default:
		return -EIO;
	}
}

static int fail(const struct session_store *store, struct err *err, const char *what)
{
	return err_set(err, code_of(sqlite3_extended_errcode(store->db)), "sessions: %s: %s", what,
		       sqlite3_errmsg(store->db));
}

static int on_commit(void *user, sqlite3 *db, const char *name, int frames)
{
	((struct session_store *)user)->frames = frames;
	return SQLITE_OK;
}

static int connect_db(const char *path, sqlite3 **ret, struct err *err)
{
	static const char settings[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
				       "PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 0;"
				       "PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0;";
	int keep = 1;
	int r = sqlite3_open_v2(path, ret, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
				NULL);

	if (r == SQLITE_OK)
		r = sqlite3_busy_timeout(*ret, 2000);
	if (r == SQLITE_OK)
		r = sqlite3_exec(*ret, settings, NULL, NULL, NULL);
	/* What is closed here cannot unlink the log, and must not try. */
	if (r == SQLITE_OK)
		r = sqlite3_file_control(*ret, NULL, SQLITE_FCNTL_PERSIST_WAL, &keep);
	if (r != SQLITE_OK)
		return err_set(err, code_of(r), "sessions: '%s': %s", path,
			       *ret ? sqlite3_errmsg(*ret) : "no memory");
	return 0;
}

static int number_of(sqlite3 *db, const char *sql, int64_t *ret)
{
	sqlite3_stmt *statement = NULL;
	int r = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_step(statement);
	if (r == SQLITE_ROW)
		*ret = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return r == SQLITE_ROW ? 0 : code_of(r);
}

static int schema_make(struct session_store *store, struct err *err)
{
	int64_t version = 0;
	int r = number_of(store->db, "PRAGMA user_version", &version);

	if (r < 0)
		return fail(store, err, "its version");
	if (version == STORE_VERSION)
		return 0;
	if (version != 0)
		return err_set(err, -EINVAL, "sessions: the database is of version %lld, this kiln knows %d",
			       (long long)version, STORE_VERSION);
	if (sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(store->db, schema, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(store->db, "PRAGMA user_version = 1; COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		return fail(store, err, "make the tables");
	return 0;
}

static int bound_set(struct session_store *store, uint64_t bytes_max, struct err *err)
{
	int64_t page = 4096, ignored;
	char sql[64];
	int r = number_of(store->db, "PRAGMA page_size", &page);

	if (r < 0 || page <= 0)
		return fail(store, err, "its page size");
	snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %llu",
		 (unsigned long long)(bytes_max / (uint64_t)page + 1));
	return number_of(store->db, sql, &ignored) < 0 ? fail(store, err, "its bound") : 0;
}

static int prepare_all(struct session_store *store, struct err *err)
{
	for (int i = 0; i < STATEMENT_COUNT; i++) {
		if (sqlite3_prepare_v3(store->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &store->prepared[i], NULL) != SQLITE_OK)
			return fail(store, err, "prepare");
	}
	return 0;
}

int session_store_open(const struct store_options *options, struct session_store **ret, struct err *err)
{
	AUTO_FREE char *path = NULL;
	struct session_store *store;
	int64_t count;
	int r;

	if (mkdir(options->dir, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "sessions: make '%s'", options->dir);
	if (asprintf(&path, "%s/sessions.db", options->dir) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "sessions");
	}
	store = calloc(1, sizeof(*store));
	if (!store)
		return err_set(err, -ENOMEM, "sessions");
	r = connect_db(path, &store->db, err);
	if (r == 0)
		r = schema_make(store, err);
	if (r == 0)
		r = bound_set(store, options->bytes_max, err);
	if (r == 0)
		r = prepare_all(store, err);
	if (r == 0)
		r = connect_db(path, &store->checkpoints, err);
	/* Opens log and index of the second one, and randomness, as long as that can be done. */
	if (r == 0 && number_of(store->checkpoints, "SELECT count(*), random() FROM users", &count) < 0)
		r = err_set(err, -EIO, "sessions: %s", sqlite3_errmsg(store->checkpoints));
	if (r < 0) {
		session_store_close(store);
		return r;
	}
	sqlite3_wal_hook(store->db, on_commit, store);
	*ret = store;
	return 0;
}

void session_store_close(struct session_store *store)
{
	if (!store)
		return;
	for (int i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(store->prepared[i]);
	sqlite3_close(store->checkpoints);
	sqlite3_close(store->db);
	free(store);
}

void session_store_checkpoint(struct session_store *store)
{
	sqlite3_wal_checkpoint_v2(store->checkpoints, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

bool session_store_wants_checkpoint(const struct session_store *store)
{
	return store->frames >= CHECKPOINT_FRAMES;
}

static sqlite3_stmt *begin(struct session_store *store, enum statement which)
{
	sqlite3_stmt *s = store->prepared[which];

	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return s;
}

static void bind_text(sqlite3_stmt *s, int at, const char *text)
{
	sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

/* Executes a statement that gives no rows. A binding that found no memory leaves a NULL, which the tables refuse. */
static int done(struct session_store *store, enum statement which, struct err *err)
{
	sqlite3_stmt *s = store->prepared[which];
	int r = sqlite3_step(s);

	sqlite3_reset(s);
	return r == SQLITE_DONE ? 0 : fail(store, err, "write");
}

/* With texts as its parameters; NULL is a NULL. */
static int run_texts(struct session_store *store, enum statement which, const char *a, const char *b,
		     const char *c, struct err *err)
{
	sqlite3_stmt *s = begin(store, which);
	const char *const texts[] = { a, b, c };
	int count = sqlite3_bind_parameter_count(s);

	for (int i = 0; i < count && i < 3; i++)
		bind_text(s, i + 1, texts[i]);
	return done(store, which, err);
}

static int transaction_begin(struct session_store *store, struct err *err)
{
	return run_texts(store, BEGIN, NULL, NULL, NULL, err);
}

/* Commits, or takes everything back when `r` is an error. SQLite has taken back some by itself then. */
static int transaction_end(struct session_store *store, int r, struct err *err)
{
	if (r == 0)
		r = run_texts(store, COMMIT, NULL, NULL, NULL, err);
	if (r < 0 && !sqlite3_get_autocommit(store->db))
		(void)!run_texts(store, ROLLBACK, NULL, NULL, NULL, NULL);
	return r;
}

int session_store_put(struct session_store *store, const struct store_session *session, struct err *err)
{
	sqlite3_stmt *s = begin(store, SESSION_PUT);
	const char *const texts[] = { session->key,  session->tenant, session->id,
				      session->spec, session->state,  session->reason };
	const int64_t numbers[] = { session->created_ms, session->expires_ms, session->ended_ms,
				    session->runs, session->kept };

	for (int i = 0; i < (int)ARRAY_LEN(texts); i++)
		bind_text(s, i + 1, texts[i]);
	for (int i = 0; i < (int)ARRAY_LEN(numbers); i++)
		sqlite3_bind_int64(s, (int)ARRAY_LEN(texts) + i + 1, numbers[i]);
	return done(store, SESSION_PUT, err);
}

static const char *column(sqlite3_stmt *s, int at)
{
	const char *text = (const char *)sqlite3_column_text(s, at);

	return text ? text : "";
}

/* The next row: 1, or 0 at the end, or negative. */
static int row(struct session_store *store, sqlite3_stmt *s, struct err *err)
{
	int r = sqlite3_step(s);

	if (r == SQLITE_ROW)
		return 1;
	return r == SQLITE_DONE ? 0 : fail(store, err, "read");
}

int session_store_each(struct session_store *store, store_session_fn each, void *user, struct err *err)
{
	sqlite3_stmt *s = begin(store, SESSION_EACH);
	int r;

	while ((r = row(store, s, err)) > 0) {
		const struct store_session session = {
			.key = column(s, 0),
			.tenant = column(s, 1),
			.id = column(s, 2),
			.spec = column(s, 3),
			.state = column(s, 4),
			.reason = column(s, 5),
			.created_ms = sqlite3_column_int64(s, 6),
			.expires_ms = sqlite3_column_int64(s, 7),
			.ended_ms = sqlite3_column_int64(s, 8),
			.runs = sqlite3_column_int64(s, 9),
			.kept = sqlite3_column_int(s, 10) != 0,
		};

		r = each(user, &session);
		if (r < 0)
			break;
	}
	sqlite3_reset(s);
	return r;
}

int session_store_remove(struct session_store *store, const char *key, struct err *err)
{
	static const enum statement parts[] = { SESSION_FILES_REMOVE, SESSION_RUNS_REMOVE,
						SESSION_USERS_REMOVE, SESSION_REMOVE };
	int r = transaction_begin(store, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(parts); i++)
		r = run_texts(store, parts[i], key, NULL, NULL, err);
	return transaction_end(store, r, err);
}

int session_store_users(struct session_store *store, const char *key, struct store_users *users,
			struct err *err)
{
	sqlite3_stmt *s = begin(store, USER_EACH);
	int r;

	bind_text(s, 1, key);
	users->highest = 0;
	while ((r = row(store, s, err)) > 0) {
		users->highest = (uint32_t)sqlite3_column_int64(s, 0);
		r = sqlite3_column_int(s, 2) ? 0 : users->each(users->user, users->highest, column(s, 1));
		if (r < 0)
			break;
	}
	sqlite3_reset(s);
	return r;
}

int session_store_user_add(struct session_store *store, const char *key, uint32_t number, const char *name,
			   struct err *err)
{
	sqlite3_stmt *s = begin(store, USER_ADD);

	bind_text(s, 1, key);
	sqlite3_bind_int64(s, 2, number);
	bind_text(s, 3, name);
	return done(store, USER_ADD, err);
}

int session_store_user_remove(struct session_store *store, const char *key, uint32_t number, const char *name,
			      struct err *err)
{
	sqlite3_stmt *s;
	int r = transaction_begin(store, err);

	if (r < 0)
		return r;
	r = run_texts(store, FILE_REMOVE, key, name, NULL, err);
	if (r == 0) {
		s = begin(store, USER_REMOVE);
		bind_text(s, 1, key);
		sqlite3_bind_int64(s, 2, number);
		r = done(store, USER_REMOVE, err);
	}
	return transaction_end(store, r, err);
}

static void bind_data(sqlite3_stmt *s, int at, const struct store_file *file)
{
	sqlite3_bind_blob64(s, at, file->len ? file->data : "", file->len, SQLITE_STATIC);
}

/* Puts a file in the place of whatever has its path. What is in a folder may have come before it. */
static int file_put(struct session_store *store, const char *key, const struct store_file *file,
		    int64_t round, struct err *err)
{
	enum statement before = file->kind == STORE_FOLDER && !file->gone ? FOLDER_REPLACE : FILE_REMOVE;
	sqlite3_stmt *s;
	int r = run_texts(store, before, key, file->path, NULL, err);

	if (r < 0 || file->gone)
		return r;
	s = begin(store, BLOB_ADD);
	bind_data(s, 1, file);
	r = done(store, BLOB_ADD, err);
	if (r < 0)
		return r;
	s = begin(store, FILE_ADD);
	bind_text(s, 1, key);
	bind_text(s, 2, file->path);
	sqlite3_bind_int64(s, 3, file->kind);
	sqlite3_bind_int64(s, 4, file->mode);
	sqlite3_bind_int64(s, 5, file->owner);
	sqlite3_bind_int64(s, 6, (int64_t)file->mtime_ns);
	sqlite3_bind_int64(s, 7, (int64_t)file->len);
	sqlite3_bind_int64(s, 8, round);
	sqlite3_bind_int64(s, 9, sqlite3_last_insert_rowid(store->db));
	return done(store, FILE_ADD, err);
}

/* 1 and the row of a file that has this content already, 0, or negative. */
static int file_same(struct session_store *store, const char *key, const struct store_file *file,
		     int64_t *ret, struct err *err)
{
	sqlite3_stmt *s = begin(store, FILE_SAME);
	int r;

	bind_text(s, 1, key);
	bind_text(s, 2, file->path);
	sqlite3_bind_int64(s, 3, file->kind);
	bind_data(s, 4, file);
	r = row(store, s, err);
	if (r > 0)
		*ret = sqlite3_column_int64(s, 0);
	sqlite3_reset(s);
	return r;
}

int session_store_see(struct session_store *store, const char *key, int64_t round,
		      const struct store_file *file, struct err *err)
{
	int64_t seq;
	int r = file_same(store, key, file, &seq, err);
	sqlite3_stmt *s;

	if (r < 0)
		return r;
	if (r > 0) {
		s = begin(store, FILE_KEEP);
		sqlite3_bind_int64(s, 1, file->mode);
		sqlite3_bind_int64(s, 2, file->owner);
		sqlite3_bind_int64(s, 3, (int64_t)file->mtime_ns);
		sqlite3_bind_int64(s, 4, round);
		sqlite3_bind_int64(s, 5, seq);
		return done(store, FILE_KEEP, err);
	}
	r = transaction_begin(store, err);
	if (r < 0)
		return r;
	return transaction_end(store, file_put(store, key, file, round, err), err);
}

int session_store_seen(struct session_store *store, const char *key, int64_t round, struct err *err)
{
	sqlite3_stmt *s = begin(store, FILE_UNSEEN);

	bind_text(s, 1, key);
	sqlite3_bind_int64(s, 2, round);
	return done(store, FILE_UNSEEN, err);
}

static int run_put(struct session_store *store, const struct store_change *change, struct err *err)
{
	sqlite3_stmt *s = begin(store, RUN_ADD);
	int r;

	bind_text(s, 1, change->key);
	sqlite3_bind_int64(s, 2, change->number);
	bind_text(s, 3, change->run);
	r = done(store, RUN_ADD, err);
	if (r < 0 || change->number <= change->runs_kept)
		return r;
	s = begin(store, RUN_FORGET);
	bind_text(s, 1, change->key);
	sqlite3_bind_int64(s, 2, change->number - change->runs_kept);
	return done(store, RUN_FORGET, err);
}

int session_store_apply(struct session_store *store, const struct store_change *change, struct err *err)
{
	int r = transaction_begin(store, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < change->files_count; i++)
		r = file_put(store, change->key, &change->files[i], 0, err);
	if (r == 0 && change->run)
		r = run_put(store, change, err);
	return transaction_end(store, r, err);
}

int session_store_files(struct session_store *store, const char *key, const char *below,
			int (*each)(void *user, const struct store_file *file), void *user, struct err *err)
{
	sqlite3_stmt *s = begin(store, FILE_EACH);
	int r;

	bind_text(s, 1, key);
	bind_text(s, 2, below);
	while ((r = row(store, s, err)) > 0) {
		const struct store_file file = {
			.path = column(s, 0),
			.kind = (enum store_kind)sqlite3_column_int(s, 1),
			.mode = (uint32_t)sqlite3_column_int64(s, 2),
			.owner = (uint32_t)sqlite3_column_int64(s, 3),
			.mtime_ns = (uint64_t)sqlite3_column_int64(s, 4),
			.data = sqlite3_column_blob(s, 5),
			.len = (size_t)sqlite3_column_bytes(s, 5),
		};

		r = each(user, &file);
		if (r < 0)
			break;
	}
	sqlite3_reset(s);
	return r;
}

int session_store_weigh(struct session_store *store, const char *key, uint64_t *ret_files,
			uint64_t *ret_bytes, struct err *err)
{
	sqlite3_stmt *s = begin(store, FILE_WEIGH);
	int r;

	bind_text(s, 1, key);
	r = row(store, s, err);
	if (r > 0) {
		*ret_files = (uint64_t)sqlite3_column_int64(s, 0);
		*ret_bytes = (uint64_t)sqlite3_column_int64(s, 1);
	}
	sqlite3_reset(s);
	return r < 0 ? r : 0;
}

int session_store_runs(struct session_store *store, const char *key, int64_t since,
		       int (*each)(void *user, int64_t number, const char *json), void *user, struct err *err)
{
	sqlite3_stmt *s = begin(store, RUN_EACH);
	int r;

	bind_text(s, 1, key);
	sqlite3_bind_int64(s, 2, since);
	while ((r = row(store, s, err)) > 0) {
		r = each(user, sqlite3_column_int64(s, 0), column(s, 1));
		if (r < 0)
			break;
	}
	sqlite3_reset(s);
	return r;
}

int session_store_copy(struct session_store *store, const char *from, const char *user_name, const char *to,
		       struct err *err)
{
	int r = transaction_begin(store, err);

	if (r < 0)
		return r;
	r = run_texts(store, COPY_USERS, to, from, user_name, err);
	if (r == 0)
		r = run_texts(store, COPY_FILES, to, from, user_name, err);
	return transaction_end(store, r, err);
}
