#include "http/tcp_counters.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* The kernel's TCP_CLOSE and TCP_CLOSE_WAIT, which linux/tcp.h does not name. */
enum {
	STATE_CLOSE = 7,
	STATE_CLOSE_WAIT = 8,
};

struct http_counters http_counters_read(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return (struct http_counters){ 0 };
	return (struct http_counters){
		.received = info.tcpi_bytes_received,
		.sent = info.tcpi_bytes_sent + info.tcpi_notsent_bytes,
		.acked = info.tcpi_bytes_acked,
		.waiting = info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0,
		.fin = info.tcpi_state == STATE_CLOSE || info.tcpi_state == STATE_CLOSE_WAIT,
	};
}
