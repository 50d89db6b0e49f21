/*
 * The builder: makes and removes images for a server whose front may do neither (wire/builder_proto.h).
 *
 * It has the privileges that the server was started with and hears one confined process, which may have been taken
 * over: each request is checked anew, as narrow as its kind allows, no path ever comes with one, and no shell sees
 * what does. Each job is a process of its own, which ends with the builder; what it leaves half made the store
 * removes (store.h).
 */
#ifndef KILN_IMAGE_BUILDER_H
#define KILN_IMAGE_BUILDER_H

#include "image/make.h"
#include "wire/builder_proto.h"

/* What a Docker daemon is asked to do with its own images; both block, in a job's process. */
struct builder_daemon {
	int (*pull)(void *user, const char *reference, const struct image_progress *progress,
		    struct err *err);
	int (*remove)(void *user, const char *name, struct err *err);
	void *user;
};

struct builder_options {
	const char *state_dir;
	const struct builder_daemon *daemon; /* NULL: there is none */
	bool only_daemon;		     /* this node has no images of its own */
	char *const *registries; /* that may be pulled from, as image_registry_allowed() takes them */
	struct image_make make;	 /* without store and progress, which are each job's own */
};

/*
 * Serves until `socket_fd`, which it owns, has no other end any more, or SIGTERM; then ends its jobs. Its process must
 * have one thread and no other children. 0, or a negative errno when it could not begin.
 */
[[nodiscard]] int builder_serve(int socket_fd, const struct builder_options *options, struct err *err);

/* What a request is refused for, besides what its job finds out. Pure. */
[[nodiscard]] int builder_request_check(const struct builder_request *request, char *const *registries,
					struct err *err);

/* builder_job.c: does what a request says and does not return; the outcome goes to `message_fd`. */
_Noreturn void builder_job_run(const struct builder_options *options, const struct builder_request *request,
			       int archive_fd, int message_fd);

#endif
