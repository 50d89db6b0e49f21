/* Archives as the daemon takes and gives them: ustar (POSIX.1-2017, pax). Pure. */
#ifndef KILN_ENGINE_DOCKER_TAR_H
#define KILN_ENGINE_DOCKER_TAR_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/* One regular file of root's, then what ends the archive. 0 or a negative errno of the buffer's. */
[[nodiscard]] int tar_add(struct buf *to, const char *name, unsigned mode, const void *data, size_t len);
[[nodiscard]] int tar_end(struct buf *to);

/*
 * The contents of the one file that somebody else's archive is of; *ret_data points into it. -EINVAL: the archive is
 * none, or it is of something else (a link, a folder).
 */
[[nodiscard]] int tar_only_file(const uint8_t *archive, size_t len, const uint8_t **ret_data,
				size_t *ret_len);

#endif
