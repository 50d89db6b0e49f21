/*
 * The sources of the traffic lights that images bring, by the image's name with its digest: the least recently used is
 * given up first. For one thread.
 */
#ifndef KILN_LIGHT_SOURCES_H
#define KILN_LIGHT_SOURCES_H

#include <stddef.h>

/* Where cyber-dojo's images have theirs. */
#define LIGHT_IMAGE_FILE "/usr/local/bin/red_amber_green.rb"

struct light_sources;

/* At most `count` sources of at most `bytes` bytes together. NULL: out of memory. */
struct light_sources *light_sources_create(size_t count, size_t bytes);

/* The source of an image, valid until the next call; or NULL: it is not known. */
const char *light_sources_find(struct light_sources *sources, const char *image, size_t *ret_len);

/* Remembers a copy. What does not fit, or finds no memory, is not kept: that is no failure. */
void light_sources_keep(struct light_sources *sources, const char *image, const char *text, size_t len);

/* NULL is fine. */
void light_sources_destroy(struct light_sources *sources);

#endif
