#include "cmd/language.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "lib/node.h"
#include "run/language.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX (1024UL * 1024)

/* Makes a folder and those above it. */
static int make_folders(const char *path, struct err *err)
{
	AUTO_FREE char *part = strdup(path);

	if (!part)
		return err_set(err, -ENOMEM, "out of memory");
	for (char *slash = part + 1; slash; *slash++ = '/') {
		slash = strchr(slash, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return err_set(err, -errno, "make folder '%s'", part);
		if (!slash)
			break;
	}
	return 0;
}

static int read_file(const char *path, struct buf *text, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	uint8_t *room;
	ssize_t got = 1;

	if (fd < 0)
		return err_set(err, -errno, "open '%s'", path);
	while (got > 0) {
		room = buf_reserve(text, 4096);
		if (!room)
			return err_set(err, -EFBIG, "'%s' is too large for a language file", path);
		got = read(fd, room, 4096);
		if (got < 0)
			return err_set(err, -errno, "read '%s'", path);
		text->len += (size_t)got;
	}
	return 0;
}

static int write_durably(int fd, const struct buf *text)
{
	size_t done = 0;

	while (done < text->len) {
		ssize_t n = write(fd, text->data + done, text->len - done);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return fchmod(fd, 0644) < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* `before` and `after` stand around the name; NULL when out of memory. */
static char *path_of(const char *folder, const char *before, const char *name, const char *after)
{
	AUTO_BUF struct buf text = BUF_INIT(65536);

	return buf_printf(&text, "%s/%s%s%s", folder, before, name, after) < 0
		       ? NULL
		       : (char *)buf_take(&text, NULL);
}

/* Puts the file in its place at once: whoever reads the folder sees it whole or not at all. */
static int install(const char *folder, const char *id, const struct buf *text, struct err *err)
{
	AUTO_FREE char *path = path_of(folder, "", id, ".yaml");
	AUTO_FREE char *draft = path_of(folder, ".", id, ".yaml.XXXXXX");
	AUTO_CLOSE int fd = -1;
	int r;

	if (!path || !draft)
		return err_set(err, -ENOMEM, "out of memory");
	fd = mkostemp(draft, O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "make a file in '%s'", folder);
	r = write_durably(fd, text);
	if (r == 0 && rename(draft, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(draft);
		return err_set(err, r, "write '%s'", path);
	}
	return 0;
}

static void tell(const struct language_registry *languages, const char *id, bool replaced)
{
	for (const struct language *l = language_next(languages, NULL); l; l = language_next(languages, l)) {
		if (strcmp(l->id, id) != 0)
			continue;
		printf("%s%s%s: %s, image %s%s\n", l->id, *l->version ? " " : "", l->version,
		       replaced ? "replaced" : "added", l->image,
		       l->available ? "" : ", which this node does not have");
	}
}

static int add(const struct config *config, const char *folder, const struct buf *text, const char *path,
	       struct err *err)
{
	struct language_registry *languages = NULL;
	AUTO_FREE char *id = NULL;
	bool replaced = false;
	int r;

	r = language_file_id(path, text->data, text->len, &id, err);
	if (r < 0)
		return r;
	r = node_languages_load(config, &languages, err);
	if (r < 0)
		return r;
	replaced = language_find(languages, id, NULL) != NULL;
	r = language_registry_add_site(languages, path, text->data, text->len, err);
	language_registry_destroy(languages);
	if (r == 0)
		r = make_folders(folder, err);
	if (r == 0)
		r = install(folder, id, text, err);
	if (r == 0)
		r = node_languages_load(config, &languages, err);
	if (r < 0)
		return r;
	tell(languages, id, replaced);
	language_registry_destroy(languages);
	return 0;
}

int language_add(const struct config *config, const char *path, struct err *err)
{
	AUTO_BUF struct buf text = BUF_INIT(FILE_BYTES_MAX);
	AUTO_FREE char *folder = path_of(config->state_dir, "", "languages", "");
	int r = read_file(path, &text, err);

	if (r < 0)
		return r;
	if (!folder)
		return err_set(err, -ENOMEM, "out of memory");
	return add(config, folder, &text, path, err);
}
