#include "attack.h"

int main(void)
{
	START;
	signal(SIGXFSZ, SIG_IGN);
	static const char *names[] = { "trunc", "seek", "alloc", "grown" };
	for (int i = 0; i < 4; i++) {
		int fd = open(names[i], O_RDWR | O_CREAT, 0644);
		struct stat st;
		off_t tib = (off_t)1 << 40;
		if (i == 0)
			ftruncate(fd, tib);
		if (i == 1)
			pwrite(fd, "x", 1, tib);
		if (i == 2)
			fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 64 << 20);
		if (i == 3)
			for (off_t size = 1 << 20; size < tib; size *= 2)
				if (ftruncate(fd, size))
					break;
		fstat(fd, &st);
		INFO("%s: %ld", names[i], (long)st.st_size);
		if (st.st_size > 16 << 20 || st.st_blocks * 512 > 16 << 20)
			UNSAFE("%s is %ld bytes, %ld blocks", names[i], (long)st.st_size, (long)st.st_blocks);
	}
	END;
	return 0;
}
