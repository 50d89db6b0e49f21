#include "store_fixture.h"

#include "session/compose.h"
#include "session/spec.h"

#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static int apply(struct store_fixture *f, const char *key, const char *path, const char *content)
{
	const struct store_file file = { .path = path,
					 .data = content,
					 .len = content ? strlen(content) : 0,
					 .mode = 0644,
					 .gone = !content };
	const struct store_change change = { .key = key, .files = &file, .files_count = 1 };

	return session_store_apply(f->store, &change, NULL);
}

static int note(void *user, const struct store_file *file)
{
	struct store_fixture *f = user;
	size_t len = strlen(f->seen);

	snprintf(f->seen + len, sizeof(f->seen) - len, "%s=%.*s;", file->path, (int)file->len,
		 file->data ? (const char *)file->data : "");
	return 0;
}

/* All pieces of a call that takes `walk`; how many there were. */
#define IN_PIECES(call)                                                                                      \
	({                                                                                                   \
		struct store_walk walk = { 0 };                                                              \
		int more_, count_ = 0;                                                                       \
                                                                                                             \
		do {                                                                                         \
			more_ = (call);                                                                      \
			count_++;                                                                            \
		} while (more_ > 0);                                                                         \
		assert_int_equal(more_, 0);                                                                  \
		store_walk_finish(&walk);                                                                    \
		count_;                                                                                      \
	})

static const char *files(struct store_fixture *f, const char *key, const char *below)
{
	f->seen[0] = '\0';
	IN_PIECES(session_store_read(f->store, key, below, &walk, note, f, NULL));
	return f->seen;
}

static void remove_session(struct store_fixture *f, const char *key)
{
	assert_int_equal(session_store_remove_record(f->store, key, NULL), 0);
	IN_PIECES(session_store_remove_rest(f->store, key, &walk, NULL));
}

static void keeps_what_was_written_last(void **state)
{
	struct store_fixture *f = *state;

	store_put(f, "k", "dojo");
	assert_int_equal(apply(f, "k", "lion/a", "one"), 0);
	assert_int_equal(apply(f, "k", "lion/b", "two"), 0);
	assert_int_equal(apply(f, "k", "lion/a", "three"), 0);
	assert_string_equal(files(f, "k", NULL), "lion/b=two;lion/a=three;");
	session_store_close(f->store);
	store_open(f);
	assert_string_equal(files(f, "k", NULL), "lion/b=two;lion/a=three;");
}

static void a_folder_goes_with_what_is_in_it_and_nothing_else(void **state)
{
	struct store_fixture *f = *state;

	store_put(f, "k", "dojo");
	assert_int_equal(apply(f, "k", "lion/a/x", "1"), 0);
	assert_int_equal(apply(f, "k", "lion/a.txt", "2"), 0);
	assert_int_equal(apply(f, "k", "lion/ab", "3"), 0);
	assert_int_equal(apply(f, "k", "lioness/a", "4"), 0);
	assert_int_equal(apply(f, "k", "lion/a", NULL), 0);
	assert_string_equal(files(f, "k", "lion"), "lion/a.txt=2;lion/ab=3;");
	assert_string_equal(files(f, "k", NULL), "lion/a.txt=2;lion/ab=3;lioness/a=4;");
}

static void a_look_leaves_what_it_saw(void **state)
{
	const struct store_file some[] = { { .path = "lion/a", .data = "1", .len = 1, .mode = 0600 },
					   { .path = "lion/b", .data = "new", .len = 3, .mode = 0644 } };
	const struct store_file folder = { .path = "lion", .kind = STORE_FOLDER, .mode = 0755 };
	struct store_fixture *f = *state;

	store_put(f, "k", "dojo");
	assert_int_equal(apply(f, "k", "lion/a", "1"), 0);
	assert_int_equal(apply(f, "k", "lion/b", "2"), 0);
	assert_int_equal(apply(f, "k", "lion/c", "3"), 0);
	assert_int_equal(session_store_see(f->store, "k", 7, some, 2, NULL), 0);
	/* It comes behind what is in it. */
	assert_int_equal(session_store_see(f->store, "k", 7, &folder, 1, NULL), 0);
	IN_PIECES(session_store_seen(f->store, "k", 7, &walk, NULL));
	assert_string_equal(files(f, "k", NULL), "lion=;lion/a=1;lion/b=new;");
}

static void a_copy_is_its_own(void **state)
{
	struct store_fixture *f = *state;
	uint64_t count, bytes;

	store_put(f, "k", "dojo");
	store_put(f, "l", "fork");
	assert_int_equal(session_store_user_add(f->store, "k", 1, "lion", NULL), 0);
	assert_int_equal(apply(f, "k", "lion/a", "1"), 0);
	assert_int_equal(apply(f, "k", "tiger/a", "2"), 0);
	IN_PIECES(session_store_copy(f->store, "k", "lion", "l", &walk, NULL));
	assert_string_equal(files(f, "l", NULL), "lion/a=1;");
	remove_session(f, "k");
	assert_string_equal(files(f, "k", NULL), "");
	assert_string_equal(files(f, "l", NULL), "lion/a=1;");
	assert_int_equal(session_store_weigh(f->store, "l", &count, &bytes, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(bytes, 1);
}

/* What walks through many files gives others a turn between its pieces. One connection reads what the other wrote. */
static void many_files_go_in_pieces(void **state)
{
	struct store_fixture *f = *state;
	uint64_t count = 0, bytes = 0;
	char paths[1000][16];
	struct store_file all[1000];

	store_put(f, "k", "dojo");
	for (int i = 0; i < 1000; i++) {
		snprintf(paths[i], sizeof(paths[i]), "lion/%d", i);
		all[i] = (struct store_file){ .path = paths[i], .data = "x", .len = 1, .mode = 0644 };
	}
	assert_int_equal(session_store_see(session_store_worker(f->store), "k", 1, all, 1000, NULL), 0);
	assert_true(IN_PIECES(session_store_copy(f->store, "k", NULL, "l", &walk, NULL)) >= 4);
	store_put(f, "l", "fork");
	assert_int_equal(session_store_weigh(f->store, "l", &count, &bytes, NULL), 0);
	assert_int_equal(count, 1000);
	assert_int_equal(bytes, 1000);
	/* A look that saw the half of them. */
	assert_int_equal(session_store_see(f->store, "k", 2, all, 500, NULL), 0);
	assert_true(IN_PIECES(session_store_seen(f->store, "k", 2, &walk, NULL)) >= 2);
	assert_int_equal(session_store_weigh(f->store, "k", &count, &bytes, NULL), 0);
	assert_int_equal(count, 500);
	assert_true(IN_PIECES(session_store_user_remove(f->store, "k", 1, "lion", &walk, NULL)) >= 2);
	assert_int_equal(session_store_weigh(f->store, "k", &count, &bytes, NULL), 0);
	assert_int_equal(count, 0);
	assert_int_equal(session_store_remove_record(f->store, "l", NULL), 0);
	assert_true(IN_PIECES(session_store_remove_rest(f->store, "l", &walk, NULL)) >= 8);
	assert_int_equal(session_store_weigh(f->store, "l", &count, &bytes, NULL), 0);
}

static int note_orphan(void *user, const char *key)
{
	struct store_fixture *f = user;
	size_t len = strlen(f->seen);

	snprintf(f->seen + len, sizeof(f->seen) - len, "%s;", key);
	return 0;
}

static const char *orphans(struct store_fixture *f)
{
	f->seen[0] = '\0';
	assert_int_equal(session_store_orphans(f->store, note_orphan, f, NULL), 0);
	return f->seen;
}

/* What a process that died was removing or copying. */
static void what_was_half_removed_or_half_copied_is_found(void **state)
{
	struct store_fixture *f = *state;
	struct store_walk begun = { 0 };

	store_put(f, "k", "dojo");
	store_put(f, "l", "empty");
	assert_int_equal(apply(f, "k", "lion/a", "1"), 0);
	assert_string_equal(orphans(f), "");
	assert_int_equal(session_store_copy(f->store, "k", NULL, "m", &begun, NULL), 1);
	store_walk_finish(&begun);
	assert_string_equal(orphans(f), "m;");
	assert_int_equal(session_store_remove_record(f->store, "k", NULL), 0);
	assert_int_equal(session_store_remove_record(f->store, "l", NULL), 0);
	session_store_close(f->store);
	store_open(f);
	assert_string_equal(orphans(f), "k;l;m;");
	IN_PIECES(session_store_remove_rest(f->store, "k", &walk, NULL));
	IN_PIECES(session_store_remove_rest(f->store, "l", &walk, NULL));
	IN_PIECES(session_store_remove_rest(f->store, "m", &walk, NULL));
	assert_string_equal(orphans(f), "");
}

static int note_name(void *user, const char *path)
{
	struct store_fixture *f = user;
	size_t len = strlen(f->seen);

	snprintf(f->seen + len, sizeof(f->seen) - len, "%s;", path);
	return 0;
}

static void names_are_told_up_to_a_bound(void **state)
{
	struct store_fixture *f = *state;

	store_put(f, "k", "dojo");
	assert_int_equal(apply(f, "k", "lion/b", "1"), 0);
	assert_int_equal(apply(f, "k", "lion/a", "1"), 0);
	assert_int_equal(apply(f, "k", "lioness/c", "1"), 0);
	assert_int_equal(session_store_names(f->store, "k", "lion", 10, note_name, f, NULL), 0);
	assert_string_equal(f->seen, "lion/b;lion/a;");
	f->seen[0] = '\0';
	assert_int_equal(session_store_names(f->store, "k", "lion", 1, note_name, f, NULL), 0);
	assert_string_equal(f->seen, "lion/a;");
}

static void is_full_at_its_bound_and_as_it_was(void **state)
{
	struct store_fixture *f = *state;
	char *large = malloc(3 << 20);

	memset(large, 'x', (3 << 20) - 1);
	large[(3 << 20) - 1] = '\0';
	store_put(f, "k", "dojo");
	assert_int_equal(apply(f, "k", "lion/a", "1"), 0);
	assert_int_equal(apply(f, "k", "lion/b", large), 0);
	assert_int_equal(apply(f, "k", "lion/a", large), -ENOSPC);
	assert_int_equal(strncmp(files(f, "k", "lion/a"), "lion/a=1;", 9), 0);
	/* Room comes back. */
	assert_int_equal(apply(f, "k", "lion/b", NULL), 0);
	assert_int_equal(apply(f, "k", "lion/a", large), 0);
	free(large);
}

static int count_run(void *user, const struct store_run *run)
{
	*(int64_t *)user = *(int64_t *)user * 10 + run->number;
	return 0;
}

static void forgets_the_oldest_runs(void **state)
{
	struct store_fixture *f = *state;
	int64_t seen = 0;

	store_put(f, "k", "dojo");
	for (int64_t i = 1; i <= 16; i++) {
		const struct store_change change = { .key = "k", .run = "{}", .number = i, .runs_kept = 3 };

		assert_int_equal(session_store_apply(f->store, &change, NULL), 0);
	}
	assert_int_equal(session_store_runs(f->store, "k", 0, count_run, &seen, NULL), 0);
	assert_int_equal(seen, 14 * 100 + 15 * 10 + 16);
}

/* A run that leaves `content` in lion/a, or no such file. */
static void run(struct store_fixture *f, int64_t number, const char *content, uint64_t past_bytes)
{
	const struct store_file file = { .path = "lion/a",
					 .data = content,
					 .len = content ? strlen(content) : 0,
					 .mode = 0755,
					 .owner = 1,
					 .gone = !content };
	const struct store_change change = { .key = "k",
					     .files = &file,
					     .files_count = 1,
					     .run = "{}",
					     .detail = "{\"d\":1}",
					     .number = number,
					     .runs_kept = 100,
					     .past_bytes = past_bytes };

	assert_int_equal(session_store_apply(f->store, &change, NULL), 0);
}

static const char *left(struct store_fixture *f, int64_t number)
{
	const struct store_left what = { .key = "k", .user_name = "lion", .number = number };

	f->seen[0] = '\0';
	assert_int_equal(session_store_run_files(f->store, &what, note, f, NULL), 0);
	return f->seen;
}

static int note_kept(void *user, const struct store_run *run)
{
	struct store_fixture *f = user;
	size_t len = strlen(f->seen);

	snprintf(f->seen + len, sizeof(f->seen) - len, "%lld%s;", (long long)run->number,
		 run->kept ? "" : "-");
	return 0;
}

static const char *runs_kept(struct store_fixture *f)
{
	f->seen[0] = '\0';
	assert_int_equal(session_store_runs(f->store, "k", 0, note_kept, f, NULL), 0);
	return f->seen;
}

static void knows_what_each_run_left(void **state)
{
	struct store_fixture *f = *state;

	store_put(f, "k", "dojo");
	assert_int_equal(apply(f, "k", "lion/start", "s"), 0);
	run(f, 1, "one", 1 << 20);
	run(f, 2, "one", 1 << 20);
	assert_int_equal(apply(f, "k", "tiger/a", "t"), 0);
	run(f, 3, "two", 1 << 20);
	run(f, 4, NULL, 1 << 20);
	run(f, 5, "five", 1 << 20);
	assert_string_equal(left(f, 1), "lion/a=one;lion/start=s;");
	assert_string_equal(left(f, 2), "lion/a=one;lion/start=s;");
	assert_string_equal(left(f, 3), "lion/a=two;lion/start=s;");
	assert_string_equal(left(f, 4), "lion/start=s;");
	session_store_close(f->store);
	store_open(f);
	assert_string_equal(left(f, 3), "lion/a=two;lion/start=s;");
	assert_string_equal(left(f, 5), "lion/a=five;lion/start=s;");
	/* What comes behind a run is not what it left. */
	assert_int_equal(apply(f, "k", "lion/a", "later"), 0);
	assert_string_equal(left(f, 5), "lion/a=five;lion/start=s;");
	assert_string_equal(files(f, "k", "lion/a"), "lion/a=later;");
}

static void what_is_not_text_is_not_kept_of_a_run(void **state)
{
	const struct store_file bytes = { .path = "lion/b", .data = "a\0b", .len = 3 },
				latin = { .path = "lion/c", .data = "\xe4", .len = 1 };
	const struct store_file all[] = { bytes, latin };
	const struct store_change change = { .key = "k", .files = all, .files_count = 2 };
	char *large = malloc(STORE_TEXT_MAX + 2);
	struct store_fixture *f = *state;

	memset(large, 'x', STORE_TEXT_MAX + 1);
	large[STORE_TEXT_MAX + 1] = '\0';
	store_put(f, "k", "dojo");
	assert_int_equal(session_store_apply(f->store, &change, NULL), 0);
	assert_int_equal(apply(f, "k", "lion/d", large), 0);
	run(f, 1, "", 1 << 20);
	assert_string_equal(left(f, 1), "lion/a=;");
	free(large);
}

static void forgets_the_oldest_when_the_past_is_too_large(void **state)
{
	struct store_fixture *f = *state;
	char content[2] = "a";

	store_put(f, "k", "dojo");
	/* Each costs a KiB, what it left and its detail; the present is not counted. */
	for (int64_t i = 1; i <= 6; i++, content[0]++)
		run(f, i, content, 3500);
	assert_string_equal(runs_kept(f), "1-;2-;3;4;5;6;");
	assert_string_equal(left(f, 3), "lion/a=c;");
	assert_string_equal(left(f, 6), "lion/a=f;");
	assert_string_equal(left(f, 1), "");
	run(f, 7, "g", 0);
	assert_string_equal(runs_kept(f), "1-;2-;3-;4-;5-;6-;7-;");
	assert_string_equal(files(f, "k", NULL), "lion/a=g;");
}

static void a_fork_of_a_run_has_what_it_left(void **state)
{
	struct store_fixture *f = *state;
	const struct store_left what = { .key = "k", .user_name = "lion", .number = 1 };

	store_put(f, "k", "dojo");
	store_put(f, "l", "fork");
	assert_int_equal(session_store_user_add(f->store, "k", 1, "lion", NULL), 0);
	run(f, 1, "one", 1 << 20);
	run(f, 2, "two", 1 << 20);
	assert_int_equal(session_store_copy_run(f->store, &what, "l", NULL), 0);
	remove_session(f, "k");
	assert_string_equal(files(f, "l", NULL), "lion/a=one;");
}

/* What SQLite says of a question with one number as its answer. */
static int64_t ask_number(struct store_fixture *f, const char *sql)
{
	char path[64];
	sqlite3 *db;
	sqlite3_stmt *s;
	int64_t number;

	snprintf(path, sizeof(path), "%s/sessions.db", f->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	number = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return number;
}

static void nothing_of_a_session_stays_when_it_is_removed(void **state)
{
	struct store_fixture *f = *state;

	store_put(f, "k", "dojo");
	for (int64_t i = 1; i <= 5; i++)
		run(f, i, i % 2 ? "odd" : "even", 1 << 20);
	assert_int_equal(ask_number(f, "SELECT count(*) FROM blobs"), 5);
	remove_session(f, "k");
	assert_int_equal(ask_number(f, "SELECT (SELECT count(*) FROM blobs) + (SELECT count(*) FROM counts)"
				       " + (SELECT count(*) FROM versions) + (SELECT count(*) FROM details)"),
			 0);
}

static void makes_room_by_forgetting(void **state)
{
	struct store_fixture *f = *state;

	store_put(f, "k", "dojo");
	run(f, 1, "one", 1 << 20);
	run(f, 2, "two", 1 << 20);
	assert_int_equal(session_store_forget(f->store, NULL), 0);
	assert_string_equal(runs_kept(f), "1-;2-;");
	assert_int_equal(ask_number(f, "SELECT count(*) FROM blobs"), 1);
	run(f, 3, "two", 1 << 20);
	assert_string_equal(left(f, 3), "lion/a=two;");
}

static void back_to_version_2(const char *more, struct store_fixture *f)
{
	static const char back[] = "DROP TRIGGER file_weighs; DROP TRIGGER file_weighed; DROP TABLE weights;"
				   "PRAGMA user_version = 2;";
	char path[64];
	sqlite3 *db;

	session_store_close(f->store);
	snprintf(path, sizeof(path), "%s/sessions.db", f->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, back, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, more, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	store_open(f);
}

static void takes_over_a_database_of_version_2(void **state)
{
	struct store_fixture *f = *state;
	uint64_t count = 0, bytes = 0;

	store_put(f, "k", "dojo");
	assert_int_equal(apply(f, "k", "lion/a", "old"), 0);
	assert_int_equal(apply(f, "k", "lion/b", "older"), 0);
	back_to_version_2("", f);
	assert_int_equal(session_store_weigh(f->store, "k", &count, &bytes, NULL), 0);
	assert_int_equal(count, 2);
	assert_int_equal(bytes, 8);
	assert_int_equal(apply(f, "k", "lion/b", NULL), 0);
	assert_int_equal(session_store_weigh(f->store, "k", &count, &bytes, NULL), 0);
	assert_int_equal(bytes, 3);
}

/* The tables of version 1 are those of version 2 without these. */
static void takes_over_a_database_of_version_1(void **state)
{
	static const char back[] =
		"DROP TRIGGER version_past; DROP TRIGGER version_made; DROP TRIGGER version_gone;"
		"DROP TABLE versions; DROP TABLE details; UPDATE counts SET shown = 1;"
		"PRAGMA user_version = 1;";
	struct store_fixture *f = *state;

	store_put(f, "k", "dojo");
	assert_int_equal(apply(f, "k", "lion/a", "old"), 0);
	back_to_version_2(back, f);
	run(f, 1, "old", 1 << 20);
	run(f, 2, "new", 1 << 20);
	assert_string_equal(left(f, 1), "lion/a=old;");
	assert_string_equal(left(f, 2), "lion/a=new;");
}

static void a_checkpoint_is_due_after_much_writing(void **state)
{
	struct store_fixture *f = *state;
	char content[4096];

	memset(content, 'y', sizeof(content) - 1);
	content[sizeof(content) - 1] = '\0';
	store_put(f, "k", "dojo");
	assert_false(session_store_wants_checkpoint(f->store));
	for (int i = 0; i < 2000 && !session_store_wants_checkpoint(f->store); i++) {
		content[0] = i % 2 ? 'y' : 'z';
		assert_int_equal(apply(f, "k", "lion/a", content), 0);
	}
	assert_true(session_store_wants_checkpoint(f->store));
	session_store_checkpoint(f->store);
	assert_int_equal(apply(f, "k", "lion/a", "end"), 0);
	assert_false(session_store_wants_checkpoint(f->store));
	assert_string_equal(files(f, "k", NULL), "lion/a=end;");
}

static void a_second_one_is_refused_as_long_as_the_first_is_open(void **state)
{
	struct store_fixture *f = *state;
	struct session_store *second = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(session_store_open(&f->options, &second, &err), -EBUSY);
	assert_non_null(strstr(err.text, "is used by another kiln serve"));
	assert_null(second);
	session_store_close(f->store);
	assert_int_equal(session_store_open(&f->options, &f->store, NULL), 0);
}

/* What comes after a process that is about to end waits for it. */
static void a_second_one_waits_for_the_first_to_end(void **state)
{
	const struct timespec moment = { .tv_nsec = 200 * 1000 * 1000 };
	struct store_fixture *f = *state;
	struct store_options patient = f->options;
	int ready[2];
	char byte;
	pid_t pid;

	session_store_close(f->store);
	f->store = NULL;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct session_store *first;

		if (session_store_open(&f->options, &first, NULL) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		nanosleep(&moment, NULL);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	patient.lock_ms = 60000;
	assert_int_equal(session_store_open(&patient, &f->store, NULL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(ready[0]);
	close(ready[1]);
}

static void refuses_a_database_of_a_later_version(void **state)
{
	struct store_fixture *f = *state;
	struct session_store *again;
	char command[128];
	FILE *file;

	session_store_close(f->store);
	f->store = NULL;
	/* The version stands at byte 60 of the head, big-endian (sqlite.org/fileformat2.html). */
	snprintf(command, sizeof(command), "%s/sessions.db", f->dir);
	file = fopen(command, "r+e");
	assert_non_null(file);
	assert_int_equal(fseek(file, 60, SEEK_SET), 0);
	assert_int_equal(fwrite("\0\0\0\x63", 1, 4, file), 4);
	fclose(file);
	snprintf(command, sizeof(command), "%s/sessions.db-wal", f->dir);
	unlink(command);
	assert_int_equal(session_store_open(&f->options, &again, NULL), -EINVAL);
}

/* Specs */

static void a_spec_survives_the_store(void **state)
{
	static const char text[] = "{\"language\":\"python@3.11\",\"ttl_ms\":5,\"limits\":{\"wall_ms\":7},"
				   "\"services\":{\"db\":{\"image\":"
				   "\"host\",\"command\":\"run "
				   "it\",\"env\":{\"A\":\"b\"},\"tmpfs\":[\"/run/x\"],\"ready\":{\"command\":"
				   "[\"x\"],\"start_ms\":9}}}}";
	struct session_request request;
	struct session_spec spec;
	char *first, *second;
	json_t *json;

	assert_int_equal(session_request_parse(text, strlen(text), &request, NULL), 0);
	json = session_spec_to_json(&request.spec);
	first = json_dumps(json, 0);
	json_decref(json);
	assert_int_equal(session_spec_parse(first, strlen(first), &spec, NULL), 0);
	json = session_spec_to_json(&spec);
	second = json_dumps(json, 0);
	json_decref(json);
	assert_string_equal(first, second);
	assert_string_equal(spec.version_range, "3.11");
	assert_string_equal(spec.services[0].command[2], "run it");
	assert_int_equal(spec.services[0].start_ms, 9);
	free(first);
	free(second);
	session_spec_finish(&spec);
	session_request_finish(&request);
}

static char *composed(const char *text)
{
	struct err err = ERR_INIT;
	char *result;
	json_t *json;

	if (compose_read(text, strlen(text), &json, &err) < 0) {
		assert_true(err.slug && err.text[0] && strncmp(err.field, "compose", 7) == 0);
		assert_true(asprintf(&result, "%s %s", err.slug, err.field) > 0);
		return result;
	}
	result = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(json);
	return result;
}

static void reads_a_compose_file(void **state)
{
	static const char text[] = "version: '3'\n"
				   "services:\n"
				   "  db:\n"
				   "    image: postgres:15\n"
				   "    command: postgres -c 'a b' \"c d\"\n"
				   "    environment: [A=b, 'C=$$d=e']\n"
				   "    mem_limit: 512m\n"
				   "    tmpfs: /run/postgresql\n"
				   "    healthcheck:\n"
				   "      test: [CMD, pg_isready, -q]\n"
				   "      interval: 1m30s\n"
				   "      timeout: 500ms\n"
				   "      retries: 2\n"
				   "      start_period: 1s\n"
				   "  web:\n"
				   "    image: host\n"
				   "    command: [a, b]\n"
				   "    environment: {X: 1}\n"
				   "    depends_on: {db: {condition: service_healthy}}\n"
				   "    healthcheck: {disable: true}\n";
	char *json = composed(text);

	assert_string_equal(
		json,
		"{\"db\":{\"command\":[\"postgres\",\"-c\",\"a b\",\"c "
		"d\"],\"env\":{\"A\":\"b\",\"C\":\"$d=e\"},"
		"\"image\":\"postgres:15\",\"limits\":{\"memory_bytes\":536870912},\"ready\":{\"command\":"
		"[\"pg_isready\",\"-q\"],\"interval_ms\":500,\"start_ms\":181000,\"timeout_ms\":500},"
		"\"tmpfs\":[\"/run/postgresql\"]},\"web\":{\"command\":[\"a\",\"b\"],\"depends_on\":[\"db\"],"
		"\"env\":{\"X\":\"1\"},\"image\":\"host\"}}");
	free(json);
}

static void refuses_what_compose_has_more_by_its_name(void **state)
{
	static const struct {
		const char *text, *refusal;
	} cases[] = {
		{ "", "wrong_type compose" },
		{ "a: [", "malformed_yaml compose" },
		{ "networks: {}", "not_supported compose.networks" },
		{ "version: 3", "missing_field compose.services" },
		{ "services: []", "wrong_type compose.services" },
		{ "services: {db: []}", "wrong_type compose.services.db" },
		{ "services: {db: {build: .}}", "not_supported compose.services.db.build" },
		{ "services: {db: {volumes: []}}", "not_supported compose.services.db.volumes" },
		{ "services: {db: {privileged: true}}", "not_supported compose.services.db.privileged" },
		{ "services: {db: {image: $X}}", "not_supported compose.services.db.image" },
		{ "services: {db: {environment: [A]}}", "not_supported compose.services.db.environment" },
		{ "services: {db: {environment: {A: }}}", "not_supported compose.services.db.environment" },
		{ "services: {db: {command: 'a \"b'}}", "bad_value compose.services.db.command" },
		{ "services: {db: {mem_limit: 1x}}", "bad_value compose.services.db.mem_limit" },
		{ "services: {db: {mem_limit: 999999999999999g}}",
		  "bad_value compose.services.db.mem_limit" },
		{ "services: {db: {tmpfs: '/a:size=1'}}", "not_supported compose.services.db.tmpfs" },
		{ "services: {db: {healthcheck: {test: [A]}}}",
		  "bad_value compose.services.db.healthcheck.test" },
		{ "services: {db: {healthcheck: {test: a, interval: 1}}}",
		  "bad_value compose.services.db.healthcheck.interval" },
		{ "services: {db: {healthcheck: {test: a, start_interval: 1s}}}",
		  "not_supported compose.services.db.healthcheck.start_interval" },
		{ "services: {db: {depends_on: {a: {condition: service_completed_successfully}}}}",
		  "not_supported compose.services.db.depends_on" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *refusal = composed(cases[i].text);

		assert_string_equal(refusal, cases[i].refusal);
		free(refusal);
	}
}

static void refuses_services_that_wait_for_each_other(void **state)
{
	static const char text[] = "{\"image\":\"host\",\"services\":{"
				   "\"a\":{\"image\":\"host\",\"command\":[\"x\"],\"depends_on\":[\"b\"]},"
				   "\"b\":{\"image\":\"host\",\"command\":[\"x\"],\"depends_on\":[\"a\"]}}}";
	struct session_request request;
	struct err err = ERR_INIT;

	assert_int_equal(session_request_parse(text, strlen(text), &request, &err), -EINVAL);
	assert_string_equal(err.field, "services.a.depends_on");
	session_request_finish(&request);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keeps_what_was_written_last),
		TEST(a_folder_goes_with_what_is_in_it_and_nothing_else),
		TEST(a_look_leaves_what_it_saw),
		TEST(a_copy_is_its_own),
		TEST(many_files_go_in_pieces),
		TEST(what_was_half_removed_or_half_copied_is_found),
		TEST(names_are_told_up_to_a_bound),
		TEST(is_full_at_its_bound_and_as_it_was),
		TEST(forgets_the_oldest_runs),
		TEST(knows_what_each_run_left),
		TEST(what_is_not_text_is_not_kept_of_a_run),
		TEST(forgets_the_oldest_when_the_past_is_too_large),
		TEST(a_fork_of_a_run_has_what_it_left),
		TEST(nothing_of_a_session_stays_when_it_is_removed),
		TEST(makes_room_by_forgetting),
		TEST(takes_over_a_database_of_version_1),
		TEST(takes_over_a_database_of_version_2),
		TEST(a_checkpoint_is_due_after_much_writing),
		TEST(a_second_one_is_refused_as_long_as_the_first_is_open),
		TEST(a_second_one_waits_for_the_first_to_end),
		TEST(refuses_a_database_of_a_later_version),
		cmocka_unit_test(a_spec_survives_the_store),
		cmocka_unit_test(reads_a_compose_file),
		cmocka_unit_test(refuses_what_compose_has_more_by_its_name),
		cmocka_unit_test(refuses_services_that_wait_for_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
