/*
 * The key `traffic_light` of a language file: rules, in YAML what they are in a request's JSON, or a Ruby lambda. Both
 * are compiled here, so that a file that is wrong is refused when it is read and not when somebody runs its tests.
 *
 * The rules become the JSON that light/ reads; where that refuses one of their fields, its path leads back to the line.
 */
#include "run/language_priv.h"

#include "base/cleanup.h"
#include "config/yaml_tree.h"
#include "light/light.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define KEY	  "traffic_light"
#define RULES_KEY KEY ".rules"
#define RUBY_KEY  KEY ".ruby"
/* Rules nest by `and`, eight deep; each is a mapping and a list. */
#define DEPTH_MAX 32

/* Up to nine digits; *ret_end is behind them. */
static long digits_at(const char *text, const char **ret_end)
{
	const char *at = text;
	long number = 0;

	for (; isdigit((unsigned char)*at) && at - text < 9; at++)
		number = 10 * number + (*at - '0');
	*ret_end = at;
	return number;
}

static bool is_integer(const char *text, long *ret)
{
	bool minus = *text == '-';
	const char *end;
	long number = digits_at(text + minus, &end);

	*ret = minus ? -number : number;
	return end > text + minus && *end == '\0';
}

/* What is in quotes is a text; else numbers and true and false are what they look like. */
static json_t *scalar_json(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;
	long number;

	if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
		if (is_integer(text, &number))
			return json_integer(number);
		if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
			return json_boolean(strcmp(text, "true") == 0);
	}
	return json_stringn(text, node->data.scalar.length);
}

static json_t *node_json(struct yaml_tree *tree, const yaml_node_t *node, unsigned depth);

static json_t *mapping_json(struct yaml_tree *tree, const yaml_node_t *node, unsigned depth)
{
	json_t *object = json_object();
	const char *key;
	yaml_node_t *value;

	for (size_t i = 0; object && yaml_tree_pair(tree, node, i, &key, &value); i++) {
		if (json_object_set_new(object, key, node_json(tree, value, depth + 1)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *sequence_json(struct yaml_tree *tree, const yaml_node_t *node, unsigned depth)
{
	json_t *array = json_array();
	const yaml_node_t *item;

	for (size_t i = 0; array && (item = yaml_tree_item(tree, node, i)); i++) {
		if (json_array_append_new(array, node_json(tree, item, depth + 1)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

/* NULL: no memory, or nested too deep. */
static json_t *node_json(struct yaml_tree *tree, const yaml_node_t *node, unsigned depth)
{
	if (!node || depth > DEPTH_MAX)
		return NULL;
	switch (node->type) {
	case YAML_MAPPING_NODE:
		return mapping_json(tree, node, depth);
	case YAML_SEQUENCE_NODE:
		return sequence_json(tree, node, depth);
	default:
		return scalar_json(node);
	}
}

static const yaml_node_t *member_of(struct yaml_tree *tree, const yaml_node_t *node, const char *name,
				    size_t len)
{
	const char *key;
	yaml_node_t *value;

	for (size_t i = 0; node->type == YAML_MAPPING_NODE && yaml_tree_pair(tree, node, i, &key, &value);
	     i++) {
		if (strlen(key) == len && memcmp(key, name, len) == 0)
			return value;
	}
	return NULL;
}

/* The node that `path` ("[2].and[0].regex") leads to from `node`, as far as there is one. */
static const yaml_node_t *node_at(struct yaml_tree *tree, const yaml_node_t *node, const char *path)
{
	while (*path) {
		const yaml_node_t *next = NULL;

		if (*path == '[' && node->type == YAML_SEQUENCE_NODE) {
			const char *end;

			next = yaml_tree_item(tree, node, (size_t)digits_at(path + 1, &end));
			path = *end == ']' ? end + 1 : end;
		} else if (*path == '.') {
			size_t len = strcspn(path + 1, ".[");

			next = member_of(tree, node, path + 1, len);
			path += 1 + len;
		}
		if (!next)
			return node;
		node = next;
	}
	return node;
}

/* The sentence without the field in front, which is told anyway. */
static const char *sentence_of(const struct err *err)
{
	size_t len = strlen(err->field);

	if (len == 0 || strncmp(err->text, err->field, len) != 0)
		return err->text;
	return err->text + len + strspn(err->text + len, ": ");
}

static int read_rules(struct yaml_tree *tree, const yaml_node_t *node, struct run_light_spec *ret,
		      struct err *err)
{
	struct err why = ERR_INIT;
	json_t *rules = node_json(tree, node, 0);
	const char *field = why.field;
	int r;

	if (!rules)
		return yaml_tree_refuse(tree, node, err, RULES_KEY, "is nested too deep");
	r = light_compile_rules(rules, RULES_KEY, &ret->rules, &why);
	json_decref(rules);
	if (r == 0)
		return 0;
	if (r == -ENOMEM)
		return err_set(err, r, "%s", tree->name);
	if (strncmp(field, RULES_KEY, strlen(RULES_KEY)) == 0)
		node = node_at(tree, node, field + strlen(RULES_KEY));
	return yaml_tree_refuse(tree, node, err, *field ? field : RULES_KEY, "%s", sentence_of(&why));
}

/* One that only Ruby itself can judge is none that is wrong. */
static int read_ruby(struct yaml_tree *tree, const yaml_node_t *node, struct run_light_spec *ret,
		     struct err *err)
{
	const char *text = yaml_tree_text(tree, node, RUBY_KEY, err);
	struct light *light = NULL;
	struct light_fault fault;
	char why[384];

	if (!text)
		return -EINVAL;
	if (light_compile_ruby(text, strlen(text), &light, &fault) < 0 && fault.kind != LIGHT_UNSUPPORTED) {
		if (fault.kind == LIGHT_NO_MEMORY)
			return err_set(err, -ENOMEM, "%s", tree->name);
		light_fault_explain(&fault, why, sizeof(why));
		return yaml_tree_refuse(tree, node, err, RUBY_KEY, "%s", why);
	}
	light_unref(light);
	ret->ruby_len = strlen(text);
	ret->ruby = strdup(text);
	return ret->ruby ? 0 : err_set(err, -ENOMEM, "%s", tree->name);
}

int language_light_read(struct yaml_tree *tree, const yaml_node_t *node, struct run_light_spec *ret,
			struct err *err)
{
	const char *key;
	yaml_node_t *value;
	int r = 0;

	if (node->type != YAML_MAPPING_NODE)
		return yaml_tree_refuse(tree, node, err, KEY, "must be a mapping with `rules` or `ruby`");
	for (size_t i = 0; r == 0 && yaml_tree_pair(tree, node, i, &key, &value); i++) {
		if (strcmp(key, "rules") == 0)
			r = read_rules(tree, value, ret, err);
		else if (strcmp(key, "ruby") == 0)
			r = read_ruby(tree, value, ret, err);
		else
			r = yaml_tree_refuse(tree, value, err, KEY, "there is no key '%.40s' here", key);
	}
	if (r == 0 && !ret->rules == !ret->ruby)
		return yaml_tree_refuse(tree, node, err, KEY, "needs one of `rules` and `ruby`");
	return r;
}
