#include "run/request_priv.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct excerpt excerpt_of(const char *text, size_t len)
{
	struct excerpt excerpt = { 0 };
	size_t room = sizeof(excerpt.text) - sizeof("...");
	size_t used = 0;

	for (size_t i = 0; i < len;) {
		uint32_t point = 0;
		int n = utf8_decode((const uint8_t *)text + i, len - i, &point);
		bool plain = n > 0 && point >= 0x20 && !(point >= 0x7f && point < 0xa0);
		size_t bytes = n > 0 ? (size_t)n : 1;

		if (used + (plain ? bytes : 1) > room) {
			memcpy(excerpt.text + used, "...", sizeof("..."));
			return excerpt;
		}
		memcpy(excerpt.text + used, plain ? text + i : "?", plain ? bytes : 1);
		used += plain ? bytes : 1;
		i += bytes;
	}
	return excerpt;
}

static size_t path_format(const struct path *path, char *text, size_t size)
{
	size_t used = path->up ? path_format(path->up, text, size) : 0;
	int n;

	if (path->key)
		n = snprintf(text + used, size - used, "%s%s", used ? "." : "",
			     excerpt_of(path->key, strlen(path->key)).text);
	else
		n = snprintf(text + used, size - used, "[%zu]", path->index);
	used += (size_t)n;
	return used < size ? used : size - 1;
}

int request_refuse(struct err *err, const struct path *path, enum err_kind kind, const char *slug,
		   const char *format, ...)
{
	char field[2 * sizeof(struct excerpt) + 64] = "";
	char text[sizeof(err->text)];
	va_list args;

	if (path)
		path_format(path, field, sizeof(field));
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return err_refuse(err, kind, slug, field, "%s%s%s", field, path ? ": " : "", text);
}

int request_refuse_type(struct err *err, const struct path *path, const json_t *value, const char *must)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",  [JSON_INTEGER] = "a whole number",
		[JSON_REAL] = "a fraction",  [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",	     [JSON_NULL] = "null",
	};

	return request_refuse(err, path, ERR_MALFORMED, "wrong_type", "must be %s, not %s", must,
			      names[json_typeof(value)]);
}
