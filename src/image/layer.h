/*
 * Puts one tar of an image onto a folder: a layer of an OCI image (with its whiteouts), or a root file system
 * whole.
 *
 * What the tar says is a stranger's. Names are resolved in the kernel with the folder as root (openat2,
 * RESOLVE_IN_ROOT), so that no "..", no absolute name and no link leads out of it; ".." as a part of a name is
 * refused all the same. Devices, sockets and pipes are left out. Setuid, setgid and sticky bits, owners and
 * extended attributes too; modes become 0755 or, for files that their owner may not execute, 0644; times are
 * kept. Bytes, files, depth and lengths of names are bounded. layer_apply() runs in the child of unpack.h;
 * nothing of it trusts that.
 */
#ifndef KILN_IMAGE_LAYER_H
#define KILN_IMAGE_LAYER_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define LAYER_DEPTH_MAX 128

struct layer_bounds {
	uint64_t bytes; /* of all files together, as large as they say they are */
	uint64_t files; /* members of all tars, of whatever kind */
};

/* What has been put there so far, by this and earlier layers. Written as it goes: it may be shared memory. */
struct layer_count {
	uint64_t bytes, files;
	uint64_t dropped; /* devices and the like */
	uint64_t read;	  /* bytes of the tars as they stand, compressed */
};

struct layer_options {
	struct layer_bounds bounds;
	bool whiteouts; /* ".wh.NAME" removes NAME of the layers before; the descriptor must be seekable */
};

/* -EINVAL: a tar that is damaged or hostile, with a sentence; -EFBIG: over a bound; or another errno. */
[[nodiscard]] int layer_apply(int tar_fd, int root_fd, const struct layer_options *options,
			      struct layer_count *count, struct err *err);

/*
 * Makes the folders on which a sandbox mounts real folders, whatever stood there, and an /etc/passwd and
 * /etc/group that know the uid of a sandbox's user. `workdir` is made too if it is not there, as Docker does;
 * NULL: none.
 */
[[nodiscard]] int layer_furnish(int root_fd, const char *workdir, struct err *err);

/* Makes a folder with all that are missing above it, resolved with root_fd as root. */
[[nodiscard]] int layer_make_folder(int root_fd, const char *path, struct err *err);

#endif
