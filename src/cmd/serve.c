/*
 * `kiln serve` lives three times. First as the program that was started, with its privileges: it checks settings and
 * address, then becomes the keeper by exec. The keeper starts this same program again with KILN_KEEPER_FD in its
 * environment: that second life is the front (front.h). And once with KILN_BUILDER_FD alone: the third one makes images
 * for the front (image/builder.h).
 */
#include "base/cleanup.h"
#include "base/strv.h"
#include "cmd/cmd.h"
#include "cmd/doctor_facts.h"
#include "cmd/front.h"
#include "cmd/listener.h"
#include "cmd/node_start.h"
#include "cmd/state_lock.h"
#include "config/config.h"
#include "engine/docker/pull.h"
#include "engine/native/native.h"
#include "http/server.h"
#include "image/builder.h"
#include "image/store.h"
#include "lib/node.h"

#include <errno.h>
#include <fcntl.h>

static const char serve_text[] =
	"Without tokens in kiln.conf it listens on loopback only, and refuses another address unless told\n"
	"--insecure-no-auth. SIGTERM and SIGINT drain: running runs end, new ones are refused, then it ends "
	"with status 0.\n"
	"\n"
	"Exit status: 0 after a drain, 2 for bad usage or settings, 1 for whatever else ended it.\n";

/* A stranger may reach an address that is not loopback: only with a token. */
static int listeners_check(const struct config *config, struct err *err)
{
	for (size_t i = 0; i < strv_len(config->listen); i++) {
		struct listener listener;
		int r = listener_parse(config->listen[i], &listener, err);

		if (r >= 0)
			r = http_address_check(listener.address, err);
		if (r < 0)
			return r;
		if (config->tokens_count > 0 || config->insecure_no_auth ||
		    http_address_is_loopback(listener.address))
			continue;
		return err_refuse(err, ERR_FORBIDDEN, "no_tokens", "listen",
				  "refusing to listen on %.128s without tokens: anybody who reaches it could "
				  "run code. Name "
				  "tokens in kiln.conf, listen on 127.0.0.1, or say --insecure-no-auth",
				  config->listen[i]);
	}
	return 0;
}

/*
 * A socket that the keeper gave us, -1 when it gave none: this is the first life; -EINVAL. The variable is taken away:
 * it is no setting.
 */
static int fd_take(const char *variable, int *ret, struct err *err)
{
	const char *text = getenv(variable);
	char *end = NULL;
	long long number;

	*ret = -1;
	if (!text)
		return 0;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || end == text || *end || number <= STDERR_FILENO || number > INT32_MAX)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "%s is not for people to set",
				  variable);
	*ret = (int)number;
	unsetenv(variable);
	return 0;
}

/* Made now, and swept: the front can only look into a store that is there. A folder that cannot be written has none. */
static void store_prepare(const struct config *config)
{
	struct image_store *store = NULL;
	struct err err = ERR_INIT;

	if (image_store_open(config->state_dir, IMAGE_STORE_WRITE, &store, &err) < 0)
		fprintf(stderr, "kiln: no stored images: %s\n", err.text);
	image_store_close(store);
}

/* Another server has the folder: this one's sessions are beside its. */
static int sessions_apart(unsigned number, const struct err *busy, struct err *err)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	if (setenv(STATE_NUMBER, text, 1) < 0)
		return err_set(err, -ENOMEM, "state folder");
	fprintf(stderr, "kiln: %s: this one keeps its sessions in sessions-%u\n", busy->text, number);
	return 0;
}

/*
 * Containers are one server's, whose next start removes what was left. Sessions are each server's own, and images may
 * be several's. A folder that cannot be written has nothing to be guarded.
 */
static int state_lock_take(const struct config *config, int *ret_fd, struct err *err)
{
	bool containers = config_engine_is_docker(config) || config_engine_is_mixed(config);
	unsigned number = 1, last = containers ? 1 : STATE_SERVERS_MAX;
	struct err busy = ERR_INIT, why = ERR_INIT;
	int r;

	unsetenv(STATE_NUMBER);
	if (config->sessions == 0 && !containers)
		return 0;
	r = state_lock(config->state_dir, number, ret_fd, &busy);
	why = busy;
	while (r == -EBUSY && number < last)
		r = state_lock(config->state_dir, ++number, ret_fd, &why);
	if (r == -EBUSY) {
		*err = busy;
		return r;
	}
	if (r < 0)
		fprintf(stderr, "kiln: another server could use the same state folder: %s\n", why.text);
	return r == 0 && number > 1 ? sessions_apart(number, &busy, err) : 0;
}

/* What `kiln doctor` would say of this host is asked now: the front, which tells it, can try nothing any more. */
static int facts_hand_on(struct err *err)
{
	struct doctor_facts facts;

	doctor_facts_read(&facts);
	return doctor_facts_hand_on(&facts, err);
}

/*
 * Returns only when it failed, or with the front's status where the keeper is this process. `argv` is that of
 * the whole program: the front is started with it again.
 */
static int serve_started(const struct config *config, char *const *argv, struct err *err)
{
	struct native_options options = node_native_options(config, -1);
	char **rules = NULL;
	int r = listeners_check(config, err);

	/* Whatever is wrong with the languages is said now, at a terminal perhaps, and not by a front that dies. */
	if (r >= 0)
		r = node_rules_load(config, &rules, err);
	if (r < 0)
		return r;
	store_prepare(config);
	r = state_lock_take(config, &options.lock_fd, err);
	if (r >= 0)
		r = facts_hand_on(err);
	if (r < 0) {
		strv_free(rules);
		return r;
	}
	if (config_engine_is_docker(config)) {
		const struct docker_options docker = docker_options_of(config, rules);

		r = docker_keeper_serve_front(&docker, argv, err);
	} else {
		r = engine_native_serve_exec(&options, (char **)argv, err);
	}
	strv_free(rules);
	return r;
}

static int daemon_pull(void *user, const char *reference, const struct image_progress *progress,
		       struct err *err)
{
	const struct config *config = user;
	const struct docker_options options = docker_options_of(config, NULL);
	const struct docker_progress on = { .tell = progress->tell, .user = progress->user };

	return docker_pull(&options, config->docker_config, reference, &on, err);
}

static int daemon_remove(void *user, const char *name, struct err *err)
{
	const struct docker_options options = docker_options_of(user, NULL);

	return docker_image_remove(&options, name, err);
}

static int serve_builder(const struct config *config, int fd, struct err *err)
{
	const struct builder_daemon daemon = {
		.pull = daemon_pull,
		.remove = daemon_remove,
		.user = (void *)(uintptr_t)config,
	};
	bool only_daemon = config_engine_is_docker(config);
	AUTO_FREE char *runtime_dir = NULL;
	struct builder_options options = {
		.state_dir = config->state_dir,
		.registries = config->registries,
		.daemon = only_daemon || config_engine_is_mixed(config) ? &daemon : NULL,
		.only_daemon = only_daemon,
	};
	int r = node_image_make(config, NULL, &runtime_dir, &options.make, err);

	/* No program that it starts may talk to the front. */
	if (r >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		r = err_set(err, -errno, "the front's socket");
	return r < 0 ? r : builder_serve(fd, &options, err);
}

static int serve_main(const struct command *command, int argc, char *const *argv)
{
	struct config config = { 0 };
	struct err err = ERR_INIT;
	AUTO_ARGS struct args args;
	int status, keeper_fd = -1, builder_fd = -1, r;
	struct doctor_facts facts;
	bool has_facts;

	if (cmd_begin(command, argc, argv, NULL, NULL, &args, &status))
		return status;
	if (fd_take("KILN_KEEPER_FD", &keeper_fd, &err) < 0 ||
	    fd_take("KILN_BUILDER_FD", &builder_fd, &err) < 0)
		return cmd_fail(CMD_USAGE, &err);
	has_facts = (keeper_fd >= 0 || builder_fd >= 0) && doctor_facts_take(&facts);
	if (config_load(args.config, args.flags, &config, &err) < 0)
		return cmd_fail(CMD_USAGE, &err);
	if (keeper_fd < 0 && builder_fd < 0) {
		r = serve_started(&config, argv - 2, &err);
		status = r >= 0 ? r : r == -EBUSY ? cmd_fail(CMD_DEGRADED, &err) : cmd_fail(CMD_USAGE, &err);
	} else {
		r = keeper_fd < 0
			    ? serve_builder(&config, builder_fd, &err)
			    : front_run(&config, keeper_fd, builder_fd, has_facts ? &facts : NULL, &err);
		status = r < 0 ? cmd_fail(CMD_DEGRADED, &err) : CMD_OK;
	}
	config_finish(&config);
	return status;
}

const struct command command_serve = {
	.name = "serve",
	.summary = "serve the HTTP API",
	.synopsis = "[--config FILE] [--SETTING=VALUE]…",
	.text = serve_text,
	.settings = true,
	.exit_usage = CMD_USAGE,
	.main = serve_main,
};
