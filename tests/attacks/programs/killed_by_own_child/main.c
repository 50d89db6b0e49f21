#include "attack.h"

int main(void)
{
	START;
	pid_t parent = getpid();
	if (!fork()) {
		setsid();
		usleep(200000);
		kill(parent, SIGKILL);
		sleep(4);
		say("SURVIVOR");
		sleep(30);
		_exit(0);
	}
	for (;;)
		pause();
}
