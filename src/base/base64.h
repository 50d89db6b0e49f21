/*
 * Base64 with the standard alphabet and padding (RFC 4648 section 4), strict: one text for one byte string.
 */
#ifndef KILN_BASE_BASE64_H
#define KILN_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

/*
 * Decodes `len` characters into a new buffer (free(); followed by one NUL that *ret_len does not count; never NULL).
 * Returns 0, -EINVAL (a character out of the alphabet, white space included; padding missing or misplaced; bits set
 * behind the last byte), or -ENOMEM.
 */
[[nodiscard]] int base64_decode(const char *text, size_t len, uint8_t **ret_data, size_t *ret_len);

/* The length of the decoded bytes if `text` is valid, without looking at more than its end. */
size_t base64_decoded_len(const char *text, size_t len);

/* A new NUL-terminated string (free()), or NULL: out of memory. *ret_len (may be NULL) is its length. */
char *base64_encode(const void *data, size_t len, size_t *ret_len);

#endif
