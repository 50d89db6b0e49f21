#include "image/image.h"

#include "base/cleanup.h"
#include "base/strv.h"
#include "image/account.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DIGEST_PREFIX "sha256:"

bool image_digest_valid(const char *text)
{
	size_t len = strlen(DIGEST_PREFIX);

	return strncmp(text, DIGEST_PREFIX, len) == 0 && strlen(text) == IMAGE_DIGEST_LEN &&
	       strspn(text + len, "0123456789abcdef") == IMAGE_DIGEST_LEN - len;
}

const char *image_digest_in(const char *text)
{
	const char *at = strrchr(text, '@');

	at = at ? at + 1 : text;
	return image_digest_valid(at) ? at : NULL;
}

static bool name_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       strchr("._-/:@", c);
}

static const char *name_fault(const char *name, size_t len)
{
	if (len == 0)
		return "is empty";
	if (len > IMAGE_NAME_MAX)
		return "is too long";
	if (strchr("._-/:@", name[0]) || name[len - 1] == '/' || name[len - 1] == ':')
		return "must begin with a letter or digit and not end in '/' or ':'";
	for (size_t i = 0; i < len; i++) {
		if (!name_character(name[i]))
			return "has a character other than letters, digits and . _ - / : @";
		if (i > 0 && name[i] == '.' && name[i - 1] == '.')
			return "has two dots in a row";
	}
	if (len == 4 && memcmp(name, "host", 4) == 0)
		return "is the name of this machine's own image";
	return NULL;
}

int image_name_canonical(const char *text, char **ret, struct err *err)
{
	static const char transport[] = "docker://", latest[] = ":latest";
	const char *name =
		strncmp(text, transport, sizeof(transport) - 1) == 0 ? text + sizeof(transport) - 1 : text;
	size_t len = strlen(name);
	const char *fault;

	if (len > sizeof(latest) && strcmp(name + len - (sizeof(latest) - 1), latest) == 0)
		len -= sizeof(latest) - 1;
	fault = name_fault(name, len);
	if (fault)
		return err_refuse(err, ERR_IMPOSSIBLE, "image_name_bad", "name",
				  "the name '%.100s' of an image %s", text, fault);
	*ret = strndup(name, len);
	return *ret ? 0 : err_set(err, -ENOMEM, "name of an image");
}

static json_t *texts_to_json(char *const *texts)
{
	json_t *list = json_array();

	for (size_t i = 0; list && texts && texts[i]; i++) {
		if (json_array_append_new(list, json_string(texts[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* Never NULL with memory: null where it has none. */
static json_t *account_to_json(const struct image_account *account)
{
	if (account->uid == 0)
		return json_null();
	return json_pack("{s:I, s:I, s:s, s:s}", "uid", (json_int_t)account->uid, "gid",
			 (json_int_t)account->gid, "name", account->name, "home", account->home);
}

json_t *image_to_json(const struct image *image)
{
	return json_pack("{s:s?, s:s, s:s?, s:I, s:I, s:I, s:s?, s:o, s:s?, s:o, s:o, s:o, s:o}", "name",
			 image->name, "digest", image->digest, "source", image->source, "created",
			 (json_int_t)image->created_s, "size_bytes", (json_int_t)image->size_bytes, "files",
			 (json_int_t)image->files, "user", image->user, "account",
			 account_to_json(&image->account), "workdir", image->workdir, "env",
			 texts_to_json(image->env), "entrypoint", texts_to_json(image->entrypoint), "command",
			 texts_to_json(image->command), "labels", texts_to_json(image->labels));
}

static int malformed(struct err *err, const char *key)
{
	return err_set(err, -EINVAL, "the description of an image: '%s' is not what it should be", key);
}

static int read_text(const json_t *json, const char *key, char **ret, struct err *err)
{
	const json_t *value = json_object_get(json, key);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return malformed(err, key);
	*ret = strdup(json_string_value(value));
	return *ret ? 0 : err_set(err, -ENOMEM, "description of an image");
}

static int read_texts(const json_t *json, const char *key, char ***ret, struct err *err)
{
	const json_t *list = json_object_get(json, key);

	if (list && !json_is_array(list))
		return malformed(err, key);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);

		if (!json_is_string(item))
			return malformed(err, key);
		if (strv_append(ret, json_string_value(item), json_string_length(item)) < 0)
			return err_set(err, -ENOMEM, "description of an image");
	}
	return 0;
}

static int read_number(const json_t *json, const char *key, uint64_t *ret, struct err *err)
{
	const json_t *value = json_object_get(json, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return malformed(err, key);
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

static int read_id(const json_t *json, const char *key, uint32_t *ret, struct err *err)
{
	uint64_t number = 0;
	int r = read_number(json, key, &number, err);

	if (r == 0 && number > ACCOUNT_ID_MAX)
		r = malformed(err, key);
	*ret = r < 0 ? 0 : (uint32_t)number;
	return r;
}

/* Images that were stored before there were any have none. */
static int read_account(const json_t *json, struct image_account *ret, struct err *err)
{
	const json_t *account = json_object_get(json, "account");
	int r;

	if (!account || json_is_null(account))
		return 0;
	r = read_id(account, "uid", &ret->uid, err);
	if (r == 0)
		r = read_id(account, "gid", &ret->gid, err);
	if (r == 0)
		r = read_text(account, "name", &ret->name, err);
	if (r == 0)
		r = read_text(account, "home", &ret->home, err);
	return r == 0 && (ret->uid == 0 || !ret->name || !ret->home) ? malformed(err, "account") : r;
}

int image_from_json(const json_t *json, struct image *ret, struct err *err)
{
	const char *digest = json_string_value(json_object_get(json, "digest"));
	const struct {
		const char *key;
		char **to;
	} texts[] = { { "name", &ret->name },
		      { "source", &ret->source },
		      { "user", &ret->user },
		      { "workdir", &ret->workdir } };
	const struct {
		const char *key;
		char ***to;
	} lists[] = { { "env", &ret->env },
		      { "entrypoint", &ret->entrypoint },
		      { "command", &ret->command },
		      { "labels", &ret->labels } };
	uint64_t created = 0;
	int r;

	*ret = (struct image){ 0 };
	if (!digest || !image_digest_valid(digest))
		return malformed(err, "digest");
	memcpy(ret->digest, digest, sizeof(ret->digest));
	r = read_number(json, "created", &created, err);
	ret->created_s = (int64_t)created;
	if (r == 0)
		r = read_number(json, "size_bytes", &ret->size_bytes, err);
	if (r == 0)
		r = read_number(json, "files", &ret->files, err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(texts); i++)
		r = read_text(json, texts[i].key, texts[i].to, err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(lists); i++)
		r = read_texts(json, lists[i].key, lists[i].to, err);
	return r < 0 ? r : read_account(json, &ret->account, err);
}

void image_account_finish(struct image_account *account)
{
	free(account->name);
	free(account->home);
	*account = (struct image_account){ 0 };
}

void image_finish(struct image *image)
{
	free(image->name);
	free(image->source);
	free(image->user);
	free(image->workdir);
	free(image->damage);
	image_account_finish(&image->account);
	strv_free(image->env);
	strv_free(image->entrypoint);
	strv_free(image->command);
	strv_free(image->labels);
	*image = (struct image){ 0 };
}
