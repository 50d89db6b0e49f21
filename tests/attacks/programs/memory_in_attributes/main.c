#include "attack.h"
#include <sys/xattr.h>

int main(void)
{
	START;
	static char v[65536];
	memset(v, 'a', sizeof v);
	int kib = 0;
	for (int i = 0; i < 3000 && kib < 400 * 1024; i++) {
		char p[64];
		snprintf(p, sizeof p, "/tmp/x%d", i);
		int fd = open(p, O_RDWR | O_CREAT, 0600);
		if (fd < 0)
			break;
		for (int k = 0; k < 20; k++) {
			char n[32];
			snprintf(n, sizeof n, "user.a%d", k);
			if (fsetxattr(fd, n, v, sizeof v, 0))
				break;
			kib += 64;
		}
		close(fd);
	}
	say("MIB %d", kib / 1024);
	if (kib / 1024 > 200)
		UNSAFE("%d MiB of attributes with a limit of 128", kib / 1024);
	sleep(1);
	END;
	return 0;
}
