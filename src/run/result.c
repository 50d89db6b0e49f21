#include "run/result.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/strv.h"
#include "base/utf8.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * An object under construction. Every put that fails, for want of memory, is remembered, so that one look at the end is
 * enough.
 */
struct object {
	json_t *json;
	bool failed;
};

static struct object object_begin(void)
{
	json_t *json = json_object();

	return (struct object){ .json = json, .failed = !json };
}

/* Takes over `value`, which may be NULL: out of memory. */
static void put(struct object *o, const char *key, json_t *value)
{
	if (json_object_set_new(o->json, key, value) < 0)
		o->failed = true;
}

static void put_string(struct object *o, const char *key, const char *text)
{
	put(o, key, text ? json_string(text) : json_null());
}

static void put_number(struct object *o, const char *key, uint64_t n)
{
	put(o, key, json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n));
}

static json_t *object_end(struct object *o)
{
	if (o->failed) {
		json_decref(o->json);
		return NULL;
	}
	return o->json;
}

static json_t *base64_json(const uint8_t *data, size_t len)
{
	size_t text_len;
	AUTO_FREE char *text = base64_encode(data, len, &text_len);

	return text ? json_stringn_nocheck(text, text_len) : NULL;
}

/* The bytes and their encoding under two keys. A last character that was cut off at a limit does not make base64. */
static void put_bytes(struct object *o, const char *key, const char *encoding_key, const uint8_t *data,
		      size_t len, bool truncated)
{
	size_t valid = 0;
	bool text = len == 0 || (utf8_valid_but_tail(data, len, &valid) && (valid == len || truncated));

	if (text)
		put(o, key, json_stringn_nocheck(valid ? (const char *)data : "", valid));
	else
		put(o, key, base64_json(data, len));
	put_string(o, encoding_key, text ? "utf-8" : "base64");
}

static json_t *limit_to_json(const struct verdict *verdict)
{
	struct object o;

	if (verdict->limit < 0)
		return json_null();
	o = object_begin();
	put_string(&o, "name", limit_table[verdict->limit].name);
	put(&o, "value", json_integer(verdict->value));
	put_number(&o, "used", verdict->used);
	put_string(&o, "enforced_by", enforcer_name(verdict->enforced_by));
	return object_end(&o);
}

/* How the process ended; of one that never was, only the shell's code for a command that cannot be executed. */
static void put_end(struct object *o, const struct step_result *step)
{
	const struct step_facts *facts = &step->facts;
	bool known = !facts->engine_failed && (facts->started || step->verdict.outcome == RUN_FAILED);

	put(o, "exit_code", known && !facts->signaled ? json_integer(facts->exit_code) : json_null());
	put(o, "signal", known && facts->signaled ? json_integer(facts->signal) : json_null());
}

static json_t *step_to_json(const struct step_result *step)
{
	struct object o = object_begin();
	char explanation[256];

	put_string(&o, "name", step->name);
	put_string(&o, "outcome", run_outcome_name(step->verdict.outcome));
	put_end(&o, step);
	put_bytes(&o, "stdout", "stdout_encoding", step->out.data, step->out.len, step->out_truncated);
	put(&o, "stdout_truncated", json_boolean(step->out_truncated));
	put_bytes(&o, "stderr", "stderr_encoding", step->err.data, step->err.len, step->err_truncated);
	put(&o, "stderr_truncated", json_boolean(step->err_truncated));
	put_number(&o, "wall_ms", step->facts.wall_us / 1000);
	put_number(&o, "cpu_ms", step->facts.cpu_us / 1000);
	put_number(&o, "memory_peak_bytes", step->facts.memory_peak_bytes);
	put_number(&o, "processes_peak", step->facts.processes_peak);
	put(&o, "limit", limit_to_json(&step->verdict));
	if (step->cached)
		put(&o, "cached", json_true());
	if (step->error)
		put_string(&o, "error", step->error);
	if (step->verdict.outcome != RUN_OK) {
		verdict_explain(&step->verdict, &step->facts, explanation, sizeof(explanation));
		put_string(&o, "explanation", explanation);
	}
	return object_end(&o);
}

static json_t *steps_to_json(const struct run_result *result)
{
	json_t *list = json_array();

	for (size_t i = 0; i < result->steps_count; i++) {
		if (json_array_append_new(list, step_to_json(&result->steps[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *content_to_json(const struct result_file *file)
{
	struct object o = object_begin();
	char mode[8];

	snprintf(mode, sizeof(mode), "%04o", file->mode & 07777);
	put_bytes(&o, "content", "encoding", file->data, file->len, file->truncated);
	put_string(&o, "mode", mode);
	put(&o, "truncated", json_boolean(file->truncated));
	return object_end(&o);
}

static json_t *omitted_to_json(const struct result_file *file)
{
	struct object o = object_begin();

	put_string(&o, "name", file->name);
	put_string(&o, "reason", file->reason);
	return object_end(&o);
}

static json_t *files_to_json(const struct run_result *result)
{
	struct object created = object_begin();
	struct object changed = object_begin();
	struct object all = object_begin();
	json_t *deleted = json_array();
	json_t *omitted = json_array();

	for (size_t i = 0; i < result->files_count; i++) {
		const struct result_file *file = &result->files[i];

		if (file->change == FILE_CREATED)
			put(&created, file->name, content_to_json(file));
		else if (file->change == FILE_CHANGED)
			put(&changed, file->name, content_to_json(file));
		else if (file->change == FILE_DELETED)
			all.failed |= json_array_append_new(deleted, json_string(file->name)) < 0;
		else
			all.failed |= json_array_append_new(omitted, omitted_to_json(file)) < 0;
	}
	put(&all, "created", object_end(&created));
	put(&all, "changed", object_end(&changed));
	put(&all, "deleted", deleted);
	put(&all, "omitted", omitted);
	return object_end(&all);
}

json_t *result_limit_names(const char *const *unenforced, bool enforced)
{
	json_t *list = json_array();

	for (int i = 0; i < LIMIT_COUNT; i++) {
		if (strv_has(unenforced, limit_table[i].name) == enforced)
			continue;
		if (json_array_append_new(list, json_string(limit_table[i].name)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *tests_found_to_json(const struct report *report)
{
	json_t *list = json_array();

	for (size_t i = 0; i < report->count; i++) {
		struct object o = object_begin();

		put_string(&o, "name", report->tests[i].name);
		put(&o, "passed", json_boolean(report->tests[i].passed));
		put_string(&o, "message", report->tests[i].message);
		if (json_array_append_new(list, object_end(&o)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static void put_light(struct object *o, const struct run_light_result *light)
{
	put_string(o, "colour", light_colour_name(light->colour));
	if (light->colour == LIGHT_FAULTY)
		put_string(o, "colour_reason", light->reason);
	if (!light->has_report)
		return;
	put(o, "tests_found", tests_found_to_json(&light->report));
	if (light->report.truncated)
		put(o, "tests_found_truncated", json_true());
}

static json_t *timing_to_json(const struct run_timing *timing)
{
	struct object o = object_begin();

	put_number(&o, "queue_us", timing->queue_us);
	put_number(&o, "acquire_us", timing->acquire_us);
	put_number(&o, "upload_us", timing->upload_us);
	put_number(&o, "exec_us", timing->exec_us);
	put_number(&o, "collect_us", timing->collect_us);
	put_number(&o, "total_us", timing->total_us);
	return object_end(&o);
}

json_t *result_to_json(const struct run_result *result)
{
	struct object o = object_begin();

	put_string(&o, "id", result->id);
	put_string(&o, "outcome", run_outcome_name(result->outcome));
	put_string(&o, "language", result->language);
	put_string(&o, "image", result->image);
	put(&o, "steps", steps_to_json(result));
	if (result->collected)
		put(&o, "files", files_to_json(result));
	if (result->light.judged)
		put_light(&o, &result->light);
	put(&o, "timing", timing_to_json(&result->timing));
	if (result->unenforced && result->unenforced[0])
		put(&o, "unenforced", result_limit_names(result->unenforced, false));
	return object_end(&o);
}

char *result_to_text(const struct run_result *result)
{
	json_t *json = result_to_json(result);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	return text;
}

void result_cancel(struct run_result *result, const char *why)
{
	struct step_result *step = result->steps_count ? &result->steps[result->steps_count - 1] : NULL;

	result->outcome = RUN_CANCELLED;
	if (!step || step->verdict.outcome != RUN_ENGINE_ERROR)
		return;
	step->verdict.outcome = RUN_CANCELLED;
	step->facts.engine_failed = false;
	step->facts.kill = STEP_KILL_CANCEL;
	if (step->facts.started) {
		step->facts.signaled = true;
		step->facts.signal = SIGKILL;
	}
	free(step->error);
	step->error = strdup(why);
}

void run_result_destroy(struct run_result *result)
{
	if (!result)
		return;
	for (size_t i = 0; i < result->steps_count; i++) {
		free(result->steps[i].name);
		buf_finish(&result->steps[i].out);
		buf_finish(&result->steps[i].err);
		free(result->steps[i].error);
	}
	for (size_t i = 0; i < result->files_count; i++) {
		free(result->files[i].name);
		free(result->files[i].data);
	}
	free(result->steps);
	free(result->files);
	free(result->language);
	free(result->image);
	free(result->unenforced);
	report_finish(&result->light.report);
	free(result->light.unsupported);
	free(result);
}
