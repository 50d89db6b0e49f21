#include "attack.h"

static void *late(void *p)
{
	usleep(600000);
	execl("/bin/sh", "sh", "-c", "echo LATE-WORK; echo ATTACK-END; exit 33", (char *)0);
	UNSAFE("exec from a thread: %s", strerror(errno));
	return 0;
}
int main(void)
{
	START;
	pthread_t t;
	pthread_create(&t, 0, late, 0);
	syscall(SYS_exit, 0);
}
