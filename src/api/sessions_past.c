/*
 * What was: GET /v1/sessions/{id}/runs, a line for each run, and …/runs/{number}, what one of them printed and left.
 */
#include "api/sessions_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits only, and few enough for any number to fit. */
static int read_whole(const char *text, const char *name, int64_t *ret, struct err *err)
{
	int64_t number = 0;

	for (size_t i = 0; text && text[i]; i++) {
		if (text[i] < '0' || text[i] > '9' || i >= 15)
			return err_refuse(err, ERR_MALFORMED, "bad_value", name, "%s: must be a whole number",
					  name);
		number = number * 10 + (text[i] - '0');
	}
	*ret = number;
	return 0;
}

static void answer_runs(struct session_answer *answer, struct session *session)
{
	json_t *runs = session_runs_json(session, answer->number, answer->name[0] ? answer->name : NULL);

	http_respond_json(answer->request, 200, runs ? json_pack("{s:o}", "runs", runs) : NULL);
}

/* No user has a name that is too long: there are no runs of his. */
static bool user_fits(struct session_answer *answer, const char *user_name)
{
	return !user_name ||
	       (size_t)snprintf(answer->name, sizeof(answer->name), "%s", user_name) < sizeof(answer->name);
}

void session_handle_runs(struct session_ask *ask)
{
	const char *user_name = http_request_query(ask->request, "user");
	struct session_answer *answer;
	struct session_call call;
	struct err err = ERR_INIT;
	int64_t since = 0;

	if (read_whole(http_request_query(ask->request, "since"), "since", &since, &err) < 0) {
		session_refuse(ask->api, ask->request, &err);
		return;
	}
	answer = session_answer_begin(ask, 200, &call);
	if (!answer)
		return;
	answer->answer = answer_runs;
	answer->number = since;
	if (user_name && !*user_name) /* of nobody, not of all */
		user_name = "/";
	if (!user_fits(answer, user_name))
		snprintf(answer->name, sizeof(answer->name), "/");
	if (session_settle(ask->session, &call, &err) < 0)
		session_answer_refuse(answer, &err);
}

static int past_run(void *user, json_t *run)
{
	struct session_text *text = user;

	text->json = json_pack("{s:O, s:O, s:{}}", "run", json_object_get(run, "run"), "result",
			       json_object_get(run, "result"), "files");
	return text->json ? 0 : -ENOMEM;
}

static int past_file(void *user, const struct store_file *file)
{
	struct session_text *text = user;
	int r = session_text_count(text, file);

	if (r < 0)
		return r;
	return json_object_set_new(json_object_get(text->json, "files"), file->path,
				   session_file_json(file)) < 0
		       ? -ENOMEM
		       : 0;
}

static int past_end(void *user)
{
	return session_text_end(user);
}

static void on_past(void *user, const struct err *err)
{
	struct session_text *text = user;

	session_text_done(text, "application/json", err);
	free(text);
}

static int past_begin(const struct session_ask *ask, int64_t number, struct session_answer *answer,
		      struct err *err)
{
	struct session_text *text = calloc(1, sizeof(*text));
	const struct session_past_reading asked = {
		.files = { .each = past_file, .end = past_end, .done = on_past, .user = text },
		.run = past_run,
	};
	int r;

	if (!text)
		return err_set(err, -ENOMEM, "a run of the past");
	r = session_past_read(ask->session, number, &asked, err);
	if (r < 0) {
		free(text);
		return r;
	}
	text->answer = answer;
	answer->reader = &text->answer;
	return 0;
}

void session_handle_past(struct session_ask *ask)
{
	struct session_answer *answer;
	struct session_call call;
	struct err err = ERR_INIT;
	int64_t number = 0;

	if (read_whole(ask->path.parts[2], "number", &number, &err) < 0) {
		session_refuse(ask->api, ask->request, &err);
		return;
	}
	answer = session_answer_begin(ask, 200, &call);
	if (answer && past_begin(ask, number, answer, &err) < 0)
		session_answer_refuse(answer, &err);
}
