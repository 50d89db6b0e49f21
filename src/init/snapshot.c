/*
 * A snapshot: what steps left, so that it can be put back into another sandbox instead of running them.
 *
 * It holds files and folders beneath /sandbox with their contents, permissions and order of times, and claims to be
 * all there is. So whatever else a program can leave behind for the next step is looked for here, and is a reason to
 * have no snapshot. Not found are POSIX message queues, which have no list.
 */
#include "init/init_priv.h"

#include "wire/writable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define OUTSIDE_DEPTH_MAX 8
#define OUTSIDE_VISIT_MAX 256

/* Attributes that a user can set, access control lists among them. */
static bool has_attributes(int fd)
{
	char names[4096];
	ssize_t len = flistxattr(fd, names, sizeof(names) - 1);

	if (len < 0)
		return errno != ENOTSUP && errno != ENODATA;
	names[len] = '\0';
	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		if (strncmp(name, "user.", 5) == 0 || strncmp(name, "system.", 7) == 0)
			return true;
	}
	return false;
}

bool snapshot_holds(const struct init *init, int fd, const struct stat *st, uint64_t *ret_age_ns)
{
	int64_t written = time_ns(&st->st_mtim), newest = init->uploads.newest_ns;
	struct timespec now;

	if (st->st_mode & 07000 || (S_ISREG(st->st_mode) && st->st_nlink != 1))
		return false;
	if (st->st_uid != init->config->payload_uid || st->st_gid != init->config->payload_gid)
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	if (written < newest || written > time_ns(&now))
		return false; /* somebody set it */
	if (has_attributes(fd))
		return false;
	*ret_age_ns = (uint64_t)(written - newest);
	return true;
}

/* Takes over fd. */
static bool only_folders(int fd, unsigned depth, unsigned *visited)
{
	DIR *dir = folder_take(fd);
	const struct dirent *entry;
	bool ok = true;

	if (!dir)
		return false;
	while (ok && (entry = readdir(dir))) {
		int inner;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (depth == OUTSIDE_DEPTH_MAX || ++*visited > OUTSIDE_VISIT_MAX)
			ok = false;
		inner = ok ? openat(dirfd(dir), entry->d_name,
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
			   : -1;
		ok = inner >= 0 && only_folders(inner, depth + 1, visited);
	}
	closedir(dir);
	return ok;
}

/* Its first line has the names of the columns. No such file: nothing is known by it. */
static bool table_is_empty(const char *path)
{
	char text[512];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *line_end;
	ssize_t len;

	if (fd < 0)
		return errno == ENOENT;
	len = read(fd, text, sizeof(text));
	close(fd);
	if (len < 0)
		return false;
	line_end = memchr(text, '\n', (size_t)len);
	return len == 0 || (line_end && line_end + 1 == text + len);
}

bool snapshot_is_all(void)
{
	static const char *const tables[] = { "/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg" };
	unsigned visited = 0;

	for (size_t i = 0; i < sizeof(writable_outside) / sizeof(writable_outside[0]); i++) {
		int fd = open(writable_outside[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0 ? errno != ENOENT : !only_folders(fd, 0, &visited))
			return false;
	}
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (!table_is_empty(tables[i]))
			return false;
	}
	return access(tables[0], F_OK) == 0 || !ipc_is_left();
}
