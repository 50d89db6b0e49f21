/*
 * What holds of every reader of test reports, whatever comes in: a list of tests within its bounds, in UTF-8, or none.
 */
#ifndef KILN_FUZZ_LIGHT_REPORT_H
#define KILN_FUZZ_LIGHT_REPORT_H

#include "base/utf8.h"
#include "light/report.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

/* Takes what the reader returned and gave. */
static inline void check_report(int r, struct report *report)
{
	assert(r == 0 || r == -ENODATA || r == -EINVAL || r == -ENOMEM);
	assert(report->count <= REPORT_TESTS);
	for (size_t i = 0; i < report->count; i++) {
		const struct report_test *test = &report->tests[i];

		assert(strlen(test->name) <= REPORT_NAME_BYTES && utf8_valid(test->name, strlen(test->name)));
		if (test->message)
			assert(utf8_valid(test->message, strlen(test->message)));
	}
	report_finish(report);
}

#endif
