/* The calls of the stateful runner but run_cyber_dojo_sh: arguments, katas, avatars. */
#include "api/commit.h"
#include "api/dialects/cyber_dojo_stateful_priv.h"

#include "base/cleanup.h"
#include "run/request_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX	    "/dialects/cyber-dojo-stateful"
#define SECONDS_MAX 20
#define KATA_ID_LEN 10

static const char *const avatars[] = {
	"alligator", "antelope",   "bat",     "bear",	 "bee",	     "beetle",	    "buffalo",	"butterfly",
	"cheetah",   "crab",	   "deer",    "dolphin", "eagle",    "elephant",    "flamingo", "fox",
	"frog",	     "gopher",	   "gorilla", "heron",	 "hippo",    "hummingbird", "hyena",	"jellyfish",
	"kangaroo",  "kingfisher", "koala",   "leopard", "lion",     "lizard",	    "lobster",	"moose",
	"mouse",     "ostrich",	   "owl",     "panda",	 "parrot",   "peacock",	    "penguin",	"porcupine",
	"puffin",    "rabbit",	   "raccoon", "ray",	 "rhino",    "salmon",	    "seal",	"shark",
	"skunk",     "snake",	   "spider",  "squid",	 "squirrel", "starfish",    "swan",	"tiger",
	"toucan",    "tuna",	   "turtle",  "vulture", "walrus",   "whale",	    "wolf",	"zebra",
};

void stateful_call_destroy(struct stateful_call *call)
{
	session_wait_forget(call->wait);
	session_run_abandon(call->run);
	run_source_destroy(call->reading);
	if (call->prev)
		call->prev->next = call->next;
	else
		call->api->stateful_calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	json_decref(call->args);
	free(call);
}

static void on_vanished(struct http_request *request, void *user)
{
	stateful_call_destroy(user);
}

void stateful_answer(struct stateful_call *call, json_t *value)
{
	http_respond_json(call->http, 200, value ? json_pack("{s:o}", call->method, value) : NULL);
	stateful_call_destroy(call);
}

void stateful_except(struct stateful_call *call, const char *text)
{
	http_respond_json(call->http, 200, json_pack("{s:s}", "exception", text));
	stateful_call_destroy(call);
}

struct session *stateful_kata(const struct stateful_call *call)
{
	return sessions_find(call->api->sessions, call->tenant, call->kata_id);
}

/* Arguments */

static bool read_image_name(struct stateful_call *call, const json_t *value)
{
	call->image_name = json_string_value(value);
	return call->image_name && *call->image_name && strlen(call->image_name) == json_string_length(value);
}

static bool read_kata_id(struct stateful_call *call, const json_t *value)
{
	static const char letters[] = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjklmnpqrstuvwxyz";

	call->kata_id = json_string_value(value);
	return call->kata_id && json_string_length(value) == KATA_ID_LEN &&
	       strspn(call->kata_id, letters) == KATA_ID_LEN;
}

static bool read_avatar_name(struct stateful_call *call, const json_t *value)
{
	call->avatar_name = json_string_value(value);
	for (size_t i = 0; call->avatar_name && i < ARRAY_LEN(avatars); i++) {
		if (strcmp(avatars[i], call->avatar_name) == 0)
			return true;
	}
	return false;
}

static bool files_ok(const json_t *value)
{
	const char *name;
	json_t *content;

	if (!json_is_object(value))
		return false;
	json_object_foreach((json_t *)value, name, content)
	{
		if (!json_is_string(content))
			return false;
	}
	return true;
}

#define FILES_READER(which)                                                                                  \
	static bool read_##which(struct stateful_call *call, const json_t *value)                            \
	{                                                                                                    \
		call->which = value;                                                                         \
		return files_ok(value);                                                                      \
	}

FILES_READER(starting_files)
FILES_READER(new_files)
FILES_READER(deleted_files)
FILES_READER(unchanged_files)
FILES_READER(changed_files)

static bool read_max_seconds(struct stateful_call *call, const json_t *value)
{
	json_int_t seconds = json_integer_value(value);

	call->max_seconds = (int)seconds;
	return json_is_integer(value) && seconds >= 1 && seconds <= SECONDS_MAX;
}

static const struct {
	const char *name;
	bool (*read)(struct stateful_call *call, const json_t *value);
} arguments[] = {
	{ "image_name", read_image_name },
	{ "kata_id", read_kata_id },
	{ "avatar_name", read_avatar_name },
	{ "starting_files", read_starting_files },
	{ "new_files", read_new_files },
	{ "deleted_files", read_deleted_files },
	{ "unchanged_files", read_unchanged_files },
	{ "changed_files", read_changed_files },
	{ "max_seconds", read_max_seconds },
};

#define IMAGE	 0x1U
#define KATA	 0x2U
#define AVATAR	 0x4U
#define STARTING 0x8U
#define RUN	 0x1f0U

/* The calls */

int stateful_kata_make(struct stateful_call *call, session_done_fn done, struct err *err)
{
	const char *image = dojo_image_find(call->api->cyber_dojo, call->image_name);
	int64_t longest_ms = call->api->options.config->sessions_ttl_ms;
	struct session_request request = { .ttl_ms = longest_ms };
	const struct session_call wait = { .done = done, .user = call, .ret = &call->wait };
	struct session *old = stateful_kata(call);
	int r;

	if (!image)
		return err_refuse(err, ERR_UNKNOWN, "image_unknown", "image_name", "image_name:!pulled");
	if (old && session_remove(old, NULL, err) < 0)
		return err->code;
	request.id = strdup(call->kata_id);
	request.spec.image = strdup(image);
	r = request.id && request.spec.image
		    ? session_make(call->api->sessions, call->tenant, &request, &wait, err)
		    : err_set(err, -ENOMEM, "a kata");
	session_request_finish(&request);
	return r;
}

int stateful_avatar_make(struct stateful_call *call, struct session *session, const json_t *const *files,
			 size_t count, session_done_fn done, struct err *err)
{
	const struct session_call wait = { .done = done, .user = call, .ret = &call->wait };
	struct run_request request = { 0 };
	const char *name;
	json_t *content;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		json_object_foreach((json_t *)files[i], name, content)
		{
			if (r == 0)
				r = request_add_file(&request, name, json_string_value(content),
						     json_string_length(content), 0644,
						     &request_bounds_default, err);
		}
	}
	if (r == 0)
		r = session_user_add(session, call->avatar_name, &request, &wait, err);
	request_finish(&request);
	return r;
}

static void on_null_done(void *user, struct session *session, const struct err *err)
{
	struct stateful_call *call = user;

	call->wait = NULL;
	if (err)
		stateful_except(call, err->text);
	else
		stateful_answer(call, json_null());
}

/* A kata that ended is as good as none. */
static struct session *living(const struct stateful_call *call)
{
	struct session *session = stateful_kata(call);

	return session && session_state(session) <= SESSION_OPEN ? session : NULL;
}

static void kata_new(struct stateful_call *call)
{
	struct err err = ERR_INIT;

	if (living(call))
		stateful_except(call, "kata_id:exists");
	else if (stateful_kata_make(call, on_null_done, &err) < 0)
		stateful_except(call, err.text);
}

static void kata_old(struct stateful_call *call)
{
	const struct session_call wait = { .done = on_null_done, .user = call, .ret = &call->wait };
	struct session *session = stateful_kata(call);
	struct err err = ERR_INIT;

	if (!session) {
		stateful_except(call, "kata_id:!exists");
		return;
	}
	if (session_remove(session, &wait, &err) < 0)
		stateful_except(call, err.text);
}

static void avatar_new(struct stateful_call *call)
{
	const json_t *files[] = { call->starting_files };
	struct session *session = living(call);
	struct err err = ERR_INIT;

	if (!session)
		stateful_except(call, "kata_id:!exists");
	else if (session_user_find(session, call->avatar_name))
		stateful_except(call, "avatar_name:exists");
	else if (stateful_avatar_make(call, session, files, 1, on_null_done, &err) < 0)
		stateful_except(call, err.text);
}

static void avatar_old(struct stateful_call *call)
{
	const struct session_call wait = { .done = on_null_done, .user = call, .ret = &call->wait };
	struct session *session = living(call);
	struct err err = ERR_INIT;

	if (!session)
		stateful_except(call, "kata_id:!exists");
	else if (!session_user_find(session, call->avatar_name))
		stateful_except(call, "avatar_name:!exists");
	else if (session_user_remove(session, call->avatar_name, &wait, &err) < 0)
		stateful_except(call, err.text);
}

static void image_pulled(struct stateful_call *call)
{
	stateful_answer(call, json_boolean(dojo_image_find(call->api->cyber_dojo, call->image_name) != NULL));
}

/* The pull goes on behind the answer; ask image_pulled? when it is done. */
static void image_pull(struct stateful_call *call)
{
	bool here = dojo_image_find(call->api->cyber_dojo, call->image_name) != NULL;

	if (!here)
		dojo_image_pull(call->api->cyber_dojo, call->image_name);
	stateful_answer(call, json_boolean(here));
}

static void sha(struct stateful_call *call)
{
	stateful_answer(call, json_string(kiln_commit));
}

static const struct {
	const char *name;
	unsigned needs; /* bits of `arguments` */
	void (*handle)(struct stateful_call *call);
} methods[] = {
	{ "sha", 0, sha },
	{ "image_pulled?", IMAGE | KATA, image_pulled },
	{ "image_pull", IMAGE | KATA, image_pull },
	{ "kata_new", IMAGE | KATA, kata_new },
	{ "kata_old", IMAGE | KATA, kata_old },
	{ "avatar_new", IMAGE | KATA | AVATAR | STARTING, avatar_new },
	{ "avatar_old", IMAGE | KATA | AVATAR, avatar_old },
	{ "run_cyber_dojo_sh", IMAGE | KATA | AVATAR | RUN, stateful_run },
};

/* NULL: all that the method needs is there, and nothing else; or the name of the argument at fault. */
static const char *read_arguments(struct stateful_call *call, unsigned needs)
{
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(arguments); i++) {
		if (!(needs & 1U << i))
			continue;
		if (!arguments[i].read(call, json_object_get(call->args, arguments[i].name)))
			return arguments[i].name;
		count++;
	}
	return json_object_size(call->args) == count ? NULL : "json";
}

/* The path of `image_pulled?` ends before its question mark, which begins the query. */
static bool is_method(const char *name, const char *path)
{
	size_t len = strcspn(name, "?");

	return strncmp(name, path, len) == 0 && strlen(path) == len;
}

static void begin(struct stateful_call *call, const char *path)
{
	const char *fault = "json";
	char text[64];
	size_t i = 0, len;
	const uint8_t *body = http_request_body(call->http, &len);

	while (i < ARRAY_LEN(methods) && !is_method(methods[i].name, path))
		i++;
	call->method = i < ARRAY_LEN(methods) ? methods[i].name : "";
	if (len == 0)
		call->args = json_object();
	else if (request_json_load((const char *)body, len, &call->args, NULL) < 0)
		call->args = NULL;
	if (call->args && i < ARRAY_LEN(methods))
		fault = read_arguments(call, methods[i].needs);
	if (!fault) {
		methods[i].handle(call);
		return;
	}
	snprintf(text, sizeof(text), "%s:malformed", fault);
	stateful_except(call, text);
}

void cyber_dojo_stateful_handle(struct http_request *request, void *user)
{
	struct api *api = user;
	struct stateful_call *call = calloc(1, sizeof(*call));
	const char *path = http_request_path(request) + strlen(PREFIX "/");

	if (!call || !api->sessions) {
		free(call);
		http_respond_json(
			request, 200,
			json_pack("{s:s}", "exception", call ? "this node has no sessions" : "no memory"));
		return;
	}
	*call = (struct stateful_call){ .next = api->stateful_calls, .api = api, .http = request };
	if (call->next)
		call->next->prev = call;
	api->stateful_calls = call;
	snprintf(call->tenant, sizeof(call->tenant), "%s", http_request_tenant(request));
	http_request_keep(request, on_vanished, call);
	begin(call, path);
}
