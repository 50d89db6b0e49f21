/*
 * Keys: a SHA-256 over a list of fields. Each field goes in with its length, so that no two lists have the same bytes.
 */
#ifndef KILN_CACHE_CACHE_KEY_H
#define KILN_CACHE_CACHE_KEY_H

#include "cache/cache.h"

#include <sha2.h>

struct cache_hash {
	SHA2_CTX sha;
};

/* Begins with the purpose of the key ("compile step"), and this version of kiln. */
void cache_hash_begin(struct cache_hash *hash, const char *purpose);
void cache_hash_number(struct cache_hash *hash, uint64_t number);
void cache_hash_bytes(struct cache_hash *hash, const void *data, size_t len);
/* NULL and "" are different. */
void cache_hash_text(struct cache_hash *hash, const char *text);
/* NULL-terminated; NULL is like an empty list. */
void cache_hash_texts(struct cache_hash *hash, char *const *texts);
struct cache_key cache_hash_end(struct cache_hash *hash);

#endif
