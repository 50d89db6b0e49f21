#include "attack.h"

static int hit;
static void caught(int s)
{
	hit = s;
}
int main(void)
{
	START;
	for (int s = 1; s < 65; s++)
		signal(s, caught);
	int nice0 = getpriority(PRIO_PROCESS, 0), io = syscall(SYS_ioprio_get, 1, 0);
	for (int i = 0; i < 25; i++)
		usleep(100000);
	if (hit)
		UNSAFE("signal %d of somebody else", hit);
	if (getpriority(PRIO_PROCESS, 0) != nice0 || syscall(SYS_ioprio_get, 1, 0) != io || sched_getscheduler(0) != SCHED_OTHER)
		UNSAFE("priority changed by somebody else");
	END;
	return 0;
}
