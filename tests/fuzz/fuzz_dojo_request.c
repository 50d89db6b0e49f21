#include "api/dialects/cyber_dojo_request.h"
#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The first byte chooses the call. Whatever comes in: arguments that a run can be made of, or a refusal. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct dojo_request request;
	struct err err = ERR_INIT;
	enum dojo_call_id call;
	int r;

	if (len == 0)
		return 0;
	call = data[0] % (DOJO_CALLS + 1);
	r = dojo_request_parse(call, data + 1, len - 1, &request, &err);
	if (r < 0) {
		assert(r == -EINVAL && err.slug && err.text[0]);
	} else if (call == DOJO_RUN) {
		assert(request.max_seconds >= 1 && request.max_seconds <= DOJO_SECONDS_MAX);
		assert(request.image_name && request.contents);
		for (size_t i = 0; i < request.files.files_count; i++) {
			const char *name = request.files.files[i].name;

			assert(name[0] != '/' && !strstr(name, "//") && strncmp(name, "../", 3) != 0);
			assert(!strstr(name, "/../") && utf8_valid(name, strlen(name)));
		}
		for (size_t i = 0; i < request.aliases_count; i++)
			assert(json_object_get(request.contents, request.aliases[i].name));
	}
	dojo_request_finish(&request);
	return 0;
}
