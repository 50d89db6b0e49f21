#include "base/cleanup.h"
#include "wire/init_proto.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Reads every byte that a list says it has. */
static size_t walk(const struct wire_strings *list)
{
	const char *at = list->first;

	for (uint32_t i = 0; i < list->count; i++)
		at = wire_strings_next(at);
	return (size_t)(at - list->first);
}

/* A list as an encoder wants it; NULL: out of memory. */
static char **to_vector(const struct wire_strings *list)
{
	char **v = calloc(list->count + 1, sizeof(*v));
	const char *at = list->first;

	for (uint32_t i = 0; v && i < list->count; i++, at = wire_strings_next(at))
		v[i] = (char *)(uintptr_t)at;
	return v;
}

/* What a decoder takes its encoder writes again, byte by byte. */
static void same(const struct wire_frame *frame, const uint8_t *again, int64_t len)
{
	assert(len == frame->len && memcmp(again, frame->payload, frame->len) == 0);
}

static void try_file(const struct wire_frame *frame, uint8_t *room)
{
	struct wire_file file;

	if (wire_file_decode(frame, &file) == 0)
		same(frame, room, wire_file_encode(&file, room, frame->len));
}

static void try_start(const struct wire_frame *frame, uint8_t *room)
{
	AUTO_FREE char **argv = NULL, **envp = NULL;
	AUTO_FREE uint8_t *message = NULL;
	struct wire_start start;
	int64_t len;

	if (wire_start_decode(frame, &start) < 0)
		return;
	assert(walk(&start.argv) == start.argv.size && walk(&start.envp) == start.envp.size);
	argv = to_vector(&start.argv);
	envp = to_vector(&start.envp);
	assert(argv && envp);
	same(frame, room,
	     wire_start_encode(start.step, start.flags, &start.limits, argv, envp, room, frame->len));
	/* What a driver is told of it: two numbers in front of the lists. */
	message = malloc(frame->len + 32);
	assert(message);
	len = wire_driver_encode(&start, message, frame->len + 32);
	assert(len > 4 && (size_t)len > start.argv.size + start.envp.size);
	assert(wire_driver_encode(&start, message, (size_t)len - 1) == -EMSGSIZE);
}

static void try_tty(const struct wire_frame *frame, uint8_t *room)
{
	struct wire_tty tty;

	if (wire_tty_decode(frame, &tty) == 0)
		same(frame, room, wire_tty_encode(&tty, room, frame->len));
}

static void try_collect(const struct wire_frame *frame, uint8_t *room)
{
	AUTO_FREE char **globs = NULL;
	struct wire_collect what;

	if (wire_collect_decode(frame, &what) < 0)
		return;
	assert(walk(&what.globs) == what.globs.size);
	globs = to_vector(&what.globs);
	assert(globs);
	same(frame, room, wire_collect_encode(&what, globs, room, frame->len));
}

static void try_answers(const struct wire_frame *frame, uint8_t *room)
{
	struct wire_synced synced;
	struct wire_exit end;
	struct wire_collected file;
	uint8_t nonce[WIRE_NONCE_SIZE];
	struct wire_usage usage;
	uint32_t number;
	uint64_t bytes;
	bool running;

	if (wire_resynced_decode(frame, nonce, &running) == 0)
		same(frame, room, wire_resynced_encode(nonce, running, room, frame->len));
	if (wire_synced_decode(frame, &synced) == 0)
		same(frame, room, wire_synced_encode(&synced, room, frame->len));
	if (wire_exit_decode(frame, &end) == 0)
		same(frame, room, wire_exit_encode(&end, room, frame->len));
	if (wire_usage_decode(frame, &usage) == 0)
		same(frame, room, wire_usage_encode(&usage, room, frame->len));
	if (wire_collected_decode(frame, &file) == 0)
		same(frame, room, wire_collected_encode(&file, room, frame->len));
	if (wire_u32_decode(frame, &number) == 0)
		same(frame, room, wire_u32_encode(number, room, frame->len));
	if (wire_weighed_decode(frame, &bytes) == 0)
		same(frame, room, wire_weighed_encode(bytes, room, frame->len));
}

/* Every frame of the input goes through every decoder, whatever its type says. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wire_frame frame;
	int64_t size;

	while ((size = wire_frame_parse(data, len, WIRE_TO_INIT_MAX, &frame)) > 0) {
		AUTO_FREE uint8_t *room = malloc(frame.len ? frame.len : 1);

		assert(room && (size_t)size <= len && (size_t)size == WIRE_HEADER_SIZE + frame.len);
		try_file(&frame, room);
		try_start(&frame, room);
		try_tty(&frame, room);
		try_collect(&frame, room);
		try_answers(&frame, room);
		data += size;
		len -= (size_t)size;
	}
	return 0;
}
