/*
 * Stored images, as far as the keeper has to do with them: a digest becomes the name of a folder by being
 * written in hexadecimal, so nothing that the front says is ever a path. The folder is locked as long as a
 * sandbox uses it, which keeps others from removing it (image/store.h).
 */
#include "keeper/keeper_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void folder_of(const uint8_t digest[KEEPER_DIGEST_SIZE], char ret[KEEPER_IMAGE_PATH])
{
	int used = snprintf(ret, KEEPER_IMAGE_PATH, "sha256-");

	for (size_t i = 0; i < KEEPER_DIGEST_SIZE; i++)
		used += snprintf(ret + used, KEEPER_IMAGE_PATH - (size_t)used, "%02x", digest[i]);
}

int image_hold(const struct keeper *k, const uint8_t digest[KEEPER_DIGEST_SIZE], struct slot *slot,
	       struct err *err)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
					   RESOLVE_NO_XDEV };
	AUTO_CLOSE int images_fd = -1, fd = -1;
	struct stat held, there;

	if (!k->settings.images[0])
		return err_set(err, -ENOENT, "this node has no stored images");
	folder_of(digest, slot->image);
	images_fd = open(k->settings.images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (images_fd < 0)
		return err_set(err, -errno, "open the folder of images");
	fd = (int)syscall(SYS_openat2, images_fd, slot->image, &how, sizeof(how));
	if (fd < 0)
		return err_set(err, -errno, "open a stored image");
	/* Whoever removes an image holds it alone, for a moment: that one is gone. */
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return err_set(err, -ENOENT, "the image is being removed");
	if (fstat(fd, &held) < 0 || fstatat(images_fd, slot->image, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
	    held.st_ino != there.st_ino || held.st_dev != there.st_dev)
		return err_set(err, -ENOENT, "the image was removed");
	memcpy(slot->image + strlen(slot->image), "/rootfs", sizeof("/rootfs"));
	slot->image_fd = TAKE_FD(fd);
	return 0;
}
