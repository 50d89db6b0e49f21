/* The users of a session. */
#include "api/sessions_priv.h"

#include "base/cleanup.h"
#include "run/request_read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void answer_user(struct session_answer *answer, struct session *session)
{
	const struct session_user *user = session_user_find(session, answer->name);
	struct err err = ERR_INIT;

	if (user) {
		http_respond_json(answer->request, answer->status, session_user_to_json(session, user));
		return;
	}
	err_refuse(&err, ERR_UNKNOWN, "user_unknown", "name", "the user has been removed");
	session_refuse(answer->api, answer->request, &err);
}

static void answer_removed(struct session_answer *answer, struct session *session)
{
	http_respond_bytes(answer->request, 204, NULL, NULL, 0);
}

static const struct field user_fields[] = { { "files", read_files, 0 } };

static int read_user(const struct session_ask *ask, char **ret_name, struct run_request *ret, struct err *err)
{
	struct reader reader = { .req = ret, .bounds = &request_bounds_default, .err = err };
	json_t *body = NULL;
	int r = session_body_read(ask->request, &body, err);

	if (r == 0)
		r = session_take_text(body, "name", ret_name, err);
	if (r == 0 && !*ret_name)
		r = err_refuse(err, ERR_MALFORMED, "missing_field", "name", "name: is missing");
	if (r == 0)
		r = object_read(&reader, body, NULL, user_fields, ARRAY_LEN(user_fields), ret);
	json_decref(body);
	return r;
}

void session_handle_user_add(struct session_ask *ask)
{
	AUTO_FREE char *name = NULL;
	struct run_request files = { 0 };
	struct session_answer *answer = NULL;
	struct session_call call;
	struct err err = ERR_INIT;
	int r = read_user(ask, &name, &files, &err);

	if (r == 0) {
		answer = session_answer_begin(ask, 201, &call);
		if (answer) {
			answer->answer = answer_user;
			snprintf(answer->name, sizeof(answer->name), "%s", name);
			r = session_user_add(ask->session, name, &files, &call, &err);
		}
	}
	request_finish(&files);
	if (r < 0 && answer)
		session_answer_refuse(answer, &err);
	else if (r < 0)
		session_refuse(ask->api, ask->request, &err);
}

static const struct session_user *find_user(const struct session_ask *ask)
{
	const struct session_user *user = session_user_find(ask->session, ask->path.parts[2]);
	struct err err = ERR_INIT;

	if (!user) {
		err_refuse(&err, ERR_UNKNOWN, "user_unknown", "name", "there is no user '%s' in this session",
			   ask->path.parts[2]);
		session_refuse(ask->api, ask->request, &err);
	}
	return user;
}

void session_handle_user_get(struct session_ask *ask)
{
	const struct session_user *user = find_user(ask);

	if (user)
		http_respond_json(ask->request, 200, session_user_to_json(ask->session, user));
}

void session_handle_user_remove(struct session_ask *ask)
{
	struct session_answer *answer;
	struct session_call call;
	struct err err = ERR_INIT;

	if (!find_user(ask))
		return;
	answer = session_answer_begin(ask, 204, &call);
	if (!answer)
		return;
	answer->answer = answer_removed;
	if (session_user_remove(ask->session, ask->path.parts[2], &call, &err) < 0)
		session_answer_refuse(answer, &err);
}
