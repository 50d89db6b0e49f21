/*
 * What a hostile program may have put into its result: any bytes as output and as files' contents. The JSON that goes
 * out is always JSON, and nothing in it is altered.
 */
#include "base/base64.h"
#include "base/cleanup.h"
#include "run/result.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUTPUT_MAX 65536

/* The input's first byte: whether output was cut, the outcome, the signal. The next: how much of the rest is stdout. */
static struct run_result *make(const uint8_t *data, size_t size)
{
	struct run_result *result = calloc(1, sizeof(*result));
	size_t out_len = (size - 2) * data[1] / 255;
	struct step_result *step;

	assert(result);
	result->steps = step = calloc(1, sizeof(*step));
	result->files = calloc(1, sizeof(*result->files));
	assert(step && result->files);
	result->outcome = data[0] / 2 % RUN_OUTCOME_COUNT;
	result->steps_count = result->files_count = 1;
	result->collected = true;
	*step = (struct step_result){ .name = strdup("run"),
				      .out = BUF_INIT(OUTPUT_MAX),
				      .err = BUF_INIT(OUTPUT_MAX) };
	step->facts =
		(struct step_facts){ .started = true, .signaled = data[0] & 64, .signal = data[1] % 65 };
	step->verdict =
		(struct verdict){ .outcome = result->outcome, .limit = data[0] % (LIMIT_COUNT + 1) - 1 };
	step->out_truncated = data[0] & 1;
	assert(buf_append(&step->out, data + 2, out_len) == 0);
	assert(buf_append(&step->err, data + 2 + out_len, size - 2 - out_len) == 0);
	result->files[0] =
		(struct result_file){ .name = strdup("file"), .data = malloc(size), .len = size - 2 };
	assert(result->files[0].name && result->files[0].data && step->name);
	memcpy(result->files[0].data, data + 2, size - 2);
	return result;
}

/* The text under `key`, decoded as its encoding's key says, is the bytes; of a cut one perhaps not the last three. */
static void check_bytes(json_t *object, const char *key, const char *encoding_key, const uint8_t *data,
			size_t len, bool cut)
{
	json_t *text = json_object_get(object, key);
	const char *encoding = json_string_value(json_object_get(object, encoding_key));
	AUTO_FREE uint8_t *bytes = NULL;
	size_t found = json_string_length(text);

	assert(json_is_string(text) && encoding);
	if (strcmp(encoding, "utf-8") == 0) {
		assert(found == len || (cut && found < len && len - found < 4));
		assert(memcmp(json_string_value(text), data, found) == 0);
		return;
	}
	assert(strcmp(encoding, "base64") == 0);
	assert(base64_decode(json_string_value(text), found, &bytes, &found) == 0);
	assert(found == len && memcmp(bytes, data, len) == 0);
}

static void check(const struct run_result *result)
{
	const struct step_result *step = &result->steps[0];
	json_t *json = result_to_json(result);
	AUTO_FREE char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_t *again = text ? json_loads(text, JSON_ALLOW_NUL, NULL) : NULL;
	json_t *seen = json_array_get(json_object_get(again, "steps"), 0);
	json_t *created = json_object_get(json_object_get(again, "files"), "created");

	assert(again);
	check_bytes(seen, "stdout", "stdout_encoding", step->out.data, step->out.len, step->out_truncated);
	check_bytes(seen, "stderr", "stderr_encoding", step->err.data, step->err.len, false);
	check_bytes(json_object_get(created, "file"), "content", "encoding", result->files[0].data,
		    result->files[0].len, false);
	json_decref(json);
	json_decref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run_result *result;

	if (size < 2 || size > OUTPUT_MAX)
		return 0;
	result = make(data, size);
	check(result);
	run_result_destroy(result);
	return 0;
}
