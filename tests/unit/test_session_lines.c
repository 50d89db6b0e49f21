/* Lines of the history that are noted beside the database, and what becomes of them when a front is killed. */
#include "store_fixture.h"

#include "session/journal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static bool note(struct store_fixture *f, const char *key, int64_t number, const char *detail)
{
	const struct store_line line = { .run = "{}", .detail = detail, .number = number };

	return session_store_note(f->store, key, &line);
}

/* As a front that is killed leaves it. */
static void begin_anew(struct store_fixture *f)
{
	session_store_close(f->store);
	store_open(f);
}

static int see(void *user, const struct store_run *run)
{
	struct store_fixture *f = user;
	size_t len = strlen(f->seen);

	snprintf(f->seen + len, sizeof(f->seen) - len, "%lld=%s;", (long long)run->number, run->detail ?: "");
	return 0;
}

static int see_whole(void *user, const struct store_run *run)
{
	struct store_fixture *f = user;

	return session_store_run(f->store, "k", run->number, see, f, NULL);
}

static const char *runs(struct store_fixture *f)
{
	f->seen[0] = '\0';
	assert_int_equal(session_store_runs(f->store, "k", 0, see_whole, f, NULL), 0);
	return f->seen;
}

static int journal_file(const struct store_fixture *f)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/runs.log", f->dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static off_t journal_size(const struct store_fixture *f)
{
	struct stat st;
	int fd = journal_file(f);

	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	return st.st_size;
}

static void the_next_one_finds_what_was_noted(void **state)
{
	struct store_fixture *f = *state;

	store_put(f, "k", "k");
	assert_true(note(f, "k", 1, "one"));
	assert_true(note(f, "k", 2, NULL));
	assert_true(note(f, "gone", 1, "nobody's"));
	assert_true(note(f, "k", 3, ""));
	assert_string_equal(runs(f), "");
	begin_anew(f);
	assert_string_equal(runs(f), "1=one;2=;3=;");
	assert_int_equal(journal_size(f), 0);
	begin_anew(f);
	assert_string_equal(runs(f), "1=one;2=;3=;");
}

static void what_is_in_the_database_already_stays_as_it_is(void **state)
{
	struct store_fixture *f = *state;
	const struct store_line lines[] = { { .run = "{}", .detail = "one", .number = 1 },
					    { .run = "{}", .detail = "two", .number = 2 } };
	const struct store_lines what = {
		.key = "k", .lines = lines, .count = 2, .runs_kept = 100, .past_bytes = 1 << 20
	};

	store_put(f, "k", "k");
	assert_true(session_store_note(f->store, "k", &lines[0]));
	assert_true(session_store_note(f->store, "k", &lines[1]));
	assert_int_equal(session_store_lines(f->store, &what, NULL), 0);
	assert_string_equal(runs(f), "1=one;2=two;");
	assert_true(note(f, "k", 3, "three"));
	/* Killed before it could say so. */
	begin_anew(f);
	assert_string_equal(runs(f), "1=one;2=two;3=three;");
}

static void is_emptied_when_the_database_has_all(void **state)
{
	struct store_fixture *f = *state;

	assert_true(note(f, "k", 1, "one"));
	assert_true(note(f, "k", 2, "two"));
	session_store_noted(f->store, 1);
	assert_true(journal_size(f) > 0);
	assert_true(note(f, "k", 3, "three"));
	session_store_noted(f->store, 2);
	assert_int_equal(journal_size(f), 0);
}

static void many_lines_forget_the_oldest_runs(void **state)
{
	struct store_fixture *f = *state;
	struct store_line lines[20];
	const struct store_lines what = {
		.key = "k", .lines = lines, .count = 20, .runs_kept = 3, .past_bytes = 1 << 20
	};

	store_put(f, "k", "k");
	for (int i = 0; i < 20; i++)
		lines[i] = (struct store_line){ .run = "{}", .detail = "d", .number = i + 1 };
	assert_int_equal(session_store_lines(f->store, &what, NULL), 0);
	assert_string_equal(runs(f), "18=d;19=d;20=d;");
}

static void takes_no_line_that_is_long_and_none_when_full(void **state)
{
	struct store_fixture *f = *state;
	char *long_one = malloc(JOURNAL_LINE_MAX + 1);
	int64_t count = 0;

	memset(long_one, 'x', JOURNAL_LINE_MAX);
	long_one[JOURNAL_LINE_MAX] = '\0';
	assert_false(note(f, "k", 1, long_one));
	assert_int_equal(journal_size(f), 0);
	long_one[JOURNAL_LINE_MAX - 64] = '\0';
	store_put(f, "k", "k");
	while (note(f, "k", count + 1, long_one))
		count++;
	assert_true(count >= 60 && count <= 64);
	assert_true((size_t)journal_size(f) <= JOURNAL_BYTES_MAX);
	/* What fits still is taken. */
	assert_true(note(f, "k", count + 1, "short"));
	session_store_noted(f->store, (size_t)count);
	assert_true(journal_size(f) > 0);
	session_store_noted(f->store, 1);
	assert_true(note(f, "k", count + 2, long_one));
	free(long_one);
}

/* What a machine that loses its power may leave: each byte of two records damaged, and each length. */
static void what_is_damaged_ends_it(void **state)
{
	struct store_fixture *f = *state;
	char whole[512];
	off_t first, size;
	int fd;

	store_put(f, "k", "k");
	assert_true(note(f, "k", 1, "one"));
	first = journal_size(f);
	assert_true(note(f, "k", 2, "two"));
	size = journal_size(f);
	assert_true(size < (off_t)sizeof(whole));
	fd = journal_file(f);
	assert_int_equal(pread(fd, whole, sizeof(whole), 0), size);
	for (off_t at = first; at < size; at++) {
		char other = (char)(whole[at] ^ 0x41);

		assert_int_equal(pwrite(fd, whole, (size_t)size, 0), size);
		assert_int_equal(pwrite(fd, &other, 1, at), 1);
		begin_anew(f);
		assert_string_equal(runs(f), "1=one;");
		assert_int_equal(pwrite(fd, whole, (size_t)size, 0), size);
		assert_int_equal(ftruncate(fd, at), 0);
		begin_anew(f);
		assert_string_equal(runs(f), "1=one;");
	}
	assert_int_equal(pwrite(fd, whole, (size_t)size, 0), size);
	close(fd);
	begin_anew(f);
	assert_string_equal(runs(f), "1=one;2=two;");
}

static void a_full_database_is_opened_and_its_lines_wait_for_room(void **state)
{
	struct store_fixture *f = *state;
	const struct store_options small = { .dir = f->dir, .bytes_max = 1 };
	char detail[8192];
	off_t size;

	memset(detail, 'x', sizeof(detail) - 1);
	detail[sizeof(detail) - 1] = '\0';
	store_put(f, "k", "k");
	for (int64_t i = 1; i <= 100; i++)
		assert_true(note(f, "k", i, detail));
	size = journal_size(f);
	session_store_close(f->store);
	assert_int_equal(session_store_open(&small, &f->store, NULL), 0);
	assert_int_equal(journal_size(f), size);
	/* What is noted now comes behind it, and is no reason to empty it. */
	assert_true(note(f, "k", 101, "last"));
	session_store_noted(f->store, 1);
	assert_true(journal_size(f) > size);
	begin_anew(f);
	assert_int_equal(journal_size(f), 0);
	f->seen[0] = '\0';
	assert_int_equal(session_store_run(f->store, "k", 101, see, f, NULL), 0);
	assert_string_equal(f->seen, "101=last;");
	f->seen[0] = '\0';
	assert_int_equal(session_store_runs(f->store, "k", 99, see, f, NULL), 0);
	assert_string_equal(f->seen, "100=;101=;");
}

static void what_the_database_has_forgotten_does_not_come_back(void **state)
{
	struct store_fixture *f = *state;
	const struct store_line line = { .run = "{}", .detail = "one", .number = 1 };
	const struct store_lines what = {
		.key = "k", .lines = &line, .count = 1, .runs_kept = 100, .past_bytes = 1 << 20
	};

	store_put(f, "k", "k");
	assert_true(session_store_note(f->store, "k", &line));
	assert_int_equal(session_store_lines(f->store, &what, NULL), 0);
	assert_int_equal(session_store_forget(f->store, NULL), 0);
	begin_anew(f);
	assert_string_equal(runs(f), "1=;");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_next_one_finds_what_was_noted),
		TEST(what_is_in_the_database_already_stays_as_it_is),
		TEST(is_emptied_when_the_database_has_all),
		TEST(many_lines_forget_the_oldest_runs),
		TEST(takes_no_line_that_is_long_and_none_when_full),
		TEST(what_is_damaged_ends_it),
		TEST(a_full_database_is_opened_and_its_lines_wait_for_room),
		TEST(what_the_database_has_forgotten_does_not_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
