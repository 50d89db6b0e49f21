/*
 * What comes from a registry or an archive of images. The input's first byte chooses: a tar as a layer, without and
 * with whiteouts, the documents of an image (its lines are manifest.json, index.json and oci-layout), a description, a
 * name, a USER (the first line) with the passwd behind it, and behind a NUL the group, where it is looked up. A layer
 * may make what it likes in its folder and must leave the folder's neighbours alone.
 */
#include "base/cleanup.h"
#include "image/account.h"
#include "image/image.h"
#include "image/layer.h"
#include "image/layout.h"
#include "image/tree.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CANARY "not yours\n"

static char work_path[] = "/dev/shm/fuzz-image-XXXXXX";

static void remove_work(void)
{
	rmdir(work_path);
}

/* A folder for this process alone, on a file system in memory; in it `root`, and a canary beside that. */
static int open_work(void)
{
	int fd = mkdtemp(work_path) ? open(work_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	assert(fd >= 0 && atexit(remove_work) == 0);
	return fd;
}

static void put_file(int dir_fd, const char *name, const void *data, size_t size)
{
	AUTO_CLOSE int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
}

static void empty(int work_fd)
{
	static const char *const names[] = { "root", "canary", "manifest.json", "index.json", "oci-layout" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert(tree_remove(work_fd, names[i]) == 0);
}

static void check_neighbours(int work_fd)
{
	AUTO_FREE char *text = NULL;
	struct stat st;
	size_t len;

	assert(tree_read_file(work_fd, "canary", 100, &text, &len) == 0);
	assert(strcmp(text, CANARY) == 0 && fstatat(work_fd, "canary", &st, AT_SYMLINK_NOFOLLOW) == 0);
	assert(st.st_nlink == 1 && (st.st_mode & 07777) == 0644);
}

static void try_layer(int work_fd, const uint8_t *data, size_t size, bool whiteouts)
{
	const struct layer_options options = { .bounds = { .bytes = 1 << 20, .files = 200 },
					       .whiteouts = whiteouts };
	AUTO_CLOSE int tar_fd = memfd_create("layer", MFD_CLOEXEC);
	struct layer_count count = { 0 };
	struct err err = ERR_INIT;
	int root_fd;

	assert(tar_fd >= 0 && write(tar_fd, data, size) == (ssize_t)size && lseek(tar_fd, 0, SEEK_SET) == 0);
	put_file(work_fd, "canary", CANARY, strlen(CANARY));
	assert(mkdirat(work_fd, "root", 0755) == 0);
	root_fd = tree_open_dir(work_fd, "root");
	assert(root_fd >= 0 && symlinkat("../canary", root_fd, "out") == 0);
	assert(mkdirat(root_fd, "etc", 0755) == 0 && symlinkat("/../..", root_fd, "up") == 0);
	if (layer_apply(tar_fd, root_fd, &options, &count, &err) == 0)
		assert(count.files <= options.bounds.files && count.bytes <= options.bounds.bytes);
	else
		assert(err.code < 0 && err.text[0]);
	(void)!layer_furnish(root_fd, "/work/here", &err);
	close(root_fd);
	check_neighbours(work_fd);
}

static void try_layout(int work_fd, const uint8_t *data, size_t size)
{
	static const char *const names[] = { "manifest.json", "index.json", "oci-layout" };
	struct layout layout = { 0 };
	struct image image = { 0 };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end ? (size_t)(end - data) : size;

		if (len)
			put_file(work_fd, names[i], data, len);
		data += len + (end != NULL);
		size -= len + (end != NULL);
	}
	put_file(work_fd, "canary", CANARY, strlen(CANARY));
	if (layout_open(work_fd, NULL, &layout, &image, &err) < 0)
		assert(err.code < 0 && err.text[0]);
	layout_finish(&layout);
	image_finish(&image);
}

static void try_description(const uint8_t *data, size_t size)
{
	json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	struct image image = { 0 };
	struct err err = ERR_INIT;

	if (json && image_from_json(json, &image, &err) == 0) {
		json_t *again = image_to_json(&image);

		assert(image_digest_valid(image.digest) && again);
		json_decref(again);
	}
	image_finish(&image);
	json_decref(json);
}

static void try_name(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = strndup((const char *)data, size);
	AUTO_FREE char *name = NULL;
	struct err err = ERR_INIT;

	assert(text);
	(void)image_digest_in(text);
	if (image_name_canonical(text, &name, &err) == 0)
		assert(!strstr(name, "..") && name[0] != '/' && name[0] != '-' &&
		       strlen(name) <= IMAGE_NAME_MAX);
	else
		assert(err.slug && err.text[0]);
}

static void try_user(const uint8_t *data, size_t size)
{
	AUTO_FREE char *all = strndup((const char *)data, size);
	size_t len = all ? strlen(all) : 0;
	AUTO_FREE char *group =
		len < size ? strndup((const char *)data + len + 1, size - len - 1) : strdup("");
	struct image_account account;
	struct err err = ERR_INIT;
	char *passwd;

	assert(all && group);
	passwd = strchrnul(all, '\n');
	if (*passwd)
		*passwd++ = '\0';
	if (account_find(all, passwd, group, &account, &err) == 0)
		assert(account.uid <= ACCOUNT_ID_MAX && account.gid <= ACCOUNT_ID_MAX &&
		       account.home[0] == '/' && !strchr(account.home, '\n') &&
		       (!account.name || !strpbrk(account.name, ":\n")));
	else
		assert(err.slug && err.text[0] && !strchr(err.text, '\n'));
	image_account_finish(&account);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int work_fd = -1;

	if (size == 0)
		return 0;
	if (work_fd < 0)
		work_fd = open_work();
	switch (*data % 6) {
	case 0:
	case 1:
		try_layer(work_fd, data + 1, size - 1, *data % 6);
		break;
	case 2:
		try_layout(work_fd, data + 1, size - 1);
		break;
	case 3:
		try_description(data + 1, size - 1);
		break;
	case 4:
		try_name(data + 1, size - 1);
		break;
	default:
		try_user(data + 1, size - 1);
	}
	empty(work_fd);
	return 0;
}
