#include "obs/log.h"

#include "base/cleanup.h"
#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LINE_MAX_BYTES 2048 /* below PIPE_BUF: one write is one piece */

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_ERROR] = "error",
};

/* A longer value goes through the quoting path, which can cut it anywhere. */
#define PLAIN_MAX_BYTES 256

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
	bool cut;
};

bool log_level_by_name(const char *name, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* All of it or nothing, so that no escape or character is cut in two; room for the end mark stays. */
static void put(struct line *line, const char *text, size_t len)
{
	if (line->cut || len > sizeof(line->text) - line->len - sizeof("\"…\n")) {
		line->cut = true;
		return;
	}
	memcpy(line->text + line->len, text, len);
	line->len += len;
}

static void put_str(struct line *line, const char *text)
{
	put(line, text, strlen(text));
}

static bool is_plain(const char *text)
{
	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text <= ' ' || *text >= 0x7f || *text == '"' || *text == '=' || *text == '\\')
			return false;
	}
	return true;
}

/* C1 controls (U+0080…U+009F) drive some terminals; they are escaped byte by byte like what is no UTF-8 at
 * all. */
static size_t put_char(struct line *line, const uint8_t *at)
{
	uint32_t point = 0;
	int len = utf8_decode(at, strnlen((const char *)at, 4), &point);
	char escape[8];

	if (*at == '"' || *at == '\\') {
		snprintf(escape, sizeof(escape), "\\%c", *at);
	} else if (*at == '\n') {
		snprintf(escape, sizeof(escape), "\\n");
	} else if (len <= 0 || point < ' ' || (point >= 0x7f && point < 0xa0)) {
		snprintf(escape, sizeof(escape), "\\x%02x", *at);
	} else {
		put(line, (const char *)at, (size_t)len);
		return (size_t)len;
	}
	put_str(line, escape);
	return 1;
}

static void put_quoted(struct line *line, const char *text)
{
	const uint8_t *at = (const uint8_t *)text;

	put_str(line, "\"");
	while (*at && !line->cut)
		at += put_char(line, at);
	put_str(line, "\"");
}

static void put_time(struct line *line)
{
	char seconds[32], all[64];
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(all, sizeof(all), "%s.%03ldZ ", seconds, now.tv_nsec / 1000000);
	put_str(line, all);
}

static void put_field(struct line *line, const struct log_field *field)
{
	char number[32];

	put_str(line, " ");
	put_str(line, field->key);
	put_str(line, "=");
	if (!field->text) {
		snprintf(number, sizeof(number), "%" PRId64, field->number);
		put_str(line, number);
	} else if (is_plain(field->text) && strlen(field->text) <= PLAIN_MAX_BYTES) {
		put_str(line, field->text);
	} else {
		put_quoted(line, field->text);
	}
}

void log_write(const struct log *log, enum log_level level, const char *message,
	       const struct log_field *fields)
{
	struct line line = { .len = 0 };
	const char *end;
	ssize_t n;

	if (!log || level < log->level)
		return;
	put_time(&line);
	put_str(&line, level_names[level]);
	put_str(&line, " ");
	put_quoted(&line, message);
	for (; fields && fields->key; fields++)
		put_field(&line, fields);
	end = line.cut ? "…\n" : "\n";
	memcpy(line.text + line.len, end, strlen(end));
	line.len += strlen(end);
	do {
		n = write(log->fd, line.text, line.len);
	} while (n < 0 && errno == EINTR);
}
