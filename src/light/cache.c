#include "light/cache.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

/* In order of use, the latest first. A few dozen entries are searched faster than they would be hashed. */
struct entry {
	struct entry *next;
	struct light *light;
	uint64_t hash;
	size_t len;
	uint8_t source[];
};

struct light_cache {
	struct entry *first;
	size_t count, bytes, max_count, max_bytes;
};

/* FNV-1a, which only saves comparisons: equal sources are equal, not equally hashed ones. */
static uint64_t hash_of(const uint8_t *data, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ data[i]) * 0x100000001b3;
	return hash;
}

struct light_cache *light_cache_create(size_t lights, size_t bytes)
{
	struct light_cache *cache = calloc(1, sizeof(*cache));

	if (cache) {
		cache->max_count = lights;
		cache->max_bytes = bytes;
	}
	return cache;
}

/* Takes the entry of a source out of the list. */
static struct entry *take(struct light_cache *cache, const void *source, size_t len)
{
	uint64_t hash = hash_of(source, len);

	for (struct entry **link = &cache->first; *link; link = &(*link)->next) {
		struct entry *entry = *link;

		if (entry->hash == hash && entry->len == len && memcmp(entry->source, source, len) == 0) {
			*link = entry->next;
			return entry;
		}
	}
	return NULL;
}

static void push(struct light_cache *cache, struct entry *entry)
{
	entry->next = cache->first;
	cache->first = entry;
}

struct light *light_cache_find(struct light_cache *cache, const void *source, size_t len)
{
	struct entry *entry = take(cache, source, len);

	if (!entry)
		return NULL;
	push(cache, entry);
	return light_ref(entry->light);
}

static void give_up(struct light_cache *cache, struct entry *entry)
{
	cache->count--;
	cache->bytes -= entry->len;
	light_unref(entry->light);
	free(entry);
}

static void give_up_last(struct light_cache *cache)
{
	struct entry **link = &cache->first;
	struct entry *last;

	while ((*link)->next)
		link = &(*link)->next;
	last = *link;
	*link = NULL;
	give_up(cache, last);
}

void light_cache_keep(struct light_cache *cache, const void *source, size_t len, struct light *light)
{
	struct entry *entry = take(cache, source, len);

	if (entry)
		give_up(cache, entry);
	if (len > cache->max_bytes || cache->max_count == 0)
		return;
	entry = malloc(sizeof(*entry) + len);
	if (!entry)
		return;
	*entry = (struct entry){ .light = light_ref(light), .hash = hash_of(source, len), .len = len };
	if (len > 0)
		memcpy(entry->source, source, len);
	cache->count++;
	cache->bytes += len;
	push(cache, entry);
	while (cache->count > cache->max_count || cache->bytes > cache->max_bytes)
		give_up_last(cache);
}

void light_cache_destroy(struct light_cache *cache)
{
	if (!cache)
		return;
	while (cache->first)
		give_up_last(cache);
	free(cache);
}
