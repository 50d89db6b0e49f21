/*
 * UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above U+10FFFF. No allocation.
 */
#ifndef KILN_BASE_UTF8_H
#define KILN_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decodes the character at the start of `text`. Returns its length in bytes (1..4) and sets *ret_point; 0 when no
 * character can begin like this; -1 when `len` ends inside a character that was right so far (len 0 too).
 */
int utf8_decode(const uint8_t *text, size_t len, uint32_t *ret_point);

bool utf8_valid(const void *text, size_t len);

/*
 * True when all is valid but for a last character that is cut short; *ret_len is the length without it (`len` when
 * nothing is cut). For text that was cut at a limit.
 */
bool utf8_valid_but_tail(const void *text, size_t len, size_t *ret_len);

#endif
