#include "sandbox/seccomp_policy.h"

#include "base/cleanup.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define LOW32 0xffffffffu
/* Not in every header: */
#define PROTOCOL_L2TP 115
#define PROTOCOL_SMC  256
#define FADVISE_GONE  4	 /* POSIX_FADV_DONTNEED */
#define MERGE_MEMORY  67 /* PR_SET_MEMORY_MERGE */
#define MODE_FILTER   2	 /* SECCOMP_MODE_FILTER */
#define SET_FILTER    1	 /* SECCOMP_SET_MODE_FILTER */
#define HUGE_MEMFD    4u /* MFD_HUGETLB */

/*
 * Of IP sockets TCP and UDP. Any other type or protocol makes the kernel load a module that is rarely looked at, before
 * it asks who wants it; some (DCCP) by the type alone, with protocol 0.
 */
#define ALLOW_SOCKET(family, type, protocol)                                                                 \
	{                                                                                                    \
		"socket", 3,                                                                                 \
		{                                                                                            \
			{ 0, SCMP_CMP_EQ, family, 0 }, { 1, SCMP_CMP_MASKED_EQ, 0xf, type },                 \
			{                                                                                    \
				2, SCMP_CMP_EQ, protocol, 0                                                  \
			}                                                                                    \
		}                                                                                            \
	}

/* Arguments under which the first program allows a call; several rows of one call are alternatives. */
static const struct {
	const char *name;
	unsigned count;
	struct scmp_arg_cmp args[3];
} allowed_values[] = {
	{ "personality", 1, { { 0, SCMP_CMP_EQ, 0x0, 0 } } },
	{
		"personality",
		1,
		{ { 0, SCMP_CMP_EQ, 0x40000, 0 } },
	}, /* ADDR_NO_RANDOMIZE */
	{ "personality", 1, { { 0, SCMP_CMP_EQ, 0xffffffff, 0 } } },
	{ "prlimit64", 1, { { 0, SCMP_CMP_MASKED_EQ, LOW32, 0 } } },
	{ "socket", 1, { { 0, SCMP_CMP_EQ, AF_UNIX, 0 } } },
	ALLOW_SOCKET(AF_INET, SOCK_STREAM, 0),
	ALLOW_SOCKET(AF_INET, SOCK_STREAM, IPPROTO_TCP),
	ALLOW_SOCKET(AF_INET, SOCK_DGRAM, 0),
	ALLOW_SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_UDP),
	ALLOW_SOCKET(AF_INET6, SOCK_STREAM, 0),
	ALLOW_SOCKET(AF_INET6, SOCK_STREAM, IPPROTO_TCP),
	ALLOW_SOCKET(AF_INET6, SOCK_DGRAM, 0),
	ALLOW_SOCKET(AF_INET6, SOCK_DGRAM, IPPROTO_UDP),
	{ "socket", 2, { { 0, SCMP_CMP_EQ, AF_NETLINK, 0 }, { 2, SCMP_CMP_EQ, 0, 0 } } },
	/* Of any family the kernel makes both sockets, loading its module, before it asks whether pairs are known. */
	{ "socketpair", 1, { { 0, SCMP_CMP_EQ, AF_UNIX, 0 } } },
	{ "mknod", 1, { { 1, SCMP_CMP_MASKED_EQ, S_IFMT, 0 } } },
	{ "mknod", 1, { { 1, SCMP_CMP_MASKED_EQ, S_IFMT, S_IFREG } } },
	{ "mknod", 1, { { 1, SCMP_CMP_MASKED_EQ, S_IFMT, S_IFIFO } } },
	{ "mknod", 1, { { 1, SCMP_CMP_MASKED_EQ, S_IFMT, S_IFSOCK } } },
	{ "mknodat", 1, { { 2, SCMP_CMP_MASKED_EQ, S_IFMT, 0 } } },
	{ "mknodat", 1, { { 2, SCMP_CMP_MASKED_EQ, S_IFMT, S_IFREG } } },
	{ "mknodat", 1, { { 2, SCMP_CMP_MASKED_EQ, S_IFMT, S_IFIFO } } },
	{ "mknodat", 1, { { 2, SCMP_CMP_MASKED_EQ, S_IFMT, S_IFSOCK } } },
};

#define REFUSE_FLAG(flag)                                                                                    \
	{                                                                                                    \
		"clone", EPERM, 1,                                                                           \
		{                                                                                            \
			{                                                                                    \
				0, SCMP_CMP_MASKED_EQ, flag, flag                                            \
			}                                                                                    \
		}                                                                                            \
	}
#define REFUSE_OPTION(error, level, option)                                                                  \
	{                                                                                                    \
		"setsockopt", error, 2,                                                                      \
		{                                                                                            \
			{ 1, SCMP_CMP_MASKED_EQ, LOW32, level },                                             \
			{                                                                                    \
				2, SCMP_CMP_MASKED_EQ, LOW32, option                                         \
			}                                                                                    \
		}                                                                                            \
	}
/* Refuses a call by the lower half of one argument. */
#define REFUSE_VALUE(name, error, at, value)                                                                 \
	{                                                                                                    \
		name, error, 1,                                                                              \
		{                                                                                            \
			{                                                                                    \
				at, SCMP_CMP_MASKED_EQ, LOW32, value                                         \
			}                                                                                    \
		}                                                                                            \
	}
/* Refuses a call for one bit of an argument. */
#define REFUSE_BIT(name, error, at, bit)                                                                     \
	{                                                                                                    \
		name, error, 1,                                                                              \
		{                                                                                            \
			{                                                                                    \
				at, SCMP_CMP_MASKED_EQ, bit, bit                                             \
			}                                                                                    \
		}                                                                                            \
	}

/* The protocols that somebody might ask for get the error that tells so; others are not allowed in the first place. */
#define REFUSE_PROTOCOL(protocol)                                                                            \
	{                                                                                                    \
		"socket", EPROTONOSUPPORT, 1,                                                                \
		{                                                                                            \
			{                                                                                    \
				2, SCMP_CMP_MASKED_EQ, LOW32, protocol                                       \
			}                                                                                    \
		}                                                                                            \
	}

/* What the second program refuses; an error of 0 is a call that pretends to have done it. */
static const struct {
	const char *name;
	int error;
	unsigned count;
	struct scmp_arg_cmp args[2];
} refused_values[] = {
	REFUSE_FLAG(CLONE_NEWNS),
	REFUSE_FLAG(CLONE_NEWCGROUP),
	REFUSE_FLAG(CLONE_NEWUTS),
	REFUSE_FLAG(CLONE_NEWIPC),
	REFUSE_FLAG(CLONE_NEWUSER),
	REFUSE_FLAG(CLONE_NEWPID),
	REFUSE_FLAG(CLONE_NEWNET),
	REFUSE_VALUE("ioctl", EPERM, 1, TIOCSTI),
	REFUSE_VALUE("ioctl", EPERM, 1, TIOCLINUX),
	/* Line disciplines are modules that few look at, and any terminal of one's own loads them. */
	REFUSE_VALUE("ioctl", EPERM, 1, TIOCSETD),
	/* Load the modules of bridges and VLANs, whoever asks. */
	REFUSE_VALUE("ioctl", EPERM, 1, SIOCGIFBR),
	REFUSE_VALUE("ioctl", EPERM, 1, SIOCSIFBR),
	REFUSE_VALUE("ioctl", EPERM, 1, SIOCBRADDBR),
	REFUSE_VALUE("ioctl", EPERM, 1, SIOCBRDELBR),
	REFUSE_VALUE("ioctl", EPERM, 1, SIOCGIFVLAN),
	REFUSE_VALUE("ioctl", EPERM, 1, SIOCSIFVLAN),
	/* Translated filters are counted to nobody, and the machine has one budget for all of them. */
	REFUSE_VALUE("seccomp", EINVAL, 0, SET_FILTER),
	{ "prctl",
	  EINVAL,
	  2,
	  { { 0, SCMP_CMP_MASKED_EQ, LOW32, PR_SET_SECCOMP }, { 1, SCMP_CMP_EQ, MODE_FILTER, 0 } } },
	REFUSE_OPTION(EPERM, SOL_SOCKET, SO_ATTACH_FILTER),
	REFUSE_OPTION(EPERM, SOL_SOCKET, SO_ATTACH_BPF),
	REFUSE_OPTION(EPERM, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF),
	REFUSE_OPTION(EPERM, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF),
	/* TLS and tunnels in the kernel: much code that no program here needs. */
	REFUSE_OPTION(ENOPROTOOPT, IPPROTO_TCP, TCP_ULP),
	REFUSE_OPTION(ENOPROTOOPT, IPPROTO_UDP, UDP_ENCAP),
	/* Pages that are equal in two sandboxes would become one, and writing to them tell so. */
	REFUSE_VALUE("madvise", EINVAL, 2, MADV_MERGEABLE),
	REFUSE_VALUE("prctl", EINVAL, 0, MERGE_MEMORY),
	/* The pool of huge pages is the host's and outside of every limit of memory. */
	REFUSE_BIT("mmap", ENOMEM, 3, MAP_HUGETLB),
	REFUSE_BIT("memfd_create", EINVAL, 1, HUGE_MEMFD),
	REFUSE_BIT("shmget", EPERM, 2, SHM_HUGETLB),
	/* Advice, so that nothing is a right answer: would push the image's pages out of everybody's cache. */
	REFUSE_VALUE("fadvise64", 0, 3, FADVISE_GONE),
	REFUSE_PROTOCOL(IPPROTO_DCCP),
	REFUSE_PROTOCOL(IPPROTO_SCTP),
	REFUSE_PROTOCOL(IPPROTO_UDPLITE),
	REFUSE_PROTOCOL(IPPROTO_MPTCP),
	REFUSE_PROTOCOL(PROTOCOL_L2TP),
	REFUSE_PROTOCOL(PROTOCOL_SMC),
	/* A core limit of 0 would, with a pipe in core_pattern, start the host's handler; ours of 1 prevents it. */
	REFUSE_VALUE("setrlimit", 0, 0, RLIMIT_CORE),
	{ "prlimit64", 0, 2, { { 1, SCMP_CMP_MASKED_EQ, LOW32, RLIMIT_CORE }, { 2, SCMP_CMP_NE, 0, 0 } } },
};

/* A call that this libseccomp or this architecture does not know cannot be allowed; it stays refused. */
static int add_rule(scmp_filter_ctx ctx, uint32_t action, const char *name, unsigned count,
		    const struct scmp_arg_cmp *args)
{
	int number = seccomp_syscall_resolve_name(name);

	if (number < 0)
		return 0;
	return seccomp_rule_add_array(ctx, action, number, count, args);
}

/* Kernel memory that belongs to no process: only a cgroup can count it. */
static bool makes_unmapped_memory(const char *name)
{
	static const char *const calls[] = { "memfd_create", "shmget", "msgget", "semget" };

	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		if (strcmp(name, calls[i]) == 0)
			return true;
	}
	return false;
}

static int fill_allow_list(scmp_filter_ctx ctx, enum seccomp_memory memory)
{
	static const struct scmp_arg_cmp small = { 1, SCMP_CMP_LE, SECCOMP_SERVICE_SEGMENT_BYTES, 0 };
	int r = 0;

	for (const char *const *name = seccomp_allowed; *name && r == 0; name++) {
		if (memory != SECCOMP_MEMORY_HELD && makes_unmapped_memory(*name))
			continue;
		r = add_rule(ctx, SCMP_ACT_ALLOW, *name, 0, NULL);
	}
	for (size_t i = 0; i < ARRAY_LEN(allowed_values) && r == 0; i++)
		r = add_rule(ctx, SCMP_ACT_ALLOW, allowed_values[i].name, allowed_values[i].count,
			     allowed_values[i].args);
	if (r == 0 && memory == SECCOMP_MEMORY_SERVICE)
		r = add_rule(ctx, SCMP_ACT_ALLOW, "shmget", 1, &small);
	/* Would write back the host's disks; pretending is harmless, as everything here is memory. */
	if (r == 0)
		r = add_rule(ctx, SCMP_ACT_ERRNO(0), "sync", 0, NULL);
	if (r == 0)
		r = add_rule(ctx, SCMP_ACT_ERRNO(0), "syncfs", 0, NULL);
	return r;
}

static int fill_refusals(scmp_filter_ctx ctx)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(refused_values) && r == 0; i++)
		r = add_rule(ctx, SCMP_ACT_ERRNO((unsigned)refused_values[i].error), refused_values[i].name,
			     refused_values[i].count, refused_values[i].args);
	return r;
}

static int compile_one(bool allow_list, enum seccomp_memory memory, int *ret_fd)
{
	scmp_filter_ctx ctx = seccomp_init(allow_list ? SCMP_ACT_ERRNO(ENOSYS) : SCMP_ACT_ALLOW);
	AUTO_CLOSE int fd = -1;
	int r;

	if (!ctx)
		return -ENOMEM;
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = allow_list ? fill_allow_list(ctx, memory) : fill_refusals(ctx);
	if (r == 0) {
		fd = memfd_create("kiln-seccomp", MFD_CLOEXEC);
		r = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
	}
	seccomp_release(ctx);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int seccomp_compile(enum seccomp_memory memory, int ret_fds[2], struct err *err)
{
	AUTO_CLOSE int allow_fd = -1;
	int r = compile_one(true, memory, &allow_fd);

	if (r == 0)
		r = compile_one(false, memory, &ret_fds[1]);
	if (r < 0)
		return err_set(err, r, "compile the system call filter");
	ret_fds[0] = TAKE_FD(allow_fd);
	return 0;
}
