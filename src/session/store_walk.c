/*
 * What is done file by file and may be of any number of files, in pieces: of each the rows are listed first, by number,
 * and every call takes some of them from the list, in a transaction of its own.
 */
#include "session/store_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A piece ends with either. Both take a few milliseconds. */
#define PIECE_ROWS  256
#define PIECE_BYTES ((uint64_t)2 * 1024 * 1024)

void store_walk_finish(struct store_walk *walk)
{
	free(walk->rows);
	*walk = (struct store_walk){ 0 };
}

static int list(struct session_store *store, struct store_walk *walk, sqlite3_stmt *s, struct err *err)
{
	int r;

	while ((r = store_row(store, s, err)) > 0) {
		if (walk->count == walk->room) {
			size_t room = walk->room ? 2 * walk->room : 256;
			struct store_row_id *grown = reallocarray(walk->rows, room, sizeof(*grown));

			if (!grown) {
				r = err_set(err, -ENOMEM, "files of a session");
				break;
			}
			walk->rows = grown;
			walk->room = room;
		}
		walk->rows[walk->count++] =
			(struct store_row_id){ .seq = sqlite3_column_int64(s, 0),
					       .bytes = (uint64_t)sqlite3_column_int64(s, 1) };
	}
	sqlite3_reset(s);
	walk->listed = r == 0;
	return r;
}

static int list_all(struct session_store *store, const char *key, const char *below, struct store_walk *walk,
		    struct err *err)
{
	sqlite3_stmt *s = store_begin(store, LIST_ALL);

	store_bind_text(s, 1, key);
	store_bind_text(s, 2, below);
	return list(store, walk, s, err);
}

/* What is done with one row. */
typedef int (*row_fn)(struct session_store *store, int64_t seq, const void *what, struct err *err);

/* Takes a piece of the list. 1 when some is left. */
static int walk_rows(struct session_store *store, struct store_walk *walk, row_fn fn, const void *what,
		     struct err *err)
{
	uint64_t bytes = 0;
	int r = 0;

	for (size_t rows = 0; r == 0 && rows < PIECE_ROWS && bytes < PIECE_BYTES && walk->at < walk->count;
	     rows++) {
		const struct store_row_id *row = &walk->rows[walk->at++];

		r = fn(store, row->seq, what, err);
		bytes += row->bytes;
	}
	return r < 0 ? r : walk->at < walk->count;
}

/* The same, in a transaction. */
static int change_rows(struct session_store *store, struct store_walk *walk, row_fn fn, const void *what,
		       struct err *err)
{
	int more = 0, r = store_transaction_begin(store, err);

	if (r < 0)
		return r;
	more = walk_rows(store, walk, fn, what, err);
	r = store_transaction_end(store, more < 0 ? more : 0, err);
	return r < 0 ? r : more;
}

static int remove_row(struct session_store *store, int64_t seq, const void *key, struct err *err)
{
	sqlite3_stmt *s = store_begin(store, ROW_REMOVE);

	sqlite3_bind_int64(s, 1, seq);
	store_bind_text(s, 2, key);
	return store_done(store, ROW_REMOVE, err);
}

struct reading {
	const char *key;
	int (*each)(void *user, const struct store_file *file);
	void *user;
};

static int read_row(struct session_store *store, int64_t seq, const void *what, struct err *err)
{
	const struct reading *reading = what;
	sqlite3_stmt *s = store_begin(store, ROW_READ);

	sqlite3_bind_int64(s, 1, seq);
	store_bind_text(s, 2, reading->key);
	return store_each_file(store, s, reading->each, reading->user, err);
}

int session_store_read(struct session_store *store, const char *key, const char *below,
		       struct store_walk *walk, int (*each)(void *user, const struct store_file *file),
		       void *user, struct err *err)
{
	const struct reading reading = { .key = key, .each = each, .user = user };
	int r = walk->listed ? 0 : list_all(store, key, below, walk, err);

	return r < 0 ? r : walk_rows(store, walk, read_row, &reading, err);
}

int session_store_seen(struct session_store *store, const char *key, int64_t round, struct store_walk *walk,
		       struct err *err)
{
	sqlite3_stmt *s;

	if (!walk->listed) {
		int r;

		s = store_begin(store, LIST_UNSEEN);
		store_bind_text(s, 1, key);
		sqlite3_bind_int64(s, 2, round);
		r = list(store, walk, s, err);
		if (r < 0 || walk->count == 0)
			return r;
	}
	return change_rows(store, walk, remove_row, key, err);
}

struct copying {
	const char *from, *to;
};

static int copy_row(struct session_store *store, int64_t seq, const void *what, struct err *err)
{
	static const enum statement parts[] = { ROW_COPY, ROW_COPY_VERSION };
	const struct copying *copying = what;
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		sqlite3_stmt *s = store_begin(store, parts[i]);

		sqlite3_bind_int64(s, 1, seq);
		store_bind_text(s, 2, copying->from);
		store_bind_text(s, 3, copying->to);
		r = store_done(store, parts[i], err);
	}
	return r;
}

int session_store_copy(struct session_store *store, const char *from, const char *user_name, const char *to,
		       struct store_walk *walk, struct err *err)
{
	const struct copying copying = { .from = from, .to = to };
	int r;

	if (walk->listed)
		return change_rows(store, walk, copy_row, &copying, err);
	r = store_transaction_begin(store, err);
	if (r < 0)
		return r;
	r = store_run_texts(store, SESSION_MARK, to, NULL, NULL, err);
	if (r == 0)
		r = store_run_texts(store, COPY_USERS, to, from, user_name, err);
	r = store_transaction_end(store, r, err);
	if (r == 0)
		r = list_all(store, from, user_name, walk, err);
	return r < 0 ? r : walk->count > 0;
}

/* All at once. */
static int run_all(struct session_store *store, const enum statement *parts, size_t count, const char *key,
		   struct err *err)
{
	int r = store_transaction_begin(store, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = store_run_texts(store, parts[i], key, NULL, NULL, err);
	return store_transaction_end(store, r, err);
}

int session_store_remove_record(struct session_store *store, const char *key, struct err *err)
{
	static const enum statement parts[] = { SESSION_MARK, SESSION_REMOVE };

	return run_all(store, parts, 2, key, err);
}

int session_store_remove_rest(struct session_store *store, const char *key, struct store_walk *walk,
			      struct err *err)
{
	static const enum statement last[] = { SESSION_DETAILS_REMOVE, SESSION_RUNS_REMOVE,
					       SESSION_USERS_REMOVE, SESSION_UNMARK };
	int r;

	/* What was is counted by versions, and those know nothing any more of what is. */
	if (!walk->listed) {
		r = store_run_texts(store, SESSION_VERSIONS_REMOVE, key, NULL, NULL, err);
		if (r < 0 || sqlite3_changes(store->db) > 0)
			return r < 0 ? r : 1;
		r = list_all(store, key, NULL, walk, err);
		return r < 0 ? r : 1;
	}
	if (walk->at < walk->count) {
		r = change_rows(store, walk, remove_row, key, err);
		return r < 0 ? r : 1;
	}
	return run_all(store, last, sizeof(last) / sizeof(last[0]), key, err);
}

int session_store_user_remove(struct session_store *store, const char *key, uint32_t number, const char *name,
			      struct store_walk *walk, struct err *err)
{
	sqlite3_stmt *s;
	int r = walk->listed ? 0 : list_all(store, key, name, walk, err);

	if (r == 0 && walk->at < walk->count) {
		r = change_rows(store, walk, remove_row, key, err);
		return r < 0 ? r : 1;
	}
	if (r < 0)
		return r;
	s = store_begin(store, USER_REMOVE);
	store_bind_text(s, 1, key);
	sqlite3_bind_int64(s, 2, number);
	return store_done(store, USER_REMOVE, err);
}

int session_store_orphans(struct session_store *store, int (*each)(void *user, const char *key), void *user,
			  struct err *err)
{
	return store_each_text(store, store_begin(store, SESSION_ORPHANS), each, user, err);
}
