#include "attack.h"

int main(int argc, char **argv)
{
	if (argc > 1)
		return 0;
	START;
	char p[300], to[300];
	for (int pid = 1; pid < 200; pid++) {
		snprintf(p, sizeof p, "/proc/%d/exe", pid);
		ssize_t n = readlink(p, to, sizeof to - 1);
		if (n < 0)
			continue;
		to[n] = 0;
		if (pid != getpid())
			UNSAFE("%s is %s", p, to);
	}
	static const char *files[] = { "/usr/bin/env", "/bin/sh", "/usr/bin/python3", "/lib64/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu/libc.so.6", "/etc/passwd", "/etc/ld.so.cache", "/dev/null", "/proc/self/exe/../env", 0 };
	for (int i = 0; files[i]; i++) {
		struct stat st;
		if (i == 7) {
			/* the device itself may be written, never replaced */
			if (!unlink(files[i]) || !rename("/dev/null", "/dev/null2") || !chmod(files[i], 0777))
				UNSAFE("/dev/null changed");
			continue;
		}
		int fd = open(files[i], O_RDWR);
		if (fd >= 0)
			UNSAFE("%s opens for writing", files[i]);
		fd = open(files[i], O_RDONLY);
		if (fd >= 0 && mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED)
			UNSAFE("%s is mapped for writing", files[i]);
		if (fd >= 0 && (!fchmod(fd, 0777) || !fchown(fd, getuid(), -1) || !futimens(fd, 0) || !truncate(files[i], 1l << 40)))
			UNSAFE("%s changed", files[i]);
		if (!lstat(files[i], &st) && (!rename(files[i], "/tmp/stolen") || !link(files[i], "/usr/bin/kiln-link")))
			UNSAFE("%s moved", files[i]);
	}
	static const char *dirs[] = { "/", "/usr", "/usr/bin", "/usr/lib", "/etc", "/dev", "/proc", "/run", "/var", "/home", "/sys", 0 };
	for (int i = 0; dirs[i]; i++)
		if (open(dirs[i], O_TMPFILE | O_RDWR, 0600) >= 0)
			UNSAFE("a file without a name in %s", dirs[i]);
	FILE *f = fopen("/tmp/script", "w");
	fputs("#!/proc/self/exe\n", f);
	fclose(f);
	chmod("/tmp/script", 0755);
	if (!fork()) {
		execl("/tmp/script", "script", (char *)0);
		_exit(0);
	}
	wait(0);
	END;
	return 0;
}
