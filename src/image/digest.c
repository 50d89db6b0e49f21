#include "image/digest.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strv.h"
#include "image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sha2.h>
#include <stdio.h>
#include <string.h>

#define CHUNK (1024 * 1024)

struct listing {
	SHA2_CTX hash;
	uint8_t *chunk;
	struct buf path; /* of what is being listed */
	uint64_t bytes, files;
	image_digest_fn on_bytes;
	void *user;
	struct err *err;
};

static void to_hex(const uint8_t raw[SHA256_DIGEST_LENGTH], char ret[65])
{
	for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++)
		snprintf(ret + 2 * i, 3, "%02x", raw[i]);
}

static void add_text(struct listing *l, const char *text)
{
	SHA256Update(&l->hash, (const uint8_t *)text, strlen(text));
}

/* "type path NUL value NUL" */
static void add_record(struct listing *l, const char *type, const char *path, const char *value)
{
	add_text(l, type);
	add_text(l, " ");
	SHA256Update(&l->hash, (const uint8_t *)path, strlen(path) + 1);
	SHA256Update(&l->hash, (const uint8_t *)value, strlen(value) + 1);
}

static int hash_stream(int fd, uint8_t *chunk, struct listing *l, char ret_hex[65])
{
	uint8_t raw[SHA256_DIGEST_LENGTH];
	SHA2_CTX hash;
	ssize_t n;

	SHA256Init(&hash);
	while ((n = read(fd, chunk, CHUNK)) != 0) {
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		SHA256Update(&hash, chunk, (size_t)n);
		if (!l)
			continue;
		l->bytes += (uint64_t)n;
		if (l->on_bytes) {
			int r = l->on_bytes(l->user, l->bytes);

			if (r < 0)
				return r;
		}
	}
	SHA256Final(raw, &hash);
	to_hex(raw, ret_hex);
	return 0;
}

int image_digest_file(int fd, char ret_hex[65])
{
	AUTO_FREE uint8_t *chunk = malloc(CHUNK);

	if (!chunk)
		return -ENOMEM;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return hash_stream(fd, chunk, NULL, ret_hex);
}

static int list_file(struct listing *l, int dir_fd, const char *name, bool executable)
{
	AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char hex[65];
	int r = fd < 0 ? -errno : hash_stream(fd, l->chunk, l, hex);

	if (r < 0)
		return err_set(l->err, r, "read '%.200s' of the image", (const char *)l->path.data);
	l->files++;
	add_record(l, executable ? "x" : "f", (const char *)l->path.data, hex);
	return 0;
}

static int list_link(struct listing *l, int dir_fd, const char *name)
{
	char target[PATH_MAX + 1];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_set(l->err, -errno, "read the link '%.200s' of the image",
			       (const char *)l->path.data);
	target[n] = '\0';
	add_record(l, "l", (const char *)l->path.data, target);
	return 0;
}

static int list_folder(struct listing *l, int dir_fd, int depth);

static int list_entry(struct listing *l, int dir_fd, const char *name, int depth)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(l->err, -errno, "look at '%.200s' of the image", (const char *)l->path.data);
	if (S_ISREG(st.st_mode))
		return list_file(l, dir_fd, name, st.st_mode & 0100);
	if (S_ISLNK(st.st_mode))
		return list_link(l, dir_fd, name);
	if (!S_ISDIR(st.st_mode) || depth > TREE_DEPTH_MAX)
		return err_set(l->err, -EINVAL, "'%.200s' is nothing that an image may hold",
			       (const char *)l->path.data);
	add_record(l, "d", (const char *)l->path.data, "");
	fd = tree_open_dir(dir_fd, name);
	if (fd < 0)
		return err_set(l->err, fd, "open '%.200s' of the image", (const char *)l->path.data);
	return list_folder(l, fd, depth + 1);
}

static int list_folder(struct listing *l, int dir_fd, int depth)
{
	size_t before = l->path.len;
	char **names = NULL;
	int r = tree_names(dir_fd, &names);

	if (r < 0)
		return err_set(l->err, r, "read a folder of the image");
	for (size_t i = 0; r == 0 && names && names[i]; i++) {
		r = buf_printf(&l->path, "%s%s", before ? "/" : "", names[i]);
		if (r < 0)
			err_set(l->err, r, "a path of the image is too long");
		else
			r = list_entry(l, dir_fd, names[i], depth);
		l->path.len = before;
	}
	strv_free(names);
	return r;
}

static void list_texts(struct listing *l, const char *key, char *const *texts)
{
	for (; texts && *texts; texts++)
		add_record(l, key, *texts, "");
}

int image_digest_compute(int root_fd, struct image *image, image_digest_fn on_bytes, void *user,
			 struct err *err)
{
	AUTO_FREE uint8_t *chunk = malloc(CHUNK);
	struct listing l = {
		.chunk = chunk, .path = BUF_INIT(1024 * 1024), .on_bytes = on_bytes, .user = user, .err = err
	};
	uint8_t raw[SHA256_DIGEST_LENGTH];
	int r;

	if (!chunk)
		return err_set(err, -ENOMEM, "digest of an image");
	SHA256Init(&l.hash);
	add_text(&l, "kiln-image 1\n");
	r = list_folder(&l, root_fd, 0);
	buf_finish(&l.path);
	if (r < 0)
		return r;
	if (image->user)
		add_record(&l, "user", image->user, "");
	if (image->workdir)
		add_record(&l, "workdir", image->workdir, "");
	list_texts(&l, "env", image->env);
	list_texts(&l, "entrypoint", image->entrypoint);
	list_texts(&l, "command", image->command);
	SHA256Final(raw, &l.hash);
	memcpy(image->digest, "sha256:", 7);
	to_hex(raw, image->digest + 7);
	image->size_bytes = l.bytes;
	image->files = l.files;
	return 0;
}
