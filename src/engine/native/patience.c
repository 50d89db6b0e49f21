/*
 * The end of waiting. A step has the keeper's deadline; all else that a sandbox is asked (to exist, to greet, to take
 * files, to give them) has this: without any progress for PATIENCE_US it has failed, be it init that is hostile or
 * stopped, or a machine that is too slow to be of use. Time in which kiln itself was busy with other things is not
 * init's.
 */
#include "engine/native/native_priv.h"

#include "wire/init_config.h"

#include <errno.h>

#define PATIENCE_US	20000000u
#define PATIENCE_EOF_US 1000000u /* init closed: the keeper says why much sooner, when it is really dead */
#define CONTAINED_TIMES 6	 /* a daemon that makes containers for many at once is no quick one */
#define TICK_MS		500

/* Often enough for init, which ends when nobody speaks to it: INIT_PATIENCE_MS. */
#define PING_US (INIT_PATIENCE_MS * 1000ull / 4)

void patience_progress(struct sandbox *sb)
{
	sb->progress_us = uv_hrtime() / 1000;
}

void patience_end(struct sandbox *sb)
{
	sb->progress_us = 0;
}

static bool waits(const struct sandbox *sb)
{
	return !sb->destroyed && sb->state != SANDBOX_IDLE && sb->state != SANDBOX_RUNNING &&
	       sb->state != SANDBOX_DEAD && !(sb->held && sb->state == SANDBOX_COLLECTING);
}

/* What it printed is read to the end before the keeper, a while later, ends the step with its sandbox. */
static void let_go(struct sandbox *sb, uint64_t now_us)
{
	uint64_t wall_us = (uint64_t)sb->limits.value[LIMIT_WALL_MS] * 1000;

	if (sb->held && sb->state == SANDBOX_RUNNING && now_us - sb->started_us >= wall_us)
		sandbox_output_hold((struct engine_sandbox *)(void *)sb, false);
}

static void ping(struct sandbox *sb, uint64_t now_us)
{
	if (sb->destroyed || sb->state == SANDBOX_DEAD || !sb->poll_open || sb->out.first)
		return;
	sb->spoken_us = now_us;
	if (outgoing_frame(&sb->out, WIRE_PING, NULL, 0) == 0)
		sandbox_flush(sb);
}

/* How long the loop did not come round since the last tick: then it was this side that did not listen, not init. */
static uint64_t deaf_us(struct native *native, uint64_t now_us)
{
	uint64_t since_us = now_us - native->ticked_us;

	native->ticked_us = now_us;
	return since_us > 2 * TICK_MS * 1000ull ? since_us - TICK_MS * 1000ull : 0;
}

static void on_tick(uv_timer_t *timer)
{
	struct native *native = timer->data;
	uint64_t now_us = uv_hrtime() / 1000, deaf = deaf_us(native, now_us);
	struct sandbox *sb, *next;

	if (!native->sandboxes) {
		uv_timer_stop(timer);
		return;
	}
	for (sb = native->sandboxes; sb; sb = next) {
		uint64_t patience_us = (sb->eof ? PATIENCE_EOF_US : PATIENCE_US) *
				       (native->host.contained ? CONTAINED_TIMES : 1);
		struct err err = ERR_INIT;

		sandbox_enter(sb);
		if (waits(sb) && sb->progress_us + deaf <= now_us)
			sb->progress_us += deaf;
		if (waits(sb) && now_us - sb->progress_us > patience_us) {
			err_set(&err, sb->eof ? -EPIPE : -ETIMEDOUT, "the sandbox's init %s",
				sb->eof ? "died" : "does not answer");
			sandbox_fail(sb, &err);
		}
		let_go(sb, now_us);
		if (native->host.contained && now_us - sb->spoken_us > PING_US)
			ping(sb, now_us);
		next = sb->next;
		sandbox_leave(sb);
	}
}

int patience_open(struct native *native)
{
	int r = uv_timer_init(native->loop, &native->patience);

	if (r < 0)
		return r;
	native->patience.data = native;
	native->handles++;
	return 0;
}

void patience_watch(struct native *native)
{
	if (uv_is_active((uv_handle_t *)&native->patience))
		return;
	native->ticked_us = uv_hrtime() / 1000;
	uv_timer_start(&native->patience, on_tick, TICK_MS, TICK_MS);
}

static void on_closed(uv_handle_t *handle)
{
	struct native *native = handle->data;

	native->handles--;
}

void patience_close(struct native *native)
{
	if (native->patience.data)
		uv_close((uv_handle_t *)&native->patience, on_closed);
}
