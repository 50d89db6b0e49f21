/* Methods of Regexp and MatchData, and those of strings that match once. */
#include "light/ruby_eval_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

#define PATTERNS_MAX  200 /* made on the way, in one judgement */
#define COMPILE_WORK  50000
#define COMPILED_WORK 300 /* for a byte of what comes of it */

int regex_make(struct eval *e, const struct node *node, struct text source, uint32_t options,
	       const struct pattern **ret)
{
	struct pattern *pattern;
	int r;

	for (pattern = e->patterns; pattern; pattern = pattern->next) {
		if (pattern->options == options && text_same(pattern->source, source)) {
			*ret = pattern;
			return 0;
		}
	}
	if (++e->patterns_count > PATTERNS_MAX)
		return eval_limit(e, node, "it makes too many regular expressions");
	r = eval_work(e, node, COMPILE_WORK + 64 * source.len);
	if (r < 0)
		return r;
	pattern = arena_alloc(&e->arena, sizeof(*pattern));
	if (!pattern)
		return eval_limit(e, node, "it needs too much memory on this output");
	r = pattern_compile_ruby(source, options, pattern, e->fault);
	if (r < 0)
		return fault_place(e->fault, e->program->source, node->at, r);
	pattern->source = source;
	pattern->next = e->patterns;
	e->patterns = pattern;
	*ret = pattern;
	return eval_work(e, node, COMPILED_WORK * pattern->bytes);
}

static int escape_text(const struct call *c, struct text text, struct text *ret)
{
	static const char blanks[] = "\n\t\r\f\v", letters[] = "ntrfv";
	char *bytes = arena_alloc(&c->e->arena, 2 * text.len + 1);
	size_t len = 0;

	if (!bytes)
		return eval_limit(c->e, c->node, "it needs too much memory on this output");
	for (size_t i = 0; i < text.len; i++) {
		const char *blank = text.data[i] ? strchr(blanks, text.data[i]) : NULL;

		if (blank || (text.data[i] && strchr("[]{}()|-*.\\?+^$# ", text.data[i])))
			bytes[len++] = '\\';
		bytes[len++] = blank ? letters[blank - blanks] : text.data[i];
	}
	*ret = (struct text){ bytes, len };
	return eval_work(c->e, c->node, len);
}

int regex_from(const struct call *c, struct value v, bool literal, const struct pattern **ret)
{
	struct text source;
	int r = 0;

	if (v.kind == VALUE_REGEX) {
		*ret = v.regex;
		return 0;
	}
	if (v.kind != VALUE_STRING)
		return eval_wrong(c->e, c->node, "wrong argument type %s (expected Regexp)",
				  value_kind_name(v.kind));
	source = v.string->text;
	if (literal)
		r = escape_text(c, source, &source);
	return r < 0 ? r : regex_make(c->e, c->node, source, 0, ret);
}

static void data_free(pcre2_match_data **data)
{
	pcre2_match_data_free(*data);
}

int regex_match(const struct call *c, const struct pattern *pattern, struct text subject, size_t start,
		struct value *ret)
{
	__attribute__((cleanup(data_free))) pcre2_match_data *data =
		pcre2_match_data_create_from_pattern(pattern->code, NULL);
	int r;

	if (!data)
		return fault_no_memory(c->e->fault);
	r = pattern_match(pattern, subject, start, data, &c->e->meter, c->e->fault);
	if (r < 0)
		return fault_place(c->e->fault, c->e->program->source, c->node->at, r);
	if (r == 0)
		return 0;
	r = value_match(c, pattern, subject, pcre2_get_ovector_pointer(data), ret);
	return r < 0 ? r : 1;
}

bool match_group(const struct match *match, size_t group, struct text *ret)
{
	size_t begin, end;

	*ret = TEXT("");
	if (group > match->pattern->groups)
		return false;
	begin = match->offsets[2 * group];
	end = match->offsets[2 * group + 1];
	if (begin == SIZE_MAX || end < begin)
		return false;
	*ret = text_sub(match->subject, begin, end);
	return true;
}

int match_group_value(const struct call *c, const struct match *match, size_t group, struct value *ret)
{
	struct text text;

	*ret = value_nil();
	return match_group(match, group, &text) ? value_text(c, text, ret) : 0;
}

size_t match_next(const struct match *match)
{
	size_t next = match->offsets[1];

	if (match->offsets[0] != next)
		return next;
	for (next++; next < match->subject.len && ((unsigned char)match->subject.data[next] & 0xc0) == 0x80;)
		next++;
	return next;
}

static size_t index_of(const struct match *match, size_t offset)
{
	return text_chars(text_sub(match->subject, 0, offset));
}

/* What is matched against: text, or nil; others are a TypeError. */
static int subject_of(const struct call *c, struct value v, struct text *ret, bool *ret_nil)
{
	*ret_nil = v.kind == VALUE_NIL;
	if (v.kind == VALUE_STRING || v.kind == VALUE_SYMBOL)
		*ret = v.string->text;
	else if (!*ret_nil)
		return eval_wrong(c->e, c->node, "no implicit conversion of %s into String",
				  value_kind_name(v.kind));
	return 0;
}

/* Matches and sets $~; 1 with *ret, 0 or negative. */
static int match_and_keep(const struct call *c, const struct pattern *pattern, struct text subject,
			  struct value *ret)
{
	int r;

	*ret = value_nil();
	r = regex_match(c, pattern, subject, 0, ret);
	if (r >= 0)
		c->e->last = r > 0 ? ret->match : NULL;
	return r;
}

static int regex_match_method(const struct call *c, struct value *ret)
{
	struct text subject;
	bool nil;
	int r = subject_of(c, c->args[0], &subject, &nil);

	*ret = value_nil();
	if (nil)
		c->e->last = NULL;
	if (r == 0 && !nil)
		r = match_and_keep(c, c->self.regex, subject, ret);
	return r < 0 ? r : 0;
}

static int regex_is_match(const struct call *c, struct value *ret)
{
	struct text subject;
	bool nil;
	struct value match;
	int r = subject_of(c, c->args[0], &subject, &nil);

	if (r == 0 && !nil)
		r = regex_match(c, c->self.regex, subject, 0, &match);
	*ret = value_bool(r > 0);
	return r < 0 ? r : 0;
}

static int regex_index(const struct call *c, struct value *ret)
{
	struct value match;
	int r = regex_match_method(c, &match);

	if (r < 0)
		return r;
	*ret = match.kind == VALUE_NIL ? match
				       : value_int((int64_t)index_of(match.match, match.match->offsets[0]));
	return 0;
}

static int regex_case_equal(const struct call *c, struct value *ret)
{
	struct value match = value_nil();
	int r = 0;

	if (c->args[0].kind == VALUE_STRING || c->args[0].kind == VALUE_SYMBOL)
		r = match_and_keep(c, c->self.regex, c->args[0].string->text, &match);
	else
		c->e->last = NULL;
	*ret = value_bool(match.kind != VALUE_NIL);
	return r < 0 ? r : 0;
}

static int regex_source(const struct call *c, struct value *ret)
{
	return value_text(c, c->self.regex->source, ret);
}

static int regex_options(const struct call *c, struct value *ret)
{
	*ret = value_int(c->self.regex->options);
	return 0;
}

static const struct method regex_list[] = {
	{ "match", regex_match_method, 1, 1 }, { "match?", regex_is_match, 1, 1 },
	{ "=~", regex_index, 1, 1 },	       { "===", regex_case_equal, 1, 1 },
	{ "source", regex_source, 0, 0 },      { "options", regex_options, 0, 0 },
};

const struct method_table regex_methods = { regex_list, ARRAY_LEN(regex_list) };

static int class_new(const struct call *c, struct value *ret)
{
	const struct pattern *pattern;
	uint32_t options = 0;
	struct text source;
	int r;

	if (c->args[0].kind == VALUE_REGEX && c->argc == 1) {
		*ret = c->args[0];
		return 0;
	}
	r = argument_text(c, 0, &source);
	if (r < 0)
		return r;
	if (c->argc > 1 && c->args[1].kind == VALUE_INT)
		options = (uint32_t)c->args[1].number & 7;
	else if (c->argc > 1)
		options = value_true(c->args[1]) ? PATTERN_CASELESS : 0;
	r = regex_make(c->e, c->node, source, options, &pattern);
	*ret = r < 0 ? value_nil() : (struct value){ .kind = VALUE_REGEX, .regex = pattern };
	return r;
}

static int class_escape(const struct call *c, struct value *ret)
{
	struct text text;
	int r = argument_text(c, 0, &text);

	if (r == 0)
		r = escape_text(c, text, &text);
	return r < 0 ? r : value_text(c, text, ret);
}

static int class_union(const struct call *c, struct value *ret)
{
	bool list = c->argc == 1 && c->args[0].kind == VALUE_ARRAY;
	const struct value *items = list ? c->args[0].array->items : c->args;
	size_t count = list ? c->args[0].array->len : c->argc;
	const struct pattern *pattern;
	struct value whole;
	int r = value_text(c, count == 0 ? TEXT("(?!)") : TEXT(""), &whole);

	if (count == 1 && items[0].kind == VALUE_REGEX) {
		*ret = items[0];
		return r;
	}
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct text text = TEXT("");

		if (items[i].kind == VALUE_REGEX)
			r = value_to_s(c, items[i], &text);
		else if (items[i].kind == VALUE_STRING)
			r = escape_text(c, items[i].string->text, &text);
		else
			r = eval_wrong(c->e, c->node, "no implicit conversion of %s into String",
				       value_kind_name(items[i].kind));
		if (r == 0 && i > 0)
			r = value_concat(c, whole.string->text, TEXT("|"), &whole);
		if (r == 0)
			r = value_concat(c, whole.string->text, text, &whole);
	}
	if (r == 0)
		r = regex_make(c->e, c->node, whole.string->text, 0, &pattern);
	*ret = r < 0 ? value_nil() : (struct value){ .kind = VALUE_REGEX, .regex = pattern };
	return r;
}

static int class_last_match(const struct call *c, struct value *ret)
{
	int64_t group;
	int r = c->argc > 0 ? argument_int(c, 0, &group) : 0;

	*ret = value_nil();
	if (r < 0 || !c->e->last)
		return r;
	if (c->argc > 0)
		return group < 0 ? eval_unsupported(c->e, c->node, "a group counted from the end")
				 : match_group_value(c, c->e->last, (size_t)group, ret);
	*ret = (struct value){ .kind = VALUE_MATCH, .match = c->e->last };
	return 0;
}

static const struct method regexp_class_list[] = {
	{ "new", class_new, 1, 2 },
	{ "compile", class_new, 1, 2 },
	{ "escape", class_escape, 1, 1 },
	{ "quote", class_escape, 1, 1 },
	{ "union", class_union, 0, RUBY_ARGS },
	{ "last_match", class_last_match, 0, 1 },
};

const struct method_table regexp_class_methods = { regexp_class_list, ARRAY_LEN(regexp_class_list) };

/* The number of a group given as number, name or symbol. */
static int group_of(const struct call *c, const struct match *match, struct value v, size_t *ret)
{
	AUTO_FREE char *name = NULL;
	int number;

	*ret = SIZE_MAX;
	if (v.kind == VALUE_INT) {
		int64_t n = v.number < 0 ? v.number + match->pattern->groups + 1 : v.number;

		if (n > 0 || v.number == 0 || n == 0)
			*ret = (size_t)n;
		return 0;
	}
	if (v.kind != VALUE_STRING && v.kind != VALUE_SYMBOL)
		return eval_unsupported(c->e, c->node, "a group given by %s", value_kind_name(v.kind));
	name = strndup(v.string->text.data, v.string->text.len);
	if (!name)
		return fault_no_memory(c->e->fault);
	number = pcre2_substring_number_from_name(match->pattern->code, (PCRE2_SPTR)name);
	if (number < 0)
		return eval_wrong(c->e, c->node, "undefined group name reference: %.40s", name);
	*ret = (size_t)number;
	return 0;
}

static int match_at(const struct call *c, struct value *ret)
{
	size_t group;
	int r = group_of(c, c->self.match, c->args[0], &group);

	return r < 0 ? r : match_group_value(c, c->self.match, group, ret);
}

static int match_groups(const struct call *c, size_t first, struct value *ret)
{
	struct value group;
	int r = value_array(c, 0, ret);

	for (size_t i = first; r == 0 && i <= c->self.match->pattern->groups; i++) {
		r = match_group_value(c, c->self.match, i, &group);
		if (r == 0)
			r = array_push(c, ret->array, group);
	}
	return r;
}

static int match_captures(const struct call *c, struct value *ret)
{
	return match_groups(c, 1, ret);
}

static int match_to_a(const struct call *c, struct value *ret)
{
	return match_groups(c, 0, ret);
}

static int match_pre(const struct call *c, struct value *ret)
{
	return value_text(c, text_sub(c->self.match->subject, 0, c->self.match->offsets[0]), ret);
}

static int match_post(const struct call *c, struct value *ret)
{
	const struct match *match = c->self.match;

	return value_text(c, text_sub(match->subject, match->offsets[1], match->subject.len), ret);
}

static int match_place(const struct call *c, size_t end, struct value *ret)
{
	const struct match *match = c->self.match;
	size_t group, offset;
	int r = group_of(c, match, c->args[0], &group);

	if (r == 0 && group > match->pattern->groups)
		r = eval_wrong(c->e, c->node, "index out of matches");
	if (r < 0)
		return r;
	offset = match->offsets[2 * group + end];
	*ret = offset == SIZE_MAX ? value_nil() : value_int((int64_t)index_of(match, offset));
	return 0;
}

static int match_begin(const struct call *c, struct value *ret)
{
	return match_place(c, 0, ret);
}

static int match_end(const struct call *c, struct value *ret)
{
	return match_place(c, 1, ret);
}

static int match_size(const struct call *c, struct value *ret)
{
	*ret = value_int((int64_t)c->self.match->pattern->groups + 1);
	return 0;
}

static int match_values_at(const struct call *c, struct value *ret)
{
	struct value item;
	size_t group;
	int r = value_array(c, 0, ret);

	for (size_t i = 0; r == 0 && i < c->argc; i++) {
		r = group_of(c, c->self.match, c->args[i], &group);
		if (r == 0)
			r = match_group_value(c, c->self.match, group, &item);
		if (r == 0)
			r = array_push(c, ret->array, item);
	}
	return r;
}

static const struct method match_list[] = {
	{ "[]", match_at, 1, 1 },	    { "captures", match_captures, 0, 0 },
	{ "to_a", match_to_a, 0, 0 },	    { "pre_match", match_pre, 0, 0 },
	{ "post_match", match_post, 0, 0 }, { "begin", match_begin, 1, 1 },
	{ "end", match_end, 1, 1 },	    { "size", match_size, 0, 0 },
	{ "length", match_size, 0, 0 },	    { "values_at", match_values_at, 0, RUBY_ARGS },
};

const struct method_table match_methods = { match_list, ARRAY_LEN(match_list) };

static int text_match(const struct call *c, struct value *ret)
{
	const struct pattern *pattern;
	int r = regex_from(c, c->args[0], false, &pattern);

	if (r == 0)
		r = match_and_keep(c, pattern, c->self.string->text, ret);
	return r < 0 ? r : 0;
}

static int text_is_match(const struct call *c, struct value *ret)
{
	const struct pattern *pattern;
	struct value match;
	int r = regex_from(c, c->args[0], false, &pattern);

	if (r == 0)
		r = regex_match(c, pattern, c->self.string->text, 0, &match);
	*ret = value_bool(r > 0);
	return r < 0 ? r : 0;
}

static int text_index(const struct call *c, struct value *ret)
{
	struct value match;
	int r;

	*ret = value_nil();
	if (c->args[0].kind == VALUE_STRING)
		return eval_wrong(c->e, c->node, "type mismatch: String given");
	if (c->args[0].kind != VALUE_REGEX)
		return 0;
	r = match_and_keep(c, c->args[0].regex, c->self.string->text, &match);
	if (r > 0)
		*ret = value_int((int64_t)index_of(match.match, match.match->offsets[0]));
	return r < 0 ? r : 0;
}

/* text[begin, count] in characters; nil when it begins outside. */
static int text_slice(const struct call *c, int64_t begin, int64_t count, struct value *ret)
{
	struct text text = c->self.string->text;
	int64_t chars = (int64_t)text_chars(text);
	size_t from, to;

	*ret = value_nil();
	if (begin < 0)
		begin += chars;
	if (begin < 0 || begin > chars || count < 0)
		return eval_work(c->e, c->node, text.len);
	if (count > chars - begin)
		count = chars - begin;
	from = text_offset(text, (size_t)begin);
	to = from + text_offset(text_sub(text, from, text.len), (size_t)count);
	return value_text(c, text_sub(text, from, to), ret) ?: eval_work(c->e, c->node, text.len);
}

static int text_range(const struct call *c, const struct range *range, struct value *ret)
{
	int64_t chars = (int64_t)text_chars(c->self.string->text);
	int64_t low = range->low.number, high = range->high.kind == VALUE_INT ? range->high.number : -1;
	bool exclusive = range->exclusive && range->high.kind == VALUE_INT;

	low += low < 0 ? chars : 0;
	high += high < 0 ? chars : 0;
	if (low < 0 || low > chars) {
		*ret = value_nil();
		return 0;
	}
	high = high >= chars ? chars - !exclusive : high;
	if (exclusive)
		high--;
	return text_slice(c, low, high < low ? 0 : high - low + 1, ret);
}

static int text_part(const struct call *c, struct value *ret)
{
	struct value what = c->args[0], match;
	size_t group = 0;
	int64_t begin, count;
	int r;

	switch (what.kind) {
	case VALUE_INT:
		begin = what.number;
		r = c->argc > 1 ? argument_int(c, 1, &count) : 0;
		if (r == 0 && c->argc == 1) {
			r = text_slice(c, begin, 1, ret);
			if (r == 0 && ret->kind == VALUE_STRING && ret->string->text.len == 0)
				*ret = value_nil();
			return r;
		}
		return r < 0 ? r : text_slice(c, begin, count, ret);
	case VALUE_RANGE:
		return text_range(c, what.range, ret);
	case VALUE_STRING:
		*ret = value_nil();
		return text_find(c->self.string->text, what.string->text, 0) == SIZE_MAX
			       ? eval_work(c->e, c->node, c->self.string->text.len)
			       : value_text(c, what.string->text, ret);
	case VALUE_REGEX:
		r = match_and_keep(c, what.regex, c->self.string->text, &match);
		*ret = value_nil();
		if (r > 0 && c->argc > 1)
			r = group_of(c, match.match, c->args[1], &group) ?: 1;
		return r > 0 ? match_group_value(c, match.match, group, ret) : r;
	default:
		return eval_wrong(c->e, c->node, "no implicit conversion of %s into Integer",
				  value_kind_name(what.kind));
	}
}

static const struct method text_match_list[] = {
	{ "match", text_match, 1, 1 }, { "match?", text_is_match, 1, 1 }, { "=~", text_index, 1, 1 },
	{ "[]", text_part, 1, 2 },     { "slice", text_part, 1, 2 },
};

const struct method_table text_match_methods = { text_match_list, ARRAY_LEN(text_match_list) };
