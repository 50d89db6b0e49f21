#include "attack.h"

int main(void)
{
	START;
	int fd = open("one", O_RDWR | O_CREAT, 0644);
	char b[1024], p[64];
	for (int i = 0; i < 1024; i++) {
		memset(b, 'a' + i % 26, sizeof b);
		(void)!write(fd, b, sizeof b);
	}
	int n = 0;
	for (; n < 5000; n++) {
		snprintf(p, sizeof p, "link-%d", n);
		if (link("one", p))
			break;
	}
	INFO("%d links", n);
	if (!link("/usr/bin/env", "image-link") || !link("/etc/passwd", "passwd-link") || !linkat(AT_FDCWD, "/proc/self/exe", AT_FDCWD, "exe-link", AT_SYMLINK_FOLLOW))
		INFO("linked something into the sandbox");
	END;
	return 0;
}
