/*
 * The digest of an image: SHA-256 over a canonical listing of everything that a run can see of it.
 *
 * The listing begins with the line "kiln-image 1". Then comes, depth first and in each folder sorted by the
 * bytes of the names, one record for each file beneath the root: its type (one of "d", "f", "x": a file that
 * may be executed, "l"), a space, its path without a leading '/', a NUL, then of a file the SHA-256 of its
 * content as 64 hexadecimal digits, of a link its target, of a folder nothing, and a NUL. Then the
 * configuration, a record each: "user", "workdir", "env", "entrypoint" or "command", a space, the value, two
 * NULs.
 *
 * Owners, times, extended attributes and modes but the one bit are no part of it: the store gives every file
 * the same (unpack.h), and a hard link is a file with the same content.
 */
#ifndef KILN_IMAGE_DIGEST_H
#define KILN_IMAGE_DIGEST_H

#include "image/image.h"

/* Called now and then with the bytes read so far; not 0: gives up with that errno. */
typedef int (*image_digest_fn)(void *user, uint64_t bytes);

/*
 * Reads every file beneath root_fd and sets image->digest, size_bytes and files from them and from the image's
 * configuration. Refuses what the store does not hold (devices and the like) with -EINVAL. `on_bytes` may be
 * NULL.
 */
[[nodiscard]] int image_digest_compute(int root_fd, struct image *image, image_digest_fn on_bytes, void *user,
				       struct err *err);

/* SHA-256 of what a descriptor gives, from its beginning, as 64 hexadecimal digits. 0 or -errno. */
[[nodiscard]] int image_digest_file(int fd, char ret_hex[65]);

#endif
