#include "attack.h"

int main(void)
{
	START;
	usleep(200000);
	signal(SIGIO, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	char b[4096];
	for (int fd = 0; fd < 3; fd++) {
		char p[32];
		snprintf(p, sizeof p, "/proc/self/fd/%d", fd);
		int r = open(p, O_RDONLY | O_NONBLOCK), w = open(p, O_WRONLY | O_NONBLOCK), rw = open(p, O_RDWR | O_NONBLOCK | O_TRUNC);
		INFO("fd %d: read end %d, write end %d, both %d", fd, r, w, rw);
		INFO("size %d, %d", fcntl(fd, F_SETPIPE_SZ, 4096), fcntl(fd, F_SETPIPE_SZ, 1 << 20));
		fcntl(fd, F_SETOWN, 1);
		fcntl(fd, F_SETSIG, SIGKILL);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK | O_ASYNC | O_DIRECT);
		fcntl(r, F_SETFL, O_NONBLOCK | O_ASYNC);
		ioctl(fd, FIONBIO, &(int){ 1 });
		if (fd == 0) {
			for (int i = 0; i < 40 && w >= 0; i++)
				(void)!write(w, b, sizeof b);
		} else {
			(void)!write(fd, "MAYBE-STOLEN\n", 13);
			ssize_t n = r < 0 ? -1 : read(r, b, sizeof b);
			INFO("read back %zd", n);
		}
		if (fd) {
			close(r);
			close(w);
			close(rw);
		}
	}
	usleep(200000);
	fcntl(1, F_SETFL, 0);
	say("LAST-WORD");
	END;
	return 12;
}
