/* Methods of arrays that ask each element: any?, all?, count, find, grep. */
#include "light/ruby_eval_priv.h"

#include "base/cleanup.h"

#include <errno.h>

/* Whether an element is meant: by the argument's ===, by the block, or by itself. */
static int meant(const struct call *c, struct value item, bool *ret)
{
	if (c->argc > 0)
		return case_equal(c, c->args[0], item, ret);
	if (c->block)
		return block_test(c, item, ret);
	*ret = value_true(item);
	return 0;
}

/* How many are meant, up to `most`. */
static int count_meant(const struct call *c, size_t most, size_t *ret)
{
	bool yes = false;
	int r = 0;

	*ret = 0;
	for (size_t i = 0; r == 0 && *ret < most && i < c->self.array->len; i++) {
		r = meant(c, c->self.array->items[i], &yes) ?: eval_work(c->e, c->node, 0);
		*ret += r == 0 && yes;
	}
	return r;
}

static int array_any(const struct call *c, struct value *ret)
{
	size_t n;
	int r = count_meant(c, 1, &n);

	if (r == 0)
		*ret = value_bool(n > 0);
	return r;
}

static int array_none(const struct call *c, struct value *ret)
{
	size_t n;
	int r = count_meant(c, 1, &n);

	if (r == 0)
		*ret = value_bool(n == 0);
	return r;
}

static int array_one(const struct call *c, struct value *ret)
{
	size_t n;
	int r = count_meant(c, 2, &n);

	if (r == 0)
		*ret = value_bool(n == 1);
	return r;
}

static int array_all(const struct call *c, struct value *ret)
{
	bool yes = true;
	int r = 0;

	for (size_t i = 0; r == 0 && yes && i < c->self.array->len; i++)
		r = meant(c, c->self.array->items[i], &yes) ?: eval_work(c->e, c->node, 0);
	if (r == 0)
		*ret = value_bool(yes);
	return r;
}

/* Its argument is compared by ==, unlike that of the others; without one and without a block all count. */
static int array_count(const struct call *c, struct value *ret)
{
	size_t n = 0;
	int r = eval_work(c->e, c->node, 16 * c->self.array->len);

	if (r == 0 && c->argc > 0) {
		for (size_t i = 0; i < c->self.array->len; i++)
			n += value_equal(c->self.array->items[i], c->args[0]);
	} else if (r == 0 && c->block) {
		r = count_meant(c, SIZE_MAX, &n);
	} else {
		n = c->self.array->len;
	}
	if (r == 0)
		*ret = value_int((int64_t)n);
	return r;
}

/* The first place of an element equal to the argument, or for which the block holds; -1. */
static int place_of(const struct call *c, int64_t *ret)
{
	bool yes = false;
	int r = eval_work(c->e, c->node, 16 * c->self.array->len);

	*ret = -1;
	for (size_t i = 0; r == 0 && *ret < 0 && i < c->self.array->len; i++) {
		if (c->argc > 0)
			yes = value_equal(c->self.array->items[i], c->args[0]);
		else
			r = block_test(c, c->self.array->items[i], &yes);
		if (r == 0 && yes)
			*ret = (int64_t)i;
	}
	return r;
}

static int array_includes(const struct call *c, struct value *ret)
{
	int64_t place;
	int r = place_of(c, &place);

	if (r == 0)
		*ret = value_bool(place >= 0);
	return r;
}

static int array_index(const struct call *c, struct value *ret)
{
	int64_t place;
	int r;

	if (c->argc == 0 && !c->block)
		return eval_unsupported(c->e, c->node, "index without a block");
	r = place_of(c, &place);
	if (r == 0)
		*ret = place < 0 ? value_nil() : value_int(place);
	return r;
}

static int array_find(const struct call *c, struct value *ret)
{
	int64_t place;
	int r = place_of(c, &place);

	if (r == 0)
		*ret = place < 0 ? value_nil() : c->self.array->items[place];
	return r;
}

static int grep(const struct call *c, bool wanted, struct value *ret)
{
	struct match *last = c->e->last;
	struct value list, item;
	bool yes = false;
	int r = value_array(c, 0, &list);

	for (size_t i = 0; r == 0 && i < c->self.array->len; i++) {
		item = c->self.array->items[i];
		r = case_equal(c, c->args[0], item, &yes) ?: eval_work(c->e, c->node, 0);
		if (r != 0 || yes != wanted)
			continue;
		if (c->block)
			r = block_call(c, &c->self.array->items[i], 1, &item);
		if (r == 0)
			r = array_push(c, list.array, item);
	}
	if (!c->block)
		c->e->last = last;
	if (r == 0)
		*ret = list;
	return r;
}

static int array_grep(const struct call *c, struct value *ret)
{
	return grep(c, true, ret);
}

static int array_grep_v(const struct call *c, struct value *ret)
{
	return grep(c, false, ret);
}

static const struct method array_query_list[] = {
	{ "any?", array_any, 0, 1, BLOCK_MAY },
	{ "none?", array_none, 0, 1, BLOCK_MAY },
	{ "one?", array_one, 0, 1, BLOCK_MAY },
	{ "all?", array_all, 0, 1, BLOCK_MAY },
	{ "count", array_count, 0, 1, BLOCK_MAY },
	{ "include?", array_includes, 1, 1 },
	{ "member?", array_includes, 1, 1 },
	{ "index", array_index, 0, 1, BLOCK_MAY },
	{ "find_index", array_index, 0, 1, BLOCK_MAY },
	{ "find", array_find, 0, 0, BLOCK_MUST },
	{ "detect", array_find, 0, 0, BLOCK_MUST },
	{ "grep", array_grep, 1, 1, BLOCK_MAY },
	{ "grep_v", array_grep_v, 1, 1, BLOCK_MAY },
};

const struct method_table array_query_methods = { array_query_list, ARRAY_LEN(array_query_list) };
