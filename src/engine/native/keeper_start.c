#include "base/cleanup.h"
#include "base/fd.h"
#include "engine/native/native_priv.h"
#include "wire/keeper_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* The keeper's program, put in by the build. */
extern const uint8_t keeper_program[];
extern const uint64_t keeper_program_size;

#define SEALS	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define HIGH_FD 20 /* away from the numbers that the keeper expects */

static int high_memfd(const char *name, const void *data, size_t len)
{
	AUTO_CLOSE int low = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	AUTO_CLOSE int fd = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, HIGH_FD);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, data, len);
	if (r == 0 && fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		r = -errno;
	return r < 0 ? r : TAKE_FD(fd);
}

int engine_native_keeper_program(int *ret_fd, struct err *err)
{
	int fd = high_memfd("kiln-keeper", keeper_program, keeper_program_size);

	if (fd < 0)
		return err_set(err, fd, "put the keeper into a memfd");
	*ret_fd = fd;
	return 0;
}

static int settings_memfd(const struct native_options *options, bool serve, struct err *err)
{
	struct keeper_settings settings = {
		.magic = KEEPER_SETTINGS_MAGIC,
		.serve = serve,
		.uid_base = (uint64_t)options->uid_base,
		.uid_count = (uint64_t)options->uid_count,
	};
	int fd;

	if (options->cgroup && strlen(options->cgroup) >= sizeof(settings.cgroup))
		return err_set(err, -ENAMETOOLONG, "cgroup '%.40s…'", options->cgroup);
	snprintf(settings.cgroup, sizeof(settings.cgroup), "%s", options->cgroup ? options->cgroup : "");
	if (options->state_dir && (size_t)snprintf(settings.images, sizeof(settings.images), "%s/images",
						   options->state_dir) >= sizeof(settings.images))
		return err_set(err, -ENAMETOOLONG, "state folder '%.40s…'", options->state_dir);
	fd = high_memfd("kiln-keeper-settings", &settings, sizeof(settings));
	return fd < 0 ? err_set(err, fd, "put the keeper's settings into a memfd") : fd;
}

/* In the forked child: async-signal-safe calls only, since the caller may have threads. */
static _Noreturn void execute_keeper(int program_fd, int settings_fd, int socket_fd)
{
	char *const argv[] = { (char *)"kiln-keeper", NULL };
	char *const envp[] = { NULL };

	if (dup2(socket_fd, KEEPER_SOCKET_FD) < 0 || dup2(settings_fd, KEEPER_SETTINGS_FD) < 0)
		_exit(125);
	close_range(KEEPER_SETTINGS_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	fexecve(program_fd, argv, envp);
	_exit(125);
}

int keeper_start_child(const struct native_options *options, int *ret_fd, pid_t *ret_pid, struct err *err)
{
	AUTO_CLOSE int program_fd = -1, settings_fd = -1, own_fd = -1, their_fd = -1;
	int ends[2], r;
	pid_t pid;

	r = engine_native_keeper_program(&program_fd, err);
	if (r < 0)
		return r;
	settings_fd = settings_memfd(options, false, err);
	if (settings_fd < 0)
		return settings_fd;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, -errno, "make the keeper's socket");
	own_fd = ends[0];
	their_fd = fcntl(ends[1], F_DUPFD_CLOEXEC, HIGH_FD);
	close(ends[1]);
	if (their_fd < 0)
		return err_set(err, -errno, "make the keeper's socket");
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "fork the keeper");
	if (pid == 0)
		execute_keeper(program_fd, settings_fd, their_fd);
	*ret_fd = TAKE_FD(own_fd);
	*ret_pid = pid;
	return 0;
}

int engine_native_serve_exec(const struct native_options *options, char **argv, struct err *err)
{
	AUTO_CLOSE int program_fd = -1, settings_fd = -1, own_exe_fd = -1, exe_fd = -1;
	int r = engine_native_keeper_program(&program_fd, err);

	if (r < 0)
		return r;
	settings_fd = settings_memfd(options, true, err);
	if (settings_fd < 0)
		return settings_fd;
	own_exe_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	exe_fd = own_exe_fd < 0 ? -1 : fcntl(own_exe_fd, F_DUPFD_CLOEXEC, HIGH_FD);
	if (exe_fd < 0)
		return err_set(err, -errno, "open this program");
	if (dup2(settings_fd, KEEPER_SETTINGS_FD) < 0 || dup2(exe_fd, KEEPER_FRONT_FD) < 0)
		return err_set(err, -errno, "arrange the keeper's descriptors");
	close_range(KEEPER_FRONT_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	if (options->lock_fd >= 0 && fcntl(options->lock_fd, F_SETFD, 0) < 0)
		return err_set(err, -errno, "keep the state folder's lock");
	fexecve(program_fd, argv, environ);
	return err_set(err, -errno, "execute the keeper");
}
