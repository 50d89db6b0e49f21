#include "attack.h"
#include <sys/timex.h>
#include <sys/utsname.h>

int main(void)
{
	START;
	if (naked_root())
		return 1;
	static char b[4096];
	struct timeval now;
	struct timespec t;
	struct timex x = { .modes = 0 };
	struct utsname u;
	uname(&u);
	gettimeofday(&now, 0);
	unreachable("init_module", syscall(SYS_init_module, b, 16, ""));
	unreachable("finit_module", syscall(SYS_finit_module, -1, "", 0));
	unreachable("delete_module", syscall(SYS_delete_module, "no_such_module_of_kiln", O_NONBLOCK));
	unreachable("kexec_load", syscall(SYS_kexec_load, 0, 0, 0, 0xffff));
	unreachable("kexec_file_load", syscall(SYS_kexec_file_load, -1, -1, 0, "", 0));
	unreachable("reboot", syscall(SYS_reboot, 1, 2, 3, 0));
	unreachable("swapon", syscall(SYS_swapon, "/no/such", 0));
	unreachable("swapoff", syscall(SYS_swapoff, "/no/such"));
	unreachable("acct", syscall(SYS_acct, "/no/such"));
	unreachable("iopl", syscall(SYS_iopl, 0));
	unreachable("ioperm", syscall(SYS_ioperm, 0x80, 1, 0));
	unreachable("syslog size", syscall(SYS_syslog, 10, 0, 0));
	unreachable("syslog read", syscall(SYS_syslog, 3, b, sizeof b));
	unreachable("vhangup", syscall(SYS_vhangup));
	unreachable("lookup_dcookie", syscall(SYS_lookup_dcookie, 0ull, b, sizeof b));
	unreachable("modify_ldt", syscall(SYS_modify_ldt, 0, b, 64));
	unreachable("uselib", syscall(SYS_uselib, "/no/such"));
	unreachable("sysfs", syscall(SYS_sysfs, 3));
	unreachable("ustat", syscall(SYS_ustat, 0, b));
	unreachable("nfsservctl", syscall(SYS_nfsservctl, 0, 0, 0));
	unreachable("remap_file_pages", syscall(SYS_remap_file_pages, 0, 0, 0, 0, 0));
	unreachable("sethostname", sethostname(u.nodename, strlen(u.nodename)));
	unreachable("setdomainname", setdomainname(u.domainname, strlen(u.domainname)));
	clock_gettime(CLOCK_REALTIME, &t);
	unreachable("clock_settime", syscall(SYS_clock_settime, CLOCK_REALTIME, &t));
	unreachable("settimeofday", syscall(SYS_settimeofday, &now, 0));
	INFO("adjtimex read: %d", adjtimex(&x));
	x.modes = ADJ_TICK;
	if (x.tick)
		unreachable("adjtimex", syscall(SYS_adjtimex, &x));
	unreachable("clock_adjtime", syscall(SYS_clock_adjtime, CLOCK_REALTIME, &x));
	int offsets = open("/proc/self/timens_offsets", O_WRONLY);
	if (offsets >= 0)
		refused("timens_offsets", write(offsets, "monotonic 1000 0", 16));
	END;
	return 0;
}
