/* Which image of kiln's a client's image_name means, and how one comes here that is not. */
#include "api/dialects/cyber_dojo_priv.h"

#include "base/cleanup.h"
#include "image/make.h"

#include <string.h>

/* The image that the settings give for a name, or NULL. */
static const char *mapped(const struct config *config, const char *canonical)
{
	size_t len = strlen(canonical);

	for (char **at = config->dojo_images; at && *at; at++) {
		if (strncmp(*at, canonical, len) == 0 && (*at)[len] == '=')
			return *at + len + 1;
	}
	return NULL;
}

/* The image's name, in the form in which kiln knows it; "host" is none of the store. */
static char *name_of(const struct cyber_dojo *dojo, const char *image_name)
{
	AUTO_FREE char *canonical = NULL;
	const char *name;

	if (strcmp(image_name, "host") == 0 || strcmp(image_name, "host:latest") == 0)
		return strdup("host");
	if (image_name_canonical(image_name, &canonical, NULL) < 0)
		return NULL;
	name = mapped(dojo->api->options.config, canonical);
	return name ? strdup(name) : TAKE_PTR(canonical);
}

const char *dojo_image_find(const struct cyber_dojo *dojo, const char *image_name)
{
	struct engine *engine = dojo->api->options.engine;
	AUTO_FREE char *name = name_of(dojo, image_name);

	return name ? engine->v->image_find(engine, name) : NULL;
}

static int pull(const struct api *api, const char *name, struct err *err)
{
	const struct image_job_spec spec = {
		.kind = BUILDER_PULL, .name = name, .source = name, .archive_fd = -1
	};

	if (!api->options.image_jobs)
		return err_refuse(err, ERR_BUSY, "no_builder", NULL, "this node makes no images");
	if (!image_registry_allowed(api->options.config->registries, name))
		return err_refuse(err, ERR_FORBIDDEN, "registry_not_allowed", NULL,
				  "this node does not pull from the registry of '%.128s'", name);
	return image_jobs_start(api->options.image_jobs, &spec, NULL, NULL, NULL, err);
}

void dojo_image_pull(struct cyber_dojo *dojo, const char *image_name)
{
	AUTO_FREE char *name = name_of(dojo, image_name);
	struct err err = ERR_INIT;
	const struct log_field fields[] = {
		{ .key = "image", .text = image_name },
		{ .key = "error", .text = err.text },
		{ 0 },
	};

	/* Whoever asks is told that it is pulling in any case; the log knows better. */
	if (!name || strcmp(name, "host") == 0 || pull(dojo->api, name, &err) == 0)
		return;
	log_write(dojo->api->options.log, LOG_LEVEL_WARN, "an image that is missing cannot be pulled",
		  fields);
}
