/*
 * Files back to the host, after every other process of the run is dead: nobody can swap a file under the
 * walk.
 *
 * The walk goes by directory descriptors, one component at a time, never follows a link and opens regular
 * files only. Names in a folder are visited in byte order, so that what a bound cuts off does not depend on
 * the file system.
 *
 * Of changes, those to what was there before are looked for first, by name: they are as many as the uploads, and are
 * told whatever else the run has made.
 */
#include "init/session.h"

#include "base/glob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct walk {
	struct init *init;
	const struct wire_collect *what;
	char path[WIRE_PATH_MAX];
	size_t path_len;
	uint32_t visited, sent_files;
	uint64_t sent_bytes;
	bool knows_changes; /* what was there before is told already */
	bool as_init;	    /* by now */
	uint32_t error;	    /* errno for COLLECT_END */
};

static bool is_tree(const struct walk *w)
{
	return w->what->kind == WIRE_COLLECT_TREE;
}

static bool is_snapshot(const struct walk *w)
{
	return w->what->kind == WIRE_COLLECT_SNAPSHOT;
}

static void report(struct walk *w, const struct wire_collected *file)
{
	uint8_t payload[WIRE_PATH_MAX + 32];
	int64_t len = wire_collected_encode(file, payload, sizeof(payload));

	out_frame(w->init, WIRE_COLLECTED, 0, payload, (uint32_t)len);
}

static void omit(struct walk *w, enum wire_omit reason, uint64_t size)
{
	struct wire_collected file = {
		.change = WIRE_OMITTED, .omit = (uint8_t)reason, .size = size, .path = w->path
	};

	if (is_snapshot(w)) {
		w->error = ENOTSUP;
		return;
	}
	if (w->what->kind == WIRE_COLLECT_KEEP && reason != WIRE_OMIT_NOT_REGULAR)
		w->error = EFBIG;
	report(w, &file);
}

static bool wanted(const struct walk *w)
{
	const char *glob = w->what->globs.first;

	if (w->what->globs.count == 0)
		return true;
	for (uint32_t i = 0; i < w->what->globs.count; i++, glob = wire_strings_next(glob)) {
		if (glob_chooses(glob, w->path))
			return true;
	}
	return false;
}

static int compare_uploaded(const void *a, const void *b)
{
	return strcmp(((const struct uploaded *)a)->path, ((const struct uploaded *)b)->path);
}

static struct uploaded *find_uploaded(const struct walk *w)
{
	struct uploads *up = &w->init->uploads;
	struct uploaded key = { .path = (char *)w->path };
	struct uploaded *item;

	if (!up->count)
		return NULL;
	item = bsearch(&key, up->items, up->count, sizeof(key), compare_uploaded);
	return item && item->removed ? NULL : item;
}

int hash_file(int fd, uint64_t *ret)
{
	uint8_t chunk[16384];
	uint64_t hash = HASH_START;

	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		hash = hash_add(hash, chunk, (size_t)n);
	}
	*ret = hash;
	return lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

/* False: the file is as it was uploaded. The user cannot set ctime, so an untouched one is not even read. */
static bool is_changed(const struct uploaded *was, int fd, const struct stat *st)
{
	uint64_t hash;

	if (st->st_ino == was->inode && time_ns(&st->st_ctim) == was->ctime_ns)
		return false;
	if ((uint64_t)st->st_size != was->size || (st->st_mode & 07777) != was->mode)
		return true;
	return was->hash == HASH_UNKNOWN || hash_file(fd, &hash) < 0 || hash != was->hash;
}

/*
 * False: not even its times are other than after the upload. Older kernels keep times in ticks of milliseconds, within
 * which a quick step may have written: so the content is looked at in any case.
 */
static bool is_touched(const struct uploaded *was, int fd, const struct stat *st)
{
	uint64_t hash;

	if (st->st_ino != was->inode || time_ns(&st->st_ctim) != was->ctime_ns ||
	    time_ns(&st->st_mtim) != was->mtime_ns)
		return true;
	if ((uint64_t)st->st_size != was->size || (st->st_mode & 07777) != was->mode)
		return true;
	return hash_file(fd, &hash) < 0 || hash != was->hash;
}

/* Sends exactly `len` bytes; a file that cannot be read on is filled up with zeros rather than break the protocol. */
static void send_content(struct walk *w, int fd, uint64_t len)
{
	struct init *init = w->init;

	while (len) {
		size_t most = len < WIRE_TO_HOST_MAX ? (size_t)len : WIRE_TO_HOST_MAX;
		ssize_t n;

		out_wait(init, OUT_BUFFER_SIZE - WIRE_HEADER_SIZE - WIRE_TO_HOST_MAX);
		n = out_read_frame(init, fd, WIRE_DATA, 0, most);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			uint8_t zero[1024] = { 0 };

			n = most < sizeof(zero) ? (ssize_t)most : (ssize_t)sizeof(zero);
			out_frame(init, WIRE_DATA, 0, zero, (uint32_t)n);
		}
		len -= (uint64_t)n;
	}
}

/* What makes it whose, and of when. */
static void tell_owner(const struct walk *w, const struct stat *st, struct wire_collected *file)
{
	uid_t session = w->init->config->payload_uid;
	int64_t written = time_ns(&st->st_mtim);

	if (w->init->role == ROLE_FILES && st->st_uid > session && st->st_uid - session <= WIRE_OWNER_MAX)
		file->owner = st->st_uid - session;
	file->mtime_ns = written > 0 ? (uint64_t)written : 0;
}

static void send_file(struct walk *w, int fd, const struct stat *st, enum wire_change change)
{
	struct wire_collected file = {
		.change = (uint8_t)change,
		.mode = st->st_mode & 07777,
		.size = (uint64_t)st->st_size,
		.path = w->path,
	};
	bool whole = w->what->kind != WIRE_COLLECT_CHANGES;

	if (is_tree(w))
		tell_owner(w, st, &file);

	if (is_snapshot(w) && !snapshot_holds(w->init, fd, st, &file.age_ns)) {
		omit(w, WIRE_OMIT_NOT_REGULAR, file.size);
		return;
	}
	file.sent = file.size;
	if (file.size > w->what->file_bytes) {
		if (whole) {
			omit(w, WIRE_OMIT_TOO_LARGE, file.size);
			return;
		}
		file.sent = w->what->file_bytes;
		file.truncated = true;
	}
	if (w->sent_files >= w->what->files) {
		omit(w, WIRE_OMIT_TOO_MANY, file.size);
		return;
	}
	if (file.sent > w->what->total_bytes - w->sent_bytes) {
		omit(w, WIRE_OMIT_TOO_LARGE, file.size);
		return;
	}
	w->sent_files++;
	w->sent_bytes += file.sent;
	report(w, &file);
	send_content(w, fd, file.sent);
}

/* A folder of a snapshot, when all that is in it has been told. One that was not touched since the uploads is not. */
static void send_dir(struct walk *w, int fd)
{
	struct uploaded *was = find_uploaded(w);
	struct wire_collected file = { .change = WIRE_CREATED, .is_dir = true, .path = w->path };
	struct stat st;

	if (was)
		was->seen = was->is_dir;
	if (fstat(fd, &st) < 0) {
		omit(w, WIRE_OMIT_UNREADABLE, 0);
		return;
	}
	if (time_ns(&st.st_ctim) < w->init->uploads.newest_ns)
		return;
	file.mode = st.st_mode & 07777;
	if (w->sent_files >= w->what->files || !snapshot_holds(w->init, fd, &st, &file.age_ns)) {
		omit(w, WIRE_OMIT_TOO_MANY, 0);
		return;
	}
	w->sent_files++;
	report(w, &file);
}

/* A folder or link of a tree, with what follows of a link. */
static void send_node(struct walk *w, const struct stat *st, const char *target, size_t len)
{
	struct wire_collected file = { .change = WIRE_CREATED,
				       .is_dir = !target,
				       .is_link = target != NULL,
				       .mode = st->st_mode & 07777,
				       .size = len,
				       .sent = len,
				       .path = w->path };

	if (w->sent_files >= w->what->files || len > w->what->total_bytes - w->sent_bytes) {
		omit(w, w->sent_files >= w->what->files ? WIRE_OMIT_TOO_MANY : WIRE_OMIT_TOO_LARGE, len);
		return;
	}
	tell_owner(w, st, &file);
	w->sent_files++;
	w->sent_bytes += len;
	report(w, &file);
	if (len)
		out_frame(w->init, WIRE_DATA, 0, target, (uint32_t)len);
}

static void visit_link(struct walk *w, int dir_fd, const char *name, const struct stat *st)
{
	char target[WIRE_PATH_MAX];
	ssize_t len = readlinkat(dir_fd, name, target, sizeof(target));

	if (!wanted(w))
		return;
	if (len <= 0 || len >= (ssize_t)sizeof(target) || (uint64_t)len > w->what->file_bytes)
		omit(w, WIRE_OMIT_UNREADABLE, 0);
	else
		send_node(w, st, target, (size_t)len);
}

/* In a session with more files than can be remembered: what was not touched since is not new. */
static bool is_old(const struct walk *w, const struct stat *st)
{
	const struct uploads *up = &w->init->uploads;

	return up->cut && time_ns(&st->st_ctim) < up->looked_ns;
}

static void visit_file(struct walk *w, int dir_fd, const char *name)
{
	struct uploaded *was = find_uploaded(w);
	struct stat st;
	int fd;

	if (was && was->is_dir)
		was = NULL;
	if (was)
		was->seen = true;
	if (!wanted(w) || (was && w->knows_changes))
		return;
	fd = session_open_entry(w->init, dir_fd, name, O_NONBLOCK | O_NOCTTY, &st);
	if (fd < 0 || !S_ISREG(st.st_mode))
		omit(w, WIRE_OMIT_UNREADABLE, 0);
	else if (w->what->kind == WIRE_COLLECT_KEEP || is_tree(w) || (!was && !is_old(w, &st)))
		send_file(w, fd, &st, WIRE_CREATED);
	else if (!was)
		; /* there before */
	else if (is_snapshot(w) ? is_touched(was, fd, &st) : is_changed(was, fd, &st))
		send_file(w, fd, &st, WIRE_CHANGED);
	if (fd >= 0)
		close(fd);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * The names in a folder, sorted; *ret_count of them, each freed by the caller. Stops at what may still be visited.
 */
static char **list_names(const struct walk *w, DIR *dir, size_t *ret_count)
{
	const size_t most = COLLECT_VISIT_MAX - w->visited;
	char **names = NULL;
	size_t count = 0, room = 0;
	struct dirent *entry;

	while (count < most && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (count == room) {
			char **grown = reallocarray(names, room ? 2 * room : 32, sizeof(*names));

			if (!grown)
				break;
			names = grown;
			room = room ? 2 * room : 32;
		}
		names[count] = strdup(entry->d_name);
		if (!names[count])
			break;
		/* More than nothing: the host is not to wait for what it was told already. */
		if (++count == 1)
			out_flush(w->init);
	}
	if (count)
		qsort(names, count, sizeof(*names), compare_names);
	*ret_count = count;
	return names;
}

static void visit_dir(struct walk *w, int fd, unsigned depth);

static void visit(struct walk *w, int dir_fd, const char *name, unsigned depth)
{
	size_t old_len = w->path_len;
	size_t len = strlen(name);
	struct stat st;
	int fd;

	if (old_len + len + 2 > sizeof(w->path)) {
		omit(w, WIRE_OMIT_NAME, 0);
		return;
	}
	if (old_len)
		w->path[w->path_len++] = '/';
	memcpy(w->path + w->path_len, name, len + 1);
	w->path_len += len;
	w->visited++;

	files_as_init(w->init, &w->as_init);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		omit(w, WIRE_OMIT_UNREADABLE, 0);
	} else if (S_ISREG(st.st_mode)) {
		visit_file(w, dir_fd, name);
	} else if (S_ISLNK(st.st_mode) && is_tree(w)) {
		visit_link(w, dir_fd, name, &st);
	} else if (!S_ISDIR(st.st_mode)) {
		if (wanted(w))
			omit(w, WIRE_OMIT_NOT_REGULAR, 0);
	} else if (depth >= COLLECT_DEPTH_MAX) {
		omit(w, WIRE_OMIT_TOO_DEEP, 0);
	} else {
		fd = session_open_entry(w->init, dir_fd, name, O_DIRECTORY, &st);
		if (fd < 0)
			omit(w, WIRE_OMIT_UNREADABLE, 0);
		else
			visit_dir(w, fd, depth + 1);
		if (fd >= 0 && is_tree(w) && wanted(w))
			send_node(w, &st, NULL, 0);
	}
	w->path_len = old_len;
	w->path[old_len] = '\0';
}

static void visit_names(struct walk *w, DIR *dir, unsigned depth)
{
	size_t count;
	char **names = list_names(w, dir, &count);

	for (size_t i = 0; i < count; i++) {
		if (w->visited < COLLECT_VISIT_MAX && !(w->error && is_snapshot(w)))
			visit(w, dirfd(dir), names[i], depth);
		free(names[i]);
	}
	free(names);
	if (is_snapshot(w) && w->path_len && !w->error)
		send_dir(w, dirfd(dir));
}

/* Takes over fd. */
static void visit_dir(struct walk *w, int fd, unsigned depth)
{
	DIR *dir = folder_take(fd);

	if (!dir)
		return;
	visit_names(w, dir, depth);
	closedir(dir);
}

/* False: it cannot be opened. */
static bool visit_top(struct walk *w)
{
	struct init *init = w->init;
	int fd;

	if (init->home_dir) {
		rewinddir(init->home_dir);
		visit_names(w, init->home_dir, 0);
		return true;
	}
	files_as_init(init, &w->as_init);
	fd = openat(init->sandbox_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		visit_dir(w, fd, 0);
	return fd >= 0;
}

/* The folder of a name that was there before, opened as the walk does. -1: the way there is no more. */
static int open_folder(const struct walk *w, const char *path, size_t len)
{
	int at = openat(w->init->sandbox_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t begin = 0, end; at >= 0 && begin < len; begin = end + 1) {
		char name[NAME_MAX + 1];
		struct stat st;
		int next;

		for (end = begin; end < len && path[end] != '/';)
			end++;
		if (end - begin >= sizeof(name)) {
			close(at);
			return -1;
		}
		memcpy(name, path + begin, end - begin);
		name[end - begin] = '\0';
		next = w->init->contained && !is_folder_itself(at, name)
			       ? -1
			       : session_open_entry(w->init, at, name, O_DIRECTORY, &st);
		close(at);
		at = next;
	}
	return at;
}

/* Tells of the files that were there before and have changed. They are in order, so that one folder serves several. */
static void visit_known(struct walk *w)
{
	const struct uploads *up = &w->init->uploads;
	const char *folder = NULL;
	size_t folder_len = 0;
	int fd = -1;

	for (size_t i = 0; i < up->count; i++) {
		const char *path = up->items[i].path, *slash = strrchr(path, '/');
		size_t len = slash ? (size_t)(slash - path) : 0;
		const char *name = slash ? slash + 1 : path;
		struct stat st;

		if (up->items[i].is_dir || up->items[i].removed)
			continue;
		if (!folder || len != folder_len || memcmp(folder, path, len) != 0) {
			if (fd >= 0)
				close(fd);
			fd = open_folder(w, path, len);
			folder = path;
			folder_len = len;
		}
		w->path_len = strlen(path);
		memcpy(w->path, path, w->path_len + 1);
		if (fd >= 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			visit_file(w, fd, name);
	}
	if (fd >= 0)
		close(fd);
	w->path_len = 0;
	w->path[0] = '\0';
	w->knows_changes = true;
}

static void report_deleted(struct walk *w)
{
	struct uploads *up = &w->init->uploads;

	for (size_t i = 0; i < up->count; i++) {
		struct wire_collected file = { .change = WIRE_DELETED, .path = up->items[i].path };

		if (up->items[i].seen || up->items[i].is_dir || up->items[i].removed)
			continue;
		memcpy(w->path, up->items[i].path, strlen(up->items[i].path) + 1);
		if (wanted(w))
			report(w, &file);
	}
}

/* A snapshot is files put back over the uploads: it cannot take one away, nor reach outside. */
static bool is_whole(const struct walk *w)
{
	const struct uploads *up = &w->init->uploads;
	struct stat st;

	for (size_t i = 0; i < up->count; i++) {
		if (!up->items[i].seen && !up->items[i].removed)
			return false;
	}
	if (fstat(w->init->sandbox_fd, &st) < 0 || st.st_mode != w->init->sandbox_mode)
		return false;
	return snapshot_is_all();
}

void collect(struct init *init, const struct wire_collect *what)
{
	static struct walk walk; /* too large for the stack; one thread, one collection at a time */
	struct uploads *up = &init->uploads;
	uid_t user = init->role == ROLE_FILES ? getuid() : init->config->payload_uid;
	uint8_t payload[4];
	bool opened;

	session_look(init);
	walk = (struct walk){ .init = init, .what = what };
	if (up->count)
		qsort(up->items, up->count, sizeof(*up->items), compare_uploaded);
	up->known = up->looked ? up->count : 0;
	for (size_t i = 0; i < up->count; i++)
		up->items[i].seen = false;

	if (up->count)
		files_as_init(init, &walk.as_init);
	if (what->kind == WIRE_COLLECT_CHANGES) {
		visit_known(&walk);
		report_deleted(&walk);
	}
	opened = visit_top(&walk);
	if (is_snapshot(&walk) && !walk.error && (!opened || !is_whole(&walk)))
		walk.error = ENOTSUP;
	if (walk.as_init)
		files_as(&init->foreign, user);
	if (walk.visited >= COLLECT_VISIT_MAX) {
		memcpy(walk.path, ".", 2); /* all the rest of the folder */
		omit(&walk, WIRE_OMIT_TOO_MANY, 0);
	}
	wire_u32_encode(walk.error, payload, sizeof(payload));
	out_frame(init, WIRE_COLLECT_END, 0, payload, sizeof(payload));
}
