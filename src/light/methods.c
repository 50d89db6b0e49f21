/* Which method of which type: the tables, and the methods of the smaller types. */
#include "light/ruby_eval_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

static const struct method_table order_methods;

static const struct method_table *const tables[VALUE_KINDS][5] = {
	[VALUE_NIL] = { &nil_methods },
	[VALUE_FALSE] = { &bool_methods },
	[VALUE_TRUE] = { &bool_methods },
	[VALUE_INT] = { &int_methods, &order_methods },
	[VALUE_SYMBOL] = { &symbol_methods, &text_match_methods, &order_methods },
	[VALUE_STRING] = { &string_methods, &string_edit_methods, &string_regex_methods, &text_match_methods,
			   &order_methods },
	[VALUE_REGEX] = { &regex_methods },
	[VALUE_REGEXP_CLASS] = { &regexp_class_methods },
	[VALUE_MATCH] = { &match_methods },
	[VALUE_ARRAY] = { &array_methods, &array_query_methods },
	[VALUE_RANGE] = { &range_methods },
};

static const struct method *table_find(const struct method_table *table, struct text name)
{
	for (size_t i = 0; table && i < table->count; i++) {
		if (text_is(name, table->methods[i].name))
			return &table->methods[i];
	}
	return NULL;
}

static const struct method *method_find(enum value_kind kind, struct text name)
{
	const struct method *found = NULL;

	for (size_t i = 0; !found && i < ARRAY_LEN(tables[kind]); i++)
		found = table_find(tables[kind][i], name);
	return found ?: table_find(&any_methods, name);
}

bool method_known(struct text name)
{
	for (enum value_kind kind = 0; kind < VALUE_KINDS; kind++) {
		if (method_find(kind, name))
			return true;
	}
	return false;
}

/* What every object has or every place can call, and is not evaluated here. A list to be read as a text is. */
/* clang-format off */
static const char *const kernel_names[] = {
	"Array", "Float", "Integer", "String", "abort", "at_exit", "binding", "block_given?",
	"caller", "catch", "eval", "exec", "exit", "exit!", "fail", "fork", "format", "gets",
	"lambda", "load", "local_variables", "loop", "open", "p", "pp", "print", "printf", "proc",
	"putc", "puts", "rand", "readline", "readlines", "require", "require_relative", "select",
	"sleep", "spawn", "sprintf", "srand", "syscall", "system", "test", "throw", "trap", "warn",
	"then", "tap", "itself", "dup", "freeze", "method", "methods", "send", "public_send",
	"instance_eval", "object_id", "inspect", "to_s", "class", "nil?", "is_a?", "respond_to?",
	"hash", "attr_reader", "define_method", "include", "private", "public", "using",
	"instance_variable_get",
};
/* clang-format on */

bool kernel_known(struct text name)
{
	for (size_t i = 0; i < ARRAY_LEN(kernel_names); i++) {
		if (text_is(name, kernel_names[i]))
			return true;
	}
	return false;
}

/* Of these types no method is missing here that Ruby has and that another type here has too. */
static bool complete(enum value_kind kind)
{
	return kind == VALUE_NIL || kind == VALUE_TRUE || kind == VALUE_FALSE;
}

int method_call(const struct call *c, struct text name, struct value *ret)
{
	const struct method *method = method_find(c->self.kind, name);
	int len = name.len > 40 ? 40 : (int)name.len;

	if (!method && complete(c->self.kind))
		return eval_wrong(c->e, c->node, "undefined method '%.*s' for %s", len, name.data,
				  value_kind_name(c->self.kind));
	if (!method)
		return eval_unsupported(c->e, c->node, "the method '%.*s' of %s", len, name.data,
					value_kind_name(c->self.kind));
	if (c->argc < method->min)
		return eval_wrong(c->e, c->node, "wrong number of arguments for '%.*s': %zu, of at least %u",
				  len, name.data, c->argc, method->min);
	if (c->argc > method->max)
		return eval_unsupported(c->e, c->node, "that many arguments for '%.*s'", len, name.data);
	if ((c->block && method->block == BLOCK_NEVER) || (!c->block && method->block == BLOCK_MUST))
		return eval_unsupported(c->e, c->node, "'%.*s' %s a block", len, name.data,
					c->block ? "with" : "without");
	return method->run(c, ret);
}

int case_equal(const struct call *c, struct value pattern, struct value value, bool *ret)
{
	const struct call call = { .e = c->e, .node = c->node, .self = pattern, .args = &value, .argc = 1 };
	struct value result;
	int r = method_call(&call, TEXT("==="), &result);

	if (r == 0)
		*ret = value_true(result);
	return r;
}

static int any_equal(const struct call *c, struct value *ret)
{
	*ret = value_bool(value_equal(c->self, c->args[0]));
	return 0;
}

static int any_not(const struct call *c, struct value *ret)
{
	*ret = value_bool(!value_true(c->self));
	return 0;
}

static int any_is_nil(const struct call *c, struct value *ret)
{
	*ret = value_bool(c->self.kind == VALUE_NIL);
	return 0;
}

static int any_itself(const struct call *c, struct value *ret)
{
	*ret = c->self;
	return 0;
}

static int any_dup(const struct call *c, struct value *ret)
{
	*ret = c->self;
	if (c->self.kind == VALUE_STRING)
		return value_text(c, c->self.string->text, ret);
	if (c->self.kind == VALUE_ARRAY)
		return eval_unsupported(c->e, c->node, "a copy of an Array");
	return 0;
}

static int any_to_s(const struct call *c, struct value *ret)
{
	struct text text;
	int r = value_to_s(c, c->self, &text);

	return r < 0 ? r : value_text(c, text, ret);
}

static int any_compare(const struct call *c, struct value *ret)
{
	int order;

	if (value_compare(c->self, c->args[0], &order))
		*ret = value_int(order);
	else
		*ret = value_equal(c->self, c->args[0]) ? value_int(0) : value_nil();
	return 0;
}

static int any_no_match(const struct call *c, struct value *ret)
{
	*ret = value_nil();
	return 0;
}

static const struct method any_list[] = {
	{ "==", any_equal, 1, 1 },	{ "===", any_equal, 1, 1 },   { "eql?", any_equal, 1, 1 },
	{ "!", any_not, 0, 0 },		{ "nil?", any_is_nil, 0, 0 }, { "freeze", any_itself, 0, 0 },
	{ "itself", any_itself, 0, 0 }, { "dup", any_dup, 0, 0 },     { "clone", any_dup, 0, 0 },
	{ "to_s", any_to_s, 0, 0 },	{ "<=>", any_compare, 1, 1 }, { "=~", any_no_match, 1, 1 },
};

const struct method_table any_methods = { any_list, ARRAY_LEN(any_list) };

static int nil_to_i(const struct call *c, struct value *ret)
{
	*ret = value_int(0);
	return 0;
}

static int nil_to_a(const struct call *c, struct value *ret)
{
	return value_array(c, 0, ret);
}

static int bool_and(const struct call *c, struct value *ret)
{
	*ret = value_bool(value_true(c->self) && value_true(c->args[0]));
	return 0;
}

static int bool_or(const struct call *c, struct value *ret)
{
	*ret = value_bool(value_true(c->self) || value_true(c->args[0]));
	return 0;
}

static int bool_xor(const struct call *c, struct value *ret)
{
	*ret = value_bool(value_true(c->self) != value_true(c->args[0]));
	return 0;
}

static const struct method bool_list[] = {
	{ "&", bool_and, 1, 1 },
	{ "|", bool_or, 1, 1 },
	{ "^", bool_xor, 1, 1 },
};

const struct method_table bool_methods = { bool_list, ARRAY_LEN(bool_list) };

static const struct method nil_list[] = {
	{ "to_i", nil_to_i, 0, 0 }, { "to_a", nil_to_a, 0, 0 }, { "&", bool_and, 1, 1 },
	{ "|", bool_or, 1, 1 },	    { "^", bool_xor, 1, 1 },
};

const struct method_table nil_methods = { nil_list, ARRAY_LEN(nil_list) };

/* The other operand of an arithmetic operator. */
static int int_operand(const struct call *c, int64_t *ret)
{
	if (c->args[0].kind != VALUE_INT)
		return eval_wrong(c->e, c->node, "%s can't be coerced into Integer",
				  value_kind_name(c->args[0].kind));
	*ret = c->args[0].number;
	return 0;
}

static int int_overflow(const struct call *c)
{
	return eval_unsupported(c->e, c->node, "a number of more than 64 bits");
}

static int int_add(const struct call *c, struct value *ret)
{
	int64_t other = 0, sum;
	int r = int_operand(c, &other);

	if (r == 0 && __builtin_add_overflow(c->self.number, other, &sum))
		return int_overflow(c);
	*ret = r == 0 ? value_int(sum) : *ret;
	return r;
}

static int int_subtract(const struct call *c, struct value *ret)
{
	int64_t other = 0, difference;
	int r = int_operand(c, &other);

	if (r == 0 && __builtin_sub_overflow(c->self.number, other, &difference))
		return int_overflow(c);
	*ret = r == 0 ? value_int(difference) : *ret;
	return r;
}

static int int_multiply(const struct call *c, struct value *ret)
{
	int64_t other = 0, product;
	int r = int_operand(c, &other);

	if (r == 0 && __builtin_mul_overflow(c->self.number, other, &product))
		return int_overflow(c);
	*ret = r == 0 ? value_int(product) : *ret;
	return r;
}

/* Ruby rounds a quotient down, and a remainder has the sign of the divisor. */
static int int_divide(const struct call *c, int64_t *ret_quotient, int64_t *ret_rest)
{
	int64_t a = c->self.number, b = 0;
	int r = int_operand(c, &b);

	if (r < 0)
		return r;
	if (b == 0)
		return eval_wrong(c->e, c->node, "divided by 0");
	if (a == INT64_MIN && b == -1)
		return int_overflow(c);
	*ret_quotient = a / b;
	*ret_rest = a % b;
	if (*ret_rest != 0 && (*ret_rest < 0) != (b < 0)) {
		*ret_quotient -= 1;
		*ret_rest += b;
	}
	return 0;
}

static int int_quotient(const struct call *c, struct value *ret)
{
	int64_t quotient, rest;
	int r = int_divide(c, &quotient, &rest);

	*ret = r == 0 ? value_int(quotient) : *ret;
	return r;
}

static int int_rest(const struct call *c, struct value *ret)
{
	int64_t quotient, rest;
	int r = int_divide(c, &quotient, &rest);

	*ret = r == 0 ? value_int(rest) : *ret;
	return r;
}

static int int_negate(const struct call *c, struct value *ret)
{
	if (c->self.number == INT64_MIN)
		return int_overflow(c);
	*ret = value_int(-c->self.number);
	return 0;
}

static int int_abs(const struct call *c, struct value *ret)
{
	if (c->self.number < 0)
		return int_negate(c, ret);
	*ret = c->self;
	return 0;
}

static int int_is_zero(const struct call *c, struct value *ret)
{
	*ret = value_bool(c->self.number == 0);
	return 0;
}

static int int_is_positive(const struct call *c, struct value *ret)
{
	*ret = value_bool(c->self.number > 0);
	return 0;
}

static int int_is_negative(const struct call *c, struct value *ret)
{
	*ret = value_bool(c->self.number < 0);
	return 0;
}

static int int_is_even(const struct call *c, struct value *ret)
{
	*ret = value_bool(c->self.number % 2 == 0);
	return 0;
}

static int int_is_odd(const struct call *c, struct value *ret)
{
	*ret = value_bool(c->self.number % 2 != 0);
	return 0;
}

static int compare_wrong(const struct call *c)
{
	return eval_wrong(c->e, c->node, "comparison of %s with %s failed", value_kind_name(c->self.kind),
			  value_kind_name(c->args[0].kind));
}

/* Of integers, strings and symbols. */
static int order_less(const struct call *c, struct value *ret)
{
	int order;

	if (!value_compare(c->self, c->args[0], &order))
		return compare_wrong(c);
	*ret = value_bool(order < 0);
	return 0;
}

static int order_at_most(const struct call *c, struct value *ret)
{
	int order;

	if (!value_compare(c->self, c->args[0], &order))
		return compare_wrong(c);
	*ret = value_bool(order <= 0);
	return 0;
}

static int order_greater(const struct call *c, struct value *ret)
{
	int order;

	if (!value_compare(c->self, c->args[0], &order))
		return compare_wrong(c);
	*ret = value_bool(order > 0);
	return 0;
}

static int order_at_least(const struct call *c, struct value *ret)
{
	int order;

	if (!value_compare(c->self, c->args[0], &order))
		return compare_wrong(c);
	*ret = value_bool(order >= 0);
	return 0;
}

static int order_between(const struct call *c, struct value *ret)
{
	int low, high;

	if (!value_compare(c->self, c->args[0], &low) || !value_compare(c->self, c->args[1], &high))
		return compare_wrong(c);
	*ret = value_bool(low >= 0 && high <= 0);
	return 0;
}

static const struct method order_list[] = {
	{ "<", order_less, 1, 1 },	{ "<=", order_at_most, 1, 1 },	     { ">", order_greater, 1, 1 },
	{ ">=", order_at_least, 1, 1 }, { "between?", order_between, 2, 2 },
};

static const struct method_table order_methods = { order_list, ARRAY_LEN(order_list) };

static int int_times(const struct call *c, struct value *ret)
{
	int r = 0;

	for (int64_t i = 0; r == 0 && i < c->self.number; i++) {
		const struct value n = value_int(i);

		r = block_call(c, &n, 1, ret);
	}
	if (r == 0)
		*ret = c->self;
	return r;
}

static const struct method int_list[] = {
	{ "+", int_add, 1, 1 },
	{ "-", int_subtract, 1, 1 },
	{ "*", int_multiply, 1, 1 },
	{ "/", int_quotient, 1, 1 },
	{ "%", int_rest, 1, 1 },
	{ "-@", int_negate, 0, 0 },
	{ "abs", int_abs, 0, 0 },
	{ "zero?", int_is_zero, 0, 0 },
	{ "positive?", int_is_positive, 0, 0 },
	{ "negative?", int_is_negative, 0, 0 },
	{ "even?", int_is_even, 0, 0 },
	{ "odd?", int_is_odd, 0, 0 },
	{ "to_i", any_itself, 0, 0 },
	{ "to_int", any_itself, 0, 0 },
	{ "times", int_times, 0, 0, BLOCK_MUST },
};

const struct method_table int_methods = { int_list, ARRAY_LEN(int_list) };

static int symbol_length(const struct call *c, struct value *ret)
{
	*ret = value_int((int64_t)text_chars(c->self.string->text));
	return 0;
}

static const struct method symbol_list[] = {
	{ "to_sym", any_itself, 0, 0 },
	{ "length", symbol_length, 0, 0 },
	{ "size", symbol_length, 0, 0 },
};

const struct method_table symbol_methods = { symbol_list, ARRAY_LEN(symbol_list) };

static int range_includes(const struct call *c, struct value *ret)
{
	const struct range *range = c->self.range;
	int64_t n = c->args[0].number;
	bool in = c->args[0].kind == VALUE_INT && n >= range->low.number;

	if (in && range->high.kind == VALUE_INT)
		in = range->exclusive ? n < range->high.number : n <= range->high.number;
	*ret = value_bool(in);
	return 0;
}

static int range_to_a(const struct call *c, struct value *ret)
{
	const struct range *range = c->self.range;
	int64_t last;
	int r = value_array(c, 0, ret);

	if (range->high.kind != VALUE_INT)
		return eval_wrong(c->e, c->node, "cannot convert endless range to an array");
	last = range->high.number - (range->exclusive && range->high.number > INT64_MIN);
	for (int64_t n = range->low.number; r == 0 && n <= last; n++) {
		r = eval_work(c->e, c->node, 0);
		if (r == 0)
			r = array_push(c, ret->array, value_int(n));
		if (n == INT64_MAX)
			break;
	}
	return r;
}

static const struct method range_list[] = {
	{ "===", range_includes, 1, 1 },     { "include?", range_includes, 1, 1 },
	{ "member?", range_includes, 1, 1 }, { "cover?", range_includes, 1, 1 },
	{ "to_a", range_to_a, 0, 0 },
};

const struct method_table range_methods = { range_list, ARRAY_LEN(range_list) };
