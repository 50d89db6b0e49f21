/*
 * Whitespace 0.3: blanks, tabs and line feeds are a program, everything else is comment.
 *
 * Where the specification leaves a choice: numbers are 64 bits wide and one that does not fit ends the program; division
 * rounds down, and the remainder has the divisor's sign; characters are read and written as UTF-8; a character read at
 * the end of the input is -1; what was never stored is 0; reaching the end of the program ends it.
 */
#ifndef KILN_RUNTIMES_WHITESPACE_H
#define KILN_RUNTIMES_WHITESPACE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define WS_ERROR_MAX 160

enum ws_op {
	WS_PUSH,
	WS_DUPLICATE,
	WS_COPY,
	WS_SWAP,
	WS_DISCARD,
	WS_SLIDE,
	WS_ADD,
	WS_SUBTRACT,
	WS_MULTIPLY,
	WS_DIVIDE,
	WS_MODULO,
	WS_STORE,
	WS_RETRIEVE,
	WS_MARK,
	WS_CALL,
	WS_JUMP,
	WS_JUMP_ZERO,
	WS_JUMP_NEGATIVE,
	WS_RETURN,
	WS_END,
	WS_PRINT_CHARACTER,
	WS_PRINT_NUMBER,
	WS_READ_CHARACTER,
	WS_READ_NUMBER,
};

struct ws_instruction {
	enum ws_op op;
	int64_t number; /* of WS_PUSH, WS_COPY, WS_SLIDE; of jumps and calls where they go */
};

struct ws_program {
	struct ws_instruction *code;
	size_t count;
};

/*
 * Reads a program. Returns 0 and *ret (ws_program_finish()), or -1 with a sentence in `error`: an unknown instruction, a
 * number that does not fit, a label that is nowhere or twice, no memory.
 */
int ws_parse(const char *source, size_t len, struct ws_program *ret, char error[WS_ERROR_MAX]);

void ws_program_finish(struct ws_program *program);

/*
 * Runs it. At most `steps_max` instructions, 0: without end. Returns 0, or -1 with a sentence in `error`: too little on
 * the stack, division by zero, a number that does not fit, input that is no number, no memory, the steps used up.
 */
int ws_run(const struct ws_program *program, FILE *in, FILE *out, uint64_t steps_max,
	   char error[WS_ERROR_MAX]);

#endif
