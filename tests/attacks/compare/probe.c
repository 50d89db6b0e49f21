/*
 * Feels for the walls around it and tells of each whether it stands: one line "name: stands" or "name: open, what
 * was seen". Built static, so that it runs in any sandbox, also in one that holds nothing else. It harms nothing: what
 * it opens it leaves alone.
 *
 *   probe walls PORT SOCKET KEY   everything that one process can see; the host listens on PORT and on the abstract
 *                                 SOCKET, and has a System V segment KEY
 *   probe hold | feel             two of them at the same time: the first takes locks and watches a file of the image
 *   probe fork | memory | flood | sleep | leave NAME
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHARED_FILE "/usr/bin/env" /* of the image; every image of the comparison has it */
#define MIB	    (1024 * 1024)

static const char *port, *socket_name, *segment_key;

/* How one wall looked: NULL is standing. */
typedef const char *(*probe_fn)(void);

static char seen_text[512];

static const char *seen(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *seen(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(seen_text, sizeof(seen_text), format, args);
	va_end(args);
	return seen_text;
}

/* Refused before the kernel's own code looked at it: a filter, or a kernel without it. */
static const char *unreached(long result)
{
	if (result >= 0)
		return "works";
	return errno == ENOSYS || errno == EPERM || errno == EACCES ? NULL : strerror(errno);
}

/* The value of "key:" in /proc/self/status; "" without. */
static const char *status_of(const char *key)
{
	static char line[256];
	FILE *file = fopen("/proc/self/status", "r");
	size_t len = strlen(key);

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, len) == 0 && line[len] == ':') {
			fclose(file);
			line[strcspn(line, "\n")] = '\0';
			return line + len + 1 + strspn(line + len + 1, "\t ");
		}
	}
	if (file)
		fclose(file);
	return "";
}

static const char *probe_processes(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir)))
		count += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
	if (dir)
		closedir(dir);
	return count > 4 ? seen("%d processes", count) : NULL;
}

static const char *probe_first_environment(void)
{
	char text[65536];
	int fd = open("/proc/1/environ", O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text));

	if (fd >= 0)
		close(fd);
	if (n > 0 && memmem(text, (size_t)n, "WALLS_SECRET", 12))
		return "the caller's secret stands in /proc/1/environ";
	return NULL;
}

static const char *probe_first_traced(void)
{
	/* A program that is pid 1 itself has no init to attack. */
	if (getpid() == 1 || ptrace(PTRACE_SEIZE, 1, NULL, NULL) < 0)
		return NULL;
	return "pid 1 can be traced";
}

static const char *probe_environment(void)
{
	return getenv("WALLS_SECRET") ? "the caller's variables are there" : NULL;
}

static const char *probe_descriptors(void)
{
	for (int fd = 3; fd < 256; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			return seen("descriptor %d is open", fd);
	}
	return NULL;
}

static const char *probe_network(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct if_nameindex *all = if_nameindex();
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return "connects to the host's loopback";
	for (struct if_nameindex *i = all; i && i->if_name; i++) {
		struct ifreq request = { 0 };

		snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", i->if_name);
		if (strcmp(i->if_name, "lo") != 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0 &&
		    request.ifr_flags & IFF_UP)
			return seen("interface %s", i->if_name);
	}
	return NULL;
}

static const char *probe_abstract_socket(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = strlen(socket_name);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(to.sun_path + 1, socket_name, len);
	return connect(fd, (struct sockaddr *)&to,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) == 0
		       ? "connects to the host's socket"
		       : NULL;
}

static const char *probe_ipc(void)
{
	return shmget((key_t)strtol(segment_key, NULL, 10), 0, 0) >= 0 ? "the host's segment" : NULL;
}

static const char *probe_user_namespace(void)
{
	return unshare(CLONE_NEWUSER) == 0 ? "unshare works" : NULL;
}

static const char *probe_user(void)
{
	return getuid() == 0 ? "root inside" : NULL;
}

static const char *probe_capabilities(void)
{
	unsigned long long effective = strtoull(status_of("CapEff"), NULL, 16);
	unsigned long long bounding = strtoull(status_of("CapBnd"), NULL, 16);

	if (effective || bounding)
		return seen("effective %llx, bounding %llx", effective, bounding);
	return NULL;
}

static const char *probe_new_privileges(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? NULL : "no-new-privileges is not set";
}

/* Options of the mounts: those without nosuid on which something could be written. */
static const char *probe_setuid(void)
{
	char line[1024];
	FILE *file = fopen("/proc/self/mounts", "r");
	const char *found = NULL;

	while (file && !found && fgets(line, sizeof(line), file)) {
		char target[256], options[512];

		if (sscanf(line, "%*s %255s %*s %511s", target, options) == 2 && !strstr(options, "nosuid"))
			found = seen("%s without nosuid", target);
	}
	if (file)
		fclose(file);
	return found;
}

static const char *probe_filter(void)
{
	return atoi(status_of("Seccomp")) == 2 ? NULL : "no system call filter";
}

static const char *probe_keyring(void)
{
	return unreached(syscall(SYS_keyctl, 0, -3, 0)); /* KEYCTL_GET_KEYRING_ID of the session */
}

static const char *probe_io_uring(void)
{
	char params[120] = { 0 };

	return unreached(syscall(SYS_io_uring_setup, 1, params));
}

static const char *probe_exploit_blocks(void)
{
	static const struct {
		const char *name;
		long number, a, b;
	} calls[] = { { "userfaultfd", SYS_userfaultfd, 1, 0 },
		      { "bpf", SYS_bpf, 0, 0 },
		      { "perf_event_open", SYS_perf_event_open, 0, 0 },
		      { "modify_ldt", SYS_modify_ldt, 0, 0 },
		      { "io_setup", SYS_io_setup, 0, 0 },
		      { "name_to_handle_at", SYS_name_to_handle_at, -1, 0 },
		      { "open_tree", SYS_open_tree, -1, 0 } };
	char found[256] = "";

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		size_t used = strlen(found);

		if (unreached(syscall(calls[i].number, calls[i].a, calls[i].b, 0, 0, 0)))
			snprintf(found + used, sizeof(found) - used, "%s%s", used ? ", " : "", calls[i].name);
	}
	return found[0] ? seen("%s", found) : NULL;
}

static const char *probe_families(void)
{
	static const struct {
		const char *name;
		int family, type;
	} sockets[] = { { "AF_ALG", AF_ALG, SOCK_SEQPACKET },
			{ "AF_VSOCK", AF_VSOCK, SOCK_STREAM },
			{ "AF_NETLINK 9", AF_NETLINK, SOCK_RAW },
			{ "AF_TIPC", AF_TIPC, SOCK_SEQPACKET } };
	char found[256] = "";

	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		int fd = socket(sockets[i].family, sockets[i].type, sockets[i].family == AF_NETLINK ? 9 : 0);
		size_t used = strlen(found);

		/* EAFNOSUPPORT is the kernel's: it has looked for the family, and for its module. */
		if (fd >= 0 || errno == EAFNOSUPPORT)
			snprintf(found + used, sizeof(found) - used, "%s%s", used ? ", " : "",
				 sockets[i].name);
		if (fd >= 0)
			close(fd);
	}
	return found[0] ? seen("%s", found) : NULL;
}

/* Runs it in a child: true when that ended by itself, with status 0. */
static bool survives(void (*body)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		body();
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void call_by_i386(void)
{
#ifdef __x86_64__
	long result = 20; /* getpid there */

	__asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
	if (result <= 0)
		_exit(1);
#else
	_exit(1);
#endif
}

static const char *probe_foreign_calls(void)
{
	return survives(call_by_i386) ? "int 0x80 works" : NULL;
}

static const char *probe_terminal(void)
{
	char byte = ' ';

	if (open("/dev/tty", O_RDWR) >= 0)
		return "has a terminal";
	return ioctl(0, TIOCSTI, &byte) < 0 && errno == EPERM ? NULL : "TIOCSTI reaches the kernel";
}

static const char *probe_root_writable(void)
{
	static const char *const places[] = { "/walls", "/usr/walls", "/etc/walls", "/usr/bin/walls",
					      "/dev/walls" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int fd = open(places[i], O_WRONLY | O_CREAT | O_EXCL, 0600);

		if (fd >= 0) {
			close(fd);
			unlink(places[i]);
			return seen("%s can be made", places[i]);
		}
	}
	return NULL;
}

static const char *probe_proc_secrets(void)
{
	static const char *const files[] = { "/proc/kcore",	"/proc/keys",	    "/proc/timer_list",
					     "/proc/kallsyms",	"/proc/key-users",  "/proc/locks",
					     "/proc/modules",	"/proc/cmdline",    "/proc/interrupts",
					     "/proc/config.gz", "/proc/sched_debug" };
	char byte, found[256] = "";

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int fd = open(files[i], O_RDONLY);
		size_t used = strlen(found);

		if (fd >= 0 && read(fd, &byte, 1) == 1)
			snprintf(found + used, sizeof(found) - used, "%s%s", used ? ", " : "", files[i] + 6);
		if (fd >= 0)
			close(fd);
	}
	return found[0] ? seen("%s", found) : NULL;
}

static const char *probe_proc_written(void)
{
	static const char *const files[] = { "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/shmmax",
					     "/proc/sys/kernel/ns_last_pid",  "/proc/sysrq-trigger",
					     "/proc/self/oom_score_adj",      "/proc/self/coredump_filter" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int fd = open(files[i], O_WRONLY);

		if (fd >= 0) {
			close(fd);
			return seen("%s opens for writing", files[i]);
		}
	}
	return NULL;
}

static const char *probe_core(void)
{
	struct rlimit core;

	getrlimit(RLIMIT_CORE, &core);
	return core.rlim_cur == 1
		       ? NULL
		       : seen("limit %lld: a pipe in core_pattern is started", (long long)core.rlim_cur);
}

static const char *probe_devices(void)
{
	static const char *const files[] = { "/dev/ptmx", "/dev/tty",  "/dev/console", "/dev/kmsg",
					     "/dev/fuse", "/dev/kvm",  "/dev/vda",     "/dev/sda",
					     "/dev/mem",  "/dev/vsock" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (access(files[i], F_OK) == 0)
			return seen("%s", files[i]);
	}
	return NULL;
}

static const char *probe_pools(void)
{
	if (syscall(SYS_memfd_create, "huge", 4) >= 0)
		return "files of huge pages";
	if (madvise(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096, MADV_MERGEABLE) ==
	    0)
		return "memory to be merged";
	return NULL;
}

static const char *probe_oom_order(void)
{
	char text[16] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDONLY);

	if (fd >= 0) {
		(void)!read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	return atoi(text) == 1000 ? NULL : seen("as likely as the host's services (%d)", atoi(text));
}

static const struct {
	const char *name;
	probe_fn probe;
} walls[] = {
	{ "processes", probe_processes },
	{ "environment", probe_environment },
	{ "descriptors", probe_descriptors },
	{ "pid1-environment", probe_first_environment },
	{ "pid1-traced", probe_first_traced },
	{ "network", probe_network },
	{ "abstract-sockets", probe_abstract_socket },
	{ "ipc", probe_ipc },
	{ "root-inside", probe_user },
	{ "capabilities", probe_capabilities },
	{ "no-new-privileges", probe_new_privileges },
	{ "nosuid", probe_setuid },
	{ "root-writable", probe_root_writable },
	{ "proc-secrets", probe_proc_secrets },
	{ "proc-written", probe_proc_written },
	{ "devices", probe_devices },
	{ "filter", probe_filter },
	{ "keyrings", probe_keyring },
	{ "io_uring", probe_io_uring },
	{ "exploit-blocks", probe_exploit_blocks },
	{ "socket-families", probe_families },
	{ "foreign-calls", probe_foreign_calls },
	{ "terminal", probe_terminal },
	{ "core", probe_core },
	{ "pools", probe_pools },
	{ "oom-order", probe_oom_order },
	{ "user-namespaces", probe_user_namespace }, /* the last: it changes this process */
};

static void tell(const char *name, const char *found)
{
	printf("%s: %s%s\n", name, found ? "open, " : "stands", found ? found : "");
	fflush(stdout);
}

static void feel_walls(void)
{
	for (size_t i = 0; i < sizeof(walls) / sizeof(walls[0]); i++)
		tell(walls[i].name, walls[i].probe());
}

/* Takes every lock there is and sees whether somebody else opens a file of the image. */
static void hold(void)
{
	static const char *const files[] = { SHARED_FILE, "/proc/self/ns/time", "/dev/null" };
	int watch = inotify_init1(IN_NONBLOCK);
	char room[4096];

	for (int i = 0; i < 3; i++)
		flock(open(files[i], O_RDONLY), LOCK_EX | LOCK_NB);
	flock(eventfd(0, 0), LOCK_EX | LOCK_NB);
	inotify_add_watch(watch, SHARED_FILE, IN_OPEN);
	printf("holding\n");
	fflush(stdout);
	sleep(4);
	tell("watches-across", read(watch, room, sizeof(room)) > 0 ? "a neighbour's open was seen" : NULL);
}

static const char *locked(int fd)
{
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return NULL;
	return "a neighbour's lock is felt";
}

static void feel(void)
{
	tell("locks-on-image", locked(open(SHARED_FILE, O_RDONLY)));
	tell("locks-on-devices", locked(open("/dev/null", O_RDONLY)));
	tell("locks-on-namespaces", locked(open("/proc/self/ns/time", O_RDONLY)));
	tell("locks-on-anonymous", locked(eventfd(0, 0)));
}

static void fork_many(void)
{
	int count = 0;

	while (count < 400) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		if (pid == 0) {
			sleep(20);
			_exit(0);
		}
		count++;
	}
	tell("processes-limited", count == 400 ? "400 processes" : NULL);
	kill(0, SIGKILL);
}

static void take_memory(void)
{
	for (int i = 0; i < 400; i++) {
		char *piece = malloc(MIB);

		if (!piece)
			break;
		memset(piece, 1, MIB);
		if (i == 399)
			tell("memory-limited", "400 MiB");
	}
}

static void flood(void)
{
	static char line[65536];

	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 16 * 64; i++) { /* 64 MiB */
		if (write(1, line, sizeof(line)) < 0)
			return;
	}
}

static void leave(const char *name)
{
	if (fork() == 0) {
		setsid();
		for (int fd = 0; fd < 3; fd++)
			close(fd);
		prctl(PR_SET_NAME, name);
		sleep(20);
	}
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (strcmp(mode, "walls") == 0 && argc == 5) {
		port = argv[2];
		socket_name = argv[3];
		segment_key = argv[4];
		feel_walls();
	} else if (strcmp(mode, "hold") == 0) {
		hold();
	} else if (strcmp(mode, "feel") == 0) {
		feel();
	} else if (strcmp(mode, "fork") == 0) {
		fork_many();
	} else if (strcmp(mode, "memory") == 0) {
		take_memory();
	} else if (strcmp(mode, "flood") == 0) {
		flood();
	} else if (strcmp(mode, "sleep") == 0) {
		sleep(20);
	} else if (strcmp(mode, "leave") == 0 && argc == 3) {
		leave(argv[2]);
	} else {
		return 2;
	}
	return 0;
}
