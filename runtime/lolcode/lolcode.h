/*
 * LOLCODE 1.2: HAI … KTHXBYE, as the specification of 2007 has it.
 *
 * All of it is here: variables, the five types and the casts between them, the operators, SMOOSH, IT, O RLY?, WTF?, loops
 * with UPPIN, NERFIN, TIL and WILE, functions, VISIBLE, GIMMEH, string escapes and :{variables} in strings, comments.
 * Where the specification leaves a choice: GIMMEH gives an empty YARN at the end of the input; a YARN that is no number
 * counts as a mistake in arithmetic; NUMBRs have 64 bits, and one that does not fit is a mistake; a loop's variable is
 * made for the loop when there is none; functions may be called before they stand; a function sees its own variables
 * only; NUMBARs print with two digits behind the point.
 */
#ifndef KILN_RUNTIMES_LOLCODE_H
#define KILN_RUNTIMES_LOLCODE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LOL_ERROR_MAX 200

struct lol_program;

/*
 * Reads a program. Returns 0 and *ret (lol_program_destroy()), or -1 with "line N: sentence" in `error`. `source` has a
 * NUL behind its `len` bytes.
 */
int lol_parse(const char *source, size_t len, struct lol_program **ret, char error[LOL_ERROR_MAX]);

void lol_program_destroy(struct lol_program *program);

/*
 * Runs it. At most `steps_max` statements and expressions, 0: without end. Returns 0, or -1 with "line N: sentence" in
 * `error`.
 */
int lol_run(const struct lol_program *program, FILE *in, FILE *out, uint64_t steps_max,
	    char error[LOL_ERROR_MAX]);

#endif
