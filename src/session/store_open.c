/*
 * How it works: three connections to one database with a write-ahead log. The first is the loop's, which reads what is
 * small; the second the worker's, which writes and reads what is large; the third only checkpoints, so that the waiting
 * for a disk holds up neither. In such a database who reads waits for nobody. All of them read once while files can
 * still be opened: from then on SQLite needs no more than the descriptors of database, log and index. `synchronous` is
 * NORMAL: a commit writes to the log and does not wait.
 */
#include "session/journal.h"
#include "session/store_priv.h"

#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define CHECKPOINT_FRAMES 1000

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

int store_fail(const struct session_store *store, struct err *err, const char *what)
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

/* What makes a database of each version that was one of the next. */
static const char *const upgrades[STORE_VERSION] = { store_schema, store_schema_from_1, store_schema_from_2 };

static int schema_make(struct session_store *store, struct err *err)
{
	static const char set_version[] = "PRAGMA user_version = 3; COMMIT";
	int64_t version = 0;
	int r = number_of(store->db, "PRAGMA user_version", &version);

	static_assert(STORE_VERSION == 3, "set_version");
	if (r < 0)
		return store_fail(store, err, "its version");
	if (version == STORE_VERSION)
		return 0;
	if (version < 0 || version > STORE_VERSION)
		return err_set(err, -EINVAL, "sessions: the database is of version %lld, this kiln knows %d",
			       (long long)version, STORE_VERSION);
	r = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	/* The tables of an empty one are the last version's at once. */
	for (int64_t i = version; r == SQLITE_OK && i < (version == 0 ? 1 : STORE_VERSION); i++)
		r = sqlite3_exec(store->db, upgrades[i], NULL, NULL, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_exec(store->db, set_version, NULL, NULL, NULL);
	return r == SQLITE_OK ? 0 : store_fail(store, err, "make the tables");
}

static int bound_set(struct session_store *store, uint64_t bytes_max, struct err *err)
{
	int64_t page = 4096, ignored;
	char sql[64];
	int r = number_of(store->db, "PRAGMA page_size", &page);

	if (r < 0 || page <= 0)
		return store_fail(store, err, "its page size");
	snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %llu",
		 (unsigned long long)(bytes_max / (uint64_t)page + 1));
	return number_of(store->db, sql, &ignored) < 0 ? store_fail(store, err, "its bound") : 0;
}

static int prepare_all(struct session_store *store, struct err *err)
{
	for (int i = 0; i < STATEMENT_COUNT; i++) {
		if (sqlite3_prepare_v3(store->db, store_statements[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &store->prepared[i], NULL) != SQLITE_OK)
			return store_fail(store, err, "prepare");
	}
	return 0;
}

/* One more connection for a thread of its own. Opens log and index, and randomness, as long as that can be done. */
static int connect_more(const char *path, sqlite3 **ret, struct err *err)
{
	int64_t count;
	int r = connect_db(path, ret, err);

	if (r == 0 && number_of(*ret, "SELECT count(*), random() FROM users", &count) < 0)
		r = err_set(err, -EIO, "sessions: %s", sqlite3_errmsg(*ret));
	return r;
}

static int worker_open(const char *path, uint64_t bytes_max, struct session_store *store, struct err *err)
{
	struct session_store *worker = calloc(1, sizeof(*worker));
	int r;

	if (!worker)
		return err_set(err, -ENOMEM, "sessions");
	worker->lock_fd = -1;
	store->worker = worker;
	r = connect_more(path, &worker->db, err);
	if (r == 0)
		r = bound_set(worker, bytes_max, err);
	if (r == 0)
		r = prepare_all(worker, err);
	if (r == 0)
		sqlite3_wal_hook(worker->db, on_commit, store);
	return r;
}

int session_store_open(const struct store_options *options, struct session_store **ret, struct err *err)
{
	AUTO_FREE char *path = NULL;
	struct session_store *store;
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
	store->lock_fd = -1;
	r = store_lock(options->dir, options->lock_ms, &store->lock_fd, err);
	if (r == 0)
		r = connect_db(path, &store->db, err);
	if (r == 0)
		r = schema_make(store, err);
	if (r == 0)
		r = bound_set(store, options->bytes_max, err);
	if (r == 0)
		r = prepare_all(store, err);
	if (r == 0)
		r = journal_open(options->dir, &store->journal, err);
	/* What cannot be brought there now, into a full database perhaps, is no reason not to open it. */
	if (r == 0 && store_take_left(store, err) == -ENOMEM)
		r = -ENOMEM;
	if (r == 0)
		r = worker_open(path, options->bytes_max, store, err);
	if (r == 0)
		r = connect_more(path, &store->checkpoints, err);
	if (r < 0) {
		session_store_close(store);
		return r;
	}
	sqlite3_wal_hook(store->db, on_commit, store);
	*ret = store;
	return 0;
}

struct session_store *session_store_worker(struct session_store *store)
{
	return store->worker;
}

void session_store_close(struct session_store *store)
{
	if (!store)
		return;
	session_store_close(store->worker);
	for (int i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(store->prepared[i]);
	sqlite3_close(store->checkpoints);
	sqlite3_close(store->db);
	journal_close(store->journal);
	cleanup_close(&store->lock_fd);
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
