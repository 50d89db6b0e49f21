/*
 * One line of text for each event: `2026-01-31T12:00:00.123Z info "listening" address=127.0.0.1:4597 pid=7`.
 *
 * For the top only (cmd, api, http's callers): below it errors are returned, not logged. A line is built on
 * the stack and written with one write(2), so lines of several processes do not mix and logging works when
 * memory is gone. Values are quoted when they must be and control bytes escaped: nobody can forge a line or
 * drive a terminal. A line that does not fit is cut and ends in "…".
 */
#ifndef KILN_OBS_LOG_H
#define KILN_OBS_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR,
};

struct log {
	int fd;		      /* usually 2; not owned */
	enum log_level level; /* less is not written */
};

/* A pair: text or number. */
struct log_field {
	const char *key;  /* a literal without blanks */
	const char *text; /* NULL: `number` it is */
	int64_t number;
};

static inline struct log_field log_text(const char *key, const char *text)
{
	return (struct log_field){ .key = key, .text = text ? text : "" };
}

static inline struct log_field log_number(const char *key, int64_t number)
{
	return (struct log_field){ .key = key, .number = number };
}

/* log_write(log, LOG_LEVEL_INFO, "listening", LOG_FIELDS(log_text("address", a), log_number("pid", p))) */
#define LOG_FIELDS(...) ((const struct log_field[]){ __VA_ARGS__, { 0 } })

/* Sets *ret and returns true for "debug", "info", "warn" or "error". */
bool log_level_by_name(const char *name, enum log_level *ret);

/* `log` NULL writes nothing; `fields` ends with a zeroed entry and may be NULL. Never fails, may lose a line.
 */
void log_write(const struct log *log, enum log_level level, const char *message,
	       const struct log_field *fields);

#endif
