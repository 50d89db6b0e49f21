/*
 * How the front gives up all that it does not need, for good, before the first byte of a stranger is read.
 */
#ifndef KILN_CMD_FRONT_CONFINE_H
#define KILN_CMD_FRONT_CONFINE_H

#include "base/err.h"
#include "config/config.h"

/* Raises RLIMIT_NOFILE to its hard limit and sets RLIMIT_CORE to 0: a core would hold tokens and code of others. */
[[nodiscard]] int front_limits_set(struct err *err);

/*
 * When started as root becomes the configured user, or a uid of its own (groups, gids and uids, checked to be final),
 * with an empty bounding set; clears ambient capabilities, sets
 * no_new_privs and makes the process undumpable, hides the file system behind Landlock where the kernel has it, and
 * loads the seccomp filter. To be called once, when everything is open and loaded. Returns 0 or a negative errno.
 */
[[nodiscard]] int front_confine(const struct config *config, struct err *err);

/* The seccomp filter alone (front_seccomp.c), for all threads. */
[[nodiscard]] int front_seccomp_load(struct err *err);

#endif
