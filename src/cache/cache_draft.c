/* Entries while they come to be: memory is claimed first, then allocated. */
#include "cache/cache_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct cache_draft {
	struct cache *cache;
	struct cache_item *item;
	uint64_t *ages; /* of the files; room as for them */
	size_t room;	/* for files */
	size_t filled;	/* bytes of the file added last */
};

struct cache_draft *cache_begin(struct cache *cache, const struct cache_key *key)
{
	struct cache_draft *draft = calloc(1, sizeof(*draft));
	struct cache_item *item = calloc(1, sizeof(*item));

	if (!draft || !item || cache_claim(cache, item, sizeof(*item)) < 0) {
		free(draft);
		free(item);
		return NULL;
	}
	item->key = *key;
	draft->cache = cache;
	draft->item = item;
	cache->drafts++;
	return draft;
}

/* Memory for `len` bytes that counts as the item's. NULL for none: *ret_error says why, 0 when it is of length 0. */
static void *claim_bytes(struct cache_draft *draft, size_t len, int *ret_error)
{
	void *data;

	*ret_error = len ? cache_claim(draft->cache, draft->item, len) : 0;
	if (*ret_error < 0 || len == 0)
		return NULL;
	data = malloc(len);
	if (!data)
		*ret_error = -ENOMEM;
	return data;
}

int cache_draft_output(struct cache_draft *draft, int stream, const void *data, size_t len)
{
	struct cache_output *to = stream == 2 ? &draft->item->entry.err : &draft->item->entry.out;
	int r;

	to->data = claim_bytes(draft, len, &r);
	if (r < 0)
		return r;
	if (len)
		memcpy(to->data, data, len);
	to->len = len;
	return 0;
}

/* Doubles the room for files; what it takes is claimed with them. */
static int grow(struct cache_draft *draft)
{
	struct cache_entry *entry = &draft->item->entry;
	size_t room = draft->room ? 2 * draft->room : 4;
	struct cache_file *files;
	uint64_t *ages;
	int r;

	if (entry->files_count < draft->room)
		return 0;
	r = cache_claim(draft->cache, draft->item, (room - draft->room) * sizeof(*files));
	if (r < 0)
		return r;
	files = reallocarray(entry->files, room, sizeof(*files));
	if (files)
		entry->files = files;
	ages = reallocarray(draft->ages, room, sizeof(*ages));
	if (ages)
		draft->ages = ages;
	if (!files || !ages)
		return -ENOMEM;
	draft->room = room;
	return 0;
}

static bool last_is_whole(const struct cache_draft *draft)
{
	const struct cache_entry *entry = &draft->item->entry;

	return entry->files_count == 0 || entry->files[entry->files_count - 1].len == draft->filled;
}

int cache_draft_file(struct cache_draft *draft, const struct cache_file *file, uint64_t age_ns)
{
	struct cache_entry *entry = &draft->item->entry;
	size_t name_size = strlen(file->name) + 1;
	struct cache_file own = { .len = file->len, .mode = file->mode, .is_dir = file->is_dir };
	int r;

	if (!last_is_whole(draft))
		return -EINVAL;
	r = grow(draft);
	if (r < 0)
		return r;
	own.name = claim_bytes(draft, name_size, &r);
	if (r < 0)
		return r;
	memcpy(own.name, file->name, name_size);
	own.data = claim_bytes(draft, own.len, &r);
	if (r < 0) {
		free(own.name);
		return r;
	}
	draft->ages[entry->files_count] = age_ns;
	entry->files[entry->files_count++] = own;
	draft->filled = 0;
	return 0;
}

int cache_draft_data(struct cache_draft *draft, const void *data, size_t len)
{
	struct cache_entry *entry = &draft->item->entry;
	struct cache_file *file = entry->files_count ? &entry->files[entry->files_count - 1] : NULL;

	if (!file || len > file->len - draft->filled)
		return -EINVAL;
	if (len)
		memcpy(file->data + draft->filled, data, len);
	draft->filled += len;
	return 0;
}

static int compare_ages(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The place of an age in a sorted list without doubles, from 1; an age of 0 has the first place to itself. */
static uint64_t stamp_of(const uint64_t *ages, size_t count, uint64_t age)
{
	const uint64_t *found = bsearch(&age, ages, count, sizeof(age), compare_ages);

	return (uint64_t)(found - ages) + 1 + (ages[0] != 0);
}

static int set_stamps(struct cache_draft *draft)
{
	struct cache_entry *entry = &draft->item->entry;
	size_t count = entry->files_count, distinct = 0;
	uint64_t *sorted = calloc(count + 1, sizeof(*sorted));

	if (!sorted)
		return -ENOMEM;
	if (count)
		memcpy(sorted, draft->ages, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare_ages);
	for (size_t i = 0; i < count; i++) {
		if (distinct == 0 || sorted[distinct - 1] != sorted[i])
			sorted[distinct++] = sorted[i];
	}
	for (size_t i = 0; i < count; i++)
		entry->files[i].stamp = stamp_of(sorted, distinct, draft->ages[i]);
	free(sorted);
	return 0;
}

static void draft_free(struct cache_draft *draft)
{
	draft->cache->drafts--;
	free(draft->ages);
	free(draft);
}

void cache_abandon(struct cache_draft *draft)
{
	if (!draft)
		return;
	cache_item_destroy(draft->cache, draft->item);
	draft_free(draft);
}

void cache_commit(struct cache_draft *draft, const struct step_facts *facts)
{
	draft->item->entry.facts = *facts;
	if (!last_is_whole(draft) || set_stamps(draft) < 0 || !cache_insert(draft->cache, draft->item)) {
		cache_abandon(draft);
		return;
	}
	draft_free(draft);
}
