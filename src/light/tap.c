/*
 * How it works: one pass over the lines. A test line begins a test; the lines behind it that are comments or indented
 * (a YAML block, a subtest's lines) are its message when it failed. Lines of subtests are indented by four and belong
 * to the test line that sums them up.
 */
#include "light/report_priv.h"

#include "base/buf.h"
#include "base/plural.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct tap {
	struct report *report;
	struct report_test *test; /* the last one; gets the message */
	size_t seen, planned;
	bool has_plan, skipped_all, bailed;
	struct buf message;
};

struct line {
	const char *text;
	size_t len;
};

static bool begins(struct line line, const char *with)
{
	size_t len = strlen(with);

	return line.len >= len && memcmp(line.text, with, len) == 0;
}

static struct line skip(struct line line, size_t bytes)
{
	return (struct line){ line.text + bytes, line.len - bytes };
}

static struct line skip_blanks(struct line line)
{
	while (line.len > 0 && (*line.text == ' ' || *line.text == '\t'))
		line = skip(line, 1);
	return line;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static struct line skip_number(struct line line, size_t *ret)
{
	for (*ret = 0; line.len > 0 && is_digit(*line.text); line = skip(line, 1))
		*ret = *ret < 1000000 ? 10 * *ret + (size_t)(*line.text - '0') : *ret;
	return line;
}

/* The message that has come together belongs to the last test, if that failed. */
static int flush_message(struct tap *tap)
{
	int r = 0;

	if (tap->test && !tap->test->passed)
		r = report_set_message(tap->test, (const char *)tap->message.data, tap->message.len);
	tap->message.len = 0;
	tap->test = NULL;
	return r;
}

static bool same_letters(struct line line, const char *lower)
{
	for (; *lower; lower++, line = skip(line, 1)) {
		if (line.len == 0 || (*line.text | 0x20) != *lower)
			return false;
	}
	return true;
}

/* Where the directive begins: an unescaped `#`; the line's end when there is none. */
static size_t directive_at(struct line line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (line.text[i] == '\\')
			i++;
		else if (line.text[i] == '#')
			return i;
	}
	return line.len;
}

/* `ok 3 - name # SKIP why` */
static int read_test(struct tap *tap, struct line line, bool ok)
{
	struct line name = skip_blanks(line), directive;
	size_t number, end;
	char unnamed[32];
	int r = flush_message(tap);

	name = skip_blanks(skip_number(name, &number));
	if (begins(name, "- "))
		name = skip_blanks(skip(name, 2));
	end = directive_at(name);
	directive = skip_blanks(skip(name, end < name.len ? end + 1 : end));
	name.len = end;
	while (name.len > 0 && (name.text[name.len - 1] == ' ' || name.text[name.len - 1] == '\t'))
		name.len--;
	tap->seen++;
	if (name.len == 0) {
		snprintf(unnamed, sizeof(unnamed), "test %zu", number > 0 ? number : tap->seen);
		name = (struct line){ unnamed, strlen(unnamed) };
	}
	/* A failure that was foreseen, or of what was not run, is none. */
	ok = ok || same_letters(directive, "todo") || same_letters(directive, "skip");
	if (r == 0)
		r = report_add(tap->report, name.text, name.len, ok, &tap->test);
	if (r == 0 && tap->test && directive.len > 0 &&
	    (same_letters(directive, "todo") || same_letters(directive, "skip")))
		r = report_set_message(tap->test, directive.text, directive.len);
	return r;
}

/* `1..4`, at the beginning or the end. */
static bool read_plan(struct tap *tap, struct line line)
{
	size_t planned;
	struct line rest;

	if (!begins(line, "1..") || line.len < 4 || !is_digit(line.text[3]))
		return false;
	rest = skip_blanks(skip_number(skip(line, 3), &planned));
	if (rest.len > 0 && *rest.text != '#')
		return false;
	tap->has_plan = true;
	tap->planned = planned;
	tap->skipped_all = planned == 0;
	return true;
}

static int read_bail_out(struct tap *tap, struct line line)
{
	int r = flush_message(tap);

	tap->bailed = true;
	if (r == 0)
		r = report_add(tap->report, "Bail out!", 9, false, &tap->test);
	if (r == 0 && tap->test)
		r = report_set_message(tap->test, line.text + 9, line.len - 9);
	return r;
}

/* True where the word ends: "ok", but not "okay". */
static bool word_ends(struct line line, size_t len)
{
	return line.len == len || line.text[len] == ' ' || line.text[len] == '\t';
}

static int keep_message(struct tap *tap, struct line line)
{
	if (begins(line, "#"))
		line = skip(line, line.len > 1 && line.text[1] == ' ' ? 2 : 1);
	/* What does not fit any more is left out. */
	if (buf_append(&tap->message, line.text, line.len) == 0 &&
	    buf_append(&tap->message, "\n", 1) == -ENOMEM)
		return -ENOMEM;
	return 0;
}

static int read_line(struct tap *tap, struct line line)
{
	if (line.len > 0 && line.text[line.len - 1] == '\r')
		line.len--;
	if (begins(line, "not ok") && word_ends(line, 6))
		return read_test(tap, skip(line, 6), false);
	if (begins(line, "ok") && word_ends(line, 2))
		return read_test(tap, skip(line, 2), true);
	if (begins(line, "Bail out!"))
		return read_bail_out(tap, line);
	if (read_plan(tap, line) || begins(line, "TAP version"))
		return flush_message(tap);
	if (begins(line, "#") || begins(line, " "))
		return tap->test ? keep_message(tap, line) : 0;
	return 0;
}

static int check_plan(struct tap *tap)
{
	char message[96];
	int r = flush_message(tap);

	if (r < 0 || !tap->has_plan || tap->bailed || tap->seen == tap->planned)
		return r;
	r = report_add(tap->report, "the plan", 8, false, &tap->test);
	snprintf(message, sizeof(message), "%zu %s planned, %zu %s run", tap->planned,
		 plural(tap->planned, "test was", "tests were"), tap->seen, plural(tap->seen, "was", "were"));
	return r < 0 || !tap->test ? r : report_set_message(tap->test, message, strlen(message));
}

int report_read_tap(const void *data, size_t len, struct report *ret)
{
	struct report report = { 0 };
	struct tap tap = { .report = &report, .message = BUF_INIT(REPORT_MESSAGE_BYTES) };
	const char *at = data, *end;
	int r = 0;

	if (len > REPORT_BYTES)
		len = REPORT_BYTES;
	end = at + len;
	while (r == 0 && at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at)) ?: end;

		r = read_line(&tap, (struct line){ at, (size_t)(line_end - at) });
		at = line_end < end ? line_end + 1 : end;
	}
	if (r == 0)
		r = check_plan(&tap);
	buf_finish(&tap.message);
	if (r == 0 && report.count == 0 && !tap.has_plan)
		r = -ENODATA;
	if (r < 0) {
		report_finish(&report);
		return r;
	}
	*ret = report;
	return 0;
}
