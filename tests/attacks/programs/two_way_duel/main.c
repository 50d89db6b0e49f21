#include "attack.h"

int main(void)
{
	START;
	if (naked_root())
		return 1;
	int own[3] = { getpid(), 1, 0 };
	for (int round = 0; round < 20; round++) {
		for (int p = 2; p < 3000; p++) {
			if (p == own[0])
				continue;
			if (!kill(p, 0) && !own_wrapper(p)) {
				UNSAFE("pid %d can be signalled", p);
				kill(p, SIGKILL);
			}
			if (round == 0 && !ptrace(PTRACE_SEIZE, p, 0, 0))
				UNSAFE("pid %d can be traced", p);
		}
		if (getpgrp() != 2 + round)
			kill(-2 - round, SIGKILL);
		usleep(100000);
	}
	DIR *d = opendir("/proc");
	struct dirent *e;
	while (d && (e = readdir(d)))
		if (e->d_name[0] > '0' && e->d_name[0] <= '9' && atoi(e->d_name) != own[0] && atoi(e->d_name) != 1)
			UNSAFE("sees pid %s", e->d_name);
	END;
	return 6;
}
