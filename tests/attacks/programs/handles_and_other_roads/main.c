#include "attack.h"

static void same_root(const char *p)
{
	struct stat a, b;
	if (!stat("/", &a) && !stat(p, &b) && (a.st_dev != b.st_dev || a.st_ino != b.st_ino))
		UNSAFE("%s is another root", p);
}
int main(void)
{
	START;
	struct {
		struct file_handle h;
		char b[128];
	} f = { .h.handle_bytes = 128 };
	int mount;
	unreachable("name_to_handle_at", syscall(SYS_name_to_handle_at, AT_FDCWD, "/", &f, &mount, 0));
	f.h.handle_bytes = 8;
	f.h.handle_type = 1;
	f.h.f_handle[0] = 2;
	unreachable("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, &f, 0));
	same_root("/..");
	same_root("/proc/self/root");
	same_root("/proc/self/root/../..");
	same_root("/proc/thread-self/root");
	same_root("/proc/self/cwd/../../../../../../..");
	for (int fd = 3; fd < 256; fd++) {
		char p[64];
		snprintf(p, sizeof p, "/proc/self/fd/%d", fd);
		if (!chdir(p))
			UNSAFE("descriptor %d is a folder", fd);
		if (openat(fd, "../../../../../../../../..", O_PATH) >= 0)
			UNSAFE("descriptor %d leads somewhere", fd);
	}
	mkdir("/tmp/gone", 0755);
	chdir("/tmp/gone");
	rmdir("/tmp/gone");
	int up = open("..", O_PATH | O_DIRECTORY);
	char b[PATH_MAX];
	INFO("cwd %s, up %d", getcwd(b, sizeof b) ? b : strerror(errno), up);
	chdir("/sandbox");
	if (getcwd(b, sizeof b) && b[0] != '/')
		UNSAFE("cwd %s", b);
	static const char *secret[] = { "@CANARY_FILE@", "/proc/self/root@CANARY_FILE@", "/proc/self/cwd/../@CANARY_FILE@", "/proc/1/root@CANARY_FILE@", "/proc/1/cwd@CANARY_FILE@",
					"/../../..@CANARY_FILE@", "//@CANARY_FILE@", "/dev/fd/../../..@CANARY_FILE@", "/var/tmp/../../@CANARY_FILE@" };
	for (size_t i = 0; i < sizeof secret / sizeof *secret; i++) {
		int fd = open(secret[i], O_RDONLY);
		if (fd >= 0)
			UNSAFE("%s opens", secret[i]);
	}
	END;
	return 0;
}
