/* What a run fetches from its sandboxes: files for the answer, files for the next sandbox. */
#include "run/run_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The bound on files that the next sandbox gets is what fits into it. */
static uint64_t keep_bytes(const struct run *run)
{
	return (uint64_t)run->plan->steps[run->step].limits.value[LIMIT_DISK_BYTES];
}

static void gather_init(const struct run *run, bool keep, struct run_gather *ret)
{
	run_gather_init(ret, keep, run->plan->collect == COLLECT_TEXT, keep_bytes(run));
	ret->odd_names = run->plan->collect_odd_names;
	if (!keep && run->plan->collect_file_bytes)
		ret->file_bytes = run->plan->collect_file_bytes;
	/* Those that were there before come first, so that as many new ones are told whatever became of them. */
	if (!keep)
		ret->max_files += run->plan->files_count + run->kept_count;
}

static struct engine_collect_spec spec_of(const struct run_gather *gather, char *const *globs)
{
	return (struct engine_collect_spec){
		.kind = gather->keep ? ENGINE_COLLECT_KEEP : ENGINE_COLLECT_CHANGES,
		.globs = globs,
		.file_bytes = gather->file_bytes,
		.total_bytes = gather->total_bytes,
		.files = (uint32_t)gather->max_files,
	};
}

static void collection_begin(struct run *run, bool keep, char *const *globs)
{
	struct engine_collect_spec spec;

	gather_init(run, keep, &run->gather);
	run->gather_error = 0;
	spec = spec_of(&run->gather, globs);
	run->engine->v->collect(run->sb, &spec);
}

static char *const *globs_of(const struct run *run)
{
	return run->plan->collect == COLLECT_GLOBS ? run->plan->collect_globs : NULL;
}

struct engine_collect_spec run_collect_spec(const struct run *run)
{
	struct run_gather bounds;

	gather_init(run, false, &bounds);
	return spec_of(&bounds, globs_of(run));
}

void run_collect_begin(struct run *run)
{
	run->state = RUN_STATE_COLLECT;
	collection_begin(run, false, globs_of(run));
}

static void next_sandbox(struct run *run)
{
	struct err err = ERR_INIT;

	run_sandbox_release(run);
	if (run_sandbox_acquire(run, &err) < 0)
		run_lose(run, &err);
}

void run_keep_begin(struct run *run)
{
	char *const *keep = run->plan->steps[run->step - 1].keep;

	run->state = RUN_STATE_KEEP;
	if (keep && keep[0])
		collection_begin(run, true, keep);
	else
		next_sandbox(run);
}

void run_kept_free(struct run *run)
{
	for (size_t i = 0; i < run->kept_count; i++) {
		free(run->kept[i].name);
		free(run->kept[i].data);
	}
	free(run->kept);
	run->kept = NULL;
	run->kept_count = 0;
}

void run_on_file(void *user, const struct engine_collected *file)
{
	struct run *run = user;

	if (run->state == RUN_STATE_SNAPSHOT)
		run_snapshot_file(run, file);
	else if (run->gather_error == 0)
		run->gather_error = run_gather_file(&run->gather, file);
}

void run_on_file_data(void *user, const uint8_t *data, size_t len)
{
	struct run *run = user;

	if (run->state == RUN_STATE_SNAPSHOT)
		run_snapshot_data(run, data, len);
	else if (run->gather_error == 0)
		run->gather_error = run_gather_data(&run->gather, data, len);
}

static void collected_changes(struct run *run)
{
	const struct step_result *step = &run->result->steps[run->step];
	enum run_outcome outcome = step->verdict.outcome;

	run->result->files = run->gather.files;
	run->result->files_count = run->gather.files_count;
	run->result->collected = true;
	run->gather.files = NULL;
	run->gather.files_count = 0;
	if (outcome != RUN_OK && strcmp(run->plan->steps[run->step].name, "compile") == 0)
		outcome = RUN_COMPILE_FAILED;
	run_finish(run, outcome);
}

bool run_collect_lost(struct run *run)
{
	struct step_result *step = &run->result->steps[run->step];

	if (run->state != RUN_STATE_COLLECT || run->cancelled || step->verdict.outcome != RUN_MEMORY_EXCEEDED)
		return false;
	run->result->timing.collect_us += run_phase_us(run);
	run_gather_finish(&run->gather);
	free(step->error);
	step->error = strdup("the sandbox died before its files could be fetched");
	collected_changes(run);
	return true;
}

static bool means_too_large(int code)
{
	return code == -EFBIG || code == -ENOSPC || code == -E2BIG || code == -EMSGSIZE;
}

static void collected_keep(struct run *run, const struct err *engine_err)
{
	struct err err = ERR_INIT;
	int r = run->gather_error;

	if (engine_err)
		err = *engine_err;
	else if (r < 0)
		err_set(&err, r, "keeping the files for step '%s'", run->plan->steps[run->step].name);
	if (r == 0 && !engine_err) {
		r = run_gather_take_kept(&run->gather, &run->kept, &run->kept_count);
		if (r < 0)
			err_set(&err, r, "keeping files");
	}

	if (err.code == 0)
		next_sandbox(run);
	else if (means_too_large(err.code))
		run_refuse_files(run, LIMIT_DISK_BYTES, &err);
	else
		run_lose(run, &err);
}

void run_on_collected(void *user, const struct err *engine_err)
{
	struct run *run = user;
	struct err err = ERR_INIT;

	run->result->timing.collect_us += run_phase_us(run);
	if (run->state != RUN_STATE_SNAPSHOT && run->gather_error == 0)
		run->gather_error = run_gather_end(&run->gather);
	if (run->cancelled) {
		run_finish(run, RUN_CANCELLED);
	} else if (run->state == RUN_STATE_SNAPSHOT) {
		run_snapshot_end(run, !engine_err);
	} else if (run->state == RUN_STATE_KEEP) {
		collected_keep(run, engine_err);
	} else if (engine_err || run->gather_error < 0) {
		err_set(&err, run->gather_error, "collecting the files that changed");
		run_lose(run, engine_err ?: &err);
	} else {
		collected_changes(run);
	}
}
