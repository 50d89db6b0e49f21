#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Texts quote what people wrote: a line end in there must not look like another message. */
static void make_one_line(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

int err_set(struct err *err, int code, const char *format, ...)
{
	va_list args;
	size_t used;

	if (!err)
		return code;

	err->code = code;
	err->kind = ERR_INTERNAL;
	err->slug = NULL;
	err->field[0] = '\0';
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);

	used = strlen(err->text);
	if (code < 0 && used + 2 < sizeof(err->text))
		snprintf(err->text + used, sizeof(err->text) - used, ": %s",
			 strerrordesc_np(-code) ?: "error");
	make_one_line(err->text);
	return code;
}

int err_wrap(struct err *err, int code, const char *format, ...)
{
	char inner[sizeof(err->text)];
	va_list args;
	size_t used;

	if (!err)
		return code;

	memcpy(inner, err->text, sizeof(inner));
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	used = strlen(err->text);
	if (used < sizeof(err->text))
		snprintf(err->text + used, sizeof(err->text) - used, ": %s", inner);
	make_one_line(err->text);
	return code;
}

int err_refuse(struct err *err, enum err_kind kind, const char *slug, const char *field, const char *format,
	       ...)
{
	va_list args;

	if (!err)
		return -EINVAL;

	err->code = -EINVAL;
	err->kind = kind;
	err->slug = slug;
	snprintf(err->field, sizeof(err->field), "%s", field ? field : "");
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	make_one_line(err->field);
	make_one_line(err->text);
	return -EINVAL;
}

static const int http_status[] = {
	[ERR_INTERNAL] = 500, [ERR_MALFORMED] = 400,  [ERR_UNAUTHORIZED] = 401, [ERR_FORBIDDEN] = 403,
	[ERR_UNKNOWN] = 404,  [ERR_METHOD] = 405,     [ERR_CONFLICT] = 409,	[ERR_TOO_LARGE] = 413,
	[ERR_TYPE] = 415,     [ERR_IMPOSSIBLE] = 422, [ERR_QUOTA] = 429,	[ERR_BUSY] = 503,
};

int err_kind_http_status(enum err_kind kind)
{
	return http_status[kind];
}
