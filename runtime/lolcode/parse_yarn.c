/* What stands between quotes: escapes behind a colon, and :{variables}. */
#include "lolcode/parse.h"

#include <stdlib.h>
#include <string.h>

struct yarn_reader {
	struct parser *parser;
	const char *text;
	size_t len, at;
	char *bytes; /* of the part that is being read; never longer than the text */
	size_t count;
	struct node **end; /* where the next part goes */
};

/* Ends a part: a literal with the bytes so far, when there are any. */
static bool end_part(struct yarn_reader *y)
{
	struct node *node;

	if (y->count == 0)
		return true;
	node = parse_node(y->parser, NODE_LITERAL);
	if (!node)
		return false;
	node->value = (struct value){ .type = TYPE_YARN, .yarn = yarn_create(y->bytes, y->count) };
	if (!node->value.yarn) {
		node->value.type = TYPE_NOOB;
		return parse_fail(y->parser, "no memory");
	}
	y->count = 0;
	*y->end = node;
	y->end = &node->next;
	return true;
}

/* What stands up to the closing bracket; the reader is then behind it. */
static bool bracketed(struct yarn_reader *y, char close, const char **ret, size_t *ret_len)
{
	const char *begin = y->text + y->at + 1;
	const char *end = memchr(begin, close, y->len - y->at - 1);

	if (!end || end == begin)
		return parse_fail(y->parser, "an escape in a YARN has no end, or nothing in it");
	*ret = begin;
	*ret_len = (size_t)(end - begin);
	y->at = (size_t)(end + 1 - y->text);
	return true;
}

static void add_character(struct yarn_reader *y, unsigned long c)
{
	int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

	y->bytes[y->count++] = (char)(more ? (0xff00 >> (more + 1) & 0xff) | (c >> 6 * more) : c);
	while (more-- > 0)
		y->bytes[y->count++] = (char)(0x80 | (c >> 6 * more & 0x3f));
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdefABCDEF", *at = strchr(digits, c);

	if (!c || !at)
		return -1;
	return (int)(at - digits) < 16 ? (int)(at - digits) : (int)(at - digits) - 6;
}

/* :(263A); shorter than its own text, whatever it is. */
static bool read_code(struct yarn_reader *y)
{
	const char *text;
	unsigned long c = 0;
	size_t len;

	if (!bracketed(y, ')', &text, &len))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (hex_digit(text[i]) < 0 || c > 0x10ffff)
			return parse_fail(y->parser,
					  ":( ) in a YARN is no hexadecimal number of a character");
		c = c * 16 + (unsigned long)hex_digit(text[i]);
	}
	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return parse_fail(y->parser, ":( ) in a YARN is no hexadecimal number of a character");
	add_character(y, c);
	return true;
}

static bool read_variable(struct yarn_reader *y)
{
	struct node *node;
	const char *name;
	size_t len;

	if (!bracketed(y, '}', &name, &len) || !end_part(y))
		return false;
	node = parse_node(y->parser, NODE_VARIABLE);
	if (!node)
		return false;
	node->name = parse_name_number(y->parser, name, len);
	*y->end = node;
	y->end = &node->next;
	return node->name >= 0;
}

static bool read_escape(struct yarn_reader *y)
{
	static const char *const plain = ")\n>\to\a\"\"::";
	char c = ++y->at < y->len ? y->text[y->at] : '\0';

	if (c == '(')
		return read_code(y);
	if (c == '{')
		return read_variable(y);
	for (const char *pair = plain; *pair; pair += 2) {
		if (*pair != c)
			continue;
		y->bytes[y->count++] = pair[1];
		y->at++;
		return true;
	}
	return parse_fail(y->parser, c == '[' ? "names of characters, :[ ], are not known here"
					      : "an unknown escape in a YARN");
}

static bool read_parts(struct yarn_reader *y)
{
	while (y->at < y->len) {
		if (y->text[y->at] != ':')
			y->bytes[y->count++] = y->text[y->at++];
		else if (!read_escape(y))
			return false;
	}
	return end_part(y);
}

/* Without variables in it, it is one literal. */
static struct node *simplify(struct parser *p, struct node *text)
{
	if (text->child && (text->child->next || text->child->kind == NODE_VARIABLE))
		return text;
	if (text->child)
		return text->child;
	text->kind = NODE_LITERAL;
	text->value = (struct value){ .type = TYPE_YARN, .yarn = yarn_create("", 0) };
	if (text->value.yarn)
		return text;
	text->value.type = TYPE_NOOB;
	parse_fail(p, "no memory");
	return NULL;
}

struct node *parse_yarn(struct parser *p)
{
	const struct token *token = parse_peek(p);
	struct yarn_reader y = { .parser = p, .text = token->text, .len = token->len };
	struct node *node = parse_node(p, NODE_TEXT);
	bool ok;

	if (!node)
		return NULL;
	y.bytes = malloc(token->len + 1);
	if (!y.bytes) {
		parse_fail(p, "no memory");
		return NULL;
	}
	y.end = &node->child;
	ok = read_parts(&y);
	free(y.bytes);
	p->at++;
	return ok ? simplify(p, node) : NULL;
}
