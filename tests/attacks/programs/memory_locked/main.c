#include "attack.h"

int main(void)
{
	START;
	size_t mib = 1 << 20;
	char *p = mmap(0, 4 * mib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	refused("mlock of 1 MiB", mlock(p, mib));
	refused("mlock2 of 1 MiB", syscall(SYS_mlock2, p, mib, 1));
	refused("mlockall", mlockall(MCL_CURRENT | MCL_FUTURE));
	if (mmap(0, mib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) != MAP_FAILED)
		UNSAFE("MAP_LOCKED of 1 MiB");
	void *huge = mmap(0, 2 * mib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (huge != MAP_FAILED)
		UNSAFE("a huge page of the host's pool");
	int id = shmget(IPC_PRIVATE, mib, 0600 | IPC_CREAT);
	if (id >= 0 && !shmctl(id, SHM_LOCK, 0))
		UNSAFE("SHM_LOCK of 1 MiB");
	struct rlimit r = { 1 << 30, 1 << 30 };
	refused("raise RLIMIT_MEMLOCK", setrlimit(RLIMIT_MEMLOCK, &r));
	END;
	return 0;
}
