#include "attack.h"

int main(void)
{
	START;
	char b[70000];
	int p[2];
	pipe(p);
	for (int i = 0; i < 20; i++) {
		if (read(0, b, 1) != 1)
			UNSAFE("stdin ended early");
		say("read %d", i);
		usleep(5000);
	}
	INFO("tee %zd, splice %zd", tee(0, p[1], 4096, SPLICE_F_NONBLOCK), splice(0, 0, p[1], 0, 4096, SPLICE_F_NONBLOCK));
	INFO("seek %ld, map %d", (long)lseek(0, 0, SEEK_SET), mmap(0, 4096, PROT_READ, MAP_SHARED, 0, 0) != MAP_FAILED);
	for (int i = 0; i < 10; i++)
		if (!fork()) {
			(void)!read(0, b, sizeof b);
			_exit(0);
		}
	while (wait(0) > 0)
		;
	shutdown(0, SHUT_RDWR);
	dup2(1, 0);
	usleep(300000);
	END;
	return 0;
}
