#include "attack.h"

int main(void)
{
	START;
	int n = 0;
	for (int i = 0; i < 3000; i++) {
		pid_t p = fork();
		if (!p)
			_exit(0);
		n += p > 0;
	}
	say("ZOMBIES %d", n);
	if (n > 500)
		UNSAFE("%d zombies", n);
	END;
	return 0;
}
