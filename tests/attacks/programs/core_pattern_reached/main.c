#include "attack.h"

static void crash(void)
{
	prctl(PR_SET_DUMPABLE, 1);
	raise(SIGSEGV);
}
int main(void)
{
	START;
	struct rlimit r = { 0, 0 }, now;
	char b[256] = "";
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);
	(void)!read(fd, b, sizeof b - 1);
	INFO("core_pattern %s", b);
	getrlimit(RLIMIT_CORE, &now);
	INFO("RLIMIT_CORE %ld %ld", (long)now.rlim_cur, (long)now.rlim_max);
	if (now.rlim_cur != 1)
		UNSAFE("RLIMIT_CORE is %ld", (long)now.rlim_cur);
	setrlimit(RLIMIT_CORE, &r);
	r.rlim_max = 1;
	setrlimit(RLIMIT_CORE, &r);
	syscall(SYS_prlimit64, 0, RLIMIT_CORE, &r, 0);
	syscall(SYS_setrlimit, 1l << 32 | RLIMIT_CORE, &r);
	getrlimit(RLIMIT_CORE, &now);
	if (now.rlim_cur != 1)
		UNSAFE("RLIMIT_CORE is %ld now: a crash starts a handler that stands in core_pattern", (long)now.rlim_cur);
	int s = in_child(crash, 5);
	if (WIFSIGNALED(s) && WCOREDUMP(s))
		UNSAFE("a core was dumped");
	DIR *d = opendir(".");
	struct dirent *e;
	while (d && (e = readdir(d)))
		if (!strncmp(e->d_name, "core", 4))
			UNSAFE("%s", e->d_name);
	END;
	return 0;
}
