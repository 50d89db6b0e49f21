#include "attack.h"

int main(void)
{
	START;
	static char b[32768];
	int *kib = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int c = 0; c < 12; c++) {
		if (fork())
			continue;
		for (int i = 0; i < 250 && *kib < 400 * 1024; i++) {
			int p[2], big = 1 << 30;
			if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p))
				break;
			for (int k = 0; k < 2; k++) {
				setsockopt(p[k], SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
				ssize_t n;
				while (*kib < 400 * 1024 && (n = write(p[k], b, sizeof b)) > 0)
					__sync_fetch_and_add(kib, n / 1024);
			}
		}
		sleep(1);
		_exit(0);
	}
	while (wait(0) > 0)
		;
	say("MIB %d", *kib / 1024);
	if (*kib / 1024 > 256)
		UNSAFE("%d MiB in socket buffers with a limit of 128", *kib / 1024);
	END;
	return 0;
}
