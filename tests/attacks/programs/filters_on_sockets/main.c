#include "attack.h"
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

int main(void)
{
	START;
	struct sock_filter code[] = { { 6, 0, 0, 0xffff } };
	struct sock_fprog prog = { 1, code };
	int fd = -1, big = 1 << 30, zero = 0, one = 1;
	char name[256] = "filter";
	for (int kind = 0; kind < 3; kind++) {
		int s = socket(kind == 2 ? AF_UNIX : kind ? AF_INET6 : AF_INET, kind ? SOCK_DGRAM : SOCK_STREAM, 0);
		setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &one, 4);
		refused("SO_ATTACH_FILTER", setsockopt(s, SOL_SOCKET, 26, &prog, sizeof prog));
		refused("SO_ATTACH_BPF", setsockopt(s, SOL_SOCKET, 50, &fd, 4));
		refused("SO_ATTACH_REUSEPORT_CBPF", setsockopt(s, SOL_SOCKET, 51, &prog, sizeof prog));
		refused("SO_ATTACH_REUSEPORT_EBPF", setsockopt(s, SOL_SOCKET, 52, &fd, 4));
		refused("SO_ATTACH_FILTER with high bits", syscall(SYS_setsockopt, s, 1l << 32 | SOL_SOCKET, 1l << 32 | 26, &prog, sizeof prog));
		refused("SO_SNDBUFFORCE", setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &big, 4));
		refused("SO_RCVBUFFORCE", setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &big, 4));
		refused("SO_PRIORITY 7", setsockopt(s, SOL_SOCKET, SO_PRIORITY, &(int){ 7 }, 4));
		refused("SO_MARK", setsockopt(s, SOL_SOCKET, SO_MARK, &one, 4));
		refused("SO_DEBUG", setsockopt(s, SOL_SOCKET, SO_DEBUG, &one, 4));
		refused("IPT_SO_SET_REPLACE", setsockopt(s, IPPROTO_IP, 64, name, sizeof name));
		refused("IP_TRANSPARENT", setsockopt(s, IPPROTO_IP, 19, &one, 4));
		refused("TCP_REPAIR", setsockopt(s, IPPROTO_TCP, TCP_REPAIR, &one, 4));
		refused("TCP_ULP tls", setsockopt(s, IPPROTO_TCP, TCP_ULP, "tls", 3));
		refused("TCP_CONGESTION dctcp", setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "dctcp", 5));
		refused("UDP_ENCAP", setsockopt(s, IPPROTO_UDP, 100, &one, 4));
		INFO("limits %d", setsockopt(s, SOL_SOCKET, SO_LINGER, &zero, 4));
	}
	END;
	return 0;
}
