/*
 * `kiln image`: what its verbs get, and those of them that only look.
 */
#ifndef KILN_CMD_IMAGE_H
#define KILN_CMD_IMAGE_H

#include "config/config.h"
#include "image/store.h"

struct image_options {
	const char *name, *tag;
	bool json, verify;
};

int image_show_list(struct image_store *store, const struct image_options *options, struct err *err);
int image_show_one(struct image_store *store, const char *name, const struct image_options *options,
		   struct err *err);

/* "3 min ago", "2026-11-22": when an image was made. Returns `text`. */
char *image_show_time(int64_t created_s, char *text, size_t size);

#endif
