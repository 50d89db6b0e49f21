/* GET /alive and /ready, for load balancers. The odd keys are those that existing clients look for. */
#include "api/api_priv.h"

#include <jansson.h>

void api_handle_alive(struct http_request *request, void *user)
{
	http_respond_json(request, 200, json_pack("{s:b}", "alive?", 1));
}

/* Of a node with two engines, the one that can make no sandboxes, and why; NULL: all can. */
static json_t *degraded_to_json(struct engine *engine)
{
	json_t *array = NULL;
	struct engine *part;

	for (size_t i = 0; (part = engine_part(engine, i)); i++) {
		char why[256] = "";

		if (part->v->healthy(part, why, sizeof(why)))
			continue;
		array = array ? array : json_array();
		json_array_append_new(array, json_pack("{s:s, s:s}", "engine", part->v->name, "why", why));
	}
	return array;
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
	http_respond_json(request, 200,
			  json_pack("{s:b, s:o*}", "ready?", 1, "degraded", degraded_to_json(engine)));
}
