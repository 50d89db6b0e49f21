#include "cache/cache_key.h"

#include <assert.h>
#include <string.h>

static_assert(sizeof(struct cache_key) == SHA256_DIGEST_LENGTH, "a key is a SHA-256");

void cache_hash_begin(struct cache_hash *hash, const char *purpose)
{
	SHA256Init(&hash->sha);
	cache_hash_text(hash, purpose);
	cache_hash_text(hash, KILN_VERSION);
}

void cache_hash_number(struct cache_hash *hash, uint64_t number)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(number >> (8 * i));
	SHA256Update(&hash->sha, bytes, sizeof(bytes));
}

void cache_hash_bytes(struct cache_hash *hash, const void *data, size_t len)
{
	cache_hash_number(hash, len);
	if (len)
		SHA256Update(&hash->sha, data, len);
}

void cache_hash_text(struct cache_hash *hash, const char *text)
{
	cache_hash_number(hash, text != NULL);
	if (text)
		cache_hash_bytes(hash, text, strlen(text));
}

void cache_hash_texts(struct cache_hash *hash, char *const *texts)
{
	for (; texts && *texts; texts++)
		cache_hash_text(hash, *texts);
	cache_hash_text(hash, NULL);
}

struct cache_key cache_hash_end(struct cache_hash *hash)
{
	struct cache_key key;

	SHA256Final(key.bytes, &hash->sha);
	return key;
}
