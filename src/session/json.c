/* A session as JSON. */
#include "session/session_priv.h"

#include "base/cleanup.h"
#include "run/result.h"

#include <string.h>

static json_t *limits_json(const struct session *session)
{
	json_t *object = json_object();

	for (int i = 0; object && i < LIMIT_COUNT; i++) {
		if (json_object_set_new(object, limit_table[i].name, json_integer(session->limits.value[i])) <
		    0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *users_json(const struct session *session)
{
	json_t *list = json_array();

	for (const struct session_user *user = session->users; list && user; user = user->next) {
		if (json_array_append_new(list, session_user_to_json(session, user)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *usage_json(const struct session *session)
{
	const struct engine_session_usage *usage = &session->usage;

	if (!session->weighed)
		return NULL;
	return json_pack("{s:I, s:I, s:i}", "memory_bytes", (json_int_t)usage->memory_bytes, "disk_bytes",
			 (json_int_t)usage->disk_used_bytes, "processes", (int)usage->processes);
}

/* What the engine of its runs cannot enforce, as their results say it and in their order; NULL: nothing. */
static json_t *unenforced_json(const struct session *session)
{
	struct engine *engine = engine_of_image(session->all->options.engine, session->spec.image ?: "host");
	const char *const *names = engine->v->unenforced(engine);

	return names[0] ? result_limit_names(names, false) : NULL;
}

/* What the copy of the files holds, and whether that is all. */
static json_t *copy_json(const struct session *session)
{
	uint64_t files = 0, bytes = 0;
	bool kept = session->kept && !session->dirty && json_array_size(session->omitted) == 0;

	(void)!session_store_weigh(session->all->options.store, session->key, &files, &bytes, NULL);
	return json_pack("{s:b, s:I, s:I, s:O*, s:s*}", "complete", kept, "files", (json_int_t)files, "bytes",
			 (json_int_t)bytes, "omitted", session->omitted, "reason",
			 session->kept_reason[0] ? session->kept_reason : NULL);
}

json_t *session_to_json(const struct session *session)
{
	int64_t left_ms = session->expires_ms - session_unix_ms();
	AUTO_FREE char *language = NULL;

	if (session->spec.language &&
	    asprintf(&language, "%s%s%s", session->spec.language, session->spec.version_range ? "@" : "",
		     session->spec.version_range ?: "") < 0)
		language = NULL;
	if (!session_lives(session) || left_ms < 0)
		left_ms = 0;
	return json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:I, s:I, s:I, s:o*, s:o, s:{s:I, s:I, s:o*}, s:o, "
			 "s:o, s:o*, s:I, s:o, s:o*}",
			 "id", session->id, "state", session_state_name(session->state), "reason",
			 session->reason[0] ? session->reason : NULL, "language", language, "image",
			 session->spec.image, "created_ms", (json_int_t)session->created_ms, "expires_ms",
			 (json_int_t)session->expires_ms, "ttl_left_ms", (json_int_t)left_ms, "ended_ms",
			 session->ended_ms ? json_integer(session->ended_ms) : NULL, "limits",
			 limits_json(session), "total", "memory_bytes", (json_int_t)session->memory_bytes,
			 "processes", (json_int_t)session->processes, "enforced",
			 session->handle ? json_boolean(!session->handle->unbounded) : NULL, "users",
			 users_json(session), "services", services_to_json(session), "resources",
			 usage_json(session), "runs", (json_int_t)session->runs, "copy", copy_json(session),
			 "unenforced", unenforced_json(session));
}
