#include "attack.h"

int main(void)
{
	START;
	static const char *hidden[] = { "kcore", "kallsyms", "kmsg", "keys", "key-users", "timer_list", "sched_debug", "interrupts", "softirqs", "vmallocinfo", "slabinfo", "pagetypeinfo", "buddyinfo", "iomem", "ioports",
					"config.gz", "modules", "locks", "cmdline", "sysrq-trigger", "latency_stats", "acpi/wakeup", "scsi/scsi", "bus/pci/devices", "irq/0/smp_affinity", "fs/ext4", "driver/rtc", "kpagecount", "kpageflags", "kpagecgroup", "vmcore", "mtrr", 0 };
	static const char *roots[] = { "/proc", "/proc/self/root/proc", "/proc/self/cwd/../proc", "/proc/thread-self/../../../proc", "/proc/self/task/../../../proc", 0 };
	for (int i = 0; hidden[i]; i++) {
		for (int k = 0; roots[k]; k++) {
			char p[200], b[512];
			snprintf(p, sizeof p, "%s/%s", roots[k], hidden[i]);
			int fd = open(p, O_RDONLY | O_NONBLOCK);
			ssize_t n = fd < 0 ? -1 : read(fd, b, sizeof b);
			if (n > 0)
				UNSAFE("%s: %zd bytes: %.40s", p, n, b);
			close(fd);
			fd = open(p, O_WRONLY | O_NONBLOCK);
			struct stat st;
			if (fd >= 0 && (fstat(fd, &st) || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)))
				UNSAFE("%s opens for writing", p);
			close(fd);
			if (!unlink(p) || !rename(p, "/tmp/x") || !chmod(p, 0777))
				UNSAFE("%s changed", p);
		}
	}
	static const char *mine[] = { "uid_map", "gid_map", "projid_map", "setgroups", "loginuid", "attr/current", "attr/exec", "attr/apparmor/current", "attr/smack/current", 0 };
	for (int i = 0; mine[i]; i++) {
		char p[100];
		snprintf(p, sizeof p, "/proc/self/%s", mine[i]);
		int fd = open(p, O_RDWR);
		if (fd >= 0 && write(fd, "0 0 1\n", 6) > 0)
			UNSAFE("wrote %s", p);
		close(fd);
	}
	char b[4096] = "";
	int fd = open("/proc/self/mountinfo", O_RDONLY);
	for (ssize_t n; (n = read(fd, b, sizeof b - 1)) > 0;) {
		b[n] = 0;
		if (strstr(b, "/root") || strstr(b, "kiln-") || strstr(b, "/var/lib"))
			INFO("mountinfo tells paths of the host");
	}
	END;
	return 0;
}
