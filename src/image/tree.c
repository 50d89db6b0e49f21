#include "image/tree.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/strv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAMES_MAX 1000000

int tree_open_dir(int dir_fd, const char *name)
{
	const struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
				      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
						 RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
	int fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static DIR *open_stream(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* strv_append() counts anew with every name, which large folders feel. */
struct names {
	char **list;
	size_t count, room;
};

static int names_add(struct names *names, const char *name)
{
	if (names->count == NAMES_MAX)
		return -E2BIG;
	if (names->count + 1 >= names->room) {
		size_t room = names->room ? names->room * 2 : 64;
		char **grown = reallocarray(names->list, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		names->list = grown;
		names->room = room;
	}
	names->list[names->count] = strdup(name);
	if (!names->list[names->count])
		return -ENOMEM;
	names->list[++names->count] = NULL;
	return 0;
}

int tree_names(int dir_fd, char ***ret)
{
	struct names names = { 0 };
	const struct dirent *entry;
	DIR *dir = open_stream(dir_fd);
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		if (!is_dot(entry->d_name))
			r = names_add(&names, entry->d_name);
	}
	if (r == 0 && errno)
		r = -errno;
	closedir(dir);
	if (r < 0) {
		strv_free(names.list);
		return r;
	}
	if (names.count > 1)
		qsort(names.list, names.count, sizeof(*names.list), by_bytes);
	*ret = names.list;
	return 0;
}

struct removal {
	int top_fd;	/* the outermost folder that is removed */
	unsigned moved; /* folders from too deep inside, which came to be right in it */
};

static int remove_entry(struct removal *removal, int dir_fd, const char *name, int depth);

/* The first error is kept; the rest is removed nevertheless. */
static int remove_content(struct removal *removal, int fd, int depth)
{
	char **names = NULL;
	int r = tree_names(fd, &names), first = r;

	for (size_t i = 0; r == 0 && names && names[i]; i++) {
		int one = remove_entry(removal, fd, names[i], depth + 1);

		if (one < 0 && first == 0)
			first = one;
	}
	strv_free(names);
	return first;
}

/* Links of an image make folders of any depth. What is too deep is removed from further up. */
static int move_up(struct removal *removal, int dir_fd, const char *name)
{
	char to[32];

	snprintf(to, sizeof(to), ".deep-%u", removal->moved);
	if (renameat2(dir_fd, name, removal->top_fd, to, RENAME_NOREPLACE) < 0)
		return -ELOOP;
	removal->moved++;
	return 0;
}

static int open_to_remove(int dir_fd, const char *name)
{
	int fd = tree_open_dir(dir_fd, name);

	if (fd == -EACCES && fchmodat(dir_fd, name, 0700, 0) == 0)
		fd = tree_open_dir(dir_fd, name);
	if (fd >= 0)
		fchmod(fd, 0700);
	return fd;
}

static int remove_entry(struct removal *removal, int dir_fd, const char *name, int depth)
{
	AUTO_CLOSE int fd = -1;
	unsigned moved;
	int r;

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (depth > TREE_DEPTH_MAX)
		return move_up(removal, dir_fd, name);
	fd = open_to_remove(dir_fd, name);
	if (fd < 0)
		return fd;
	if (depth == 0)
		removal->top_fd = fd;
	do {
		moved = removal->moved;
		r = remove_content(removal, fd, depth);
	} while (depth == 0 && r == 0 && removal->moved > moved);
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT && r == 0)
		r = -errno;
	return r;
}

int tree_remove(int dir_fd, const char *name)
{
	struct removal removal = { .top_fd = -1 };

	return remove_entry(&removal, dir_fd, name, 0);
}

static uint64_t bytes_below(int dir_fd, int depth)
{
	const struct dirent *entry;
	uint64_t sum = 0;
	struct stat st;
	DIR *dir = depth > TREE_DEPTH_MAX ? NULL : open_stream(dir_fd);

	while (dir && (entry = readdir(dir))) {
		if (is_dot(entry->d_name) || fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode)) {
			sum += (uint64_t)st.st_size;
		} else if (S_ISDIR(st.st_mode)) {
			int fd = tree_open_dir(dir_fd, entry->d_name);

			if (fd >= 0) {
				sum += bytes_below(fd, depth + 1);
				close(fd);
			}
		}
	}
	if (dir)
		closedir(dir);
	return sum;
}

uint64_t tree_bytes(int dir_fd)
{
	return bytes_below(dir_fd, 0);
}

int tree_read_file(int dir_fd, const char *name, size_t max, char **ret, size_t *ret_len)
{
	const struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
				      .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	AUTO_CLOSE int fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));

	return fd < 0 ? -errno : tree_read_fd(fd, max, ret, ret_len);
}

int tree_read_fd(int fd, size_t max, char **ret, size_t *ret_len)
{
	AUTO_BUF struct buf text = BUF_INIT(max + 1);
	struct stat st;
	uint8_t *at;
	ssize_t n = 1;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	while (n > 0) {
		size_t room = text.max - text.len < 65536 ? text.max - text.len : 65536;

		at = room ? buf_reserve(&text, room) : NULL;
		if (!at)
			return room ? -ENOMEM : -EFBIG;
		do {
			n = read(fd, at, room);
		} while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
		text.len += (size_t)n;
	}
	if (text.len > max)
		return -EFBIG;
	*ret = (char *)buf_take(&text, ret_len);
	return *ret ? 0 : -ENOMEM;
}

int tree_write_file(int dir_fd, const char *name, const char *text, size_t len)
{
	char temporary[64];
	AUTO_CLOSE int fd = -1;
	int r;

	snprintf(temporary, sizeof(temporary), ".new-%d", (int)getpid());
	unlinkat(dir_fd, temporary, 0);
	fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, text, len);
	if (r == 0 && (fchmod(fd, 0644) < 0 || fsync(fd) < 0 ||
		       renameat(dir_fd, temporary, dir_fd, name) < 0 || fsync(dir_fd) < 0))
		r = -errno;
	if (r < 0)
		unlinkat(dir_fd, temporary, 0);
	return r;
}
