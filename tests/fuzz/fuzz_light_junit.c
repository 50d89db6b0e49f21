#include "base/utf8.h"
#include "light/report.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Whatever comes in: a list of tests within its bounds, in UTF-8, or none. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct report report = { 0 };
	int r = report_read_junit(data, len, &report);

	assert(r == 0 || r == -ENODATA || r == -EINVAL || r == -ENOMEM);
	assert(report.count <= REPORT_TESTS);
	for (size_t i = 0; i < report.count; i++) {
		const struct report_test *test = &report.tests[i];

		assert(strlen(test->name) <= REPORT_NAME_BYTES && utf8_valid(test->name, strlen(test->name)));
		if (test->message)
			assert(utf8_valid(test->message, strlen(test->message)));
	}
	report_finish(&report);
	return 0;
}
