#include "init/init_priv.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

size_t out_room(const struct init *init)
{
	size_t used = init->out_len + OUT_RESERVE;

	return used >= OUT_BUFFER_SIZE ? 0 : OUT_BUFFER_SIZE - used;
}

static void out_compact(struct init *init)
{
	if (init->out_start == 0)
		return;
	memmove(init->out, init->out + init->out_start, init->out_len);
	init->out_start = 0;
}

void out_flush(struct init *init)
{
	while (init->out_len) {
		ssize_t n = write(init->out_fd, init->out + init->out_start, init->out_len);

		if (n < 0) {
			if (errno == EAGAIN || errno == EWOULDBLOCK)
				return;
			if (errno == EINTR)
				continue;
			_exit(0);
		}
		init->out_start += (size_t)n;
		init->out_len -= (size_t)n;
	}
	init->out_start = 0;
}

void out_wait(struct init *init, size_t left)
{
	out_flush(init);
	while (init->out_len > left) {
		struct pollfd p = { .fd = init->out_fd, .events = POLLOUT };

		if (poll(&p, 1, container_host_timeout(init)) < 0 && errno != EINTR)
			_exit(0);
		container_check_host(init);
		out_flush(init);
	}
}

void out_frame(struct init *init, uint8_t type, uint8_t stream, const void *payload, uint32_t len)
{
	if (init->out_len + WIRE_HEADER_SIZE + len > OUT_BUFFER_SIZE)
		out_wait(init, OUT_BUFFER_SIZE - WIRE_HEADER_SIZE - len);
	if (init->out_start + init->out_len + WIRE_HEADER_SIZE + len > OUT_BUFFER_SIZE)
		out_compact(init);
	wire_header_put(init->out + init->out_start + init->out_len, type, stream, len);
	init->out_len += WIRE_HEADER_SIZE;
	if (len)
		memcpy(init->out + init->out_start + init->out_len, payload, len);
	init->out_len += len;
}

ssize_t out_read_frame(struct init *init, int fd, uint8_t type, uint8_t stream, size_t most)
{
	uint8_t *header;
	ssize_t n;

	out_compact(init);
	if (most > WIRE_TO_HOST_MAX)
		most = WIRE_TO_HOST_MAX;
	/* What another stream has left since there was last looked; the reserve is not output's. */
	if (out_room(init) <= WIRE_HEADER_SIZE) {
		errno = EAGAIN;
		return -1;
	}
	if (most > out_room(init) - WIRE_HEADER_SIZE)
		most = out_room(init) - WIRE_HEADER_SIZE;
	header = init->out + init->out_len;
	n = read(fd, header + WIRE_HEADER_SIZE, most);
	if (n > 0) {
		wire_header_put(header, type, stream, (uint32_t)n);
		init->out_len += WIRE_HEADER_SIZE + (size_t)n;
	}
	return n;
}
