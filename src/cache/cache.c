#include "cache/cache_priv.h"

#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

int cache_create(size_t max_bytes, size_t max_entries, struct cache **ret, struct err *err)
{
	AUTO_FREE struct cache *cache = calloc(1, sizeof(*cache));
	size_t buckets = 16;

	while (buckets < max_entries)
		buckets *= 2;
	if (cache)
		cache->buckets = calloc(buckets, sizeof(struct cache_item *));
	if (!cache || !cache->buckets)
		return err_set(err, -ENOMEM, "the compile cache");
	cache->buckets_count = buckets;
	cache->max_bytes = max_bytes;
	cache->max_entries = max_entries;
	*ret = TAKE_PTR(cache);
	return 0;
}

/* Keys are hashes already. */
static struct cache_item **bucket_of(const struct cache *cache, const struct cache_key *key)
{
	size_t at;

	memcpy(&at, key->bytes, sizeof(at));
	return &cache->buckets[at & (cache->buckets_count - 1)];
}

static struct cache_item *find(const struct cache *cache, const struct cache_key *key)
{
	struct cache_item *item = *bucket_of(cache, key);

	while (item && memcmp(&item->key, key, sizeof(*key)) != 0)
		item = item->bucket_next;
	return item;
}

static void order_remove(struct cache *cache, struct cache_item *item)
{
	*(item->newer ? &item->newer->older : &cache->newest) = item->older;
	*(item->older ? &item->older->newer : &cache->oldest) = item->newer;
	item->newer = item->older = NULL;
}

static void order_put_first(struct cache *cache, struct cache_item *item)
{
	item->older = cache->newest;
	*(item->older ? &item->older->newer : &cache->oldest) = item;
	cache->newest = item;
}

static void evict(struct cache *cache, struct cache_item *item)
{
	struct cache_item **at = bucket_of(cache, &item->key);

	while (*at != item)
		at = &(*at)->bucket_next;
	*at = item->bucket_next;
	order_remove(cache, item);
	cache->entries--;
	cache_item_destroy(cache, item);
}

/* Evicts the least recently used entry that nobody uses; false: there is none. */
static bool evict_one(struct cache *cache)
{
	struct cache_item *item = cache->oldest;

	while (item && item->users > 0)
		item = item->newer;
	if (!item)
		return false;
	evict(cache, item);
	cache->evictions++;
	return true;
}

size_t cache_draft_bytes(const struct cache *cache)
{
	return cache->max_bytes / CACHE_SHARE;
}

int cache_claim(struct cache *cache, struct cache_item *item, size_t bytes)
{
	size_t most = cache_draft_bytes(cache);

	if (item->bytes > most || bytes > most - item->bytes)
		return -ENOSPC;
	while (bytes > cache->max_bytes - cache->bytes) {
		if (!evict_one(cache))
			return -ENOSPC;
	}
	item->bytes += bytes;
	cache->bytes += bytes;
	return 0;
}

void cache_item_destroy(struct cache *cache, struct cache_item *item)
{
	struct cache_entry *entry = &item->entry;

	for (size_t i = 0; i < entry->files_count; i++) {
		free(entry->files[i].name);
		free(entry->files[i].data);
	}
	free(entry->files);
	free(entry->out.data);
	free(entry->err.data);
	cache->bytes -= item->bytes;
	free(item);
}

bool cache_insert(struct cache *cache, struct cache_item *item)
{
	struct cache_item **bucket = bucket_of(cache, &item->key);

	if (find(cache, &item->key))
		return false;
	if (cache->entries >= cache->max_entries && !evict_one(cache))
		return false;
	item->bucket_next = *bucket;
	*bucket = item;
	order_put_first(cache, item);
	cache->entries++;
	return true;
}

const struct cache_entry *cache_find(struct cache *cache, const struct cache_key *key)
{
	struct cache_item *item = find(cache, key);

	if (!item) {
		cache->misses++;
		return NULL;
	}
	cache->hits++;
	item->users++;
	order_remove(cache, item);
	order_put_first(cache, item);
	return &item->entry;
}

void cache_release(struct cache *cache, const struct cache_entry *entry)
{
	struct cache_item *item = (struct cache_item *)(uintptr_t)entry;

	assert(item->users > 0);
	item->users--;
}

struct cache_stats cache_stats(const struct cache *cache)
{
	return (struct cache_stats){
		.hits = cache->hits,
		.misses = cache->misses,
		.evictions = cache->evictions,
		.bytes = cache->bytes,
		.entries = cache->entries,
	};
}

void cache_destroy(struct cache *cache)
{
	if (!cache)
		return;
	assert(cache->drafts == 0);
	while (cache->newest) {
		assert(cache->newest->users == 0);
		evict(cache, cache->newest);
	}
	free(cache->buckets);
	free(cache);
}
