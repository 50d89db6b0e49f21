#include "attack.h"
#include <net/if.h>

static int allowed(int family, int type, int protocol)
{
	return family == AF_UNIX || ((family == AF_INET || family == AF_INET6) && (type == SOCK_STREAM || type == SOCK_DGRAM)) || (family == AF_NETLINK && protocol == 0);
}
int main(void)
{
	START;
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET, SOCK_DCCP, SOCK_PACKET };
	for (int family = 0; family < 64; family++) {
		for (int i = 0; i < 7; i++) {
			for (int protocol = 0; protocol < (family == AF_NETLINK ? 32 : 2); protocol++) {
				int fd = socket(family, types[i], protocol), p[2];
				if (fd >= 0 && !allowed(family, types[i], protocol))
					UNSAFE("socket(%d, %d, %d)", family, types[i], protocol);
				close(fd);
				fd = syscall(SYS_socket, family | 1l << 32, types[i], protocol);
				if (fd >= 0 && !allowed(family, types[i], protocol))
					UNSAFE("socket(%d with high bits, %d, %d)", family, types[i], protocol);
				close(fd);
				if (!socketpair(family, types[i], protocol, p)) {
					if (family != AF_UNIX)
						UNSAFE("socketpair(%d, %d, %d)", family, types[i], protocol);
					close(p[0]);
					close(p[1]);
				}
			}
		}
	}
	static const int protocols[] = { 1, 33, 58, 132, 136, 255, 262 };
	for (int i = 0; i < 7; i++) {
		for (int k = 0; k < 7; k++) {
			int fd = socket(i & 1 ? AF_INET6 : AF_INET, types[k], protocols[i]);
			if (fd >= 0)
				UNSAFE("protocol %d as type %d", protocols[i], types[k]);
		}
	}
	static const char *devices[] = { "/dev/vsock", "/dev/vhost-net", "/dev/net/tun", "/dev/kvm", "/dev/fuse", "/dev/ppp", 0 };
	for (int i = 0; devices[i]; i++)
		if (open(devices[i], O_RDWR) >= 0)
			UNSAFE("%s", devices[i]);
	END;
	return 0;
}
