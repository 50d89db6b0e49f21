#include "http/raw_head.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

struct line {
	const char *at;
	size_t len; /* without CRLF or LF */
};

/* Takes the next complete line off *at; false when there is none. */
static bool line_take(const char **at, const char *end, struct line *ret)
{
	const char *lf = memchr(*at, '\n', (size_t)(end - *at));

	if (!lf)
		return false;
	*ret = (struct line){ .at = *at, .len = (size_t)(lf - *at) };
	if (ret->len > 0 && ret->at[ret->len - 1] == '\r')
		ret->len--;
	*at = lf + 1;
	return true;
}

static unsigned request_line_check(const struct line *line, size_t target_max)
{
	const char *first = memchr(line->at, ' ', line->len), *last = memrchr(line->at, ' ', line->len);
	const char *version = last ? last + 1 : NULL;

	if (line->len > target_max + 64)
		return 414;
	if (!first || first == last || first == line->at)
		return 400;
	if (line->at + line->len - version != 8 || memcmp(version, "HTTP/", 5) != 0 || version[6] != '.')
		return 400;
	return version[5] == '1' ? 0 : 505;
}

/* Digits only: a list, a sign or nothing is a second opinion about where the body ends. */
static unsigned length_check(const char *value, size_t len)
{
	uint64_t number = 0;

	if (len == 0)
		return 400;
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return 400;
	}
	for (size_t i = 0; i < len; i++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(value[i] - '0'), &number))
			return 413;
	}
	return 0;
}

static unsigned header_check(const struct line *line)
{
	static const char length[] = "Content-Length";
	const char *colon = memchr(line->at, ':', line->len);
	const char *value, *end = line->at + line->len;

	if (memchr(line->at, '\0', line->len) || memchr(line->at, '\r', line->len))
		return 400;
	/* A folded line; RFC 9112, 5.2 lets a server refuse it. */
	if (!colon || colon == line->at || line->at[0] == ' ' || line->at[0] == '\t')
		return 400;
	if ((size_t)(colon - line->at) != sizeof(length) - 1 ||
	    strncasecmp(line->at, length, sizeof(length) - 1) != 0)
		return 0;
	value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	return length_check(value, (size_t)(end - value));
}

unsigned http_raw_head_check(const uint8_t *data, size_t len, const struct http_raw_bounds *bounds)
{
	const char *at = (const char *)data, *end = at + len;
	struct line line = { 0 };
	unsigned status;

	/* Empty lines before a request line are to be ignored (RFC 9112, 2.2). */
	while (line.len == 0) {
		if (!line_take(&at, end, &line))
			return len > bounds->target + 64 ? 414 : 0;
	}
	status = request_line_check(&line, bounds->target);
	for (size_t headers = 0; status == 0; headers++) {
		if (!line_take(&at, end, &line))
			return len > bounds->head ? 431 : 0;
		if (line.len == 0)
			return (size_t)(at - (const char *)data) > bounds->head ? 431 : 0;
		status = headers < bounds->headers ? header_check(&line) : 431;
	}
	return status;
}
