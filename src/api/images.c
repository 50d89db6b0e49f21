/* GET /v1/images: the host's own, the ones of the engine that languages name, and all that are stored here. */
#include "api/api_priv.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

static bool lists(json_t *list, const char *name)
{
	json_t *image;
	size_t i;

	json_array_foreach(list, i, image)
	{
		const char *listed = json_string_value(json_object_get(image, "name"));

		if (listed && strcmp(listed, name) == 0)
			return true;
	}
	return false;
}

/* Its size is told for images that kiln stores; the host's own files are not counted. */
static int add_image(json_t *list, struct engine *engine, const char *wanted)
{
	const char *name = engine->v->image_find(engine, wanted);
	const char *full = name ? engine->v->image_digest_name(engine, name) : NULL;
	const char *at = full ? strchr(full, '@') : NULL;

	/* Stored ones are found as "name@sha256:…", and listed from the store. */
	if (!name || strchr(name, '@') || lists(list, name))
		return 0;
	return json_array_append_new(
		list, json_pack("{s:s, s:s?, s:s?, s:n, s:n, s:s}", "name", name, "digest",
				at ? at + 1 : NULL, "source", strcmp(name, "host") == 0 ? "host" : NULL,
				"size_bytes", "created", "engine", engine_of_image(engine, name)->v->name));
}

static json_t *stored_json(const struct image *image)
{
	/* Its name is there, and can be given away; what it stood for cannot be read. */
	if (image->damage)
		return json_pack("{s:s, s:n, s:n, s:n, s:n, s:s, s:s}", "name", image->name, "digest",
				 "source", "size_bytes", "created", "damage", image->damage, "engine",
				 "native");
	return json_pack("{s:s, s:s, s:s?, s:I, s:I, s:s}", "name", image->name, "digest", image->digest,
			 "source", image->source, "size_bytes", (json_int_t)image->size_bytes, "created",
			 (json_int_t)image->created_s, "engine", "native");
}

static int add_stored(json_t *list, struct image_store *store)
{
	struct image *images;
	size_t count;
	int r = image_store_list(store, &images, &count, NULL);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = json_array_append_new(list, stored_json(&images[i]));
	image_list_free(images, count);
	return r;
}

json_t *api_images_json(struct engine *engine, const struct language_registry *registry,
			struct image_store *store)
{
	json_t *list = json_array();
	const struct language *language = NULL;
	int r = add_image(list, engine, "host");

	while (r == 0 && (language = language_next(registry, language)))
		r = add_image(list, engine, language->image);
	if (r == 0 && store)
		r = add_stored(list, store);
	if (r < 0) {
		json_decref(list);
		return NULL;
	}
	return json_pack("{s:o}", "images", list);
}

void api_handle_images(struct http_request *request, void *user)
{
	const struct api *api = user;
	json_t *json =
		api->options.images_are_daemons
			? json_pack("{s:[]}", "images")
			: api_images_json(api->options.engine, api->options.languages, api->options.images);
	json_t *more = json && api->options.images_list ? api->options.images_list(api->options.user) : NULL;

	if (more && json_array_extend(json_object_get(json, "images"), more) < 0) {
		json_decref(json);
		json = NULL;
	}
	json_decref(more);
	if (json)
		json_object_set_new(json, "jobs", api_image_jobs_json(api->options.image_jobs));
	http_respond_json(request, 200, json);
}
