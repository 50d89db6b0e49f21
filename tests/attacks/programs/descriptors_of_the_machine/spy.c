#include "attack.h"

int main(void)
{
	START;
	for (int i = 0; i < 100; i++) {
		int p[2], fd;
		char f[32];
		pid_t pid = fork();
		if (!pid)
			_exit(0);
		if (pid < 0)
			UNSAFE("fork: %s", strerror(errno));
		waitpid(pid, 0, 0);
		snprintf(f, sizeof f, "f%d", i);
		if (pipe(p) || (fd = open(f, O_CREAT | O_RDWR, 0600)) < 0 || write(fd, f, 3) != 3)
			UNSAFE("pipe or file: %s", strerror(errno));
	}
	END;
	return 0;
}
