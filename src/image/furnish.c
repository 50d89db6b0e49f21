/*
 * The last touch on an image's files: what every sandbox needs to find, whatever the image's maker put there.
 */
#include "image/layer.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TABLE_MAX (1024UL * 1024)

/* Each after the folder that it is in. */
static const char *const folders[] = { "dev",	  "etc", "home", "home/sandbox", "proc",   "run",
				       "sandbox", "sys", "tmp",	 "var",		 "var/tmp" };

static const struct {
	const char *file, *root, *user, *nobody;
} tables[] = { { "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n",
		 "sandbox:x:1000:1000:sandbox:/home/sandbox:/bin/sh\n",
		 "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n" },
	       { "etc/group", "root:x:0:\n", "sandbox:x:1000:\n", "nogroup:x:65534:\n" } };

static int make_folder(int root_fd, const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO_CLOSE int above = -1;
	struct stat st;
	char dir[32];

	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	above = tree_open_dir(root_fd, dir);
	if (above < 0)
		return above;
	path = slash ? slash + 1 : path;
	if (fstatat(above, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode) &&
	    unlinkat(above, path, 0) < 0)
		return -errno;
	return mkdirat(above, path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* True when a line of the table has this number as its third field. */
static bool has_number(const char *text, const char *number)
{
	size_t len = strlen(number);

	for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		const char *second = strchr(line, ':'), *third = second ? strchr(second + 1, ':') : NULL;

		if (third && strncmp(third + 1, number, len) == 0 && third[1 + len] == ':')
			return true;
	}
	return false;
}

static int complete_table(int root_fd, size_t at)
{
	AUTO_BUF struct buf text = BUF_INIT(TABLE_MAX + 4096);
	AUTO_FREE char *old = NULL;
	AUTO_CLOSE int etc_fd = tree_open_dir(root_fd, "etc"), fd = -1;
	const char *name = tables[at].file + 4;
	struct stat st;
	size_t len = 0;
	int r = etc_fd < 0 ? etc_fd : 0;

	if (r == 0 && fstatat(etc_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    tree_read_file(etc_fd, name, TABLE_MAX, &old, &len) == 0 && strlen(old) == len)
		r = buf_append(&text, old, len);
	if (r == 0 && len && old[len - 1] != '\n')
		r = buf_append_str(&text, "\n");
	if (r == 0 && !has_number(old ? old : "", "0"))
		r = buf_append_str(&text, tables[at].root);
	if (r == 0 && !has_number(old ? old : "", "1000"))
		r = buf_append_str(&text, tables[at].user);
	if (r == 0 && !has_number(old ? old : "", "65534"))
		r = buf_append_str(&text, tables[at].nobody);
	if (r == 0)
		r = tree_remove(etc_fd, name);
	if (r < 0)
		return r;
	fd = openat(etc_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : fd_write_all(fd, text.data, text.len);
}

int layer_furnish(int root_fd, const char *workdir, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		r = make_folder(root_fd, folders[i]);
		if (r < 0)
			return err_set(err, r, "make the folder '/%s' of the image", folders[i]);
	}
	if (workdir) {
		r = layer_make_folder(root_fd, workdir, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		r = complete_table(root_fd, i);
		if (r < 0)
			return err_set(err, r, "complete '/%s' of the image", tables[i].file);
	}
	return 0;
}
