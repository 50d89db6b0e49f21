/*
 * POST /v1/images, GET and DELETE /v1/images/{name}: what kiln's builder (image/builder.h) does for the front.
 *
 * A POST is answered at once, and the job goes on; or, to a client that takes events, with the job's progress until it
 * is over: then the job is given up when nobody watches it any more.
 */
#include "api/api_priv.h"

#include "base/cleanup.h"
#include "http/stream.h"
#include "image/make.h"
#include "pool/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#define JSON_BYTES_MAX (16U << 10)
#define HOST	       "host"
#define PATH_PREFIX    "/v1/images/"

static const char from_registry[] = "docker://", from_recipe[] = "recipe:";

static const char *const kind_names[BUILDER_KIND_COUNT] = {
	[BUILDER_BUILD] = "build",   [BUILDER_PULL] = "pull",	     [BUILDER_IMPORT] = "import",
	[BUILDER_REMOVE] = "remove", [BUILDER_DAEMON_PULL] = "pull", [BUILDER_DAEMON_REMOVE] = "remove",
};

/* A request that watches a job: `stream`, or the one that waits for the end of a removal. */
struct watcher {
	struct api *api;
	struct http_stream *stream;
	struct http_request *request;
	struct image_watch *watch;
};

/* --- documents --- */

static json_t *error_json(const struct err *err)
{
	json_t *json =
		json_pack("{s:s, s:s}", "code", err->slug ? err->slug : "internal", "message", err->text);

	/* A program's last words may be no UTF-8. */
	if (!json)
		json = json_pack("{s:s, s:s}", "code", err->slug ? err->slug : "internal", "message",
				 "the image could not be made");
	if (json && err->field[0])
		json_object_set_new(json, "field", json_string(err->field));
	return json;
}

static json_t *job_json(const struct image_job *job)
{
	const char *scheme = job->kind == BUILDER_PULL || job->kind == BUILDER_DAEMON_PULL ? from_registry
			     : job->kind == BUILDER_BUILD				   ? from_recipe
											   : "";
	json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s+, s:s, s:I, s:o}", "name", job->name, "kind",
				 kind_names[job->kind], "engine",
				 builder_kind_is_daemons(job->kind) ? "docker" : "native", "state",
				 image_job_state_name(job->state), "source", scheme, job->source, "phase",
				 job->phase, "done_bytes", (json_int_t)job->done_bytes, "total_bytes",
				 job->total_bytes ? json_integer((json_int_t)job->total_bytes) : json_null());

	if (json && job->error)
		json_object_set_new(json, "error", error_json(job->error));
	return json;
}

/* This machine's own files are no image of the store. */
static json_t *host_json(const struct api *api)
{
	struct engine *engine = api->options.engine;
	const char *name = engine->v->image_find(engine, HOST);
	const char *full = name ? engine->v->image_digest_name(engine, name) : NULL;
	const char *at = full ? strchr(full, '@') : NULL;

	return at ? json_pack("{s:s, s:s, s:s, s:s, s:n, s:n, s:n}", "name", HOST, "state", "stored",
			      "source", HOST, "digest", at + 1, "size_bytes", "created", "job")
		  : NULL;
}

static json_t *image_json(struct api *api, const char *name)
{
	AUTO_IMAGE struct image image = { 0 };
	struct err err = ERR_INIT;
	json_t *json = api->options.image_show ? api->options.image_show(api->options.user, name) : NULL;

	if (json || !api->options.images || api->options.images_are_daemons)
		return json;
	if (image_store_find(api->options.images, name, &image, &err) < 0)
		return err.kind == ERR_UNKNOWN ? NULL
					       : json_pack("{s:s, s:s, s:s}", "name", name, "state",
							   "damaged", "damage", err.text);
	json = image_to_json(&image);
	if (json) {
		json_object_set_new(json, "state", json_string("stored"));
		json_object_set_new(json, "engine", json_string("native"));
	}
	return json;
}

json_t *api_image_jobs_json(const struct image_jobs *jobs)
{
	struct image_job list[IMAGE_JOBS_RUNNING + IMAGE_JOBS_WAITING + IMAGE_JOBS_REMEMBERED];
	size_t count = jobs ? image_jobs_list(jobs, list, ARRAY_LEN(list)) : 0;
	json_t *array = json_array();

	for (size_t i = 0; array && i < count; i++)
		json_array_append_new(array, job_json(&list[i]));
	return array;
}

/* --- watching --- */

void api_image_job_over(void *user, const struct image_job *job)
{
	const struct api *api = user;
	const struct log_field fields[] = {
		{ .key = "name", .text = job->name },
		{ .key = "kind", .text = kind_names[job->kind] },
		{ .key = "state", .text = image_job_state_name(job->state) },
		{ .key = job->error ? "error" : NULL, .text = job->error ? job->error->text : NULL },
		{ 0 },
	};

	log_write(api->options.log, job->error ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "image", fields);
}

static void on_progress(void *user, const struct image_job *job)
{
	struct watcher *watcher = user;

	/* One that does not fit is not missed: the next one says more. */
	(void)!http_stream_event(watcher->stream, "progress", job_json(job));
}

static void on_stream_over(void *user, const struct image_job *job)
{
	struct watcher *watcher = user;
	json_t *image = job->error ? NULL : image_json(watcher->api, job->name);
	int r;

	if (job->error)
		r = http_stream_event(watcher->stream, "error",
				      json_pack("{s:o}", "error", error_json(job->error)));
	else
		r = http_stream_event(watcher->stream, "done", image ? image : job_json(job));
	/* Without its last event a stream that ends says that something went wrong. */
	(void)r;
	http_stream_end(watcher->stream);
	free(watcher);
}

static void on_stream_vanished(struct http_stream *stream, void *user)
{
	struct watcher *watcher = user;

	image_watch_stop(watcher->watch);
	free(watcher);
}

static void on_removal_over(void *user, const struct image_job *job)
{
	struct watcher *watcher = user;

	if (job->error)
		http_respond_error(watcher->request, job->error, job->error->kind == ERR_BUSY ? 1 : 0);
	else
		http_respond_json(watcher->request, 200,
				  json_pack("{s:s, s:s}", "name", job->name, "state", "removed"));
	free(watcher);
}

static void on_removal_vanished(struct http_request *request, void *user)
{
	struct watcher *watcher = user;

	image_watch_stop(watcher->watch);
	free(watcher);
}

/* --- POST --- */

static bool type_is(const char *header, const char *type)
{
	size_t len = strlen(type);

	return strncasecmp(header, type, len) == 0 && strchr(" \t;", header[len]);
}

static int text_of(const json_t *json, const char *key, const char **ret, struct err *err)
{
	const json_t *value = json_object_get(json, key);

	if (!value)
		return 0;
	if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
		return err_refuse(err, ERR_MALFORMED, "wrong_type", key, "%s must be a text without a NUL",
				  key);
	*ret = json_string_value(value);
	return 0;
}

static int fields_check(const json_t *json, struct err *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(json))
		return err_refuse(err, ERR_MALFORMED, "wrong_type", NULL, "the body must be a JSON object");
	json_object_foreach((json_t *)json, key, value)
	{
		if (strcmp(key, "name") != 0 && strcmp(key, "source") != 0 && strcmp(key, "engine") != 0)
			return err_refuse(err, ERR_MALFORMED, "unknown_field", key,
					  "there is no field '%.64s' here", key);
	}
	return 0;
}

bool api_has_recipe(const struct api *api, const char *name)
{
	char *const *recipe = api->options.recipes;

	while (recipe && *recipe && strcmp(*recipe, name) != 0)
		recipe++;
	return recipe && *recipe;
}

static int want_recipe(const struct api *api, const char *recipe, const char *name,
		       struct image_job_spec *spec, struct err *err)
{
	if (!api_has_recipe(api, recipe))
		return err_refuse(err, ERR_UNKNOWN, "recipe_unknown", "source", "there is no recipe '%.128s'",
				  recipe);
	if (name && strcmp(name, recipe) != 0)
		return err_refuse(err, ERR_IMPOSSIBLE, "image_name_bad", "name",
				  "an image made from a recipe has the recipe's name, '%.128s'", recipe);
	spec->kind = BUILDER_BUILD;
	spec->source = recipe;
	return 0;
}

/* *ret_name and *ret_source are the caller's; `spec` points into them. */
struct wanted {
	struct image_job_spec spec;
	char *name, *source;
};

static void wanted_finish(struct wanted *wanted)
{
	free(wanted->name);
	free(wanted->source);
	cleanup_close(&wanted->spec.archive_fd);
}

static int want_pull(const char *reference, const char *field, struct wanted *ret, struct err *err)
{
	int r = image_name_canonical(reference, &ret->source, err);

	if (r < 0 && err->field[0])
		snprintf(err->field, sizeof(err->field), "%s", field);
	ret->spec.kind = BUILDER_PULL;
	ret->spec.source = ret->source;
	return r;
}

enum builder_kind api_image_pull_kind(const struct api *api, const char *name)
{
	bool daemons =
		api->options.image_is_daemons && api->options.image_is_daemons(api->options.user, name);

	return daemons ? BUILDER_DAEMON_PULL : BUILDER_PULL;
}

/* Whose image it is to be: as the request says, else as the settings do. */
static int choose_engine(const struct api *api, const char *engine, struct wanted *wanted, struct err *err)
{
	bool daemon = wanted->spec.kind == BUILDER_PULL &&
		      api_image_pull_kind(api, wanted->name) == BUILDER_DAEMON_PULL;

	if (engine && strcmp(engine, "native") != 0 && strcmp(engine, "docker") != 0)
		return err_refuse(err, ERR_IMPOSSIBLE, "engine_unknown", "engine",
				  "an engine is native or docker");
	if (engine)
		daemon = strcmp(engine, "docker") == 0;
	if (daemon ? !api->options.image_is_daemons : api->options.images_are_daemons)
		return err_refuse(
			err, ERR_IMPOSSIBLE, "engine_absent", engine ? "engine" : "source",
			daemon ? "this node has no Docker engine"
			       : "the images of this node are the Docker daemon's, which can pull them and "
				 "no more");
	if (!daemon)
		return 0;
	if (wanted->spec.kind != BUILDER_PULL)
		return err_refuse(err, ERR_IMPOSSIBLE, "engine_absent", "engine",
				  "a recipe is kiln's own: the Docker daemon pulls images and no more");
	if (strcmp(wanted->name, wanted->source) != 0)
		return err_refuse(
			err, ERR_IMPOSSIBLE, "image_name_bad", "name",
			"an image that the Docker daemon pulls has the name that it is pulled by, '%.128s'",
			wanted->source);
	wanted->spec.kind = BUILDER_DAEMON_PULL;
	return 0;
}

static int want(struct api *api, const char *name, const char *source, struct wanted *ret, struct err *err)
{
	const char *recipe = NULL, *reference = NULL;
	int r = 0;

	if (!name && !source)
		return err_refuse(err, ERR_MALFORMED, "missing_field", "source",
				  "what to make is missing: source \"docker://…\" or \"recipe:…\"");
	if (source && strncmp(source, from_recipe, sizeof(from_recipe) - 1) == 0)
		recipe = source + sizeof(from_recipe) - 1;
	else if (source && strncmp(source, from_registry, sizeof(from_registry) - 1) == 0)
		reference = source + sizeof(from_registry) - 1;
	else if (source)
		return err_refuse(
			err, ERR_IMPOSSIBLE, "source_bad", "source",
			"a source is \"docker://\" with the reference of a registry's image, or \"recipe:\" "
			"with the name of a recipe");
	else if (api_has_recipe(api, name))
		recipe = name;
	else
		reference = name;
	if (recipe) {
		ret->source = strdup(recipe);
		r = ret->source ? want_recipe(api, ret->source, name, &ret->spec, err)
				: err_set(err, -ENOMEM, "make an image");
	} else {
		r = want_pull(reference, source ? "source" : "name", ret, err);
	}
	if (r == 0)
		r = image_name_canonical(name ? name : ret->source, &ret->name, err);
	ret->spec.name = ret->name;
	return r;
}

static int read_json(struct api *api, const struct http_request *request, struct wanted *ret, struct err *err)
{
	const char *name = NULL, *source = NULL, *engine = NULL;
	json_error_t why;
	size_t len;
	const uint8_t *body = http_request_body(request, &len);
	json_t *json;
	int r;

	if (len > JSON_BYTES_MAX)
		return err_refuse(err, ERR_TOO_LARGE, "body_too_large", NULL,
				  "the JSON has more than %u bytes", JSON_BYTES_MAX);
	json = json_loadb((const char *)body, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	if (!json)
		return err_refuse(err, ERR_MALFORMED, "bad_json", NULL,
				  "the body is not JSON: %.128s (line %d)", why.text, why.line);
	r = fields_check(json, err);
	if (r == 0)
		r = text_of(json, "name", &name, err);
	if (r == 0)
		r = text_of(json, "source", &source, err);
	if (r == 0)
		r = text_of(json, "engine", &engine, err);
	if (r == 0)
		r = want(api, name, source, ret, err);
	if (r == 0)
		r = choose_engine(api, engine, ret, err);
	json_decref(json);
	return r;
}

/* The builder gets it as a file without a name: the front can write none, and the archive may be large. */
static int archive_file(const uint8_t *data, size_t len, int *ret, struct err *err)
{
	AUTO_CLOSE int fd = memfd_create("kiln-archive", MFD_CLOEXEC);

	if (fd < 0)
		return err_set(err, -errno, "hand an archive over");
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			return err_set(err, -errno, "hand an archive over");
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_set(err, -errno, "hand an archive over");
	*ret = TAKE_FD(fd);
	return 0;
}

static int read_archive(const struct api *api, const struct http_request *request, struct wanted *ret,
			struct err *err)
{
	const char *name = http_request_query(request, "name");
	size_t len;
	const uint8_t *body = http_request_body(request, &len);
	int r;

	if (api->options.images_are_daemons)
		return err_refuse(
			err, ERR_IMPOSSIBLE, "engine_absent", NULL,
			"the images of this node are the Docker daemon's, which takes no archives here");
	if (!name)
		return err_refuse(
			err, ERR_MALFORMED, "missing_field", "name",
			"with an archive as the body, the image's name goes into the query parameter "
			"\"name\"");
	r = image_name_canonical(name, &ret->name, err);
	if (r == 0 && len == 0)
		r = err_refuse(err, ERR_IMPOSSIBLE, "image_unsuitable", NULL, "the archive is empty");
	if (r == 0)
		r = archive_file(body, len, &ret->spec.archive_fd, err);
	ret->spec.kind = BUILDER_IMPORT;
	ret->spec.name = ret->name;
	ret->spec.source = "upload";
	return r;
}

static int read_wanted(struct api *api, const struct http_request *request, struct wanted *ret,
		       struct err *err)
{
	static const char *const archives[] = { "application/x-tar", "application/gzip" };
	const char *type = http_request_header(request, "Content-Type");
	const char *encoding = http_request_header(request, "Content-Encoding");

	if (encoding && strcasecmp(encoding, "identity") != 0)
		return err_refuse(err, ERR_TYPE, "unsupported_encoding", NULL,
				  "the body must not have a content encoding");
	if (type && type_is(type, "application/json"))
		return read_json(api, request, ret, err);
	for (size_t i = 0; type && i < ARRAY_LEN(archives); i++) {
		if (type_is(type, archives[i]))
			return read_archive(api, request, ret, err);
	}
	return err_refuse(err, ERR_TYPE, "unsupported_type", NULL,
			  "the body must be application/json, application/x-tar or application/gzip");
}

static int jobs_check(const struct api *api, struct err *err)
{
	if (api->options.image_jobs && api->options.images)
		return 0;
	return err_refuse(err, ERR_BUSY, "no_builder", NULL, "this node makes no images");
}

static int start_watched(struct api *api, struct wanted *wanted, struct http_request *request,
			 struct err *err)
{
	static const struct image_watch_events events = { .progress = on_progress, .over = on_stream_over };
	struct watcher *watcher = calloc(1, sizeof(*watcher));
	const struct http_stream_options options = {
		.status = 200,
		.content_type = HTTP_EVENTS_TYPE,
		.heartbeat = HTTP_EVENTS_HEARTBEAT,
		.vanished = on_stream_vanished,
		.user = watcher,
	};
	struct image_job job;
	int r;

	if (!watcher)
		return err_set(err, -ENOMEM, "watch the making of an image");
	watcher->api = api;
	r = image_jobs_start(api->options.image_jobs, &wanted->spec, &events, watcher, &watcher->watch, err);
	wanted->spec.archive_fd = -1;
	if (r < 0) {
		free(watcher);
		return r;
	}
	watcher->stream = http_respond_stream(request, &options);
	if (!watcher->stream) {
		image_watch_stop(watcher->watch);
		free(watcher);
		return 0; /* answered all the same, with a 500 */
	}
	if (image_jobs_find(api->options.image_jobs, wanted->spec.name, &job))
		on_progress(watcher, &job);
	return 0;
}

static void respond_job(struct http_request *request, const struct image_jobs *jobs, const char *name)
{
	AUTO_FREE char *location = NULL;
	struct image_job job;

	if (asprintf(&location, PATH_PREFIX "%s", name) < 0)
		location = NULL;
	if (location)
		http_respond_header(request, "Location", location);
	http_respond_json(request, 202, image_jobs_find(jobs, name, &job) ? job_json(&job) : NULL);
}

void api_handle_image_make(struct http_request *request, void *user)
{
	struct api *api = user;
	struct wanted wanted = { .spec = { .archive_fd = -1 } };
	struct err err = ERR_INIT;
	bool events = http_request_wants_events(request);
	int r = jobs_check(api, &err);

	if (r == 0)
		r = read_wanted(api, request, &wanted, &err);
	if (r == 0 && (wanted.spec.kind == BUILDER_PULL || wanted.spec.kind == BUILDER_DAEMON_PULL) &&
	    !image_registry_allowed(api->options.config->registries, wanted.spec.source))
		r = err_refuse(&err, ERR_FORBIDDEN, "registry_not_allowed", "source",
			       "this node does not pull from the registry of '%.128s'", wanted.spec.source);
	if (r == 0 && events) {
		r = start_watched(api, &wanted, request, &err);
	} else if (r == 0) {
		r = image_jobs_start(api->options.image_jobs, &wanted.spec, NULL, NULL, NULL, &err);
		wanted.spec.archive_fd = -1;
		if (r == 0)
			respond_job(request, api->options.image_jobs, wanted.spec.name);
	}
	if (r < 0)
		http_respond_error(request, &err, err.kind == ERR_BUSY ? 1 : 0);
	wanted_finish(&wanted);
}

/* --- GET and DELETE of one --- */

static int name_of_path(const struct http_request *request, char **ret, struct err *err)
{
	return image_name_canonical(http_request_path(request) + strlen(PATH_PREFIX), ret, err);
}

static int refuse_unknown(const char *name, struct err *err)
{
	return err_refuse(err, ERR_UNKNOWN, "image_unknown", "name",
			  "there is no image '%.128s' on this node", name);
}

void api_handle_image(struct http_request *request, void *user)
{
	struct api *api = user;
	AUTO_FREE char *name = NULL;
	struct image_job job;
	struct err err = ERR_INIT;
	bool has_job;
	json_t *json;

	if (strcmp(http_request_path(request), PATH_PREFIX HOST) == 0) {
		http_respond_json(request, 200, host_json(api));
		return;
	}
	if (name_of_path(request, &name, &err) < 0) {
		http_respond_error(request, &err, 0);
		return;
	}
	has_job = api->options.image_jobs && image_jobs_find(api->options.image_jobs, name, &job) &&
		  job.state != IMAGE_JOB_DONE && job.kind != BUILDER_REMOVE &&
		  job.kind != BUILDER_DAEMON_REMOVE;
	json = image_json(api, name);
	if (!json && has_job)
		json = json_pack("{s:s, s:s}", "name", name, "state", image_job_state_name(job.state));
	if (!json) {
		refuse_unknown(name, &err);
		http_respond_error(request, &err, 0);
		return;
	}
	json_object_set_new(json, "job", has_job ? job_json(&job) : json_null());
	http_respond_json(request, 200, json);
}

/* What only waits for a run gives way; a run that uses it does not. */
static void pool_let_go(struct api *api, const char *digest)
{
	for (struct engine *const *pool = api->options.pools; pool && *pool; pool++)
		pool_forget(*pool, digest);
}

/* Starts the removal, after what waits for a run in it has gone. */
static int remove_begin(struct api *api, struct http_request *request, const struct image_job_spec *spec,
			const char *digest, struct err *err)
{
	static const struct image_watch_events events = { .over = on_removal_over };
	struct watcher *watcher = calloc(1, sizeof(*watcher));
	int r;

	if (!watcher)
		return err_set(err, -ENOMEM, "remove an image");
	pool_let_go(api, digest);
	watcher->api = api;
	watcher->request = request;
	r = image_jobs_start(api->options.image_jobs, spec, &events, watcher, &watcher->watch, err);
	if (r < 0)
		free(watcher);
	else
		http_request_keep(request, on_removal_vanished, watcher);
	return r;
}

static int remove_stored(struct api *api, struct http_request *request, const char *name, struct err *err)
{
	struct image_job_spec spec = { .kind = BUILDER_REMOVE, .name = name, .source = "", .archive_fd = -1 };
	json_t *daemons = api->options.image_show ? api->options.image_show(api->options.user, name) : NULL;
	AUTO_IMAGE struct image image = { 0 };
	int r;

	if (daemons) {
		spec.kind = BUILDER_DAEMON_REMOVE;
		r = remove_begin(api, request, &spec, json_string_value(json_object_get(daemons, "digest")),
				 err);
		json_decref(daemons);
		return r;
	}
	if (api->options.images_are_daemons)
		return refuse_unknown(name, err);
	r = image_store_find(api->options.images, name, &image, err);
	/* A damaged one is known by its name, and can be removed. */
	if (r < 0 && (r == -ENOMEM || err->kind == ERR_UNKNOWN))
		return r;
	*err = ERR_INIT;
	return remove_begin(api, request, &spec, image.digest, err);
}

void api_handle_image_remove(struct http_request *request, void *user)
{
	struct api *api = user;
	AUTO_FREE char *name = NULL;
	struct err err = ERR_INIT;
	int r = jobs_check(api, &err);

	if (r == 0 && strcmp(http_request_path(request), PATH_PREFIX HOST) == 0)
		r = err_refuse(&err, ERR_FORBIDDEN, "image_is_host", "name",
			       "'" HOST "' is this machine itself and cannot be removed");
	if (r == 0)
		r = name_of_path(request, &name, &err);
	if (r == 0 && image_jobs_cancel(api->options.image_jobs, name)) {
		http_respond_json(request, 200, json_pack("{s:s, s:s}", "name", name, "state", "cancelled"));
		return;
	}
	if (r == 0)
		r = remove_stored(api, request, name, &err);
	if (r == 0)
		return;
	http_respond_error(request, &err, err.kind == ERR_BUSY ? 1 : 0);
}
