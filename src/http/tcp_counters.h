/*
 * TCP's own counters of a connection (Linux 4.19): they move however the bytes trickle, and cost MHD nothing.
 * In a file of its own because linux/tcp.h and the netinet/tcp.h of other headers exclude each other.
 */
#ifndef KILN_HTTP_TCP_COUNTERS_H
#define KILN_HTTP_TCP_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

struct http_counters {
	uint64_t received; /* bytes that the peer sent and the kernel acknowledged */
	uint64_t sent;	   /* bytes put on the wire, repeated ones too, or waiting to be */
	uint64_t acked;	   /* bytes that the peer has taken */
	bool waiting;	   /* some of what was sent is not acked yet */
	bool fin;	   /* the peer has sent its FIN, or the connection is gone */
};

/* All 0 when the kernel does not tell: every connection then looks idle, and idle times hold. */
struct http_counters http_counters_read(int fd);

#endif
