#include "attack.h"

int main(void)
{
	START;
	static const struct {
		const char *name;
		int mode, major, minor;
	} nodes[] = { { "mem", S_IFCHR, 1, 1 },	    { "kmem", S_IFCHR, 1, 2 },	 { "port", S_IFCHR, 1, 4 },    { "kmsg", S_IFCHR, 1, 11 }, { "vda", S_IFBLK, 254, 0 }, { "sda", S_IFBLK, 8, 0 },	 { "nvme0n1", S_IFBLK, 259, 0 },
		      { "loop0", S_IFBLK, 7, 0 },  { "cpu", S_IFCHR, 202, 0 },	 { "kvm", S_IFCHR, 10, 232 },  { "fuse", S_IFCHR, 10, 229 }, { "tun", S_IFCHR, 10, 200 }, { "loop-control", S_IFCHR, 10, 237 }, { "hpet", S_IFCHR, 10, 228 },
		      { "rtc0", S_IFCHR, 249, 0 }, { "mapper", S_IFCHR, 10, 236 }, { "null", S_IFCHR, 1, 3 } };
	static const char *dirs[] = { "/sandbox", "/tmp", "/home/sandbox", "/dev/shm", "/var/tmp", "/dev" };
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
		char p[100];
		snprintf(p, sizeof p, "/dev/%s", nodes[i].name);
		if (strcmp(nodes[i].name, "null") && open(p, O_RDONLY | O_NONBLOCK) >= 0)
			UNSAFE("%s opens", p);
		for (int k = 0; k < 6; k++) {
			snprintf(p, sizeof p, "%s/node-%s", dirs[k], nodes[i].name);
			if (!mknod(p, nodes[i].mode | 0666, makedev(nodes[i].major, nodes[i].minor)))
				UNSAFE("made %s", p);
			if (open(p, O_RDONLY | O_NONBLOCK) >= 0)
				UNSAFE("%s opens", p);
		}
	}
	DIR *d = opendir("/dev");
	struct dirent *e;
	static const char *known[] = { ".", "..", "null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout", "stderr", "shm", 0 };
	while (d && (e = readdir(d))) {
		int k = 0;
		while (known[k] && strcmp(known[k], e->d_name))
			k++;
		if (!known[k])
			UNSAFE("/dev/%s", e->d_name);
	}
	END;
	return 0;
}
