#include "attack.h"

int main(void)
{
	START;
	int mib = 0, messages = 0, sets = 0;
	for (int i = 0; i < 100 && mib < 400; i++) {
		int id = shmget(IPC_PRIVATE, 4 << 20, 0600 | IPC_CREAT);
		char *p = id < 0 ? (void *)-1 : shmat(id, 0, 0);
		if (p == (void *)-1)
			break;
		memset(p, 1, 4 << 20);
		shmdt(p);
		say("SHM MIB %d", mib += 4);
	}
	struct {
		long type;
		char b[8000];
	} m = { 1 };
	for (int i = 0; i < 30000 && messages < 50000; i++) {
		int q = msgget(IPC_PRIVATE, 0600 | IPC_CREAT);
		if (q < 0)
			break;
		while (!msgsnd(q, &m, sizeof m.b, IPC_NOWAIT))
			messages++;
	}
	say("MESSAGES MIB %d", messages / 128);
	for (int i = 0; i < 200; i++) {
		if (semget(IPC_PRIVATE, 32000, 0600 | IPC_CREAT) < 0)
			break;
		sets++;
	}
	say("SETS MIB %d", sets * 2);
	if (mib + messages / 128 + sets * 2 > 300)
		UNSAFE("%d MiB in IPC objects with a limit of 128", mib + messages / 128 + sets * 2);
	sleep(1);
	END;
	return 0;
}
