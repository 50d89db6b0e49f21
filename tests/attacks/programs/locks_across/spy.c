#include "attack.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

int main(void)
{
	START;
	static const char *files[] = { "/usr/bin/env", "/usr/bin/python3", "/usr", "/etc/passwd", "/etc/ld.so.cache", "/usr/lib/os-release", "/", "/dev", "/dev/null", "/proc", "/proc/self/stat", "/etc/alternatives", "/lib", "/proc/self/ns/time", "/proc/self/ns/user", "/proc/self/ns/cgroup", "/proc/self/ns/mnt", "/proc/self/ns/pid", "/proc/self/ns/uts", "/proc/self/ns/ipc", "/proc/self/ns/net", 0 };
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
	int anonymous[] = { eventfd(0, 0), epoll_create1(0), timerfd_create(CLOCK_MONOTONIC, 0), inotify_init1(0) };
	for (int i = 0; i < 4; i++)
		if (flock(anonymous[i], LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
			UNSAFE("anonymous inode %d is locked by another run", i);
	END;
	return 0;
}
