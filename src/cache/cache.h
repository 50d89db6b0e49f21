/*
 * Results of compile steps in memory, found again by a key over all that can change them.
 *
 * Bounds hold at every moment: `max_bytes` counts the contents, names and structs of entries and of drafts, which
 * claim what they need before they allocate it; entries that nobody uses go, the least recently used first, to make
 * room. What does not fit is not kept. One thread.
 */
#ifndef KILN_CACHE_CACHE_H
#define KILN_CACHE_CACHE_H

#include "base/err.h"
#include "engine/facts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An entry may take this part of the cache, so that one cannot push out all others. */
#define CACHE_SHARE 4

struct cache;
struct cache_draft;

struct cache_key {
	uint8_t bytes[32];
};

struct cache_file {
	char *name; /* relative to /sandbox; bytes as in the sandbox */
	uint8_t *data;
	size_t len; /* bytes */
	uint32_t mode;
	bool is_dir;
	uint64_t stamp; /* place in the order of modification times, from 1; equal times have one place */
};

struct cache_output {
	uint8_t *data;
	size_t len; /* bytes */
};

/* What a step left. Files stand in the order in which they are to be put back. */
struct cache_entry {
	struct step_facts facts;
	struct cache_output out, err;
	struct cache_file *files;
	size_t files_count;
};

struct cache_stats {
	uint64_t hits, misses, evictions; /* since the start */
	uint64_t bytes, entries;	  /* now, drafts included */
};

/* A cache of at most `max_bytes` and `max_entries`; -ENOMEM. */
[[nodiscard]] int cache_create(size_t max_bytes, size_t max_entries, struct cache **ret, struct err *err);

/* No entry may be lent and no draft be open any more. NULL is fine. */
void cache_destroy(struct cache *cache);

/* The entry of this key, the caller's until cache_release(), or NULL. Counts a hit or a miss. */
const struct cache_entry *cache_find(struct cache *cache, const struct cache_key *key);

void cache_release(struct cache *cache, const struct cache_entry *entry);

/* Most bytes that a draft can take. */
size_t cache_draft_bytes(const struct cache *cache);

struct cache_stats cache_stats(const struct cache *cache);

/*
 * Begins an entry, which nobody finds until it is committed; NULL when there is no room or no memory. The three
 * functions that add to it return 0, or -ENOSPC or -ENOMEM; it can then only be abandoned.
 */
struct cache_draft *cache_begin(struct cache *cache, const struct cache_key *key);

/* Copies what the step printed: 1 or 2. Once for each stream. */
[[nodiscard]] int cache_draft_output(struct cache_draft *draft, int stream, const void *data, size_t len);

/* Adds a file of `len` bytes, which follow in cache_draft_data(), or a folder. `age_ns` orders modification times. */
[[nodiscard]] int cache_draft_file(struct cache_draft *draft, const struct cache_file *file, uint64_t age_ns);

/* Bytes of the file added last; -EINVAL: more than it was to have. */
[[nodiscard]] int cache_draft_data(struct cache_draft *draft, const void *data, size_t len);

/* Makes an entry of it, unless a file is not complete or the key has one meanwhile. The draft is gone in any case. */
void cache_commit(struct cache_draft *draft, const struct step_facts *facts);

/* NULL is fine. */
void cache_abandon(struct cache_draft *draft);

#endif
