/* One step of a run: its input, its output, its end. */
#include "run/run_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct plan_step *step_plan(const struct run *run)
{
	return &run->plan->steps[run->step];
}

static bool step_is_last(const struct run *run)
{
	return run->step + 1 == run->plan->steps_count;
}

/* True while the step that runs takes its stdin from run_stdin_write(). */
static bool step_is_live(const struct run *run)
{
	return run->options.live_stdin && step_is_last(run);
}

static void stdin_close(struct run *run)
{
	if (run->stdin_closed)
		return;
	run->stdin_closed = true;
	run->engine->v->stdin_eof(run->sb);
}

/* Nothing else can follow on the step. */
static bool collects_next(const struct run *run)
{
	return step_is_last(run) && run->plan->collect != COLLECT_NONE && !run->cacheable;
}

void run_step_begin(struct run *run)
{
	const struct plan_step *plan = step_plan(run);
	const bool no_stdin = step_is_live(run) ? run->live_eof : plan->stdin_bytes.len == 0;
	const bool tty = step_is_last(run) && run->plan->tty.rows;
	const struct engine_collect_spec collects = run_collect_spec(run);
	const struct engine_step step = { .argv = plan->argv,
					  .envp = plan->envp,
					  .limits = plan->limits,
					  .no_stdin = no_stdin,
					  .in_pwd = plan->in_pwd,
					  .hot = plan->hot && !tty,
					  .drops = plan->drops,
					  .tty = tty ? run->plan->tty : (struct engine_tty){ 0 },
					  .collects = collects_next(run) ? &collects : NULL };
	struct err err = ERR_INIT;

	run->result->steps_count = run->step + 1;
	run->state = RUN_STATE_STEP;
	run->sandbox_used = true;
	run->stdin_at = 0;
	run->live_credit = 0;
	run->stdin_closed = no_stdin;
	run_kept_free(run);
	if (run->engine->v->step_start(run->sb, &step, &err) < 0)
		run_lose(run, &err);
	else if (run->held)
		run->engine->v->output_hold(run->sb, true);
}

void run_hold(struct run *run, bool hold)
{
	run->held = hold;
	if (run->state == RUN_STATE_STEP)
		run->engine->v->output_hold(run->sb, hold);
}

void run_on_stdin_wanted(void *user, size_t len)
{
	struct run *run = user;
	const struct run_bytes *from = &step_plan(run)->stdin_bytes;
	size_t left = from->len - run->stdin_at;

	if (run->state != RUN_STATE_STEP || run->stdin_closed)
		return;
	if (step_is_live(run)) {
		run->live_credit += len;
		if (run->events.stdin_wanted)
			run->events.stdin_wanted(run->user, len);
		return;
	}
	if (len > left)
		len = left;
	if (len > 0)
		run->engine->v->stdin_write(run->sb, from->data + run->stdin_at, len);
	run->stdin_at += len;
	if (run->stdin_at == from->len)
		stdin_close(run);
}

void run_stdin_write(struct run *run, const uint8_t *data, size_t len)
{
	if (run->state != RUN_STATE_STEP || !step_is_live(run) || run->stdin_closed)
		return;
	if (len > run->live_credit)
		len = run->live_credit;
	run->live_credit -= len;
	if (len > 0)
		run->engine->v->stdin_write(run->sb, data, len);
}

void run_stdin_eof(struct run *run)
{
	run->live_eof = true;
	if (run->state == RUN_STATE_STEP && step_is_live(run))
		stdin_close(run);
}

void run_resize(struct run *run, const struct engine_tty *size)
{
	if (!run->plan->tty.rows)
		return;
	run->plan->tty = *size;
	if (run->state == RUN_STATE_STEP && step_is_last(run))
		run->engine->v->tty_resize(run->sb, size);
}

void run_signal(struct run *run, int number)
{
	if (run->state == RUN_STATE_STEP)
		run->engine->v->step_signal(run->sb, number);
}

void run_on_output(void *user, int stream, const uint8_t *data, size_t len)
{
	struct run *run = user;
	struct step_result *step = &run->result->steps[run->step];
	struct buf *to = stream == 2 ? &step->err : &step->out;
	bool *truncated = stream == 2 ? &step->err_truncated : &step->out_truncated;
	struct err err = ERR_INIT;

	if (run->state != RUN_STATE_STEP)
		return;
	/* The engine ends the step at this limit too; that is not relied on. */
	if (len > to->max - to->len) {
		*truncated = true;
		len = to->max - to->len;
	}
	if (len == 0)
		return;
	if (buf_append(to, data, len) < 0) {
		err_set(&err, -ENOMEM, "keeping what the program printed");
		run_lose(run, &err);
		return;
	}
	if (run->events.output)
		run->events.output(run->user, run->step, stream, data, len);
}

static bool collects_after(const struct run *run, enum run_outcome outcome)
{
	return run->plan->collect != COLLECT_NONE && outcome != RUN_ENGINE_ERROR &&
	       outcome != RUN_CANCELLED && !run->cancelled;
}

static enum run_outcome run_outcome_of(const struct run *run)
{
	enum run_outcome outcome = run->result->steps[run->step].verdict.outcome;
	bool failed = outcome != RUN_OK && outcome != RUN_CANCELLED && outcome != RUN_ENGINE_ERROR;

	return failed && strcmp(step_plan(run)->name, "compile") == 0 ? RUN_COMPILE_FAILED : outcome;
}

static void step_record(struct run *run, const struct step_facts *facts, const struct err *err)
{
	struct step_result *step = &run->result->steps[run->step];

	step->facts = *facts;
	step->verdict = verdict_of(facts, &step_plan(run)->limits);
	if (facts->stdout_bytes > step->out.len)
		step->out_truncated = true;
	if (facts->stderr_bytes > step->err.len)
		step->err_truncated = true;
	if (err)
		step->error = strdup(err->text);
	run->result->timing.exec_us += facts->wall_us;
}

bool run_step_is_end(const struct run *run)
{
	return run->step + 1 == run->plan->steps_count && run->plan->collect == COLLECT_NONE;
}

void run_step_follow(struct run *run)
{
	enum run_outcome outcome = run_outcome_of(run);

	if (outcome == RUN_OK && run->step + 1 < run->plan->steps_count && !run->cancelled) {
		run->step++;
		if (step_plan(run)->fresh)
			run_keep_begin(run);
		else
			run_step_begin(run);
	} else if (collects_after(run, outcome)) {
		run_collect_begin(run);
	} else {
		run_finish(run, outcome);
	}
}

void run_on_step_ended(void *user, const struct step_facts *facts, const struct err *err)
{
	struct run *run = user;

	step_record(run, facts, err);
	run_phase_begin(run);
	if (run_cache_wants(run))
		run_snapshot_begin(run);
	else
		run_step_follow(run);
}
