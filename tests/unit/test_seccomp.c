/*
 * The payload's system call policy, run for real by forked children and call by call in a small interpreter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "sandbox/seccomp_policy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct program {
	struct sock_filter code[BPF_MAXINSNS];
	unsigned short len;
};

static struct program programs[2];	   /* the allow-list; the refusals */
static struct program watched_programs[2]; /* where no cgroup holds memory */
static struct program service_programs[2]; /* the same for a session's service */

static void compile_one_policy(enum seccomp_memory memory, struct program to[2])
{
	int fds[2];

	assert_int_equal(seccomp_compile(memory, fds, NULL), 0);
	for (int i = 0; i < 2; i++) {
		ssize_t n = pread(fds[i], to[i].code, sizeof(to[i].code), 0);

		assert_true(n > 0 && n % (ssize_t)sizeof(to[i].code[0]) == 0);
		to[i].len = (unsigned short)((size_t)n / sizeof(to[i].code[0]));
		close(fds[i]);
	}
}

static int compile(void **state)
{
	compile_one_policy(SECCOMP_MEMORY_HELD, programs);
	compile_one_policy(SECCOMP_MEMORY_WATCHED, watched_programs);
	compile_one_policy(SECCOMP_MEMORY_SERVICE, service_programs);
	return 0;
}

/* Classic BPF as far as a filter of libseccomp uses it. */
static uint32_t interpret(const struct program *program, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (unsigned pc = 0; pc < program->len; pc++) {
		const struct sock_filter *i = &program->code[pc];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(i->k + 4 <= sizeof(*data));
			memcpy(&a, (const uint8_t *)data + i->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			fail_msg("instruction %#x", i->code);
		}
	}
	fail_msg("the program has no end");
	return 0;
}

static bool is_allowed_name(const char *name)
{
	for (const char *const *at = seccomp_allowed; *at; at++) {
		if (strcmp(*at, name) == 0)
			return true;
	}
	return false;
}

static void a_call_is_allowed_when_its_name_is_in_the_table_and_only_then(void **state)
{
	static const char *const faked[] = { "sync", "syncfs" };
	unsigned allowed = 0;

	for (int number = 0; number < 2000; number++) {
		AUTO_FREE char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
		struct seccomp_data data = { .nr = number, .arch = seccomp_arch_native() };
		uint32_t expected = SECCOMP_RET_ERRNO | ENOSYS;

		memset(data.args, 0xff,
		       sizeof(data.args)); /* what is allowed by its arguments is not by these */
		if (name && strcmp(name, "personality") == 0)
			memset(data.args, 0x55, sizeof(data.args));
		if (name && is_allowed_name(name))
			expected = SECCOMP_RET_ALLOW;
		for (size_t i = 0; name && i < ARRAY_LEN(faked); i++) {
			if (strcmp(name, faked[i]) == 0)
				expected = SECCOMP_RET_ERRNO;
		}
		if (interpret(&programs[0], &data) != expected)
			fail_msg("%d (%s): %#x", number, name ? name : "no name",
				 interpret(&programs[0], &data));
		allowed += expected == SECCOMP_RET_ALLOW;
	}
	assert_true(allowed > 200);
}

static void memory_that_no_process_maps_is_refused_where_only_a_watchdog_holds_it(void **state)
{
	static const int numbers[] = { SYS_memfd_create, SYS_shmget };

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		struct seccomp_data data = { .nr = numbers[i], .arch = seccomp_arch_native() };

		assert_int_equal(interpret(&programs[0], &data), SECCOMP_RET_ALLOW);
		assert_int_equal(interpret(&watched_programs[0], &data), SECCOMP_RET_ERRNO | ENOSYS);
	}
}

static void a_service_that_is_watched_may_have_small_segments_only(void **state)
{
	static const struct {
		int number;
		uint64_t bytes;
		uint32_t expected;
	} cases[] = {
		{ SYS_shmget, 56, SECCOMP_RET_ALLOW },
		{ SYS_shmget, 4096, SECCOMP_RET_ALLOW },
		{ SYS_shmget, 4097, SECCOMP_RET_ERRNO | ENOSYS },
		{ SYS_shmget, 1ULL << 32, SECCOMP_RET_ERRNO | ENOSYS },
		{ SYS_shmget, UINT64_MAX, SECCOMP_RET_ERRNO | ENOSYS },
		{ SYS_memfd_create, 0, SECCOMP_RET_ERRNO | ENOSYS },
		{ SYS_semget, 1, SECCOMP_RET_ERRNO | ENOSYS },
		{ SYS_msgget, 0, SECCOMP_RET_ERRNO | ENOSYS },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct seccomp_data data = { .nr = cases[i].number, .arch = seccomp_arch_native() };

		data.args[1] = cases[i].bytes;
		assert_int_equal(interpret(&service_programs[0], &data), cases[i].expected);
	}
}

static void calls_of_a_foreign_architecture_are_death(void **state)
{
	static const uint32_t arches[] = { AUDIT_ARCH_I386,    AUDIT_ARCH_X86_64, AUDIT_ARCH_ARM,
					   AUDIT_ARCH_AARCH64, AUDIT_ARCH_MIPS,	  0,
					   UINT32_MAX };

	for (size_t i = 0; i < ARRAY_LEN(arches); i++) {
		if (arches[i] == seccomp_arch_native())
			continue;
		for (int number = 0; number < 500; number++) {
			struct seccomp_data data = { .nr = number, .arch = arches[i] };

			assert_int_equal(interpret(&programs[0], &data), SECCOMP_RET_KILL_PROCESS);
			assert_int_equal(interpret(&programs[1], &data), SECCOMP_RET_KILL_PROCESS);
		}
	}
}

#ifdef __x86_64__
static void every_x32_call_is_death(void **state)
{
	for (int number = 0; number < 1000; number++) {
		struct seccomp_data data = { .nr = number | 0x40000000, .arch = AUDIT_ARCH_X86_64 };

		assert_int_equal(interpret(&programs[0], &data), SECCOMP_RET_KILL_PROCESS);
	}
}
#endif

static void the_table_is_sorted_and_names_nothing_twice(void **state)
{
	for (const char *const *at = seccomp_allowed; at[1]; at++) {
		if (strcmp(at[0], at[1]) >= 0)
			fail_msg("%s stands before %s", at[0], at[1]);
	}
}

static const char *const forbidden[] = {
	"acct",
	"add_key",
	"adjtimex",
	"bpf",
	"cachestat",
	"chroot",
	"clock_adjtime",
	"clock_settime",
	"clone3",
	"create_module",
	"delete_module",
	"fanotify_init",
	"fanotify_mark",
	"finit_module",
	"fsconfig",
	"fsmount",
	"fsopen",
	"fspick",
	"init_module",
	"io_setup",
	"io_submit",
	"io_uring_enter",
	"io_uring_register",
	"io_uring_setup",
	"ioperm",
	"iopl",
	"kcmp",
	"kexec_file_load",
	"kexec_load",
	"keyctl",
	"listmount",
	"lookup_dcookie",
	"mbind",
	"memfd_secret",
	"migrate_pages",
	"mknod",
	"mknodat",
	"modify_ldt",
	"mount",
	"mount_setattr",
	"move_mount",
	"move_pages",
	"name_to_handle_at",
	"nfsservctl",
	"open_by_handle_at",
	"open_tree",
	"perf_event_open",
	"personality",
	"pidfd_getfd",
	"pivot_root",
	"process_madvise",
	"process_mrelease",
	"prlimit64",
	"quotactl",
	"quotactl_fd",
	"reboot",
	"request_key",
	"set_mempolicy",
	"setdomainname",
	"sethostname",
	"setns",
	"settimeofday",
	"socket",
	"socketpair",
	"statmount",
	"stime",
	"swapoff",
	"swapon",
	"sync",
	"syncfs",
	"sysfs",
	"syslog",
	"umount",
	"umount2",
	"unshare",
	"uselib",
	"userfaultfd",
	"ustat",
	"vhangup",

	"socketcall",
};

static void the_table_does_not_hold_what_reaches_out_of_a_sandbox(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
		if (is_allowed_name(forbidden[i]))
			fail_msg("%s is allowed", forbidden[i]);
	}
}

#define HIGH (1ull << 32)
#define DEAD 1000 /* by SIGSYS */
#define PASS 2000 /* reaches the kernel: whatever that says, it is not what the filter would */

/* Not in every header. */
#define PR_SET_MEMORY_MERGE 67
#define HUGE_MAP	    (MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)

/* A call as a payload makes it, through both programs on a real kernel. */
static const struct call {
	const char *what;
	long number;
	unsigned long long args[4];
	int expected; /* errno, 0, DEAD or PASS */
} calls[] = {
	{ "getpid", SYS_getpid, { 0 }, PASS },
	{ "ptrace", SYS_ptrace, { PTRACE_TRACEME }, 0 },
	{ "process_vm_readv", SYS_process_vm_readv, { 0 }, PASS },
	{ "sync", SYS_sync, { 0 }, 0 },
	{ "syncfs of no descriptor", SYS_syncfs, { (unsigned long long)-1 }, 0 },
	{ "unshare", SYS_unshare, { CLONE_NEWUSER }, ENOSYS },
	{ "unshare of nothing", SYS_unshare, { 0 }, ENOSYS },
	{ "setns", SYS_setns, { 0 }, ENOSYS },
	{ "mount", SYS_mount, { 0 }, ENOSYS },
	{ "umount2", SYS_umount2, { 0 }, ENOSYS },
	{ "pivot_root", SYS_pivot_root, { 0 }, ENOSYS },
	{ "chroot", SYS_chroot, { 0 }, ENOSYS },
	{ "clone3", SYS_clone3, { 0 }, ENOSYS },
	{ "keyctl", SYS_keyctl, { 0 }, ENOSYS },
	{ "add_key", SYS_add_key, { 0 }, ENOSYS },
	{ "request_key", SYS_request_key, { 0 }, ENOSYS },
	{ "bpf", SYS_bpf, { 0 }, ENOSYS },
	{ "io_uring_setup", SYS_io_uring_setup, { 0 }, ENOSYS },
	{ "io_setup", SYS_io_setup, { 0 }, ENOSYS },
	{ "userfaultfd", SYS_userfaultfd, { 0 }, ENOSYS },
	{ "perf_event_open", SYS_perf_event_open, { 0 }, ENOSYS },
	{ "open_by_handle_at", SYS_open_by_handle_at, { 0 }, ENOSYS },
	{ "a call that nobody knows", 1999, { 0 }, ENOSYS },
	{ "clone in a user namespace", SYS_clone, { CLONE_NEWUSER | SIGCHLD }, EPERM },
	{ "clone in a mount namespace", SYS_clone, { CLONE_NEWNS | SIGCHLD }, EPERM },
	{ "clone in a pid namespace", SYS_clone, { CLONE_NEWPID | SIGCHLD }, EPERM },
	{ "clone in a network namespace", SYS_clone, { CLONE_NEWNET | SIGCHLD }, EPERM },
	{ "clone in an IPC namespace", SYS_clone, { CLONE_NEWIPC | SIGCHLD }, EPERM },
	{ "clone in a UTS namespace", SYS_clone, { CLONE_NEWUTS | SIGCHLD }, EPERM },
	{ "clone in a cgroup namespace", SYS_clone, { CLONE_NEWCGROUP | SIGCHLD }, EPERM },
	{ "clone with all and high bits", SYS_clone, { HIGH | CLONE_NEWUSER | CLONE_NEWNS }, EPERM },
	{ "TIOCSTI", SYS_ioctl, { 0, TIOCSTI }, EPERM },
	{ "TIOCSTI with high bits", SYS_ioctl, { 0, HIGH | TIOCSTI }, EPERM },
	{ "TIOCSTI with all high bits", SYS_ioctl, { 0, 0xffffffffull << 32 | TIOCSTI }, EPERM },
	{ "TIOCSETD", SYS_ioctl, { 0, TIOCSETD }, EPERM },
	{ "TIOCSETD with high bits", SYS_ioctl, { 0, HIGH | TIOCSETD }, EPERM },
	{ "TIOCLINUX", SYS_ioctl, { 0, TIOCLINUX }, EPERM },
	{ "TIOCLINUX with high bits", SYS_ioctl, { 0, HIGH | TIOCLINUX }, EPERM },
	{ "another ioctl", SYS_ioctl, { (unsigned long long)-1, FIONREAD }, EBADF },
	{ "a unix socket", SYS_socket, { AF_UNIX, SOCK_STREAM }, 0 },
	{ "an IPv4 socket", SYS_socket, { AF_INET, SOCK_STREAM }, 0 },
	{ "an IPv6 socket", SYS_socket, { AF_INET6, SOCK_STREAM }, PASS },
	{ "a vsock socket", SYS_socket, { AF_VSOCK, SOCK_STREAM }, ENOSYS },
	{ "a vsock socket with high bits", SYS_socket, { HIGH | AF_VSOCK, SOCK_STREAM }, ENOSYS },
	{ "a kernel crypto socket", SYS_socket, { AF_ALG, SOCK_SEQPACKET }, ENOSYS },
	{ "a packet socket", SYS_socket, { AF_PACKET, SOCK_RAW }, ENOSYS },
	{ "a pair of unix sockets", SYS_socketpair, { AF_UNIX, SOCK_STREAM }, EFAULT },
	{ "a pair of vsock sockets", SYS_socketpair, { AF_VSOCK, SOCK_STREAM }, ENOSYS },
	{ "a route netlink socket", SYS_socket, { AF_NETLINK, SOCK_RAW, 0 }, 0 },
	{ "an audit netlink socket", SYS_socket, { AF_NETLINK, SOCK_RAW, 9 }, ENOSYS },
	{ "SO_ATTACH_FILTER", SYS_setsockopt, { 0, SOL_SOCKET, SO_ATTACH_FILTER }, EPERM },
	{ "SO_ATTACH_BPF", SYS_setsockopt, { 0, SOL_SOCKET, HIGH | SO_ATTACH_BPF }, EPERM },
	{ "SO_ATTACH_FILTER, high level", SYS_setsockopt, { 0, HIGH | SOL_SOCKET, SO_ATTACH_FILTER }, EPERM },
	{ "TCP_ULP", SYS_setsockopt, { 0, HIGH | IPPROTO_TCP, TCP_ULP }, ENOPROTOOPT },
	{ "UDP_ENCAP", SYS_setsockopt, { 0, IPPROTO_UDP, UDP_ENCAP }, ENOPROTOOPT },
	{ "another option of TCP", SYS_setsockopt, { (unsigned long long)-1, IPPROTO_TCP, 1 }, EBADF },
	{ "a TCP socket", SYS_socket, { AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP }, 0 },
	{ "a UDP socket", SYS_socket, { AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_UDP }, 0 },
	{ "an IPv6 UDP socket", SYS_socket, { AF_INET6, SOCK_DGRAM, IPPROTO_UDP }, PASS },
	{ "a raw socket", SYS_socket, { AF_INET, SOCK_RAW, IPPROTO_UDP }, ENOSYS },
	{ "DCCP by its type", SYS_socket, { AF_INET, SOCK_DCCP, 0 }, ENOSYS },
	{ "SCTP by a type that it shares", SYS_socket, { AF_INET6, SOCK_SEQPACKET, 0 }, ENOSYS },
	{ "SMC", SYS_socket, { AF_INET, SOCK_STREAM, 256 }, EPROTONOSUPPORT },
	{ "MPTCP", SYS_socket, { AF_INET6, SOCK_STREAM, IPPROTO_MPTCP }, EPROTONOSUPPORT },
	{ "SIOCBRADDBR", SYS_ioctl, { 0, HIGH | SIOCBRADDBR }, EPERM },
	{ "SIOCGIFVLAN", SYS_ioctl, { 0, SIOCGIFVLAN }, EPERM },
	{ "a filter of its own", SYS_seccomp, { HIGH | SECCOMP_SET_MODE_FILTER, 0, 0 }, EINVAL },
	{ "a filter of its own by prctl", SYS_prctl, { PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0 }, EINVAL },
	{ "what seccomp can do", SYS_seccomp, { SECCOMP_GET_ACTION_AVAIL, 0, 0 }, EFAULT },
	{ "another prctl", SYS_prctl, { PR_GET_NO_NEW_PRIVS }, PASS },
	{ "memory to be merged", SYS_madvise, { 0, 0, HIGH | MADV_MERGEABLE }, EINVAL },
	{ "all memory to be merged", SYS_prctl, { PR_SET_MEMORY_MERGE, 1 }, EINVAL },
	{ "other advice", SYS_madvise, { 0, 0, MADV_NORMAL }, 0 },
	{ "a page to be dropped", SYS_fadvise64, { (unsigned long long)-1, 0, 0, POSIX_FADV_DONTNEED }, 0 },
	{ "other advice for a file", SYS_fadvise64, { (unsigned long long)-1, 0, 0, 0 }, EBADF },
	{ "huge pages", SYS_mmap, { 0, 2 << 20, PROT_READ, HUGE_MAP }, ENOMEM },
	{ "huge pages of 1 GiB", SYS_mmap, { 0, 1 << 30, PROT_READ, HUGE_MAP | 30 << 26 }, ENOMEM },
	{ "huge pages in a file", SYS_memfd_create, { 0, MFD_HUGETLB }, EINVAL },
	{ "huge pages in System V", SYS_shmget, { 0, 2 << 20, IPC_CREAT | SHM_HUGETLB }, EPERM },
	{ "another option", SYS_setsockopt, { (unsigned long long)-1, SOL_SOCKET, SO_REUSEADDR }, EBADF },
	{ "personality asked for", SYS_personality, { 0xffffffff }, PASS },
	{ "personality of 32 bits", SYS_personality, { PER_LINUX32 }, ENOSYS },
	{ "READ_IMPLIES_EXEC", SYS_personality, { READ_IMPLIES_EXEC }, ENOSYS },
	{ "own limits", SYS_prlimit64, { 0, 0 }, 0 },
	{ "limits of another", SYS_prlimit64, { 1, 0 }, ENOSYS },
	{ "a device", SYS_mknodat, { (unsigned long long)-1, 0, S_IFCHR | 0666 }, ENOSYS },
	{ "a block device", SYS_mknodat, { (unsigned long long)-1, 0, S_IFBLK | 0666 }, ENOSYS },
	{ "a FIFO", SYS_mknodat, { (unsigned long long)-1, 0, S_IFIFO | 0666 }, PASS },
#ifdef __x86_64__
	{ "modify_ldt", SYS_modify_ldt, { 0 }, ENOSYS },
	{ "getpid of x32", SYS_getpid | 0x40000000, { 0 }, DEAD },
	{ "execve of x32", 520 | 0x40000000, { 0 }, DEAD },
#endif
};

static void load_filters(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(254);

	for (int i = 0; i < 2; i++) {
		struct sock_fprog prog = { programs[i].len, programs[i].code };

		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) < 0)
			_exit(253);
	}
}

/* errno of the call, 0, or DEAD. */
static int outcome_of(const struct call *call)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		load_filters();
		_exit(syscall(call->number, call->args[0], call->args[1], call->args[2], call->args[3],
			      0UL) == -1
			      ? errno
			      : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? DEAD : -WTERMSIG(status);
	return WEXITSTATUS(status);
}

static void the_kernel_answers_a_payloads_calls_as_the_policy_says(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		int outcome = outcome_of(&calls[i]);

		if (calls[i].expected == PASS
			    ? outcome == ENOSYS || outcome == DEAD || outcome >= 253 || outcome < 0
			    : outcome != calls[i].expected)
			fail_msg("%s: %d", calls[i].what, outcome);
	}
}

#ifdef __x86_64__
static void a_call_by_the_door_of_i386_is_death(void **state)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		long number = 20; /* getpid there */

		load_filters();
		__asm__ volatile("int $0x80" : "+a"(number) : : "memory", "r8", "r9", "r10", "r11");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_is_allowed_when_its_name_is_in_the_table_and_only_then),
		cmocka_unit_test(memory_that_no_process_maps_is_refused_where_only_a_watchdog_holds_it),
		cmocka_unit_test(a_service_that_is_watched_may_have_small_segments_only),
		cmocka_unit_test(calls_of_a_foreign_architecture_are_death),
		cmocka_unit_test(the_table_is_sorted_and_names_nothing_twice),
		cmocka_unit_test(the_table_does_not_hold_what_reaches_out_of_a_sandbox),
		cmocka_unit_test(the_kernel_answers_a_payloads_calls_as_the_policy_says),
#ifdef __x86_64__
		cmocka_unit_test(every_x32_call_is_death),
		cmocka_unit_test(a_call_by_the_door_of_i386_is_death),
#endif
	};

	return cmocka_run_group_tests_name("seccomp", tests, compile, NULL);
}
