/* The store of compile results: what comes back, what goes first, and that its bounds hold at every moment. */
#include "cache/cache.h"
#include "cache/cache_key.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KIB 1024

static struct cache_key key(unsigned number)
{
	struct cache_hash hash;

	cache_hash_begin(&hash, "test");
	cache_hash_number(&hash, number);
	return cache_hash_end(&hash);
}

static struct cache *cache_of(size_t max_bytes, size_t max_entries)
{
	struct cache *cache = NULL;

	assert_int_equal(cache_create(max_bytes, max_entries, &cache, NULL), 0);
	return cache;
}

static struct cache_draft *begin(struct cache *cache, unsigned number)
{
	struct cache_key k = key(number);

	return cache_begin(cache, &k);
}

static int add(struct cache_draft *draft, const char *name, const char *content, uint64_t age)
{
	const struct cache_file file = { .name = (char *)name, .len = strlen(content), .mode = 0755 };
	int r = cache_draft_file(draft, &file, age);

	return r < 0 ? r : cache_draft_data(draft, content, strlen(content));
}

/* One entry with one file of `size` bytes; false when there was no room. */
static bool put(struct cache *cache, unsigned number, size_t size)
{
	const struct cache_file file = { .name = (char *)"main", .len = size };
	struct cache_draft *draft = begin(cache, number);
	char *content = calloc(1, size);

	if (!draft || cache_draft_file(draft, &file, 0) < 0 || cache_draft_data(draft, content, size) < 0) {
		cache_abandon(draft);
		free(content);
		return false;
	}
	free(content);
	cache_commit(draft, &(struct step_facts){ .exit_code = (int)number });
	return true;
}

static bool has(struct cache *cache, unsigned number)
{
	struct cache_key k = key(number);
	const struct cache_entry *entry = cache_find(cache, &k);

	if (!entry)
		return false;
	assert_int_equal(entry->facts.exit_code, (int)number);
	cache_release(cache, entry);
	return true;
}

static void gives_back_what_was_put_in(void **state)
{
	struct cache *cache = cache_of(64 * KIB, 8);
	struct cache_draft *draft = begin(cache, 1);
	const struct cache_file folder = { .name = (char *)"d", .mode = 0700, .is_dir = true };
	struct cache_key k = key(1);
	const struct cache_entry *entry;

	assert_int_equal(cache_draft_output(draft, 1, NULL, 0), 0);
	assert_int_equal(cache_draft_output(draft, 2, "warning", 7), 0);
	assert_int_equal(add(draft, "main", "binary", 5), 0);
	assert_int_equal(add(draft, "empty", "", 5), 0);
	assert_int_equal(cache_draft_file(draft, &folder, 9), 0);
	cache_commit(draft, &(struct step_facts){ .wall_us = 1234 });

	entry = cache_find(cache, &k);
	assert_non_null(entry);
	assert_int_equal(entry->facts.wall_us, 1234);
	assert_int_equal(entry->out.len, 0);
	assert_memory_equal(entry->err.data, "warning", 7);
	assert_int_equal(entry->files_count, 3);
	assert_string_equal(entry->files[0].name, "main");
	assert_memory_equal(entry->files[0].data, "binary", 6);
	assert_int_equal(entry->files[0].mode, 0755);
	assert_int_equal(entry->files[1].len, 0);
	assert_true(entry->files[2].is_dir);
	cache_release(cache, entry);
	cache_destroy(cache);
}

static void finds_nothing_under_another_key_or_before_the_commit(void **state)
{
	struct cache *cache = cache_of(64 * KIB, 8);
	struct cache_draft *draft = begin(cache, 1);

	assert_int_equal(add(draft, "main", "x", 0), 0);
	assert_false(has(cache, 1));
	cache_commit(draft, &(struct step_facts){ .exit_code = 1 });
	assert_true(has(cache, 1));
	assert_false(has(cache, 2));
	assert_int_equal(cache_stats(cache).hits, 1);
	assert_int_equal(cache_stats(cache).misses, 2);
	cache_destroy(cache);
}

static void orders_files_by_their_age_with_one_place_for_equal_ones(void **state)
{
	struct cache *cache = cache_of(64 * KIB, 8);
	struct cache_draft *draft = begin(cache, 1);
	struct cache_key k = key(1);
	const struct cache_entry *entry;

	assert_int_equal(add(draft, "c", "", 700), 0);
	assert_int_equal(add(draft, "a", "", 3), 0);
	assert_int_equal(add(draft, "b", "", 3), 0);
	assert_int_equal(add(draft, "d", "", 90), 0);
	cache_commit(draft, &(struct step_facts){ 0 });
	entry = cache_find(cache, &k);
	/* None is as old as the uploads, whose place is the first. */
	assert_int_equal(entry->files[0].stamp, 4);
	assert_int_equal(entry->files[1].stamp, 2);
	assert_int_equal(entry->files[2].stamp, 2);
	assert_int_equal(entry->files[3].stamp, 3);
	cache_release(cache, entry);
	cache_destroy(cache);
}

static void gives_a_file_as_old_as_the_uploads_the_first_place(void **state)
{
	struct cache *cache = cache_of(64 * KIB, 8);
	struct cache_draft *draft = begin(cache, 1);
	struct cache_key k = key(1);
	const struct cache_entry *entry;

	assert_int_equal(add(draft, "a", "", 0), 0);
	assert_int_equal(add(draft, "b", "", 1), 0);
	cache_commit(draft, &(struct step_facts){ 0 });
	entry = cache_find(cache, &k);
	assert_int_equal(entry->files[0].stamp, 1);
	assert_int_equal(entry->files[1].stamp, 2);
	cache_release(cache, entry);
	cache_destroy(cache);
}

static void evicts_the_least_recently_used_when_bytes_run_out(void **state)
{
	struct cache *cache = cache_of(40 * KIB, 100);

	for (unsigned i = 0; i < 4; i++)
		assert_true(put(cache, i, 9 * KIB));
	assert_true(has(cache, 0));
	assert_true(put(cache, 4, 9 * KIB));
	assert_true(has(cache, 0));
	assert_false(has(cache, 1));
	assert_true(has(cache, 4));
	assert_int_equal(cache_stats(cache).evictions, 1);
	cache_destroy(cache);
}

static void evicts_the_least_recently_used_at_the_ceiling_of_entries(void **state)
{
	struct cache *cache = cache_of(1024 * KIB, 2);

	assert_true(put(cache, 1, 10));
	assert_true(put(cache, 2, 10));
	assert_true(put(cache, 3, 10));
	assert_false(has(cache, 1));
	assert_true(has(cache, 2));
	assert_int_equal(cache_stats(cache).entries, 2);
	cache_destroy(cache);
}

static void never_evicts_what_is_lent(void **state)
{
	struct cache *cache = cache_of(40 * KIB, 100);
	struct cache_key k = key(0);
	const struct cache_entry *lent;

	assert_true(put(cache, 0, 9 * KIB));
	lent = cache_find(cache, &k);
	for (unsigned i = 1; i < 20; i++)
		put(cache, i, 9 * KIB);
	assert_int_equal(lent->files[0].len, 9 * KIB);
	assert_ptr_equal(cache_find(cache, &k), lent);
	cache_release(cache, lent);
	cache_release(cache, lent);
	cache_destroy(cache);
}

static void has_no_room_while_everything_is_lent(void **state)
{
	struct cache *cache = cache_of(40 * KIB, 100);
	const struct cache_entry *lent[4];

	for (unsigned i = 0; i < 4; i++) {
		struct cache_key k = key(i);

		assert_true(put(cache, i, 9 * KIB));
		lent[i] = cache_find(cache, &k);
	}
	assert_false(put(cache, 9, 9 * KIB));
	assert_true(cache_stats(cache).bytes <= 40 * KIB);
	for (unsigned i = 0; i < 4; i++)
		cache_release(cache, lent[i]);
	cache_destroy(cache);
}

static void refuses_what_would_take_more_than_its_share(void **state)
{
	struct cache *cache = cache_of(40 * KIB, 100);

	assert_true(put(cache, 1, 5 * KIB));
	assert_false(put(cache, 2, 10 * KIB));
	assert_true(has(cache, 1));
	assert_int_equal(cache_stats(cache).evictions, 0);
	cache_destroy(cache);
}

/* A size that a sandbox claims is not believed before there is room for it. */
static void refuses_an_absurd_size_without_allocating(void **state)
{
	struct cache *cache = cache_of(40 * KIB, 100);
	struct cache_draft *draft = begin(cache, 1);
	const struct cache_file file = { .name = (char *)"a", .len = SIZE_MAX };

	assert_int_equal(cache_draft_file(draft, &file, 0), -ENOSPC);
	cache_abandon(draft);
	assert_int_equal(cache_stats(cache).bytes, 0);
	cache_destroy(cache);
}

static void counts_drafts_against_the_bound(void **state)
{
	struct cache *cache = cache_of(40 * KIB, 100);
	const struct cache_file file = { .name = (char *)"a", .len = 9 * KIB };
	struct cache_draft *drafts[5];
	int r = 0;

	for (unsigned i = 0; i < 5; i++) {
		drafts[i] = begin(cache, i);
		assert_non_null(drafts[i]);
		r = cache_draft_file(drafts[i], &file, 0);
		assert_int_equal(r, i < 4 ? 0 : -ENOSPC);
		assert_true(cache_stats(cache).bytes <= 40 * KIB);
	}
	for (unsigned i = 0; i < 5; i++)
		cache_abandon(drafts[i]);
	assert_int_equal(cache_stats(cache).bytes, 0);
	cache_destroy(cache);
}

static void keeps_the_first_of_two_with_one_key(void **state)
{
	struct cache *cache = cache_of(64 * KIB, 8);
	struct cache_draft *first = begin(cache, 1), *second = begin(cache, 1);
	size_t one;

	assert_int_equal(add(first, "main", "first", 0), 0);
	assert_int_equal(add(second, "main", "other", 0), 0);
	cache_commit(first, &(struct step_facts){ .exit_code = 1 });
	one = cache_stats(cache).bytes;
	cache_commit(second, &(struct step_facts){ .exit_code = 2 });
	assert_true(has(cache, 1));
	assert_int_equal(cache_stats(cache).entries, 1);
	assert_true(cache_stats(cache).bytes < one);
	cache_destroy(cache);
}

static void makes_no_entry_of_a_file_that_is_cut_short(void **state)
{
	struct cache *cache = cache_of(64 * KIB, 8);
	const struct cache_file file = { .name = (char *)"main", .len = 10 };
	struct cache_draft *draft = begin(cache, 1);

	assert_int_equal(cache_draft_file(draft, &file, 0), 0);
	assert_int_equal(cache_draft_data(draft, "12345", 5), 0);
	assert_int_equal(cache_draft_file(draft, &file, 0), -EINVAL);
	cache_commit(draft, &(struct step_facts){ 0 });
	assert_false(has(cache, 1));
	assert_int_equal(cache_stats(cache).bytes, 0);
	cache_destroy(cache);
}

static void takes_no_more_bytes_than_a_file_was_to_have(void **state)
{
	struct cache *cache = cache_of(64 * KIB, 8);
	const struct cache_file file = { .name = (char *)"main", .len = 3 };
	struct cache_draft *draft = begin(cache, 1);

	assert_int_equal(cache_draft_data(draft, "x", 1), -EINVAL);
	assert_int_equal(cache_draft_file(draft, &file, 0), 0);
	assert_int_equal(cache_draft_data(draft, "1234", 4), -EINVAL);
	cache_abandon(draft);
	cache_destroy(cache);
}

static void a_cache_of_a_few_bytes_takes_nothing(void **state)
{
	struct cache *cache = cache_of(100, 8);

	assert_null(begin(cache, 1));
	assert_int_equal(cache_stats(cache).bytes, 0);
	cache_destroy(cache);
}

static void many_entries_come_and_go_and_nothing_is_left(void **state)
{
	struct cache *cache = cache_of(256 * KIB, 50);

	for (unsigned i = 0; i < 5000; i++) {
		put(cache, i * 7 % 300, 100 + i * 13 % 9000);
		assert_true(cache_stats(cache).bytes <= 256 * KIB);
		assert_true(cache_stats(cache).entries <= 50);
	}
	cache_destroy(cache);
}

static void fields_do_not_run_into_each_other(void **state)
{
	static char *const apart[] = { (char *)"a", (char *)"b", NULL };
	static char *const together[] = { (char *)"ab", NULL };
	struct cache_hash one, other;
	struct cache_key a, b;

	cache_hash_begin(&one, "test");
	cache_hash_texts(&one, apart);
	cache_hash_begin(&other, "test");
	cache_hash_texts(&other, together);
	a = cache_hash_end(&one);
	b = cache_hash_end(&other);
	assert_memory_not_equal(a.bytes, b.bytes, sizeof(a.bytes));

	cache_hash_begin(&one, "test");
	cache_hash_text(&one, NULL);
	cache_hash_begin(&other, "test");
	cache_hash_text(&other, "");
	a = cache_hash_end(&one);
	b = cache_hash_end(&other);
	assert_memory_not_equal(a.bytes, b.bytes, sizeof(a.bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_back_what_was_put_in),
		cmocka_unit_test(finds_nothing_under_another_key_or_before_the_commit),
		cmocka_unit_test(orders_files_by_their_age_with_one_place_for_equal_ones),
		cmocka_unit_test(gives_a_file_as_old_as_the_uploads_the_first_place),
		cmocka_unit_test(evicts_the_least_recently_used_when_bytes_run_out),
		cmocka_unit_test(evicts_the_least_recently_used_at_the_ceiling_of_entries),
		cmocka_unit_test(never_evicts_what_is_lent),
		cmocka_unit_test(has_no_room_while_everything_is_lent),
		cmocka_unit_test(refuses_what_would_take_more_than_its_share),
		cmocka_unit_test(refuses_an_absurd_size_without_allocating),
		cmocka_unit_test(counts_drafts_against_the_bound),
		cmocka_unit_test(keeps_the_first_of_two_with_one_key),
		cmocka_unit_test(makes_no_entry_of_a_file_that_is_cut_short),
		cmocka_unit_test(takes_no_more_bytes_than_a_file_was_to_have),
		cmocka_unit_test(a_cache_of_a_few_bytes_takes_nothing),
		cmocka_unit_test(many_entries_come_and_go_and_nothing_is_left),
		cmocka_unit_test(fields_do_not_run_into_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
