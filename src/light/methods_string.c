/* Methods of strings that have nothing to do with regular expressions. */
#include "light/ruby_eval_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

static struct text self_text(const struct call *c)
{
	return c->self.string->text;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int string_add(const struct call *c, struct value *ret)
{
	struct text other;
	int r = argument_text(c, 0, &other);

	return r < 0 ? r : value_concat(c, self_text(c), other, ret);
}

/* `<<` and concat() change the string that every variable with it sees. */
static int string_append(const struct call *c, struct value *ret)
{
	struct value whole;
	struct text other;
	int r;

	if (c->args[0].kind == VALUE_INT)
		return eval_unsupported(c->e, c->node, "a character appended by its number");
	r = argument_text(c, 0, &other);
	if (r == 0)
		r = value_concat(c, self_text(c), other, &whole);
	if (r < 0)
		return r;
	c->self.string->text = whole.string->text;
	*ret = c->self;
	return 0;
}

static int string_multiply(const struct call *c, struct value *ret)
{
	struct text text = self_text(c);
	int64_t times;
	int r = argument_int(c, 0, &times);
	char *bytes;
	size_t len;

	if (r < 0)
		return r;
	if (times < 0)
		return eval_wrong(c->e, c->node, "argument must not be negative");
	if (__builtin_mul_overflow(text.len, (size_t)times, &len) ||
	    !(bytes = arena_alloc(&c->e->arena, len + 1)))
		return eval_limit(c->e, c->node, "it needs too much memory on this output");
	for (size_t i = 0; text.len > 0 && i < (size_t)times; i++)
		memcpy(bytes + i * text.len, text.data, text.len);
	r = eval_work(c->e, c->node, len);
	return r < 0 ? r : value_text(c, (struct text){ bytes, len }, ret);
}

static int string_length(const struct call *c, struct value *ret)
{
	*ret = value_int((int64_t)text_chars(self_text(c)));
	return eval_work(c->e, c->node, self_text(c).len);
}

static int string_bytesize(const struct call *c, struct value *ret)
{
	*ret = value_int((int64_t)self_text(c).len);
	return 0;
}

static int string_is_empty(const struct call *c, struct value *ret)
{
	*ret = value_bool(self_text(c).len == 0);
	return 0;
}

static int string_includes(const struct call *c, struct value *ret)
{
	struct text what;
	int r = argument_text(c, 0, &what) ?: eval_work(c->e, c->node, self_text(c).len);

	if (r == 0)
		*ret = value_bool(text_find(self_text(c), what, 0) != SIZE_MAX);
	return r;
}

static int string_starts(const struct call *c, struct value *ret)
{
	struct text text = self_text(c), what;

	*ret = value_bool(false);
	for (size_t i = 0; i < c->argc && !value_true(*ret); i++) {
		int r;

		if (c->args[i].kind == VALUE_REGEX)
			return eval_unsupported(c->e, c->node, "start_with? with a Regexp");
		r = argument_text(c, i, &what);
		if (r < 0)
			return r;
		*ret = value_bool(text.len >= what.len && text_same(text_sub(text, 0, what.len), what));
	}
	return 0;
}

static int string_ends(const struct call *c, struct value *ret)
{
	struct text text = self_text(c), what;

	*ret = value_bool(false);
	for (size_t i = 0; i < c->argc && !value_true(*ret); i++) {
		int r = argument_text(c, i, &what);

		if (r < 0)
			return r;
		*ret = value_bool(text.len >= what.len &&
				  text_same(text_sub(text, text.len - what.len, text.len), what));
	}
	return 0;
}

/* Ruby's strip takes NULs too: behind always, in front since 2.6. */
static bool strips(char c)
{
	return c == '\0' || is_space(c);
}

static int strip(const struct call *c, bool left, bool right, struct value *ret)
{
	struct text text = self_text(c);
	size_t begin = 0, end = text.len;

	while (left && begin < end && strips(text.data[begin]))
		begin++;
	while (right && end > begin && strips(text.data[end - 1]))
		end--;
	return value_text(c, text_sub(text, begin, end), ret);
}

static int string_strip(const struct call *c, struct value *ret)
{
	return strip(c, true, true, ret);
}

static int string_lstrip(const struct call *c, struct value *ret)
{
	return strip(c, true, false, ret);
}

static int string_rstrip(const struct call *c, struct value *ret)
{
	return strip(c, false, true, ret);
}

static struct text chomped(struct text text)
{
	if (text.len > 0 && text.data[text.len - 1] == '\n') {
		text.len--;
		text.len -= text.len > 0 && text.data[text.len - 1] == '\r';
	} else if (text.len > 0 && text.data[text.len - 1] == '\r') {
		text.len--;
	}
	return text;
}

static int string_chomp(const struct call *c, struct value *ret)
{
	struct text text = self_text(c), suffix;
	int r = c->argc > 0 ? argument_text(c, 0, &suffix) : 0;

	if (r < 0)
		return r;
	if (c->argc == 0)
		return value_text(c, chomped(text), ret);
	if (suffix.len == 0 || text_is(suffix, "\n"))
		return eval_unsupported(c->e, c->node, "chomp of such a suffix");
	if (text.len >= suffix.len && text_same(text_sub(text, text.len - suffix.len, text.len), suffix))
		text.len -= suffix.len;
	return value_text(c, text, ret);
}

static int string_delete_prefix(const struct call *c, struct value *ret)
{
	struct text text = self_text(c), prefix;
	int r = argument_text(c, 0, &prefix);

	if (r < 0)
		return r;
	if (text.len >= prefix.len && text_same(text_sub(text, 0, prefix.len), prefix))
		text = text_sub(text, prefix.len, text.len);
	return value_text(c, text, ret);
}

static int change_case(const struct call *c, bool up, bool down_rest, struct value *ret)
{
	struct text text = self_text(c);
	char *bytes = arena_alloc(&c->e->arena, text.len + 1);
	int r = eval_work(c->e, c->node, text.len);

	if (!bytes)
		return eval_limit(c->e, c->node, "it needs too much memory on this output");
	if (r < 0)
		return r;
	for (size_t i = 0; i < text.len; i++) {
		char b = text.data[i];
		bool upper = up && (i == 0 || !down_rest);

		if ((unsigned char)b >= 0x80)
			return eval_unsupported(c->e, c->node, "the case of other letters than ASCII's");
		if (upper && b >= 'a' && b <= 'z')
			b = (char)(b - 'a' + 'A');
		else if (!upper && b >= 'A' && b <= 'Z')
			b = (char)(b - 'A' + 'a');
		bytes[i] = b;
	}
	return value_text(c, (struct text){ bytes, text.len }, ret);
}

static int string_upcase(const struct call *c, struct value *ret)
{
	return change_case(c, true, false, ret);
}

static int string_downcase(const struct call *c, struct value *ret)
{
	return change_case(c, false, false, ret);
}

static int string_capitalize(const struct call *c, struct value *ret)
{
	return change_case(c, true, true, ret);
}

/* Leading blanks, a sign, digits with single underscores between them; anything else ends the number. */
static int string_to_i(const struct call *c, struct value *ret)
{
	struct text text = self_text(c);
	size_t i = 0;
	bool negative;
	int64_t n = 0;

	while (i < text.len && is_space(text.data[i]))
		i++;
	negative = i < text.len && text.data[i] == '-';
	i += i < text.len && (text.data[i] == '-' || text.data[i] == '+');
	for (bool digit = false; i < text.len; i++) {
		if (text.data[i] == '_' && digit) {
			digit = false;
			continue;
		}
		if (text.data[i] < '0' || text.data[i] > '9')
			break;
		digit = true;
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, text.data[i] - '0', &n))
			return eval_unsupported(c->e, c->node, "a number of more than 64 bits");
	}
	*ret = value_int(negative ? -n : n);
	return 0;
}

static int string_to_sym(const struct call *c, struct value *ret)
{
	int r = value_text(c, self_text(c), ret);

	ret->kind = VALUE_SYMBOL;
	return r;
}

static int string_itself(const struct call *c, struct value *ret)
{
	*ret = c->self;
	return 0;
}

static int push_text(const struct call *c, struct array *to, struct text text)
{
	struct value item;
	int r = value_text(c, text, &item) ?: eval_work(c->e, c->node, text.len);

	return r < 0 ? r : array_push(c, to, item);
}

static int string_lines(const struct call *c, struct value *ret)
{
	struct text text = self_text(c);
	int r = value_array(c, 0, ret);

	for (size_t begin = 0, end; r == 0 && begin < text.len; begin = end) {
		end = text_find(text, TEXT("\n"), begin);
		end = end == SIZE_MAX ? text.len : end + 1;
		r = push_text(c, ret->array, text_sub(text, begin, end));
	}
	return r;
}

static int string_each_line(const struct call *c, struct value *ret)
{
	struct value lines, ignored;
	int r = string_lines(c, &lines);

	for (size_t i = 0; r == 0 && i < lines.array->len; i++)
		r = block_call(c, &lines.array->items[i], 1, &ignored);
	if (r == 0)
		*ret = c->self;
	return r;
}

static int string_chars(const struct call *c, struct value *ret)
{
	struct text text = self_text(c);
	int r = value_array(c, 0, ret);

	for (size_t begin = 0, end; r == 0 && begin < text.len; begin = end) {
		for (end = begin + 1; end < text.len && ((unsigned char)text.data[end] & 0xc0) == 0x80;)
			end++;
		r = push_text(c, ret->array, text_sub(text, begin, end));
	}
	return r;
}

static int string_reverse(const struct call *c, struct value *ret)
{
	struct text text = self_text(c);
	char *bytes = arena_alloc(&c->e->arena, text.len + 1);
	int r = eval_work(c->e, c->node, text.len);

	if (!bytes)
		return eval_limit(c->e, c->node, "it needs too much memory on this output");
	for (size_t begin = 0, end; begin < text.len; begin = end) {
		for (end = begin + 1; end < text.len && ((unsigned char)text.data[end] & 0xc0) == 0x80;)
			end++;
		memcpy(bytes + text.len - end, text.data + begin, end - begin);
	}
	return r < 0 ? r : value_text(c, (struct text){ bytes, text.len }, ret);
}

/* The place of an optional second argument, an index of characters; false when it is outside. */
static int start_of(const struct call *c, size_t *ret, bool *ret_inside)
{
	struct text text = self_text(c);
	int64_t from = 0, chars = (int64_t)text_chars(text);
	int r = c->argc > 1 ? argument_int(c, 1, &from) : 0;

	if (from < 0)
		from += chars;
	*ret_inside = from >= 0 && from <= chars;
	*ret = *ret_inside ? text_offset(text, (size_t)from) : 0;
	return r;
}

static int char_index(const struct call *c, size_t offset, struct value *ret)
{
	*ret = offset == SIZE_MAX ? value_nil()
				  : value_int((int64_t)text_chars(text_sub(self_text(c), 0, offset)));
	return 0;
}

static int string_index(const struct call *c, struct value *ret)
{
	struct text what;
	size_t from = 0;
	bool inside;
	int r = start_of(c, &from, &inside) ?: eval_work(c->e, c->node, self_text(c).len);

	if (r == 0 && c->args[0].kind == VALUE_REGEX) {
		struct value match = value_nil();

		r = inside ? regex_match(c, c->args[0].regex, self_text(c), from, &match) : 0;
		c->e->last = r > 0 ? match.match : NULL;
		return r < 0 ? r : char_index(c, r > 0 ? match.match->offsets[0] : SIZE_MAX, ret);
	}
	if (r == 0)
		r = argument_text(c, 0, &what);
	return r < 0 ? r : char_index(c, inside ? text_find(self_text(c), what, from) : SIZE_MAX, ret);
}

static int string_rindex(const struct call *c, struct value *ret)
{
	struct text text = self_text(c), what;
	size_t at;
	int r = eval_work(c->e, c->node, text.len);

	if (c->args[0].kind == VALUE_REGEX)
		return eval_unsupported(c->e, c->node, "rindex with a Regexp");
	if (r == 0)
		r = argument_text(c, 0, &what);
	if (r < 0)
		return r;
	if (what.len > text.len)
		return char_index(c, SIZE_MAX, ret);
	for (at = text.len - what.len + 1; at > 0; at--) {
		if (memcmp(text.data + at - 1, what.data, what.len) == 0)
			return char_index(c, at - 1, ret);
		if (at % 64 == 0 && eval_work(c->e, c->node, 64 * what.len) < 0)
			return -EINVAL;
	}
	return char_index(c, SIZE_MAX, ret);
}

static int string_count(const struct call *c, struct value *ret)
{
	struct text text = self_text(c), set;
	int64_t n = 0;
	int r = argument_text(c, 0, &set) ?: eval_work(c->e, c->node, text.len);

	if (r < 0)
		return r;
	/* Sets with ranges and complements are not for traffic lights. */
	if (set.len != 1 || (unsigned char)set.data[0] >= 0x80)
		return eval_unsupported(c->e, c->node, "count of more than one character");
	for (size_t i = 0; i < text.len; i++)
		n += text.data[i] == set.data[0];
	*ret = value_int(n);
	return 0;
}

static int string_replace(const struct call *c, struct value *ret)
{
	struct text other;
	int r = argument_text(c, 0, &other);

	if (r < 0)
		return r;
	c->self.string->text = other;
	*ret = c->self;
	return 0;
}

static const struct method string_list[] = {
	{ "+", string_add, 1, 1 },
	{ "*", string_multiply, 1, 1 },
	{ "length", string_length, 0, 0 },
	{ "size", string_length, 0, 0 },
	{ "bytesize", string_bytesize, 0, 0 },
	{ "empty?", string_is_empty, 0, 0 },
	{ "include?", string_includes, 1, 1 },
	{ "start_with?", string_starts, 0, RUBY_ARGS },
	{ "end_with?", string_ends, 0, RUBY_ARGS },
	{ "to_i", string_to_i, 0, 0 },
	{ "to_sym", string_to_sym, 0, 0 },
	{ "intern", string_to_sym, 0, 0 },
	{ "to_str", string_itself, 0, 0 },
	{ "scrub", string_itself, 0, 0 },
	{ "to_s", string_itself, 0, 0 },
	{ "lines", string_lines, 0, 0 },
	{ "each_line", string_each_line, 0, 0, BLOCK_MUST },
	{ "chars", string_chars, 0, 0 },
	{ "index", string_index, 1, 2 },
	{ "rindex", string_rindex, 1, 1 },
	{ "count", string_count, 1, 1 },
};

const struct method_table string_methods = { string_list, ARRAY_LEN(string_list) };

static const struct method string_edit_list[] = {
	{ "<<", string_append, 1, 1 },
	{ "concat", string_append, 1, 1 },
	{ "replace", string_replace, 1, 1 },
	{ "strip", string_strip, 0, 0 },
	{ "lstrip", string_lstrip, 0, 0 },
	{ "rstrip", string_rstrip, 0, 0 },
	{ "chomp", string_chomp, 0, 1 },
	{ "delete_prefix", string_delete_prefix, 1, 1 },
	{ "upcase", string_upcase, 0, 0 },
	{ "downcase", string_downcase, 0, 0 },
	{ "capitalize", string_capitalize, 0, 0 },
	{ "reverse", string_reverse, 0, 0 },
};

const struct method_table string_edit_methods = { string_edit_list, ARRAY_LEN(string_edit_list) };
