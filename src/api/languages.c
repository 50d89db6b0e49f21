/* GET /v1/languages: the registry as it is. */
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

static json_t *language_to_json(const struct language *language)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s?, s:o, s:o, s:b}", "id", language->id, "name",
			 language->name ?: language->id, "version", language->version ?: "", "aliases",
			 strings(language->aliases), "image", language->image, "source_file",
			 language->source_file, "extensions", strings(language->extensions), "steps",
			 steps(language), "available", language->available);
}

json_t *api_languages_json(const struct language_registry *registry)
{
	json_t *list = json_array();
	const struct language *language = NULL;

	while ((language = language_next(registry, language))) {
		if (json_array_append_new(list, language_to_json(language)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return json_pack("{s:o}", "languages", list);
}

void api_handle_languages(struct http_request *request, void *user)
{
	const struct api *api = user;

	http_respond_json(request, 200, api_languages_json(api->options.languages));
}
