/*
 * Big-endian reading and writing with a bound. A cursor that once ran over its end stays bad; check `bad`
 * once at the end.
 */
#ifndef KILN_WIRE_CURSOR_H
#define KILN_WIRE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire_writer {
	uint8_t *at;
	size_t left; /* bytes */
	bool bad;
};

struct wire_reader {
	const uint8_t *at;
	size_t left; /* bytes */
	bool bad;
};

static inline void wire_put_bytes(struct wire_writer *w, const void *data, size_t len)
{
	if (w->bad || len > w->left) {
		w->bad = true;
		return;
	}
	if (len)
		memcpy(w->at, data, len);
	w->at += len;
	w->left -= len;
}

static inline void wire_put_uint(struct wire_writer *w, uint64_t value, unsigned size)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
	wire_put_bytes(w, bytes, size);
}

static inline void wire_put_string(struct wire_writer *w, const char *text)
{
	wire_put_bytes(w, text, strlen(text) + 1);
}

static inline uint64_t wire_get_uint(struct wire_reader *r, unsigned size)
{
	uint64_t value = 0;

	if (r->bad || size > r->left) {
		r->bad = true;
		return 0;
	}
	for (unsigned i = 0; i < size; i++)
		value = value << 8 | r->at[i];
	r->at += size;
	r->left -= size;
	return value;
}

/* The NUL-terminated string at the cursor, or "" when it has no NUL (and the cursor is bad). */
static inline const char *wire_get_string(struct wire_reader *r)
{
	const uint8_t *end = r->bad || !r->left ? NULL : memchr(r->at, '\0', r->left);
	const char *text = (const char *)r->at;

	if (!end) {
		r->bad = true;
		return "";
	}
	r->left -= (size_t)(end + 1 - r->at);
	r->at = end + 1;
	return text;
}

#endif
