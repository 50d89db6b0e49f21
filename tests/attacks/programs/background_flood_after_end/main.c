#include "attack.h"

int main(void)
{
	START;
	END;
	if (!fork()) {
		setsid();
		char b[4096];
		memset(b, 'x', sizeof b);
		usleep(20000);
		for (int i = 0;; i++)
			(void)!write(1 + (i & 1), b, sizeof b);
	}
	_exit(4);
}
