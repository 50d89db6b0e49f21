/*
 * The small readers of text: quantities, patterns of file names, base64, UTF-8. The input's first byte chooses one.
 * What one of them writes, it reads again.
 */
#include "base/base64.h"
#include "base/cleanup.h"
#include "base/glob.h"
#include "base/utf8.h"
#include "config/quantity.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_quantity(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = strndup((const char *)data, size);

	assert(text);
	for (enum quantity unit = QUANTITY_COUNT; unit <= QUANTITY_MS; unit++) {
		char again[32];
		int64_t value, value_again;

		if (quantity_parse(text, unit, &value) < 0)
			continue;
		assert(value >= 0);
		quantity_format(value, unit, again, sizeof(again));
		assert(quantity_parse(again, unit, &value_again) == 0 && value_again == value);
	}
}

/* The pattern is the input's first line, the name the rest. */
static void try_glob(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	size_t pattern_len = end ? (size_t)(end - data) : size;
	AUTO_FREE char *pattern = strndup((const char *)data, pattern_len);
	AUTO_FREE char *name = end ? strndup((const char *)end + 1, size - pattern_len - 1) : strndup("", 1);

	assert(pattern && name);
	(void)glob_match(pattern, name);
	assert(strlen(pattern) > GLOB_PATTERN_MAX || !*name || glob_match("**", name));
	if (!strpbrk(pattern, "*?[\\") && strlen(pattern) <= GLOB_PATTERN_MAX)
		assert(glob_match(pattern, name) == (strcmp(pattern, name) == 0));
}

static void try_base64(const uint8_t *data, size_t size)
{
	AUTO_FREE uint8_t *bytes = NULL;
	AUTO_FREE char *text = NULL;
	size_t len, text_len;

	if (base64_decode((const char *)data, size, &bytes, &len) == 0) {
		assert(bytes[len] == '\0' && base64_decoded_len((const char *)data, size) == len);
		text = base64_encode(bytes, len, &text_len);
		assert(text && text_len == size && memcmp(text, data, size) == 0);
	}
}

static void try_utf8(const uint8_t *data, size_t size)
{
	size_t at = 0, valid = size + 1;
	uint32_t point = 0;
	int n = 1;

	for (; at < size && (n = utf8_decode(data + at, size - at, &point)) > 0; at += (size_t)n)
		assert(point <= 0x10ffff && (point < 0xd800 || point > 0xdfff));
	assert(utf8_valid(data, size) == (at == size));
	if (utf8_valid_but_tail(data, size, &valid))
		assert(valid == at && size - at < 4);
	else
		assert(n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(const uint8_t *, size_t) = { try_quantity, try_glob, try_base64,
								    try_utf8 };

	if (size > 0)
		readers[data[0] % ARRAY_LEN(readers)](data + 1, size - 1);
	return 0;
}
