/*
 * The parser's parts among themselves. Functions that parse return false or NULL after a mistake, which parse_fail() has
 * put into `error`.
 */
#ifndef KILN_RUNTIMES_LOLCODE_PARSE_H
#define KILN_RUNTIMES_LOLCODE_PARSE_H

#include "lolcode/lolcode_priv.h"

#define DEPTH_MAX 200	/* of expressions and of blocks in one another */
#define NAMES_MAX 10000 /* a scope has room for each */

struct parser {
	struct token_list tokens;
	size_t at;
	unsigned depth;
	bool in_function;
	struct lol_program *program;
	char *error; /* "" until the first mistake */
};

/* Keeps the first mistake; false. */
bool parse_fail(struct parser *p, const char *text);

const struct token *parse_peek(const struct parser *p);

/* True when these words come next; the second steps over them, the third calls it a mistake when they do not. */
bool parse_ahead(const struct parser *p, const char *phrase);
bool parse_take(struct parser *p, const char *phrase);
bool parse_expect(struct parser *p, const char *phrase);
bool parse_take_kind(struct parser *p, enum token_kind kind);

/* A node that belongs to the program, in the line of the next token. */
struct node *parse_node(struct parser *p, enum node_kind kind);

bool parse_name(struct parser *p, int *ret);
int parse_name_number(struct parser *p, const char *text, size_t len); /* -1: no memory */
bool parse_type(struct parser *p, enum value_type *ret);
struct node *parse_expression(struct parser *p);

/* A YARN with its escapes and variables (parse_yarn.c). */
struct node *parse_yarn(struct parser *p);

/* HAI … KTHXBYE (parse_statement.c). */
bool parse_program(struct parser *p);

#endif
