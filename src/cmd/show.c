#include "cmd/show.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static bool is_harmless(uint32_t point)
{
	/* Unicode's bidirectional controls: UAX #9, 2. */
	bool turns = point == 0x61c || (point >= 0x200e && point <= 0x200f) ||
		     (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);

	return point >= 0x20 && (point < 0x7f || point > 0x9f) && !turns;
}

size_t show_text(FILE *to, const char *text)
{
	size_t left = text ? strlen(text) : 0, wide = 0;

	while (left > 0) {
		const uint8_t *at = (const uint8_t *)text;
		uint32_t point = *at;
		int len = utf8_decode(at, left, &point);
		char escaped[16];

		if (len > 0 && is_harmless(point)) {
			wide++;
			if (to)
				fwrite(text, 1, (size_t)len, to);
		} else {
			if (len <= 0)
				point = *at;
			len = len > 0 ? len : 1;
			wide += (size_t)snprintf(escaped, sizeof(escaped),
						 point < 0x100 ? "\\x%02" PRIx32 : "\\u%04" PRIx32, point);
			if (to)
				fputs(escaped, to);
		}
		text += len;
		left -= (size_t)len;
	}
	return wide;
}
