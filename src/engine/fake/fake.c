/*
 * The engine itself: its queue of events, faults, and the calls that tests make. fake_sandbox.c has the vtable.
 */
#include "engine/fake/fake_priv.h"

#include "base/strv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void *fake_alloc(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	assert(p);
	return p;
}

void *fake_copy(const void *data, size_t len)
{
	uint8_t *copy = fake_alloc(len + 1, 1);

	if (len > 0)
		memcpy(copy, data, len);
	return copy;
}

static void event_destroy(struct fake_event *event)
{
	free(event->name);
	free(event->data);
	free(event);
}

static void deliver_output(struct engine_sandbox *sb, struct fake_event *event)
{
	sb->events.output(sb->user, event->stream, event->data, event->len);
}

static void deliver_ready(struct engine_sandbox *sb, struct fake_event *event)
{
	sb->ready = true;
	sb->events.ready(sb->user);
}

static void deliver_uploaded(struct engine_sandbox *sb, struct fake_event *event)
{
	sb->busy = false;
	sb->events.uploaded(sb->user, event->has_err ? &event->err : NULL);
}

static void deliver_start(struct engine_sandbox *sb, struct fake_event *event)
{
	struct fake_process *process = sb->process;

	process->program->start(process);
	if (process->lost)
		fake_post_err(sb, FAKE_EVENT_FAILED, &event->err);
	else if (!process->ending && process->program->input)
		fake_process_want(process, 16);
}

static void deliver_input(struct engine_sandbox *sb, struct fake_event *event)
{
	struct fake_process *process = sb->process;

	if (process && !process->ending && process->program->input)
		process->program->input(process, event->data, event->len);
}

static void deliver_stdin_wanted(struct engine_sandbox *sb, struct fake_event *event)
{
	if (!sb->process || sb->process->ending || sb->process->stdin_closed)
		return;
	sb->process->stdin_credit += event->len;
	sb->events.stdin_wanted(sb->user, event->len);
}

static void deliver_step_ended(struct engine_sandbox *sb, struct fake_event *event)
{
	fake_process_destroy(sb->process);
	sb->process = NULL;
	fake_member_leave_files(sb);
	sb->events.step_ended(sb->user, &event->facts, event->has_err ? &event->err : NULL);
}

static void deliver_file(struct engine_sandbox *sb, struct fake_event *event)
{
	event->file.name = event->name;
	sb->events.file(sb->user, &event->file);
}

static void deliver_file_data(struct engine_sandbox *sb, struct fake_event *event)
{
	sb->events.file_data(sb->user, event->data, event->len);
}

static void deliver_collected(struct engine_sandbox *sb, struct fake_event *event)
{
	sb->busy = false;
	sb->events.collected(sb->user, event->has_err ? &event->err : NULL);
}

static void deliver_failed(struct engine_sandbox *sb, struct fake_event *event)
{
	sb->failed = true;
	sb->events.failed(sb->user, &event->err);
}

static void (*const deliver[FAKE_EVENT_KINDS])(struct engine_sandbox *sb, struct fake_event *event) = {
	[FAKE_EVENT_READY] = deliver_ready,	      [FAKE_EVENT_UPLOADED] = deliver_uploaded,
	[FAKE_EVENT_START] = deliver_start,	      [FAKE_EVENT_INPUT] = deliver_input,
	[FAKE_EVENT_OUTPUT] = deliver_output,	      [FAKE_EVENT_STDIN_WANTED] = deliver_stdin_wanted,
	[FAKE_EVENT_STEP_ENDED] = deliver_step_ended, [FAKE_EVENT_FILE] = deliver_file,
	[FAKE_EVENT_FILE_DATA] = deliver_file_data,   [FAKE_EVENT_COLLECTED] = deliver_collected,
	[FAKE_EVENT_FAILED] = deliver_failed,
};

static void on_idle(uv_idle_t *idle)
{
	struct fake_engine *engine = idle->data;
	struct fake_event *event = engine->first;

	engine->first = event->next;
	if (!engine->first) {
		engine->last = &engine->first;
		uv_idle_stop(idle);
		engine->idle_active = false;
	}
	if (event->session)
		fake_session_deliver(event->session, event);
	else if (event->sb && !event->sb->failed && !event->sb->orphan)
		deliver[event->kind](event->sb, event);
	event_destroy(event);
}

static void wake(struct fake_engine *engine)
{
	if (!engine->first || engine->stopped || engine->idle_active)
		return;
	uv_idle_start(&engine->idle, on_idle);
	engine->idle_active = true;
}

static struct fake_event *post(struct fake_engine *engine, enum fake_event_kind kind)
{
	struct fake_event *event = fake_alloc(1, sizeof(*event));

	event->kind = kind;
	*engine->last = event;
	engine->last = &event->next;
	wake(engine);
	return event;
}

struct fake_event *fake_post(struct engine_sandbox *sb, enum fake_event_kind kind)
{
	struct fake_event *event = post(sb->engine, kind);

	event->sb = sb;
	return event;
}

struct fake_event *fake_post_session(struct fake_session *session, enum fake_event_kind kind)
{
	struct fake_event *event = post(session->engine, kind);

	event->session = session;
	return event;
}

void fake_post_err(struct engine_sandbox *sb, enum fake_event_kind kind, const struct err *err)
{
	struct fake_event *event = fake_post(sb, kind);

	event->has_err = err != NULL;
	if (err)
		event->err = *err;
}

bool fake_fault_due(struct fake_engine *engine, enum fake_fault fault, int *ret_code)
{
	if (engine->faults[fault].times == 0)
		return false;
	engine->faults[fault].times--;
	*ret_code = engine->faults[fault].code;
	return true;
}

int engine_fake_create(uv_loop_t *loop, const struct fake_options *options, struct engine **ret,
		       struct err *err)
{
	struct fake_engine *engine = fake_alloc(1, sizeof(*engine));
	int r = uv_idle_init(loop, &engine->idle);

	if (r < 0) {
		free(engine);
		return err_set(err, r, "fake engine");
	}
	engine->idle.data = engine;
	engine->engine.v = &fake_vtable;
	engine->options = *options;
	engine->last = &engine->first;
	*ret = &engine->engine;
	return 0;
}

void engine_fake_fail(struct engine *e, enum fake_fault fault, unsigned times, int code)
{
	struct fake_engine *engine = (struct fake_engine *)e;

	engine->faults[fault].times = times;
	engine->faults[fault].code = code;
}

void engine_fake_set_sick(struct engine *e, const char *why)
{
	((struct fake_engine *)e)->sick = why;
}

void engine_fake_stop(struct engine *e, bool stopped)
{
	struct fake_engine *engine = (struct fake_engine *)e;

	engine->stopped = stopped;
	if (stopped) {
		uv_idle_stop(&engine->idle);
		engine->idle_active = false;
	}
	wake(engine);
}

void engine_fake_on_collect(struct engine *e, void (*collect)(struct engine_sandbox *sb))
{
	((struct fake_engine *)e)->on_collect = collect;
}

void engine_fake_emit_file(struct engine_sandbox *sb, const struct engine_collected *file)
{
	struct fake_event *event = fake_post(sb, FAKE_EVENT_FILE);

	event->file = *file;
	event->name = fake_copy(file->name, strlen(file->name));
}

void engine_fake_emit_data(struct engine_sandbox *sb, const void *data, size_t len)
{
	struct fake_event *event = fake_post(sb, FAKE_EVENT_FILE_DATA);

	event->data = fake_copy(data, len);
	event->len = len;
}

struct fake_counts engine_fake_counts(const struct engine *e)
{
	return ((const struct fake_engine *)e)->counts;
}
