/*
 * A growing byte buffer that states its ceiling at birth.
 *
 * `max` is the largest `len` it will ever hold: an append that would pass it fails with -EMSGSIZE and changes nothing;
 * -ENOMEM likewise. The bytes are always followed by one NUL that `len` does not count, so that text in it can be read
 * as a C string. Embedded by value; buf_finish() frees the bytes and leaves an empty buffer with the same ceiling.
 */
#ifndef KILN_BASE_BUF_H
#define KILN_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data; /* NULL while empty and never grown */
	size_t len;    /* bytes in use */
	size_t cap;    /* bytes allocated, without the NUL */
	size_t max;    /* ceiling of len, bytes */
};

#define BUF_INIT(max_bytes) ((struct buf){ .max = (max_bytes) })

[[nodiscard]] int buf_append(struct buf *b, const void *data, size_t len);
[[nodiscard]] int buf_append_str(struct buf *b, const char *text);
[[nodiscard]] int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes room for `len` more bytes and returns where they go (then add to b->len), or NULL: over max, no memory. */
uint8_t *buf_reserve(struct buf *b, size_t len);

/* Drops the first `len` bytes. */
void buf_consume(struct buf *b, size_t len);

/* Hands the bytes out (NUL-terminated, free() them; "" when empty; NULL when out of memory) and leaves b empty. */
uint8_t *buf_take(struct buf *b, size_t *ret_len);

void buf_finish(struct buf *b);

#define AUTO_BUF __attribute__((cleanup(buf_finish)))

#endif
