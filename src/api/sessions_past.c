/*
 * What was: GET /v1/sessions/{id}/runs, a line for each run, and …/runs/{number}, what one of them printed and left.
 */
#include "api/sessions_priv.h"

#include <errno.h>
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

void session_handle_runs(struct session_ask *ask)
{
	const char *user_name = http_request_query(ask->request, "user");
	struct err err = ERR_INIT;
	int64_t since = 0;
	json_t *runs;

	if (read_whole(http_request_query(ask->request, "since"), "since", &since, &err) < 0) {
		session_refuse(ask->api, ask->request, &err);
		return;
	}
	runs = session_runs_json(ask->session, since, user_name);
	http_respond_json(ask->request, 200, runs ? json_pack("{s:o}", "runs", runs) : NULL);
}

struct past {
	size_t prefix; /* bytes of the path that are left out */
	uint64_t bytes;
	json_t *files;
};

static int add_file(void *user, const struct store_file *file)
{
	struct past *past = user;

	past->bytes += file->len;
	if (past->bytes > SESSION_ANSWER_BYTES_MAX)
		return -EFBIG;
	if (strlen(file->path) <= past->prefix)
		return 0;
	return json_object_set_new(past->files, file->path + past->prefix, session_file_json(file)) < 0
		       ? -ENOMEM
		       : 0;
}

static int read_past(const struct session_ask *ask, int64_t number, json_t **ret, struct err *err)
{
	const char *user_name;
	struct past past = { 0 };
	int r = session_past_run(ask->session, number, ret, err);

	if (r < 0)
		return r;
	user_name = json_string_value(json_object_get(json_object_get(*ret, "run"), "user")) ?: "";
	past.prefix = strlen(user_name) + 1;
	past.files = json_object();
	if (!past.files || json_object_set_new(*ret, "files", past.files) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = session_past_files(ask->session, number, user_name, add_file, &past, err);
	if (r == -EFBIG)
		return err_refuse(err, ERR_TOO_LARGE, "too_large", NULL,
				  "the files have more than %llu bytes together",
				  (unsigned long long)SESSION_ANSWER_BYTES_MAX);
	return r < 0 && err->code == 0 ? err_set(err, r, "a run of the past") : r;
}

void session_handle_past(struct session_ask *ask)
{
	struct err err = ERR_INIT;
	json_t *past = NULL;
	int64_t number = 0;
	int r = read_whole(ask->path.parts[2], "number", &number, &err);

	if (r == 0)
		r = read_past(ask, number, &past, &err);
	if (r == 0) {
		http_respond_json(ask->request, 200, past);
		return;
	}
	json_decref(past);
	session_refuse(ask->api, ask->request, &err);
}
