/*
 * What the daemon sends over an attached connection: first the head of an HTTP response, then frames of eight bytes,
 * {u8 stream, three zeros, be32 length}, with the bytes of the container's output. Pure; see "Attach to a container" of
 * the Docker Engine API.
 */
#ifndef KILN_ENGINE_DOCKER_HIJACK_H
#define KILN_ENGINE_DOCKER_HIJACK_H

#include <stddef.h>
#include <stdint.h>

#define HIJACK_HEAD_MAX 16384u

/*
 * Finds the end of the head. Returns its length with *ret_status filled, 0 when more bytes are needed, or
 * -EPROTO: it is no HTTP/1 response, or longer than HIJACK_HEAD_MAX.
 */
int64_t hijack_head_parse(const uint8_t *data, size_t len, int *ret_status);

#define DEMUX_HEAD_SIZE 8

struct demux {
	uint8_t head[DEMUX_HEAD_SIZE];
	size_t head_len;
	uint32_t left; /* of the present frame */
};

enum demux_stream {
	DEMUX_STDIN, /* Docker never sends it, but knows the number */
	DEMUX_STDOUT,
	DEMUX_STDERR,
	DEMUX_STREAM_COUNT,
};

/*
 * Takes the next piece of output out of the `*len` bytes at `*data`, which move on. Returns 1 with *ret and
 * *ret_len (it points into the input, is not empty and belongs to `*ret_stream`), 0 when all is taken, or
 * -EPROTO.
 */
int demux_next(struct demux *demux, const uint8_t **data, size_t *len, enum demux_stream *ret_stream,
	       const uint8_t **ret, size_t *ret_len);

#endif
