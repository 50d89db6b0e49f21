#include "http/target.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decodes in place; `plus` is a blank in a query and itself in a path. */
static int decode(char *text, bool plus_is_blank, struct err *err)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		int high, low;

		if (*from == '+' && plus_is_blank) {
			*to++ = ' ';
			continue;
		}
		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		high = hex_digit(from[1]);
		low = high < 0 ? -1 : hex_digit(from[2]);
		if (low < 0 || (high == 0 && low == 0))
			return err_refuse(err, ERR_MALFORMED, "bad_request", NULL,
					  "The request target has a malformed percent escape.");
		*to++ = (char)(high << 4 | low);
		from += 2;
	}
	*to = '\0';
	return 0;
}

/* Where the path begins: behind "http://authority" in absolute form. NULL when there is none. */
static const char *path_start(const char *raw)
{
	static const char *const schemes[] = { "http://", "https://" };

	if (raw[0] == '/')
		return raw;
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		size_t len = strlen(schemes[i]);

		if (strncasecmp(raw, schemes[i], len) == 0) {
			size_t authority = strcspn(raw + len, "/?");

			return authority ? raw + len + authority : NULL;
		}
	}
	return NULL;
}

static int check_bytes(const char *raw, struct err *err)
{
	for (const char *c = raw; *c; c++) {
		if (*c <= ' ' || *c >= 0x7f || *c == '#')
			return err_refuse(err, ERR_MALFORMED, "bad_request", NULL,
					  "The request target has a byte that must be percent-encoded.");
	}
	return 0;
}

static int split_query(char *query, struct http_param *params, size_t *ret_count, struct err *err)
{
	size_t count = 0;
	char *rest = query;

	while (rest) {
		char *pair = strsep(&rest, "&");
		char *value = strchr(pair, '=');

		if (*pair == '\0')
			continue;
		if (value)
			*value++ = '\0';
		if (decode(pair, true, err) < 0 || (value && decode(value, true, err) < 0))
			return -EINVAL;
		params[count++] = (struct http_param){ .name = pair, .value = value ? value : "" };
	}
	*ret_count = count;
	return 0;
}

int http_target_parse(const char *raw, struct http_target *ret, struct err *err)
{
	AUTO_FREE char *storage = NULL;
	AUTO_FREE struct http_param *params = NULL;
	const char *start = path_start(raw);
	size_t pairs = 1, count = 0;
	char *query;
	int r;

	if (!start)
		return err_refuse(err, ERR_MALFORMED, "bad_request", NULL,
				  "The request target must be a path that begins with '/'.");
	r = check_bytes(raw, err);
	if (r < 0)
		return r;

	/* "http://host" and "http://host?query" mean the path "/". */
	storage = malloc(strlen(start) + 2);
	if (!storage)
		return err_set(err, -ENOMEM, "request target");
	storage[0] = '/';
	memcpy(storage + (*start != '/'), start, strlen(start) + 1);

	query = strchr(storage, '?');
	if (query) {
		*query++ = '\0';
		for (const char *c = query; *c; c++)
			pairs += *c == '&';
		params = calloc(pairs, sizeof(*params));
		if (!params)
			return err_set(err, -ENOMEM, "request target");
		r = split_query(query, params, &count, err);
		if (r < 0)
			return r;
	}
	r = decode(storage, false, err);
	if (r < 0)
		return r;

	*ret = (struct http_target){ .path = storage, .params_count = count };
	ret->params = TAKE_PTR(params);
	ret->storage = TAKE_PTR(storage);
	return 0;
}

int http_target_prefix(struct http_target *target, const char *prefix)
{
	char *path;

	if (asprintf(&path, "%s%s", prefix, target->path) < 0)
		return -ENOMEM;
	free(target->prefixed);
	target->path = target->prefixed = path;
	return 0;
}

const char *http_target_param(const struct http_target *target, const char *name)
{
	for (size_t i = 0; i < target->params_count; i++) {
		if (strcmp(target->params[i].name, name) == 0)
			return target->params[i].value;
	}
	return NULL;
}

void http_target_finish(struct http_target *target)
{
	free(target->params);
	free(target->storage);
	free(target->prefixed);
	*target = (struct http_target){ 0 };
}
