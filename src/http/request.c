/*
 * From MHD's callbacks to a handler and back.
 *
 * MHD calls http_request_uri() with the raw request line, then http_request_access() once with the headers,
 * once for each piece of the body, and once at the end; http_request_completed() ends it all. An answer
 * queued in the first call makes MHD forget whatever follows on the connection: that is how a request that
 * cannot be trusted is refused. All other answers wait for the end of the body.
 *
 * A kept request is suspended not in the "end" call that dispatched it but in the next one, which MHD makes
 * at once: in between, MHD sets the connection to "waiting for the application". A connection suspended in
 * the first call is still in "reading", and is read first when resumed: if the client had closed its sending
 * half, MHD would take the EOF for the end of everything and drop the answer.
 */
#include "http/http_priv.h"

#include "base/cleanup.h"
#include "http/multipart.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static struct http_connection *connection_of(struct MHD_Connection *mhd)
{
	return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void *http_request_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	struct http_connection *c = connection_of(mhd);
	struct http_request *request = c ? calloc(1, sizeof(*request)) : NULL;

	if (!request)
		return NULL;
	request->connection = c;
	request->body = BUF_INIT(c->server->options.body_bytes);
	if (!uri)
		uri = "";
	request->target_too_long = strlen(uri) > HTTP_TARGET_MAX;
	request->raw_target = strdup(request->target_too_long ? "/" : uri);
	if (!request->raw_target) {
		free(request);
		return NULL;
	}
	c->request = request;
	return request;
}

static void request_free(struct http_request *request)
{
	struct http_server *server = request->connection->server;

	request->connection->request = NULL;
	server->stats.body_bytes -= request->body_counted;
	if (request->head_done && request->connection->phase != HTTP_PHASE_UPGRADED)
		server->requests_open--;
	if (request->response)
		MHD_destroy_response(request->response);
	http_stream_free(request);
	for (size_t i = 0; i < request->fields_count; i++) {
		free(request->fields[i].name);
		free(request->fields[i].value);
	}
	http_target_finish(&request->target);
	buf_finish(&request->body);
	free(request->raw_target);
	free(request->allow);
	free(request);
}

void http_request_completed(void *cls, struct MHD_Connection *mhd, void **context,
			    enum MHD_RequestTerminationCode why)
{
	struct http_request *request = *context;
	struct http_connection *c;

	if (!request)
		return;
	*context = NULL;
	c = request->connection;
	c->server->callbacks++;
	/* MHD answered for us and closes: the client may still be sending. */
	if (!request->head_done && why != MHD_REQUEST_TERMINATED_CLIENT_ABORT)
		c->linger = true;
	/* Cannot happen while suspended, but a handler must hear of it whatever MHD does. */
	if (request->dispatched)
		http_request_abandon(request);
	if (request->stream)
		http_stream_abandon(request->stream);
	/* Closed before it became one. */
	if (c->websocket)
		http_websocket_end(c->websocket);
	request_free(request);
	if (why == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		http_connection_phase(c, HTTP_PHASE_HEAD);
}

static enum MHD_Result queue_answer(struct http_request *request)
{
	struct http_connection *c = request->connection;
	struct MHD_Response *response = TAKE_PTR(request->response);
	enum MHD_Result r;

	if (!response) {
		c->farewell = 500;
		return MHD_NO;
	}
	if ((c->server->quiescing && !c->websocket) || request->refusal.at_once)
		(void)!MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	c->server->stats.answers[request->status / 100 % 6]++;
	http_connection_phase(c, request->stream ? HTTP_PHASE_STREAM : HTTP_PHASE_ANSWER);
	r = MHD_queue_response(c->mhd, request->status, response);
	MHD_destroy_response(response);
	return r;
}

/* The first call: everything that the headers tell is decided here. */
static enum MHD_Result head_read(struct http_request *request, const char *method, const char *version)
{
	struct http_connection *c = request->connection;

	request->head_done = true;
	request->arrived_us = uv_hrtime() / 1000;
	c->server->requests_open++;
	http_head_check(request, method, version);
	if (!request->refusal.at_once) {
		http_connection_phase(c, HTTP_PHASE_BODY);
		return MHD_YES;
	}
	c->linger = true;
	http_respond_refusal(request, &request->refusal);
	return queue_answer(request);
}

/* Too much of a body whose head promised nothing: no answer can be queued here, so MHD closes and we say it
 * then. */
static enum MHD_Result body_refuse(struct http_request *request, unsigned status)
{
	request->connection->farewell = status;
	return MHD_NO;
}

static enum MHD_Result body_read(struct http_request *request, const char *data, size_t *len)
{
	struct http_server *server = request->connection->server;
	const struct http_options *o = &server->options;
	size_t had = request->body.cap;
	int r;

	request->body_seen += *len;
	if (request->body_seen > o->body_bytes)
		return body_refuse(request, 413);
	if (request->refusal.status) {
		if (request->body_seen > HTTP_SWALLOW_BYTES)
			return body_refuse(request, 413);
		*len = 0;
		return MHD_YES;
	}
	r = buf_append(&request->body, data, *len);
	if (r < 0)
		return body_refuse(request, 503);
	request->body_counted += request->body.cap - had;
	server->stats.body_bytes += request->body.cap - had;
	if (server->stats.body_bytes / HTTP_BODIES_FACTOR > o->body_bytes)
		return body_refuse(request, 503);
	*len = 0;
	return MHD_YES;
}

static void dispatch(struct http_request *request)
{
	struct http_connection *c = request->connection;

	request->dispatched = true;
	http_connection_phase(c, HTTP_PHASE_HANDLER);
	if (request->refusal.status) {
		http_respond_refusal(request, &request->refusal);
		return;
	}
	if (request->preflight) {
		http_respond_preflight(request);
		return;
	}
	request->route->handle(request, c->server->options.user);
	assert(request->kept || request->response || request->failed);
}

/* One of MHD's calls about a request. Of the body, *len is 0 at its end, and set to what was not taken. */
struct call {
	const char *method, *version;
	const char *data;
	size_t *len;
};

static enum MHD_Result go_on(struct http_request *request, const struct call *call)
{
	struct http_connection *c = request->connection;

	c->server->callbacks++;
	if (request->gone)
		return MHD_NO;
	if (!request->head_done)
		return head_read(request, call->method, call->version);
	if (*call->len)
		return body_read(request, call->data, call->len);

	if (!request->dispatched) {
		dispatch(request);
		if (!request->response && !request->failed)
			return MHD_YES; /* called again at once, see above */
	}
	if (request->response || request->failed)
		return queue_answer(request);
	request->suspended = true;
	MHD_suspend_connection(c->mhd);
	http_watch_start(c);
	return MHD_YES;
}

enum MHD_Result http_request_access(void *cls, struct MHD_Connection *mhd, const char *url,
				    const char *method, const char *version, const char *data, size_t *len,
				    void **context)
{
	const struct call call = { .method = method, .version = version, .data = data, .len = len };

	return *context ? go_on(*context, &call) : MHD_NO;
}

void http_request_abandon(struct http_request *request)
{
	struct http_connection *c = request->connection;

	if (request->gone || request->response || request->failed || !request->kept ||
	    c->phase != HTTP_PHASE_HANDLER)
		return;
	request->gone = true;
	http_watch_stop(c);
	c->hung_up = true;
	if (request->vanished)
		request->vanished(request, request->vanished_user);
	if (request->suspended) {
		request->suspended = false;
		MHD_resume_connection(c->mhd);
		http_server_wake(c->server);
	}
}

void http_request_keep(struct http_request *request,
		       void (*vanished)(struct http_request *request, void *user), void *user)
{
	assert(!request->gone && !request->response);
	request->kept = true;
	request->vanished = vanished;
	request->vanished_user = user;
}

const char *http_request_method(const struct http_request *request)
{
	return request->method;
}

const char *http_request_path(const struct http_request *request)
{
	return request->target.path;
}

const char *http_request_header(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection->mhd, MHD_HEADER_KIND, name);
}

const char *http_request_query(const struct http_request *request, const char *name)
{
	return http_target_param(&request->target, name);
}

const char *http_request_tenant(const struct http_request *request)
{
	return request->token ? request->token->name : "";
}

const uint8_t *http_request_body(const struct http_request *request, size_t *ret_len)
{
	*ret_len = request->body.len;
	return request->body.data ? request->body.data : (const uint8_t *)"";
}

void http_request_peer(const struct http_request *request, char *ret)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *peer = info ? info->client_addr : NULL;

	ret[0] = '\0';
	if (peer && peer->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, ret,
			  INET6_ADDRSTRLEN);
	else if (peer && peer->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, ret,
			  INET6_ADDRSTRLEN);
}

bool http_server_memory_take(struct http_server *server, size_t bytes)
{
	if ((server->stats.body_bytes + bytes) / HTTP_BODIES_FACTOR > server->options.body_bytes)
		return false;
	server->stats.body_bytes += bytes;
	return true;
}

void http_server_memory_give(struct http_server *server, size_t bytes)
{
	server->stats.body_bytes -= bytes;
}

uint64_t http_request_arrived_us(const struct http_request *request)
{
	return request->arrived_us;
}

int http_request_multipart(const struct http_request *request, http_part_fn part, void *user, struct err *err)
{
	size_t len;
	const uint8_t *body = http_request_body(request, &len);

	return http_multipart_parse(http_request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE), body, len,
				    part, user, err);
}
