#include "attack.h"

int main(void)
{
	START;
	if (naked_root())
		return 1;
	char b[64];
	struct iovec here = { b, 8 }, there = { (void *)0x400000, 8 };
	struct rlimit64 {
		uint64_t a, b;
	} limit;
	unsigned long mask[16] = { 1 };
	struct sched_param param = { 0 };
	long head, len, one = 1;
	refused("ptrace attach", ptrace(PTRACE_ATTACH, 1, 0, 0));
	refused("ptrace seize", ptrace(PTRACE_SEIZE, 1, 0, 0));
	refused("process_vm_readv", process_vm_readv(1, &here, 1, &there, 1, 0));
	refused("process_vm_writev", process_vm_writev(1, &here, 1, &there, 1, 0));
	refused("prlimit get", syscall(SYS_prlimit64, 1, RLIMIT_NOFILE, 0, &limit));
	refused("prlimit set", syscall(SYS_prlimit64, 1, RLIMIT_NOFILE, &limit, 0));
	refused("setpriority", setpriority(PRIO_PROCESS, 1, 5));
	refused("sched_setaffinity", syscall(SYS_sched_setaffinity, 1, sizeof mask, mask));
	refused("sched_setscheduler", syscall(SYS_sched_setscheduler, 1, SCHED_IDLE, &param));
	refused("get_robust_list", syscall(SYS_get_robust_list, 1, &head, &len));
	refused("ioprio_set", syscall(SYS_ioprio_set, 1, 1, 3 << 13));
	refused("setpgid", setpgid(1, 1));
	refused("kcmp", syscall(SYS_kcmp, 1, getpid(), 0, 0, 0));
	refused("migrate_pages", syscall(SYS_migrate_pages, 1, 64, &one, &one));
	refused("move_pages", syscall(SYS_move_pages, 1, 0, 0, 0, 0, 0));
	int pidfd = syscall(SYS_pidfd_open, 1, 0);
	INFO("pidfd of init: %d", pidfd);
	for (int i = 0; i < 64 && pidfd >= 0; i++)
		if (syscall(SYS_pidfd_getfd, pidfd, i, 0) >= 0)
			UNSAFE("pidfd_getfd %d", i);
	refused("setns", syscall(SYS_setns, pidfd, CLONE_NEWNS | CLONE_NEWUSER));
	refused("process_madvise", syscall(SYS_process_madvise, pidfd, &there, 1, MADV_PAGEOUT, 0));
	refused("process_mrelease", syscall(SYS_process_mrelease, pidfd, 0));
	/* reaches init at most as a signal that it ignores: it must go on serving */
	for (int s = 1; s < 65; s++) {
		union sigval v = { .sival_int = s };
		kill(1, s);
		sigqueue(1, s, v);
	}
	syscall(SYS_tgkill, 1, 1, SIGSEGV);
	END;
	return 0;
}
