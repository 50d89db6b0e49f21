/*
 * How it works: a run is a chain of calls to the engine, each answered by one event that makes the next call:
 *
 *   sandbox_create → ready → upload → uploaded → step_start → step_ended → (next step, or)
 *       → collect(SNAPSHOT) → collected → (as before; a compile step that is to be cached, see run_cache.c)
 *       → collect(KEEP) → collected → sandbox_create … (the next step wants a fresh sandbox)
 *       → collect(CHANGES) → collected → (the traffic light in the thread pool) → done
 *
 * There is at most one sandbox and one question to it at a time. All memory of the result but outputs and files
 * is there before anything starts, so that any end can be told. Whatever may lead to `done` is the last thing
 * its caller does, because the callee may destroy the run.
 */
#include "run/run_priv.h"

#include "base/cleanup.h"
#include "base/strv.h"
#include "base/utf8.h"
#include "run/run_id.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define EXIT_CANNOT_EXECUTE 126 /* the shell's */

static uint64_t now_us(void)
{
	return uv_hrtime() / 1000;
}

void run_phase_begin(struct run *run)
{
	run->phase_us = now_us();
}

uint64_t run_phase_us(struct run *run)
{
	uint64_t before = run->phase_us;

	run->phase_us = now_us();
	return run->phase_us - before;
}

void run_sandbox_release(struct run *run)
{
	if (run->sb)
		run->engine->v->sandbox_destroy(run->sb);
	run->sb = NULL;
	free(run->uploads);
	run->uploads = NULL;
}

/* Steps that did not come to run have a name already, but no place in the result. */
static void steps_trim(struct run *run)
{
	struct run_result *result = run->result;

	for (size_t i = result->steps_count; result->steps && i < run->plan->steps_count; i++) {
		free(result->steps[i].name);
		result->steps[i].name = NULL;
	}
}

static void deliver(void *user, struct run_result *result)
{
	struct run *run = user;

	result->timing.total_us = run->options.queue_us + now_us() - run->began_us;
	run->state = RUN_STATE_DONE;
	run->events.done(run->user, result);
}

/* The first line of what Ruby says, as a reason. */
static void set_reason(struct run_light_result *light, const struct run_ruby_verdict *verdict)
{
	size_t valid;

	snprintf(light->reason, sizeof(light->reason), "%s: %.*s",
		 verdict->fault == RUN_RUBY_COLOUR ? "the lambda gave no colour" : verdict->class_name,
		 (int)strcspn(verdict->message, "\n"), verdict->message);
	for (char *c = light->reason; *c; c++) {
		if ((unsigned char)*c < 0x20)
			*c = '?';
	}
	if (utf8_valid_but_tail(light->reason, strlen(light->reason), &valid))
		light->reason[valid] = '\0';
}

static void on_ruby(void *user, const struct run_ruby_verdict *verdict)
{
	struct run *run = user;
	struct run_result *result = TAKE_PTR(run->result);

	if (verdict->fault == RUN_RUBY_NONE)
		result->light.colour = verdict->colour;
	else
		set_reason(&result->light, verdict);
	run_ruby_destroy(TAKE_PTR(run->ruby));
	deliver(run, result);
}

static void on_judged(void *user, struct run_result *result)
{
	struct run *run = user;
	struct run_ruby_options options = {
		.engine = run->engine,
		.image = run->options.ruby_image,
		.done = on_ruby,
		.user = run,
	};
	struct light_input input;
	struct err err = ERR_INIT;

	run->judging = NULL;
	run->result = result;
	if (run->options.ceilings)
		options.ceilings = *run->options.ceilings;
	if (result->light.unsupported && options.image) {
		run_light_input(result, &input);
		if (run_ruby_start(&options, result->light.unsupported, result->light.unsupported_len, &input,
				   &run->ruby, &err) == 0)
			return;
	}
	run->result = NULL;
	deliver(run, result);
}

/* May deliver, and so end the run, before it returns. */
static void judge(struct run *run, struct run_result *result)
{
	const struct run_judging_options options = {
		.loop = run->options.loop,
		.lights = run->options.lights,
		.done = on_judged,
		.user = run,
	};
	struct run_judging *judging;

	run->state = RUN_STATE_JUDGE;
	run_light_judge(&options, &run->plan->light, result, &judging);
	if (judging)
		run->judging = judging;
}

/* The image has no traffic light, or it could not be read. */
static void set_missing(struct run_light_result *light, const char *why, size_t len)
{
	struct run_ruby_verdict verdict = { .class_name = "there is no light in the image" };
	AUTO_BUF struct buf text = BUF_INIT(sizeof(light->reason));
	bool truncated;

	if (light_text_clean(why, len, sizeof(light->reason), &text, &truncated) < 0 || !text.data)
		verdict.message = LIGHT_IMAGE_FILE;
	else
		verdict.message = (const char *)text.data;
	verdict.fault = RUN_RUBY_SOURCE;
	run_light_set_faulty(light, "");
	set_reason(light, &verdict);
}

static void on_source(void *user, const struct run_source_found *found)
{
	struct run *run = user;
	struct run_light_spec *spec = &run->plan->light;
	struct run_result *result = TAKE_PTR(run->result);

	if (!found->text) {
		set_missing(&result->light, found->why, found->why_len);
	} else {
		spec->ruby = malloc(found->len + 1);
		spec->ruby_len = found->len;
		if (spec->ruby)
			memcpy(mempcpy(spec->ruby, found->text, found->len), "", 1);
		else
			run_light_set_faulty(&result->light, "out of memory");
	}
	run_source_destroy(TAKE_PTR(run->source));
	judge(run, result);
}

/* Finds the source of the image's light, which may take a sandbox, and judges by it. */
static void source_find(struct run *run, struct run_result *result)
{
	const char *image = run->plan->steps[result->steps_count - 1].image;
	struct run_source_options options = {
		.engine = run->engine,
		.image = run->engine->v->image_digest_name(run->engine, image) ?: image,
		.sources = run->options.sources,
		.done = on_source,
		.user = run,
	};
	struct run_source_found known = { .why = "" };
	struct err err = ERR_INIT;

	run->state = RUN_STATE_JUDGE;
	run->result = result;
	if (run->options.ceilings)
		options.ceilings = *run->options.ceilings;
	if (options.sources)
		known.text = light_sources_find(options.sources, options.image, &known.len);
	if (!known.text && run_source_start(&options, &run->source, &err) == 0)
		return;
	known.why = err.text;
	known.why_len = strlen(err.text);
	on_source(run, &known);
}

void run_finish(struct run *run, enum run_outcome outcome)
{
	struct run_result *result = run->result;

	steps_trim(run);
	run_cache_forget(run);
	result->outcome = run->cancelled ? RUN_CANCELLED : outcome;
	run_sandbox_release(run);
	run->result = NULL;
	if (run->plan->light.of_image && run_light_may_judge(result))
		source_find(run, result);
	else if (run_light_wanted(&run->plan->light))
		judge(run, result);
	else
		deliver(run, result);
}

static void step_lose(struct run *run, const struct err *err)
{
	struct step_result *step = &run->result->steps[run->step];

	/* While collecting, the step has ended and its verdict stands; only the run as a whole failed. */
	if (run->state != RUN_STATE_COLLECT && run->state != RUN_STATE_SNAPSHOT) {
		run->result->steps_count = run->step + 1;
		step->facts.engine_failed = true;
		step->facts.started = run->state == RUN_STATE_STEP;
		step->facts.wall_us = step->facts.started ? run_phase_us(run) : 0;
		run->result->timing.exec_us += step->facts.wall_us;
		step->verdict = (struct verdict){ .outcome = RUN_ENGINE_ERROR, .limit = -1 };
	}
	free(step->error);
	step->error = strdup(err->text);
}

void run_lose(struct run *run, const struct err *err)
{
	step_lose(run, err);
	run_finish(run, RUN_ENGINE_ERROR);
}

bool run_stop(struct run *run, const struct err *why)
{
	if (run->state == RUN_STATE_JUDGE || run->state == RUN_STATE_DONE)
		return false;
	step_lose(run, why);
	result_cancel(run->result, why->text);
	run_finish(run, RUN_CANCELLED);
	return true;
}

void run_refuse_files(struct run *run, enum limit_id limit, const struct err *err)
{
	struct step_result *step = &run->result->steps[run->step];
	const struct plan_step *plan = &run->plan->steps[run->step];
	int64_t value = plan->limits.value[limit];
	bool disk = limit == LIMIT_DISK_BYTES;

	run->result->steps_count = run->step + 1;
	step->facts.disk_full = disk;
	step->facts.disk_used_bytes = disk ? (uint64_t)value : 0;
	step->facts.memory_peak_bytes = disk ? 0 : (uint64_t)value;
	step->verdict = (struct verdict){
		.outcome = disk ? RUN_DISK_EXCEEDED : RUN_MEMORY_EXCEEDED,
		.limit = (int)limit,
		.used = (uint64_t)value,
		.value = value,
		.enforced_by = disk ? ENFORCER_TMPFS : ENFORCER_CGROUP,
	};
	step->error = strdup(err->text);
	run_finish(run, strcmp(plan->name, "compile") == 0 ? RUN_COMPILE_FAILED : step->verdict.outcome);
}

static void files_in_place(struct run *run)
{
	if (run->cached)
		run_cache_replay(run);
	else
		run_step_begin(run);
}

static size_t removals_count(const struct run *run)
{
	return run->options.member ? strv_len(run->options.member->remove) : 0;
}

/* All that goes into the sandbox, in the order in which it is to be written. There is room for it. */
static void uploads_fill(struct run *run, const struct run_file *files, size_t count)
{
	size_t removals = run->step == 0 ? removals_count(run) : 0;
	size_t cached = run->cached ? run->cached->files_count : 0;
	struct engine_file *to = run->uploads;

	for (size_t i = 0; i < removals; i++)
		*to++ = (struct engine_file){ .name = run->options.member->remove[i],
					      .is_dir = true,
					      .remove = true };
	for (size_t i = 0; i < count; i++) {
		*to++ = (struct engine_file){
			.name = files[i].name,
			.data = files[i].data,
			.len = files[i].len,
			.mode = files[i].mode,
			.is_dir = files[i].is_dir,
		};
	}
	for (size_t i = 0; i < cached; i++) {
		const struct cache_file *file = &run->cached->files[i];

		*to++ = (struct engine_file){
			.name = file->name,
			.data = file->data,
			.len = file->len,
			.mode = file->mode,
			.is_dir = file->is_dir,
			.stamp = file->stamp,
		};
	}
}

static void upload_begin(struct run *run)
{
	bool fresh = run->step > 0;
	const struct run_file *files = fresh ? run->kept : run->plan->files;
	size_t count = fresh ? run->kept_count : run->plan->files_count;
	size_t all = count + (run->cached ? run->cached->files_count : 0) + (fresh ? 0 : removals_count(run));
	struct err err = ERR_INIT;

	if (all == 0) {
		files_in_place(run);
		return;
	}
	run->state = RUN_STATE_UPLOAD;
	run->uploads = calloc(all, sizeof(*run->uploads));
	if (!run->uploads) {
		err_set(&err, -ENOMEM, "uploading %zu files", all);
		run_lose(run, &err);
		return;
	}
	uploads_fill(run, files, count);
	run->engine->v->upload(run->sb, run->uploads, all);
}

static void on_ready(void *user)
{
	struct run *run = user;

	run->result->timing.acquire_us += run_phase_us(run);
	if (run->cancelled)
		run_finish(run, RUN_CANCELLED);
	else
		upload_begin(run);
}

/* The sandbox of a run in which nothing has happened yet is changed for another. */
static void start_over(struct run *run)
{
	struct err err = ERR_INIT;

	run_sandbox_release(run);
	if (run_sandbox_acquire(run, &err) < 0)
		run_lose(run, &err);
}

/* What stands in a user's home is his doing, and so it is when a file cannot be put there. */
static bool is_in_the_way(const struct run *run, int code)
{
	static const int codes[] = {
		-EACCES, -EEXIST, -EISDIR, -ELOOP, -ENOENT, -ENOTEMPTY, -ENOTDIR, -EPERM
	};

	for (size_t i = 0; run->options.member && i < ARRAY_LEN(codes); i++) {
		if (codes[i] == code)
			return true;
	}
	return false;
}

/* As of a program that is there and cannot be executed. */
static void fail_files(struct run *run, const struct err *err)
{
	struct step_result *step = &run->result->steps[run->step];

	run->result->steps_count = run->step + 1;
	step->facts.exit_code = EXIT_CANNOT_EXECUTE;
	step->verdict = (struct verdict){ .outcome = RUN_FAILED, .limit = -1 };
	step->error = strdup(err->text);
	run_finish(run, RUN_FAILED);
}

static void on_uploaded(void *user, const struct err *err)
{
	struct run *run = user;

	run->result->timing.upload_us += run_phase_us(run);
	free(run->uploads);
	run->uploads = NULL;
	if (run->cancelled)
		run_finish(run, RUN_CANCELLED);
	else if (err && run->cached) {
		run_cache_forget(run);
		start_over(run);
	} else if (err && (err->code == -ENOSPC || err->code == -ENOMEM))
		run_refuse_files(run, err->code == -ENOSPC ? LIMIT_DISK_BYTES : LIMIT_MEMORY_BYTES, err);
	else if (err && is_in_the_way(run, err->code))
		fail_files(run, err);
	else if (err)
		run_lose(run, err);
	else
		files_in_place(run);
}

/* Nothing of the user's has happened in a sandbox that no step began in: another one may serve as well, once. */
static void on_failed(void *user, const struct err *why)
{
	struct run *run = user;
	struct err err = *why;

	if (run->state == RUN_STATE_SNAPSHOT && run_step_is_end(run)) {
		run_snapshot_end(run, false); /* which is all that is lost with it */
		return;
	}
	if (run_collect_lost(run))
		return;
	if (run->cancelled || run->sandbox_used || run->retried) {
		run_lose(run, &err);
		return;
	}
	run->retried = true;
	start_over(run);
}

static const struct engine_events engine_events = {
	.ready = on_ready,
	.uploaded = on_uploaded,
	.output = run_on_output,
	.stdin_wanted = run_on_stdin_wanted,
	.step_ended = run_on_step_ended,
	.file = run_on_file,
	.file_data = run_on_file_data,
	.collected = run_on_collected,
	.failed = on_failed,
};

int run_sandbox_acquire(struct run *run, struct err *err)
{
	const struct plan_step *step = &run->plan->steps[run->step];
	const struct run_member *member = run->options.member;
	struct engine_sandbox_spec spec = {
		.image = step->image,
		.limits = step->limits,
		.loopback = run->plan->network_loopback,
		.identity = step->identity,
		.tty = run->plan->tty.rows > 0,
		.warm = run->step == 0 && !run->cached && !member ? run->plan->warm : NULL,
	};

	if (member) {
		spec.session = member->session;
		spec.member = ENGINE_MEMBER_RUN;
		spec.user = member->user;
	}
	run->state = RUN_STATE_ACQUIRE;
	run->sandbox_used = false;
	run_phase_begin(run);
	return run->engine->v->sandbox_create(run->engine, &spec, &engine_events, run, &run->sb, err);
}

static int copy_text(char **ret, const char *text)
{
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

static bool is_unenforced(const struct run *run, const char *image, const char *limit)
{
	struct engine *engine = engine_of_image(run->engine, image);

	return strv_has(engine->v->unenforced(engine), limit);
}

/* What the engine of one of its steps cannot enforce. */
static int copy_unenforced(struct run *run)
{
	const struct run_plan *plan = run->plan;
	const char *found[LIMIT_COUNT];
	size_t n = 0;

	for (int limit = 0; limit < LIMIT_COUNT; limit++) {
		bool missing = false;

		for (size_t i = 0; i < plan->steps_count && !missing; i++)
			missing = is_unenforced(run, plan->steps[i].image, limit_table[limit].name);
		if (missing)
			found[n++] = limit_table[limit].name;
	}
	if (n == 0)
		return 0;
	run->result->unenforced = calloc(n + 1, sizeof(*run->result->unenforced));
	if (!run->result->unenforced)
		return -ENOMEM;
	memcpy(run->result->unenforced, found, n * sizeof(*found));
	return 0;
}

/* All that the result needs whatever happens. */
static int result_prepare(struct run *run, struct err *err)
{
	const struct run_plan *plan = run->plan;
	const char *image = plan->steps[plan->steps_count - 1].image;
	struct run_result *result = calloc(1, sizeof(*result));
	int r;

	run->result = result;
	if (!result)
		return err_set(err, -ENOMEM, "start a run");
	result->steps = calloc(plan->steps_count, sizeof(*result->steps));
	if (!result->steps)
		return err_set(err, -ENOMEM, "start a run");
	for (size_t i = 0; i < plan->steps_count; i++) {
		size_t output = (size_t)plan->steps[i].limits.value[LIMIT_OUTPUT_BYTES];

		result->steps[i].out = result->steps[i].err = BUF_INIT(output);
		result->steps[i].verdict.limit = -1;
	}
	if (copy_text(&result->language, plan->language) < 0 ||
	    copy_text(&result->image, run->engine->v->image_digest_name(run->engine, image) ?: image) < 0 ||
	    copy_unenforced(run) < 0)
		return err_set(err, -ENOMEM, "start a run");
	r = run_id_make(result->id, err);
	result->timing.queue_us = run->options.queue_us;
	return r;
}

static int step_names(struct run *run, struct err *err)
{
	for (size_t i = 0; i < run->plan->steps_count; i++) {
		if (copy_text(&run->result->steps[i].name, run->plan->steps[i].name) < 0)
			return err_set(err, -ENOMEM, "start a run");
	}
	return 0;
}

int run_start(struct engine *engine, struct run_plan *plan, const struct run_options *options,
	      const struct run_events *events, void *user, struct run **ret, struct err *err)
{
	struct run *run = calloc(1, sizeof(*run));
	int r;

	if (!run) {
		plan_destroy(plan);
		return err_set(err, -ENOMEM, "start a run");
	}
	run->engine = engine;
	run->plan = plan;
	run->options = *options;
	run->events = *events;
	run->user = user;
	run->began_us = now_us();

	r = result_prepare(run, err);
	if (r == 0)
		r = step_names(run, err);
	if (r == 0)
		run_cache_look(run);
	if (r == 0)
		r = run_sandbox_acquire(run, err);
	if (r < 0) {
		run_destroy(run);
		return r;
	}
	*ret = run;
	return 0;
}

void run_cancel(struct run *run)
{
	if (run->state == RUN_STATE_JUDGE || run->state == RUN_STATE_DONE || run->cancelled)
		return;
	/* In every other state an event is on its way, and its handler looks at this. */
	run->cancelled = true;
	if (run->state == RUN_STATE_STEP)
		run->engine->v->step_kill(run->sb, STEP_KILL_CANCEL);
}

const struct run_plan *run_plan_of(const struct run *run)
{
	return run->plan;
}

void run_destroy(struct run *run)
{
	if (!run)
		return;
	if (run->ret_destroyed)
		*run->ret_destroyed = true;
	run_sandbox_release(run);
	run_cache_forget(run);
	run_light_abandon(run->judging);
	run_ruby_destroy(run->ruby);
	run_source_destroy(run->source);
	run_kept_free(run);
	run_gather_finish(&run->gather);
	if (run->result)
		steps_trim(run);
	run_result_destroy(run->result);
	plan_destroy(run->plan);
	free(run);
}
