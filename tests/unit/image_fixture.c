#include "image_fixture.h"

#include "base/cleanup.h"
#include "image/tree.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void folder_make(struct folder *folder)
{
	memcpy(folder->path, "/dev/shm/kiln-image-XXXXXX", sizeof("/dev/shm/kiln-image-XXXXXX"));
	assert_non_null(mkdtemp(folder->path));
	folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(folder->fd >= 0);
}

void folder_remove(struct folder *folder)
{
	int above = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(tree_remove(above, folder->path + strlen("/dev/shm/")), 0);
	close(above);
	close(folder->fd);
}

const char *file_text(int dir_fd, const char *name)
{
	static char text[256];
	AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		return NULL;
	text[n] = '\0';
	return text;
}

void write_text(int dir_fd, const char *name, const char *text)
{
	AUTO_CLOSE int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void add_member(struct archive *a, const struct member *member)
{
	struct archive_entry *entry = archive_entry_new();
	int64_t size = member->type == S_IFREG && member->text ? (int64_t)strlen(member->text) : 0;

	archive_entry_set_pathname(entry, member->name);
	archive_entry_set_filetype(entry, member->type ? member->type : S_IFREG);
	archive_entry_set_perm(entry, member->mode ? member->mode : 0644);
	archive_entry_set_size(entry, size);
	if (member->type == S_IFLNK)
		archive_entry_set_symlink(entry, member->text);
	if (member->type == 0)
		archive_entry_set_hardlink(entry, member->text);
	assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
	if (size)
		assert_int_equal(archive_write_data(a, member->text, (size_t)size), size);
	archive_entry_free(entry);
}

int tar_make(const struct member *members)
{
	int fd = memfd_create("tar", MFD_CLOEXEC);
	struct archive *a = archive_write_new();

	assert_int_equal(archive_write_set_format_pax_restricted(a), ARCHIVE_OK);
	assert_int_equal(archive_write_open_fd(a, fd), ARCHIVE_OK);
	for (; members->name; members++)
		add_member(a, members);
	archive_write_free(a);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

void tar_exaggerate(int fd)
{
	unsigned char header[512];
	unsigned sum = 0;
	char text[8];

	/* See tar(5): the size at 124, the sum of all bytes at 148, itself counted as blanks. */
	assert_int_equal(pread(fd, header, sizeof(header), 0), sizeof(header));
	memcpy(header + 124, "77777777777", 12);
	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(header); i++)
		sum += header[i];
	snprintf(text, sizeof(text), "%06o", sum);
	memcpy(header + 148, text, 7);
	assert_int_equal(pwrite(fd, header, sizeof(header), 0), sizeof(header));
}

int apply(int root_fd, const struct member *members, bool whiteouts, struct err *err)
{
	const struct layer_options options = { .bounds = { 1 << 20, 1000 }, .whiteouts = whiteouts };
	struct layer_count count = { 0 };
	AUTO_CLOSE int fd = tar_make(members);

	return layer_apply(fd, root_fd, &options, &count, err);
}
