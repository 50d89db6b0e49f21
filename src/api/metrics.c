/*
 * GET /metrics, and what is counted for it. What others count (queue, engine, server) is fetched when somebody
 * asks.
 */
#include "api/api_priv.h"

#include "base/cleanup.h"
#include "pool/pool.h"

#include <errno.h>

#define METRICS_BYTES_MAX (1024 * 1024)

static const struct metric_label *label(struct metric_label pair[2], const char *name, const char *value)
{
	pair[0] = (struct metric_label){ name, value };
	pair[1] = (struct metric_label){ 0 };
	return pair;
}

static void init_runs(struct api_metrics *m)
{
	struct metrics *r = m->registry;
	struct metric_label pair[2];

	for (int i = 0; i < RUN_OUTCOME_COUNT; i++)
		m->runs[i] = metrics_counter(r, "kiln_runs_total", "Runs that ended, by outcome.",
					     label(pair, "outcome", run_outcome_name((enum run_outcome)i)));
	m->refused[API_REFUSED_REQUEST] = metrics_counter(
		r, "kiln_runs_refused_total", "Runs that did not begin.", label(pair, "why", "request"));
	m->refused[API_REFUSED_BUSY] = metrics_counter(
		r, "kiln_runs_refused_total", "Runs that did not begin.", label(pair, "why", "busy"));
	m->run_seconds = metrics_histogram(r, "kiln_run_seconds", "From request to result.", NULL,
					   metrics_seconds, metrics_seconds_count);
	m->queue_seconds = metrics_histogram(r, "kiln_run_queue_seconds", "Waiting for a turn.", NULL,
					     metrics_seconds, metrics_seconds_count);
	m->acquire_seconds = metrics_histogram(r, "kiln_run_acquire_seconds", "Waiting for a sandbox.", NULL,
					       metrics_seconds, metrics_seconds_count);
	m->running = metrics_gauge(r, "kiln_runs_running", "Runs that run now.", NULL);
	m->waiting = metrics_gauge(r, "kiln_runs_waiting", "Runs that wait for their turn now.", NULL);
	m->sandboxes = metrics_gauge(r, "kiln_sandboxes", "Sandboxes that exist now.", NULL);
	m->pool_waiting = metrics_gauge(r, "kiln_pool_waiting", "Sandboxes that wait for a run now.", NULL);
	m->pool_making =
		metrics_gauge(r, "kiln_pool_making", "Sandboxes that are made for the pool now.", NULL);
	m->pool_memory =
		metrics_gauge(r, "kiln_pool_memory_bytes", "Memory that those hold, as reckoned.", NULL);
	m->pool_taken = metrics_counter(r, "kiln_pool_sandboxes_total", "Sandboxes asked of the pool.",
					label(pair, "found", "yes"));
	m->pool_missed = metrics_counter(r, "kiln_pool_sandboxes_total", "Sandboxes asked of the pool.",
					 label(pair, "found", "no"));
	m->healthy = metrics_gauge(r, "kiln_engine_healthy", "1 while sandboxes can be made.", NULL);
}

static void init_cache(struct api_metrics *m)
{
	struct metrics *r = m->registry;

	m->cache_hits =
		metrics_counter(r, "kiln_cache_hits_total", "Compile steps that need not be run.", NULL);
	m->cache_misses = metrics_counter(r, "kiln_cache_misses_total",
					  "Compile steps that the cache did not have.", NULL);
	m->cache_evictions =
		metrics_counter(r, "kiln_cache_evictions_total", "Results that made room for others.", NULL);
	m->cache_bytes =
		metrics_gauge(r, "kiln_cache_bytes", "Memory that results of compile steps take.", NULL);
	m->cache_entries =
		metrics_gauge(r, "kiln_cache_entries", "Results of compile steps in the cache.", NULL);
}

static void init_http(struct api_metrics *m)
{
	static const char *const classes[6] = { NULL, "1xx", "2xx", "3xx", "4xx", "5xx" };
	struct metrics *r = m->registry;
	struct metric_label pair[2];

	for (int i = 1; i < 6; i++)
		m->answers[i] =
			metrics_counter(r, "kiln_http_answers_total", "Answers, by the status's first digit.",
					label(pair, "status", classes[i]));
	m->connections = metrics_gauge(r, "kiln_http_connections", "Connections that are open now.", NULL);
	m->connections_accepted =
		metrics_counter(r, "kiln_http_connections_accepted_total", "Connections taken.", NULL);
	m->connections_refused = metrics_counter(r, "kiln_http_connections_refused_total",
						 "Connections over the cap or out of descriptors.", NULL);
	m->timeouts =
		metrics_counter(r, "kiln_http_timeouts_total", "Connections closed for being slow.", NULL);
	m->body_bytes =
		metrics_gauge(r, "kiln_http_body_bytes", "Memory that request bodies hold now.", NULL);
	m->websockets = metrics_gauge(r, "kiln_websockets", "WebSockets that are open now.", NULL);
	m->websockets_accepted =
		metrics_counter(r, "kiln_websockets_accepted_total", "WebSockets opened.", NULL);
	m->websocket_queued =
		metrics_gauge(r, "kiln_websocket_queued_bytes",
			      "Memory that what WebSockets' clients have not taken holds now.", NULL);
}

int api_metrics_init(struct api_metrics *metrics, struct err *err)
{
	metrics->registry = metrics_create();
	if (!metrics->registry)
		return err_set(err, -ENOMEM, "create the metrics");
	init_runs(metrics);
	init_cache(metrics);
	init_http(metrics);
	return 0;
}

void api_metrics_finish(struct api_metrics *metrics)
{
	metrics_destroy(metrics->registry);
	*metrics = (struct api_metrics){ 0 };
}

void api_metrics_count(struct api_metrics *metrics, const struct run_result *result)
{
	metric_add(metrics->runs[result->outcome], 1);
	metric_observe(metrics->run_seconds, (double)result->timing.total_us / 1e6);
	metric_observe(metrics->queue_seconds, (double)result->timing.queue_us / 1e6);
	metric_observe(metrics->acquire_seconds, (double)result->timing.acquire_us / 1e6);
}

static void fetch_pool(struct api *api)
{
	struct api_metrics *m = &api->metrics;
	struct pool_totals totals = { 0 };

	if (!api->options.pools)
		return;
	for (struct engine *const *pool = api->options.pools; *pool; pool++) {
		const struct pool_totals one = pool_totals(*pool);

		totals.waiting += one.waiting;
		totals.making += one.making;
		totals.memory_bytes += one.memory_bytes;
		totals.taken += one.taken;
		totals.missed += one.missed;
	}
	metric_set(m->pool_waiting, totals.waiting);
	metric_set(m->pool_making, totals.making);
	metric_set(m->pool_memory, (double)totals.memory_bytes);
	metric_set(m->pool_taken, (double)totals.taken);
	metric_set(m->pool_missed, (double)totals.missed);
}

static void fetch_cache(const struct api *api)
{
	const struct api_metrics *m = &api->metrics;
	struct cache_stats stats;

	if (!api->cache)
		return;
	stats = cache_stats(api->cache);
	metric_set(m->cache_hits, (double)stats.hits);
	metric_set(m->cache_misses, (double)stats.misses);
	metric_set(m->cache_evictions, (double)stats.evictions);
	metric_set(m->cache_bytes, (double)stats.bytes);
	metric_set(m->cache_entries, (double)stats.entries);
}

static void fetch(struct api *api)
{
	struct api_metrics *m = &api->metrics;
	struct engine *engine = api->options.engine;
	struct queue_stats queue = queue_stats(api->queue);
	struct http_stats http = { 0 };
	char why[256];

	metric_set(m->running, queue.running);
	metric_set(m->waiting, queue.waiting);
	metric_set(m->sandboxes, (double)engine->v->sandbox_count(engine));
	metric_set(m->healthy, engine->v->healthy(engine, why, sizeof(why)));
	fetch_pool(api);
	fetch_cache(api);
	if (!api->server)
		return;
	http_server_stats(api->server, &http);
	for (int i = 1; i < 6; i++)
		metric_set(m->answers[i], (double)http.answers[i]);
	metric_set(m->connections, http.connections_open);
	metric_set(m->connections_accepted, (double)http.connections_accepted);
	metric_set(m->connections_refused, (double)http.connections_refused);
	metric_set(m->timeouts, (double)http.timeouts);
	metric_set(m->body_bytes, (double)http.body_bytes);
	metric_set(m->websockets, http.websockets_open);
	metric_set(m->websockets_accepted, (double)http.websockets_accepted);
	metric_set(m->websocket_queued, (double)http.websocket_queued_bytes);
}

void api_handle_metrics(struct http_request *request, void *user)
{
	struct api *api = user;
	AUTO_BUF struct buf text = BUF_INIT(METRICS_BYTES_MAX);
	struct err err = ERR_INIT;
	int r;

	fetch(api);
	r = metrics_render(api->metrics.registry, &text);
	if (r < 0) {
		err_set(&err, r, "write the metrics");
		http_respond_error(request, &err, 0);
		return;
	}
	http_respond_bytes(request, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.len);
}
