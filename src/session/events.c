/* What happens in a session, told to who listens now and remembered for who asks later. */
#include "session/task.h"

/* Steals `event`, which may be NULL. */
static void tell(struct session *session, const char *type, json_t *event, json_int_t at_ms)
{
	json_int_t number = ++session->events_seq;

	if (!event || json_object_set_new(event, "seq", json_integer(number)) < 0 ||
	    json_object_set_new(event, "type", json_string(type)) < 0 ||
	    json_object_set_new(event, "at_ms", json_integer(at_ms)) < 0 ||
	    json_array_append(session->events, event) < 0) {
		json_decref(event);
		return;
	}
	if (json_array_size(session->events) > SESSION_EVENTS_MAX)
		json_array_remove(session->events, 0);
	for (struct session_listener *l = session->listeners, *next; l; l = next) {
		next = l->next;
		l->fn(l->user, event);
	}
	json_decref(event);
}

void session_tell(struct session *session, const char *type, json_t *event)
{
	session_lines_tell(session);
	tell(session, type, event, session_unix_ms());
}

void session_tell_run(struct session *session, const char *line)
{
	json_t *event = line ? json_loads(line, 0, NULL) : NULL;

	session_lines_tell(session);
	tell(session, "run", event, json_integer_value(json_object_get(event, "ended_ms")));
}

static void unlink_listener(struct session_listener *listener)
{
	struct session_listener **at = &listener->session->listeners;

	while (*at != listener)
		at = &(*at)->next;
	*at = listener->next;
}

void session_listeners_end(struct session *session)
{
	while (session->listeners) {
		struct session_listener *listener = session->listeners;

		unlink_listener(listener);
		listener->fn(listener->user, NULL);
		free(listener);
	}
}

void session_listener_leave(struct session_listener *listener)
{
	if (!listener)
		return;
	unlink_listener(listener);
	free(listener);
}

int session_listen(struct session *session, session_event_fn fn, void *user, struct session_listener **ret,
		   struct err *err)
{
	struct session_listener *listener = calloc(1, sizeof(*listener));

	if (!listener)
		return err_set(err, -ENOMEM, "listen to a session");
	session_lines_tell(session);
	*listener = (struct session_listener){
		.next = session->listeners, .session = session, .fn = fn, .user = user
	};
	session->listeners = listener;
	*ret = listener;
	return 0;
}

json_t *session_events_json(struct session *session, int64_t since, int64_t *ret_last)
{
	json_t *list = json_array(), *event;
	size_t i;

	session_lines_tell(session);
	*ret_last = session->events_seq;
	json_array_foreach(session->events, i, event)
	{
		if (json_integer_value(json_object_get(event, "seq")) > since &&
		    json_array_append(list, event) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
