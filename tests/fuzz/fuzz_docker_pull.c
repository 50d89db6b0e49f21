#include "base/cleanup.h"
#include "engine/docker/credentials.h"
#include "engine/docker/pull.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What a daemon says of a pull, a line each: no text of it leaves its bounds, and no sum wraps. */
static void read_progress(const char *data, size_t len)
{
	AUTO_FREE struct pull_progress *progress = calloc(1, sizeof(*progress));
	uint64_t done, total;

	while (progress && len) {
		const char *end = memchr(data, '\n', len);
		size_t line = end ? (size_t)(end - data) : len;

		pull_progress_line(progress, data, line);
		data += line + (end != NULL);
		len -= line + (end != NULL);
	}
	if (!progress)
		return;
	pull_progress_sum(progress, &done, &total);
	assert(done <= total && progress->layers_count <= PULL_LAYERS_MAX);
	assert(memchr(progress->error, '\0', sizeof(progress->error)));
	assert(memchr(progress->phase, '\0', sizeof(progress->phase)));
}

/* Docker's config.json, for a registry that it may name. */
static void read_credentials(const char *data, size_t len)
{
	json_t *config = json_loadb(data, len, 0, NULL);
	AUTO_FREE char *header = NULL, *helper = NULL;
	struct err err = ERR_INIT;
	int r = credentials_read(config, "r.example", &header, &helper, &err);

	assert(r == 0 || (!header && !helper && err.text[0]));
	assert(!helper || !strchr(helper, '/'));
	json_decref(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	read_progress((const char *)data, len);
	read_credentials((const char *)data, len);
	return 0;
}
