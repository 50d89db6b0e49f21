/* What happened in a session: its runs, which the store keeps, and events for who listens now. */
#include "session/session_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NOTES_AFTER_MS 5

void session_tell(struct session *session, const char *type, json_t *event)
{
	json_int_t number = ++session->events_seq;

	if (!event || json_object_set_new(event, "seq", json_integer(number)) < 0 ||
	    json_object_set_new(event, "type", json_string(type)) < 0 ||
	    json_object_set_new(event, "at_ms", json_integer(session_unix_ms())) < 0 ||
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
	*listener = (struct session_listener){
		.next = session->listeners, .session = session, .fn = fn, .user = user
	};
	session->listeners = listener;
	*ret = listener;
	return 0;
}

json_t *session_events_json(const struct session *session, int64_t since, int64_t *ret_last)
{
	json_t *list = json_array(), *event;
	size_t i;

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

/* Runs */

static json_t *summary(const struct run_result *result, const char *user_name, int64_t number)
{
	const struct step_result *last = result->steps_count ? &result->steps[result->steps_count - 1] : NULL;
	const struct step_facts *facts = last ? &last->facts : NULL;
	bool ended = facts && facts->started && !facts->engine_failed;

	return json_pack("{s:I, s:s, s:s, s:I, s:s, s:s*, s:o, s:I, s:I}", "number", (json_int_t)number, "id",
			 result->id, "user", user_name, "ended_ms", (json_int_t)session_unix_ms(), "outcome",
			 run_outcome_name(result->outcome), "colour",
			 result->light.judged ? light_colour_name(result->light.colour) : NULL, "exit_code",
			 ended && !facts->signaled ? json_integer(facts->exit_code) : json_null(), "wall_ms",
			 (json_int_t)(result->timing.exec_us / 1000), "total_ms",
			 (json_int_t)(result->timing.total_us / 1000));
}

/* What the run changed in the user's home. False where not all could be told. */
static bool changes_of(const struct session_turn *turn, const struct run_result *result,
		       struct store_file *files, size_t *ret_count)
{
	uint64_t now_ns = (uint64_t)session_unix_ms() * 1000000;
	bool whole = result->collected;
	size_t count = 0;

	for (size_t i = 0; i < result->files_count; i++) {
		const struct result_file *from = &result->files[i];
		char *path;

		if (from->change == FILE_OMITTED || from->truncated) {
			whole = false;
			continue;
		}
		if (asprintf(&path, "%s/%s", turn->owner->as.name, from->name) < 0) {
			whole = false;
			break;
		}
		files[count++] = (struct store_file){
			.path = path,
			.kind = STORE_FILE,
			.data = from->data,
			.len = from->len,
			.mode = from->mode,
			.owner = turn->owner->as.number,
			.mtime_ns = now_ns + i,
			.gone = from->change == FILE_DELETED,
		};
	}
	*ret_count = count;
	return whole;
}

struct run_note {
	struct run_note *next;
	char key[RUN_ID_LEN + 1];
	int64_t number;
	char *run;
};

/* A session that is gone by then has no history. */
void session_notes_write(struct sessions *all)
{
	struct run_note *note = all->notes;

	all->notes = NULL;
	all->last_note = &all->notes;
	while (note) {
		const struct store_change change = { .key = note->key,
						     .run = note->run,
						     .number = note->number,
						     .runs_kept = SESSION_RUNS_KEPT };
		struct run_note *next = note->next;

		(void)!session_store_apply(all->options.store, &change, NULL);
		free(note->run);
		free(note);
		note = next;
	}
}

static void on_notes(uv_timer_t *timer)
{
	session_notes_write(timer->data);
}

/* Takes over `run`; false: there is no memory. */
static bool note_later(struct session *session, int64_t number, char **run)
{
	struct sessions *all = session->all;
	struct run_note *note = *run ? calloc(1, sizeof(*note)) : NULL;

	if (!note)
		return false;
	snprintf(note->key, sizeof(note->key), "%s", session->key);
	note->number = number;
	note->run = TAKE_PTR(*run);
	*all->last_note = note;
	all->last_note = &note->next;
	if (!uv_is_active((uv_handle_t *)all->notes_timer))
		uv_timer_start(all->notes_timer, on_notes, NOTES_AFTER_MS, 0);
	return true;
}

void session_turn_record(struct session_turn *turn, const struct run_result *result)
{
	struct session *session = turn->session;
	AUTO_FREE struct store_file *files = NULL;
	AUTO_FREE char *run = NULL;
	struct store_change change = { .key = session->key,
				       .number = session->runs + 1,
				       .runs_kept = SESSION_RUNS_KEPT };
	struct err err = ERR_INIT;
	json_t *json;

	if (!result)
		return;
	json = summary(result, turn->owner->as.name, change.number);
	run = json ? json_dumps(json, JSON_COMPACT) : NULL;
	files = calloc(result->files_count + 1, sizeof(*files));
	if (files)
		(void)changes_of(turn, result, files, &change.files_count);
	change.files = files;
	change.run = run;
	session->runs++;
	/* Nobody waits for a line of the history. */
	if ((change.files_count > 0 || !note_later(session, change.number, &run)) &&
	    session_copy_apply(session, &change, &err) < 0) {
		session->kept = false;
		snprintf(session->kept_reason, sizeof(session->kept_reason), "%.150s", err.text);
	}
	for (size_t i = 0; i < change.files_count; i++)
		free((char *)files[i].path);
	session_tell(session, "run", json);
}

struct runs_reading {
	json_t *list;
	const char *user_name;
};

static int read_run(void *user, int64_t number, const char *text)
{
	struct runs_reading *reading = user;
	json_t *run = json_loads(text, 0, NULL);
	const char *name = json_string_value(json_object_get(run, "user"));

	if (!run)
		return 0; /* one that another version wrote otherwise */
	if (reading->user_name && (!name || strcmp(name, reading->user_name) != 0)) {
		json_decref(run);
		return 0;
	}
	return json_array_append_new(reading->list, run) < 0 ? -ENOMEM : 0;
}

json_t *session_runs_json(const struct session *session, int64_t since, const char *user_name)
{
	struct runs_reading reading = { .list = json_array(), .user_name = user_name };

	session_notes_write(session->all);
	if (!reading.list || session_store_runs(session->all->options.store, session->key, since, read_run,
						&reading, NULL) < 0) {
		json_decref(reading.list);
		return NULL;
	}
	return reading.list;
}

struct there {
	struct run_request *request;
	size_t prefix;
	struct err *err;
};

static int one_there(void *user, const struct store_file *file)
{
	const struct there *there = user;

	if (file->kind != STORE_FILE || strlen(file->path) <= there->prefix)
		return 0;
	return request_add_there(there->request, file->path + there->prefix, there->err);
}

int session_files_there(const struct session *session, const char *user_name, struct run_request *request,
			struct err *err)
{
	struct there there = { .request = request, .prefix = strlen(user_name) + 1, .err = err };

	return session_files(session, user_name, one_there, &there, err);
}

int session_files(const struct session *session, const char *below,
		  int (*each)(void *user, const struct store_file *file), void *user, struct err *err)
{
	return session_store_files(session->all->options.store, session->key, below, each, user, err);
}
