/*
 * NULL-terminated arrays of heap strings (argv style). NULL stands for an empty one.
 */
#ifndef KILN_BASE_STRV_H
#define KILN_BASE_STRV_H

#include <stdbool.h>
#include <stddef.h>

size_t strv_len(char *const *v);

/* Appends a copy of `text` (with `len` bytes, no NUL inside). 0, or -ENOMEM with *v unchanged. */
[[nodiscard]] int strv_append(char ***v, const char *text, size_t len);

/* A deep copy, or NULL: out of memory (or v is NULL). */
char **strv_copy(char *const *v);

/* Whether one of them is `text`. */
bool strv_has(const char *const *v, const char *text);

void strv_free(char **v);

#endif
