#include "api/dialects/cyber_dojo_answer.h"

#include "api/dialects/cyber_dojo_script.h"
#include "base/cleanup.h"
#include "light/sources.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Exit codes that the original's container would have had. */
#define EXIT_ENGINE  125
#define EXIT_NO_BASH 127
#define EXIT_TAR     2

static const struct step_result *step_of(const struct run_result *result)
{
	return result && result->steps_count > 0 ? &result->steps[0] : NULL;
}

static bool lost(const struct run_result *result)
{
	return result->outcome == RUN_ENGINE_ERROR || result->outcome == RUN_CANCELLED;
}

/* Ended by kiln for time. Whoever was ended for anything else is at fault. */
enum dojo_end dojo_end_of(const struct run_result *result)
{
	const struct step_result *step = step_of(result);

	if (!step || lost(result) || !step->facts.started)
		return DOJO_END_FAULTY;
	if (step->facts.kill == STEP_KILL_WALL || step->facts.kill == STEP_KILL_CPU)
		return DOJO_END_TIMED_OUT;
	return step->facts.kill != STEP_KILL_NONE || step->facts.signaled ? DOJO_END_FAULTY : DOJO_END_ITSELF;
}

int dojo_status_of(const struct run_result *result)
{
	return step_of(result)->facts.exit_code;
}

/* ---- texts ---- */

static json_t *content(const void *text, size_t len, bool truncated)
{
	return json_pack("{s:s%, s:b}", "content", text ?: "", len, "truncated", truncated);
}

static json_t *stream(const struct buf *text, bool truncated)
{
	return text ? content(text->data, text->len, truncated) : content("", 0, false);
}

/* A text that may have been cut in the middle of a character, or never was one. */
static json_t *cleaned(const void *text, size_t len)
{
	AUTO_BUF struct buf clean = BUF_INIT(len);
	bool truncated;

	if (light_text_clean(text, len, SIZE_MAX, &clean, &truncated) < 0)
		return NULL;
	return json_stringn(clean.data ? (const char *)clean.data : "", clean.len);
}

/* Its lines, each with its line end, as Ruby's String#lines. */
static json_t *lines_of(const void *text, size_t len)
{
	const char *at = text, *end = at + len;
	json_t *list = json_array();

	while (list && at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *next = newline ? newline + 1 : end;

		if (json_array_append_new(list, cleaned(at, (size_t)(next - at))) < 0) {
			json_decref(list);
			return NULL;
		}
		at = next;
	}
	return list;
}

static json_t *buf_lines(const struct buf *text)
{
	return lines_of(text->len ? (const char *)text->data : "", text->len);
}

/* ---- files ---- */

/* A file's text, or NULL with *ret_text false when it is none. */
static json_t *file_content(const struct dojo_facts *facts, const void *data, size_t len, bool cut,
			    bool *ret_text)
{
	AUTO_BUF struct buf text = BUF_INIT(DOJO_FILE_BYTES);
	bool truncated;

	*ret_text = text_kind_is_text(facts->kind, data, len);
	if (!*ret_text || light_text_clean(data, len, DOJO_TEXT_CHARS, &text, &truncated) < 0)
		return NULL;
	return content(text.data, text.len, truncated || cut);
}

/* 1 when it is put there, 0 when it is no text, -ENOMEM. */
static int put_file(const struct dojo_facts *facts, json_t *files, const char *name, const void *data,
		    size_t len, bool cut)
{
	bool text;
	json_t *value = file_content(facts, data, len, cut, &text);

	if (!text)
		return 0;
	return json_object_set_new(files, name, value) < 0 ? -ENOMEM : 1;
}

static const struct dojo_alias *alias_of(const struct dojo_request *request, const char *path)
{
	for (size_t i = 0; i < request->aliases_count; i++) {
		if (strcmp(request->aliases[i].path, path) == 0)
			return &request->aliases[i];
	}
	return NULL;
}

/* A file that came under another name than it has is one that nobody sent. */
static bool is_created(const struct dojo_request *request, const struct result_file *file)
{
	return file->change == FILE_CREATED ||
	       (file->change == FILE_CHANGED && alias_of(request, file->name) &&
		!json_object_get(request->contents, file->name));
}

/* False when only its permissions are others. */
static bool has_changed(const struct dojo_request *request, const struct result_file *file)
{
	const json_t *sent = json_object_get(request->contents, file->name);

	return file->change == FILE_CHANGED && sent &&
	       (file->truncated || json_string_length(sent) != file->len ||
		memcmp(json_string_value(sent), file->data ?: (const uint8_t *)"", file->len) != 0);
}

static int compare_files(const void *a, const void *b)
{
	return strcmp((*(const struct result_file *const *)a)->name,
		      (*(const struct result_file *const *)b)->name);
}

/* An alias whose file was not touched: neither the engine nor anybody else tells of it. */
static bool alias_untouched(const struct run_result *result, const struct dojo_request *request,
			    const struct dojo_alias *alias)
{
	if (json_object_get(request->contents, alias->path))
		return false;
	for (size_t i = 0; i < result->files_count; i++) {
		if (strcmp(result->files[i].name, alias->path) == 0)
			return false;
	}
	return true;
}

/* All that are to be told as created, sorted by name. `made` is for those that the result does not tell of. */
static struct result_file **list_created(const struct dojo_facts *facts, struct result_file *made,
					 size_t *ret_count)
{
	const struct run_result *result = facts->result;
	const struct dojo_request *request = facts->request;
	struct result_file **list =
		calloc(result->files_count + request->aliases_count + 1, sizeof(struct result_file *));
	size_t count = 0;

	for (size_t i = 0; list && i < result->files_count; i++) {
		if (is_created(request, &result->files[i]))
			list[count++] = &result->files[i];
	}
	for (size_t i = 0; list && i < request->aliases_count; i++) {
		const struct dojo_alias *alias = &request->aliases[i];
		const json_t *sent = json_object_get(request->contents, alias->name);

		if (!alias_untouched(result, request, alias))
			continue;
		made[i] = (struct result_file){
			.name = alias->path,
			.data = (uint8_t *)json_string_value(sent),
			.len = json_string_length(sent),
		};
		list[count++] = &made[i];
	}
	if (list)
		qsort(list, count, sizeof(*list), compare_files);
	*ret_count = count;
	return list;
}

static int put_created(const struct dojo_facts *facts, json_t *created)
{
	AUTO_FREE struct result_file *made =
		calloc(facts->request->aliases_count + 1, sizeof(struct result_file));
	AUTO_FREE struct result_file **list = NULL;
	size_t count = 0;
	int texts = 0, r = 0;

	if (made)
		list = list_created(facts, made, &count);
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < count && texts < DOJO_CREATED_FILES; i++) {
		r = put_file(facts, created, list[i]->name, list[i]->data, list[i]->len, list[i]->truncated);
		texts += r > 0;
	}
	return r;
}

static int put_changed(const struct dojo_facts *facts, json_t *changed)
{
	const struct run_result *result = facts->result;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < result->files_count; i++) {
		const struct result_file *file = &result->files[i];

		if (has_changed(facts->request, file))
			r = put_file(facts, changed, file->name, file->data, file->len, file->truncated);
	}
	return r;
}

/* ---- log ---- */

/* What a limit of kiln had to do with the end, for people; or NULL. */
static json_t *limit_of(const struct run_result *result)
{
	const struct step_result *step = step_of(result);
	char text[512];

	if (!step || step->verdict.limit < 0 || step->verdict.outcome == RUN_OUTPUT_EXCEEDED ||
	    step->verdict.outcome == RUN_WALL_TIME_EXCEEDED)
		return NULL;
	verdict_explain(&step->verdict, &step->facts, text, sizeof(text));
	return cleaned(text, strlen(text));
}

/* What the original's container would have said on stderr. */
static void complaint_of(const struct dojo_facts *facts, int *ret_exit, char *text, size_t size)
{
	const struct step_result *step = step_of(facts->result);
	const char *error = step && step->error ? step->error : "";

	*text = '\0';
	if (!step) {
		*ret_exit = EXIT_TAR;
		snprintf(text, size, "%s", facts->request->tar_fault);
	} else if (lost(facts->result)) {
		*ret_exit = EXIT_ENGINE;
		snprintf(text, size, "%s\n", error);
	} else if (!step->facts.started && step->verdict.limit >= 0) {
		*ret_exit = EXIT_TAR;
		snprintf(text, size, "tar: %s\n", error);
	} else if (!step->facts.started) {
		*ret_exit = EXIT_NO_BASH;
		snprintf(text, size, "[FATAL tini (7)] exec bash failed: No such file or directory\n");
	} else if (step->facts.signaled && step->facts.signal == DOJO_SIGNAL_TMP) {
		*ret_exit = 1;
		snprintf(text, size, "cyber_dojo_main.sh: /tmp was emptied\n");
	} else {
		*ret_exit = 128 + step->facts.signal;
	}
}

/* {"timed_out", "status", "stdout", "stderr"}: what became of the container. */
static json_t *log_capture(const struct dojo_facts *facts)
{
	bool timed_out = facts->end == DOJO_END_TIMED_OUT;
	char status[64], complaint[1024] = "";
	json_t *log, *limit = facts->result ? limit_of(facts->result) : NULL;
	int code = 0;

	if (!timed_out)
		complaint_of(facts, &code, complaint, sizeof(complaint));
	if (timed_out)
		snprintf(status, sizeof(status), "pid %d SIGTERM (signal 15)", (int)getpid());
	else
		snprintf(status, sizeof(status), "pid %d exit %d", (int)getpid(), code);
	log = json_pack("{s:b, s:s, s:s, s:o}", "timed_out", timed_out, "status", status, "stdout", "",
			"stderr", cleaned(complaint, strlen(complaint)));
	if (limit && json_object_set_new(log, "limit", limit) < 0) {
		json_decref(log);
		return NULL;
	}
	return log;
}

static json_t *log_exception(const struct dojo_facts *facts)
{
	const struct dojo_light *light = facts->light;
	bool missing = light->fault == DOJO_FAULT_MISSING;
	json_t *source = missing ? NULL : lines_of(light->source, light->source_len);
	char command[512];

	switch (light->fault) {
	case DOJO_FAULT_MISSING:
		snprintf(command, sizeof(command), "docker run --rm --entrypoint=cat %.300s %s",
			 facts->request->image_name, LIGHT_IMAGE_FILE);
		return json_pack("{s:s, s:s, s:[], s:o, s:i}", "context",
				 "image_name must have " LIGHT_IMAGE_FILE " file", "command", command,
				 "stdout", "stderr", buf_lines(&light->message), "status", 1);
	case DOJO_FAULT_COLOUR:
		return json_pack("{s:s, s:o, s:o}", "context",
				 "illegal colour; must be one of ['red','amber','green']", "illegal_colour",
				 cleaned(light->message.data, light->message.len), "lambda_source", source);
	default:
		return json_pack("{s:s, s:o, s:o, s:o}", "context",
				 light->fault == DOJO_FAULT_SOURCE ? "exception when eval'ing lambda source"
								   : "exception when calling lambda source",
				 "lambda_source", source, "class",
				 cleaned(light->class_name, strlen(light->class_name)), "message",
				 buf_lines(&light->message));
	}
}

static json_t *log_fault(const struct dojo_facts *facts)
{
	const struct dojo_light *light = facts->light;
	char status[16];
	json_t *args;

	snprintf(status, sizeof(status), "%d", dojo_status_of(facts->result));
	if (light->from_manifest)
		args = json_pack("{s:s%, s:o, s:o, s:s}", "lambda_source", light->source, light->source_len,
				 "stdout", buf_lines(facts->out), "stderr", buf_lines(facts->err), "status",
				 status);
	else
		args = json_pack("{s:s, s:o, s:o, s:s}", "image_name", facts->request->image_name, "stdout",
				 buf_lines(facts->out), "stderr", buf_lines(facts->err), "status", status);
	return json_pack("{s:s, s:o, s:o}", "call",
			 light->from_manifest
				 ? "TrafficLight.colour_from_lambda(lambda_source,stdout,stderr,status)"
				 : "TrafficLight.colour(image_name,stdout,stderr,status)",
			 "args", args, "exception", log_exception(facts));
}

static json_t *log_of(const struct dojo_facts *facts)
{
	json_t *limit;

	if (facts->end == DOJO_END_PULLING)
		return json_object();
	if (facts->end != DOJO_END_ITSELF)
		return log_capture(facts);
	if (facts->light->fault != DOJO_FAULT_NONE)
		return log_fault(facts);
	limit = limit_of(facts->result);
	if (limit)
		return json_pack("{s:o}", "limit", limit);
	return facts->light->from_manifest ? json_null() : json_object();
}

/* ---- the whole ---- */

static const char *outcome_of(const struct dojo_facts *facts)
{
	static const char *const names[] = {
		[DOJO_END_TIMED_OUT] = "timed_out",
		[DOJO_END_FAULTY] = "faulty",
		[DOJO_END_PULLING] = "pulling",
	};

	if (facts->end != DOJO_END_ITSELF)
		return names[facts->end];
	return facts->light->fault != DOJO_FAULT_NONE ? "faulty" : light_colour_name(facts->light->colour);
}

static void status_of(const struct dojo_facts *facts, char *text, size_t size)
{
	static const int codes[] = {
		[DOJO_END_PULLING] = 141,
		[DOJO_END_TIMED_OUT] = 142,
		[DOJO_END_FAULTY] = 143,
	};

	snprintf(text, size, "%d",
		 facts->end == DOJO_END_ITSELF ? dojo_status_of(facts->result) : codes[facts->end]);
}

json_t *dojo_answer(const struct dojo_facts *facts)
{
	json_t *created = json_object(), *changed = json_object();
	char status[16];
	int r = 0;

	if (facts->end == DOJO_END_ITSELF && created && changed) {
		r = put_created(facts, created);
		if (r >= 0)
			r = put_changed(facts, changed);
	}
	if (r < 0) {
		json_decref(created);
		json_decref(changed);
		return NULL;
	}
	status_of(facts, status, sizeof(status));
	return json_pack("{s:{s:o, s:o, s:s, s:s, s:o, s:o, s:o}}", "run_cyber_dojo_sh", "stdout",
			 stream(facts->out, facts->out_truncated), "stderr",
			 stream(facts->err, facts->err_truncated), "status", status, "outcome",
			 outcome_of(facts), "log", log_of(facts), "created", created, "changed", changed);
}

/* ---- the light's own words ---- */

/* What it gave for a colour, out of the sentence on that; or the sentence. */
static int append_given(struct buf *message, const char *text)
{
	static const char before[] = "the lambda gave '", behind[] = "' rather than ";
	const char *end = strstr(text, behind);

	if (!end || strncmp(text, before, sizeof(before) - 1) != 0)
		return buf_append_str(message, text);
	return buf_append(message, text + sizeof(before) - 1, (size_t)(end - text) - (sizeof(before) - 1));
}

void dojo_light_blame(struct dojo_light *light, const struct light_fault *fault, bool called)
{
	static const struct {
		const char *begin, *class_name;
	} classes[] = {
		{ "undefined method", "NoMethodError" },     { "undefined local variable", "NameError" },
		{ "the lambda takes", "ArgumentError" },     { "the lambda raises", "RuntimeError" },
		{ "the regular expression", "RegexpError" },
	};
	const char *class_name = called ? "StandardError" : "SyntaxError";
	char text[512];

	for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
		if (strncmp(fault->text, classes[i].begin, strlen(classes[i].begin)) == 0)
			class_name = classes[i].class_name;
	}
	snprintf(light->class_name, sizeof(light->class_name), "%s", class_name);
	light_fault_explain(fault, text, sizeof(text));
	light->fault = !called ? DOJO_FAULT_SOURCE : fault->no_colour ? DOJO_FAULT_COLOUR : DOJO_FAULT_CALL;
	light->message = BUF_INIT(sizeof(text));
	if ((light->fault == DOJO_FAULT_COLOUR ? append_given(&light->message, fault->text)
					       : buf_append_str(&light->message, text)) < 0)
		light->message.len = 0;
}
