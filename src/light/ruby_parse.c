/*
 * The parser: statements, expressions and operators, by recursive descent. Its own recursion is bounded, and so is the
 * depth of the tree, on which the evaluator recurses: chains of operators make deep trees without recursion here.
 */
#include "light/ruby_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PARSE_DEPTH 200

struct node *parser_node(struct parser *p, enum node_kind kind, size_t at)
{
	struct node *node;

	if (++p->nodes > RUBY_NODES) {
		lexer_limit(&p->lexer, at, "the lambda is too large");
		return NULL;
	}
	node = arena_alloc(&p->program->arena, sizeof(*node));
	if (!node) {
		fault_no_memory(p->fault);
		return NULL;
	}
	node->kind = kind;
	node->at = (uint32_t)at;
	node->depth = 1;
	return node;
}

int parser_adopt(struct parser *p, struct node *parent)
{
	const struct node *lists[] = { parent->a, parent->b, parent->c };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (const struct node *child = lists[i]; child; child = child->next) {
			if (child->depth >= parent->depth)
				parent->depth = child->depth + 1;
		}
	}
	if (parent->depth > RUBY_DEPTH)
		return lexer_limit(&p->lexer, parent->at, "the lambda is nested too deeply");
	return 0;
}

int parser_next(struct parser *p)
{
	return lexer_next(&p->lexer);
}

bool token_is(const struct parser *p, const char *text)
{
	const struct token *token = &p->lexer.token;

	return (token->kind == TOKEN_PUNCT || token->kind == TOKEN_KEYWORD) && text_is(token->text, text);
}

int parser_unexpected(struct parser *p)
{
	const struct token *token = &p->lexer.token;
	int len = token->text.len > 30 ? 30 : (int)token->text.len;

	if (token->kind == TOKEN_END)
		return lexer_wrong(&p->lexer, token->at, "syntax error: unexpected end of the lambda");
	if (token->kind == TOKEN_NEWLINE)
		return lexer_wrong(&p->lexer, token->at, "syntax error: unexpected end of the line");
	return lexer_wrong(&p->lexer, token->at, "syntax error: unexpected '%.*s'", len, token->text.data);
}

int parser_expect(struct parser *p, const char *text)
{
	return token_is(p, text) ? parser_next(p) : parser_unexpected(p);
}

int parser_skip_newlines(struct parser *p)
{
	int r = 0;

	while (r == 0 && p->lexer.token.kind == TOKEN_NEWLINE)
		r = parser_next(p);
	return r;
}

long parser_find(const struct parser *p, struct text name)
{
	for (size_t i = p->visible; i > 0; i--) {
		if (text_same(p->variables[i - 1].name, name))
			return (long)p->variables[i - 1].slot;
	}
	return -1;
}

/* A variable of its own, even where an outer one has the name. */
static int declare_fresh(struct parser *p, struct text name, size_t *ret)
{
	if (p->visible == RUBY_LOCALS || p->program->locals == RUBY_LOCALS)
		return lexer_limit(&p->lexer, p->lexer.token.at, "the lambda has too many variables");
	*ret = p->program->locals++;
	p->variables[p->visible++] = (struct variable){ .name = name, .slot = *ret };
	return 0;
}

int parser_declare(struct parser *p, struct text name, size_t *ret)
{
	long found = parser_find(p, name);

	if (found < 0)
		return declare_fresh(p, name, ret);
	*ret = (size_t)found;
	return 0;
}

static int make(struct parser *p, enum node_kind kind, size_t at, struct node *a, struct node *b,
		struct node **ret)
{
	struct node *node = parser_node(p, kind, at);

	if (!node)
		return -EINVAL;
	node->a = a;
	node->b = b;
	*ret = node;
	return parser_adopt(p, node);
}

/* left.name(right) */
static int make_operator(struct parser *p, struct text name, size_t at, struct node *left, struct node *right,
			 struct node **ret)
{
	int r = make(p, NODE_CALL, at, left, right, ret);

	if (r == 0)
		(*ret)->text = name;
	return r;
}

static const struct binary {
	const char *text;
	unsigned level;
} binaries[] = {
	{ "..", 1 }, { "...", 1 }, { "||", 2 }, { "&&", 3 },  { "<=>", 5 }, { "==", 5 }, { "===", 5 },
	{ "!=", 5 }, { "=~", 5 },  { "!~", 5 }, { "<", 6 },   { "<=", 6 },  { ">", 6 },	 { ">=", 6 },
	{ "|", 7 },  { "^", 7 },   { "&", 8 },	{ "<<", 9 },  { ">>", 9 },  { "+", 10 }, { "-", 10 },
	{ "*", 11 }, { "/", 11 },  { "%", 11 }, { "**", 13 },
};

#define LEVEL_LOWEST 1
#define LEVEL_POWER  13

static const struct binary *binary_here(const struct parser *p)
{
	for (size_t i = 0; p->lexer.token.kind == TOKEN_PUNCT && i < sizeof(binaries) / sizeof(binaries[0]);
	     i++) {
		if (text_is(p->lexer.token.text, binaries[i].text))
			return &binaries[i];
	}
	return NULL;
}

static int parse_unary(struct parser *p, struct node **ret);

/* A number's sign is part of it, as in `-5.abs`; before anything else it is a method. */
static int parse_minus(struct parser *p, struct node **ret)
{
	size_t at = p->lexer.token.at;
	bool apart = p->lexer.token.space_behind;
	struct node *operand;
	int r = parser_next(p);

	if (r == 0 && !apart && p->lexer.token.kind == TOKEN_INT) {
		p->lexer.token.number = -p->lexer.token.number;
		return parse_postfix(p, ret);
	}
	if (r == 0)
		r = parse_unary(p, &operand);
	return r < 0 ? r : make_operator(p, TEXT("-@"), at, operand, NULL, ret);
}

static int parse_unary(struct parser *p, struct node **ret)
{
	struct token token = p->lexer.token;
	struct node *operand;
	int r;

	if (++p->depth > PARSE_DEPTH)
		return lexer_limit(&p->lexer, token.at, "the lambda is nested too deeply");
	if (token_is(p, "!")) {
		r = parser_next(p);
		if (r == 0)
			r = parse_unary(p, &operand);
		if (r == 0)
			r = make(p, NODE_NOT, token.at, operand, NULL, ret);
	} else if (token_is(p, "-")) {
		r = parse_minus(p, ret);
	} else if (token_is(p, "~") || token_is(p, "&") || token_is(p, "*") || token_is(p, "**") ||
		   token_is(p, "+")) {
		r = lexer_unsupported(&p->lexer, token.at, "the operator '%.*s'", (int)token.text.len,
				      token.text.data);
	} else {
		r = parse_postfix(p, ret);
	}
	p->depth--;
	return r;
}

/* The names in `/(?<x>…)/ =~ value` become variables. */
static int declare_match(struct parser *p, struct node *regex, struct node *match, struct node **ret)
{
	PCRE2_SPTR table;
	uint32_t count = 0, size = 0;
	size_t first = 0, slot;
	int r = 0;

	pcre2_pattern_info(regex->pattern->code, PCRE2_INFO_NAMECOUNT, &count);
	pcre2_pattern_info(regex->pattern->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
	pcre2_pattern_info(regex->pattern->code, PCRE2_INFO_NAMETABLE, &table);
	*ret = match;
	if (count == 0)
		return 0;
	for (uint32_t i = 0; r == 0 && i < count; i++) {
		const char *name = (const char *)table + (size_t)i * size + 2;

		if (parser_find(p, (struct text){ name, strlen(name) }) >= 0)
			return lexer_unsupported(&p->lexer, regex->at,
						 "a group named like a variable there is");
		r = parser_declare(p, (struct text){ name, strlen(name) }, &slot);
		first = i == 0 ? slot : first;
	}
	if (r == 0)
		r = make(p, NODE_ASSIGN_MATCH, match->at, match, NULL, ret);
	if (r == 0) {
		(*ret)->number = (int64_t)first;
		(*ret)->pattern = regex->pattern;
	}
	return r;
}

static int make_binary(struct parser *p, const struct binary *op, const struct token *token,
		       struct node *left, struct node *right, struct node **ret)
{
	struct text name = { op->text, strlen(op->text) };
	struct node *call;
	int r;

	if (op->level == 1) {
		r = make(p, NODE_RANGE, token->at, left, right, ret);
		if (r == 0)
			(*ret)->number = op->text[2] == '.';
		return r;
	}
	if (op->level == 2 || op->level == 3)
		return make(p, op->level == 2 ? NODE_OR : NODE_AND, token->at, left, right, ret);
	if (text_is(name, "!=") || text_is(name, "!~")) {
		r = make_operator(p, text_is(name, "!=") ? TEXT("==") : TEXT("=~"), token->at, left, right,
				  &call);
		return r < 0 ? r : make(p, NODE_NOT, token->at, call, NULL, ret);
	}
	if (!method_known(name))
		return lexer_unsupported(&p->lexer, token->at, "the operator '%s'", op->text);
	r = make_operator(p, name, token->at, left, right, &call);
	if (r == 0 && text_is(name, "=~") && left->kind == NODE_REGEX)
		return declare_match(p, left, call, ret);
	*ret = call;
	return r;
}

/* True where an endless range ends: `x[1..]`. */
static bool range_ends(const struct parser *p)
{
	return token_is(p, "]") || token_is(p, ")") || token_is(p, "then") ||
	       p->lexer.token.kind == TOKEN_NEWLINE;
}

/* Operators of `level` and tighter. */
static int parse_binary(struct parser *p, unsigned level, struct node **ret)
{
	const struct binary *op;
	struct node *left, *right = NULL;
	int r = parse_unary(p, &left);

	while (r == 0 && (op = binary_here(p)) && op->level >= level) {
		struct token token = p->lexer.token;

		if (++p->depth > PARSE_DEPTH)
			return lexer_limit(&p->lexer, token.at, "the lambda is nested too deeply");
		r = parser_next(p);
		if (r == 0 && op->level > 1)
			r = parser_skip_newlines(p);
		if (r == 0 && op->level == 1 && range_ends(p))
			right = NULL;
		else if (r == 0)
			r = parse_binary(p, op->level == LEVEL_POWER ? LEVEL_POWER : op->level + 1, &right);
		if (r == 0)
			r = make_binary(p, op, &token, left, right, &left);
		p->depth--;
		/* Comparisons do not chain: `a == b == c` is a syntax error. */
		if (r == 0 && (op->level == 5 || op->level == 1) && (op = binary_here(p)) && op->level == 5)
			return parser_unexpected(p);
	}
	if (r == 0)
		*ret = left;
	return r;
}

static int parse_ternary(struct parser *p, struct node **ret)
{
	struct node *condition, *yes, *no;
	size_t at;
	int r = parse_binary(p, LEVEL_LOWEST, &condition);

	if (r < 0 || !token_is(p, "?")) {
		*ret = r < 0 ? NULL : condition;
		return r;
	}
	at = p->lexer.token.at;
	r = parser_next(p);
	if (r == 0)
		r = parser_skip_newlines(p);
	if (r == 0)
		r = parse_operators(p, &yes);
	if (r == 0)
		r = parser_skip_newlines(p);
	if (r == 0)
		r = parser_expect(p, ":");
	if (r == 0)
		r = parser_skip_newlines(p);
	if (r == 0)
		r = parse_operators(p, &no);
	if (r == 0)
		r = make(p, NODE_IF, at, condition, yes, ret);
	if (r == 0) {
		(*ret)->c = no;
		r = parser_adopt(p, *ret);
	}
	return r;
}

static int make_assign(struct parser *p, const struct node *target, struct node *value, struct node **ret)
{
	int r = make(p, NODE_ASSIGN, target->at, value, NULL, ret);

	if (r == 0)
		(*ret)->number = target->number;
	return r;
}

/* `x += y` is `x = x + y`; `x ||= y` is `x || x = y`. */
static int make_op_assign(struct parser *p, struct text op, struct node *target, struct node *value,
			  struct node **ret)
{
	struct text name = { op.data, op.len - 1 };
	struct node *assign;
	int r;

	if (text_is(op, "||=") || text_is(op, "&&=")) {
		r = make_assign(p, target, value, &assign);
		if (r == 0)
			r = make(p, text_is(op, "||=") ? NODE_OR : NODE_AND, target->at, target, assign, ret);
		return r;
	}
	if (!method_known(name))
		return lexer_unsupported(&p->lexer, target->at, "the operator '%.*s'", (int)op.len, op.data);
	r = make_operator(p, name, target->at, target, value, &assign);
	return r < 0 ? r : make_assign(p, target, assign, ret);
}

static bool token_assigns(const struct parser *p)
{
	struct text text = p->lexer.token.text;

	if (p->lexer.token.kind != TOKEN_PUNCT || text.data[text.len - 1] != '=')
		return false;
	return !text_is(text, "==") && !text_is(text, "===") && !text_is(text, "!=") &&
	       !text_is(text, "<=") && !text_is(text, ">=");
}

/* A name, with the token behind it in view: is it assigned to? Puts the lexer back when it is not. */
static int parse_assignment(struct parser *p, bool *ret_done, struct node **ret)
{
	struct lexer before = p->lexer;
	struct token name = p->lexer.token;
	struct node *target, *value;
	struct text op;
	size_t slot;
	int r = parser_next(p);

	*ret_done = false;
	if (r < 0 || !token_assigns(p)) {
		p->lexer = before;
		return 0;
	}
	*ret_done = true;
	op = p->lexer.token.text;
	r = parser_declare(p, name.text, &slot);
	if (r == 0)
		r = parser_next(p);
	if (r == 0)
		r = parser_skip_newlines(p);
	if (r == 0)
		r = parse_operators(p, &value);
	if (r < 0)
		return r;
	target = parser_node(p, NODE_LOCAL, name.at);
	if (!target)
		return -EINVAL;
	target->number = (int64_t)slot;
	return text_is(op, "=") ? make_assign(p, target, value, ret)
				: make_op_assign(p, op, target, value, ret);
}

int parse_operators(struct parser *p, struct node **ret)
{
	bool done = false;
	int r = 0;

	if (++p->depth > PARSE_DEPTH)
		return lexer_limit(&p->lexer, p->lexer.token.at, "the lambda is nested too deeply");
	if (p->lexer.token.kind == TOKEN_NAME || p->lexer.token.kind == TOKEN_CONSTANT)
		r = parse_assignment(p, &done, ret);
	if (r == 0 && !done)
		r = parse_ternary(p, ret);
	if (r == 0 && token_assigns(p))
		r = lexer_unsupported(&p->lexer, p->lexer.token.at, "an assignment to other than a variable");
	p->depth--;
	return r;
}

static int parse_not(struct parser *p, struct node **ret)
{
	size_t at = p->lexer.token.at;
	struct node *operand;
	int r;

	if (!token_is(p, "not"))
		return token_is(p, "return") || token_is(p, "next") || token_is(p, "break")
			       ? parse_control(p, ret)
			       : parse_operators(p, ret);
	if (++p->depth > PARSE_DEPTH)
		return lexer_limit(&p->lexer, at, "the lambda is nested too deeply");
	r = parser_next(p);
	if (r == 0)
		r = parse_not(p, &operand);
	if (r == 0)
		r = make(p, NODE_NOT, at, operand, NULL, ret);
	p->depth--;
	return r;
}

int parse_expression(struct parser *p, struct node **ret)
{
	struct node *left, *right;
	int r = parse_not(p, &left);

	while (r == 0 && (token_is(p, "and") || token_is(p, "or"))) {
		enum node_kind kind = token_is(p, "and") ? NODE_AND : NODE_OR;
		size_t at = p->lexer.token.at;

		r = parser_next(p);
		if (r == 0)
			r = parser_skip_newlines(p);
		if (r == 0)
			r = parse_not(p, &right);
		if (r == 0)
			r = make(p, kind, at, left, right, &left);
	}
	if (r == 0)
		*ret = left;
	return r;
}

/* Targets of a block or of `a, (b, c) = …`, up to `close`, which stays the current token. */
int parse_targets(struct parser *p, const char *close, bool fresh, struct node **ret)
{
	struct node **end = ret;
	int r = 0;

	*ret = NULL;
	while (r == 0 && !token_is(p, close)) {
		struct token token = p->lexer.token;
		struct node *target;
		size_t slot = 0;

		if (++p->depth > PARSE_DEPTH)
			return lexer_limit(&p->lexer, token.at, "the lambda is nested too deeply");
		target = parser_node(p, token_is(p, "(") ? NODE_PARAMS : NODE_LOCAL, token.at);
		if (!target)
			return -EINVAL;
		if (token.kind != TOKEN_NAME && target->kind == NODE_LOCAL)
			return lexer_unsupported(&p->lexer, token.at, "a parameter other than a plain name");
		if (target->kind == NODE_LOCAL)
			r = fresh ? declare_fresh(p, token.text, &slot)
				  : parser_declare(p, token.text, &slot);
		target->number = (int64_t)slot;
		if (r == 0)
			r = parser_next(p);
		if (r == 0 && target->kind == NODE_PARAMS)
			r = parse_targets(p, ")", fresh, &target->a) ?: parser_next(p);
		p->depth--;
		*end = target;
		end = &target->next;
		if (r == 0 && !token_is(p, close))
			r = token_is(p, ",") ? parser_next(p)
					     : lexer_unsupported(&p->lexer, p->lexer.token.at,
								 "a parameter of this kind");
	}
	return r;
}

/* `a, b = …`: true in *ret_done when the statement begins so; `a` is not to be parsed yet. */
static int parse_many(struct parser *p, bool *ret_done, struct node **ret)
{
	struct lexer before = p->lexer;
	struct node *targets, *value;
	size_t at = p->lexer.token.at;
	int r = parser_next(p);

	*ret_done = r == 0 && token_is(p, ",");
	p->lexer = before;
	if (!*ret_done)
		return 0;
	r = parse_targets(p, "=", false, &targets);
	if (r == 0)
		r = parser_next(p);
	if (r == 0)
		r = parse_operators(p, &value);
	if (r == 0 && token_is(p, ","))
		return lexer_unsupported(&p->lexer, p->lexer.token.at, "several values of an assignment");
	if (r == 0)
		r = make(p, NODE_ASSIGN_MANY, at, targets, value, ret);
	return r;
}

/* `statement if condition` and its kin. */
static int parse_modifiers(struct parser *p, struct node **statement)
{
	int r = 0;

	while (r == 0 && p->lexer.token.kind == TOKEN_KEYWORD) {
		bool unless = token_is(p, "unless");
		struct node *condition, *whole = NULL;
		size_t at = p->lexer.token.at;

		if (token_is(p, "while") || token_is(p, "until") || token_is(p, "rescue"))
			return lexer_unsupported(&p->lexer, at, "`%.*s`", (int)p->lexer.token.text.len,
						 p->lexer.token.text.data);
		if (!unless && !token_is(p, "if"))
			break;
		r = parser_next(p);
		if (r == 0)
			r = parser_skip_newlines(p);
		if (r == 0)
			r = parse_expression(p, &condition);
		if (r == 0)
			r = make(p, NODE_IF, at, condition, NULL, &whole);
		if (r < 0)
			return r;
		*(unless ? &whole->c : &whole->b) = *statement;
		r = parser_adopt(p, whole);
		*statement = whole;
	}
	return r;
}

int parse_statement(struct parser *p, struct node **ret)
{
	bool done = false;
	int r = 0;

	if (p->lexer.token.kind == TOKEN_NAME)
		r = parse_many(p, &done, ret);
	if (r == 0 && !done)
		r = parse_expression(p, ret);
	return r < 0 ? r : parse_modifiers(p, ret);
}

static bool statements_end(const struct parser *p)
{
	static const char *const ends[] = {
		"end", "else", "elsif", "when", "}", ")", "in", "rescue", "ensure"
	};

	if (p->lexer.token.kind == TOKEN_END)
		return true;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (token_is(p, ends[i]))
			return true;
	}
	return false;
}

int parse_statements(struct parser *p, struct node **ret)
{
	struct node *sequence = parser_node(p, NODE_SEQUENCE, p->lexer.token.at);
	struct node **end;
	int r;

	if (!sequence)
		return -EINVAL;
	if (++p->depth > PARSE_DEPTH)
		return lexer_limit(&p->lexer, p->lexer.token.at, "the lambda is nested too deeply");
	end = &sequence->a;
	r = parser_skip_newlines(p);
	while (r == 0 && !statements_end(p)) {
		r = parse_statement(p, end);
		if (r < 0)
			break;
		end = &(*end)->next;
		if (!statements_end(p) && p->lexer.token.kind != TOKEN_NEWLINE)
			return parser_unexpected(p);
		r = parser_skip_newlines(p);
	}
	p->depth--;
	if (r == 0)
		r = parser_adopt(p, sequence);
	*ret = sequence;
	return r;
}
