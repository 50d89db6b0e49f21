/*
 * How it works: the heap is a hash table with open addressing, since addresses may be any number; stack and calls are
 * arrays that double.
 */
#include "whitespace/whitespace.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct cell {
	int64_t address, value;
	bool used;
};

struct machine {
	const struct ws_program *program;
	FILE *in, *out;
	size_t at; /* the next instruction */
	int64_t *stack;
	size_t depth, stack_room;
	size_t *calls;
	size_t calls_depth, calls_room;
	struct cell *cells; /* a power of two of them, at most three quarters used */
	size_t cells_used, cells_room;
	bool ended;
	char *error;
};

static int fail(struct machine *m, const char *text)
{
	snprintf(m->error, WS_ERROR_MAX, "instruction %zu: %s", m->at, text);
	return -1;
}

static void *grow(void *items, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 256;
	void *grown = reallocarray(items, more, size);

	if (grown)
		*room = more;
	return grown;
}

static int push(struct machine *m, int64_t value)
{
	if (m->depth == m->stack_room) {
		int64_t *grown = grow(m->stack, &m->stack_room, sizeof(*grown));

		if (!grown)
			return fail(m, "no memory");
		m->stack = grown;
	}
	m->stack[m->depth++] = value;
	return 0;
}

static int need(struct machine *m, size_t count)
{
	return m->depth >= count ? 0 : fail(m, "too little is on the stack");
}

static struct cell *find_cell(struct cell *cells, size_t room, int64_t address)
{
	/* Fibonacci hashing spreads neighbours. */
	size_t at = (size_t)((uint64_t)address * 0x9E3779B97F4A7C15ULL >> 20) & (room - 1);

	while (cells[at].used && cells[at].address != address)
		at = (at + 1) & (room - 1);
	return &cells[at];
}

static int grow_heap(struct machine *m)
{
	size_t room = m->cells_room ? m->cells_room * 2 : 256;
	struct cell *cells = calloc(room, sizeof(*cells));

	if (!cells)
		return fail(m, "no memory");
	for (size_t i = 0; i < m->cells_room; i++) {
		if (m->cells[i].used)
			*find_cell(cells, room, m->cells[i].address) = m->cells[i];
	}
	free(m->cells);
	m->cells = cells;
	m->cells_room = room;
	return 0;
}

static int store(struct machine *m, int64_t address, int64_t value)
{
	struct cell *cell;

	if (m->cells_used >= m->cells_room / 4 * 3 && grow_heap(m) < 0)
		return -1;
	cell = find_cell(m->cells, m->cells_room, address);
	m->cells_used += !cell->used;
	*cell = (struct cell){ .address = address, .value = value, .used = true };
	return 0;
}

static int64_t retrieve(const struct machine *m, int64_t address)
{
	const struct cell *cell = m->cells_room ? find_cell(m->cells, m->cells_room, address) : NULL;

	return cell && cell->used ? cell->value : 0;
}

/* Division that rounds down. */
static int64_t quotient(int64_t a, int64_t b)
{
	return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

static int calculate(struct machine *m, enum ws_op op)
{
	int64_t a, b, result = 0;
	bool overflow = false;

	if (need(m, 2) < 0)
		return -1;
	b = m->stack[--m->depth];
	a = m->stack[--m->depth];
	if (b == 0 && (op == WS_DIVIDE || op == WS_MODULO))
		return fail(m, "division by zero");
	if (op == WS_ADD)
		overflow = __builtin_add_overflow(a, b, &result);
	else if (op == WS_SUBTRACT)
		overflow = __builtin_sub_overflow(a, b, &result);
	else if (op == WS_MULTIPLY)
		overflow = __builtin_mul_overflow(a, b, &result);
	else if (b == -1)
		overflow = op == WS_DIVIDE && __builtin_sub_overflow(0, a, &result);
	else
		result = op == WS_DIVIDE ? quotient(a, b) : a - quotient(a, b) * b;
	return overflow ? fail(m, "a number does not fit into 64 bits") : push(m, result);
}

static int print_character(struct machine *m, int64_t c)
{
	if (c < 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return fail(m, "a number is no character");
	if (c < 0x80) {
		putc((int)c, m->out);
	} else {
		int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

		putc((int)((0xff00 >> (more + 1) & 0xff) | (c >> 6 * more)), m->out);
		while (more-- > 0)
			putc((int)(0x80 | (c >> 6 * more & 0x3f)), m->out);
	}
	return 0;
}

/* One character of UTF-8; a byte that belongs to none is itself. -1 at the end. */
static int64_t read_character(FILE *in)
{
	int c = getc(in), next;
	int more = c < 0xc2 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : 0;
	int64_t value = more ? c & (0x3f >> more) : c;

	while (more-- > 0) {
		next = getc(in);
		if (next < 0x80 || next > 0xbf) {
			if (next != EOF)
				ungetc(next, in);
			return c;
		}
		value = value << 6 | (next & 0x3f);
	}
	return c == EOF ? -1 : value;
}

static int read_number(struct machine *m, int64_t *ret)
{
	char *line = NULL, *end;
	size_t room = 0;
	ssize_t len = getline(&line, &room, m->in);
	int r = 0;

	errno = 0;
	*ret = len > 0 ? strtoll(line, &end, 10) : 0;
	if (len <= 0)
		r = fail(m, "a number was asked for at the end of the input");
	else if (end == line || end[strspn(end, " \t\r\n")] != '\0' || errno != 0)
		r = fail(m, "the input is no number");
	free(line);
	return r;
}

static int jump(struct machine *m, const struct ws_instruction *i)
{
	int64_t value;

	if (i->op == WS_JUMP_ZERO || i->op == WS_JUMP_NEGATIVE) {
		if (need(m, 1) < 0)
			return -1;
		value = m->stack[--m->depth];
		if (i->op == WS_JUMP_ZERO ? value != 0 : value >= 0)
			return 0;
	}
	if (i->op == WS_CALL) {
		if (m->calls_depth == m->calls_room) {
			size_t *grown = grow(m->calls, &m->calls_room, sizeof(*grown));

			if (!grown)
				return fail(m, "no memory");
			m->calls = grown;
		}
		m->calls[m->calls_depth++] = m->at;
	}
	m->at = (size_t)i->number;
	return 0;
}

static int come_back(struct machine *m)
{
	if (m->calls_depth == 0)
		return fail(m, "nothing called what returns");
	m->at = m->calls[--m->calls_depth];
	return 0;
}

static int copy(struct machine *m, int64_t n)
{
	if (n < 0 || (uint64_t)n >= m->depth)
		return fail(m, "too little is on the stack");
	return push(m, m->stack[m->depth - 1 - (size_t)n]);
}

/* A count beyond the stack takes all that is beneath the top. */
static int slide(struct machine *m, int64_t n)
{
	int64_t top;

	if (n < 0 || need(m, 1) < 0)
		return n < 0 ? fail(m, "a count is negative") : -1;
	top = m->stack[--m->depth];
	m->depth -= (uint64_t)n > m->depth ? m->depth : (size_t)n;
	return push(m, top);
}

static int swap(struct machine *m)
{
	int64_t top;

	if (need(m, 2) < 0)
		return -1;
	top = m->stack[m->depth - 1];
	m->stack[m->depth - 1] = m->stack[m->depth - 2];
	m->stack[m->depth - 2] = top;
	return 0;
}

static int use_heap(struct machine *m, enum ws_op op)
{
	if (need(m, op == WS_STORE ? 2 : 1) < 0)
		return -1;
	if (op == WS_RETRIEVE) {
		m->stack[m->depth - 1] = retrieve(m, m->stack[m->depth - 1]);
		return 0;
	}
	m->depth -= 2;
	return store(m, m->stack[m->depth], m->stack[m->depth + 1]);
}

static int speak(struct machine *m, enum ws_op op)
{
	int64_t value, read;

	if (need(m, 1) < 0)
		return -1;
	value = m->stack[--m->depth];
	if (op == WS_PRINT_CHARACTER)
		return print_character(m, value);
	if (op == WS_PRINT_NUMBER) {
		fprintf(m->out, "%lld", (long long)value);
		return 0;
	}
	/* Whoever waits for an answer has seen the question. */
	fflush(m->out);
	if (op == WS_READ_CHARACTER)
		return store(m, value, read_character(m->in));
	return read_number(m, &read) < 0 ? -1 : store(m, value, read);
}

static int step(struct machine *m, const struct ws_instruction *i)
{
	switch (i->op) {
	case WS_PUSH:
		return push(m, i->number);
	case WS_DUPLICATE:
		return copy(m, 0);
	case WS_COPY:
		return copy(m, i->number);
	case WS_SWAP:
		return swap(m);
	case WS_DISCARD:
		if (need(m, 1) < 0)
			return -1;
		m->depth--;
		return 0;
	case WS_SLIDE:
		return slide(m, i->number);
	case WS_ADD:
	case WS_SUBTRACT:
	case WS_MULTIPLY:
	case WS_DIVIDE:
	case WS_MODULO:
		return calculate(m, i->op);
	case WS_STORE:
	case WS_RETRIEVE:
		return use_heap(m, i->op);
	case WS_MARK:
		return 0;
	case WS_CALL:
	case WS_JUMP:
	case WS_JUMP_ZERO:
	case WS_JUMP_NEGATIVE:
		return jump(m, i);
	case WS_RETURN:
		return come_back(m);
	case WS_END:
		m->ended = true;
		return 0;
	case WS_PRINT_CHARACTER:
	case WS_PRINT_NUMBER:
	case WS_READ_CHARACTER:
	case WS_READ_NUMBER:
		return speak(m, i->op);
	}
	return fail(m, "there is no such instruction");
}

int ws_run(const struct ws_program *program, FILE *in, FILE *out, uint64_t steps_max,
	   char error[WS_ERROR_MAX])
{
	struct machine m = { .program = program, .in = in, .out = out, .error = error };
	int r = 0;

	for (uint64_t steps = 0; r == 0 && !m.ended && m.at < program->count; steps++) {
		const struct ws_instruction *next = &program->code[m.at++];

		if (steps_max && steps == steps_max)
			r = fail(&m, "it took too many steps");
		else
			r = step(&m, next);
	}
	free(m.stack);
	free(m.calls);
	free(m.cells);
	return r;
}
