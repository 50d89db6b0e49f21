/*
 * A first step that is not run because it has been before, and one that will not have to be again.
 *
 * Hit: the sandbox gets the request's files and over them those of the entry, in one upload, and the step's result is
 * told from the entry. Miss: when the step has ended well a snapshot of its sandbox is taken, before another step can
 * touch anything, and becomes the entry; a step that left more than a snapshot holds has none. No failure in here is
 * one of the run's: without the cache it goes on as if there were none.
 */
#include "run/run_cache.h"

#include "cache/cache_key.h"
#include "run/run_priv.h"

#include <errno.h>
#include <string.h>

static bool is_for_cache(const struct run_plan *plan)
{
	const struct plan_step *step = &plan->steps[0];
	size_t bytes = step->stdin_bytes.len;

	if (plan->no_cache || (strcmp(step->name, "compile") != 0 && !(step->keep && step->keep[0])))
		return false;
	for (size_t i = 0; i < plan->files_count; i++)
		bytes += plan->files[i].len;
	return bytes <= RUN_CACHE_INPUT_BYTES;
}

static void hash_step(struct cache_hash *hash, const struct plan_step *step)
{
	cache_hash_texts(hash, step->argv);
	cache_hash_texts(hash, step->envp);
	for (int i = 0; i < LIMIT_COUNT; i++)
		cache_hash_number(hash, (uint64_t)step->limits.value[i]);
	cache_hash_bytes(hash, step->stdin_bytes.data, step->stdin_bytes.len);
}

bool run_cache_key(const struct run_plan *plan, const char *image, const char *scope, struct cache_key *ret)
{
	struct cache_hash hash;

	if (!is_for_cache(plan))
		return false;
	cache_hash_begin(&hash, "compile step");
	cache_hash_text(&hash, scope);
	cache_hash_text(&hash, image);
	cache_hash_text(&hash, plan->language);
	cache_hash_text(&hash, plan->language_version);
	cache_hash_number(&hash, plan->network_loopback);
	hash_step(&hash, &plan->steps[0]);
	cache_hash_number(&hash, plan->files_count);
	for (size_t i = 0; i < plan->files_count; i++) {
		const struct run_file *file = &plan->files[i];

		cache_hash_text(&hash, file->name);
		cache_hash_number(&hash, file->mode);
		cache_hash_number(&hash, file->is_dir);
		cache_hash_bytes(&hash, file->data, file->len);
	}
	*ret = cache_hash_end(&hash);
	return true;
}

void run_cache_look(struct run *run)
{
	const struct run_plan *plan = run->plan;
	const char *image;

	if (!run->options.cache || ((run->options.live_stdin || plan->tty.rows) && plan->steps_count == 1))
		return;
	image = run->engine->v->image_digest_name(run->engine, plan->steps[0].image);
	if (!image || !run_cache_key(plan, image, run->options.cache_scope, &run->cache_key))
		return;
	run->cached = cache_find(run->options.cache, &run->cache_key);
	run->cacheable = !run->cached;
}

void run_cache_forget(struct run *run)
{
	if (run->cached)
		cache_release(run->options.cache, run->cached);
	run->cached = NULL;
	cache_abandon(run->draft);
	run->draft = NULL;
	run->cacheable = false;
}

/* ---- hit ---- */

static int replay_output(struct run *run, int stream, const struct cache_output *from)
{
	struct step_result *step = &run->result->steps[0];

	if (from->len == 0)
		return 0;
	return buf_append(stream == 2 ? &step->err : &step->out, from->data, from->len);
}

/* False: the run was destroyed by who it was told to. */
static bool tell_output(struct run *run, int stream)
{
	const struct step_result *step = &run->result->steps[0];
	const struct buf *text = stream == 2 ? &step->err : &step->out;
	bool destroyed = false;

	if (!run->events.output || text->len == 0)
		return true;
	run->ret_destroyed = &destroyed;
	run->events.output(run->user, 0, stream, text->data, text->len);
	if (!destroyed)
		run->ret_destroyed = NULL;
	return !destroyed;
}

void run_cache_replay(struct run *run)
{
	struct step_result *step = &run->result->steps[0];
	struct err err = ERR_INIT;

	run->result->steps_count = 1;
	run->sandbox_used = true;
	step->facts = run->cached->facts;
	step->verdict = verdict_of(&step->facts, &run->plan->steps[0].limits);
	step->cached = true;
	if (replay_output(run, 1, &run->cached->out) < 0 || replay_output(run, 2, &run->cached->err) < 0) {
		err_set(&err, -ENOMEM, "keeping what the program printed");
		run_lose(run, &err);
		return;
	}
	run_cache_forget(run);
	if (!tell_output(run, 1) || !tell_output(run, 2))
		return;
	run_phase_begin(run);
	run_step_follow(run);
}

/* ---- miss ---- */

/* A step that met a limit and went on all the same might do otherwise another time. */
static bool met_no_limit(const struct step_facts *facts)
{
	return facts->kill == STEP_KILL_NONE && !facts->oom_kills && !facts->forks_refused &&
	       !facts->disk_full;
}

bool run_cache_wants(const struct run *run)
{
	const struct step_result *step = &run->result->steps[run->step];

	return run->cacheable && run->step == 0 && !run->cancelled && step->verdict.outcome == RUN_OK &&
	       !step->out_truncated && !step->err_truncated && met_no_limit(&step->facts);
}

void run_snapshot_begin(struct run *run)
{
	const struct step_result *step = &run->result->steps[0];
	size_t most = cache_draft_bytes(run->options.cache);
	const struct engine_collect_spec spec = {
		.kind = ENGINE_COLLECT_SNAPSHOT,
		.file_bytes = most,
		.total_bytes = most,
		.files = RUN_CACHE_FILES,
	};

	run->cacheable = false;
	run->draft = cache_begin(run->options.cache, &run->cache_key);
	if (!run->draft || cache_draft_output(run->draft, 1, step->out.data, step->out.len) < 0 ||
	    cache_draft_output(run->draft, 2, step->err.data, step->err.len) < 0) {
		run_cache_forget(run);
		run_step_follow(run);
		return;
	}
	run->state = RUN_STATE_SNAPSHOT;
	run->engine->v->collect(run->sb, &spec);
}

/* What a sandbox says is not trusted: it is put back into sandboxes only, but must be fit for that. */
static bool is_fit(const struct engine_collected *file)
{
	bool content = file->change == ENGINE_FILE_CREATED || file->change == ENGINE_FILE_CHANGED;

	return content && !file->truncated && file->mode <= 0777 && !(file->is_dir && file->size);
}

void run_snapshot_file(struct run *run, const struct engine_collected *from)
{
	const struct cache_file file = {
		.name = (char *)(uintptr_t)from->name,
		.len = from->size,
		.mode = from->mode,
		.is_dir = from->is_dir,
	};

	if (run->draft && (!is_fit(from) || cache_draft_file(run->draft, &file, from->age_ns) < 0))
		run_cache_forget(run);
}

void run_snapshot_data(struct run *run, const uint8_t *data, size_t len)
{
	if (run->draft && cache_draft_data(run->draft, data, len) < 0)
		run_cache_forget(run);
}

void run_snapshot_end(struct run *run, bool whole)
{
	struct cache_draft *draft = run->draft;

	run->draft = NULL;
	if (draft && whole)
		cache_commit(draft, &run->result->steps[0].facts);
	else
		cache_abandon(draft);
	run_step_follow(run);
}
