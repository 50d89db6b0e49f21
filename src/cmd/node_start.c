#include "cmd/node_start.h"

#include "base/strv.h"

#include <unistd.h>

struct docker_options docker_options_of(const struct config *config, char *const *rules)
{
	return (struct docker_options){
		.host = config->docker_host,
		.tls_ca = config->docker_tls_ca,
		.tls_cert = config->docker_tls_cert,
		.tls_key = config->docker_tls_key,
		.runtime = config->docker_runtime,
		.rules = rules,
		.host_image = config->docker_host_image,
		.owner = config->state_dir,
		.uid_base = config->uid_base,
		.uid_count = config->uid_count,
		.containers = config->docker_containers,
	};
}

int node_rules_load(const struct config *config, char ***ret, struct err *err)
{
	struct language_registry *languages;
	int r = node_languages_load(config, &languages, err);

	if (r < 0)
		return r;
	r = node_engine_rules(config, languages, ret, err);
	language_registry_destroy(languages);
	return r;
}

static int keeper_begin(const struct config *config, const char *owner, int *ret_fd, pid_t *ret_pid,
			struct err *err)
{
	struct docker_options options;
	char **rules = NULL;
	int r = node_rules_load(config, &rules, err);

	if (r < 0)
		return r;
	options = docker_options_of(config, rules);
	options.heirs = owner == NULL;
	options.owner = owner ?: options.owner;
	r = docker_keeper_start(&options, ret_fd, ret_pid, err);
	strv_free(rules);
	return r;
}

int docker_keeper_begin(const struct config *config, int *ret_fd, pid_t *ret_pid, struct err *err)
{
	return keeper_begin(config, NULL, ret_fd, ret_pid, err);
}

int node_start(uv_loop_t *loop, const struct config *config, struct node *ret, struct err *err)
{
	bool mixed = config_engine_is_mixed(config);
	char owner[64];
	int fd = -1, r;
	pid_t pid = 0;

	if (!config_engine_is_docker(config) && !mixed)
		return node_open(loop, config, -1, -1, ret, err);
	/* A server beside us has the state folder: what is ours is nobody else's to sweep. */
	snprintf(owner, sizeof(owner), "process %d", (int)getpid());
	r = keeper_begin(config, owner, &fd, &pid, err);
	if (r < 0)
		return r;
	r = node_open(loop, config, -1, fd, ret, err);
	if (r == 0)
		engine_native_keeper_is(ret->containers, pid);
	if (r == 0 && mixed)
		r = node_mix(ret, ret->native, ret->containers, err);
	return r;
}
