/* What the worker reads for whoever asks: files of the copy, and runs of the past. */
#include "session/task.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

struct reading {
	struct session_task task;
	struct session_reading asked;
	struct store_walk walk;
	char *below;
	int (*run)(void *user, json_t *run); /* of a run of the past, which has this number */
	int64_t number;
};

static void reading_free(struct reading *reading)
{
	store_walk_finish(&reading->walk);
	free(reading->below);
	free(reading);
}

static void on_read(struct session_task *task, struct session *session, const struct err *err)
{
	struct reading *reading = (struct reading *)task;

	reading->asked.done(reading->asked.user, err);
	reading_free(reading);
}

/* An error that only has a number is one of whoever takes what is read. */
static int over(const struct reading *reading, int r, struct err *err)
{
	if (r == 0 && reading->asked.end)
		r = reading->asked.end(reading->asked.user);
	if (r < 0 && err->code == 0)
		err_set(err, r, "files of a session");
	return r;
}

static int files_piece(struct session_task *task, struct session_store *store, struct err *err)
{
	struct reading *reading = (struct reading *)task;
	const struct session_reading *asked = &reading->asked;
	int r = session_store_read(store, task->key, reading->below, &reading->walk, asked->each, asked->user,
				   err);

	return r > 0 ? r : over(reading, r, err);
}

static int reading_make(const struct session_reading *asked, struct reading **ret, struct err *err)
{
	struct reading *reading = calloc(1, sizeof(*reading));

	if (!reading)
		return err_set(err, -ENOMEM, "files of a session");
	reading->asked = *asked;
	reading->task.done = on_read;
	reading->task.can_wait = true;
	*ret = reading;
	return 0;
}

int session_files_read(struct session *session, const char *below, const struct session_reading *asked,
		       struct err *err)
{
	struct reading *reading = NULL;
	int r = reading_make(asked, &reading, err);

	if (r < 0)
		return r;
	reading->task.piece = files_piece;
	reading->below = below ? strdup(below) : NULL;
	r = below && !reading->below ? err_set(err, -ENOMEM, "files of a session")
				     : session_task_post(session, &reading->task, 0, err);
	if (r < 0)
		reading_free(reading);
	return r;
}

struct past {
	bool known;
	char *user_name;
	json_t *whole;
};

static int read_past(void *user, const struct store_run *from)
{
	struct past *past = user;
	json_t *run = json_loads(from->run, 0, NULL),
	       *result = from->detail ? json_loads(from->detail, 0, NULL) : NULL;
	const char *name = json_string_value(json_object_get(run, "user"));

	past->known = true;
	past->user_name = strdup(name ?: "");
	/* The answer stands there as it was sent. What there was of files is asked for in another place. */
	json_object_del(result, "files");
	if (run && result && json_object_set_new(run, "kept", json_true()) == 0)
		past->whole = json_pack("{s:O, s:O}", "run", run, "result", result);
	json_decref(run);
	json_decref(result);
	return (from->detail && !past->whole) || !past->user_name ? -ENOMEM : 0;
}

static int refuse_unknown(int64_t number, struct err *err)
{
	return err_refuse(err, ERR_UNKNOWN, "run_unknown", "number",
			  "there is no run %lld in this session's history", (long long)number);
}

static int refuse_forgotten(int64_t number, struct err *err)
{
	return err_refuse(err, ERR_UNKNOWN, "run_forgotten", "number",
			  "the output and files of run %lld are not kept any more", (long long)number);
}

/* The files come without the user's name. */
struct stripping {
	const struct session_reading *asked;
	size_t prefix;
};

static int strip_one(void *user, const struct store_file *file)
{
	const struct stripping *stripping = user;
	struct store_file shown = *file;

	if (strlen(file->path) <= stripping->prefix)
		return 0;
	shown.path += stripping->prefix;
	return stripping->asked->each(stripping->asked->user, &shown);
}

static int past_read(struct reading *reading, struct session_store *store, struct past *past, struct err *err)
{
	const struct session_reading *asked = &reading->asked;
	struct stripping stripping = { .asked = asked };
	struct store_left left = { .key = reading->task.key, .number = reading->number };
	int r = session_store_run(store, reading->task.key, reading->number, read_past, past, err);

	if (r < 0)
		return r;
	if (!past->known)
		return refuse_unknown(reading->number, err);
	if (!past->whole)
		return refuse_forgotten(reading->number, err);
	r = reading->run(asked->user, past->whole);
	if (r < 0)
		return r;
	left.user_name = past->user_name;
	stripping.prefix = strlen(past->user_name) + 1;
	return session_store_run_files(store, &left, strip_one, &stripping, err);
}

/* All at once: what is kept of the past is bounded. */
static int past_piece(struct session_task *task, struct session_store *store, struct err *err)
{
	struct reading *reading = (struct reading *)task;
	struct past past = { 0 };
	int r = over(reading, past_read(reading, store, &past, err), err);

	json_decref(past.whole);
	free(past.user_name);
	return r;
}

int session_past_read(struct session *session, int64_t number, const struct session_past_reading *asked,
		      struct err *err)
{
	struct reading *reading = NULL;
	int r = reading_make(&asked->files, &reading, err);

	if (r < 0)
		return r;
	reading->task.piece = past_piece;
	reading->run = asked->run;
	reading->number = number;
	r = session_task_post(session, &reading->task, 0, err);
	if (r < 0)
		reading_free(reading);
	return r;
}

struct line {
	bool known, kept;
	char *user_name;
};

static int read_line(void *user, const struct store_run *from)
{
	struct line *line = user;
	json_t *run = json_loads(from->run, 0, NULL);

	line->known = true;
	line->kept = from->kept;
	line->user_name = strdup(json_string_value(json_object_get(run, "user")) ?: "");
	json_decref(run);
	return line->user_name ? 0 : -ENOMEM;
}

int session_past_user(const struct session *session, int64_t number, char **ret, struct err *err)
{
	struct line line = { 0 };
	int r = session_store_run_line(session->all->options.store, session->key, number, read_line, &line,
				       err);

	*ret = line.user_name;
	if (r < 0)
		return r == -ENOMEM ? err_set(err, r, "a run of the past") : r;
	if (!line.known)
		return refuse_unknown(number, err);
	return line.kept ? 0 : refuse_forgotten(number, err);
}
