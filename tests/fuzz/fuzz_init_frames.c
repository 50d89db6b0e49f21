#include "base/cleanup.h"
#include "engine/native/native_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define OUTPUT_LIMIT 4096
#define FILE_BYTES   1000
#define FILES	     3

/* What was told, and what must bound it. */
struct watcher {
	struct sandbox sb;
	bool over; /* failed was told: nothing may follow */
	uint64_t output[2], stdin_bytes, file_bytes;
	unsigned ended, files;
	int destroy_in; /* calls from now; the last one destroys the sandbox */
};

static struct watcher *told(void *user)
{
	struct watcher *w = user;

	assert(!w->over && !w->sb.destroyed);
	if (w->destroy_in > 0 && --w->destroy_in == 0)
		sandbox_destroy((struct engine_sandbox *)(void *)&w->sb);
	return w;
}

static void on_ready(void *user)
{
	told(user);
}

static void on_error(void *user, const struct err *err)
{
	assert(!err || err->code < 0);
	told(user);
}

static void on_output(void *user, int stream, const uint8_t *data, size_t len)
{
	struct watcher *w = told(user);

	assert(stream == 1 || stream == 2);
	w->output[stream - 1] += len;
	assert(w->output[stream - 1] <= OUTPUT_LIMIT);
}

static void on_stdin_wanted(void *user, size_t len)
{
	struct watcher *w = told(user);

	w->stdin_bytes += len;
	assert(w->stdin_bytes <= WIRE_STDIN_WINDOW);
}

static void on_step_ended(void *user, const struct step_facts *facts, const struct err *err)
{
	struct watcher *w = told(user);

	assert(++w->ended == 1 && facts->kill < STEP_KILL_COUNT);
}

static void on_file(void *user, const struct engine_collected *file)
{
	struct watcher *w = told(user);

	assert(strlen(file->name) < WIRE_TO_HOST_MAX && file->change <= ENGINE_FILE_OMITTED);
	w->files += file->change < ENGINE_FILE_DELETED;
	assert(w->files <= FILES);
}

static void on_file_data(void *user, const uint8_t *data, size_t len)
{
	struct watcher *w = told(user);

	w->file_bytes += len;
	assert(len > 0 && w->file_bytes <= FILE_BYTES);
}

static void on_failed(void *user, const struct err *err)
{
	struct watcher *w = told(user);

	assert(err->code < 0);
	w->over = true;
}

static const struct engine_events events = {
	.ready = on_ready,
	.uploaded = on_error,
	.output = on_output,
	.stdin_wanted = on_stdin_wanted,
	.step_ended = on_step_ended,
	.file = on_file,
	.file_data = on_file_data,
	.collected = on_error,
	.failed = on_failed,
};

/*
 * First byte: the sandbox's state; second: at which event it is destroyed, 0 never. The rest is what its init sends.
 * The keeper is lost, so that EXIT, which would ask it, ends in `failed`.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct native native;
	struct watcher w = { 0 };
	struct wire_frame frame;
	int64_t size;
	int r = 0;

	if (len < 2)
		return 0;
	native.link.lost = true;
	w.sb = (struct sandbox){
		.native = &native,
		.events = &events,
		.user = &w,
		.fd = -1,
		.busy = 1, /* never freed: it is ours */
		.state = (enum sandbox_state)(SANDBOX_GREETING + data[0] % (SANDBOX_DEAD - SANDBOX_GREETING)),
		.collect = { .file_bytes = FILE_BYTES, .total_bytes = FILE_BYTES, .files = FILES },
		.collect_entries = 8
	};
	w.sb.limits.value[LIMIT_OUTPUT_BYTES] = OUTPUT_LIMIT;
	w.destroy_in = data[1];
	outgoing_init(&w.sb.out);
	data += 2;
	len -= 2;
	while (r == 0 && !w.over && !w.sb.destroyed &&
	       (size = wire_frame_parse(data, len, WIRE_TO_HOST_MAX, &frame)) > 0) {
		/* Of the exact length, for a sanitizer to see the first byte read behind it. */
		AUTO_FREE uint8_t *exact = malloc(frame.len ? frame.len : 1);

		assert(exact);
		if (frame.len)
			memcpy(exact, frame.payload, frame.len);
		frame.payload = exact;
		r = sandbox_handle_frame(&w.sb, &frame);
		data += size;
		len -= (size_t)size;
	}
	assert(r == 0 || r == -EPROTO);
	outgoing_clear(&w.sb.out);
	return 0;
}
