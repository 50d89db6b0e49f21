#include "attack.h"

int main(void)
{
	START;
	int *tables = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int c = 0; c < 20; c++) {
		if (fork())
			continue;
		size_t step = 2 << 20, count = 6400;
		char *p = mmap(0, step * count, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			_exit(0);
		madvise(p, step * count, MADV_NOHUGEPAGE);
		for (size_t i = 0; i < count; i++) {
			(void)*(volatile char *)(p + i * step);
			__sync_fetch_and_add(tables, 1);
		}
		sleep(1);
		_exit(0);
	}
	while (wait(0) > 0)
		;
	say("MIB %d", *tables / 256);
	if (*tables / 256 > 300)
		UNSAFE("%d MiB of page tables with a limit of 128", *tables / 256);
	END;
	return 0;
}
