#include "session/work.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	uv_loop_t loop;
	struct work *work;
	char pieces[4096]; /* written by the thread, read when it is idle: a letter each */
	size_t pieces_count;
	char done[4096];
	size_t done_count;
	size_t relieved;
	_Atomic bool open; /* what waits for it may go on */
};

/* A job of so many pieces, known by a letter. */
struct letter {
	struct fixture *f;
	char name;
	int pieces, code;
	bool waits; /* for the gate */
	char next;  /* posts this one when it is done */
};

static int on_piece(void *user, struct err *err)
{
	struct letter *letter = user;
	struct fixture *f = letter->f;

	while (letter->waits && !f->open)
		uv_sleep(1);
	f->pieces[f->pieces_count++] = letter->name;
	if (--letter->pieces > 0)
		return 1;
	return letter->code < 0 ? err_set(err, letter->code, "%c", letter->name) : 0;
}

static void post(struct fixture *f, const char *strand, char name, int pieces, size_t bytes);

static void on_done(void *user, const struct err *err)
{
	struct letter *letter = user;
	struct fixture *f = letter->f;

	assert_int_equal(err ? err->code : 0, letter->code);
	f->done[f->done_count++] = letter->name;
	if (letter->next)
		post(f, "next", letter->next, 1, 0);
	free(letter);
}

static void post_letter(const struct letter *what, const char *strand, size_t bytes)
{
	struct letter *letter = malloc(sizeof(*letter));
	struct work_job job = {
		.strand = strand, .bytes = bytes, .piece = on_piece, .done = on_done, .user = letter
	};

	assert_non_null(letter);
	*letter = *what;
	assert_int_equal(work_post(what->f->work, &job, NULL), 0);
}

static void post(struct fixture *f, const char *strand, char name, int pieces, size_t bytes)
{
	post_letter(&(struct letter){ .f = f, .name = name, .pieces = pieces }, strand, bytes);
}

static void on_relieved(void *user)
{
	((struct fixture *)user)->relieved++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(work_create(&f->loop, on_relieved, f, &f->work, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->open = true;
	work_destroy(f->work);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

static void start(struct fixture *f)
{
	assert_int_equal(work_start(f->work, NULL), 0);
}

/* Until nothing waits: the loop has nothing to live for then. */
static void turn(struct fixture *f)
{
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_true(work_is_idle(f->work));
}

static void jobs_of_one_strand_come_in_order(void **state)
{
	struct fixture *f = *state;

	post(f, "lion", 'a', 3, 0);
	post(f, "lion", 'b', 1, 0);
	post(f, "lion", 'c', 2, 0);
	start(f);
	turn(f);
	assert_string_equal(f->pieces, "aaabcc");
	assert_string_equal(f->done, "abc");
}

static void strands_take_turns_piece_by_piece(void **state)
{
	struct fixture *f = *state;

	post(f, "lion", 'a', 4, 0);
	post(f, "tiger", 'b', 2, 0);
	post(f, "bear", 'c', 1, 0);
	post(f, "tiger", 'd', 1, 0);
	start(f);
	turn(f);
	assert_string_equal(f->pieces, "abcabada");
	assert_string_equal(f->done, "cbda");
}

static void what_comes_during_a_piece_comes_after_it(void **state)
{
	struct fixture *f = *state;

	start(f);
	post_letter(&(struct letter){ .f = f, .name = 'a', .pieces = 2, .waits = true }, "lion", 0);
	post(f, "lion", 'b', 1, 0);
	assert_false(work_is_idle(f->work));
	f->open = true;
	turn(f);
	assert_string_equal(f->pieces, "aab");
}

static void an_error_ends_its_job_and_no_other(void **state)
{
	struct fixture *f = *state;

	post_letter(&(struct letter){ .f = f, .name = 'a', .pieces = 1, .code = -ENOSPC }, "lion", 0);
	post(f, "lion", 'b', 1, 0);
	start(f);
	turn(f);
	assert_string_equal(f->done, "ab");
}

static void a_crowd_is_told_of_and_its_end(void **state)
{
	struct fixture *f = *state;

	post(f, "lion", 'a', 1, WORK_CROWD_BYTES);
	assert_false(work_is_crowded(f->work));
	post(f, "tiger", 'b', 1, 1);
	assert_true(work_is_crowded(f->work));
	assert_int_equal(f->relieved, 0);
	start(f);
	turn(f);
	assert_false(work_is_crowded(f->work));
	assert_int_equal(f->relieved, 1);
}

static void finishing_does_what_its_jobs_ask_for_too(void **state)
{
	struct fixture *f = *state;

	start(f);
	post_letter(&(struct letter){ .f = f, .name = 'a', .pieces = 2, .next = 'b' }, "lion", 0);
	work_finish(f->work);
	assert_true(work_is_idle(f->work));
	assert_string_equal(f->done, "ab");
}

static void without_its_thread_the_work_is_done_at_the_end(void **state)
{
	struct fixture *f = *state;

	post_letter(&(struct letter){ .f = f, .name = 'a', .pieces = 2, .next = 'b' }, "lion", 0);
	post(f, "tiger", 'c', 1, 0);
	work_finish(f->work);
	assert_string_equal(f->done, "cab");
	assert_string_equal(f->pieces, "acab");
}

static void nothing_is_lost_among_many(void **state)
{
	struct fixture *f = *state;
	char strand[2] = "";

	start(f);
	for (int i = 0; i < 2000; i++) {
		strand[0] = (char)('a' + i % 7);
		post(f, strand, 'x', 1 + i % 2, 1000);
		if (i % 50 == 0)
			uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	turn(f);
	assert_int_equal(f->done_count, 2000);
	assert_int_equal(f->pieces_count, 3000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(jobs_of_one_strand_come_in_order),
		TEST(strands_take_turns_piece_by_piece),
		TEST(what_comes_during_a_piece_comes_after_it),
		TEST(an_error_ends_its_job_and_no_other),
		TEST(a_crowd_is_told_of_and_its_end),
		TEST(finishing_does_what_its_jobs_ask_for_too),
		TEST(without_its_thread_the_work_is_done_at_the_end),
		TEST(nothing_is_lost_among_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
