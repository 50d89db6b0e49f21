/*
 * A member of a session: files were here before, and others may be at work on theirs right now.
 *
 * In the role of a run init looks at the user's home before anything is changed, so that a collection can tell what
 * the step has changed. Contents are remembered by their hash up to a bound; beyond it a file has changed when the
 * kernel says that it was touched. Whatever has the name of an upload is removed and made anew: it could be a link, a
 * pipe, or without permission to write. Uploads get modification times behind all that is there, since what make and
 * its kin compare are those, and two uploads may come within one tick of the clock.
 *
 * In the role of all files init is root in its user namespace. Users may be running beside it, so everything goes by
 * descriptors, without following links, and whose a file becomes is set through a descriptor of what was just made.
 */
#include "init/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HASH_FILE_MAX	(64u * 1024)
#define HASH_TOTAL_MAX	(4u * 1024 * 1024)
#define DEPTH_MAX	COLLECT_DEPTH_MAX
#define STACK_OWN_BYTES (16u * 1024)

struct look {
	struct init *init;
	int64_t now_ns;
	unsigned visited;
	bool as_init; /* by now; nothing is asked of an empty home */
	char path[WIRE_PATH_MAX];
	size_t len;
};

static int64_t coarse_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return time_ns(&now);
}

int session_open_entry(const struct init *init, int dir_fd, const char *name, int flags, struct stat *ret)
{
	int fd = openat(dir_fd, name, flags | O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, ret) < 0 || init->role != ROLE_RUN ||
	    ret->st_uid == init->config->payload_uid)
		return fd;
	close(fd);
	files_as(&init->foreign, init->config->payload_uid);
	fd = openat(dir_fd, name, flags | O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	files_as(&init->foreign, getuid());
	if (fd >= 0 && fstat(fd, ret) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A file whose time lies ahead of now does not count: whoever set it wants make to be fooled. */
static void note_file(struct look *look, int dir_fd, const char *name, const struct stat *st)
{
	struct uploads *up = &look->init->uploads;
	int64_t newest_ns = up->newest_ns;
	uint64_t hash = HASH_UNKNOWN;
	struct stat opened;
	int fd = -1;

	if (st->st_size <= HASH_FILE_MAX && up->hashed + (uint64_t)st->st_size <= HASH_TOTAL_MAX)
		fd = session_open_entry(look->init, dir_fd, name, O_NONBLOCK | O_NOCTTY, &opened);
	if (fd >= 0 && hash_file(fd, &hash) < 0)
		hash = HASH_UNKNOWN;
	if (fd >= 0)
		close(fd);
	up->hashed += fd >= 0 ? (uint64_t)st->st_size : 0;
	if (files_remember(look->init, look->path, st, hash) < 0)
		up->cut = true;
	if (up->newest_ns > look->now_ns)
		up->newest_ns = newest_ns;
}

void files_as_init(const struct init *init, bool *done)
{
	if (!*done)
		files_as(&init->foreign, getuid());
	*done = true;
}

static void look_into(struct look *look, int fd, unsigned depth);

static void look_at(struct look *look, int dir_fd, const char *name, unsigned depth)
{
	size_t old_len = look->len, len = strlen(name);
	struct stat st;
	int fd;

	files_as_init(look->init, &look->as_init);
	if (old_len + len + 2 > sizeof(look->path) || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (old_len)
		look->path[look->len++] = '/';
	memcpy(look->path + look->len, name, len + 1);
	look->len += len;
	if (S_ISREG(st.st_mode)) {
		note_file(look, dir_fd, name, &st);
	} else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
		fd = session_open_entry(look->init, dir_fd, name, O_DIRECTORY, &st);
		if (fd >= 0)
			look_into(look, fd, depth + 1);
	}
	look->len = old_len;
	look->path[old_len] = '\0';
}

static void look_through(struct look *look, DIR *dir, unsigned depth)
{
	const struct dirent *entry;

	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (++look->visited > COLLECT_VISIT_MAX) {
			look->init->uploads.cut = true;
			break;
		}
		look_at(look, dirfd(dir), entry->d_name, depth);
	}
}

/* Takes over fd. */
static void look_into(struct look *look, int fd, unsigned depth)
{
	DIR *dir = folder_take(fd);

	if (!dir)
		return;
	look_through(look, dir, depth);
	closedir(dir);
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct uploaded *)a)->path, ((const struct uploaded *)b)->path);
}

/* A home that its user has closed to himself is opened again: nothing could be put there, and nothing run. */
static void open_home(const struct init *init)
{
	struct stat st;

	if (fstat(init->sandbox_fd, &st) == 0 && (st.st_mode & S_IRWXU) != S_IRWXU)
		(void)!fchmod(init->sandbox_fd, (st.st_mode & 07777) | S_IRWXU);
}

static struct look look; /* too large for the stack; one thread, one look */

void session_begin(struct init *init)
{
	if (init->role != ROLE_RUN)
		return;
	init->home_dir = fdopendir(init->sandbox_fd);
	if (!init->home_dir)
		_exit(1);
	/* Memory that a look takes from the kernel for the first time is taken before anybody waits for it. */
	(void)!readdir(init->home_dir);
	look.init = init;
	init->uploads.looked = false;
}

static void touch(volatile void *at)
{
	volatile uint8_t *byte = at;

	*byte = *byte;
}

/*
 * A page that the process ahead shares with init is copied when init writes to it, some 3 µs each time. (The init of a
 * single run leaves these few pages alone: of its kind a thousand may wait, each of which would hold the copies.)
 */
void session_own_pages(struct init *init)
{
	volatile uint8_t stack[STACK_OWN_BYTES];

	if (init->role != ROLE_RUN)
		return;
	for (size_t i = 0; i < sizeof(stack); i += 4096)
		stack[i] = 0;
	touch(init->in);
	touch(&init->uploads.looked);
	touch(&init->step.kill);
	touch(&init->step.input.owed);
	touch(&look);
	rewinddir(init->home_dir);
}

void session_look(struct init *init)
{
	struct uploads *up = &init->uploads;

	if (init->role != ROLE_RUN || up->looked)
		return;
	up->looked = true;
	up->looked_ns = coarse_now_ns();
	look.now_ns = up->looked_ns + 1000000000;
	look.as_init = false;
	rewinddir(init->home_dir);
	look_through(&look, init->home_dir, 0);
	if (look.as_init)
		files_as(&init->foreign, init->config->payload_uid);
	open_home(init);
	if (up->count)
		qsort(up->items, up->count, sizeof(*up->items), compare_paths);
	up->known = up->count;
}

struct uploaded *session_find_known(struct uploads *up, const char *path)
{
	struct uploaded key = { .path = (char *)path };

	return up->known ? bsearch(&key, up->items, up->known, sizeof(key), compare_paths) : NULL;
}

struct timespec session_next_time(struct init *init)
{
	struct uploads *up = &init->uploads;
	int64_t at = coarse_now_ns();

	if (at <= up->newest_ns)
		at = up->newest_ns + 1;
	up->newest_ns = at;
	return (struct timespec){ .tv_sec = at / 1000000000, .tv_nsec = at % 1000000000 };
}

/* The folder that a path ends in, as a descriptor, and the name in there. */
static int open_parent(const struct init *init, char *path, const char **ret_name)
{
	char *slash = strrchr(path, '/');
	int fd;

	*ret_name = slash ? slash + 1 : path;
	if (!slash)
		return openat(init->sandbox_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	*slash = '\0';
	fd = open_beneath(init->sandbox_fd, path, O_PATH | O_DIRECTORY, 0);
	*slash = '/';
	return fd;
}

int session_make_way(struct init *init, char *path)
{
	const char *name;
	int parent_fd = open_parent(init, path, &name);
	int r = 0;

	if (parent_fd < 0)
		return -errno;
	if (unlinkat(parent_fd, name, 0) < 0 && errno != ENOENT)
		/* In a folder that the user has closed to himself it may still be written. */
		r = errno == EACCES || errno == EPERM ? 1 : -errno;
	close(parent_fd);
	return r;
}

static uid_t owner_uid(const struct init *init)
{
	return init->config->payload_uid + init->uploads.owner;
}

static void given_times(const struct init *init, struct timespec ret[2])
{
	uint64_t at = init->uploads.given_ns;

	ret[0] = (struct timespec){ .tv_nsec = at ? UTIME_OMIT : UTIME_NOW };
	ret[1] = at ? (struct timespec){ .tv_sec = (time_t)(at / 1000000000),
					 .tv_nsec = (long)(at % 1000000000) }
		    : (struct timespec){ .tv_nsec = UTIME_NOW };
}

int session_give(const struct init *init, int fd, mode_t mode)
{
	struct timespec times[2];

	given_times(init, times);
	return fchown(fd, owner_uid(init), init->config->payload_gid) < 0 || fchmod(fd, mode) < 0 ||
			       futimens(fd, times) < 0
		       ? -errno
		       : 0;
}

/* Of a link that was just made, or that somebody has put something else in the place of: then it is left alone. */
static int give_link(const struct init *init, int parent_fd, const char *name)
{
	int fd = openat(parent_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct timespec times[2];
	struct stat st;
	int r = 0;

	if (fd < 0)
		return -errno;
	given_times(init, times);
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISLNK(st.st_mode))
		r = -EEXIST;
	else if (fchownat(fd, "", owner_uid(init), init->config->payload_gid, AT_EMPTY_PATH) < 0 ||
		 utimensat(fd, "", times, AT_EMPTY_PATH) < 0)
		r = -errno;
	close(fd);
	return r;
}

int session_make_link(struct init *init)
{
	struct uploads *up = &init->uploads;
	const char *name;
	int parent_fd = open_parent(init, up->path, &name);
	int r = 0;

	if (parent_fd < 0)
		return -errno;
	up->link[up->link_len] = '\0';
	if (strlen(up->link) != up->link_len)
		r = -EINVAL;
	else if (symlinkat(up->link, parent_fd, name) < 0)
		r = -errno;
	else if (init->role == ROLE_FILES)
		r = give_link(init, parent_fd, name);
	close(parent_fd);
	return r;
}

/* ---- removal ---- */

/*
 * Users can nest folders deeper than descriptors reach: what is too deep is moved up, next to what is being emptied,
 * and has its turn there.
 */
struct removal {
	int top_fd;
	unsigned moved;
};

static int remove_entry(struct removal *removal, int parent_fd, const char *name, unsigned depth);

/* Takes over fd. */
static int empty_folder(struct removal *removal, int fd, unsigned depth)
{
	DIR *dir = folder_take(fd);
	const struct dirent *entry;
	int r = 0;

	if (!dir)
		return -ENOMEM;
	while (r == 0 && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = remove_entry(removal, dirfd(dir), entry->d_name, depth + 1);
	}
	closedir(dir);
	return r;
}

static int move_up(struct removal *removal, int parent_fd, const char *name)
{
	char to[32];

	do {
		if (++removal->moved > COLLECT_VISIT_MAX)
			return -ELOOP;
		snprintf(to, sizeof(to), ".kiln-removed-%u", removal->moved);
	} while (renameat2(parent_fd, name, removal->top_fd, to, RENAME_NOREPLACE) < 0 && errno == EEXIST);
	return 0;
}

static int remove_entry(struct removal *removal, int parent_fd, const char *name, unsigned depth)
{
	int fd, r;

	if (unlinkat(parent_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	if (depth > DEPTH_MAX)
		return move_up(removal, parent_fd, name);
	fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = fd < 0 ? -errno : empty_folder(removal, fd, depth);
	if (r < 0)
		return r;
	return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/* Somebody may be filling it at the same time: that is not waited for. */
static int remove_tree(int parent_fd, const char *name)
{
	struct removal removal = { 0 };
	int r = -ENOTEMPTY;

	if (unlinkat(parent_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	for (unsigned tries = 0; tries < COLLECT_VISIT_MAX && r == -ENOTEMPTY; tries++) {
		removal.top_fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (removal.top_fd < 0)
			return errno == ENOENT ? 0 : -errno;
		r = empty_folder(&removal, openat(removal.top_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
				 0);
		close(removal.top_fd);
		if (r == 0 && unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			r = -errno;
	}
	return r;
}

static void forget(struct uploads *up, const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < up->count; i++) {
		const char *own = up->items[i].path;

		if (strncmp(own, path, len) == 0 && (own[len] == '\0' || own[len] == '/'))
			up->items[i].removed = true;
	}
}

void session_remove(struct init *init, const struct wire_file *file)
{
	struct uploads *up = &init->uploads;
	const char *name;
	int parent_fd, r = 0;

	memcpy(up->path, file->path, strlen(file->path) + 1);
	parent_fd = open_parent(init, up->path, &name);
	if (parent_fd < 0)
		r = errno == ENOENT ? 0 : -errno;
	else if (file->is_dir)
		r = remove_tree(parent_fd, name);
	else if (unlinkat(parent_fd, name, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (parent_fd >= 0)
		close(parent_fd);
	if (r < 0)
		files_fail(init, up->path, -r);
	else
		forget(up, up->path);
}
