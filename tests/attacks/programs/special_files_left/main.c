#include "attack.h"

int main(void)
{
	START;
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "socket.txt" };
	bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof a);
	mkfifo("fifo.txt", 0666);
	int keep = open("fifo.txt", O_RDWR);
	(void)!write(keep, "in the fifo", 11);
	symlink("ring2.txt", "ring1.txt");
	symlink("ring1.txt", "ring2.txt");
	symlink("/proc/self/fd/0", "stdin.txt");
	symlink("/proc/1/root@CANARY_FILE@", "root.txt");
	symlink("/proc/self/mem", "mem.txt");
	symlink("/", "slash");
	symlink("..", "up");
	static const struct {
		const char *name;
		int mode, major, minor;
	} nodes[] = { { "c-mem.txt", S_IFCHR, 1, 1 }, { "c-null.txt", S_IFCHR, 1, 3 },	   { "c-zero.txt", S_IFCHR, 1, 5 }, { "c-kmsg.txt", S_IFCHR, 1, 11 },
		      { "c-tty.txt", S_IFCHR, 5, 0 }, { "c-whiteout.txt", S_IFCHR, 0, 0 }, { "b-vda.txt", S_IFBLK, 254, 0 }, { "b-sda.txt", S_IFBLK, 8, 0 },
		      { "b-loop.txt", S_IFBLK, 7, 0 } };
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
		dev_t dev = makedev(nodes[i].major, nodes[i].minor);
		if (!mknod(nodes[i].name, nodes[i].mode | 0666, dev))
			UNSAFE("mknod %s", nodes[i].name);
		if (!syscall(SYS_mknodat, AT_FDCWD, nodes[i].name, (1ull << 32) | nodes[i].mode | 0666, dev))
			UNSAFE("mknodat %s", nodes[i].name);
		int fd = open(nodes[i].name, O_RDONLY | O_NONBLOCK);
		if (fd >= 0)
			UNSAFE("%s opens", nodes[i].name);
	}
	END;
	return 0;
}
