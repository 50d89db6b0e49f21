#include "kiln/kiln.h"

#include "base/cleanup.h"
#include "base/strv.h"
#include "lib/kiln_priv.h"

#include <errno.h>

const char *kiln_version(void)
{
	return KILN_VERSION;
}

/* The public form of an error; kinds and slugs are the HTTP API's. Returns `code`. */
static int error_out(struct kiln_error *to, const struct err *err, int code)
{
	if (!to)
		return code;
	*to = (struct kiln_error){ .code = code };
	snprintf(to->field, sizeof(to->field), "%s", err->field);
	snprintf(to->text, sizeof(to->text), "%s", err->text);
	return code;
}

static int out_of_memory(struct kiln_error *error)
{
	return error_out(error, &(struct err){ .text = "out of memory" }, -ENOMEM);
}

static int refuse(struct kiln_error *error, const char *field, const char *text)
{
	struct err err = ERR_INIT;

	return error_out(error, &err, err_refuse(&err, ERR_MALFORMED, "bad_value", field, "%s", text));
}

static void on_wake(uv_async_t *handle)
{
	struct kiln_run *run = ((struct kiln_engine *)handle->data)->executing;

	if (run && run->run && atomic_load(&run->cancelled))
		run_cancel(run->run);
}

static int engine_open(struct kiln_engine *engine, struct err *err)
{
	int r = uv_loop_init(&engine->loop);

	if (r < 0)
		return err_set(err, r, "event loop");
	r = uv_async_init(&engine->loop, &engine->wake, on_wake);
	if (r < 0) {
		uv_loop_close(&engine->loop);
		return err_set(err, r, "event loop");
	}
	engine->wake.data = engine;
	r = node_open(&engine->loop, &engine->config, -1, -1, &engine->node, err);
	if (r < 0) {
		uv_close((uv_handle_t *)&engine->wake, NULL);
		uv_run(&engine->loop, UV_RUN_DEFAULT);
		uv_loop_close(&engine->loop);
	}
	return r;
}

int kiln_engine_create(const char *const *settings, struct kiln_engine **ret, struct kiln_error *error)
{
	struct kiln_engine *engine = calloc(1, sizeof(*engine));
	struct err err = ERR_INIT;
	int r;

	if (!engine)
		return out_of_memory(error);
	r = config_load(NULL, (char *const *)settings, &engine->config, &err);
	if (r >= 0)
		r = engine_open(engine, &err);
	if (r < 0) {
		config_finish(&engine->config);
		free(engine);
		return error_out(error, &err, r);
	}
	*ret = engine;
	return 0;
}

void kiln_engine_destroy(struct kiln_engine *engine)
{
	if (!engine)
		return;
	uv_close((uv_handle_t *)&engine->wake, NULL);
	node_close(&engine->node, &engine->loop);
	uv_loop_close(&engine->loop);
	config_finish(&engine->config);
	free(engine);
}

/* Splits "id@range". */
static int language_set(struct run_request *req, const char *language)
{
	const char *at = strchr(language, '@');

	req->language = at ? strndup(language, (size_t)(at - language)) : strdup(language);
	if (at)
		req->version_range = strdup(at + 1);
	return !req->language || (at && !req->version_range) ? -ENOMEM : 0;
}

int kiln_run_create(struct kiln_engine *engine, const char *language, const char *image,
		    struct kiln_run **ret, struct kiln_error *error)
{
	struct kiln_run *run;

	if (!language == !image)
		return refuse(error, "language", "a run has either a language or an image");
	run = calloc(1, sizeof(*run));
	if (!run)
		return out_of_memory(error);
	run->engine = engine;
	if (language ? language_set(&run->req, language) < 0 : !(run->req.image = strdup(image))) {
		kiln_run_destroy(run);
		return out_of_memory(error);
	}
	*ret = run;
	return 0;
}

void kiln_run_destroy(struct kiln_run *run)
{
	if (!run)
		return;
	request_finish(&run->req);
	run_result_destroy(run->result);
	free(run->explanations);
	free(run->json);
	free(run);
}

int kiln_run_add_file(struct kiln_run *run, const char *name, const void *data, size_t len, unsigned mode,
		      struct kiln_error *error)
{
	struct err err = ERR_INIT;
	int r;

	if (mode > 0777)
		return refuse(error, name, "the mode of a file is within 0..0777");
	r = request_add_file(&run->req, name, data, len, mode, &request_bounds_default, &err);
	return r < 0 ? error_out(error, &err, r) : 0;
}

int kiln_run_add_step(struct kiln_run *run, const char *name, const char *const *command,
		      struct kiln_error *error)
{
	struct run_step_request *steps, step = { 0 };

	if (!command || !command[0])
		return refuse(error, "steps", "a step needs a command");
	if (run->req.steps_count >= request_bounds_default.steps)
		return refuse(error, "steps", "too many steps");
	steps = reallocarray(run->req.steps, run->req.steps_count + 1, sizeof(*steps));
	if (!steps)
		return out_of_memory(error);
	run->req.steps = steps;
	step.name = strdup(name);
	step.command = strv_copy((char *const *)command);
	if (!step.name || !step.command) {
		free(step.name);
		strv_free(step.command);
		return out_of_memory(error);
	}
	steps[run->req.steps_count++] = step;
	return 0;
}

int kiln_run_set_entry(struct kiln_run *run, const char *name, struct kiln_error *error)
{
	char *entry = strdup(name);

	if (!entry)
		return out_of_memory(error);
	free(run->req.entry);
	run->req.entry = entry;
	return 0;
}

int kiln_run_add_arg(struct kiln_run *run, const char *arg, struct kiln_error *error)
{
	return strv_append(&run->req.args, arg, strlen(arg)) < 0 ? out_of_memory(error) : 0;
}

int kiln_run_add_env(struct kiln_run *run, const char *name_and_value, struct kiln_error *error)
{
	if (name_and_value[0] == '=' || !strchr(name_and_value, '='))
		return refuse(error, "env", "a variable is written NAME=value");
	return strv_append(&run->req.env, name_and_value, strlen(name_and_value)) < 0 ? out_of_memory(error)
										      : 0;
}

int kiln_run_set_stdin(struct kiln_run *run, const void *data, size_t len, struct kiln_error *error)
{
	uint8_t *copy;

	if (len > request_bounds_default.stdin_bytes)
		return refuse(error, "stdin", "too large");
	copy = malloc(len + 1);
	if (!copy)
		return out_of_memory(error);
	if (len > 0)
		memcpy(copy, data, len);
	copy[len] = '\0';
	free(run->req.stdin_bytes.data);
	run->req.stdin_bytes = (struct run_bytes){ .data = copy, .len = len };
	return 0;
}

int kiln_run_set_limit(struct kiln_run *run, const char *name, int64_t value, struct kiln_error *error)
{
	int limit = limit_by_name(name);

	if (limit < 0)
		return refuse(error, "limits", "there is no such limit");
	if (value < 1)
		return refuse(error, "limits", "a limit is at least 1");
	run->req.limits.value[limit] = value;
	return 0;
}

int kiln_run_set_collect(struct kiln_run *run, const char *what, struct kiln_error *error)
{
	static const struct {
		const char *name;
		enum collect_mode mode;
	} modes[] = {
		{ "none", COLLECT_NONE },
		{ "text", COLLECT_TEXT },
		{ "all", COLLECT_ALL },
	};

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (strcmp(modes[i].name, what) == 0) {
			run->req.collect = modes[i].mode;
			return 0;
		}
	}
	return refuse(error, "collect", "collect is none, text or all");
}

void kiln_run_on_output(struct kiln_run *run, kiln_output_fn output, void *user)
{
	run->output = output;
	run->user = user;
}

static void on_output(void *user, size_t step, int stream, const uint8_t *data, size_t len)
{
	struct kiln_run *run = user;

	if (run->output)
		run->output(run->user, step, stream, data, len);
}

static void on_done(void *user, struct run_result *result)
{
	struct kiln_run *run = user;

	run->result = result;
	uv_stop(&run->engine->loop);
}

static int execute(struct kiln_run *run, struct err *err)
{
	static const struct run_events events = { .output = on_output, .done = on_done };
	const struct run_options options = { 0 };
	struct kiln_engine *engine = run->engine;
	struct plan_context context;
	struct run_plan *plan;
	int r;

	node_plan_context(&engine->node, &engine->config, &context);
	r = plan_make(&run->req, &context, &plan, err);
	if (r < 0)
		return r;
	r = run_start(engine->node.engine, plan, &options, &events, run, &run->run, err);
	if (r < 0)
		return r;
	/* Whoever cancels from now on wakes the loop; whoever did before is seen here. */
	engine->executing = run;
	if (atomic_load(&run->cancelled))
		run_cancel(run->run);
	while (!run->result && uv_run(&engine->loop, UV_RUN_DEFAULT) >= 0)
		;
	engine->executing = NULL;
	run_destroy(run->run);
	run->run = NULL;
	/* Its sandbox goes with this turn, not with the one that the next run brings. */
	uv_run(&engine->loop, UV_RUN_NOWAIT);
	return 0;
}

int kiln_run_execute(struct kiln_run *run, struct kiln_error *error)
{
	struct err err = ERR_INIT;
	int r;

	if (run->executed)
		return error_out(error, &(struct err){ .text = "a run executes once" }, -EALREADY);
	run->executed = true;
	r = execute(run, &err);
	if (r < 0)
		return error_out(error, &err, r);
	run->explanations = calloc(run->result->steps_count + 1, sizeof(*run->explanations));
	if (!run->explanations)
		return out_of_memory(error);
	for (size_t i = 0; i < run->result->steps_count; i++) {
		const struct step_result *step = &run->result->steps[i];

		verdict_explain(&step->verdict, &step->facts, run->explanations[i],
				sizeof(run->explanations[i]));
	}
	return 0;
}

void kiln_run_cancel(struct kiln_run *run)
{
	atomic_store(&run->cancelled, true);
	uv_async_send(&run->engine->wake);
}
