#include "attack.h"
#include <linux/seccomp.h>
#include <linux/securebits.h>

static void look(const char *where)
{
	char b[256];
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(b, sizeof b, f)) {
		if (!strncmp(b, "Cap", 3) && strtoull(b + 7, 0, 16))
			UNSAFE("%s: %s", where, b);
		if (!strncmp(b, "NoNewPrivs:", 11) && atoi(b + 11) != 1)
			UNSAFE("%s: %s", where, b);
		if (!strncmp(b, "Seccomp:", 8) && atoi(b + 8) != 2)
			UNSAFE("%s: %s", where, b);
	}
	if (!f)
		UNSAFE("%s: no /proc", where);
	unreachable("unshare", syscall(SYS_unshare, CLONE_NEWUSER));
	unreachable("userfaultfd", syscall(SYS_userfaultfd, 1));
}
int main(int argc, char **argv)
{
	if (argc > 1) {
		look("after exec by descriptor");
		END;
		return 0;
	}
	START;
	look("at the start");
	prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
	prctl(PR_SET_SECCOMP, 0);
	syscall(SYS_seccomp, 2, 0, 0);
	refused("PR_SET_SECUREBITS", prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS));
	refused("PR_SET_KEEPCAPS", prctl(PR_SET_KEEPCAPS, 1));
	refused("PR_SET_MM", prctl(PR_SET_MM, 1, 0x10000, 0, 0));
	for (int cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_READ, cap) == 1)
			UNSAFE("capability %d in the bounding set", cap);
		if (!prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0))
			UNSAFE("ambient capability %d", cap);
	}
	look("after prctl");
	static char b[65536];
	int in = open("/proc/self/exe", O_RDONLY), out = syscall(SYS_memfd_create, "again", 0);
	if (out < 0)
		out = open("/tmp/again", O_RDWR | O_CREAT, 0755);
	ssize_t n;
	while ((n = read(in, b, sizeof b)) > 0)
		(void)!write(out, b, n);
	if (fcntl(out, F_GETFL) >= 0) {
		char p[64];
		snprintf(p, sizeof p, "/proc/self/fd/%d", out);
		out = open(p, O_RDONLY);
	}
	char *args[] = { "again", "again", 0 }, *env[] = { 0 };
	syscall(SYS_execveat, out, "", args, env, AT_EMPTY_PATH);
	execv("/tmp/again", args);
	INFO("exec by descriptor: %s", strerror(errno));
	END;
	return 0;
}
