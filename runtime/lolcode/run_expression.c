#include "lolcode/lolcode_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CALLS_MAX 2000 /* of functions in one another: each takes some of the C stack */

static bool finish(struct lol_machine *m, const struct node *node, const char *wrong, struct value made,
		   struct value *ret)
{
	if (wrong)
		return machine_fail(m, node, wrong);
	*ret = made;
	return true;
}

static const char *whole(int op, int64_t a, int64_t b, int64_t *ret)
{
	static const char too_large[] = "a number does not fit into a NUMBR";

	switch (op) {
	case '+':
		return __builtin_add_overflow(a, b, ret) ? too_large : NULL;
	case '-':
		return __builtin_sub_overflow(a, b, ret) ? too_large : NULL;
	case '*':
		return __builtin_mul_overflow(a, b, ret) ? too_large : NULL;
	case '/':
	case '%':
		if (b == 0)
			return "division by zero";
		/* What no machine can divide: the least number by minus one. */
		if (b == -1)
			return whole('-', 0, op == '/' ? a : 0, ret);
		*ret = op == '/' ? a / b : a % b;
		return NULL;
	case '>':
		*ret = a > b ? a : b;
		return NULL;
	default:
		*ret = a < b ? a : b;
		return NULL;
	}
}

static const char *broken(int op, double a, double b, double *ret)
{
	if ((op == '/' || op == '%') && b == 0)
		return "division by zero";
	*ret = op == '+'   ? a + b
	       : op == '-' ? a - b
	       : op == '*' ? a * b
	       : op == '/' ? a / b
	       : op == '%' ? fmod(a, b)
	       : op == '>' ? (a > b ? a : b)
			   : (a < b ? a : b);
	return NULL;
}

/* Both are numbers; one with a point makes the result have one. */
static const char *calculate(int op, struct value a, struct value b, struct value *ret)
{
	if (a.type == TYPE_NUMBR && b.type == TYPE_NUMBR) {
		ret->type = TYPE_NUMBR;
		return whole(op, a.numbr, b.numbr, &ret->numbr);
	}
	ret->type = TYPE_NUMBAR;
	return broken(op, a.type == TYPE_NUMBAR ? a.numbar : (double)a.numbr,
		      b.type == TYPE_NUMBAR ? b.numbar : (double)b.numbr, &ret->numbar);
}

static bool evaluate_number(struct lol_machine *m, const struct node *node, struct value *ret)
{
	struct value value;
	const char *wrong;

	if (!machine_evaluate(m, node, &value))
		return false;
	wrong = value_make_number(&value);
	if (wrong)
		value_drop(value);
	return finish(m, node, wrong, value, ret);
}

static bool do_arithmetic(struct lol_machine *m, const struct node *node, struct value *ret)
{
	struct value a, b, made = { .type = TYPE_NOOB };

	if (!evaluate_number(m, node->child, &a) || !evaluate_number(m, node->child->next, &b))
		return false;
	return finish(m, node, calculate(node->op, a, b, &made), made, ret);
}

static bool evaluate_troof(struct lol_machine *m, const struct node *node, bool *ret)
{
	struct value value;

	if (!machine_evaluate(m, node, &value))
		return false;
	*ret = value_is_true(value);
	value_drop(value);
	return true;
}

static struct value troof(bool is)
{
	return (struct value){ .type = TYPE_TROOF, .troof = is };
}

/* What is known before the last operand is not asked for any more; of WON OF both always are. */
static bool do_logic(struct lol_machine *m, const struct node *node, struct value *ret)
{
	bool all = false, one;

	for (const struct node *operand = node->child; operand; operand = operand->next) {
		if (!evaluate_troof(m, operand, &one))
			return false;
		all = node->op == '^' ? all != one : one;
		if (node->op != '^' && one == (node->op == '|'))
			break;
	}
	*ret = troof(all);
	return true;
}

static bool do_not(struct lol_machine *m, const struct node *node, struct value *ret)
{
	bool is;

	if (!evaluate_troof(m, node->child, &is))
		return false;
	*ret = troof(!is);
	return true;
}

static bool do_same(struct lol_machine *m, const struct node *node, struct value *ret)
{
	struct value a, b;

	if (!machine_evaluate(m, node->child, &a))
		return false;
	if (!machine_evaluate(m, node->child->next, &b)) {
		value_drop(a);
		return false;
	}
	*ret = troof(value_equal(a, b) == (node->op == 'S'));
	value_drop(a);
	value_drop(b);
	return true;
}

static bool append(struct lol_machine *m, const struct node *node, struct yarn **text)
{
	struct value value;
	struct yarn *grown = NULL;
	const char *wrong;

	if (!machine_evaluate(m, node, &value))
		return false;
	wrong = value_cast(&value, TYPE_YARN, false);
	if (!wrong) {
		grown = realloc(*text, sizeof(*grown) + (*text)->len + value.yarn->len + 1);
		wrong = grown ? NULL : "no memory";
	}
	if (grown) {
		memcpy(grown->text + grown->len, value.yarn->text, value.yarn->len + 1);
		grown->len += value.yarn->len;
		*text = grown;
	}
	value_drop(value);
	return !wrong || machine_fail(m, node, wrong);
}

/* SMOOSH, and a YARN with variables in it. */
static bool do_join(struct lol_machine *m, const struct node *node, struct value *ret)
{
	struct yarn *text = yarn_create("", 0);

	if (!text)
		return machine_fail(m, node, "no memory");
	for (const struct node *part = node->child; part; part = part->next) {
		if (!append(m, part, &text)) {
			free(text);
			return false;
		}
	}
	*ret = (struct value){ .type = TYPE_YARN, .yarn = text };
	return true;
}

static bool do_cast(struct lol_machine *m, const struct node *node, struct value *ret)
{
	struct value value;
	const char *wrong;

	if (!machine_evaluate(m, node->child, &value))
		return false;
	wrong = value_cast(&value, node->type, true);
	if (wrong)
		value_drop(value);
	return finish(m, node, wrong, value, ret);
}

static bool do_literal(struct lol_machine *m, const struct node *node, struct value *ret)
{
	*ret = value_copy(node->value);
	return true;
}

static bool do_variable(struct lol_machine *m, const struct node *node, struct value *ret)
{
	if (!m->scope[node->name].declared)
		return machine_fail(m, node, "there is no such variable");
	*ret = value_copy(m->scope[node->name].value);
	return true;
}

/* Fills a new scope with the arguments, worked out in the old one. */
static bool pass_arguments(struct lol_machine *m, const struct node *node,
			   const struct lol_function *function, struct slot *scope)
{
	const struct node *argument = node->child;
	struct value value;
	size_t passed = 0;

	for (; argument && passed < function->arguments_count; argument = argument->next) {
		if (!machine_evaluate(m, argument, &value))
			return false;
		slot_set(&scope[function->arguments[passed++]], value);
	}
	return (!argument && passed == function->arguments_count) ||
	       machine_fail(m, node, "a function gets too many or too few arguments");
}

/* What comes back: FOUND YR's value; NOOB after GTFO; else what IT was. */
static bool run_body(struct lol_machine *m, const struct lol_function *function, struct value *ret)
{
	enum flow flow = machine_run(m, function->body);

	*ret = (struct value){ .type = TYPE_NOOB };
	if (flow == FLOW_RETURN) {
		*ret = m->found;
		m->found = (struct value){ .type = TYPE_NOOB };
	} else if (flow == FLOW_NEXT) {
		*ret = value_copy(m->scope[NAME_IT].value);
	}
	return flow != FLOW_ERROR;
}

static bool do_call(struct lol_machine *m, const struct node *node, struct value *ret)
{
	const struct lol_function *function = &m->program->functions[node->name];
	struct slot *outer = m->scope, *scope;
	bool ok;

	if (!function->defined)
		return machine_fail(m, node, "there is no such function");
	if (m->calls == CALLS_MAX)
		return machine_fail(m, node, "functions call one another too deep");
	scope = calloc(m->program->names_count, sizeof(*scope));
	if (!scope)
		return machine_fail(m, node, "no memory");
	scope[NAME_IT].declared = true;
	ok = pass_arguments(m, node, function, scope);
	if (ok) {
		m->scope = scope;
		m->calls++;
		ok = run_body(m, function, ret);
		m->calls--;
		m->scope = outer;
	}
	for (size_t i = 0; i < m->program->names_count; i++)
		value_drop(scope[i].value);
	free(scope);
	return ok;
}

bool machine_evaluate(struct lol_machine *m, const struct node *node, struct value *ret)
{
	static bool (*const evaluators[])(struct lol_machine * m, const struct node *node,
					  struct value *ret) = {
		[NODE_LITERAL] = do_literal,   [NODE_TEXT] = do_join,
		[NODE_VARIABLE] = do_variable, [NODE_ARITHMETIC] = do_arithmetic,
		[NODE_LOGIC] = do_logic,       [NODE_NOT] = do_not,
		[NODE_SAME] = do_same,	       [NODE_SMOOSH] = do_join,
		[NODE_CAST] = do_cast,	       [NODE_CALL] = do_call,
	};

	return machine_step(m, node) && evaluators[node->kind](m, node, ret);
}
