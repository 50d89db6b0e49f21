/*
 * How images come to be: built from a recipe, pulled from a registry, imported from an archive or a folder.
 * Each call blocks until it is over, telling its progress, and either stores a whole image under its name or
 * changes nothing.
 */
#ifndef KILN_IMAGE_MAKE_H
#define KILN_IMAGE_MAKE_H

#include "image/program.h"
#include "image/store.h"

#include <sys/types.h>

struct image_make {
	struct image_store *store; /* opened for writing */
	const char *recipes_dir;   /* images/ */
	const char *runtime_dir;   /* of kiln's own programs, "runtime:NAME"; NULL: there are none */
	const char *mirror;	   /* of Debian; NULL or "": mmdebstrap's choice */
	uint64_t bytes_max;	   /* an image may have */
	uid_t owner;		   /* as root: of its files */
	struct image_progress progress;
};

/* `recipe` is a name ("python": recipes_dir/python.yaml) or, with a '/' in it, the path of a recipe. */
[[nodiscard]] int image_make_build(const struct image_make *make, const char *recipe, struct image *ret,
				   struct err *err);

/*
 * From a registry; `name` NULL: the reference itself. What was pulled when it was killed is not pulled again.
 */
[[nodiscard]] int image_make_pull(const struct image_make *make, const char *reference, const char *name,
				  struct image *ret, struct err *err);

/*
 * From a file (an OCI archive, a `docker save`, or the tar of a root file system, each also compressed) or a
 * folder (an OCI layout or a root file system). `tag` chooses among several images in it; NULL: there is one.
 */
[[nodiscard]] int image_make_import(const struct image_make *make, const char *path, const char *name,
				    const char *tag, struct image *ret, struct err *err);

/* The same from a file that is open, with what is to be written down as its source. */
[[nodiscard]] int image_make_import_fd(const struct image_make *make, int fd, const char *source,
				       const char *name, struct image *ret, struct err *err);

/*
 * Whether a reference, in its canonical form, leads to one of these: registries ("ghcr.io") or parts of one
 * ("docker.io/library"). NULL or empty: to any. A reference without a registry is Docker Hub's, as everywhere: "alpine"
 * is "docker.io/library/alpine".
 */
bool image_registry_allowed(char *const *allowed, const char *reference);

/* The names of all recipes, sorted (strv_free()); none when there is no such folder. */
[[nodiscard]] int image_recipe_names(const char *recipes_dir, char ***ret, struct err *err);

/* True when there is a recipe of this name. */
bool image_make_has_recipe(const char *recipes_dir, const char *name);

#endif
