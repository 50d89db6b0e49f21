/* The field `traffic_light` of a request. */
#include "base/cleanup.h"
#include "run/request_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int read_rules(struct reader *r, const json_t *v, const struct path *p, void *light_spec)
{
	struct run_light_spec *spec = light_spec;
	char field[128];

	snprintf(field, sizeof(field), "%s.%s", p->up->key, p->key);
	return light_compile_rules(v, field, &spec->rules, r->err);
}

/* Only taken over here: a lambda that is wrong is a faulty light, not a bad request. */
static int read_ruby(struct reader *r, const json_t *v, const struct path *p, void *light_spec)
{
	struct run_light_spec *spec = light_spec;

	if (!json_is_string(v))
		return request_refuse_type(r->err, p, v, "a string");
	spec->ruby_len = json_string_length(v);
	if (spec->ruby_len == 0)
		return request_refuse(r->err, p, ERR_MALFORMED, "bad_value", "is empty");
	if (spec->ruby_len > LIGHT_SOURCE_BYTES)
		return request_refuse(r->err, p, ERR_TOO_LARGE, "too_large", "has %zu bytes, of at most %d",
				      spec->ruby_len, LIGHT_SOURCE_BYTES);
	spec->ruby = malloc(spec->ruby_len + 1);
	if (!spec->ruby)
		return err_set(r->err, -ENOMEM, "reading the request");
	memcpy(spec->ruby, json_string_value(v), spec->ruby_len + 1);
	return 0;
}

static const struct {
	const char *name;
	enum light_report report;
} reports[] = {
	{ "tap", LIGHT_REPORT_TAP },
	{ "junit", LIGHT_REPORT_JUNIT },
};

static int read_report(struct reader *r, const json_t *v, const struct path *p, void *light_spec)
{
	struct run_light_spec *spec = light_spec;

	if (!json_is_string(v))
		return request_refuse_type(r->err, p, v, "a string");
	for (size_t i = 0; i < ARRAY_LEN(reports); i++) {
		if (strcmp(json_string_value(v), reports[i].name) == 0) {
			spec->report = reports[i].report;
			return 0;
		}
	}
	return request_refuse(r->err, p, ERR_MALFORMED, "bad_value", "must be \"tap\" or \"junit\"");
}

static const struct field light_fields[] = {
	{ "rules", read_rules, 0 },
	{ "ruby", read_ruby, 0 },
	{ "report", read_report, 0 },
};

int read_light(struct reader *r, const json_t *v, const struct path *p, void *light_spec)
{
	struct run_light_spec *spec = light_spec;
	int ret = object_read(r, v, p, light_fields, ARRAY_LEN(light_fields), spec);

	if (ret < 0)
		return ret;
	spec->of_language = !spec->rules && !spec->ruby;
	if (spec->rules && spec->ruby)
		return request_refuse(r->err, p, ERR_MALFORMED, "conflict", "has both rules and ruby");
	return 0;
}
