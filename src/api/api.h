/*
 * The endpoints of API.md, on top of http/server.h: what each route means. One file per group of endpoints.
 *
 * An api lives on one loop. It owns its queue, its metrics and the runs that are under way; engine, languages,
 * settings and log are its creator's and must outlive it. Order at the end: http_server_destroy() first (every
 * request vanishes and its run is killed), then api_destroy(), then the engine.
 */
#ifndef KILN_API_API_H
#define KILN_API_API_H

#include "config/config.h"
#include "engine/engine.h"
#include "http/server.h"
#include "image/jobs.h"
#include "image/store.h"
#include "obs/log.h"
#include "run/language.h"

struct api;

/* What the creator knows of the host and this module must not ask for itself. */
struct api_node_facts {
	int cgroup_version; /* 2, 1, or 0: none */
	bool rootless;
};

/* What was found out about one wall or limit: texts for people, the creator's. */
struct api_finding {
	const char *name;
	const char *status; /* "present", "degraded", "missing" */
	const char *why;
	const char *mend; /* "": nothing to mend */
};

struct api_options {
	struct engine *engine;
	const struct language_registry *languages;
	const struct config *config;
	struct image_store *images; /* NULL: none are stored */
	void (*images_look)(
		void *user); /* sees to it that `languages` know of images that came or went; NULL: not */
	struct image_jobs *image_jobs; /* NULL: none are made or removed here */
	char *const *recipes;	       /* names of what can be built; NULL: nothing */
	/*
	 * What an image's maker said of it, and the list of GET /v1/images, where others than the store know;
	 * NULL: it does.
	 */
	int (*image_config)(void *user, const char *name, struct image *ret, struct err *err);
	json_t *(*images_list)(void *user); /* a new reference, or NULL when out of memory */
	/* One of those by any of its names, as GET /v1/images/{name} tells of it; NULL: none. */
	json_t *(*image_show)(void *user, const char *name);
	/*
	 * True when an image of this name is the daemon's business where nobody says otherwise; NULL: there is no
	 * daemon.
	 */
	bool (*image_is_daemons)(void *user, const char *name);
	bool images_are_daemons; /* that list has all there are, not some more */
	const struct log *log;	 /* NULL: no access log */
	struct uv_loop_s *loop;	 /* its thread pool judges traffic lights; NULL: the calling thread does */
	struct session_store *sessions; /* with `loop`: where sessions are kept; NULL: there are none */
	/* The engine, or its parts, where these are pools (pool/pool.h), NULL-terminated; NULL: there is no pool. */
	struct engine *const *pools;
	void (*node_facts)(void *user,
			   struct api_node_facts *ret); /* NULL: /v1/node says nothing of the host */
	const struct api_finding *findings;		/* about this host; NULL: none */
	size_t findings_count;
	void *user;
};

[[nodiscard]] int api_create(const struct api_options *options, struct api **ret, struct err *err);

/* The table for http_options.routes; http_options.user is the api. */
const struct http_route *api_routes(size_t *ret_count);

/* Starts its threads: when the process is as confined as it will be, for they are as it is then. */
[[nodiscard]] int api_start(struct api *api, struct err *err);

/*
 * Where the routes of a dialect begin ("/dialects/cyber-dojo"; static), or NULL: there is no such dialect; and the
 * names of all, for a sentence.
 */
const char *api_dialect_prefix(const char *name);
const char *api_dialect_names(void);

/* The server whose counters /metrics shows, and that WebSockets come from; NULL takes it away. */
void api_set_server(struct api *api, struct http_server *server);

/*
 * The documents of GET /v1/languages and GET /v1/images, for the command line too. A new reference, or NULL
 * when out of memory.
 */
json_t *api_languages_json(const struct language_registry *registry);
json_t *api_images_json(struct engine *engine, const struct language_registry *registry,
			struct image_store *store);

/* New runs get a 503 from now on and /ready says no; running and waiting ones go on. */
void api_drain(struct api *api);

/* What sessions have to do before the end, once no run is under way. */
bool api_drained(struct api *api);

/* Runs that wait or run. A drain is over when it is 0 and the server has no open requests. */
size_t api_runs_open(const struct api *api);

/* Kills what still runs, without an answer. NULL is fine. */
void api_destroy(struct api *api);

#endif
