/*
 * Where images stand: the folder `images` of the state folder.
 *
 *   sha256-<hex>/rootfs         an image's files
 *   sha256-<hex>/manifest.json  its description, without a name
 *   names/<name>.json           a name: the description of the image that has it, '/' written as "%2F"
 *   download/<hash>             layers of a pull under way, kept so that the next pull goes on with them
 *   work/<something>            a build under way
 *
 * Crash safety. A build works in a folder of its own below work/, which it holds by a lock. At the end all of
 * it is made durable, then the folder becomes sha256-<hex> by one rename, then the name is written by another.
 * Whenever it dies, what was there before is there still, and nothing half made has a name or a digest;
 * whoever opens the store for writing next removes what nobody holds.
 *
 * Locks are flock(2): on an image's folder, shared by whoever uses it (keeper, cmd) and exclusive to remove
 * it; on a work or download folder, exclusive while it is worked in; on work/ itself for the moment in which
 * one is made or looked for.
 */
#ifndef KILN_IMAGE_STORE_H
#define KILN_IMAGE_STORE_H

#include "image/digest.h"
#include "image/image.h"

#include <stdbool.h>
#include <stddef.h>

struct image_store;

enum image_store_mode {
	IMAGE_STORE_READ,  /* names only; an absent store is an empty one, and stays absent */
	IMAGE_STORE_WRITE, /* makes the folders, sweeps what dead builds left */
};

/* Opens the store of a state folder. 0 or a negative errno. *ret: image_store_close(). */
[[nodiscard]] int image_store_open(const char *state_dir, enum image_store_mode mode,
				   struct image_store **ret, struct err *err);

void image_store_close(struct image_store *store);

/*
 * Of the folder with the names, for a confined process that will go on reading it; -1 when there is no store.
 */
int image_store_names_fd(const struct image_store *store);

/*
 * Finds an image by a name, "name@sha256:…" (both must agree) or "sha256:…". Returns -EINVAL with a refusal
 * when there is none: "image_unknown" (404). *ret is to be finished when 0 was returned.
 */
[[nodiscard]] int image_store_find(struct image_store *store, const char *name, struct image *ret,
				   struct err *err);

/*
 * Every name with its image, sorted by name; of one whose description cannot be read the name and why not (`damage`).
 * *ret: image_list_free().
 */
[[nodiscard]] int image_store_list(struct image_store *store, struct image **ret, size_t *ret_count,
				   struct err *err);
void image_list_free(struct image *list, size_t count);

/*
 * Removes a name, and its image when that has no other name. -EBUSY (a refusal, 409 "image_in_use"): it is
 * being used.
 */
[[nodiscard]] int image_store_remove(struct image_store *store, const char *name, struct err *err);

struct image_gc {
	size_t images, downloads;
	uint64_t bytes;
};

/* Removes images without a name that nobody uses, and layers of pulls that nobody goes on with. */
[[nodiscard]] int image_store_gc(struct image_store *store, struct image_gc *ret, struct err *err);

/*
 * Opens an image's folder `rootfs`, with the image held against removal until *ret_lock_fd is closed.
 */
[[nodiscard]] int image_store_use(struct image_store *store, const char *digest, int *ret_root_fd,
				  int *ret_lock_fd, struct err *err);

/* Reads all of an image and compares with its digest. -EBADMSG when it is another. */
[[nodiscard]] int image_store_verify(struct image_store *store, const struct image *image,
				     image_digest_fn on_bytes, void *user, struct err *err);

/* The folder of a build under way. */
struct image_work;

[[nodiscard]] int image_work_begin(struct image_store *store, struct image_work **ret, struct err *err);

/* Its folder, and the empty folder `rootfs` in it. */
int image_work_fd(const struct image_work *work);
int image_work_root_fd(const struct image_work *work);
const char *image_work_path(const struct image_work *work);

/*
 * Makes a folder elsewhere, below /var/tmp, that belongs to this build and is removed with it, also by the
 * sweep after a crash: for programs whose user of the moment may not look into the store. *ret is the work's.
 */
[[nodiscard]] int image_work_elsewhere(struct image_work *work, const char **ret, struct err *err);

/* Puts another folder of the work in the place of its empty `rootfs`. */
[[nodiscard]] int image_work_adopt_root(struct image_work *work, const char *name, struct err *err);

/*
 * Makes `rootfs` an image of the store: computes its digest, makes everything durable and gives it
 * image->name, which may be NULL. Fills image->digest, size_bytes, files and created_s.
 */
[[nodiscard]] int image_work_commit(struct image_work *work, struct image *image, image_digest_fn on_bytes,
				    void *user, struct err *err);

/* Removes what has not become an image. NULL is fine. */
void image_work_end(struct image_work *work);

/*
 * The folder for the layers of a pull of `reference`, held until *ret_fd is closed. -EBUSY (409,
 * "image_busy"): another pull of it is under way. *ret_path is the caller's.
 */
[[nodiscard]] int image_store_download(struct image_store *store, const char *reference, int *ret_fd,
				       char **ret_path, struct err *err);
void image_store_download_done(struct image_store *store, const char *reference);

/* For tests: called before each step that changes the disk, with its name. */
void image_store_on_step(struct image_store *store, void (*on_step)(void *user, const char *step),
			 void *user);

#endif
