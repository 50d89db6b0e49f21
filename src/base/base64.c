#include "base/base64.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define NOT_BASE64 0xff

static void values_init(uint8_t values[256])
{
	memset(values, NOT_BASE64, 256);
	for (uint8_t i = 0; i < 64; i++)
		values[(uint8_t)alphabet[i]] = i;
}

static size_t padding_of(const char *text, size_t len)
{
	if (len < 4 || text[len - 1] != '=')
		return 0;
	return text[len - 2] == '=' ? 2 : 1;
}

size_t base64_decoded_len(const char *text, size_t len)
{
	return len / 4 * 3 - padding_of(text, len);
}

int base64_decode(const char *text, size_t len, uint8_t **ret_data, size_t *ret_len)
{
	size_t padding = padding_of(text, len);
	size_t bytes = base64_decoded_len(text, len);
	AUTO_FREE uint8_t *data = NULL;
	uint8_t values[256];
	uint32_t bits = 0;
	size_t out = 0;

	if (len % 4 != 0)
		return -EINVAL;
	data = malloc(bytes + 1);
	if (!data)
		return -ENOMEM;

	values_init(values);
	for (size_t i = 0; i < len - padding; i++) {
		uint8_t value = values[(uint8_t)text[i]];

		if (value == NOT_BASE64)
			return -EINVAL;
		bits = bits << 6 | value;
		if (i % 4 != 0)
			data[out++] = (uint8_t)(bits >> (6 - i % 4 * 2));
	}
	if (padding && (bits & (padding == 1 ? 0x03 : 0x0f)))
		return -EINVAL;

	data[bytes] = '\0';
	*ret_data = TAKE_PTR(data);
	*ret_len = bytes;
	return 0;
}

char *base64_encode(const void *data, size_t len, size_t *ret_len)
{
	const uint8_t *in = data;
	size_t groups = len / 3 + (len % 3 != 0);
	size_t size;
	char *text;
	size_t out = 0;

	if (__builtin_mul_overflow(groups, 4, &size) || __builtin_add_overflow(size, 1, &size))
		return NULL;
	text = malloc(size);
	if (!text)
		return NULL;

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t bits = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
				(left > 2 ? in[i + 2] : 0);

		text[out++] = alphabet[bits >> 18];
		text[out++] = alphabet[bits >> 12 & 63];
		text[out++] = left > 1 ? alphabet[bits >> 6 & 63] : '=';
		text[out++] = left > 2 ? alphabet[bits & 63] : '=';
	}
	text[out] = '\0';
	if (ret_len)
		*ret_len = out;
	return text;
}
