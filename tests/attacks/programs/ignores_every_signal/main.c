#include "attack.h"

static void again(int s)
{
}
static void *spin(void *p)
{
	for (;;)
		pause();
}
int main(void)
{
	START;
	sigset_t all;
	sigfillset(&all);
	for (int s = 1; s < 65; s++) {
		struct sigaction a = { .sa_handler = s & 1 ? SIG_IGN : again, .sa_flags = SA_RESTART };
		sigaction(s, &a, 0);
	}
	sigprocmask(SIG_BLOCK, &all, 0);
	if (fork())
		for (;;)
			waitpid(-1, 0, WUNTRACED);
	setsid();
	prctl(PR_SET_NAME, "@NONCE@");
	prctl(PR_SET_PDEATHSIG, 0);
	pthread_t t;
	for (int i = 0; i < 8; i++)
		pthread_create(&t, 0, spin, 0);
	for (int i = 0; i < 3; i++)
		close(i);
	for (;;)
		pause();
}
