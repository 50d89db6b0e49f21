#include "image/store_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/strv.h"
#include "image/program.h"
#include "image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ELSEWHERE	 "elsewhere"
#define ELSEWHERE_DIR	 "/var/tmp"
#define ELSEWHERE_PREFIX ELSEWHERE_DIR "/kiln-build-"
#define DOWNLOAD_NAME	 17

struct image_work {
	struct image_store *store;
	char name[40]; /* in work/ */
	char *path;
	int fd; /* holds the lock */
	int root_fd;
	char *elsewhere;
	bool committed;
};

/*
 * Taken while a folder is made or looked for in work/, so that none is swept between its making and its lock.
 */
static int hold_work(const struct image_store *store, int *ret_fd, struct err *err)
{
	int fd = openat(store->work_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX) < 0) {
		cleanup_close(&fd);
		return err_set(err, -errno, "lock the folder of builds");
	}
	*ret_fd = fd;
	return 0;
}

/* Files of subordinate uids need the help of the program that made them. */
static int remove_elsewhere(const char *path)
{
	const char *const argv[] = { "mmdebstrap", "--unshare-helper", "rm", "-rf", "--", path, NULL };
	AUTO_CLOSE int above_fd = open(ELSEWHERE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *name = path + strlen(ELSEWHERE_DIR "/");
	int r;

	if (strncmp(path, ELSEWHERE_PREFIX, strlen(ELSEWHERE_PREFIX)) != 0 || strchr(name, '/'))
		return -EINVAL;
	if (above_fd < 0)
		return -errno;
	r = tree_remove(above_fd, name);
	if (r == 0 || geteuid() == 0)
		return r;
	/* It removes all but the folder itself, which is ours. */
	r = program_run_quietly(argv);
	return r == -ENOENT ? r : tree_remove(above_fd, name);
}

/* Called with the lock of `fd` held. */
static int remove_work(struct image_store *store, const char *name, int fd)
{
	AUTO_FREE char *elsewhere = NULL;
	int r = tree_read_file(fd, ELSEWHERE, 4096, &elsewhere, NULL);

	if (r == 0)
		remove_elsewhere(elsewhere);
	return tree_remove(store->work_fd, name);
}

int store_sweep(struct image_store *store, struct err *err)
{
	AUTO_CLOSE int hold_fd = -1;
	char **names = NULL;
	int r = hold_work(store, &hold_fd, err);

	if (r < 0)
		return r;
	r = tree_names(store->work_fd, &names);
	for (size_t i = 0; r == 0 && names && names[i]; i++) {
		AUTO_CLOSE int fd = store_lock_folder(store->work_fd, names[i], LOCK_EX | LOCK_NB);

		if (fd == -EAGAIN)
			continue;
		/* What cannot be removed now must not keep anybody from working. */
		if (fd >= 0)
			remove_work(store, names[i], fd);
		else
			unlinkat(store->work_fd, names[i], 0);
	}
	strv_free(names);
	return r < 0 ? err_set(err, r, "look for what dead builds left") : 0;
}

static int make_folder(struct image_work *work, struct err *err)
{
	AUTO_CLOSE int hold_fd = -1;
	uint64_t chance;
	int r = hold_work(work->store, &hold_fd, err);

	if (r < 0)
		return r;
	if (getrandom(&chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
		return err_set(err, -EIO, "random numbers");
	snprintf(work->name, sizeof(work->name), "%d-%016llx", (int)getpid(), (unsigned long long)chance);
	store_step(work->store, "make the work folder");
	if (mkdirat(work->store->work_fd, work->name, 0700) < 0)
		return err_set(err, -errno, "make a folder for a build");
	store_step(work->store, "lock the work folder");
	work->fd = store_lock_folder(work->store->work_fd, work->name, LOCK_EX | LOCK_NB);
	if (work->fd < 0)
		return err_set(err, work->fd, "lock the folder of a build");
	return 0;
}

int image_work_begin(struct image_store *store, struct image_work **ret, struct err *err)
{
	struct image_work *work = calloc(1, sizeof(*work));
	int r;

	if (!work)
		return err_set(err, -ENOMEM, "begin a build");
	work->store = store;
	work->fd = work->root_fd = -1;
	r = make_folder(work, err);
	if (r == 0 && asprintf(&work->path, "%s/work/%s", store->path, work->name) < 0) {
		work->path = NULL;
		r = err_set(err, -ENOMEM, "begin a build");
	}
	if (r == 0) {
		if (mkdirat(work->fd, ROOTFS, 0755) == 0)
			work->root_fd = tree_open_dir(work->fd, ROOTFS);
		else
			work->root_fd = -errno;
		r = work->root_fd < 0 ? err_set(err, work->root_fd, "make a folder for an image") : 0;
	}
	if (r < 0) {
		image_work_end(work);
		return r;
	}
	fchmod(work->root_fd, 0755);
	*ret = work;
	return 0;
}

int image_work_fd(const struct image_work *work)
{
	return work->fd;
}

int image_work_root_fd(const struct image_work *work)
{
	return work->root_fd;
}

const char *image_work_path(const struct image_work *work)
{
	return work->path;
}

int image_work_elsewhere(struct image_work *work, const char **ret, struct err *err)
{
	AUTO_FREE char *path = NULL;
	int r;

	/* Named after our folder, which is nobody else's; noted before it is there. */
	if (asprintf(&path, ELSEWHERE_PREFIX "%s", work->name) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "begin a build");
	}
	r = tree_write_file(work->fd, ELSEWHERE, path, strlen(path));
	if (r == 0 && (mkdir(path, 0711) < 0 || chmod(path, 0711) < 0))
		r = -errno;
	if (r < 0)
		return err_set(err, r, "make the folder '%s'", path);
	work->elsewhere = TAKE_PTR(path);
	*ret = work->elsewhere;
	return 0;
}

int image_work_adopt_root(struct image_work *work, const char *name, struct err *err)
{
	int fd;

	if (unlinkat(work->fd, ROOTFS, AT_REMOVEDIR) < 0 || renameat(work->fd, name, work->fd, ROOTFS) < 0)
		return err_set(err, -errno, "take over the files of an image");
	fd = tree_open_dir(work->fd, ROOTFS);
	if (fd < 0)
		return err_set(err, fd, "take over the files of an image");
	close(work->root_fd);
	work->root_fd = fd;
	return 0;
}

static int write_manifest(struct image_work *work, const struct image *image, struct err *err)
{
	struct image nameless = *image;
	json_t *json;
	char *text;
	int r;

	nameless.name = NULL;
	json = image_to_json(&nameless);
	text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
	json_decref(json);
	if (!text)
		return err_set(err, -ENOMEM, "describe an image");
	r = tree_write_file(work->fd, MANIFEST, text, strlen(text));
	free(text);
	return r < 0 ? err_set(err, r, "describe an image") : 0;
}

/* Only what belongs to an image goes along. */
static int remove_others(struct image_work *work, struct err *err)
{
	char **names = NULL;
	int r = tree_names(work->fd, &names);

	for (size_t i = 0; r == 0 && names && names[i]; i++) {
		if (strcmp(names[i], ROOTFS) != 0 && strcmp(names[i], MANIFEST) != 0 &&
		    strcmp(names[i], ELSEWHERE) != 0)
			r = tree_remove(work->fd, names[i]);
	}
	strv_free(names);
	return r < 0 ? err_set(err, r, "tidy up after a build") : 0;
}

/*
 * From now on runs may use the image: the keeper does not wait for whoever holds it alone. What is held by several is
 * not collected, but the change is no atomic one (flock(2)), so that a collection may have come between.
 */
static int share(const struct image_work *work, const char *folder, struct err *err)
{
	struct stat held, there;

	if (flock(work->fd, LOCK_SH) < 0)
		return err_set(err, -errno, "share an image");
	if (fstat(work->fd, &held) < 0 || fstatat(work->store->fd, folder, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
	    held.st_ino != there.st_ino)
		return err_set(err, -ESTALE, "the image was removed as it was stored: try again");
	return 0;
}

/* The moment at which the image is there. When it is there already, that one stays. */
static int publish(struct image_work *work, const struct image *image, struct err *err)
{
	struct image_store *store = work->store;
	char folder[IMAGE_DIGEST_LEN + 1];

	store_folder_of(image->digest, folder);
	store_step(store, "make it durable");
	if (syncfs(work->fd) < 0)
		return err_set(err, -errno, "write an image to the disk");
	store_step(store, "publish");
	if (renameat2(store->work_fd, work->name, store->fd, folder, RENAME_NOREPLACE) == 0) {
		work->committed = true;
		store_step(store, "published");
		if (fsync(store->fd) < 0)
			return err_set(err, -errno, "write an image to the disk");
		return share(work, folder, err);
	}
	return errno == EEXIST ? 0 : err_set(err, -errno, "store an image");
}

int image_work_commit(struct image_work *work, struct image *image, image_digest_fn on_bytes, void *user,
		      struct err *err)
{
	int r;

	store_step(work->store, "digest");
	r = image_digest_compute(work->root_fd, image, on_bytes, user, err);
	if (r < 0)
		return r;
	image->created_s = (int64_t)time(NULL);
	store_step(work->store, "tidy");
	r = remove_others(work, err);
	if (r == 0 && work->elsewhere) {
		remove_elsewhere(work->elsewhere);
		unlinkat(work->fd, ELSEWHERE, 0);
	}
	store_step(work->store, "describe");
	if (r == 0)
		r = write_manifest(work, image, err);
	if (r == 0)
		r = publish(work, image, err);
	if (r == 0 && image->name) {
		store_step(work->store, "name");
		r = store_name_write(work->store, image, err);
		store_step(work->store, "named");
	}
	return r;
}

void image_work_end(struct image_work *work)
{
	if (!work)
		return;
	if (work->fd >= 0 && !work->committed)
		remove_work(work->store, work->name, work->fd);
	cleanup_close(&work->root_fd);
	cleanup_close(&work->fd);
	free(work->elsewhere);
	free(work->path);
	free(work);
}

/* Downloads are named after what is downloaded, so that the next attempt finds them. */
static void download_name(const char *reference, char ret[DOWNLOAD_NAME])
{
	uint8_t raw[SHA256_DIGEST_LENGTH];
	SHA2_CTX hash;

	SHA256Init(&hash);
	SHA256Update(&hash, (const uint8_t *)reference, strlen(reference));
	SHA256Final(raw, &hash);
	for (size_t i = 0; i < DOWNLOAD_NAME / 2; i++)
		snprintf(ret + 2 * i, 3, "%02x", raw[i]);
}

int image_store_download(struct image_store *store, const char *reference, int *ret_fd, char **ret_path,
			 struct err *err)
{
	AUTO_CLOSE int hold_fd = -1, fd = -1;
	char name[DOWNLOAD_NAME];
	int r = hold_work(store, &hold_fd, err);

	if (r < 0)
		return r;
	download_name(reference, name);
	if (mkdirat(store->download_fd, name, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "make a folder for a download");
	fd = store_lock_folder(store->download_fd, name, LOCK_EX | LOCK_NB);
	if (fd == -EAGAIN) {
		err_refuse(err, ERR_CONFLICT, "image_busy", "image", "image '%.128s' is being pulled already",
			   reference);
		return -EBUSY;
	}
	if (fd < 0)
		return err_set(err, fd, "lock a download");
	if (asprintf(ret_path, "%s/download/%s", store->path, name) < 0)
		return err_set(err, -ENOMEM, "download an image");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void image_store_download_done(struct image_store *store, const char *reference)
{
	char name[DOWNLOAD_NAME];

	download_name(reference, name);
	if (tree_remove(store->download_fd, name) < 0)
		errno = 0; /* gc removes it one day */
}

int store_sweep_downloads(struct image_store *store, struct image_gc *ret, struct err *err)
{
	AUTO_CLOSE int hold_fd = -1;
	char **names = NULL;
	int r = hold_work(store, &hold_fd, err);

	if (r < 0)
		return r;
	r = tree_names(store->download_fd, &names);
	for (size_t i = 0; r == 0 && names && names[i]; i++) {
		AUTO_CLOSE int fd = store_lock_folder(store->download_fd, names[i], LOCK_EX | LOCK_NB);

		if (fd < 0)
			continue;
		ret->bytes += tree_bytes(fd);
		ret->downloads++;
		r = tree_remove(store->download_fd, names[i]);
	}
	strv_free(names);
	return r < 0 ? err_set(err, r, "remove old downloads") : 0;
}
