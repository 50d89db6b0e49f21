#include "attack.h"
#include <mqueue.h>

int main(void)
{
	START;
	int fd = inotify_init1(0), p[2];
	if (fd < 0 || inotify_add_watch(fd, "/tmp", IN_ALL_EVENTS) < 0)
		UNSAFE("no inotify left: %s", strerror(errno));
	sigset_t s;
	sigfillset(&s);
	sigprocmask(SIG_BLOCK, &s, 0);
	union sigval v = { 0 };
	for (int i = 0; i < 20; i++)
		if (sigqueue(getpid(), SIGRTMIN, v))
			UNSAFE("no signals left: %s", strerror(errno));
	timer_t id;
	if (timer_create(CLOCK_MONOTONIC, 0, &id))
		UNSAFE("no timers left: %s", strerror(errno));
	struct mq_attr a = { .mq_maxmsg = 4, .mq_msgsize = 128 };
	if (mq_open("/mine", O_CREAT | O_RDWR, 0600, &a) == (mqd_t)-1)
		UNSAFE("no message queue left: %s", strerror(errno));
	if (pipe(p) || fcntl(p[0], F_GETPIPE_SZ) < 65536)
		UNSAFE("pipes of %d bytes", fcntl(p[0], F_GETPIPE_SZ));
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();
		if (pid < 0)
			UNSAFE("no process left: %s", strerror(errno));
		if (!pid) {
			pause();
			_exit(0);
		}
	}
	END;
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	return 0;
}
