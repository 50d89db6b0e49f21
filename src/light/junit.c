/*
 * How it works: expat tells of elements as they come, and only <testcase> and what may stand in it are looked at. A
 * document type ends the reading, so that there are no entities but XML's five; input and depth are bounded.
 */
#include "light/report_priv.h"

#include "base/buf.h"

#include <errno.h>
#include <expat.h>
#include <string.h>

struct junit {
	struct report *report;
	XML_Parser parser;
	int error; /* why it was stopped, or 0 */
	size_t depth;
	struct report_test
		*test; /* of the <testcase> it is in; NULL elsewhere, and when there were too many */
	bool in_case;
	bool in_outcome; /* in <failure>, <error> or <skipped> */
	struct buf text; /* of it */
};

static void stop(struct junit *junit, int error)
{
	junit->error = error;
	XML_StopParser(junit->parser, XML_FALSE);
}

static const char *attribute(const char **attributes, const char *name)
{
	for (; attributes[0]; attributes += 2) {
		if (strcmp(attributes[0], name) == 0)
			return attributes[1];
	}
	return NULL;
}

/* "class.name" as frameworks show it, or the name alone. */
static void begin_case(struct junit *junit, const char **attributes)
{
	const char *class = attribute(attributes, "classname"), *name = attribute(attributes, "name") ?: "";
	struct buf both = BUF_INIT(4 * REPORT_NAME_BYTES);
	int r = 0;

	if (class && *class)
		r = buf_printf(&both, "%.*s.", REPORT_NAME_BYTES, class);
	if (r == 0)
		r = buf_printf(&both, "%.*s", 2 * REPORT_NAME_BYTES, name);
	if (r == 0)
		r = report_add(junit->report, both.len > 0 ? (const char *)both.data : "", both.len, true,
			       &junit->test);
	buf_finish(&both);
	junit->in_case = true;
	if (r < 0)
		stop(junit, r);
}

static void begin_outcome(struct junit *junit, const char *element, const char **attributes)
{
	const char *message = attribute(attributes, "message");
	int r = 0;

	junit->in_outcome = true;
	junit->text.len = 0;
	if (!junit->test)
		return;
	if (strcmp(element, "skipped") != 0)
		junit->test->passed = false;
	if (message)
		r = report_set_message(junit->test, message, strlen(message));
	if (r < 0)
		stop(junit, r);
}

static bool is_outcome(const char *element)
{
	return strcmp(element, "failure") == 0 || strcmp(element, "error") == 0 ||
	       strcmp(element, "skipped") == 0;
}

static void on_start(void *user, const char *element, const char **attributes)
{
	struct junit *junit = user;

	if (++junit->depth > REPORT_DEPTH) {
		stop(junit, -EINVAL);
		return;
	}
	if (!junit->in_case && strcmp(element, "testcase") == 0)
		begin_case(junit, attributes);
	else if (junit->in_case && !junit->in_outcome && is_outcome(element))
		begin_outcome(junit, element, attributes);
}

static void on_end(void *user, const char *element)
{
	struct junit *junit = user;
	int r = 0;

	junit->depth--;
	if (junit->in_outcome && is_outcome(element)) {
		if (junit->test)
			r = report_set_message(junit->test, (const char *)junit->text.data, junit->text.len);
		junit->in_outcome = false;
	} else if (junit->in_case && strcmp(element, "testcase") == 0) {
		junit->in_case = false;
		junit->test = NULL;
	}
	if (r < 0)
		stop(junit, r);
}

static void on_text(void *user, const char *text, int len)
{
	struct junit *junit = user;

	/* What does not fit any more is left out. */
	if (junit->in_outcome && buf_append(&junit->text, text, (size_t)len) == -ENOMEM)
		stop(junit, -ENOMEM);
}

static void on_doctype(void *user, const char *name, const char *system_id, const char *public_id,
		       int internal)
{
	stop(user, -EINVAL);
}

static int parse(struct junit *junit, const char *data, size_t len)
{
	XML_SetUserData(junit->parser, junit);
	XML_SetElementHandler(junit->parser, on_start, on_end);
	XML_SetCharacterDataHandler(junit->parser, on_text);
	XML_SetStartDoctypeDeclHandler(junit->parser, on_doctype);
	if (XML_Parse(junit->parser, data, (int)len, XML_TRUE) == XML_STATUS_OK)
		return 0;
	if (junit->error < 0)
		return junit->error;
	return XML_GetErrorCode(junit->parser) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EINVAL;
}

int report_read_junit(const void *data, size_t len, struct report *ret)
{
	struct report report = { 0 };
	struct junit junit = { .report = &report, .text = BUF_INIT(REPORT_MESSAGE_BYTES) };
	const char *at = data;
	int r;

	while (len > 0 && (*at == ' ' || (*at >= '\t' && *at <= '\r'))) {
		at++;
		len--;
	}
	if (len == 0 || len > REPORT_BYTES || (*at != '<' && *at != '\xef' && *at != '\xfe' && *at != '\xff'))
		return -ENODATA;
	junit.parser = XML_ParserCreate(NULL);
	if (!junit.parser)
		return -ENOMEM;
	r = parse(&junit, at, len);
	XML_ParserFree(junit.parser);
	buf_finish(&junit.text);
	if (r == 0 && report.count == 0)
		r = -ENODATA;
	if (r < 0) {
		report_finish(&report);
		return r;
	}
	*ret = report;
	return 0;
}
