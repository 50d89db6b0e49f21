/*
 * FNV-1a of 64 bits: tells whether bytes are as they were, not whether somebody wants it to look so.
 */
#ifndef KILN_BASE_HASH_H
#define KILN_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START 14695981039346656037ull

/* The hash of what was hashed so far (HASH_START: nothing) and `len` bytes more. */
uint64_t hash_add(uint64_t hash, const void *data, size_t len);

#endif
