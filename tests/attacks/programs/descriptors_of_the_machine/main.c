#include "attack.h"

int main(void)
{
	START;
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 40; i++) {
		if (fork())
			continue;
		for (;;) {
			int p[2];
			char f[64];
			if (pipe(p))
				for (int k = 3; k < 1024; k++)
					close(k);
			snprintf(f, sizeof f, "/tmp/%d-%d", i, p[0]);
			open(f, O_CREAT | O_RDWR, 0600);
			if (!fork())
				_exit(0);
		}
	}
	sleep(4);
	return 0;
}
