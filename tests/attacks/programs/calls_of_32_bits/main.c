#include "attack.h"

static long int80(long nr, long a, long b, long c)
{
	long r;
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
	return r;
}
static void do_getpid(void)
{
	_exit(int80(20, 0, 0, 0) == getpid() ? 99 : 1);
}
static void do_socket(void)
{
	_exit(int80(359, AF_UNIX, SOCK_STREAM, 0) >= 0 ? 99 : 1);
}
static void do_socketcall(void)
{
	unsigned *args = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	args[0] = 38; /* AF_ALG */
	args[1] = SOCK_SEQPACKET;
	args[2] = 0;
	_exit(int80(102, 1, (long)args, 0) >= 0 ? 99 : 1);
}
static void do_unshare(void)
{
	_exit(int80(310, CLONE_NEWUSER, 0, 0) == 0 ? 99 : 1);
}
static void do_x32(void)
{
	_exit(syscall(0x40000000 | SYS_getpid) == getpid() ? 99 : 1);
}
static void do_x32_ioctl(void)
{
	_exit(syscall(0x40000000 | 514, 1, TIOCSTI, "x") == 0 ? 99 : 1);
}
static void do_elf32(void)
{
	/* _exit(99) for i386 */
	static const unsigned char elf[] = { 0x7f, 'E', 'L', 'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 1, 0, 0, 0, 0x54, 0x80, 4, 8, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
					     0x34, 0, 0x20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 4, 8, 0, 0x80, 4, 8, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 5, 0, 0, 0,
					     0, 0x10, 0, 0, 0xb8, 1, 0, 0, 0, 0xbb, 99, 0, 0, 0, 0xcd, 0x80 };
	int fd = open("/tmp/elf32", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	(void)!write(fd, elf, sizeof elf);
	close(fd);
	execl("/tmp/elf32", "elf32", (char *)0);
	_exit(1);
}
int main(void)
{
	START;
	static const struct {
		const char *what;
		void (*f)(void);
	} tries[] = { { "int80 getpid", do_getpid }, { "int80 socket", do_socket }, { "int80 socketcall AF_ALG", do_socketcall }, { "int80 unshare", do_unshare },
		      { "x32 getpid", do_x32 },	     { "x32 ioctl", do_x32_ioctl }, { "a program of 32 bits", do_elf32 } };
	for (int i = 0; i < 7; i++) {
		int s = in_child(tries[i].f, 3);
		INFO("%s: status %x", tries[i].what, s);
		if (WIFEXITED(s) && WEXITSTATUS(s) == 99)
			UNSAFE("%s works", tries[i].what);
	}
	END;
	return 0;
}
