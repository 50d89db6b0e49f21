#include "session/compose.h"
#include "session/spec.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_refusal(int r, const struct err *err)
{
	assert(r == -EINVAL && err->slug && err->text[0]);
	for (const char *c = err->text; *c; c++)
		assert((unsigned char)*c >= 0x20 && *c != 0x7f);
}

/* What was read can be written, and then reads the same. */
static void check_round(const struct session_spec *spec)
{
	json_t *json = session_spec_to_json(spec);
	char *text = json_dumps(json, JSON_COMPACT), *again;
	struct session_spec second;

	assert(text && session_spec_parse(text, strlen(text), &second, NULL) == 0);
	json_decref(json);
	json = session_spec_to_json(&second);
	again = json_dumps(json, JSON_COMPACT);
	assert(again && strcmp(text, again) == 0);
	json_decref(json);
	free(text);
	free(again);
	session_spec_finish(&second);
}

/* A request to make a session when it begins with '{', else a compose file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct session_request request = { 0 };
	struct err err = ERR_INIT;
	json_t *services;
	int r;

	if (len > 0 && data[0] == '{') {
		r = session_request_parse((const char *)data, len, &request, &err);
		if (r == 0)
			check_round(&request.spec);
		else
			check_refusal(r, &err);
		session_request_finish(&request);
		return 0;
	}
	r = compose_read((const char *)data, len, &services, &err);
	if (r < 0) {
		check_refusal(r, &err);
		return 0;
	}
	assert(json_is_object(services));
	json_decref(services);
	return 0;
}
