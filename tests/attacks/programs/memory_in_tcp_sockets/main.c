#include "attack.h"
#include <netinet/in.h>

int main(void)
{
	START;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int l = socket(AF_INET, SOCK_STREAM, 0), total = 0;
	if (bind(l, (void *)&a, sizeof a) || listen(l, 100) || getsockname(l, (void *)&a, &len))
		INFO("listen: %s", strerror(errno));
	static char b[65536];
	for (int i = 0; i < 200 && total < 400 * 16; i++) {
		int big = 1 << 30, c = socket(AF_INET, SOCK_STREAM, 0), fd;
		setsockopt(l, SOL_SOCKET, SO_RCVBUF, &big, sizeof big);
		setsockopt(c, SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
		setsockopt(c, SOL_SOCKET, SO_RCVBUF, &big, sizeof big);
		if (connect(c, (void *)&a, sizeof a) || (fd = accept(l, 0, 0)) < 0)
			break;
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
		for (int k = 0; k < 2; k++) {
			int s = k ? fd : c;
			fcntl(s, F_SETFL, O_NONBLOCK);
			for (int tries = 0; tries < 3; tries++) {
				ssize_t n;
				while (total < 400 * 16 && (n = write(s, b, sizeof b)) > 0)
					total += n == sizeof b;
				usleep(1000);
			}
		}
	}
	say("MIB %d", total / 16);
	if (total / 16 > 256)
		UNSAFE("%d MiB in TCP buffers with a limit of 128", total / 16);
	usleep(300000);
	END;
	return 0;
}
