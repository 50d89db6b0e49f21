/*
 * Opening what a stranger named, beneath a folder of ours.
 */
#include "init/init_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

DIR *folder_take(int fd)
{
	DIR *dir = fdopendir(fd);

	if (!dir)
		close(fd);
	return dir;
}

bool is_folder_itself(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* One component; nothing but the last is allowed to be missing, and none is a link. */
static int open_component(int dir_fd, const char *name, int flags, mode_t mode)
{
	if (name[0] == '\0' || strcmp(name, ".") == 0)
		return openat(dir_fd, ".", flags | O_CLOEXEC, mode);
	if (strcmp(name, "..") == 0) {
		errno = EXDEV;
		return -1;
	}
	/* gVisor follows a link that is to be a folder, O_NOFOLLOW or not. */
	if (flags & O_DIRECTORY && !is_folder_itself(dir_fd, name)) {
		errno = ENOTDIR;
		return -1;
	}
	return openat(dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW, mode);
}

/*
 * Component by component, for kernels that are not Linux' own (gVisor). What openat2() does in one go is done here in
 * several, which is as good where nobody else is alive meanwhile: init opens files between steps only.
 */
static int open_stepwise(int dir_fd, const char *path, int flags, mode_t mode)
{
	char copy[WIRE_PATH_MAX];
	char *name = copy, *slash;
	int at = dir_fd, fd;

	if (path[0] == '/' || strlen(path) >= sizeof(copy)) {
		errno = path[0] == '/' ? EXDEV : ENAMETOOLONG;
		return -1;
	}
	memcpy(copy, path, strlen(path) + 1);
	while ((slash = strchr(name, '/'))) {
		int next, error;

		*slash = '\0';
		next = open_component(at, name, O_PATH | O_DIRECTORY, 0);
		error = errno;
		if (at != dir_fd)
			close(at);
		errno = error;
		if (next < 0)
			return -1;
		at = next;
		name = slash + 1;
	}
	fd = open_component(at, name, flags, mode);
	if (at != dir_fd) {
		int error = errno;

		close(at);
		errno = error;
	}
	return fd;
}

int open_beneath(int dir_fd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

	if (fd < 0 && errno == ENOSYS)
		return open_stepwise(dir_fd, path, flags, mode);
	return fd;
}
