/*
 * What the hostile programs in C share. The battery puts it beside main.c; see ../README.md for what they print.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static void say(const char *f, ...)
{
	char b[4096];
	va_list a;
	va_start(a, f);
	int n = vsnprintf(b, sizeof b - 1, f, a);
	va_end(a);
	if (n > (int)sizeof b - 2)
		n = sizeof b - 2;
	b[n++] = '\n';
	(void)!write(1, b, n);
}
/* a process of our own uid running a well-known wrapper (shell, init stub, compiler driver) is part of this sandbox, not a victim */
static int own_wrapper(int pid) __attribute__((unused));
static int own_wrapper(int pid)
{
	char p[64], b[256];
	struct stat st;
	snprintf(p, 64, "/proc/%d", pid);
	if (stat(p, &st) || st.st_uid != getuid())
		return 0;
	snprintf(p, 64, "/proc/%d/exe", pid);
	ssize_t n = readlink(p, b, 255);
	if (n <= 0)
		return 0;
	b[n] = 0;
	char *s = strrchr(b, '/');
	s = s ? s + 1 : b;
	static const char *w[] = { "bash",    "sh",	 "dash",      "ash",	     "busybox",	  "env",
				   "timeout", "tini",	 "dumb-init", "docker-init", "catatonit", "make",
				   "gmake",   "prlimit", "setpriv",   "sleep",	     "tail",	  "pause",
				   0 };
	for (int i = 0; w[i]; i++)
		if (!strcmp(s, w[i]))
			return 1;
	return 0;
}
/* an engine so broken that we are root among the host's processes: report that, and do no damage */
static int naked_root(void) __attribute__((unused));
static int naked_root(void)
{
	if (getuid())
		return 0;
	DIR *d = opendir("/proc");
	struct dirent *e;
	int n = 0;
	while (d && (e = readdir(d)))
		n += e->d_name[0] >= '1' && e->d_name[0] <= '9';
	if (d)
		closedir(d);
	if (n < 60)
		return 0;
	say("UNSAFE: root, and %d processes visible: not sandboxed at all, stopping here", n);
	return 1;
}
#define START	    say("ATTACK-START")
#define END	    say("ATTACK-END")
#define UNSAFE(...) say("UNSAFE: " __VA_ARGS__)
#define INFO(...)   say("INFO: " __VA_ARGS__)
/* what a wall must refuse: success is unsafe, the way it was refused is told */
static long refused(const char *what, long result) __attribute__((unused));
static long refused(const char *what, long result)
{
	if (result >= 0)
		UNSAFE("%s works (%ld)", what, result);
	else
		INFO("%s: %s", what, strerror(errno));
	return result;
}
/* the same for calls that must not even reach the kernel: an error of the kernel's own says that they did */
static void unreachable(const char *what, long result) __attribute__((unused));
static void unreachable(const char *what, long result)
{
	if (result >= 0)
		UNSAFE("%s works (%ld)", what, result);
	else if (errno != ENOSYS && errno != EPERM && errno != EACCES)
		UNSAFE("%s reached the kernel: %s", what, strerror(errno));
}
/* runs it in a child, for at most that long; gives the child's wait status, -1 when it did not end */
static int in_child(void (*f)(void), int seconds) __attribute__((unused));
static int in_child(void (*f)(void), int seconds)
{
	int status;
	pid_t pid = fork();
	if (!pid) {
		f();
		_exit(0);
	}
	for (int i = 0; pid > 0 && i < seconds * 100; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		usleep(10000);
	}
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	return -1;
}
