/*
 * The front: the unprivileged process that speaks HTTP.
 */
#ifndef KILN_CMD_FRONT_H
#define KILN_CMD_FRONT_H

#include "base/err.h"
#include "config/config.h"

struct doctor_facts;

/*
 * Serves until SIGTERM or SIGINT, then drains for at most drain_ms. `keeper_fd` is the keeper's socket, `builder_fd`
 * the builder's, or -1: then no images are made. Both are owned. `facts` about this host were found out before; NULL:
 * none were, and /v1/node tells no findings. Returns 0 after a drain, or a negative errno with a
 * sentence: could not listen, could not confine itself, lost the keeper.
 */
[[nodiscard]] int front_run(const struct config *config, int keeper_fd, int builder_fd,
			    const struct doctor_facts *facts, struct err *err);

#endif
