/* The first bytes of a connection, and their first line as a request target. */
#include "http/raw_head.h"
#include "http/target.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http_raw_bounds bounds = { .target = 256, .head = 1024, .headers = 20 };
	const uint8_t *end = memchr(data, '\n', size);
	char *raw = strndup((const char *)data, end ? (size_t)(end - data) : size);
	uint8_t *exact = malloc(size ? size : 1); /* of its own, so that reading past it is seen */
	struct http_target target = { 0 };
	struct err err = ERR_INIT;

	if (raw && exact) {
		memcpy(exact, data, size);
		(void)http_raw_head_check(exact, size, &bounds);
		if (http_target_parse(raw, &target, &err) == 0) {
			assert(target.path[0] == '/');
			for (size_t i = 0; i < target.params_count; i++)
				assert(http_target_param(&target, target.params[i].name));
			http_target_finish(&target);
		}
	}
	free(raw);
	free(exact);
	return 0;
}
