/*
 * How it works: everything that needs a privilege or a file comes first (languages, the engine's socket,
 * listening), then the process gives up both for good (front_confine.h), and only then the loop runs and strangers
 * are heard. A first SIGTERM or SIGINT drains, a second one ends at once. Whatever ends it, the keeper sees its
 * socket close and kills what still runs.
 */
#include "cmd/front.h"

#include "api/api.h"
#include "base/cleanup.h"
#include "base/strv.h"
#include "cmd/doctor.h"
#include "cmd/front_confine.h"
#include "cmd/listener.h"
#include "cmd/node_start.h"
#include "cmd/state_lock.h"
#include "engine/native/native.h"
#include "http/server.h"
#include "image/jobs.h"
#include "image/make.h"
#include "lib/node.h"
#include "obs/log.h"
#include "pool/pool.h"
#include "session/store.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

/* How often a drain looks whether it is over. */
#define DRAIN_LOOK_MS 20

/* Without a keeper there are only answers to send: to those whose runs it took along. */
#define LOST_DRAIN_MS 1000

/* So long the front of a killed server may take to end, that we come after. */
#define PREDECESSOR_MS 5000

static const int ending_signals[] = { SIGTERM, SIGINT };

struct front {
	const struct config *config;
	struct log log;
	uv_loop_t loop;
	uv_signal_t signals[ARRAY_LEN(ending_signals)];
	uv_timer_t drain;
	uint64_t drain_until_ms; /* 0: it does not drain */
	bool keeper_lost;
	struct node node;
	struct engine *native;		/* the node's first engine, below its pool */
	struct engine *containers;	/* the Docker engine, below its pool; NULL: there is none */
	struct engine *pools[3];	/* NULL-terminated */
	char **recipes;			/* names of what the builder can build */
	struct image_jobs *image_jobs;	/* NULL: none can be made */
	struct session_store *sessions; /* NULL: there are none */
	struct api *api;
	struct http_server *server;
	struct http_token *tokens;
	struct findings findings; /* about this host */
	struct api_finding told[FINDINGS_MAX];
};

static void on_drain(uv_timer_t *timer)
{
	struct front *f = timer->data;
	unsigned requests = http_server_open_requests(f->server);
	size_t runs = api_runs_open(f->api);

	if ((requests + runs > 0 || !api_drained(f->api)) && uv_now(&f->loop) < f->drain_until_ms)
		return;
	if (requests + runs > 0)
		log_write(&f->log, LOG_LEVEL_WARN, "drain took too long",
			  LOG_FIELDS(log_number("requests", requests), log_number("runs", (int64_t)runs)));
	uv_stop(&f->loop);
}

static void drain_begin(struct front *f, int64_t patience_ms)
{
	f->drain_until_ms = uv_now(&f->loop) + (uint64_t)patience_ms;
	api_drain(f->api);
	uv_timer_start(&f->drain, on_drain, 0, DRAIN_LOOK_MS);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct front *f = handle->data;

	if (f->drain_until_ms) {
		log_write(&f->log, LOG_LEVEL_WARN, "second signal: ending at once", NULL);
		uv_stop(&f->loop);
		return;
	}
	log_write(
		&f->log, LOG_LEVEL_INFO, "draining",
		LOG_FIELDS(log_number("signal", number), log_number("runs", (int64_t)api_runs_open(f->api))));
	drain_begin(f, f->config->drain_ms);
}

static void on_keeper_lost(void *user)
{
	struct front *f = user;

	f->keeper_lost = true;
	/* Lost before the server stood: front_run() sees it. */
	if (f->server)
		drain_begin(f, LOST_DRAIN_MS);
}

static void node_facts(void *user, struct api_node_facts *ret)
{
	const struct native_host *host = engine_native_host(((struct front *)user)->native);

	*ret = (struct api_node_facts){ .cgroup_version = host->cgroup_version,
					.rootless = !host->privileged };
}

static int loop_begin(struct front *f, struct err *err)
{
	int r = uv_loop_init(&f->loop);

	if (r < 0)
		return err_set(err, r, "event loop");
	uv_timer_init(&f->loop, &f->drain);
	f->drain.data = f;
	for (size_t i = 0; i < ARRAY_LEN(ending_signals); i++) {
		uv_signal_init(&f->loop, &f->signals[i]);
		f->signals[i].data = f;
		uv_signal_start(&f->signals[i], on_signal, ending_signals[i]);
	}
	return 0;
}

static int server_begin(struct front *f, struct err *err)
{
	const struct config *config = f->config;
	struct http_options options = {
		.user = f->api,
		.tokens_count = config->tokens_count,
		.origins = config->origins,
		.body_bytes = (uint64_t)config->body_bytes,
		.connections = (unsigned)config->connections,
		.idle_ms = (unsigned)config->idle_ms,
		.header_ms = (unsigned)config->header_ms,
	};
	int r;

	f->tokens = calloc(config->tokens_count + 1, sizeof(*f->tokens));
	if (!f->tokens)
		return err_set(err, -ENOMEM, "tokens");
	for (size_t i = 0; i < config->tokens_count; i++)
		f->tokens[i] = (struct http_token){ .name = config->tokens[i].name,
						    .token = config->tokens[i].token };
	options.tokens = f->tokens;
	options.routes = api_routes(&options.routes_count);
	r = http_server_create(&f->loop, &options, &f->server, err);
	if (r < 0)
		return r;
	api_set_server(f->api, f->server);
	for (size_t i = 0; i < strv_len(config->listen); i++) {
		struct listener listener;

		r = listener_parse(config->listen[i], &listener, err);
		if (r >= 0)
			r = http_server_listen(f->server, listener.address, listener.prefix, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A pool between an engine and all that uses it; two have the half of the memory each. */
static int pool_begin(struct front *f, struct engine **engine, struct err *err)
{
	const struct config *config = f->config;
	unsigned slots = engine_native_host(*engine)->slots, runs = (unsigned)config->parallel;
	struct pool_options options = {
		.min = (unsigned)config->pool_min,
		.max = (unsigned)config->pool_max,
		.total = slots > 2 * runs ? slots - 2 * runs
					  : 0, /* a run may wait for the end of its last sandbox */
		.memory_bytes = (uint64_t)config->pool_memory_bytes / (f->node.is_mixed ? 2 : 1),
		.idle_us = (uint64_t)config->pool_idle_ms * 1000,
		.hot = config->hot,
	};
	int r;

	if (!config->pool)
		return 0;
	r = pool_create(&f->loop, *engine, &options, engine, err);
	if (r == 0)
		f->pools[f->pools[0] ? 1 : 0] = *engine;
	return r;
}

/* The image that most languages name is always in stock. */
static void pool_foster_host(const struct front *f)
{
	struct engine *engine = f->node.engine;
	const char *image = engine->v->image_find(engine, "host");
	const struct engine_sandbox_spec spec = { .image = image,
						  .limits = plan_limits_default(&f->config->ceilings) };

	if (f->config->pool && image)
		pool_foster(engine_of_image(engine, image), &spec);
}

static int mixed_begin(struct front *f, struct err *err)
{
	struct engine *native = f->node.native, *docker = f->node.containers;
	int r = pool_begin(f, &native, err);

	/* From here on what they are wrapped in is what has to be ended. */
	f->node.native = native;
	if (r == 0)
		r = pool_begin(f, &docker, err);
	f->node.containers = docker;
	return r < 0 ? r : node_mix(&f->node, native, docker, err);
}

static void on_image_changed(void *user, const char *digest)
{
	const struct front *f = user;

	for (struct engine *const *pool = f->pools; *pool; pool++)
		pool_forget(*pool, digest);
}

static int engines_begin(struct front *f, pid_t docker_pid, struct err *err)
{
	struct node *node = &f->node;
	int r;

	f->native = node->native ?: node->containers;
	f->containers = node->containers;
	if (docker_pid > 0)
		engine_native_keeper_is(node->containers, docker_pid);
	engine_native_on_keeper_lost(f->native, on_keeper_lost, f);
	node->image_changed = on_image_changed;
	node->image_changed_user = f;
	r = node->is_mixed ? mixed_begin(f, err) : pool_begin(f, &node->engine, err);
	if (r == 0)
		pool_foster_host(f);
	return r;
}

static void images_look(void *user)
{
	node_images_look(&((struct front *)user)->node);
}

/* Opened as long as files can be; a server whose folder cannot be written has no sessions. */
static int sessions_begin(struct front *f, struct err *err)
{
	AUTO_FREE char *dir = state_sessions_dir(f->config->state_dir);
	struct store_options options = { .bytes_max = (uint64_t)f->config->sessions_disk_bytes,
					 .lock_ms = PREDECESSOR_MS };
	struct err why = ERR_INIT;
	int r;

	if (f->config->sessions == 0)
		return 0;
	if (!dir)
		return err_set(err, -ENOMEM, "sessions");
	options.dir = dir;
	r = session_store_open(&options, &f->sessions, &why);
	if (r == -EBUSY) {
		*err = why;
		return r;
	}
	if (r < 0)
		log_write(&f->log, LOG_LEVEL_WARN, "no sessions", LOG_FIELDS(log_text("error", why.text)));
	return 0;
}

/* What the first life found out about the host, and the keeper since. */
static void findings_begin(struct front *f, const struct doctor_facts *facts)
{
	if (!facts)
		return;
	if (!f->node.is_docker)
		doctor_host_check(&f->findings, facts);
	doctor_engine_check(&f->findings, engine_native_host(f->native), facts);
	for (size_t i = 0; i < f->findings.count; i++) {
		const struct finding *finding = &f->findings.list[i];

		f->told[i] = (struct api_finding){ .name = finding->name,
						   .status = finding_status_name(finding->status),
						   .why = finding->why,
						   .mend = finding->mend };
	}
}

static int image_config(void *user, const char *name, struct image *ret, struct err *err)
{
	return node_image_config(&((struct front *)user)->node, name, ret, err);
}

static json_t *images_list(void *user)
{
	return node_docker_images(&((struct front *)user)->node);
}

static json_t *image_show(void *user, const char *name)
{
	return node_docker_image(&((struct front *)user)->node, name);
}

static bool image_is_daemons(void *user, const char *name)
{
	const struct node *node = &((struct front *)user)->node;

	return node->is_docker || engine_rules_choose(node->rules, name).kind == ENGINE_KIND_DOCKER;
}

static uint32_t images_settle(void *user)
{
	return engine_native_look(((struct front *)user)->containers);
}

static void on_looked(void *user, uint32_t number)
{
	struct front *f = user;

	if (f->image_jobs)
		image_jobs_settled(f->image_jobs, number);
}

static int jobs_begin(struct front *f, int builder_fd, struct err *err)
{
	int r = image_recipe_names(f->config->images_dir, &f->recipes, err);

	if (r >= 0)
		r = image_jobs_create(&f->loop, builder_fd, &f->image_jobs, err);
	if (r < 0 || !f->containers)
		return r;
	image_jobs_on_settle(f->image_jobs, images_settle, f);
	engine_native_on_looked(f->containers, on_looked, f);
	return 0;
}

static int front_begin(struct front *f, struct err *err)
{
	bool daemon = f->node.is_docker || f->node.is_mixed;
	const struct api_options options = {
		.loop = &f->loop,
		.engine = f->node.engine,
		.languages = f->node.languages,
		.config = f->config,
		.log = &f->log,
		.pools = f->pools[0] ? f->pools : NULL,
		.images = f->node.images,
		.sessions = f->sessions,
		.images_look = images_look,
		.image_jobs = f->image_jobs,
		.recipes = f->recipes,
		.image_config = image_config,
		.images_list = daemon ? images_list : NULL,
		.image_show = daemon ? image_show : NULL,
		.image_is_daemons = daemon ? image_is_daemons : NULL,
		.images_are_daemons = f->node.is_docker,
		.node_facts = node_facts,
		.findings = f->told,
		.findings_count = f->findings.count,
		.user = f,
	};
	int r = api_create(&options, &f->api, err);

	if (r >= 0)
		r = server_begin(f, err);
	if (r >= 0)
		r = front_confine(f->config, err);
	/* Only now: Landlock holds for the thread that calls, and for those that it makes. */
	if (r >= 0)
		r = api_start(f->api, err);
	return r;
}

static void listening_log(struct front *f)
{
	const struct native_host *host = engine_native_host(f->native);
	char text[256];

	if (host->leftovers > 0)
		log_write(&f->log, LOG_LEVEL_WARN, "an earlier kiln left sandboxes behind: removed",
			  LOG_FIELDS(log_number("sandboxes", host->leftovers)));
	if (host->lost > 0)
		log_write(&f->log, LOG_LEVEL_WARN, "an earlier front died: its runs are lost",
			  LOG_FIELDS(log_number("sandboxes", host->lost)));
	for (size_t i = 0, count = strv_len(f->config->listen); i < count; i++) {
		const char *address = f->config->listen[i];
		size_t len = strcspn(address, ",");

		/* Port 0 took a free one, which the server tells of the last address. */
		if (i + 1 == count && len > 2 && strncmp(address + len - 2, ":0", 2) == 0)
			snprintf(text, sizeof(text), "listening on http://%.*s:%u%s", (int)len - 2, address,
				 http_server_port(f->server), address + len);
		else
			snprintf(text, sizeof(text), "listening on http://%.200s", address);
		log_write(&f->log, LOG_LEVEL_INFO, text, LOG_FIELDS(log_number("pid", getpid())));
	}
}

static void front_end(struct front *f)
{
	http_server_destroy(f->server);
	api_destroy(f->api);
	image_jobs_destroy(f->image_jobs);
	f->image_jobs = NULL;
	for (size_t i = 0; i < ARRAY_LEN(ending_signals); i++)
		uv_close((uv_handle_t *)&f->signals[i], NULL);
	uv_close((uv_handle_t *)&f->drain, NULL);
	node_close(&f->node, &f->loop);
	session_store_close(f->sessions);
	uv_loop_close(&f->loop);
	free(f->tokens);
	strv_free(f->recipes);
}

int front_run(const struct config *config, int keeper_fd, int builder_fd, const struct doctor_facts *facts,
	      struct err *err)
{
	struct front f = { .config = config, .log = { .fd = STDERR_FILENO, .level = LOG_LEVEL_INFO } };
	bool docker = config_engine_is_docker(config);
	int docker_fd = -1, r;
	pid_t docker_pid = 0;

	r = front_limits_set(err);
	/* A child that is to have nothing of ours: before there is anything. */
	if (r >= 0 && config_engine_is_mixed(config))
		r = docker_keeper_begin(config, &docker_fd, &docker_pid, err);
	if (r >= 0)
		r = loop_begin(&f, err);
	if (r < 0)
		return r;
	r = node_open(&f.loop, config, docker ? -1 : keeper_fd, docker ? keeper_fd : docker_fd, &f.node, err);
	if (r >= 0)
		r = engines_begin(&f, docker_pid, err);
	if (r >= 0 && builder_fd >= 0)
		r = jobs_begin(&f, builder_fd, err);
	if (r >= 0)
		findings_begin(&f, facts);
	if (r >= 0)
		r = sessions_begin(&f, err);
	if (r >= 0)
		r = front_begin(&f, err);
	if (r >= 0) {
		listening_log(&f);
		if (!f.keeper_lost)
			uv_run(&f.loop, UV_RUN_DEFAULT);
		if (f.keeper_lost)
			r = err_set(err, -EPIPE, "the keeper is gone, and every sandbox with it");
		else
			log_write(&f.log, LOG_LEVEL_INFO, "ended", NULL);
	}
	front_end(&f);
	return r;
}
