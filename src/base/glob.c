/*
 * How it works: the pattern becomes a list of tokens, and the name is read once, character by character, with the set
 * of all tokens that the rest of the name could still begin at (a Thompson simulation). Backtracking was dropped: with
 * two kinds of star it is quadratic at best, and patterns come from strangers.
 */
#include "base/glob.h"

#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

enum token_kind {
	TOKEN_LITERAL,
	TOKEN_ONE,
	TOKEN_SET,
	TOKEN_STAR, /* any but '/' */
	TOKEN_ALL,  /* any */
	TOKEN_DIRS, /* at the start of a component: skips whole folders; always followed by TOKEN_DIRS_INSIDE */
	TOKEN_DIRS_INSIDE, /* inside a component that is being skipped */
};

struct token {
	enum token_kind kind;
	bool negated;
	uint16_t start, end; /* of a set: where its members stand in the pattern */
	uint32_t point;	     /* of a literal */
};

struct program {
	struct token tokens[GLOB_PATTERN_MAX];
	size_t count;
	const uint8_t *pattern;
	size_t len;
};

/* The character at `at` and its length; a stray byte becomes a number that no character has. */
static size_t read_char(const uint8_t *text, size_t len, size_t at, uint32_t *ret_point)
{
	int n = utf8_decode(text + at, len - at, ret_point);

	if (n > 0)
		return (size_t)n;
	*ret_point = 0x110000u + text[at];
	return 1;
}

/* As read_char(), with a backslash taken for the character behind it. */
static size_t read_escaped(const uint8_t *text, size_t len, size_t at, uint32_t *ret_point)
{
	if (text[at] == '\\' && at + 1 < len)
		return 1 + read_char(text, len, at + 1, ret_point);
	return read_char(text, len, at, ret_point);
}

/* Reads a set whose '[' stands at `at`. Returns the length of the whole, or 0: it has no end. */
static size_t read_set(const struct program *p, size_t at, struct token *ret)
{
	size_t i = at + 1;
	uint32_t point;

	*ret = (struct token){ .kind = TOKEN_SET };
	if (i < p->len && (p->pattern[i] == '!' || p->pattern[i] == '^')) {
		ret->negated = true;
		i++;
	}
	ret->start = (uint16_t)i;
	while (i < p->len) {
		if (p->pattern[i] == ']' && i > ret->start) {
			ret->end = (uint16_t)i;
			return i + 1 - at;
		}
		i += read_escaped(p->pattern, p->len, i, &point);
	}
	return 0;
}

static size_t read_stars(struct program *p, size_t at)
{
	size_t n = strspn((const char *)p->pattern + at, "*");
	bool whole = at == 0 || p->pattern[at - 1] == '/';

	if (n == 1) {
		p->tokens[p->count++] = (struct token){ .kind = TOKEN_STAR };
		return 1;
	}
	if (whole && p->pattern[at + n] == '/') {
		p->tokens[p->count++] = (struct token){ .kind = TOKEN_DIRS };
		p->tokens[p->count++] = (struct token){ .kind = TOKEN_DIRS_INSIDE };
		return n + 1;
	}
	p->tokens[p->count++] = (struct token){ .kind = TOKEN_ALL };
	return n;
}

static void compile(struct program *p, const char *pattern, size_t len)
{
	bool sets_end = true; /* false once a '[' had no ']': then no later one has it either */

	p->pattern = (const uint8_t *)pattern;
	p->len = len;
	p->count = 0;
	for (size_t i = 0; i < len;) {
		struct token token = { .kind = TOKEN_ONE };
		size_t n = 1;

		if (pattern[i] == '*') {
			i += read_stars(p, i);
			continue;
		}
		if (pattern[i] == '[' && sets_end) {
			n = read_set(p, i, &token);
			sets_end = n > 0;
		}
		if ((pattern[i] == '[' && !sets_end) || (pattern[i] != '[' && pattern[i] != '?')) {
			token = (struct token){ .kind = TOKEN_LITERAL };
			n = read_escaped(p->pattern, len, i, &token.point);
		}
		p->tokens[p->count++] = token;
		i += n;
	}
}

static bool set_has(const struct program *p, const struct token *set, uint32_t point)
{
	size_t i = set->start;

	while (i < set->end) {
		uint32_t low, high;

		i += read_escaped(p->pattern, set->end, i, &low);
		high = low;
		if (i + 1 < set->end && p->pattern[i] == '-')
			i += 1 + read_escaped(p->pattern, set->end, i + 1, &high);
		if (point >= low && point <= high)
			return true;
	}
	return false;
}

/* Marks token `i` and all that can be reached from it without reading a character. */
static void reach(const struct program *p, bool *set, size_t i)
{
	while (!set[i]) {
		set[i] = true;
		if (i == p->count)
			return;
		if (p->tokens[i].kind == TOKEN_STAR || p->tokens[i].kind == TOKEN_ALL)
			i++;
		else if (p->tokens[i].kind == TOKEN_DIRS)
			i += 2;
		else
			return;
	}
}

/* What can be reached from token `i` by reading one character. */
static void step(const struct program *p, size_t i, uint32_t point, bool *next)
{
	const struct token *token = &p->tokens[i];
	bool slash = point == '/';

	switch (token->kind) {
	case TOKEN_LITERAL:
		if (token->point == point)
			reach(p, next, i + 1);
		break;
	case TOKEN_ONE:
		if (!slash)
			reach(p, next, i + 1);
		break;
	case TOKEN_SET:
		if (!slash && set_has(p, token, point) != token->negated)
			reach(p, next, i + 1);
		break;
	case TOKEN_STAR:
		if (!slash)
			reach(p, next, i);
		break;
	case TOKEN_ALL:
		reach(p, next, i);
		break;
	case TOKEN_DIRS:
		if (!slash)
			reach(p, next, i + 1);
		break;
	case TOKEN_DIRS_INSIDE:
		reach(p, next, slash ? i - 1 : i);
		break;
	}
}

bool glob_match(const char *pattern, const char *name)
{
	bool now[GLOB_PATTERN_MAX + 1] = { false };
	bool next[GLOB_PATTERN_MAX + 1];
	size_t pattern_len = strnlen(pattern, GLOB_PATTERN_MAX + 1);
	size_t name_len = strlen(name);
	struct program p;

	if (pattern_len > GLOB_PATTERN_MAX)
		return false;
	compile(&p, pattern, pattern_len);
	reach(&p, now, 0);
	for (size_t at = 0; at < name_len;) {
		uint32_t point;

		at += read_char((const uint8_t *)name, name_len, at, &point);
		memset(next, 0, p.count + 1);
		for (size_t i = 0; i < p.count; i++) {
			if (now[i])
				step(&p, i, point, next);
		}
		memcpy(now, next, p.count + 1);
	}
	return now[p.count];
}

bool glob_chooses(const char *pattern, const char *name)
{
	size_t len = strcspn(pattern, "*?[\\");

	if (len > 0 && pattern[len] == '\0' && strncmp(pattern, name, len) == 0 && name[len] == '/')
		return true;
	return glob_match(pattern, name);
}
