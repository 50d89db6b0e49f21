#include "engine/native/native_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define IOV_COUNT 64

void outgoing_init(struct outgoing *out)
{
	out->first = NULL;
	out->last = &out->first;
}

static void append(struct outgoing *out, struct outgoing_chunk *chunk)
{
	*out->last = chunk;
	out->last = &chunk->next;
}

int outgoing_frame(struct outgoing *out, uint8_t type, const void *payload, size_t len)
{
	struct outgoing_chunk *chunk = malloc(sizeof(*chunk) + WIRE_HEADER_SIZE + len);
	uint8_t *bytes = (uint8_t *)(chunk + 1);

	if (!chunk)
		return -ENOMEM;
	wire_header_put(bytes, type, 0, (uint32_t)len);
	if (len)
		memcpy(bytes + WIRE_HEADER_SIZE, payload, len);
	*chunk = (struct outgoing_chunk){ .data = bytes, .len = WIRE_HEADER_SIZE + len };
	append(out, chunk);
	return 0;
}

int outgoing_file(struct outgoing *out, const uint8_t *data, size_t len)
{
	while (len) {
		size_t part = len < WIRE_TO_INIT_MAX ? len : WIRE_TO_INIT_MAX;
		struct outgoing_chunk *header = malloc(sizeof(*header) + WIRE_HEADER_SIZE);
		struct outgoing_chunk *body = malloc(sizeof(*body));

		if (!header || !body) {
			free(header);
			free(body);
			return -ENOMEM;
		}
		wire_header_put((uint8_t *)(header + 1), WIRE_DATA, 0, (uint32_t)part);
		*header = (struct outgoing_chunk){ .data = (uint8_t *)(header + 1), .len = WIRE_HEADER_SIZE };
		*body = (struct outgoing_chunk){ .data = data, .len = part };
		append(out, header);
		append(out, body);
		data += part;
		len -= part;
	}
	return 0;
}

static void drop(struct outgoing *out, size_t written)
{
	while (written) {
		struct outgoing_chunk *chunk = out->first;
		size_t left = chunk->len - chunk->sent;

		if (written < left) {
			chunk->sent += written;
			return;
		}
		written -= left;
		out->first = chunk->next;
		if (!out->first)
			out->last = &out->first;
		free(chunk);
	}
}

int outgoing_write(struct outgoing *out, int fd)
{
	while (out->first) {
		struct iovec iov[IOV_COUNT];
		struct msghdr msg = { .msg_iov = iov };
		ssize_t n;

		for (struct outgoing_chunk *c = out->first; c && msg.msg_iovlen < IOV_COUNT; c = c->next)
			iov[msg.msg_iovlen++] =
				(struct iovec){ (void *)(uintptr_t)(c->data + c->sent), c->len - c->sent };
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
		drop(out, (size_t)n);
	}
	return 1;
}

void outgoing_clear(struct outgoing *out)
{
	while (out->first) {
		struct outgoing_chunk *next = out->first->next;

		free(out->first);
		out->first = next;
	}
	out->last = &out->first;
}
