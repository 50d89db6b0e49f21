/*
 * run_cyber_dojo_sh of the stateful runner: a chain of what has to be there before.
 *
 *   kata (made again when it is gone) → avatar (made again from all files) → the image's traffic light → the run
 */
#include "api/dialects/cyber_dojo_stateful_priv.h"

#include "base/cleanup.h"
#include "base/strv.h"
#include "run/request_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES	 10240
#define TRUNCATED	 "\noutput truncated by cyber-dojo"
#define STATUS_TIMED_OUT 137
#define MIB		 (1024LL * 1024)

/* Text as clients know it: without what is not UTF-8, cut at 10 KB with a word about it. */
static json_t *text_json(const void *data, size_t len)
{
	AUTO_BUF struct buf clean = BUF_INIT(TEXT_BYTES + sizeof(TRUNCATED));
	bool cut = len > TEXT_BYTES, more;

	if (len > 0 && light_text_clean(data, cut ? TEXT_BYTES : len, TEXT_BYTES, &clean, &more) < 0)
		return NULL;
	if (cut && buf_append_str(&clean, TRUNCATED) < 0)
		return NULL;
	return json_stringn(clean.data ? (const char *)clean.data : "", clean.len);
}

static json_t *files_json(const struct run_result *result, enum file_change change, bool delta)
{
	json_t *files = json_object();

	for (size_t i = 0; files && delta && i < result->files_count; i++) {
		const struct result_file *file = &result->files[i];

		if (file->change == change &&
		    json_object_set_new(files, file->name, text_json(file->data, file->len)) < 0) {
			json_decref(files);
			return NULL;
		}
	}
	return files;
}

static const char *colour_of(const struct run_result *result, bool timed_out)
{
	if (timed_out)
		return "timed_out";
	if (!result->light.judged || result->light.colour == LIGHT_FAULTY)
		return "amber";
	return light_colour_name(result->light.colour);
}

static void on_run_done(void *user, struct run_result *result, const struct err *err)
{
	struct stateful_call *call = user;
	const struct step_result *step = result && result->steps_count ? &result->steps[0] : NULL;
	bool timed_out;
	int status;
	json_t *answer;

	call->run = NULL;
	if (err || !step || result->outcome == RUN_ENGINE_ERROR || result->outcome == RUN_CANCELLED) {
		stateful_except(call, err ? err->text : step && step->error ? step->error : "no sandbox");
		return;
	}
	status = step->facts.signaled ? 128 + step->facts.signal : step->facts.exit_code;
	timed_out = result->outcome == RUN_WALL_TIME_EXCEEDED || status == STATUS_TIMED_OUT;
	answer = json_pack("{s:o, s:o, s:i, s:s, s:o, s:o, s:o}", "stdout",
			   text_json(step->out.data, step->out.len), "stderr",
			   text_json(step->err.data, step->err.len), "status",
			   timed_out ? STATUS_TIMED_OUT : status, "colour", colour_of(result, timed_out),
			   "new_files", files_json(result, FILE_CREATED, !timed_out), "deleted_files",
			   files_json(result, FILE_DELETED, !timed_out), "changed_files",
			   files_json(result, FILE_CHANGED, !timed_out));
	stateful_answer(call, answer);
}

static int put_files(struct run_request *request, const json_t *files, struct err *err)
{
	const char *name;
	json_t *content;
	int r = 0;

	json_object_foreach((json_t *)files, name, content)
	{
		if (r == 0)
			r = request_add_file(request, name, json_string_value(content),
					     json_string_length(content), 0644, &request_bounds_default, err);
	}
	return r;
}

static int put_env(struct run_request *request, const struct stateful_call *call, struct err *err)
{
	const char *const names[] = { "AVATAR_NAME", "IMAGE_NAME", "KATA_ID", "RUNNER", "SANDBOX" };
	const char *const values[] = { call->avatar_name, call->image_name, call->kata_id, "stateful",
				       "/sandboxes/" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_FREE char *entry = NULL;

		if (asprintf(&entry, "CYBER_DOJO_%s=%s%s", names[i], values[i],
			     i == 4 ? call->avatar_name : "") < 0)
			entry = NULL;
		if (!entry || strv_append(&request->env, entry, strlen(entry)) < 0)
			return err_set(err, -ENOMEM, "a run");
	}
	return 0;
}

static int put_step(struct run_request *request, const struct stateful_call *call, struct err *err)
{
	static const struct {
		enum limit_id limit;
		int64_t value;
	} limits[] = { { LIMIT_MEMORY_BYTES, 512 * MIB },
		       { LIMIT_PROCESSES, 128 },
		       { LIMIT_FILE_BYTES, 16 * MIB },
		       { LIMIT_OPEN_FILES, 256 },
		       { LIMIT_STACK_BYTES, 8 * MIB } };
	const struct limits *ceilings = &call->api->options.config->ceilings;

	request->steps = calloc(1, sizeof(*request->steps));
	if (!request->steps)
		return err_set(err, -ENOMEM, "a run");
	request->steps_count = 1;
	if (strv_append(&request->steps[0].command, "bash", 4) < 0 ||
	    strv_append(&request->steps[0].command, "./cyber-dojo.sh", 15) < 0)
		return err_set(err, -ENOMEM, "a run");
	request->limits.value[LIMIT_WALL_MS] = (int64_t)call->max_seconds * 1000;
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		int64_t ceiling =
			ceilings->value[limits[i].limit] ?: limit_table[limits[i].limit].default_ceiling;

		request->limits.value[limits[i].limit] =
			limits[i].value < ceiling ? limits[i].value : ceiling;
	}
	return 0;
}

static int put_removals(struct session_run_call *run, const struct stateful_call *call, struct err *err)
{
	const char *name;
	json_t *content;

	json_object_foreach((json_t *)call->deleted_files, name, content)
	{
		if (file_name_fault(name, strlen(name)))
			return err_refuse(err, ERR_MALFORMED, "bad_name", NULL, "deleted_files:malformed");
		if (strv_append(&run->remove, name, strlen(name)) < 0)
			return err_set(err, -ENOMEM, "a run");
	}
	return 0;
}

/* The light of the language that the settings give for the image's name; else the image's own, if it has one. */
static int put_light(struct run_request *request, const struct stateful_call *call, const char *source,
		     size_t len, struct err *err)
{
	const struct language *language = dojo_image_language(call->api->cyber_dojo, call->image_name);

	if (language && run_light_wanted(&language->light))
		return run_light_spec_lend(&language->light, &request->light) < 0
			       ? err_set(err, -ENOMEM, "a run")
			       : 0;
	if (len == 0)
		return 0;
	request->light.ruby = malloc(len + 1);
	if (!request->light.ruby)
		return err_set(err, -ENOMEM, "a run");
	memcpy(request->light.ruby, source, len);
	request->light.ruby[len] = '\0';
	request->light.ruby_len = len;
	return 0;
}

static void run_it(struct stateful_call *call, const char *source, size_t len)
{
	struct session *session = stateful_kata(call);
	struct run_request request = { .collect = COLLECT_TEXT };
	struct session_run_call run = {
		.user_name = call->avatar_name, .request = &request, .done = on_run_done, .user = call
	};
	struct err err = ERR_INIT;
	int r = session ? 0 : err_refuse(&err, ERR_UNKNOWN, "session_unknown", NULL, "kata_id:!exists");

	if (r == 0 && !call->resurrected)
		r = put_removals(&run, call, &err);
	if (r == 0 && !call->resurrected)
		r = put_files(&request, call->new_files, &err);
	if (r == 0 && !call->resurrected)
		r = put_files(&request, call->changed_files, &err);
	if (r == 0)
		r = put_env(&request, call, &err);
	if (r == 0)
		r = put_step(&request, call, &err);
	if (r == 0)
		r = put_light(&request, call, source, len, &err);
	if (r == 0)
		r = session_run_begin(call->api, session, call->tenant, &run, &call->run, &err);
	strv_free(run.remove);
	request_finish(&request);
	if (r < 0)
		stateful_except(call, err.text);
	else if (r > 0)
		session_run_go(call->run);
}

/* The traffic light of the image */

static void on_source(void *user, const struct run_source_found *found)
{
	struct stateful_call *call = user;
	struct run_source *reading = TAKE_PTR(call->reading);

	run_it(call, found->text, found->len);
	run_source_destroy(reading); /* `call` may be gone */
}

static void want_source(struct stateful_call *call)
{
	struct api *api = call->api;
	struct engine *engine = api->options.engine;
	const char *image = dojo_image_find(api->cyber_dojo, call->image_name);
	struct run_source_options options = {
		.engine = engine,
		.image = image ? engine->v->image_digest_name(engine, image) : NULL,
		.ceilings = api->options.config->ceilings,
		.sources = api->light_sources,
		.done = on_source,
		.user = call,
	};
	struct err err = ERR_INIT;
	const char *known;
	size_t len;

	if (!options.image) {
		stateful_except(call, "image_name:!pulled");
		return;
	}
	known = light_sources_find(api->light_sources, options.image, &len);
	if (known)
		run_it(call, known, len);
	else if (run_source_start(&options, &call->reading, &err) < 0)
		stateful_except(call, err.text);
}

/* Kata and avatar */

static void on_avatar(void *user, struct session *session, const struct err *err)
{
	struct stateful_call *call = user;

	call->wait = NULL;
	if (err)
		stateful_except(call, err->text);
	else
		want_source(call);
}

static void want_avatar(struct stateful_call *call, struct session *session)
{
	const json_t *files[] = { call->unchanged_files, call->new_files, call->changed_files };
	struct err err = ERR_INIT;

	if (session_user_find(session, call->avatar_name)) {
		want_source(call);
		return;
	}
	call->resurrected = true;
	if (stateful_avatar_make(call, session, files, ARRAY_LEN(files), on_avatar, &err) < 0)
		stateful_except(call, err.text);
}

static void on_kata(void *user, struct session *session, const struct err *err)
{
	struct stateful_call *call = user;

	call->wait = NULL;
	if (err || !session)
		stateful_except(call, err ? err->text : "kata_id:!exists");
	else
		want_avatar(call, session);
}

void stateful_run(struct stateful_call *call)
{
	const struct session_call wait = { .done = on_kata, .user = call, .ret = &call->wait };
	struct session *session = stateful_kata(call);
	struct err err = ERR_INIT;
	int r;

	if (session && session_state(session) <= SESSION_OPEN) {
		/* A kata lives as long as it is worked in. */
		(void)!session_set_ttl(session, call->api->options.config->sessions_ttl_ms, NULL, NULL);
		want_avatar(call, session);
		return;
	}
	r = session ? session_reopen(session, call->api->options.config->sessions_ttl_ms, &wait, &err)
		    : stateful_kata_make(call, on_kata, &err);
	if (r < 0)
		stateful_except(call, err.text);
}
