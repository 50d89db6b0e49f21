#include "base/base64.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/glob.h"
#include "base/limits.h"
#include "base/strv.h"
#include "base/utf8.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct glob_case {
	const char *pattern;
	const char *name;
};

static void assert_globs(const struct glob_case *cases, size_t count, bool expected)
{
	for (size_t i = 0; i < count; i++) {
		if (glob_match(cases[i].pattern, cases[i].name) != expected)
			fail_msg("'%s' on '%s'", cases[i].pattern, cases[i].name);
	}
}

static void glob_matches_what_it_should(void **state)
{
	static const struct glob_case cases[] = {
		{ "", "" },
		{ "a", "a" },
		{ "*", "a.txt" },
		{ "*", "" },
		{ "*.txt", ".txt" },
		{ "a*b*c", "a-b-b-c" },
		{ "*a*a*a", "aaa" },
		{ "?.c", "x.c" },
		{ "?", "\xc3\xa4" },
		{ "?", "\xff" },
		{ "\xff*", "\xffgo" },
		{ "[abc]", "b" },
		{ "[a-c]x", "bx" },
		{ "[!a-c]", "d" },
		{ "[^a-c]", "-" },
		{ "[]]", "]" },
		{ "[!]]", "a" },
		{ "[a-]", "-" },
		{ "[-a]", "-" },
		{ "[\\]x]", "]" },
		{ "[\xc3\xa0-\xc3\xbc]", "\xc3\xa4" },
		{ "[a", "[a" },
		{ "[[a]", "[" },
		{ "a[", "a[" },
		{ "\\*", "*" },
		{ "\\[a]", "[a]" },
		{ "a\\", "a\\" },
		{ "*/x", "a/x" },
		{ "a/*/c", "a/b/c" },
		{ "*b/c*", "ab/cd" },
		{ "**", "a/b/c" },
		{ "**", "" },
		{ "a/**", "a/b/c" },
		{ "a/**", "a/b" },
		{ "**.txt", "a/b.txt" },
		{ "***.txt", "a/b.txt" },
		{ "**/x", "x" },
		{ "**/x", "a/x" },
		{ "**/x", "a/b/x" },
		{ "**/*.txt", "a/b/c.txt" },
		{ "a/**/z", "a/z" },
		{ "a/**/z", "a/b/c/z" },
		{ "a/**/b/**/z", "a/b/b/q/z" },
		{ "**/**/x", "x" },
		{ "x**y", "x/1/y" },
	};

	assert_globs(cases, ARRAY_LEN(cases), true);
}

static void glob_matches_nothing_else(void **state)
{
	static const struct glob_case cases[] = {
		{ "", "a" },
		{ "a", "" },
		{ "a", "ab" },
		{ "ab", "a" },
		{ "*", "a/b" },
		{ "*.txt", "a/b.txt" },
		{ "?", "" },
		{ "?", "/" },
		{ "?", "ab" },
		{ "??", "\xc3\xa4" },
		{ "a?b", "a/b" },
		{ "[!a]", "/" },
		{ "[.-0]", "/" },
		{ "[a-c]", "d" },
		{ "[!a-c]", "b" },
		{ "[]", "" },
		{ "[!]", "x" },
		{ "\\*", "a" },
		{ "\\?", "a" },
		{ "*/x", "x" },
		{ "*/x", "a/b/x" },
		{ "a/**", "a" },
		{ "**/x", "ax" },
		{ "**/x", "a/xy" },
		{ "**/x", "a/bx" },
		{ "a/**/z", "a/bz" },
		{ "a/**/z", "az" },
		{ "a*b*c", "a-b-b" },
		{ "*b/c*", "ab/c/d" },
		{ "A", "a" },
		{ "\xff", "\xc3\xbf" },
	};

	assert_globs(cases, ARRAY_LEN(cases), false);
}

static void the_name_of_a_folder_chooses_what_is_in_it(void **state)
{
	assert_true(glob_chooses("out", "out/a"));
	assert_true(glob_chooses("out", "out/b/c"));
	assert_true(glob_chooses("out", "out"));
	assert_true(glob_chooses("out/b", "out/b/c"));
	assert_false(glob_chooses("out", "outer"));
	assert_false(glob_chooses("out", "in/out/a"));
	assert_false(glob_chooses("out/a/b", "out/a"));
	assert_false(glob_chooses("", "/a"));
}

static void a_pattern_chooses_only_what_it_matches(void **state)
{
	assert_true(glob_chooses("*", "a"));
	assert_false(glob_chooses("*", "a/b"));
	assert_false(glob_chooses("a?", "ab/c"));
	assert_false(glob_chooses("[a]", "[a]/c"));
	assert_false(glob_chooses("\\a", "a/c"));
}

static void glob_takes_patterns_to_its_bound_and_none_longer(void **state)
{
	char text[GLOB_PATTERN_MAX + 2];

	memset(text, 'a', sizeof(text));
	text[GLOB_PATTERN_MAX] = '\0';
	assert_true(glob_match(text, text));
	text[GLOB_PATTERN_MAX] = 'a';
	text[GLOB_PATTERN_MAX + 1] = '\0';
	assert_false(glob_match(text, text));
}

/* With backtracking each of these would take longer than the test suite's patience. */
static void glob_does_not_blow_up(void **state)
{
	static const char *const units[] = { "*a", "**a", "**/", "[a]*", "[", "*[!b]" };
	char pattern[GLOB_PATTERN_MAX + 1];
	char name[4097];

	memset(name, 'a', 4096);
	name[4096] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		size_t len = strlen(units[i]);
		size_t used = 0;

		for (; used + len < GLOB_PATTERN_MAX; used += len)
			memcpy(pattern + used, units[i], len);
		pattern[used] = 'b';
		pattern[used + 1] = '\0';
		assert_false(glob_match(pattern, name));
	}
}

static void assert_base64_round_trip(const char *text, const char *bytes, size_t len)
{
	AUTO_FREE uint8_t *data = NULL;
	AUTO_FREE char *encoded = NULL;
	size_t data_len, encoded_len;

	assert_int_equal(base64_decode(text, strlen(text), &data, &data_len), 0);
	assert_int_equal(data_len, len);
	assert_memory_equal(data, bytes, len);
	assert_int_equal(base64_decoded_len(text, strlen(text)), len);
	encoded = base64_encode(bytes, len, &encoded_len);
	assert_non_null(encoded);
	assert_string_equal(encoded, text);
	assert_int_equal(encoded_len, strlen(text));
}

static void base64_decodes_and_encodes(void **state)
{
	assert_base64_round_trip("", "", 0);
	assert_base64_round_trip("Zg==", "f", 1);
	assert_base64_round_trip("Zm8=", "fo", 2);
	assert_base64_round_trip("Zm9v", "foo", 3);
	assert_base64_round_trip("Zm9vYg==", "foob", 4);
	assert_base64_round_trip("Zm9vYmE=", "fooba", 5);
	assert_base64_round_trip("Zm9vYmFy", "foobar", 6);
	assert_base64_round_trip("AP/+gA==", "\0\xff\xfe\x80", 4);
}

static void a_message_brings_one_descriptor_and_no_second_one(void **state)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = { .align = { CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	char byte = 'x';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	const struct msghdr message = { .msg_iov = &iov,
					.msg_iovlen = 1,
					.msg_control = &control,
					.msg_controllen = sizeof(control.bytes) };
	int ends[2], fd, before, after;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	memcpy(CMSG_DATA(&control.align), ends, sizeof(ends));
	assert_int_equal(sendmsg(ends[0], &message, 0), 1);
	before = dup(ends[0]);
	close(before);
	assert_int_equal(fd_receive(ends[1], &byte, 1, 0, &fd), 1);
	assert_int_equal(fd, before);
	close(fd);
	after = dup(ends[0]);
	assert_int_equal(after, before);
	close(after);
	close(ends[0]);
	close(ends[1]);
}

static void base64_decodes_every_pair_of_bytes(void **state)
{
	for (unsigned int i = 0; i < 65536; i++) {
		char bytes[2] = { (char)(i >> 8), (char)i };
		AUTO_FREE char *text = base64_encode(bytes, 2, NULL);
		AUTO_FREE uint8_t *back = NULL;
		size_t len;

		assert_non_null(text);
		assert_int_equal(base64_decode(text, 4, &back, &len), 0);
		assert_int_equal(len, 2);
		assert_memory_equal(back, bytes, 2);
	}
}

static void base64_refuses_all_that_is_not_strict(void **state)
{
	static const char *const wrong[] = {
		"Z",	"Zg",	"Zg=",	  "Zm8",	  "Z===",  "====", "=",	       "==",
		"Zh==", "Zm9=", "Zm9v\n", "Zm9v\n\n\n\n", " Zm9",  "Zm 9", "Zm9v====", "Zg==Zg==",
		"Z=m9", "Zm-_", "Zm9v=",  "Z\x80m9",	  "Zm9vZ", "=Zm9", "Zg=v",
	};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		uint8_t *data = NULL;
		size_t len;

		if (base64_decode(wrong[i], strlen(wrong[i]), &data, &len) != -EINVAL)
			fail_msg("'%s' was taken", wrong[i]);
		assert_null(data);
	}
}

static void base64_refuses_a_nul_inside(void **state)
{
	uint8_t *data = NULL;
	size_t len;

	assert_int_equal(base64_decode("Zm\0v", 4, &data, &len), -EINVAL);
}

static void utf8_takes_the_corners_of_every_length(void **state)
{
	static const char *const right[] = {
		"",
		"a",
		"\x7f",
		"\xc2\x80",
		"\xdf\xbf",
		"\xe0\xa0\x80",
		"\xed\x9f\xbf",
		"\xee\x80\x80",
		"\xef\xbf\xbf",
		"\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf",
		"a\xc3\xa4z",
	};

	for (size_t i = 0; i < ARRAY_LEN(right); i++)
		assert_true(utf8_valid(right[i], strlen(right[i])));
	assert_true(utf8_valid("a\0b", 3));
}

static void utf8_refuses_overlong_surrogates_and_beyond(void **state)
{
	static const char *const wrong[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xe0\x80\x80",
		"\xe0\x9f\xbf",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf0\x80\x80\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xff",
		"\xfe",
		"\xc3",
		"\xe2\x82",
		"\xf0\x9f\x98",
		"\xc3z",
	};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		if (utf8_valid(wrong[i], strlen(wrong[i])))
			fail_msg("number %zu was taken", i);
	}
}

static void utf8_decodes_code_points(void **state)
{
	uint32_t point = 0;

	assert_int_equal(utf8_decode((const uint8_t *)"\xf0\x9f\x98\x80", 4, &point), 4);
	assert_int_equal(point, 0x1f600);
	assert_int_equal(utf8_decode((const uint8_t *)"\xf0\x9f\x98", 3, &point), -1);
	assert_int_equal(utf8_decode((const uint8_t *)"", 0, &point), -1);
	assert_int_equal(utf8_decode((const uint8_t *)"\xa0", 1, &point), 0);
}

static void utf8_leaves_out_a_last_character_that_is_cut(void **state)
{
	size_t len = 99;

	assert_true(utf8_valid_but_tail("ab\xf0\x9f\x98", 5, &len));
	assert_int_equal(len, 2);
	assert_true(utf8_valid_but_tail("\xc3\xa4", 2, &len));
	assert_int_equal(len, 2);
	assert_true(utf8_valid_but_tail("\xe2", 1, &len));
	assert_int_equal(len, 0);
}

static void utf8_tail_that_cannot_become_a_character_is_invalid(void **state)
{
	size_t len;

	assert_false(utf8_valid_but_tail("ab\xff", 3, &len));
	assert_false(utf8_valid_but_tail("ab\xed\xa0", 4, &len));
	assert_false(utf8_valid_but_tail("a\xc3z", 3, &len));
}

static void buf_holds_to_its_ceiling(void **state)
{
	AUTO_BUF struct buf b = BUF_INIT(5);

	assert_int_equal(buf_append(&b, "abc", 3), 0);
	assert_int_equal(buf_append(&b, "def", 3), -EMSGSIZE);
	assert_int_equal(buf_printf(&b, "%d", 123), -EMSGSIZE);
	assert_string_equal((const char *)b.data, "abc");
	assert_int_equal(buf_append_str(&b, "de"), 0);
	assert_string_equal((const char *)b.data, "abcde");
	assert_null(buf_reserve(&b, 1));
	assert_null(buf_reserve(&b, SIZE_MAX));
}

static void buf_hands_out_what_was_written_into_its_reserve_with_a_nul(void **state)
{
	struct buf b = BUF_INIT(64);
	AUTO_FREE char *taken = NULL;
	uint8_t *at = buf_reserve(&b, 64);

	assert_non_null(at);
	memset(at, 'x', 64);
	b.len = 3; /* as after a short read() */
	taken = (char *)buf_take(&b, NULL);
	assert_string_equal(taken, "xxx");
}

static void buf_consumes_and_hands_out(void **state)
{
	AUTO_BUF struct buf b = BUF_INIT(100);
	AUTO_FREE uint8_t *taken = NULL;
	AUTO_FREE uint8_t *empty = NULL;
	size_t len;

	assert_int_equal(buf_append_str(&b, "hello"), 0);
	buf_consume(&b, 2);
	taken = buf_take(&b, &len);
	assert_string_equal((const char *)taken, "llo");
	assert_int_equal(len, 3);
	empty = buf_take(&b, &len);
	assert_string_equal((const char *)empty, "");
	assert_int_equal(len, 0);
}

static void strv_appends_and_copies(void **state)
{
	char **v = NULL;
	char **copy;

	assert_int_equal(strv_append(&v, "one-more", 3), 0);
	assert_int_equal(strv_append(&v, "two", 3), 0);
	copy = strv_copy(v);
	assert_int_equal(strv_len(copy), 2);
	assert_string_equal(copy[0], "one");
	assert_string_equal(copy[1], "two");
	assert_int_equal(strv_len(NULL), 0);
	strv_free(copy);
	strv_free(v);
	strv_free(NULL);
}

static void err_is_one_line_whatever_it_quotes(void **state)
{
	struct err err = ERR_INIT;

	err_refuse(&err, ERR_MALFORMED, "bad_value", "a\nb", "%s", "x\r\n\x1b[2J\x7f\xc3\xa9");
	assert_string_equal(err.text, "x???[2J?\xc3\xa9");
	assert_string_equal(err.field, "a?b");
	err_wrap(&err, -EINVAL, "%s", "\t");
	assert_string_equal(err.text, "?: x???[2J?\xc3\xa9");
}

static void err_wraps_context_and_keeps_the_refusal(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(err_refuse(&err, ERR_MALFORMED, "bad_value", "files", "wrong"), -EINVAL);
	assert_int_equal(err_wrap(&err, -EINVAL, "run %d", 3), -EINVAL);
	assert_string_equal(err.text, "run 3: wrong");
	assert_string_equal(err.slug, "bad_value");
	assert_string_equal(err.field, "files");
	assert_int_equal(err_kind_http_status(err.kind), 400);
	assert_int_equal(err_set(NULL, -EIO, "nobody listens"), -EIO);
}

static void limits_are_found_by_name_and_merged(void **state)
{
	struct limits base = { .value = { [LIMIT_WALL_MS] = 5, [LIMIT_CPU_MS] = 6 } };
	struct limits over = { .value = { [LIMIT_CPU_MS] = 7 } };
	struct limits merged;

	assert_int_equal(limit_by_name("memory_bytes"), LIMIT_MEMORY_BYTES);
	assert_int_equal(limit_by_name("memory"), -1);
	limits_merge(&merged, &base, &over);
	assert_int_equal(merged.value[LIMIT_WALL_MS], 5);
	assert_int_equal(merged.value[LIMIT_CPU_MS], 7);
	for (int i = 0; i < LIMIT_COUNT; i++) {
		assert_true(limit_table[i].minimum <= limit_table[i].default_value);
		assert_true(limit_table[i].default_value <= limit_table[i].default_ceiling);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(glob_matches_what_it_should),
		cmocka_unit_test(glob_matches_nothing_else),
		cmocka_unit_test(the_name_of_a_folder_chooses_what_is_in_it),
		cmocka_unit_test(a_pattern_chooses_only_what_it_matches),
		cmocka_unit_test(glob_takes_patterns_to_its_bound_and_none_longer),
		cmocka_unit_test(glob_does_not_blow_up),
		cmocka_unit_test(base64_decodes_and_encodes),
		cmocka_unit_test(base64_decodes_every_pair_of_bytes),
		cmocka_unit_test(a_message_brings_one_descriptor_and_no_second_one),
		cmocka_unit_test(base64_refuses_all_that_is_not_strict),
		cmocka_unit_test(base64_refuses_a_nul_inside),
		cmocka_unit_test(utf8_takes_the_corners_of_every_length),
		cmocka_unit_test(utf8_refuses_overlong_surrogates_and_beyond),
		cmocka_unit_test(utf8_decodes_code_points),
		cmocka_unit_test(utf8_leaves_out_a_last_character_that_is_cut),
		cmocka_unit_test(utf8_tail_that_cannot_become_a_character_is_invalid),
		cmocka_unit_test(buf_holds_to_its_ceiling),
		cmocka_unit_test(buf_hands_out_what_was_written_into_its_reserve_with_a_nul),
		cmocka_unit_test(buf_consumes_and_hands_out),
		cmocka_unit_test(strv_appends_and_copies),
		cmocka_unit_test(err_is_one_line_whatever_it_quotes),
		cmocka_unit_test(err_wraps_context_and_keeps_the_refusal),
		cmocka_unit_test(limits_are_found_by_name_and_merged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
