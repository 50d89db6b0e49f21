#include "http/http_priv.h"

#include "base/cleanup.h"
#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a handler adds may not break the framing that MHD writes. */
static bool field_is_ours(const char *name)
{
	static const char *const ours[] = { "Content-Length", "Transfer-Encoding", "Connection", "Date" };

	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		if (strcasecmp(name, ours[i]) == 0)
			return true;
	}
	return false;
}

void http_respond_header(struct http_request *request, const char *name, const char *value)
{
	struct http_field *field = &request->fields[request->fields_count];

	assert(request->fields_count < HTTP_ANSWER_HEADERS_MAX && !field_is_ours(name));
	field->name = strdup(name);
	field->value = strdup(value);
	if (field->name && field->value) {
		request->fields_count++;
		return;
	}
	/* An answer without one of its headers is another answer: rather none. */
	free(field->name);
	free(field->value);
	request->failed = true;
}

static bool has_field(const struct http_request *request, const char *name)
{
	for (size_t i = 0; i < request->fields_count; i++) {
		if (strcasecmp(request->fields[i].name, name) == 0)
			return true;
	}
	return false;
}

static bool add_headers(const struct http_request *request, struct MHD_Response *response,
			const char *content_type)
{
	const struct http_field common[] = {
		{ (char *)"Server", (char *)"kiln" },
		{ (char *)"Content-Type", (char *)content_type },
		{ (char *)"X-Content-Type-Options", (char *)"nosniff" },
		{ (char *)"Cache-Control", (char *)"no-store" },
	};

	for (size_t i = 0; i < ARRAY_LEN(common); i++) {
		if (common[i].value && !has_field(request, common[i].name) &&
		    MHD_add_response_header(response, common[i].name, common[i].value) != MHD_YES)
			return false;
	}
	if (!http_origin_add_headers(request, response))
		return false;
	for (size_t i = 0; i < request->fields_count; i++) {
		/* Refused by MHD: a line break in it, or no memory. */
		if (MHD_add_response_header(response, request->fields[i].name, request->fields[i].value) !=
		    MHD_YES)
			return false;
	}
	return true;
}

bool http_respond_prepared(struct http_request *request, unsigned status, const char *content_type,
			   struct MHD_Response *response)
{
	struct http_connection *c = request->connection;

	assert(!request->response && !request->gone && status >= 200 && status <= 599);
	request->status = status;
	if (response && (request->failed || !add_headers(request, response, content_type))) {
		MHD_destroy_response(response);
		response = NULL;
	}
	request->response = response;
	request->failed = !response;
	if (request->suspended) {
		request->suspended = false;
		http_watch_stop(c);
		MHD_resume_connection(c->mhd);
		http_server_wake(c->server);
	}
	return response;
}

/* Takes `data` (from malloc). */
static void answer(struct http_request *request, unsigned status, const char *content_type, void *data,
		   size_t len)
{
	struct MHD_Response *response =
		data ? MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE) : NULL;

	if (!response)
		free(data);
	http_respond_prepared(request, status, content_type, response);
}

void http_respond_bytes(struct http_request *request, unsigned status, const char *content_type,
			const void *data, size_t len)
{
	void *copy = malloc(len ? len : 1);

	if (copy && len)
		memcpy(copy, data, len);
	answer(request, status, content_type, copy, len);
}

static int dump_piece(const char *data, size_t len, void *user)
{
	return buf_append(user, data, len) < 0 ? -1 : 0;
}

void http_respond_json(struct http_request *request, unsigned status, json_t *json)
{
	static const char fallback[] =
		"{\"error\":{\"code\":\"internal\",\"message\":\"The answer could not be written.\"}}";
	AUTO_BUF struct buf text = BUF_INIT(SIZE_MAX / 4);
	size_t len;
	uint8_t *data;

	if (!json || json_dump_callback(json, dump_piece, &text, JSON_COMPACT | JSON_ENCODE_ANY) < 0) {
		json_decref(json);
		http_respond_bytes(request, 500, "application/json", fallback, sizeof(fallback) - 1);
		return;
	}
	json_decref(json);
	data = buf_take(&text, &len);
	answer(request, status, "application/json", data, len);
}

/* A sentence may quote bytes of the request: whatever is no UTF-8 becomes a question mark. */
static json_t *sentence(const char *text)
{
	char clean[sizeof(((struct err *)0)->text)];
	size_t n = 0;

	for (const uint8_t *at = (const uint8_t *)text; *at && n < sizeof(clean) - 4;) {
		uint32_t point;
		int len = utf8_decode(at, strnlen((const char *)at, 4), &point);

		if (len > 0) {
			memcpy(clean + n, at, (size_t)len);
			n += (size_t)len;
			at += len;
		} else {
			clean[n++] = '?';
			at++;
		}
	}
	return json_stringn(clean, n);
}

static json_t *document(const char *code, const char *message, const char *field)
{
	json_t *error = json_pack("{s:s,s:o}", "code", code, "message", sentence(message));

	if (error && field[0] != '\0' && json_object_set_new(error, "field", sentence(field)) < 0) {
		json_decref(error);
		error = NULL;
	}
	return error ? json_pack("{s:o}", "error", error) : NULL;
}

json_t *http_error_json(const struct err *err)
{
	return document(err->slug ? err->slug : "internal", err->text, err->field);
}

void http_respond_error(struct http_request *request, const struct err *err, unsigned retry_after_s)
{
	char seconds[16];

	if (retry_after_s > 0) {
		snprintf(seconds, sizeof(seconds), "%u", retry_after_s);
		http_respond_header(request, "Retry-After", seconds);
	}
	http_respond_json(request, (unsigned)err_kind_http_status(err->kind), http_error_json(err));
}

void http_respond_refusal(struct http_request *request, const struct http_refusal *refusal)
{
	if (refusal->status == 401)
		http_respond_header(request, "WWW-Authenticate", "Bearer realm=\"kiln\"");
	if (refusal->status == 405 && request->allow && request->allow[0])
		http_respond_header(request, "Allow", request->allow);
	if (refusal->status == 503)
		http_respond_header(request, "Retry-After", "1");
	http_respond_json(request, refusal->status, document(refusal->code, refusal->message, ""));
}
