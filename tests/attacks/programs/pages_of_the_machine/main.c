#include "attack.h"

#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#endif

int main(void)
{
	START;
	size_t size = 2 << 20;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
	for (int shift = 0; shift <= 34; shift++)
		refused("huge pages", mmap(0, size, PROT_READ | PROT_WRITE, flags | shift << 26, -1, 0) == MAP_FAILED ? -1 : shift);
	refused("huge pages, shared", mmap(0, size, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0) == MAP_FAILED ? -1 : 0);
	/* made without one page of the pool, so that these tell where the pool is empty too */
	refused("a file of huge pages", syscall(SYS_memfd_create, "huge", 4));
	refused("a file of huge pages of 1 GiB", syscall(SYS_memfd_create, "huge", 4 | 30 << 26));
	refused("a segment of huge pages", shmget(IPC_PRIVATE, size, IPC_CREAT | 04000 | 0600));
	char *own = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(own, 1, size);
	refused("MADV_MERGEABLE", madvise(own, size, MADV_MERGEABLE));
	refused("MADV_MERGEABLE, high bits", syscall(SYS_madvise, own, size, 1l << 32 | MADV_MERGEABLE));
	refused("PR_SET_MEMORY_MERGE", prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0));
	if (prctl(68, 0, 0, 0, 0) == 1)
		UNSAFE("its pages are merged");
	refused("MADV_HWPOISON", madvise(own, 4096, 100));
	refused("MADV_SOFT_OFFLINE", madvise(own, 4096, 101));
	END;
	return 0;
}
