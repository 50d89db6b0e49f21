#include "attack.h"

int main(void)
{
	START;
	char b[512] = { 0 };
	uint64_t attr[4] = { 0 };
	unreachable("open_tree", syscall(428, AT_FDCWD, "/", 1 /* clone */));
	unreachable("open_tree without clone", syscall(428, AT_FDCWD, "/", 0));
	unreachable("move_mount", syscall(429, AT_FDCWD, "/tmp", AT_FDCWD, "/mnt", 0));
	unreachable("fsopen tmpfs", syscall(430, "tmpfs", 0));
	unreachable("fsopen ext4", syscall(430, "ext4", 0));
	unreachable("fsconfig", syscall(431, -1, 0, 0, 0, 0));
	unreachable("fsmount", syscall(432, -1, 0, 0));
	unreachable("fspick", syscall(433, AT_FDCWD, "/", 0));
	unreachable("mount_setattr", syscall(442, AT_FDCWD, "/", 0, attr, sizeof attr));
	unreachable("open_tree_attr", syscall(467, AT_FDCWD, "/", 1, attr, sizeof attr));
	unreachable("statmount", syscall(457, attr, b, sizeof b, 0));
	unreachable("listmount", syscall(458, attr, b, 8, 0));
	unreachable("mount", syscall(SYS_mount, 0, "/", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0));
	unreachable("umount2", syscall(SYS_umount2, "/proc/kcore", MNT_DETACH));
	unreachable("pivot_root", syscall(SYS_pivot_root, ".", "."));
	unreachable("chroot", syscall(SYS_chroot, "."));
	unreachable("quotactl", syscall(SYS_quotactl, 0x800007 << 8, 0, 0, b));
	unreachable("quotactl_fd", syscall(443, 0, 0, 0, b));
	END;
	return 0;
}
