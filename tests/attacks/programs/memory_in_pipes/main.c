#include "attack.h"

int main(void)
{
	START;
	static char b[65536];
	int *mib = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int c = 0; c < 12; c++) {
		if (fork())
			continue;
		for (int i = 0; i < 250 && *mib < 400 * 16; i++) {
			int p[2];
			if (pipe2(p, O_NONBLOCK))
				break;
			fcntl(p[1], F_SETPIPE_SZ, 1 << 20);
			while (write(p[1], b, sizeof b) > 0 && *mib < 400 * 16)
				__sync_fetch_and_add(mib, 1);
		}
		sleep(1);
		_exit(0);
	}
	while (wait(0) > 0)
		;
	say("MIB %d", *mib / 16);
	if (*mib / 16 > 256)
		UNSAFE("%d MiB in pipes with a limit of 128", *mib / 16);
	END;
	return 0;
}
