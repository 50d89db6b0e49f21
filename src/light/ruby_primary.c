/* The parser's values: names, literals other than quoted ones, calls, blocks. */
#include "light/ruby_priv.h"

#include <errno.h>
#include <string.h>

/* Where a call's arguments and block go. */
static int parse_arguments(struct parser *p, const char *close, struct node *call)
{
	struct node **end = &call->b;
	size_t count = 0;
	int r = parser_skip_newlines(p);

	while (r == 0 && !token_is(p, close)) {
		size_t at = p->lexer.token.at;

		if (++count > RUBY_ARGS && call->kind != NODE_ARRAY)
			return lexer_limit(&p->lexer, at, "a call has too many arguments");
		if (token_is(p, "&")) {
			r = parser_next(p);
			if (r == 0 && p->lexer.token.kind != TOKEN_SYMBOL)
				return lexer_unsupported(&p->lexer, at, "a block from other than a symbol");
			call->c = parser_node(p, NODE_BLOCK_SYMBOL, at);
			if (!call->c)
				return -EINVAL;
			call->c->text = p->lexer.token.text;
			r = r < 0 ? r : parser_next(p);
		} else if (p->lexer.token.kind == TOKEN_LABEL) {
			return lexer_unsupported(&p->lexer, at, "a keyword argument");
		} else {
			r = parse_operators(p, end);
			end = r < 0 ? end : &(*end)->next;
		}
		if (r == 0)
			r = parser_skip_newlines(p);
		if (r == 0 && token_is(p, "=>"))
			return lexer_unsupported(&p->lexer, p->lexer.token.at, "a hash");
		if (r == 0 && !token_is(p, close))
			r = token_is(p, ",") ? parser_next(p) : parser_unexpected(p);
		if (r == 0)
			r = parser_skip_newlines(p);
	}
	return r < 0 ? r : parser_next(p);
}

int parse_block(struct parser *p, struct node **ret)
{
	struct node *block = parser_node(p, NODE_BLOCK, p->lexer.token.at);
	const char *close = token_is(p, "{") ? "}" : "end";
	size_t visible = p->visible, locals = p->program->locals;
	int r = parser_next(p);

	if (!block)
		return -EINVAL;
	if (r == 0 && token_is(p, "|")) {
		r = parser_next(p);
		if (r == 0)
			r = parse_targets(p, "|", true, &block->a);
		if (r == 0)
			r = parser_next(p);
	} else if (r == 0 && token_is(p, "||")) {
		r = parser_next(p);
	}
	if (r == 0)
		r = parse_statements(p, &block->b);
	if (r == 0)
		r = parser_expect(p, close);
	p->visible = visible;
	block->number = (int64_t)locals;
	block->count = (uint16_t)(p->program->locals - locals);
	*ret = block;
	return r < 0 ? r : parser_adopt(p, block);
}

/* True when the token begins an argument of a call without parentheses. */
static bool begins_argument(const struct parser *p)
{
	static const char *const words[] = { "nil", "true", "false", "not", "[", "!",
					     "->",  "(",    "-",     "*",   "&", "::" };
	const struct token *token = &p->lexer.token;

	if (!token->space_before)
		return false;
	switch (token->kind) {
	case TOKEN_QUOTED:
	case TOKEN_SYMBOL:
	case TOKEN_INT:
	case TOKEN_NAME:
	case TOKEN_CONSTANT:
	case TOKEN_GLOBAL:
	case TOKEN_LABEL:
		return true;
	case TOKEN_KEYWORD:
	case TOKEN_PUNCT:
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			/* An operator has space on both sides or on none. */
			if (text_is(token->text, words[i]))
				return !token->space_behind || token->kind == TOKEN_KEYWORD;
		}
		return false;
	default:
		return false;
	}
}

/* `x.include? 'y', 'z'` */
static int parse_command(struct parser *p, struct node *call)
{
	struct node **end = &call->b;
	size_t count = 0;
	int r;

	do {
		if (p->lexer.token.kind == TOKEN_LABEL)
			return lexer_unsupported(&p->lexer, p->lexer.token.at, "a keyword argument");
		if (++count > RUBY_ARGS)
			return lexer_limit(&p->lexer, p->lexer.token.at, "a call has too many arguments");
		r = parse_operators(p, end);
		if (r < 0 || !token_is(p, ","))
			break;
		end = &(*end)->next;
		r = parser_next(p);
		if (r == 0)
			r = parser_skip_newlines(p);
	} while (r == 0);
	return r;
}

static int parse_call(struct parser *p, struct node *receiver, struct node **ret)
{
	bool safe = token_is(p, "&.");
	struct node *call;
	int r = parser_next(p);

	if (r == 0)
		r = parser_skip_newlines(p);
	if (r < 0)
		return r;
	if (token_is(p, "("))
		return lexer_unsupported(&p->lexer, p->lexer.token.at, "the call of a value");
	if (p->lexer.token.kind != TOKEN_NAME)
		return parser_unexpected(p);
	if (!method_known(p->lexer.token.text))
		return lexer_unsupported(&p->lexer, p->lexer.token.at, "the method '%.*s'",
					 p->lexer.token.text.len > 40 ? 40 : (int)p->lexer.token.text.len,
					 p->lexer.token.text.data);
	call = parser_node(p, NODE_CALL, p->lexer.token.at);
	if (!call)
		return -EINVAL;
	call->a = receiver;
	call->text = p->lexer.token.text;
	call->number = safe;
	r = parser_next(p);
	if (r == 0 && token_is(p, "(") && !p->lexer.token.space_before)
		r = parser_next(p) ?: parse_arguments(p, ")", call);
	else if (r == 0 && begins_argument(p))
		r = parse_command(p, call);
	if (r == 0 && !call->c && (token_is(p, "{") || token_is(p, "do")))
		r = parse_block(p, &call->c);
	*ret = call;
	return r < 0 ? r : parser_adopt(p, call);
}

static int parse_index(struct parser *p, struct node *receiver, struct node **ret)
{
	struct node *call = parser_node(p, NODE_CALL, p->lexer.token.at);
	int r = parser_next(p);

	if (!call)
		return -EINVAL;
	call->a = receiver;
	call->text = TEXT("[]");
	if (r == 0)
		r = parse_arguments(p, "]", call);
	*ret = call;
	return r < 0 ? r : parser_adopt(p, call);
}

static int parse_regexp_constant(struct parser *p, struct node **value)
{
	static const struct {
		const char *name;
		uint32_t option;
	} constants[] = {
		{ "IGNORECASE", PATTERN_CASELESS },
		{ "EXTENDED", PATTERN_EXTENDED },
		{ "MULTILINE", PATTERN_DOTALL },
	};
	size_t at = p->lexer.token.at;
	int r = parser_next(p);

	for (size_t i = 0; r == 0 && i < sizeof(constants) / sizeof(constants[0]); i++) {
		if ((*value)->kind != NODE_REGEXP_CLASS || !text_is(p->lexer.token.text, constants[i].name))
			continue;
		(*value)->kind = NODE_INT;
		(*value)->number = constants[i].option;
		return parser_next(p);
	}
	return r < 0 ? r : lexer_unsupported(&p->lexer, at, "a constant of this name");
}

int parse_postfix(struct parser *p, struct node **ret)
{
	struct node *value;
	int r = parse_primary(p, &value);

	while (r == 0) {
		bool apart = p->lexer.token.space_before;

		if (token_is(p, ".") || token_is(p, "&."))
			r = parse_call(p, value, &value);
		else if (token_is(p, "[") && (!apart || value->kind == NODE_LOCAL))
			r = parse_index(p, value, &value);
		else if (token_is(p, "::"))
			r = parse_regexp_constant(p, &value);
		else
			break;
	}
	*ret = r < 0 ? NULL : value;
	return r;
}

/* `raise`, `raise 'why'`, `raise SomeError`, `raise SomeError.new('why')`, `raise SomeError, 'why'`. */
static int parse_raise(struct parser *p, struct node **ret)
{
	struct node *raise = parser_node(p, NODE_RAISE, p->lexer.token.at);
	struct node list = { 0 };
	bool parens;
	int r = parser_next(p);

	if (!raise)
		return -EINVAL;
	*ret = raise;
	parens = r == 0 && token_is(p, "(") && !p->lexer.token.space_before;
	if (parens)
		r = parser_next(p);
	while (r == 0 && (p->lexer.token.kind == TOKEN_CONSTANT || token_is(p, "::")))
		r = parser_next(p);
	if (r == 0 && token_is(p, ".")) {
		r = parser_next(p);
		if (r == 0 && !text_is(p->lexer.token.text, "new"))
			return parser_unexpected(p);
		r = r < 0 ? r : parser_next(p);
		if (r == 0 && token_is(p, "("))
			r = parser_next(p) ?: parse_arguments(p, ")", &list);
		raise->a = list.b;
	}
	if (r == 0 && token_is(p, ","))
		r = parser_next(p);
	if (r == 0 && !parser_value_missing(p))
		r = parse_operators(p, &raise->a);
	if (r == 0 && parens)
		r = parser_expect(p, ")");
	return r < 0 ? r : parser_adopt(p, raise);
}

/* A name that is no variable: an exception, once it is evaluated. Its arguments and block are read to go on behind. */
static int parse_unknown(struct parser *p, struct node **ret)
{
	struct token token = p->lexer.token;
	int len = token.text.len > 40 ? 40 : (int)token.text.len;
	struct node *node;
	int r;

	if (kernel_known(token.text) || (token.text.len == 2 && token.text.data[0] == '_'))
		return lexer_unsupported(&p->lexer, token.at, "'%.*s'", len, token.text.data);
	node = parser_node(p, NODE_NAME_ERROR, token.at);
	if (!node)
		return -EINVAL;
	node->text = token.text;
	r = parser_next(p);
	if (r == 0 && token_is(p, "(") && !p->lexer.token.space_before) {
		node->number = 1;
		r = parser_next(p) ?: parse_arguments(p, ")", node);
	}
	if (r == 0 && token_is(p, "{")) {
		node->number = 1;
		r = parse_block(p, &node->c);
	}
	*ret = node;
	return r < 0 ? r : parser_adopt(p, node);
}

static int parse_name(struct parser *p, struct node **ret)
{
	long slot = parser_find(p, p->lexer.token.text);
	struct node *node;

	if (slot < 0 && text_is(p->lexer.token.text, "raise"))
		return parse_raise(p, ret);
	if (slot < 0 && p->lexer.token.kind == TOKEN_CONSTANT && !text_is(p->lexer.token.text, "Regexp"))
		return lexer_unsupported(&p->lexer, p->lexer.token.at, "a constant of this name");
	if (slot < 0 && p->lexer.token.kind == TOKEN_NAME)
		return parse_unknown(p, ret);
	node = parser_node(p, slot < 0 ? NODE_REGEXP_CLASS : NODE_LOCAL, p->lexer.token.at);
	if (!node)
		return -EINVAL;
	node->number = slot;
	*ret = node;
	return parser_next(p);
}

/* A node without children from the current token. */
static int parse_leaf(struct parser *p, enum node_kind kind, struct node **ret)
{
	struct node *node = parser_node(p, kind, p->lexer.token.at);

	if (!node)
		return -EINVAL;
	node->text = p->lexer.token.text;
	node->number = p->lexer.token.number;
	*ret = node;
	return parser_next(p);
}

static int parse_global(struct parser *p, struct node **ret)
{
	bool group = p->lexer.token.number > 0;

	p->lexer.token.number = group ? p->lexer.token.number : -p->lexer.token.number;
	return parse_leaf(p, group ? NODE_GROUP_REF : NODE_MATCH_REF, ret);
}

static int parse_array(struct parser *p, struct node **ret)
{
	struct node *array = parser_node(p, NODE_ARRAY, p->lexer.token.at);
	struct node list = { .kind = NODE_ARRAY };
	int r = parser_next(p);

	if (!array)
		return -EINVAL;
	if (r == 0)
		r = parse_arguments(p, "]", &list);
	array->a = list.b;
	*ret = array;
	return r < 0 ? r : parser_adopt(p, array);
}

static int parse_group(struct parser *p, struct node **ret)
{
	int r = parser_next(p);

	if (r == 0)
		r = parse_statements(p, ret);
	return r < 0 ? r : parser_expect(p, ")");
}

static int parse_punct(struct parser *p, struct node **ret)
{
	if (token_is(p, "("))
		return parse_group(p, ret);
	if (token_is(p, "["))
		return parse_array(p, ret);
	if (token_is(p, "{"))
		return lexer_unsupported(&p->lexer, p->lexer.token.at, "a hash");
	if (token_is(p, "->"))
		return lexer_unsupported(&p->lexer, p->lexer.token.at, "a lambda within the lambda");
	if (token_is(p, "..") || token_is(p, "...") || token_is(p, "::"))
		return lexer_unsupported(&p->lexer, p->lexer.token.at, "'%.*s' in this place",
					 (int)p->lexer.token.text.len, p->lexer.token.text.data);
	return parser_unexpected(p);
}

static int parse_keyword(struct parser *p, struct node **ret)
{
	if (token_is(p, "nil"))
		return parse_leaf(p, NODE_NIL, ret);
	if (token_is(p, "true"))
		return parse_leaf(p, NODE_TRUE, ret);
	if (token_is(p, "false"))
		return parse_leaf(p, NODE_FALSE, ret);
	return parse_control(p, ret);
}

int parse_primary(struct parser *p, struct node **ret)
{
	switch (p->lexer.token.kind) {
	case TOKEN_INT:
		return parse_leaf(p, NODE_INT, ret);
	case TOKEN_SYMBOL:
		return parse_leaf(p, NODE_SYMBOL, ret);
	case TOKEN_GLOBAL:
		return parse_global(p, ret);
	case TOKEN_QUOTED:
		return parse_quoted(p, ret);
	case TOKEN_NAME:
	case TOKEN_CONSTANT:
		return parse_name(p, ret);
	case TOKEN_KEYWORD:
		return parse_keyword(p, ret);
	case TOKEN_PUNCT:
		return parse_punct(p, ret);
	case TOKEN_LABEL:
		return lexer_unsupported(&p->lexer, p->lexer.token.at, "a keyword argument");
	default:
		return parser_unexpected(p);
	}
}
