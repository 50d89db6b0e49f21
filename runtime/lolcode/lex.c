#include "lolcode/lolcode_priv.h"

#include <stdlib.h>
#include <string.h>

struct lexer {
	const char *text;
	size_t len, at;
	unsigned line;
	struct token_list list;
	size_t room;
	char *error;
};

static int fail(struct lexer *x, const char *text)
{
	snprintf(x->error, LOL_ERROR_MAX, "line %u: %s", x->line, text);
	return -1;
}

static int add(struct lexer *x, enum token_kind kind, size_t begin, size_t end)
{
	struct token *grown;

	/* Lines that hold nothing end no statement. */
	if (kind == TOKEN_LINE && (x->list.count == 0 || x->list.items[x->list.count - 1].kind == TOKEN_LINE))
		return 0;
	if (x->list.count == x->room) {
		x->room = x->room ? x->room * 2 : 256;
		grown = reallocarray(x->list.items, x->room, sizeof(*grown));
		if (!grown)
			return fail(x, "no memory");
		x->list.items = grown;
	}
	x->list.items[x->list.count++] =
		(struct token){ .kind = kind, .text = x->text + begin, .len = end - begin, .line = x->line };
	return 0;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return is_letter(c) || is_digit(c) || c == '_';
}

static bool ahead(const struct lexer *x, const char *text)
{
	size_t len = strlen(text);

	return x->len - x->at >= len && memcmp(x->text + x->at, text, len) == 0;
}

/* A whole word, not the begin of one. */
static bool ahead_word(const struct lexer *x, const char *word)
{
	size_t end = x->at + strlen(word);

	return ahead(x, word) && (x->at == 0 || !is_word(x->text[x->at - 1])) &&
	       (end >= x->len || !is_word(x->text[end]));
}

static void pass_line(struct lexer *x)
{
	while (x->at < x->len && x->text[x->at] != '\n')
		x->at++;
}

static int pass_block_comment(struct lexer *x)
{
	for (; x->at < x->len; x->at++) {
		if (ahead_word(x, "TLDR")) {
			x->at += strlen("TLDR");
			return 0;
		}
		x->line += x->text[x->at] == '\n';
	}
	return fail(x, "OBTW has no TLDR");
}

/* "..." or the one character for it, at the end of a line. */
static int join_lines(struct lexer *x, size_t dots)
{
	x->at += dots;
	while (x->at < x->len && x->text[x->at] != '\n') {
		if (!strchr(" \t\r", x->text[x->at]))
			return fail(x, "behind ... the line must end");
		x->at++;
	}
	x->at += x->at < x->len;
	x->line++;
	return 0;
}

static int lex_yarn(struct lexer *x)
{
	size_t begin = ++x->at;

	while (x->at < x->len && x->text[x->at] != '"' && x->text[x->at] != '\n')
		x->at += x->text[x->at] == ':' && x->at + 1 < x->len && x->text[x->at + 1] != '\n' ? 2 : 1;
	if (x->at >= x->len || x->text[x->at] != '"')
		return fail(x, "a YARN has no end");
	return add(x, TOKEN_YARN, begin, x->at++);
}

static int lex_number(struct lexer *x)
{
	size_t begin = x->at;
	bool dot = false;

	x->at += x->text[x->at] == '-';
	for (; x->at < x->len && (is_digit(x->text[x->at]) || (x->text[x->at] == '.' && !dot)); x->at++) {
		if (x->text[x->at] == '.') {
			if (ahead(x, "..."))
				break;
			dot = true;
		}
	}
	if (x->at < x->len && is_word(x->text[x->at]))
		return fail(x, "a number goes on with letters");
	return add(x, dot ? TOKEN_NUMBAR : TOKEN_NUMBR, begin, x->at);
}

static int lex_word(struct lexer *x)
{
	size_t begin = x->at;

	while (x->at < x->len && is_word(x->text[x->at]))
		x->at++;
	return add(x, TOKEN_WORD, begin, x->at);
}

static int lex_sign(struct lexer *x)
{
	char c = x->text[x->at];

	x->at++;
	if (c == '\n') {
		int r = add(x, TOKEN_LINE, x->at - 1, x->at);

		x->line++;
		return r;
	}
	if (c == ',')
		return add(x, TOKEN_LINE, x->at - 1, x->at);
	if (c == '!')
		return add(x, TOKEN_BANG, x->at - 1, x->at);
	if (c == '?')
		return add(x, TOKEN_QUESTION, x->at - 1, x->at);
	return fail(x, "a character that means nothing here");
}

static int lex_one(struct lexer *x)
{
	char c = x->text[x->at];

	if (c == ' ' || c == '\t' || c == '\r') {
		x->at++;
		return 0;
	}
	if (ahead(x, "..."))
		return join_lines(x, 3);
	if (ahead(x, "\xe2\x80\xa6"))
		return join_lines(x, 3);
	if (ahead_word(x, "BTW")) {
		pass_line(x);
		return 0;
	}
	if (ahead_word(x, "OBTW"))
		return pass_block_comment(x);
	if (c == '"')
		return lex_yarn(x);
	if (is_digit(c) || (c == '-' && x->at + 1 < x->len && is_digit(x->text[x->at + 1])))
		return lex_number(x);
	return is_letter(c) ? lex_word(x) : lex_sign(x);
}

int lol_lex(const char *source, size_t len, struct token_list *ret, char error[LOL_ERROR_MAX])
{
	struct lexer x = { .text = source, .len = len, .line = 1, .error = error };
	int r = 0;

	while (r == 0 && x.at < x.len)
		r = lex_one(&x);
	if (r == 0)
		r = add(&x, TOKEN_LINE, x.at, x.at);
	if (r == 0)
		r = add(&x, TOKEN_END, x.at, x.at);
	if (r == 0)
		*ret = x.list;
	else
		free(x.list.items);
	return r;
}
