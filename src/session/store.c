/*
 * Records, users and files: what is asked of one connection. Statements are prepared once; what writes more than one
 * row does so in one transaction, so that everything or nothing of it is there.
 */
#include "session/store_priv.h"

#include "base/cleanup.h"
#include "base/utf8.h"

#include <errno.h>
#include <string.h>

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
		      const struct store_file *files, size_t count, struct err *err)
{
	int r = store_transaction_begin(store, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r >= 0 && i < count; i++) {
		r = file_keep(store, key, &files[i], round, err);
		if (r == 0)
			r = file_put(store, key, &files[i], round, err);
	}
	return store_transaction_end(store, r < 0 ? r : 0, err);
}

int session_store_apply(struct session_store *store, const struct store_change *change, struct err *err)
{
	int r = store_transaction_begin(store, err);

	if (r < 0)
		return r;
	if (change->user_name)
		r = session_store_user_add(store, change->key, change->user_number, change->user_name, err);
	for (size_t i = 0; r >= 0 && i < change->files_count; i++) {
		r = file_keep(store, change->key, &change->files[i], 0, err);
		if (r == 0)
			r = file_put(store, change->key, &change->files[i], 0, err);
	}
	if (r >= 0)
		r = change->run ? store_run_put(store, change, err) : 0;
	return store_transaction_end(store, r, err);
}

struct store_file store_file_of(sqlite3_stmt *s)
{
	return (struct store_file){
		.path = store_column(s, 0),
		.kind = (enum store_kind)sqlite3_column_int(s, 1),
		.mode = (uint32_t)sqlite3_column_int64(s, 2),
		.owner = (uint32_t)sqlite3_column_int64(s, 3),
		.mtime_ns = (uint64_t)sqlite3_column_int64(s, 4),
		.data = sqlite3_column_blob(s, 5),
		.len = (size_t)sqlite3_column_bytes(s, 5),
	};
}

int store_each_text(struct session_store *store, sqlite3_stmt *s, int (*each)(void *user, const char *text),
		    void *user, struct err *err)
{
	int r;

	while ((r = store_row(store, s, err)) > 0) {
		r = each(user, store_column(s, 0));
		if (r < 0)
			break;
	}
	sqlite3_reset(s);
	return r;
}

int store_each_file(struct session_store *store, sqlite3_stmt *s,
		    int (*each)(void *user, const struct store_file *file), void *user, struct err *err)
{
	int r;

	while ((r = store_row(store, s, err)) > 0) {
		const struct store_file file = store_file_of(s);

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

int session_store_names(struct session_store *store, const char *key, const char *below, size_t rows_max,
			int (*each)(void *user, const char *path), void *user, struct err *err)
{
	sqlite3_stmt *s = store_begin(store, NAMES);

	store_bind_text(s, 1, key);
	store_bind_text(s, 2, below);
	sqlite3_bind_int64(s, 3, (int64_t)rows_max);
	return store_each_text(store, s, each, user, err);
}
