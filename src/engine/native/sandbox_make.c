/*
 * How a sandbox comes to be, and to whom it belongs: asked of the keeper, greeted by its init, its runtime booted if it
 * is to have one, and perhaps given to somebody else than who had it made.
 */
#include "engine/native/native_session.h"

#include "wire/init_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void sandbox_take_slot(struct sandbox *sb, uint32_t slot, uint32_t generation)
{
	if (slot >= KEEPER_SLOTS_MAX)
		return;
	sb->slot = slot;
	sb->generation = generation;
	sb->has_slot = true;
	sb->native->by_slot[slot] = sb;
}

void sandbox_lose_slot(struct sandbox *sb)
{
	if (sb->has_slot && sb->native->by_slot[sb->slot] == sb)
		sb->native->by_slot[sb->slot] = NULL;
	sb->has_slot = false;
}

static void on_created(struct sandbox *sb, const struct keeper_message *reply, int fd)
{
	if (reply->error || fd < 0) {
		if (fd >= 0)
			close(fd);
		sandbox_fail_with(sb, reply->error ? reply->error : -EPROTO,
				  reply->stage[0] ? reply->stage : "the keeper made no sandbox");
		return;
	}
	sandbox_take_slot(sb, reply->slot, reply->generation);
	if (sandbox_connect(sb, fd) < 0) {
		sandbox_fail_with(sb, -ENOMEM, "watch a sandbox");
		return;
	}
	sb->state = SANDBOX_GREETING;
	sandbox_update_poll(sb);
}

int sandbox_connect(struct sandbox *sb, int fd)
{
	int r = uv_poll_init(sb->native->loop, &sb->poll, fd);

	if (r < 0) {
		close(fd);
		return r;
	}
	sb->fd = fd;
	sb->poll.data = sb;
	sb->poll_open = true;
	sb->native->handles++;
	return 0;
}

struct sandbox *sandbox_new(struct native *native, const struct engine_sandbox_spec *spec)
{
	struct sandbox *sb = calloc(1, sizeof(*sb));

	if (!sb)
		return NULL;
	sb->native = native;
	sb->made_with = spec->limits;
	sb->warm = spec->warm;
	sb->waits = spec->waits;
	sb->fd = -1;
	sb->in = BUF_INIT(RECEIVE_BYTES);
	outgoing_init(&sb->out);
	return sb;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool native_image_of(const char *image, struct keeper_request *request)
{
	static const char mark[] = "@sha256:";
	const char *at = strrchr(image, '@');

	if (strcmp(image, "host") == 0)
		return true;
	if (!at || strncmp(at, mark, sizeof(mark) - 1) != 0 ||
	    strlen(at) != sizeof(mark) - 1 + 2 * KEEPER_DIGEST_SIZE)
		return false;
	at += sizeof(mark) - 1;
	for (size_t i = 0; i < KEEPER_DIGEST_SIZE; i++) {
		int high = digit(at[2 * i]), low = digit(at[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		request->digest[i] = (uint8_t)(high << 4 | low);
	}
	request->image = KEEPER_IMAGE_STORED;
	return true;
}

void sandbox_enlist(struct sandbox *sb)
{
	struct native *native = sb->native;

	sb->next = native->sandboxes;
	sb->link = &native->sandboxes;
	if (sb->next)
		sb->next->link = &sb->next;
	native->sandboxes = sb;
	native->count++;
	patience_progress(sb);
	patience_watch(native);
}

int sandbox_create(struct engine *engine, const struct engine_sandbox_spec *spec,
		   const struct engine_events *events, void *user, struct engine_sandbox **ret,
		   struct err *err)
{
	struct native *native = (struct native *)engine;
	struct keeper_request request = {
		.op = KEEPER_CREATE,
		.flags = (spec->loopback ? KEEPER_FLAG_LOOPBACK : 0) |
			 (spec->warm || spec->waits ? KEEPER_FLAG_WARM : 0) |
			 (spec->tty ? KEEPER_FLAG_TTY : 0),
		.limits = spec->limits,
		.uid = spec->identity.uid ? spec->identity.uid : PAYLOAD_UID,
		.gid = spec->identity.uid ? spec->identity.gid : PAYLOAD_GID,
	};
	struct sandbox *sb;
	int r;

	if (!native_image_of(spec->image, &request))
		return err_set(err, -ENOENT, "image '%s'", spec->image);
	r = session_of_spec(spec, &request, err);
	if (r < 0)
		return r;
	sb = sandbox_new(native, spec);
	if (!sb)
		return err_set(err, -ENOMEM, "a sandbox");
	sb->events = events;
	sb->user = user;
	r = link_send(&native->link, &request, sb, on_created);
	if (r < 0) {
		free(sb);
		return err_set(err, r, "ask the keeper for a sandbox");
	}
	sandbox_enlist(sb);
	*ret = (struct engine_sandbox *)(void *)sb;
	return 0;
}

/* ---- the runtime ---- */

/* The process of the first step, ahead: its runtime, or as far as a process gets without a command. */
static int send_warm(struct sandbox *sb)
{
	static char *const any[] = { (char *)"any", NULL }, *const none[] = { NULL };
	static const struct engine_warm nothing = { .argv = any, .envp = none };
	const struct engine_warm *warm = sb->warm ? sb->warm : &nothing;
	const struct limits *limits = sb->warm ? &warm->limits : &sb->made_with;
	uint32_t flags = sandbox_start_flags(&sb->native->host);
	uint8_t *payload = sb->native->encode;
	int64_t len;

	flags |= !sb->warm ? WIRE_START_ANY : warm->driver ? WIRE_START_DRIVER : 0;
	len = wire_start_encode(1, flags, limits, warm->argv, warm->envp, payload, WIRE_TO_INIT_MAX);
	return len < 0 ? (int)len : outgoing_frame(&sb->out, WIRE_WARM, payload, (size_t)len);
}

void sandbox_greeted(struct sandbox *sb)
{
	int r;

	if (!sb->warm && !sb->waits) {
		sb->state = SANDBOX_IDLE;
		sb->events->ready(sb->user);
		return;
	}
	sb->state = SANDBOX_WARMING;
	patience_progress(sb);
	r = send_warm(sb);
	if (r < 0)
		sandbox_fail_with(sb, r, "boot the sandbox's runtime");
	else
		sandbox_write(sb);
}

static void on_weighed(struct sandbox *sb, const struct keeper_message *reply, int fd)
{
	if (sb->state != SANDBOX_WEIGHING)
		return;
	if (reply->error) {
		sandbox_fail_with(sb, reply->error, reply->stage);
		return;
	}
	sb->memory_bytes =
		sb->native->host.contained ? sb->own.memory_peak_bytes : reply->usage.memory_peak_bytes;
	sb->state = SANDBOX_IDLE;
	sb->events->ready(sb->user);
}

/* A runtime that did not boot is no reason to fail: the command can be started as any other. */
void sandbox_warmed(struct sandbox *sb, uint32_t error)
{
	struct keeper_request request = { .op = KEEPER_USAGE,
					  .slot = sb->slot,
					  .generation = sb->generation };

	sb->ahead = error == 0;
	sb->state = SANDBOX_WEIGHING;
	if (link_send(&sb->native->link, &request, sb, on_weighed) < 0)
		patience_end(sb);
}

void sandbox_idle(struct engine_sandbox *handle, struct engine_idle *ret)
{
	const struct sandbox *sb = sandbox_of(handle);

	*ret = (struct engine_idle){ .hot = sb->warm && sb->ahead, .memory_bytes = sb->memory_bytes };
}

/* ---- adoption ---- */

static void on_adopted(struct sandbox *sb, const struct keeper_message *reply, int fd)
{
	if (sb->state != SANDBOX_ADOPTING)
		return;
	if (reply->error) {
		sandbox_fail_with(sb, reply->error, reply->stage);
		return;
	}
	sb->state = SANDBOX_IDLE;
	sb->events->ready(sb->user);
}

/* Whether what was set when it was made must be set again before files come: the rest comes with each step. */
static bool fits(const struct sandbox *sb, const struct limits *limits)
{
	const int64_t *have = sb->made_with.value, *want = limits->value;

	return have[LIMIT_DISK_BYTES] == want[LIMIT_DISK_BYTES] &&
	       ((sb->native->host.cgroup_version != 1 && !sb->native->host.contained) ||
		have[LIMIT_MEMORY_BYTES] == want[LIMIT_MEMORY_BYTES]) &&
	       (!sb->native->host.contained || have[LIMIT_CPU_PERCENT] == want[LIMIT_CPU_PERCENT]);
}

void sandbox_adopt(struct engine_sandbox *handle, const struct engine_sandbox_spec *spec,
		   const struct engine_events *events, void *user)
{
	struct sandbox *sb = sandbox_of(handle);
	struct keeper_request request = {
		.op = KEEPER_ADOPT, .slot = sb->slot, .generation = sb->generation, .limits = spec->limits
	};

	sb->events = events;
	sb->user = user;
	patience_progress(sb);
	if (fits(sb, &spec->limits)) {
		sb->ready_pending = true;
		sandbox_tell_pending(sb);
		return;
	}
	sb->made_with = spec->limits;
	sb->state = SANDBOX_ADOPTING;
	if (link_send(&sb->native->link, &request, sb, on_adopted) < 0)
		patience_end(sb);
}
