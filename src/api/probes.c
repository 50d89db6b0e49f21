/* GET /alive and /ready, for load balancers. The odd keys are those that existing clients look for. */
#include "api/api_priv.h"

#include <jansson.h>

void api_handle_alive(struct http_request *request, void *user)
{
	http_respond_json(request, 200, json_pack("{s:b}", "alive?", 1));
}

void api_handle_ready(struct http_request *request, void *user)
{
	struct api *api = user;
	struct engine *engine = api->options.engine;
	char why[256] = "";

	if (queue_is_draining(api->queue)) {
		http_respond_json(request, 503, json_pack("{s:b, s:s}", "ready?", 0, "why", "draining"));
		return;
	}
	if (!engine->v->healthy(engine, why, sizeof(why))) {
		http_respond_json(request, 503, json_pack("{s:b, s:s}", "ready?", 0, "why", why));
		return;
	}
	http_respond_json(request, 200, json_pack("{s:b}", "ready?", 1));
}
