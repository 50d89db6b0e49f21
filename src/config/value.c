/*
 * From a text to the value of a setting, the same way for file, environment, flags and defaults.
 */
#include "config/config_priv.h"

#include "base/cleanup.h"
#include "base/strv.h"

#include <errno.h>
#include <string.h>

#define TOKEN_NAME_MAX	 64
#define TOKEN_SECRET_MAX 512
#define LISTEN_MAX	 64
#define TOKENS_MAX	 4096

static int refuse(struct err *err, const struct setting *setting, const char *origin, const char *sentence)
{
	return err_refuse(err, ERR_INTERNAL, "config_invalid", setting->name, "%s: %s", origin, sentence);
}

static void *member(const struct config_reader *reader, const struct setting *setting)
{
	return (char *)reader->config + setting->offset;
}

static bool has_control(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	}
	return false;
}

static int set_switch(struct config_reader *reader, const struct setting *setting, const char *text,
		      const char *origin, struct err *err)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {
		{ "true", true },   { "yes", true }, { "on", true },   { "1", true },
		{ "false", false }, { "no", false }, { "off", false }, { "0", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(words[i].word, text) == 0) {
			*(bool *)member(reader, setting) = words[i].value;
			return 0;
		}
	}
	return refuse(err, setting, origin, "must be true or false");
}

static int replace_text(char **where, char *text, const char *origin, struct err *err)
{
	if (!text)
		return err_set(err, -ENOMEM, "%s", origin);
	free(*where);
	*where = text;
	return 0;
}

static int set_text(struct config_reader *reader, const struct setting *setting, const char *text,
		    const char *origin, struct err *err)
{
	if (has_control(text))
		return refuse(err, setting, origin, "must not contain control characters");
	/* Only where the default is empty does an empty text mean something. */
	if (!*text && (!setting->fallback || *setting->fallback))
		return refuse(err, setting, origin, "must not be empty");
	return replace_text(member(reader, setting), strdup(text), origin, err);
}

static int set_path(struct config_reader *reader, const struct setting *setting, const char *text,
		    const char *origin, struct err *err)
{
	AUTO_FREE char *cwd = NULL;
	char *absolute;

	if (!*text)
		return refuse(err, setting, origin, "must not be empty");
	if (has_control(text))
		return refuse(err, setting, origin, "must not contain control characters");
	if (*text == '/')
		return replace_text(member(reader, setting), strdup(text), origin, err);

	cwd = get_current_dir_name();
	if (!cwd)
		return err_set(err, -errno, "%s: the working folder", origin);
	if (asprintf(&absolute, "%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, text) < 0)
		absolute = NULL;
	return replace_text(member(reader, setting), absolute, origin, err);
}

static int set_number(struct config_reader *reader, const struct setting *setting, const char *text,
		      const char *origin, struct err *err)
{
	bool ceiling = setting->type == SETTING_CEILING;
	enum quantity quantity = ceiling ? quantity_of_limit(setting->limit) : setting->quantity;
	int64_t value, min, max;
	char low[32], high[32];
	int r;

	r = quantity_parse(text, quantity, &value);
	if (r == -EINVAL)
		return err_refuse(err, ERR_INTERNAL, "config_invalid", setting->name, "%s: '%.40s' is not %s",
				  origin, text, quantity_hint(quantity));
	setting_bounds(setting, &min, &max);
	if (r < 0 || value < min || value > max) {
		quantity_format(min, quantity, low, sizeof(low));
		quantity_format(max, quantity, high, sizeof(high));
		return err_refuse(err, ERR_INTERNAL, "config_invalid", setting->name,
				  "%s: %.40s is out of bounds: at least %s, at most %s", origin, text, low,
				  high);
	}
	if (ceiling)
		reader->config->ceilings.value[setting->limit] = value;
	else
		*(int64_t *)member(reader, setting) = value;
	return 0;
}

static int set_list(struct config_reader *reader, const struct setting *setting, const char *text,
		    const char *origin, struct err *err)
{
	char ***list = member(reader, setting);
	const char *at = text + strspn(text, " ");
	size_t len;

	if (has_control(text))
		return refuse(err, setting, origin, "must not contain control characters");
	if (!*at)
		return refuse(err, setting, origin, "must not be empty");
	for (; *at; at += len + strspn(at + len, " ")) {
		len = strcspn(at, " ");
		if (strv_len(*list) >= LISTEN_MAX)
			return err_refuse(err, ERR_INTERNAL, "config_invalid", setting->name,
					  "%s: more than %d values", origin, LISTEN_MAX);
		if (strv_append(list, at, len) < 0)
			return err_set(err, -ENOMEM, "%s", origin);
	}
	return 0;
}

static bool token_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > TOKEN_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}

static bool token_secret_ok(const char *secret)
{
	size_t len = strlen(secret);

	if (len == 0 || len > TOKEN_SECRET_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (secret[i] <= ' ' || secret[i] > '~')
			return false;
	}
	return true;
}

static int check_token(const struct config *config, const struct setting *setting,
		       const struct config_token *token, const char *origin, struct err *err)
{
	if (!token_name_ok(token->name))
		return refuse(err, setting, origin,
			      "the name of a token is up to 64 letters, digits, '.', '_' and '-'");
	if (!token_secret_ok(token->token))
		return refuse(err, setting, origin,
			      "a token is 1 to 512 visible ASCII characters without blanks");
	if (config->tokens_count >= TOKENS_MAX)
		return refuse(err, setting, origin, "more than 4096 tokens");
	/* One name may have two secrets, while one replaces the other; one secret with two names is nobody's. */
	for (size_t i = 0; i < config->tokens_count; i++) {
		if (strcmp(config->tokens[i].token, token->token) == 0)
			return refuse(err, setting, origin, "two tokens are the same");
	}
	return 0;
}

/* Empties a setting that adds up when its last value came from an earlier source. */
static void begin_source(struct config_reader *reader, size_t at, enum setting_source source)
{
	const struct setting *setting = &config_settings[at];
	char ***list;

	if (reader->set_by[at] == source)
		return;
	reader->set_by[at] = source;
	if (setting->type == SETTING_TOKENS) {
		config_tokens_clear(reader->config);
	} else if (setting->type == SETTING_LIST) {
		list = member(reader, setting);
		strv_free(*list);
		*list = NULL;
	}
}

int setting_add_token(struct config_reader *reader, size_t at, enum setting_source source,
		      const struct config_token *token, const char *origin, struct err *err)
{
	struct config *config = reader->config;
	struct config_token *grown, copy;
	int r;

	begin_source(reader, at, source);
	r = check_token(config, &config_settings[at], token, origin, err);
	if (r < 0)
		return r;
	grown = reallocarray(config->tokens, config->tokens_count + 1, sizeof(*grown));
	if (!grown)
		return err_set(err, -ENOMEM, "%s", origin);
	config->tokens = grown;
	copy = (struct config_token){ .name = strdup(token->name), .token = strdup(token->token) };
	grown[config->tokens_count++] = copy;
	if (!copy.name || !copy.token)
		return err_set(err, -ENOMEM, "%s", origin);
	return 0;
}

/* "name=secret,name=secret"; empty means none. */
static int set_tokens(struct config_reader *reader, size_t at, enum setting_source source, const char *text,
		      const char *origin, struct err *err)
{
	const char *equals;
	char name[TOKEN_NAME_MAX + 2], secret[TOKEN_SECRET_MAX + 2];
	size_t len;
	int r = 0;

	for (; *text && r == 0; text += len + (text[len] == ',')) {
		len = strcspn(text, ",");
		equals = memchr(text, '=', len);
		if (!equals)
			return refuse(err, &config_settings[at], origin,
				      "must be name=secret, with commas between");
		/* What is cut here is still too long for check_token(). */
		snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
		snprintf(secret, sizeof(secret), "%.*s", (int)(len - (size_t)(equals + 1 - text)),
			 equals + 1);
		r = setting_add_token(reader, at, source,
				      &(struct config_token){ .name = name, .token = secret }, origin, err);
		explicit_bzero(secret, sizeof(secret));
	}
	return r;
}

int setting_set(struct config_reader *reader, size_t at, enum setting_source source, const char *text,
		const char *origin, struct err *err)
{
	const struct setting *setting = &config_settings[at];

	begin_source(reader, at, source);
	switch (setting->type) {
	case SETTING_SWITCH:
		return set_switch(reader, setting, text, origin, err);
	case SETTING_TEXT:
		return set_text(reader, setting, text, origin, err);
	case SETTING_PATH:
		return set_path(reader, setting, text, origin, err);
	case SETTING_LIST:
		return set_list(reader, setting, text, origin, err);
	case SETTING_TOKENS:
		return set_tokens(reader, at, source, text, origin, err);
	case SETTING_NUMBER:
	case SETTING_CEILING:
		return set_number(reader, setting, text, origin, err);
	}
	return -EINVAL;
}
