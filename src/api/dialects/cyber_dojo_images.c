/* Which image of kiln's a client's image_name means. */
#include "api/dialects/cyber_dojo_priv.h"

#include "base/cleanup.h"

#include <string.h>

const char *dojo_image_find(const struct cyber_dojo *dojo, const char *image_name)
{
	struct engine *engine = dojo->api->options.engine;
	AUTO_FREE char *canonical = NULL;

	if (strcmp(image_name, "host") == 0 || strcmp(image_name, "host:latest") == 0)
		return engine->v->image_find(engine, "host");
	if (image_name_canonical(image_name, &canonical, NULL) < 0)
		return NULL;
	return engine->v->image_find(engine, canonical);
}

void dojo_image_pull(struct cyber_dojo *dojo, const char *image_name)
{
	const struct log_field fields[] = { { .key = "image", .text = image_name }, { 0 } };

	log_write(dojo->api->options.log, LOG_LEVEL_WARN, "an image is missing: kiln image pull", fields);
}
