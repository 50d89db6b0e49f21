/*
 * /v1/sessions and what is below: the table of its paths, and the calls about a session as a whole. What takes time is
 * answered by a `struct session_answer`, which outlives neither its request nor what it waits for.
 */
#include "api/sessions_priv.h"

#include "base/cleanup.h"
#include "run/request_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void session_refuse(struct api *api, struct http_request *request, const struct err *err)
{
	bool busy = err->kind == ERR_BUSY || err->kind == ERR_QUOTA;
	unsigned retry_s = err->kind == ERR_QUOTA ? 60 : queue_retry_after_s(api->queue);

	metric_add(api->metrics.refused[busy ? API_REFUSED_BUSY : API_REFUSED_REQUEST], 1);
	http_respond_error(request, err, busy ? retry_s : 0);
}

/* Answers that wait */

void session_answer_destroy(struct session_answer *answer)
{
	session_wait_forget(answer->wait);
	if (answer->reader)
		*answer->reader = NULL;
	if (answer->prev)
		answer->prev->next = answer->next;
	else
		answer->api->session_answers = answer->next;
	if (answer->next)
		answer->next->prev = answer->prev;
	free(answer);
}

static void on_vanished(struct http_request *request, void *user)
{
	session_answer_destroy(user);
}

static void on_done(void *user, struct session *session, const struct err *err)
{
	struct session_answer *answer = user;

	answer->wait = NULL;
	if (err)
		session_refuse(answer->api, answer->request, err);
	else if (answer->answer)
		answer->answer(answer, session);
	else
		http_respond_json(answer->request, answer->status, session_to_json(session));
	if (!answer->reader)
		session_answer_destroy(answer);
}

struct session_answer *session_answer_begin(const struct session_ask *ask, unsigned status,
					    struct session_call *ret_call)
{
	struct session_answer *answer = calloc(1, sizeof(*answer));
	struct err err = ERR_INIT;

	if (!answer) {
		err_set(&err, -ENOMEM, "an answer");
		session_refuse(ask->api, ask->request, &err);
		return NULL;
	}
	*answer = (struct session_answer){
		.next = ask->api->session_answers, .api = ask->api, .request = ask->request, .status = status
	};
	if (answer->next)
		answer->next->prev = answer;
	ask->api->session_answers = answer;
	http_request_keep(ask->request, on_vanished, answer);
	*ret_call = (struct session_call){ .done = on_done, .user = answer, .ret = &answer->wait };
	return answer;
}

void session_answer_refuse(struct session_answer *answer, const struct err *err)
{
	session_refuse(answer->api, answer->request, err);
	answer->wait = NULL;
	session_answer_destroy(answer);
}

/* Bodies */

int session_body_read(const struct http_request *request, json_t **ret, struct err *err)
{
	const char *type = http_request_header(request, "Content-Type");
	size_t len, word;
	const uint8_t *body = http_request_body(request, &len);

	if (len == 0) {
		*ret = json_object();
		return *ret ? 0 : err_set(err, -ENOMEM, "reading the request");
	}
	word = type ? strcspn(type, " \t;") : 0;
	if (word != strlen("application/json") || strncasecmp(type, "application/json", word) != 0)
		return err_refuse(err, ERR_TYPE, "unsupported_type", NULL,
				  "the body must be application/json");
	return request_json_load((const char *)body, len, ret, err);
}

int session_take_text(json_t *object, const char *name, char **ret, struct err *err)
{
	struct reader reader = { .err = err };
	struct path path = { .key = name };
	json_t *value = json_object_get(object, name);
	const char *text;
	int r;

	*ret = NULL;
	if (!value)
		return 0;
	r = read_text(&reader, value, &path, &text);
	if (r < 0)
		return r;
	*ret = strdup(text);
	json_object_del(object, name);
	return *ret ? 0 : err_set(err, -ENOMEM, "reading the request");
}

int session_take_number(json_t *object, const char *name, int64_t *ret, struct err *err)
{
	struct path path = { .key = name };
	json_t *value = json_object_get(object, name);

	*ret = 0;
	if (!value)
		return 0;
	if (!json_is_integer(value))
		return request_refuse_type(err, &path, value, "a whole number");
	if (json_integer_value(value) < 1)
		return request_refuse(err, &path, ERR_IMPOSSIBLE, "limit_too_low", "must be at least 1");
	*ret = json_integer_value(value);
	json_object_del(object, name);
	return 0;
}

int session_take_nothing(const json_t *object, struct err *err)
{
	struct reader reader = { .err = err };

	return object_read(&reader, object, NULL, NULL, 0, NULL);
}

/* A session as a whole */

static void look_at_images(const struct api *api)
{
	if (api->options.images_look)
		api->options.images_look(api->options.user);
}

static void handle_make(struct session_ask *ask)
{
	struct session_request request = { 0 };
	struct session_answer *answer = NULL;
	struct session_call call;
	struct err err = ERR_INIT;
	json_t *body = NULL;
	size_t len;
	const uint8_t *text = http_request_body(ask->request, &len);
	int r = api_drain_check(ask->api, &err);

	look_at_images(ask->api);
	if (r == 0)
		r = session_body_read(ask->request, &body, &err);
	json_decref(body);
	if (r == 0)
		r = session_request_parse(len ? (const char *)text : "{}", len ?: 2, &request, &err);
	if (r == 0) {
		answer = session_answer_begin(ask, 201, &call);
		if (answer)
			r = session_make(ask->api->sessions, ask->tenant, &request, &call, &err);
	}
	session_request_finish(&request);
	if (r < 0 && answer)
		session_answer_refuse(answer, &err);
	else if (r < 0)
		session_refuse(ask->api, ask->request, &err);
}

static void handle_list(struct session_ask *ask)
{
	json_t *list = json_array();
	const struct session *session = NULL;

	while (list && (session = sessions_next(ask->api->sessions, ask->tenant, session))) {
		if (json_array_append_new(list, session_to_json(session)) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	http_respond_json(ask->request, 200, list ? json_pack("{s:o}", "sessions", list) : NULL);
}

static void handle_get(struct session_ask *ask)
{
	struct session_call call;
	struct session_answer *answer = session_answer_begin(ask, 200, &call);
	struct err err = ERR_INIT;

	if (answer && session_weigh_begin(ask->session, &call, &err) < 0)
		session_answer_refuse(answer, &err);
}

/* Reads {"ttl_ms"}, and what else `take` knows. */
static int read_ttl(const struct session_ask *ask, json_t **ret_body, int64_t *ret, struct err *err)
{
	int r = session_body_read(ask->request, ret_body, err);

	return r < 0 ? r : session_take_number(*ret_body, "ttl_ms", ret, err);
}

static void handle_put(struct session_ask *ask)
{
	struct session_answer *answer = NULL;
	struct session_call call;
	struct err err = ERR_INIT;
	json_t *body = NULL;
	int64_t ttl_ms = 0;
	int r = read_ttl(ask, &body, &ttl_ms, &err);

	if (r == 0)
		r = session_take_nothing(body, &err);
	if (r == 0 && ttl_ms == 0)
		r = err_refuse(&err, ERR_MALFORMED, "missing_field", "ttl_ms", "ttl_ms: is missing");
	json_decref(body);
	if (r == 0) {
		answer = session_answer_begin(ask, 200, &call);
		if (answer)
			r = session_set_ttl(ask->session, ttl_ms, &call, &err);
	}
	if (r < 0 && answer)
		session_answer_refuse(answer, &err);
	else if (r < 0)
		session_refuse(ask->api, ask->request, &err);
}

static void answer_nothing(struct session_answer *answer, struct session *session)
{
	http_respond_bytes(answer->request, 204, NULL, NULL, 0);
}

static void handle_remove(struct session_ask *ask)
{
	struct session_call call;
	struct session_answer *answer = session_answer_begin(ask, 204, &call);
	struct err err = ERR_INIT;

	if (!answer)
		return;
	answer->answer = answer_nothing;
	if (session_remove(ask->session, &call, &err) < 0)
		session_answer_refuse(answer, &err);
}

static void handle_finish(struct session_ask *ask)
{
	struct session_answer *answer = NULL;
	struct session_call call;
	struct err err = ERR_INIT;
	json_t *body = NULL;
	int r = session_body_read(ask->request, &body, &err);

	if (r == 0)
		r = session_take_nothing(body, &err);
	json_decref(body);
	if (r == 0) {
		answer = session_answer_begin(ask, 200, &call);
		if (answer)
			r = session_finish_begin(ask->session, &call, &err);
	}
	if (r < 0 && answer)
		session_answer_refuse(answer, &err);
	else if (r < 0)
		session_refuse(ask->api, ask->request, &err);
}

static void handle_reopen(struct session_ask *ask)
{
	struct session_answer *answer = NULL;
	struct session_call call;
	struct err err = ERR_INIT;
	json_t *body = NULL;
	int64_t ttl_ms = 0;
	int r = read_ttl(ask, &body, &ttl_ms, &err);

	look_at_images(ask->api);
	if (r == 0)
		r = session_take_nothing(body, &err);
	json_decref(body);
	if (r == 0) {
		answer = session_answer_begin(ask, 200, &call);
		if (answer)
			r = session_reopen(ask->session, ttl_ms, &call, &err);
	}
	if (r < 0 && answer)
		session_answer_refuse(answer, &err);
	else if (r < 0)
		session_refuse(ask->api, ask->request, &err);
}

static int read_fork(const struct session_ask *ask, char **ret_id, char **ret_user, struct session_fork *ret,
		     struct err *err)
{
	const char *fault;
	json_t *body = NULL;
	int r = read_ttl(ask, &body, &ret->ttl_ms, err);

	if (r == 0)
		r = session_take_text(body, "id", ret_id, err);
	if (r == 0)
		r = session_take_text(body, "user", ret_user, err);
	if (r == 0)
		r = session_take_number(body, "run", &ret->run, err);
	if (r == 0)
		r = session_take_nothing(body, err);
	json_decref(body);
	if (r == 0 && ret->run && *ret_user)
		r = err_refuse(err, ERR_MALFORMED, "conflict", "run",
			       "run: cannot stand beside user: it is that of the run");
	if (r == 0 && *ret_id && !session_id_ok(*ret_id, &fault))
		r = err_refuse(err, ERR_MALFORMED, "bad_name", "id", "id: %s", fault);
	ret->id = *ret_id;
	ret->user_name = *ret_user;
	return r;
}

static void handle_fork(struct session_ask *ask)
{
	AUTO_FREE char *id = NULL, *user = NULL;
	struct session_fork fork = { 0 };
	struct session_answer *answer = NULL;
	struct session_call call;
	struct err err = ERR_INIT;
	int r = api_drain_check(ask->api, &err);

	if (r == 0)
		r = read_fork(ask, &id, &user, &fork, &err);
	if (r == 0) {
		answer = session_answer_begin(ask, 201, &call);
		if (answer)
			r = session_fork(ask->session, &fork, &call, &err);
	}
	if (r < 0 && answer)
		session_answer_refuse(answer, &err);
	else if (r < 0)
		session_refuse(ask->api, ask->request, &err);
}

static void handle_users(struct session_ask *ask)
{
	json_t *whole = session_to_json(ask->session), *users = json_object_get(whole, "users");

	http_respond_json(ask->request, 200, users ? json_pack("{s:O}", "users", users) : NULL);
	json_decref(whole);
}

/* The paths: parts that are NULL take any name. */
static const struct {
	const char *method;
	size_t count;
	const char *noun, *verb;
	void (*handle)(struct session_ask *ask);
} table[] = {
	{ "POST", 0, NULL, NULL, handle_make },
	{ "GET", 0, NULL, NULL, handle_list },
	{ "GET", 1, NULL, NULL, handle_get },
	{ "PUT", 1, NULL, NULL, handle_put },
	{ "DELETE", 1, NULL, NULL, handle_remove },
	{ "POST", 2, "finish", NULL, handle_finish },
	{ "POST", 2, "fork", NULL, handle_fork },
	{ "POST", 2, "reopen", NULL, handle_reopen },
	{ "POST", 2, "users", NULL, session_handle_user_add },
	{ "GET", 2, "users", NULL, handle_users },
	{ "GET", 3, "users", NULL, session_handle_user_get },
	{ "DELETE", 3, "users", NULL, session_handle_user_remove },
	{ "GET", 4, "users", "files", session_handle_files },
	{ "GET", 2, "files", NULL, session_handle_files },
	{ "POST", 2, "runs", NULL, session_handle_run },
	{ "GET", 2, "runs", NULL, session_handle_runs },
	{ "GET", 3, "runs", NULL, session_handle_past },
	{ "GET", 2, "events", NULL, session_handle_events },
};

/* False when it is no path that could be in the table. */
static bool path_read(const char *text, struct session_path *ret)
{
	*ret = (struct session_path){ 0 };
	text += strlen("/v1/sessions");
	while (*text == '/') {
		size_t len = strcspn(++text, "/");

		if (ret->count == ARRAY_LEN(ret->parts) || len == 0 || len > SESSION_NAME_MAX)
			return false;
		memcpy(ret->parts[ret->count++], text, len);
		text += len;
	}
	return *text == '\0';
}

static bool path_fits(const struct session_path *path, size_t at)
{
	return path->count == table[at].count &&
	       (!table[at].noun || strcmp(path->parts[1], table[at].noun) == 0) &&
	       (!table[at].verb || strcmp(path->parts[3], table[at].verb) == 0);
}

static void refuse_path(const struct session_ask *ask)
{
	char allow[64] = "";
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		size_t len = strlen(allow);

		if (path_fits(&ask->path, i))
			snprintf(allow + len, sizeof(allow) - len, "%s%s", len ? ", " : "", table[i].method);
	}
	if (allow[0]) {
		http_respond_header(ask->request, "Allow", allow);
		err_refuse(&err, ERR_METHOD, "method_not_allowed", NULL, "this path takes %s", allow);
	} else {
		err_refuse(&err, ERR_UNKNOWN, "not_found", NULL, "there is no such path");
	}
	session_refuse(ask->api, ask->request, &err);
}

void api_handle_sessions(struct http_request *request, void *user)
{
	struct session_ask ask = { .api = user, .request = request, .tenant = http_request_tenant(request) };
	const char *method = http_request_method(request);
	struct err err = ERR_INIT;
	size_t i = 0;

	if (!ask.api->sessions) {
		err_refuse(&err, ERR_BUSY, "not_ready", NULL,
			   "this node has no folder for sessions: see its log");
		session_refuse(ask.api, request, &err);
		return;
	}
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	if (!path_read(http_request_path(request), &ask.path))
		ask.path.count = SIZE_MAX;
	while (i < ARRAY_LEN(table) && !(path_fits(&ask.path, i) && strcmp(table[i].method, method) == 0))
		i++;
	if (i == ARRAY_LEN(table)) {
		refuse_path(&ask);
		return;
	}
	if (ask.path.count > 0)
		ask.session = sessions_find(ask.api->sessions, ask.tenant, ask.path.parts[0]);
	if (ask.path.count > 0 && !ask.session) {
		err_refuse(&err, ERR_UNKNOWN, "session_unknown", "id", "there is no session '%s'",
			   ask.path.parts[0]);
		session_refuse(ask.api, request, &err);
		return;
	}
	table[i].handle(&ask);
}
