/*
 * One language file. A table says which keys there are and of which kind; a reader for each kind checks what it reads
 * while the line is still known.
 *
 * A file with `versions` is read once for each of them: all keys of the file, then the version's own over them.
 */
#include "run/language_priv.h"

#include "base/cleanup.h"
#include "base/strv.h"
#include "config/engine_rules.h"
#include "config/quantity.h"
#include "config/yaml_tree.h"
#include "run/plan_priv.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VERSIONS_MAX  32
#define WARM_MOST_MAX 1024

/* Where a reader is. */
struct place {
	struct yaml_tree *tree;
	const yaml_node_t *node;
	char path[128]; /* of the key, for errors: "run.limits" */
	bool over;	/* what is read takes the place of what the file says for all versions */
};

struct language_key {
	const char *key;
	bool required;
	int (*read)(const struct place *place, void *member, struct err *err);
	size_t offset;
	bool (*check)(const char *text); /* of each text; NULL: any */
	const char *rule;		 /* what check() asks for, for errors */
};

static int read_keys(const struct place *place, const struct language_key *keys, size_t count, void *base,
		     struct err *err);
static int require_keys(const struct place *place, const struct language_key *keys, size_t count,
			const void *base, struct err *err);

static bool is_name(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > 64 || !strchr("abcdefghijklmnopqrstuvwxyz0123456789", text[0]))
		return false;
	return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+#._-") == len;
}

static bool is_line(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	}
	return len > 0 && len <= 256;
}

static bool is_number(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len < 64 && strspn(text, "0123456789.") == len && text[0] != '.' &&
	       text[len - 1] != '.' && !strstr(text, "..");
}

/* Relative, no empty, "." or ".." component: it must stay in /sandbox. */
static bool is_inside(const char *text)
{
	size_t len;

	if (!is_line(text))
		return false;
	for (;; text += len + 1) {
		len = strcspn(text, "/");
		if (len == 0 || (len == 1 && text[0] == '.') ||
		    (len == 2 && text[0] == '.' && text[1] == '.'))
			return false;
		if (text[len] == '\0')
			return true;
	}
}

static bool is_engine(const char *text)
{
	return strcmp(text, "native") == 0 || strcmp(text, "docker") == 0;
}

static bool is_extension(const char *text)
{
	return is_line(text) && !strpbrk(text, "./");
}

/* "/usr/bin/node|/usr/local/bin/node" */
static bool is_absolute(const char *text)
{
	if (!is_line(text))
		return false;
	for (;;) {
		if (*text != '/')
			return false;
		text = strchr(text, '|');
		if (!text)
			return true;
		text++;
	}
}

static bool is_version_pattern(const char *text)
{
	const char *slash = strrchr(text, '/');

	return is_absolute(text) && !strchr(text, '|') && strstr(slash, "{version}");
}

static int check_text(const struct place *place, const struct language_key *key, const char *text,
		      struct err *err)
{
	if (!key->check || key->check(text))
		return 0;
	return yaml_tree_refuse(place->tree, place->node, err, place->path, "'%.80s' is not %s", text,
				key->rule);
}

static int read_text(const struct place *place, void *member, struct err *err)
{
	const char *text = yaml_tree_text(place->tree, place->node, place->path, err);

	if (!text)
		return -EINVAL;
	free(*(char **)member);
	*(char **)member = strdup(text);
	return *(char **)member ? 0 : err_set(err, -ENOMEM, "%s", place->tree->name);
}

static int read_texts(const struct place *place, void *member, struct err *err)
{
	if (place->over) {
		strv_free(*(char ***)member);
		*(char ***)member = NULL;
	}
	return yaml_tree_texts(place->tree, place->node, place->path, member, err);
}

/* A version has the names that all of them have, and its own. */
static int read_aliases(const struct place *place, void *member, struct err *err)
{
	return yaml_tree_texts(place->tree, place->node, place->path, member, err);
}

static int read_command(const struct place *place, void *member, struct err *err)
{
	char ***command = member;
	char unknown[32];
	int r;

	if (place->node->type != YAML_SEQUENCE_NODE || !yaml_tree_item(place->tree, place->node, 0))
		return yaml_tree_refuse(place->tree, place->node, err, place->path,
					"must be a list: the program and its arguments");
	r = read_texts(place, command, err);
	if (r < 0)
		return r;
	for (size_t i = 0; (*command)[i]; i++) {
		if (!plan_placeholders_ok((*command)[i], unknown, sizeof(unknown)))
			return yaml_tree_refuse(place->tree, place->node, err, place->path,
						"'%.80s': %s is not a placeholder here", (*command)[i],
						unknown);
	}
	return 0;
}

static int read_env(const struct place *place, void *member, struct err *err)
{
	const char *name, *value;
	yaml_node_t *node;
	int r;

	if (place->node->type != YAML_MAPPING_NODE)
		return yaml_tree_refuse(place->tree, place->node, err, place->path,
					"must be a mapping of names to texts");
	for (size_t i = 0; yaml_tree_pair(place->tree, place->node, i, &name, &node); i++) {
		if (!plan_env_name_ok(name, strlen(name)))
			return yaml_tree_refuse(place->tree, node, err, place->path,
						"'%.80s' is not the name of a variable", name);
		value = yaml_tree_text(place->tree, node, place->path, err);
		if (!value)
			return -EINVAL;
		r = plan_env_set(member, name, strlen(name), value);
		if (r < 0)
			return err_set(err, r, "%s", place->tree->name);
	}
	return 0;
}

static int read_limit(const struct place *place, const char *name, const yaml_node_t *node,
		      struct limits *limits, struct err *err)
{
	int limit = limit_by_name(name);
	enum quantity quantity;
	const char *text;
	char low[32];

	if (limit < 0)
		return yaml_tree_refuse(place->tree, node, err, place->path, "there is no limit '%.80s'",
					name);
	text = yaml_tree_text(place->tree, node, place->path, err);
	if (!text)
		return -EINVAL;
	quantity = quantity_of_limit((enum limit_id)limit);
	if (quantity_parse(text, quantity, &limits->value[limit]) < 0)
		return yaml_tree_refuse(place->tree, node, err, place->path, "%s: '%.40s' is not %s", name,
					text, quantity_hint(quantity));
	quantity_format(limit_table[limit].minimum, quantity, low, sizeof(low));
	if (limits->value[limit] < limit_table[limit].minimum)
		return yaml_tree_refuse(place->tree, node, err, place->path, "%s: at least %s", name, low);
	return 0;
}

static int read_limits(const struct place *place, void *member, struct err *err)
{
	const char *name;
	yaml_node_t *node;
	int r = 0;

	if (place->node->type != YAML_MAPPING_NODE)
		return yaml_tree_refuse(place->tree, place->node, err, place->path,
					"must be a mapping of limits");
	for (size_t i = 0; r == 0 && yaml_tree_pair(place->tree, place->node, i, &name, &node); i++)
		r = read_limit(place, name, node, member, err);
	return r;
}

#define STEP_AT(member) offsetof(struct language_step, member)

static const struct language_key step_keys[] = {
	{ "command", true, read_command, STEP_AT(command), NULL, NULL },
	{ "env", false, read_env, STEP_AT(env), NULL, NULL },
	{ "limits", false, read_limits, STEP_AT(limits), NULL, NULL },
	{ "keep", false, read_texts, STEP_AT(keep), is_inside, "a relative name without '..'" },
};

static int read_step(const struct place *place, void *member, struct err *err)
{
	int r = read_keys(place, step_keys, ARRAY_LEN(step_keys), member, err);

	return r < 0 ? r : require_keys(place, step_keys, ARRAY_LEN(step_keys), member, err);
}

static int read_start(const struct place *place, void *member, struct err *err)
{
	struct language_files *files = member;
	const char *name, *text;
	yaml_node_t *node;

	if (place->node->type != YAML_MAPPING_NODE)
		return yaml_tree_refuse(place->tree, place->node, err, place->path,
					"must be a mapping of file names to texts");
	for (size_t i = 0; yaml_tree_pair(place->tree, place->node, i, &name, &node); i++) {
		if (!is_inside(name))
			return yaml_tree_refuse(place->tree, node, err, place->path,
						"'%.80s' is not a relative name without '..'", name);
		text = yaml_tree_text(place->tree, node, place->path, err);
		if (!text)
			return -EINVAL;
		if (strv_append(&files->names, name, strlen(name)) < 0 ||
		    strv_append(&files->texts, text, strlen(text)) < 0)
			return err_set(err, -ENOMEM, "%s", place->tree->name);
	}
	return 0;
}

static int read_light(const struct place *place, void *member, struct err *err)
{
	run_light_spec_finish(member);
	return language_light_read(place->tree, place->node, member, err);
}

/* A key that can have but one value yet. */
static int read_word(const struct place *place, const char *word, struct err *err)
{
	const char *text = yaml_tree_text(place->tree, place->node, place->path, err);

	if (!text)
		return -EINVAL;
	if (strcmp(text, word) != 0)
		return yaml_tree_refuse(place->tree, place->node, err, place->path, "can only be '%s'", word);
	return 0;
}

static int read_source_class(const struct place *place, void *member, struct err *err)
{
	int r = read_word(place, "java", err);

	if (r == 0)
		*(enum class_rule *)member = CLASS_RULE_JAVA;
	return r;
}

static int read_needs(const struct place *place, void *member, struct err *err)
{
	int r = read_word(place, "registry", err);

	if (r == 0)
		*(bool *)member = true;
	return r;
}

/* Read by itself, after all other keys. */
static int pass_versions(const struct place *place, void *member, struct err *err)
{
	if (!place->over)
		return 0;
	return yaml_tree_refuse(place->tree, place->node, err, place->path, "a version cannot have versions");
}

static int read_id(const struct place *place, void *member, struct err *err)
{
	if (!place->over)
		return read_text(place, member, err);
	return yaml_tree_refuse(place->tree, place->node, err, place->path, "is the same for all versions");
}

static bool is_until(const char *text)
{
	return strcmp(text, "files") == 0;
}

static bool is_env_glob(const char *text)
{
	return is_line(text) && !strpbrk(text, "=/");
}

static int read_most(const struct place *place, void *member, struct err *err)
{
	const char *text = yaml_tree_text(place->tree, place->node, place->path, err);
	int64_t most;

	if (!text)
		return -EINVAL;
	if (quantity_parse(text, QUANTITY_COUNT, &most) < 0 || most < 1 || most > WARM_MOST_MAX)
		return yaml_tree_refuse(place->tree, place->node, err, place->path,
					"'%.40s' is not a number from 1 to %d", text, WARM_MOST_MAX);
	*(unsigned *)member = (unsigned)most;
	return 0;
}

#define WARM_AT(member) offsetof(struct language_warm, member)

static const struct language_key warm_keys[] = {
	{ "until", false, read_text, WARM_AT(until), is_until, "'files'" },
	{ "command", false, read_texts, WARM_AT(command), NULL, NULL },
	{ "cold_env", false, read_texts, WARM_AT(cold_env), is_env_glob, "a pattern of names of variables" },
	{ "most", false, read_most, WARM_AT(most), NULL, NULL },
};

static int read_warm(const struct place *place, void *member, struct err *err)
{
	struct language_warm *warm = calloc(1, sizeof(*warm));
	int r;

	if (!warm)
		return err_set(err, -ENOMEM, "%s", place->tree->name);
	language_warm_destroy(*(struct language_warm **)member);
	*(struct language_warm **)member = warm;
	r = read_keys(place, warm_keys, ARRAY_LEN(warm_keys), warm, err);
	if (r < 0)
		return r;
	if (!warm->until == !(warm->command && warm->command[0]))
		return yaml_tree_refuse(place->tree, place->node, err, place->path,
					"needs one of `until` and `command`");
	if (warm->cold_env && !warm->command)
		return yaml_tree_refuse(place->tree, place->node, err, place->path,
					"`cold_env` is about a `command`");
	return 0;
}

/* A language with the environment that its steps share, which struct language has in each of them. */
struct draft {
	struct language language;
	char **env;
	char versions; /* of the key `versions`, which pass_versions() leaves alone */
};

#define AT(member) offsetof(struct draft, member)

static const struct language_key language_keys[] = {
	{ "id", true, read_id, AT(language.id), is_name, "a name of small letters, digits and + # . _ -" },
	{ "name", true, read_text, AT(language.name), is_line, "one line of at most 256 bytes" },
	{ "aliases", false, read_aliases, AT(language.aliases), is_name,
	  "a name of small letters, digits and + # . _ -" },
	{ "version", false, read_text, AT(language.version), is_number,
	  "a version: numbers with dots between" },
	{ "version_from", false, read_texts, AT(language.version_from), is_version_pattern,
	  "an absolute path with {version} in its last part" },
	{ "version_command", false, read_command, AT(language.version_command), NULL, NULL },
	{ "image", true, read_text, AT(language.image), is_line, "the name of an image" },
	{ "engine", false, read_text, AT(language.engine), is_engine, "native or docker" },
	{ "runtime", false, read_text, AT(language.runtime), engine_runtime_valid,
	  "the name of a runtime: letters, digits and . _ -" },
	{ "source_file", true, read_text, AT(language.source_file), is_inside,
	  "a relative name without '..'" },
	{ "extensions", false, read_texts, AT(language.extensions), is_extension,
	  "an extension without its dot" },
	{ "requires", false, read_texts, AT(language.requires), is_absolute,
	  "an absolute path (with '|' between: either)" },
	{ "needs", false, read_needs, AT(language.needs_registry), NULL, NULL },
	{ "source_class", false, read_source_class, AT(language.source_class), NULL, NULL },
	{ "env", false, read_env, AT(env), NULL, NULL },
	{ "compile", false, read_step, AT(language.compile), NULL, NULL },
	{ "run", true, read_step, AT(language.run), NULL, NULL },
	{ "warm", false, read_warm, AT(language.warm), NULL, NULL },
	{ "start", false, read_start, AT(language.start), NULL, NULL },
	{ "traffic_light", false, read_light, AT(language.light), NULL, NULL },
	{ "hello", false, read_text, AT(language.hello), NULL, NULL },
	{ "echo", false, read_text, AT(language.echo), NULL, NULL },
	{ "compile_error", false, read_text, AT(language.compile_error), NULL, NULL },
	{ "runtime_error", false, read_text, AT(language.runtime_error), NULL, NULL },
	{ "endless_loop", false, read_text, AT(language.endless_loop), NULL, NULL },
	{ "memory_hog", false, read_text, AT(language.memory_hog), NULL, NULL },
	{ "versions", false, pass_versions, AT(versions), NULL, NULL },
};

static int check_member(const struct place *place, const struct language_key *key, void *member,
			struct err *err)
{
	char **texts;
	int r = 0;

	if (key->read == read_text || key->read == read_id)
		return check_text(place, key, *(char **)member, err);
	if (key->read != read_texts && key->read != read_aliases)
		return 0;
	texts = *(char ***)member;
	for (size_t i = 0; r == 0 && texts && texts[i]; i++)
		r = check_text(place, key, texts[i], err);
	return r;
}

static const struct language_key *key_by_name(const struct language_key *keys, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(keys[i].key, name) == 0)
			return &keys[i];
	}
	return NULL;
}

static int read_key(const struct place *outer, const struct language_key *keys, size_t count,
		    const char *name, const yaml_node_t *node, void *base, struct err *err)
{
	const struct language_key *key = key_by_name(keys, count, name);
	struct place place = { .tree = outer->tree, .node = node, .over = outer->over };
	void *member;
	int r;

	snprintf(place.path, sizeof(place.path), "%.40s%s%.40s", outer->path, *outer->path ? "." : "", name);
	if (!key)
		return yaml_tree_refuse(outer->tree, node, err, place.path, "there is no such key");
	member = (char *)base + key->offset;
	r = key->read(&place, member, err);
	return r < 0 ? r : check_member(&place, key, member, err);
}

static int read_keys(const struct place *place, const struct language_key *keys, size_t count, void *base,
		     struct err *err)
{
	const char *name;
	yaml_node_t *node;
	int r;

	if (!place->node || place->node->type != YAML_MAPPING_NODE)
		return yaml_tree_refuse(place->tree, place->node, err, *place->path ? place->path : NULL,
					"must be a mapping of keys");
	for (size_t i = 0; yaml_tree_pair(place->tree, place->node, i, &name, &node); i++) {
		r = read_key(place, keys, count, name, node, base, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What a required key leaves is a pointer, or begins with one. */
static int require_keys(const struct place *place, const struct language_key *keys, size_t count,
			const void *base, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (keys[i].required && !*(void *const *)((const char *)base + keys[i].offset))
			return yaml_tree_refuse(place->tree, place->node, err,
						*place->path ? place->path : NULL, "key '%s' is missing",
						keys[i].key);
	}
	return 0;
}

/* Gives a step the language's own environment, beneath what the step says itself. */
static int share_env(char **env, struct language_step *step)
{
	char **merged = NULL;
	int r;

	r = plan_env_merge(&merged, env);
	if (r == 0)
		r = plan_env_merge(&merged, step->env);
	if (r < 0) {
		strv_free(merged);
		return r;
	}
	strv_free(step->env);
	step->env = merged;
	return 0;
}

static int complete(const struct place *place, struct draft *draft, struct err *err)
{
	struct language *language = &draft->language;
	int r;

	r = require_keys(place, language_keys, ARRAY_LEN(language_keys), draft, err);
	if (r < 0)
		return r;
	if (!language->hello && !language->start.names)
		return yaml_tree_refuse(place->tree, place->node, err, NULL, "key 'hello' is missing");
	if (language->version && language->version_from)
		return yaml_tree_refuse(place->tree, place->node, err, "version_from",
					"the file says the version already");
	if (language->version_from && !language->requires)
		return yaml_tree_refuse(place->tree, place->node, err, "version_from",
					"needs `requires`, whose first program it is about");
	if (language->runtime && (!language->engine || strcmp(language->engine, "docker") != 0))
		return yaml_tree_refuse(place->tree, place->node, err, "runtime",
					"is one of the Docker engine: say `engine: docker` too");
	if (!language->version)
		language->version = strdup("");
	if (!language->version || share_env(draft->env, &language->compile) < 0 ||
	    share_env(draft->env, &language->run) < 0)
		return err_set(err, -ENOMEM, "%s", place->tree->name);
	if (language->warm && language_warm_prepare(language, language->warm) < 0)
		return err_set(err, -ENOMEM, "%s", place->tree->name);
	return 0;
}

/* Reads the file's keys, then those of one of its versions, unless that is NULL; adds the language to the list. */
static int read_language(struct yaml_tree *tree, const yaml_node_t *version, struct language_list *list,
			 struct err *err)
{
	struct place place = { .tree = tree, .node = yaml_tree_root(tree) };
	struct draft draft = { 0 };
	int r;

	r = read_keys(&place, language_keys, ARRAY_LEN(language_keys), &draft, err);
	if (r == 0 && version) {
		place.node = version;
		place.over = true;
		r = read_keys(&place, language_keys, ARRAY_LEN(language_keys), &draft, err);
	}
	if (r == 0)
		r = complete(&place, &draft, err);
	strv_free(draft.env);
	if (r < 0)
		language_finish(&draft.language);
	else
		list->items[list->count++] = draft.language;
	return r;
}

/* The list of versions of a file, or NULL. */
static const yaml_node_t *versions_of(struct yaml_tree *tree)
{
	yaml_node_t *root = yaml_tree_root(tree), *node;
	const char *name;

	if (!root || root->type != YAML_MAPPING_NODE)
		return NULL;
	for (size_t i = 0; yaml_tree_pair(tree, root, i, &name, &node); i++) {
		if (strcmp(name, "versions") == 0)
			return node;
	}
	return NULL;
}

static int read_file(struct yaml_tree *tree, struct language_list *list, struct err *err)
{
	const yaml_node_t *versions = versions_of(tree);
	size_t count = 1;
	int r = 0;

	if (versions) {
		if (versions->type != YAML_SEQUENCE_NODE || !yaml_tree_item(tree, versions, 0))
			return yaml_tree_refuse(tree, versions, err, "versions",
						"must be a list of versions");
		for (count = 0; count <= VERSIONS_MAX && yaml_tree_item(tree, versions, count);)
			count++;
	}
	if (count > VERSIONS_MAX)
		return yaml_tree_refuse(tree, versions, err, "versions", "at most %d", VERSIONS_MAX);
	list->items = calloc(count, sizeof(*list->items));
	if (!list->items)
		return err_set(err, -ENOMEM, "%s", tree->name);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = read_language(tree, versions ? yaml_tree_item(tree, versions, i) : NULL, list, err);
	return r;
}

static int read_tree(struct yaml_tree *tree, struct language_list *ret, struct err *err)
{
	struct language_list list = { 0 };
	int r;

	r = read_file(tree, &list, err);
	if (r < 0)
		language_list_finish(&list);
	else
		*ret = list;
	return r;
}

int language_parse(const char *name, const uint8_t *data, size_t len, struct language_list *ret,
		   struct err *err)
{
	struct yaml_tree tree;
	int r;

	r = yaml_tree_parse(name, data, len, &tree, err);
	if (r < 0)
		return r;
	r = read_tree(&tree, ret, err);
	yaml_tree_finish(&tree);
	return r;
}

int language_load(const char *path, struct language_list *ret, struct err *err)
{
	struct yaml_tree tree;
	int r;

	r = yaml_tree_load(path, &tree, err);
	if (r < 0)
		return r;
	r = read_tree(&tree, ret, err);
	yaml_tree_finish(&tree);
	return r;
}

void language_list_finish(struct language_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		language_finish(&list->items[i]);
	free(list->items);
	*list = (struct language_list){ 0 };
}

static void step_finish(struct language_step *step)
{
	strv_free(step->command);
	strv_free(step->env);
	strv_free(step->keep);
}

void language_finish(struct language *language)
{
	free(language->id);
	free(language->name);
	strv_free(language->aliases);
	free(language->version);
	strv_free(language->version_from);
	free(language->image);
	free(language->engine);
	free(language->runtime);
	free(language->source_file);
	strv_free(language->extensions);
	strv_free(language->requires);
	step_finish(&language->compile);
	step_finish(&language->run);
	strv_free(language->version_command);
	strv_free(language->start.names);
	strv_free(language->start.texts);
	run_light_spec_finish(&language->light);
	language_warm_destroy(language->warm);
	free(language->hello);
	free(language->echo);
	free(language->compile_error);
	free(language->runtime_error);
	free(language->endless_loop);
	free(language->memory_hog);
	*language = (struct language){ 0 };
}
