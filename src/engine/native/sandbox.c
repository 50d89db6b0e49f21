/*
 * One sandbox as the front sees it.
 *
 * Two parties tell about it: its init over a stream socket, the keeper over the link. A step goes keeper
 * (limits, deadline) → init (start … exit) → keeper (counters), and its end is told when both have spoken.
 * When init dies the keeper says why it thinks so, with the counters; output that was still in the socket
 * is read first.
 */
#include "engine/native/native_priv.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void report_step(struct sandbox *sb, const struct keeper_usage *usage, const struct err *err);

/* ---- life ---- */

static void on_poll_closed(uv_handle_t *handle)
{
	struct sandbox *sb = handle->data;
	struct native *native = sb->native;

	native->handles--;
	close(sb->fd);
	free(sb);
}

/* Off the list and on the way to free(); libuv gives the memory back when the handle is closed. */
static void dispose(struct sandbox *sb)
{
	*sb->link = sb->next;
	if (sb->next)
		sb->next->link = sb->link;
	outgoing_clear(&sb->out);
	buf_finish(&sb->in);
	free(sb->start_payload);
	free(sb->collect_payload);
	sb->start_payload = sb->collect_payload = NULL;
	if (sb->poll_open) {
		uv_close((uv_handle_t *)&sb->poll, on_poll_closed);
		return;
	}
	free(sb);
}

void sandbox_enter(struct sandbox *sb)
{
	sb->busy++;
}

void sandbox_leave(struct sandbox *sb)
{
	if (--sb->busy == 0 && sb->destroyed)
		dispose(sb);
}

static void ask_to_destroy(struct sandbox *sb)
{
	struct keeper_request request = { .op = KEEPER_DESTROY,
					  .slot = sb->slot,
					  .generation = sb->generation };
	int r;

	if (!sb->has_slot)
		return;
	sandbox_lose_slot(sb);
	/* Fails only when the keeper is gone, and its sandboxes with it. */
	r = link_send(&sb->native->link, &request, NULL, NULL);
	(void)r;
}

void sandbox_destroy(struct engine_sandbox *handle)
{
	struct sandbox *sb = sandbox_of(handle);

	if (!sb || sb->destroyed)
		return;
	sb->destroyed = true;
	sb->native->count--;
	if (sb->poll_open)
		uv_poll_stop(&sb->poll);
	link_forget(&sb->native->link, sb);
	sandbox_forget_pending(sb);
	sandbox_enter(sb);
	if (sb->has_slot || sb->poll_open)
		sandbox_leave_later(sb);
	else
		sandbox_leave(sb);
}

void sandbox_say_goodbye(struct sandbox *sb)
{
	ask_to_destroy(sb);
	sandbox_leave(sb);
}

void sandbox_fail(struct sandbox *sb, const struct err *err)
{
	if (sb->destroyed || sb->state == SANDBOX_DEAD)
		return;
	sb->state = SANDBOX_DEAD;
	sb->ready_pending = false;
	if (sb->poll_open)
		uv_poll_stop(&sb->poll);
	ask_to_destroy(sb);
	sb->events->failed(sb->user, err);
}

void sandbox_fail_with(struct sandbox *sb, int code, const char *what)
{
	struct err err = ERR_INIT;

	err_set(&err, code, "%s", what);
	sandbox_fail(sb, &err);
}

/* ---- the socket ---- */

void sandbox_write(struct sandbox *sb)
{
	patience_progress(sb);
	sb->spoken_us = sb->progress_us;
	sandbox_flush(sb);
}

void sandbox_flush(struct sandbox *sb)
{
	if (sb->destroyed || sb->state == SANDBOX_DEAD || !sb->poll_open)
		return;
	/* A broken pipe is init's death, of which the keeper tells. */
	if (outgoing_write(&sb->out, sb->fd) < 0)
		outgoing_clear(&sb->out);
	sandbox_update_poll(sb);
}

/*
 * Of an init that died in a step, or of too many files, the keeper will say why; one that only closed its socket
 * meets the step's deadline, or the end of patience. Else it has simply failed.
 */
static void fail_at_eof(struct sandbox *sb)
{
	if (sb->eof && sb->state != SANDBOX_RUNNING && sb->state != SANDBOX_ENDING &&
	    sb->state != SANDBOX_UPLOADING)
		sandbox_fail_with(sb, -EPIPE, "the sandbox's init died");
}

/* Behind each look at what init said; `r` is what came of it. */
static void heard(struct sandbox *sb, int r)
{
	if (r < 0)
		sandbox_fail_with(sb, r, "the sandbox's init sent something that it may not");
	else
		fail_at_eof(sb);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct sandbox *sb = poll->data;
	int r = 0;

	sandbox_enter(sb);
	if (status < 0)
		sb->eof = true;
	if (events & UV_READABLE && !sb->eof)
		r = sandbox_receive(sb);
	heard(sb, r);
	if (events & UV_WRITABLE)
		sandbox_write(sb);
	if (!sb->destroyed && sb->state != SANDBOX_DEAD)
		sandbox_update_poll(sb);
	sandbox_leave(sb);
}

void sandbox_hear_kept(struct sandbox *sb)
{
	int r;

	sb->kept_pending = false;
	if (sb->state != SANDBOX_COLLECTING)
		return;
	r = sandbox_handle_kept(sb);
	if (r == 0 && !sb->destroyed && !sb->eof && sb->state == SANDBOX_COLLECTING)
		r = sandbox_receive(sb);
	heard(sb, r);
	if (!sb->destroyed && sb->state != SANDBOX_DEAD)
		sandbox_update_poll(sb);
}

bool sandbox_keeps_back(const struct sandbox *sb)
{
	return sb->collect_sent && (sb->state == SANDBOX_ENDING || sb->state == SANDBOX_IDLE);
}

void sandbox_update_poll(struct sandbox *sb)
{
	bool deaf = sb->eof ||
		    (sb->held && (sb->state == SANDBOX_RUNNING || sb->state == SANDBOX_COLLECTING)) ||
		    sandbox_keeps_back(sb);
	int events = (deaf ? 0 : UV_READABLE) | (sb->out.first && !sb->eof ? UV_WRITABLE : 0);

	if (events == sb->poll_events)
		return;
	sb->poll_events = events;
	if (events)
		uv_poll_start(&sb->poll, events, on_poll);
	else
		uv_poll_stop(&sb->poll);
}

/* What init managed to say before it died. */
static void drain(struct sandbox *sb)
{
	while (!sb->eof && !sb->destroyed && sb->state != SANDBOX_DEAD) {
		size_t before = sb->in.len;
		uint64_t seen = sb->seen[0] + sb->seen[1];
		enum sandbox_state state = sb->state;

		if (sandbox_receive(sb) < 0)
			return;
		if (before == sb->in.len && seen == sb->seen[0] + sb->seen[1] && state == sb->state)
			return;
	}
}

/* ---- files ---- */

static int queue_file(struct sandbox *sb, const struct engine_file *file)
{
	struct wire_file head = {
		.mode = file->mode,
		.is_dir = file->is_dir,
		.size = file->len,
		.stamp = file->stamp,
		.remove = file->remove,
		.is_link = file->is_link,
		.owner = file->owner,
		.mtime_ns = file->mtime_ns,
		.path = file->name,
	};
	uint8_t payload[WIRE_PATH_MAX + 32];
	int64_t len = wire_file_encode(&head, payload, sizeof(payload));
	int r;

	if (len < 0)
		return (int)len;
	r = outgoing_frame(&sb->out, WIRE_FILE, payload, (size_t)len);
	return r < 0 ? r : outgoing_file(&sb->out, file->data, file->len);
}

void sandbox_upload(struct engine_sandbox *handle, const struct engine_file *files, size_t count)
{
	struct sandbox *sb = sandbox_of(handle);
	int r = 0;

	if (sb->state == SANDBOX_DEAD)
		return;
	for (size_t i = 0; i < count && r == 0; i++)
		r = queue_file(sb, &files[i]);
	if (r == 0)
		r = outgoing_frame(&sb->out, WIRE_SYNC, NULL, 0);
	sb->state = SANDBOX_UPLOADING;
	if (r == 0) {
		sandbox_write(sb);
		return;
	}
	/* An unfinished file would confuse init: without memory for the rest the sandbox is of no use. */
	outgoing_clear(&sb->out);
	patience_end(sb);
}

/* ---- steps ---- */

static int queue_tty(struct sandbox *sb, const struct engine_tty *size)
{
	const struct wire_tty tty = { .rows = size->rows, .cols = size->cols };
	uint8_t payload[8];
	int64_t len = wire_tty_encode(&tty, payload, sizeof(payload));

	return outgoing_frame(&sb->out, WIRE_TTY, payload, (size_t)len);
}

/* Everything that waited for the step to be prepared. */
static int send_start(struct sandbox *sb)
{
	uint8_t reason = (uint8_t)sb->kill;
	int r = sb->tty.rows ? queue_tty(sb, &sb->tty) : 0;

	if (r == 0)
		r = outgoing_frame(&sb->out, WIRE_START, sb->start_payload, sb->start_len);

	if (r == 0 && sb->stdin_eof)
		r = outgoing_frame(&sb->out, WIRE_STDIN_EOF, NULL, 0);
	if (r == 0 && sb->kill != STEP_KILL_NONE)
		r = outgoing_frame(&sb->out, WIRE_KILL, &reason, 1);
	if (r == 0 && sb->collect_payload)
		r = outgoing_frame(&sb->out, WIRE_COLLECT, sb->collect_payload, sb->collect_len);
	sb->collect_sent = sb->collect_payload;
	free(sb->start_payload);
	sb->start_payload = NULL;
	sb->state = SANDBOX_RUNNING;
	sb->started_us = uv_hrtime() / 1000;
	if (r == 0)
		sandbox_write(sb);
	return r;
}

static void on_step_prepared(struct sandbox *sb, const struct keeper_message *reply, int fd)
{
	bool waits = sb->state == SANDBOX_PREPARING;
	int r = reply->error;

	/* One that was started ahead may have ended; then STEP_END is refused too, and says so. */
	if (!waits && sb->state != SANDBOX_RUNNING)
		return;
	if (r == 0 && waits)
		r = send_start(sb);
	if (r < 0)
		sandbox_fail_with(sb, r, reply->error ? reply->stage : "start a step");
}

/*
 * Whether the step may start before the keeper has answered: its group is there, with these limits, since the sandbox
 * was made. The request is in the keeper's queue by then, so the deadline is as certain as ever.
 */
static bool is_prepared(const struct sandbox *sb, const struct limits *limits)
{
	static const enum limit_id held[] = { LIMIT_MEMORY_BYTES, LIMIT_PROCESSES, LIMIT_CPU_PERCENT };

	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
		if (sb->made_with.value[held[i]] != limits->value[held[i]])
			return false;
	}
	return sb->step == 1;
}

uint32_t sandbox_start_flags(const struct native_host *host)
{
	uint32_t flags = host->cgroup_version == 2 && !host->contained ? WIRE_START_CGROUP : 0;

	/* In a container init knows best what it can see. */
	if (!host->contained) {
		flags |= host->memory ? 0 : WIRE_START_WATCH_MEMORY;
		flags |= host->cpu_time ? 0 : WIRE_START_WATCH_CPU;
	}
	flags |= host->pids ? 0 : WIRE_START_NPROC;
	return flags;
}

static int encode_start(struct sandbox *sb, const struct engine_step *step, struct err *err)
{
	uint32_t flags = sandbox_start_flags(&sb->native->host);
	uint8_t *payload = sb->native->encode;
	int64_t len;

	/* What waits, waits in /sandbox. */
	flags |= sb->ahead && !step->in_pwd && !step->tty.rows && (step->hot || !sb->warm) ? WIRE_START_HOT
											   : 0;
	flags |= step->tty.rows ? WIRE_START_TTY : 0;
	flags |= step->in_pwd ? WIRE_START_IN_PWD : 0;
	flags |= step->drops ? WIRE_START_DROP : 0;
	len = wire_start_encode(sb->step, flags, &step->limits, step->argv, step->envp, payload,
				WIRE_TO_INIT_MAX);
	if (len < 0)
		return err_set(err, -E2BIG, "the command's arguments and environment together");
	sb->start_payload = malloc((size_t)len);
	if (!sb->start_payload)
		return err_set(err, -ENOMEM, "start a step");
	memcpy(sb->start_payload, payload, (size_t)len);
	sb->start_len = (size_t)len;
	return 0;
}

static const uint8_t collect_kinds[] = {
	[ENGINE_COLLECT_CHANGES] = WIRE_COLLECT_CHANGES,
	[ENGINE_COLLECT_KEEP] = WIRE_COLLECT_KEEP,
	[ENGINE_COLLECT_SNAPSHOT] = WIRE_COLLECT_SNAPSHOT,
	[ENGINE_COLLECT_TREE] = WIRE_COLLECT_TREE,
};

/* COLLECT in the engine's buffer; its length, or negative. */
static int64_t encode_collect(const struct sandbox *sb, const struct engine_collect_spec *spec)
{
	const struct wire_collect what = {
		.kind = collect_kinds[spec->kind],
		.file_bytes = spec->file_bytes,
		.total_bytes = spec->total_bytes,
		.files = spec->files,
	};

	return wire_collect_encode(&what, spec->globs, sb->native->encode, WIRE_TO_INIT_MAX);
}

/* What init may send of it. */
static void expect_collected(struct sandbox *sb, const struct engine_collect_spec *spec)
{
	sb->collect = *spec;
	sb->collect.globs = NULL;
	sb->collect_entries = WIRE_COLLECTED_MAX;
	sb->file_left = 0;
}

/* The collection that will follow on the step. One of many globs is asked for when it is wanted. */
static void plan_collect(struct sandbox *sb, const struct engine_collect_spec *spec)
{
	int64_t len = spec ? encode_collect(sb, spec) : -1;

	free(sb->collect_payload);
	sb->collect_sent = false;
	sb->collect_payload = len > 0 && len <= WIRE_FOLLOWS_MAX ? malloc((size_t)len) : NULL;
	if (!sb->collect_payload)
		return;
	memcpy(sb->collect_payload, sb->native->encode, (size_t)len);
	sb->collect_len = (size_t)len;
	expect_collected(sb, spec);
}

int sandbox_step_start(struct engine_sandbox *handle, const struct engine_step *step, struct err *err)
{
	struct sandbox *sb = sandbox_of(handle);
	struct keeper_request request = {
		.op = KEEPER_STEP, .slot = sb->slot, .generation = sb->generation, .limits = step->limits
	};
	int r;

	if (sb->state != SANDBOX_IDLE)
		return err_set(err, -EBUSY, "a step of a sandbox that is not idle");
	sb->step++;
	r = encode_start(sb, step, err);
	if (r < 0)
		return r;
	request.step = sb->step;
	r = link_send(&sb->native->link, &request, sb, on_step_prepared);
	if (r < 0) {
		free(sb->start_payload);
		sb->start_payload = NULL;
		return err_set(err, r, "ask the keeper for a step");
	}
	plan_collect(sb, step->collects);
	sb->limits = step->limits;
	sb->ahead = false;
	sb->kill = STEP_KILL_NONE;
	sb->stdin_eof = step->no_stdin;
	sb->tty = step->tty;
	sb->seen[0] = sb->seen[1] = 0;
	sb->started = false;
	sb->held = false;
	sb->stdin_credit = 0;
	memset(&sb->exit, 0, sizeof(sb->exit));
	memset(&sb->own, 0, sizeof(sb->own));
	sb->state = SANDBOX_PREPARING;
	patience_progress(sb);
	if (!is_prepared(sb, &step->limits))
		return 0;
	r = send_start(sb);
	return r < 0 ? err_set(err, r, "start a step") : 0;
}

void sandbox_stdin_write(struct engine_sandbox *handle, const uint8_t *data, size_t len)
{
	struct sandbox *sb = sandbox_of(handle);

	if (sb->state != SANDBOX_RUNNING || sb->destroyed)
		return;
	sb->stdin_credit -= len < sb->stdin_credit ? (uint32_t)len : sb->stdin_credit;
	if (outgoing_frame(&sb->out, WIRE_STDIN, data, len) < 0)
		sandbox_fail_with(sb, -ENOMEM, "hold stdin");
	else
		sandbox_write(sb);
}

void sandbox_stdin_eof(struct engine_sandbox *handle)
{
	struct sandbox *sb = sandbox_of(handle);

	if (sb->state == SANDBOX_PREPARING)
		sb->stdin_eof = true;
	if (sb->state != SANDBOX_RUNNING || sb->destroyed)
		return;
	if (outgoing_frame(&sb->out, WIRE_STDIN_EOF, NULL, 0) < 0)
		sandbox_fail_with(sb, -ENOMEM, "end stdin");
	else
		sandbox_write(sb);
}

void sandbox_tty_resize(struct engine_sandbox *handle, const struct engine_tty *size)
{
	struct sandbox *sb = sandbox_of(handle);

	if (sb->destroyed || !sb->tty.rows)
		return;
	sb->tty = *size;
	if (sb->state != SANDBOX_RUNNING)
		return; /* comes before START */
	if (queue_tty(sb, size) < 0)
		sandbox_fail_with(sb, -ENOMEM, "resize a terminal");
	else
		sandbox_write(sb);
}

void sandbox_step_signal(struct engine_sandbox *handle, int number)
{
	struct sandbox *sb = sandbox_of(handle);
	uint8_t payload = (uint8_t)number;

	if (sb->destroyed || sb->state != SANDBOX_RUNNING)
		return;
	if (outgoing_frame(&sb->out, WIRE_SIGNAL, &payload, 1) < 0)
		sandbox_fail_with(sb, -ENOMEM, "signal a step");
	else
		sandbox_write(sb);
}

void sandbox_output_hold(struct engine_sandbox *handle, bool hold)
{
	struct sandbox *sb = sandbox_of(handle);

	if (sb->destroyed || sb->state == SANDBOX_DEAD || !sb->poll_open ||
	    (hold && sb->kill != STEP_KILL_NONE))
		return;
	sb->held = hold;
	if (sb->state == SANDBOX_COLLECTING)
		patience_progress(sb);
	sandbox_update_poll(sb);
}

void sandbox_step_kill(struct engine_sandbox *handle, enum step_kill reason)
{
	struct sandbox *sb = sandbox_of(handle);
	uint8_t payload = (uint8_t)reason;

	if (sb->destroyed || sb->kill != STEP_KILL_NONE ||
	    (sb->state != SANDBOX_RUNNING && sb->state != SANDBOX_PREPARING &&
	     sb->state != SANDBOX_RESYNCING))
		return;
	sb->kill = reason;
	sb->held = false;
	if (sb->state == SANDBOX_PREPARING)
		return; /* follows START */
	if (outgoing_frame(&sb->out, WIRE_KILL, &payload, 1) < 0)
		sandbox_fail_with(sb, -ENOMEM, "kill a step");
	else
		sandbox_write(sb);
}

static void on_step_counted(struct sandbox *sb, const struct keeper_message *reply, int fd)
{
	if (sb->state != SANDBOX_ENDING)
		return;
	sb->state = SANDBOX_IDLE;
	if (reply->error) {
		sandbox_fail_with(sb, reply->error, reply->stage);
		return;
	}
	report_step(sb, &reply->usage, NULL);
	fail_at_eof(sb);
	/* Init looked for files in the meantime. */
	if (sb->kept_pending && !sb->destroyed) {
		sandbox_forget_pending(sb);
		sandbox_hear_kept(sb);
	}
}

void sandbox_exited(struct sandbox *sb)
{
	struct keeper_request request = { .op = KEEPER_STEP_END,
					  .slot = sb->slot,
					  .generation = sb->generation };

	sb->state = SANDBOX_ENDING;
	patience_progress(sb);
	if (link_send(&sb->native->link, &request, sb, on_step_counted) < 0)
		sandbox_fail_with(sb, -EPIPE, "the keeper died");
}

/* 127 and 126 as the shell has them for a command that is not there or may not be executed. */
static void not_started(const struct wire_exit *exit, struct step_facts *facts, struct err *err)
{
	facts->started = false;
	facts->signaled = false;
	if (exit->stage == WIRE_STAGE_EXEC) {
		facts->exit_code = exit->error == ENOENT || exit->error == ENOTDIR ? 127 : 126;
		err_set(err, -(int)exit->error, "the command cannot be executed");
		return;
	}
	facts->engine_failed = true;
	err_set(err, -(int)exit->error, "could not %s", wire_stage_name(exit->stage));
}

/* What init has counted in its container stands where a keeper beside it would have counted. */
static void report_contained(const struct sandbox *sb, struct step_facts *facts)
{
	const struct wire_usage *own = &sb->own;

	facts->memory_by_cgroup = own->flags & WIRE_USAGE_MEMORY;
	facts->cpu_by_cgroup = own->flags & WIRE_USAGE_CPU;
	facts->oom_kills += own->oom_kills;
	facts->forks_refused += own->forks_refused;
	if (own->processes_peak > facts->processes_peak)
		facts->processes_peak = own->processes_peak;
	facts->memory_peak_bytes =
		facts->memory_by_cgroup ? own->memory_peak_bytes : sb->exit.memory_peak_bytes;
	facts->cpu_us = facts->cpu_by_cgroup ? own->cpu_us : sb->exit.cpu_us;
}

static void report_step(struct sandbox *sb, const struct keeper_usage *usage, const struct err *err)
{
	const struct native_host *host = &sb->native->host;
	const struct wire_exit *exit = &sb->exit;
	struct err own_err = ERR_INIT;
	struct step_facts facts = {
		.started = true,
		.signaled = exit->signaled,
		.exit_code = exit->signaled ? 0 : (int)exit->status,
		.signal = exit->signaled ? (int)exit->status : 0,
		.kill = (enum step_kill)exit->kill,
		.oom_kills = usage->oom_kills,
		.forks_refused = usage->forks_refused,
		.disk_full = exit->disk_full,
		.file_full = exit->file_full,
		.disk_used_bytes = exit->disk_used_bytes,
		.stdout_bytes = exit->stdout_bytes,
		.stderr_bytes = exit->stderr_bytes,
		.wall_us = exit->wall_us,
		.cpu_us = host->cpu_time ? usage->cpu_us : exit->cpu_us,
		.memory_peak_bytes = host->memory ? usage->memory_peak_bytes : exit->memory_peak_bytes,
		.processes_peak = usage->processes_peak > exit->processes_peak ? usage->processes_peak
									       : exit->processes_peak,
		.memory_by_cgroup = host->memory,
		.cpu_by_cgroup = host->cpu_time,
		.processes_by_cgroup = host->pids,
	};

	/* RLIMIT_NPROC is not counted by the kernel: a sample that saw all of them taken is the best witness. */
	if (!host->pids && facts.processes_peak >= (uint64_t)sb->limits.value[LIMIT_PROCESSES])
		facts.forks_refused = 1;
	if (host->contained)
		report_contained(sb, &facts);
	if (exit->stage != WIRE_STAGE_NONE)
		not_started(exit, &facts, &own_err);
	sb->events->step_ended(sb->user, &facts, err ? err : own_err.code ? &own_err : NULL);
}

/* ---- collection ---- */

void sandbox_collect(struct engine_sandbox *handle, const struct engine_collect_spec *spec)
{
	struct sandbox *sb = sandbox_of(handle);
	int64_t len;

	sb->held = false;
	if (sb->state == SANDBOX_DEAD) {
		sb->collect_pending = true;
		sandbox_tell_pending(sb);
		return;
	}
	if (sb->collect_sent) {
		sb->collect_sent = false;
		sb->state = SANDBOX_COLLECTING;
		patience_progress(sb);
		sb->kept_pending = true;
		sandbox_tell_pending(sb);
		return;
	}
	len = encode_collect(sb, spec);
	if (len < 0 || outgoing_frame(&sb->out, WIRE_COLLECT, sb->native->encode, (size_t)len) < 0) {
		sb->state = SANDBOX_DEAD;
		sb->files_lost = true;
		sb->collect_pending = true;
		sandbox_tell_pending(sb);
	} else {
		sb->state = SANDBOX_COLLECTING;
		expect_collected(sb, spec);
		sandbox_write(sb);
	}
}

/* ---- what the keeper tells ---- */

/* The step is over because its sandbox is. */
static void step_lost(struct sandbox *sb, const struct keeper_message *message, enum step_kill reason)
{
	uint64_t wall_us = uv_hrtime() / 1000 - sb->started_us;

	sb->exit = (struct wire_exit){
		.signaled = 1,
		.status = SIGKILL,
		.kill = (uint8_t)reason,
		.wall_us = wall_us,
		.stdout_bytes = sb->seen[0],
		.stderr_bytes = sb->seen[1],
		.processes_peak = 1,
		/* Where nobody is left to count: it was full. */
		.memory_peak_bytes =
			message->usage.oom_kills ? (uint64_t)sb->limits.value[LIMIT_MEMORY_BYTES] : 0,
	};
	sb->state = SANDBOX_DEAD;
	if (sb->poll_open)
		uv_poll_stop(&sb->poll);
	sandbox_lose_slot(sb);
	report_step(sb, &message->usage, NULL);
}

/* Init had told how the step ended, and only the counters were awaited: those of its death are as good. */
static void step_told(struct sandbox *sb, const struct keeper_message *message)
{
	sb->state = SANDBOX_DEAD;
	sb->files_lost = !sb->exit.signaled && !sb->exit.kill && !message->usage.oom_kills;
	if (sb->poll_open)
		uv_poll_stop(&sb->poll);
	report_step(sb, &message->usage, NULL);
}

/* Where one group holds init and payload (cgroup version 1) the files alone can be more than the memory. */
static void upload_lost(struct sandbox *sb)
{
	struct err err = ERR_INIT;

	err_set(&err, -ENOMEM, "the files do not fit into memory_bytes");
	sb->state = SANDBOX_DEAD;
	if (sb->poll_open)
		uv_poll_stop(&sb->poll);
	sb->events->uploaded(sb->user, &err);
}

static void init_died(struct sandbox *sb, const struct keeper_message *message)
{
	bool running = sb->state == SANDBOX_RUNNING;

	sandbox_lose_slot(sb);
	if (sb->state == SANDBOX_ENDING)
		step_told(sb, message);
	else if (running && message->event == KEEPER_EVENT_DEADLINE)
		step_lost(sb, message, STEP_KILL_WALL);
	else if (running && message->usage.oom_kills)
		step_lost(sb, message, STEP_KILL_NONE);
	else if (sb->state == SANDBOX_UPLOADING && message->usage.oom_kills)
		upload_lost(sb);
	else
		sandbox_fail_with(sb, -EPIPE, message->stage[0] ? message->stage : "the sandbox's init died");
}

void sandbox_on_message(struct sandbox *sb, const struct keeper_message *message)
{
	struct engine_sandbox *handle = (struct engine_sandbox *)(void *)sb;

	switch ((enum keeper_event)message->event) {
	case KEEPER_EVENT_CPU:
		sandbox_step_kill(handle, STEP_KILL_CPU);
		break;
	case KEEPER_EVENT_OOM:
		sandbox_step_kill(handle, STEP_KILL_MEMORY);
		break;
	case KEEPER_EVENT_DEADLINE:
	case KEEPER_EVENT_DIED:
		drain(sb);
		if (!sb->destroyed && sb->state != SANDBOX_DEAD)
			init_died(sb, message);
		break;
	case KEEPER_EVENT_GONE:
	case KEEPER_EVENT_SESSION_GONE:
	case KEEPER_EVENT_HOST:
	case KEEPER_REPLY:
		break;
	}
}
