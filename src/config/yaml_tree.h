/*
 * A YAML file read as a tree whose every node remembers its line, so that any complaint about it can name file, line
 * and key.
 *
 * A thin layer on libyaml's documents. Stricter than YAML: one document, keys are plain texts and never twice in one
 * mapping, no anchors and aliases, no NUL in a text, at most YAML_TREE_BYTES_MAX bytes. All scalars are texts; what
 * they mean is the reader's business. Nodes belong to their tree.
 */
#ifndef KILN_CONFIG_YAML_TREE_H
#define KILN_CONFIG_YAML_TREE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

#define YAML_TREE_BYTES_MAX (1024UL * 1024)
#define YAML_TREE_ITEMS_MAX 256 /* of a list that yaml_tree_texts() reads */

struct yaml_tree {
	yaml_document_t document;
	char *name; /* of the file, for errors */
	bool loaded;
};

/* Reads a file. -errno when it cannot be read, -EFBIG when over the bound, -EINVAL when it is not such YAML. */
[[nodiscard]] int yaml_tree_load(const char *path, struct yaml_tree *ret, struct err *err);

/* Reads YAML from memory; `name` is copied and used in errors. */
[[nodiscard]] int yaml_tree_parse(const char *name, const uint8_t *data, size_t len, struct yaml_tree *ret,
				  struct err *err);

/* The topmost node, or NULL when the file holds nothing (only comments, say). */
yaml_node_t *yaml_tree_root(struct yaml_tree *tree);

/* Sets *err to "file:line: key: sentence". Returns -EINVAL. `key` may be NULL. */
int yaml_tree_refuse(const struct yaml_tree *tree, const yaml_node_t *node, struct err *err, const char *key,
		     const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The text of a scalar that is not empty or null ("~", plain "null"), or NULL with *err set. */
const char *yaml_tree_text(const struct yaml_tree *tree, const yaml_node_t *node, const char *key,
			   struct err *err);

/* The pairs of a mapping; `at` counts from 0. False at the end. `node` must be a YAML_MAPPING_NODE. */
bool yaml_tree_pair(struct yaml_tree *tree, const yaml_node_t *node, size_t at, const char **ret_key,
		    yaml_node_t **ret_value);

/* The items of a sequence; `at` counts from 0. NULL at the end. `node` must be a YAML_SEQUENCE_NODE. */
yaml_node_t *yaml_tree_item(struct yaml_tree *tree, const yaml_node_t *node, size_t at);

/* Appends the texts of a sequence, or the one text of a scalar, to *v (strv_free()). */
[[nodiscard]] int yaml_tree_texts(struct yaml_tree *tree, const yaml_node_t *node, const char *key, char ***v,
				  struct err *err);

/* NULL and zeroed trees are fine. */
void yaml_tree_finish(struct yaml_tree *tree);

#endif
