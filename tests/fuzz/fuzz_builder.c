/*
 * What a front that was taken over may ask of the builder: what is let through is a name, never a path or an option.
 */
#include "image/builder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct builder_request *request, char *const *registries)
{
	struct err err = ERR_INIT;

	if (builder_request_check(request, registries, &err) < 0) {
		assert(err.text[0]);
		return;
	}
	assert(request->kind < BUILDER_KIND_COUNT && request->job != 0);
	assert(request->name[0] && request->name[0] != '-' && request->name[0] != '/' &&
	       !strstr(request->name, ".."));
	if (request->kind == BUILDER_BUILD)
		assert(request->source[0] && request->source[0] != '-' && !strchr(request->source, '/'));
	if (request->kind == BUILDER_PULL)
		assert(request->source[0] != '-' && !strpbrk(request->source, " ;$`|&<>\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const registries[] = { "docker.io", "ghcr.io/acme", NULL };
	struct builder_request request = { 0 };

	memcpy(&request, data, size < sizeof(request) ? size : sizeof(request));
	check(&request, NULL);
	check(&request, (char *const *)registries);
	return 0;
}
