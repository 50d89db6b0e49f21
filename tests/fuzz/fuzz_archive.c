#include "base/cleanup.h"
#include "run/request.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Whatever comes in: files within the bounds whose names stay below the folder, or a refusal of the field. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct request_bounds bounds = { .files = 32, .files_bytes = 64 * 1024 };
	struct run_request req = { 0 };
	struct err err = ERR_INIT;
	int r = request_add_archive(&req, data, len, &bounds, &err);

	assert(r == 0 || (r == -EINVAL && strcmp(err.field, "archive") == 0));
	assert(req.files_count <= bounds.files && req.files_bytes <= bounds.files_bytes);
	for (size_t i = 0; i < req.files_count; i++) {
		const char *name = req.files[i].name;

		assert(name[0] != '/' && strncmp(name, "../", 3) != 0 && !strstr(name, "/../"));
		assert(req.files[i].mode <= 0777);
	}
	request_finish(&req);
	return 0;
}
