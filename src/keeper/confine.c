/*
 * What the keeper gives up, as root, before it listens to anybody. (Rootless it has nothing, and newuidmap
 * needs its
 * setuid bit.)
 *
 * Capabilities: to the ones in the table, for good, in its bounding set too, so that whatever it starts has
 * no more (a
 * sandbox's user namespace has full sets of its own, which mean nothing outside it). System calls: those that
 * neither the
 * keeper nor anything it starts has any business with. An allow-list is not possible here, since a filter is
 * inherited
 * and the payloads' own, far stricter one comes on top.
 */
#include "keeper/keeper_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const uint8_t kept_capabilities[] = {
	CAP_SYS_ADMIN,	      /* namespaces and mounts */
	CAP_NET_ADMIN,	      /* loopback of a sandbox */
	CAP_SETUID,	      /* supervisors, uid maps */
	CAP_SETGID,	      /* likewise */
	CAP_SETPCAP,	      /* giving up bounding sets */
	CAP_MKNOD,	      /* /dev of a sandbox */
	CAP_CHOWN,	      /* scratch folders, cgroup.procs */
	CAP_DAC_OVERRIDE,     /* cgroup folders, mount points of others */
	CAP_FOWNER,	      /* modes of the scratch folders */
	CAP_KILL,	      /* ending sandboxes, which are other uids */
	CAP_SYS_PTRACE,	      /* /proc/<pid>/uid_map of an undumpable child */
	CAP_SYS_CHROOT,	      /* going into the mount namespace of a session, or of a template */
	CAP_NET_BIND_SERVICE, /* the front's ports below 1024 */
};

static const char *const refused_calls[] = {
	"acct",
	"add_key",
	"bpf",
	"clock_adjtime",
	"clock_settime",
	"create_module",
	"delete_module",
	"finit_module",
	"get_kernel_syms",
	"init_module",
	"io_uring_enter",
	"io_uring_register",
	"io_uring_setup",
	"ioperm",
	"iopl",
	"kexec_file_load",
	"kexec_load",
	"lookup_dcookie",
	"memfd_secret",
	"modify_ldt",
	"name_to_handle_at",
	"nfsservctl",
	"open_by_handle_at",
	"perf_event_open",
	"query_module",
	"quotactl",
	"quotactl_fd",
	"reboot",
	"request_key",
	"settimeofday",
	"swapoff",
	"swapon",
	"syslog",
	"uselib",
	"userfaultfd",
	"ustat",
	"vhangup",
};

static int drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct have[2], keep[2] = { 0 };

	if (syscall(SYS_capget, &header, have) < 0)
		return err_set(err, -errno, "read capabilities");
	for (size_t i = 0; i < ARRAY_LEN(kept_capabilities); i++) {
		uint32_t bit = 1u << (kept_capabilities[i] % 32);

		keep[kept_capabilities[i] / 32].permitted |= have[kept_capabilities[i] / 32].permitted & bit;
	}
	for (int cap = 0; cap < 64; cap++) {
		if (keep[cap / 32].permitted & 1u << (cap % 32))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return err_set(err, -errno, "give up capability %d", cap);
	}
	for (int i = 0; i < 2; i++)
		keep[i].effective = keep[i].permitted;
	return syscall(SYS_capset, &header, keep) < 0 ? err_set(err, -errno, "give up capabilities") : 0;
}

static int refuse_calls(struct err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_LEN(refused_calls) && r == 0; i++) {
		int number = seccomp_syscall_resolve_name(refused_calls[i]);

		if (number >= 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), number, 0);
	}
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 1);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? err_set(err, r, "load the keeper's system call filter") : 0;
}

int keeper_confine(struct err *err)
{
	int r = drop_capabilities(err);

	return r < 0 ? r : refuse_calls(err);
}
