/* Statements. A scope has a slot for each name of the program; functions have one of their own. */
#include "lolcode/lolcode_priv.h"

#include <stdlib.h>
#include <string.h>

bool machine_fail(struct lol_machine *m, const struct node *node, const char *text)
{
	if (!m->error[0])
		snprintf(m->error, LOL_ERROR_MAX, "line %u: %s%s%.64s", node->line, text,
			 node->name >= 0 ? ": " : "", node->name >= 0 ? m->program->names[node->name] : "");
	return false;
}

bool machine_step(struct lol_machine *m, const struct node *node)
{
	if (!m->steps_max || m->steps++ < m->steps_max)
		return true;
	return machine_fail(m, node, "it took too many steps");
}

void slot_set(struct slot *slot, struct value value)
{
	value_drop(slot->value);
	*slot = (struct slot){ .declared = true, .value = value };
}

static bool is_declared(struct lol_machine *m, const struct node *node)
{
	return m->scope[node->name].declared || machine_fail(m, node, "there is no such variable");
}

static enum flow flow_of(bool ok)
{
	return ok ? FLOW_NEXT : FLOW_ERROR;
}

static bool print(struct lol_machine *m, const struct node *node)
{
	struct value value;
	const char *wrong;

	if (!machine_evaluate(m, node, &value))
		return false;
	wrong = value_cast(&value, TYPE_YARN, false);
	if (!wrong)
		fwrite(value.yarn->text, 1, value.yarn->len, m->out);
	value_drop(value);
	return !wrong || machine_fail(m, node, wrong);
}

static enum flow run_visible(struct lol_machine *m, const struct node *node)
{
	for (const struct node *part = node->child; part; part = part->next) {
		if (!print(m, part))
			return FLOW_ERROR;
	}
	if (!node->op)
		putc('\n', m->out);
	return FLOW_NEXT;
}

static enum flow run_gimmeh(struct lol_machine *m, const struct node *node)
{
	struct yarn *yarn;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	if (!is_declared(m, node))
		return FLOW_ERROR;
	/* Whoever waits for an answer has seen the question. */
	fflush(m->out);
	len = getline(&line, &room, m->in);
	len -= len > 0 && line[len - 1] == '\n';
	yarn = yarn_create(line, len > 0 ? (size_t)len : 0);
	free(line);
	if (!yarn)
		return flow_of(machine_fail(m, node, "no memory"));
	slot_set(&m->scope[node->name], (struct value){ .type = TYPE_YARN, .yarn = yarn });
	return FLOW_NEXT;
}

static enum flow run_declare(struct lol_machine *m, const struct node *node)
{
	struct value value = { .type = TYPE_NOOB };
	const char *wrong;

	if (node->child) {
		if (!machine_evaluate(m, node->child, &value))
			return FLOW_ERROR;
	} else {
		wrong = value_cast(&value, node->type, true);
		if (wrong)
			return flow_of(machine_fail(m, node, wrong));
	}
	slot_set(&m->scope[node->name], value);
	return FLOW_NEXT;
}

static enum flow run_assign(struct lol_machine *m, const struct node *node)
{
	struct value value;

	if (!is_declared(m, node) || !machine_evaluate(m, node->child, &value))
		return FLOW_ERROR;
	slot_set(&m->scope[node->name], value);
	return FLOW_NEXT;
}

static enum flow run_recast(struct lol_machine *m, const struct node *node)
{
	const char *wrong;

	if (!is_declared(m, node))
		return FLOW_ERROR;
	wrong = value_cast(&m->scope[node->name].value, node->type, true);
	return flow_of(!wrong || machine_fail(m, node, wrong));
}

static enum flow run_bare(struct lol_machine *m, const struct node *node)
{
	struct value value;

	if (!machine_evaluate(m, node->child, &value))
		return FLOW_ERROR;
	slot_set(&m->scope[NAME_IT], value);
	return FLOW_NEXT;
}

/* False when it cannot be worked out. */
static bool is_true(struct lol_machine *m, const struct node *condition, bool *ret)
{
	struct value value;

	if (!machine_evaluate(m, condition, &value))
		return false;
	*ret = value_is_true(value);
	value_drop(value);
	return true;
}

static enum flow run_if(struct lol_machine *m, const struct node *node)
{
	bool taken = true;

	for (const struct node *branch = node->child; branch; branch = branch->next) {
		if (branch->child && !is_true(m, branch->child, &taken))
			return FLOW_ERROR;
		if (taken || !branch->child)
			return machine_run(m, branch->body);
	}
	return FLOW_NEXT;
}

/* From the first branch that fits on, through those behind it, until one says GTFO. */
static enum flow run_switch(struct lol_machine *m, const struct node *node)
{
	struct value it = value_copy(m->scope[NAME_IT].value);
	const struct node *branch = node->child;
	enum flow flow = FLOW_NEXT;

	while (branch && branch->child && !value_equal(branch->child->value, it))
		branch = branch->next;
	value_drop(it);
	for (; branch && flow == FLOW_NEXT; branch = branch->next)
		flow = machine_run(m, branch->body);
	return flow == FLOW_BREAK ? FLOW_NEXT : flow;
}

static bool count(struct lol_machine *m, const struct node *node)
{
	struct slot *slot = &m->scope[node->name];
	const char *wrong = value_make_number(&slot->value);
	bool overflow = false;

	if (wrong)
		return machine_fail(m, node, wrong);
	if (slot->value.type == TYPE_NUMBAR)
		slot->value.numbar += node->op == '+' ? 1 : -1;
	else
		overflow = __builtin_add_overflow(slot->value.numbr, node->op == '+' ? 1 : -1,
						  &slot->value.numbr);
	return !overflow || machine_fail(m, node, "a number does not fit into a NUMBR");
}

static enum flow turn(struct lol_machine *m, const struct node *node)
{
	bool goes_on = true;
	enum flow flow;

	if (!machine_step(m, node))
		return FLOW_ERROR;
	if (node->child) {
		if (!is_true(m, node->child, &goes_on))
			return FLOW_ERROR;
		if (goes_on == (node->type == TYPE_TROOF))
			return FLOW_BREAK;
	}
	flow = machine_run(m, node->body);
	if (flow == FLOW_NEXT && node->op && !count(m, node))
		return FLOW_ERROR;
	return flow;
}

/* Its variable lives for the loop when there was none. */
static enum flow run_loop(struct lol_machine *m, const struct node *node)
{
	struct slot *slot = node->name >= 0 ? &m->scope[node->name] : NULL;
	bool made = slot && !slot->declared;
	enum flow flow = FLOW_NEXT;

	if (made)
		slot_set(slot, (struct value){ .type = TYPE_NUMBR });
	while (flow == FLOW_NEXT)
		flow = turn(m, node);
	if (made) {
		value_drop(slot->value);
		*slot = (struct slot){ 0 };
	}
	return flow == FLOW_BREAK ? FLOW_NEXT : flow;
}

static enum flow run_gtfo(struct lol_machine *m, const struct node *node)
{
	return FLOW_BREAK;
}

static enum flow run_found(struct lol_machine *m, const struct node *node)
{
	struct value value;

	if (!machine_evaluate(m, node->child, &value))
		return FLOW_ERROR;
	value_drop(m->found);
	m->found = value;
	return FLOW_RETURN;
}

static enum flow run_one(struct lol_machine *m, const struct node *node)
{
	static enum flow (*const runners[])(struct lol_machine * m, const struct node *node) = {
		[NODE_VISIBLE] = run_visible, [NODE_GIMMEH] = run_gimmeh, [NODE_DECLARE] = run_declare,
		[NODE_ASSIGN] = run_assign,   [NODE_RECAST] = run_recast, [NODE_BARE] = run_bare,
		[NODE_IF] = run_if,	      [NODE_SWITCH] = run_switch, [NODE_LOOP] = run_loop,
		[NODE_GTFO] = run_gtfo,	      [NODE_FOUND] = run_found,
	};

	return machine_step(m, node) ? runners[node->kind](m, node) : FLOW_ERROR;
}

enum flow machine_run(struct lol_machine *m, const struct node *statements)
{
	enum flow flow = FLOW_NEXT;

	for (const struct node *node = statements; node && flow == FLOW_NEXT; node = node->next)
		flow = run_one(m, node);
	return flow;
}

int lol_run(const struct lol_program *program, FILE *in, FILE *out, uint64_t steps_max,
	    char error[LOL_ERROR_MAX])
{
	struct lol_machine m = {
		.program = program, .in = in, .out = out, .steps_max = steps_max, .error = error
	};
	enum flow flow;

	error[0] = '\0';
	m.scope = calloc(program->names_count, sizeof(*m.scope));
	if (!m.scope) {
		snprintf(error, LOL_ERROR_MAX, "line 1: no memory");
		return -1;
	}
	m.scope[NAME_IT].declared = true;
	flow = machine_run(&m, program->body);
	for (size_t i = 0; i < program->names_count; i++)
		value_drop(m.scope[i].value);
	free(m.scope);
	value_drop(m.found);
	return flow == FLOW_ERROR ? -1 : 0;
}
