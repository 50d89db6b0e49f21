/*
 * How it works: the YAML becomes the JSON that a request could have had in its place, and is then read like that, so
 * that bounds and checks of values stand in one place. Here only is what compose files have of their own: their keys,
 * times such as 1m30s, sizes such as 512m, commands as one text, and `$$` for a dollar.
 */
#include "session/compose.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "config/yaml_tree.h"
#include "session/spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX 256
/* Of Docker: how often a health check is tried, and how many times it may fail, where the file does not say. */
#define INTERVAL_MS 30000
#define RETRIES	    3
/* While a service starts it is asked more often than that. */
#define INTERVAL_MS_MAX 500
#define START_MS_MAX	600000

/* Where we are, for refusals. */
struct place {
	struct yaml_tree *tree;
	const char *service; /* NULL: at the top */
	struct err *err;
};

struct compose_key {
	const char *name;
	int (*read)(const struct place *place, yaml_node_t *node, json_t *service);
};

static int refuse(const struct place *place, const yaml_node_t *node, const char *slug, const char *key,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));

static int refuse(const struct place *place, const yaml_node_t *node, const char *slug, const char *key,
		  const char *format, ...)
{
	bool unsupported = strcmp(slug, "not_supported") == 0;
	char sentence[256], field[128];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	snprintf(field, sizeof(field), "compose%s%.32s%s%.64s", place->service ? ".services." : "",
		 place->service ?: "", key ? "." : "", key ?: "");
	return err_refuse(place->err, unsupported ? ERR_IMPOSSIBLE : ERR_MALFORMED, slug, field,
			  "%s: line %zu: %s", field, node ? node->start_mark.line + 1 : 1, sentence);
}

static int no_memory(const struct place *place)
{
	return err_set(place->err, -ENOMEM, "compose");
}

static int put(const struct place *place, json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value) < 0 ? no_memory(place) : 0;
}

/* A scalar's text with `$$` made `$`; a `$` alone would be a variable of the composing machine. */
static int text_of(const struct place *place, const yaml_node_t *node, const char *key, char **ret)
{
	const char *from;
	char *to;

	if (node->type != YAML_SCALAR_NODE)
		return refuse(place, node, "wrong_type", key, "must be one text");
	from = (const char *)node->data.scalar.value;
	*ret = to = malloc(strlen(from) + 1);
	if (!to)
		return no_memory(place);
	for (; *from; from++) {
		if (*from == '$' && *++from != '$')
			return refuse(place, node, "not_supported", key,
				      "variables are not supported: write $$ for a dollar");
		*to++ = *from;
	}
	*to = '\0';
	return 0;
}

static int text_json(const struct place *place, const yaml_node_t *node, const char *key, json_t **ret)
{
	AUTO_FREE char *text = NULL;
	int r = text_of(place, node, key, &text);

	if (r < 0)
		return r;
	*ret = json_string(text);
	return *ret ? 0 : refuse(place, node, "bad_value", key, "is not UTF-8");
}

static int list_json(const struct place *place, yaml_node_t *node, const char *key, json_t **ret)
{
	json_t *list = json_array(), *item;
	yaml_node_t *child;
	int r = list ? 0 : no_memory(place);

	for (size_t i = 0; r == 0 && (child = yaml_tree_item(place->tree, node, i)); i++) {
		if (i == WORDS_MAX)
			r = refuse(place, child, "too_many", key, "more than %d items", WORDS_MAX);
		else
			r = text_json(place, child, key, &item);
		if (r == 0 && json_array_append_new(list, item) < 0)
			r = no_memory(place);
	}
	if (r < 0)
		json_decref(list);
	else
		*ret = list;
	return r;
}

/* The next word of a shell-like text; 0 at its end, 1, or -EINVAL: a quote without its end. */
static int next_word(const char **at, struct buf *word)
{
	const char *c = *at + strspn(*at, " \t\r\n");
	char quote = '\0';
	int r = 0;

	if (!*c)
		return 0;
	for (; r == 0 && *c && (quote || !strchr(" \t\r\n", *c)); c++) {
		if (quote && *c == quote)
			quote = '\0';
		else if (!quote && (*c == '\'' || *c == '"'))
			quote = *c;
		else if (*c == '\\' && quote != '\'' && c[1])
			r = buf_append(word, ++c, 1);
		else
			r = buf_append(word, c, 1);
	}
	*at = c;
	if (r < 0)
		return r;
	return quote ? -EINVAL : 1;
}

/* A command as one text is split as Docker does it: by blanks and quotes, without a shell. */
static int words_json(const struct place *place, const yaml_node_t *node, const char *key, json_t **ret)
{
	AUTO_FREE char *text = NULL;
	json_t *list = json_array();
	const char *at;
	int r = text_of(place, node, key, &text);

	if (r == 0 && !list)
		r = no_memory(place);
	for (at = text; r == 0;) {
		AUTO_BUF struct buf word = BUF_INIT(COMPOSE_BYTES_MAX);

		r = next_word(&at, &word);
		if (r <= 0)
			break;
		r = json_array_append_new(list, json_stringn(word.data ? (char *)word.data : "", word.len)) <
				    0
			    ? -ENOMEM
			    : 0;
	}
	if (r == -EINVAL && text && at != text)
		r = refuse(place, node, "bad_value", key, "has a quote without its end");
	if (r < 0)
		json_decref(list);
	else
		*ret = list;
	return r == -ENOMEM ? no_memory(place) : r;
}

static int read_image_key(const struct place *place, yaml_node_t *node, json_t *service)
{
	json_t *text = NULL;
	int r = text_json(place, node, "image", &text);

	return r < 0 ? r : put(place, service, "image", text);
}

static int read_command(const struct place *place, yaml_node_t *node, json_t *service)
{
	json_t *list = NULL;
	int r = node->type == YAML_SEQUENCE_NODE ? list_json(place, node, "command", &list)
						 : words_json(place, node, "command", &list);

	return r < 0 ? r : put(place, service, "command", list);
}

static int env_item(const struct place *place, yaml_node_t *node, json_t *env)
{
	AUTO_FREE char *text = NULL;
	char *equals;
	int r = text_of(place, node, "environment", &text);

	if (r < 0)
		return r;
	equals = strchr(text, '=');
	if (!equals)
		return refuse(place, node, "not_supported", "environment",
			      "a variable of the composing machine is not supported: write NAME=value");
	*equals = '\0';
	if (json_object_get(env, text))
		return refuse(place, node, "conflict", "environment", "the same name twice");
	return put(place, env, text, json_string(equals + 1));
}

static int env_pair(const struct place *place, const char *name, yaml_node_t *node, json_t *env)
{
	json_t *text = NULL;
	bool plain = node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	int r;

	if (plain && (!*node->data.scalar.value || strcmp((char *)node->data.scalar.value, "null") == 0 ||
		      strcmp((char *)node->data.scalar.value, "~") == 0))
		return refuse(place, node, "not_supported", "environment",
			      "a variable of the composing machine is not supported: give a value");
	r = text_json(place, node, "environment", &text);
	return r < 0 ? r : put(place, env, name, text);
}

static int read_environment(const struct place *place, yaml_node_t *node, json_t *service)
{
	json_t *env = json_object();
	yaml_node_t *value;
	const char *name;
	int r = env ? put(place, service, "env", env) : no_memory(place);

	if (r == 0 && node->type == YAML_SCALAR_NODE)
		r = refuse(place, node, "wrong_type", "environment", "must be a mapping or a list");
	for (size_t i = 0; r == 0 && node->type == YAML_SEQUENCE_NODE; i++) {
		value = yaml_tree_item(place->tree, node, i);
		if (!value)
			break;
		r = env_item(place, value, env);
	}
	for (size_t i = 0; r == 0 && node->type == YAML_MAPPING_NODE; i++) {
		if (!yaml_tree_pair(place->tree, node, i, &name, &value))
			break;
		r = env_pair(place, name, value, env);
	}
	return r;
}

/* "1h2m3s500ms"; -EINVAL. */
static int duration_ms(const char *text, int64_t *ret)
{
	static const struct {
		const char *unit;
		int64_t us;
	} units[] = {
		{ "us", 1 }, { "ms", 1000 }, { "s", 1000000 }, { "m", 60000000 }, { "h", 3600000000 },
	};
	int64_t sum_us = 0;

	if (!*text)
		return -EINVAL;
	while (*text) {
		int64_t number = 0;
		size_t digits = strspn(text, "0123456789"), len, i = 0;

		if (digits == 0 || digits > 9)
			return -EINVAL;
		for (size_t d = 0; d < digits; d++)
			number = number * 10 + (text[d] - '0');
		text += digits;
		len = strspn(text, "umsh");
		while (i < ARRAY_LEN(units) &&
		       (strlen(units[i].unit) != len || strncmp(units[i].unit, text, len) != 0))
			i++;
		if (i == ARRAY_LEN(units) || number > INT64_MAX / 4 / units[i].us)
			return -EINVAL;
		sum_us += number * units[i].us;
		if (sum_us > INT64_MAX / 4)
			return -EINVAL;
		text += len;
	}
	*ret = sum_us / 1000;
	return 0;
}

struct health {
	json_t *test; /* or NULL */
	bool off;
	int64_t interval_ms, timeout_ms, retries, start_period_ms;
};

static int read_test(const struct place *place, yaml_node_t *node, struct health *health)
{
	const char *kind;
	json_t *list = NULL;
	int r = 0;

	if (node->type == YAML_SCALAR_NODE)
		return text_json(place, node, "healthcheck.test", &health->test);
	if (node->type != YAML_SEQUENCE_NODE)
		return refuse(place, node, "wrong_type", "healthcheck.test", "must be a text or a list");
	r = list_json(place, node, "healthcheck.test", &list);
	if (r < 0)
		return r;
	kind = json_string_value(json_array_get(list, 0)) ?: "";
	if (strcmp(kind, "NONE") == 0 && json_array_size(list) == 1)
		health->off = true;
	else if (strcmp(kind, "CMD-SHELL") == 0 && json_array_size(list) == 2)
		health->test = json_incref(json_array_get(list, 1));
	else if (strcmp(kind, "CMD") == 0 && json_array_size(list) > 1 && json_array_remove(list, 0) == 0)
		health->test = json_incref(list);
	else
		r = refuse(place, node, "bad_value", "healthcheck.test",
			   "must begin with CMD, or be [CMD-SHELL, text] or [NONE]");
	json_decref(list);
	return r;
}

static int read_health_number(const struct place *place, const char *key, yaml_node_t *node,
			      struct health *health)
{
	const struct {
		const char *name;
		int64_t *target;
	} times[] = {
		{ "interval", &health->interval_ms },
		{ "timeout", &health->timeout_ms },
		{ "start_period", &health->start_period_ms },
	};
	AUTO_FREE char *text = NULL;
	char field[96];
	int r;

	snprintf(field, sizeof(field), "healthcheck.%.64s", key);
	r = text_of(place, node, field, &text);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		if (strcmp(times[i].name, key) != 0)
			continue;
		if (duration_ms(text, times[i].target) < 0)
			return refuse(place, node, "bad_value", field, "must be a time such as 1m30s");
		return 0;
	}
	if (strcmp(key, "retries") == 0) {
		size_t digits = strspn(text, "0123456789");

		if (digits == 0 || digits > 4 || text[digits])
			return refuse(place, node, "bad_value", field, "must be a whole number");
		health->retries = 0;
		for (size_t i = 0; i < digits; i++)
			health->retries = health->retries * 10 + (text[i] - '0');
		return 0;
	}
	if (strcmp(key, "disable") == 0) {
		health->off = strcmp(text, "true") == 0;
		if (!health->off && strcmp(text, "false") != 0)
			return refuse(place, node, "bad_value", field, "must be true or false");
		return 0;
	}
	return refuse(place, node, "not_supported", field, "this key is not supported");
}

static int64_t within(int64_t value, int64_t min, int64_t max)
{
	return value < min ? min : value > max ? max : value;
}

/* A service may fail `retries` times behind its start period: so long has it to become ready. */
static int put_ready(const struct place *place, const struct health *health, json_t *service)
{
	int64_t start_ms, span_ms;

	if (__builtin_mul_overflow(health->interval_ms, health->retries, &span_ms) ||
	    __builtin_add_overflow(span_ms, health->start_period_ms, &start_ms))
		start_ms = START_MS_MAX;
	return put(place, service, "ready",
		   json_pack("{s:O, s:I, s:I, s:I}", "command", health->test, "interval_ms",
			     (json_int_t)within(health->interval_ms, 1, INTERVAL_MS_MAX), "timeout_ms",
			     (json_int_t)within(health->timeout_ms, 1, START_MS_MAX), "start_ms",
			     (json_int_t)within(start_ms, 1000, START_MS_MAX)));
}

static int read_healthcheck(const struct place *place, yaml_node_t *node, json_t *service)
{
	struct health health = { .interval_ms = INTERVAL_MS, .timeout_ms = INTERVAL_MS, .retries = RETRIES };
	yaml_node_t *value;
	const char *key;
	int r = 0;

	if (node->type != YAML_MAPPING_NODE)
		return refuse(place, node, "wrong_type", "healthcheck", "must be a mapping");
	for (size_t i = 0; r == 0 && yaml_tree_pair(place->tree, node, i, &key, &value); i++) {
		if (strcmp(key, "test") == 0)
			r = read_test(place, value, &health);
		else
			r = read_health_number(place, key, value, &health);
	}
	if (r == 0 && !health.off && !health.test)
		r = refuse(place, node, "missing_field", "healthcheck", "has no test");
	if (r == 0 && !health.off)
		r = put_ready(place, &health, service);
	json_decref(health.test);
	return r;
}

static int check_condition(const struct place *place, yaml_node_t *node)
{
	yaml_node_t *value;
	const char *key;

	if (node->type != YAML_MAPPING_NODE)
		return refuse(place, node, "wrong_type", "depends_on",
			      "must have a mapping for each service");
	for (size_t i = 0; yaml_tree_pair(place->tree, node, i, &key, &value); i++) {
		const char *text = value->type == YAML_SCALAR_NODE ? (char *)value->data.scalar.value : "";

		if (strcmp(key, "condition") != 0)
			return refuse(place, value, "not_supported", "depends_on",
				      "'%.32s' is not supported, only condition", key);
		if (strcmp(text, "service_started") != 0 && strcmp(text, "service_healthy") != 0)
			return refuse(place, value, "not_supported", "depends_on",
				      "the condition must be service_started or service_healthy");
	}
	return 0;
}

static int read_depends_on(const struct place *place, yaml_node_t *node, json_t *service)
{
	json_t *list = NULL;
	yaml_node_t *value;
	const char *name;
	int r = 0;

	if (node->type == YAML_SEQUENCE_NODE)
		r = list_json(place, node, "depends_on", &list);
	else if (node->type == YAML_MAPPING_NODE)
		list = json_array();
	else
		return refuse(place, node, "wrong_type", "depends_on", "must be a list or a mapping");
	for (size_t i = 0; r == 0 && node->type == YAML_MAPPING_NODE; i++) {
		if (!yaml_tree_pair(place->tree, node, i, &name, &value))
			break;
		r = check_condition(place, value);
		if (r == 0 && json_array_append_new(list, json_string(name)) < 0)
			r = no_memory(place);
	}
	if (r < 0) {
		json_decref(list);
		return r;
	}
	return put(place, service, "depends_on", list);
}

static int read_tmpfs(const struct place *place, yaml_node_t *node, json_t *service)
{
	json_t *list = NULL, *text;
	int r;

	if (node->type == YAML_SEQUENCE_NODE) {
		r = list_json(place, node, "tmpfs", &list);
	} else {
		r = text_json(place, node, "tmpfs", &text);
		if (r == 0)
			list = json_pack("[o]", text);
	}
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		if (strchr(json_string_value(json_array_get(list, i)), ':'))
			r = refuse(place, node, "not_supported", "tmpfs",
				   "options behind a ':' are not supported");
	}
	if (r < 0) {
		json_decref(list);
		return r;
	}
	return put(place, service, "tmpfs", list);
}

/* "512m", "1gb", "300000k", bytes without a unit. */
static int size_bytes(const char *text, int64_t *ret)
{
	static const char units[] = "bkmg";
	size_t digits = strspn(text, "0123456789");
	int64_t number = 0, scale = 1;
	const char *unit;

	if (digits == 0 || digits > 15)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		number = number * 10 + (text[i] - '0');
	text += digits;
	if (*text) {
		unit = strchr(units, tolower((unsigned char)*text));
		if (!unit)
			return -EINVAL;
		scale = 1LL << (10 * (unit - units));
		text++;
		if (scale > 1 && tolower((unsigned char)*text) == 'b')
			text++;
	}
	return *text || __builtin_mul_overflow(number, scale, ret) ? -EINVAL : 0;
}

static int read_mem_limit(const struct place *place, yaml_node_t *node, json_t *service)
{
	AUTO_FREE char *text = NULL;
	int64_t bytes;
	int r = text_of(place, node, "mem_limit", &text);

	if (r < 0)
		return r;
	if (size_bytes(text, &bytes) < 0)
		return refuse(place, node, "bad_value", "mem_limit", "must be a size such as 512m");
	return put(place, service, "limits", json_pack("{s:I}", "memory_bytes", (json_int_t)bytes));
}

static const struct compose_key keys[] = {
	{ "image", read_image_key },	     { "command", read_command },
	{ "environment", read_environment }, { "healthcheck", read_healthcheck },
	{ "depends_on", read_depends_on },   { "tmpfs", read_tmpfs },
	{ "mem_limit", read_mem_limit },
};

static int read_service(const struct place *place, yaml_node_t *node, json_t *service)
{
	yaml_node_t *value;
	const char *name;
	int r = 0;

	if (node->type != YAML_MAPPING_NODE)
		return refuse(place, node, "wrong_type", NULL, "must be a mapping");
	for (size_t i = 0; r == 0 && yaml_tree_pair(place->tree, node, i, &name, &value); i++) {
		size_t k = 0;

		while (k < ARRAY_LEN(keys) && strcmp(keys[k].name, name) != 0)
			k++;
		if (k == ARRAY_LEN(keys))
			return refuse(place, value, "not_supported", name, "this key is not supported");
		r = keys[k].read(place, value, service);
	}
	return r;
}

static int read_services(const struct place *top, yaml_node_t *node, json_t *services)
{
	yaml_node_t *value;
	const char *name;
	int r = 0;

	if (node->type != YAML_MAPPING_NODE)
		return refuse(top, node, "wrong_type", "services", "must be a mapping");
	for (size_t i = 0; r == 0 && yaml_tree_pair(top->tree, node, i, &name, &value); i++) {
		struct place place = { .tree = top->tree, .service = name, .err = top->err };
		json_t *service = json_object();

		r = put(&place, services, name, service);
		if (r == 0)
			r = read_service(&place, value, service);
	}
	return r;
}

static int read_top(const struct place *place, json_t *services)
{
	yaml_node_t *root = yaml_tree_root(place->tree), *value;
	const char *name;
	bool found = false;
	int r = 0;

	if (!root || root->type != YAML_MAPPING_NODE)
		return refuse(place, root, "wrong_type", NULL, "must be a mapping with `services`");
	for (size_t i = 0; r == 0 && yaml_tree_pair(place->tree, root, i, &name, &value); i++) {
		if (strcmp(name, "services") == 0) {
			found = true;
			r = read_services(place, value, services);
		} else if (strcmp(name, "version") != 0) { /* which compose itself ignores */
			r = refuse(place, value, "not_supported", name, "this key is not supported");
		}
	}
	if (r == 0 && !found)
		r = refuse(place, root, "missing_field", "services", "is missing");
	return r;
}

int compose_read(const char *text, size_t len, json_t **ret, struct err *err)
{
	struct yaml_tree tree = { 0 };
	struct place place = { .tree = &tree, .err = err };
	json_t *services;
	int r;

	if (len > COMPOSE_BYTES_MAX)
		return err_refuse(err, ERR_TOO_LARGE, "too_large", "compose",
				  "compose: has %zu bytes, of at most %d", len, COMPOSE_BYTES_MAX);
	r = yaml_tree_parse("compose", (const uint8_t *)text, len, &tree, err);
	if (r == -EINVAL && err) {
		err->kind = ERR_MALFORMED;
		err->slug = "malformed_yaml";
		snprintf(err->field, sizeof(err->field), "compose");
	}
	if (r < 0)
		return r;
	services = json_object();
	r = services ? read_top(&place, services) : err_set(err, -ENOMEM, "compose");
	yaml_tree_finish(&tree);
	if (r < 0)
		json_decref(services);
	else
		*ret = services;
	return r;
}

void compose_rename(struct err *err)
{
	static const struct {
		const char *ours, *theirs;
	} names[] = {
		{ ".limits.memory_bytes", ".mem_limit" },
		{ ".env.", ".environment." },
		{ ".ready.command", ".healthcheck.test" },
	};
	char field[2 * sizeof(err->field)];
	const char *at;

	for (size_t i = 0; err && i < ARRAY_LEN(names); i++) {
		at = strstr(err->field, names[i].ours);
		if (!at)
			continue;
		snprintf(field, sizeof(field), "%.*s%s%s", (int)(at - err->field), err->field,
			 names[i].theirs, at + strlen(names[i].ours));
		session_refusal_move(err, field);
		return;
	}
}
