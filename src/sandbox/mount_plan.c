#include "sandbox/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PASSWD                                                                                               \
	"root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"                                                   \
	"sandbox:x:1000:1000:sandbox:/home/sandbox:/bin/bash\n"                                              \
	"sandbox:x:41966:51966:sandbox:/home/sandbox:/bin/bash\n"                                            \
	"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
#define GROUP	 "root:x:0:\nsandbox:x:1000:\nsandbox:x:51966:\nnogroup:x:65534:\n"
#define HOSTS	 "127.0.0.1 localhost kiln\n::1 localhost kiln\n"
#define NSSWITCH "passwd: files\ngroup: files\nhosts: files\n"

#define WRITABLE (MS_NOSUID | MS_NODEV)
#define QUIET	 (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* Before the host's folders: the skeleton of the root and /etc. */
static const struct mount_op head[] = {
	{ MOUNT_DIR, "empty", NULL, 0555 },
	{ MOUNT_DIR, "usr", NULL, 0755 },
	{ MOUNT_OVERLAY, "usr", "/usr", 0 },
	{ MOUNT_DIR, "etc", NULL, 0755 },
	{ MOUNT_TEXT, "etc/passwd", PASSWD, 0 },
	{ MOUNT_USER, "etc/passwd", NULL, 0 },
	{ MOUNT_TEXT, "etc/group", GROUP, 0 },
	{ MOUNT_TEXT, "etc/hosts", HOSTS, 0 },
	{ MOUNT_TEXT, "etc/hostname", "kiln\n", 0 },
	{ MOUNT_TEXT, "etc/nsswitch.conf", NSSWITCH, 0 },
	{ MOUNT_TEXT, "etc/resolv.conf", "", 0 },
	{ MOUNT_COPY, "etc/ld.so.cache", "/etc/ld.so.cache", 0 },
	{ MOUNT_DIR, "etc/alternatives", NULL, 0755 },
	{ MOUNT_OVERLAY, "etc/alternatives", "/etc/alternatives", 0 },
};

/* After them: what can be written. */
static const struct mount_op writable[] = {
	/* The scratch as a whole stands where /proc will cover it: to unmount it would wait for the whole machine. */
	{ MOUNT_DIR, "proc", NULL, 0555 },
	{ MOUNT_SCRATCH, "proc", NULL, 0 },
	{ MOUNT_DIR, "sandbox", NULL, 0755 },
	{ MOUNT_HOME, "sandbox", "proc/sandbox", WRITABLE },
	{ MOUNT_SESSION, "sandboxes", NULL, 0 },
	{ MOUNT_SESSION, "sandboxes", "session", 0 },
	{ MOUNT_DIR, "tmp", NULL, 0755 },
	{ MOUNT_PART, "tmp", "proc/tmp", WRITABLE },
	{ MOUNT_DIR, "home", NULL, 0755 },
	{ MOUNT_DIR, "home/sandbox", NULL, 0755 },
	{ MOUNT_PART, "home/sandbox", "proc/home", WRITABLE },
	{ MOUNT_DIR, "var", NULL, 0755 },
	{ MOUNT_DIR, "var/tmp", NULL, 0755 },
	{ MOUNT_PART, "var/tmp", "proc/vartmp", QUIET },
	{ MOUNT_DIR, "dev", NULL, 0755 },
};

static const struct mount_op devices[] = {
	{ MOUNT_DEV, "dev", NULL, 0 },
	{ MOUNT_NODE, "dev/null", "/dev/null", 0 },
	{ MOUNT_NODE, "dev/zero", "/dev/zero", 0 },
	{ MOUNT_NODE, "dev/full", "/dev/full", 0 },
	{ MOUNT_NODE, "dev/random", "/dev/random", 0 },
	{ MOUNT_NODE, "dev/urandom", "/dev/urandom", 0 },
	{ MOUNT_LINK, "dev/fd", "/proc/self/fd", 0 },
	{ MOUNT_LINK, "dev/stdin", "/proc/self/fd/0", 0 },
	{ MOUNT_LINK, "dev/stdout", "/proc/self/fd/1", 0 },
	{ MOUNT_LINK, "dev/stderr", "/proc/self/fd/2", 0 },
	{ MOUNT_TTY, "dev/pts", NULL, 0 },
	{ MOUNT_DIR, "dev/shm", NULL, 0755 },
};

static const struct mount_op host_system[] = {
	{ MOUNT_PART, "dev/shm", "proc/shm", QUIET },
	{ MOUNT_DIR, "run", NULL, 0755 },
	{ MOUNT_DIR, "sys", NULL, 0555 },
	{ MOUNT_FOLDERS, ".", NULL, 0 },
	{ MOUNT_FOLDERS, ".", "proc/folder", 0 },
	{ MOUNT_PROC, "proc", NULL, 0 },
	{ MOUNT_HIDDEN, "hidden", NULL, 0 },
};

/* What /proc tells of the host; in the end all that is not scratch becomes read-only. */
static const struct mount_op walls[] = {
	{ MOUNT_HIDE, "proc/acpi", NULL, 1 },	      { MOUNT_HIDE, "proc/asound", NULL, 1 },
	{ MOUNT_MASK, "proc/buddyinfo", NULL, 0 },    { MOUNT_HIDE, "proc/bus", NULL, 1 },
	{ MOUNT_MASK, "proc/cmdline", NULL, 0 },      { MOUNT_MASK, "proc/config.gz", NULL, 0 },
	{ MOUNT_HIDE, "proc/driver", NULL, 1 },	      { MOUNT_HIDE, "proc/fs", NULL, 1 },
	{ MOUNT_MASK, "proc/interrupts", NULL, 0 },   { MOUNT_HIDE, "proc/iomem", NULL, 0 },
	{ MOUNT_HIDE, "proc/ioports", NULL, 0 },      { MOUNT_HIDE, "proc/irq", NULL, 1 },
	{ MOUNT_HIDE, "proc/kallsyms", NULL, 0 },     { MOUNT_HIDE, "proc/kcore", NULL, 0 },
	{ MOUNT_HIDE, "proc/key-users", NULL, 0 },    { MOUNT_HIDE, "proc/keys", NULL, 0 },
	{ MOUNT_HIDE, "proc/kmsg", NULL, 0 },	      { MOUNT_HIDE, "proc/latency_stats", NULL, 0 },
	{ MOUNT_MASK, "proc/locks", NULL, 0 },	      { MOUNT_MASK, "proc/modules", NULL, 0 },
	{ MOUNT_MASK, "proc/pagetypeinfo", NULL, 0 }, { MOUNT_HIDE, "proc/sched_debug", NULL, 0 },
	{ MOUNT_HIDE, "proc/scsi", NULL, 1 },	      { MOUNT_HIDE, "proc/slabinfo", NULL, 0 },
	{ MOUNT_MASK, "proc/softirqs", NULL, 0 },     { MOUNT_HIDE, "proc/sysrq-trigger", NULL, 0 },
	{ MOUNT_HIDE, "proc/timer_list", NULL, 0 },   { MOUNT_HIDE, "proc/timer_stats", NULL, 0 },
	{ MOUNT_HIDE, "proc/vmallocinfo", NULL, 0 },  { MOUNT_SEAL, "dev", NULL, MS_NOSUID | MS_NOEXEC },
	{ MOUNT_SEAL, "proc", NULL, QUIET },	      { MOUNT_SEAL, ".", NULL, MS_NOSUID | MS_NODEV },
};

/*
 * A stored image: `top` holds what is ours, and lies over the image's files in one overlay. A folder there is a folder
 * in the result, whatever the image has in its place. What stands beside `root` goes when it becomes the root.
 */
static const struct mount_op image_top[] = {
	{ MOUNT_DIR, "top", NULL, 0755 },
	{ MOUNT_DIR, "top/empty", NULL, 0555 },
	{ MOUNT_HIDDEN, "top/hidden", NULL, 0 },
	{ MOUNT_DIR, "top/etc", NULL, 0755 },
	{ MOUNT_USER, "top/etc/passwd", "etc/passwd", 0 },
	{ MOUNT_TEXT, "top/etc/hosts", HOSTS, 0 },
	{ MOUNT_TEXT, "top/etc/hostname", "kiln\n", 0 },
	{ MOUNT_TEXT, "top/etc/resolv.conf", "", 0 },
	{ MOUNT_DIR, "top/sandbox", NULL, 0755 },
	{ MOUNT_DIR, "top/tmp", NULL, 0755 },
	{ MOUNT_DIR, "top/home", NULL, 0755 },
	{ MOUNT_DIR, "top/home/sandbox", NULL, 0755 },
	{ MOUNT_DIR, "top/var", NULL, 0755 },
	{ MOUNT_DIR, "top/var/tmp", NULL, 0755 },
	{ MOUNT_DIR, "top/dev", NULL, 0755 },
	{ MOUNT_DIR, "top/run", NULL, 0755 },
	{ MOUNT_DIR, "top/sys", NULL, 0555 },
	{ MOUNT_DIR, "top/proc", NULL, 0555 },
	{ MOUNT_SESSION, "top/sandboxes", NULL, 0 },
	{ MOUNT_FOLDERS, "top", NULL, 0 },
	{ MOUNT_DIR, "scratch", NULL, 0700 },
	{ MOUNT_SCRATCH, "scratch", NULL, 0 },
	{ MOUNT_DIR, "root", NULL, 0755 },
	{ MOUNT_IMAGE, "root", "top", 0 },
	{ MOUNT_ENTER, "root", NULL, 0 },
	{ MOUNT_HOME, "sandbox", "../scratch/sandbox", WRITABLE },
	{ MOUNT_SESSION, "sandboxes", "session", 0 },
	{ MOUNT_PART, "tmp", "../scratch/tmp", WRITABLE },
	{ MOUNT_PART, "home/sandbox", "../scratch/home", WRITABLE },
	{ MOUNT_PART, "var/tmp", "../scratch/vartmp", QUIET },
	{ MOUNT_FOLDERS, ".", "../scratch/folder", 0 },
};

static const struct mount_op image_system[] = {
	{ MOUNT_PART, "dev/shm", "../scratch/shm", QUIET },
	{ MOUNT_PROC, "proc", NULL, 0 },
};

static int add(struct mount_plan *plan, const struct mount_op *op)
{
	if (plan->count == MOUNT_OPS_MAX)
		return -ENOSPC;
	plan->ops[plan->count++] = *op;
	return 0;
}

static int add_all(struct mount_plan *plan, const struct mount_op *ops, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = add(plan, &ops[i]);
	return r;
}

/* /bin and its kin: a link to below /usr on a merged system, else a folder of their own; nothing where none is. */
static int add_top_folder(struct mount_plan *plan, const char *path)
{
	struct mount_op dir = { MOUNT_DIR, path + 1, NULL, 0755 };
	struct mount_op overlay = { MOUNT_OVERLAY, path + 1, path, 0 };
	struct mount_op link = { MOUNT_LINK, path + 1, NULL, 0 };
	static const struct {
		const char *to;
	} known[] = { { "usr/bin" },   { "usr/sbin" },	{ "usr/lib" },
		      { "usr/lib32" }, { "usr/lib64" }, { "usr/libx32" } };
	char to[64];
	struct stat st;
	ssize_t n;
	int r;

	if (lstat(path, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode)) {
		r = add(plan, &dir);
		return r < 0 ? r : add(plan, &overlay);
	}
	n = readlink(path, to, sizeof(to) - 1);
	if (n <= 0)
		return 0;
	to[n] = '\0';
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(to + (to[0] == '/'), known[i].to) == 0)
			link.source = known[i].to;
	}
	return link.source ? add(plan, &link) : 0;
}

int mount_plan_host(struct mount_plan *plan, struct err *err)
{
	/* Debian keeps in /etc what a JDK below /usr/lib/jvm cannot do without: its list of providers of security. */
	static const char *const folders[] = { "/bin",
					       "/sbin",
					       "/lib",
					       "/lib32",
					       "/lib64",
					       "/libx32",
					       "/etc/java-11-openjdk",
					       "/etc/java-17-openjdk",
					       "/etc/java-21-openjdk",
					       "/etc/java-25-openjdk" };
	int r;

	plan->count = 0;
	plan->covers = "";
	r = add_all(plan, head, sizeof(head) / sizeof(head[0]));
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && r == 0; i++)
		r = add_top_folder(plan, folders[i]);
	if (r == 0)
		r = add_all(plan, writable, sizeof(writable) / sizeof(writable[0]));
	if (r == 0)
		r = add_all(plan, devices, sizeof(devices) / sizeof(devices[0]));
	if (r == 0)
		r = add_all(plan, host_system, sizeof(host_system) / sizeof(host_system[0]));
	if (r == 0)
		r = add_all(plan, walls, sizeof(walls) / sizeof(walls[0]));
	return r < 0 ? err_set(err, r, "mount plan of the host image") : 0;
}

int mount_plan_image(struct mount_plan *plan, struct err *err)
{
	int r;

	plan->count = 0;
	plan->covers = "../top/";
	r = add_all(plan, image_top, sizeof(image_top) / sizeof(image_top[0]));
	if (r == 0)
		r = add_all(plan, devices, sizeof(devices) / sizeof(devices[0]));
	if (r == 0)
		r = add_all(plan, image_system, sizeof(image_system) / sizeof(image_system[0]));
	if (r == 0)
		r = add_all(plan, walls, sizeof(walls) / sizeof(walls[0]));
	return r < 0 ? err_set(err, r, "mount plan of stored images") : 0;
}

const char *mount_kind_name(enum mount_kind kind)
{
	static const char *const names[MOUNT_KIND_COUNT] = {
		[MOUNT_DIR] = "make the folder",
		[MOUNT_LINK] = "make the link",
		[MOUNT_TEXT] = "write",
		[MOUNT_COPY] = "copy to",
		[MOUNT_IMAGE] = "mount the stored image at",
		[MOUNT_ENTER] = "go into",
		[MOUNT_OVERLAY] = "mount the image at",
		[MOUNT_SCRATCH] = "mount the scratch at",
		[MOUNT_PART] = "bind the scratch to",
		[MOUNT_HOME] = "bind the scratch or a user's home to",
		[MOUNT_SESSION] = "mount the session's files at",
		[MOUNT_USER] = "add the session's user to",
		[MOUNT_FOLDERS] = "make the service's folders below",
		[MOUNT_DEV] = "mount devices at",
		[MOUNT_NODE] = "make the device",
		[MOUNT_TTY] = "mount terminals at",
		[MOUNT_PROC] = "mount proc at",
		[MOUNT_MASK] = "mask",
		[MOUNT_HIDDEN] = "make the cover",
		[MOUNT_HIDE] = "hide",
		[MOUNT_SEAL] = "make read-only",
		[MOUNT_ROOT] = "change the root (is kiln in a chroot?)",
	};

	return names[kind];
}
