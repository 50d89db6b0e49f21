#include "base/utf8.h"

/* Table 3-7 of the Unicode standard: what may begin a character, how long it is, and what its second byte may be. */
static const struct lead {
	uint8_t first, last;
	uint8_t len;
	uint8_t second_min, second_max;
	uint8_t bits; /* payload mask of the first byte */
} leads[] = {
	{ 0xc2, 0xdf, 2, 0x80, 0xbf, 0x1f }, { 0xe0, 0xe0, 3, 0xa0, 0xbf, 0x0f },
	{ 0xe1, 0xec, 3, 0x80, 0xbf, 0x0f }, { 0xed, 0xed, 3, 0x80, 0x9f, 0x0f },
	{ 0xee, 0xef, 3, 0x80, 0xbf, 0x0f }, { 0xf0, 0xf0, 4, 0x90, 0xbf, 0x07 },
	{ 0xf1, 0xf3, 4, 0x80, 0xbf, 0x07 }, { 0xf4, 0xf4, 4, 0x80, 0x8f, 0x07 },
};

static const struct lead *lead_of(uint8_t byte)
{
	for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++) {
		if (byte >= leads[i].first && byte <= leads[i].last)
			return &leads[i];
	}
	return NULL;
}

int utf8_decode(const uint8_t *text, size_t len, uint32_t *ret_point)
{
	const struct lead *lead;
	uint32_t point;

	if (len == 0)
		return -1;
	if (text[0] < 0x80) {
		*ret_point = text[0];
		return 1;
	}
	lead = lead_of(text[0]);
	if (!lead)
		return 0;

	point = text[0] & lead->bits;
	for (size_t i = 1; i < lead->len; i++) {
		uint8_t min = i == 1 ? lead->second_min : 0x80;
		uint8_t max = i == 1 ? lead->second_max : 0xbf;

		if (i >= len)
			return -1;
		if (text[i] < min || text[i] > max)
			return 0;
		point = point << 6 | (text[i] & 0x3f);
	}
	*ret_point = point;
	return lead->len;
}

bool utf8_valid_but_tail(const void *text, size_t len, size_t *ret_len)
{
	const uint8_t *at = text;
	size_t i = 0;

	while (i < len) {
		uint32_t point;
		int n;

		if (at[i] < 0x80) {
			i++;
			continue;
		}
		n = utf8_decode(at + i, len - i, &point);
		if (n == 0)
			return false;
		if (n < 0)
			break;
		i += (size_t)n;
	}
	*ret_len = i;
	return true;
}

bool utf8_valid(const void *text, size_t len)
{
	size_t valid;

	return utf8_valid_but_tail(text, len, &valid) && valid == len;
}
