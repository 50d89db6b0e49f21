#include "run/request.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/strv.h"
#include "run/request_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

const struct request_bounds request_bounds_default = {
	.files = 10000,
	.files_bytes = 128 * MIB,
	.steps = 16,
	.args_bytes = 128 * KIB, /* so that no argument is longer than Linux takes (MAX_ARG_STRLEN) */
	.stdin_bytes = 64 * MIB,
};

static int read_step_stdin(struct reader *r, const json_t *v, const struct path *p, void *step)
{
	struct run_step_request *target = step;

	target->has_stdin = true;
	return read_stdin(r, v, p, &target->stdin_bytes);
}

#define STEP(member) offsetof(struct run_step_request, member)

static const struct field step_fields[] = {
	{ "name", read_step_name, STEP(name) }, { "command", read_program, STEP(command) },
	{ "image", read_image, STEP(image) },	{ "limits", read_limits, STEP(limits) },
	{ "stdin", read_step_stdin, 0 },	{ "env", read_env, STEP(env) },
	{ "keep", read_globs, STEP(keep) },
};

static int read_step(struct reader *r, const json_t *v, const struct path *p, struct run_step_request *step)
{
	struct path name = { .up = p, .key = "name" };
	struct path command = { .up = p, .key = "command" };
	int ret = object_read(r, v, p, step_fields, ARRAY_LEN(step_fields), step);

	if (ret < 0)
		return ret;
	if (!step->name)
		return request_refuse(r->err, &name, ERR_MALFORMED, "missing_field", "is missing");
	if (!step->command)
		return request_refuse(r->err, &command, ERR_MALFORMED, "missing_field", "is missing");
	return 0;
}

static int read_steps(struct reader *r, const json_t *v, const struct path *p, void *run_request)
{
	struct run_request *req = run_request;
	size_t count = json_array_size(v);
	int ret = 0;

	if (!json_is_array(v))
		return request_refuse_type(r->err, p, v, "an array");
	if (count == 0)
		return request_refuse(r->err, p, ERR_MALFORMED, "bad_value", "must have at least one step");
	if (count > r->bounds->steps)
		return request_refuse(r->err, p, ERR_TOO_LARGE, "too_many", "has %zu steps, of at most %zu",
				      count, r->bounds->steps);
	req->steps = calloc(count, sizeof(*req->steps));
	if (!req->steps)
		return err_set(r->err, -ENOMEM, "reading the request");
	req->steps_count = count;
	for (size_t i = 0; ret == 0 && i < count; i++) {
		struct path here = { .up = p, .index = i };

		ret = read_step(r, json_array_get(v, i), &here, &req->steps[i]);
	}
	return ret;
}

static int read_archive(struct reader *r, const json_t *v, const struct path *p, void *run_request)
{
	if (!json_is_string(v))
		return request_refuse_type(r->err, p, v, "a string");
	r->archive = v;
	r->req->archive_given = true;
	return 0;
}

static int refuse_not_supported(struct reader *r, const json_t *v, const struct path *p, void *run_request)
{
	return request_refuse(r->err, p, ERR_IMPOSSIBLE, "not_supported",
			      "this version of kiln cannot do that yet");
}

#define RUN(member) offsetof(struct run_request, member)

/* API.md's table of POST /v1/runs. */
static const struct field run_fields[] = {
	{ "language", read_language, 0 },
	{ "image", read_image, RUN(image) },
	{ "files", read_files, 0 },
	{ "archive", read_archive, 0 },
	{ "entry", read_file_name, RUN(entry) },
	{ "args", read_strings, RUN(args) },
	{ "stdin", read_stdin, RUN(stdin_bytes) },
	{ "env", read_env, RUN(env) },
	{ "steps", read_steps, 0 },
	{ "limits", read_limits, RUN(limits) },
	{ "collect", read_collect, 0 },
	{ "tests", refuse_not_supported, 0 },
	{ "traffic_light", read_light, RUN(light) },
	{ "network", read_network, 0 },
	{ "cache", read_cache, 0 },
	{ "archive_follows", read_switch, RUN(archive_follows) },
	{ "stdin_follows", read_switch, RUN(stdin_follows) },
	{ "tty", read_tty, RUN(tty) },
};

#define LIVE_FIELDS 3 /* at the end of the table */

static const struct path language_path = { .key = "language" };
static const struct path image_path = { .key = "image" };
static const struct path steps_path = { .key = "steps" };
static const struct path args_path = { .key = "args" };
static const struct path env_path = { .key = "env" };
static const struct path archive_path = { .key = "archive" };

/* The fields are right each by itself: are they together? */
static int check_choice(const struct run_request *req, struct err *err)
{
	if (req->language && req->image)
		return request_refuse(err, &image_path, ERR_MALFORMED, "conflict",
				      "give either a language or an image, not both");
	if (!req->language && !req->image)
		return request_refuse(err, &language_path, ERR_MALFORMED, "missing_field",
				      "give a language, or an image with steps");
	if (req->image && req->steps_count == 0)
		return request_refuse(err, &steps_path, ERR_MALFORMED, "missing_field",
				      "an image needs steps that say what to run in it");
	return 0;
}

/* Bytes that the strings take in the new program's memory. */
static size_t strings_bytes(char *const *v)
{
	size_t bytes = 0;

	for (size_t i = 0; v && v[i]; i++)
		bytes += strlen(v[i]) + 1;
	return bytes;
}

/* Names the one that takes the most. */
static int check_args(const struct run_request *req, const struct request_bounds *bounds, struct err *err)
{
	size_t args = strings_bytes(req->args), env = strings_bytes(req->env);

	if (args + env > bounds->args_bytes)
		return request_refuse(err, env > args ? &env_path : &args_path, ERR_TOO_LARGE, "too_large",
				      "args and env have %zu bytes together, of at most %zu", args + env,
				      bounds->args_bytes);
	for (size_t i = 0; i < req->steps_count; i++) {
		size_t command = strings_bytes(req->steps[i].command);
		size_t own_env = strings_bytes(req->steps[i].env);
		size_t all = command + own_env + args + env;
		struct path step = { .up = &steps_path, .index = i };
		struct path here = { .up = &step, .key = own_env > command ? "env" : "command" };

		if (all > bounds->args_bytes)
			return request_refuse(err, &here, ERR_TOO_LARGE, "too_large",
					      "command, args and env have %zu bytes together, of at most %zu",
					      all, bounds->args_bytes);
	}
	return 0;
}

static int add_archive_field(struct reader *r)
{
	const char *text = json_string_value(r->archive);
	size_t len = json_string_length(r->archive);
	AUTO_FREE uint8_t *data = NULL;
	size_t data_len;
	int ret = base64_decode(text, len, &data, &data_len);

	if (ret == -EINVAL)
		return request_refuse(r->err, &archive_path, ERR_MALFORMED, "bad_encoding",
				      "is not valid base64");
	if (ret < 0)
		return err_set(r->err, ret, "reading the request");
	return request_add_archive(r->req, data, data_len, r->bounds, r->err);
}

static int check_live(const struct run_request *req, struct err *err)
{
	if (req->archive_follows && req->archive_given)
		return request_refuse(err, &archive_path, ERR_MALFORMED, "conflict",
				      "is given here, and said to follow as well");
	return 0;
}

int request_read(const json_t *root, bool live, const struct request_bounds *bounds, struct run_request *ret,
		 struct err *err)
{
	struct reader reader = { .req = ret, .bounds = bounds, .err = err };
	int r;

	*ret = (struct run_request){ 0 };
	r = object_read(&reader, root, NULL, run_fields, ARRAY_LEN(run_fields) - (live ? 0 : LIVE_FIELDS),
			ret);
	if (r == 0)
		r = check_live(ret, err);
	if (r == 0)
		r = check_choice(ret, err);
	if (r == 0)
		r = check_args(ret, bounds, err);
	if (r == 0 && reader.archive)
		r = add_archive_field(&reader);
	return r;
}

int request_parse(const char *json, size_t len, const struct request_bounds *bounds, struct run_request *ret,
		  struct err *err)
{
	json_t *root;
	int r;

	*ret = (struct run_request){ 0 };
	r = request_json_load(json, len, &root, err);
	if (r < 0)
		return r;
	r = request_read(root, false, bounds, ret, err);
	json_decref(root);
	return r;
}

/* One command alone is one step. */
static int read_command(struct reader *r, const json_t *v, const struct path *p, void *run_request)
{
	struct run_request *req = run_request;

	if (req->steps)
		return request_refuse(r->err, p, ERR_MALFORMED, "conflict",
				      "give either a command or steps, not both");
	req->steps = calloc(1, sizeof(*req->steps));
	if (!req->steps)
		return err_set(r->err, -ENOMEM, "reading the request");
	req->steps_count = 1;
	return read_program(r, v, p, &req->steps[0].command);
}

static int read_steps_in_session(struct reader *r, const json_t *v, const struct path *p, void *run_request)
{
	struct run_request *req = run_request;
	int ret;

	if (req->steps)
		return request_refuse(r->err, p, ERR_MALFORMED, "conflict",
				      "give either a command or steps, not both");
	ret = read_steps(r, v, p, run_request);
	for (size_t i = 0; ret == 0 && i < req->steps_count; i++) {
		struct path step = { .up = p, .index = i };
		struct path field = { .up = &step, .key = req->steps[i].image ? "image" : "keep" };

		if (req->steps[i].image || req->steps[i].keep)
			ret = request_refuse(r->err, &field, ERR_IMPOSSIBLE, "not_supported",
					     "all steps run in the session's own sandbox");
	}
	return ret;
}

static const struct field session_run_fields[] = {
	{ "files", read_files, 0 },
	{ "archive", read_archive, 0 },
	{ "entry", read_file_name, RUN(entry) },
	{ "args", read_strings, RUN(args) },
	{ "stdin", read_stdin, RUN(stdin_bytes) },
	{ "env", read_env, RUN(env) },
	{ "command", read_command, 0 },
	{ "steps", read_steps_in_session, 0 },
	{ "limits", read_limits, RUN(limits) },
	{ "collect", read_collect, 0 },
	{ "traffic_light", read_light, RUN(light) },
};

int request_read_in_session(json_t *root, const struct request_bounds *bounds, struct run_request *ret,
			    struct err *err)
{
	struct reader reader = { .req = ret, .bounds = bounds, .err = err };
	int r;

	*ret = (struct run_request){ .collect = COLLECT_TEXT };
	r = object_read(&reader, root, NULL, session_run_fields, ARRAY_LEN(session_run_fields), ret);
	if (r == 0)
		r = check_args(ret, bounds, err);
	if (r == 0 && reader.archive)
		r = add_archive_field(&reader);
	return r;
}

static void step_finish(struct run_step_request *step)
{
	free(step->name);
	strv_free(step->command);
	free(step->image);
	free(step->stdin_bytes.data);
	strv_free(step->env);
	strv_free(step->keep);
}

void request_finish(struct run_request *req)
{
	for (size_t i = 0; i < req->files_count; i++)
		run_file_finish(&req->files[i]);
	for (size_t i = 0; i < req->steps_count; i++)
		step_finish(&req->steps[i]);
	free(req->files);
	free(req->steps);
	free(req->language);
	free(req->version_range);
	free(req->image);
	free(req->entry);
	strv_free(req->args);
	free(req->stdin_bytes.data);
	strv_free(req->env);
	strv_free(req->collect_globs);
	run_light_spec_finish(&req->light);
	json_decref(req->names);
	*req = (struct run_request){ 0 };
}
