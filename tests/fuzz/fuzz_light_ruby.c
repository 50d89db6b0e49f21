#include "light/light.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Whatever comes in as a lambda: it is compiled or has a fault that can be shown, and so has each of its judgements. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char out[] = "2 tests, 1 failures\nOK caf\xc3\xa9 \xff\nAssertionError: 1 != 2\n";
	const struct light_input input = { .out = out, .out_len = sizeof(out) - 1, .err = "x", .err_len = 1 };
	struct light *light = NULL;
	struct light_fault fault;
	struct light_verdict verdict;
	int r = light_compile_ruby((const char *)data, len, &light, &fault);

	if (r < 0) {
		assert((r == -EINVAL || r == -ENOMEM) && fault.text[0]);
		return 0;
	}
	light_judge(light, &input, &verdict);
	assert(verdict.colour != LIGHT_FAULTY || verdict.fault.text[0]);
	light_unref(light);
	return 0;
}
