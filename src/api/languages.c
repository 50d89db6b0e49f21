/* GET /v1/languages: one object for each id, which describes the version that a run without a range gets. */
#include "api/api_priv.h"

#include <jansson.h>
#include <string.h>

static json_t *strings(char *const *v)
{
	json_t *array = json_array();

	for (size_t i = 0; v && v[i]; i++) {
		if (json_array_append_new(array, json_string(v[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *limits(const struct limits *from)
{
	json_t *object = json_object();

	for (int i = 0; i < LIMIT_COUNT; i++) {
		int64_t value = from->value[i] != LIMIT_UNSET ? from->value[i] : limit_table[i].default_value;

		if (json_object_set_new(object, limit_table[i].name, json_integer(value)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *steps(const struct language *language)
{
	json_t *array = json_array();
	int r = 0;

	if (language->compile.command)
		r = json_array_append_new(array, json_pack("{s:s, s:o}", "name", "compile", "limits",
							   limits(&language->compile.limits)));
	if (r == 0 && language->run.command)
		r = json_array_append_new(array, json_pack("{s:s, s:o}", "name", "run", "limits",
							   limits(&language->run.limits)));
	if (r < 0) {
		json_decref(array);
		return NULL;
	}
	return array;
}

/* Adds the aliases that are not in the list yet. */
static int add_aliases(json_t *list, const struct language *language)
{
	for (size_t i = 0; language->aliases && language->aliases[i]; i++) {
		json_t *there;
		size_t at;
		bool known = false;

		json_array_foreach(list, at, there) known |=
			strcmp(json_string_value(there), language->aliases[i]) == 0;
		if (!known && json_array_append_new(list, json_string(language->aliases[i])) < 0)
			return -1;
	}
	return 0;
}

static json_t *version_to_json(const struct language *language)
{
	return json_pack("{s:s, s:s, s:b, s:s?}", "version", language->version ?: "", "image",
			 language->image, "available", language->available, "needs",
			 language->needs_registry ? "registry" : NULL);
}

/* The files that a test framework begins with; {} for a plain language. */
static json_t *start(const struct language *language)
{
	json_t *object = json_object();

	for (size_t i = 0; language->start.names && language->start.names[i]; i++) {
		if (json_object_set_new(object, language->start.names[i],
					json_string(language->start.texts[i])) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *language_to_json(const struct language *language, json_t *aliases, json_t *versions)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s?, s:o, s:o, s:b, s:s?, s:s?, s:o, s:b, s:o}", "id",
			 language->id, "name", language->name ?: language->id, "version",
			 language->version ?: "", "aliases", aliases, "image", language->image, "source_file",
			 language->source_file, "extensions", strings(language->extensions), "steps",
			 steps(language), "available", language->available, "needs",
			 language->needs_registry ? "registry" : NULL, "hello", language->hello, "start",
			 start(language), "traffic_light", run_light_wanted(&language->light), "versions",
			 versions);
}

/* All versions of one id, which stand one after the other from `first` on; *ret_last is the last of them. */
static json_t *id_to_json(const struct language_registry *registry, const struct language *first,
			  const struct language **ret_last)
{
	json_t *aliases = json_array(), *versions = json_array();
	const struct language *language = first, *best = first;
	int r = 0;

	for (; language && strcmp(language->id, first->id) == 0;
	     language = language_next(registry, language)) {
		if (language_is_better(language, best))
			best = language;
		if (r == 0)
			r = add_aliases(aliases, language);
		if (r == 0)
			r = json_array_append_new(versions, version_to_json(language));
		*ret_last = language;
	}
	if (r < 0) {
		json_decref(aliases);
		json_decref(versions);
		return NULL;
	}
	return language_to_json(best, aliases, versions);
}

json_t *api_languages_json(const struct language_registry *registry)
{
	json_t *list = json_array();
	const struct language *language = NULL, *last = NULL;

	while ((language = language_next(registry, language))) {
		if (json_array_append_new(list, id_to_json(registry, language, &last)) < 0) {
			json_decref(list);
			return NULL;
		}
		language = last;
	}
	return json_pack("{s:o}", "languages", list);
}

void api_handle_languages(struct http_request *request, void *user)
{
	const struct api *api = user;

	if (api->options.images_look)
		api->options.images_look(api->options.user);
	http_respond_json(request, 200, api_languages_json(api->options.languages));
}
