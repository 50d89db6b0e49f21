#include "attack.h"

int main(void)
{
	START;
	static const char *files[] = { "/usr/bin/env", "/usr/bin/python3", "/usr", "/etc/passwd", "/etc/ld.so.cache", "/usr/lib/os-release", "/", "/dev", "/dev/null", "/proc", "/proc/self/stat", "/etc/alternatives", "/lib", 0 };
	int held = 0;
	for (int i = 0; files[i]; i++) {
		int fd = open(files[i], O_RDONLY);
		struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
		held += !flock(fd, LOCK_EX | LOCK_NB);
		fcntl(fd, F_OFD_SETLK, &l);
		fcntl(fd, F_SETLEASE, F_RDLCK);
		int dev = open(files[i], O_RDWR);
		l.l_type = F_WRLCK;
		fcntl(dev, F_OFD_SETLK, &l);
	}
	INFO("%d locks held", held);
	sleep(3);
	END;
	return 0;
}
