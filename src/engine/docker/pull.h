/*
 * Images that the daemon gets from a registry, or gives away. These calls block: they are for a process of their own
 * (image/builder_job.c).
 */
#ifndef KILN_ENGINE_DOCKER_PULL_H
#define KILN_ENGINE_DOCKER_PULL_H

#include "base/err.h"
#include "engine/docker/docker.h"

/*
 * How far it is, a few times a second, also while nothing happens; not 0: it is to be given up. As struct
 * image_progress.
 */
struct docker_progress {
	int (*tell)(void *user, const char *phase, uint64_t done, uint64_t total);
	void *user;
};

/*
 * Has the daemon pull `reference`, with the credentials of `config` (credentials.h). 0, or a negative errno:
 * -ECANCELED given up, -ENOENT and others in the daemon's words.
 */
[[nodiscard]] int docker_pull(const struct docker_options *options, const char *config, const char *reference,
			      const struct docker_progress *progress, struct err *err);

/* Takes a name from an image, and removes it where that was its last. -ENOENT, or -EBUSY: a container uses it. */
[[nodiscard]] int docker_image_remove(const struct docker_options *options, const char *name,
				      struct err *err);

/* ---- what the daemon says while it pulls; pure ---- */

#define PULL_LAYERS_MAX 512

struct pull_layer {
	char id[16];
	uint64_t done, total;
};

struct pull_progress {
	struct pull_layer layers[PULL_LAYERS_MAX]; /* more are not counted */
	size_t layers_count;
	char phase[48];
	char error[200]; /* why it failed, in the daemon's words; "": it has not */
	bool over;	 /* the daemon said that it is done */
};

/* One line of JSON; one that is none is ignored. */
void pull_progress_line(struct pull_progress *progress, const char *line, size_t len);

void pull_progress_sum(const struct pull_progress *progress, uint64_t *ret_done, uint64_t *ret_total);

#endif
