/*
 * kiln.conf: a mapping of setting names to values; `ceilings` and `docker` are mappings of their own and
 * `tokens` may be one.
 */
#include "config/config_priv.h"
#include "config/yaml_tree.h"

#include <errno.h>
#include <string.h>

struct place {
	struct config_reader *reader;
	struct yaml_tree *tree;
};

static void origin_of(const struct place *place, const yaml_node_t *node, const char *name, char *text,
		      size_t size)
{
	snprintf(text, size, "%s:%zu: %s", place->tree->name, node->start_mark.line + 1, name);
}

static int read_value(const struct place *place, size_t at, const yaml_node_t *node, struct err *err)
{
	const struct setting *setting = &config_settings[at];
	char origin[256];
	const char *text;

	/* Only an optional text may be written as nothing; for all else that is a mistake. */
	if (setting->type == SETTING_TEXT && node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0)
		text = "";
	else
		text = yaml_tree_text(place->tree, node, setting->name, err);
	if (!text)
		return -EINVAL;
	origin_of(place, node, setting->name, origin, sizeof(origin));
	return setting_set(place->reader, at, SOURCE_FILE, text, origin, err);
}

static int read_list(const struct place *place, size_t at, const yaml_node_t *node, struct err *err)
{
	const yaml_node_t *item;
	int r = 0;

	for (size_t i = 0; r == 0 && (item = yaml_tree_item(place->tree, node, i)); i++)
		r = read_value(place, at, item, err);
	return r;
}

static int read_tokens(const struct place *place, size_t at, const yaml_node_t *node, struct err *err)
{
	yaml_node_t *value;
	const char *name, *secret;
	struct config_token token;
	char origin[256];
	int r = 0;

	for (size_t i = 0; r == 0 && yaml_tree_pair(place->tree, node, i, &name, &value); i++) {
		secret = yaml_tree_text(place->tree, value, "tokens", err);
		if (!secret)
			return -EINVAL;
		origin_of(place, value, "tokens", origin, sizeof(origin));
		token = (struct config_token){ .name = (char *)name, .token = (char *)secret };
		r = setting_add_token(place->reader, at, SOURCE_FILE, &token, origin, err);
	}
	return r;
}

static int read_setting(const struct place *place, const char *name, const yaml_node_t *node, struct err *err)
{
	int at = setting_by_name(name, strlen(name));

	if (at < 0)
		return yaml_tree_refuse(place->tree, node, err, name, "there is no such setting");
	if (place->reader->set_by[at] == SOURCE_FILE)
		return yaml_tree_refuse(place->tree, node, err, name, "is set twice in this file");
	if (node->type == YAML_MAPPING_NODE && config_settings[at].type == SETTING_TOKENS)
		return read_tokens(place, (size_t)at, node, err);
	if (node->type == YAML_SEQUENCE_NODE &&
	    (config_settings[at].type == SETTING_TOKENS || config_settings[at].type == SETTING_LIST))
		return read_list(place, (size_t)at, node, err);
	return read_value(place, (size_t)at, node, err);
}

/* The mapping `group`, of which each key is a setting "group.key". */
static int read_group(const struct place *place, const char *group, const yaml_node_t *node, struct err *err)
{
	yaml_node_t *value;
	const char *key;
	char name[128];
	int r = 0;

	for (size_t i = 0; r == 0 && yaml_tree_pair(place->tree, node, i, &key, &value); i++) {
		snprintf(name, sizeof(name), "%s.%s", group, key);
		r = read_setting(place, name, value, err);
	}
	return r;
}

static bool is_group(const char *key)
{
	return strcmp(key, "ceilings") == 0 || strcmp(key, "docker") == 0;
}

static int read_root(const struct place *place, struct err *err)
{
	yaml_node_t *root = yaml_tree_root(place->tree);
	yaml_node_t *value;
	const char *key;
	int r = 0;

	if (!root)
		return 0;
	if (root->type != YAML_MAPPING_NODE)
		return yaml_tree_refuse(place->tree, root, err, NULL,
					"must be settings, one \"name: value\" a line");
	for (size_t i = 0; r == 0 && yaml_tree_pair(place->tree, root, i, &key, &value); i++) {
		if (value->type == YAML_MAPPING_NODE && is_group(key))
			r = read_group(place, key, value, err);
		else
			r = read_setting(place, key, value, err);
	}
	return r;
}

int config_file(struct config_reader *reader, const char *path, struct err *err)
{
	struct yaml_tree tree;
	int r;

	r = yaml_tree_load(path, &tree, err);
	if (r < 0)
		return r;
	r = read_root(&(struct place){ .reader = reader, .tree = &tree }, err);
	yaml_tree_finish(&tree);
	return r;
}
