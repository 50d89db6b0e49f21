#include "light/sources.h"

#include <stdlib.h>
#include <string.h>

/* In order of use, the latest first. */
struct source {
	struct source *next;
	char *image; /* "name@sha256:…" */
	char *text;
	size_t len;
};

struct light_sources {
	struct source *first;
	size_t count, bytes, max_count, max_bytes;
};

struct light_sources *light_sources_create(size_t count, size_t bytes)
{
	struct light_sources *sources = calloc(1, sizeof(*sources));

	if (sources) {
		sources->max_count = count;
		sources->max_bytes = bytes;
	}
	return sources;
}

static void source_free(struct source *source)
{
	free(source->image);
	free(source->text);
	free(source);
}

static void push(struct light_sources *sources, struct source *source)
{
	source->next = sources->first;
	sources->first = source;
}

static struct source *find(struct light_sources *sources, const char *image)
{
	for (struct source **link = &sources->first; *link; link = &(*link)->next) {
		struct source *source = *link;

		if (strcmp(source->image, image) != 0)
			continue;
		*link = source->next;
		push(sources, source);
		return source;
	}
	return NULL;
}

const char *light_sources_find(struct light_sources *sources, const char *image, size_t *ret_len)
{
	const struct source *source = find(sources, image);

	if (!source)
		return NULL;
	*ret_len = source->len;
	return source->text;
}

static void forget_last(struct light_sources *sources)
{
	struct source **link = &sources->first;

	while ((*link)->next)
		link = &(*link)->next;
	sources->count--;
	sources->bytes -= (*link)->len;
	source_free(*link);
	*link = NULL;
}

void light_sources_keep(struct light_sources *sources, const char *image, const char *text, size_t len)
{
	struct source *source;

	if (len > sources->max_bytes || sources->max_count == 0 || find(sources, image))
		return;
	source = calloc(1, sizeof(*source));
	if (!source)
		return;
	source->image = strdup(image);
	source->text = malloc(len ? len : 1);
	source->len = len;
	if (!source->image || !source->text) {
		source_free(source);
		return;
	}
	if (len > 0)
		memcpy(source->text, text, len);
	push(sources, source);
	sources->count++;
	sources->bytes += len;
	while (sources->count > sources->max_count || sources->bytes > sources->max_bytes)
		forget_last(sources);
}

void light_sources_destroy(struct light_sources *sources)
{
	if (!sources)
		return;
	while (sources->first)
		forget_last(sources);
	free(sources);
}
