/* GET /v1/node: what this node is, what it enforces, how busy it is. */
#include "api/api_priv.h"

#include "pool/pool.h"

#include <jansson.h>

#define POOLS_SHOWN 256

static json_t *ceilings(const struct limits *limits)
{
	json_t *object = json_object();

	for (int i = 0; i < LIMIT_COUNT; i++) {
		if (json_object_set_new(object, limit_table[i].name, json_integer(limits->value[i])) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *engine_to_json(struct engine *engine)
{
	char why[256] = "";
	bool healthy = engine->v->healthy(engine, why, sizeof(why));

	return json_pack("{s:s, s:b, s:s?, s:I}", "name", engine->v->name, "healthy", healthy, "why",
			 healthy ? NULL : why, "sandboxes", (json_int_t)engine->v->sandbox_count(engine));
}

static json_t *queue_to_json(const struct api *api)
{
	struct queue_stats stats = queue_stats(api->queue);

	return json_pack("{s:i, s:I, s:i, s:I}", "running", (int)stats.running, "parallel",
			 (json_int_t)api->options.config->parallel, "waiting", (int)stats.waiting, "places",
			 (json_int_t)api->options.config->queue);
}

static json_t *cache_to_json(const struct api *api)
{
	struct cache_stats stats = { 0 };

	if (api->cache)
		stats = cache_stats(api->cache);
	return json_pack("{s:I, s:b, s:I, s:I, s:I, s:I, s:I}", "max_bytes",
			 (json_int_t)api->options.config->cache_bytes, "shared",
			 api->options.config->cache_shared, "bytes", (json_int_t)stats.bytes, "entries",
			 (json_int_t)stats.entries, "hits", (json_int_t)stats.hits, "misses",
			 (json_int_t)stats.misses, "evictions", (json_int_t)stats.evictions);
}

static json_t *host_to_json(const struct api *api)
{
	struct api_node_facts facts = { 0 };

	if (!api->options.node_facts)
		return json_null();
	api->options.node_facts(api->options.user, &facts);
	return json_pack("{s:i, s:b}", "cgroup_version", facts.cgroup_version, "rootless", facts.rootless);
}

static json_t *findings_to_json(const struct api *api)
{
	json_t *array = json_array();

	for (size_t i = 0; i < api->options.findings_count; i++) {
		const struct api_finding *finding = &api->options.findings[i];

		if (json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s?}", "name", finding->name,
							   "status", finding->status, "why", finding->why,
							   "mend", *finding->mend ? finding->mend : NULL)) <
		    0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

/* Each engine of the node: one, or those that it is made of. */
static json_t *engines_to_json(struct engine *engine)
{
	json_t *array = json_array();
	struct engine *part;

	for (size_t i = 0; (part = engine_part(engine, i)); i++) {
		json_t *one = engine_to_json(part);

		if (one)
			json_object_set_new(one, "unenforced",
					    result_limit_names(part->v->unenforced(part), false));
		if (json_array_append_new(array, one) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *shelf_to_json(const struct engine *pool, const struct pool_shelf_facts *shelf)
{
	return json_pack("{s:s, s:s, s:s, s:s?, s:i, s:i, s:i, s:I, s:I, s:f, s:I, s:I}", "image",
			 shelf->image, "engine", pool->v->name, "network",
			 shelf->loopback ? "loopback" : "none", "runtime", shelf->runtime, "ready",
			 (int)shelf->ready, "making", (int)shelf->making, "target", (int)shelf->target,
			 "taken", (json_int_t)shelf->taken, "missed", (json_int_t)shelf->missed, "rate_per_s",
			 shelf->rate, "make_us", (json_int_t)shelf->make_us, "memory_bytes",
			 (json_int_t)shelf->memory_bytes);
}

static int add_pool(json_t *array, const struct engine *pool)
{
	struct pool_shelf_facts shelves[POOLS_SHOWN];
	size_t count = pool_inspect(pool, shelves, POOLS_SHOWN);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = json_array_append_new(array, shelf_to_json(pool, &shelves[i]));
	return r;
}

static json_t *pools_to_json(const struct api *api)
{
	json_t *array = json_array();

	for (struct engine *const *pool = api->options.pools; pool && *pool; pool++) {
		if (add_pool(array, *pool) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

void api_handle_node(struct http_request *request, void *user)
{
	struct api *api = user;
	struct engine *engine = api->options.engine;
	const char *const *unenforced = engine->v->unenforced(engine);
	json_int_t uptime_ms = (json_int_t)((api_now_us() - api->began_us) / 1000);

	http_respond_json(request, 200,
			  json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:I}",
				    "version", KILN_VERSION, "engine", engine_to_json(engine), "engines",
				    engines_to_json(engine), "host", host_to_json(api), "enforced",
				    result_limit_names(unenforced, true), "unenforced",
				    result_limit_names(unenforced, false), "findings", findings_to_json(api),
				    "ceilings", ceilings(&api->options.config->ceilings), "pools",
				    pools_to_json(api), "queue", queue_to_json(api), "cache",
				    cache_to_json(api), "draining", queue_is_draining(api->queue),
				    "uptime_ms", uptime_ms));
}
