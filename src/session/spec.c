#include "session/spec.h"

#include "base/cleanup.h"
#include "base/strv.h"
#include "base/utf8.h"
#include "engine/engine.h"
#include "run/request_read.h"
#include "session/compose.h"
#include "session/store.h"
#include "wire/keeper_proto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"
#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define ALNUM  DIGITS LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

#define INTERVAL_MS	  200
#define TIMEOUT_MS	  5000
#define START_MS	  60000
#define START_MS_MAX	  600000
#define ARGS_BYTES_MAX	  65536
#define FOLDERS_BYTES_MAX 511
#define USER_NAME_MAX	  31

static bool word_ok(const char *text, const char *first, const char *more, size_t max)
{
	return *text && strchr(first, *text) && text[strspn(text, more)] == '\0' && strlen(text) <= max;
}

bool session_id_ok(const char *id, const char **ret_fault)
{
	*ret_fault = "must be 1 to 64 letters, digits, '.', '-' and '_', and begin with a letter or digit";
	return word_ok(id, ALNUM, ALNUM "._-", SESSION_NAME_MAX);
}

bool session_user_ok(const char *name, const char **ret_fault)
{
	*ret_fault = "must be 1 to 31 lower case letters, digits, '-' and '_', begin with a letter or digit, "
		     "and be "
		     "none of root, nobody, shared and sandbox";
	return word_ok(name, LOWER DIGITS, LOWER DIGITS "-_", USER_NAME_MAX) && strcmp(name, "root") != 0 &&
	       strcmp(name, "nobody") != 0 && strcmp(name, "shared") != 0 && strcmp(name, "sandbox") != 0;
}

static int copy_text(struct reader *r, char **target, const char *text)
{
	*target = strdup(text);
	return *target ? 0 : err_set(r->err, -ENOMEM, "reading the request");
}

static int read_number(struct reader *r, const json_t *v, const struct path *p, int64_t min, int64_t max,
		       int64_t *ret)
{
	if (!json_is_integer(v))
		return request_refuse_type(r->err, p, v, "a whole number");
	if (json_integer_value(v) < min)
		return request_refuse(r->err, p, ERR_IMPOSSIBLE, "limit_too_low", "must be at least %lld",
				      (long long)min);
	if (json_integer_value(v) > max)
		return request_refuse(r->err, p, ERR_IMPOSSIBLE, "limit_too_high", "must be at most %lld",
				      (long long)max);
	*ret = json_integer_value(v);
	return 0;
}

static int read_start_ms(struct reader *r, const json_t *v, const struct path *p, void *number)
{
	return read_number(r, v, p, 1, START_MS_MAX, number);
}

/* A text is a command of the shell. */
static int read_service_program(struct reader *r, const json_t *v, const struct path *p, void *strv)
{
	static const char *const shell[] = { "/bin/sh", "-c" };
	char ***list = strv;
	const char *text;
	int ret;

	if (!json_is_string(v))
		return read_program(r, v, p, strv);
	ret = read_text(r, v, p, &text);
	if (ret == 0 && !*text)
		return request_refuse(r->err, p, ERR_MALFORMED, "bad_value", "must not be empty");
	for (size_t i = 0; ret == 0 && i < ARRAY_LEN(shell); i++)
		ret = strv_append(list, shell[i], strlen(shell[i]));
	if (ret == 0)
		ret = strv_append(list, text, strlen(text));
	return ret == -ENOMEM ? err_set(r->err, ret, "reading the request") : ret;
}

static int read_ready_program(struct reader *r, const json_t *v, const struct path *p, void *service)
{
	return read_service_program(r, v, p, &((struct service_spec *)service)->ready);
}

#define SERVICE(member) offsetof(struct service_spec, member)

static const struct field ready_fields[] = {
	{ "command", read_ready_program, 0 },
	{ "interval_ms", read_start_ms, SERVICE(interval_ms) },
	{ "timeout_ms", read_start_ms, SERVICE(timeout_ms) },
	{ "start_ms", read_start_ms, SERVICE(start_ms) },
};

static int read_ready(struct reader *r, const json_t *v, const struct path *p, void *target)
{
	struct service_spec *service = target;
	struct path command = { .up = p, .key = "command" };
	int ret = object_read(r, v, p, ready_fields, ARRAY_LEN(ready_fields), service);

	if (ret == 0 && !service->ready)
		return request_refuse(r->err, &command, ERR_MALFORMED, "missing_field", "is missing");
	return ret;
}

/* A service lives as long as its session: clocks make no sense for it. */
static int read_service_limits(struct reader *r, const json_t *v, const struct path *p, void *limits)
{
	static const enum limit_id not_of_services[] = { LIMIT_WALL_MS, LIMIT_CPU_MS, LIMIT_OUTPUT_BYTES };
	const struct limits *read = limits;
	int ret = read_limits(r, v, p, limits);

	for (size_t i = 0; ret == 0 && i < ARRAY_LEN(not_of_services); i++) {
		struct path here = { .up = p, .key = limit_table[not_of_services[i]].name };

		if (read->value[not_of_services[i]] != LIMIT_UNSET)
			ret = request_refuse(r->err, &here, ERR_IMPOSSIBLE, "not_supported",
					     "a service has no such limit: it runs as long as its session");
	}
	return ret;
}

static const char *folder_fault(const char *folder)
{
	size_t len = strlen(folder);

	return keeper_folder_fault(folder, len) ?: utf8_valid(folder, len) ? NULL : "is not UTF-8";
}

/* Folders that the service can write, beside those that every sandbox can. */
static int read_folders(struct reader *r, const json_t *v, const struct path *p, void *strv)
{
	char ***list = strv;
	size_t bytes = 0;
	int ret = read_strings(r, v, p, strv);

	for (size_t i = 0; ret == 0 && (*list)[i]; i++) {
		struct path here = { .up = p, .index = i };
		const char *fault = folder_fault((*list)[i]);

		bytes += strlen((*list)[i]) + 1;
		if (fault)
			ret = request_refuse(r->err, &here, ERR_MALFORMED, "bad_name", "%s", fault);
		else if (i == ENGINE_FOLDERS_MAX || bytes > FOLDERS_BYTES_MAX)
			ret = request_refuse(r->err, p, ERR_TOO_LARGE, "too_many",
					     "has more than %d folders, or more than %d bytes",
					     ENGINE_FOLDERS_MAX, FOLDERS_BYTES_MAX);
	}
	return ret;
}

static const struct field service_fields[] = {
	{ "image", read_image, SERVICE(image) },
	{ "command", read_service_program, SERVICE(command) },
	{ "env", read_env, SERVICE(env) },
	{ "limits", read_service_limits, SERVICE(limits) },
	{ "ready", read_ready, 0 },
	{ "depends_on", read_strings, SERVICE(depends_on) },
	{ "tmpfs", read_folders, SERVICE(tmpfs) },
};

static size_t strings_bytes(char *const *v)
{
	size_t bytes = 0;

	for (; v && *v; v++)
		bytes += strlen(*v) + 1;
	return bytes;
}

static int read_service(struct reader *r, const json_t *v, const struct path *p, struct service_spec *service)
{
	struct path image = { .up = p, .key = "image" }, command = { .up = p, .key = "command" };
	int ret;

	*service = (struct service_spec){
		.limits.value = { [LIMIT_MEMORY_BYTES] = LIMIT_UNSET },
		.interval_ms = INTERVAL_MS,
		.timeout_ms = TIMEOUT_MS,
		.start_ms = START_MS,
	};
	if (!word_ok(p->key, LOWER DIGITS, LOWER DIGITS "-_", SERVICE_NAME_MAX))
		return request_refuse(
			r->err, p, ERR_MALFORMED, "bad_name",
			"the name of a service has 1 to %d lower case letters, digits, '-' and '_'",
			SERVICE_NAME_MAX);
	ret = copy_text(r, &service->name, p->key);
	if (ret == 0)
		ret = object_read(r, v, p, service_fields, ARRAY_LEN(service_fields), service);
	if (ret == 0 && !service->image)
		ret = request_refuse(r->err, &image, ERR_MALFORMED, "missing_field", "is missing");
	if (ret == 0 && !service->command)
		ret = request_refuse(r->err, &command, ERR_MALFORMED, "missing_field", "is missing");
	if (ret == 0 &&
	    strings_bytes(service->command) + strings_bytes(service->env) + strings_bytes(service->ready) >
		    ARGS_BYTES_MAX)
		ret = request_refuse(r->err, &command, ERR_TOO_LARGE, "too_large",
				     "commands and environment have more than %d bytes together",
				     ARGS_BYTES_MAX);
	return ret;
}

void session_refusal_move(struct err *err, const char *field)
{
	char sentence[sizeof(err->text)];
	size_t len;

	if (!err)
		return;
	len = strlen(err->field);
	if (len > 0 && strncmp(err->text, err->field, len) == 0 && err->text[len] == ':') {
		snprintf(sentence, sizeof(sentence), "%s%s", field, err->text + len);
		memcpy(err->text, sentence, sizeof(sentence));
	}
	snprintf(err->field, sizeof(err->field), "%s", field);
}

const struct service_spec *session_spec_service(const struct session_spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->services_count; i++) {
		if (strcmp(spec->services[i].name, name) == 0)
			return &spec->services[i];
	}
	return NULL;
}

/* Strikes out services all of whose dependencies are struck out, until none is left or none can be: a circle. */
static const struct service_spec *find_circle(const struct session_spec *spec)
{
	bool out[SERVICES_MAX] = { 0 };
	bool moved = true;

	while (moved) {
		moved = false;
		for (size_t i = 0; i < spec->services_count; i++) {
			bool waits = false;

			for (char **on = spec->services[i].depends_on; !out[i] && on && *on; on++)
				waits |= !out[session_spec_service(spec, *on) - spec->services];
			if (!out[i] && !waits)
				out[i] = moved = true;
		}
	}
	for (size_t i = 0; i < spec->services_count; i++) {
		if (!out[i])
			return &spec->services[i];
	}
	return NULL;
}

static int check_dependencies(struct reader *r, const struct path *p, const struct session_spec *spec)
{
	const struct service_spec *circle;

	for (size_t i = 0; i < spec->services_count; i++) {
		struct path service = { .up = p, .key = spec->services[i].name };
		struct path here = { .up = &service, .key = "depends_on" };

		for (char **on = spec->services[i].depends_on; on && *on; on++) {
			if (!session_spec_service(spec, *on))
				return request_refuse(r->err, &here, ERR_IMPOSSIBLE, "service_unknown",
						      "there is no service '%s'",
						      excerpt_of(*on, strlen(*on)).text);
		}
	}
	circle = find_circle(spec);
	if (circle) {
		struct path service = { .up = p, .key = circle->name };
		struct path here = { .up = &service, .key = "depends_on" };

		return request_refuse(r->err, &here, ERR_IMPOSSIBLE, "conflict", "goes round in a circle");
	}
	return 0;
}

static int read_services(struct reader *r, const json_t *v, const struct path *p, void *target)
{
	struct session_spec *spec = target;
	const char *key;
	json_t *value;
	int ret = 0;

	if (!json_is_object(v))
		return request_refuse_type(r->err, p, v, "an object");
	if (spec->services)
		return request_refuse(r->err, p, ERR_MALFORMED, "conflict",
				      "give either services or compose, not both");
	if (json_object_size(v) > SERVICES_MAX)
		return request_refuse(r->err, p, ERR_TOO_LARGE, "too_many", "has %zu services, of at most %d",
				      json_object_size(v), SERVICES_MAX);
	spec->services = calloc(json_object_size(v) + 1, sizeof(*spec->services));
	if (!spec->services)
		return err_set(r->err, -ENOMEM, "reading the request");
	json_object_foreach((json_t *)v, key, value)
	{
		struct path here = { .up = p, .key = key };

		ret = read_service(r, value, &here, &spec->services[spec->services_count++]);
		if (ret < 0)
			return ret;
	}
	return check_dependencies(r, p, spec);
}

static int read_compose(struct reader *r, const json_t *v, const struct path *p, void *target)
{
	struct session_spec *spec = target;
	struct path services = { .up = p, .key = "services" };
	const char *text;
	json_t *json;
	int ret = read_text(r, v, p, &text);

	if (ret == 0)
		ret = compose_read(text, strlen(text), &json, r->err);
	if (ret < 0)
		return ret;
	ret = read_services(r, json, &services, spec);
	json_decref(json);
	if (ret == -EINVAL)
		compose_rename(r->err);
	for (size_t i = 0; ret == 0 && i < spec->services_count; i++)
		spec->services[i].composed = true;
	return ret;
}

static int read_spec_language(struct reader *r, const json_t *v, const struct path *p, void *target)
{
	struct session_spec *spec = target;
	struct run_request read = { 0 };
	int ret = read_language(r, v, p, &read);

	spec->language = read.language;
	spec->version_range = read.version_range;
	return ret;
}

#define SPEC(member) offsetof(struct session_spec, member)

/* What the store keeps. */
static const struct field spec_fields[] = {
	{ "language", read_spec_language, 0 },
	{ "image", read_image, SPEC(image) },
	{ "limits", read_limits, SPEC(limits) },
	{ "services", read_services, 0 },
};

static int read_id(struct reader *r, const json_t *v, const struct path *p, void *string)
{
	const char *text, *fault;
	int ret = read_text(r, v, p, &text);

	if (ret < 0)
		return ret;
	if (!session_id_ok(text, &fault))
		return request_refuse(r->err, p, ERR_MALFORMED, "bad_name", "%s", fault);
	return copy_text(r, string, text);
}

static int read_ttl(struct reader *r, const json_t *v, const struct path *p, void *number)
{
	return read_number(r, v, p, 1, INT64_MAX / 4, number);
}

#define REQUEST(member) offsetof(struct session_request, member)

static const struct field request_fields[] = {
	{ "id", read_id, REQUEST(id) },
	{ "ttl_ms", read_ttl, REQUEST(ttl_ms) },
	{ "language", read_spec_language, REQUEST(spec) },
	{ "image", read_image, REQUEST(spec.image) },
	{ "limits", read_limits, REQUEST(spec.limits) },
	{ "services", read_services, REQUEST(spec) },
	{ "compose", read_compose, REQUEST(spec) },
};

static int check_choice(const struct session_spec *spec, struct err *err)
{
	static const struct path language = { .key = "language" }, image = { .key = "image" };

	if (spec->language && spec->image)
		return request_refuse(err, &image, ERR_MALFORMED, "conflict",
				      "give either a language or an image, not both");
	if (!spec->language && !spec->image)
		return request_refuse(err, &language, ERR_MALFORMED, "missing_field",
				      "give a language or an image");
	return 0;
}

static int document_read(const char *json, size_t len, const struct field *fields, size_t count, void *target,
			 struct err *err)
{
	struct reader reader = { .bounds = &request_bounds_default, .err = err };
	json_t *root;
	int r = request_json_load(json, len, &root, err);

	if (r < 0)
		return r;
	r = object_read(&reader, root, NULL, fields, count, target);
	json_decref(root);
	return r;
}

int session_request_parse(const char *json, size_t len, struct session_request *ret, struct err *err)
{
	int r;

	*ret = (struct session_request){ 0 };
	r = document_read(json, len, request_fields, ARRAY_LEN(request_fields), ret, err);
	return r == 0 ? check_choice(&ret->spec, err) : r;
}

void session_request_finish(struct session_request *request)
{
	free(request->id);
	session_spec_finish(&request->spec);
	*request = (struct session_request){ 0 };
}

int session_spec_parse(const char *json, size_t len, struct session_spec *ret, struct err *err)
{
	int r;

	*ret = (struct session_spec){ 0 };
	r = document_read(json, len, spec_fields, ARRAY_LEN(spec_fields), ret, err);
	return r == 0 ? check_choice(ret, err) : r;
}

static json_t *strings_to_json(char *const *strings)
{
	json_t *list = json_array();

	for (; list && strings && *strings; strings++) {
		if (json_array_append_new(list, json_string(*strings)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *env_to_json(char *const *env)
{
	json_t *object = json_object();

	for (; object && env && *env; env++) {
		const char *equals = strchr(*env, '=');
		AUTO_FREE char *name = strndup(*env, (size_t)(equals - *env));

		if (!name || json_object_set_new(object, name, json_string(equals + 1)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *limits_to_json(const struct limits *limits)
{
	json_t *object = json_object();

	for (int i = 0; object && i < LIMIT_COUNT; i++) {
		if (limits->value[i] != LIMIT_UNSET &&
		    json_object_set_new(object, limit_table[i].name, json_integer(limits->value[i])) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *service_to_json(const struct service_spec *service)
{
	json_t *ready =
		service->ready ? json_pack("{s:o, s:I, s:I, s:I}", "command", strings_to_json(service->ready),
					   "interval_ms", (json_int_t)service->interval_ms, "timeout_ms",
					   (json_int_t)service->timeout_ms, "start_ms",
					   (json_int_t)service->start_ms)
			       : NULL;

	if (service->ready && !ready)
		return NULL;
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o*}", "image", service->image, "command",
			 strings_to_json(service->command), "env", env_to_json(service->env), "limits",
			 limits_to_json(&service->limits), "depends_on", strings_to_json(service->depends_on),
			 "tmpfs", strings_to_json(service->tmpfs), "ready", ready);
}

json_t *session_spec_to_json(const struct session_spec *spec)
{
	json_t *services = json_object();
	AUTO_FREE char *language = NULL;

	if (spec->language && asprintf(&language, "%s%s%s", spec->language, spec->version_range ? "@" : "",
				       spec->version_range ?: "") < 0)
		language = NULL;
	if (spec->language && !language) {
		json_decref(services);
		return NULL;
	}
	for (size_t i = 0; services && i < spec->services_count; i++) {
		if (json_object_set_new(services, spec->services[i].name,
					service_to_json(&spec->services[i])) < 0) {
			json_decref(services);
			services = NULL;
		}
	}
	return json_pack("{s:s*, s:s*, s:o, s:o}", "language", language, "image", spec->image, "limits",
			 limits_to_json(&spec->limits), "services", services);
}

void session_spec_finish(struct session_spec *spec)
{
	for (size_t i = 0; i < spec->services_count; i++) {
		struct service_spec *service = &spec->services[i];

		free(service->name);
		free(service->image);
		strv_free(service->command);
		strv_free(service->env);
		strv_free(service->ready);
		strv_free(service->depends_on);
		strv_free(service->tmpfs);
	}
	free(spec->services);
	free(spec->language);
	free(spec->version_range);
	free(spec->image);
	*spec = (struct session_spec){ 0 };
}
