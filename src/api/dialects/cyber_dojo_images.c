/* Which image of kiln's a client's image_name means, and how one comes here that is not. */
#include "api/dialects/cyber_dojo_priv.h"

#include "base/cleanup.h"
#include "image/make.h"

#include <stdlib.h>
#include <string.h>

#define HOST	    "host"
#define BY_LANGUAGE "language:"

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

static bool is_language(const char *target)
{
	return strncmp(target, BY_LANGUAGE, sizeof(BY_LANGUAGE) - 1) == 0;
}

/* The language that a target of the settings means ("language:c-assert@14"), or NULL: it is an image's name. */
static const struct language *language_of(const struct cyber_dojo *dojo, const char *target)
{
	AUTO_FREE char *id = NULL;
	const char *range;

	if (!is_language(target))
		return NULL;
	target += sizeof(BY_LANGUAGE) - 1;
	range = strchr(target, '@');
	id = strndup(target, strcspn(target, "@"));
	return id ? language_find(dojo->api->options.languages, id, range ? range + 1 : NULL) : NULL;
}

static bool is_host(const char *image_name)
{
	return strcmp(image_name, HOST) == 0 || strcmp(image_name, HOST ":latest") == 0;
}

/*
 * The image's name, in the form in which kiln knows it; "host" is none of the store. *ret_language: whose image it is,
 * where the settings say so, else NULL.
 */
static char *name_of(const struct cyber_dojo *dojo, const char *image_name, const char **ret_target,
		     const struct language **ret_language)
{
	AUTO_FREE char *canonical = NULL;

	*ret_target = NULL;
	*ret_language = NULL;
	if (is_host(image_name))
		return strdup(HOST);
	if (image_name_canonical(image_name, &canonical, NULL) < 0)
		return NULL;
	*ret_target = mapped(dojo->api->options.config, canonical);
	if (!*ret_target)
		return TAKE_PTR(canonical);
	*ret_language = language_of(dojo, *ret_target);
	if (is_language(*ret_target) && !*ret_language)
		return NULL;
	return strdup(*ret_language ? (*ret_language)->image : *ret_target);
}

int dojo_images_check(const struct cyber_dojo *dojo, struct err *err)
{
	for (char **at = dojo->api->options.config->dojo_images; at && *at; at++) {
		const char *target = strchr(*at, '=');

		if (!target || target == *at || !target[1])
			return err_refuse(err, ERR_MALFORMED, "bad_value", "dojo_images",
					  "dojo_images: '%.200s' is not NAME=IMAGE", *at);
		if (is_language(target + 1) && !language_of(dojo, target + 1))
			return err_refuse(err, ERR_MALFORMED, "bad_value", "dojo_images",
					  "dojo_images: '%.200s': there is no such language", *at);
	}
	return 0;
}

const struct language *dojo_image_language(const struct cyber_dojo *dojo, const char *image_name)
{
	const struct language *language;
	const char *target;

	free(name_of(dojo, image_name, &target, &language));
	return language;
}

const char *dojo_image_find(const struct cyber_dojo *dojo, const char *image_name)
{
	struct engine *engine = dojo->api->options.engine;
	const struct language *language;
	const char *target;
	AUTO_FREE char *name = name_of(dojo, image_name, &target, &language);

	return name ? engine->v->image_find(engine, name) : NULL;
}

/* What the settings name is made by kiln's own recipe, if there is one; what a client names is only ever pulled. */
static int pull(const struct api *api, const char *name, bool mapped, struct err *err)
{
	struct image_job_spec spec = {
		.kind = api_image_pull_kind(api, name), .name = name, .source = name, .archive_fd = -1
	};

	if (!api->options.image_jobs)
		return err_refuse(err, ERR_BUSY, "no_builder", NULL, "this node makes no images");
	if (mapped && spec.kind == BUILDER_PULL && api_has_recipe(api, name)) {
		spec.kind = BUILDER_BUILD;
		return image_jobs_start(api->options.image_jobs, &spec, NULL, NULL, NULL, err);
	}
	if (!image_registry_allowed(api->options.config->registries, name))
		return err_refuse(err, ERR_FORBIDDEN, "registry_not_allowed", NULL,
				  "this node does not pull from the registry of '%.128s'", name);
	return image_jobs_start(api->options.image_jobs, &spec, NULL, NULL, NULL, err);
}

void dojo_image_pull(struct cyber_dojo *dojo, const char *image_name)
{
	const struct language *language;
	const char *target;
	AUTO_FREE char *name = name_of(dojo, image_name, &target, &language);
	struct err err = ERR_INIT;
	const struct log_field fields[] = {
		{ .key = "image", .text = image_name },
		{ .key = "error", .text = err.text },
		{ 0 },
	};

	/* Whoever asks is told that it is pulling in any case; the log knows better. */
	if (!name || strcmp(name, HOST) == 0 || pull(dojo->api, name, target != NULL, &err) == 0)
		return;
	log_write(dojo->api->options.log, LOG_LEVEL_WARN, "an image that is missing cannot be pulled",
		  fields);
}
