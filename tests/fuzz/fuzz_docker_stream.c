#include "engine/docker/hijack.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* All of a stream taken apart, in parts of `step` bytes: how much of each stream came, or that it is none. */
struct seen {
	size_t bytes[DEMUX_STREAM_COUNT];
	uint64_t hash;
	int end;
};

static void take(const uint8_t *data, size_t len, size_t step, struct seen *ret)
{
	struct demux demux = { 0 };

	*ret = (struct seen){ .hash = 14695981039346656037ull };
	while (len && ret->end >= 0) {
		size_t part = step < len ? step : len, left = part, piece_len;
		const uint8_t *at = data, *piece;
		enum demux_stream stream;

		while ((ret->end = demux_next(&demux, &at, &left, &stream, &piece, &piece_len)) > 0) {
			assert(piece_len > 0 && piece >= data && piece + piece_len <= data + part);
			assert(stream < DEMUX_STREAM_COUNT);
			ret->bytes[stream] += piece_len;
			for (size_t i = 0; i < piece_len; i++)
				ret->hash = (ret->hash ^ (piece[i] + 256u * stream)) * 1099511628211ull;
		}
		assert(ret->end < 0 || left == 0);
		data += part;
		len -= part;
	}
}

/* However the bytes come, the same streams come out, and never more than went in. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct seen whole, single, seven;
	int status = -1;
	int64_t head = hijack_head_parse(data, len, &status);

	assert(head <= (int64_t)len && (head <= 0 || (status >= 0 && status <= 999)));
	if (head > 0) {
		data += head;
		len -= (size_t)head;
	}
	take(data, len, len ? len : 1, &whole);
	take(data, len, 1, &single);
	take(data, len, 7, &seven);
	assert(whole.bytes[0] + whole.bytes[1] + whole.bytes[2] <= len);
	assert(memcmp(&whole, &single, sizeof(whole)) == 0 && memcmp(&whole, &seven, sizeof(whole)) == 0);
	return 0;
}
