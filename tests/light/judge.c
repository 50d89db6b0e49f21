/*
 * Judges by lambdas and outputs that come on stdin, for oracle.rb, which have real Ruby judge them too.
 *
 *   L <bytes>\n<lambda>                       compiles; answers "ok" or "faulty <kind> <sentence>"
 *   J <status> <bytes> <bytes>\n<out><err>    judges by it; answers a colour, or as above
 */
#include "light/light.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {
	[LIGHT_WRONG] = "wrong",
	[LIGHT_UNSUPPORTED] = "unsupported",
	[LIGHT_LIMIT] = "limit",
	[LIGHT_NO_MEMORY] = "memory",
};

static void answer_fault(const struct light_fault *fault)
{
	char text[320];

	light_fault_explain(fault, text, sizeof(text));
	printf("faulty %s %s\n", kinds[fault->kind], text);
}

static char *read_bytes(size_t len)
{
	char *bytes = malloc(len + 1);

	if (!bytes || fread(bytes, 1, len, stdin) != len)
		exit(2);
	bytes[len] = '\0';
	return bytes;
}

static void compile(size_t len, struct light **light)
{
	char *source = read_bytes(len);
	struct light_fault fault;

	light_unref(*light);
	*light = NULL;
	if (light_compile_ruby(source, len, light, &fault) == 0)
		puts("ok");
	else
		answer_fault(&fault);
	free(source);
}

static void judge(const struct light *light, int status, size_t out_len, size_t err_len)
{
	char *out = read_bytes(out_len), *err = read_bytes(err_len);
	const struct light_input input = {
		.out = out, .out_len = out_len, .err = err, .err_len = err_len, .status = status
	};
	struct light_verdict verdict;

	light_judge(light, &input, &verdict);
	if (verdict.colour == LIGHT_FAULTY)
		answer_fault(&verdict.fault);
	else
		puts(light_colour_name(verdict.colour));
	free(out);
	free(err);
}

int main(void)
{
	struct light *light = NULL;
	char line[128];
	size_t a, b;
	int status;

	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "L %zu", &a) == 1)
			compile(a, &light);
		else if (light && sscanf(line, "J %d %zu %zu", &status, &a, &b) == 3)
			judge(light, status, a, b);
		else
			return 2;
		fflush(stdout);
	}
	light_unref(light);
	return 0;
}
