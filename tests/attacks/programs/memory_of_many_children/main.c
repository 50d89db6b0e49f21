#include "attack.h"

int main(void)
{
	START;
	int *mib = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int c = 0; c < 40; c++) {
		if (fork())
			continue;
		for (int i = 0; i < 16; i++) {
			char *p = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
			if (p == MAP_FAILED)
				break;
			memset(p, 1, 1 << 20);
			say("MIB %d", __sync_add_and_fetch(mib, 1));
			usleep(10000);
		}
		sleep(1);
		_exit(0);
	}
	while (wait(0) > 0)
		;
	if (*mib > 400)
		UNSAFE("%d MiB", *mib);
	END;
	return 0;
}
