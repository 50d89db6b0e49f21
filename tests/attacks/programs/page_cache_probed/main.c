#include "attack.h"

int main(void)
{
	START;
	struct {
		uint64_t off, len;
	} range = { 0, 1 << 20 };
	uint64_t stat[8] = { 0 };
	int fd = open("/usr/bin/env", O_RDONLY);
	unreachable("cachestat", syscall(451, fd, &range, stat, 0));
	/* asking for what is cached only tells whether the advice has thrown the page out for everybody */
	char page[4096];
	struct iovec v = { page, sizeof page };
	(void)!pread(fd, page, sizeof page, 0);
	ssize_t before = preadv2(fd, &v, 1, 0, RWF_NOWAIT);
	INFO("fadvise: %d, read without waiting: %zd", posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), before);
	if (before > 0 && preadv2(fd, &v, 1, 0, RWF_NOWAIT) < 0 && errno == EAGAIN)
		UNSAFE("a page of the image is out of the cache for all");
	/* a file of which surely not every page is cached: mincore says all or nothing when the file is not ours */
	static const char *files[] = { "/usr/bin/env", "/usr/bin/python3", "/usr/bin/perl", "/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/bin/gcc", "/usr/bin/git" };
	for (int i = 0; i < 6; i++) {
		struct stat st;
		int f = open(files[i], O_RDONLY);
		if (f < 0 || fstat(f, &st))
			continue;
		size_t pages = (st.st_size + 4095) / 4096, in = 0;
		unsigned char *seen = malloc(pages);
		void *p = mmap(0, st.st_size, PROT_READ, MAP_SHARED, f, 0);
		if (p == MAP_FAILED || mincore(p, st.st_size, seen))
			continue;
		for (size_t k = 0; k < pages; k++)
			in += seen[k] & 1;
		INFO("%s: %zu of %zu", files[i], in, pages);
		if (in != 0 && in != pages)
			UNSAFE("mincore tells which pages of %s are cached", files[i]);
		close(f);
	}
	END;
	return 0;
}
