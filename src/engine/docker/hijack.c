#include "engine/docker/hijack.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 101 …" */
static int parse_status(const uint8_t *data, size_t len, int *ret)
{
	static const char prefix[] = "HTTP/1.";
	const size_t at = sizeof(prefix) - 1;

	if (len < at + 5 || memcmp(data, prefix, at) != 0 || !is_digit(data[at]) || data[at + 1] != ' ' ||
	    !is_digit(data[at + 2]) || !is_digit(data[at + 3]) || !is_digit(data[at + 4]))
		return -EPROTO;
	*ret = (data[at + 2] - '0') * 100 + (data[at + 3] - '0') * 10 + (data[at + 4] - '0');
	return 0;
}

int64_t hijack_head_parse(const uint8_t *data, size_t len, int *ret_status)
{
	size_t look = len < HIJACK_HEAD_MAX ? len : HIJACK_HEAD_MAX;
	const uint8_t *end = memmem(data, look, "\r\n\r\n", 4);
	int r;

	if (!end)
		return look == HIJACK_HEAD_MAX ? -EPROTO : 0;
	r = parse_status(data, (size_t)(end - data), ret_status);
	return r < 0 ? r : end + 4 - data;
}

/* Collects a frame's head. 1: it is there and the frame is not empty, 0: more is needed, or -EPROTO. */
static int take_head(struct demux *demux, const uint8_t **data, size_t *len)
{
	while (*len && demux->left == 0) {
		size_t part = DEMUX_HEAD_SIZE - demux->head_len;

		part = part < *len ? part : *len;
		memcpy(demux->head + demux->head_len, *data, part);
		demux->head_len += part;
		*data += part;
		*len -= part;
		if (demux->head_len < DEMUX_HEAD_SIZE)
			return 0;
		demux->head_len = 0;
		if (demux->head[0] >= DEMUX_STREAM_COUNT || demux->head[1] || demux->head[2] ||
		    demux->head[3])
			return -EPROTO;
		demux->left = (uint32_t)demux->head[4] << 24 | (uint32_t)demux->head[5] << 16 |
			      (uint32_t)demux->head[6] << 8 | demux->head[7];
	}
	return demux->left != 0 && *len;
}

int demux_next(struct demux *demux, const uint8_t **data, size_t *len, enum demux_stream *ret_stream,
	       const uint8_t **ret, size_t *ret_len)
{
	int r = take_head(demux, data, len);

	if (r <= 0)
		return r;
	*ret = *data;
	*ret_len = *len < demux->left ? *len : demux->left;
	*ret_stream = (enum demux_stream)demux->head[0];
	demux->left -= (uint32_t)*ret_len;
	*data += *ret_len;
	*len -= *ret_len;
	return 1;
}
