#include "attack.h"

int main(void)
{
	START;
	static const char *devices[] = { "/dev/tty", "/dev/console", "/dev/tty0", "/dev/tty1", "/dev/ttyS0", "/dev/ptmx", "/dev/pts/ptmx", "/dev/pts/0", "/dev/vcs", "/dev/hvc0", 0 };
	for (int i = 0; devices[i]; i++)
		if (open(devices[i], O_RDWR | O_NOCTTY | O_NONBLOCK) >= 0)
			UNSAFE("%s opens", devices[i]);
	for (int fd = 0; fd < 3; fd++) {
		if (isatty(fd))
			UNSAFE("%d is a terminal", fd);
		refused("TIOCSTI", ioctl(fd, TIOCSTI, "#"));
		refused("TIOCSTI with high bits", syscall(SYS_ioctl, fd, 1ul << 32 | TIOCSTI, "#"));
		refused("TIOCLINUX", ioctl(fd, TIOCLINUX, "\x0b"));
		refused("TIOCSCTTY", ioctl(fd, TIOCSCTTY, 1));
		refused("TIOCSETD", ioctl(fd, TIOCSETD, &(int){ 21 }));
	}
	pid_t session = getsid(0);
	if (getpgrp() != getpid() || (session >= 0 && session != getpid()))
		UNSAFE("session %d, group %d of somebody else", session, getpgrp());
	END;
	return 0;
}
