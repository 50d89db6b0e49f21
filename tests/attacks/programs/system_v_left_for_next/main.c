#include "attack.h"

int main(void)
{
	START;
	int n = 0, id = shmget(0x6b696c6e, 4096, 0666 | IPC_CREAT);
	char *p = id < 0 ? (void *)-1 : shmat(id, 0, 0);
	if (p != (void *)-1)
		strcpy(p, "RESIDUE-@NONCE@"), n++;
	struct {
		long t;
		char b[32];
	} m = { 1, "RESIDUE-@NONCE@" };
	int q = msgget(0x6b696c6e, 0666 | IPC_CREAT);
	n += q >= 0 && !msgsnd(q, &m, 32, IPC_NOWAIT);
	n += semget(0x6b696c6e, 3, 0666 | IPC_CREAT) >= 0;
	say("PLANTED %d", n);
	END;
	return 0;
}
