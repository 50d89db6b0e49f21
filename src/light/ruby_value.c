#include "light/ruby_eval_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *value_kind_name(enum value_kind kind)
{
	static const char *const names[VALUE_KINDS] = {
		[VALUE_NIL] = "nil",	       [VALUE_FALSE] = "false",
		[VALUE_TRUE] = "true",	       [VALUE_INT] = "an Integer",
		[VALUE_SYMBOL] = "a Symbol",   [VALUE_STRING] = "a String",
		[VALUE_REGEX] = "a Regexp",    [VALUE_REGEXP_CLASS] = "the class Regexp",
		[VALUE_MATCH] = "a MatchData", [VALUE_ARRAY] = "an Array",
		[VALUE_RANGE] = "a Range",
	};

	return names[kind];
}

static void *allocate(const struct call *c, size_t size)
{
	void *memory = arena_alloc(&c->e->arena, size);

	if (!memory)
		eval_limit(c->e, c->node, "it needs too much memory on this output");
	return memory;
}

int value_text(const struct call *c, struct text text, struct value *ret)
{
	struct string *string = allocate(c, sizeof(*string));

	if (!string)
		return -EINVAL;
	string->text = text;
	*ret = (struct value){ .kind = VALUE_STRING, .string = string };
	return 0;
}

int value_concat(const struct call *c, struct text a, struct text b, struct value *ret)
{
	char *bytes = allocate(c, a.len + b.len + 1);
	int r = eval_work(c->e, c->node, a.len + b.len);

	if (!bytes || r < 0)
		return -EINVAL;
	if (a.len > 0)
		memcpy(bytes, a.data, a.len);
	if (b.len > 0)
		memcpy(bytes + a.len, b.data, b.len);
	return value_text(c, (struct text){ bytes, a.len + b.len }, ret);
}

int value_copy(const struct call *c, struct text text, struct value *ret)
{
	return value_concat(c, text, TEXT(""), ret);
}

int value_array(const struct call *c, size_t room, struct value *ret)
{
	struct array *array = allocate(c, sizeof(*array));

	if (!array)
		return -EINVAL;
	if (room > 0) {
		array->items = allocate(c, room * sizeof(*array->items));
		if (!array->items)
			return -EINVAL;
		array->room = room;
	}
	*ret = (struct value){ .kind = VALUE_ARRAY, .array = array };
	return 0;
}

int array_push(const struct call *c, struct array *array, struct value item)
{
	if (array->len == array->room) {
		size_t room = array->room > 0 ? 2 * array->room : 8;
		struct value *items = allocate(c, room * sizeof(*items));

		if (!items)
			return -EINVAL;
		if (array->len > 0)
			memcpy(items, array->items, array->len * sizeof(*items));
		array->items = items;
		array->room = room;
	}
	array->items[array->len++] = item;
	return 0;
}

int value_match(const struct call *c, const struct pattern *pattern, struct text subject,
		const size_t *offsets, struct value *ret)
{
	size_t count = 2 * ((size_t)pattern->groups + 1);
	struct match *match = allocate(c, sizeof(*match));

	if (!match)
		return -EINVAL;
	match->offsets = allocate(c, count * sizeof(*match->offsets));
	if (!match->offsets)
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		match->offsets[i] = offsets[i] == PCRE2_UNSET ? SIZE_MAX : offsets[i];
	match->pattern = pattern;
	match->subject = subject;
	*ret = (struct value){ .kind = VALUE_MATCH, .match = match };
	return 0;
}

#define COMPARE_DEPTH 32

static bool equal(struct value a, struct value b, unsigned depth)
{
	if (a.kind != b.kind || depth > COMPARE_DEPTH)
		return false;
	switch (a.kind) {
	case VALUE_INT:
		return a.number == b.number;
	case VALUE_SYMBOL:
	case VALUE_STRING:
		return text_same(a.string->text, b.string->text);
	case VALUE_REGEX:
		return a.regex->options == b.regex->options && text_same(a.regex->source, b.regex->source);
	case VALUE_MATCH:
		return a.match == b.match;
	case VALUE_RANGE:
		return a.range->exclusive == b.range->exclusive &&
		       equal(a.range->low, b.range->low, depth + 1) &&
		       equal(a.range->high, b.range->high, depth + 1);
	case VALUE_ARRAY:
		if (a.array->len != b.array->len)
			return false;
		for (size_t i = 0; a.array != b.array && i < a.array->len; i++) {
			if (!equal(a.array->items[i], b.array->items[i], depth + 1))
				return false;
		}
		return true;
	default:
		return true;
	}
}

bool value_equal(struct value a, struct value b)
{
	return equal(a, b, 0);
}

bool value_compare(struct value a, struct value b, int *ret)
{
	size_t len;
	int order;

	if (a.kind == VALUE_INT && b.kind == VALUE_INT) {
		*ret = (a.number > b.number) - (a.number < b.number);
		return true;
	}
	if ((a.kind != VALUE_STRING && a.kind != VALUE_SYMBOL) || a.kind != b.kind)
		return false;
	len = a.string->text.len < b.string->text.len ? a.string->text.len : b.string->text.len;
	order = len > 0 ? memcmp(a.string->text.data, b.string->text.data, len) : 0;
	if (order == 0)
		order = (a.string->text.len > b.string->text.len) - (a.string->text.len < b.string->text.len);
	*ret = (order > 0) - (order < 0);
	return true;
}

/* (?-mix:source), so that it means the same within another one. */
static int regex_to_s(const struct call *c, const struct pattern *regex, struct text *ret)
{
	uint32_t o = regex->options;
	char head[16];
	struct value open, whole;
	int r;

	snprintf(head, sizeof(head), "(?%s%s%s%s%s%s%s:", o & PATTERN_DOTALL ? "m" : "",
		 o & PATTERN_CASELESS ? "i" : "", o & PATTERN_EXTENDED ? "x" : "", o == 7 ? "" : "-",
		 o & PATTERN_DOTALL ? "" : "m", o & PATTERN_CASELESS ? "" : "i",
		 o & PATTERN_EXTENDED ? "" : "x");
	r = value_concat(c, (struct text){ head, strlen(head) }, regex->source, &open);
	if (r == 0)
		r = value_concat(c, open.string->text, TEXT(")"), &whole);
	if (r == 0)
		*ret = whole.string->text;
	return r;
}

int value_to_s(const struct call *c, struct value v, struct text *ret)
{
	char digits[24];
	struct value copy;
	int r;

	switch (v.kind) {
	case VALUE_NIL:
		*ret = TEXT("");
		return 0;
	case VALUE_FALSE:
		*ret = TEXT("false");
		return 0;
	case VALUE_TRUE:
		*ret = TEXT("true");
		return 0;
	case VALUE_INT:
		snprintf(digits, sizeof(digits), "%lld", (long long)v.number);
		r = value_copy(c, (struct text){ digits, strlen(digits) }, &copy);
		if (r == 0)
			*ret = copy.string->text;
		return r;
	case VALUE_SYMBOL:
	case VALUE_STRING:
		*ret = v.string->text;
		return 0;
	case VALUE_REGEX:
		return regex_to_s(c, v.regex, ret);
	case VALUE_MATCH:
		match_group(v.match, 0, ret);
		return 0;
	default:
		return eval_unsupported(c->e, c->node, "%s as text", value_kind_name(v.kind));
	}
}

int argument_text(const struct call *c, size_t index, struct text *ret)
{
	struct value v = c->args[index];

	if (v.kind != VALUE_STRING)
		return eval_wrong(c->e, c->node, "no implicit conversion of %s into String",
				  value_kind_name(v.kind));
	*ret = v.string->text;
	return 0;
}

int argument_int(const struct call *c, size_t index, int64_t *ret)
{
	struct value v = c->args[index];

	if (v.kind != VALUE_INT)
		return eval_wrong(c->e, c->node, "no implicit conversion of %s into Integer",
				  value_kind_name(v.kind));
	*ret = v.number;
	return 0;
}

size_t text_chars(struct text text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += ((unsigned char)text.data[i] & 0xc0) != 0x80;
	return n;
}

size_t text_offset(struct text text, size_t chars)
{
	size_t i = 0;

	for (; i < text.len; i++) {
		if (((unsigned char)text.data[i] & 0xc0) == 0x80)
			continue;
		if (chars-- == 0)
			return i;
	}
	return i;
}

struct text text_sub(struct text text, size_t begin, size_t end)
{
	return (struct text){ text.data + begin, end - begin };
}

size_t text_find(struct text text, struct text what, size_t from)
{
	const char *found;

	if (from > text.len || what.len > text.len - from)
		return SIZE_MAX;
	if (what.len == 0)
		return from;
	found = memmem(text.data + from, text.len - from, what.data, what.len);
	return found ? (size_t)(found - text.data) : SIZE_MAX;
}
