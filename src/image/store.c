#include "image/store_priv.h"

#include "base/cleanup.h"
#include "base/strv.h"
#include "image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SUFFIX   ".json"
#define NAME_FILE_MAX 256

void store_step(const struct image_store *store, const char *step)
{
	if (store->on_step)
		store->on_step(store->on_step_user, step);
}

void image_store_on_step(struct image_store *store, void (*on_step)(void *user, const char *step), void *user)
{
	store->on_step = on_step;
	store->on_step_user = user;
}

void store_folder_of(const char *digest, char ret[IMAGE_DIGEST_LEN + 1])
{
	snprintf(ret, IMAGE_DIGEST_LEN + 1, "sha256-%s", digest + 7);
}

/* Each folder on the way that is missing, as mkdir -p does. */
static int make_path(const char *path, struct err *err)
{
	AUTO_FREE char *copy = strdup(path);

	if (!copy)
		return err_set(err, -ENOMEM, "state folder");
	for (char *at = strchr(copy + 1, '/');; at = strchr(at + 1, '/')) {
		if (at)
			*at = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return err_set(err, -errno, "make the folder '%s'", copy);
		if (!at)
			return 0;
		*at = '/';
	}
}

static int open_folder(int dir_fd, const char *name, mode_t mode, bool make, int *ret, struct err *err)
{
	int fd;

	if (make && mkdirat(dir_fd, name, mode) < 0 && errno != EEXIST)
		return err_set(err, -errno, "make the folder '%s' of the images", name);
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT && !make
			       ? 0
			       : err_set(err, -errno, "open the folder '%s' of the images", name);
	if (make)
		fchmod(fd, mode); /* whatever the umask said */
	*ret = fd;
	return 0;
}

static int open_folders(struct image_store *store, enum image_store_mode mode, struct err *err)
{
	bool make = mode == IMAGE_STORE_WRITE;
	int r = make ? make_path(store->path, err) : 0;

	if (r == 0)
		r = open_folder(AT_FDCWD, store->path, 0755, make, &store->fd, err);
	if (r < 0 || store->fd < 0)
		return r;
	r = open_folder(store->fd, "names", 0755, make, &store->names_fd, err);
	if (r == 0 && make)
		r = open_folder(store->fd, "work", 0700, make, &store->work_fd, err);
	if (r == 0 && make)
		r = open_folder(store->fd, "download", 0700, make, &store->download_fd, err);
	return r;
}

int image_store_open(const char *state_dir, enum image_store_mode mode, struct image_store **ret,
		     struct err *err)
{
	struct image_store *store = calloc(1, sizeof(*store));
	int r;

	if (!store)
		return err_set(err, -ENOMEM, "image store");
	store->fd = store->names_fd = store->work_fd = store->download_fd = -1;
	if (asprintf(&store->path, "%s/images", state_dir) < 0) {
		store->path = NULL;
		r = err_set(err, -ENOMEM, "image store");
	} else {
		r = open_folders(store, mode, err);
	}
	if (r == 0 && mode == IMAGE_STORE_WRITE)
		r = store_sweep(store, err);
	if (r < 0) {
		image_store_close(store);
		return r;
	}
	*ret = store;
	return 0;
}

void image_store_close(struct image_store *store)
{
	if (!store)
		return;
	cleanup_close(&store->fd);
	cleanup_close(&store->names_fd);
	cleanup_close(&store->work_fd);
	cleanup_close(&store->download_fd);
	free(store->path);
	free(store);
}

int image_store_names_fd(const struct image_store *store)
{
	return store->names_fd;
}

/* "a/b" as "a%2Fb.json": '%' is in no name. */
static int name_to_file(const char *name, char ret[NAME_FILE_MAX])
{
	size_t used = 0;

	for (; *name; name++) {
		int n = snprintf(ret + used, NAME_FILE_MAX - used, *name == '/' ? "%%2F" : "%c", *name);

		used += (size_t)n;
		if (used + sizeof(NAME_SUFFIX) > NAME_FILE_MAX)
			return -ENAMETOOLONG;
	}
	memcpy(ret + used, NAME_SUFFIX, sizeof(NAME_SUFFIX));
	return 0;
}

/* The other way round. NULL: no name that this store gave, or no memory. */
static char *file_to_name(const char *file)
{
	size_t len = strlen(file) - strlen(NAME_SUFFIX), used = 0;
	AUTO_FREE char *text = malloc(len + 1), *name = NULL;

	for (size_t i = 0; text && i < len; i++) {
		bool slash = strncmp(file + i, "%2F", 3) == 0;

		text[used++] = slash ? '/' : file[i];
		i += slash ? 2 : 0;
	}
	if (!text)
		return NULL;
	text[used] = '\0';
	if (image_name_canonical(text, &name, NULL) < 0 || strcmp(name, text) != 0)
		return NULL;
	return TAKE_PTR(name);
}

static bool is_name_file(const char *file)
{
	size_t len = strlen(file), suffix = strlen(NAME_SUFFIX);

	return file[0] != '.' && len > suffix && strcmp(file + len - suffix, NAME_SUFFIX) == 0;
}

static int read_description(int dir_fd, const char *file, struct image *ret, struct err *err)
{
	AUTO_FREE char *text = NULL;
	json_error_t why;
	json_t *json;
	size_t len;
	/* Not by openat2(), which a confined front may not call. */
	AUTO_CLOSE int fd = openat(dir_fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int r = fd < 0 ? -errno : tree_read_fd(fd, MANIFEST_MAX, &text, &len);

	*ret = (struct image){ 0 };
	if (r < 0)
		return err_set(err, r, "read '%.100s' of the image store", file);
	json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!json)
		return err_set(err, -EINVAL, "'%.100s' of the image store: %s", file, why.text);
	r = image_from_json(json, ret, err);
	json_decref(json);
	if (r < 0)
		image_finish(ret);
	return r;
}

static int refuse_unknown(const char *name, struct err *err)
{
	return err_refuse(err, ERR_UNKNOWN, "image_unknown", "image",
			  "there is no image '%.128s' on this node", name);
}

/* One that has a name has it there with its name; others are known by the description beside their files. */
static int find_digest(struct image_store *store, const char *digest, struct image *ret, struct err *err)
{
	struct image *list;
	size_t count = 0, at = 0;
	char folder[IMAGE_DIGEST_LEN + 1];
	AUTO_CLOSE int fd = -1;

	if (image_store_list(store, &list, &count, NULL) == 0) {
		while (at < count && strcmp(list[at].digest, digest) != 0)
			at++;
		if (at < count) {
			*ret = list[at];
			list[at] = (struct image){ 0 };
		}
		image_list_free(list, count);
	}
	if (at < count)
		return 0;
	store_folder_of(digest, folder);
	fd = tree_open_dir(store->fd, folder);
	if (fd < 0)
		return refuse_unknown(digest, err);
	return read_description(fd, MANIFEST, ret, err);
}

static int find_name(struct image_store *store, const char *text, struct image *ret, struct err *err)
{
	AUTO_FREE char *name = NULL;
	char file[NAME_FILE_MAX];
	int r = image_name_canonical(text, &name, NULL);

	if (r == -ENOMEM)
		return err_set(err, r, "find an image");
	if (r < 0 || name_to_file(name, file) < 0)
		return refuse_unknown(text, err);
	r = read_description(store->names_fd, file, ret, err);
	return r == -ENOENT ? refuse_unknown(text, err) : r;
}

int image_store_find(struct image_store *store, const char *name, struct image *ret, struct err *err)
{
	const char *digest = image_digest_in(name);
	AUTO_FREE char *bare = NULL;
	int r;

	*ret = (struct image){ 0 };
	if (store->names_fd < 0)
		return refuse_unknown(name, err);
	if (digest == name)
		return find_digest(store, digest, ret, err);
	bare = digest ? strndup(name, (size_t)(digest - name - 1)) : strdup(name);
	if (!bare)
		return err_set(err, -ENOMEM, "find an image");
	/* A reference to a registry may hold a digest of the registry's own: then it is all name. */
	r = find_name(store, name, ret, digest ? NULL : err);
	if (r == 0 || !digest)
		return r;
	r = find_name(store, bare, ret, err);
	if (r == 0 && strcmp(ret->digest, digest) != 0) {
		image_finish(ret);
		return refuse_unknown(name, err);
	}
	return r;
}

/* One that cannot be read must not hide the others. */
static int list_one(struct image_store *store, const char *file, struct image *ret, struct err *err)
{
	struct err why = ERR_INIT;
	int r = read_description(store->names_fd, file, ret, &why);

	if (r == 0 || r == -ENOENT)
		return r; /* removed meanwhile */
	if (r == -ENOMEM)
		return err_set(err, r, "list the images");
	ret->name = file_to_name(file);
	ret->damage = strdup(why.text);
	if (ret->name && ret->damage)
		return 0;
	image_finish(ret);
	return -ENOENT; /* no file of ours */
}

int image_store_list(struct image_store *store, struct image **ret, size_t *ret_count, struct err *err)
{
	char **files = NULL;
	struct image *list;
	size_t count = 0;
	int r = store->names_fd < 0 ? 0 : tree_names(store->names_fd, &files);

	if (r < 0)
		return err_set(err, r, "list the images");
	list = calloc(strv_len(files) + 1, sizeof(*list));
	if (!list)
		r = err_set(err, -ENOMEM, "list the images");
	for (size_t i = 0; r == 0 && files && files[i]; i++) {
		if (!is_name_file(files[i]))
			continue;
		r = list_one(store, files[i], &list[count], err);
		if (r == 0)
			count++;
		if (r == -ENOENT)
			r = 0;
	}
	strv_free(files);
	if (r < 0) {
		image_list_free(list, count);
		return r;
	}
	*ret = list;
	*ret_count = count;
	return 0;
}

void image_list_free(struct image *list, size_t count)
{
	for (size_t i = 0; list && i < count; i++)
		image_finish(&list[i]);
	free(list);
}

int store_name_write(struct image_store *store, const struct image *image, struct err *err)
{
	json_t *json = image_to_json(image);
	char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
	char file[NAME_FILE_MAX];
	int r;

	json_decref(json);
	if (!text)
		return err_set(err, -ENOMEM, "name an image");
	r = name_to_file(image->name, file);
	if (r == 0)
		r = tree_write_file(store->names_fd, file, text, strlen(text));
	free(text);
	return r < 0 ? err_set(err, r, "give the image the name '%.128s'", image->name) : 0;
}

int store_lock_folder(int dir_fd, const char *name, int operation)
{
	struct stat held, there;
	int fd = tree_open_dir(dir_fd, name);

	if (fd < 0)
		return fd;
	if (flock(fd, operation) < 0) {
		int r = errno == EWOULDBLOCK ? -EAGAIN : -errno;

		close(fd);
		return r;
	}
	/* It may have been removed, and even made anew, between the two calls. */
	if (fstat(fd, &held) < 0 || fstatat(dir_fd, name, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
	    held.st_ino != there.st_ino || held.st_dev != there.st_dev) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

int store_discard(struct image_store *store, int dir_fd, const char *name)
{
	char trash[96];

	snprintf(trash, sizeof(trash), "trash-%d-%.64s", (int)getpid(), name + (strlen(name) > 64 ? 7 : 0));
	store_step(store, "discard");
	if (renameat(dir_fd, name, store->work_fd, trash) < 0)
		return -errno;
	store_step(store, "discarded");
	return tree_remove(store->work_fd, trash);
}

/* How many names have this digest. */
static int count_names(struct image_store *store, const char *digest, size_t *ret, struct err *err)
{
	struct image *list;
	size_t count;
	int r = image_store_list(store, &list, &count, err);

	*ret = 0;
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		*ret += strcmp(list[i].digest, digest) == 0;
	image_list_free(list, count);
	return 0;
}

static int refuse_in_use(const char *name, struct err *err)
{
	err_refuse(err, ERR_CONFLICT, "image_in_use", "image",
		   "image '%.128s' is being used: a sandbox runs in it, or may at any moment", name);
	return -EBUSY;
}

/* Of a name whose description cannot be read only the name can go; gc finds the image, if nobody else has it. */
static int remove_damaged(struct image_store *store, const char *name, int reason)
{
	AUTO_FREE char *canonical = NULL;
	char file[NAME_FILE_MAX];

	if (image_name_canonical(name, &canonical, NULL) < 0 || name_to_file(canonical, file) < 0)
		return reason;
	return unlinkat(store->names_fd, file, 0) == 0 && fsync(store->names_fd) == 0 ? 0 : reason;
}

int image_store_remove(struct image_store *store, const char *name, struct err *err)
{
	AUTO_IMAGE struct image image = { 0 };
	char folder[IMAGE_DIGEST_LEN + 1], file[NAME_FILE_MAX];
	AUTO_CLOSE int lock_fd = -1;
	size_t names = 0;
	int r = image_store_find(store, name, &image, err);

	if (r < 0)
		return remove_damaged(store, name, r);
	if (r == 0)
		r = count_names(store, image.digest, &names, err);
	if (r < 0)
		return r;
	store_folder_of(image.digest, folder);
	if (names <= 1) {
		lock_fd = store_lock_folder(store->fd, folder, LOCK_EX | LOCK_NB);
		if (lock_fd == -EAGAIN)
			return refuse_in_use(name, err);
		if (lock_fd < 0 && lock_fd != -ENOENT)
			return err_set(err, lock_fd, "lock image '%s'", name);
	}
	store_step(store, "unname");
	if (image.name && (name_to_file(image.name, file) < 0 || unlinkat(store->names_fd, file, 0) < 0 ||
			   fsync(store->names_fd) < 0))
		return err_set(err, -errno, "take the name of image '%s' away", name);
	r = lock_fd >= 0 ? store_discard(store, store->fd, folder) : 0;
	return r < 0 ? err_set(err, r, "remove image '%s'", name) : 0;
}

static int collect_image(struct image_store *store, const char *folder, struct image_gc *gc)
{
	AUTO_CLOSE int lock_fd = store_lock_folder(store->fd, folder, LOCK_EX | LOCK_NB);
	uint64_t bytes;
	int r;

	if (lock_fd < 0)
		return lock_fd == -EAGAIN || lock_fd == -ENOENT ? 0 : lock_fd;
	bytes = tree_bytes(lock_fd);
	r = store_discard(store, store->fd, folder);
	if (r == 0) {
		gc->images++;
		gc->bytes += bytes;
	}
	return r;
}

int image_store_gc(struct image_store *store, struct image_gc *ret, struct err *err)
{
	char **folders = NULL;
	char digest[IMAGE_DIGEST_LEN + 1];
	int r = tree_names(store->fd, &folders);
	size_t names;

	*ret = (struct image_gc){ 0 };
	if (r < 0)
		return err_set(err, r, "read the image store");
	for (size_t i = 0; r == 0 && folders && folders[i]; i++) {
		if (strncmp(folders[i], "sha256-", 7) != 0)
			continue;
		snprintf(digest, sizeof(digest), "sha256:%.64s", folders[i] + 7);
		r = count_names(store, digest, &names, err);
		if (r == 0 && names == 0) {
			r = collect_image(store, folders[i], ret);
			if (r < 0)
				err_set(err, r, "remove '%s'", folders[i]);
		}
	}
	strv_free(folders);
	return r < 0 ? r : store_sweep_downloads(store, ret, err);
}

int image_store_use(struct image_store *store, const char *digest, int *ret_root_fd, int *ret_lock_fd,
		    struct err *err)
{
	char folder[IMAGE_DIGEST_LEN + 1];
	AUTO_CLOSE int lock_fd = -1;
	int root_fd;

	store_folder_of(digest, folder);
	lock_fd = store_lock_folder(store->fd, folder, LOCK_SH);
	if (lock_fd < 0)
		return lock_fd == -ENOENT ? refuse_unknown(digest, err)
					  : err_set(err, lock_fd, "image %s", digest);
	root_fd = tree_open_dir(lock_fd, ROOTFS);
	if (root_fd < 0)
		return err_set(err, root_fd, "files of image %s", digest);
	*ret_root_fd = root_fd;
	*ret_lock_fd = TAKE_FD(lock_fd);
	return 0;
}

int image_store_verify(struct image_store *store, const struct image *image, image_digest_fn on_bytes,
		       void *user, struct err *err)
{
	AUTO_CLOSE int root_fd = -1, lock_fd = -1;
	/* Borrows what the digest is taken of. */
	struct image seen = *image;
	int r = image_store_use(store, image->digest, &root_fd, &lock_fd, err);

	if (r == 0)
		r = image_digest_compute(root_fd, &seen, on_bytes, user, err);
	if (r < 0)
		return r;
	if (strcmp(seen.digest, image->digest) != 0)
		return err_set(err, -EBADMSG, "image %s is damaged: what is there has digest %s",
			       image->digest, seen.digest);
	return 0;
}
