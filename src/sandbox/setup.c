#include "sandbox/setup.h"

#include "base/fd.h"
#include "wire/init_config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80 /* not in every sched.h */
#endif

const char *setup_stage_name(unsigned stage)
{
	static const char *const names[SETUP_STAGE_COUNT] = {
		[SETUP_START] = "start",
		[SETUP_DEATH_SIGNAL] = "tie its life to the keeper's",
		[SETUP_SESSION] = "make a session",
		[SETUP_CGROUP] = "enter its control groups",
		[SETUP_NETWORK] = "enter its network namespace",
		[SETUP_HOST_PROC] = "open /proc",
		[SETUP_FILES] = "reach the session's files",
		[SETUP_MOUNT] = "mount",
		[SETUP_DISK] = "hand over the scratch",
		[SETUP_LOOPBACK] = "bring up the loopback interface",
		[SETUP_HOSTNAME] = "set the host name",
		[SETUP_RLIMIT] = "set resource limits",
		[SETUP_GROUPS] = "give up supplementary groups",
		[SETUP_CREDENTIALS] = "become the sandbox's supervisor",
		[SETUP_USER_NAMESPACE] = "make a user namespace",
		[SETUP_CAPABILITIES] = "keep capabilities for init",
		[SETUP_DESCRIPTORS] = "arrange descriptors",
		[SETUP_EXEC] = "execute init",
	};

	return stage < SETUP_STAGE_COUNT ? names[stage] : "unknown stage";
}

static void copy_text(char *to, size_t size, const char *a, const char *b)
{
	size_t used = strlen(a), more = strlen(b);

	if (used > size - 2)
		used = size - 2;
	memcpy(to, a, used);
	to[used++] = ' ';
	if (more > size - 1 - used)
		more = size - 1 - used;
	memcpy(to + used, b, more);
	to[used + more] = '\0';
}

static _Noreturn void fail(const struct setup *setup, enum setup_stage stage, int error,
			   const struct mount_op *op)
{
	struct setup_report report = { .stage = (uint32_t)stage, .error = error };

	if (op)
		copy_text(report.what, sizeof(report.what), mount_kind_name(op->kind), op->target);
	send(setup->sync_fd, &report, sizeof(report), MSG_NOSIGNAL);
	_exit(1);
}

/* End of file: the keeper is gone. */
static void wait_for_keeper(const struct setup *setup)
{
	char byte;

	while (recv(setup->sync_fd, &byte, 1, 0) != 1) {
		if (errno != EINTR)
			_exit(1);
		errno = 0;
	}
}

static int raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0) {
		r = -errno;
	} else {
		request.ifr_flags |= IFF_UP | IFF_RUNNING;
		if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
			r = -errno;
	}
	close(fd);
	return r;
}

/* Best effort: a read-only or masked /proc/sys only takes a second wall away. */
static void write_sysctl(int proc_fd, const char *file, const char *text)
{
	int fd = openat(proc_fd, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		errno = 0;
	close(fd);
}

/* A user namespace records these as the most that anybody in it may have. */
static int lower_rlimits(void)
{
	static const struct {
		__rlimit_resource_t which;
		rlim_t value;
	} table[] = { { RLIMIT_MEMLOCK, 64 * 1024 },
		      { RLIMIT_MSGQUEUE, 64 * 1024 },
		      { RLIMIT_SIGPENDING, 256 } };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct rlimit now;

		if (getrlimit(table[i].which, &now) < 0)
			return -errno;
		if (now.rlim_max > table[i].value)
			now.rlim_max = table[i].value;
		now.rlim_cur = now.rlim_max;
		if (setrlimit(table[i].which, &now) < 0)
			return -errno;
	}
	return 0;
}

/*
 * As the supervisor's uid, not as root: limits that the kernel counts for the creator of a user namespace
 * (inotify, …) must not be root's. CAP_SYS_ADMIN is kept over the change for hosts that let nobody else
 * make user namespaces.
 */
static void make_user_namespace(const struct setup *setup)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { 0 };
	struct setup_report map_me = { .kind = SETUP_REPORT_MAP };
	uid_t id = setup->supervisor;

	if (syscall(SYS_setgroups, 0, NULL) < 0)
		fail(setup, SETUP_GROUPS, errno, NULL);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || syscall(SYS_setresgid, id, id, id) < 0 ||
	    syscall(SYS_setresuid, id, id, id) < 0)
		fail(setup, SETUP_CREDENTIALS, errno, NULL);
	caps[0].permitted = caps[0].effective = 1u << CAP_SYS_ADMIN;
	if (syscall(SYS_capset, &header, caps) < 0)
		fail(setup, SETUP_CREDENTIALS, errno, NULL);
	if (unshare(CLONE_NEWUSER) < 0)
		fail(setup, SETUP_USER_NAMESPACE, errno, NULL);
	if (send(setup->sync_fd, &map_me, sizeof(map_me), MSG_NOSIGNAL) < 0)
		_exit(1);
	wait_for_keeper(setup);
}

/* Without a root inside, exec would drop what init needs to kill and to read in its own sandbox. */
static int keep_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &header, caps) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		caps[i].inheritable = caps[i].permitted;
	if (syscall(SYS_capset, &header, caps) < 0)
		return -errno;
	for (int cap = 0; cap < 64; cap++)
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
	return 0;
}

/*
 * The /proc that settings are written through once nothing of the host has a path any more. Where /proc/sys is
 * read-only an instance that is mounted nowhere takes its place, if the host allows one.
 */
static int open_proc(bool fresh)
{
	int context_fd = fresh ? fsopen("proc", FSOPEN_CLOEXEC) : -1;
	int fresh_fd = -1;

	if (context_fd >= 0 && fsconfig(context_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		fresh_fd = fsmount(context_fd, FSMOUNT_CLOEXEC,
				   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (context_fd >= 0)
		close(context_fd);
	return fresh_fd >= 0 ? fresh_fd : open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/*
 * Who has no capability makes a namespace of any kind only in a new user namespace, so that one count closes them all;
 * each of these files costs a lookup in a tree of this namespace's own.
 */
static void forbid_namespaces(int proc_fd)
{
	write_sysctl(proc_fd, "sys/user/max_user_namespaces", "0");
	write_sysctl(proc_fd, "sys/user/max_fanotify_groups", "0");
	write_sysctl(proc_fd, "sys/user/max_inotify_instances", "32");
	write_sysctl(proc_fd, "sys/user/max_inotify_watches", "4096");
}

/* 0, 1, 2 on our null device; init's three; all else closed by exec. */
static int arrange_descriptors(const struct setup *setup, int *ret_init_fd)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int from[3] = { setup->socket_fd, setup->config_fd, setup->cgroup_fd };
	int init_fd = fcntl(setup->init_fd, F_DUPFD_CLOEXEC, 20);

	if (null_fd < 0 || init_fd < 0)
		return -errno;
	for (int i = 0; i < 3; i++) {
		if (from[i] >= 0)
			from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 20);
	}
	for (int i = 0; i < 3; i++) {
		if (dup2(null_fd, i) < 0)
			return -errno;
		close(INIT_SOCKET_FD + i);
		if (from[i] >= 0 && dup2(from[i], INIT_SOCKET_FD + i) < 0)
			return -errno;
	}
	*ret_init_fd = init_fd;
	return close_range(INIT_CGROUP_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;
}

static void execute_init(const struct setup *setup)
{
	static char *const envp[] = { NULL };
	struct setup moved = *setup;
	int init_fd = -1, r;

	/* The sync socket out of the way of descriptors 0 to 5. */
	moved.sync_fd = fcntl(setup->sync_fd, F_DUPFD_CLOEXEC, 20);
	if (moved.sync_fd < 0)
		fail(setup, SETUP_DESCRIPTORS, errno, NULL);
	r = arrange_descriptors(&moved, &init_fd);
	if (r < 0)
		fail(&moved, SETUP_DESCRIPTORS, -r, NULL);
	syscall(SYS_execveat, init_fd, "", setup->init_argv, envp, AT_EMPTY_PATH);
	fail(&moved, SETUP_EXEC, errno, NULL);
}

static void prepare_process(const struct setup *setup)
{
	struct sigaction act = { .sa_handler = SIG_DFL };
	sigset_t none;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		fail(setup, SETUP_DEATH_SIGNAL, errno, NULL);
	if (setsid() < 0)
		fail(setup, SETUP_SESSION, errno, NULL);
	for (int i = 1; setup->signals_ignored && i < NSIG; i++)
		sigaction(i, &act, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Two packets with a descriptor each; end of file: who was to send them could not, and has told the keeper. */
static int receive_files(const struct setup *setup, struct mount_values *ret)
{
	int *const places[] = { &ret->sandboxes_fd, &ret->home_fd };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char byte;
		ssize_t n = fd_receive(setup->sync_fd, &byte, 1, 0, places[i]);

		if (n != 1 || *places[i] < 0)
			return n < 0 ? (int)n : -EIO;
	}
	return 0;
}

static int reach_files(const struct setup *setup, struct mount_values *ret)
{
	if (!setup->member)
		return 0;
	if (setup->joined)
		return receive_files(setup, ret);
	/* With a template it goes on to another namespace from there. */
	return setup->mounts_from ? mounts_session_enter(setup->member, ret)
				  : mounts_session_take(setup->member, ret);
}

static void make_mounts(const struct setup *setup)
{
	struct setup_report disk = { .kind = SETUP_REPORT_DISK };
	struct mount_values values = setup->values;
	const struct mount_op *failed;
	int disk_fd = -1, r;

	values.ret_disk_fd = &disk_fd;
	r = reach_files(setup, &values);
	if (r < 0)
		fail(setup, SETUP_FILES, -r, NULL);
	if (setup->mounts_from)
		r = mount_template_apply(setup->mounts_from, setup->plan, &values, &failed);
	else
		r = mount_plan_apply(setup->plan, &values, &failed);
	if (r < 0)
		fail(setup, SETUP_MOUNT, -r, failed);
	r = (int)fd_send(setup->sync_fd, &disk, sizeof(disk), disk_fd);
	if (r < 0)
		fail(setup, SETUP_DISK, -r, NULL);
	close(disk_fd);
}

static void raise_network(const struct setup *setup, int proc_fd)
{
	int r = raise_loopback();

	if (r < 0)
		fail(setup, SETUP_LOOPBACK, -r, NULL);
	write_sysctl(proc_fd, "sys/net/ipv4/tcp_rmem", "4096 16384 65536");
	write_sysctl(proc_fd, "sys/net/ipv4/tcp_wmem", "4096 16384 65536");
}

_Noreturn void setup_child(const struct setup *setup)
{
	int proc_fd, r;

	prepare_process(setup);
	wait_for_keeper(setup);
	r = cgroup_box_enter(setup->box);
	if (r < 0)
		fail(setup, SETUP_CGROUP, -r, NULL);
	if (setup->net_fd >= 0 && setns(setup->net_fd, CLONE_NEWNET) < 0)
		fail(setup, SETUP_NETWORK, errno, NULL);
	proc_fd = open_proc(setup->fresh_proc);
	if (proc_fd < 0)
		fail(setup, SETUP_HOST_PROC, errno, NULL);
	make_mounts(setup);
	if (setup->loopback)
		raise_network(setup, proc_fd);
	if (sethostname("kiln", 4) < 0 || setdomainname("(none)", 6) < 0)
		fail(setup, SETUP_HOSTNAME, errno, NULL);
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	/*
	 * Its clocks are the host's; but the host's namespace is an inode that all sandboxes could open under
	 * /proc/self/ns, to lock and to watch. Kernels before 5.6 have none.
	 */
	unshare(CLONE_NEWTIME);
	/* Where the host's memory ends, by what the kernel counts to nobody, sandboxes go before the rest. */
	write_sysctl(proc_fd, "self/oom_score_adj", "1000");
	/* Version 2: the payload does this for itself, once it is in its own group. */
	if (setup->cgroup_fd < 0)
		unshare(CLONE_NEWCGROUP);
	r = lower_rlimits();
	if (r < 0)
		fail(setup, SETUP_RLIMIT, -r, NULL);
	if (setup->privileged)
		make_user_namespace(setup);
	else
		syscall(SYS_setgroups, 0, NULL); /* refused without newgidmap; doctor says so */
	forbid_namespaces(proc_fd);
	if (setup->single_uid) {
		r = keep_capabilities();
		if (r < 0)
			fail(setup, SETUP_CAPABILITIES, -r, NULL);
	}
	/* Every change of credentials cleared it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		fail(setup, SETUP_DEATH_SIGNAL, errno, NULL);
	execute_init(setup);
	_exit(1);
}

static void hand_over(const struct setup *setup, enum setup_report_kind kind, int fd)
{
	struct setup_report report = { .kind = (uint32_t)kind };
	int r = fd < 0 ? -errno : (int)fd_send(setup->sync_fd, &report, sizeof(report), fd);

	if (r < 0)
		fail(setup, SETUP_FILES, -r, NULL);
}

_Noreturn void setup_session(int sync_fd, uint64_t disk_bytes, uid_t owner, bool fresh_proc)
{
	const struct setup setup = { .sync_fd = sync_fd };
	int mounts_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	int network_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int proc_fd = open_proc(fresh_proc);
	int r;

	prepare_process(&setup);
	wait_for_keeper(&setup);
	umask(0);
	if (proc_fd < 0)
		fail(&setup, SETUP_HOST_PROC, errno, NULL);
	r = mounts_session_make(disk_bytes, owner);
	if (r < 0)
		fail(&setup, SETUP_FILES, -r, NULL);
	raise_network(&setup, proc_fd);
	hand_over(&setup, SETUP_REPORT_DISK, open("/sandboxes", O_PATH | O_DIRECTORY | O_CLOEXEC));
	hand_over(&setup, SETUP_REPORT_MOUNTS, mounts_fd);
	hand_over(&setup, SETUP_REPORT_NETWORK, network_fd);
	_exit(0);
}
