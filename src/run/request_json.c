/*
 * How it works: jansson recurses into nested values and allocates some fifty bytes for each, so one pass over the text
 * bounds depth and number of values before it is let at it. The pass knows no more of JSON than strings and brackets;
 * what it lets through that is not JSON, jansson refuses.
 */
#include "run/request_priv.h"

#include <errno.h>
#include <string.h>

#define JSON_DEPTH_MAX	64
#define JSON_VALUES_MAX 500000

/* What a pass over the text, or over the part in front of an error, has seen. */
struct scan {
	size_t depth, deepest;
	size_t values;
	const char *string; /* where the last string at depth 1 begins, behind its quote */
	size_t string_len;
	const char *key; /* the last of them that was a key */
	size_t key_len;
};

/* The end of the string that begins at `i`, behind its quote; `len` when it has none. */
static size_t string_end(const char *json, size_t len, size_t i)
{
	while (i < len && json[i] != '"')
		i += json[i] == '\\' ? 2 : 1;
	return i < len ? i : len;
}

static struct scan scan_text(const char *json, size_t len)
{
	struct scan scan = { 0 };

	for (size_t i = 0; i < len && scan.deepest <= JSON_DEPTH_MAX && scan.values <= JSON_VALUES_MAX; i++) {
		if (json[i] == '"') {
			size_t end = string_end(json, len, i + 1);

			if (scan.depth == 1) {
				scan.string = json + i + 1;
				scan.string_len = end - i - 1;
			}
			i = end;
		} else if (json[i] == ':' && scan.depth == 1) {
			scan.key = scan.string;
			scan.key_len = scan.string_len;
		} else if (json[i] == '[' || json[i] == '{') {
			scan.values++;
			scan.depth++;
			if (scan.depth > scan.deepest)
				scan.deepest = scan.depth;
		} else if ((json[i] == ']' || json[i] == '}') && scan.depth > 0) {
			scan.depth--;
		} else if (json[i] == ',') {
			scan.values++;
		}
	}
	return scan;
}

/* Names the field of the request in which a name was wrong, for jansson tells no more than the position. */
static int refuse_name(const json_error_t *error, const char *json, size_t len, const char *what,
		       struct err *err)
{
	size_t position =
		error->position > 0 && (size_t)error->position < len ? (size_t)error->position : len;
	struct scan scan = scan_text(json, position);
	struct excerpt key = excerpt_of(scan.key, scan.key_len);
	struct path path = { .key = key.text };

	if (!scan.key || scan.depth < 2)
		return request_refuse(err, NULL, ERR_MALFORMED, "malformed_json", "the request has %s", what);
	return request_refuse(err, &path, ERR_MALFORMED, "malformed_json", "has %s", what);
}

static int refuse_json(const json_error_t *error, const char *json, size_t len, struct err *err)
{
	switch (json_error_code(error)) {
	case json_error_null_byte_in_key:
		return refuse_name(error, json, len, "a name with a NUL byte", err);
	case json_error_duplicate_key:
		return refuse_name(error, json, len, "the same name twice", err);
	case json_error_out_of_memory:
		return err_set(err, -ENOMEM, "reading the request");
	default:
		return request_refuse(err, NULL, ERR_MALFORMED, "malformed_json",
				      "the request is not valid JSON: line %d, column %d: %s", error->line,
				      error->column, excerpt_of(error->text, strlen(error->text)).text);
	}
}

int request_json_load(const char *json, size_t len, json_t **ret, struct err *err)
{
	struct scan scan = scan_text(json, len);
	json_error_t error;
	json_t *root;

	if (scan.deepest > JSON_DEPTH_MAX)
		return request_refuse(err, NULL, ERR_MALFORMED, "malformed_json",
				      "the request is nested deeper than %d levels", JSON_DEPTH_MAX);
	if (scan.values > JSON_VALUES_MAX)
		return request_refuse(err, NULL, ERR_TOO_LARGE, "too_many",
				      "the request holds more than %d values", JSON_VALUES_MAX);
	root = json_loadb(json, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (!root)
		return refuse_json(&error, json, len, err);
	if (!json_is_object(root)) {
		json_decref(root);
		return request_refuse(err, NULL, ERR_MALFORMED, "wrong_type",
				      "the request must be a JSON object");
	}
	*ret = root;
	return 0;
}
