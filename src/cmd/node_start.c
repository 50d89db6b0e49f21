#include "cmd/node_start.h"

#include <unistd.h>

struct docker_options docker_options_of(const struct config *config)
{
	return (struct docker_options){
		.host = config->docker_host,
		.tls_ca = config->docker_tls_ca,
		.tls_cert = config->docker_tls_cert,
		.tls_key = config->docker_tls_key,
		.runtime = config->docker_runtime,
		.owner = config->state_dir,
		.uid_base = config->uid_base,
		.uid_count = config->uid_count,
		.containers = config->docker_containers,
	};
}

int node_start(uv_loop_t *loop, const struct config *config, struct node *ret, struct err *err)
{
	const struct docker_options options = docker_options_of(config);
	char owner[64];
	struct docker_options own = options;
	int fd = -1, r;
	pid_t pid = 0;

	if (!config_engine_is_docker(config))
		return node_open(loop, config, -1, ret, err);
	/* A server beside us has the state folder: what is ours is nobody else's to sweep. */
	snprintf(owner, sizeof(owner), "process %d", (int)getpid());
	own.owner = owner;
	r = docker_keeper_start(&own, &fd, &pid, err);
	if (r < 0)
		return r;
	r = node_open(loop, config, fd, ret, err);
	if (r == 0)
		engine_native_keeper_is(ret->engine, pid);
	return r;
}
