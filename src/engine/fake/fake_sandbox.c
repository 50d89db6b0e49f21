/* The vtable: sandboxes, their files and steps. */
#include "engine/fake/fake_priv.h"

#include "base/glob.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct err fault_err(int code, const char *what)
{
	struct err err = ERR_INIT;

	err_set(&err, code, "the fake engine was told to fail: %s", what);
	return err;
}

static int fake_sandbox_create(struct engine *e, const struct engine_sandbox_spec *spec,
			       const struct engine_events *events, void *user, struct engine_sandbox **ret,
			       struct err *err)
{
	struct fake_engine *engine = (struct fake_engine *)e;
	struct engine_sandbox *sb;
	struct err why;
	int code;

	engine->counts.created++;
	if (fake_fault_due(engine, FAKE_CREATE_REFUSED, &code))
		return err_set(err, code, "the fake engine was told to refuse the sandbox");

	sb = fake_alloc(1, sizeof(*sb));
	sb->engine = engine;
	sb->events = *events;
	sb->user = user;
	sb->disk_bytes = spec->limits.value[LIMIT_DISK_BYTES];
	sb->warm = spec->warm != NULL;
	sb->tty = spec->tty;
	if (spec->session) {
		int r = fake_member_join(sb, spec, err);

		if (r < 0) {
			free(sb);
			return r;
		}
	}
	sb->next = engine->sandboxes;
	engine->sandboxes = sb;
	engine->counts.loopback += spec->loopback;
	*ret = sb;
	if (fake_fault_due(engine, FAKE_CREATE_LOST, &code)) {
		why = fault_err(code, "create");
		fake_post_err(sb, FAKE_EVENT_FAILED, &why);
	} else {
		fake_post(sb, FAKE_EVENT_READY);
	}
	return 0;
}

static void fake_sandbox_adopt(struct engine_sandbox *sb, const struct engine_sandbox_spec *spec,
			       const struct engine_events *events, void *user)
{
	assert(sb->ready && !sb->failed && !sb->process && (sb->files_count == 0 || sb->session));
	sb->engine->counts.adopted++;
	sb->events = *events;
	sb->user = user;
	sb->disk_bytes = spec->limits.value[LIMIT_DISK_BYTES];
	if (sb->session)
		fake_member_look(sb);
	fake_post(sb, FAKE_EVENT_READY);
}

static void fake_sandbox_idle(struct engine_sandbox *sb, struct engine_idle *ret)
{
	*ret = (struct engine_idle){ .hot = sb->warm && !sb->engine->options.warm_fails };
}

struct fake_file *fake_file_find(struct engine_sandbox *sb, const char *name)
{
	for (size_t i = 0; i < sb->files_count; i++) {
		if (strcmp(sb->files[i].name, name) == 0)
			return &sb->files[i];
	}
	return NULL;
}

void fake_file_put(struct engine_sandbox *sb, const struct engine_file *from, bool upload)
{
	struct fake_file *file = fake_file_find(sb, from->name);

	if (!file) {
		sb->files = reallocarray(sb->files, sb->files_count + 1, sizeof(*sb->files));
		assert(sb->files);
		file = &sb->files[sb->files_count++];
		*file = (struct fake_file){ .name = fake_copy(from->name, strlen(from->name)) };
	}
	sb->disk_used += from->len;
	sb->disk_used -= file->len;
	free(file->data);
	file->data = fake_copy(from->data, from->len);
	file->len = from->len;
	file->mode = from->mode;
	file->is_dir = from->is_dir;
	file->is_link = from->is_link;
	file->mtime_ns = from->mtime_ns;
	file->owner = sb->member == ENGINE_MEMBER_FILES ? from->owner : sb->member_user.number;
	file->removed = false;
	if (upload && !from->stamp)
		file->uploaded = true;
	else
		file->touched = true;
}

/* A folder with all in it. */
static void remove_file(struct engine_sandbox *sb, const struct engine_file *what)
{
	size_t len = strlen(what->name);

	for (size_t i = 0; i < sb->files_count; i++) {
		struct fake_file *file = &sb->files[i];

		if (strcmp(file->name, what->name) == 0 ||
		    (what->is_dir && strncmp(file->name, what->name, len) == 0 && file->name[len] == '/'))
			file->removed = true;
	}
}

static void fake_upload(struct engine_sandbox *sb, const struct engine_file *files, size_t count)
{
	struct err why;
	int code;

	assert(sb->ready && !sb->failed && !sb->process);
	sb->busy = true;
	if (fake_fault_due(sb->engine, FAKE_UPLOAD_LOST, &code)) {
		why = fault_err(code, "upload");
		fake_post_err(sb, FAKE_EVENT_FAILED, &why);
		return;
	}
	if (fake_fault_due(sb->engine, FAKE_UPLOAD_REFUSED, &code)) {
		why = fault_err(code, "upload");
		fake_post_err(sb, FAKE_EVENT_UPLOADED, &why);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		assert(sb->session || !(files[i].remove || files[i].is_link || files[i].mtime_ns));
		if (files[i].remove) {
			remove_file(sb, &files[i]);
			continue;
		}
		if (sb->disk_used + files[i].len > (uint64_t)sb->disk_bytes) {
			err_set(&why, -ENOSPC, "file '%s'", files[i].name);
			fake_post_err(sb, FAKE_EVENT_UPLOADED, &why);
			return;
		}
		fake_file_put(sb, &files[i], true);
	}
	fake_member_leave_files(sb);
	fake_post(sb, FAKE_EVENT_UPLOADED);
}

static char **argv_copy(char *const *from)
{
	size_t n = 0;
	char **copy;

	while (from && from[n])
		n++;
	copy = fake_alloc(n + 1, sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = fake_copy(from[i], strlen(from[i]));
	return copy;
}

static const struct fake_program *program_find(const struct fake_engine *engine, const char *name)
{
	for (const struct fake_program *p = engine->options.programs; p && p->name; p++) {
		if (strcmp(p->name, name) == 0)
			return p;
	}
	return NULL;
}

static void fake_stdin_eof(struct engine_sandbox *sb)
{
	if (!sb->process)
		return;
	assert(!sb->process->stdin_closed);
	sb->process->stdin_closed = true;
	fake_post(sb, FAKE_EVENT_INPUT);
}

static int fake_step_start(struct engine_sandbox *sb, const struct engine_step *step, struct err *err)
{
	struct fake_process *process;
	struct err why;
	int code;

	assert(sb->ready && !sb->failed && !sb->busy && !sb->process);
	assert(!sb->session || sb->member != ENGINE_MEMBER_FILES);
	if (fake_fault_due(sb->engine, FAKE_STEP_REFUSED, &code))
		return err_set(err, code, "the fake engine was told to refuse the step");

	process = fake_alloc(1, sizeof(*process));
	process->sb = sb;
	process->argv = argv_copy(step->argv);
	process->envp = argv_copy(step->envp);
	process->limits = step->limits;
	assert(!step->tty.rows || sb->tty);
	process->tty = step->tty;
	process->program = program_find(sb->engine, step->argv[0]);
	process->facts = (struct step_facts){ .started = true };
	sb->process = process;
	sb->engine->counts.steps++;
	if (!process->program) {
		err_set(&why, -ENOENT, "execute '%s'", step->argv[0]);
		fake_process_end(process, &(struct step_facts){ .started = false }, &why);
		return 0;
	}
	process->lost = fake_fault_due(sb->engine, FAKE_STEP_LOST, &process->lost_code);
	fake_post(sb, FAKE_EVENT_START)->err = fault_err(process->lost_code, "step");
	if (step->no_stdin)
		fake_stdin_eof(sb);
	return 0;
}

static void fake_stdin_write(struct engine_sandbox *sb, const uint8_t *data, size_t len)
{
	struct fake_event *event;

	if (!sb->process)
		return;
	assert(!sb->process->stdin_closed && len > 0 && len <= sb->process->stdin_credit);
	sb->process->stdin_credit -= len;
	event = fake_post(sb, FAKE_EVENT_INPUT);
	event->data = fake_copy(data, len);
	event->len = len;
}

static void fake_output_hold(struct engine_sandbox *sb, bool hold)
{
	/* All of a collection is on its way. */
	if (sb->process)
		sb->process->held = hold;
}

static void fake_tty_resize(struct engine_sandbox *sb, const struct engine_tty *size)
{
	assert(sb->process && sb->process->tty.rows);
	sb->process->tty = *size;
}

static void fake_step_signal(struct engine_sandbox *sb, int number)
{
	if (sb->process)
		sb->process->signal = number;
}

static void fake_step_kill(struct engine_sandbox *sb, enum step_kill reason)
{
	struct step_facts facts;

	if (!sb->process || sb->process->ending)
		return;
	facts = sb->process->facts;
	facts.signaled = true;
	facts.signal = SIGKILL;
	facts.kill = reason;
	fake_process_end(sb->process, &facts, NULL);
}

static bool any_glob_matches(char *const *globs, const char *name)
{
	if (!globs)
		return true;
	for (size_t i = 0; globs[i]; i++) {
		if (glob_chooses(globs[i], name))
			return true;
	}
	return false;
}

static void emit_content(struct engine_sandbox *sb, const struct fake_file *file,
			 const struct engine_collect_spec *spec)
{
	size_t len = file->len < spec->file_bytes ? file->len : spec->file_bytes;
	struct engine_collected head = {
		.change = file->uploaded ? ENGINE_FILE_CHANGED : ENGINE_FILE_CREATED,
		.age_ns = (uint64_t)(file - sb->files),
		.name = file->name,
		.size = file->len,
		.mode = file->mode,
		.truncated = len < file->len,
	};

	if (spec->kind == ENGINE_COLLECT_TREE) {
		head.change = ENGINE_FILE_CREATED;
		head.is_dir = file->is_dir;
		head.is_link = file->is_link;
		head.owner = file->owner;
		head.mtime_ns = file->mtime_ns;
	}

	engine_fake_emit_file(sb, &head);
	for (size_t at = 0; at < len; at += 64 * 1024)
		engine_fake_emit_data(sb, file->data + at, len - at < 64 * 1024 ? len - at : 64 * 1024);
}

static void collect_files(struct engine_sandbox *sb, const struct engine_collect_spec *spec)
{
	bool changes = spec->kind == ENGINE_COLLECT_CHANGES, keep = spec->kind == ENGINE_COLLECT_KEEP;
	bool tree = spec->kind == ENGINE_COLLECT_TREE;

	for (size_t i = 0; i < sb->files_count; i++) {
		const struct fake_file *file = &sb->files[i];
		struct engine_collected gone = { .change = ENGINE_FILE_DELETED, .name = file->name };

		if ((file->is_dir && !tree) || !any_glob_matches(spec->globs, file->name))
			continue;
		if (file->removed && file->uploaded && changes)
			engine_fake_emit_file(sb, &gone);
		else if (!file->removed && (keep || tree || file->touched))
			emit_content(sb, file, spec);
	}
}

/* Whether it is a snapshot that cannot be had, because an upload was removed. */
static bool lacks_an_upload(const struct engine_sandbox *sb, const struct engine_collect_spec *spec)
{
	for (size_t i = 0; i < sb->files_count; i++) {
		if (spec->kind == ENGINE_COLLECT_SNAPSHOT && sb->files[i].uploaded && sb->files[i].removed)
			return true;
	}
	return false;
}

static void fake_collect_call(struct engine_sandbox *sb, const struct engine_collect_spec *spec)
{
	struct err why;
	int code;

	assert(sb->ready && !sb->failed && !sb->busy && !sb->process);
	sb->busy = true;
	if (fake_fault_due(sb->engine, FAKE_COLLECT_LOST, &code)) {
		why = fault_err(code, "collect");
		fake_post_err(sb, FAKE_EVENT_FAILED, &why);
		return;
	}
	if (sb->engine->on_collect)
		sb->engine->on_collect(sb);
	else
		collect_files(sb, spec);
	if (fake_fault_due(sb->engine, FAKE_COLLECT_REFUSED, &code)) {
		why = fault_err(code, "collect");
		fake_post_err(sb, FAKE_EVENT_COLLECTED, &why);
	} else if (lacks_an_upload(sb, spec)) {
		err_set(&why, -ENOTSUP, "more than files is left");
		fake_post_err(sb, FAKE_EVENT_COLLECTED, &why);
	} else {
		fake_post(sb, FAKE_EVENT_COLLECTED);
	}
}

void fake_sandbox_destroy(struct engine_sandbox *sb)
{
	struct engine_sandbox **at;

	if (!sb)
		return;
	for (struct fake_event *event = sb->engine->first; event; event = event->next) {
		if (event->sb == sb)
			event->sb = NULL;
	}
	for (at = &sb->engine->sandboxes; *at != sb; at = &(*at)->next)
		;
	*at = sb->next;
	fake_process_destroy(sb->process);
	for (size_t i = 0; i < sb->files_count; i++) {
		free(sb->files[i].name);
		free(sb->files[i].data);
	}
	free(sb->files);
	free(sb);
}

static const char *fake_image_find(struct engine *e, const char *name)
{
	static const char *const only_host[] = { "host", NULL };
	const char *const *images = ((struct fake_engine *)e)->options.images ?: only_host;

	for (size_t i = 0; images[i]; i++) {
		if (strcmp(images[i], name) == 0)
			return images[i];
	}
	return NULL;
}

static const char *fake_image_digest_name(struct engine *e, const char *name)
{
	if (strcmp(name, "host") != 0)
		return fake_image_find(e, name) ? "other@sha256:0000000000000000" : NULL;
	return "host@sha256:0123456789abcdef";
}

static const char *const *fake_unenforced(struct engine *e)
{
	static const char *const none[] = { NULL };

	return ((struct fake_engine *)e)->options.unenforced ?: none;
}

static bool fake_healthy(struct engine *e, char *why, size_t size)
{
	const char *sick = ((struct fake_engine *)e)->sick;

	if (sick)
		snprintf(why, size, "%s", sick);
	return !sick;
}

static size_t fake_sandbox_count(struct engine *e)
{
	size_t n = 0;

	for (struct engine_sandbox *sb = ((struct fake_engine *)e)->sandboxes; sb; sb = sb->next)
		n++;
	return n;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void fake_destroy(struct engine *e)
{
	struct fake_engine *engine = (struct fake_engine *)e;

	if (!engine)
		return;
	while (engine->sandboxes)
		fake_sandbox_destroy(engine->sandboxes);
	while (engine->sessions)
		fake_session_destroy(&engine->sessions->base);
	while (engine->first) {
		struct fake_event *event = engine->first;

		engine->first = event->next;
		free(event->name);
		free(event->data);
		free(event);
	}
	uv_close((uv_handle_t *)&engine->idle, on_closed);
}

const struct engine_vtable fake_vtable = {
	.name = "fake",
	.sandbox_create = fake_sandbox_create,
	.sandbox_adopt = fake_sandbox_adopt,
	.sandbox_idle = fake_sandbox_idle,
	.upload = fake_upload,
	.step_start = fake_step_start,
	.stdin_write = fake_stdin_write,
	.stdin_eof = fake_stdin_eof,
	.output_hold = fake_output_hold,
	.tty_resize = fake_tty_resize,
	.step_signal = fake_step_signal,
	.step_kill = fake_step_kill,
	.collect = fake_collect_call,
	.sandbox_destroy = fake_sandbox_destroy,
	.image_find = fake_image_find,
	.image_digest_name = fake_image_digest_name,
	.unenforced = fake_unenforced,
	.healthy = fake_healthy,
	.sandbox_count = fake_sandbox_count,
	.session_open = fake_session_open,
	.session_found = fake_session_found,
	.session_take = fake_session_take,
	.service_take = fake_service_take,
	.session_prolong = fake_session_prolong,
	.session_finish = fake_session_finish,
	.session_weigh = fake_session_weigh,
	.session_destroy = fake_session_destroy,
	.destroy = fake_destroy,
};
