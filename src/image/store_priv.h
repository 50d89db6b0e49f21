/*
 * The two files of the store among themselves: store.c (names and images), work.c (what is under way).
 */
#ifndef KILN_IMAGE_STORE_PRIV_H
#define KILN_IMAGE_STORE_PRIV_H

#include "image/store.h"

#define MANIFEST     "manifest.json"
#define ROOTFS	     "rootfs"
#define MANIFEST_MAX (4UL * 1024 * 1024)

struct image_store {
	char *path; /* of the folder `images` */
	int fd, names_fd, work_fd, download_fd;
	void (*on_step)(void *user, const char *step);
	void *on_step_user;
};

void store_step(const struct image_store *store, const char *step);

/* "sha256-<hex>" of a valid digest. */
void store_folder_of(const char *digest, char ret[IMAGE_DIGEST_LEN + 1]);

/* Gives an image its name. */
int store_name_write(struct image_store *store, const struct image *image, struct err *err);

/* Opens a folder of the store and takes its lock. -EAGAIN: somebody has it; -ENOENT. Returns the descriptor. */
int store_lock_folder(int dir_fd, const char *name, int operation);

/* Takes a folder out of sight by one rename, then removes it. `lock_fd` holds it. */
int store_discard(struct image_store *store, int dir_fd, const char *name);

/* Removes what dead builds left in work/. */
int store_sweep(struct image_store *store, struct err *err);

/* Removes downloads that nobody holds. */
int store_sweep_downloads(struct image_store *store, struct image_gc *ret, struct err *err);

#endif
