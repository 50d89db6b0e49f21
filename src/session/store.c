/*
 * How it works: two connections to one database with a write-ahead log. The first does all that is asked, the second
 * only checkpoints, so that the waiting for a disk happens in another thread without holding up the first. Both read
 * once while files can still be opened: from then on SQLite needs no more than the descriptors of database, log and
 * index. `synchronous` is NORMAL: a commit writes to the log and does not wait.
 */
#include "session/store_priv.h"

#include "base/cleanup.h"
#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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

static int schema_make(struct session_store *store, struct err *err)
{
	static const char set_version[] = "PRAGMA user_version = 2; COMMIT";
	const char *tables;
	int64_t version = 0;
	int r = number_of(store->db, "PRAGMA user_version", &version);

	static_assert(STORE_VERSION == 2, "set_version");
	if (r < 0)
		return store_fail(store, err, "its version");
	if (version == STORE_VERSION)
		return 0;
	if (version != 0 && version != 1)
		return err_set(err, -EINVAL, "sessions: the database is of version %lld, this kiln knows %d",
			       (long long)version, STORE_VERSION);
	tables = version == 0 ? store_schema : store_schema_from_1;
	if (sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(store->db, tables, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(store->db, set_version, NULL, NULL, NULL) != SQLITE_OK)
		return store_fail(store, err, "make the tables");
	return 0;
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

sqlite3_stmt *store_begin(struct session_store *store, enum statement which)
{
	sqlite3_stmt *s = store->prepared[which];

	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return s;
}

void store_bind_text(sqlite3_stmt *s, int at, const char *text)
{
	sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

int store_done(struct session_store *store, enum statement which, struct err *err)
{
	sqlite3_stmt *s = store->prepared[which];
	int r = sqlite3_step(s);

	sqlite3_reset(s);
	return r == SQLITE_DONE ? 0 : store_fail(store, err, "write");
}

int store_run_texts(struct session_store *store, enum statement which, const char *a, const char *b,
		    const char *c, struct err *err)
{
	sqlite3_stmt *s = store_begin(store, which);
	const char *const texts[] = { a, b, c };
	int count = sqlite3_bind_parameter_count(s);

	for (int i = 0; i < count && i < 3; i++)
		store_bind_text(s, i + 1, texts[i]);
	return store_done(store, which, err);
}

int store_transaction_begin(struct session_store *store, struct err *err)
{
	return store_run_texts(store, BEGIN, NULL, NULL, NULL, err);
}

int store_transaction_end(struct session_store *store, int r, struct err *err)
{
	if (r == 0)
		r = store_run_texts(store, COMMIT, NULL, NULL, NULL, err);
	if (r < 0 && !sqlite3_get_autocommit(store->db))
		(void)!store_run_texts(store, ROLLBACK, NULL, NULL, NULL, NULL);
	return r;
}

int session_store_put(struct session_store *store, const struct store_session *session, struct err *err)
{
	sqlite3_stmt *s = store_begin(store, SESSION_PUT);
	const char *const texts[] = { session->key,  session->tenant, session->id,
				      session->spec, session->state,  session->reason };
	const int64_t numbers[] = { session->created_ms, session->expires_ms, session->ended_ms,
				    session->runs, session->kept };

	for (int i = 0; i < (int)ARRAY_LEN(texts); i++)
		store_bind_text(s, i + 1, texts[i]);
	for (int i = 0; i < (int)ARRAY_LEN(numbers); i++)
		sqlite3_bind_int64(s, (int)ARRAY_LEN(texts) + i + 1, numbers[i]);
	return store_done(store, SESSION_PUT, err);
}

const char *store_column(sqlite3_stmt *s, int at)
{
	const char *text = (const char *)sqlite3_column_text(s, at);

	return text ? text : "";
}

int store_row(struct session_store *store, sqlite3_stmt *s, struct err *err)
{
	int r = sqlite3_step(s);

	if (r == SQLITE_ROW)
		return 1;
	return r == SQLITE_DONE ? 0 : store_fail(store, err, "read");
}

int session_store_each(struct session_store *store, store_session_fn each, void *user, struct err *err)
{
	sqlite3_stmt *s = store_begin(store, SESSION_EACH);
	int r;

	while ((r = store_row(store, s, err)) > 0) {
		const struct store_session session = {
			.key = store_column(s, 0),
			.tenant = store_column(s, 1),
			.id = store_column(s, 2),
			.spec = store_column(s, 3),
			.state = store_column(s, 4),
			.reason = store_column(s, 5),
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
	static const enum statement parts[] = { SESSION_FILES_REMOVE,	SESSION_VERSIONS_REMOVE,
						SESSION_DETAILS_REMOVE, SESSION_RUNS_REMOVE,
						SESSION_USERS_REMOVE,	SESSION_REMOVE };
	int r = store_transaction_begin(store, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(parts); i++)
		r = store_run_texts(store, parts[i], key, NULL, NULL, err);
	return store_transaction_end(store, r, err);
}

int session_store_users(struct session_store *store, const char *key, struct store_users *users,
			struct err *err)
{
	sqlite3_stmt *s = store_begin(store, USER_EACH);
	int r;

	store_bind_text(s, 1, key);
	users->highest = 0;
	while ((r = store_row(store, s, err)) > 0) {
		users->highest = (uint32_t)sqlite3_column_int64(s, 0);
		r = sqlite3_column_int(s, 2) ? 0
					     : users->each(users->user, users->highest, store_column(s, 1));
		if (r < 0)
			break;
	}
	sqlite3_reset(s);
	return r;
}

int session_store_user_add(struct session_store *store, const char *key, uint32_t number, const char *name,
			   struct err *err)
{
	sqlite3_stmt *s = store_begin(store, USER_ADD);

	store_bind_text(s, 1, key);
	sqlite3_bind_int64(s, 2, number);
	store_bind_text(s, 3, name);
	return store_done(store, USER_ADD, err);
}

int session_store_user_remove(struct session_store *store, const char *key, uint32_t number, const char *name,
			      struct err *err)
{
	sqlite3_stmt *s;
	int r = store_transaction_begin(store, err);

	if (r < 0)
		return r;
	r = store_run_texts(store, FILE_REMOVE, key, name, NULL, err);
	if (r == 0) {
		s = store_begin(store, USER_REMOVE);
		store_bind_text(s, 1, key);
		sqlite3_bind_int64(s, 2, number);
		r = store_done(store, USER_REMOVE, err);
	}
	return store_transaction_end(store, r, err);
}

static void bind_data(sqlite3_stmt *s, int at, const struct store_file *file)
{
	sqlite3_bind_blob64(s, at, file->len ? file->data : "", file->len, SQLITE_STATIC);
}

static bool is_text(const struct store_file *file)
{
	return file->kind == STORE_FILE && file->len <= STORE_TEXT_MAX &&
	       (file->len == 0 ||
		(!memchr(file->data, '\0', file->len) && utf8_valid(file->data, file->len)));
}

static int version_add(struct session_store *store, const char *key, const struct store_file *file,
		       int64_t blob, struct err *err)
{
	sqlite3_stmt *s = store_begin(store, VERSION_ADD);

	store_bind_text(s, 1, key);
	store_bind_text(s, 2, file->path);
	sqlite3_bind_int64(s, 3, file->mode);
	sqlite3_bind_int64(s, 4, file->owner);
	sqlite3_bind_int64(s, 5, (int64_t)file->mtime_ns);
	sqlite3_bind_int64(s, 6, (int64_t)file->len);
	sqlite3_bind_int64(s, 7, blob);
	return store_done(store, VERSION_ADD, err);
}

/* Puts a file in the place of whatever has its path. What is in a folder may have come before it. */
static int file_put(struct session_store *store, const char *key, const struct store_file *file,
		    int64_t round, struct err *err)
{
	enum statement before = file->kind == STORE_FOLDER && !file->gone ? FOLDER_REPLACE : FILE_REMOVE;
	sqlite3_stmt *s;
	int64_t blob;
	int r = store_run_texts(store, before, key, file->path, NULL, err);

	if (r < 0 || file->gone)
		return r;
	s = store_begin(store, BLOB_ADD);
	bind_data(s, 1, file);
	r = store_done(store, BLOB_ADD, err);
	if (r < 0)
		return r;
	blob = sqlite3_last_insert_rowid(store->db);
	s = store_begin(store, FILE_ADD);
	store_bind_text(s, 1, key);
	store_bind_text(s, 2, file->path);
	sqlite3_bind_int64(s, 3, file->kind);
	sqlite3_bind_int64(s, 4, file->mode);
	sqlite3_bind_int64(s, 5, file->owner);
	sqlite3_bind_int64(s, 6, (int64_t)file->mtime_ns);
	sqlite3_bind_int64(s, 7, (int64_t)file->len);
	sqlite3_bind_int64(s, 8, round);
	sqlite3_bind_int64(s, 9, blob);
	r = store_done(store, FILE_ADD, err);
	return r == 0 && is_text(file) ? version_add(store, key, file, blob, err) : r;
}

/* 1 and the row of a file that has this content already, 0, or negative. */
static int file_same(struct session_store *store, const char *key, const struct store_file *file,
		     int64_t *ret, struct err *err)
{
	sqlite3_stmt *s = store_begin(store, FILE_SAME);
	int r;

	store_bind_text(s, 1, key);
	store_bind_text(s, 2, file->path);
	sqlite3_bind_int64(s, 3, file->kind);
	bind_data(s, 4, file);
	r = store_row(store, s, err);
	if (r > 0)
		*ret = sqlite3_column_int64(s, 0);
	sqlite3_reset(s);
	return r;
}

/* What has this content already only gets its attributes: 1; 0: it has not. */
static int file_keep(struct session_store *store, const char *key, const struct store_file *file,
		     int64_t round, struct err *err)
{
	sqlite3_stmt *s;
	int64_t seq;
	int r = file->gone ? 0 : file_same(store, key, file, &seq, err);

	if (r <= 0)
		return r;
	s = store_begin(store, FILE_KEEP);
	sqlite3_bind_int64(s, 1, file->mode);
	sqlite3_bind_int64(s, 2, file->owner);
	sqlite3_bind_int64(s, 3, (int64_t)file->mtime_ns);
	sqlite3_bind_int64(s, 4, round);
	sqlite3_bind_int64(s, 5, seq);
	r = store_done(store, FILE_KEEP, err);
	return r < 0 ? r : 1;
}

int session_store_see(struct session_store *store, const char *key, int64_t round,
		      const struct store_file *file, struct err *err)
{
	int r = file_keep(store, key, file, round, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = store_transaction_begin(store, err);
	if (r < 0)
		return r;
	return store_transaction_end(store, file_put(store, key, file, round, err), err);
}

int session_store_seen(struct session_store *store, const char *key, int64_t round, struct err *err)
{
	sqlite3_stmt *s = store_begin(store, FILE_UNSEEN);

	store_bind_text(s, 1, key);
	sqlite3_bind_int64(s, 2, round);
	return store_done(store, FILE_UNSEEN, err);
}

int session_store_apply(struct session_store *store, const struct store_change *change, struct err *err)
{
	int r = store_transaction_begin(store, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r >= 0 && i < change->files_count; i++) {
		r = file_keep(store, change->key, &change->files[i], 0, err);
		if (r == 0)
			r = file_put(store, change->key, &change->files[i], 0, err);
	}
	if (r >= 0)
		r = change->run ? store_run_put(store, change, err) : 0;
	return store_transaction_end(store, r, err);
}

int store_each_file(struct session_store *store, sqlite3_stmt *s,
		    int (*each)(void *user, const struct store_file *file), void *user, struct err *err)
{
	int r;

	while ((r = store_row(store, s, err)) > 0) {
		const struct store_file file = {
			.path = store_column(s, 0),
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

int session_store_files(struct session_store *store, const char *key, const char *below,
			int (*each)(void *user, const struct store_file *file), void *user, struct err *err)
{
	sqlite3_stmt *s = store_begin(store, FILE_EACH);

	store_bind_text(s, 1, key);
	store_bind_text(s, 2, below);
	return store_each_file(store, s, each, user, err);
}

int session_store_weigh(struct session_store *store, const char *key, uint64_t *ret_files,
			uint64_t *ret_bytes, struct err *err)
{
	sqlite3_stmt *s = store_begin(store, FILE_WEIGH);
	int r;

	store_bind_text(s, 1, key);
	r = store_row(store, s, err);
	if (r > 0) {
		*ret_files = (uint64_t)sqlite3_column_int64(s, 0);
		*ret_bytes = (uint64_t)sqlite3_column_int64(s, 1);
	}
	sqlite3_reset(s);
	return r < 0 ? r : 0;
}

int session_store_copy(struct session_store *store, const char *from, const char *user_name, const char *to,
		       struct err *err)
{
	int r = store_transaction_begin(store, err);

	if (r < 0)
		return r;
	r = store_run_texts(store, COPY_USERS, to, from, user_name, err);
	if (r == 0)
		r = store_run_texts(store, COPY_FILES, to, from, user_name, err);
	if (r == 0)
		r = store_run_texts(store, COPY_VERSIONS, to, from, user_name, err);
	return store_transaction_end(store, r, err);
}
