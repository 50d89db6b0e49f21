/*
 * Compiled lights by content, the least recently used given up first. For one thread; a light that is handed out lives
 * on after it was given up, by its reference.
 */
#ifndef KILN_LIGHT_CACHE_H
#define KILN_LIGHT_CACHE_H

#include "light/light.h"

struct light_cache;

/* At most `lights` lights whose sources have at most `bytes` bytes together. NULL: out of memory. */
struct light_cache *light_cache_create(size_t lights, size_t bytes);

/* A new reference to the light of this source, or NULL. */
struct light *light_cache_find(struct light_cache *cache, const void *source, size_t len);

/* Keeps a light with a reference of its own. What does not fit, or finds no memory, is not kept: that is no failure. */
void light_cache_keep(struct light_cache *cache, const void *source, size_t len, struct light *light);

/* NULL is fine. */
void light_cache_destroy(struct light_cache *cache);

#endif
