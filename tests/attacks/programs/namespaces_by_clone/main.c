#include "attack.h"

struct args3 {
	uint64_t flags, pidfd, child, parent, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
static void made(const char *how, unsigned long flags, long pid)
{
	if (pid == 0)
		_exit(0);
	if (pid > 0) {
		UNSAFE("%s with flags %lx", how, flags);
		waitpid(pid, 0, __WALL);
	}
}
int main(void)
{
	START;
	static const unsigned long spaces[] = { CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, 0x02000000, 0x80 };
	for (int i = 0; i < 8; i++) {
		unsigned long f = spaces[i];
		/* 0x80, time, is part of the exit signal in clone, and only a flag in clone3 and unshare */
		if (f != 0x80) {
			made("clone", f, syscall(SYS_clone, f | SIGCHLD, 0, 0, 0, 0));
			made("clone as user", f, syscall(SYS_clone, f | CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
			for (int bit = 32; bit < 64; bit++)
				made("clone with high bits", f | 1ul << bit, syscall(SYS_clone, f | SIGCHLD | 1ul << bit, 0, 0, 0, 0));
		}
		struct args3 a = { .flags = f, .exit_signal = SIGCHLD };
		made("clone3", f, syscall(SYS_clone3, &a, sizeof a));
		a.flags |= CLONE_NEWUSER;
		made("clone3 as user", f, syscall(SYS_clone3, &a, sizeof a));
		if (!syscall(SYS_unshare, f))
			UNSAFE("unshare %lx", f);
		if (!syscall(SYS_unshare, f | CLONE_NEWUSER))
			UNSAFE("unshare %lx as user", f);
	}
	struct args3 into = { .flags = 0x200000000ull, .exit_signal = SIGCHLD, .cgroup = open("/", O_RDONLY) };
	made("clone3 into a cgroup", 0, syscall(SYS_clone3, &into, sizeof into));
	pid_t chosen = 12345;
	struct args3 tid = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&chosen, .set_tid_size = 1 };
	made("clone3 with a chosen pid", 0, syscall(SYS_clone3, &tid, sizeof tid));
	DIR *d = opendir("/proc/self/ns");
	struct dirent *e;
	while (d && (e = readdir(d))) {
		int fd = openat(dirfd(d), e->d_name, O_RDONLY);
		if (e->d_name[0] != '.' && !syscall(SYS_setns, fd, 0))
			UNSAFE("setns %s", e->d_name);
	}
	END;
	return 0;
}
