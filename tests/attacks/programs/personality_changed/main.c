#include "attack.h"

int main(void)
{
	START;
	static const unsigned long tries[] = { 0x0400000, 0x0100000, 0x0200000, 0x0800000, 0x1000000, 0x4000000, 0x8000000, 0x8, 0x1, 0x6, 0x10, 0x0440000, 1ul << 32 | 0x0400000 };
	for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
		syscall(SYS_personality, tries[i]);
		long now = syscall(SYS_personality, 0xffffffffu);
		if (now > 0 && now != 0x40000)
			UNSAFE("personality %lx", now);
	}
	for (long at = 0; at < 65536; at += 4096) {
		void *p = mmap((void *)at, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		if (p == (void *)at && at == 0)
			UNSAFE("page zero is mapped");
	}
	END;
	return 0;
}
