/*
 * What MHD lets pass and HTTP does not, refused before a byte of the body is read: RFC 9112 (6.1, 6.3, 11.2)
 * on message framing, since two readers that frame a message differently can be made to see different
 * requests in it.
 */
#include "http/http_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

struct head {
	unsigned headers;
	size_t bytes;
	unsigned lengths, encodings, hosts, authorizations, expects, types;
	const char *length, *encoding, *expect;
	bool malformed;
};

static const struct {
	const char *name;
	size_t count; /* offsetof in struct head: occurrences */
	size_t value; /* offsetof in struct head: the value, 0: not kept */
} counted[] = {
	{ "Content-Length", offsetof(struct head, lengths), offsetof(struct head, length) },
	{ "Transfer-Encoding", offsetof(struct head, encodings), offsetof(struct head, encoding) },
	{ "Host", offsetof(struct head, hosts), 0 },
	{ "Authorization", offsetof(struct head, authorizations), 0 },
	{ "Expect", offsetof(struct head, expects), offsetof(struct head, expect) },
	{ "Content-Type", offsetof(struct head, types), 0 },
};

static bool is_token(const char *text)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	if (!*text)
		return false;
	for (; *text; text++) {
		bool alnum = (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') ||
			     (*text >= 'A' && *text <= 'Z');

		if (!alnum && !strchr(marks, *text))
			return false;
	}
	return true;
}

static bool is_field_value(const char *text)
{
	for (; *text; text++) {
		if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
			return false;
	}
	return true;
}

static enum MHD_Result header_seen(void *user, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct head *head = user;

	if (!value)
		value = "";
	head->headers++;
	head->bytes += strlen(name) + strlen(value) + 4;
	head->malformed |= !is_token(name) || !is_field_value(value);
	for (size_t i = 0; i < ARRAY_LEN(counted); i++) {
		if (strcasecmp(name, counted[i].name) != 0)
			continue;
		++*(unsigned *)((char *)head + counted[i].count);
		if (counted[i].value)
			*(const char **)((char *)head + counted[i].value) = value;
	}
	return MHD_YES;
}

static void refuse(struct http_request *request, unsigned status, const char *code, const char *message)
{
	request->refusal =
		(struct http_refusal){ .status = status, .code = code, .message = message, .at_once = true };
}

/* MHD has seen to it that a Content-Length that is alone is a number. */
static bool length_parse(const char *text, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
			return false;
	}
	*ret = value;
	return true;
}

/* True when the message's framing and form can be trusted. */
static bool form_check(struct http_request *request, const struct head *head, const char *method,
		       uint64_t *ret_length)
{
	static const char bad[] = "bad_request";

	if (request->target_too_long)
		refuse(request, 414, "uri_too_long", "The request target is longer than 16 KiB.");
	else if (head->headers > HTTP_HEADERS_MAX || head->bytes > HTTP_HEAD_MAX)
		refuse(request, 431, "headers_too_large",
		       "The headers are more than 100 or larger than 32 KiB.");
	else if (!is_token(method) || strlen(method) > 32)
		refuse(request, 400, bad, "The method is not an HTTP token.");
	else if (head->malformed)
		refuse(request, 400, bad, "A header's name or value has bytes that HTTP does not allow.");
	else if (head->encodings && head->lengths)
		refuse(request, 400, bad, "Content-Length and Transfer-Encoding exclude each other.");
	else if (head->lengths > 1)
		refuse(request, 400, bad, "There is more than one Content-Length.");
	else if (head->lengths && !length_parse(head->length, ret_length))
		refuse(request, 400, bad, "Content-Length is not a number.");
	else if (head->encodings > 1 || (head->encodings && strcasecmp(head->encoding, "chunked") != 0))
		refuse(request, 400, bad, "Transfer-Encoding must be exactly \"chunked\".");
	else if (head->encodings && !request->http11)
		refuse(request, 400, bad, "HTTP/1.0 has no Transfer-Encoding.");
	else if (head->hosts > 1 || (request->http11 && head->hosts == 0))
		refuse(request, 400, bad, "There must be exactly one Host header.");
	else if (head->authorizations > 1 || head->expects > 1 || head->types > 1)
		refuse(request, 400, bad, "Authorization, Expect and Content-Type may be given once.");
	else if (head->expects && strcasecmp(head->expect, "100-continue") != 0)
		refuse(request, 417, "expectation_failed", "The only expectation known is 100-continue.");
	return request->refusal.status == 0;
}

static bool is_authorized(struct http_request *request)
{
	const struct http_options *o = &request->connection->server->options;
	const char *header = http_request_header(request, "Authorization");
	AUTO_FREE char *subprotocol = NULL;

	if (request->route->auth == HTTP_AUTH_NONE || o->tokens_count == 0)
		return true;
	if (request->route->auth == HTTP_AUTH_WEBSOCKET && !header)
		subprotocol = http_websocket_bearer(http_request_header(request, "Sec-WebSocket-Protocol"));
	return http_bearer_check(o, header ? header : subprotocol, &request->token);
}

/* What the route and the token say; these refusals leave the connection usable when the body is small. */
static void access_check(struct http_request *request)
{
	const struct http_options *o = &request->connection->server->options;
	struct http_refusal *refusal = &request->refusal;
	bool known = false;

	request->route = http_route_find(o, request->method, request->target.path, &request->allow, &known);
	if (!request->route && !known)
		*refusal = (struct http_refusal){ 404, "not_found", "There is nothing at this path.", false };
	else if (!request->route)
		*refusal = (struct http_refusal){ 405, "method_not_allowed",
						  "This path does not take this method; see Allow.", false };
	else if (!is_authorized(request))
		*refusal = (struct http_refusal){ 401, "unauthorized",
						  "A token is needed: \"Authorization: Bearer …\".", false };
}

void http_head_check(struct http_request *request, const char *method, const char *version)
{
	const struct http_server *server = request->connection->server;
	struct head head = { 0 };
	uint64_t length = 0;
	struct err err = ERR_INIT;
	int r;

	request->method = method;
	request->http11 = strcmp(version, "HTTP/1.0") != 0;
	MHD_get_connection_values(request->connection->mhd, MHD_HEADER_KIND, header_seen, &head);
	head.bytes += strlen(request->raw_target);
	if (!form_check(request, &head, method, &length))
		return;

	r = http_target_parse(request->raw_target, &request->target, &err);
	if (r == 0 && request->connection->prefix)
		r = http_target_prefix(&request->target, request->connection->prefix);
	if (r == -ENOMEM)
		refuse(request, 503, "busy", "The server has no memory for this request.");
	else if (r < 0)
		refuse(request, 400, "bad_request", "The request target is malformed.");
	else if (length > server->options.body_bytes)
		refuse(request, 413, "body_too_large", server->body_too_large);
	else if (server->stats.body_bytes + length > server->options.body_bytes * HTTP_BODIES_FACTOR)
		refuse(request, 503, "busy", "Too many large requests are on their way; try again later.");
	if (request->refusal.status)
		return;

	access_check(request);
	http_origin_check(request);
	/* A client that asks first, or announces much, is told now. */
	if (request->refusal.status && (head.expects || head.encodings || length > HTTP_SWALLOW_BYTES))
		request->refusal.at_once = true;
}
