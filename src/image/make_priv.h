/*
 * The ways to make an image among themselves.
 */
#ifndef KILN_IMAGE_MAKE_PRIV_H
#define KILN_IMAGE_MAKE_PRIV_H

#include "image/make.h"
#include "image/unpack.h"

#define MAKE_FILES_MAX 2000000
#define MAKE_TICK_MS   100

/* Something that is told its progress while tars are unpacked. */
struct make_watch {
	const struct image_make *make;
	const char *phase;
	uint64_t total;
	const char *workdir;			/* of the image, or NULL */
	struct program *program;		/* the one that writes the tar; NULL: none */
	int (*tick)(void *user, uint64_t read); /* NULL: phase and bytes are told */
	void *user;
};

/* Unpacks into the work's root, or into `root_fd` when it is not -1, and waits. */
[[nodiscard]] int make_unpack(const struct make_watch *watch, const int *tar_fds, size_t count, int root_fd,
			      bool whiteouts, bool furnish, struct err *err);

/* The same with the one tar that watch->program writes, which must end well, and is ended in any case. */
[[nodiscard]] int make_unpack_program(const struct make_watch *watch, int root_fd, struct err *err);

/* Puts the layers of an OCI folder into the work's root; fills the configuration of *image. */
[[nodiscard]] int make_from_layout(const struct image_make *make, struct image_work *work, int layout_fd,
				   const char *tag, struct image *image, struct err *err);

/* The last step of all ways: the work becomes an image. */
[[nodiscard]] int make_commit(const struct image_make *make, struct image_work *work, struct image *image,
			      struct err *err);

#endif
