#include "light/report_priv.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "light/light.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A copy that is valid UTF-8 without NUL, of at most `max` bytes of `text`. */
static int copy_text(const char *text, size_t len, size_t max, char **ret)
{
	AUTO_BUF struct buf clean = BUF_INIT(max);
	size_t end = len < max ? len : max;
	bool truncated;
	int r;

	/* Not in the middle of a character; what else is broken is left out. */
	while (end < len && end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
		end--;
	r = light_text_clean(text, end, SIZE_MAX, &clean, &truncated);
	if (r < 0)
		return r;
	for (size_t i = 0; i < clean.len; i++)
		clean.data[i] = clean.data[i] ? clean.data[i] : ' ';
	*ret = (char *)buf_take(&clean, &end);
	return *ret ? 0 : -ENOMEM;
}

int report_add(struct report *report, const char *name, size_t name_len, bool passed,
	       struct report_test **ret)
{
	struct report_test test = { .passed = passed };
	int r;

	if (ret)
		*ret = NULL;
	if (report->count == REPORT_TESTS) {
		report->truncated = true;
		return 0;
	}
	if ((report->count & (report->count - 1)) == 0) {
		size_t room = report->count > 0 ? 2 * report->count : 1;
		struct report_test *tests = realloc(report->tests, room * sizeof(*tests));

		if (!tests)
			return -ENOMEM;
		report->tests = tests;
	}
	r = copy_text(name, name_len, REPORT_NAME_BYTES, &test.name);
	if (r < 0)
		return r;
	report->tests[report->count] = test;
	if (ret)
		*ret = &report->tests[report->count];
	report->count++;
	return 0;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

int report_set_message(struct report_test *test, const char *text, size_t len)
{
	while (len > 0 && is_space(text[len - 1]))
		len--;
	while (len > 0 && is_space(*text)) {
		text++;
		len--;
	}
	if (test->message || len == 0)
		return 0;
	return copy_text(text, len, REPORT_MESSAGE_BYTES, &test->message);
}

void report_finish(struct report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		free(report->tests[i].name);
		free(report->tests[i].message);
	}
	free(report->tests);
	*report = (struct report){ 0 };
}
