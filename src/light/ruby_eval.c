/*
 * The evaluator: walks the tree of a lambda. The tree's depth bounds the recursion, the meter the work (blocks are the
 * only loops), the arena the memory.
 */
#include "light/ruby_eval_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODE_WORK   8
#define ARENA_BYTES (16 * 1024 * 1024)

static int eval_fault(struct eval *e, const struct node *node, enum light_fault_kind kind, const char *format,
		      va_list args)
{
	char text[200];

	vsnprintf(text, sizeof(text), format, args);
	return fault_place(e->fault, e->program->source, node->at, fault_set(e->fault, kind, "%s", text));
}

int eval_wrong(struct eval *e, const struct node *node, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = eval_fault(e, node, LIGHT_WRONG, format, args);
	va_end(args);
	return r;
}

int eval_unsupported(struct eval *e, const struct node *node, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = eval_fault(e, node, LIGHT_UNSUPPORTED, format, args);
	va_end(args);
	return r;
}

int eval_limit(struct eval *e, const struct node *node, const char *what)
{
	fault_set(e->fault, LIGHT_LIMIT, "%s", what);
	return fault_place(e->fault, e->program->source, node->at, -EINVAL);
}

int eval_work(struct eval *e, const struct node *node, size_t bytes)
{
	return meter_take(&e->meter, NODE_WORK + bytes / 4)
		       ? 0
		       : eval_limit(e, node, "it takes too long on this output");
}

static struct call call_at(struct eval *e, const struct node *node)
{
	return (struct call){ .e = e, .node = node };
}

static void assign_targets(struct eval *e, const struct node *targets, struct value value)
{
	size_t index = 0;

	for (const struct node *target = targets; target; target = target->next, index++) {
		bool array = value.kind == VALUE_ARRAY;
		struct value item = array && index < value.array->len ? value.array->items[index]
				    : !array && index == 0	      ? value
								      : value_nil();

		if (target->kind == NODE_PARAMS)
			assign_targets(e, target->a, item);
		else
			e->locals[target->number] = item;
	}
}

static int call_block_node(struct eval *e, const struct node *block, const struct value *args, size_t count,
			   struct value *ret)
{
	bool several = block->a && block->a->next;
	struct array list = { .items = (struct value *)args, .len = count };
	const struct value packed = { .kind = VALUE_ARRAY, .array = &list };
	int r;

	for (size_t i = 0; i < block->count; i++)
		e->locals[(size_t)block->number + i] = value_nil();
	/* Several parameters take an only argument apart when it is an array. */
	assign_targets(e, block->a, count == 1 && several && args[0].kind == VALUE_ARRAY ? args[0] : packed);
	r = eval_node(e, block->b, ret);
	if (r == FLOW_NEXT) {
		*ret = e->result;
		return 0;
	}
	return r;
}

int block_call(const struct call *c, const struct value *args, size_t count, struct value *ret)
{
	struct call call = {
		.e = c->e, .node = c->node, .self = args[0], .args = args + 1, .argc = count - 1
	};
	int r = eval_work(c->e, c->node, 0);

	if (r < 0)
		return r;
	if (c->block->kind == NODE_BLOCK_SYMBOL)
		return method_call(&call, c->block->text, ret);
	return call_block_node(c->e, c->block, args, count, ret);
}

int block_test(const struct call *c, struct value item, bool *ret)
{
	struct value result;
	int r = block_call(c, &item, 1, &result);

	if (r == 0)
		*ret = value_true(result);
	return r;
}

static int eval_call(struct eval *e, const struct node *node, struct value *ret)
{
	struct value args[RUBY_ARGS];
	struct call call = { .e = e, .node = node, .args = args, .block = node->c };
	int r = eval_node(e, node->a, &call.self);

	if (r != 0)
		return r;
	if (node->number == 1 && call.self.kind == VALUE_NIL) {
		*ret = value_nil();
		return 0;
	}
	for (const struct node *arg = node->b; arg; arg = arg->next) {
		r = eval_node(e, arg, &args[call.argc++]);
		if (r != 0)
			return r;
	}
	r = method_call(&call, node->text, ret);
	if (r == FLOW_BREAK && call.block) {
		*ret = e->result;
		return 0;
	}
	return r;
}

/* The parts of an interpolated literal as one text. */
static int eval_parts(struct eval *e, const struct node *node, bool regex, struct text *ret)
{
	struct call c = call_at(e, node);
	struct value whole, part;
	struct text text;
	int r = value_text(&c, TEXT(""), &whole);

	for (const struct node *n = node->a; r == 0 && n; n = n->next) {
		r = eval_node(e, n, &part);
		if (r == 0)
			r = value_to_s(&c, part, &text);
		if (r == 0)
			r = value_concat(&c, whole.string->text, text, &whole);
	}
	if (r == 0)
		*ret = whole.string->text;
	return r;
}

static int eval_interpolated(struct eval *e, const struct node *node, struct value *ret)
{
	struct call c = call_at(e, node);
	struct text text;
	int r = eval_parts(e, node, false, &text);

	return r != 0 ? r : value_text(&c, text, ret);
}

static int eval_regex_interpolated(struct eval *e, const struct node *node, struct value *ret)
{
	struct text text;
	const struct pattern *pattern;
	int r = eval_parts(e, node, true, &text);

	if (r == 0)
		r = regex_make(e, node, text, (uint32_t)node->number, &pattern);
	if (r == 0)
		*ret = (struct value){ .kind = VALUE_REGEX, .regex = pattern };
	return r;
}

static int eval_array(struct eval *e, const struct node *node, struct value *ret)
{
	struct call c = call_at(e, node);
	struct value array, item;
	int r = value_array(&c, 0, &array);

	for (const struct node *n = node->a; r == 0 && n; n = n->next) {
		r = eval_node(e, n, &item);
		if (r == 0)
			r = array_push(&c, array.array, item);
	}
	*ret = array;
	return r;
}

static int eval_range(struct eval *e, const struct node *node, struct value *ret)
{
	struct range *range = arena_alloc(&e->arena, sizeof(*range));
	int r;

	if (!range)
		return eval_limit(e, node, "it needs too much memory on this output");
	range->exclusive = node->number;
	r = eval_node(e, node->a, &range->low);
	if (r == 0 && node->b)
		r = eval_node(e, node->b, &range->high);
	if (r == 0 && (range->low.kind != VALUE_INT || (node->b && range->high.kind != VALUE_INT)))
		r = eval_unsupported(e, node, "a range of other than integers");
	*ret = (struct value){ .kind = VALUE_RANGE, .range = range };
	return r;
}

static int eval_if(struct eval *e, const struct node *node, struct value *ret)
{
	struct value condition;
	int r = eval_node(e, node->a, &condition);
	const struct node *branch;

	if (r != 0)
		return r;
	branch = value_true(condition) ? node->b : node->c;
	*ret = value_nil();
	return branch ? eval_node(e, branch, ret) : 0;
}

static int eval_case(struct eval *e, const struct node *node, struct value *ret)
{
	struct call c = call_at(e, node);
	struct value subject = value_nil(), test;
	int r = node->a ? eval_node(e, node->a, &subject) : 0;

	for (const struct node *when = node->b; r == 0 && when; when = when->next) {
		for (const struct node *n = when->a; r == 0 && n; n = n->next) {
			bool hit = false;

			r = eval_node(e, n, &test);
			if (r == 0 && node->a)
				r = case_equal(&c, test, subject, &hit);
			else if (r == 0)
				hit = value_true(test);
			if (r == 0 && hit)
				return eval_node(e, when->b, ret);
		}
	}
	*ret = value_nil();
	return r == 0 && node->c ? eval_node(e, node->c, ret) : r;
}

static int eval_logic(struct eval *e, const struct node *node, struct value *ret)
{
	int r = eval_node(e, node->a, ret);

	if (r != 0 || value_true(*ret) != (node->kind == NODE_AND))
		return r;
	return eval_node(e, node->b, ret);
}

static int eval_sequence(struct eval *e, const struct node *node, struct value *ret)
{
	int r = 0;

	*ret = value_nil();
	for (const struct node *n = node->a; r == 0 && n; n = n->next)
		r = eval_node(e, n, ret);
	return r;
}

static int eval_jump(struct eval *e, const struct node *node, struct value *ret)
{
	int r = 0;

	e->result = value_nil();
	if (node->a)
		r = eval_node(e, node->a, &e->result);
	*ret = e->result;
	if (r != 0)
		return r;
	return node->kind == NODE_RETURN ? FLOW_RETURN : node->kind == NODE_NEXT ? FLOW_NEXT : FLOW_BREAK;
}

static int eval_raise(struct eval *e, const struct node *node)
{
	struct call c = call_at(e, node);
	struct value why = value_nil();
	struct text text = TEXT("");
	int r = node->a ? eval_node(e, node->a, &why) : 0;

	if (r == 0)
		r = value_to_s(&c, why, &text);
	if (r != 0)
		return r;
	return eval_wrong(e, node, "the lambda raises an exception%s%.*s", text.len > 0 ? ": " : "",
			  text.len > 100 ? 100 : (int)text.len, text.data);
}

/* $1, $~, $&, $`, $' and $+ */
static int eval_match_ref(struct eval *e, const struct node *node, struct value *ret)
{
	struct call c = call_at(e, node);
	const struct match *last = e->last;

	*ret = value_nil();
	if (!last)
		return 0;
	if (node->kind == NODE_GROUP_REF)
		return match_group_value(&c, last, (size_t)node->number, ret);
	switch (node->number) {
	case '~':
		*ret = (struct value){ .kind = VALUE_MATCH, .match = e->last };
		return 0;
	case '&':
		return match_group_value(&c, last, 0, ret);
	case '`':
		return value_text(&c, text_sub(last->subject, 0, last->offsets[0]), ret);
	case '\'':
		return value_text(&c, text_sub(last->subject, last->offsets[1], last->subject.len), ret);
	default:
		return eval_unsupported(e, node, "$+");
	}
}

/* Sets the variables that are named like the groups of a literal regular expression. */
static int eval_assign_match(struct eval *e, const struct node *node, struct value *ret)
{
	struct call c = call_at(e, node);
	PCRE2_SPTR table;
	uint32_t count = 0, size = 0;
	int r = eval_node(e, node->a, ret);

	pcre2_pattern_info(node->pattern->code, PCRE2_INFO_NAMECOUNT, &count);
	pcre2_pattern_info(node->pattern->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
	pcre2_pattern_info(node->pattern->code, PCRE2_INFO_NAMETABLE, &table);
	for (uint32_t i = 0; r == 0 && i < count; i++) {
		const uint8_t *entry = table + (size_t)i * size;
		struct value *to = &e->locals[(size_t)node->number + i];

		*to = value_nil();
		if (ret->kind != VALUE_NIL)
			r = match_group_value(&c, e->last, (size_t)entry[0] << 8 | entry[1], to);
	}
	return r;
}

/* Values that need no evaluation. */
static int eval_leaf(struct eval *e, const struct node *node, struct value *ret)
{
	struct call c = call_at(e, node);
	int r = 0;

	switch (node->kind) {
	case NODE_NIL:
		*ret = value_nil();
		break;
	case NODE_TRUE:
	case NODE_FALSE:
		*ret = value_bool(node->kind == NODE_TRUE);
		break;
	case NODE_INT:
		*ret = value_int(node->number);
		break;
	case NODE_STRING:
	case NODE_SYMBOL:
		r = value_text(&c, node->text, ret);
		if (r == 0 && node->kind == NODE_SYMBOL)
			ret->kind = VALUE_SYMBOL;
		break;
	case NODE_REGEX:
		*ret = (struct value){ .kind = VALUE_REGEX, .regex = node->pattern };
		break;
	case NODE_REGEXP_CLASS:
		*ret = (struct value){ .kind = VALUE_REGEXP_CLASS };
		break;
	default:
		*ret = e->locals[node->number];
		break;
	}
	return r;
}

static int eval_assign(struct eval *e, const struct node *node, struct value *ret)
{
	int r;

	if (node->kind == NODE_ASSIGN_MATCH)
		return eval_assign_match(e, node, ret);
	if (node->kind == NODE_ASSIGN) {
		r = eval_node(e, node->a, ret);
		if (r == 0)
			e->locals[node->number] = *ret;
		return r;
	}
	r = eval_node(e, node->b, ret);
	if (r == 0)
		assign_targets(e, node->a, *ret);
	return r;
}

static int eval_name_error(struct eval *e, const struct node *node)
{
	return eval_wrong(e, node, "undefined %s '%.*s'",
			  node->number ? "method" : "local variable or method",
			  node->text.len > 40 ? 40 : (int)node->text.len, node->text.data);
}

int eval_node(struct eval *e, const struct node *node, struct value *ret)
{
	int r = eval_work(e, node, 0);

	if (r < 0)
		return r;
	switch (node->kind) {
	case NODE_INTERPOLATED:
		return eval_interpolated(e, node, ret);
	case NODE_REGEX_INTERPOLATED:
		return eval_regex_interpolated(e, node, ret);
	case NODE_ARRAY:
		return eval_array(e, node, ret);
	case NODE_RANGE:
		return eval_range(e, node, ret);
	case NODE_ASSIGN:
	case NODE_ASSIGN_MANY:
	case NODE_ASSIGN_MATCH:
		return eval_assign(e, node, ret);
	case NODE_CALL:
		return eval_call(e, node, ret);
	case NODE_AND:
	case NODE_OR:
		return eval_logic(e, node, ret);
	case NODE_NOT:
		r = eval_node(e, node->a, ret);
		*ret = r == 0 ? value_bool(!value_true(*ret)) : *ret;
		return r;
	case NODE_IF:
		return eval_if(e, node, ret);
	case NODE_CASE:
		return eval_case(e, node, ret);
	case NODE_SEQUENCE:
		return eval_sequence(e, node, ret);
	case NODE_RETURN:
	case NODE_NEXT:
	case NODE_BREAK:
		return eval_jump(e, node, ret);
	case NODE_RAISE:
		return eval_raise(e, node);
	case NODE_GROUP_REF:
	case NODE_MATCH_REF:
		return eval_match_ref(e, node, ret);
	case NODE_NAME_ERROR:
		return eval_name_error(e, node);
	default:
		return eval_leaf(e, node, ret);
	}
}

/* A colour is what to_s makes the name of one. */
static int find_colour(struct eval *e, struct value result, enum light_colour *ret)
{
	static const enum light_colour colours[] = { LIGHT_RED, LIGHT_AMBER, LIGHT_GREEN };
	struct text text;

	if (result.kind == VALUE_MATCH)
		match_group(result.match, 0, &text);
	else if (result.kind == VALUE_SYMBOL || result.kind == VALUE_STRING)
		text = result.string->text;
	else
		return eval_wrong(e, e->program->lambda,
				  "the lambda gave %s rather than :red, :amber or :green",
				  value_kind_name(result.kind));
	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
		if (text_is(text, light_colour_name(colours[i]))) {
			*ret = colours[i];
			return 0;
		}
	}
	return eval_wrong(e, e->program->lambda, "the lambda gave '%.*s' rather than :red, :amber or :green",
			  text.len > 40 ? 40 : (int)text.len, text.data);
}

static int colour_of(struct eval *e, struct value result, enum light_colour *ret)
{
	int r = find_colour(e, result, ret);

	e->fault->no_colour = r < 0;
	return r;
}

static int run_lambda(struct eval *e, const struct light_texts *texts, struct value *ret)
{
	const struct node *lambda = e->program->lambda;
	struct call c = call_at(e, lambda);
	struct value args[3];
	struct array list = { .items = args, .len = 3 };
	int r = eval_node(e, e->program->before, ret);

	if (r != 0)
		return r < 0 ? r : eval_unsupported(e, lambda, "a jump in front of the lambda");
	if (lambda->count != 3)
		return eval_wrong(e, lambda, "the lambda takes %u arguments, and is called with 3",
				  lambda->count);
	args[2] = value_int(texts->status);
	r = value_text(&c, texts->out, &args[0]);
	if (r == 0)
		r = value_text(&c, texts->err, &args[1]);
	if (r < 0)
		return r;
	e->last = NULL;
	assign_targets(e, lambda->a, (struct value){ .kind = VALUE_ARRAY, .array = &list });
	r = eval_node(e, lambda->b, ret);
	if (r > 0)
		*ret = e->result;
	return r < 0 ? r : 0;
}

void ruby_judge(const struct ruby_program *program, const struct light_texts *texts,
		struct light_verdict *ret)
{
	struct eval *e = calloc(1, sizeof(*e));
	struct value result;
	int r;

	*ret = (struct light_verdict){ .colour = LIGHT_FAULTY };
	if (!e) {
		fault_no_memory(&ret->fault);
		return;
	}
	e->program = program;
	e->arena.max = ARENA_BYTES + 4 * (texts->out.len + texts->err.len);
	e->meter.left = LIGHT_WORK;
	e->fault = &ret->fault;
	r = run_lambda(e, texts, &result);
	if (r == 0)
		r = colour_of(e, result, &ret->colour);
	if (r < 0)
		ret->colour = LIGHT_FAULTY;
	for (struct pattern *pattern = e->patterns; pattern; pattern = pattern->next)
		pattern_finish(pattern);
	arena_finish(&e->arena);
	free(e);
}
