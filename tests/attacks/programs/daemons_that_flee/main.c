#include "attack.h"

int main(int argc, char **argv)
{
	if (argc > 1) {
		char name[64];
		signal(SIGCHLD, SIG_IGN);
		for (;;) {
			if (fork())
				_exit(0);
			setsid();
			snprintf(name, sizeof name, "@NONCE@-%d", getpid());
			execl("/proc/self/exe", name, "@NONCE@", (char *)0);
			usleep(1000);
		}
	}
	START;
	for (int i = 0; i < 20; i++) {
		if (!fork()) {
			setsid();
			execl("/proc/self/exe", "@NONCE@", "@NONCE@", (char *)0);
			_exit(1);
		}
	}
	usleep(300000);
	END;
	return 5;
}
