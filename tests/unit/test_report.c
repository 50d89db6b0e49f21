#include "base/cleanup.h"
#include "light/report.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AUTO_REPORT __attribute__((cleanup(report_finish)))

static struct report tap(const char *text)
{
	struct report report = { 0 };

	assert_int_equal(report_read_tap(text, strlen(text), &report), 0);
	return report;
}

static struct report junit(const char *text)
{
	struct report report = { 0 };

	assert_int_equal(report_read_junit(text, strlen(text), &report), 0);
	return report;
}

static void assert_test(const struct report *report, size_t index, const char *name, bool passed,
			const char *message)
{
	const struct report_test *test = &report->tests[index];

	assert_true(index < report->count);
	assert_string_equal(test->name, name);
	assert_int_equal(test->passed, passed);
	if (message)
		assert_string_equal(test->message, message);
	else
		assert_null(test->message);
}

static void reads_tests_and_what_a_failed_one_says(void **state)
{
	AUTO_REPORT struct report report =
		tap("1..3\nok 1 - adds\nnot ok 2 - divides\n#   at line 3\n# got 1\n"
		    "noise\nok 3\r\n");

	assert_int_equal(report.count, 3);
	assert_test(&report, 0, "adds", true, NULL);
	assert_test(&report, 1, "divides", false, "at line 3\ngot 1");
	assert_test(&report, 2, "test 3", true, NULL);
}

static void todo_and_skip_are_no_failures(void **state)
{
	AUTO_REPORT struct report report = tap("not ok 1 - later # TODO not written\nok 2 - elsewhere # skip "
					       "no network\nok 3 - a \\# b\n1..3\n");

	assert_test(&report, 0, "later", true, "TODO not written");
	assert_test(&report, 1, "elsewhere", true, "skip no network");
	assert_test(&report, 2, "a \\# b", true, NULL);
}

static void a_plan_that_was_not_kept_is_a_failure(void **state)
{
	AUTO_REPORT struct report report = tap("1..5\nok 1 - a\n");

	assert_int_equal(report.count, 2);
	assert_test(&report, 1, "the plan", false, "5 tests were planned, 1 was run");
}

static void bailing_out_is_a_failure(void **state)
{
	AUTO_REPORT struct report report = tap("1..5\nok 1 - a\nBail out! no database\n");

	assert_int_equal(report.count, 2);
	assert_test(&report, 1, "Bail out!", false, "no database");
}

static void a_subtest_is_told_by_the_line_that_sums_it_up(void **state)
{
	AUTO_REPORT struct report report = tap(
		"TAP version 13\n    ok 1 - inner\n    not ok 2 - inner\n    1..2\nnot ok 1 - outer\n  ---\n"
		"  message: 'no'\n  ...\n1..1\n");

	assert_int_equal(report.count, 1);
	assert_test(&report, 0, "outer", false, "---\n  message: 'no'\n  ...");
}

static void nothing_of_tap_is_no_report(void **state)
{
	struct report report;

	assert_int_equal(report_read_tap("okay\nhello\n1..x\n", 16, &report), -ENODATA);
	assert_int_equal(report_read_tap("", 0, &report), -ENODATA);
	assert_int_equal(report_read_tap("1..0 # SKIP nothing\n", 20, &report), 0);
	assert_int_equal(report.count, 0);
}

static void reads_the_cases_of_junit(void **state)
{
	AUTO_REPORT struct report report = junit(
		"<?xml version=\"1.0\"?>\n<testsuites><testsuite name=\"s\">"
		"<testcase classname=\"Hiker\" name=\"answer\" time=\"0.1\"/>"
		"<testcase name=\"other\"><failure message=\"expected:&lt;42&gt;\" type=\"x\">trace</failure>"
		"<system-out>x</system-out></testcase>"
		"<testcase name=\"third\"><error>\n at line 3\n</error></testcase>"
		"<testcase name=\"fourth\"><skipped/></testcase></testsuite></testsuites>");

	assert_int_equal(report.count, 4);
	assert_test(&report, 0, "Hiker.answer", true, NULL);
	assert_test(&report, 1, "other", false, "expected:<42>");
	assert_test(&report, 2, "third", false, "at line 3");
	assert_test(&report, 3, "fourth", true, NULL);
}

static void a_document_type_and_so_any_entity_is_refused(void **state)
{
	static const char laughs[] =
		"<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]>"
		"<testsuite><testcase name=\"&b;\"/></testsuite>";
	static const char outside[] = "<!DOCTYPE l SYSTEM \"file:///etc/passwd\"><testsuite/>";
	struct report report;

	assert_int_equal(report_read_junit(laughs, strlen(laughs), &report), -EINVAL);
	assert_int_equal(report_read_junit(outside, strlen(outside), &report), -EINVAL);
}

static void damaged_and_deep_xml_is_refused(void **state)
{
	char deep[8 * 200];
	size_t len = 0;
	struct report report;

	for (size_t i = 0; i < 200; i++, len += 3)
		memcpy(deep + len, "<a>", 3);
	assert_int_equal(report_read_junit(deep, len, &report), -EINVAL);
	assert_int_equal(report_read_junit("<a><testcase name='x'/>", 23, &report), -EINVAL);
	assert_int_equal(report_read_junit("<a/>", 4, &report), -ENODATA);
	assert_int_equal(report_read_junit("no XML", 6, &report), -ENODATA);
	assert_int_equal(report_read_junit("", 0, &report), -ENODATA);
}

static void more_tests_than_it_holds_are_left_out(void **state)
{
	size_t len = 0, room = (REPORT_TESTS + 10) * 5;
	AUTO_FREE char *text = malloc(room);
	AUTO_REPORT struct report report = { 0 };

	for (; len + 5 <= room; len += 5)
		memcpy(text + len, "ok 1\n", 5);
	assert_int_equal(report_read_tap(text, len, &report), 0);
	assert_int_equal(report.count, REPORT_TESTS);
	assert_true(report.truncated);
}

static void long_and_broken_names_are_cut_and_cleaned(void **state)
{
	char text[REPORT_NAME_BYTES * 2 + 16] = "ok 1 - \xff";
	AUTO_REPORT struct report report = { 0 };
	size_t len = strlen(text);

	for (; len + 3 < sizeof(text); len += 3)
		memcpy(text + len, "\xe2\x82\xac", 3);
	assert_int_equal(report_read_tap(text, len, &report), 0);
	assert_true(strlen(report.tests[0].name) <= REPORT_NAME_BYTES);
	assert_int_equal(strlen(report.tests[0].name) % 3, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_tests_and_what_a_failed_one_says),
		cmocka_unit_test(todo_and_skip_are_no_failures),
		cmocka_unit_test(a_plan_that_was_not_kept_is_a_failure),
		cmocka_unit_test(bailing_out_is_a_failure),
		cmocka_unit_test(a_subtest_is_told_by_the_line_that_sums_it_up),
		cmocka_unit_test(nothing_of_tap_is_no_report),
		cmocka_unit_test(reads_the_cases_of_junit),
		cmocka_unit_test(a_document_type_and_so_any_entity_is_refused),
		cmocka_unit_test(damaged_and_deep_xml_is_refused),
		cmocka_unit_test(more_tests_than_it_holds_are_left_out),
		cmocka_unit_test(long_and_broken_names_are_cut_and_cleaned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
