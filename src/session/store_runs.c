/*
 * The runs of a session: a line for each, and of the latest, within a bound, the detail of what was seen and the text
 * files that they left. Those are versions of files: a run that changed nothing adds none.
 */
#include "session/journal.h"
#include "session/store_priv.h"

#include <errno.h>
#include <string.h>

/* To look at all that is kept costs more than to add to it: that is done after so many runs, or after a large one. */
#define TIDY_EVERY  16
#define SMALL_BYTES (16 * 1024)

static int with_number(struct session_store *store, enum statement which, const char *key, int64_t number,
		       struct err *err)
{
	sqlite3_stmt *s = store_begin(store, which);

	store_bind_text(s, 1, key);
	sqlite3_bind_int64(s, 2, number);
	return store_done(store, which, err);
}

static int past_weigh(struct session_store *store, const char *key, uint64_t *ret, struct err *err)
{
	sqlite3_stmt *s = store_begin(store, PAST_WEIGH);
	int r;

	store_bind_text(s, 1, key);
	r = store_row(store, s, err);
	if (r > 0)
		*ret = (uint64_t)sqlite3_column_int64(s, 0);
	sqlite3_reset(s);
	return r < 0 ? r : 0;
}

/* The oldest details go, and the versions that only their runs left, until the bound is kept. */
static int past_bound(struct session_store *store, const char *key, uint64_t bytes_max, struct err *err)
{
	uint64_t bytes = 0;
	int gone = 1;
	int r = past_weigh(store, key, &bytes, err);

	while (r == 0 && bytes > bytes_max && gone > 0) {
		r = store_run_texts(store, DETAIL_FORGET_OLDEST, key, NULL, NULL, err);
		gone = sqlite3_changes(store->db);
		if (r == 0)
			r = store_run_texts(store, VERSION_FORGET, key, NULL, NULL, err);
		if (r == 0)
			r = past_weigh(store, key, &bytes, err);
	}
	return r;
}

static int put(struct session_store *store, enum statement which, const char *key, int64_t number,
	       const char *text, struct err *err)
{
	sqlite3_stmt *s = store_begin(store, which);

	store_bind_text(s, 1, key);
	sqlite3_bind_int64(s, 2, number);
	store_bind_text(s, 3, text);
	return store_done(store, which, err);
}

static int put_line(struct session_store *store, const char *key, const struct store_line *line,
		    struct err *err)
{
	int r = put(store, RUN_ADD, key, line->number, line->run, err);

	return r == 0 && line->detail ? put(store, DETAIL_ADD, key, line->number, line->detail, err) : r;
}

/* Runs that are too old, and what only they left. */
static int forget_old(struct session_store *store, const char *key, int64_t oldest, struct err *err)
{
	int r = 0;

	if (oldest <= 0)
		return 0;
	r = with_number(store, RUN_FORGET, key, oldest, err);
	if (r == 0)
		r = with_number(store, DETAIL_FORGET, key, oldest, err);
	return r < 0 ? r : store_run_texts(store, VERSION_FORGET, key, NULL, NULL, err);
}

/* `is_large`: the bound may be passed by them alone. */
static int put_lines(struct session_store *store, const struct store_lines *lines, bool is_large,
		     struct err *err)
{
	bool is_due = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < lines->count; i++) {
		r = put_line(store, lines->key, &lines->lines[i], err);
		is_due |= lines->lines[i].number % TIDY_EVERY == 0;
	}
	if (r == 0 && is_due)
		r = forget_old(store, lines->key, lines->lines[lines->count - 1].number - lines->runs_kept,
			       err);
	return r == 0 && (is_due || is_large) ? past_bound(store, lines->key, lines->past_bytes, err) : r;
}

int store_run_put(struct session_store *store, const struct store_change *change, struct err *err)
{
	const struct store_line line = { .run = change->run,
					 .detail = change->detail,
					 .number = change->number };
	const struct store_lines lines = { .key = change->key,
					   .lines = &line,
					   .count = 1,
					   .runs_kept = change->runs_kept,
					   .past_bytes = change->past_bytes };
	bool is_large = change->files_count > 0 || (change->detail && strlen(change->detail) > SMALL_BYTES);

	return put_lines(store, &lines, is_large, err);
}

int session_store_lines(struct session_store *store, const struct store_lines *lines, struct err *err)
{
	int r = store_transaction_begin(store, err);

	return r < 0 ? r : store_transaction_end(store, put_lines(store, lines, false, err), err);
}

bool session_store_note(struct session_store *store, const char *key, const struct store_line *line)
{
	return journal_add(store->journal, key, line);
}

void session_store_noted(struct session_store *store, size_t count)
{
	journal_done(store->journal, count);
}

struct leaving {
	struct session_store *store;
	struct err *err;
};

/* Of a session that was removed meanwhile nothing is wanted, nor of a run that it had: that may be forgotten. */
static int put_left(void *user, const char *key, const struct store_line *line)
{
	const struct leaving *leaving = user;
	sqlite3_stmt *s = store_begin(leaving->store, RUN_IS_NEW);
	int r;

	store_bind_text(s, 1, key);
	sqlite3_bind_int64(s, 2, line->number);
	r = store_row(leaving->store, s, leaving->err);
	sqlite3_reset(s);
	return r <= 0 ? r : put_line(leaving->store, key, line, leaving->err);
}

static int take_left(struct session_store *store, struct err *err)
{
	struct leaving leaving = { .store = store, .err = err };
	int r = store_transaction_begin(store, err);

	if (r < 0)
		return r;
	r = journal_each(store->journal, put_left, &leaving, err);
	return store_transaction_end(store, r, err);
}

int store_take_left(struct session_store *store, struct err *err)
{
	int r = 0;

	if (journal_is_empty(store->journal))
		return 0;
	r = take_left(store, err);
	/* As with changes. */
	if (r == -ENOSPC && session_store_forget(store, NULL) == 0)
		r = take_left(store, err);
	if (r == 0)
		journal_clear(store->journal);
	return r;
}

static int each_run(struct session_store *store, sqlite3_stmt *s, store_run_fn each, void *user,
		    struct err *err)
{
	int r;

	while ((r = store_row(store, s, err)) > 0) {
		const struct store_run run = {
			.number = sqlite3_column_int64(s, 0),
			.run = store_column(s, 1),
			.detail = (const char *)sqlite3_column_text(s, 2),
			.kept = sqlite3_column_int(s, 3) != 0,
		};

		r = each(user, &run);
		if (r < 0)
			break;
	}
	sqlite3_reset(s);
	return r;
}

int session_store_runs(struct session_store *store, const char *key, int64_t since, store_run_fn each,
		       void *user, struct err *err)
{
	sqlite3_stmt *s = store_begin(store, RUN_EACH);

	store_bind_text(s, 1, key);
	sqlite3_bind_int64(s, 2, since);
	return each_run(store, s, each, user, err);
}

int session_store_run(struct session_store *store, const char *key, int64_t number, store_run_fn each,
		      void *user, struct err *err)
{
	sqlite3_stmt *s = store_begin(store, RUN_ONE);

	store_bind_text(s, 1, key);
	sqlite3_bind_int64(s, 2, number);
	return each_run(store, s, each, user, err);
}

int session_store_run_line(struct session_store *store, const char *key, int64_t number, store_run_fn each,
			   void *user, struct err *err)
{
	sqlite3_stmt *s = store_begin(store, RUN_LINE);

	store_bind_text(s, 1, key);
	sqlite3_bind_int64(s, 2, number);
	return each_run(store, s, each, user, err);
}

int session_store_run_files(struct session_store *store, const struct store_left *left,
			    int (*each)(void *user, const struct store_file *file), void *user,
			    struct err *err)
{
	sqlite3_stmt *s = store_begin(store, RUN_FILES);

	store_bind_text(s, 1, left->key);
	store_bind_text(s, 2, left->user_name);
	sqlite3_bind_int64(s, 3, left->number);
	return store_each_file(store, s, each, user, err);
}

int session_store_copy_run(struct session_store *store, const struct store_left *from, const char *to,
			   struct err *err)
{
	static const enum statement parts[] = { COPY_RUN_FILES, COPY_RUN_VERSIONS };
	int r = store_transaction_begin(store, err);

	if (r < 0)
		return r;
	r = store_run_texts(store, SESSION_MARK, to, NULL, NULL, err);
	if (r == 0)
		r = store_run_texts(store, COPY_USERS, to, from->key, from->user_name, err);
	if (r == 0)
		r = store_run_texts(store, COPY_HOME, to, from->key, from->user_name, err);
	for (size_t i = 0; r == 0 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		sqlite3_stmt *s = store_begin(store, parts[i]);

		store_bind_text(s, 1, to);
		store_bind_text(s, 2, from->key);
		store_bind_text(s, 3, from->user_name);
		sqlite3_bind_int64(s, 4, from->number);
		r = store_done(store, parts[i], err);
	}
	return store_transaction_end(store, r, err);
}

int session_store_forget(struct session_store *store, struct err *err)
{
	int r = store_transaction_begin(store, err);

	if (r < 0)
		return r;
	r = store_run_texts(store, DETAIL_FORGET_ALL, NULL, NULL, NULL, err);
	if (r == 0)
		r = store_run_texts(store, VERSION_FORGET_ALL, NULL, NULL, NULL, err);
	return store_transaction_end(store, r, err);
}
