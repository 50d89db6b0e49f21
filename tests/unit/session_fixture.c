#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session_fixture.h"

#include <stdio.h>
#include <string.h>

#define PATIENCE_MS 60000

static void on_opened(void *user)
{
	((struct world *)user)->opened = true;
}

static void on_session_ended(void *user, enum engine_session_end why, const struct err *err)
{
	struct world *w = user;

	w->ended = true;
	w->why = why;
	w->error = err ? err->code : 0;
}

static void on_weighed(void *user, const struct engine_session_usage *usage, const struct err *err)
{
	struct world *w = user;

	assert_null(err);
	w->weighed = true;
	w->usage = *usage;
}

const struct engine_session_events world_events = { .opened = on_opened,
						    .ended = on_session_ended,
						    .weighed = on_weighed };

static void on_ready(void *user)
{
	((struct member *)user)->ready = true;
}

static void on_uploaded(void *user, const struct err *err)
{
	struct member *m = user;

	m->uploaded = true;
	m->error = err ? err->code : 0;
}

static void on_output(void *user, int stream, const uint8_t *data, size_t len)
{
	struct member *m = user;

	if (len > sizeof(m->out) - 1 - m->out_len)
		len = sizeof(m->out) - 1 - m->out_len;
	memcpy(m->out + m->out_len, data, len);
	m->out_len += len;
	m->out[m->out_len] = '\0';
}

static void on_step_ended(void *user, const struct step_facts *facts, const struct err *err)
{
	struct member *m = user;

	m->ended = true;
	m->facts = *facts;
	m->error = err ? err->code : 0;
}

static void on_file(void *user, const struct engine_collected *file)
{
	struct member *m = user;
	struct found *found = &m->found[m->found_count];

	assert_true(m->found_count++ < FOUND_MAX);
	*found = (struct found){ .change = file->change,
				 .mode = file->mode,
				 .owner = file->owner,
				 .mtime_ns = file->mtime_ns,
				 .is_dir = file->is_dir,
				 .is_link = file->is_link };
	snprintf(found->name, sizeof(found->name), "%s", file->name);
}

static void on_file_data(void *user, const uint8_t *data, size_t len)
{
	struct member *m = user;
	struct found *found = &m->found[m->found_count - 1];
	size_t had = strlen(found->content);

	snprintf(found->content + had, sizeof(found->content) - had, "%.*s", (int)len, (const char *)data);
}

static void on_collected(void *user, const struct err *err)
{
	struct member *m = user;

	m->collected = true;
	m->error = err ? err->code : 0;
}

static void on_failed(void *user, const struct err *err)
{
	struct member *m = user;

	m->failed = true;
	m->error = err->code;
}

const struct engine_events member_events = { .ready = on_ready,
					     .uploaded = on_uploaded,
					     .output = on_output,
					     .step_ended = on_step_ended,
					     .file = on_file,
					     .file_data = on_file_data,
					     .collected = on_collected,
					     .failed = on_failed };

struct alarm {
	uv_timer_t timer;
	bool late, closed;
};

static void on_time(uv_timer_t *timer)
{
	((struct alarm *)timer->data)->late = true;
}

static void on_closed(uv_handle_t *handle)
{
	((struct alarm *)handle->data)->closed = true;
}

/* Whether one of the two came in time. */
static bool wait_either(struct world *w, const bool *flag, const bool *other, uint64_t ms, bool must)
{
	struct alarm alarm = { 0 };

	uv_timer_init(&w->loop, &alarm.timer);
	alarm.timer.data = &alarm;
	uv_timer_start(&alarm.timer, on_time, ms, 0);
	while (!alarm.late && !*flag && !(other && *other))
		uv_run(&w->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&alarm.timer, on_closed);
	while (!alarm.closed)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	if (must && alarm.late)
		fail_msg("nothing came");
	return !alarm.late;
}

void wait_for(struct world *w, const bool *flag)
{
	wait_either(w, flag, NULL, PATIENCE_MS, true);
}

void wait_ms(struct world *w, uint64_t ms)
{
	const bool never = false;

	wait_either(w, &never, NULL, ms, false);
}

bool world_open(struct world *w, int keeper_fd)
{
	const struct native_options options = { .keeper_fd = keeper_fd };
	struct err err = ERR_INIT;

	*w = (struct world){ 0 };
	assert_int_equal(uv_loop_init(&w->loop), 0);
	if (engine_native_create(&w->loop, &options, &w->engine, &err) < 0)
		fail_msg("%s", err.text);
	if (engine_native_host(w->engine)->sessions)
		return true;
	world_close(w);
	return false;
}

void world_close(struct world *w)
{
	w->engine->v->destroy(w->engine);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
}

void session_begin(struct world *w, const char *id, uint64_t ttl_ms)
{
	struct engine_session_spec spec = {
		.disk_bytes = 64 << 20, .memory_bytes = 1 << 30, .processes = 400, .ttl_ms = ttl_ms
	};
	struct err err = ERR_INIT;

	snprintf((char *)spec.id, sizeof(spec.id), "%s", id);
	if (w->engine->v->session_open(w->engine, &spec, &world_events, w, &w->session, &err) < 0)
		fail_msg("%s", err.text);
	w->ended = w->opened = false;
	wait_either(w, &w->opened, &w->ended, PATIENCE_MS, true);
	assert_int_equal(w->error, 0);
	assert_true(w->opened);
}

struct engine_sandbox_spec member_spec(struct world *w, enum engine_member kind, uint32_t number,
				       const char *name)
{
	struct engine_sandbox_spec spec = { .image = "host",
					    .session = w->session,
					    .member = kind,
					    .user = { .number = number },
					    .service = number };

	for (int i = 0; i < LIMIT_COUNT; i++)
		spec.limits.value[i] = limit_table[i].default_value;
	spec.limits.value[LIMIT_PROCESSES] = 64;
	spec.limits.value[LIMIT_WALL_MS] = 30000;
	spec.limits.value[LIMIT_CPU_MS] = 30000;
	snprintf(spec.user.name, sizeof(spec.user.name), "%s", name);
	return spec;
}

void member_make(struct world *w, struct member *m, const struct engine_sandbox_spec *spec)
{
	struct err err = ERR_INIT;

	*m = (struct member){ .world = w };
	if (w->engine->v->sandbox_create(w->engine, spec, &member_events, m, &m->sb, &err) < 0) {
		m->failed = true;
		m->error = err.code;
		return;
	}
	wait_either(w, &m->ready, &m->failed, PATIENCE_MS, true);
}

void member_upload(struct member *m, const struct engine_file *files, size_t count)
{
	m->uploaded = false;
	m->world->engine->v->upload(m->sb, files, count);
	wait_either(m->world, &m->uploaded, &m->failed, PATIENCE_MS, true);
}

void member_start(struct member *m, const char *command)
{
	struct engine_sandbox_spec spec = member_spec(m->world, ENGINE_MEMBER_RUN, 1, "x");

	member_start_with(m, command, &spec.limits);
}

void member_start_with(struct member *m, const char *command, const struct limits *limits)
{
	char *const argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)command, NULL };
	char *const envp[] = { (char *)"PATH=/usr/bin:/bin", (char *)"LC_ALL=C", NULL };
	const struct engine_step step = { .argv = argv, .envp = envp, .limits = *limits, .no_stdin = true };
	struct err err = ERR_INIT;

	if (m->failed)
		fail_msg("no sandbox: %s", strerror(-m->error));
	m->ended = false;
	m->out_len = 0;
	if (m->world->engine->v->step_start(m->sb, &step, &err) < 0)
		fail_msg("%s", err.text);
}

void member_wait(struct member *m)
{
	wait_either(m->world, &m->ended, &m->failed, PATIENCE_MS, true);
}

void member_collect(struct member *m, enum engine_collect kind)
{
	const struct engine_collect_spec spec = {
		.kind = kind, .file_bytes = 60, .total_bytes = 100000, .files = FOUND_MAX
	};

	m->collected = false;
	m->found_count = 0;
	m->world->engine->v->collect(m->sb, &spec);
	wait_either(m->world, &m->collected, &m->failed, PATIENCE_MS, true);
	assert_true(m->collected);
}

void member_end(struct member *m)
{
	m->world->engine->v->sandbox_destroy(m->sb);
	m->sb = NULL;
}

const struct found *member_find(const struct member *m, const char *name)
{
	for (size_t i = 0; i < m->found_count; i++) {
		if (strcmp(m->found[i].name, name) == 0)
			return &m->found[i];
	}
	return NULL;
}

void run_as(struct world *w, struct member *m, uint32_t number, const char *name, const char *command)
{
	struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_RUN, number, name);

	member_make(w, m, &spec);
	if (m->failed)
		fail_msg("no sandbox: %s", strerror(-m->error));
	member_start(m, command);
	member_wait(m);
	assert_true(m->ended);
	member_end(m);
}
