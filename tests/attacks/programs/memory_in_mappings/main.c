#include "attack.h"

int main(void)
{
	START;
	int *maps = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int c = 0; c < 20; c++) {
		if (fork())
			continue;
		for (int i = 0; i < 50000; i++) {
			if (mmap(0, 4096, i & 1 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
				break;
			__sync_fetch_and_add(maps, 1);
		}
		sleep(1);
		_exit(0);
	}
	while (wait(0) > 0)
		;
	say("MAPPINGS %d", *maps);
	if (*maps > 800000)
		UNSAFE("%d mappings, some %d MiB, with a limit of 128", *maps, *maps / 5000);
	END;
	return 0;
}
