#include "attack.h"

int main(void)
{
	START;
	if (shmget(0x6b696c6e, 0, 0) >= 0)
		UNSAFE("shared memory of the run before");
	if (msgget(0x6b696c6e, 0) >= 0)
		UNSAFE("message queue of the run before");
	if (semget(0x6b696c6e, 0, 0) >= 0)
		UNSAFE("semaphores of the run before");
	for (int id = 0; id < 70000; id++) {
		struct shmid_ds s;
		struct msqid_ds m;
		if (!shmctl(id, IPC_STAT, &s) || (errno != EINVAL && errno != EIDRM))
			UNSAFE("shared memory %d exists", id);
		if (!msgctl(id, IPC_STAT, &m) || (errno != EINVAL && errno != EIDRM))
			UNSAFE("queue %d exists", id);
	}
	END;
	return 0;
}
