/* Single characters, properties and bracket expressions of Ruby's regular expressions, in PCRE2's syntax. */
#include "light/regex_priv.h"

#include "base/cleanup.h"
#include "base/utf8.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

int regex_peek(const struct regex_text *in, size_t ahead)
{
	return in->len - in->at > ahead ? (unsigned char)in->data[in->at + ahead] : -1;
}

int regex_put(struct regex_text *in, const char *text, size_t len)
{
	int r = buf_append(in->out, text, len);

	if (r == -ENOMEM)
		return fault_no_memory(in->fault);
	return r < 0 ? regex_limit(in, "it is too long") : 0;
}

int regex_wrong(struct regex_text *in, const char *what)
{
	return fault_set(in->fault, LIGHT_WRONG, "the regular expression has, at its byte %zu, %s", in->at,
			 what);
}

int regex_unsupported(struct regex_text *in, const char *what)
{
	return fault_set(in->fault, LIGHT_UNSUPPORTED,
			 "the regular expression has, at its byte %zu, what is not supported: %s", in->at,
			 what);
}

int regex_limit(struct regex_text *in, const char *what)
{
	return fault_set(in->fault, LIGHT_LIMIT, "the regular expression is over a limit at its byte %zu: %s",
			 in->at, what);
}

int regex_char(struct regex_text *in)
{
	uint32_t point;
	int len = utf8_decode((const uint8_t *)in->data + in->at, in->len - in->at, &point);

	if (len <= 0)
		return regex_unsupported(in, "bytes that are not UTF-8");
	in->at += (size_t)len;
	return regex_put(in, in->data + in->at - len, (size_t)len);
}

static int put_point(struct regex_text *in, uint32_t point)
{
	char text[24];

	if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return regex_wrong(in, "an invalid Unicode character");
	snprintf(text, sizeof(text), "\\x{%x}", point);
	return regex_put(in, text, strlen(text));
}

static int digit_value(int c, int base)
{
	int value = c >= '0' && c <= '9'   ? c - '0'
		    : c >= 'a' && c <= 'f' ? c - 'a' + 10
		    : c >= 'A' && c <= 'F' ? c - 'A' + 10
					   : 99;

	return value < base ? value : -1;
}

/* At most `most` digits; returns how many there were. */
static size_t read_digits(struct regex_text *in, int base, size_t most, uint32_t *ret)
{
	size_t n = 0;

	for (*ret = 0; n < most && digit_value(regex_peek(in, 0), base) >= 0; n++) {
		*ret = *ret * (uint32_t)base + (uint32_t)digit_value(regex_peek(in, 0), base);
		in->at++;
	}
	return n;
}

/* Behind \x, \u or \0. */
static int put_number(struct regex_text *in, char kind)
{
	uint32_t point;
	bool braces = kind == 'u' && regex_peek(in, 0) == '{';
	size_t digits;

	in->at += braces;
	digits = read_digits(in, kind == '0' ? 8 : 16,
			     kind == '0' || kind == 'x' ? 2
			     : braces			? 6
							: 4,
			     &point);
	if ((kind == 'u' && !braces && digits < 4) || (kind != '0' && digits == 0))
		return regex_wrong(in, "an escape without its digits");
	if (braces) {
		if (regex_peek(in, 0) != '}')
			return regex_unsupported(in, "several characters in one \\u{}");
		in->at++;
	}
	if (kind == 'x' && point >= 0x80)
		return regex_unsupported(in, "a byte that is no character");
	return put_point(in, point);
}

/*
 * What stands inside brackets for a POSIX class, and its complement where it has one of that kind. Under /i none of
 * them is taken, nor what is beyond ASCII in brackets: where it holds a ligature, Ruby has it match its two letters.
 */
static const struct property {
	const char *name, *set, *complement;
} properties[] = {
	{ "alnum", "\\p{Alphabetic}" REGEX_DIGIT, NULL },
	{ "alpha", "\\p{Alphabetic}", "\\P{Alphabetic}" },
	{ "ascii", "\\x00-\\x7f", "\\x{80}-\\x{10ffff}" },
	{ "blank", "\\t\\p{Zs}", NULL },
	{ "cntrl", "\\p{Cc}", "\\P{Cc}" },
	{ "digit", REGEX_DIGIT, "\\P{" REGEX_DIGIT_NAME "}" },
	{ "lower", "\\p{Lowercase}", "\\P{Lowercase}" },
	{ "punct", "\\p{P}$+<=>^`|~", NULL },
	{ "space", "\\p{White_Space}", "\\P{White_Space}" },
	{ "upper", "\\p{Uppercase}", "\\P{Uppercase}" },
	{ "word", REGEX_WORD_SET, NULL },
	{ "xdigit", "0-9a-fA-F", "\\x00-/:-@G-`g-\\x{10ffff}" },
	{ "graph", "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}", NULL },
	{ "print", "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}\\p{Zs}", NULL },
};

/* General categories that Ruby and PCRE2 call alike. */
static const char *const categories[] = {
	"L",	    "Ll",	"Lu",	    "Lt",  "Lm",    "Lo",
	"M",	    "Mn",	"Mc",	    "Me",  "N",	    REGEX_DIGIT_NAME,
	"Nl",	    "No",	"P",	    "Pc",  "Pd",    "Ps",
	"Pe",	    "Pi",	"Pf",	    "Po",  "S",	    "Sm",
	"Sc",	    "Sk",	"So",	    "Z",   "Zs",    "Zl",
	"Zp",	    "Cc",	"Cf",	    "Han", "Greek", "Latin",
	"Cyrillic", "Hiragana", "Katakana",
};

static const struct property *property_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(properties); i++) {
		if (strlen(properties[i].name) == len && strncasecmp(properties[i].name, name, len) == 0)
			return &properties[i];
	}
	return NULL;
}

static int put_property(struct regex_text *in, const struct property *property, bool negated, bool in_class)
{
	const char *set = negated && in_class ? property->complement : property->set;
	int r = 0;

	if (in->caseless)
		return regex_unsupported(in, "such a class where case does not count");
	if (!set)
		return regex_unsupported(in, "the complement of such a class within brackets");
	if (!in_class)
		r = regex_put(in, negated ? "[^" : "[", negated ? 2 : 1);
	if (r == 0)
		r = regex_put(in, set, strlen(set));
	return r < 0 || in_class ? r : regex_put(in, "]", 1);
}

/* \p{name}, \p{^name} and \P{name}; the place is behind the letter. */
static int translate_property(struct regex_text *in, bool negated, bool in_class)
{
	const struct property *property;
	const char *name;
	size_t len = 0;
	char text[40];

	if (regex_peek(in, 0) != '{')
		return regex_put(in, negated ? "P" : "p", 1); /* a letter like any other */
	in->at++;
	if (regex_peek(in, 0) == '^') {
		negated = !negated;
		in->at++;
	}
	name = in->data + in->at;
	while (regex_peek(in, len) >= 0 && regex_peek(in, len) != '}')
		len++;
	if (regex_peek(in, len) < 0)
		return regex_wrong(in, "an invalid character property");
	in->at += len + 1;
	property = property_find(name, len);
	if (property)
		return put_property(in, property, negated, in_class);
	for (size_t i = 0; i < ARRAY_LEN(categories); i++) {
		if (strlen(categories[i]) != len || strncasecmp(categories[i], name, len) != 0)
			continue;
		if (in->caseless)
			return regex_unsupported(in, "such a class where case does not count");
		snprintf(text, sizeof(text), "\\%c{%s}", negated ? 'P' : 'p', categories[i]);
		return regex_put(in, text, strlen(text));
	}
	return regex_unsupported(in, "a character property of this name");
}

static const struct {
	char letter;
	uint32_t point;
} controls[] = {
	{ 'n', '\n' }, { 't', '\t' }, { 'r', '\r' }, { 'f', '\f' },
	{ 'v', '\v' }, { 'a', '\a' }, { 'e', 0x1b },
};

static bool is_alnum(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int regex_escaped_char(struct regex_text *in, bool in_class)
{
	int c = regex_peek(in, 1);
	char text[2] = { '\\', (char)c };

	if (c < 0)
		return regex_wrong(in, "a backslash at its end");
	in->at++;
	if (c >= 0x80)
		return regex_char(in);
	in->at++;
	for (size_t i = 0; i < ARRAY_LEN(controls); i++) {
		if (controls[i].letter == c)
			return put_point(in, controls[i].point);
	}
	if (c == 'x' || c == 'u' || c == '0')
		return put_number(in, (char)c);
	if (c == 'p' || c == 'P')
		return translate_property(in, c == 'P', in_class);
	if (c == 'c' || c == 'C' || c == 'M')
		return regex_unsupported(in, "control and meta characters");
	/* Any other letter stands for itself in Ruby, and might mean something to PCRE2. */
	return is_alnum(c) ? regex_put(in, text + 1, 1) : regex_put(in, text, 2);
}

/* What a bracket expression had last, which decides what `-` can mean. */
enum member {
	MEMBER_NONE,
	MEMBER_CHAR,
	MEMBER_SET,   /* \d, [:alpha:] */
	MEMBER_RANGE, /* the end of one */
	MEMBER_DASH,  /* a range has begun */
};

/* The complements are written out: PCRE2 10.42 loses what is above U+00FF of them beside a property. */
static const struct {
	char letter;
	const char *text;
} class_sets[] = {
	{ 'd', "\\d" },	      { 'D', "\\x00-/:-\\x{10ffff}" },
	{ 'w', "\\w" },	      { 'W', "\\x00-/:-@[-^`{-\\x{10ffff}" },
	{ 's', "\\s" },	      { 'S', "\\x00-\\x08\\x0e-\\x1f!-\\x{10ffff}" },
	{ 'h', "0-9a-fA-F" }, { 'H', "\\x00-/:-@G-`g-\\x{10ffff}" },
};

static int class_escape(struct regex_text *in, enum member *ret)
{
	int c = regex_peek(in, 1);

	for (size_t i = 0; i < ARRAY_LEN(class_sets); i++) {
		if (class_sets[i].letter != c)
			continue;
		if (in->caseless && strchr("DHSW", c))
			return regex_unsupported(in,
						 "such an escape within brackets where case does not count");
		in->at += 2;
		*ret = MEMBER_SET;
		return regex_put(in, class_sets[i].text, strlen(class_sets[i].text));
	}
	if (in->caseless && c == 'u')
		return regex_unsupported(in, "such an escape within brackets where case does not count");
	*ret = c == 'p' || c == 'P' ? MEMBER_SET : MEMBER_CHAR;
	if (c == 'b') {
		in->at += 2;
		return put_point(in, '\b');
	}
	if (c == 'R' || c == 'X' || c == 'k' || c == 'g' || (c >= '1' && c <= '7'))
		return regex_unsupported(in, "such an escape within brackets");
	return regex_escaped_char(in, true);
}

/* [:name:] or [:^name:]; the place is on its bracket. */
static int class_posix(struct regex_text *in)
{
	bool negated = regex_peek(in, 2) == '^';
	size_t begin = in->at + 2 + negated, len = 0;
	const struct property *property;

	while (begin + len < in->len && is_alnum((unsigned char)in->data[begin + len]))
		len++;
	if (in->len - begin < len + 2 || memcmp(in->data + begin + len, ":]", 2) != 0)
		return regex_unsupported(in, "brackets within brackets");
	property = property_find(in->data + begin, len);
	if (!property)
		return regex_unsupported(in, "a POSIX class of this name");
	in->at = begin + len + 2;
	return put_property(in, property, negated, true);
}

static int class_dash(struct regex_text *in, enum member *last)
{
	bool ends = regex_peek(in, 1) == ']';

	in->at++;
	if (*last == MEMBER_CHAR && !ends) {
		*last = MEMBER_DASH;
		return regex_put(in, "-", 1);
	}
	if (!ends && *last != MEMBER_NONE)
		return regex_unsupported(in, "a '-' behind what cannot begin a range");
	*last = MEMBER_CHAR;
	return regex_put(in, "\\-", 2);
}

static int class_member(struct regex_text *in, enum member *last)
{
	enum member now = MEMBER_CHAR;
	int c = regex_peek(in, 0), r;

	if (c == '-' && *last != MEMBER_DASH)
		return class_dash(in, last);
	if (c == '&' && regex_peek(in, 1) == '&')
		return regex_unsupported(in, "an intersection of classes");
	if (c == '[' && regex_peek(in, 1) != ':')
		return regex_unsupported(in, "brackets within brackets");
	if (c == '[') {
		now = MEMBER_SET;
		r = class_posix(in);
	} else if (c == '\\') {
		r = class_escape(in, &now);
	} else {
		if (in->caseless && c >= 0x80)
			return regex_unsupported(
				in, "such a character within brackets where case does not count");
		/* "[." and its kin begin what PCRE2 does not have. */
		r = c == '.' || c == '=' || c == ':' ? regex_put(in, "\\", 1) : 0;
		r = r < 0 ? r : regex_char(in);
	}
	if (r == 0 && *last == MEMBER_DASH && now == MEMBER_SET)
		return regex_wrong(in, "a class as the end of a range");
	*last = *last == MEMBER_DASH ? MEMBER_RANGE : now;
	return r;
}

int regex_class(struct regex_text *in)
{
	enum member last = MEMBER_NONE;
	int r = regex_put(in, "[", 1);

	in->at++;
	if (r == 0 && regex_peek(in, 0) == '^') {
		in->at++;
		r = regex_put(in, "^", 1);
	}
	if (r == 0 && regex_peek(in, 0) == ']') {
		/* Ruby takes it for itself, but only if the class ends somewhere behind. */
		if (!memchr(in->data + in->at + 1, ']', in->len - in->at - 1))
			return regex_wrong(in, "an empty class");
		in->at++;
		last = MEMBER_CHAR;
		r = regex_put(in, "\\]", 2);
	}
	while (r == 0 && regex_peek(in, 0) >= 0 && regex_peek(in, 0) != ']')
		r = class_member(in, &last);
	if (r < 0)
		return r;
	if (regex_peek(in, 0) < 0)
		return regex_wrong(in, "a class without its closing bracket");
	in->at++;
	return regex_put(in, "]", 1);
}
