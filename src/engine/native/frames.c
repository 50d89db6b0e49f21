/*
 * What an init says. It lives beside hostile code, so all of it is taken as a stranger's: bounded, in
 * order, or the sandbox has failed.
 */
#include "engine/native/native_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static int on_hello(struct sandbox *sb, const struct wire_frame *frame)
{
	uint32_t version;

	if (sb->state != SANDBOX_GREETING || wire_u32_decode(frame, &version) < 0 || version != WIRE_VERSION)
		return -EPROTO;
	sandbox_greeted(sb);
	return 0;
}

static int on_warmed(struct sandbox *sb, const struct wire_frame *frame)
{
	uint32_t error;

	if (sb->state != SANDBOX_WARMING || wire_u32_decode(frame, &error) < 0)
		return -EPROTO;
	sandbox_warmed(sb, error);
	return 0;
}

static int on_synced(struct sandbox *sb, const struct wire_frame *frame)
{
	struct err err = ERR_INIT;
	struct wire_synced synced;

	/* Not before all was sent: from `uploaded` on the files' bytes are no longer ours to send. */
	if (sb->state != SANDBOX_UPLOADING || sb->out.first || wire_synced_decode(frame, &synced) < 0)
		return -EPROTO;
	sb->state = SANDBOX_IDLE;
	if (synced.error)
		err_set(&err, -(int)synced.error, "file '%.200s'", synced.path);
	sb->events->uploaded(sb->user, synced.error ? &err : NULL);
	return 0;
}

static int on_output(struct sandbox *sb, const struct wire_frame *frame)
{
	uint64_t limit = (uint64_t)sb->limits.value[LIMIT_OUTPUT_BYTES];

	if (sb->state != SANDBOX_RUNNING || (frame->stream != 1 && frame->stream != 2))
		return -EPROTO;
	sb->seen[frame->stream - 1] += frame->len;
	if (sb->seen[frame->stream - 1] > limit)
		return -EPROTO;
	if (sb->events->output)
		sb->events->output(sb->user, frame->stream, frame->payload, frame->len);
	return 0;
}

static int on_credit(struct sandbox *sb, const struct wire_frame *frame)
{
	uint32_t len;

	if (sb->state != SANDBOX_RUNNING || wire_u32_decode(frame, &len) < 0 ||
	    len > WIRE_STDIN_WINDOW - sb->stdin_credit)
		return -EPROTO;
	sb->stdin_credit += len;
	if (sb->events->stdin_wanted)
		sb->events->stdin_wanted(sb->user, len);
	return 0;
}

static int on_exit_frame(struct sandbox *sb, const struct wire_frame *frame)
{
	if (sb->state != SANDBOX_RUNNING || wire_exit_decode(frame, &sb->exit) < 0 ||
	    sb->exit.stdout_bytes < sb->seen[0] || sb->exit.stderr_bytes < sb->seen[1])
		return -EPROTO;
	sandbox_exited(sb);
	return 0;
}

/* What was not asked for is not taken: neither larger files nor more of them. */
static int count_collected(struct sandbox *sb, const struct wire_collected *file)
{
	struct engine_collect_spec *left = &sb->collect;

	if (sb->collect_entries == 0 || file->sent > left->file_bytes || file->sent > left->total_bytes)
		return -EPROTO;
	if (file->change < WIRE_DELETED && left->files-- == 0)
		return -EPROTO;
	sb->collect_entries--;
	left->total_bytes -= file->sent;
	return 0;
}

static int on_collected(struct sandbox *sb, const struct wire_frame *frame)
{
	struct engine_collected out;
	struct wire_collected file;

	if (sb->state != SANDBOX_COLLECTING || sb->file_left || wire_collected_decode(frame, &file) < 0 ||
	    count_collected(sb, &file) < 0)
		return -EPROTO;
	out = (struct engine_collected){
		.change = (enum engine_file_change)file.change,
		.name = file.path,
		.size = file.size,
		.mode = file.mode,
		.truncated = file.truncated,
		.is_dir = file.is_dir,
		.age_ns = file.age_ns,
		.omit_reason = file.omit,
		.is_link = file.is_link,
		.mtime_ns = file.mtime_ns,
		.owner = file.owner,
	};
	sb->file_left = file.sent;
	sb->events->file(sb->user, &out);
	return 0;
}

static int on_data(struct sandbox *sb, const struct wire_frame *frame)
{
	if (sb->state != SANDBOX_COLLECTING || frame->len > sb->file_left || frame->len == 0)
		return -EPROTO;
	sb->file_left -= frame->len;
	sb->events->file_data(sb->user, frame->payload, frame->len);
	return 0;
}

static int on_collect_end(struct sandbox *sb, const struct wire_frame *frame)
{
	struct err err = ERR_INIT;
	uint32_t error;

	if (sb->state != SANDBOX_COLLECTING || sb->file_left || wire_u32_decode(frame, &error) < 0 ||
	    error > 4095)
		return -EPROTO;
	sb->state = SANDBOX_IDLE;
	if (error)
		err_set(&err, -(int)error, "%s",
			error == ENOTSUP ? "more than files is left"
					 : "the files to keep are too large or too many");
	sb->events->collected(sb->user, error ? &err : NULL);
	return 0;
}

static int on_started(struct sandbox *sb, const struct wire_frame *frame)
{
	if (sb->state != SANDBOX_RUNNING || sb->started || frame->len)
		return -EPROTO;
	sb->started = true;
	return 0;
}

/* Behind what was passed over. */
static int on_resynced(struct sandbox *sb, const struct wire_frame *frame)
{
	uint8_t nonce[WIRE_NONCE_SIZE];
	bool running;

	if (sb->state != SANDBOX_RESYNCING || wire_resynced_decode(frame, nonce, &running) < 0 ||
	    memcmp(nonce, sb->nonce, sizeof(nonce)) != 0)
		return -EPROTO;
	sb->state = SANDBOX_RUNNING;
	if (!running)
		sandbox_fail_with(sb, -ESRCH, "the service ended while nobody was there to hear of it");
	return 0;
}

/* Of a container only: elsewhere it is the keeper that counts. */
static int on_usage(struct sandbox *sb, const struct wire_frame *frame)
{
	if (!sb->native->host.contained || (sb->state != SANDBOX_RUNNING && sb->state != SANDBOX_WARMING))
		return -EPROTO;
	return wire_usage_decode(frame, &sb->own);
}

static const struct {
	uint8_t type;
	int (*handle)(struct sandbox *sb, const struct wire_frame *frame);
} table[] = {
	{ WIRE_OUTPUT, on_output },
	{ WIRE_STDIN_CREDIT, on_credit },
	{ WIRE_EXIT, on_exit_frame },
	{ WIRE_STARTED, on_started },
	{ WIRE_HELLO, on_hello },
	{ WIRE_SYNCED, on_synced },
	{ WIRE_COLLECTED, on_collected },
	{ WIRE_DATA, on_data },
	{ WIRE_COLLECT_END, on_collect_end },
	{ WIRE_WARMED, on_warmed },
	{ WIRE_RESYNCED, on_resynced },
	{ WIRE_USAGE, on_usage },
};

int sandbox_handle_frame(struct sandbox *sb, const struct wire_frame *frame)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].type == frame->type)
			return table[i].handle(sb, frame);
	}
	return -EPROTO;
}

/*
 * Passes over what was meant for an earlier front, of which the last frame may have begun in its hands. Returns where
 * RESYNCED begins, or how much of `data` can be forgotten: all but what could be the begin of it.
 */
static size_t find_resynced(const struct sandbox *sb, const uint8_t *data, size_t len)
{
	uint8_t pattern[WIRE_HEADER_SIZE + WIRE_NONCE_SIZE];
	const uint8_t *found;

	wire_header_put(pattern, WIRE_RESYNCED, 0, WIRE_NONCE_SIZE + 1);
	memcpy(pattern + WIRE_HEADER_SIZE, sb->nonce, WIRE_NONCE_SIZE);
	found = memmem(data, len, pattern, sizeof(pattern));
	if (found)
		return (size_t)(found - data);
	return len < sizeof(pattern) ? 0 : len - sizeof(pattern) + 1;
}

/* Handles the whole frames in `data`; *ret_used bytes of it. */
static int handle_frames(struct sandbox *sb, const uint8_t *data, size_t len, size_t *ret_used)
{
	struct wire_frame frame;
	int64_t size = 0;
	int r = 0;

	*ret_used = sb->state == SANDBOX_RESYNCING ? find_resynced(sb, data, len) : 0;
	while (r == 0 && !sb->destroyed && sb->state != SANDBOX_DEAD && !sandbox_keeps_back(sb)) {
		/* It begins here, or else not yet. */
		if (sb->state == SANDBOX_RESYNCING && len - *ret_used < WIRE_HEADER_SIZE + WIRE_NONCE_SIZE)
			break;
		size = wire_frame_parse(data + *ret_used, len - *ret_used, WIRE_TO_HOST_MAX, &frame);
		if (size <= 0)
			break;
		*ret_used += (size_t)size;
		r = sandbox_handle_frame(sb, &frame);
	}
	return size < 0 ? (int)size : r;
}

/* Handles what stands at the begin of the engine's buffer, and keeps what is left of it. */
static int handle_received(struct sandbox *sb, size_t len)
{
	uint8_t *data = sb->native->receive;
	size_t used;
	int r;

	sb->in.len = 0;
	r = handle_frames(sb, data, len, &used);
	if (r < 0 || sb->destroyed || sb->state == SANDBOX_DEAD)
		return r;
	return buf_append(&sb->in, data + used, len - used);
}

/* Puts what was kept there, and returns its length. */
static size_t bring_kept(struct sandbox *sb)
{
	if (sb->in.len)
		memcpy(sb->native->receive, sb->in.data, sb->in.len);
	return sb->in.len;
}

int sandbox_receive(struct sandbox *sb)
{
	struct native *native = sb->native;
	size_t kept;
	ssize_t n;

	if (sandbox_keeps_back(sb))
		return 0;
	/* That is one unfinished frame at most: there is room for it and a good read behind it. */
	kept = bring_kept(sb);
	n = recv(sb->fd, native->receive + kept, sizeof(native->receive) - kept, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		sb->eof = true;
		return 0;
	}
	patience_progress(sb);
	return handle_received(sb, kept + (size_t)n);
}

int sandbox_handle_kept(struct sandbox *sb)
{
	return handle_received(sb, bring_kept(sb));
}
