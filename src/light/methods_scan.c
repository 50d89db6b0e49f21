/* Methods of strings that match again and again: scan, sub, gsub, split, partition. */
#include "light/ruby_eval_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

static struct text self_text(const struct call *c)
{
	return c->self.string->text;
}

/* What scan() gives for a match: its text, or its groups where it has some. */
static int scan_item(const struct call *c, const struct match *match, struct value *ret)
{
	struct value group;
	int r;

	if (match->pattern->groups == 0)
		return match_group_value(c, match, 0, ret);
	r = value_array(c, match->pattern->groups, ret);
	for (size_t i = 1; r == 0 && i <= match->pattern->groups; i++) {
		r = match_group_value(c, match, i, &group);
		if (r == 0)
			r = array_push(c, ret->array, group);
	}
	return r;
}

static int string_scan(const struct call *c, struct value *ret)
{
	const struct pattern *pattern;
	struct text text = self_text(c);
	struct value match, item, ignored;
	struct match *last = NULL;
	size_t at = 0;
	int r = regex_from(c, c->args[0], true, &pattern) ?: value_array(c, 0, ret);

	while (r == 0 && at <= text.len && (r = regex_match(c, pattern, text, at, &match)) > 0) {
		last = c->e->last = match.match;
		at = match_next(match.match);
		r = scan_item(c, match.match, &item);
		if (r == 0)
			r = c->block ? block_call(c, &item, 1, &ignored) : array_push(c, ret->array, item);
	}
	c->e->last = last;
	if (c->block)
		*ret = c->self;
	return r;
}

/* The number of a group that \k<name> names, or -1. */
static int template_group(const struct match *match, struct text name)
{
	AUTO_FREE char *copy = strndup(name.data, name.len);
	int number = copy ? pcre2_substring_number_from_name(match->pattern->code, (PCRE2_SPTR)copy) : -1;

	return number < 0 ? -1 : number;
}

static bool has_names(const struct match *match)
{
	uint32_t count = 0;

	pcre2_pattern_info(match->pattern->code, PCRE2_INFO_NAMECOUNT, &count);
	return count > 0;
}

static int append(const struct call *c, struct buf *to, struct text text)
{
	return buf_append(to, text.data, text.len) < 0
		       ? eval_limit(c->e, c->node, "it needs too much memory on this output")
		       : 0;
}

/* What an escape in a template stands for; *ret_len is how long it is. False: for itself. */
static bool template_escape(const struct match *match, struct text rest, struct text *ret, size_t *ret_len)
{
	char letter = rest.len > 1 ? rest.data[1] : '\0';
	const char *close;

	*ret_len = 2;
	if (letter >= '0' && letter <= '9') {
		/* Where groups have names their numbers stand for nothing. */
		match_group(match, letter > '0' && has_names(match) ? SIZE_MAX : (size_t)(letter - '0'), ret);
	} else if (letter == '&') {
		match_group(match, 0, ret);
	} else if (letter == '`') {
		*ret = text_sub(match->subject, 0, match->offsets[0]);
	} else if (letter == '\'') {
		*ret = text_sub(match->subject, match->offsets[1], match->subject.len);
	} else if (letter == '\\') {
		*ret = TEXT("\\");
	} else if (letter == 'k' && rest.len > 2 && rest.data[2] == '<' &&
		   (close = memchr(rest.data + 3, '>', rest.len - 3))) {
		int group = template_group(match,
					   (struct text){ rest.data + 3, (size_t)(close - rest.data) - 3 });

		*ret_len = (size_t)(close - rest.data) + 1;
		match_group(match, group < 0 ? SIZE_MAX : (size_t)group, ret);
	} else {
		return false;
	}
	return true;
}

static int append_template(const struct call *c, struct buf *to, const struct match *match,
			   struct text template)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < template.len;) {
		struct text part = text_sub(template, i, i + 1);
		size_t len = 1;

		if (template.data[i] == '\\' &&
		    !template_escape(match, text_sub(template, i, template.len), &part, &len))
			len = 1;
		r = append(c, to, part);
		i += len;
	}
	return r < 0 ? r : eval_work(c->e, c->node, template.len);
}

static int append_replacement(const struct call *c, struct buf *to, const struct match *match)
{
	struct value whole, made;
	struct text text;
	int r;

	if (c->argc > 1)
		return argument_text(c, 1, &text) ?: append_template(c, to, match, text);
	r = match_group_value(c, match, 0, &whole);
	if (r == 0)
		r = block_call(c, &whole, 1, &made);
	if (r == 0)
		r = value_to_s(c, made, &text);
	return r != 0 ? r : append(c, to, text);
}

/* At most `most` replacements. */
static int substitute(const struct call *c, size_t most, struct value *ret)
{
	AUTO_BUF struct buf made = BUF_INIT(c->e->arena.max - c->e->arena.used);
	struct text text = self_text(c);
	const struct pattern *pattern;
	struct match *last = NULL;
	struct value match;
	size_t at = 0, copied = 0, count = 0;
	int r;

	if (c->argc < 2 && !c->block)
		return eval_unsupported(c->e, c->node, "a replacement from nowhere");
	r = regex_from(c, c->args[0], true, &pattern);
	while (r == 0 && at <= text.len && count < most &&
	       (r = regex_match(c, pattern, text, at, &match)) > 0) {
		last = c->e->last = match.match;
		count++;
		r = append(c, &made, text_sub(text, copied, match.match->offsets[0]));
		if (r == 0)
			r = append_replacement(c, &made, match.match);
		copied = match.match->offsets[1];
		at = match_next(match.match);
	}
	c->e->last = last;
	if (r == 0)
		r = append(c, &made, text_sub(text, copied, text.len));
	return r != 0 ? r : value_copy(c, (struct text){ (const char *)made.data, made.len }, ret);
}

static int string_sub(const struct call *c, struct value *ret)
{
	return substitute(c, 1, ret);
}

static int string_gsub(const struct call *c, struct value *ret)
{
	return substitute(c, SIZE_MAX, ret);
}

static int push_part(const struct call *c, struct array *to, size_t begin, size_t end)
{
	struct value part;
	int r = value_text(c, text_sub(self_text(c), begin, end), &part);

	return r < 0 ? r : array_push(c, to, part);
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

/* Words between white space. */
static int split_words(const struct call *c, struct array *to)
{
	struct text text = self_text(c);
	int r = eval_work(c->e, c->node, text.len);

	for (size_t i = 0, begin; r == 0;) {
		while (i < text.len && is_space(text.data[i]))
			i++;
		for (begin = i; i < text.len && !is_space(text.data[i]);)
			i++;
		if (begin == i)
			break;
		r = push_part(c, to, begin, i);
	}
	return r;
}

static int split_text(const struct call *c, struct text by, struct array *to)
{
	struct text text = self_text(c);
	size_t begin = 0, found;
	int r = eval_work(c->e, c->node, text.len);

	while (r == 0 && (found = text_find(text, by, begin)) != SIZE_MAX) {
		r = push_part(c, to, begin, found);
		begin = found + by.len;
	}
	return r < 0 ? r : push_part(c, to, begin, text.len);
}

static int push_groups(const struct call *c, struct array *to, const struct match *match)
{
	struct value group;
	int r = 0;

	for (size_t i = 1; r == 0 && i <= match->pattern->groups; i++) {
		r = match_group_value(c, match, i, &group);
		if (r == 0 && group.kind != VALUE_NIL)
			r = array_push(c, to, group);
	}
	return r;
}

/* An empty match splits between two characters, but neither in front of the text nor twice in one place. */
static int split_regex(const struct call *c, const struct pattern *by, struct array *to)
{
	struct text text = self_text(c);
	size_t begin = 0, at = 0;
	struct value match;
	bool after_empty = false;
	int r = 0;

	while (r == 0 && at <= text.len && (r = regex_match(c, by, text, at, &match)) > 0) {
		size_t from = match.match->offsets[0], end = match.match->offsets[1];

		r = 0;
		if (from == end && from == at && !after_empty) {
			at = match_next(match.match);
			after_empty = true;
			continue;
		}
		if (from == end && from == at) {
			r = push_part(c, to, begin, at);
			begin = at;
		} else {
			r = push_part(c, to, begin, from);
			begin = at = end;
		}
		after_empty = false;
		if (r == 0)
			r = push_groups(c, to, match.match);
	}
	return r == 0 && text.len > begin ? push_part(c, to, begin, text.len) : r;
}

static void drop_empty_tail(struct array *array)
{
	while (array->len > 0 && array->items[array->len - 1].string->text.len == 0)
		array->len--;
}

static int string_split(const struct call *c, struct value *ret)
{
	struct value by = c->argc > 0 ? c->args[0] : value_nil();
	const struct pattern *empty;
	int r = value_array(c, 0, ret);

	if (r < 0)
		return r;
	if (by.kind == VALUE_NIL || (by.kind == VALUE_STRING && text_is(by.string->text, " ")))
		r = split_words(c, ret->array);
	else if (by.kind == VALUE_STRING && by.string->text.len > 0)
		r = split_text(c, by.string->text, ret->array);
	else if (by.kind == VALUE_STRING)
		r = regex_make(c->e, c->node, TEXT(""), 0, &empty) ?: split_regex(c, empty, ret->array);
	else if (by.kind == VALUE_REGEX)
		r = split_regex(c, by.regex, ret->array);
	else
		r = eval_wrong(c->e, c->node, "wrong argument type %s (expected Regexp)",
			       value_kind_name(by.kind));
	if (r == 0)
		drop_empty_tail(ret->array);
	return r;
}

static int string_partition(const struct call *c, struct value *ret)
{
	struct text text = self_text(c), part = TEXT("");
	const struct pattern *pattern;
	struct value match, item;
	size_t begin = text.len, end = text.len;
	int r = regex_from(c, c->args[0], true, &pattern) ?: value_array(c, 3, ret);

	if (r < 0)
		return r;
	r = regex_match(c, pattern, text, 0, &match);
	if (r > 0) {
		begin = match.match->offsets[0];
		end = match.match->offsets[1];
		part = text_sub(text, begin, end);
	}
	if (r >= 0 && c->args[0].kind == VALUE_REGEX)
		c->e->last = r > 0 ? match.match : NULL;
	r = r < 0 ? r : push_part(c, ret->array, 0, begin);
	if (r == 0)
		r = value_text(c, part, &item) ?: array_push(c, ret->array, item);
	return r < 0 ? r : push_part(c, ret->array, end, text.len);
}

static const struct method string_regex_list[] = {
	{ "scan", string_scan, 1, 1, BLOCK_MAY }, { "sub", string_sub, 1, 2, BLOCK_MAY },
	{ "gsub", string_gsub, 1, 2, BLOCK_MAY }, { "split", string_split, 0, 1 },
	{ "partition", string_partition, 1, 1 },
};

const struct method_table string_regex_methods = { string_regex_list, ARRAY_LEN(string_regex_list) };
