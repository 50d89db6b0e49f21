/*
 * Unpacking of what strangers packed, in a process of its own that may do nothing else: Landlock gives it one
 * folder, a seccomp filter the system calls of writing files, and as root it is an ordinary uid in a chroot.
 * It can make no device, open no socket, start no program. What it says at its end is bounded text.
 */
#ifndef KILN_IMAGE_UNPACK_H
#define KILN_IMAGE_UNPACK_H

#include "image/layer.h"

#include <sys/types.h>

struct unpack_job {
	const int *tar_fds;
	size_t tars_count;
	int root_fd; /* an empty folder */
	struct layer_options options;
	bool furnish;	     /* layer_furnish() at the end */
	const char *workdir; /* for that, or NULL */
	uid_t as_user; /* as root: who the child becomes, and so the owner of every file; the folder is given to it */
};

struct unpack;

/* Starts it. The descriptors are the caller's still, and can be closed. */
[[nodiscard]] int unpack_start(const struct unpack_job *job, struct unpack **ret, struct err *err);

/* Waits up to `ms` for its end; true when it has ended. *ret is how far it came. */
bool unpack_wait(struct unpack *unpack, int ms, struct layer_count *ret);

/* After its end: 0, or a negative errno with what it said. */
[[nodiscard]] int unpack_result(struct unpack *unpack, struct err *err);

/* Kills it when it still runs. NULL is fine. */
void unpack_destroy(struct unpack *unpack);

/* Confines the calling process to writing below one folder. For unpack.c and its test. */
[[nodiscard]] int unpack_confine(int root_fd, uid_t as_user, struct err *err);

#endif
