/*
 * The store and its drafts among themselves.
 */
#ifndef KILN_CACHE_CACHE_PRIV_H
#define KILN_CACHE_CACHE_PRIV_H

#include "cache/cache.h"

/* An entry with its places: in a bucket, and in the order of use. Begins with what others see of it. */
struct cache_item {
	struct cache_entry entry;
	struct cache_key key;
	size_t bytes;	/* claimed for all of it */
	unsigned users; /* that it is lent to */
	struct cache_item *bucket_next;
	struct cache_item *newer, *older;
};

struct cache {
	size_t max_bytes, max_entries, bytes, entries, drafts;
	uint64_t hits, misses, evictions;
	struct cache_item *newest, *oldest;
	struct cache_item **buckets;
	size_t buckets_count; /* a power of two */
};

/* Claims memory for an item, evicting others for it. 0, or -ENOSPC: it is too much, or all is in use. */
[[nodiscard]] int cache_claim(struct cache *cache, struct cache_item *item, size_t bytes);

/* Frees an item that is in no list, and gives back its claim. */
void cache_item_destroy(struct cache *cache, struct cache_item *item);

/* Makes it findable; false: there is one of this key, or no room for another. */
bool cache_insert(struct cache *cache, struct cache_item *item);

#endif
