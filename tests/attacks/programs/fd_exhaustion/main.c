#include "attack.h"

static int open_all(void)
{
	int n = 0, fd;
	while ((fd = open("/dev/null", O_RDONLY)) >= 0 && n < 100000)
		n++;
	return n;
}
int main(void)
{
	START;
	struct rlimit r;
	getrlimit(RLIMIT_NOFILE, &r);
	INFO("limit %ld %ld", (long)r.rlim_cur, (long)r.rlim_max);
	struct rlimit more = { r.rlim_max + 1, r.rlim_max + 1 };
	if (!setrlimit(RLIMIT_NOFILE, &more))
		UNSAFE("the limit can be raised");
	for (int i = 0; i < 20; i++)
		if (!fork()) {
			if (open_all() > 4096)
				UNSAFE("more than 4096 descriptors in one process");
			usleep(300000);
			_exit(0);
		}
	int s[2], sent = 0;
	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	for (int round = 0; round < 20000; round++) {
		union {
			char b[CMSG_SPACE(200 * sizeof(int))];
			struct cmsghdr h;
		} u = { 0 };
		struct iovec v = { "x", 1 };
		struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.b, .msg_controllen = sizeof u.b };
		u.h.cmsg_level = SOL_SOCKET;
		u.h.cmsg_type = SCM_RIGHTS;
		u.h.cmsg_len = CMSG_LEN(200 * sizeof(int));
		for (int i = 0; i < 200; i++)
			((int *)CMSG_DATA(&u.h))[i] = 1;
		if (sendmsg(s[0], &m, MSG_DONTWAIT) < 0)
			break;
		sent += 200;
	}
	INFO("%d descriptors in flight", sent);
	if (sent > 100000)
		UNSAFE("%d descriptors in flight", sent);
	while (wait(0) > 0)
		;
	END;
	return 0;
}
