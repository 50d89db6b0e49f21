/*
 * Nodes and their keepers: for a command that is done soon, and what the server starts them with.
 */
#ifndef KILN_CMD_NODE_START_H
#define KILN_CMD_NODE_START_H

#include "engine/docker/docker.h"
#include "lib/node.h"

/* The settings that are the Docker keeper's; they, and the rules (node_engine_rules()), are referred to. */
struct docker_options docker_options_of(const struct config *config, char *const *rules);

/* The rules of the settings and the languages. *ret: strv_free(). */
[[nodiscard]] int node_rules_load(const struct config *config, char ***ret, struct err *err);

/*
 * Starts the Docker keeper of a front beside the native one's, as a child of it. It ends with *ret_fd; a front
 * that follows has another one.
 */
[[nodiscard]] int docker_keeper_begin(const struct config *config, int *ret_fd, pid_t *ret_pid,
				      struct err *err);

/* node_open() with the keepers started for it. */
[[nodiscard]] int node_start(uv_loop_t *loop, const struct config *config, struct node *ret, struct err *err);

#endif
