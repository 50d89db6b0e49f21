/* The parser's statements that begin with a keyword, and the program as a whole. */
#include "light/ruby_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM_BYTES (8 * 1024 * 1024)

/* What stands between a condition and what it governs. */
static int skip_then(struct parser *p)
{
	bool line = p->lexer.token.kind == TOKEN_NEWLINE;
	int r = parser_skip_newlines(p);

	if (r == 0 && token_is(p, "then"))
		return parser_next(p);
	return r < 0 || line ? r : parser_unexpected(p);
}

/* From `if`, `unless` or `elsif` on; takes the `end` unless it is of an elsif. */
static int parse_if(struct parser *p, struct node **ret)
{
	struct node *node = parser_node(p, NODE_IF, p->lexer.token.at);
	bool unless = token_is(p, "unless"), inner = token_is(p, "elsif");
	struct node *otherwise = NULL;
	int r = parser_next(p);

	if (!node)
		return -EINVAL;
	if (++p->depth > RUBY_DEPTH)
		return lexer_limit(&p->lexer, node->at, "the lambda is nested too deeply");
	if (r == 0)
		r = parse_expression(p, &node->a);
	if (r == 0)
		r = skip_then(p);
	if (r == 0)
		r = parse_statements(p, unless ? &node->c : &node->b);
	if (r == 0 && token_is(p, "elsif") && !unless)
		r = parse_if(p, &otherwise);
	else if (r == 0 && token_is(p, "else"))
		r = parser_next(p) ?: parse_statements(p, &otherwise);
	*(unless ? &node->b : &node->c) = otherwise;
	if (r == 0 && !inner)
		r = parser_expect(p, "end");
	p->depth--;
	*ret = node;
	return r < 0 ? r : parser_adopt(p, node);
}

static int parse_when(struct parser *p, struct node **ret)
{
	struct node *when = parser_node(p, NODE_WHEN, p->lexer.token.at);
	struct node **end;
	int r;

	if (!when)
		return -EINVAL;
	end = &when->a;
	do {
		r = parser_next(p);
		if (r == 0)
			r = parser_skip_newlines(p);
		if (r == 0)
			r = parse_operators(p, end);
		end = r < 0 ? end : &(*end)->next;
	} while (r == 0 && token_is(p, ","));
	if (r == 0)
		r = skip_then(p);
	if (r == 0)
		r = parse_statements(p, &when->b);
	*ret = when;
	return r < 0 ? r : parser_adopt(p, when);
}

static int parse_case(struct parser *p, struct node **ret)
{
	struct node *node = parser_node(p, NODE_CASE, p->lexer.token.at);
	struct node **end;
	int r = parser_next(p);

	if (!node)
		return -EINVAL;
	end = &node->b;
	if (r == 0 && p->lexer.token.kind != TOKEN_NEWLINE)
		r = parse_expression(p, &node->a);
	if (r == 0)
		r = parser_skip_newlines(p);
	if (r == 0 && token_is(p, "in"))
		return lexer_unsupported(&p->lexer, node->at, "pattern matching");
	if (r == 0 && !token_is(p, "when"))
		return parser_unexpected(p);
	while (r == 0 && token_is(p, "when")) {
		r = parse_when(p, end);
		end = r < 0 ? end : &(*end)->next;
	}
	if (r == 0 && token_is(p, "else"))
		r = parser_next(p) ?: parse_statements(p, &node->c);
	if (r == 0)
		r = parser_expect(p, "end");
	*ret = node;
	return r < 0 ? r : parser_adopt(p, node);
}

static int parse_begin(struct parser *p, struct node **ret)
{
	int r = parser_next(p);

	if (r == 0)
		r = parse_statements(p, ret);
	if (r == 0 && (token_is(p, "rescue") || token_is(p, "ensure")))
		return lexer_unsupported(&p->lexer, p->lexer.token.at, "`rescue` and `ensure`");
	return r < 0 ? r : parser_expect(p, "end");
}

bool parser_value_missing(const struct parser *p)
{
	static const char *const ends[] = { "if",  "unless", "while", "until", "rescue",
					    "end", "}",	     ")",     "and",   "or" };

	if (p->lexer.token.kind == TOKEN_NEWLINE || p->lexer.token.kind == TOKEN_END)
		return true;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (token_is(p, ends[i]))
			return true;
	}
	return false;
}

static int parse_jump(struct parser *p, enum node_kind kind, struct node **ret)
{
	struct node *node = parser_node(p, kind, p->lexer.token.at);
	int r = parser_next(p);

	if (!node)
		return -EINVAL;
	*ret = node;
	if (r == 0 && !parser_value_missing(p))
		r = parse_operators(p, &node->a);
	if (r == 0 && token_is(p, ","))
		return lexer_unsupported(&p->lexer, p->lexer.token.at, "several values");
	return r < 0 ? r : parser_adopt(p, node);
}

int parse_control(struct parser *p, struct node **ret)
{
	static const char *const stray[] = { "end", "else", "elsif", "when",   "then",	"do",
					     "in",  "and",  "or",    "rescue", "ensure" };
	struct text text = p->lexer.token.text;

	if (token_is(p, "if") || token_is(p, "unless"))
		return parse_if(p, ret);
	if (token_is(p, "case"))
		return parse_case(p, ret);
	if (token_is(p, "begin"))
		return parse_begin(p, ret);
	if (token_is(p, "return"))
		return parse_jump(p, NODE_RETURN, ret);
	if (token_is(p, "next"))
		return parse_jump(p, NODE_NEXT, ret);
	if (token_is(p, "break"))
		return parse_jump(p, NODE_BREAK, ret);
	for (size_t i = 0; i < sizeof(stray) / sizeof(stray[0]); i++) {
		if (text_is(text, stray[i]))
			return parser_unexpected(p);
	}
	return lexer_unsupported(&p->lexer, p->lexer.token.at, "`%.*s`", (int)text.len, text.data);
}

/* The parameters of `->(a, b, c) {` or `-> a, b, c do`; the current token is behind the arrow. */
static int parse_arrow_parameters(struct parser *p, struct node **ret)
{
	bool parens = token_is(p, "(");
	struct node **end = ret;
	int r = parens ? parser_next(p) : 0;

	if (r == 0 && parens)
		return parse_targets(p, ")", true, ret) ?: parser_next(p);
	*ret = NULL;
	while (r == 0 && !token_is(p, "{") && !token_is(p, "do")) {
		struct node *target = parser_node(p, NODE_LOCAL, p->lexer.token.at);
		size_t slot;

		if (!target)
			return -EINVAL;
		if (p->lexer.token.kind != TOKEN_NAME)
			return lexer_unsupported(&p->lexer, p->lexer.token.at,
						 "a parameter other than a plain name");
		r = parser_declare(p, p->lexer.token.text, &slot);
		target->number = (int64_t)slot;
		*end = target;
		end = &target->next;
		if (r == 0)
			r = parser_next(p);
		if (r == 0 && token_is(p, ","))
			r = parser_next(p);
		else if (r == 0 && !token_is(p, "{") && !token_is(p, "do"))
			r = lexer_unsupported(&p->lexer, p->lexer.token.at, "a parameter of this kind");
	}
	return r;
}

static int parse_lambda(struct parser *p, struct node **ret)
{
	struct node *lambda = parser_node(p, NODE_LAMBDA, p->lexer.token.at);
	bool arrow = token_is(p, "->");
	struct node *block = NULL;
	int r = parser_next(p);

	if (!lambda)
		return -EINVAL;
	if (r == 0 && arrow)
		r = parse_arrow_parameters(p, &lambda->a);
	if (r == 0 && !token_is(p, "{") && !token_is(p, "do"))
		return parser_unexpected(p);
	if (r == 0)
		r = parse_block(p, &block);
	if (r < 0)
		return r;
	lambda->a = arrow ? lambda->a : block->a;
	lambda->b = block->b;
	for (const struct node *target = lambda->a; target; target = target->next)
		lambda->count++;
	*ret = lambda;
	return 0;
}

static bool at_lambda(const struct parser *p)
{
	return token_is(p, "->") ||
	       (p->lexer.token.kind == TOKEN_NAME && text_is(p->lexer.token.text, "lambda"));
}

/* Why a program without a lambda is wrong: by a name that does not exist, when that is what it ends with. */
static int refuse_program(struct parser *p, const struct node *last)
{
	if (last && last->kind == NODE_NAME_ERROR)
		return lexer_wrong(&p->lexer, last->at, "undefined %s '%.*s'",
				   last->number ? "method" : "local variable or method",
				   last->text.len > 40 ? 40 : (int)last->text.len, last->text.data);
	return lexer_wrong(&p->lexer, p->lexer.token.at, "the source does not end with a lambda");
}

static int parse_program(struct parser *p)
{
	struct node *sequence = parser_node(p, NODE_SEQUENCE, 0);
	struct node *last = NULL, **end;
	int r = parser_next(p);

	if (!sequence)
		return -EINVAL;
	end = &sequence->a;
	p->program->before = sequence;
	if (r == 0)
		r = parser_skip_newlines(p);
	while (r == 0 && !at_lambda(p)) {
		if (p->lexer.token.kind == TOKEN_END)
			return refuse_program(p, last);
		r = parse_statement(p, &last);
		if (r < 0)
			return r;
		*end = last;
		end = &last->next;
		if (p->lexer.token.kind != TOKEN_NEWLINE && p->lexer.token.kind != TOKEN_END)
			return parser_unexpected(p);
		r = parser_skip_newlines(p);
	}
	if (r == 0)
		r = parse_lambda(p, &p->program->lambda);
	if (r == 0)
		r = parser_skip_newlines(p);
	if (r == 0 && p->lexer.token.kind != TOKEN_END)
		return lexer_unsupported(&p->lexer, p->lexer.token.at, "something behind the lambda");
	return r < 0 ? r : parser_adopt(p, sequence);
}

static int program_create(struct text source, struct ruby_program **ret)
{
	struct ruby_program *program = calloc(1, sizeof(*program));
	char *copy;

	if (!program)
		return -ENOMEM;
	program->arena.max = PROGRAM_BYTES;
	copy = arena_alloc(&program->arena, source.len + 1);
	if (!copy) {
		ruby_destroy(program);
		return -ENOMEM;
	}
	if (source.len > 0)
		memcpy(copy, source.data, source.len);
	program->source = (struct text){ copy, source.len };
	*ret = program;
	return 0;
}

int ruby_compile(struct text source, struct ruby_program **ret, struct light_fault *fault)
{
	struct ruby_program *program;
	struct parser *p;
	int r;

	if (source.len > LIGHT_SOURCE_BYTES)
		return fault_set(fault, LIGHT_LIMIT, "the lambda has %zu bytes, of at most %d", source.len,
				 LIGHT_SOURCE_BYTES);
	if (program_create(source, &program) < 0)
		return fault_no_memory(fault);
	p = calloc(1, sizeof(*p));
	if (!p) {
		ruby_destroy(program);
		return fault_no_memory(fault);
	}
	p->program = program;
	p->fault = fault;
	p->lexer = (struct lexer){ .source = program->source, .fault = fault };
	p->lexer.token.kind = TOKEN_NEWLINE;
	r = parse_program(p);
	free(p);
	if (r < 0) {
		ruby_destroy(program);
		return fault->kind == LIGHT_NO_MEMORY ? -ENOMEM : r;
	}
	*ret = program;
	return 0;
}

void ruby_destroy(struct ruby_program *program)
{
	if (!program)
		return;
	for (struct pattern *pattern = program->patterns; pattern; pattern = pattern->next)
		pattern_finish(pattern);
	arena_finish(&program->arena);
	free(program);
}
