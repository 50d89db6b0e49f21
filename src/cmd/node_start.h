/*
 * A node for a command that is done soon: with a keeper of its own, of the engine that the settings name.
 */
#ifndef KILN_CMD_NODE_START_H
#define KILN_CMD_NODE_START_H

#include "engine/docker/docker.h"
#include "lib/node.h"

/* The settings that are the Docker keeper's; they are referred to. */
struct docker_options docker_options_of(const struct config *config);

/* node_open() with a keeper started for it. */
[[nodiscard]] int node_start(uv_loop_t *loop, const struct config *config, struct node *ret, struct err *err);

#endif
