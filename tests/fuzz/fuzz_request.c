#include "base/cleanup.h"
#include "run/request.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Whatever comes in: either a request within its bounds, or a refusal that can be shown. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct request_bounds bounds = {
		.files = 16, .files_bytes = 4096, .steps = 4, .args_bytes = 1024, .stdin_bytes = 512
	};
	struct run_request req;
	struct err err = ERR_INIT;
	int r = request_parse((const char *)data, len, &bounds, &req, &err);

	if (r == 0) {
		assert(!req.language != !req.image);
		assert(req.files_count <= bounds.files && req.files_bytes <= bounds.files_bytes);
		assert(req.steps_count <= bounds.steps && req.stdin_bytes.len <= bounds.stdin_bytes);
		for (size_t i = 0; i < req.files_count; i++)
			assert(req.files[i].name[0] != '/' && req.files[i].mode <= 0777);
	} else {
		assert(r == -EINVAL && err.slug && err.text[0]);
		for (const char *c = err.text; *c; c++)
			assert((unsigned char)*c >= 0x20 && *c != 0x7f);
	}
	request_finish(&req);
	return 0;
}
