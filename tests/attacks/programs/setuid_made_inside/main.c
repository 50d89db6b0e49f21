#include "attack.h"
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/xattr.h>

int main(int argc, char **argv)
{
	if (argc > 1) {
		char b[256];
		FILE *f = fopen("/proc/self/status", "r");
		while (f && fgets(b, sizeof b, f))
			if (!strncmp(b, "Cap", 3) && strncmp(b, "CapBnd", 6) && strtoull(b + 7, 0, 16))
				UNSAFE("%s", b);
		if (getuid() != geteuid() || getgid() != getegid() || geteuid() == 0 || getegid() == 0)
			UNSAFE("ids %d %d %d %d", getuid(), geteuid(), getgid(), getegid());
		return 0;
	}
	START;
	uid_t own = getuid();
	static const uid_t others[] = { 0, 1, 999, 1001, 65534 };
	for (int i = 0; i < 5; i++) {
		uid_t u = others[i];
		if (!setuid(u) || !setresuid(u, u, u) || !setreuid(u, u) || !syscall(SYS_setresuid, -1, u, -1))
			UNSAFE("became uid %d", u);
		if (!setgid(u) || !setresgid(u, u, u) || !setregid(u, u))
			UNSAFE("became gid %d", u);
		setfsuid(u);
		if ((uid_t)setfsuid(-1) == u)
			UNSAFE("file system uid %d", u);
		gid_t g = u;
		if (!syscall(SYS_setgroups, 1, &g))
			UNSAFE("setgroups %d", g);
	}
	setfsuid(own);
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct all[2] = { { -1, -1, -1 }, { 0x1ff, 0x1ff, 0x1ff } };
	refused("capset", syscall(SYS_capset, &h, all));
	struct {
		uint32_t magic, permitted, inheritable, p2, i2;
	} v = { 0x02000001, -1, -1, -1, -1 };
	static const char *dirs[] = { "/sandbox", "/tmp", "/home/sandbox", "/dev/shm", "/var/tmp" };
	for (int i = 0; i < 5; i++) {
		char p[64], cmd[200];
		snprintf(p, sizeof p, "%s/suid", dirs[i]);
		snprintf(cmd, sizeof cmd, "cp /sandbox/main %s 2>/dev/null", p);
		system(cmd);
		if (!setxattr(p, "security.capability", &v, sizeof v, 0))
			UNSAFE("file capabilities set on %s", p);
		chown(p, -1, 0);
		chmod(p, 06755);
		if (!fork()) {
			execl(p, p, "again", (char *)0);
			_exit(0);
		}
		wait(0);
	}
	END;
	return 0;
}
