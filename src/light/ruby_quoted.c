/* The parser's quoted literals: strings, symbols, word lists, regular expressions. */
#include "light/ruby_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A quoted literal while it is read. */
struct quoted {
	struct token token;
	size_t at;	 /* in the source */
	size_t open;	 /* pairs of delimiters within */
	struct buf text; /* of the literal part under way */
	struct node *first, **end;
};

static int put(struct parser *p, struct quoted *q, const char *text, size_t len)
{
	return buf_append(&q->text, text, len) < 0 ? fault_no_memory(p->fault) : 0;
}

static int put_point(struct parser *p, struct quoted *q, uint32_t point)
{
	char text[4];
	size_t len = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
	static const uint8_t first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return lexer_wrong(&p->lexer, q->at, "an invalid Unicode character");
	for (size_t i = len; i-- > 1; point >>= 6)
		text[i] = (char)(0x80 | (point & 0x3f));
	text[0] = (char)(first[len] | point);
	return put(p, q, text, len);
}

static int char_at(const struct parser *p, size_t at)
{
	return at < p->program->source.len ? (unsigned char)p->program->source.data[at] : -1;
}

static int copy_text(struct parser *p, const struct buf *from, struct text *ret)
{
	char *copy = arena_alloc(&p->program->arena, from->len + 1);

	if (!copy)
		return fault_no_memory(p->fault);
	if (from->len > 0)
		memcpy(copy, from->data, from->len);
	*ret = (struct text){ copy, from->len };
	return 0;
}

/* Ends the literal part under way and makes a node of it. */
static int flush(struct parser *p, struct quoted *q, bool always)
{
	struct node *part;
	int r;

	if (q->text.len == 0 && !always)
		return 0;
	part = parser_node(p, NODE_STRING, q->token.at);
	if (!part)
		return -EINVAL;
	r = copy_text(p, &q->text, &part->text);
	q->text.len = 0;
	*q->end = part;
	q->end = &part->next;
	return r;
}

static long hex(const struct parser *p, size_t *at, size_t least, size_t most)
{
	long value = 0;
	size_t n = 0;

	for (; n < most; n++) {
		int c = char_at(p, *at);
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;

		if (digit < 0)
			break;
		value = value * 16 + digit;
		(*at)++;
	}
	return n < least ? -1 : value;
}

/* \u1234, \u{1f600}, \x41; q->at is on the letter. */
static int escape_hex(struct parser *p, struct quoted *q)
{
	bool unicode = char_at(p, q->at) == 'u';
	bool braces = unicode && char_at(p, q->at + 1) == '{';
	long value;

	q->at += braces ? 2 : 1;
	value = hex(p, &q->at, unicode && !braces ? 4 : 1, braces ? 6 : unicode ? 4 : 2);
	if (value < 0)
		return lexer_wrong(&p->lexer, q->at, "an escape without its digits");
	if (braces && char_at(p, q->at) != '}')
		return lexer_unsupported(&p->lexer, q->at, "several characters in one \\u{}");
	q->at += braces;
	if (!unicode && value >= 0x80)
		return lexer_unsupported(&p->lexer, q->at, "a byte that is no character");
	return put_point(p, q, (uint32_t)value);
}

static const struct {
	char letter, byte;
} escapes[] = {
	{ 'n', '\n' }, { 't', '\t' }, { 's', ' ' },  { 'r', '\r' }, { 'e', 0x1b },
	{ 'a', '\a' }, { 'b', '\b' }, { 'f', '\f' }, { 'v', '\v' },
};

/* An escape within double quotes; q->at is behind the backslash. */
static int escape_double(struct parser *p, struct quoted *q)
{
	int c = char_at(p, q->at);
	char byte = (char)c;

	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		if (escapes[i].letter == c) {
			q->at++;
			return put(p, q, &escapes[i].byte, 1);
		}
	}
	if (c == 'u' || c == 'x')
		return escape_hex(p, q);
	if (c == 'c' || c == 'C' || c == 'M' || (c >= '0' && c <= '7'))
		return lexer_unsupported(&p->lexer, q->at, "control, meta and octal characters");
	q->at++;
	return c == '\n' ? 0 : put(p, q, &byte, 1);
}

static int escape(struct parser *p, struct quoted *q)
{
	int c = char_at(p, q->at + 1);
	char both[2] = { '\\', (char)c };
	bool delimiter = c == q->token.close || (q->token.open && c == q->token.open);
	bool plain;

	if (c < 0)
		return lexer_wrong(&p->lexer, q->token.at, "a literal without its end");
	switch (q->token.quote) {
	case QUOTE_DOUBLE:
	case QUOTE_SYMBOL:
		q->at++;
		return escape_double(p, q);
	case QUOTE_REGEX:
		plain = c == '/' && delimiter;
		break;
	case QUOTE_WORDS:
	case QUOTE_SYMBOLS:
		plain = delimiter || c == '\\' || c == ' ' || c == '\n' || c == '\t';
		break;
	default:
		plain = delimiter || c == '\\';
		break;
	}
	q->at += 2;
	return put(p, q, plain ? both + 1 : both, plain ? 1 : 2);
}

/* #{…}; q->at is behind its brace. */
static int interpolate(struct parser *p, struct quoted *q)
{
	struct node *part;
	int r = flush(p, q, false);

	if (r < 0)
		return r;
	p->lexer.at = q->at;
	p->lexer.token.kind = TOKEN_NEWLINE;
	r = parser_next(p);
	if (r == 0)
		r = parse_statements(p, &part);
	if (r == 0 && !token_is(p, "}"))
		return parser_unexpected(p);
	if (r < 0)
		return r;
	q->at = p->lexer.at;
	*q->end = part;
	q->end = &part->next;
	return 0;
}

static bool interpolates(enum quote_kind quote)
{
	return quote == QUOTE_DOUBLE || quote == QUOTE_REGEX || quote == QUOTE_SYMBOL;
}

static bool ends_word(const struct quoted *q, int c)
{
	return (q->token.quote == QUOTE_WORDS || q->token.quote == QUOTE_SYMBOLS) &&
	       (c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || c == '\v');
}

/* One character, escape or interpolation. */
static int read_one(struct parser *p, struct quoted *q, int c)
{
	char byte = (char)c;
	int behind = char_at(p, q->at + 1);

	if (c == '\\')
		return escape(p, q);
	if (c == '#' && behind == '{' && interpolates(q->token.quote)) {
		q->at += 2;
		return interpolate(p, q);
	}
	if (c == '#' && (behind == '@' || behind == '$') && interpolates(q->token.quote) &&
	    q->token.quote != QUOTE_REGEX)
		return lexer_unsupported(&p->lexer, q->at, "the interpolation of a variable without braces");
	q->at++;
	if (ends_word(q, c))
		return flush(p, q, false);
	return put(p, q, &byte, 1);
}

static int read_quoted(struct parser *p, struct quoted *q)
{
	int r = 0;

	while (r == 0) {
		int c = char_at(p, q->at);

		if (c < 0)
			return lexer_wrong(&p->lexer, q->token.at, "a literal without its end");
		if (c == q->token.close && q->open == 0)
			break;
		if (c == q->token.close)
			q->open--;
		else if (q->token.open && c == q->token.open)
			q->open++;
		r = read_one(p, q, c);
	}
	q->at++;
	return r;
}

static int read_options(struct parser *p, struct quoted *q, uint32_t *ret)
{
	int c;

	for (*ret = 0; (c = char_at(p, q->at)) >= 'a' && c <= 'z'; q->at++) {
		if (c == 'i' || c == 'x' || c == 'm')
			*ret |= c == 'i' ? PATTERN_CASELESS : c == 'x' ? PATTERN_EXTENDED : PATTERN_DOTALL;
		else if (c != 'o' && c != 'u')
			return lexer_unsupported(&p->lexer, q->at, "an option of a regular expression");
	}
	return 0;
}

static int make_regex(struct parser *p, struct quoted *q, struct node **ret)
{
	bool literal = q->first->kind == NODE_STRING && !q->first->next;
	struct node *node = parser_node(p, literal ? NODE_REGEX : NODE_REGEX_INTERPOLATED, q->token.at);
	uint32_t options;
	int r = read_options(p, q, &options);

	if (!node)
		return -EINVAL;
	if (r < 0)
		return r;
	*ret = node;
	node->number = options;
	if (!literal) {
		node->a = q->first;
		return parser_adopt(p, node);
	}
	if (++p->patterns > RUBY_PATTERNS)
		return lexer_limit(&p->lexer, q->token.at, "the lambda has too many regular expressions");
	node->pattern = arena_alloc(&p->program->arena, sizeof(*node->pattern));
	if (!node->pattern)
		return fault_no_memory(p->fault);
	r = pattern_compile_ruby(q->first->text, options, node->pattern, p->fault);
	if (r < 0)
		return fault_place(p->fault, p->program->source, q->token.at, r);
	node->pattern->source = q->first->text;
	node->pattern->next = p->program->patterns;
	p->program->patterns = node->pattern;
	p->compiled += node->pattern->bytes;
	if (p->compiled > patterns_bytes_max(p->program->source.len))
		return lexer_limit(&p->lexer, q->token.at, "the regular expressions repeat too much");
	return 0;
}

static int make_string(struct parser *p, struct quoted *q, struct node **ret)
{
	if (q->first->kind == NODE_STRING && !q->first->next) {
		*ret = q->first;
		return 0;
	}
	*ret = parser_node(p, NODE_INTERPOLATED, q->token.at);
	if (!*ret)
		return -EINVAL;
	(*ret)->a = q->first;
	return parser_adopt(p, *ret);
}

static int make_words(struct parser *p, struct quoted *q, struct node **ret)
{
	*ret = parser_node(p, NODE_ARRAY, q->token.at);
	if (!*ret)
		return -EINVAL;
	for (struct node *word = q->first; word && q->token.quote == QUOTE_SYMBOLS; word = word->next)
		word->kind = NODE_SYMBOL;
	(*ret)->a = q->first;
	return parser_adopt(p, *ret);
}

static int read_literal(struct parser *p, struct quoted *q, struct node **ret)
{
	bool words = q->token.quote == QUOTE_WORDS || q->token.quote == QUOTE_SYMBOLS;
	int r = read_quoted(p, q);

	if (r == 0)
		r = flush(p, q, !words && !q->first);
	if (r < 0)
		return r;
	if (words)
		return make_words(p, q, ret);
	if (q->token.quote == QUOTE_REGEX)
		return make_regex(p, q, ret);
	r = make_string(p, q, ret);
	if (r == 0 && q->token.quote == QUOTE_SYMBOL && (*ret)->kind != NODE_STRING)
		return lexer_unsupported(&p->lexer, q->token.at, "a symbol that is put together");
	if (r == 0 && q->token.quote == QUOTE_SYMBOL)
		(*ret)->kind = NODE_SYMBOL;
	return r;
}

/* `'a' 'b'` is one string. */
static int join_adjacent(struct parser *p, struct node **value)
{
	struct node *joined, *right;
	int r = parse_quoted(p, &right);

	if (r < 0)
		return r;
	joined = parser_node(p, NODE_INTERPOLATED, (*value)->at);
	if (!joined)
		return -EINVAL;
	joined->a = *value;
	(*value)->next = right;
	*value = joined;
	return parser_adopt(p, joined);
}

int parse_quoted(struct parser *p, struct node **ret)
{
	struct quoted q = { .token = p->lexer.token,
			    .at = p->lexer.at,
			    .text = BUF_INIT(LIGHT_SOURCE_BYTES) };
	bool string = q.token.quote == QUOTE_SINGLE || q.token.quote == QUOTE_DOUBLE;
	const struct token *next = &p->lexer.token;
	int r;

	if (++p->depth > RUBY_DEPTH)
		return lexer_limit(&p->lexer, q.token.at, "the lambda is nested too deeply");
	q.end = &q.first;
	r = read_literal(p, &q, ret);
	buf_finish(&q.text);
	if (r < 0)
		return r;
	p->lexer.at = q.at;
	p->lexer.token = q.token;
	r = parser_next(p);
	if (r == 0 && string && next->kind == TOKEN_QUOTED &&
	    (next->quote == QUOTE_SINGLE || next->quote == QUOTE_DOUBLE))
		r = join_adjacent(p, ret);
	p->depth--;
	return r;
}
