/*
 * What the files of api/ share.
 */
#ifndef KILN_API_API_PRIV_H
#define KILN_API_API_PRIV_H

#include "api/api.h"
#include "cache/cache.h"
#include "light/cache.h"
#include "light/sources.h"
#include "obs/metrics.h"
#include "run/plan.h"
#include "run/queue.h"
#include "run/result.h"
#include "run/run.h"

struct api_run;
struct ws;
struct ws_client;
struct session_answer;
struct session_run;
struct session_stream;
struct stateful_call;

enum api_refusal {
	API_REFUSED_REQUEST, /* the client's mistake */
	API_REFUSED_BUSY,    /* queue full, draining, engine away */
	API_REFUSED_COUNT,
};

struct api_metrics {
	struct metrics *registry;
	struct metric *runs[RUN_OUTCOME_COUNT];
	struct metric *refused[API_REFUSED_COUNT];
	struct metric *run_seconds, *queue_seconds, *acquire_seconds;
	struct metric *running, *waiting, *sandboxes, *pool_waiting, *pool_making, *pool_memory, *pool_taken,
		*pool_missed, *healthy;
	struct metric *answers[6];
	struct metric *cache_hits, *cache_misses, *cache_evictions, *cache_bytes, *cache_entries;
	struct metric *connections, *connections_accepted, *connections_refused, *timeouts, *body_bytes;
	struct metric *websockets, *websockets_accepted, *websocket_queued;
};

struct api {
	struct api_options options;
	struct queue *queue;
	struct cache *cache; /* of compile steps; NULL: switched off */
	struct light_cache *lights;
	struct light_sources *light_sources;
	struct api_metrics metrics;
	struct http_server *server;
	struct api_run *runs; /* doubly linked */
	struct ws *sockets;   /* likewise, with runs of their own */
	struct ws_client *ws_clients;
	size_t runs_count; /* of both */
	struct cyber_dojo *cyber_dojo;
	uint64_t began_us;
	struct sessions *sessions; /* NULL: this node has none */
	struct session_answer *session_answers;
	struct session_run *session_runs;
	size_t adrift_count; /* of them: their clients have gone */
	uint64_t adrift_bytes;
	struct session_stream *session_streams;
	struct stateful_call *stateful_calls; /* of the dialect that is built on sessions */
};

/* Monotonic, the same as http_request_arrived_us(). */
uint64_t api_now_us(void);

/* Frees a run that is under way, in the queue or the engine, without an answer. */
void api_run_destroy(struct api_run *run);

/*
 * Reads the run request out of any of its three shapes: JSON, form, raw archive. *ret is to be finished in any
 * case.
 */
[[nodiscard]] int api_request_read(const struct http_request *request, struct run_request *ret,
				   struct err *err);

/* The name of an image with Ruby in it, or NULL: there is none. */
const char *api_ruby_image(const struct api *api);

/* What a run of this tenant needs beside its plan. The tenant's name is borrowed. */
struct run_options api_run_options(const struct api *api, const char *tenant, uint64_t queue_us);

/* A refusal while the node drains: no work is done for what could not run anyway. */
[[nodiscard]] int api_drain_check(const struct api *api, struct err *err);

/* The plan of a request, which is empty afterwards. */
[[nodiscard]] int api_plan_make(struct api *api, struct run_request *request, struct run_plan **ret,
				struct err *err);

/* A run could not be started: the error becomes what the client is told, and is counted. */
void api_not_started(struct api *api, struct err *err);

/* The sentence of the step that the engine failed in, for the log; NULL: it did not. */
const char *api_engine_error(const struct run_result *result);

/* The end of a run, for the log. */
struct api_run_note {
	const char *tenant, *language, *id, *outcome;
	const char *session; /* or NULL */
	const char *error;   /* or NULL */
	uint64_t entered_us;
};
void api_run_log(const struct api *api, const struct api_run_note *note);

/* How requests become plans here. */
struct plan_context api_plan_context(const struct api *api);

/* `timing` for the browser's tools. */
void api_server_timing(struct http_request *request, const struct run_timing *timing);

/* Requests, runs and listeners of sessions, without an answer; then the sessions. */
[[nodiscard]] int api_sessions_begin(struct api *api, struct err *err);
void api_sessions_end(struct api *api);
void session_answer_destroy(struct session_answer *answer);
void session_run_destroy(struct session_run *run);
void session_stream_destroy(struct session_stream *stream);

int api_metrics_init(struct api_metrics *metrics, struct err *err);
void api_metrics_finish(struct api_metrics *metrics);
void api_metrics_count(struct api_metrics *metrics, const struct run_result *result);

/* How an image of this name comes here when nobody says from where. */
enum builder_kind api_image_pull_kind(const struct api *api, const char *name);

/* For image_jobs_on_over(): logs it. */
void api_image_job_over(void *user, const struct image_job *job);

/* Jobs that wait or run or failed, an array. `jobs` may be NULL. */
/* True when kiln makes the image of this name by a recipe of its own. */
bool api_has_recipe(const struct api *api, const char *name);

json_t *api_image_jobs_json(const struct image_jobs *jobs);

void api_handle_runs(struct http_request *request, void *user);
void api_handle_languages(struct http_request *request, void *user);
void api_handle_sessions(struct http_request *request, void *user);
void api_handle_images(struct http_request *request, void *user);
void api_handle_image_make(struct http_request *request, void *user);
void api_handle_image(struct http_request *request, void *user);
void api_handle_image_remove(struct http_request *request, void *user);
void api_handle_node(struct http_request *request, void *user);
void api_handle_alive(struct http_request *request, void *user);
void api_handle_ready(struct http_request *request, void *user);
void api_handle_page(struct http_request *request, void *user);
void api_handle_metrics(struct http_request *request, void *user);
void api_handle_ws(struct http_request *request, void *user);

#endif
