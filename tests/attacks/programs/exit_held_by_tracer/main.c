#include "attack.h"

int main(void)
{
	START;
	pid_t parent = getpid();
	if (!fork()) {
		setsid();
		prctl(PR_SET_NAME, "@NONCE@");
		long r = ptrace(PTRACE_SEIZE, parent, 0, (void *)PTRACE_O_TRACEEXIT);
		INFO("seize: %s", r ? strerror(errno) : "done");
		ptrace(PTRACE_INTERRUPT, parent, 0, 0);
		execl("/bin/sh", "sh", "-c", "sleep 60; :", "@NONCE@", (char *)0);
		for (;;)
			pause();
	}
	usleep(300000);
	_exit(3);
}
