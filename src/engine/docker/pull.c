/*
 * See "Create an image" of the Docker Engine API: the answer is a stream of JSON documents, a line each, which
 * tell of each layer how far it is; the status of HTTP comes before any of that is known, so that a failure is
 * told in the stream.
 */
#include "engine/docker/pull.h"

#include "base/cleanup.h"
#include "engine/docker/credentials.h"
#include "engine/docker/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 65536u
#define SILENT_S       600L /* without a byte of the daemon's */
#define REMOVE_S       60L

struct pull {
	const struct docker_progress *on;
	struct pull_progress progress;
	struct buf line; /* an unfinished one */
	bool given_up;
};

/* ---- what it says ---- */

static struct pull_layer *layer_of(struct pull_progress *progress, const char *id)
{
	for (size_t i = 0; i < progress->layers_count; i++) {
		if (strcmp(progress->layers[i].id, id) == 0)
			return &progress->layers[i];
	}
	if (progress->layers_count == PULL_LAYERS_MAX || strlen(id) >= sizeof(progress->layers[0].id))
		return NULL;
	snprintf(progress->layers[progress->layers_count].id, sizeof(progress->layers[0].id), "%s", id);
	return &progress->layers[progress->layers_count++];
}

static void read_layer(struct pull_progress *progress, const char *id, const char *status,
		       const json_t *detail)
{
	struct pull_layer *layer = layer_of(progress, id);
	json_int_t done = json_integer_value(json_object_get(detail, "current"));
	json_int_t total = json_integer_value(json_object_get(detail, "total"));

	if (!layer)
		return;
	if (strcmp(status, "Downloading") == 0) {
		snprintf(progress->phase, sizeof(progress->phase), "downloading");
		layer->done = done > 0 ? (uint64_t)done : 0;
		layer->total = total > done ? (uint64_t)total : layer->done;
	} else if (strcmp(status, "Extracting") == 0) {
		snprintf(progress->phase, sizeof(progress->phase), "unpacking");
		layer->done = layer->total;
	} else if (strcmp(status, "Download complete") == 0 || strcmp(status, "Pull complete") == 0) {
		layer->done = layer->total;
	}
}

void pull_progress_line(struct pull_progress *progress, const char *line, size_t len)
{
	json_t *json = json_loadb(line, len, 0, NULL);
	const char *status = json_string_value(json_object_get(json, "status"));
	const char *id = json_string_value(json_object_get(json, "id"));
	const char *error = json_string_value(json_object_get(json, "error"));
	const char *message = json_string_value(json_object_get(json, "message"));

	if (!error && !status)
		error = message;
	if (error)
		daemon_words(progress->error, sizeof(progress->error), error[0] ? error : "it failed");
	else if (status && id)
		read_layer(progress, id, status, json_object_get(json, "progressDetail"));
	else if (status && strncmp(status, "Status: ", 8) == 0)
		progress->over = true;
	json_decref(json);
}

void pull_progress_sum(const struct pull_progress *progress, uint64_t *ret_done, uint64_t *ret_total)
{
	*ret_done = *ret_total = 0;
	for (size_t i = 0; i < progress->layers_count; i++) {
		/* What a daemon says of one layer does not wrap the sum of all. */
		if (__builtin_add_overflow(*ret_done, progress->layers[i].done, ret_done) ||
		    __builtin_add_overflow(*ret_total, progress->layers[i].total, ret_total)) {
			*ret_done = *ret_total = 0;
			return;
		}
	}
}

/* ---- the connection ---- */

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
	struct pull *pull = user;
	const char *end;

	if (buf_append(&pull->line, data, size * count) < 0)
		return 0;
	while ((end = pull->line.len ? memchr(pull->line.data, '\n', pull->line.len) : NULL)) {
		size_t len = (size_t)(end - (const char *)pull->line.data);

		pull_progress_line(&pull->progress, (const char *)pull->line.data, len);
		buf_consume(&pull->line, len + 1);
	}
	return size * count;
}

static int on_progress(void *user, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	struct pull *pull = user;
	uint64_t done, total;

	pull_progress_sum(&pull->progress, &done, &total);
	pull->given_up = pull->on->tell(pull->on->user, pull->progress.phase, done, total) != 0;
	return pull->given_up;
}

/* A call that waits for its end; its `pull` gets what is said. */
struct blocking_call {
	const char *method, *path;
	const char *header; /* or NULL */
	long silent_s;
	struct pull *pull;
	long status; /* of the answer */
};

static int call(const struct docker_options *options, struct blocking_call *request, struct err *err)
{
	struct pull *pull = request->pull;
	struct daemon daemon;
	AUTO_FREE char *url = NULL;
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	char why[CURL_ERROR_SIZE] = "", words[DAEMON_TEXT_MAX];
	int r = daemon_address(&daemon, options, err);
	CURL *easy = r == 0 ? daemon_handle(&daemon) : NULL;
	CURLcode code = CURLE_OUT_OF_MEMORY;

	if (request->header && headers && !curl_slist_append(headers, request->header))
		r = -ENOMEM;
	if (easy && headers && r == 0 && asprintf(&url, "%s%s", daemon.base, request->path) > 0) {
		curl_easy_setopt(easy, CURLOPT_URL, url);
		if (strcmp(request->method, "POST") == 0)
			curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, "");
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
		curl_easy_setopt(easy, CURLOPT_WRITEDATA, pull);
		curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
		curl_easy_setopt(easy, CURLOPT_XFERINFODATA, pull);
		curl_easy_setopt(easy, CURLOPT_NOPROGRESS, pull->on ? 0L : 1L);
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, request->silent_s);
		curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why);
		code = curl_easy_perform(easy);
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &request->status);
	}
	curl_easy_cleanup(easy);
	curl_slist_free_all(headers);
	daemon_address_finish(&daemon);
	if (pull->line.len)
		pull_progress_line(&pull->progress, (const char *)pull->line.data, pull->line.len);
	if (r < 0 || code == CURLE_OK)
		return r;
	if (pull->given_up)
		return err_set(err, -ECANCELED, "given up");
	daemon_words(words, sizeof(words), why[0] ? why : curl_easy_strerror(code));
	return err_refuse(err, ERR_BUSY, "daemon_away", NULL, "the daemon does not answer: %s", words);
}

static bool is_unknown(const char *words)
{
	return strstr(words, "not found") || strstr(words, "manifest unknown") ||
	       strstr(words, "does not exist") || strstr(words, "name unknown");
}

/* Name, and tag or digest: without a tag a daemon would pull them all. */
static char *path_of(const char *reference)
{
	const char *slash = strrchr(reference, '/'), *at = strchr(reference, '@');
	const char *mark = at ? at : strchr(slash ? slash : reference, ':');
	size_t len = mark ? (size_t)(mark - reference) : strlen(reference);
	AUTO_FREE char *plain = strndup(reference, len);
	char *name = plain ? curl_easy_escape(NULL, plain, 0) : NULL;
	char *tag = curl_easy_escape(NULL, mark ? mark + 1 : "latest", 0), *path = NULL;

	if (name && tag && asprintf(&path, "/images/create?fromImage=%s&tag=%s", name, tag) < 0)
		path = NULL;
	curl_free(name);
	curl_free(tag);
	return path;
}

int docker_pull(const struct docker_options *options, const char *config, const char *reference,
		const struct docker_progress *progress, struct err *err)
{
	AUTO_FREE struct pull *pull = calloc(1, sizeof(*pull));
	AUTO_FREE char *auth = NULL, *header = NULL, *path = path_of(reference);
	struct blocking_call request = { .method = "POST", .path = path, .silent_s = SILENT_S, .pull = pull };
	int r = pull && path ? credentials_find(config, reference, &auth, err)
			     : err_set(err, -ENOMEM, "pull an image");

	if (r == 0 && auth && asprintf(&header, "X-Registry-Auth: %s", auth) < 0) {
		header = NULL;
		r = err_set(err, -ENOMEM, "pull an image");
	}
	if (r < 0)
		return err_wrap(err, r, "pull '%s'", reference);
	pull->on = progress;
	pull->line = BUF_INIT(LINE_MAX_BYTES);
	snprintf(pull->progress.phase, sizeof(pull->progress.phase), "asking the registry");
	request.header = header;
	r = call(options, &request, err);
	if (r == 0 && (request.status < 200 || request.status > 299 || pull->progress.error[0])) {
		const char *words = pull->progress.error;

		r = err_refuse(err, is_unknown(words) ? ERR_UNKNOWN : ERR_IMPOSSIBLE,
			       is_unknown(words) ? "image_unknown" : "pull_failed", "source",
			       "the daemon does not pull '%.100s': %s", reference,
			       words[0] ? words : "without a word");
	} else if (r == 0 && !pull->progress.over) {
		r = err_set(err, -EPIPE, "the daemon ended the pull of '%.100s' without saying how it went",
			    reference);
	}
	buf_finish(&pull->line);
	return r;
}

int docker_image_remove(const struct docker_options *options, const char *name, struct err *err)
{
	AUTO_FREE struct pull *pull = calloc(1, sizeof(*pull));
	AUTO_FREE char *path = NULL;
	struct blocking_call request = { .method = "DELETE", .silent_s = REMOVE_S, .pull = pull };
	int r;

	/* A name is of letters that a path can have, and its slashes are meant. */
	if (!pull || asprintf(&path, "/images/%s", name) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "remove an image");
	}
	pull->line = BUF_INIT(LINE_MAX_BYTES);
	request.path = path;
	r = call(options, &request, err);
	if (r == 0 && request.status == 404)
		r = err_refuse(err, ERR_UNKNOWN, "image_unknown", "name",
			       "there is no image '%.128s' on this node", name);
	else if (r == 0 && request.status == 409)
		r = err_refuse(err, ERR_CONFLICT, "image_in_use", "name", "image '%.128s' is in use: %s",
			       name, pull->progress.error);
	else if (r == 0 && (request.status < 200 || request.status > 299))
		r = err_set(err, -EIO, "the daemon does not remove '%.128s': %s", name, pull->progress.error);
	buf_finish(&pull->line);
	return r;
}
