/* The runs that a session had: what the store keeps of them. */
#include "session/task.h"

#include "base/cleanup.h"
#include "base/strv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * A run's line of the history, as JSON, or NULL: there is no memory for it. It is on the way of each answer. All words
 * in it are kiln's own or checked names, which need no quoting.
 */
static char *summary(const struct run_result *result, const char *user_name, int64_t number)
{
	const struct step_result *last = result->steps_count ? &result->steps[result->steps_count - 1] : NULL;
	const struct step_facts *facts = last ? &last->facts : NULL;
	bool ended = facts && facts->started && !facts->engine_failed && !facts->signaled;
	char colour[64] = "", exit_code[16] = "null", *text;

	if (result->light.judged)
		snprintf(colour, sizeof(colour), "\"colour\":\"%s\",",
			 light_colour_name(result->light.colour));
	if (ended)
		snprintf(exit_code, sizeof(exit_code), "%d", facts->exit_code);
	if (asprintf(&text,
		     "{\"number\":%lld,\"id\":\"%s\",\"user\":\"%s\",\"ended_ms\":%lld,\"outcome\":\"%s\",%s"
		     "\"exit_code\":%s,\"wall_ms\":%lld,\"total_ms\":%lld}",
		     (long long)number, result->id, user_name, (long long)session_unix_ms(),
		     run_outcome_name(result->outcome), colour, exit_code,
		     (long long)(result->timing.exec_us / 1000),
		     (long long)(result->timing.total_us / 1000)) < 0)
		return NULL;
	return text;
}

/* The end of what a stream printed, from a whole character on. */
static void keep_end(struct buf *stream, bool *truncated)
{
	size_t cut = stream->len > SESSION_PAST_OUTPUT_BYTES ? stream->len - SESSION_PAST_OUTPUT_BYTES : 0;

	if (cut == 0)
		return;
	for (int i = 0; i < 3 && cut < stream->len && ((uint8_t)stream->data[cut] & 0xc0) == 0x80; i++)
		cut++;
	stream->data += cut;
	stream->len -= cut;
	*truncated = true;
}

static bool has_all_output(const struct run_result *result)
{
	for (size_t i = 0; i < result->steps_count; i++) {
		if (result->steps[i].out.len > SESSION_PAST_OUTPUT_BYTES ||
		    result->steps[i].err.len > SESSION_PAST_OUTPUT_BYTES)
			return false;
	}
	return true;
}

/* The result without its files and with the end of its output, or NULL: there is no memory for it. */
static char *detail(const struct run_result *result)
{
	AUTO_FREE struct step_result *steps = calloc(result->steps_count + 1, sizeof(*steps));
	struct run_result shown = *result;

	if (!steps)
		return NULL;
	/* Borrowed: nothing of it is freed. */
	for (size_t i = 0; i < result->steps_count; i++) {
		steps[i] = result->steps[i];
		keep_end(&steps[i].out, &steps[i].out_truncated);
		keep_end(&steps[i].err, &steps[i].err_truncated);
	}
	shown.steps = steps;
	shown.collected = false;
	return result_to_text(&shown);
}

/* The files of a change as they come together. */
struct change_files {
	struct store_file *files;
	size_t count;
	const struct session_turn *turn;
	uint64_t now_ns;
};

/* Adds one of the user's home, without a path when there is no memory for one. */
static void change_add(struct change_files *change, const char *name, const struct store_file *file)
{
	struct store_file *to = &change->files[change->count];
	char *path;

	if (asprintf(&path, "%s/%s", change->turn->owner->as.name, name) < 0)
		return;
	*to = *file;
	to->path = path;
	to->owner = change->turn->owner->as.number;
	to->mtime_ns = change->now_ns + change->count++;
}

/* What the run was given and did not refuse. The look that follows sees what is not so. */
static void change_add_given(struct change_files *change, const struct session_ran *ran)
{
	const struct run_result *result = ran->result;

	if (result->steps_count == 0 || !result->steps[0].facts.started)
		return;
	for (size_t i = 0; ran->remove && ran->remove[i]; i++)
		change_add(change, ran->remove[i], &(struct store_file){ .gone = true });
	for (size_t i = 0; i < ran->files_count; i++) {
		const struct run_file *from = &ran->files[i];

		if (!from->is_dir)
			change_add(change, from->name,
				   &(struct store_file){
					   .data = from->data, .len = from->len, .mode = from->mode });
	}
}

/* What the run changed in the user's home, as far as it could be told. */
static void change_add_made(struct change_files *change, const struct run_result *result)
{
	for (size_t i = 0; i < result->files_count; i++) {
		const struct result_file *from = &result->files[i];

		if (from->change != FILE_OMITTED && !from->truncated)
			change_add(change, from->name,
				   &(struct store_file){ .data = from->data,
							 .len = from->len,
							 .mode = from->mode,
							 .gone = from->change == FILE_DELETED });
	}
}

/* A run on its way to the store, with memory of its own but for the contents of files. */
struct recording {
	struct store_file *files;
	size_t count;
	char *run, *detail;
	session_recorded_fn recorded;
	void *user;
};

static void recording_free(struct recording *recording)
{
	for (size_t i = 0; i < recording->count; i++)
		free((char *)recording->files[i].path);
	free(recording->files);
	free(recording->run);
	free(recording->detail);
	free(recording);
}

static void not_kept(struct session *session, const char *why)
{
	session->kept = false;
	snprintf(session->kept_reason, sizeof(session->kept_reason), "%.150s", why);
}

static void on_recorded(void *user, struct session *session, const struct err *err)
{
	struct recording *recording = user;

	if (err && session && recording->count > 0)
		not_kept(session, err->text);
	recording->recorded(recording->user);
	recording_free(recording);
}

static struct recording *recording_make(const struct session_turn *turn, const struct session_ran *ran)
{
	struct recording *recording = calloc(1, sizeof(*recording));
	struct change_files changed = { .turn = turn, .now_ns = (uint64_t)session_unix_ms() * 1000000 };
	size_t most = strv_len(ran->remove) + ran->files_count + ran->result->files_count + 1;

	if (!recording)
		return NULL;
	recording->files = changed.files = calloc(most, sizeof(*changed.files));
	if (changed.files && !turn->owner->leaving) {
		change_add_given(&changed, ran);
		change_add_made(&changed, ran->result);
	}
	recording->count = changed.count;
	recording->run = summary(ran->result, turn->owner->as.name, turn->session->runs);
	recording->detail =
		ran->answer && has_all_output(ran->result) ? strdup(ran->answer) : detail(ran->result);
	return recording;
}

/* What is only history nobody waits for, as long as there is not too much of it. */
static bool is_awaited(const struct session_turn *turn, const struct session_ran *ran)
{
	return strv_len(ran->remove) > 0 || ran->files_count > 0 || ran->result->files_count > 0 ||
	       sessions_are_crowded(turn->session->all);
}

/* What the loop notes by itself is told when somebody asks, or at the next tick: its answer does not wait for that. */
static bool note(const struct session_turn *turn, const struct session_ran *ran, struct recording *recording)
{
	struct session *session = turn->session;

	if (recording->count > 0 || is_awaited(turn, ran) ||
	    !session_line_add(session, session->runs, &recording->run, &recording->detail))
		return false;
	if (session->listeners)
		session_lines_tell(session);
	return true;
}

static bool record(const struct session_turn *turn, const struct session_ran *ran,
		   session_recorded_fn recorded, void *user)
{
	struct session *session = turn->session;
	struct store_change change = { .number = ++session->runs,
				       .runs_kept = SESSION_RUNS_KEPT,
				       .past_bytes = SESSION_PAST_BYTES };
	struct recording *recording = recording_make(turn, ran);
	struct err err = ERR_INIT;
	int r = -ENOMEM;

	if (recording && note(turn, ran, recording)) {
		recording_free(recording);
		return false;
	}
	if (recording) {
		session_tell_run(session, recording->run);
		/* What could not be noted is waited for, as what was changed is. */
		recording->recorded = recorded;
		recording->user = user;
		change.files = recording->files;
		change.files_count = recording->count;
		change.run = recording->run;
		change.detail = recording->detail;
		r = session_copy_apply(session, &change, on_recorded, recording, &err);
	}
	if (r < 0) {
		not_kept(session, "no memory");
		if (recording)
			recording_free(recording);
	}
	return r == 0;
}

bool session_turn_record(struct session_turn *turn, const struct session_ran *ran,
			 session_recorded_fn recorded, void *user)
{
	/* Of one that is being removed nothing may come into the store again. */
	return !turn->session->removing && record(turn, ran, recorded, user);
}

struct runs_reading {
	json_t *list;
	const char *user_name;
};

static int read_run(void *user, const struct store_run *from)
{
	struct runs_reading *reading = user;
	json_t *run = json_loads(from->run, 0, NULL);
	const char *name = json_string_value(json_object_get(run, "user"));

	if (!run)
		return 0; /* one that another version wrote otherwise */
	if (reading->user_name && (!name || strcmp(name, reading->user_name) != 0)) {
		json_decref(run);
		return 0;
	}
	if (json_object_set_new(run, "kept", json_boolean(from->kept)) < 0) {
		json_decref(run);
		return -ENOMEM;
	}
	return json_array_append_new(reading->list, run) < 0 ? -ENOMEM : 0;
}

json_t *session_runs_json(const struct session *session, int64_t since, const char *user_name)
{
	struct runs_reading reading = { .list = json_array(), .user_name = user_name };
	/* The store forgets several at a time. */
	int64_t oldest = session->runs - SESSION_RUNS_KEPT;

	if (!reading.list ||
	    session_store_runs(session->all->options.store, session->key, since > oldest ? since : oldest,
			       read_run, &reading, NULL) < 0) {
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

static int one_there(void *user, const char *path)
{
	const struct there *there = user;

	return request_add_there(there->request, path + there->prefix, there->err);
}

int session_files_there(const struct session *session, const char *user_name, struct run_request *request,
			struct err *err)
{
	struct there there = { .request = request, .prefix = strlen(user_name) + 1, .err = err };

	return session_store_names(session->all->options.store, session->key, user_name,
				   request_bounds_default.files, one_there, &there, err);
}
