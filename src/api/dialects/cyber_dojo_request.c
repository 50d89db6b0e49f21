#include "api/dialects/cyber_dojo_request.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "image/image.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* As Ruby's parser of JSON has it; and a bound on the memory that small values take. */
#define DEPTH_MAX  100
#define VALUES_MAX 500000
#define NAME_BYTES 255
#define PATH_BYTES 4000
#define TAR_FAILED "tar: Exiting with failure status due to previous errors\n"

struct call {
	const char *name;
	const char *arguments[4];
};

static const struct call calls[DOJO_CALLS] = {
	[DOJO_ALIVE] = { "alive", { NULL } },
	[DOJO_READY] = { "ready", { NULL } },
	[DOJO_SHA] = { "sha", { NULL } },
	[DOJO_PULL_IMAGE] = { "pull_image", { "id", "image_name", NULL } },
	[DOJO_RUN] = { "run_cyber_dojo_sh", { "id", "files", "manifest", NULL } },
};

const char *dojo_call_name(enum dojo_call_id call)
{
	return calls[call].name;
}

static int refuse(struct err *err, const char *field, const char *text)
{
	return err_refuse(err, ERR_MALFORMED, "bad_value", field, "%s", text);
}

/* ---- the body ---- */

/* Jansson recurses, and takes some fifty bytes for each value: one pass bounds both before it begins. */
static bool is_bounded(const char *text, size_t len)
{
	size_t depth = 0, values = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"') {
			for (i++; i < len && text[i] != '"'; i++)
				i += text[i] == '\\';
		} else if (text[i] == '[' || text[i] == '{') {
			values++;
			if (++depth > DEPTH_MAX)
				return false;
		} else if ((text[i] == ']' || text[i] == '}') && depth > 0) {
			depth--;
		} else if (text[i] == ',') {
			values++;
		}
		if (values > VALUES_MAX)
			return false;
	}
	return true;
}

static int load(const void *body, size_t len, json_t **ret, struct err *err)
{
	json_error_t error;

	if (len == 0) {
		*ret = json_object();
		return *ret ? 0 : err_set(err, -ENOMEM, "reading the request");
	}
	if (!is_bounded(body, len))
		return refuse(err, NULL, "body is not JSON");
	*ret = json_loadb(body, len, JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
	if (!*ret && json_error_code(&error) == json_error_out_of_memory)
		return err_set(err, -ENOMEM, "reading the request");
	if (!*ret)
		return refuse(err, NULL, "body is not JSON");
	return json_is_object(*ret) ? 0 : refuse(err, NULL, "body is not JSON Hash");
}

/* ---- which arguments there are ---- */

/* A name as Ruby shows a symbol: ":zzz", or in quotes where it is no plain word. */
static int append_symbol(struct buf *text, const char *name)
{
	bool plain = isalpha((unsigned char)*name) || *name == '_';
	int r;

	for (const char *c = name; *c; c++)
		plain = plain && (isalnum((unsigned char)*c) || *c == '_');
	r = buf_printf(text, "%s:", text->len ? ", " : "");
	if (plain && r == 0)
		return buf_append_str(text, name);
	if (r == 0)
		r = buf_append_str(text, "\"");
	for (const char *c = name; *c && r == 0; c++) {
		if (*c == '"' || *c == '\\')
			r = buf_append_str(text, "\\");
		if (r == 0)
			r = buf_append(text, (unsigned char)*c < 0x20 ? "?" : c, 1);
	}
	return r < 0 ? r : buf_append_str(text, "\"");
}

/* The sentence on a list of names; one that is too long for it is cut at a name. */
static int refuse_names(struct err *err, const char *what, const struct buf *names, size_t count)
{
	return err_refuse(err, ERR_MALFORMED, "bad_arguments", NULL, "%s argument%s: %s", what,
			  count > 1 ? "s" : "", (const char *)names->data);
}

static bool takes(const struct call *call, const char *name)
{
	for (size_t i = 0; call->arguments[i]; i++) {
		if (strcmp(call->arguments[i], name) == 0)
			return true;
	}
	return false;
}

static int check_arguments(const struct call *call, json_t *json, struct err *err)
{
	AUTO_BUF struct buf names = BUF_INIT(400);
	size_t count = 0;
	const char *name;
	json_t *value;

	if (!call->arguments[0])
		return json_object_size(json) == 0
			       ? 0
			       : refuse(err, NULL, "wrong number of arguments (given 1, expected 0)");
	for (size_t i = 0; call->arguments[i]; i++) {
		if (!json_object_get(json, call->arguments[i]) &&
		    append_symbol(&names, call->arguments[i]) == 0)
			count++;
	}
	if (count > 0)
		return refuse_names(err, "missing", &names, count);
	json_object_foreach(json, name, value)
	{
		if (takes(call, name))
			continue;
		count++;
		if (append_symbol(&names, name) < 0)
			break;
	}
	return count > 0 ? refuse_names(err, "unknown", &names, count) : 0;
}

/* ---- id, image_name, max_seconds, rag_lambda ---- */

/* Whatever it is: it only names things in logs. Over its bound it is cut. */
static void read_id(struct dojo_request *request)
{
	const json_t *id = json_object_get(request->json, "id");
	AUTO_FREE char *text = json_is_string(id) ? NULL : json_dumps(id, JSON_ENCODE_ANY | JSON_COMPACT);

	snprintf(request->id, sizeof(request->id), "%s",
		 json_is_string(id)	     ? json_string_value(id)
		 : json_is_null(id) || !text ? ""
					     : text);
}

static int read_image_name(const json_t *from, struct dojo_request *request, struct err *err)
{
	const json_t *name = json_object_get(from, "image_name");
	AUTO_FREE char *canonical = NULL;
	const char *text = json_string_value(name);

	if (!name)
		return refuse(err, "manifest.image_name", "image_name is missing");
	if (!text || strlen(text) != json_string_length(name))
		return refuse(err, "image_name", "image_name is malformed");
	request->image_name = text;
	if (strcmp(text, "host") == 0 || strcmp(text, "host:latest") == 0)
		return 0;
	if (image_name_canonical(text, &canonical, NULL) == 0)
		return 0;
	return refuse(err, "image_name", "image_name is malformed");
}

/* Digits with single underscores between them, as Ruby's Integer() reads them. False: it would not. */
static bool read_digits(const char *text, int base, double *ret)
{
	bool digit = false;

	*ret = 0;
	for (; *text; text++) {
		int value = isdigit((unsigned char)*text)   ? *text - '0'
			    : isalpha((unsigned char)*text) ? tolower((unsigned char)*text) - 'a' + 10
							    : 99;

		if (*text == '_' && digit) {
			digit = false;
			continue;
		}
		if (value >= base)
			return false;
		*ret = *ret * base + value;
		digit = true;
	}
	return digit;
}

/* Ruby's Integer(String): blanks around, a sign, 0x, 0b, 0o or 0 in front, underscores within. */
static bool read_integer(const char *text, size_t len, double *ret)
{
	static const struct {
		const char *prefix;
		int base;
	} bases[] = { { "0x", 16 }, { "0b", 2 }, { "0o", 8 }, { "0d", 10 }, { "0_", 8 }, { "0", 8 } };
	char digits[64];
	bool minus;

	while (len > 0 && isspace((unsigned char)*text)) {
		text++;
		len--;
	}
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	if (len == 0 || len >= sizeof(digits) || memchr(text, '\0', len))
		return false;
	memcpy(digits, text, len);
	digits[len] = '\0';
	minus = digits[0] == '-';
	text = digits + (minus || digits[0] == '+');
	for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
		size_t skip = strlen(bases[i].prefix);

		if (strncasecmp(text, bases[i].prefix, skip) != 0 || !text[skip])
			continue;
		if (!read_digits(text + skip, bases[i].base, ret))
			return false;
		*ret = minus ? -*ret : *ret;
		return true;
	}
	if (!read_digits(text, 10, ret))
		return false;
	*ret = minus ? -*ret : *ret;
	return true;
}

/* What cannot be a number is refused in Ruby's words. */
static int refuse_type(const json_t *value, struct err *err)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "Hash",
		[JSON_ARRAY] = "Array",
		[JSON_TRUE] = "true",
		[JSON_FALSE] = "false",
	};
	const char *name = !value || json_is_null(value) ? "nil" : names[json_typeof(value)];

	return err_refuse(err, ERR_MALFORMED, "bad_value", "manifest.max_seconds",
			  "can't convert %s into Integer", name);
}

static int read_seconds(const json_t *manifest, struct dojo_request *request, struct err *err)
{
	const json_t *value = json_object_get(manifest, "max_seconds");
	double seconds;

	if (json_is_string(value)) {
		if (!read_integer(json_string_value(value), json_string_length(value), &seconds))
			return err_refuse(err, ERR_MALFORMED, "bad_value", "manifest.max_seconds",
					  "invalid value for Integer(): \"%.64s\"", json_string_value(value));
	} else if (json_is_number(value)) {
		seconds = trunc(json_number_value(value));
	} else {
		return refuse_type(value, err);
	}
	if (seconds < 1)
		return refuse(err, "manifest.max_seconds", "max_seconds is less than 1");
	request->max_seconds = seconds < DOJO_SECONDS_MAX ? (int)seconds : DOJO_SECONDS_MAX;
	return 0;
}

static int read_lambda(const json_t *manifest, struct dojo_request *request, struct err *err)
{
	const json_t *lambda = json_object_get(manifest, "rag_lambda");

	if (!lambda)
		return 0;
	if (!json_is_string(lambda))
		return refuse(err, "manifest.rag_lambda", "rag_lambda is not a String");
	request->lambda = json_string_value(lambda);
	request->lambda_len = json_string_length(lambda);
	return 0;
}

/* ---- files ---- */

static int refuse_long_name(const char *name, int bytes, struct err *err)
{
	return err_refuse(err, ERR_MALFORMED, "bad_name", "files",
			  "File \"sandbox/%.200s\" has a too long name (should be %d or less)", name, bytes);
}

/*
 * Where tar puts a name that is unpacked in /sandbox: a path without empty components and ".". 0 with *ret NULL where
 * tar refuses it, which is then in the request.
 */
static int path_of(const char *name, struct dojo_request *request, char **ret, struct err *err)
{
	AUTO_BUF struct buf path = BUF_INIT(PATH_BYTES);
	const char *at = name;
	size_t len;
	int r = 0;

	*ret = NULL;
	for (; *at; at += len + (at[len] == '/')) {
		len = strcspn(at, "/");
		if (len == 0 || (len == 1 && *at == '.'))
			continue;
		if (len == 2 && at[0] == '.' && at[1] == '.') {
			snprintf(request->tar_fault, sizeof(request->tar_fault),
				 "tar: sandbox/%.300s: Member name contains '..'\n" TAR_FAILED, name);
			return 0;
		}
		if (len > NAME_BYTES)
			return refuse_long_name(name, NAME_BYTES, err);
		r = path.len ? buf_append_str(&path, "/") : 0;
		if (r == 0)
			r = buf_append(&path, at, len);
		if (r == -EMSGSIZE)
			return refuse_long_name(name, PATH_BYTES, err);
		if (r < 0)
			return err_set(err, r, "reading the request");
	}
	/* A file cannot be a folder: tar then takes its content for the next header. */
	at = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
	if (*at == '\0' || strcmp(at, ".") == 0) {
		snprintf(request->tar_fault, sizeof(request->tar_fault), "%s",
			 "tar: Skipping to next header\n" TAR_FAILED);
		return 0;
	}
	*ret = (char *)buf_take(&path, &(size_t){ 0 });
	return *ret ? 0 : err_set(err, -ENOMEM, "reading the request");
}

static int add_alias(struct dojo_request *request, const char *name, char *path)
{
	struct dojo_alias *grown = reallocarray(request->aliases, request->aliases_count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	request->aliases = grown;
	grown[request->aliases_count++] = (struct dojo_alias){ .name = name, .path = path };
	return 0;
}

/* The last of two names that lead to one file is it. False: there is no such file yet. */
static bool replace_file(struct run_request *files, const char *path, const json_t *content)
{
	size_t len = json_string_length(content);

	for (size_t i = 0; i < files->files_count; i++) {
		uint8_t *data;

		if (strcmp(files->files[i].name, path) != 0)
			continue;
		data = malloc(len ? len : 1);
		if (!data)
			return false;
		memcpy(data, json_string_value(content), len);
		files->files_bytes += len - files->files[i].len;
		free(files->files[i].data);
		files->files[i].data = data;
		files->files[i].len = len;
		return true;
	}
	return false;
}

static int put_file(struct dojo_request *request, const char *path, const char *name, const json_t *content,
		    struct err *err)
{
	int r = request_add_file(&request->files, path, json_string_value(content),
				 json_string_length(content), 0644, &request_bounds_default, err);

	if (r == 0 || !err->slug || strcmp(err->slug, "conflict") != 0)
		return r;
	if (!replace_file(&request->files, path, content))
		snprintf(request->tar_fault, sizeof(request->tar_fault),
			 "tar: sandbox/%.300s: Cannot open: Not a directory\n" TAR_FAILED, name);
	*err = ERR_INIT;
	return 0;
}

static int add_file(struct dojo_request *request, const char *name, const json_t *content, struct err *err)
{
	AUTO_FREE char *path = NULL;
	int r;

	if (!json_is_string(content))
		return err_refuse(err, ERR_MALFORMED, "wrong_type", "files",
				  "the content of file \"%.200s\" is not a String", name);
	r = path_of(name, request, &path, err);
	if (r < 0 || !path)
		return r;
	r = put_file(request, path, name, content, err);
	if (r < 0 || strcmp(path, name) == 0)
		return r;
	r = add_alias(request, name, path);
	if (r < 0)
		return err_set(err, r, "reading the request");
	path = NULL;
	return 0;
}

static int read_files(struct dojo_request *request, struct err *err)
{
	json_t *files = json_object_get(request->json, "files"), *content;
	const char *name;
	int r = 0;

	if (!json_is_object(files))
		return refuse(err, "files", "files is not a Hash");
	request->contents = files;
	json_object_foreach(files, name, content)
	{
		r = add_file(request, name, content, err);
		if (r < 0)
			break;
	}
	return r;
}

static int read_run(struct dojo_request *request, struct err *err)
{
	const json_t *manifest = json_object_get(request->json, "manifest");
	int r;

	if (!json_is_object(manifest))
		return refuse(err, "manifest", "manifest is not a Hash");
	r = read_image_name(manifest, request, err);
	if (r == 0)
		r = read_seconds(manifest, request, err);
	if (r == 0)
		r = read_lambda(manifest, request, err);
	return r < 0 ? r : read_files(request, err);
}

int dojo_request_parse(enum dojo_call_id call, const void *body, size_t len, struct dojo_request *ret,
		       struct err *err)
{
	int r;

	*ret = (struct dojo_request){ 0 };
	r = load(body, len, &ret->json, err);
	if (r < 0)
		return r;
	if (call == DOJO_CALLS)
		return refuse(err, NULL, "unknown path");
	r = check_arguments(&calls[call], ret->json, err);
	if (r == 0 && json_object_get(ret->json, "id"))
		read_id(ret);
	if (r == 0 && call == DOJO_PULL_IMAGE)
		r = read_image_name(ret->json, ret, err);
	if (r == 0 && call == DOJO_RUN)
		r = read_run(ret, err);
	return r;
}

void dojo_request_finish(struct dojo_request *request)
{
	for (size_t i = 0; i < request->aliases_count; i++)
		free(request->aliases[i].path);
	free(request->aliases);
	request_finish(&request->files);
	json_decref(request->json);
	*request = (struct dojo_request){ 0 };
}
