/*
 * init in a container that somebody else made: Docker, Podman, a runtime of their choice.
 *
 * How it works. The container has the walls (its namespaces, a read-only root, no network, control groups);
 * init is its first process, as root without capabilities but those few that it needs to make the user's
 * processes and to end them, and finds its program and its configuration in a folder that only root can look
 * into. The user's processes have a uid of their own, no capability, and every other wall that init puts up in
 * any sandbox. The host speaks on standard input and output. Nobody else holds a deadline here who could not
 * die with the host, so init holds one: when its input ends, or nothing comes for INIT_PATIENCE_MS, it ends,
 * and with it every process of the container.
 */
#include "init/init_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HIGH_FD 20

/* Told on standard error, which is the host's to read until we have said hello. */
static _Noreturn void fail(const char *what)
{
	dprintf(STDERR_FILENO, "kiln-init: %s: %s\n", what, strerror(errno));
	_exit(1);
}

/* Maps the configuration, with the container's own uid in it. */
static void load_config(struct init *init, uint32_t uid)
{
	int fd = open(INIT_CONTAINER_CONFIG, O_RDONLY | O_CLOEXEC);
	struct init_config *config;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		fail(INIT_CONTAINER_CONFIG);
	config = (size_t)st.st_size < sizeof(*config)
			 ? MAP_FAILED
			 : mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (config == MAP_FAILED || config->magic != INIT_CONFIG_MAGIC ||
	    (size_t)st.st_size != sizeof(*config) + (size_t)(config->filter_len[0] + config->filter_len[1]) *
							    sizeof(struct sock_filter))
		fail(INIT_CONTAINER_CONFIG);
	close(fd);
	config->payload_uid = config->payload_gid = uid;
	init->config = config;
	init->filter = (const void *)(config + 1);
}

/* The host's streams out of the way; what spawn.c expects to be taken is. */
static void arrange_descriptors(struct init *init)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	init->in_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, HIGH_FD);
	init->out_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, HIGH_FD);
	if (null_fd < 0 || init->in_fd < 0 || init->out_fd < 0)
		fail("descriptors");
	for (int fd = STDIN_FILENO; fd <= INIT_CGROUP_FD; fd++) {
		if (fd != STDERR_FILENO && fd != null_fd && dup2(null_fd, fd) < 0)
			fail("descriptors");
	}
	init->cgroup_fd = INIT_CGROUP_FD;
}

/* Those folders are the container's tmpfs, made by root. */
static void give_folders(uint32_t uid)
{
	static const char *const folders[] = { "/sandbox", "/home/sandbox" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (chmod(folders[i], 0755) < 0 || chown(folders[i], uid, uid) < 0)
			fail(folders[i]);
	}
}

/* What is left to init: to become the user, to kill what it started, to read files that it made unreadable. */
static void drop_capabilities(void)
{
	const uint32_t kept = 1u << CAP_DAC_OVERRIDE | 1u << CAP_KILL | 1u << CAP_SETUID | 1u << CAP_SETGID |
			      1u << CAP_SETPCAP;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { 0 };

	caps[0].permitted = caps[0].effective = kept;
	if (syscall(SYS_capset, &header, caps) < 0)
		fail("give up capabilities (the container needs CHOWN, DAC_OVERRIDE, KILL, SETGID, SETPCAP "
		     "and SETUID)");
}

static uint32_t parse_uid(const char *text)
{
	unsigned long long uid = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9' && uid < UINT32_MAX; at++)
		uid = uid * 10 + (unsigned)(*at - '0');
	if (*at || at == text || uid == 0 || uid >= UINT32_MAX) {
		errno = EINVAL;
		fail("the user's id");
	}
	return (uint32_t)uid;
}

/* What whoever started the engine had ignored: the user's processes would ignore it, too. */
static void reset_signals(void)
{
	const struct sigaction act = { .sa_handler = SIG_DFL };

	for (int i = 1; i < NSIG; i++)
		sigaction(i, &act, NULL);
}

void container_enter(struct init *init, const char *text)
{
	uint32_t uid = parse_uid(text);

	reset_signals();
	init->contained = true;
	init->home = "/sandbox";
	init->heard_us = now_us();
	if (getpid() != 1 || getuid() != 0) {
		errno = EPERM;
		fail("not the first process of a container, as its root");
	}
	load_config(init, uid);
	arrange_descriptors(init);
	give_folders(uid);
	if (syscall(SYS_setgroups, 0, NULL) < 0)
		fail("give up groups");
	drop_capabilities();
	counters_open(init);
}

static uint64_t patience_end_us(const struct init *init)
{
	return init->heard_us + INIT_PATIENCE_MS * 1000ull;
}

int container_host_timeout(const struct init *init)
{
	uint64_t now = now_us(), end = patience_end_us(init);

	if (!init->contained)
		return -1;
	return end <= now ? 0 : (int)((end - now + 999) / 1000);
}

void container_check_host(const struct init *init)
{
	if (init->contained && now_us() >= patience_end_us(init))
		_exit(0);
}
