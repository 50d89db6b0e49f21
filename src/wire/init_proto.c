#include "wire/init_proto.h"

#include "wire/cursor.h"
#include "wire/step_kill.h"

#include <errno.h>
#include <stdio.h>

#define WRITER(to, room) ((struct wire_writer){ .at = (to), .left = (room) })
#define READER(frame)	 ((struct wire_reader){ .at = (frame)->payload, .left = (frame)->len })

static int64_t writer_length(const struct wire_writer *w, const uint8_t *start)
{
	return w->bad ? -EMSGSIZE : w->at - start;
}

static int reader_end(const struct wire_reader *r)
{
	return r->bad || r->left ? -EPROTO : 0;
}

int64_t wire_frame_parse(const uint8_t *data, size_t len, uint32_t max_payload, struct wire_frame *ret)
{
	struct wire_reader r = { .at = data, .left = len };
	uint32_t payload_len;

	if (len < WIRE_HEADER_SIZE)
		return 0;
	payload_len = (uint32_t)wire_get_uint(&r, 4);
	ret->type = (uint8_t)wire_get_uint(&r, 1);
	ret->stream = (uint8_t)wire_get_uint(&r, 1);
	if (wire_get_uint(&r, 2) != 0 || payload_len > max_payload)
		return -EPROTO;
	if (r.left < payload_len)
		return 0;
	ret->payload = r.at;
	ret->len = payload_len;
	return (int64_t)WIRE_HEADER_SIZE + payload_len;
}

void wire_header_put(uint8_t header[WIRE_HEADER_SIZE], uint8_t type, uint8_t stream, uint32_t payload_len)
{
	struct wire_writer w = WRITER(header, WIRE_HEADER_SIZE);

	wire_put_uint(&w, payload_len, 4);
	wire_put_uint(&w, type, 1);
	wire_put_uint(&w, stream, 1);
	wire_put_uint(&w, 0, 2);
}

static void put_strings(struct wire_writer *w, char *const *strings)
{
	uint32_t count = 0;

	while (strings && strings[count])
		count++;
	if (count > WIRE_STRINGS_MAX) {
		w->bad = true;
		return;
	}
	wire_put_uint(w, count, 4);
	for (uint32_t i = 0; i < count; i++)
		wire_put_string(w, strings[i]);
}

static void get_strings(struct wire_reader *r, struct wire_strings *ret)
{
	const uint8_t *start;

	ret->count = (uint32_t)wire_get_uint(r, 4);
	start = r->at;
	ret->first = (const char *)start;
	if (ret->count > WIRE_STRINGS_MAX)
		r->bad = true;
	for (uint32_t i = 0; i < ret->count && !r->bad; i++)
		wire_get_string(r);
	ret->size = r->bad ? 0 : (size_t)(r->at - start);
}

const char *wire_strings_next(const char *at)
{
	return at + strlen(at) + 1;
}

/* One byte, which is 0 or 1. */
static bool get_bool(struct wire_reader *r)
{
	uint64_t value = wire_get_uint(r, 1);

	r->bad |= value > 1;
	return value == 1;
}

int64_t wire_file_encode(const struct wire_file *file, uint8_t *to, size_t room)
{
	struct wire_writer w = WRITER(to, room);

	wire_put_uint(&w, file->mode, 4);
	wire_put_uint(&w, file->is_dir, 1);
	wire_put_uint(&w, file->size, 8);
	wire_put_uint(&w, file->stamp, 8);
	wire_put_uint(&w, file->remove, 1);
	wire_put_uint(&w, file->is_link, 1);
	wire_put_uint(&w, file->owner, 4);
	wire_put_uint(&w, file->mtime_ns, 8);
	wire_put_string(&w, file->path);
	return writer_length(&w, to);
}

int wire_file_decode(const struct wire_frame *frame, struct wire_file *ret)
{
	struct wire_reader r = READER(frame);

	ret->mode = (uint32_t)wire_get_uint(&r, 4);
	ret->is_dir = get_bool(&r);
	ret->size = wire_get_uint(&r, 8);
	ret->stamp = wire_get_uint(&r, 8);
	ret->remove = get_bool(&r);
	ret->is_link = get_bool(&r);
	ret->owner = (uint32_t)wire_get_uint(&r, 4);
	ret->mtime_ns = wire_get_uint(&r, 8);
	ret->path = wire_get_string(&r);
	if ((ret->is_dir && ret->size) || ret->mode > (ret->mtime_ns ? 07777 : 0777) ||
	    ret->size > INT64_MAX || ret->stamp > WIRE_STAMP_MAX || ret->owner > WIRE_OWNER_MAX ||
	    ret->mtime_ns > INT64_MAX)
		return -EPROTO;
	if ((ret->remove && (ret->size || ret->is_link)) ||
	    (ret->is_link && (ret->is_dir || ret->size >= WIRE_PATH_MAX || !ret->size)))
		return -EPROTO;
	return reader_end(&r);
}

int64_t wire_start_encode(uint32_t step, uint32_t flags, const struct limits *limits, char *const *argv,
			  char *const *envp, uint8_t *to, size_t room)
{
	struct wire_writer w = WRITER(to, room);

	wire_put_uint(&w, step, 4);
	wire_put_uint(&w, flags, 4);
	for (int i = 0; i < LIMIT_COUNT; i++)
		wire_put_uint(&w, (uint64_t)limits->value[i], 8);
	put_strings(&w, argv);
	put_strings(&w, envp);
	return writer_length(&w, to);
}

int wire_start_decode(const struct wire_frame *frame, struct wire_start *ret)
{
	struct wire_reader r = READER(frame);

	ret->raw = frame->payload;
	ret->raw_len = frame->len;
	ret->step = (uint32_t)wire_get_uint(&r, 4);
	ret->flags = (uint32_t)wire_get_uint(&r, 4);
	for (int i = 0; i < LIMIT_COUNT; i++) {
		ret->limits.value[i] = (int64_t)wire_get_uint(&r, 8);
		if (ret->limits.value[i] <= 0)
			return -EPROTO;
	}
	get_strings(&r, &ret->argv);
	get_strings(&r, &ret->envp);
	if (ret->argv.count == 0 || ret->flags & ~(uint32_t)WIRE_START_ALL)
		return -EPROTO;
	return reader_end(&r);
}

static void put_driver_strings(struct wire_writer *w, const struct wire_strings *strings)
{
	char count[16];

	snprintf(count, sizeof(count), "%u", strings->count);
	wire_put_string(w, count);
	wire_put_bytes(w, (const uint8_t *)strings->first, strings->size);
}

int64_t wire_driver_encode(const struct wire_start *start, uint8_t *to, size_t room)
{
	struct wire_writer w = WRITER(to, room);
	uint8_t *body;

	wire_put_uint(&w, 0, 4);
	body = w.at;
	put_driver_strings(&w, &start->argv);
	put_driver_strings(&w, &start->envp);
	if (!w.bad)
		wire_put_uint(&WRITER(to, 4), (uint64_t)(w.at - body), 4);
	return writer_length(&w, to);
}

int64_t wire_tty_encode(const struct wire_tty *tty, uint8_t *to, size_t room)
{
	struct wire_writer w = WRITER(to, room);

	wire_put_uint(&w, tty->rows, 2);
	wire_put_uint(&w, tty->cols, 2);
	return writer_length(&w, to);
}

int wire_tty_decode(const struct wire_frame *frame, struct wire_tty *ret)
{
	struct wire_reader r = READER(frame);

	ret->rows = (uint16_t)wire_get_uint(&r, 2);
	ret->cols = (uint16_t)wire_get_uint(&r, 2);
	return ret->rows == 0 || ret->cols == 0 ? -EPROTO : reader_end(&r);
}

int64_t wire_synced_encode(const struct wire_synced *synced, uint8_t *to, size_t room)
{
	struct wire_writer w = WRITER(to, room);

	wire_put_uint(&w, synced->error, 4);
	wire_put_string(&w, synced->path);
	return writer_length(&w, to);
}

int wire_synced_decode(const struct wire_frame *frame, struct wire_synced *ret)
{
	struct wire_reader r = READER(frame);

	ret->error = (uint32_t)wire_get_uint(&r, 4);
	ret->path = wire_get_string(&r);
	if (ret->error > 4095)
		return -EPROTO;
	return reader_end(&r);
}

int64_t wire_exit_encode(const struct wire_exit *end, uint8_t *to, size_t room)
{
	struct wire_writer w = WRITER(to, room);

	wire_put_uint(&w, end->stage, 1);
	wire_put_uint(&w, end->error, 4);
	wire_put_uint(&w, end->signaled, 1);
	wire_put_uint(&w, end->status, 4);
	wire_put_uint(&w, end->kill, 1);
	wire_put_uint(&w, end->disk_full, 1);
	wire_put_uint(&w, end->file_full, 1);
	wire_put_uint(&w, end->wall_us, 8);
	wire_put_uint(&w, end->cpu_us, 8);
	wire_put_uint(&w, end->memory_peak_bytes, 8);
	wire_put_uint(&w, end->disk_used_bytes, 8);
	wire_put_uint(&w, end->stdout_bytes, 8);
	wire_put_uint(&w, end->stderr_bytes, 8);
	wire_put_uint(&w, end->processes_peak, 4);
	return writer_length(&w, to);
}

int wire_exit_decode(const struct wire_frame *frame, struct wire_exit *ret)
{
	struct wire_reader r = READER(frame);

	ret->stage = (uint8_t)wire_get_uint(&r, 1);
	ret->error = (uint32_t)wire_get_uint(&r, 4);
	ret->signaled = (uint8_t)wire_get_uint(&r, 1);
	ret->status = (uint32_t)wire_get_uint(&r, 4);
	ret->kill = (uint8_t)wire_get_uint(&r, 1);
	ret->disk_full = (uint8_t)wire_get_uint(&r, 1);
	ret->file_full = (uint8_t)wire_get_uint(&r, 1);
	ret->wall_us = wire_get_uint(&r, 8);
	ret->cpu_us = wire_get_uint(&r, 8);
	ret->memory_peak_bytes = wire_get_uint(&r, 8);
	ret->disk_used_bytes = wire_get_uint(&r, 8);
	ret->stdout_bytes = wire_get_uint(&r, 8);
	ret->stderr_bytes = wire_get_uint(&r, 8);
	ret->processes_peak = (uint32_t)wire_get_uint(&r, 4);
	if (ret->stage >= WIRE_STAGE_COUNT || ret->error > 4095 || ret->signaled > 1 || ret->disk_full > 1 ||
	    ret->file_full > 1 || ret->kill >= STEP_KILL_COUNT || ret->status > 255)
		return -EPROTO;
	return reader_end(&r);
}

int64_t wire_usage_encode(const struct wire_usage *usage, uint8_t *to, size_t room)
{
	struct wire_writer w = WRITER(to, room);

	wire_put_uint(&w, usage->flags, 4);
	wire_put_uint(&w, usage->oom_kills, 4);
	wire_put_uint(&w, usage->forks_refused, 4);
	wire_put_uint(&w, usage->processes_peak, 4);
	wire_put_uint(&w, usage->cpu_us, 8);
	wire_put_uint(&w, usage->memory_peak_bytes, 8);
	return writer_length(&w, to);
}

int wire_usage_decode(const struct wire_frame *frame, struct wire_usage *ret)
{
	struct wire_reader r = READER(frame);

	ret->flags = (uint32_t)wire_get_uint(&r, 4);
	ret->oom_kills = (uint32_t)wire_get_uint(&r, 4);
	ret->forks_refused = (uint32_t)wire_get_uint(&r, 4);
	ret->processes_peak = (uint32_t)wire_get_uint(&r, 4);
	ret->cpu_us = wire_get_uint(&r, 8);
	ret->memory_peak_bytes = wire_get_uint(&r, 8);
	if (ret->flags & ~(uint32_t)WIRE_USAGE_ALL)
		return -EPROTO;
	return reader_end(&r);
}

int64_t wire_collect_encode(const struct wire_collect *collect, char *const *globs, uint8_t *to, size_t room)
{
	struct wire_writer w = WRITER(to, room);

	wire_put_uint(&w, collect->kind, 1);
	wire_put_uint(&w, collect->file_bytes, 8);
	wire_put_uint(&w, collect->total_bytes, 8);
	wire_put_uint(&w, collect->files, 4);
	put_strings(&w, globs);
	return writer_length(&w, to);
}

int wire_collect_decode(const struct wire_frame *frame, struct wire_collect *ret)
{
	struct wire_reader r = READER(frame);

	ret->kind = (uint8_t)wire_get_uint(&r, 1);
	ret->file_bytes = wire_get_uint(&r, 8);
	ret->total_bytes = wire_get_uint(&r, 8);
	ret->files = (uint32_t)wire_get_uint(&r, 4);
	get_strings(&r, &ret->globs);
	if (ret->kind > WIRE_COLLECT_TREE)
		return -EPROTO;
	return reader_end(&r);
}

int64_t wire_collected_encode(const struct wire_collected *file, uint8_t *to, size_t room)
{
	struct wire_writer w = WRITER(to, room);

	wire_put_uint(&w, file->change, 1);
	wire_put_uint(&w, file->omit, 1);
	wire_put_uint(&w, file->truncated, 1);
	wire_put_uint(&w, file->is_dir, 1);
	wire_put_uint(&w, file->mode, 4);
	wire_put_uint(&w, file->size, 8);
	wire_put_uint(&w, file->sent, 8);
	wire_put_uint(&w, file->age_ns, 8);
	wire_put_uint(&w, file->is_link, 1);
	wire_put_uint(&w, file->owner, 4);
	wire_put_uint(&w, file->mtime_ns, 8);
	wire_put_string(&w, file->path);
	return writer_length(&w, to);
}

int wire_collected_decode(const struct wire_frame *frame, struct wire_collected *ret)
{
	struct wire_reader r = READER(frame);

	ret->change = (uint8_t)wire_get_uint(&r, 1);
	ret->omit = (uint8_t)wire_get_uint(&r, 1);
	ret->truncated = get_bool(&r);
	ret->is_dir = get_bool(&r);
	ret->mode = (uint32_t)wire_get_uint(&r, 4);
	ret->size = wire_get_uint(&r, 8);
	ret->sent = wire_get_uint(&r, 8);
	ret->age_ns = wire_get_uint(&r, 8);
	ret->is_link = get_bool(&r);
	ret->owner = (uint32_t)wire_get_uint(&r, 4);
	ret->mtime_ns = wire_get_uint(&r, 8);
	ret->path = wire_get_string(&r);
	if (ret->change >= WIRE_CHANGE_COUNT || ret->omit >= WIRE_OMIT_COUNT || ret->mode > 07777 ||
	    ret->sent > ret->size || (ret->change >= WIRE_DELETED && ret->sent) ||
	    (ret->is_dir && (ret->size || ret->is_link)) ||
	    (ret->is_link && (ret->truncated || ret->sent >= WIRE_PATH_MAX)) || ret->owner > WIRE_OWNER_MAX ||
	    ret->mtime_ns > INT64_MAX)
		return -EPROTO;
	return reader_end(&r);
}

int wire_u32_decode(const struct wire_frame *frame, uint32_t *ret)
{
	struct wire_reader r = READER(frame);

	*ret = (uint32_t)wire_get_uint(&r, 4);
	return reader_end(&r);
}

int64_t wire_u32_encode(uint32_t value, uint8_t *to, size_t room)
{
	struct wire_writer w = WRITER(to, room);

	wire_put_uint(&w, value, 4);
	return writer_length(&w, to);
}

int wire_weighed_decode(const struct wire_frame *frame, uint64_t *ret)
{
	struct wire_reader r = READER(frame);

	*ret = wire_get_uint(&r, 8);
	return reader_end(&r);
}

int64_t wire_weighed_encode(uint64_t value, uint8_t *to, size_t room)
{
	struct wire_writer w = WRITER(to, room);

	wire_put_uint(&w, value, 8);
	return writer_length(&w, to);
}

int64_t wire_resynced_encode(const uint8_t nonce[WIRE_NONCE_SIZE], bool running, uint8_t *to, size_t room)
{
	struct wire_writer w = WRITER(to, room);

	wire_put_bytes(&w, nonce, WIRE_NONCE_SIZE);
	wire_put_uint(&w, running, 1);
	return writer_length(&w, to);
}

int wire_resynced_decode(const struct wire_frame *frame, uint8_t ret_nonce[WIRE_NONCE_SIZE],
			 bool *ret_running)
{
	struct wire_reader r = READER(frame);

	if (frame->len != WIRE_NONCE_SIZE + 1)
		return -EPROTO;
	memcpy(ret_nonce, r.at, WIRE_NONCE_SIZE);
	r.at += WIRE_NONCE_SIZE;
	r.left -= WIRE_NONCE_SIZE;
	*ret_running = get_bool(&r);
	return reader_end(&r);
}

const char *wire_stage_name(unsigned stage)
{
	static const char *const names[WIRE_STAGE_COUNT] = {
		[WIRE_STAGE_NONE] = "none",
		[WIRE_STAGE_PIPE] = "make its pipes",
		[WIRE_STAGE_CGROUP] = "enter its cgroup",
		[WIRE_STAGE_FORK] = "fork",
		[WIRE_STAGE_SESSION] = "make its session",
		[WIRE_STAGE_STDIO] = "connect its standard streams",
		[WIRE_STAGE_RLIMIT] = "set its resource limits",
		[WIRE_STAGE_CHDIR] = "enter /sandbox",
		[WIRE_STAGE_CREDENTIALS] = "become the sandbox's user",
		[WIRE_STAGE_LANDLOCK] = "set up Landlock",
		[WIRE_STAGE_SECCOMP] = "load its system call filter",
		[WIRE_STAGE_EXEC] = "execute the command",
	};

	return stage < WIRE_STAGE_COUNT ? names[stage] : "unknown stage";
}

const char *wire_omit_reason(unsigned reason)
{
	static const char *const reasons[WIRE_OMIT_COUNT] = {
		[WIRE_OMIT_NOT_REGULAR] = "not a regular file",
		[WIRE_OMIT_TOO_MANY] = "too many files",
		[WIRE_OMIT_TOO_LARGE] = "too large together with the others",
		[WIRE_OMIT_UNREADABLE] = "unreadable",
		[WIRE_OMIT_NAME] = "name too long",
		[WIRE_OMIT_TOO_DEEP] = "too many folders deep",
	};

	return reason < WIRE_OMIT_COUNT ? reasons[reason] : "";
}
