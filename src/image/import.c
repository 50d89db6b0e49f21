/*
 * From a file or a folder of this machine. An archive is unpacked like a layer, in the same confined process;
 * only then it is looked whether that is an image's root, or an image in its parts.
 */
#include "image/make_priv.h"

#include "base/cleanup.h"
#include "image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PARTS "parts" /* the unpacked archive, in the work folder */

static bool is_there(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A root file system may have a file of one of these names; it has programs and no layers. */
static bool is_layout(int dir_fd)
{
	if (is_there(dir_fd, "oci-layout") && is_there(dir_fd, "index.json"))
		return true;
	return is_there(dir_fd, "manifest.json") && !is_there(dir_fd, "usr") && !is_there(dir_fd, "bin");
}

static int import_folder(const struct image_make *make, struct image_work *work, const char *path,
			 struct err *err)
{
	AUTO_FREE char *absolute = realpath(path, NULL);
	const char *const argv[] = { "tar",
				     "--create",
				     "--file=-",
				     "--numeric-owner",
				     "--one-file-system",
				     "--sparse",
				     "--directory",
				     absolute,
				     "--",
				     ".",
				     NULL };
	const struct program_spec spec = { .argv = argv, .takes_stdout = true };
	struct program program;
	struct make_watch watch = { .make = make, .phase = "copying", .program = &program };
	int r = absolute ? program_start(&spec, &program, err) : err_set(err, -errno, "find '%s'", path);

	if (r < 0)
		return r;
	return make_unpack_program(&watch, image_work_root_fd(work), err);
}

static int furnish(const struct image_make *make, struct image_work *work, struct err *err)
{
	const struct make_watch watch = { .make = make, .phase = "unpacking" };

	return make_unpack(&watch, NULL, 0, image_work_root_fd(work), false, true, err);
}

static int import_archive(const struct image_make *make, struct image_work *work, int fd, const char *tag,
			  struct image *image, struct err *err)
{
	struct make_watch watch = { .make = make, .phase = "reading the archive" };
	AUTO_CLOSE int parts_fd = -1;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "look at the archive");
	watch.total = (uint64_t)st.st_size;
	if (mkdirat(image_work_fd(work), PARTS, 0755) < 0)
		return err_set(err, -errno, "make a folder");
	parts_fd = tree_open_dir(image_work_fd(work), PARTS);
	if (parts_fd < 0)
		return err_set(err, parts_fd, "open a folder");
	r = make_unpack(&watch, &fd, 1, parts_fd, false, false, err);
	if (r < 0)
		return r;
	if (is_layout(parts_fd))
		return make_from_layout(make, work, parts_fd, tag, image, err);
	r = image_work_adopt_root(work, PARTS, err);
	return r < 0 ? r : furnish(make, work, err);
}

static int import_any(const struct image_make *make, struct image_work *work, int fd, const char *path,
		      const char *tag, struct image *image, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "look at '%s'", path);
	if (S_ISDIR(st.st_mode) && is_layout(fd))
		return make_from_layout(make, work, fd, tag, image, err);
	if (S_ISDIR(st.st_mode))
		return import_folder(make, work, path, err);
	if (S_ISREG(st.st_mode))
		return import_archive(make, work, fd, tag, image, err);
	return err_refuse(err, ERR_IMPOSSIBLE, "image_unsuitable", "path",
			  "'%s' is neither a file nor a folder", path);
}

static int import(const struct image_make *make, int fd, const char *path, const char *tag, struct image *ret,
		  struct err *err)
{
	struct image_work *work = NULL;
	int r;

	ret->source = strdup(path);
	if (!ret->source)
		return err_set(err, -ENOMEM, "import an image");
	r = image_work_begin(make->store, &work, err);
	if (r == 0)
		r = import_any(make, work, fd, path, tag, ret, err);
	if (r == 0)
		r = make_commit(make, work, ret, err);
	image_work_end(work);
	return r < 0 ? err_wrap(err, r, "import '%s'", path) : 0;
}

int image_make_import(const struct image_make *make, const char *path, const char *name, const char *tag,
		      struct image *ret, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	int r;

	*ret = (struct image){ 0 };
	r = image_name_canonical(name, &ret->name, err);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_set(err, -errno, "import '%s'", path);
	return import(make, fd, path, tag, ret, err);
}

int image_make_import_fd(const struct image_make *make, int fd, const char *source, const char *name,
			 struct image *ret, struct err *err)
{
	int r;

	*ret = (struct image){ 0 };
	r = image_name_canonical(name, &ret->name, err);
	return r < 0 ? r : import(make, fd, source, NULL, ret, err);
}
