/*
 * Structured results that a test framework offers, read into a list of tests: the Test Anything Protocol
 * (https://testanything.org, versions 12 to 14) and JUnit's XML. Pure; what is not UTF-8 is left out.
 */
#ifndef KILN_LIGHT_REPORT_H
#define KILN_LIGHT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

/* Ceilings. Tests beyond them are left out; texts are cut at a character. */
#define REPORT_TESTS	     2000
#define REPORT_NAME_BYTES    1024
#define REPORT_MESSAGE_BYTES 8192
#define REPORT_BYTES	     (8 * 1024 * 1024) /* of what is read */
#define REPORT_DEPTH	     64		       /* of XML elements */

struct report_test {
	char *name;    /* UTF-8 */
	bool passed;   /* true of skipped ones and of TODO */
	char *message; /* UTF-8, or NULL */
};

/* Owns its tests. */
struct report {
	struct report_test *tests;
	size_t count;
	bool truncated; /* there were more tests */
};

/*
 * Reads what a program printed in TAP; lines that are not TAP are passed over. A plan that promises another number of
 * tests than came adds one failed test that says so, and so does "Bail out!". Returns 0 and *ret (report_finish()),
 * -ENODATA when there is neither test nor plan in it, or -ENOMEM.
 */
[[nodiscard]] int report_read_tap(const void *data, size_t len, struct report *ret);

/*
 * Reads JUnit's XML: every <testcase>, at any depth. Returns 0 and *ret, -ENODATA when it is not XML or has no
 * <testcase>, -EINVAL when it is XML but damaged, has a document type (and so might have entities), or is nested too
 * deeply; -ENOMEM.
 */
[[nodiscard]] int report_read_junit(const void *data, size_t len, struct report *ret);

void report_finish(struct report *report);

#endif
