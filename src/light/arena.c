#include "light/light_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 4096

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	_Alignas(max_align_t) char bytes[];
};

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk = arena->chunks;
	void *memory;

	if (size > arena->max - arena->used)
		return NULL;
	size = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	if (size > arena->max - arena->used)
		return NULL;
	if (!chunk || size > chunk->size - chunk->used) {
		size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;

		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		*chunk = (struct arena_chunk){ .next = arena->chunks, .size = room };
		arena->chunks = chunk;
	}
	memory = chunk->bytes + chunk->used;
	memset(memory, 0, size);
	chunk->used += size;
	arena->used += size;
	return memory;
}

void arena_finish(struct arena *arena)
{
	while (arena->chunks) {
		struct arena_chunk *next = arena->chunks->next;

		free(arena->chunks);
		arena->chunks = next;
	}
	arena->used = 0;
}

bool meter_take(struct meter *meter, uint64_t work)
{
	if (work > meter->left) {
		meter->left = 0;
		return false;
	}
	meter->left -= work;
	return true;
}

bool text_is(struct text a, const char *b)
{
	return a.len == strlen(b) && memcmp(a.data, b, a.len) == 0;
}

bool text_same(struct text a, struct text b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
