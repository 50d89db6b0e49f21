#include "bench/answer.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define HEAD_MAX (64 << 10)
#define BODY_MAX (1LL << 32)

struct head {
	long long length; /* -1: not said */
	bool chunked;
	bool close;
};

static const char *line_end(const char *at, const char *end)
{
	return memmem(at, (size_t)(end - at), "\r\n", 2);
}

static bool value_is(const char *value, const char *end, const char *word)
{
	return (size_t)(end - value) == strlen(word) && strncasecmp(value, word, strlen(word)) == 0;
}

/* Digits in `base` up to `end` or a ';'; -1 when there are none or other characters. */
static long long number_read(const char *at, const char *end, int base)
{
	long long value = 0;
	const char *begin = at;

	for (; at < end && *at != ';'; at++) {
		int digit = isdigit((unsigned char)*at) ? *at - '0' : tolower((unsigned char)*at) - 'a' + 10;

		if (!isalnum((unsigned char)*at) || digit >= base || value > BODY_MAX)
			return -1;
		value = value * base + digit;
	}
	return at > begin ? value : -1;
}

static int field_read(struct head *head, const char *line, const char *end)
{
	const char *colon = memchr(line, ':', (size_t)(end - line));
	const char *value = colon ? colon + 1 : end;

	if (!colon)
		return -EBADMSG;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (value_is(line, colon, "content-length")) {
		head->length = number_read(value, end, 10);
		return head->length < 0 ? -EBADMSG : 0;
	}
	if (value_is(line, colon, "transfer-encoding"))
		head->chunked = value_is(value, end, "chunked");
	if (value_is(line, colon, "connection"))
		head->close = value_is(value, end, "close");
	return 0;
}

/* Where the chunked body that begins at `at` ends: 1 and *ret_end, 0, -EBADMSG. */
static int chunks_find(const char *at, const char *end, const char **ret_end)
{
	for (;;) {
		const char *line = line_end(at, end);
		long long size;

		if (!line)
			return end - at > HEAD_MAX ? -EBADMSG : 0;
		size = number_read(at, line, 16);
		if (size < 0)
			return -EBADMSG;
		if (end - line < size + 4)
			return 0;
		at = line + 2 + size;
		if (at[0] != '\r' || at[1] != '\n')
			return -EBADMSG;
		at += 2;
		if (size == 0) {
			*ret_end = at;
			return 1;
		}
	}
}

static int status_read(const char *data, size_t len)
{
	if (len < 12 || memcmp(data, "HTTP/1.1 ", 9) != 0)
		return -EBADMSG;
	for (int i = 9; i < 12; i++) {
		if (!isdigit((unsigned char)data[i]))
			return -EBADMSG;
	}
	return (data[9] - '0') * 100 + (data[10] - '0') * 10 + data[11] - '0';
}

static int head_read(const char *data, const char *end, struct head *ret)
{
	const char *line = line_end(data, end) + 2;
	struct head head = { .length = -1 };

	while (line < end) {
		const char *stop = line_end(line, end);

		stop = stop ? stop : end;
		if (field_read(&head, line, stop) < 0)
			return -EBADMSG;
		line = stop + 2;
	}
	*ret = head;
	return 0;
}

int answer_find(const char *data, size_t len, struct answer *ret)
{
	const char *blank = len > 0 ? memmem(data, len, "\r\n\r\n", 4) : NULL, *body, *end;
	struct answer answer;
	struct head head;
	int r;

	if (!blank)
		return len > HEAD_MAX ? -EBADMSG : 0;
	answer.status = status_read(data, len);
	if (answer.status < 0 || head_read(data, blank + 2, &head) < 0)
		return -EBADMSG;
	if (!head.chunked && head.length < 0)
		return -EBADMSG;
	body = blank + 4;
	if (head.chunked) {
		r = chunks_find(body, data + len, &end);
		if (r <= 0)
			return r;
	} else {
		if ((size_t)(data + len - body) < (size_t)head.length)
			return 0;
		end = body + head.length;
	}
	answer.body_at = (size_t)(body - data);
	answer.body_len = (size_t)(end - body);
	answer.total = (size_t)(end - data);
	answer.close = head.close;
	*ret = answer;
	return 1;
}
