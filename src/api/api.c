#include "api/api.h"

#include "api/api_priv.h"
#include "api/dialects/cyber_dojo.h"
#include "api/dialects/cyber_dojo_stateful.h"
#include "base/cleanup.h"
#include "session/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define CACHE_ENTRIES 8192
/* Compiled lambdas of traffic lights; a start-point has one, and compiled ones are some ten times their source. */
#define LIGHTS_CACHED	    128
#define LIGHTS_CACHED_BYTES (1024 * 1024)
/* Sources of those that images bring. */
#define LIGHT_SOURCES	    256
#define LIGHT_SOURCES_BYTES (1024 * 1024)

static const struct http_route routes[] = {
	{ "POST", "/v1/runs", HTTP_AUTH_BEARER, api_handle_runs, .cors = true },
	{ "GET", "/v1/sessions", HTTP_AUTH_BEARER, api_handle_sessions },
	{ "POST", "/v1/sessions", HTTP_AUTH_BEARER, api_handle_sessions },
	{ "GET", "/v1/sessions/*", HTTP_AUTH_BEARER, api_handle_sessions },
	{ "POST", "/v1/sessions/*", HTTP_AUTH_BEARER, api_handle_sessions },
	{ "PUT", "/v1/sessions/*", HTTP_AUTH_BEARER, api_handle_sessions },
	{ "DELETE", "/v1/sessions/*", HTTP_AUTH_BEARER, api_handle_sessions },
	{ "GET", "/v1/languages", HTTP_AUTH_BEARER, api_handle_languages },
	{ "GET", "/v1/images", HTTP_AUTH_BEARER, api_handle_images },
	{ "GET", "/v1/ws", HTTP_AUTH_WEBSOCKET, api_handle_ws },
	{ "POST", "/v1/images", HTTP_AUTH_BEARER, api_handle_image_make },
	{ "GET", "/v1/images/*", HTTP_AUTH_BEARER, api_handle_image },
	{ "DELETE", "/v1/images/*", HTTP_AUTH_BEARER, api_handle_image_remove },
	{ "GET", "/v1/node", HTTP_AUTH_BEARER, api_handle_node },
	{ "GET", "/metrics", HTTP_AUTH_BEARER, api_handle_metrics },
	/* Probes, and calls of cyber-dojo's clients, which send a body with GET. */
	{ NULL, "/alive", HTTP_AUTH_NONE, cyber_dojo_handle },
	{ NULL, "/ready", HTTP_AUTH_NONE, cyber_dojo_handle },
	{ NULL, "/sha", HTTP_AUTH_BEARER, cyber_dojo_handle },
	{ NULL, "/pull_image", HTTP_AUTH_BEARER, cyber_dojo_handle },
	{ NULL, "/run_cyber_dojo_sh", HTTP_AUTH_BEARER, cyber_dojo_handle },
	{ NULL, "/dialects/cyber-dojo/alive", HTTP_AUTH_NONE, cyber_dojo_handle },
	{ NULL, "/dialects/cyber-dojo/ready", HTTP_AUTH_NONE, cyber_dojo_handle },
	{ NULL, "/dialects/cyber-dojo/*", HTTP_AUTH_BEARER, cyber_dojo_handle },
	{ NULL, "/dialects/cyber-dojo-stateful/*", HTTP_AUTH_BEARER, cyber_dojo_stateful_handle },
	{ "GET", "/", HTTP_AUTH_NONE, api_handle_page },
	{ "GET", "/node", HTTP_AUTH_NONE, api_handle_page },
	{ "GET", "/dojo", HTTP_AUTH_NONE, api_handle_page },
	{ "GET", "/dojo/*", HTTP_AUTH_NONE, api_handle_page },
	{ "GET", "/kiln.js", HTTP_AUTH_NONE, api_handle_page },
	{ "GET", "/assets/*", HTTP_AUTH_NONE, api_handle_page },
};

const struct http_route *api_routes(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(routes);
	return routes;
}

static const char *const dialects[] = { "/dialects/cyber-dojo", "/dialects/cyber-dojo-stateful" };

const char *api_dialect_prefix(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(dialects); i++) {
		if (strcmp(name, dialects[i] + strlen("/dialects/")) == 0)
			return dialects[i];
	}
	return NULL;
}

const char *api_dialect_names(void)
{
	return "cyber-dojo, cyber-dojo-stateful";
}

uint64_t api_now_us(void)
{
	return uv_hrtime() / 1000;
}

int api_create(const struct api_options *options, struct api **ret, struct err *err)
{
	struct api *api = calloc(1, sizeof(*api));
	int r;

	if (!api)
		return err_set(err, -ENOMEM, "start the API");
	api->options = *options;
	api->began_us = api_now_us();
	r = queue_create((unsigned)options->config->parallel, (unsigned)options->config->queue, &api->queue,
			 err);
	if (r == 0 && options->config->cache_bytes > 0)
		r = cache_create((size_t)options->config->cache_bytes, CACHE_ENTRIES, &api->cache, err);
	api->lights = light_cache_create(LIGHTS_CACHED, LIGHTS_CACHED_BYTES);
	api->light_sources = light_sources_create(LIGHT_SOURCES, LIGHT_SOURCES_BYTES);
	if (r == 0 && (!api->lights || !api->light_sources))
		r = err_set(err, -ENOMEM, "start the API");
	if (r == 0)
		r = api_metrics_init(&api->metrics, err);
	if (r == 0)
		r = cyber_dojo_create(api, &api->cyber_dojo, err);
	if (r == 0)
		r = api_sessions_begin(api, err);
	if (r < 0) {
		api_destroy(api);
		return r;
	}
	if (options->image_jobs)
		image_jobs_on_over(options->image_jobs, api_image_job_over, api);
	*ret = api;
	return 0;
}

const char *api_ruby_image(const struct api *api)
{
	const struct language *ruby = language_find(api->options.languages, "ruby", NULL);

	return ruby && ruby->available ? ruby->image : NULL;
}

struct run_options api_run_options(const struct api *api, const char *tenant, uint64_t queue_us)
{
	return (struct run_options){
		.queue_us = queue_us,
		.cache = api->cache,
		.loop = api->options.loop,
		.lights = api->lights,
		.sources = api->light_sources,
		.ruby_image = api_ruby_image(api),
		.ceilings = &api->options.config->ceilings,
		.cache_scope = api->options.config->cache_shared ? NULL : tenant,
	};
}

static const char *image_find(void *user, const char *name)
{
	struct engine *engine = user;

	return engine->v->image_find(engine, name);
}

static int image_config(void *user, const char *name, struct image *ret, struct err *err)
{
	const struct api *api = user;

	if (api->options.image_config)
		return api->options.image_config(api->options.user, name, ret, err);
	return image_store_find(api->options.images, name, ret, err);
}

struct plan_context api_plan_context(const struct api *api)
{
	return (struct plan_context){
		.languages = api->options.languages,
		.hot = api->options.pools && api->options.config->hot,
		.ceilings = api->options.config->ceilings,
		.image_find = image_find,
		.image_config = api->options.images || api->options.image_config ? image_config : NULL,
		.image_user = (void *)(uintptr_t)api,
		.user = api->options.engine,
	};
}

int api_sessions_begin(struct api *api, struct err *err)
{
	const struct config *config = api->options.config;
	struct sessions_options options = {
		.loop = api->options.loop,
		.engine = api->options.engine,
		.store = api->options.sessions,
		.plan = api_plan_context(api),
		.per_tenant = (size_t)config->sessions,
		.memory_bytes = (uint64_t)config->sessions_memory_bytes,
		.ttl_ms_max = config->sessions_ttl_ms,
		.keep_ms = config->sessions_keep_ms,
	};

	options.plan.hot = false;
	return options.store && options.loop ? sessions_create(&options, &api->sessions, err) : 0;
}

int api_start(struct api *api, struct err *err)
{
	return api->sessions ? sessions_start(api->sessions, err) : 0;
}

void api_sessions_end(struct api *api)
{
	/* What runs brought is borrowed from them. */
	if (api->sessions)
		sessions_settle(api->sessions);
	while (api->stateful_calls)
		stateful_call_destroy(api->stateful_calls);
	while (api->session_streams)
		session_stream_destroy(api->session_streams);
	while (api->session_runs)
		session_run_destroy(api->session_runs);
	while (api->session_answers)
		session_answer_destroy(api->session_answers);
	sessions_destroy(api->sessions);
	api->sessions = NULL;
}

void api_set_server(struct api *api, struct http_server *server)
{
	api->server = server;
}

void api_drain(struct api *api)
{
	queue_drain(api->queue);
	if (api->options.image_jobs)
		image_jobs_end(api->options.image_jobs);
	if (api->sessions)
		sessions_drain(api->sessions);
}

bool api_drained(struct api *api)
{
	return !api->sessions || sessions_drained(api->sessions);
}

size_t api_runs_open(const struct api *api)
{
	return api->runs_count + cyber_dojo_open(api->cyber_dojo);
}

void api_destroy(struct api *api)
{
	if (!api)
		return;
	if (api->options.image_jobs)
		image_jobs_on_over(api->options.image_jobs, NULL, NULL);
	/* The queue goes first, so that a slot that gets free here is not given to the next one. */
	queue_destroy(api->queue);
	api->queue = NULL;
	while (api->runs)
		api_run_destroy(api->runs);
	api_sessions_end(api);
	cyber_dojo_destroy(api->cyber_dojo);
	cache_destroy(api->cache);
	light_cache_destroy(api->lights);
	light_sources_destroy(api->light_sources);
	api_metrics_finish(&api->metrics);
	free(api);
}
