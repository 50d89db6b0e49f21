/*
 * Files from the host, written inside the sandbox as the sandbox's user (the file system ids of init are the
 * user's).
 *
 * Every path is resolved beneath /sandbox by openat2 without following a link: before the first step nobody
 * else is alive in here, later (sessions) somebody may have left links behind.
 *
 * A file with a stamp is no upload but what a snapshot of another sandbox holds. It is not remembered as uploaded, so
 * that a later collection tells it as created or changed, and is given a modification time in the order of the stamps.
 */
#include "init/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WAYS_MAX 64 /* tries to make way for an upload where somebody puts something in it again and again */

/* Makes `path` a folder below dir_fd; one that is there already is fine. */
static int make_dir(int dir_fd, const char *path, const char *name)
{
	char parent[WIRE_PATH_MAX];
	size_t len = (size_t)(name - path);
	int parent_fd, r = 0;

	if (len == 0)
		return mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
	memcpy(parent, path, len - 1);
	parent[len - 1] = '\0';
	parent_fd = open_beneath(dir_fd, parent, O_PATH | O_DIRECTORY, 0);
	if (parent_fd < 0)
		return -errno;
	if (mkdirat(parent_fd, name, 0755) < 0 && errno != EEXIST)
		r = -errno;
	close(parent_fd);
	return r;
}

/* Makes the folders that lead to `path`; the last component too when `whole`. */
static int make_dirs(int dir_fd, char *path, bool whole)
{
	char *name = path;

	for (;;) {
		char *slash = strchr(name, '/');
		int r;

		if (!slash && !whole)
			return 0;
		if (slash)
			*slash = '\0';
		r = make_dir(dir_fd, path, name);
		if (slash)
			*slash = '/';
		if (r < 0 || !slash)
			return r;
		name = slash + 1;
	}
}

void files_fail(struct init *init, const char *path, int error)
{
	struct uploads *up = &init->uploads;

	if (up->error)
		return;
	up->error = (uint32_t)error;
	memcpy(up->error_path, path, strnlen(path, sizeof(up->error_path) - 1) + 1);
}

int64_t time_ns(const struct timespec *t)
{
	return t->tv_sec * 1000000000ll + t->tv_nsec;
}

static int remember(struct init *init, const struct stat *st)
{
	return files_remember(init, init->uploads.path, st, init->uploads.hash);
}

int files_remember(struct init *init, const char *path, const struct stat *st, uint64_t hash)
{
	struct uploads *up = &init->uploads;
	struct uploaded *item = session_find_known(up, path);
	char *name;

	if (!item && up->count == up->room) {
		size_t room = up->room ? 2 * up->room : 16;
		struct uploaded *grown =
			up->count < UPLOADED_MAX ? reallocarray(up->items, room, sizeof(*grown)) : NULL;

		if (!grown)
			return -ENOMEM;
		up->items = grown;
		up->room = room;
	}
	name = item ? item->path : strdup(path);
	if (!name)
		return -ENOMEM;
	if (!item)
		item = &up->items[up->count++];
	*item = (struct uploaded){
		.path = name,
		.is_dir = S_ISDIR(st->st_mode),
		.hash = hash,
		.size = (uint64_t)st->st_size,
		.inode = st->st_ino,
		.ctime_ns = time_ns(&st->st_ctim),
		.mtime_ns = time_ns(&st->st_mtim),
		.mode = st->st_mode & 07777,
	};
	if (!item->is_dir && item->mtime_ns > up->newest_ns)
		up->newest_ns = item->mtime_ns;
	return 0;
}

/* All stamps count from one moment, which no upload is later than. */
static void restore_begin(struct uploads *up)
{
	struct timespec now;

	if (up->restore_ns)
		return;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	up->restore_ns = time_ns(&now) > up->newest_ns ? time_ns(&now) : up->newest_ns;
}

/* Gives what is put back its permissions and its place among the modification times. */
static int restore_finish(const struct uploads *up, int fd, mode_t mode, uint64_t stamp)
{
	int64_t at = up->restore_ns + (int64_t)stamp - 1;
	const struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = at / 1000000000, .tv_nsec = at % 1000000000 },
	};

	return fchmod(fd, mode) < 0 || futimens(fd, times) < 0 ? -errno : 0;
}

/*
 * A file that a step had changed is put back as a new one: by its inode a collection knows that it is not the upload,
 * were it all done within one tick of the clock of times.
 */
static int restore_remove(int dir_fd, char *path)
{
	char *slash = strrchr(path, '/');
	int parent_fd = -1, r = 0;

	if (slash) {
		*slash = '\0';
		parent_fd = open_beneath(dir_fd, path, O_PATH | O_DIRECTORY, 0);
		*slash = '/';
		if (parent_fd < 0)
			return -errno;
	}
	if (unlinkat(slash ? parent_fd : dir_fd, slash ? slash + 1 : path, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (parent_fd >= 0)
		close(parent_fd);
	return r;
}

static int finish_upload(struct init *init)
{
	struct uploads *up = &init->uploads;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	struct stat st;

	if (fchmod(up->fd, up->mode) < 0)
		return -errno;
	if (init->role == ROLE_RUN) {
		times[1] = session_next_time(init);
		if (futimens(up->fd, times) < 0)
			return -errno;
	}
	return fstat(up->fd, &st) < 0 ? -errno : remember(init, &st);
}

static void finish_file(struct init *init)
{
	struct uploads *up = &init->uploads;
	int r;

	if (up->is_link && up->link_len) {
		r = session_make_link(init);
		if (r < 0)
			files_fail(init, up->path, -r);
		up->link_len = 0;
	}
	if (up->fd < 0)
		return;
	if (up->stamp)
		r = restore_finish(up, up->fd, up->mode, up->stamp);
	else if (init->role == ROLE_FILES)
		r = session_give(init, up->fd, up->mode);
	else
		r = finish_upload(init);
	if (r < 0)
		files_fail(init, up->path, -r);
	close(up->fd);
	up->fd = -1;
}

static void begin_dir(struct init *init, char *path, mode_t mode)
{
	struct uploads *up = &init->uploads;
	int r = make_dirs(init->sandbox_fd, path, true);
	struct stat st;
	int fd;

	if (r < 0) {
		files_fail(init, path, -r);
		return;
	}
	fd = open_beneath(init->sandbox_fd, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		r = -errno;
	else if (up->stamp)
		r = restore_finish(up, fd, mode, up->stamp);
	else if (init->role == ROLE_FILES)
		r = session_give(init, fd, mode);
	else if (fchmod(fd, mode | 0700) < 0 || fstat(fd, &st) < 0)
		r = -errno;
	else
		r = remember(init, &st);
	if (r < 0)
		files_fail(init, path, -r);
	if (fd >= 0)
		close(fd);
}

/*
 * The file for what will follow. In a session it is a new one: programs of its users go on meanwhile, and a name that
 * one of them makes again may lead to a file of somebody else's (link(2)).
 */
static int open_file(struct init *init)
{
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY;
	struct uploads *up = &init->uploads;
	int fd, way = 1;

	for (int i = 0; i < WAYS_MAX; i++) {
		if (init->role != ROLE_ALONE)
			way = session_make_way(init, up->path);
		if (way < 0)
			return way;
		fd = open_beneath(init->sandbox_fd, up->path,
				  flags | (way == 0 || init->role == ROLE_FILES ? O_EXCL : 0), 0600);
		if (fd >= 0 || errno != EEXIST)
			return fd < 0 ? -errno : fd;
	}
	return -EBUSY;
}

static int begin_file(struct init *init)
{
	struct uploads *up = &init->uploads;
	int r = make_dirs(init->sandbox_fd, up->path, false);

	if (r == 0 && up->stamp)
		r = restore_remove(init->sandbox_fd, up->path);
	if (r == 0 && up->is_link && init->role != ROLE_ALONE)
		r = session_make_way(init, up->path);
	if (r < 0 || up->is_link)
		return r < 0 ? r : 0;
	r = open_file(init);
	up->fd = r < 0 ? -1 : r;
	return r < 0 ? r : 0;
}

void files_begin(struct init *init, const struct wire_file *file)
{
	struct uploads *up = &init->uploads;
	size_t len = strlen(file->path);
	int r;

	if (up->left || len == 0 || len >= sizeof(up->path) ||
	    (init->role == ROLE_ALONE && (file->remove || file->is_link || file->mtime_ns || file->owner)))
		_exit(1);
	session_look(init);
	if (file->remove) {
		session_remove(init, file);
		return;
	}
	memcpy(up->path, file->path, len + 1);
	up->stamp = file->stamp;
	up->owner = file->owner;
	up->given_ns = file->mtime_ns;
	up->is_link = file->is_link;
	up->link_len = 0;
	if (up->stamp)
		restore_begin(up);
	if (file->is_dir) {
		begin_dir(init, up->path, file->mode);
		return;
	}

	up->left = file->size;
	up->mode = file->mode;
	up->hash = HASH_START;
	r = begin_file(init);
	if (r < 0) {
		files_fail(init, up->path, -r);
		up->is_link = false;
	}
	if (up->left == 0)
		finish_file(init);
}

void files_data(struct init *init, const uint8_t *data, size_t len)
{
	struct uploads *up = &init->uploads;

	if (len > up->left)
		_exit(1);
	up->left -= len;
	up->hash = hash_add(up->hash, data, len);
	if (up->is_link && up->link_len + len < sizeof(up->link)) {
		memcpy(up->link + up->link_len, data, len);
		up->link_len += len;
	}
	while (len && up->fd >= 0) {
		ssize_t n = write(up->fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			files_fail(init, up->path, n < 0 ? errno : EIO);
			close(up->fd);
			up->fd = -1;
			break;
		}
		data += n;
		len -= (size_t)n;
	}
	if (up->left == 0)
		finish_file(init);
}

void files_synced(struct init *init)
{
	struct uploads *up = &init->uploads;
	struct wire_synced synced = { .error = up->error, .path = up->error_path };
	uint8_t payload[WIRE_PATH_MAX + 8];
	int64_t len;

	if (up->left)
		_exit(1);
	session_look(init);
	len = wire_synced_encode(&synced, payload, sizeof(payload));
	out_frame(init, WIRE_SYNCED, 0, payload, (uint32_t)len);
	up->error = 0;
	up->restore_ns = 0;
	up->error_path[0] = '\0';
}
