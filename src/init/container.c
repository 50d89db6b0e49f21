/*
 * init in a container that somebody else made: Docker, Podman, a runtime of their choice.
 *
 * How it works. The container has the walls (its namespaces, a read-only root, no network, control groups);
 * init is its first process, as root without capabilities but those few that it needs to make the user's
 * processes and to end them, and finds its program and its configuration in a folder that only root can look
 * into. The user's processes have a uid of their own, no capability, and every other wall that init puts up in
 * any sandbox. The host speaks on standard input and output. In a session the container has the files of all or
 * of one user as its /sandbox, and init its role in the arguments, as in any sandbox.
 *
 * Nobody else holds a deadline here who could not die with the host, so init holds one: when its input ends, or
 * nothing comes for INIT_PATIENCE_MS, it ends, and with it every process of the container.
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

/* Maps the configuration, with the container's own ids in it. */
static void load_config(struct init *init, uint32_t uid, uint32_t gid)
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
	config->payload_uid = uid;
	config->payload_gid = gid;
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

static void give_folder(const struct init *init, const char *path)
{
	if (chmod(path, 0755) < 0 || chown(path, init->config->payload_uid, init->config->payload_gid) < 0)
		fail(path);
}

/* Those folders are the container's tmpfs, made by root. What a session has is its own already. */
static void give_folders(const struct init *init)
{
	if (init->role == ROLE_FILES)
		return;
	give_folder(init, "/home/sandbox");
	if (init->role == ROLE_ALONE)
		give_folder(init, "/sandbox");
	for (char *const *folder = init->folders; folder && *folder; folder++)
		give_folder(init, *folder);
}

/*
 * Nothing counts the terminals that a container's processes make, and the machine has one number of them: only we may
 * make one. Where that cannot be said they are the container's own kernel's.
 */
static void set_terminal_maker(mode_t mode)
{
	(void)!chmod("/dev/pts/ptmx", mode);
}

void container_make_terminal(const struct init *init, bool begin)
{
	if (!init->contained)
		return;
	files_as(&init->foreign, getuid());
	set_terminal_maker(begin ? 0666 : 0600);
	files_as(&init->foreign, init->config->payload_uid);
}

static void make_owned(const struct init *init, int dir_fd, const char *name, mode_t mode)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fchown(fd, init->config->payload_uid, init->config->payload_gid) < 0 ||
	    fchmod(fd, mode) < 0)
		fail(name);
	close(fd);
}

/* What every session has: a place for homes that only we write to, and the folder of all. Nobody else is there yet. */
static void make_places(const struct init *init)
{
	int fd = open("/sandbox", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || (mkdirat(fd, "shared", 0700) < 0 && errno != EEXIST))
		fail("/sandbox");
	make_owned(init, fd, ".", 0755);
	make_owned(init, fd, "shared", 02775);
	close(fd);
}

/*
 * What is left to init: to become the user, to kill what it started, to read files that it made unreadable. Where it
 * has the files of all users it gives them away instead, and starts nothing.
 */
static void drop_capabilities(const struct init *init)
{
	const uint32_t starts = 1u << CAP_DAC_OVERRIDE | 1u << CAP_KILL | 1u << CAP_SETUID |
				1u << CAP_SETGID | 1u << CAP_SETPCAP;
	const uint32_t gives = 1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER | 1u << CAP_FSETID;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { 0 };

	caps[0].permitted = caps[0].effective = init->role == ROLE_FILES ? gives : starts;
	if (syscall(SYS_capset, &header, caps) < 0)
		fail("give up capabilities (the container needs CHOWN, DAC_OVERRIDE, KILL, SETGID, SETPCAP "
		     "and SETUID; for files of a session CHOWN, DAC_OVERRIDE, FOWNER, FSETID and SETGID)");
}

static uint32_t parse_id(const char *text)
{
	unsigned long long uid = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9' && uid < UINT32_MAX; at++)
		uid = uid * 10 + (unsigned)(*at - '0');
	if (*at || at == text || uid == 0 || uid >= UINT32_MAX) {
		errno = EINVAL;
		fail("the user's ids");
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

/* The image's, of which gVisor shows the user what is in the memory of the first process. */
static void forget_environment(void)
{
	for (char **at = environ; *at; at++)
		explicit_bzero(*at, strlen(*at));
}

/* Our own keeper's, behind the word that says that this is a container. */
static void read_role(struct init *init, char **argv)
{
	const char *role = argv[INIT_ARG_ROLE];

	init->home = argv[INIT_ARG_HOME];
	if (strcmp(role, INIT_AS_SERVICE) == 0)
		init->folders = argv + INIT_ARG_COUNT;
	else
		init->role = strcmp(role, INIT_AS_RUN) == 0 ? ROLE_RUN : ROLE_FILES;
}

void container_enter(struct init *init, int argc, char **argv)
{
	bool member = argc >= INIT_ARG_COUNT;
	uint32_t uid = parse_id(argv[INIT_ARG_UID]);
	uint32_t gid = member ? parse_id(argv[INIT_ARG_GID]) : uid;

	reset_signals();
	forget_environment();
	init->contained = true;
	init->home = "/sandbox";
	init->heard_us = now_us();
	if (member)
		read_role(init, argv);
	if (getpid() != 1 || getuid() != 0) {
		errno = EPERM;
		fail("not the first process of a container, as its root");
	}
	load_config(init, uid, gid);
	arrange_descriptors(init);
	give_folders(init);
	set_terminal_maker(0600);
	if (member && strcmp(argv[INIT_ARG_ROLE], INIT_AS_HOLDER) == 0)
		make_places(init);
	if (syscall(SYS_setgroups, 0, NULL) < 0)
		fail("give up groups");
	drop_capabilities(init);
	init->foreign = foreign_probe(uid, gid);
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
