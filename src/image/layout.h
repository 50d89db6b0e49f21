/*
 * What OCI images look like as files: an OCI layout (oci-layout, index.json, blobs/), or what `docker save`
 * writes (manifest.json). Both are folders here, unpacked or downloaded before, and a stranger's: names are
 * resolved beneath the folder, documents are bounded, and every blob is held against its digest before it is
 * used.
 */
#ifndef KILN_IMAGE_LAYOUT_H
#define KILN_IMAGE_LAYOUT_H

#include "image/image.h"

struct layout {
	int *layers; /* descriptors, lowest first */
	size_t layers_count;
	uint64_t layers_bytes; /* as they stand, compressed */
};

/*
 * Opens the one image of a folder that fits this machine. `wanted` chooses among several by their tag, NULL:
 * there must be one. Fills the configuration of *image (user, env, workdir, entrypoint, command, labels).
 * Refuses (422, "image_unsuitable"): another architecture or system, layers that are missing, several images,
 * a blob that is not what its digest says. *ret is to be finished in any case.
 */
[[nodiscard]] int layout_open(int dir_fd, const char *wanted, struct layout *ret, struct image *image,
			      struct err *err);

void layout_finish(struct layout *layout);

/* What this machine's architecture is called in OCI documents: "amd64", "arm64". */
const char *layout_architecture(void);

#endif
