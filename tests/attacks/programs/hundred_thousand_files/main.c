#include "attack.h"

int main(void)
{
	START;
	int n = 0;
	char p[64];
	for (; n < 100000; n++) {
		snprintf(p, sizeof p, "f%06d", n);
		int fd = open(p, O_WRONLY | O_CREAT, 0644);
		if (fd < 0)
			break;
		if (n % 10 == 0)
			(void)!write(fd, p, 7);
		close(fd);
	}
	INFO("stopped by: %s", strerror(errno));
	say("FILES %d", n);
	END;
	return 0;
}
