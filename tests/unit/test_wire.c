/*
 * The frames between host and init: what encoders write decoders read, and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "wire/init_proto.h"
#include "wire/step_kill.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 512

static const struct limits limits = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, INT64_MAX } };
static char *const argv[] = { (char *)"cc", (char *)"", (char *)"-o", NULL };
static char *const envp[] = { (char *)"A=b", NULL };
static const struct wire_file file = { .mode = 0755, .size = 1ull << 40, .stamp = 7, .path = "dir/name" };
static const struct wire_synced synced = { .error = ENOSPC, .path = "dir/name" };
static const struct wire_exit end = {
	.stage = WIRE_STAGE_EXEC,
	.error = ENOENT,
	.signaled = 1,
	.status = 9,
	.kill = STEP_KILL_CANCEL,
	.disk_full = 1,
	.file_full = 1,
	.wall_us = UINT64_MAX,
	.cpu_us = 2,
	.memory_peak_bytes = 3,
	.disk_used_bytes = 4,
	.stdout_bytes = 5,
	.stderr_bytes = 6,
	.processes_peak = UINT32_MAX,
};
static const struct wire_collect collect = {
	.kind = WIRE_COLLECT_KEEP, .file_bytes = 1, .total_bytes = UINT64_MAX, .files = 3
};
static const struct wire_collected collected = {
	.change = WIRE_CHANGED,
	.truncated = true,
	.mode = 04755,
	.size = 10,
	.sent = 9,
	.age_ns = UINT64_MAX,
	.path = "a",
};

/* One kind of payload: an example of it, and its decoder with the result thrown away. */

static int64_t file_example(uint8_t *to, size_t room)
{
	return wire_file_encode(&file, to, room);
}

static int64_t start_example(uint8_t *to, size_t room)
{
	return wire_start_encode(7, WIRE_START_NPROC, &limits, argv, envp, to, room);
}

static int64_t synced_example(uint8_t *to, size_t room)
{
	return wire_synced_encode(&synced, to, room);
}

static int64_t exit_example(uint8_t *to, size_t room)
{
	return wire_exit_encode(&end, to, room);
}

static int64_t collect_example(uint8_t *to, size_t room)
{
	return wire_collect_encode(&collect, argv, to, room);
}

static int64_t collected_example(uint8_t *to, size_t room)
{
	return wire_collected_encode(&collected, to, room);
}

static int64_t number_example(uint8_t *to, size_t room)
{
	return wire_u32_encode(0xfffefdfc, to, room);
}

static int file_decode(const struct wire_frame *frame)
{
	return wire_file_decode(frame, &(struct wire_file){ 0 });
}

static int start_decode(const struct wire_frame *frame)
{
	return wire_start_decode(frame, &(struct wire_start){ 0 });
}

static int synced_decode(const struct wire_frame *frame)
{
	return wire_synced_decode(frame, &(struct wire_synced){ 0 });
}

static int exit_decode(const struct wire_frame *frame)
{
	return wire_exit_decode(frame, &(struct wire_exit){ 0 });
}

static int collect_decode(const struct wire_frame *frame)
{
	return wire_collect_decode(frame, &(struct wire_collect){ 0 });
}

static int collected_decode(const struct wire_frame *frame)
{
	return wire_collected_decode(frame, &(struct wire_collected){ 0 });
}

static int number_decode(const struct wire_frame *frame)
{
	return wire_u32_decode(frame, &(uint32_t){ 0 });
}

static const struct codec {
	const char *name;
	int64_t (*example)(uint8_t *to, size_t room);
	int (*decode)(const struct wire_frame *frame);
} codecs[] = {
	{ "file", file_example, file_decode },		{ "start", start_example, start_decode },
	{ "synced", synced_example, synced_decode },	{ "exit", exit_example, exit_decode },
	{ "collect", collect_example, collect_decode }, { "collected", collected_example, collected_decode },
	{ "number", number_example, number_decode },
};

/* Decodes a copy on the heap of exactly `len` bytes, for the sanitizer to see the first one read behind it. */
static int decode_exact(const struct codec *codec, const uint8_t *payload, size_t len)
{
	AUTO_FREE uint8_t *exact = malloc(len ? len : 1);
	struct wire_frame frame = { .payload = exact, .len = (uint32_t)len };

	assert_non_null(exact);
	if (len)
		memcpy(exact, payload, len);
	return codec->decode(&frame);
}

static struct wire_frame example(const struct codec *codec, uint8_t payload[ROOM])
{
	int64_t len = codec->example(payload, ROOM);

	assert_true(len > 0);
	return (struct wire_frame){ .payload = payload, .len = (uint32_t)len };
}

static void every_decoder_takes_what_its_encoder_wrote(void **state)
{
	uint8_t payload[ROOM];

	for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
		struct wire_frame frame = example(&codecs[i], payload);

		assert_int_equal(decode_exact(&codecs[i], payload, frame.len), 0);
	}
}

static void every_decoder_refuses_a_payload_cut_at_any_byte(void **state)
{
	uint8_t payload[ROOM];

	for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
		struct wire_frame frame = example(&codecs[i], payload);

		for (size_t len = 0; len < frame.len; len++) {
			if (decode_exact(&codecs[i], payload, len) != -EPROTO)
				fail_msg("%s cut to %zu bytes is taken", codecs[i].name, len);
		}
	}
}

static void every_decoder_refuses_a_byte_too_many(void **state)
{
	uint8_t payload[ROOM];

	for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
		struct wire_frame frame = example(&codecs[i], payload);

		payload[frame.len] = '\0';
		assert_int_equal(decode_exact(&codecs[i], payload, frame.len + 1), -EPROTO);
	}
}

static void every_encoder_refuses_too_little_room_and_stays_within_it(void **state)
{
	uint8_t payload[ROOM];

	for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
		struct wire_frame frame = example(&codecs[i], payload);

		for (size_t room = 0; room < frame.len; room++) {
			AUTO_FREE uint8_t *exact = malloc(room ? room : 1);

			assert_non_null(exact);
			assert_int_equal(codecs[i].example(exact, room), -EMSGSIZE);
		}
	}
}

static void a_file_comes_back_as_it_was(void **state)
{
	uint8_t payload[ROOM];
	struct wire_frame frame = example(&codecs[0], payload);
	struct wire_file back;

	assert_int_equal(wire_file_decode(&frame, &back), 0);
	assert_int_equal(back.mode, file.mode);
	assert_int_equal(back.size, file.size);
	assert_false(back.is_dir);
	assert_int_equal(back.stamp, file.stamp);
	assert_string_equal(back.path, file.path);
}

static void a_start_comes_back_as_it_was(void **state)
{
	uint8_t payload[ROOM];
	struct wire_frame frame = example(&codecs[1], payload);
	struct wire_start back;

	assert_int_equal(wire_start_decode(&frame, &back), 0);
	assert_int_equal(back.step, 7);
	assert_int_equal(back.flags, WIRE_START_NPROC);
	assert_memory_equal(&back.limits, &limits, sizeof(limits));
	assert_int_equal(back.argv.count, 3);
	assert_int_equal(back.argv.size, sizeof("cc\0\0-o"));
	assert_memory_equal(back.argv.first, "cc\0\0-o", back.argv.size);
	assert_string_equal(wire_strings_next(wire_strings_next(back.argv.first)), "-o");
	assert_int_equal(back.envp.count, 1);
	assert_string_equal(back.envp.first, "A=b");
}

static void a_driver_is_told_counts_and_strings_behind_their_length(void **state)
{
	static const char told[] = "\0\0\0\x0f"
				   "3\0cc\0\0-o\0"
				   "1\0A=b\0";
	uint8_t payload[ROOM], message[ROOM];
	struct wire_frame frame = example(&codecs[1], payload);
	struct wire_start start;

	assert_int_equal(wire_start_decode(&frame, &start), 0);
	assert_int_equal(wire_driver_encode(&start, message, sizeof(message)), sizeof(told) - 1);
	assert_memory_equal(message, told, sizeof(told) - 1);
	for (size_t room = 0; room < sizeof(told) - 1; room++) {
		AUTO_FREE uint8_t *exact = malloc(room ? room : 1);

		assert_int_equal(wire_driver_encode(&start, exact, room), -EMSGSIZE);
	}
}

static void a_list_that_is_not_there_is_an_empty_one(void **state)
{
	uint8_t payload[ROOM];
	struct wire_frame frame = { .payload = payload };
	struct wire_start start;
	struct wire_collect what;

	frame.len = (uint32_t)wire_start_encode(1, 0, &limits, argv, NULL, payload, ROOM);
	assert_int_equal(wire_start_decode(&frame, &start), 0);
	assert_int_equal(start.envp.count, 0);
	frame.len = (uint32_t)wire_collect_encode(&collect, NULL, payload, ROOM);
	assert_int_equal(wire_collect_decode(&frame, &what), 0);
	assert_int_equal(what.globs.count, 0);
}

static void a_sync_answer_comes_back_as_it_was(void **state)
{
	uint8_t payload[ROOM];
	struct wire_frame frame = example(&codecs[2], payload);
	struct wire_synced back;

	assert_int_equal(wire_synced_decode(&frame, &back), 0);
	assert_int_equal(back.error, ENOSPC);
	assert_string_equal(back.path, synced.path);
}

static void an_exit_comes_back_as_it_was(void **state)
{
	uint8_t payload[ROOM];
	struct wire_frame frame = example(&codecs[3], payload);
	struct wire_exit back;

	assert_int_equal(wire_exit_decode(&frame, &back), 0);
	assert_int_equal(back.stage, end.stage);
	assert_int_equal(back.error, end.error);
	assert_int_equal(back.signaled, end.signaled);
	assert_int_equal(back.status, end.status);
	assert_int_equal(back.kill, end.kill);
	assert_int_equal(back.disk_full, end.disk_full);
	assert_int_equal(back.file_full, end.file_full);
	assert_true(back.wall_us == end.wall_us);
	assert_int_equal(back.cpu_us, end.cpu_us);
	assert_int_equal(back.memory_peak_bytes, end.memory_peak_bytes);
	assert_int_equal(back.disk_used_bytes, end.disk_used_bytes);
	assert_int_equal(back.stdout_bytes, end.stdout_bytes);
	assert_int_equal(back.stderr_bytes, end.stderr_bytes);
	assert_int_equal(back.processes_peak, end.processes_peak);
}

static void a_collection_comes_back_as_it_was(void **state)
{
	uint8_t payload[ROOM];
	struct wire_frame frame = example(&codecs[4], payload);
	struct wire_collect back;

	assert_int_equal(wire_collect_decode(&frame, &back), 0);
	assert_int_equal(back.kind, collect.kind);
	assert_int_equal(back.file_bytes, collect.file_bytes);
	assert_true(back.total_bytes == collect.total_bytes);
	assert_int_equal(back.files, collect.files);
	assert_int_equal(back.globs.count, 3);
}

static void a_collected_file_comes_back_as_it_was(void **state)
{
	uint8_t payload[ROOM];
	struct wire_frame frame = example(&codecs[5], payload);
	struct wire_collected back;

	assert_int_equal(wire_collected_decode(&frame, &back), 0);
	assert_int_equal(back.change, collected.change);
	assert_int_equal(back.omit, collected.omit);
	assert_true(back.truncated);
	assert_false(back.is_dir);
	assert_int_equal(back.age_ns, collected.age_ns);
	assert_int_equal(back.mode, collected.mode);
	assert_int_equal(back.size, collected.size);
	assert_int_equal(back.sent, collected.sent);
	assert_string_equal(back.path, collected.path);
}

static void a_number_is_big_endian(void **state)
{
	uint8_t payload[4];
	struct wire_frame frame = { .payload = payload, .len = sizeof(payload) };
	uint32_t back;

	assert_int_equal(wire_u32_encode(0x01020304, payload, sizeof(payload)), 4);
	assert_memory_equal(payload, "\1\2\3\4", 4);
	assert_int_equal(wire_u32_decode(&frame, &back), 0);
	assert_int_equal(back, 0x01020304);
}

/* One byte of an example changed into one that its decoder must refuse. */
static void every_decoder_refuses_values_out_of_range(void **state)
{
	static const struct {
		const char *what;
		size_t codec, at;
		uint8_t byte;
	} bad[] = {
		{ "mode 0o2755", 0, 2, 0x05 },
		{ "is_dir 2", 0, 4, 2 },
		{ "a folder with a size", 0, 4, 1 },
		{ "a size over INT64_MAX", 0, 5, 0x80 },
		{ "a stamp over its bound", 0, 16, 1 },
		{ "an unknown start flag", 1, 6, (WIRE_START_ALL + 1) >> 8 },
		{ "a negative limit", 1, 8, 0x80 },
		{ "a limit of 0", 1, 15, 0 },
		{ "an errno over 4095", 2, 2, 0x10 },
		{ "a stage over the last", 3, 0, WIRE_STAGE_COUNT },
		{ "an errno over 4095", 3, 3, 0x10 },
		{ "signaled 2", 3, 5, 2 },
		{ "status 256", 3, 8, 1 },
		{ "a kill over the last", 3, 10, STEP_KILL_COUNT },
		{ "disk_full 2", 3, 11, 2 },
		{ "file_full 2", 3, 12, 2 },
		{ "a kind over the last", 4, 0, WIRE_COLLECT_TREE + 1 },
		{ "a change over the last", 5, 0, WIRE_CHANGE_COUNT },
		{ "a deleted file with content", 5, 0, WIRE_DELETED },
		{ "an omitted file with content", 5, 0, WIRE_OMITTED },
		{ "a reason over the last", 5, 1, WIRE_OMIT_COUNT },
		{ "truncated 2", 5, 2, 2 },
		{ "is_dir 2", 5, 3, 2 },
		{ "a folder with a size", 5, 3, 1 },
		{ "mode 0o14755", 5, 6, 0x19 },
		{ "more sent than there is", 5, 23, 11 },
	};
	uint8_t payload[ROOM];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct wire_frame frame = example(&codecs[bad[i].codec], payload);

		payload[bad[i].at] = bad[i].byte;
		if (decode_exact(&codecs[bad[i].codec], payload, frame.len) != -EPROTO)
			fail_msg("%s: %s is taken", codecs[bad[i].codec].name, bad[i].what);
	}
}

static void a_start_without_a_command_is_refused(void **state)
{
	uint8_t payload[ROOM];
	struct wire_frame frame = { .payload = payload };
	int64_t len = wire_start_encode(1, 0, &limits, NULL, envp, payload, ROOM);

	assert_true(len > 0);
	frame.len = (uint32_t)len;
	assert_int_equal(start_decode(&frame), -EPROTO);
}

static void a_list_may_be_as_long_as_its_bound_and_no_longer(void **state)
{
	const size_t room = 64 * 1024;
	AUTO_FREE uint8_t *payload = malloc(room);
	AUTO_FREE char **list = calloc(WIRE_STRINGS_MAX + 2, sizeof(*list));
	struct wire_frame frame = { .payload = payload };
	struct wire_collect what;
	int64_t len;

	assert_non_null(payload);
	assert_non_null(list);
	for (size_t i = 0; i < WIRE_STRINGS_MAX; i++)
		list[i] = (char *)"x";
	len = wire_collect_encode(&collect, list, payload, room);
	assert_true(len > 0);
	frame.len = (uint32_t)len;
	assert_int_equal(wire_collect_decode(&frame, &what), 0);
	assert_int_equal(what.globs.count, WIRE_STRINGS_MAX);

	list[WIRE_STRINGS_MAX] = (char *)"x";
	assert_int_equal(wire_collect_encode(&collect, list, payload, room), -EMSGSIZE);
	/* What no encoder writes: the count one higher, and the string for it. */
	payload[24]++;
	memcpy(payload + len, "x", 2);
	frame.len += 2;
	assert_int_equal(wire_collect_decode(&frame, &what), -EPROTO);
}

static void a_list_whose_count_lies_is_refused(void **state)
{
	uint8_t payload[ROOM];
	struct wire_frame frame = example(&codecs[4], payload);

	memset(payload + 21, 0xff, 4);
	assert_int_equal(decode_exact(&codecs[4], payload, frame.len), -EPROTO);
}

static void a_frame_is_found_when_its_last_byte_is_there(void **state)
{
	uint8_t bytes[WIRE_HEADER_SIZE + 3 + 1] = { 0 };
	struct wire_frame frame;

	wire_header_put(bytes, WIRE_OUTPUT, 2, 3);
	memcpy(bytes + WIRE_HEADER_SIZE, "abcX", 4);
	for (size_t len = 0; len < WIRE_HEADER_SIZE + 3; len++)
		assert_int_equal(wire_frame_parse(bytes, len, WIRE_TO_HOST_MAX, &frame), 0);
	assert_int_equal(wire_frame_parse(bytes, sizeof(bytes), WIRE_TO_HOST_MAX, &frame),
			 WIRE_HEADER_SIZE + 3);
	assert_int_equal(frame.type, WIRE_OUTPUT);
	assert_int_equal(frame.stream, 2);
	assert_int_equal(frame.len, 3);
	assert_memory_equal(frame.payload, "abc", 3);
}

static void a_frame_may_be_empty(void **state)
{
	uint8_t bytes[WIRE_HEADER_SIZE];
	struct wire_frame frame;

	wire_header_put(bytes, WIRE_SYNC, 0, 0);
	assert_int_equal(wire_frame_parse(bytes, sizeof(bytes), 0, &frame), WIRE_HEADER_SIZE);
	assert_int_equal(frame.len, 0);
}

static void the_weight_of_files_comes_back_as_it_was(void **state)
{
	uint8_t payload[8];
	struct wire_frame frame = { .payload = payload, .len = sizeof(payload) };
	uint64_t bytes = 0;

	assert_int_equal(wire_weighed_encode(0x123456789abcdef0, payload, sizeof(payload)), sizeof(payload));
	assert_int_equal(wire_weighed_decode(&frame, &bytes), 0);
	assert_true(bytes == 0x123456789abcdef0);
	frame.len--;
	assert_int_equal(wire_weighed_decode(&frame, &bytes), -EPROTO);
	assert_int_equal(wire_weighed_encode(1, payload, 7), -EMSGSIZE);
}

static void a_frame_over_the_bound_is_refused_by_its_header_alone(void **state)
{
	uint8_t bytes[WIRE_HEADER_SIZE];
	struct wire_frame frame;

	wire_header_put(bytes, WIRE_DATA, 0, WIRE_TO_HOST_MAX);
	assert_int_equal(wire_frame_parse(bytes, sizeof(bytes), WIRE_TO_HOST_MAX, &frame), 0);
	wire_header_put(bytes, WIRE_DATA, 0, WIRE_TO_HOST_MAX + 1);
	assert_int_equal(wire_frame_parse(bytes, sizeof(bytes), WIRE_TO_HOST_MAX, &frame), -EPROTO);
	wire_header_put(bytes, WIRE_DATA, 0, UINT32_MAX);
	assert_int_equal(wire_frame_parse(bytes, sizeof(bytes), WIRE_TO_INIT_MAX, &frame), -EPROTO);
}

static void a_frame_with_its_reserved_field_set_is_refused(void **state)
{
	uint8_t bytes[WIRE_HEADER_SIZE];
	struct wire_frame frame;

	for (size_t at = 6; at < WIRE_HEADER_SIZE; at++) {
		wire_header_put(bytes, WIRE_SYNC, 0, 0);
		bytes[at] = 1;
		assert_int_equal(wire_frame_parse(bytes, sizeof(bytes), 0, &frame), -EPROTO);
	}
}

static void every_stage_and_reason_has_a_name_and_no_other_has(void **state)
{
	for (unsigned i = 0; i < WIRE_STAGE_COUNT; i++)
		assert_true(strlen(wire_stage_name(i)) > 0);
	for (unsigned i = 0; i < WIRE_OMIT_COUNT; i++)
		assert_true(strlen(wire_omit_reason(i)) > 0);
	assert_string_equal(wire_stage_name(WIRE_STAGE_COUNT), "unknown stage");
	assert_string_equal(wire_omit_reason(WIRE_OMIT_COUNT), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_decoder_takes_what_its_encoder_wrote),
		cmocka_unit_test(every_decoder_refuses_a_payload_cut_at_any_byte),
		cmocka_unit_test(every_decoder_refuses_a_byte_too_many),
		cmocka_unit_test(every_encoder_refuses_too_little_room_and_stays_within_it),
		cmocka_unit_test(a_file_comes_back_as_it_was),
		cmocka_unit_test(a_start_comes_back_as_it_was),
		cmocka_unit_test(a_driver_is_told_counts_and_strings_behind_their_length),
		cmocka_unit_test(a_list_that_is_not_there_is_an_empty_one),
		cmocka_unit_test(a_sync_answer_comes_back_as_it_was),
		cmocka_unit_test(an_exit_comes_back_as_it_was),
		cmocka_unit_test(a_collection_comes_back_as_it_was),
		cmocka_unit_test(a_collected_file_comes_back_as_it_was),
		cmocka_unit_test(a_number_is_big_endian),
		cmocka_unit_test(every_decoder_refuses_values_out_of_range),
		cmocka_unit_test(a_start_without_a_command_is_refused),
		cmocka_unit_test(a_list_may_be_as_long_as_its_bound_and_no_longer),
		cmocka_unit_test(a_list_whose_count_lies_is_refused),
		cmocka_unit_test(a_frame_is_found_when_its_last_byte_is_there),
		cmocka_unit_test(a_frame_may_be_empty),
		cmocka_unit_test(the_weight_of_files_comes_back_as_it_was),
		cmocka_unit_test(a_frame_over_the_bound_is_refused_by_its_header_alone),
		cmocka_unit_test(a_frame_with_its_reserved_field_set_is_refused),
		cmocka_unit_test(every_stage_and_reason_has_a_name_and_no_other_has),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
