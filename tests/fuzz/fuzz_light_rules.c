#include "light/light.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Whatever JSON comes in as rules: they judge, or are refused with a field. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char out[] = "2 tests, 1 failures\nOK caf\xc3\xa9 \xff\n";
	const struct light_input input = {
		.out = out, .out_len = sizeof(out) - 1, .err = "x", .err_len = 1, .status = 1
	};
	json_t *json = json_loadb((const char *)data, len, JSON_DECODE_ANY, NULL);
	struct light *light = NULL;
	struct light_verdict verdict;
	struct err err = ERR_INIT;

	if (!json)
		return 0;
	if (light_compile_rules(json, "rules", &light, &err) == 0) {
		light_judge(light, &input, &verdict);
		assert(verdict.colour != LIGHT_FAULTY || verdict.fault.text[0]);
	} else {
		assert(err.slug && err.text[0] && err.field[0]);
	}
	light_unref(light);
	json_decref(json);
	return 0;
}
