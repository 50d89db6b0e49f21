#include "attack.h"
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

static void try_socket(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol);
	int known = (type == SOCK_STREAM && (protocol == 0 || protocol == 6)) || (type == SOCK_DGRAM && (protocol == 0 || protocol == 17));
	if (fd >= 0 && !known)
		UNSAFE("socket(%d, %d, %d)", family, type, protocol);
	if (fd < 0 && !known && errno != ENOSYS && errno != EPERM && (errno != EPROTONOSUPPORT || !protocol))
		UNSAFE("socket(%d, %d, %d) reached the kernel: %s", family, type, protocol, strerror(errno));
	close(fd);
}
static int connected(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(l, (void *)&a, len) || listen(l, 1) || getsockname(l, (void *)&a, &len) || connect(c, (void *)&a, len))
		INFO("no connection: %s", strerror(errno));
	return c;
}
int main(void)
{
	START;
	for (int type = 0; type < 16; type++) {
		for (int protocol = 0; protocol < 300; protocol++) {
			try_socket(AF_INET, type, protocol);
			try_socket(AF_INET6, type, protocol);
		}
	}
	static const unsigned long calls[] = { SIOCGIFBR, SIOCSIFBR, SIOCBRADDBR, SIOCBRDELBR, SIOCGIFVLAN, SIOCSIFVLAN };
	int sockets[] = { socket(AF_INET, SOCK_DGRAM, 0), socket(AF_UNIX, SOCK_STREAM, 0), socket(AF_NETLINK, SOCK_RAW, 0) };
	char room[256] = "br0";
	for (int i = 0; i < 6; i++) {
		for (int k = 0; k < 3; k++) {
			unreachable("a call of bridges or VLANs", ioctl(sockets[k], calls[i], room));
			unreachable("the same with high bits", syscall(SYS_ioctl, sockets[k], 1l << 32 | calls[i], room));
		}
	}
	int tcp = connected(), one = 1;
	refused("TLS in the kernel", setsockopt(tcp, IPPROTO_TCP, TCP_ULP, "tls", 3));
	refused("MPTCP in the kernel", setsockopt(tcp, IPPROTO_TCP, TCP_ULP, "mptcp", 5));
	for (int kind = 1; kind < 8; kind++)
		refused("UDP encapsulation", setsockopt(sockets[0], IPPROTO_UDP, 100, &kind, sizeof kind));
	refused("a congestion control that is not loaded", setsockopt(tcp, IPPROTO_TCP, TCP_CONGESTION, "hybla", 5));
	INFO("ordinary options: %d", setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
	END;
	return 0;
}
