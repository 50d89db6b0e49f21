/* The lexer: one token at a time, because only the parser knows whether a slash divides. */
#include "light/ruby_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fault_place(struct light_fault *fault, struct text source, size_t at, int r)
{
	if (fault->line > 0)
		return r;
	fault->line = 1;
	fault->column = 1;
	for (size_t i = 0; i < at && i < source.len; i++) {
		if (source.data[i] == '\n') {
			fault->line++;
			fault->column = 1;
		} else if (((unsigned char)source.data[i] & 0xc0) != 0x80) {
			fault->column++;
		}
	}
	return r;
}

static int lexer_fault(struct lexer *lexer, size_t at, enum light_fault_kind kind, const char *format,
		       va_list args)
{
	char text[200];

	vsnprintf(text, sizeof(text), format, args);
	return fault_place(lexer->fault, lexer->source, at, fault_set(lexer->fault, kind, "%s", text));
}

int lexer_wrong(struct lexer *lexer, size_t at, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = lexer_fault(lexer, at, LIGHT_WRONG, format, args);
	va_end(args);
	return r;
}

int lexer_unsupported(struct lexer *lexer, size_t at, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = lexer_fault(lexer, at, LIGHT_UNSUPPORTED, format, args);
	va_end(args);
	return r;
}

int lexer_limit(struct lexer *lexer, size_t at, const char *what)
{
	fault_set(lexer->fault, LIGHT_LIMIT, "%s", what);
	return fault_place(lexer->fault, lexer->source, at, -EINVAL);
}

static int char_at(const struct lexer *lexer, size_t at)
{
	return at < lexer->source.len ? (unsigned char)lexer->source.data[at] : -1;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_upper(int c)
{
	return c >= 'A' && c <= 'Z';
}

static bool begins_name(int c)
{
	return (c >= 'a' && c <= 'z') || is_upper(c) || c == '_' || c >= 0x80;
}

static bool in_name(int c)
{
	return begins_name(c) || is_digit(c);
}

static bool is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* True where a line begins with =begin; moves behind =end. */
static bool skip_block_comment(struct lexer *lexer, size_t *at)
{
	const char *begin = lexer->source.data + *at;
	const char *end = lexer->source.data + lexer->source.len;
	bool at_line = *at == 0 || begin[-1] == '\n';

	if (!at_line || end - begin < 6 || memcmp(begin, "=begin", 6) != 0)
		return false;
	while (begin < end) {
		const char *line_end = memchr(begin, '\n', (size_t)(end - begin)) ?: end;
		bool last = end - begin >= 4 && memcmp(begin, "=end", 4) == 0;

		begin = line_end < end ? line_end + 1 : end;
		if (last)
			break;
	}
	*at = (size_t)(begin - lexer->source.data);
	return true;
}

static void skip_line(const struct lexer *lexer, size_t *at)
{
	while (char_at(lexer, *at) >= 0 && char_at(lexer, *at) != '\n')
		(*at)++;
}

/* Blanks, comments and continued lines; stops in front of a line's end. */
static void skip_blanks(struct lexer *lexer, size_t *at)
{
	for (;;) {
		int c = char_at(lexer, *at);

		if (is_blank(c))
			(*at)++;
		else if (c == '#')
			skip_line(lexer, at);
		else if (c == '\\' && char_at(lexer, *at + 1) == '\n')
			*at += 2;
		else
			return;
	}
}

/* The place of the first thing behind white space, comments and ends of lines. */
static size_t skip_lines(struct lexer *lexer, size_t at)
{
	for (;;) {
		skip_blanks(lexer, &at);
		if (char_at(lexer, at) == '\n')
			at++;
		else if (!skip_block_comment(lexer, &at))
			return at;
	}
}

static void token_end(struct lexer *lexer, enum token_kind kind, size_t begin, size_t end)
{
	lexer->token.kind = kind;
	lexer->token.text = (struct text){ lexer->source.data + begin, end - begin };
	lexer->at = end;
}

static const char *const keywords[] = {
	"alias", "and",	  "begin", "break",  "case",   "class",	 "def",	  "defined?", "do",
	"else",	 "elsif", "end",   "ensure", "false",  "for",	 "if",	  "in",	      "module",
	"next",	 "nil",	  "not",   "or",     "redo",   "rescue", "retry", "return",   "self",
	"super", "then",  "true",  "undef",  "unless", "until",	 "when",  "while",    "yield",
};

static bool is_keyword(struct text text)
{
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		if (text_is(text, keywords[i]))
			return true;
	}
	return false;
}

/* Keywords behind which a slash divides. */
static bool ends_value(const struct token *token)
{
	static const char *const words[] = { "end", "self", "true", "false", "nil" };

	switch (token->kind) {
	case TOKEN_INT:
	case TOKEN_NAME:
	case TOKEN_CONSTANT:
	case TOKEN_SYMBOL:
	case TOKEN_GLOBAL:
	case TOKEN_QUOTED:
		return true;
	case TOKEN_PUNCT:
		return text_is(token->text, ")") || text_is(token->text, "]") || text_is(token->text, "}");
	case TOKEN_KEYWORD:
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (text_is(token->text, words[i]))
				return true;
		}
		return false;
	default:
		return false;
	}
}

static int lex_number(struct lexer *lexer)
{
	size_t begin = lexer->at, at = begin;
	int64_t n = 0;

	if (char_at(lexer, at) == '0' && in_name(char_at(lexer, at + 1)))
		return lexer_unsupported(lexer, begin, "a number that is not decimal");
	for (; is_digit(char_at(lexer, at)) || char_at(lexer, at) == '_'; at++) {
		if (char_at(lexer, at) == '_')
			continue;
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, char_at(lexer, at) - '0', &n))
			return lexer_unsupported(lexer, begin, "a number of more than 64 bits");
	}
	if (char_at(lexer, at) == '.' && is_digit(char_at(lexer, at + 1)))
		return lexer_unsupported(lexer, begin, "a number with a fraction");
	if (begins_name(char_at(lexer, at)))
		return lexer_unsupported(lexer, begin, "a number with letters");
	lexer->token.number = n;
	token_end(lexer, TOKEN_INT, begin, at);
	return 0;
}

static int lex_name(struct lexer *lexer, bool after_dot)
{
	size_t begin = lexer->at, at = begin;
	int c, behind;
	struct text word;

	while (in_name(char_at(lexer, at)))
		at++;
	c = char_at(lexer, at);
	behind = char_at(lexer, at + 1);
	/* `x?y:z` and `x!=y` are not names with a mark. */
	if ((c == '?' || c == '!') &&
	    (behind != '=' || char_at(lexer, at + 2) == '=' || char_at(lexer, at + 2) == '~') &&
	    !(c == '!' && behind == '~'))
		at++;
	word = (struct text){ lexer->source.data + begin, at - begin };
	if (!after_dot && char_at(lexer, at) == ':' && char_at(lexer, at + 1) != ':' &&
	    !(lexer->token.kind == TOKEN_PUNCT && text_is(lexer->token.text, "?")) && c != '?') {
		token_end(lexer, TOKEN_LABEL, begin, at);
		lexer->at++;
		return 0;
	}
	if (!after_dot && is_keyword(word))
		token_end(lexer, TOKEN_KEYWORD, begin, at);
	else
		token_end(lexer, is_upper(char_at(lexer, begin)) ? TOKEN_CONSTANT : TOKEN_NAME, begin, at);
	return 0;
}

static int lex_global(struct lexer *lexer)
{
	size_t begin = lexer->at, at = begin + 1;
	int c = char_at(lexer, at);

	if (c >= '1' && c <= '9') {
		lexer->token.number = 0;
		for (; is_digit(char_at(lexer, at)) && lexer->token.number < 1000; at++)
			lexer->token.number = lexer->token.number * 10 + (char_at(lexer, at) - '0');
	} else if (c == '~' || c == '&' || c == '`' || c == '\'' || c == '+') {
		lexer->token.number = -c;
		at++;
	} else {
		return lexer_unsupported(lexer, begin, "a global variable");
	}
	token_end(lexer, TOKEN_GLOBAL, begin, at);
	return 0;
}

static int begin_quoted(struct lexer *lexer, enum quote_kind quote, size_t at, char open)
{
	static const char pairs[][2] = { { '(', ')' }, { '[', ']' }, { '{', '}' }, { '<', '>' } };
	size_t begin = lexer->at;

	lexer->token.quote = quote;
	lexer->token.open = '\0';
	lexer->token.close = open;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (pairs[i][0] == open) {
			lexer->token.open = open;
			lexer->token.close = pairs[i][1];
		}
	}
	token_end(lexer, TOKEN_QUOTED, begin, at);
	return 0;
}

static int lex_percent(struct lexer *lexer)
{
	static const struct {
		char letter;
		enum quote_kind kind;
	} kinds[] = {
		{ 'q', QUOTE_SINGLE }, { 'Q', QUOTE_DOUBLE },  { 'w', QUOTE_WORDS },
		{ 'r', QUOTE_REGEX },  { 'i', QUOTE_SYMBOLS },
	};
	int c = char_at(lexer, lexer->at + 1), open = char_at(lexer, lexer->at + 2);

	if (c > ' ' && c < 0x80 && !in_name(c))
		return begin_quoted(lexer, QUOTE_DOUBLE, lexer->at + 2, (char)c);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].letter == c && open > ' ' && open < 0x7f && !in_name(open))
			return begin_quoted(lexer, kinds[i].kind, lexer->at + 3, (char)open);
	}
	return lexer_unsupported(lexer, lexer->at, "a literal of this kind");
}

static int lex_symbol(struct lexer *lexer)
{
	size_t begin = lexer->at + 1, at = begin;
	int c = char_at(lexer, at);

	if (c == '"')
		return begin_quoted(lexer, QUOTE_SYMBOL, begin + 1, '"');
	if (c == '\'')
		return lexer_unsupported(lexer, lexer->at, "a symbol in single quotes");
	if (!begins_name(c)) {
		/* Those that blocks pass on, as in inject(:+). */
		if (c != '+' && c != '*' && c != '-')
			return lexer_unsupported(lexer, lexer->at, "a symbol of this kind");
		at++;
	}
	while (in_name(char_at(lexer, at)))
		at++;
	if ((char_at(lexer, at) == '?' || char_at(lexer, at) == '!') && char_at(lexer, at + 1) != '=')
		at++;
	token_end(lexer, TOKEN_SYMBOL, begin, at);
	return 0;
}

/* Longest first. */
static const char *const puncts[] = {
	"**=", "<=>", "===", "...", "<<=", ">>=", "&&=", "||=", "==", "!=", ">=", "<=", "&&", "||",
	"=~",  "!~",  "..",  "::",  "+=",  "-=",  "*=",	 "/=",	"%=", "|=", "&=", "->", "=>", "<<",
	">>",  "**",  "&.",  "+",   "-",   "*",	  "/",	 "%",	"=",  "<",  ">",  "!",	"&",  "|",
	"^",   "~",   "?",   ":",   ",",   ".",	  "(",	 ")",	"[",  "]",  "{",  "}",
};

static int lex_punct(struct lexer *lexer)
{
	const char *here = lexer->source.data + lexer->at;
	size_t left = lexer->source.len - lexer->at;

	for (size_t i = 0; i < sizeof(puncts) / sizeof(puncts[0]); i++) {
		size_t len = strlen(puncts[i]);

		if (left >= len && memcmp(here, puncts[i], len) == 0) {
			token_end(lexer, TOKEN_PUNCT, lexer->at, lexer->at + len);
			return 0;
		}
	}
	if (*here == '@')
		return lexer_unsupported(lexer, lexer->at, "an instance variable");
	return lexer_wrong(lexer, lexer->at, "unexpected character '%.*s'", *here < 0x20 ? 0 : 1, here);
}

/* True when `c` at the place begins a literal rather than being an operator. */
static bool begins_literal(const struct lexer *lexer, bool space_before)
{
	int behind = char_at(lexer, lexer->at + 1);

	if (!lexer->value_before)
		return true;
	/* A method's first argument without parentheses: `output.match /x/`. */
	return lexer->method_before && space_before && !is_blank(behind) && behind != '=' && behind != '\n';
}

static int lex_value(struct lexer *lexer, int c, bool space_before)
{
	bool after_dot = lexer->token.kind == TOKEN_PUNCT &&
			 (text_is(lexer->token.text, ".") || text_is(lexer->token.text, "&."));
	bool literal = begins_literal(lexer, space_before);

	if (is_digit(c))
		return lex_number(lexer);
	if (begins_name(c))
		return lex_name(lexer, after_dot);
	if (c == '\'' || c == '"')
		return begin_quoted(lexer, c == '"' ? QUOTE_DOUBLE : QUOTE_SINGLE, lexer->at + 1, (char)c);
	if (c == '`')
		return lexer_unsupported(lexer, lexer->at, "a shell command");
	if (c == '$')
		return lex_global(lexer);
	if (c == '/' && literal)
		return begin_quoted(lexer, QUOTE_REGEX, lexer->at + 1, '/');
	if (c == '%' && literal)
		return lex_percent(lexer);
	if (c == ':' && char_at(lexer, lexer->at + 1) != ':' && !is_blank(char_at(lexer, lexer->at + 1)) &&
	    char_at(lexer, lexer->at + 1) != '\n')
		return lex_symbol(lexer);
	if (c == '<' && !lexer->value_before && char_at(lexer, lexer->at + 1) == '<')
		return lexer_unsupported(lexer, lexer->at, "a here-document");
	if (c == '?' && !lexer->value_before)
		return lexer_unsupported(lexer, lexer->at, "a character literal");
	return lex_punct(lexer);
}

/* A line's end; false when it means nothing, because the next line goes on with the expression. */
static bool lex_newline(struct lexer *lexer)
{
	size_t next = skip_lines(lexer, lexer->at);
	int c = char_at(lexer, next), behind = char_at(lexer, next + 1);
	bool goes_on = (c == '.' && behind != '.') || (c == '&' && behind == '.');

	if (goes_on) {
		lexer->at = next;
		return false;
	}
	token_end(lexer, TOKEN_NEWLINE, lexer->at, lexer->at + 1);
	lexer->at = next;
	return true;
}

int lexer_next(struct lexer *lexer)
{
	size_t before = lexer->at;
	bool dot = lexer->token.kind == TOKEN_PUNCT &&
		   (text_is(lexer->token.text, ".") || text_is(lexer->token.text, "&."));
	int c, r;

	skip_block_comment(lexer, &lexer->at);
	skip_blanks(lexer, &lexer->at);
	lexer->value_before = ends_value(&lexer->token);
	lexer->token.space_before = lexer->at > before;
	c = char_at(lexer, lexer->at);
	if (c == '\n' && !lex_newline(lexer))
		return lexer_next(lexer);
	lexer->token.at = lexer->at;
	if (c < 0) {
		token_end(lexer, TOKEN_END, lexer->at, lexer->at);
		return 0;
	}
	if (c == '\n')
		return 0;
	if (c == ';') {
		token_end(lexer, TOKEN_NEWLINE, lexer->at, lexer->at + 1);
		return 0;
	}
	r = lex_value(lexer, c, lexer->token.space_before);
	c = char_at(lexer, lexer->at);
	lexer->token.space_behind = is_blank(c) || c == '\n';
	lexer->method_before = dot && lexer->token.kind == TOKEN_NAME;
	return r;
}
