/*
 * Ruby's regular expressions in PCRE2's syntax. Where the two mean the same by the same letters the text is copied;
 * where they differ it is rewritten (\h, word boundaries and POSIX classes that know all of Unicode, /m, /x, {,n});
 * what has no counterpart is unsupported, and what Ruby refuses is wrong. Tests compare the outcome with Ruby itself.
 */
#include "light/regex_priv.h"

#include "base/utf8.h"

#include <errno.h>
#include <string.h>

#define DEPTH_MAX  100
#define REPEAT_MAX 100000 /* Ruby's; PCRE2 has 65535 */

/* What stands in front of a quantifier. */
enum last {
	LAST_NOTHING,  /* start of a pattern, group or alternative */
	LAST_ITEM,     /* what can be repeated */
	LAST_SIMPLE,   /* `*`, `+` or `?` */
	LAST_INTERVAL, /* {n,m} */
	LAST_FIXED,    /* {n} */
	LAST_DONE,     /* a quantifier with `?` or `+` behind it */
	LAST_ANCHOR,
};

struct group {
	uint32_t options; /* as they were in front of the group */
	bool look;	  /* lookahead or lookbehind */
	bool negative_behind;
	bool begun; /* something stands in it */
};

struct translation {
	struct regex_text in;
	uint32_t options;
	bool named; /* it has named groups, so that plain ones capture nothing */
	unsigned captures;
	struct group stack[DEPTH_MAX];
	size_t depth;
	enum last last;
	bool group;    /* what is or may be repeated is a group */
	bool boundary; /* nothing but anchors so far, another than ^ and \\A among them */
	bool looked;   /* a look-around stood where nothing but anchors was in front */
	bool consumed; /* something else, in this alternative */
	bool gap;      /* white space of an extended pattern, or a comment, stands in front */
};

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int peek(const struct translation *t, size_t ahead)
{
	return regex_peek(&t->in, ahead);
}

/* Groups that capture, in all of the pattern: names first, since they change what the others do. */
static void count_groups(struct translation *t)
{
	const char *s = t->in.data;
	unsigned plain = 0, named = 0;
	bool in_class = false;

	for (size_t i = 0; i < t->in.len; i++) {
		if (s[i] == '\\') {
			i++;
		} else if (s[i] == '[') {
			in_class = true;
		} else if (s[i] == ']') {
			in_class = false;
		} else if (s[i] == '(' && !in_class) {
			size_t left = t->in.len - i;

			if (left > 3 && s[i + 1] == '?' &&
			    (s[i + 2] == '\'' || (s[i + 2] == '<' && s[i + 3] != '=' && s[i + 3] != '!')))
				named++;
			else if (left < 2 || s[i + 1] != '?')
				plain++;
		}
	}
	t->named = named > 0;
	t->captures = named > 0 ? named : plain;
}

static int quantify(struct translation *t, const char *text, size_t len, enum last kind)
{
	if (t->last == LAST_NOTHING)
		return regex_wrong(&t->in, "the target of a repeat operator is missing");
	if (t->last == LAST_ANCHOR)
		return regex_unsupported(&t->in, "a repeated anchor");
	if (t->last != LAST_ITEM)
		return regex_unsupported(&t->in, "a repeat operator behind a repeat operator");
	t->last = kind;
	return regex_put(&t->in, text, len);
}

/* `*`, `+` and `?`, also as what makes the quantifier before lazy or possessive. */
static int translate_simple(struct translation *t, char c)
{
	bool suffix = (t->last == LAST_SIMPLE && c != '*') || (t->last == LAST_INTERVAL && c == '?');

	t->in.at++;
	if (!suffix)
		return quantify(t, &c, 1, LAST_SIMPLE);
	if (t->gap)
		return regex_unsupported(&t->in, "white space between repeat operators");
	/* PCRE2 10.42 keeps what such a group captured in an attempt that failed. */
	if (c == '+' && t->group)
		return regex_unsupported(&t->in, "a group that is repeated possessively");
	t->last = LAST_DONE;
	return regex_put(&t->in, &c, 1);
}

/* Reads digits; -1 when there are none, REPEAT_MAX + 1 when they are too many. */
static long read_number(const struct translation *t, size_t *ahead)
{
	long n = -1;

	for (; is_digit(peek(t, *ahead)); (*ahead)++) {
		n = (n < 0 ? 0 : n) * 10 + (peek(t, *ahead) - '0');
		if (n > REPEAT_MAX)
			n = REPEAT_MAX + 1;
	}
	return n;
}

/* {n}, {n,}, {,m} or {n,m}; all else is a brace. */
static int translate_interval(struct translation *t)
{
	size_t ahead = 1;
	long low = read_number(t, &ahead), high = low;
	bool range = peek(t, ahead) == ',';
	char text[48];

	if (range) {
		ahead++;
		high = read_number(t, &ahead);
	}
	if (peek(t, ahead) != '}' || (low < 0 && high < 0)) {
		t->in.at++;
		t->last = LAST_ITEM;
		return regex_put(&t->in, "\\{", 2);
	}
	if (low > REPEAT_MAX || high > REPEAT_MAX)
		return regex_wrong(&t->in, "a number for a repeat range is too big");
	if (range && high >= 0 && low > high)
		return regex_wrong(&t->in, "the upper end of a repeat range is smaller than its lower end");
	t->in.at += ahead + 1;
	if (low > 65535 || high > 65535)
		return regex_unsupported(&t->in, "a repeat range of more than 65535");
	if (!range)
		snprintf(text, sizeof(text), "{%ld}", low);
	else if (high < 0)
		snprintf(text, sizeof(text), "{%ld,}", low);
	else
		snprintf(text, sizeof(text), "{%ld,%ld}", low < 0 ? 0 : low, high);
	return quantify(t, text, strlen(text), range ? LAST_INTERVAL : LAST_FIXED);
}

static int open_group(struct translation *t, const char *text, size_t skip, struct group group)
{
	if (t->depth == DEPTH_MAX)
		return regex_limit(&t->in, "groups are nested too deeply");
	group.options = t->options;
	t->stack[t->depth++] = group;
	t->in.at += skip;
	t->last = LAST_NOTHING;
	return regex_put(&t->in, text, strlen(text));
}

static int open_named(struct translation *t, size_t skip, char close)
{
	size_t begin = t->in.at + skip, len = 0;
	int r;

	while (is_letter(peek(t, skip + len)) || peek(t, skip + len) == '_' ||
	       (len > 0 && is_digit(peek(t, skip + len))))
		len++;
	if (len == 0 || len > 32 || peek(t, skip + len) != close)
		return regex_unsupported(&t->in, "a group name other than an identifier");
	r = open_group(t, "(?<", skip + len + 1, (struct group){ 0 });
	if (r == 0)
		r = regex_put(&t->in, t->in.data + begin, len);
	return r < 0 ? r : regex_put(&t->in, ">", 1);
}

/* (?imx-imx) and (?imx-imx:…) */
static int translate_flags(struct translation *t)
{
	size_t ahead = 2;
	uint32_t on = 0, off = 0, *to = &on;
	bool first = t->in.out->len == 0 || (t->depth > 0 && !t->stack[t->depth - 1].begun);
	char text[16];
	int c, r;

	for (; (c = peek(t, ahead)) != ':' && c != ')'; ahead++) {
		if (c == '-' && to == &on)
			to = &off;
		else if (c == 'i' || c == 'x' || c == 'm')
			*to |= c == 'i' ? PATTERN_CASELESS : c == 'x' ? PATTERN_EXTENDED : PATTERN_DOTALL;
		else if (c == 'a' || c == 'd' || c == 'u')
			return regex_unsupported(&t->in, "an option of a group other than i, m and x");
		else
			return regex_wrong(&t->in, "an undefined group option");
	}
	if (c == ')' && !first)
		return regex_unsupported(&t->in, "options in the middle of a group");
	on &= ~off;
	snprintf(text, sizeof(text), "(?%s%s-%s%s%c", on & PATTERN_CASELESS ? "i" : "",
		 on & PATTERN_DOTALL ? "s" : "", off & PATTERN_CASELESS ? "i" : "",
		 off & PATTERN_DOTALL ? "s" : "", c);
	if (c == ':') {
		r = open_group(t, text, ahead + 1, (struct group){ 0 });
	} else {
		t->in.at += ahead + 1;
		r = regex_put(&t->in, text, strlen(text));
	}
	t->options = (t->options | on) & ~off;
	t->in.caseless = t->options & PATTERN_CASELESS;
	return r;
}

static int skip_comment_group(struct translation *t)
{
	while (peek(t, 0) != ')') {
		if (peek(t, 0) == '\\')
			t->in.at++;
		if (peek(t, 0) < 0)
			return regex_wrong(&t->in, "a comment without its end");
		t->in.at++;
	}
	t->in.at++;
	t->gap = true;
	return 0;
}

static const struct {
	const char *begin;
	struct group group;
} group_kinds[] = {
	{ "(?:", { 0 } },
	{ "(?>", { 0 } },
	{ "(?=", { .look = true } },
	{ "(?!", { .look = true } },
	{ "(?<=", { .look = true } },
	{ "(?<!", { .look = true, .negative_behind = true } },
};

static bool in_negative_behind(const struct translation *t)
{
	for (size_t i = 0; i < t->depth; i++) {
		if (t->stack[i].negative_behind)
			return true;
	}
	return false;
}

static int translate_group(struct translation *t)
{
	const char *here = t->in.data + t->in.at;
	size_t left = t->in.len - t->in.at;

	for (size_t i = 0; i < sizeof(group_kinds) / sizeof(group_kinds[0]); i++) {
		size_t len = strlen(group_kinds[i].begin);

		if (left >= len && memcmp(here, group_kinds[i].begin, len) == 0)
			return open_group(t, group_kinds[i].begin, len, group_kinds[i].group);
	}
	if (peek(t, 1) != '?' || peek(t, 2) == '<' || peek(t, 2) == '\'') {
		if (in_negative_behind(t) && (peek(t, 1) == '?' || !t->named))
			return regex_wrong(&t->in, "a capture in a negative lookbehind");
		if (peek(t, 1) == '?')
			return open_named(t, 3, peek(t, 2) == '<' ? '>' : '\'');
		return open_group(t, t->named ? "(?:" : "(", 1, (struct group){ 0 });
	}
	if (is_letter(peek(t, 2)) || peek(t, 2) == '-')
		return translate_flags(t);
	if (peek(t, 2) == '~' || peek(t, 2) == '(')
		return regex_unsupported(&t->in, "conditions and absence operators");
	return regex_wrong(&t->in, "an undefined kind of group");
}

static int close_group(struct translation *t)
{
	if (t->depth == 0)
		return regex_wrong(&t->in, "an unmatched closing parenthesis");
	t->depth--;
	t->in.at++;
	t->options = t->stack[t->depth].options;
	t->in.caseless = t->options & PATTERN_CASELESS;
	t->last = t->stack[t->depth].look ? LAST_ANCHOR : LAST_ITEM;
	t->group = true;
	return regex_put(&t->in, ")", 1);
}

/* A back-reference; t->in.at is on its first digit. */
static int translate_reference(struct translation *t)
{
	size_t ahead = 0;
	long n = read_number(t, &ahead);
	char text[32];

	if (n > (long)t->captures && n > 9)
		return regex_unsupported(&t->in, "an octal number of more than one digit");
	if (n > (long)t->captures || t->named)
		return regex_wrong(&t->in, "an invalid number of a back-reference");
	t->in.at += ahead;
	t->last = LAST_ITEM;
	snprintf(text, sizeof(text), "\\g{%ld}", n);
	return regex_put(&t->in, text, strlen(text));
}

static const struct {
	char letter;
	enum last last;
	const char *text;
} escapes[] = {
	{ 'A', LAST_ANCHOR, "\\A" },
	{ 'z', LAST_ANCHOR, "\\z" },
	{ 'Z', LAST_ANCHOR, "\\Z" },
	{ 'b', LAST_ANCHOR,
	  "(?:(?=" REGEX_WORD ")(?<!" REGEX_WORD ")|(?!" REGEX_WORD ")(?<=" REGEX_WORD "))" },
	{ 'B', LAST_ANCHOR,
	  "(?:(?=" REGEX_WORD ")(?<=" REGEX_WORD ")|(?!" REGEX_WORD ")(?<!" REGEX_WORD "))" },
	{ 'd', LAST_ITEM, "\\d" },
	{ 'D', LAST_ITEM, "\\D" },
	{ 'w', LAST_ITEM, "\\w" },
	{ 'W', LAST_ITEM, "\\W" },
	{ 's', LAST_ITEM, "\\s" },
	{ 'S', LAST_ITEM, "\\S" },
	{ 'h', LAST_ITEM, "[0-9a-fA-F]" },
	{ 'H', LAST_ITEM, "[^0-9a-fA-F]" },
	{ 'R', LAST_ITEM, "\\R" },
};

static int translate_escape(struct translation *t)
{
	int c = peek(t, 1);

	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		if (escapes[i].letter != c)
			continue;
		t->in.at += 2;
		t->last = escapes[i].last;
		return regex_put(&t->in, escapes[i].text, strlen(escapes[i].text));
	}
	if (c >= '1' && c <= '9') {
		t->in.at++;
		return translate_reference(t);
	}
	if (c == 'k' || c == 'g' || c == 'K' || c == 'G' || c == 'X')
		return regex_unsupported(&t->in, "\\k, \\g, \\K, \\G and \\X");
	t->last = LAST_ITEM;
	return regex_escaped_char(&t->in, false);
}

static bool skip_extended(struct translation *t)
{
	int c = peek(t, 0);

	if (!(t->options & PATTERN_EXTENDED) || (c != '#' && !(c == ' ' || (c >= '\t' && c <= '\r'))))
		return false;
	if (c == '#') {
		while (peek(t, 0) >= 0 && peek(t, 0) != '\n')
			t->in.at++;
	} else {
		t->in.at++;
	}
	t->gap = true;
	return true;
}

static int put_one(struct translation *t, enum last last)
{
	t->last = last;
	return regex_put(&t->in, t->in.data + t->in.at++, 1);
}

static int translate_one(struct translation *t)
{
	int c = peek(t, 0);

	t->group = t->group && (c == '*' || c == '+' || c == '?');
	switch (c) {
	case '\\':
		return translate_escape(t);
	case '[':
		t->last = LAST_ITEM;
		return regex_class(&t->in);
	case '(':
		return translate_group(t);
	case ')':
		return close_group(t);
	case '*':
	case '+':
	case '?':
		return translate_simple(t, (char)c);
	case '{':
		return translate_interval(t);
	case '^':
	case '$':
		return put_one(t, LAST_ANCHOR);
	case '|':
		return put_one(t, LAST_NOTHING);
	case ']':
	case '}':
		if (regex_put(&t->in, "\\", 1) < 0)
			return -ENOMEM;
		return put_one(t, LAST_ITEM);
	default:
		t->last = LAST_ITEM;
		return regex_char(&t->in);
	}
}

/*
 * Ruby 3.1 takes a pattern that begins with a word boundary, or an end of line or text, and then `.*` for one that
 * begins at the start of a line, and so misses matches. Whoever wants the same must ask it.
 */
static int check_boundary(struct translation *t, int c)
{
	bool any = c == '.' && (peek(t, 1) == '*' || peek(t, 1) == '{');

	/* A look-around too is such an anchor. */
	if (any && t->looked && t->in.data[t->in.at - 1] == ')')
		return regex_unsupported(&t->in, "`.*` behind a look-around");
	if (c == '(' && peek(t, 1) == '?' && peek(t, 2) > 0 && strchr("=!<", peek(t, 2)))
		t->looked |= !t->consumed;
	if (c == '|') {
		t->boundary = t->consumed = false;
	} else if (c == '$' || (c == '\\' && peek(t, 1) > 0 && strchr("bBzZ", peek(t, 1)))) {
		t->boundary |= !t->consumed;
	} else if (any && t->boundary && !t->consumed) {
		return regex_unsupported(&t->in, "`.*` behind an anchor other than ^ and \\A");
	}
	return 0;
}

int regex_translate(struct text source, uint32_t options, struct buf *ret, struct light_fault *fault)
{
	struct translation t = {
		.in = { .data = source.data, .len = source.len, .out = ret, .fault = fault },
		.options = options,
	};
	int r = 0;

	if (!utf8_valid(source.data, source.len))
		return regex_unsupported(&t.in, "bytes that are not UTF-8");
	t.in.caseless = options & PATTERN_CASELESS;
	count_groups(&t);
	while (r == 0 && t.in.at < t.in.len) {
		size_t depth = t.depth;
		int c;

		if (skip_extended(&t))
			continue;
		if (peek(&t, 0) == '(' && peek(&t, 1) == '?' && peek(&t, 2) == '#') {
			r = skip_comment_group(&t);
			continue;
		}
		c = peek(&t, 0);
		r = check_boundary(&t, c);
		if (r == 0)
			r = translate_one(&t);
		t.consumed |= c != '(' && c != ')' && c != '|' && t.last != LAST_ANCHOR;
		t.gap = false;
		/* Options at its very start do not begin a group. */
		if (t.depth == depth && depth > 0 && t.last != LAST_NOTHING)
			t.stack[depth - 1].begun = true;
	}
	if (r == 0 && t.depth > 0)
		return regex_wrong(&t.in, "a group without its closing parenthesis");
	return r;
}
