#include "keeper/keeper_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "sandbox/seccomp_policy.h"
#include "wire/init_config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* init's program, put in by the build. */
extern const uint8_t init_program[];
extern const uint64_t init_program_size;

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int seal(int *fd, int *ret_fd)
{
	if (fcntl(*fd, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	*ret_fd = TAKE_FD(*fd);
	return 0;
}

static int prepare_init(struct keeper *k, struct err *err)
{
	AUTO_CLOSE int fd = memfd_create("kiln-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r = fd < 0 ? -errno : fd_write_all(fd, init_program, init_program_size);

	if (r == 0)
		r = fchmod(fd, 0555) < 0 ? -errno : seal(&fd, &k->init_fd);
	return r < 0 ? err_set(err, r, "put init into a memfd") : 0;
}

static int append_program(int to, int from, uint32_t *ret_instructions)
{
	struct sock_filter chunk[256];
	uint32_t count = 0;
	ssize_t n;

	if (lseek(from, 0, SEEK_SET) < 0)
		return -errno;
	while ((n = read(from, chunk, sizeof(chunk))) > 0) {
		int r = fd_write_all(to, chunk, (size_t)n);

		if (r < 0)
			return r;
		count += (uint32_t)((size_t)n / sizeof(chunk[0]));
	}
	if (n < 0)
		return -errno;
	*ret_instructions = count;
	return count > BPF_MAXINSNS ? -E2BIG : 0;
}

static int prepare_config(enum seccomp_memory memory, int *ret_fd, struct err *err)
{
	struct init_config config = { .magic = INIT_CONFIG_MAGIC,
				      .payload_uid = PAYLOAD_UID,
				      .payload_gid = PAYLOAD_GID };
	AUTO_CLOSE int fd = -1;
	int programs[2] = { -1, -1 };
	int r = seccomp_compile(memory, programs, err);

	if (r < 0)
		return r;
	fd = memfd_create("kiln-init-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	r = fd < 0 ? -errno : fd_write_all(fd, &config, sizeof(config));
	for (int i = 0; i < 2; i++) {
		if (r == 0)
			r = append_program(fd, programs[i], &config.filter_len[i]);
		close(programs[i]);
	}
	if (r == 0 && pwrite(fd, &config, sizeof(config), 0) != (ssize_t)sizeof(config))
		r = -EIO;
	if (r == 0)
		r = seal(&fd, ret_fd);
	return r < 0 ? err_set(err, r, "prepare init's configuration") : 0;
}

static int prepare_configs(struct keeper *k, struct err *err)
{
	bool held = k->cgroups.memory;
	int r = prepare_config(held ? SECCOMP_MEMORY_HELD : SECCOMP_MEMORY_WATCHED, &k->config_fd, err);

	k->service_config_fd = k->config_fd;
	if (r == 0 && !held && k->settings.serve)
		r = prepare_config(SECCOMP_MEMORY_SERVICE, &k->service_config_fd, err);
	return r;
}

/* In a child with namespaces of its own, as a sandbox has them: can an overlay of the host's /usr be mounted? */
static bool probe_overlay(const struct keeper *k)
{
	struct clone_args args = { .flags = CLONE_NEWNS | (k->privileged ? 0 : CLONE_NEWUSER),
				   .exit_signal = SIGCHLD };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	int status = 1;

	if (pid == 0)
		_exit((k->privileged || idmap_write_self(&k->idmap) == 0) && mounts_can_overlay() ? 0 : 1);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && status == 0;
}

/* We have no handlers: sandboxes need to undo only what was ignored from the start. */
static bool are_signals_ignored(void)
{
	struct sigaction act;

	for (int i = 1; i < NSIG; i++) {
		if (sigaction(i, NULL, &act) == 0 && act.sa_handler != SIG_DFL)
			return true;
	}
	return false;
}

int prepare_shared(struct keeper *k, struct err *err)
{
	struct statvfs fs;
	int r = prepare_init(k, err);

	if (r == 0)
		r = prepare_configs(k, err);
	if (r == 0)
		r = mount_plan_host(&k->plan, err);
	if (r == 0)
		r = mount_plan_image(&k->image_plan, err);
	k->overlay = r == 0 && probe_overlay(k);
	if (r == 0 && k->settings.serve)
		(void)template_for(k, false);
	k->signals_ignored = are_signals_ignored();
	k->fresh_proc = statvfs("/proc/sys", &fs) == 0 && fs.f_flag & ST_RDONLY;
	return r;
}
