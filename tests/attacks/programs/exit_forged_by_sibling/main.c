#include "attack.h"

int main(void)
{
	START;
	for (int i = 0; i < 8; i++) {
		long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
		if (pid == 0) {
			if (i == 7)
				kill(getpid(), SIGSEGV);
			_exit(i % 2 ? 0 : 42);
		}
		INFO("sibling %ld, parent %d", pid, getppid());
	}
	usleep(400000);
	END;
	return 7;
}
