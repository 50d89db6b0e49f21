#include "attack.h"

int main(void)
{
	START;
	static char b[1 << 20];
	memset(b, 1, sizeof b);
	int total = 0;
	for (int round = 0; round < 400 && total < 600; round++) {
		char p[64];
		int fd = -1;
		static const char *dirs[] = { "/dev/shm", "/tmp", "/sandbox", "/var/tmp", "/home/sandbox" };
		if (round & 1) {
			snprintf(p, sizeof p, "%s/m%d", dirs[round / 2 % 5], round);
			fd = open(p, O_RDWR | O_CREAT, 0600);
			unlink(p);
		} else {
			fd = syscall(SYS_memfd_create, "m", round & 2 ? 4 : 0);
		}
		for (int i = 0; fd >= 0 && i < 15; i++) {
			if (write(fd, b, sizeof b) != sizeof b)
				break;
			say("MIB %d", ++total);
		}
	}
	if (total > 400)
		UNSAFE("%d MiB", total);
	END;
	return 0;
}
