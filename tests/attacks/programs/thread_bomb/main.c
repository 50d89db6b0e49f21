#include "attack.h"

static void *sleeper(void *p)
{
	for (;;)
		pause();
}
static int *count;
static void fill(void)
{
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 16384);
	for (int i = 0; i < 2000; i++) {
		pthread_t t;
		if (pthread_create(&t, &a, sleeper, 0))
			usleep(500);
		else
			__sync_fetch_and_add(count, 1);
		if (i > 200 && *count < 200)
			break;
	}
}
int main(void)
{
	START;
	count = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 4; i++) {
		if (!fork()) {
			fill();
			sleep(1);
			_exit(0);
		}
	}
	usleep(900000);
	say("THREADS %d", *count);
	if (*count > 500)
		UNSAFE("%d threads", *count);
	END;
	return 0;
}
