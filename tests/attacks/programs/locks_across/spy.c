#include "attack.h"

int main(void)
{
	START;
	static const char *files[] = { "/usr/bin/env", "/usr/bin/python3", "/usr", "/etc/passwd", "/etc/ld.so.cache", "/usr/lib/os-release", "/", "/dev", "/dev/null", "/proc", "/proc/self/stat", "/etc/alternatives", "/lib", 0 };
	for (int i = 0; files[i]; i++) {
		int fd = open(files[i], O_RDONLY);
		struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
			UNSAFE("%s is locked by another run", files[i]);
		if (fd >= 0 && !fcntl(fd, F_OFD_GETLK, &l) && l.l_type != F_UNLCK)
			UNSAFE("%s has a record lock of another run (%d)", files[i], l.l_pid);
		l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
		if (fd >= 0 && !fcntl(fd, F_GETLK, &l) && l.l_type != F_UNLCK)
			UNSAFE("%s has a lock of another run (%d)", files[i], l.l_pid);
		close(fd);
	}
	END;
	return 0;
}
