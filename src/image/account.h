/*
 * Whom an image's programs run as: its USER, looked up in its own /etc/passwd and /etc/group as Docker does it.
 *
 * "name", "uid", "name:group", "uid:gid" and their mixtures. A user without a group has the one of his line in passwd;
 * a number that has no line has group 0. The first line that fits counts, and digits are always a number. There are no
 * further groups: every file of an image can be read by everybody anyway.
 */
#ifndef KILN_IMAGE_ACCOUNT_H
#define KILN_IMAGE_ACCOUNT_H

#include "base/err.h"
#include "image/image.h"

/* uids and gids of an image, as Docker has it. */
#define ACCOUNT_ID_MAX 2147483647u

/*
 * Looks up `user` ("" or NULL: root) in the texts of the two files, which may be anything. Returns 0, with uid 0 where
 * it is root, which nobody is in a sandbox; -EINVAL, a refusal "image_user_unknown" (422): no such user or group, or a
 * number out of bounds. *ret is to be finished in any case; a name is NULL where there is no line.
 */
[[nodiscard]] int account_find(const char *user, const char *passwd, const char *group,
			       struct image_account *ret, struct err *err);

/*
 * Sets image->account from image->user and the image's files, which are furnished (layer.h) beneath root_fd. A user
 * without a line in /etc/passwd gets one, whose home is that of all sandboxes.
 */
[[nodiscard]] int account_resolve(int root_fd, struct image *image, struct err *err);

#endif
