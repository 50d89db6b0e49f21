#include "attack.h"

int main(void)
{
	START;
	if (naked_root())
		return 1;
	for (int i = 0; i < 64; i++)
		signal(i, SIG_IGN);
	setpriority(PRIO_USER, getuid(), 10);
	setpriority(PRIO_USER, 0, 11);
	syscall(SYS_ioprio_set, 3, getuid(), 3 << 13);
	struct sched_param p = { 0 };
	for (int pid = 2; pid < 1000; pid++) {
		if (pid == getpid())
			continue;
		if (!sched_setscheduler(pid, SCHED_IDLE, &p))
			UNSAFE("rescheduled %d", pid);
		if (getpriority(PRIO_PROCESS, pid) != -1 || errno != ESRCH)
			UNSAFE("pid %d is there", pid);
		errno = 0;
	}
	kill(-1, SIGUSR1);
	kill(-1, SIGTERM);
	END;
	return 0;
}
