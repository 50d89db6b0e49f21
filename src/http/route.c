#include "http/http_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* Length of the prefix of a route "/v1/images/" + star, or 0 for an exact one. */
static size_t route_prefix(const char *path)
{
	size_t len = strlen(path);

	return len >= 2 && strcmp(path + len - 2, "/*") == 0 ? len - 1 : 0;
}

static bool route_matches(const struct http_route *route, const char *path)
{
	size_t prefix = route_prefix(route->path);

	return prefix ? strncmp(path, route->path, prefix) == 0 : strcmp(path, route->path) == 0;
}

static bool method_matches(const struct http_route *route, const char *method)
{
	return !route->method || strcmp(route->method, method) == 0 ||
	       (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/* "GET, HEAD, POST" of all routes that lead to `path`. NULL: out of memory. */
static char *allowed(const struct http_options *options, const char *path)
{
	AUTO_BUF struct buf list = BUF_INIT(512);

	for (size_t i = 0; i < options->routes_count; i++) {
		const struct http_route *route = &options->routes[i];
		const char *more = route->method && strcmp(route->method, "GET") == 0 ? ", HEAD" : "";

		if (route_matches(route, path) && route->method &&
		    buf_printf(&list, "%s%s%s", list.len ? ", " : "", route->method, more) < 0)
			return NULL;
	}
	return (char *)buf_take(&list, NULL);
}

/*
 * The route for a request: exact paths win over prefixes, a longer prefix over a shorter one. NULL when there
 * is none; then *ret_known says whether another method would do, and *ret_allow (to be freed, may be NULL)
 * which.
 */
const struct http_route *http_route_find(const struct http_options *options, const char *method,
					 const char *path, char **ret_allow, bool *ret_known)
{
	const struct http_route *best = NULL;
	size_t best_rank = 0;

	*ret_known = false;
	for (size_t i = 0; i < options->routes_count; i++) {
		const struct http_route *route = &options->routes[i];
		size_t prefix = route_prefix(route->path);
		size_t rank = prefix ? prefix : SIZE_MAX;

		if (!route_matches(route, path))
			continue;
		*ret_known = true;
		if (rank > best_rank && method_matches(route, method)) {
			best = route;
			best_rank = rank;
		}
	}
	if (!best && *ret_known)
		*ret_allow = allowed(options, path);
	return best;
}

/* Time depends on what was given, never on the secret. */
static bool equal_in_constant_time(const char *secret, size_t secret_len, const char *given, size_t given_len)
{
	volatile size_t difference = secret_len ^ given_len;

	for (size_t i = 0; i < given_len; i++)
		difference |= (size_t)(unsigned char)(given[i] ^ secret[secret_len ? i % secret_len : 0]);
	return difference == 0;
}

/* Whose token `header` ("Bearer …", may be NULL) is. All tokens are compared, whichever fits. */
bool http_bearer_check(const struct http_options *options, const char *header, const struct http_token **ret)
{
	const struct http_token *found = NULL;
	size_t len;

	if (!header || strncasecmp(header, "Bearer ", 7) != 0)
		return false;
	header += 7;
	header += strspn(header, " ");
	len = strlen(header);
	while (len > 0 && (header[len - 1] == ' ' || header[len - 1] == '\t'))
		len--;
	for (size_t i = 0; i < options->tokens_count; i++) {
		const struct http_token *token = &options->tokens[i];

		if (equal_in_constant_time(token->token, strlen(token->token), header, len) && len > 0)
			found = token;
	}
	*ret = found;
	return found != NULL;
}
