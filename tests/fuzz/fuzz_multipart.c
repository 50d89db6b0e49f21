/* The first line of the input is the content type, the rest the body. */
#include "http/multipart.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every part must lie inside the body, and every string end: touching all of it lets the sanitizers judge. */
static int touch(void *user, const char *name, const char *file_name, const char *content_type,
		 const uint8_t *data, size_t len, struct err *err)
{
	volatile size_t *sum = user;

	*sum += strlen(name) + (file_name ? strlen(file_name) : 0) +
		(content_type ? strlen(content_type) : 0);
	for (size_t i = 0; i < len; i++)
		*sum += data[i];
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	size_t type_len = end ? (size_t)(end - data) : 0;
	char *type = strndup((const char *)data, type_len);
	size_t body_len = end ? size - type_len - 1 : size;
	uint8_t *body = malloc(body_len ? body_len : 1); /* of its own, so that reading past it is seen */
	volatile size_t sum = 0;
	struct err err = ERR_INIT;

	if (type && body) {
		memcpy(body, end ? end + 1 : data, body_len);
		(void)!http_multipart_parse(type, body, body_len, touch, (void *)&sum, &err);
	}
	free(type);
	free(body);
	return 0;
}
