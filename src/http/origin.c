/*
 * Pages of other sites. A browser says in `Origin` whose page sends a request, and keeps the answer from the page
 * unless the server allows that origin (the Fetch standard's CORS protocol). But it does send the request, and some
 * forms of it unasked: a page anywhere could run programs on a kiln that listens on its reader's own machine. So
 * what does more than read is refused here to pages that nobody allowed.
 */
#include "http/http_priv.h"

#include "base/cleanup.h"

#include <string.h>
#include <strings.h>

enum http_origin http_origin_find(const struct http_request *request, char *const *allowed)
{
	const char *origin = http_request_header(request, "Origin");
	const char *site = http_request_header(request, "Sec-Fetch-Site");
	const char *host = http_request_header(request, "Host");
	const char *authority = origin ? strstr(origin, "://") : NULL;

	if (!origin)
		return HTTP_ORIGIN_NONE;
	/* Behind a proxy Host may be another name; pages cannot set this header, only browsers do. */
	if (site && strcmp(site, "same-origin") == 0)
		return HTTP_ORIGIN_OWN;
	if (host && authority && strcasecmp(authority + 3, host) == 0)
		return HTTP_ORIGIN_OWN;
	for (; allowed && *allowed; allowed++) {
		if (strcmp(*allowed, "*") == 0 || strcasecmp(*allowed, origin) == 0)
			return HTTP_ORIGIN_ALLOWED;
	}
	return HTTP_ORIGIN_FOREIGN;
}

static bool reads_only(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "OPTIONS") == 0;
}

/* True of what a browser asks before it lets another site's page send a request. */
static bool is_preflight(const struct http_request *request)
{
	return strcmp(request->method, "OPTIONS") == 0 &&
	       http_request_header(request, "Access-Control-Request-Method") != NULL;
}

static bool has_shared_route(const struct http_options *options, const char *path)
{
	for (size_t i = 0; i < options->routes_count; i++) {
		if (options->routes[i].cors && strcmp(options->routes[i].path, path) == 0)
			return true;
	}
	return false;
}

void http_origin_check(struct http_request *request)
{
	const struct http_options *o = &request->connection->server->options;
	enum http_origin origin = http_origin_find(request, o->origins);
	bool shared = has_shared_route(o, request->target.path);

	if (origin == HTTP_ORIGIN_NONE || origin == HTTP_ORIGIN_OWN)
		return;
	request->shared = origin == HTTP_ORIGIN_ALLOWED && shared;
	if (request->shared && is_preflight(request)) {
		request->preflight = true;
		request->refusal = (struct http_refusal){ 0 };
	} else if (!request->shared && !reads_only(request->method))
		request->refusal = (struct http_refusal){ 403, "origin_not_allowed",
							  "Pages of this origin may not do this; the setting "
							  "origins names those that may run programs.",
							  false };
}

bool http_origin_add_headers(const struct http_request *request, struct MHD_Response *response)
{
	const char *origin = http_request_header(request, "Origin");
	const char *const fields[][2] = {
		{ "Access-Control-Allow-Origin", origin },
		{ "Vary", "Origin" },
		{ "Access-Control-Expose-Headers", "Retry-After, Server-Timing" },
	};

	if (!request->shared)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (MHD_add_response_header(response, fields[i][0], fields[i][1]) != MHD_YES)
			return false;
	}
	return true;
}

void http_respond_preflight(struct http_request *request)
{
	http_respond_header(request, "Access-Control-Allow-Methods", "GET, POST");
	http_respond_header(request, "Access-Control-Allow-Headers", "Authorization, Content-Type");
	http_respond_header(request, "Access-Control-Max-Age", "600");
	http_respond_bytes(request, 204, NULL, NULL, 0);
}
