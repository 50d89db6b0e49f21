#include "attack.h"

int main(void)
{
	START;
	size_t two = 2 << 20, count = 300;
	char *p = mmap(0, two * (count + 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	p = (char *)(((uintptr_t)p + two) & ~(two - 1));
	madvise(p, two * count, MADV_HUGEPAGE);
	for (size_t i = 0; i < count; i++) {
		p[i * two] = 1;
		char line[256];
		FILE *f = fopen("/proc/self/status", "r");
		while (f && fgets(line, sizeof line, f))
			if (!strncmp(line, "RssAnon:", 8))
				say("MIB %d", atoi(line + 8) / 1024);
		if (f)
			fclose(f);
	}
	END;
	return 0;
}
