#include "run/request_priv.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/glob.h"
#include "base/path.h"
#include "base/strv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STRINGS_MAX   4096 /* as many as one list may have in the init protocol */
#define STEP_NAME_MAX 64

#define DIGITS	    "0123456789"
#define LOWER	    "abcdefghijklmnopqrstuvwxyz"
#define ALNUM	    DIGITS LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define ID_MAX	    64
#define RANGE_MAX   32
#define IMAGE_MAX   128
#define PORT_DIGITS 5
#define DIGEST_HEX  64

static int out_of_memory(struct reader *r)
{
	return err_set(r->err, -ENOMEM, "reading the request");
}

int object_read(struct reader *r, const json_t *json, const struct path *path, const struct field *fields,
		size_t count, void *target)
{
	const char *key;
	json_t *value;

	if (!json_is_object(json))
		return request_refuse_type(r->err, path, json, "an object");
	json_object_foreach((json_t *)json, key, value)
	{
		struct path here = { .up = path, .key = key };
		size_t i = 0;
		int ret;

		while (i < count && strcmp(fields[i].name, key) != 0)
			i++;
		if (i == count)
			return request_refuse(r->err, &here, ERR_MALFORMED, "unknown_field",
					      "there is no such field");
		ret = fields[i].read(r, value, &here, (char *)target + fields[i].offset);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int read_text(struct reader *r, const json_t *v, const struct path *p, const char **ret)
{
	if (!json_is_string(v))
		return request_refuse_type(r->err, p, v, "a string");
	if (strlen(json_string_value(v)) != json_string_length(v))
		return request_refuse(r->err, p, ERR_MALFORMED, "bad_value", "has a NUL byte");
	*ret = json_string_value(v);
	return 0;
}

/* Copies `len` bytes of text to a string that was NULL. */
static int string_set(struct reader *r, char **target, const char *text, size_t len)
{
	*target = strndup(text, len);
	return *target ? 0 : out_of_memory(r);
}

/* The length of the part that begins with one of `first` and goes on with `more`; 0 when it does not or is over max. */
static size_t word_len(const char *text, const char *first, const char *more, size_t max)
{
	size_t len = *text && strchr(first, *text) ? 1 + strspn(text + 1, more) : 0;

	return len <= max ? len : 0;
}

int read_language(struct reader *r, const json_t *v, const struct path *p, void *run_request)
{
	struct run_request *req = run_request;
	size_t id_len, range_len = 0;
	const char *text;
	int ret = read_text(r, v, p, &text);

	if (ret < 0)
		return ret;
	id_len = word_len(text, ALNUM, ALNUM "+#._-", ID_MAX);
	if (text[id_len] == '@')
		range_len = word_len(text + id_len + 1, ALNUM ".,<>=~^*-", ALNUM ".,<>=~^*-", RANGE_MAX);
	if (id_len == 0 || text[id_len + (range_len ? 1 + range_len : 0)] != '\0')
		return request_refuse(r->err, p, ERR_MALFORMED, "bad_value",
				      "must be the id of a language, or id@version-range");

	ret = string_set(r, &req->language, text, id_len);
	if (ret == 0 && range_len > 0)
		ret = string_set(r, &req->version_range, text + id_len + 1, range_len);
	return ret;
}

/* True when one of the two stands twice in a row. */
static bool has_double(const char *text, size_t len, char a, char b)
{
	for (size_t i = 1; i < len; i++) {
		if (text[i] == text[i - 1] && (text[i] == a || text[i] == b))
			return true;
	}
	return false;
}

/* A registry with a port, "registry.example:5000/", in front; else 0. */
static size_t registry_len(const char *text)
{
	size_t len = word_len(text, DIGITS LOWER, DIGITS LOWER ".-", IMAGE_MAX), port;

	if (len == 0 || text[len] != ':')
		return 0;
	port = strspn(text + len + 1, DIGITS);
	return port > 0 && port <= PORT_DIGITS && text[len + 1 + port] == '/' ? len + 1 + port + 1 : 0;
}

static bool image_name_valid(const char *full)
{
	const char *text = full + registry_len(full);
	size_t len = word_len(text, DIGITS LOWER, DIGITS LOWER "._/-", IMAGE_MAX);
	const char *rest = text + len;

	if (len == 0 || text[len - 1] == '/' || has_double(text, len, '.', '/'))
		return false;
	if (*rest == ':') {
		len = word_len(rest + 1, ALNUM "_", ALNUM "_.-", IMAGE_MAX);
		if (len == 0)
			return false;
		rest += 1 + len;
	}
	if (strncmp(rest, "@sha256:", 8) == 0 && strspn(rest + 8, DIGITS "abcdef") == DIGEST_HEX)
		rest += 8 + DIGEST_HEX;
	return *rest == '\0';
}

int read_image(struct reader *r, const json_t *v, const struct path *p, void *string)
{
	const char *text;
	int ret = read_text(r, v, p, &text);

	if (ret < 0)
		return ret;
	if (!image_name_valid(text))
		return request_refuse(r->err, p, ERR_MALFORMED, "bad_value",
				      "must be the name of an image: name, name:tag or name@sha256:digest");
	return string_set(r, string, text, strlen(text));
}

int read_file_name(struct reader *r, const json_t *v, const struct path *p, void *string)
{
	const char *text, *fault;
	int ret = read_text(r, v, p, &text);

	if (ret < 0)
		return ret;
	fault = file_name_fault(text, strlen(text));
	if (fault)
		return request_refuse(r->err, p, ERR_MALFORMED, "bad_name", "the name '%s' %s",
				      excerpt_of(text, strlen(text)).text, fault);
	return string_set(r, string, text, strlen(text));
}

int read_step_name(struct reader *r, const json_t *v, const struct path *p, void *string)
{
	const char *text;
	int ret = read_text(r, v, p, &text);

	if (ret < 0)
		return ret;
	if (word_len(text, ALNUM "_", ALNUM " +#._-", STEP_NAME_MAX) != strlen(text) || !*text)
		return request_refuse(r->err, p, ERR_MALFORMED, "bad_name",
				      "must be at most %d letters, digits, blanks and any of + # . _ -",
				      STEP_NAME_MAX);
	return string_set(r, string, text, strlen(text));
}

/* An empty list for up to `count` strings, so that appending is not a search for the end each time. */
static int strings_begin(struct reader *r, const struct path *p, size_t count, char ***ret)
{
	if (count > STRINGS_MAX)
		return request_refuse(r->err, p, ERR_TOO_LARGE, "too_many", "has %zu elements, of at most %d",
				      count, STRINGS_MAX);
	*ret = calloc(count + 1, sizeof(**ret));
	return *ret ? 0 : out_of_memory(r);
}

int read_strings(struct reader *r, const json_t *v, const struct path *p, void *strv)
{
	char ***list = strv;
	int ret;

	if (!json_is_array(v))
		return request_refuse_type(r->err, p, v, "an array of strings");
	ret = strings_begin(r, p, json_array_size(v), list);
	for (size_t i = 0; ret == 0 && i < json_array_size(v); i++) {
		struct path here = { .up = p, .index = i };
		const char *text;

		ret = read_text(r, json_array_get(v, i), &here, &text);
		if (ret == 0)
			ret = string_set(r, &(*list)[i], text, strlen(text));
	}
	return ret;
}

int read_program(struct reader *r, const json_t *v, const struct path *p, void *strv)
{
	char ***list = strv;
	int ret = read_strings(r, v, p, strv);

	if (ret == 0 && (!(*list)[0] || !(*list)[0][0]))
		return request_refuse(r->err, p, ERR_MALFORMED, "bad_value",
				      "must have the program to run as its first element");
	return ret;
}

/*
 * Takes "./" off the front, and turns "folder/" into all that is in it. -EINVAL: it is empty, not relative, goes up or
 * is too long; -ENOMEM.
 */
static int glob_normalise(char **glob)
{
	const char *text = *glob;
	size_t len;
	char *whole;

	while (text[0] == '.' && text[1] == '/')
		text += 1 + strspn(text + 1, "/");
	if (strcmp(text, ".") == 0)
		text++;
	len = strlen(text);
	if (!**glob || *text == '/' || path_goes_up(text))
		return -EINVAL;
	if (asprintf(&whole, "%s%s", text, len == 0 || text[len - 1] == '/' ? "**" : "") < 0)
		return -ENOMEM;
	free(*glob);
	*glob = whole;
	return strlen(whole) > GLOB_PATTERN_MAX ? -EINVAL : 0;
}

int read_globs(struct reader *r, const json_t *v, const struct path *p, void *strv)
{
	char ***list = strv;
	int ret = read_strings(r, v, p, strv);

	for (size_t i = 0; ret == 0 && (*list)[i]; i++) {
		struct path here = { .up = p, .index = i };

		ret = glob_normalise(&(*list)[i]);
		if (ret == -EINVAL)
			return request_refuse(
				r->err, &here, ERR_MALFORMED, "bad_value",
				"must be a relative name or glob of 1 to %d bytes without \"..\"",
				GLOB_PATTERN_MAX);
		if (ret == -ENOMEM)
			return out_of_memory(r);
	}
	return ret;
}

bool request_is_variable(const char *name, size_t len)
{
	return len > 0 && !strchr(DIGITS, *name) && word_len(name, ALNUM "_", ALNUM "_", len) == len;
}

int read_env(struct reader *r, const json_t *v, const struct path *p, void *strv)
{
	char ***list = strv;
	const char *key, *text;
	json_t *value;
	size_t i = 0;
	int ret;

	if (!json_is_object(v))
		return request_refuse_type(r->err, p, v, "an object");
	ret = strings_begin(r, p, json_object_size(v), list);
	if (ret < 0)
		return ret;
	json_object_foreach((json_t *)v, key, value)
	{
		struct path here = { .up = p, .key = key };

		if (!request_is_variable(key, strlen(key)))
			return request_refuse(r->err, &here, ERR_MALFORMED, "bad_name",
					      REQUEST_VARIABLE_RULE);
		ret = read_text(r, value, &here, &text);
		if (ret < 0)
			return ret;
		if (asprintf(&(*list)[i], "%s=%s", key, text) < 0) {
			(*list)[i] = NULL;
			return out_of_memory(r);
		}
		i++;
	}
	return 0;
}

int read_limits(struct reader *r, const json_t *v, const struct path *p, void *limits)
{
	struct limits *target = limits;
	const char *key;
	json_t *value;

	if (!json_is_object(v))
		return request_refuse_type(r->err, p, v, "an object");
	json_object_foreach((json_t *)v, key, value)
	{
		struct path here = { .up = p, .key = key };
		int id = limit_by_name(key);

		if (id < 0)
			return request_refuse(r->err, &here, ERR_MALFORMED, "unknown_field",
					      "there is no such limit");
		if (!json_is_integer(value))
			return request_refuse_type(r->err, &here, value, "a whole number");
		if (json_integer_value(value) < limit_table[id].minimum)
			return request_refuse(r->err, &here, ERR_IMPOSSIBLE, "limit_too_low",
					      "%lld is below the least that is possible, %lld",
					      (long long)json_integer_value(value),
					      (long long)limit_table[id].minimum);
		target->value[id] = json_integer_value(value);
	}
	return 0;
}

struct content {
	const json_t *text;
	bool base64;
	uint32_t mode;
};

static int read_content_text(struct reader *r, const json_t *v, const struct path *p, void *content)
{
	struct content *target = content;

	if (!json_is_string(v))
		return request_refuse_type(r->err, p, v, "a string");
	target->text = v;
	return 0;
}

static int read_content_encoding(struct reader *r, const json_t *v, const struct path *p, void *content)
{
	struct content *target = content;
	const char *text;
	int ret = read_text(r, v, p, &text);

	if (ret < 0)
		return ret;
	target->base64 = strcmp(text, "base64") == 0;
	if (!target->base64 && strcmp(text, "utf-8") != 0)
		return request_refuse(r->err, p, ERR_MALFORMED, "bad_encoding",
				      "must be \"utf-8\" or \"base64\"");
	return 0;
}

static int read_content_mode(struct reader *r, const json_t *v, const struct path *p, void *content)
{
	struct content *target = content;
	const char *text;
	size_t len;
	int ret = read_text(r, v, p, &text);

	if (ret < 0)
		return ret;
	len = strlen(text);
	if (strspn(text, "01234567") != len || len < 3 || len > 4 || (len == 4 && text[0] != '0'))
		return request_refuse(r->err, p, ERR_MALFORMED, "bad_value",
				      "must be octal permission bits of at most 0777, such as \"0644\"");
	target->mode = 0;
	for (size_t i = 0; i < len; i++)
		target->mode = target->mode << 3 | (uint32_t)(text[i] - '0');
	return 0;
}

/* The last is of files only. */
static const struct field content_fields[] = {
	{ "content", read_content_text, 0 },
	{ "encoding", read_content_encoding, 0 },
	{ "mode", read_content_mode, 0 },
};

static int decode_content(struct reader *r, const struct content *content, const struct path *p,
			  struct run_bytes *bytes)
{
	struct path here = { .up = p, .key = "content" };
	const char *text = json_string_value(content->text);
	size_t len = json_string_length(content->text);
	int ret;

	if (len == 0)
		return 0;
	if (content->base64) {
		ret = base64_decode(text, len, &bytes->data, &bytes->len);
		if (ret == -EINVAL)
			return request_refuse(r->err, &here, ERR_MALFORMED, "bad_encoding",
					      "is not valid base64");
		return ret < 0 ? out_of_memory(r) : 0;
	}
	bytes->data = malloc(len + 1);
	if (!bytes->data)
		return out_of_memory(r);
	memcpy(bytes->data, text, len + 1);
	bytes->len = len;
	return 0;
}

int read_content(struct reader *r, const json_t *v, const struct path *p, struct run_bytes *bytes,
		 uint32_t *mode)
{
	struct content content = { .text = v, .mode = mode ? *mode : 0 };
	size_t fields = ARRAY_LEN(content_fields) - (mode ? 0 : 1);
	struct path missing = { .up = p, .key = "content" };
	int ret;

	if (!json_is_string(v) && !json_is_object(v))
		return request_refuse_type(r->err, p, v, "a string or an object");
	if (json_is_object(v)) {
		content.text = NULL;
		ret = object_read(r, v, p, content_fields, fields, &content);
		if (ret < 0)
			return ret;
		if (!content.text)
			return request_refuse(r->err, &missing, ERR_MALFORMED, "missing_field", "is missing");
	}
	if (mode)
		*mode = content.mode;
	return decode_content(r, &content, p, bytes);
}

int read_stdin(struct reader *r, const json_t *v, const struct path *p, void *run_bytes)
{
	struct run_bytes *bytes = run_bytes;
	int ret = read_content(r, v, p, bytes, NULL);

	if (ret == 0 && bytes->len > r->bounds->stdin_bytes)
		return request_refuse(r->err, p, ERR_TOO_LARGE, "too_large", "has %zu bytes, of at most %zu",
				      bytes->len, r->bounds->stdin_bytes);
	return ret;
}

static const struct {
	const char *name;
	enum collect_mode mode;
} collect_modes[] = {
	{ "none", COLLECT_NONE },
	{ "text", COLLECT_TEXT },
	{ "all", COLLECT_ALL },
};

static int read_collect_word(struct reader *r, const json_t *v, const struct path *p, struct run_request *req)
{
	const char *text;
	int ret = read_text(r, v, p, &text);

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < ARRAY_LEN(collect_modes); i++) {
		if (strcmp(text, collect_modes[i].name) == 0) {
			req->collect = collect_modes[i].mode;
			return 0;
		}
	}
	return request_refuse(r->err, p, ERR_MALFORMED, "bad_value",
			      "must be \"none\", \"text\", \"all\", or an array of globs");
}

int read_collect(struct reader *r, const json_t *v, const struct path *p, void *run_request)
{
	struct run_request *req = run_request;

	if (json_is_string(v))
		return read_collect_word(r, v, p, req);
	if (!json_is_array(v))
		return request_refuse_type(r->err, p, v, "a string or an array of globs");
	req->collect = json_array_size(v) > 0 ? COLLECT_GLOBS : COLLECT_NONE;
	return read_globs(r, v, p, &req->collect_globs);
}

int read_network(struct reader *r, const json_t *v, const struct path *p, void *run_request)
{
	struct run_request *req = run_request;
	const char *text;
	int ret = read_text(r, v, p, &text);

	if (ret < 0)
		return ret;
	req->network_loopback = strcmp(text, "loopback") == 0;
	if (!req->network_loopback && strcmp(text, "none") != 0)
		return request_refuse(r->err, p, ERR_MALFORMED, "bad_value",
				      "must be \"none\" or \"loopback\"");
	return 0;
}

int read_cache(struct reader *r, const json_t *v, const struct path *p, void *run_request)
{
	struct run_request *req = run_request;

	if (!json_is_boolean(v))
		return request_refuse_type(r->err, p, v, "true or false");
	req->no_cache = json_is_false(v);
	return 0;
}
