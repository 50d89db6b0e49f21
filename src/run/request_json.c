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

/* A bracket that is open, and what stands behind it. */
struct level {
	bool is_array;
	bool has_value;	 /* in an object: the colon has been seen */
	size_t index;	 /* in an array */
	const char *key; /* the last name; not decoded, without its quotes */
	size_t key_len;
};

/* What a pass over the text, or over the part in front of an error, has seen. */
struct scan {
	size_t depth, deepest; /* more brackets than there are levels are counted alone */
	size_t values;
	struct level levels[JSON_DEPTH_MAX];
};

/* The end of the string that begins at `i`, behind its quote; `len` when it has none. */
static size_t string_end(const char *json, size_t len, size_t i)
{
	while (i < len && json[i] != '"')
		i += json[i] == '\\' ? 2 : 1;
	return i < len ? i : len;
}

static void scan_open(struct scan *scan, bool is_array)
{
	if (scan->depth < JSON_DEPTH_MAX)
		scan->levels[scan->depth] = (struct level){ .is_array = is_array };
	scan->values++;
	scan->depth++;
	if (scan->depth > scan->deepest)
		scan->deepest = scan->depth;
}

static void scan_mark(struct scan *scan, char mark)
{
	bool inside = scan->depth > 0 && scan->depth <= JSON_DEPTH_MAX;
	struct level *level = inside ? &scan->levels[scan->depth - 1] : NULL;

	if (mark == '[' || mark == '{') {
		scan_open(scan, mark == '[');
	} else if ((mark == ']' || mark == '}') && scan->depth > 0) {
		scan->depth--;
	} else if (mark == ':' && level) {
		level->has_value = true;
	} else if (mark == ',') {
		scan->values++;
		if (level) {
			level->has_value = false;
			level->index++;
		}
	}
}

static void scan_text(const char *json, size_t len, struct scan *scan)
{
	*scan = (struct scan){ 0 };
	for (size_t i = 0; i < len && scan->deepest <= JSON_DEPTH_MAX && scan->values <= JSON_VALUES_MAX;
	     i++) {
		struct level *level;
		size_t end;

		if (json[i] != '"') {
			scan_mark(scan, json[i]);
			continue;
		}
		end = string_end(json, len, i + 1);
		level = scan->depth > 0 && scan->depth <= JSON_DEPTH_MAX ? &scan->levels[scan->depth - 1]
									 : NULL;
		if (level && !level->has_value) {
			level->key = json + i + 1;
			level->key_len = end - i - 1;
		}
		i = end;
	}
}

/* The place that a scan ended at, as a path; `name`: that of the last name, else that of the value behind it. */
struct place {
	struct path paths[JSON_DEPTH_MAX];
	struct excerpt keys[JSON_DEPTH_MAX];
	const struct path *path; /* NULL: the request itself */
};

static void place_find(struct place *place, const char *json, size_t len, bool name)
{
	struct scan scan;

	place->path = NULL;
	scan_text(json, len, &scan);
	for (size_t i = 0; i < scan.depth && i < JSON_DEPTH_MAX; i++) {
		const struct level *level = &scan.levels[i];
		struct path *path = &place->paths[i];

		if (!level->is_array && !level->has_value && !(name && level->key && i + 1 == scan.depth))
			return;
		*path = (struct path){ .up = place->path, .index = level->index };
		if (!level->is_array) {
			place->keys[i] = excerpt_of(level->key ? level->key : "", level->key_len);
			path->key = place->keys[i].text;
		}
		place->path = path;
	}
}

/* A number that no 64 bits hold, `len` bytes of JSON in: of a limit it is a limit too high or too low. */
static int refuse_number(const struct path *path, const char *json, size_t len, struct err *err)
{
	bool is_limit = path && path->up && path->up->key && strcmp(path->up->key, "limits") == 0;
	bool whole = true, negative = false;

	while (len > 0 && strchr("0123456789+-.eE", json[len - 1])) {
		len--;
		whole &= !strchr(".eE", json[len]);
		negative = json[len] == '-';
	}
	if (!is_limit || !whole)
		return request_refuse(err, path, ERR_MALFORMED, "bad_value", "the number is too large");
	if (negative)
		return request_refuse(err, path, ERR_IMPOSSIBLE, "limit_too_low",
				      "is below the least that is possible");
	return request_refuse(err, path, ERR_IMPOSSIBLE, "limit_too_high", "is over every ceiling");
}

/* Names the field of the request at which jansson gave up, for it tells no more than the position. */
static int refuse_json(const json_error_t *error, const char *json, size_t len, struct err *err)
{
	enum json_error_code code = json_error_code(error);
	struct place place;

	if (error->position >= 0 && (size_t)error->position < len)
		len = (size_t)error->position;
	place_find(&place, json, len, code == json_error_duplicate_key);
	switch (code) {
	case json_error_null_byte_in_key:
		return request_refuse(err, place.path, ERR_MALFORMED, "malformed_json",
				      "%shas a name with a NUL byte", place.path ? "" : "the request ");
	case json_error_duplicate_key:
		return request_refuse(err, place.path, ERR_MALFORMED, "malformed_json", "stands there twice");
	case json_error_numeric_overflow:
		return refuse_number(place.path, json, len, err);
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
	struct scan scan;
	json_error_t error;
	json_t *root;

	scan_text(json, len, &scan);
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
