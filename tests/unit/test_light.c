#include "base/buf.h"
#include "base/cleanup.h"
#include "light/cache.h"
#include "light/light.h"
#include "light/sources.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <cmocka.h>

static struct light *ruby(const char *source)
{
	struct light *light = NULL;
	struct light_fault fault;

	if (light_compile_ruby(source, strlen(source), &light, &fault) < 0)
		fail_msg("%s: %s", source, fault.text);
	return light;
}

static struct light *rules(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);
	struct light *light = NULL;
	struct err err = ERR_INIT;
	int r = light_compile_rules(json, "rules", &light, &err);

	json_decref(json);
	if (r < 0)
		fail_msg("%s: %s", text, err.text);
	return light;
}

static struct light_verdict judge(const struct light *light, const char *out, const char *err, int status)
{
	const struct light_input input = {
		.out = out, .out_len = strlen(out), .err = err, .err_len = strlen(err), .status = status
	};
	struct light_verdict verdict;

	light_judge(light, &input, &verdict);
	return verdict;
}

static void assert_colour(const char *source, const char *out, const char *err, int status,
			  const char *colour)
{
	struct light *light = ruby(source);
	struct light_verdict verdict = judge(light, out, err, status);

	if (strcmp(light_colour_name(verdict.colour), colour) != 0)
		fail_msg("%s: %s rather than %s (%s)", source, light_colour_name(verdict.colour), colour,
			 verdict.colour == LIGHT_FAULTY ? verdict.fault.text : "");
	light_unref(light);
}

/* The fault of a lambda, be it found when it is compiled or when it judges "x" with status 0. */
static struct light_fault fault_of(const char *source)
{
	struct light *light = NULL;
	struct light_fault fault;
	struct light_verdict verdict;

	if (light_compile_ruby(source, strlen(source), &light, &fault) < 0)
		return fault;
	verdict = judge(light, "x", "", 0);
	light_unref(light);
	if (verdict.colour != LIGHT_FAULTY)
		fail_msg("%s: %s", source, light_colour_name(verdict.colour));
	return verdict.fault;
}

static void assert_fault(const char *source, enum light_fault_kind kind, unsigned line, unsigned column,
			 const char *text)
{
	struct light_fault fault = fault_of(source);

	if (fault.kind != kind || fault.line != line || fault.column != column || !strstr(fault.text, text))
		fail_msg("%s: kind %d, line %u, column %u: %s", source, fault.kind, fault.line, fault.column,
			 fault.text);
}

static void judges_by_what_cyber_dojo_images_carry(void **state)
{
	static const char source[] = "lambda { |stdout,stderr,status|\n"
				     "  output = stdout + stderr\n"
				     "  return :red   if /(.*)Assertion(.*)failed/.match(output)\n"
				     "  return :green if /(All|\\d+) tests passed/.match(output)\n"
				     "  return :amber\n"
				     "}\n";

	assert_colour(source, "", "a.out: x.c:6: main: Assertion `answer() == 42' failed.\n", 134, "red");
	assert_colour(source, "All tests passed\n", "", 0, "green");
	assert_colour(source, "x.c:3:1: error: unknown type name\n", "", 1, "amber");
}

static void anchors_are_those_of_lines(void **state)
{
	assert_colour("lambda { |o,e,s| o =~ /^OK$/ ? :green : :red }", "a\nOK\nb", "", 0, "green");
	assert_colour("lambda { |o,e,s| o =~ /\\AOK\\z/ ? :green : :red }", "a\nOK\nb", "", 0, "red");
	assert_colour("lambda { |o,e,s| o =~ /a.OK/ ? :green : :red }", "a\nOK\nb", "", 0, "red");
	assert_colour("lambda { |o,e,s| o =~ /a.OK/m ? :green : :red }", "a\nOK\nb", "", 0, "green");
}

static void leaves_out_what_is_not_utf8(void **state)
{
	assert_colour("lambda { |o,e,s| o == 'caf!' ? :green : :red }", "caf\xe9!\xf0\x9f\x98", "", 0,
		      "green");
	assert_colour("lambda { |o,e,s| o.size == 4 ? :green : :red }", "caf\xc3\xa9", "", 0, "green");
}

static void cleans_and_cuts_text_by_characters(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(64);
	bool truncated;

	assert_int_equal(light_text_clean("\xc3\xa9\xff"
					  "b\xe2\x82"
					  "cd",
					  8, 3, &text, &truncated),
			 0);
	assert_string_equal((const char *)text.data, "\xc3\xa9"
						     "bc");
	assert_true(truncated);
	text.len = 0;
	assert_int_equal(light_text_clean("abc\xff", 4, 3, &text, &truncated), 0);
	assert_int_equal(text.len, 3);
	assert_false(truncated);
}

static void a_wrong_lambda_says_where_and_why(void **state)
{
	assert_fault("xlambda { |so,se,st| :red }", LIGHT_WRONG, 1, 1, "undefined method 'xlambda'");
	assert_fault("sdf", LIGHT_WRONG, 1, 1, "undefined local variable or method 'sdf'");
	assert_fault("", LIGHT_WRONG, 1, 1, "does not end with a lambda");
	assert_fault("lambda { |a,b|\n :red }", LIGHT_WRONG, 1, 1, "takes 2 arguments");
	assert_fault("lambda { |a,b,c|\n  return :red if\n}", LIGHT_WRONG, 3, 1, "unexpected '}'");
	assert_fault("lambda { |a,b,c|\n  \xc3\xa9 = /(/\n}", LIGHT_WRONG, 2, 7, "closing parenthesis");
	assert_fault("lambda { |a,b,c| :blue }", LIGHT_WRONG, 1, 1, "'blue'");
	assert_fault("lambda { |a,b,c| nil }", LIGHT_WRONG, 1, 1, "gave nil");
	assert_fault("lambda { |a,b,c| /y/.match(a)[1] }", LIGHT_WRONG, 1, 30,
		     "undefined method '[]' for nil");
	assert_fault("lambda { |a,b,c| a + c }", LIGHT_WRONG, 1, 20, "no implicit conversion");
	assert_fault("lambda { |a,b,c| raise 'wibble' }", LIGHT_WRONG, 1, 18, "wibble");
	assert_fault("lambda { |a,b,c| \"x }", LIGHT_WRONG, 1, 18, "without its end");
	assert_fault("lambda { |a,b,c| 1 / 0 }", LIGHT_WRONG, 1, 20, "divided by 0");
}

static void what_leaves_the_language_says_so(void **state)
{
	static const char *const bodies[] = {
		"`ls`",
		"system('x')",
		"File.read('/etc/passwd')",
		"@x",
		"while true do end",
		"def f; end",
		"{ a: 1 }",
		"eval(a)",
		"a.instance_eval { }",
		"begin; rescue; end",
		"a.send(:size)",
		"$stdout",
		"<<X\nX\n",
		"/(?<a>x)\\k<a>/",
		"/(?~x)/",
		"require 'x'",
		"1.5",
		"a.each_char { |c| }",
		"->(x) { x }",
		"a ? :red : :green rescue 1",
		/* Ruby lets these match two letters at once, or takes the pattern for one that is anchored. */
		"a =~ /[\\p{L}]/i",
		"a =~ /\\p{Alpha}/i",
		"a =~ /[\\H ]/i",
		"a =~ /[[:space:]]/i",
		"a =~ /[\xc3\xa9]/i",
		"a =~ /[\\u00e9]/i",
		"a =~ /(?!x).*/m",
		"a =~ /(?:(?<=x)|y).*/",
	};

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		char source[128];
		struct light_fault fault;

		snprintf(source, sizeof(source), "lambda { |a,b,c| %s }", bodies[i]);
		fault = fault_of(source);
		if (fault.kind != LIGHT_UNSUPPORTED || fault.line != 1)
			fail_msg("%s: kind %d, line %u: %s", source, fault.kind, fault.line, fault.text);
	}
}

static void a_regular_expression_that_runs_away_is_stopped(void **state)
{
	char text[40001];
	struct light *lights[] = {
		ruby("lambda { |o,e,s| o =~ /(a+)+$b/ ? :green : :red }"),
		ruby("lambda { |o,e,s| o =~ /(?:(?:a|a)*)*c/ ? :green : :red }"),
		ruby("lambda { |o,e,s| o.scan(/a*?a*?a*?a*?b/).any? ? :green : :red }"),
		rules("[{\"regex\":\"^(a|aa)+$b\",\"colour\":\"green\"},{\"colour\":\"red\"}]"),
	};

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(lights); i++) {
		struct light_verdict verdict = judge(lights[i], text, "", 0);

		/* One may find by its first look that there is no match; what it may not is go on. */
		if (verdict.colour == LIGHT_FAULTY)
			assert_int_equal(verdict.fault.kind, LIGHT_LIMIT);
		else
			assert_int_equal(verdict.colour, LIGHT_RED);
		light_unref(lights[i]);
	}
	assert_fault("lambda { |a,b,c| ('a' * 30000) =~ /(x|a|aa)+[!z]/ ? :red : :green }", LIGHT_LIMIT, 1,
		     32, "");
}

static void loops_and_memory_are_bounded(void **state)
{
	assert_fault("lambda { |a,b,c| 999999999.times { |i| i } }", LIGHT_LIMIT, 1, 28, "takes too long");
	assert_fault("lambda { |a,b,c| 'abc' * 999999999999 }", LIGHT_LIMIT, 1, 24, "too much memory");
	assert_fault("lambda { |a,b,c| x = 'ab'; 99.times { x = x + x }; x }", LIGHT_LIMIT, 1, 45,
		     "too much memory");
	assert_fault("lambda { |a,b,c| x = []; x << x; x.flatten }", LIGHT_LIMIT, 1, 36, "nested too deeply");
	assert_fault("lambda { |a,b,c| x = [1]; x.each { |y| x << y } }", LIGHT_LIMIT, 1, 42, "");
}

static void nesting_and_size_are_bounded(void **state)
{
	static const char *const units[] = { "(",    "!",   "[",   "if x then ", "x.a?{",
					     "\"#{", "1+(", "->{", "not ",	 "x ? x : " };
	static const char prefix[] = "lambda { |x,y,z| ";
	AUTO_FREE char *source = calloc(1, LIGHT_SOURCE_BYTES + 64);
	struct light *light = NULL;
	struct light_fault fault;

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		size_t len = strlen(prefix);

		memcpy(source, prefix, len);
		while (len + strlen(units[i]) < LIGHT_SOURCE_BYTES) {
			memcpy(source + len, units[i], strlen(units[i]));
			len += strlen(units[i]);
		}
		assert_int_equal(light_compile_ruby(source, len, &light, &fault), -EINVAL);
	}
	memset(source, ' ', LIGHT_SOURCE_BYTES + 1);
	assert_int_equal(light_compile_ruby(source, LIGHT_SOURCE_BYTES + 1, &light, &fault), -EINVAL);
	assert_int_equal(fault.kind, LIGHT_LIMIT);
}

static void a_long_chain_of_operators_is_refused_rather_than_recursed_into(void **state)
{
	char source[8192] = "lambda { |a,b,c| 1";
	size_t len = strlen(source);

	for (; len < sizeof(source) - 4; len += 2)
		memcpy(source + len, "+1", 2);
	memcpy(source + len, "}", 2);
	assert_int_equal(fault_of(source).kind, LIGHT_LIMIT);
}

static void rules_are_tried_in_order(void **state)
{
	struct light *light =
		rules("[{\"status\":0,\"colour\":\"green\"},"
		      "{\"in\":\"stderr\",\"regex\":\"^error\",\"flags\":\"i\",\"colour\":\"amber\"},"
		      "{\"literal\":\"FAILED\",\"not\":true,\"colour\":\"amber\"},"
		      "{\"and\":[{\"in\":\"stdout\",\"literal\":\"tests\"},{\"status\":[1,2]}],\"colour\":"
		      "\"red\"}]");

	assert_int_equal(judge(light, "", "", 0).colour, LIGHT_GREEN);
	assert_int_equal(judge(light, "", "x\nERROR: y", 1).colour, LIGHT_AMBER);
	assert_int_equal(judge(light, "fine", "", 1).colour, LIGHT_AMBER);
	assert_int_equal(judge(light, "FAILED tests", "", 2).colour, LIGHT_RED);
	assert_int_equal(judge(light, "FAILED tests", "", 3).colour, LIGHT_FAULTY);
	light_unref(light);
}

static void rules_compare_a_group_of_the_first_match(void **state)
{
	struct light *light =
		rules("[{\"regex\":\"(\\\\d+) passed, (\\\\d+) "
		      "failed\",\"group\":2,\"is\":\">\",\"value\":0,\"colour\":\"red\"},"
		      "{\"regex\":\"(\\\\d+) "
		      "passed\",\"group\":1,\"is\":\"!=\",\"value\":\"0\",\"colour\":\"green\"},"
		      "{\"colour\":\"amber\"}]");

	assert_int_equal(judge(light, "3 passed, 0 failed", "", 0).colour, LIGHT_GREEN);
	assert_int_equal(judge(light, "3 passed, 10 failed", "", 1).colour, LIGHT_RED);
	assert_int_equal(judge(light, "0 passed, 0 failed", "", 0).colour, LIGHT_AMBER);
	assert_int_equal(judge(light, "3 passed, 0 failed\n3 passed, 1 failed", "", 0).colour, LIGHT_GREEN);
	assert_int_equal(judge(light, "", "", 0).colour, LIGHT_AMBER);
	light_unref(light);
}

static void both_streams_are_one_text_with_stdout_first(void **state)
{
	struct light *light =
		rules("[{\"regex\":\"\\\\Aa\\\\nb\\\\z\",\"colour\":\"green\"},{\"colour\":\"red\"}]");

	assert_int_equal(judge(light, "a\n", "b", 0).colour, LIGHT_GREEN);
	assert_int_equal(judge(light, "b", "a\n", 0).colour, LIGHT_RED);
	light_unref(light);
}

static void wrong_rules_are_refused_with_their_field(void **state)
{
	static const struct {
		const char *json, *slug, *field;
	} cases[] = {
		{ "{}", "wrong_type", "rules" },
		{ "[]", "bad_value", "rules" },
		{ "[1]", "wrong_type", "rules[0]" },
		{ "[{}]", "missing_field", "rules[0].colour" },
		{ "[{\"colour\":\"blue\"}]", "bad_value", "rules[0].colour" },
		{ "[{\"colour\":\"red\",\"x\":1}]", "unknown_field", "rules[0]" },
		{ "[{\"colour\":\"red\",\"regex\":\"(\"}]", "bad_value", "rules[0].regex" },
		{ "[{\"colour\":\"red\",\"regex\":\"a\",\"group\":1}]", "bad_value", "rules[0].group" },
		{ "[{\"colour\":\"red\",\"flags\":\"i\"}]", "missing_field", "rules[0].regex" },
		{ "[{\"colour\":\"red\",\"regex\":\"a\",\"flags\":\"q\"}]", "bad_value", "rules[0].flags" },
		{ "[{\"colour\":\"red\",\"status\":256}]", "bad_value", "rules[0].status" },
		{ "[{\"colour\":\"red\",\"status\":\"0\"}]", "wrong_type", "rules[0].status" },
		{ "[{\"colour\":\"red\",\"in\":\"stdin\"}]", "bad_value", "rules[0].in" },
		{ "[{\"colour\":\"red\",\"and\":[{},{\"colour\":\"red\"}]}]", "unknown_field",
		  "rules[0].and[1]" },
		{ "[{\"colour\":\"red\"},{\"colour\":\"red\",\"regex\":\"a\",\"is\":\"<\",\"value\":\"1\"}]",
		  "bad_value", "rules[1].value" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *json = json_loads(cases[i].json, 0, NULL);
		struct light *light = NULL;
		struct err err = ERR_INIT;

		assert_int_equal(light_compile_rules(json, "rules", &light, &err), -EINVAL);
		if (strcmp(err.slug, cases[i].slug) != 0 || strcmp(err.field, cases[i].field) != 0)
			fail_msg("%s: %s at %s: %s", cases[i].json, err.slug, err.field, err.text);
		json_decref(json);
	}
}

static void the_cache_gives_up_what_was_used_longest_ago(void **state)
{
	struct light_cache *cache = light_cache_create(2, 100);
	struct light *light = ruby("lambda { |a,b,c| :red }"), *found;

	assert_null(light_cache_find(cache, "a", 1));
	light_cache_keep(cache, "a", 1, light);
	light_cache_keep(cache, "b", 1, light);
	found = light_cache_find(cache, "a", 1);
	assert_ptr_equal(found, light);
	light_unref(found);
	light_cache_keep(cache, "c", 1, light);
	assert_null(light_cache_find(cache, "b", 1));
	found = light_cache_find(cache, "a", 1);
	assert_non_null(found);
	light_cache_destroy(cache);
	light_unref(found);
	light_unref(light);
}

static void the_cache_is_bounded_in_bytes_too(void **state)
{
	struct light_cache *cache = light_cache_create(100, 10);
	struct light *light = ruby("lambda { |a,b,c| :red }"), *found;

	light_cache_keep(cache, "123456", 6, light);
	light_cache_keep(cache, "abcdef", 6, light);
	assert_null(light_cache_find(cache, "123456", 6));
	light_cache_keep(cache, "01234567890", 11, light);
	assert_null(light_cache_find(cache, "01234567890", 11));
	found = light_cache_find(cache, "abcdef", 6);
	assert_ptr_equal(found, light);
	light_unref(found);
	light_cache_destroy(cache);
	light_unref(light);
}

static bool source_is(struct light_sources *sources, const char *image, const char *text)
{
	size_t len = 0;
	const char *found = light_sources_find(sources, image, &len);

	return found ? text && len == strlen(text) && memcmp(found, text, len) == 0 : !text;
}

static void sources_of_images_are_bounded_in_number_and_bytes(void **state)
{
	struct light_sources *sources = light_sources_create(2, 10);

	light_sources_keep(sources, "a@1", "", 0);
	assert_true(source_is(sources, "a@1", ""));
	light_sources_keep(sources, "b@1", "bb", 2);
	light_sources_keep(sources, "b@1", "another", 7);
	assert_true(source_is(sources, "b@1", "bb"));
	assert_true(source_is(sources, "a@1", ""));
	light_sources_keep(sources, "c@1", "cc", 2);
	assert_true(source_is(sources, "b@1", NULL));
	light_sources_keep(sources, "d@1", "ten bytes.", 10);
	assert_true(source_is(sources, "a@1", NULL) && source_is(sources, "c@1", NULL));
	light_sources_keep(sources, "e@1", "eleven byte", 11);
	assert_true(source_is(sources, "e@1", NULL) && source_is(sources, "d@1", "ten bytes."));
	light_sources_destroy(sources);
	light_sources_destroy(NULL);
}

#define REPEATS "(?:a{1,255}){1,200}"

/* A few bytes of it are many of machine code: without a bound half a second and fifteen megabytes come of these. */
static void regular_expressions_may_not_repeat_without_end(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(65536);
	json_t *json = json_array(), *whole;
	struct light *light = NULL;
	struct err err = ERR_INIT;

	for (int i = 0; i < 128; i++)
		json_array_append_new(json, json_pack("{s:s, s:s}", "regex", REPEATS, "colour", "red"));
	assert_int_equal(light_compile_rules(json, "rules", &light, &err), -EINVAL);
	assert_non_null(strstr(err.text, "repeats too much"));
	json_decref(json);

	whole = json_pack("[{s:s, s:s}]", "regex", REPEATS, "colour", "red");
	assert_int_equal(light_compile_rules(whole, "rules", &light, &err), 0);
	light_unref(light);
	json_decref(whole);

	assert_int_equal(buf_append_str(&text, "lambda { |stdout, stderr, status|\n"), 0);
	for (int i = 0; i < 128; i++)
		assert_int_equal(buf_append_str(&text, "/" REPEATS "/.match(stdout)\n"), 0);
	assert_int_equal(buf_append_str(&text, ":red }"), 0);
	assert_int_equal(fault_of((const char *)text.data).kind, LIGHT_LIMIT);
	assert_non_null(strstr(fault_of((const char *)text.data).text, "repeat too much"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges_by_what_cyber_dojo_images_carry),
		cmocka_unit_test(anchors_are_those_of_lines),
		cmocka_unit_test(leaves_out_what_is_not_utf8),
		cmocka_unit_test(cleans_and_cuts_text_by_characters),
		cmocka_unit_test(a_wrong_lambda_says_where_and_why),
		cmocka_unit_test(what_leaves_the_language_says_so),
		cmocka_unit_test(a_regular_expression_that_runs_away_is_stopped),
		cmocka_unit_test(loops_and_memory_are_bounded),
		cmocka_unit_test(nesting_and_size_are_bounded),
		cmocka_unit_test(a_long_chain_of_operators_is_refused_rather_than_recursed_into),
		cmocka_unit_test(rules_are_tried_in_order),
		cmocka_unit_test(rules_compare_a_group_of_the_first_match),
		cmocka_unit_test(both_streams_are_one_text_with_stdout_first),
		cmocka_unit_test(wrong_rules_are_refused_with_their_field),
		cmocka_unit_test(the_cache_gives_up_what_was_used_longest_ago),
		cmocka_unit_test(the_cache_is_bounded_in_bytes_too),
		cmocka_unit_test(sources_of_images_are_bounded_in_number_and_bytes),
		cmocka_unit_test(regular_expressions_may_not_repeat_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
