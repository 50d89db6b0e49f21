#include "image/recipe.h"

#include "base/cleanup.h"
#include "base/path.h"
#include "base/strv.h"
#include "config/yaml_tree.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define FILES_MAX 256

static const char *const suites[] = { "bullseye", "bookworm", "bookworm-backports", "trixie", "sid" };

struct key {
	const char *name;
	bool required;
	size_t offset;
	int (*read)(struct yaml_tree *tree, yaml_node_t *node, const struct key *key, void *member,
		    struct err *err);
	const char *allowed; /* characters that a text may have; NULL: any */
};

/*
 * What ends up as an argument of another program is made of harmless characters and begins with none of an
 * option.
 */
static int check_text(const struct yaml_tree *tree, const yaml_node_t *node, const struct key *key,
		      const char *text, struct err *err)
{
	if (!key->allowed)
		return 0;
	if (!*text || *text == '-' || text[strspn(text, key->allowed)])
		return yaml_tree_refuse(tree, node, err, key->name, "'%.60s' is not what can stand here",
					text);
	return 0;
}

static int read_text(struct yaml_tree *tree, yaml_node_t *node, const struct key *key, void *member,
		     struct err *err)
{
	const char *text = yaml_tree_text(tree, node, key->name, err);
	int r = text ? check_text(tree, node, key, text, err) : -EINVAL;

	if (r < 0)
		return r;
	*(char **)member = strdup(text);
	return *(char **)member ? 0 : err_set(err, -ENOMEM, "recipe");
}

static int read_suite(struct yaml_tree *tree, yaml_node_t *node, const struct key *key, void *member,
		      struct err *err)
{
	int r = read_text(tree, node, key, member, err);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(suites); i++) {
		if (strcmp(*(char **)member, suites[i]) == 0)
			return 0;
	}
	return r < 0 ? r
		     : yaml_tree_refuse(tree, node, err, key->name,
					"must be bullseye, bookworm, bookworm-backports, trixie or sid");
}

static int read_texts(struct yaml_tree *tree, yaml_node_t *node, const struct key *key, void *member,
		      struct err *err)
{
	char ***list = member;
	int r = yaml_tree_texts(tree, node, key->name, list, err);

	for (size_t i = 0; r == 0 && *list && (*list)[i]; i++)
		r = check_text(tree, node, key, (*list)[i], err);
	return r;
}

static int read_env(struct yaml_tree *tree, yaml_node_t *node, const struct key *key, void *member,
		    struct err *err)
{
	const char *name;
	yaml_node_t *value;

	if (node->type != YAML_MAPPING_NODE)
		return yaml_tree_refuse(tree, node, err, key->name, "must be a mapping of names to values");
	for (size_t i = 0; yaml_tree_pair(tree, node, i, &name, &value); i++) {
		const char *text = yaml_tree_text(tree, value, key->name, err);
		AUTO_FREE char *variable = NULL;
		int n;

		if (!text)
			return -EINVAL;
		if (!*name || strchr(name, '='))
			return yaml_tree_refuse(tree, value, err, key->name,
						"'%.60s' is no name of a variable", name);
		n = asprintf(&variable, "%s=%s", name, text);
		if (n < 0)
			variable = NULL;
		if (n < 0 || strv_append(member, variable, (size_t)n) < 0)
			return err_set(err, -ENOMEM, "recipe");
	}
	return 0;
}

static int read_mode(struct yaml_tree *tree, yaml_node_t *node, const struct key *key, void *member,
		     struct err *err)
{
	const char *text = yaml_tree_text(tree, node, key->name, err);

	if (!text)
		return -EINVAL;
	if (strcmp(text, "0755") != 0 && strcmp(text, "0644") != 0)
		return yaml_tree_refuse(tree, node, err, key->name, "must be \"0644\" or \"0755\"");
	*(uint32_t *)member = text[1] == '7' ? 0755 : 0644;
	return 0;
}

static int read_keys(struct yaml_tree *tree, yaml_node_t *node, const struct key *keys, size_t count,
		     void *base, struct err *err)
{
	uint64_t seen = 0;
	const char *name;
	yaml_node_t *value;
	int r;

	if (!node || node->type != YAML_MAPPING_NODE)
		return yaml_tree_refuse(tree, node, err, NULL, "must be a mapping of keys");
	for (size_t i = 0; yaml_tree_pair(tree, node, i, &name, &value); i++) {
		size_t at = 0;

		while (at < count && strcmp(keys[at].name, name) != 0)
			at++;
		if (at == count)
			return yaml_tree_refuse(tree, value, err, name, "there is no such key");
		r = keys[at].read(tree, value, &keys[at], (char *)base + keys[at].offset, err);
		if (r < 0)
			return r;
		seen |= 1ULL << at;
	}
	for (size_t i = 0; i < count; i++) {
		if (keys[i].required && !(seen & 1ULL << i))
			return yaml_tree_refuse(tree, node, err, NULL, "key '%s' is missing", keys[i].name);
	}
	return 0;
}

#define ALPHANUMERIC "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static const struct key file_keys[] = {
	{ "from", true, offsetof(struct recipe_file, from), read_text, ALPHANUMERIC "._-+/:" },
	{ "to", true, offsetof(struct recipe_file, to), read_text, ALPHANUMERIC "._-+/" },
	{ "mode", false, offsetof(struct recipe_file, mode), read_mode, NULL },
};

static int read_files(struct yaml_tree *tree, yaml_node_t *node, const struct key *key, void *member,
		      struct err *err)
{
	struct recipe *recipe = (struct recipe *)((char *)member - offsetof(struct recipe, files));
	yaml_node_t *item;
	int r;

	if (node->type != YAML_SEQUENCE_NODE)
		return yaml_tree_refuse(tree, node, err, key->name, "must be a list");
	recipe->files = calloc(FILES_MAX, sizeof(*recipe->files));
	if (!recipe->files)
		return err_set(err, -ENOMEM, "recipe");
	for (size_t i = 0; (item = yaml_tree_item(tree, node, i)); i++) {
		struct recipe_file *file = &recipe->files[i];

		if (i == FILES_MAX)
			return yaml_tree_refuse(tree, node, err, key->name, "more than %d", FILES_MAX);
		recipe->files_count = i + 1;
		file->mode = 0644;
		r = read_keys(tree, item, file_keys, ARRAY_LEN(file_keys), file, err);
		if (r < 0)
			return r;
		if (file->to[0] != '/' || file->from[0] == '/' || path_goes_up(file->to) ||
		    path_goes_up(file->from))
			return yaml_tree_refuse(tree, item, err, key->name,
						"`from` is a path beside the recipe, `to` an absolute one, "
						"both without '..'");
	}
	return 0;
}

static const struct key recipe_keys[] = {
	{ "name", true, offsetof(struct recipe, name), read_text, ALPHANUMERIC "._-:" },
	{ "description", false, offsetof(struct recipe, description), read_text, NULL },
	{ "suite", true, offsetof(struct recipe, suite), read_suite, ALPHANUMERIC "-" },
	{ "packages", true, offsetof(struct recipe, packages), read_texts, ALPHANUMERIC ".+-:" },
	{ "npm", false, offsetof(struct recipe, npm), read_texts, ALPHANUMERIC "@/._-^~" },
	{ "files", false, offsetof(struct recipe, files), read_files, NULL },
	{ "setup", false, offsetof(struct recipe, setup), read_texts, NULL },
	{ "env", false, offsetof(struct recipe, env), read_env, NULL },
};

int recipe_load(const char *path, struct recipe *ret, struct err *err)
{
	struct yaml_tree tree;
	int r;

	*ret = (struct recipe){ 0 };
	r = yaml_tree_load(path, &tree, err);
	if (r < 0)
		return r;
	r = read_keys(&tree, yaml_tree_root(&tree), recipe_keys, ARRAY_LEN(recipe_keys), ret, err);
	yaml_tree_finish(&tree);
	return r;
}

void recipe_finish(struct recipe *recipe)
{
	for (size_t i = 0; i < recipe->files_count; i++) {
		free(recipe->files[i].from);
		free(recipe->files[i].to);
	}
	free(recipe->files);
	free(recipe->name);
	free(recipe->description);
	free(recipe->suite);
	strv_free(recipe->packages);
	strv_free(recipe->npm);
	strv_free(recipe->setup);
	strv_free(recipe->env);
	*recipe = (struct recipe){ 0 };
}
