#include "sandbox/seccomp_policy.h"

#include "base/cleanup.h"

#include <errno.h>
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define LOW32	      0xffffffffu
#define PROTOCOL_L2TP 115 /* not in every netinet/in.h */

/* Arguments under which the first program allows a call; several rows of one call are alternatives. */
static const struct {
	const char *name;
	unsigned count;
	struct scmp_arg_cmp args[2];
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
	{ "socket", 1, { { 0, SCMP_CMP_EQ, AF_INET, 0 } } },
	{ "socket", 1, { { 0, SCMP_CMP_EQ, AF_INET6, 0 } } },
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
#define REFUSE_OPTION(level, option)                                                                         \
	{                                                                                                    \
		"setsockopt", EPERM, 2,                                                                      \
		{                                                                                            \
			{ 1, SCMP_CMP_MASKED_EQ, LOW32, level },                                             \
			{                                                                                    \
				2, SCMP_CMP_MASKED_EQ, LOW32, option                                         \
			}                                                                                    \
		}                                                                                            \
	}

/* Of IP sockets the protocols that programs mean: the rest loads modules that are rarely looked at. */
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
	{ "ioctl", EPERM, 1, { { 1, SCMP_CMP_MASKED_EQ, LOW32, TIOCSTI } } },
	{ "ioctl", EPERM, 1, { { 1, SCMP_CMP_MASKED_EQ, LOW32, TIOCLINUX } } },
	REFUSE_OPTION(SOL_SOCKET, SO_ATTACH_FILTER),
	REFUSE_OPTION(SOL_SOCKET, SO_ATTACH_BPF),
	REFUSE_OPTION(SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF),
	REFUSE_OPTION(SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF),
	/* Further protocols inside a socket: IPsec over UDP, TLS and whatever else is a module over TCP. */
	REFUSE_OPTION(IPPROTO_UDP, UDP_ENCAP),
	REFUSE_OPTION(IPPROTO_TCP, TCP_ULP),
	REFUSE_PROTOCOL(IPPROTO_DCCP),
	REFUSE_PROTOCOL(IPPROTO_SCTP),
	REFUSE_PROTOCOL(IPPROTO_UDPLITE),
	REFUSE_PROTOCOL(IPPROTO_MPTCP),
	REFUSE_PROTOCOL(PROTOCOL_L2TP),
	/* A core limit of 0 would, with a pipe in core_pattern, start the host's handler; ours of 1 prevents it. */
	{ "setrlimit", 0, 1, { { 0, SCMP_CMP_MASKED_EQ, LOW32, RLIMIT_CORE } } },
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

static int fill_allow_list(scmp_filter_ctx ctx, bool watched)
{
	int r = 0;

	for (const char *const *name = seccomp_allowed; *name && r == 0; name++) {
		if (watched && makes_unmapped_memory(*name))
			continue;
		r = add_rule(ctx, SCMP_ACT_ALLOW, *name, 0, NULL);
	}
	for (size_t i = 0; i < ARRAY_LEN(allowed_values) && r == 0; i++)
		r = add_rule(ctx, SCMP_ACT_ALLOW, allowed_values[i].name, allowed_values[i].count,
			     allowed_values[i].args);
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

static int compile_one(bool allow_list, bool watched, int *ret_fd)
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
		r = allow_list ? fill_allow_list(ctx, watched) : fill_refusals(ctx);
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

int seccomp_compile(bool watched, int ret_fds[2], struct err *err)
{
	AUTO_CLOSE int allow_fd = -1;
	int r = compile_one(true, watched, &allow_fd);

	if (r == 0)
		r = compile_one(false, watched, &ret_fds[1]);
	if (r < 0)
		return err_set(err, r, "compile the system call filter");
	ret_fds[0] = TAKE_FD(allow_fd);
	return 0;
}
