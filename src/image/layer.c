/*
 * How it works. A tar with whiteouts is read twice: first its whiteouts, which are about what the layers
 * before put there, then the rest; so nothing has to be remembered of which file came from which layer.
 * Folders that a name goes through are opened afresh for every member: the kernel resolves them with our
 * folder as root, so a link in the image leads where it would lead inside, and never out.
 */
#include "image/layer.h"

#include "base/cleanup.h"
#include "base/strv.h"
#include "image/tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHUNK		(128 * 1024)
#define WHITEOUT	".wh."
#define WHITEOUT_META	".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

struct layer {
	struct archive *a;
	int root_fd;
	const struct layer_options *options;
	struct layer_count *count;
	uint64_t read_before; /* this tar */
	bool whiteouts;	      /* the pass in which nothing but those is done */
	struct err *err;
};

/* A name split where its last part begins, cleaned of "./", "//" and slashes at its ends. */
struct place {
	char dir[PATH_MAX]; /* "." at the top */
	char name[NAME_MAX + 1];
};

static int hostile(const struct layer *l, const char *path, const char *what)
{
	char shown[128];
	size_t i = 0;

	for (; path[i] && i + 1 < sizeof(shown); i++)
		shown[i] = (unsigned char)path[i] < 0x20 || path[i] == 0x7f ? '?' : path[i];
	shown[i] = '\0';
	return err_set(l->err, -EINVAL, "its member '%s' %s", shown, what);
}

static int split(const struct layer *l, const char *path, struct place *ret)
{
	size_t used = 0, depth = 0;
	char clean[PATH_MAX];
	char *slash;

	for (const char *at = path; *at;) {
		size_t len = strcspn(at, "/");

		if (len == 2 && at[0] == '.' && at[1] == '.')
			return hostile(l, path, "has '..' in its name");
		if (len > NAME_MAX || used + len + 2 > sizeof(clean))
			return hostile(l, path, "has a name that is too long");
		if (len > 0 && !(len == 1 && at[0] == '.')) {
			if (++depth > LAYER_DEPTH_MAX)
				return hostile(l, path, "is in too many folders");
			if (used)
				clean[used++] = '/';
			memcpy(clean + used, at, len);
			used += len;
		}
		at += len + (at[len] == '/');
	}
	clean[used] = '\0';
	slash = strrchr(clean, '/');
	/* No part is longer than NAME_MAX. */
	memccpy(ret->name, slash ? slash + 1 : clean, '\0', sizeof(ret->name));
	if (slash)
		*slash = '\0';
	snprintf(ret->dir, sizeof(ret->dir), "%s", slash ? clean : ".");
	return 0;
}

static int open_in_root(int root_fd, const char *dir)
{
	const struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
				      .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
	int fd = (int)syscall(SYS_openat2, root_fd, dir, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* Opens a folder, making what is missing of it. A file in the way is no folder: -ENOTDIR. */
static int open_or_make(int root_fd, const char *dir)
{
	char path[PATH_MAX];
	size_t len = 0;
	int fd = open_in_root(root_fd, dir);

	if (fd != -ENOENT)
		return fd;
	for (;;) {
		AUTO_CLOSE int above = -1;
		size_t begin = len + (len > 0), end = begin + strcspn(dir + begin, "/");

		snprintf(path, sizeof(path), "%.*s", (int)len, dir);
		above = len ? open_in_root(root_fd, path) : dup(root_fd);
		if (above < 0)
			return len ? above : -errno;
		snprintf(path, sizeof(path), "%.*s", (int)(end - begin), dir + begin);
		if (mkdirat(above, path, 0755) < 0 && errno != EEXIST)
			return -errno;
		len = end;
		if (!dir[end])
			return open_in_root(root_fd, dir);
	}
}

static int bound(const struct layer *l, uint64_t size)
{
	const struct layer_bounds *bounds = &l->options->bounds;

	if (l->count->files >= bounds->files)
		return err_set(l->err, -EFBIG, "it has more than %llu files",
			       (unsigned long long)bounds->files);
	if (size > bounds->bytes - l->count->bytes)
		return err_set(l->err, -EFBIG, "its files are larger than %llu bytes together",
			       (unsigned long long)bounds->bytes);
	return 0;
}

static int read_failed(const struct layer *l)
{
	const char *why = archive_error_string(l->a);

	if (archive_errno(l->a) == ENOMEM)
		return err_set(l->err, -ENOMEM, "reading the archive");
	return err_set(l->err, -EINVAL, "the archive is damaged or cut short: %.200s",
		       why ? why : "unreadable");
}

/* In place of whatever is there. A folder that is replaced by something else goes with all that is in it. */
static int clear_way(int dir_fd, const char *name, bool for_folder)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode) && for_folder)
		return 0;
	return tree_remove(dir_fd, name);
}

static void set_time(int fd, struct archive_entry *entry)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
					   { .tv_sec = archive_entry_mtime(entry),
					     .tv_nsec = archive_entry_mtime_nsec(entry) } };

	if (archive_entry_mtime_is_set(entry) && futimens(fd, times) < 0)
		errno = 0; /* a time that the file system cannot hold is no reason to refuse an image */
}

static int write_at(int fd, const void *data, size_t len, int64_t offset)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data = (const char *)data + n;
		len -= (size_t)n;
		offset += n;
	}
	return 0;
}

static int write_content(const struct layer *l, int fd, int64_t size)
{
	const void *block;
	size_t len;
	la_int64_t offset;
	int r;

	while ((r = archive_read_data_block(l->a, &block, &len, &offset)) == ARCHIVE_OK) {
		if (offset < 0 || offset > size || (uint64_t)len > (uint64_t)(size - offset))
			return err_set(l->err, -EINVAL, "a member holds more than it says");
		r = write_at(fd, block, len, offset);
		if (r < 0)
			return err_set(l->err, r, "write a file of the image");
		l->count->read = l->read_before + (uint64_t)archive_filter_bytes(l->a, -1);
	}
	if (r != ARCHIVE_EOF)
		return read_failed(l);
	/* A hole at its end. */
	return ftruncate(fd, size) < 0 ? err_set(l->err, -errno, "write a file of the image") : 0;
}

static int put_file(const struct layer *l, struct archive_entry *entry, int dir_fd, const char *name)
{
	mode_t mode = archive_entry_perm(entry) & 0100 ? 0755 : 0644;
	AUTO_CLOSE int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	int r;

	if (fd < 0)
		return err_set(l->err, -errno, "make the file '%.200s' of the image", name);
	r = write_content(l, fd, archive_entry_size(entry));
	if (r == 0 && fchmod(fd, mode) < 0)
		r = err_set(l->err, -errno, "make the file '%.200s' of the image", name);
	set_time(fd, entry);
	return r;
}

static int put_folder(const struct layer *l, struct archive_entry *entry, int dir_fd, const char *name)
{
	AUTO_CLOSE int fd = -1;

	if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
		return err_set(l->err, -errno, "make the folder '%.200s' of the image", name);
	fd = tree_open_dir(dir_fd, name);
	if (fd < 0)
		return err_set(l->err, fd, "open the folder '%.200s' of the image", name);
	set_time(fd, entry);
	return 0;
}

static int put_link(const struct layer *l, struct archive_entry *entry, int dir_fd, const char *name)
{
	const char *target = archive_entry_symlink(entry);

	if (!target || !*target || strlen(target) >= PATH_MAX)
		return hostile(l, name, "is a link that leads nowhere");
	return symlinkat(target, dir_fd, name) < 0
		       ? err_set(l->err, -errno, "make the link '%.200s' of the image", name)
		       : 0;
}

/* To a file that is there already, in this layer or one before. */
static int put_hard_link(const struct layer *l, const char *target, int dir_fd, const char *name)
{
	AUTO_CLOSE int from_fd = -1;
	struct place from;
	struct stat st;
	int r = split(l, target, &from);

	if (r < 0)
		return r;
	from_fd = open_in_root(l->root_fd, from.dir);
	if (from_fd < 0 || fstatat(from_fd, from.name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !(S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)))
		return hostile(l, name, "is a hard link to what is no file of the image");
	return linkat(from_fd, from.name, dir_fd, name, 0) < 0
		       ? err_set(l->err, -errno, "make the hard link '%.200s' of the image", name)
		       : 0;
}

static int put_member(const struct layer *l, struct archive_entry *entry, const struct place *place)
{
	AUTO_CLOSE int dir_fd = open_or_make(l->root_fd, place->dir);
	const char *hard = archive_entry_hardlink(entry);
	mode_t type = archive_entry_filetype(entry);
	int r;

	if (dir_fd < 0)
		return err_set(l->err, dir_fd == -EMFILE ? dir_fd : -EINVAL,
			       "its member '%.200s/%.100s' has no folder to be in", place->dir, place->name);
	if (hard) {
		struct place target;

		/* A link to itself must not remove what it links to. */
		if (split(l, hard, &target) == 0 && strcmp(target.dir, place->dir) == 0 &&
		    strcmp(target.name, place->name) == 0)
			return hostile(l, place->name, "is a hard link to itself");
	}
	r = clear_way(dir_fd, place->name, !hard && type == AE_IFDIR);
	if (r < 0)
		return err_set(l->err, r, "replace '%.200s' of the image", place->name);
	if (hard)
		return put_hard_link(l, hard, dir_fd, place->name);
	if (type == AE_IFREG)
		return put_file(l, entry, dir_fd, place->name);
	if (type == AE_IFDIR)
		return put_folder(l, entry, dir_fd, place->name);
	if (type == AE_IFLNK)
		return put_link(l, entry, dir_fd, place->name);
	l->count->dropped++;
	return 0;
}

static int remove_all_in(const struct layer *l, const char *dir)
{
	AUTO_CLOSE int fd = open_in_root(l->root_fd, dir);
	char **names = NULL;
	int r = fd < 0 ? fd : tree_names(fd, &names);

	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	for (size_t i = 0; r == 0 && names && names[i]; i++)
		r = tree_remove(fd, names[i]);
	strv_free(names);
	return r < 0 ? err_set(l->err, r, "empty the folder '%.200s' of the image", dir) : 0;
}

/* What is not there need not be removed. */
static int apply_whiteout(const struct layer *l, const struct place *place)
{
	const char *name = place->name + strlen(WHITEOUT);
	AUTO_CLOSE int fd = -1;
	int r;

	if (strcmp(place->name, WHITEOUT_OPAQUE) == 0)
		return remove_all_in(l, place->dir);
	if (strncmp(place->name, WHITEOUT_META, strlen(WHITEOUT_META)) == 0)
		return 0;
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return hostile(l, place->name, "removes what has no name");
	fd = open_in_root(l->root_fd, place->dir);
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR
			       ? 0
			       : err_set(l->err, fd, "open '%.200s' of the image", place->dir);
	r = tree_remove(fd, name);
	return r < 0 ? err_set(l->err, r, "remove '%.200s' of the image", name) : 0;
}

static int handle_member(const struct layer *l, struct archive_entry *entry)
{
	const char *path = archive_entry_pathname(entry);
	bool is_file = archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry);
	int64_t size = is_file ? archive_entry_size(entry) : 0;
	struct place place;
	bool whiteout;
	int r;

	if (!path)
		return err_set(l->err, -EINVAL, "a member has a name that cannot be read");
	if (size < 0)
		return hostile(l, path, "has a size that cannot be");
	r = bound(l, (uint64_t)size);
	if (r == 0)
		r = split(l, path, &place);
	if (r < 0 || !*place.name)
		return r;
	whiteout = l->options->whiteouts && strncmp(place.name, WHITEOUT, strlen(WHITEOUT)) == 0;
	l->count->files++;
	l->count->bytes += (uint64_t)size;
	if (l->whiteouts)
		return whiteout ? apply_whiteout(l, &place) : 0;
	return whiteout ? 0 : put_member(l, entry, &place);
}

static int open_tar(struct layer *l, int fd)
{
	int r = ARCHIVE_OK;

	if (archive_read_support_filter_gzip(l->a) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(l->a) != ARCHIVE_OK ||
	    archive_read_support_filter_xz(l->a) != ARCHIVE_OK ||
	    archive_read_support_filter_bzip2(l->a) != ARCHIVE_OK ||
	    archive_read_support_format_tar(l->a) != ARCHIVE_OK)
		return err_set(l->err, -ENOSYS, "libarchive lacks a compression that layers use");
	r = archive_read_open_fd(l->a, fd, CHUNK);
	return r == ARCHIVE_OK ? 0 : read_failed(l);
}

static int read_members(struct layer *l)
{
	struct archive_entry *entry;
	int r;

	l->read_before = l->count->read;
	while ((r = archive_read_next_header(l->a, &entry)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
		r = handle_member(l, entry);
		if (r < 0)
			return r;
		l->count->read = l->read_before + (uint64_t)archive_filter_bytes(l->a, -1);
	}
	return r == ARCHIVE_EOF ? 0 : read_failed(l);
}

static int pass(int fd, struct layer *l)
{
	int r;

	l->a = archive_read_new();
	if (!l->a)
		return err_set(l->err, -ENOMEM, "reading the archive");
	r = open_tar(l, fd);
	if (r == 0)
		r = read_members(l);
	archive_read_free(l->a);
	return r;
}

int layer_apply(int tar_fd, int root_fd, const struct layer_options *options, struct layer_count *count,
		struct err *err)
{
	struct layer l = { .root_fd = root_fd, .options = options, .count = count, .err = err };
	struct layer_count first = *count;
	int r = 0;

	/* What the first pass counts is held against the bounds too, then forgotten. */
	if (options->whiteouts) {
		l.whiteouts = true;
		l.count = &first;
		r = pass(tar_fd, &l);
		if (r == 0 && lseek(tar_fd, 0, SEEK_SET) < 0)
			r = err_set(err, -errno, "read the layer again");
		l.whiteouts = false;
		l.count = count;
	}
	return r < 0 ? r : pass(tar_fd, &l);
}

int layer_make_folder(int root_fd, const char *path, struct err *err)
{
	struct layer l = { .root_fd = root_fd, .err = err };
	struct place place;
	AUTO_CLOSE int dir_fd = -1;
	int r = split(&l, path, &place);

	if (r < 0 || !*place.name)
		return r;
	dir_fd = open_or_make(root_fd, place.dir);
	if (dir_fd < 0)
		return err_set(err, dir_fd, "make the folder '%.200s' of the image", path);
	return mkdirat(dir_fd, place.name, 0755) < 0 && errno != EEXIST
		       ? err_set(err, -errno, "make the folder '%.200s' of the image", path)
		       : 0;
}
