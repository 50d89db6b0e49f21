#include "attack.h"
#include <mqueue.h>

int main(void)
{
	START;
	for (int p = 0; p < 8; p++) {
		if (fork())
			continue;
		int n = 0, m = 0, t = 0, q = 0, pipes = 0, fd;
		while (n < 60 && (fd = inotify_init1(0)) >= 0) {
			n++;
			for (int i = 0; i < 2000 && m < 20000; i++) {
				char f[64];
				snprintf(f, sizeof f, "/tmp/w%d-%d", p, i);
				if (n == 1)
					close(open(f, O_CREAT | O_WRONLY, 0600));
				m += inotify_add_watch(fd, f, IN_ALL_EVENTS) >= 0;
			}
		}
		sigset_t s;
		sigfillset(&s);
		sigprocmask(SIG_BLOCK, &s, 0);
		union sigval v = { 0 };
		while (q < 2000 && !sigqueue(getpid(), SIGRTMIN, v))
			q++;
		timer_t id;
		while (t < 2000 && !timer_create(CLOCK_MONOTONIC, 0, &id))
			t++;
		for (int i = 0; i < 20; i++) {
			char name[32];
			snprintf(name, sizeof name, "/q%d-%d", p, i);
			struct mq_attr a = { .mq_maxmsg = 10, .mq_msgsize = 8192 };
			mq_open(name, O_CREAT | O_RDWR, 0600, p & 1 ? &a : 0);
		}
		for (int pp[2]; pipes < 150 && !pipe(pp); pipes++)
			fcntl(pp[0], F_SETPIPE_SZ, 1 << 20);
		INFO("%d instances, %d watches, %d signals, %d timers, %d pipes", n, m, q, t, pipes);
		for (;;)
			pause();
	}
	usleep(700000);
	say("HOLDING");
	sleep(3);
	return 0;
}
