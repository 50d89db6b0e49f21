#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint8_t *buf_reserve(struct buf *b, size_t len)
{
	size_t want, cap;
	uint8_t *grown;

	if (__builtin_add_overflow(b->len, len, &want) || want > b->max)
		return NULL;
	if (b->data && want <= b->cap)
		return b->data + b->len;

	cap = b->cap ? b->cap : 64;
	while (cap < want) {
		if (__builtin_mul_overflow(cap, 2, &cap))
			return NULL;
	}
	if (cap > b->max)
		cap = b->max;
	grown = realloc(b->data, cap + 1);
	if (!grown)
		return NULL;
	b->data = grown;
	b->cap = cap;
	b->data[b->len] = '\0';
	return b->data + b->len;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
	uint8_t *at;

	if (len > b->max - b->len)
		return -EMSGSIZE;
	at = buf_reserve(b, len);
	if (!at)
		return -ENOMEM;
	if (len)
		memcpy(at, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buf_append_str(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

int buf_printf(struct buf *b, const char *format, ...)
{
	char small[512];
	va_list args;
	uint8_t *at;
	int n;

	va_start(args, format);
	n = vsnprintf(small, sizeof(small), format, args);
	va_end(args);
	if (n < 0)
		return -EINVAL;
	if ((size_t)n < sizeof(small))
		return buf_append(b, small, (size_t)n);

	/* One byte more than the text, since vsnprintf writes its NUL; BUF's own NUL byte takes it. */
	if ((size_t)n > b->max - b->len)
		return -EMSGSIZE;
	at = buf_reserve(b, (size_t)n);
	if (!at)
		return -ENOMEM;
	va_start(args, format);
	vsnprintf((char *)at, (size_t)n + 1, format, args);
	va_end(args);
	b->len += (size_t)n;
	return 0;
}

void buf_consume(struct buf *b, size_t len)
{
	if (len >= b->len) {
		b->len = 0;
	} else {
		memmove(b->data, b->data + len, b->len - len);
		b->len -= len;
	}
	if (b->data)
		b->data[b->len] = '\0';
}

uint8_t *buf_take(struct buf *b, size_t *ret_len)
{
	uint8_t *data = b->data;

	/* Who wrote into what was reserved wrote no NUL. */
	if (data)
		data[b->len] = '\0';
	else
		data = calloc(1, 1);
	if (ret_len)
		*ret_len = b->len;
	b->data = NULL;
	b->len = 0;
	b->cap = 0;
	return data;
}

void buf_finish(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = 0;
	b->cap = 0;
}
