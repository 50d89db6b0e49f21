/*
 * How it works: an instruction is a prefix code over blank (S), tab (T) and line feed (L), so that the first entry of
 * the table that fits is the only one. Labels are strings of S and T; they are gathered first, sorted, and then replaced
 * by the place that they mark.
 */
#include "whitespace/whitespace.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum argument { ARGUMENT_NONE, ARGUMENT_NUMBER, ARGUMENT_LABEL };

static const struct {
	const char *code;
	enum ws_op op;
	enum argument argument;
} table[] = {
	{ "SS", WS_PUSH, ARGUMENT_NUMBER },
	{ "SLS", WS_DUPLICATE, ARGUMENT_NONE },
	{ "STS", WS_COPY, ARGUMENT_NUMBER },
	{ "SLT", WS_SWAP, ARGUMENT_NONE },
	{ "SLL", WS_DISCARD, ARGUMENT_NONE },
	{ "STL", WS_SLIDE, ARGUMENT_NUMBER },
	{ "TSSS", WS_ADD, ARGUMENT_NONE },
	{ "TSST", WS_SUBTRACT, ARGUMENT_NONE },
	{ "TSSL", WS_MULTIPLY, ARGUMENT_NONE },
	{ "TSTS", WS_DIVIDE, ARGUMENT_NONE },
	{ "TSTT", WS_MODULO, ARGUMENT_NONE },
	{ "TTS", WS_STORE, ARGUMENT_NONE },
	{ "TTT", WS_RETRIEVE, ARGUMENT_NONE },
	{ "LSS", WS_MARK, ARGUMENT_LABEL },
	{ "LST", WS_CALL, ARGUMENT_LABEL },
	{ "LSL", WS_JUMP, ARGUMENT_LABEL },
	{ "LTS", WS_JUMP_ZERO, ARGUMENT_LABEL },
	{ "LTT", WS_JUMP_NEGATIVE, ARGUMENT_LABEL },
	{ "LTL", WS_RETURN, ARGUMENT_NONE },
	{ "LLL", WS_END, ARGUMENT_NONE },
	{ "TLSS", WS_PRINT_CHARACTER, ARGUMENT_NONE },
	{ "TLST", WS_PRINT_NUMBER, ARGUMENT_NONE },
	{ "TLTS", WS_READ_CHARACTER, ARGUMENT_NONE },
	{ "TLTT", WS_READ_NUMBER, ARGUMENT_NONE },
};

#define OPS	 (sizeof(table) / sizeof(table[0]))
#define CODE_MAX 4

struct label {
	const char *text; /* in the signs */
	size_t len, place;
};

struct parser {
	char *signs; /* the program as S, T and L */
	size_t len, at;
	struct ws_program program;
	size_t room;
	struct label *labels; /* every one that is marked */
	size_t labels_count, labels_room;
	char *error;
};

static int fail(struct parser *p, const char *text)
{
	snprintf(p->error, WS_ERROR_MAX, "instruction %zu: %s", p->program.count + 1, text);
	return -1;
}

static int keep_signs(struct parser *p, const char *source, size_t len)
{
	p->signs = malloc(len + 1);
	if (!p->signs)
		return fail(p, "no memory");
	for (size_t i = 0; i < len; i++) {
		if (source[i] == ' ' || source[i] == '\t' || source[i] == '\n')
			p->signs[p->len++] = source[i] == ' ' ? 'S' : source[i] == '\t' ? 'T' : 'L';
	}
	return 0;
}

/* The index in the table of the instruction that begins here, or -1. */
static int find_op(const struct parser *p)
{
	for (size_t i = 0; i < OPS; i++) {
		size_t len = strlen(table[i].code);

		if (p->len - p->at >= len && memcmp(p->signs + p->at, table[i].code, len) == 0)
			return (int)i;
	}
	return -1;
}

/* A sign, then binary digits, then a line feed; no digits are 0. */
static int read_number(struct parser *p, int64_t *ret)
{
	bool negative;

	*ret = 0;
	if (p->at >= p->len || p->signs[p->at] == 'L')
		return fail(p, "a number has no sign");
	negative = p->signs[p->at++] == 'T';
	for (; p->at < p->len && p->signs[p->at] != 'L'; p->at++) {
		int digit = p->signs[p->at] == 'T';

		if (__builtin_mul_overflow(*ret, 2, ret) ||
		    __builtin_sub_overflow(*ret, negative ? digit : -digit, ret))
			return fail(p, "a number does not fit into 64 bits");
	}
	if (p->at == p->len)
		return fail(p, "a number has no end");
	p->at++;
	return 0;
}

static int pass_label(struct parser *p, size_t *ret_len)
{
	size_t begin = p->at;

	while (p->at < p->len && p->signs[p->at] != 'L')
		p->at++;
	if (p->at == p->len)
		return fail(p, "a label has no end");
	*ret_len = p->at++ - begin;
	return 0;
}

/* Makes room for one more; doubles. */
static bool reserve(void **items, size_t *room, size_t count, size_t size)
{
	size_t more = *room ? *room * 2 : 64;
	void *grown;

	if (count < *room)
		return true;
	grown = reallocarray(*items, more, size);
	if (!grown)
		return false;
	*items = grown;
	*room = more;
	return true;
}

static int add_label(struct parser *p, size_t begin, size_t len)
{
	if (!reserve((void **)&p->labels, &p->labels_room, p->labels_count, sizeof(*p->labels)))
		return fail(p, "no memory");
	p->labels[p->labels_count++] =
		(struct label){ .text = p->signs + begin, .len = len, .place = p->program.count };
	return 0;
}

static int read_argument(struct parser *p, enum argument argument, struct ws_instruction *ret)
{
	size_t begin = p->at, len;

	if (argument == ARGUMENT_NUMBER)
		return read_number(p, &ret->number);
	if (argument == ARGUMENT_NONE)
		return 0;
	if (pass_label(p, &len) < 0)
		return -1;
	ret->number = (int64_t)begin;
	return ret->op == WS_MARK ? add_label(p, begin, len) : 0;
}

static int read_instruction(struct parser *p)
{
	struct ws_instruction instruction = { 0 };
	int op = find_op(p);

	if (op < 0)
		return fail(p, p->len - p->at < CODE_MAX ? "the program ends in the middle of it"
							 : "there is no such instruction");
	instruction.op = table[op].op;
	p->at += strlen(table[op].code);
	if (read_argument(p, table[op].argument, &instruction) < 0)
		return -1;
	if (!reserve((void **)&p->program.code, &p->room, p->program.count, sizeof(instruction)))
		return fail(p, "no memory");
	p->program.code[p->program.count++] = instruction;
	return 0;
}

static int compare_labels(const void *a, const void *b)
{
	const struct label *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int texts = len ? memcmp(x->text, y->text, len) : 0;

	return texts ? texts : (x->len > y->len) - (x->len < y->len);
}

static bool has_label(enum ws_op op)
{
	return op == WS_CALL || op == WS_JUMP || op == WS_JUMP_ZERO || op == WS_JUMP_NEGATIVE;
}

/* Replaces the labels of jumps and calls by the places of the marks. */
static int link_labels(struct parser *p)
{
	if (p->labels_count)
		qsort(p->labels, p->labels_count, sizeof(*p->labels), compare_labels);
	for (size_t i = 1; i < p->labels_count; i++) {
		if (compare_labels(&p->labels[i - 1], &p->labels[i]) == 0)
			return fail(p, "a label is marked twice");
	}
	for (size_t i = 0; i < p->program.count; i++) {
		struct ws_instruction *instruction = &p->program.code[i];
		struct label wanted, *found;

		if (!has_label(instruction->op))
			continue;
		wanted.text = p->signs + instruction->number;
		wanted.len = (size_t)((const char *)memchr(wanted.text, 'L',
							   p->len - (size_t)instruction->number) -
				      wanted.text);
		found = p->labels_count
				? bsearch(&wanted, p->labels, p->labels_count, sizeof(wanted), compare_labels)
				: NULL;
		if (!found)
			return fail(p, "a label that is jumped to is nowhere");
		instruction->number = (int64_t)found->place;
	}
	return 0;
}

int ws_parse(const char *source, size_t len, struct ws_program *ret, char error[WS_ERROR_MAX])
{
	struct parser p = { .error = error };
	int r = keep_signs(&p, source, len);

	while (r == 0 && p.at < p.len)
		r = read_instruction(&p);
	if (r == 0)
		r = link_labels(&p);
	free(p.signs);
	free(p.labels);
	if (r == 0)
		*ret = p.program;
	else
		ws_program_finish(&p.program);
	return r;
}

void ws_program_finish(struct ws_program *program)
{
	free(program->code);
	*program = (struct ws_program){ 0 };
}
