/*
 * How it works: recursive descent over the tokens, a phrase of several words being one keyword. Every node belongs to
 * the program by the chain `created`, so that a mistake anywhere leaves nothing behind. Names become numbers here, so
 * that a scope is an array.
 */
#include "lolcode/parse.h"

#include <stdlib.h>
#include <string.h>

static struct node *parse_nested(struct parser *p);

bool parse_fail(struct parser *p, const char *text)
{
	const struct token *at = &p->tokens.items[p->at];

	if (!p->error[0])
		snprintf(p->error, LOL_ERROR_MAX, "line %u: %s%s%.*s", at->line, text,
			 at->kind == TOKEN_WORD ? ", at " : "", at->kind == TOKEN_WORD ? (int)at->len : 0,
			 at->text);
	return false;
}

const struct token *parse_peek(const struct parser *p)
{
	return &p->tokens.items[p->at];
}

static bool token_is(const struct token *token, const char *word, size_t len)
{
	return token->kind == TOKEN_WORD && token->len == len && memcmp(token->text, word, len) == 0;
}

bool parse_ahead(const struct parser *p, const char *phrase)
{
	size_t at = p->at, len;

	for (const char *word = phrase; *word; word += len + (word[len] == ' ')) {
		len = strcspn(word, " ");
		if (!token_is(&p->tokens.items[at++], word, len))
			return false;
	}
	return true;
}

bool parse_take(struct parser *p, const char *phrase)
{
	if (!parse_ahead(p, phrase))
		return false;
	for (const char *c = phrase; c; c = strchr(c + 1, ' '))
		p->at++;
	return true;
}

bool parse_take_kind(struct parser *p, enum token_kind kind)
{
	if (parse_peek(p)->kind != kind)
		return false;
	p->at += kind != TOKEN_END;
	return true;
}

bool parse_expect(struct parser *p, const char *phrase)
{
	char text[64];

	if (parse_take(p, phrase))
		return true;
	snprintf(text, sizeof(text), "%s is missing", phrase);
	return parse_fail(p, text);
}

struct node *parse_node(struct parser *p, enum node_kind kind)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node) {
		parse_fail(p, "no memory");
		return NULL;
	}
	node->kind = kind;
	node->line = parse_peek(p)->line;
	node->name = -1;
	node->created = p->program->created;
	p->program->created = node;
	return node;
}

static int add_name(struct parser *p, const char *text, size_t len)
{
	struct lol_program *program = p->program;
	size_t room = program->names_room ? program->names_room * 2 : 64;
	char **names;
	struct lol_function *functions;

	if (program->names_count == program->names_room) {
		names = reallocarray(program->names, room, sizeof(*names));
		if (names)
			program->names = names;
		functions = reallocarray(program->functions, room, sizeof(*functions));
		if (functions)
			program->functions = functions;
		if (!names || !functions) {
			parse_fail(p, "no memory");
			return -1;
		}
		memset(functions + program->names_count, 0,
		       (room - program->names_count) * sizeof(*functions));
		program->names_room = room;
	}
	program->names[program->names_count] = strndup(text, len);
	if (!program->names[program->names_count]) {
		parse_fail(p, "no memory");
		return -1;
	}
	return (int)program->names_count++;
}

int parse_name_number(struct parser *p, const char *text, size_t len)
{
	for (size_t i = 0; i < p->program->names_count; i++) {
		if (strlen(p->program->names[i]) == len && memcmp(p->program->names[i], text, len) == 0)
			return (int)i;
	}
	if (p->program->names_count >= NAMES_MAX) {
		parse_fail(p, "too many names");
		return -1;
	}
	return add_name(p, text, len);
}

/* Words that no variable can be called, since a program without them could be read in two ways. */
static bool is_reserved(const struct token *token)
{
	static const char *const words[] = { "AN",   "MKAY",	"YR",	 "ITZ", "R",   "O",   "OIC",
					     "YA",   "NO",	"WTF",	 "OMG", "IM",  "HOW", "IF",
					     "GTFO", "KTHXBYE", "MEBBE", "A",	"HAI", "I",   "FOUND" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (token_is(token, words[i], strlen(words[i])))
			return true;
	}
	return false;
}

bool parse_name(struct parser *p, int *ret)
{
	const struct token *token = parse_peek(p);

	if (token->kind != TOKEN_WORD || is_reserved(token))
		return parse_fail(p, "a name is missing");
	*ret = parse_name_number(p, token->text, token->len);
	p->at++;
	return *ret >= 0;
}

bool parse_type(struct parser *p, enum value_type *ret)
{
	static const struct {
		const char *name;
		enum value_type type;
	} types[] = {
		{ "NOOB", TYPE_NOOB },	   { "TROOF", TYPE_TROOF }, { "NUMBR", TYPE_NUMBR },
		{ "NUMBAR", TYPE_NUMBAR }, { "YARN", TYPE_YARN },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (parse_take(p, types[i].name)) {
			*ret = types[i].type;
			return true;
		}
	}
	return parse_fail(p, "a type is missing");
}

static bool finish_number(struct parser *p, struct node *node, enum value_type type)
{
	const struct token *token = parse_peek(p);
	const char *wrong;

	node->value = (struct value){ .type = TYPE_YARN, .yarn = yarn_create(token->text, token->len) };
	if (!node->value.yarn) {
		node->value.type = TYPE_NOOB;
		return parse_fail(p, "no memory");
	}
	wrong = value_cast(&node->value, type, true);
	return !wrong || parse_fail(p, wrong);
}

static struct node *parse_literal(struct parser *p)
{
	const struct token *token = parse_peek(p);
	struct node *node;
	bool ok = true;

	if (token->kind == TOKEN_YARN)
		return parse_yarn(p);
	node = parse_node(p, NODE_LITERAL);
	if (!node)
		return NULL;
	if (token->kind == TOKEN_NUMBR || token->kind == TOKEN_NUMBAR) {
		ok = finish_number(p, node, token->kind == TOKEN_NUMBR ? TYPE_NUMBR : TYPE_NUMBAR);
	} else if (parse_ahead(p, "WIN") || parse_ahead(p, "FAIL")) {
		node->value = (struct value){ .type = TYPE_TROOF, .troof = parse_ahead(p, "WIN") };
	} else if (!parse_ahead(p, "NOOB")) {
		ok = parse_fail(p, "a literal is missing");
	}
	p->at++;
	return ok ? node : NULL;
}

/* Appends to a list whose last link is *end. */
static bool append(struct node ***end, struct node *node)
{
	if (!node)
		return false;
	**end = node;
	*end = &node->next;
	return true;
}

/* Operands up to MKAY, which may be left out at the end of a line. */
static bool parse_many(struct parser *p, struct node *node)
{
	struct node **end = &node->child;

	do {
		if (!append(&end, parse_nested(p)))
			return false;
		parse_take(p, "AN");
	} while (!parse_ahead(p, "MKAY") && parse_peek(p)->kind != TOKEN_LINE &&
		 parse_peek(p)->kind != TOKEN_BANG);
	parse_take(p, "MKAY");
	return true;
}

static bool parse_two(struct parser *p, struct node *node)
{
	struct node **end = &node->child;

	if (!append(&end, parse_nested(p)))
		return false;
	parse_take(p, "AN");
	return append(&end, parse_nested(p));
}

static bool parse_cast(struct parser *p, struct node *node)
{
	node->child = parse_nested(p);
	if (!node->child)
		return false;
	parse_take(p, "A");
	return parse_type(p, &node->type);
}

static bool parse_call(struct parser *p, struct node *node)
{
	struct node **end = &node->child;
	bool more;

	if (!parse_name(p, &node->name))
		return false;
	for (more = parse_take(p, "YR"); more; more = parse_take(p, "AN YR")) {
		if (!append(&end, parse_nested(p)))
			return false;
	}
	/* At the end of a line it may be left out, as with other phrases that take many. */
	return parse_peek(p)->kind == TOKEN_LINE || parse_expect(p, "MKAY");
}

static bool parse_one(struct parser *p, struct node *node)
{
	node->child = parse_nested(p);
	return node->child != NULL;
}

static const struct {
	const char *phrase;
	enum node_kind kind;
	int op;
	bool (*parse)(struct parser *p, struct node *node);
} operators[] = {
	{ "SUM OF", NODE_ARITHMETIC, '+', parse_two },
	{ "DIFF OF", NODE_ARITHMETIC, '-', parse_two },
	{ "PRODUKT OF", NODE_ARITHMETIC, '*', parse_two },
	{ "QUOSHUNT OF", NODE_ARITHMETIC, '/', parse_two },
	{ "MOD OF", NODE_ARITHMETIC, '%', parse_two },
	{ "BIGGR OF", NODE_ARITHMETIC, '>', parse_two },
	{ "SMALLR OF", NODE_ARITHMETIC, '<', parse_two },
	{ "BOTH OF", NODE_LOGIC, '&', parse_two },
	{ "EITHER OF", NODE_LOGIC, '|', parse_two },
	{ "WON OF", NODE_LOGIC, '^', parse_two },
	{ "ALL OF", NODE_LOGIC, '&', parse_many },
	{ "ANY OF", NODE_LOGIC, '|', parse_many },
	{ "NOT", NODE_NOT, 0, parse_one },
	{ "BOTH SAEM", NODE_SAME, 'S', parse_two },
	{ "DIFFRINT", NODE_SAME, 'D', parse_two },
	{ "SMOOSH", NODE_SMOOSH, 0, parse_many },
	{ "MAEK", NODE_CAST, 0, parse_cast },
	{ "I IZ", NODE_CALL, 0, parse_call },
};

static struct node *parse_variable(struct parser *p)
{
	struct node *node = parse_node(p, NODE_VARIABLE);

	return node && parse_name(p, &node->name) ? node : NULL;
}

struct node *parse_expression(struct parser *p)
{
	struct node *node;

	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		if (!parse_ahead(p, operators[i].phrase))
			continue;
		node = parse_node(p, operators[i].kind);
		if (!node)
			return NULL;
		parse_take(p, operators[i].phrase);
		node->op = operators[i].op;
		return operators[i].parse(p, node) ? node : NULL;
	}
	if (parse_peek(p)->kind != TOKEN_WORD || parse_ahead(p, "WIN") || parse_ahead(p, "FAIL") ||
	    parse_ahead(p, "NOOB"))
		return parse_literal(p);
	return parse_variable(p);
}

/* The same one level deeper: what a stranger nests must not use up the stack. */
static struct node *parse_nested(struct parser *p)
{
	struct node *node;

	if (p->depth == DEPTH_MAX) {
		parse_fail(p, "nested too deep");
		return NULL;
	}
	p->depth++;
	node = parse_expression(p);
	p->depth--;
	return node;
}

int lol_parse(const char *source, size_t len, struct lol_program **ret, char error[LOL_ERROR_MAX])
{
	struct parser p = { .error = error, .program = calloc(1, sizeof(*p.program)) };
	bool ok;

	error[0] = '\0';
	if (!p.program || lol_lex(source, len, &p.tokens, error) < 0) {
		if (!p.program)
			snprintf(error, LOL_ERROR_MAX, "line 1: no memory");
		lol_program_destroy(p.program);
		return -1;
	}
	ok = parse_name_number(&p, "IT", 2) == NAME_IT && parse_program(&p);
	free(p.tokens.items);
	if (!ok) {
		lol_program_destroy(p.program);
		return -1;
	}
	*ret = p.program;
	return 0;
}

void lol_program_destroy(struct lol_program *program)
{
	struct node *next;

	if (!program)
		return;
	for (struct node *node = program->created; node; node = next) {
		next = node->created;
		value_drop(node->value);
		free(node);
	}
	for (size_t i = 0; i < program->names_count; i++) {
		free(program->names[i]);
		free(program->functions[i].arguments);
	}
	free(program->names);
	free(program->functions);
	free(program);
}
