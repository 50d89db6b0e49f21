/* The calls that need no sandbox, and what all calls have in common: paths, arguments, exceptions. */
#include "api/commit.h"
#include "api/dialects/cyber_dojo_priv.h"

#include "base/cleanup.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "/dialects/cyber-dojo"
/* As much of a refused body as its exception shows. */
#define BODY_SHOWN 65536

int cyber_dojo_create(struct api *api, struct cyber_dojo **ret, struct err *err)
{
	struct cyber_dojo *dojo = calloc(1, sizeof(*dojo));
	int r;

	if (!dojo)
		return err_set(err, -ENOMEM, "the cyber-dojo dialect");
	dojo->api = api;
	r = dojo_images_check(dojo, err);
	if (r == 0)
		r = text_kind_create(&dojo->kind, err);
	if (r < 0) {
		free(dojo);
		return r;
	}
	*ret = dojo;
	return 0;
}

size_t cyber_dojo_open(const struct cyber_dojo *dojo)
{
	return dojo->calls_count;
}

void dojo_free(struct cyber_dojo *dojo)
{
	text_kind_destroy(dojo->kind);
	free(dojo);
}

void cyber_dojo_destroy(struct cyber_dojo *dojo)
{
	if (!dojo)
		return;
	dojo->closed = true;
	while (dojo->calls)
		dojo_call_destroy(dojo->calls);
	if (dojo->working == 0)
		dojo_free(dojo);
}

/* The path as the dialect's clients know it. */
static const char *path_of(const struct http_request *request)
{
	const char *path = http_request_path(request);
	size_t len = strlen(PREFIX);

	return strncmp(path, PREFIX "/", len + 1) == 0 ? path + len : path;
}

static enum dojo_call_id call_of(const char *path)
{
	enum dojo_call_id call = DOJO_ALIVE;

	while (call < DOJO_CALLS && strcmp(path + 1, dojo_call_name(call)) != 0)
		call++;
	return call;
}

/* A text of the client's, without what is not UTF-8, and cut. */
static json_t *shown(const void *text, size_t len)
{
	AUTO_BUF struct buf clean = BUF_INIT(BODY_SHOWN);
	bool truncated;

	if (light_text_clean(text, len < BODY_SHOWN ? len : BODY_SHOWN, BODY_SHOWN, &clean, &truncated) < 0)
		return NULL;
	return json_stringn(clean.data ? (const char *)clean.data : "", clean.len);
}

void dojo_refuse(struct cyber_dojo *dojo, struct http_request *request, const struct err *err)
{
	bool busy = err->kind == ERR_BUSY;
	size_t len;
	const uint8_t *body = http_request_body(request, &len);
	const char *path = path_of(request);
	char where[256], retry[16];
	AUTO_FREE char *text = NULL;
	json_t *document;

	metric_add(dojo->api->metrics.refused[busy ? API_REFUSED_BUSY : API_REFUSED_REQUEST], 1);
	snprintf(where, sizeof(where), "kiln: %.100s%s%s", call_of(path) < DOJO_CALLS ? path + 1 : "dispatch",
		 err->field[0] ? ": " : "", err->field);
	document =
		json_pack("{s:{s:o, s:o, s:s, s:o, s:[o]}}", "exception", "path", shown(path, strlen(path)),
			  "body", shown(body, len), "class", "Runner", "message",
			  shown(err->text, strlen(err->text)), "backtrace", shown(where, strlen(where)));
	text = document ? json_dumps(document, JSON_INDENT(2)) : NULL;
	json_decref(document);
	if (busy) {
		snprintf(retry, sizeof(retry), "%u", queue_retry_after_s(dojo->api->queue));
		http_respond_header(request, "Retry-After", retry);
	}
	if (text)
		http_respond_bytes(request, (unsigned)err_kind_http_status(err->kind), "application/json",
				   text, strlen(text));
	else
		http_respond_json(request, 500, NULL);
}

static void pull_image(struct cyber_dojo *dojo, struct http_request *http, const char *image_name)
{
	bool here = dojo_image_find(dojo, image_name);

	if (!here)
		dojo_image_pull(dojo, image_name);
	http_respond_json(http, 200, json_pack("{s:s}", "pull_image", here ? "pulled" : "pulling"));
}

/* Takes the request, if it does not fail. */
static int dispatch(struct cyber_dojo *dojo, struct http_request *http, enum dojo_call_id call,
		    struct dojo_request *request, struct err *err)
{
	switch (call) {
	case DOJO_ALIVE:
		api_handle_alive(http, dojo->api);
		break;
	case DOJO_READY:
		api_handle_ready(http, dojo->api);
		break;
	case DOJO_SHA:
		http_respond_json(http, 200, json_pack("{s:s}", "sha", kiln_commit));
		break;
	case DOJO_PULL_IMAGE:
		pull_image(dojo, http, request->image_name);
		break;
	default:
		return dojo_call_begin(dojo, http, request, err);
	}
	return 0;
}

void cyber_dojo_handle(struct http_request *request, void *user)
{
	struct cyber_dojo *dojo = ((struct api *)user)->cyber_dojo;
	enum dojo_call_id call = call_of(path_of(request));
	struct dojo_request parsed;
	struct err err = ERR_INIT;
	size_t len;
	const uint8_t *body = http_request_body(request, &len);
	int r = dojo_request_parse(call, body, len, &parsed, &err);

	if (r == 0)
		r = dispatch(dojo, request, call, &parsed, &err);
	if (r < 0)
		dojo_refuse(dojo, request, &err);
	dojo_request_finish(&parsed);
}
