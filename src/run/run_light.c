#include "run/run_light.h"

#include "base/cleanup.h"
#include "light/cache.h"
#include "run/result.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct run_judging {
	uv_work_t work;
	struct run_judging_options options;
	struct run_light_spec spec;
	struct run_result *result;
	struct light *light; /* the cache's or this one's own */
	bool compiled;	     /* here, so that the cache may want it */
	bool unsupported;
};

void run_light_spec_finish(struct run_light_spec *spec)
{
	light_unref(spec->rules);
	free(spec->ruby);
	*spec = (struct run_light_spec){ 0 };
}

int run_light_spec_lend(const struct run_light_spec *from, struct run_light_spec *to)
{
	char *ruby = from->ruby ? strndup(from->ruby, from->ruby_len) : NULL;

	if (from->ruby && !ruby)
		return -ENOMEM;
	to->rules = from->rules ? light_ref(from->rules) : NULL;
	to->ruby = ruby;
	to->ruby_len = from->ruby_len;
	to->of_language = to->of_image = false;
	return 0;
}

static void judging_destroy(struct run_judging *judging)
{
	light_unref(judging->light);
	run_light_spec_finish(&judging->spec);
	run_result_destroy(judging->result);
	free(judging);
}

void run_light_set_faulty(struct run_light_result *light, const char *reason)
{
	light->judged = true;
	light->colour = LIGHT_FAULTY;
	snprintf(light->reason, sizeof(light->reason), "%s", reason);
}

static void set_fault(struct run_judging *judging, const struct light_fault *fault)
{
	char reason[sizeof(judging->result->light.reason)];

	light_fault_explain(fault, reason, sizeof(reason));
	run_light_set_faulty(&judging->result->light, reason);
	judging->unsupported = fault->kind == LIGHT_UNSUPPORTED;
}

bool run_light_may_judge(struct run_result *result)
{
	enum run_outcome outcome = RUN_ENGINE_ERROR;
	char reason[128];

	if (result->steps_count > 0)
		outcome = result->steps[result->steps_count - 1].verdict.outcome;
	if (result->outcome == RUN_CANCELLED || result->outcome == RUN_ENGINE_ERROR)
		outcome = result->outcome;
	if (outcome == RUN_OK || outcome == RUN_FAILED || outcome == RUN_SIGNALED)
		return true;
	snprintf(reason, sizeof(reason), "the run ended as %s, so that its output was not judged",
		 run_outcome_name(outcome));
	run_light_set_faulty(&result->light, reason);
	return false;
}

static bool compile(struct run_judging *judging)
{
	struct light_fault fault;

	if (judging->light)
		return true;
	if (!judging->spec.ruby)
		return false; /* there is none, which the result says already */
	if (light_compile_ruby(judging->spec.ruby, judging->spec.ruby_len, &judging->light, &fault) < 0) {
		set_fault(judging, &fault);
		return false;
	}
	judging->compiled = true;
	return true;
}

void run_light_input(const struct run_result *result, struct light_input *ret)
{
	const struct step_result *step = &result->steps[result->steps_count - 1];

	*ret = (struct light_input){
		.out = step->out.data,
		.out_len = step->out.len,
		.err = step->err.data,
		.err_len = step->err.len,
		.status = step->facts.signaled ? 128 + step->facts.signal : step->facts.exit_code,
	};
}

static void judge(struct run_judging *judging)
{
	struct run_result *result = judging->result;
	struct light_input input;
	struct light_verdict verdict;

	run_light_input(result, &input);
	light_judge(judging->light, &input, &verdict);
	result->light.judged = true;
	result->light.colour = verdict.colour;
	if (verdict.colour == LIGHT_FAULTY)
		set_fault(judging, &verdict.fault);
}

static bool ends_in_xml(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && strcmp(name + len - 4, ".xml") == 0;
}

/* Moves the tests of one report behind those of another. */
static void report_move(struct report *to, struct report *from)
{
	struct report_test *tests;

	if (from->count > REPORT_TESTS - to->count) {
		to->truncated = true;
	} else if (from->count > 0) {
		tests = realloc(to->tests, (to->count + from->count) * sizeof(*tests));
		if (tests) {
			memcpy(tests + to->count, from->tests, from->count * sizeof(*tests));
			to->tests = tests;
			to->count += from->count;
			from->count = 0;
		}
	}
	to->truncated |= from->truncated;
	report_finish(from);
}

static void read_reports(struct run_judging *judging)
{
	struct run_result *result = judging->result;
	const struct step_result *step = &result->steps[result->steps_count - 1];
	struct run_light_result *light = &result->light;
	struct report one = { 0 };
	int r;

	if (judging->spec.report == LIGHT_REPORT_NONE)
		return;
	light->has_report = true;
	if (judging->spec.report == LIGHT_REPORT_TAP)
		r = report_read_tap(step->out.data, step->out.len, &one);
	else
		r = report_read_junit(step->out.data, step->out.len, &one);
	if (r == 0)
		report_move(&light->report, &one);
	for (size_t i = 0; judging->spec.report == LIGHT_REPORT_JUNIT && i < result->files_count; i++) {
		const struct result_file *file = &result->files[i];

		if ((file->change != FILE_CREATED && file->change != FILE_CHANGED) ||
		    !ends_in_xml(file->name))
			continue;
		r = report_read_junit(file->data, file->len, &one);
		if (r == 0)
			report_move(&light->report, &one);
	}
}

/* In a thread of the pool; nobody else touches the judging meanwhile. */
static void on_work(uv_work_t *work)
{
	struct run_judging *judging = container_of(work, struct run_judging, work);

	if (compile(judging))
		judge(judging);
	read_reports(judging);
}

static void finish(struct run_judging *judging)
{
	struct run_judging_options options = judging->options;
	struct run_result *result = TAKE_PTR(judging->result);

	if (options.lights && judging->compiled)
		light_cache_keep(options.lights, judging->spec.ruby, judging->spec.ruby_len, judging->light);
	if (judging->unsupported) {
		result->light.unsupported_len = judging->spec.ruby_len;
		result->light.unsupported = TAKE_PTR(judging->spec.ruby);
	}
	judging_destroy(judging);
	options.done(options.user, result);
}

static void on_worked(uv_work_t *work, int status)
{
	struct run_judging *judging = container_of(work, struct run_judging, work);

	if (judging->options.done)
		finish(judging);
	else
		judging_destroy(judging);
}

static struct light *light_at_hand(const struct run_judging *judging)
{
	if (judging->spec.rules)
		return light_ref(judging->spec.rules);
	return judging->options.lights
		       ? light_cache_find(judging->options.lights, judging->spec.ruby, judging->spec.ruby_len)
		       : NULL;
}

void run_light_judge(const struct run_judging_options *options, struct run_light_spec *spec,
		     struct run_result *result, struct run_judging **ret)
{
	struct run_judging *judging = NULL;

	*ret = NULL;
	if (run_light_may_judge(result)) {
		judging = calloc(1, sizeof(*judging));
		if (!judging)
			run_light_set_faulty(&result->light, "out of memory");
	}
	if (!judging) {
		options->done(options->user, result);
		return;
	}
	judging->options = *options;
	judging->spec = *spec;
	*spec = (struct run_light_spec){ 0 };
	judging->result = result;
	judging->light = light_at_hand(judging);
	if (options->loop && uv_queue_work(options->loop, &judging->work, on_work, on_worked) == 0) {
		*ret = judging;
		return;
	}
	on_work(&judging->work);
	finish(judging);
}

void run_light_abandon(struct run_judging *judging)
{
	if (!judging)
		return;
	judging->options.done = NULL;
	judging->options.lights = NULL;
	/* Where it has not begun it need not. */
	uv_cancel((uv_req_t *)&judging->work);
}
