#include "lolcode/parse.h"

#include <stdlib.h>
#include <string.h>

static struct node *parse_statement(struct parser *p);

static bool end_line(struct parser *p)
{
	return parse_take_kind(p, TOKEN_LINE) || parse_fail(p, "the line should end here");
}

/* Statements until one of the phrases comes, which are separated by '|'. */
static bool parse_block(struct parser *p, const char *ends, struct node **ret)
{
	char phrase[32];
	size_t len;

	if (p->depth == DEPTH_MAX)
		return parse_fail(p, "nested too deep");
	p->depth++;
	for (;;) {
		for (const char *at = ends; *at; at += len + (at[len] == '|')) {
			len = strcspn(at, "|");
			snprintf(phrase, sizeof(phrase), "%.*s", (int)len, at);
			if (parse_ahead(p, phrase)) {
				p->depth--;
				return true;
			}
		}
		if (parse_peek(p)->kind == TOKEN_END || parse_ahead(p, "KTHXBYE"))
			return parse_fail(p, "a block has no end");
		*ret = parse_statement(p);
		if (!*ret || !end_line(p))
			return false;
		ret = &(*ret)->next;
	}
}

static bool parse_visible(struct parser *p, struct node *node)
{
	struct node **end = &node->child;

	while (parse_peek(p)->kind != TOKEN_LINE && parse_peek(p)->kind != TOKEN_BANG) {
		*end = parse_expression(p);
		if (!*end)
			return false;
		end = &(*end)->next;
		parse_take(p, "AN");
	}
	if (!node->child)
		return parse_fail(p, "VISIBLE what?");
	node->op = parse_take_kind(p, TOKEN_BANG);
	return true;
}

static bool parse_gimmeh(struct parser *p, struct node *node)
{
	return parse_name(p, &node->name);
}

static bool parse_declare(struct parser *p, struct node *node)
{
	node->type = TYPE_NOOB;
	if (!parse_name(p, &node->name))
		return false;
	if (!parse_take(p, "ITZ"))
		return true;
	if (parse_take(p, "A"))
		return parse_type(p, &node->type);
	node->child = parse_expression(p);
	return node->child != NULL;
}

/* A branch with the phrase at its begin already taken; `ends` as for parse_block(). */
static bool parse_branch(struct parser *p, struct node *condition, const char *ends, struct node ***end)
{
	struct node *branch = parse_node(p, NODE_BRANCH);

	if (!branch)
		return false;
	branch->child = condition;
	**end = branch;
	*end = &branch->next;
	return end_line(p) && parse_block(p, ends, &branch->body);
}

/* What O RLY? asks about is in IT. */
static struct node *it(struct parser *p)
{
	struct node *node = parse_node(p, NODE_VARIABLE);

	if (node)
		node->name = NAME_IT;
	return node;
}

static bool parse_if(struct parser *p, struct node *node)
{
	static const char ends[] = "MEBBE|NO WAI|OIC";
	struct node **end = &node->child, *condition;

	if (!parse_take_kind(p, TOKEN_QUESTION))
		return parse_fail(p, "O RLY wants a question mark");
	if (!end_line(p) || !parse_expect(p, "YA RLY") || !(condition = it(p)) ||
	    !parse_branch(p, condition, ends, &end))
		return false;
	while (parse_take(p, "MEBBE")) {
		condition = parse_expression(p);
		if (!condition || !parse_branch(p, condition, ends, &end))
			return false;
	}
	if (parse_take(p, "NO WAI") && !parse_branch(p, NULL, "OIC", &end))
		return false;
	return parse_expect(p, "OIC");
}

static bool parse_switch(struct parser *p, struct node *node)
{
	static const char ends[] = "OMG|OMGWTF|OIC";
	struct node **end = &node->child, *literal;

	if (!parse_take_kind(p, TOKEN_QUESTION))
		return parse_fail(p, "WTF wants a question mark");
	if (!end_line(p))
		return false;
	while (parse_take(p, "OMG")) {
		literal = parse_expression(p);
		if (!literal)
			return false;
		if (literal->kind != NODE_LITERAL)
			return parse_fail(p, "OMG wants a literal");
		if (!parse_branch(p, literal, ends, &end))
			return false;
	}
	if (parse_take(p, "OMGWTF") && !parse_branch(p, NULL, "OIC", &end))
		return false;
	return parse_expect(p, "OIC");
}

static bool parse_loop_head(struct parser *p, struct node *node)
{
	if (parse_take(p, "UPPIN"))
		node->op = '+';
	else if (parse_take(p, "NERFIN"))
		node->op = '-';
	if (node->op && (!parse_expect(p, "YR") || !parse_name(p, &node->name)))
		return false;
	if (!parse_ahead(p, "TIL") && !parse_ahead(p, "WILE"))
		return true;
	node->type = parse_ahead(p, "TIL") ? TYPE_TROOF : TYPE_NOOB;
	p->at++;
	node->child = parse_expression(p);
	return node->child != NULL;
}

static bool parse_loop(struct parser *p, struct node *node)
{
	int label, end_label;

	if (!parse_name(p, &label) || !parse_loop_head(p, node) || !end_line(p) ||
	    !parse_block(p, "IM OUTTA YR", &node->body) || !parse_expect(p, "IM OUTTA YR") ||
	    !parse_name(p, &end_label))
		return false;
	return label == end_label || parse_fail(p, "the loop that ends here has another label");
}

static bool parse_nothing(struct parser *p, struct node *node)
{
	return true;
}

static bool parse_found(struct parser *p, struct node *node)
{
	if (!p->in_function)
		return parse_fail(p, "FOUND YR outside of a function");
	node->child = parse_expression(p);
	return node->child != NULL;
}

static const struct {
	const char *phrase;
	enum node_kind kind;
	bool (*parse)(struct parser *p, struct node *node);
} statements[] = {
	{ "VISIBLE", NODE_VISIBLE, parse_visible }, { "GIMMEH", NODE_GIMMEH, parse_gimmeh },
	{ "I HAS A", NODE_DECLARE, parse_declare }, { "O RLY", NODE_IF, parse_if },
	{ "WTF", NODE_SWITCH, parse_switch },	    { "IM IN YR", NODE_LOOP, parse_loop },
	{ "GTFO", NODE_GTFO, parse_nothing },	    { "FOUND YR", NODE_FOUND, parse_found },
};

/* "name R value", "name IS NOW A TYPE", or an expression by itself. */
static bool parse_other(struct parser *p, struct node *node)
{
	struct node *expression = parse_expression(p);
	bool variable = expression && expression->kind == NODE_VARIABLE;

	if (!expression)
		return false;
	node->name = expression->name;
	if (variable && parse_take(p, "R")) {
		node->kind = NODE_ASSIGN;
		node->child = parse_expression(p);
		return node->child != NULL;
	}
	if (variable && parse_take(p, "IS NOW A")) {
		node->kind = NODE_RECAST;
		return parse_type(p, &node->type);
	}
	node->child = expression;
	return true;
}

static struct node *parse_statement(struct parser *p)
{
	struct node *node = parse_node(p, NODE_BARE);

	if (!node)
		return NULL;
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		if (!parse_take(p, statements[i].phrase))
			continue;
		node->kind = statements[i].kind;
		return statements[i].parse(p, node) ? node : NULL;
	}
	return parse_other(p, node) ? node : NULL;
}

static bool parse_arguments(struct parser *p, struct lol_function *function)
{
	int *grown;
	bool more;

	for (more = parse_take(p, "YR"); more; more = parse_take(p, "AN YR")) {
		grown = reallocarray(function->arguments, function->arguments_count + 1, sizeof(*grown));
		if (!grown)
			return parse_fail(p, "no memory");
		function->arguments = grown;
		function->arguments_count++;
		if (!parse_name(p, &grown[function->arguments_count - 1]))
			return false;
	}
	return true;
}

static bool parse_function(struct parser *p)
{
	struct lol_function function = { .defined = true, .line = parse_peek(p)->line };
	bool ok;
	int name;

	if (!parse_name(p, &name))
		return false;
	if (p->program->functions[name].defined)
		return parse_fail(p, "a function is defined twice, before");
	p->in_function = true;
	ok = parse_arguments(p, &function) && end_line(p) && parse_block(p, "IF U SAY SO", &function.body) &&
	     parse_expect(p, "IF U SAY SO");
	p->in_function = false;
	/* Its arguments are the program's from here on. */
	p->program->functions[name] = function;
	return ok;
}

/* CAN HAS STDIO? brings nothing that is not there already. */
static bool parse_import(struct parser *p)
{
	int name;

	return parse_name(p, &name) &&
	       (parse_take_kind(p, TOKEN_QUESTION) || parse_fail(p, "CAN HAS wants a question mark"));
}

bool parse_program(struct parser *p)
{
	struct node **end = &p->program->body;

	parse_take_kind(p, TOKEN_LINE);
	if (!parse_expect(p, "HAI"))
		return false;
	if (!parse_take_kind(p, TOKEN_NUMBAR))
		parse_take_kind(p, TOKEN_NUMBR);
	if (!end_line(p))
		return false;
	while (!parse_take(p, "KTHXBYE")) {
		if (parse_peek(p)->kind == TOKEN_END)
			return parse_fail(p, "KTHXBYE is missing");
		if (parse_take(p, "HOW IZ I")) {
			if (!parse_function(p))
				return false;
		} else if (parse_take(p, "CAN HAS")) {
			if (!parse_import(p))
				return false;
		} else {
			*end = parse_statement(p);
			if (!*end)
				return false;
			end = &(*end)->next;
		}
		if (!end_line(p))
			return false;
	}
	parse_take_kind(p, TOKEN_LINE);
	return parse_peek(p)->kind == TOKEN_END || parse_fail(p, "something stands behind KTHXBYE");
}
