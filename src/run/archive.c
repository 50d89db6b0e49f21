/*
 * How it works: a tar goes through a source of our own, which inflates where needed, to libarchive; a zip is given to
 * it as a whole, since its directory stands at its end. libarchive's own gzip filter was dropped: it stops reading when
 * the tar says that it ends, and so takes a stream that is cut behind that or has a wrong checksum. With the source
 * the stream is read to its end, its checksum compared, and what it grows to is bounded whoever reads it.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "run/request_priv.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <zlib.h>

#define TAR_BLOCK	512
#define ZIP_END		22 /* bytes of a zip's end record without a comment */
#define CHUNK		(64 * 1024)
#define MEMBER_OVERHEAD 4096	      /* headers and padding of a member, bytes, on average */
#define STREAM_OVERHEAD (1024 * 1024) /* the tar's end, which is padded, and headers for all members */

static const struct path archive_path = { .key = "archive" };

struct source {
	const uint8_t *data;
	size_t len;
	bool gzip;
	bool ended;	   /* the whole input was right and has been read */
	bool too_large;	   /* gave up: more than `max` came out of it */
	uint64_t produced; /* bytes given so far, and at most */
	uint64_t max;
	z_stream z;
	uint8_t last[TAR_BLOCK]; /* of what was given */
	uint8_t chunk[CHUNK];
};

struct unpacking {
	struct archive *a;
	struct source *source; /* NULL: zip */
	struct run_request *req;
	const struct request_bounds *bounds;
	size_t members;
	struct err *err;
};

static void note_last(struct source *s, const uint8_t *data, size_t len)
{
	if (len >= TAR_BLOCK) {
		memcpy(s->last, data + len - TAR_BLOCK, TAR_BLOCK);
	} else {
		memmove(s->last, s->last + len, TAR_BLOCK - len);
		memcpy(s->last + TAR_BLOCK - len, data, len);
	}
}

/* Inflates up to a chunk. Returns its length, 0 at the right end, or -1. Several gzip streams in a row are one. */
static ssize_t inflate_chunk(struct source *s)
{
	s->z.next_out = s->chunk;
	s->z.avail_out = CHUNK;
	while (s->z.avail_out > 0 && !s->ended) {
		int r = inflate(&s->z, Z_NO_FLUSH);

		if (r == Z_STREAM_END && s->z.avail_in == 0)
			s->ended = true;
		else if (r == Z_STREAM_END && inflateReset(&s->z) != Z_OK)
			return -1;
		else if (r != Z_STREAM_END && r != Z_OK)
			return -1;
	}
	return (ssize_t)(CHUNK - s->z.avail_out);
}

/* Returns the length of the next piece, 0 at the right end, or -1. */
static ssize_t source_next(struct source *s, const void **ret)
{
	ssize_t n;

	if (s->ended)
		return 0;
	if (s->gzip) {
		n = inflate_chunk(s);
		*ret = s->chunk;
	} else {
		n = (ssize_t)s->len;
		*ret = s->data;
		s->ended = true;
	}
	if (n <= 0)
		return n;
	note_last(s, *ret, (size_t)n);
	s->produced += (uint64_t)n;
	s->too_large = s->produced > s->max;
	return s->too_large ? -1 : n;
}

static la_ssize_t read_source(struct archive *a, void *user, const void **ret)
{
	ssize_t n = source_next(user, ret);

	if (n < 0)
		archive_set_error(a, EINVAL, "the compressed stream is damaged or cut short");
	return n;
}

static int refuse_too_large(const struct unpacking *u)
{
	return request_refuse(u->err, &archive_path, ERR_TOO_LARGE, "too_large",
			      "it holds more than the %zu bytes that all files may have together",
			      u->bounds->files_bytes);
}

static int refuse_damaged(const struct unpacking *u)
{
	const char *why = archive_error_string(u->a);

	if (u->source && u->source->too_large)
		return refuse_too_large(u);
	if (archive_errno(u->a) == ENOMEM)
		return err_set(u->err, -ENOMEM, "reading the archive");
	if (!why)
		why = "damaged or cut short";
	return request_refuse(u->err, &archive_path, ERR_MALFORMED, "bad_archive",
			      "it is not a whole .tar, .tar.gz or .zip: %s",
			      excerpt_of(why, strlen(why)).text);
}

static int refuse_member(const struct unpacking *u, const char *name, const char *what)
{
	return request_refuse(u->err, &archive_path, ERR_MALFORMED, "bad_archive", "its member '%s' %s",
			      excerpt_of(name, strlen(name)).text, what);
}

static const char *member_fault(struct archive_entry *entry)
{
	mode_t type = archive_entry_filetype(entry);

	if (archive_entry_hardlink(entry) || archive_entry_hardlink_w(entry))
		return "is a hard link";
	if (archive_entry_is_encrypted(entry))
		return "is encrypted";
	if (type == AE_IFLNK)
		return "is a symbolic link";
	if (type != AE_IFREG && type != AE_IFDIR)
		return "is neither a file nor a folder";
	return NULL;
}

/* Reads a member's content; what it declares is held against the bound first, what comes out of it as it comes. */
static int read_data(const struct unpacking *u, struct archive_entry *entry, struct run_file *file)
{
	size_t room = u->bounds->files_bytes - u->req->files_bytes;
	bool sized = archive_entry_size_is_set(entry);
	int64_t size = archive_entry_size(entry);
	AUTO_BUF struct buf data = BUF_INIT(room);
	uint8_t piece[16 * 1024];
	ssize_t n;

	if (sized && (size < 0 || (uint64_t)size > room))
		return refuse_too_large(u);
	while ((n = archive_read_data(u->a, piece, sizeof(piece))) > 0) {
		int r = buf_append(&data, piece, (size_t)n);

		if (r == -EMSGSIZE)
			return refuse_too_large(u);
		if (r < 0)
			return err_set(u->err, r, "reading the archive");
	}
	if (n < 0)
		return refuse_damaged(u);
	if (sized && data.len != (uint64_t)size)
		return refuse_member(u, file->name, "is not as long as it says");
	file->data = data.len ? buf_take(&data, &file->len) : NULL;
	return 0;
}

/* The member's name without "./" in front and "/" behind; "" for the folder itself. */
static char *member_name(const char *path, bool is_dir)
{
	size_t len;

	while (path[0] == '.' && path[1] == '/') {
		path += 2;
		path += strspn(path, "/");
	}
	if (is_dir && strcmp(path, ".") == 0)
		path = "";
	len = strlen(path);
	if (is_dir && len > 1 && path[len - 1] == '/')
		len--;
	return strndup(path, len);
}

static int add_member(struct unpacking *u, struct archive_entry *entry, struct run_file *file)
{
	const char *path = archive_entry_pathname(entry);
	const char *fault;
	int r = 0;

	if (!path)
		return request_refuse(u->err, &archive_path, ERR_MALFORMED, "bad_name",
				      "it has a member whose name is not UTF-8");
	fault = member_fault(entry);
	if (fault)
		return refuse_member(u, path, fault);
	if (++u->members > u->bounds->files)
		return request_refuse(u->err, &archive_path, ERR_TOO_LARGE, "too_many",
				      "it has more than %zu members", u->bounds->files);

	file->is_dir = archive_entry_filetype(entry) == AE_IFDIR;
	file->from_archive = true;
	file->mode = archive_entry_perm(entry) & 0777;
	file->name = member_name(path, file->is_dir);
	if (!file->name)
		return err_set(u->err, -ENOMEM, "reading the archive");
	if (file->is_dir && !*file->name)
		return 0;
	fault = file_name_fault(file->name, strlen(file->name));
	if (fault)
		return request_refuse(u->err, &archive_path, ERR_MALFORMED, "bad_name", "the name '%s' %s",
				      excerpt_of(path, strlen(path)).text, fault);
	if (!file->is_dir)
		r = read_data(u, entry, file);
	if (r == 0)
		r = request_put_file(u->req, file, u->bounds, &archive_path, u->err);
	return r;
}

/* Reads what stands behind the tar's end too: it must be padding, and the compressed stream must end as it says. */
static int check_end(const struct unpacking *u)
{
	static const uint8_t zero[TAR_BLOCK];
	const void *piece;
	ssize_t n;

	if (!u->source)
		return 0;
	while ((n = source_next(u->source, &piece)) > 0)
		continue;
	if (n < 0)
		return refuse_damaged(u);
	if (u->source->produced % TAR_BLOCK != 0 || memcmp(u->source->last, zero, TAR_BLOCK) != 0)
		return request_refuse(u->err, &archive_path, ERR_MALFORMED, "bad_archive",
				      "it is a tar that is cut short, or has something behind its end");
	return 0;
}

static int add_members(struct unpacking *u)
{
	struct archive_entry *entry;
	int r;

	while ((r = archive_read_next_header(u->a, &entry)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
		struct run_file file = { 0 };
		int added = add_member(u, entry, &file);

		run_file_finish(&file);
		if (added < 0)
			return added;
	}
	return r == ARCHIVE_EOF ? check_end(u) : refuse_damaged(u);
}

static int unpack_tar(struct unpacking *u, const uint8_t *data, size_t len)
{
	AUTO_FREE struct source *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(u->err, -ENOMEM, "reading the archive");
	s->data = data;
	s->len = len;
	s->gzip = len > 1 && data[0] == 0x1f && data[1] == 0x8b;
	s->max = (uint64_t)u->bounds->files_bytes + (uint64_t)u->bounds->files * MEMBER_OVERHEAD +
		 STREAM_OVERHEAD;
	s->z.next_in = (Bytef *)data;
	s->z.avail_in = (uInt)len;
	if (len > UINT32_MAX)
		return refuse_too_large(u);
	if (inflateInit2(&s->z, 16 + MAX_WBITS) != Z_OK)
		return err_set(u->err, -ENOMEM, "reading the archive");

	u->source = s;
	r = archive_read_support_format_tar(u->a);
	if (r == ARCHIVE_OK)
		r = archive_read_open(u->a, s, NULL, read_source, NULL);
	r = r == ARCHIVE_OK ? add_members(u) : refuse_damaged(u);
	/* The archive reads from the source until it is closed. */
	archive_read_close(u->a);
	inflateEnd(&s->z);
	u->source = NULL;
	return r;
}

static int unpack_zip(struct unpacking *u, const uint8_t *data, size_t len)
{
	/* A zip of nothing is the end of its directory alone, which libarchive does not look for there. */
	static const uint8_t empty[ZIP_END] = { 'P', 'K', 5, 6 };

	if (len == ZIP_END && memcmp(data, empty, ZIP_END) == 0)
		return 0;
	/* The streaming reader believes each member's own header and would take a zip without its directory. */
	if (archive_read_support_format_zip_seekable(u->a) != ARCHIVE_OK ||
	    archive_read_open_memory(u->a, data, len) != ARCHIVE_OK)
		return refuse_damaged(u);
	return add_members(u);
}

/*
 * libarchive converts the names of a pax or zip archive from UTF-8 to the thread's character set: with UTF-8 there, for
 * the time of the call, they stay what they are. Where no such locale can be had, names beyond ASCII may be refused.
 */
static int unpack_in_utf8(struct unpacking *u, const uint8_t *data, size_t len)
{
	bool is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	locale_t utf8 = is_utf8 ? (locale_t)0 : newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
	int r;

	if (len > 1 && data[0] == 'P' && data[1] == 'K')
		r = unpack_zip(u, data, len);
	else
		r = unpack_tar(u, data, len);
	if (utf8) {
		uselocale(before);
		freelocale(utf8);
	}
	return r;
}

int request_add_archive(struct run_request *req, const uint8_t *data, size_t len,
			const struct request_bounds *bounds, struct err *err)
{
	struct unpacking u = { .a = archive_read_new(), .req = req, .bounds = bounds, .err = err };
	int r;

	if (!u.a)
		return err_set(err, -ENOMEM, "reading the archive");
	if (len == 0)
		r = request_refuse(err, &archive_path, ERR_MALFORMED, "bad_archive", "it is empty");
	else
		r = unpack_in_utf8(&u, data, len);
	archive_read_free(u.a);
	return r;
}
