/*
 * How it works: libyaml composes the whole document; one pass over its nodes then refuses what the readers would
 * otherwise each have to check (duplicate keys, keys that are no text, NUL bytes). Aliases are told from that same node
 * array: in a tree every node has exactly one parent, so a node with two is an alias, and a cycle is one too.
 */
#include "config/yaml_tree.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static size_t pairs_count(const yaml_node_t *node)
{
	return (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
}

static size_t items_count(const yaml_node_t *node)
{
	return (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
}

static const char *scalar_text(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

int yaml_tree_refuse(const struct yaml_tree *tree, const yaml_node_t *node, struct err *err, const char *key,
		     const char *format, ...)
{
	char sentence[384];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	return err_refuse(err, ERR_INTERNAL, "yaml_invalid", key, "%s:%zu: %s%s%s", tree->name,
			  node ? node->start_mark.line + 1 : 1, key ? key : "", key ? ": " : "", sentence);
}

yaml_node_t *yaml_tree_root(struct yaml_tree *tree)
{
	return yaml_document_get_root_node(&tree->document);
}

bool yaml_tree_pair(struct yaml_tree *tree, const yaml_node_t *node, size_t at, const char **ret_key,
		    yaml_node_t **ret_value)
{
	const yaml_node_pair_t *pair;

	if (at >= pairs_count(node))
		return false;
	pair = &node->data.mapping.pairs.start[at];
	*ret_key = scalar_text(yaml_document_get_node(&tree->document, pair->key));
	*ret_value = yaml_document_get_node(&tree->document, pair->value);
	return true;
}

yaml_node_t *yaml_tree_item(struct yaml_tree *tree, const yaml_node_t *node, size_t at)
{
	if (at >= items_count(node))
		return NULL;
	return yaml_document_get_node(&tree->document, node->data.sequence.items.start[at]);
}

static bool is_null(const yaml_node_t *node)
{
	const char *text = scalar_text(node);

	if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	return strcmp(text, "") == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

const char *yaml_tree_text(const struct yaml_tree *tree, const yaml_node_t *node, const char *key,
			   struct err *err)
{
	if (node->type != YAML_SCALAR_NODE) {
		yaml_tree_refuse(tree, node, err, key, "must be one value, not a %s",
				 node->type == YAML_SEQUENCE_NODE ? "list" : "mapping");
		return NULL;
	}
	if (is_null(node)) {
		yaml_tree_refuse(tree, node, err, key, "has no value");
		return NULL;
	}
	return scalar_text(node);
}

int yaml_tree_texts(struct yaml_tree *tree, const yaml_node_t *node, const char *key, char ***v,
		    struct err *err)
{
	const yaml_node_t *item = node;
	const char *text;

	if (node->type == YAML_SEQUENCE_NODE)
		item = yaml_tree_item(tree, node, 0);
	for (size_t i = 1; item; i++) {
		if (i > YAML_TREE_ITEMS_MAX)
			return yaml_tree_refuse(tree, item, err, key, "more than %d items",
						YAML_TREE_ITEMS_MAX);
		text = yaml_tree_text(tree, item, key, err);
		if (!text)
			return -EINVAL;
		if (strv_append(v, text, strlen(text)) < 0)
			return err_set(err, -ENOMEM, "%s", tree->name);
		item = node->type == YAML_SEQUENCE_NODE ? yaml_tree_item(tree, node, i) : NULL;
	}
	return 0;
}

static int check_mapping(struct yaml_tree *tree, const yaml_node_t *node, struct err *err)
{
	const yaml_node_pair_t *pairs = node->data.mapping.pairs.start;
	const yaml_node_t *key, *earlier;

	for (size_t i = 0; i < pairs_count(node); i++) {
		key = yaml_document_get_node(&tree->document, pairs[i].key);
		if (key->type != YAML_SCALAR_NODE)
			return yaml_tree_refuse(tree, key, err, NULL, "a key must be a word");
		for (size_t k = 0; k < i; k++) {
			earlier = yaml_document_get_node(&tree->document, pairs[k].key);
			if (strcmp(scalar_text(key), scalar_text(earlier)) == 0)
				return yaml_tree_refuse(tree, key, err, scalar_text(key),
							"stands here twice, first in line %zu",
							earlier->start_mark.line + 1);
		}
	}
	return 0;
}

static int mark_child(struct yaml_tree *tree, bool *has_parent, int index, struct err *err)
{
	const yaml_node_t *node = yaml_document_get_node(&tree->document, index);

	if (has_parent[index])
		return yaml_tree_refuse(tree, node, err, NULL, "anchors and aliases are not supported");
	has_parent[index] = true;
	return 0;
}

static int mark_children(struct yaml_tree *tree, bool *has_parent, const yaml_node_t *node, struct err *err)
{
	int r = 0;

	if (node->type == YAML_SEQUENCE_NODE) {
		for (size_t i = 0; i < items_count(node) && r == 0; i++)
			r = mark_child(tree, has_parent, node->data.sequence.items.start[i], err);
	} else if (node->type == YAML_MAPPING_NODE) {
		for (size_t i = 0; i < pairs_count(node) && r == 0; i++) {
			r = mark_child(tree, has_parent, node->data.mapping.pairs.start[i].key, err);
			if (r == 0)
				r = mark_child(tree, has_parent, node->data.mapping.pairs.start[i].value,
					       err);
		}
	}
	return r;
}

/* The mappings of these files have tens of keys; a bound keeps the quadratic search for duplicates cheap. */
#define MAPPING_KEYS_MAX 1024

static int check_nodes(struct yaml_tree *tree, struct err *err)
{
	size_t count = (size_t)(tree->document.nodes.top - tree->document.nodes.start);
	AUTO_FREE bool *has_parent = calloc(count + 1, sizeof(*has_parent));
	const yaml_node_t *node;
	int r;

	if (!has_parent)
		return err_set(err, -ENOMEM, "%s", tree->name);
	for (size_t i = 0; i < count; i++) {
		node = &tree->document.nodes.start[i];
		r = mark_children(tree, has_parent, node, err);
		if (r < 0)
			return r;
		if (node->type == YAML_SCALAR_NODE && strlen(scalar_text(node)) != node->data.scalar.length)
			return yaml_tree_refuse(tree, node, err, NULL, "a text must not contain a NUL byte");
		if (node->type != YAML_MAPPING_NODE)
			continue;
		if (pairs_count(node) > MAPPING_KEYS_MAX)
			return yaml_tree_refuse(tree, node, err, NULL, "more than %d keys", MAPPING_KEYS_MAX);
		r = check_mapping(tree, node, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parser_failed(const struct yaml_tree *tree, const yaml_parser_t *parser, struct err *err)
{
	size_t line = parser->problem_mark.line + 1;

	if (parser->error == YAML_MEMORY_ERROR)
		return err_set(err, -ENOMEM, "%s", tree->name);
	return err_refuse(err, ERR_INTERNAL, "yaml_invalid", NULL, "%s:%zu: not YAML: %s", tree->name, line,
			  parser->problem ? parser->problem : "unreadable");
}

static int compose(yaml_parser_t *parser, struct yaml_tree *tree, struct err *err)
{
	yaml_document_t second;
	bool more;

	if (!yaml_parser_load(parser, &tree->document))
		return parser_failed(tree, parser, err);
	tree->loaded = true;
	if (!yaml_document_get_root_node(&tree->document))
		return 0;

	if (!yaml_parser_load(parser, &second))
		return parser_failed(tree, parser, err);
	more = yaml_document_get_root_node(&second) != NULL;
	yaml_document_delete(&second);
	if (more)
		return yaml_tree_refuse(tree, NULL, err, NULL, "more than one document");
	return check_nodes(tree, err);
}

int yaml_tree_parse(const char *name, const uint8_t *data, size_t len, struct yaml_tree *ret, struct err *err)
{
	struct yaml_tree tree = { 0 };
	yaml_parser_t parser;
	int r;

	if (len > YAML_TREE_BYTES_MAX)
		return err_set(err, -EFBIG, "%s: over %lu bytes", name, YAML_TREE_BYTES_MAX);
	tree.name = strdup(name);
	if (!tree.name)
		return err_set(err, -ENOMEM, "%s", name);
	if (!yaml_parser_initialize(&parser)) {
		free(tree.name);
		return err_set(err, -ENOMEM, "%s", name);
	}
	yaml_parser_set_input_string(&parser, data ? data : (const uint8_t *)"", len);
	r = compose(&parser, &tree, err);
	yaml_parser_delete(&parser);
	if (r < 0) {
		yaml_tree_finish(&tree);
		return r;
	}
	*ret = tree;
	return 0;
}

static int read_all(int fd, struct buf *b)
{
	uint8_t *at;
	ssize_t n;

	for (;;) {
		if (b->len == b->max)
			return -EFBIG;
		at = buf_reserve(b, b->max - b->len < 65536 ? b->max - b->len : 65536);
		if (!at)
			return -ENOMEM;
		n = read(fd, at, b->max - b->len < 65536 ? b->max - b->len : 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		b->len += (size_t)n;
	}
}

int yaml_tree_load(const char *path, struct yaml_tree *ret, struct err *err)
{
	/* One byte more than is allowed, so that a file of just that size is told from a larger one. */
	AUTO_BUF struct buf text = BUF_INIT(YAML_TREE_BYTES_MAX + 1);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r;

	if (fd < 0)
		return err_set(err, -errno, "%s", path);
	r = read_all(fd, &text);
	if (r < 0)
		return err_set(err, r, "%s", path);
	return yaml_tree_parse(path, text.data, text.len, ret, err);
}

void yaml_tree_finish(struct yaml_tree *tree)
{
	if (!tree)
		return;
	if (tree->loaded)
		yaml_document_delete(&tree->document);
	free(tree->name);
	*tree = (struct yaml_tree){ 0 };
}
