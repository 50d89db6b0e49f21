/*
 * Any bytes as a program, of the language that the first byte chooses: refused with a sentence or run for a bounded
 * number of steps, with the program itself as its input.
 */
#include "lolcode/lolcode.h"
#include "whitespace/whitespace.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_whitespace(const char *source, size_t len, FILE *in, FILE *out)
{
	char error[WS_ERROR_MAX] = "";
	struct ws_program program;
	int r = ws_parse(source, len, &program, error);

	if (r == 0) {
		r = ws_run(&program, in, out, STEPS, error);
		ws_program_finish(&program);
	}
	assert((r == 0) == !error[0]);
}

static void run_lolcode(const char *source, size_t len, FILE *in, FILE *out)
{
	char error[LOL_ERROR_MAX] = "";
	struct lol_program *program;
	int r = lol_parse(source, len, &program, error);

	if (r == 0) {
		r = lol_run(program, in, out, STEPS, error);
		lol_program_destroy(program);
	}
	assert((r == 0) == !error[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *source, *printed = NULL;
	size_t printed_len;
	FILE *in, *out;

	if (size < 2)
		return 0;
	source = malloc(size);
	if (!source)
		return 0;
	memcpy(source, data + 1, size - 1);
	source[size - 1] = '\0';
	in = fmemopen(source, size - 1, "r");
	out = open_memstream(&printed, &printed_len);
	if (in && out)
		(data[0] == 'w' ? run_whitespace : run_lolcode)(source, size - 1, in, out);
	if (in)
		fclose(in);
	if (out)
		fclose(out);
	free(printed);
	free(source);
	return 0;
}
