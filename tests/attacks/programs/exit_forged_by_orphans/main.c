#include "attack.h"

int main(void)
{
	START;
	for (int i = 0; i < 30; i++) {
		if (!fork()) {
			for (int k = 0; k < 2; k++) {
				if (!fork()) {
					setsid();
					if (i % 3 == 0)
						usleep(20000 * (i % 7));
					else if (i % 3 == 1)
						while (getppid() != 1)
							usleep(1000);
					else
						sleep(30);
					_exit(0);
				}
			}
			_exit(0);
		}
	}
	while (wait(0) > 0)
		;
	END;
	return 9;
}
