#include "cmd/run_files.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 64

static int fd_read_all(int fd, struct buf *content, const char *path, struct err *err)
{
	for (;;) {
		uint8_t chunk[65536];
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, -errno, "read '%s'", path);
		if (n == 0)
			return 0;
		if (buf_append(content, chunk, (size_t)n) < 0)
			return err_set(err, -EFBIG, "'%s'", path);
	}
}

static int file_add(struct run_request *req, int fd, mode_t mode, const char *name, const char *path,
		    struct err *err)
{
	AUTO_BUF struct buf content = BUF_INIT(request_bounds_default.files_bytes);
	int r;

	r = fd_read_all(fd, &content, path, err);
	if (r < 0)
		return r;
	r = request_add_file(req, name, content.data, content.len, mode & 0777, &request_bounds_default, err);
	if (r < 0)
		return err_wrap(err, r, "'%s'", path);
	return 0;
}

static int folder_add(struct run_request *req, int fd, const char *prefix, const char *path, int depth,
		      struct err *err);

/* One entry of a folder; `name` is what it is called in the sandbox. */
static int entry_add(struct run_request *req, int dir_fd, const char *entry, const char *name,
		     const char *path, int depth, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	AUTO_FREE char *below = NULL;
	struct stat link, st;

	if (asprintf(&below, "%s/%s", path, entry) < 0) {
		below = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	fd = openat(dir_fd, entry, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || fstatat(dir_fd, entry, &link, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, -errno, "open '%s'", below);
	if (S_ISREG(st.st_mode))
		return file_add(req, fd, st.st_mode, name, below, err);
	if (S_ISDIR(st.st_mode) && !S_ISLNK(link.st_mode))
		return folder_add(req, TAKE_FD(fd), name, below, depth + 1, err);
	return err_refuse(err, ERR_MALFORMED, "bad_file", NULL,
			  "'%s' is neither a file nor a folder: kiln run takes only these", below);
}

/* Takes `fd` over. */
static int folder_add(struct run_request *req, int fd, const char *prefix, const char *path, int depth,
		      struct err *err)
{
	const struct dirent *entry;
	DIR *dir;
	int r = 0;

	if (depth > DEPTH_MAX) {
		close(fd);
		return err_refuse(err, ERR_MALFORMED, "bad_file", NULL, "'%s' lies deeper than %d folders",
				  path, DEPTH_MAX);
	}
	dir = fdopendir(fd);
	if (!dir) {
		r = err_set(err, -errno, "folder '%s'", path);
		close(fd);
		return r;
	}
	while (r >= 0 && (errno = 0, entry = readdir(dir))) {
		AUTO_FREE char *name = NULL;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (asprintf(&name, "%s%s%s", prefix, prefix[0] ? "/" : "", entry->d_name) < 0) {
			name = NULL;
			r = err_set(err, -ENOMEM, "out of memory");
			break;
		}
		r = entry_add(req, dirfd(dir), entry->d_name, name, path, depth, err);
	}
	if (r >= 0 && errno != 0)
		r = err_set(err, -errno, "folder '%s'", path);
	closedir(dir);
	return r;
}

/* What a file of the command line is called in the sandbox: without "./", without doubled slashes. Free it. */
static char *sandbox_name(const char *path)
{
	const char *last = strrchr(path, '/');
	char *name = calloc(1, strlen(path) + 1), *end = name;

	if (!name)
		return NULL;
	if (path[0] == '/' || path_goes_up(path))
		path = last + 1;
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len > 0 && !(len == 1 && path[0] == '.')) {
			if (end > name)
				*end++ = '/';
			memcpy(end, path, len);
			end += len;
		}
		path += len;
		path += strspn(path, "/");
	}
	return name;
}

int run_files_add(struct run_request *req, const char *path, struct err *err)
{
	AUTO_FREE char *name = NULL;
	AUTO_CLOSE int fd = -1;
	struct stat st;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, "open '%s'", path);
	if (S_ISDIR(st.st_mode))
		return folder_add(req, TAKE_FD(fd), "", path, 0, err);
	if (!S_ISREG(st.st_mode))
		return err_refuse(err, ERR_MALFORMED, "bad_file", NULL,
				  "'%s' is neither a file nor a folder: kiln run takes only these", path);
	name = sandbox_name(path);
	if (!name)
		return err_set(err, -ENOMEM, "out of memory");
	return file_add(req, fd, st.st_mode, name, path, err);
}
