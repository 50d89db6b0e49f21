/* Methods of arrays. */
#include "light/ruby_eval_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FLATTEN_DEPTH 32

static struct array *self_array(const struct call *c)
{
	return c->self.array;
}

static int array_at(const struct call *c, struct value *ret)
{
	const struct array *array = self_array(c);
	int64_t index, len = (int64_t)array->len;
	int r;

	if (c->argc > 1 || c->args[0].kind == VALUE_RANGE)
		return eval_unsupported(c->e, c->node, "a part of an Array");
	r = argument_int(c, 0, &index);
	if (r < 0)
		return r;
	index += index < 0 ? len : 0;
	*ret = index >= 0 && index < len ? array->items[index] : value_nil();
	return 0;
}

/* items[begin, count], bounded, as a new array. */
static int array_part(const struct call *c, size_t begin, size_t count, struct value *ret)
{
	const struct array *array = self_array(c);
	int r;

	if (begin > array->len)
		begin = array->len;
	if (count > array->len - begin)
		count = array->len - begin;
	r = value_array(c, count, ret);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = array_push(c, ret->array, array->items[begin + i]);
	return r;
}

static int array_ends(const struct call *c, bool last, struct value *ret)
{
	const struct array *array = self_array(c);
	int64_t count;
	int r = c->argc > 0 ? argument_int(c, 0, &count) : 0;

	if (r < 0)
		return r;
	if (c->argc == 0) {
		*ret = array->len == 0 ? value_nil() : array->items[last ? array->len - 1 : 0];
		return 0;
	}
	if (count < 0)
		return eval_wrong(c->e, c->node, "negative array size");
	if ((uint64_t)count > array->len)
		count = (int64_t)array->len;
	return array_part(c, last ? array->len - (size_t)count : 0, (size_t)count, ret);
}

static int array_first(const struct call *c, struct value *ret)
{
	return array_ends(c, false, ret);
}

static int array_last(const struct call *c, struct value *ret)
{
	return array_ends(c, true, ret);
}

static int array_drop(const struct call *c, struct value *ret)
{
	int64_t count;
	int r = argument_int(c, 0, &count);

	if (r == 0 && count < 0)
		r = eval_wrong(c->e, c->node, "attempt to drop negative size");
	return r < 0 ? r : array_part(c, (size_t)count, SIZE_MAX, ret);
}

static int array_length(const struct call *c, struct value *ret)
{
	*ret = value_int((int64_t)self_array(c)->len);
	return 0;
}

static int array_is_empty(const struct call *c, struct value *ret)
{
	*ret = value_bool(self_array(c)->len == 0);
	return 0;
}

static int array_add(const struct call *c, struct value *ret)
{
	int r;

	if (c->args[0].kind != VALUE_ARRAY)
		return eval_wrong(c->e, c->node, "no implicit conversion of %s into Array",
				  value_kind_name(c->args[0].kind));
	r = array_part(c, 0, SIZE_MAX, ret);
	for (size_t i = 0; r == 0 && i < c->args[0].array->len; i++)
		r = array_push(c, ret->array, c->args[0].array->items[i]);
	return r;
}

static int array_subtract(const struct call *c, struct value *ret)
{
	const struct array *array = self_array(c), *other = c->args[0].array;
	int r;

	if (c->args[0].kind != VALUE_ARRAY)
		return eval_wrong(c->e, c->node, "no implicit conversion of %s into Array",
				  value_kind_name(c->args[0].kind));
	r = value_array(c, 0, ret);
	for (size_t i = 0; r == 0 && i < array->len; i++) {
		bool found = false;

		for (size_t j = 0; !found && j < other->len; j++)
			found = value_equal(array->items[i], other->items[j]);
		r = eval_work(c->e, c->node, 16 * other->len);
		if (r == 0 && !found)
			r = array_push(c, ret->array, array->items[i]);
	}
	return r;
}

static int array_append(const struct call *c, struct value *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->argc; i++)
		r = array_push(c, self_array(c), c->args[i]);
	*ret = c->self;
	return r;
}

static int array_each(const struct call *c, struct value *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < self_array(c)->len; i++)
		r = block_call(c, &self_array(c)->items[i], 1, ret);
	if (r == 0)
		*ret = c->self;
	return r;
}

static int array_each_with_index(const struct call *c, struct value *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < self_array(c)->len; i++) {
		const struct value args[] = { self_array(c)->items[i], value_int((int64_t)i) };

		r = block_call(c, args, 2, ret);
	}
	if (r == 0)
		*ret = c->self;
	return r;
}

static int array_map(const struct call *c, struct value *ret)
{
	struct value item, list;
	int r = value_array(c, 0, &list);

	for (size_t i = 0; r == 0 && i < self_array(c)->len; i++) {
		r = block_call(c, &self_array(c)->items[i], 1, &item);
		if (r == 0)
			r = array_push(c, list.array, item);
	}
	if (r == 0)
		*ret = list;
	return r;
}

static int flatten_into(const struct call *c, struct array *to, const struct array *from, unsigned depth)
{
	int r = eval_work(c->e, c->node, 16 * from->len);

	if (depth > FLATTEN_DEPTH)
		return eval_limit(c->e, c->node, "an Array is nested too deeply");
	for (size_t i = 0; r == 0 && i < from->len; i++) {
		if (from->items[i].kind == VALUE_ARRAY)
			r = flatten_into(c, to, from->items[i].array, depth + 1);
		else
			r = array_push(c, to, from->items[i]);
	}
	return r;
}

static int array_flatten(const struct call *c, struct value *ret)
{
	int r = value_array(c, 0, ret);

	return r < 0 ? r : flatten_into(c, ret->array, self_array(c), 0);
}

static int array_flat_map(const struct call *c, struct value *ret)
{
	struct value item, list;
	int r = value_array(c, 0, &list);

	for (size_t i = 0; r == 0 && i < self_array(c)->len; i++) {
		r = block_call(c, &self_array(c)->items[i], 1, &item);
		for (size_t j = 0; r == 0 && item.kind == VALUE_ARRAY && j < item.array->len; j++)
			r = array_push(c, list.array, item.array->items[j]);
		if (r == 0 && item.kind != VALUE_ARRAY)
			r = array_push(c, list.array, item);
	}
	if (r == 0)
		*ret = list;
	return r;
}

static int filter(const struct call *c, bool wanted, struct value *ret)
{
	struct value list;
	bool yes = false;
	int r = value_array(c, 0, &list);

	for (size_t i = 0; r == 0 && i < self_array(c)->len; i++) {
		struct value item = self_array(c)->items[i];

		r = block_test(c, item, &yes);
		if (r == 0 && yes == wanted)
			r = array_push(c, list.array, item);
	}
	if (r == 0)
		*ret = list;
	return r;
}

static int array_select(const struct call *c, struct value *ret)
{
	return filter(c, true, ret);
}

static int array_reject(const struct call *c, struct value *ret)
{
	return filter(c, false, ret);
}

static int array_compact(const struct call *c, struct value *ret)
{
	int r = value_array(c, 0, ret);

	for (size_t i = 0; r == 0 && i < self_array(c)->len; i++) {
		if (self_array(c)->items[i].kind != VALUE_NIL)
			r = array_push(c, ret->array, self_array(c)->items[i]);
	}
	return r;
}

static int array_uniq(const struct call *c, struct value *ret)
{
	int r = value_array(c, 0, ret);

	for (size_t i = 0; r == 0 && i < self_array(c)->len; i++) {
		bool found = false;

		for (size_t j = 0; !found && j < ret->array->len; j++)
			found = value_equal(ret->array->items[j], self_array(c)->items[i]);
		r = eval_work(c->e, c->node, 16 * ret->array->len);
		if (r == 0 && !found)
			r = array_push(c, ret->array, self_array(c)->items[i]);
	}
	return r;
}

static int array_reverse(const struct call *c, struct value *ret)
{
	const struct array *array = self_array(c);
	int r = value_array(c, array->len, ret);

	for (size_t i = array->len; r == 0 && i > 0; i--)
		r = array_push(c, ret->array, array->items[i - 1]);
	return r;
}

static int array_join(const struct call *c, struct value *ret)
{
	struct text between = TEXT(""), text;
	struct value whole, flat;
	int r = c->argc > 0 ? argument_text(c, 0, &between) : 0;

	if (r == 0)
		r = value_text(c, TEXT(""), &whole) ?: array_flatten(c, &flat);
	for (size_t i = 0; r == 0 && i < flat.array->len; i++) {
		r = value_to_s(c, flat.array->items[i], &text);
		if (r == 0 && i > 0)
			r = value_concat(c, whole.string->text, between, &whole);
		if (r == 0)
			r = value_concat(c, whole.string->text, text, &whole);
	}
	if (r == 0)
		*ret = whole;
	return r;
}

static int array_sum(const struct call *c, struct value *ret)
{
	struct value item;
	int64_t sum = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < self_array(c)->len; i++) {
		item = self_array(c)->items[i];
		if (c->block)
			r = block_call(c, &self_array(c)->items[i], 1, &item);
		if (r == 0 && item.kind != VALUE_INT)
			r = eval_wrong(c->e, c->node, "%s can't be coerced into Integer",
				       value_kind_name(item.kind));
		if (r == 0 && __builtin_add_overflow(sum, item.number, &sum))
			r = eval_unsupported(c->e, c->node, "a number of more than 64 bits");
	}
	if (r == 0)
		*ret = value_int(sum);
	return r;
}

static int extreme(const struct call *c, int wanted, struct value *ret)
{
	const struct array *array = self_array(c);
	int order;

	*ret = array->len > 0 ? array->items[0] : value_nil();
	for (size_t i = 1; i < array->len; i++) {
		if (!value_compare(array->items[i], *ret, &order))
			return eval_wrong(c->e, c->node, "comparison of %s with %s failed",
					  value_kind_name(array->items[i].kind), value_kind_name(ret->kind));
		if (order == wanted)
			*ret = array->items[i];
	}
	return eval_work(c->e, c->node, 16 * array->len);
}

static int array_min(const struct call *c, struct value *ret)
{
	return extreme(c, -1, ret);
}

static int array_max(const struct call *c, struct value *ret)
{
	return extreme(c, 1, ret);
}

static int compare_items(const void *a, const void *b, void *failed)
{
	int order = 0;

	if (!value_compare(*(const struct value *)a, *(const struct value *)b, &order))
		*(bool *)failed = true;
	return order;
}

static int array_sort(const struct call *c, struct value *ret)
{
	bool failed = false;
	int r = array_part(c, 0, SIZE_MAX, ret) ?: eval_work(c->e, c->node, 256 * self_array(c)->len);

	if (r < 0)
		return r;
	if (ret->array->len > 1)
		qsort_r(ret->array->items, ret->array->len, sizeof(struct value), compare_items, &failed);
	return failed ? eval_wrong(c->e, c->node, "comparison of the Array's elements failed") : 0;
}

/* inject and reduce by a block or by the name of a method. */
static int array_inject(const struct call *c, struct value *ret)
{
	bool by_name = c->argc > 0 && c->args[c->argc - 1].kind == VALUE_SYMBOL && !c->block;
	bool initial = c->argc > (by_name ? 1 : 0);
	size_t i = initial ? 0 : 1;
	struct value sum = initial		    ? c->args[0]
			   : self_array(c)->len > 0 ? self_array(c)->items[0]
						    : value_nil();
	int r = 0;

	if (!by_name && !c->block)
		return eval_unsupported(c->e, c->node, "inject without a block");
	for (; r == 0 && i < self_array(c)->len; i++) {
		const struct value args[] = { sum, self_array(c)->items[i] };
		const struct call call = {
			.e = c->e, .node = c->node, .self = sum, .args = args + 1, .argc = 1
		};

		r = by_name ? method_call(&call, c->args[c->argc - 1].string->text, &sum)
			    : block_call(c, args, 2, &sum);
	}
	*ret = sum;
	return r;
}

static const struct method array_list[] = {
	{ "[]", array_at, 1, 2 },
	{ "first", array_first, 0, 1 },
	{ "last", array_last, 0, 1 },
	{ "take", array_first, 1, 1 },
	{ "drop", array_drop, 1, 1 },
	{ "length", array_length, 0, 0 },
	{ "size", array_length, 0, 0 },
	{ "empty?", array_is_empty, 0, 0 },
	{ "+", array_add, 1, 1 },
	{ "-", array_subtract, 1, 1 },
	{ "<<", array_append, 1, 1 },
	{ "push", array_append, 0, RUBY_ARGS },
	{ "each", array_each, 0, 0, BLOCK_MUST },
	{ "each_with_index", array_each_with_index, 0, 0, BLOCK_MUST },
	{ "map", array_map, 0, 0, BLOCK_MUST },
	{ "collect", array_map, 0, 0, BLOCK_MUST },
	{ "flat_map", array_flat_map, 0, 0, BLOCK_MUST },
	{ "flatten", array_flatten, 0, 0 },
	{ "select", array_select, 0, 0, BLOCK_MUST },
	{ "filter", array_select, 0, 0, BLOCK_MUST },
	{ "reject", array_reject, 0, 0, BLOCK_MUST },
	{ "compact", array_compact, 0, 0 },
	{ "uniq", array_uniq, 0, 0 },
	{ "reverse", array_reverse, 0, 0 },
	{ "join", array_join, 0, 1 },
	{ "sum", array_sum, 0, 0, BLOCK_MAY },
	{ "min", array_min, 0, 0 },
	{ "max", array_max, 0, 0 },
	{ "sort", array_sort, 0, 0 },
	{ "inject", array_inject, 0, 2, BLOCK_MAY },
	{ "reduce", array_inject, 0, 2, BLOCK_MAY },
};

const struct method_table array_methods = { array_list, ARRAY_LEN(array_list) };
