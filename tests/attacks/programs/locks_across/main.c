#include "attack.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

int main(void)
{
	START;
	static const char *files[] = { "/usr/bin/env", "/usr/bin/python3", "/usr", "/etc/passwd", "/etc/ld.so.cache", "/usr/lib/os-release", "/", "/dev", "/dev/null", "/proc", "/proc/self/stat", "/etc/alternatives", "/lib", "/proc/self/ns/time", "/proc/self/ns/user", "/proc/self/ns/cgroup", "/proc/self/ns/mnt", "/proc/self/ns/pid", "/proc/self/ns/uts", "/proc/self/ns/ipc", "/proc/self/ns/net", 0 };
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
	int anonymous[] = { eventfd(0, 0), epoll_create1(0), timerfd_create(CLOCK_MONOTONIC, 0), inotify_init1(0) };
	for (int i = 0; i < 4; i++)
		held += !flock(anonymous[i], LOCK_EX | LOCK_NB);
	INFO("%d locks held", held);
	sleep(3);
	END;
	return 0;
}
