/*
 * The host's side of the native engine against a keeper and inits that the test plays itself, hostile ones among
 * them. All in one thread: the test holds the other ends of the sockets and turns the loop until nothing moves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "engine/native/native.h"
#include "wire/init_proto.h"
#include "wire/keeper_proto.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define OUTPUT_LIMIT 1000
#define COLLECT_MAX  100

enum told {
	TOLD_READY,
	TOLD_UPLOADED,
	TOLD_OUTPUT,
	TOLD_STDIN,
	TOLD_STEP,
	TOLD_FILE,
	TOLD_DATA,
	TOLD_COLLECTED,
	TOLD_FAILED,
	TOLD_COUNT,
};

struct fixture {
	uv_loop_t loop;
	struct engine *engine;
	int keeper_fd; /* our end */
	unsigned lost;
	uint32_t next_slot;
};

/* One sandbox with both of its ends, and what the engine told of it. */
struct guest {
	struct fixture *fx;
	struct engine_sandbox *sb;
	int init_fd; /* init's end of its socket */
	uint32_t slot;
	unsigned told[TOLD_COUNT];
	int destroy_at;	    /* an enum told in which it destroys itself, or -1 */
	struct guest *also; /* destroyed with it */
	int error;	    /* of uploaded, step_ended, collected or failed */
	size_t output_bytes, data_bytes, stdin_bytes;
	struct step_facts facts;
	char name[64];
};

static void note(struct guest *g, enum told what, const struct err *err)
{
	assert_non_null(g->sb);
	g->told[what]++;
	g->error = err ? err->code : 0;
	if (g->destroy_at != (int)what)
		return;
	g->fx->engine->v->sandbox_destroy(TAKE_PTR(g->sb));
	if (g->also && g->also->sb)
		g->fx->engine->v->sandbox_destroy(TAKE_PTR(g->also->sb));
}

static void on_ready(void *user)
{
	note(user, TOLD_READY, NULL);
}

static void on_uploaded(void *user, const struct err *err)
{
	note(user, TOLD_UPLOADED, err);
}

static void on_output(void *user, int stream, const uint8_t *data, size_t len)
{
	struct guest *g = user;

	g->output_bytes += len;
	note(g, TOLD_OUTPUT, NULL);
}

static void on_stdin_wanted(void *user, size_t len)
{
	struct guest *g = user;

	g->stdin_bytes += len;
	note(g, TOLD_STDIN, NULL);
}

static void on_step_ended(void *user, const struct step_facts *facts, const struct err *err)
{
	struct guest *g = user;

	g->facts = *facts;
	note(g, TOLD_STEP, err);
}

static void on_file(void *user, const struct engine_collected *file)
{
	struct guest *g = user;

	snprintf(g->name, sizeof(g->name), "%s", file->name);
	note(g, TOLD_FILE, NULL);
}

static void on_file_data(void *user, const uint8_t *data, size_t len)
{
	struct guest *g = user;

	g->data_bytes += len;
	note(g, TOLD_DATA, NULL);
}

static void on_collected(void *user, const struct err *err)
{
	note(user, TOLD_COLLECTED, err);
}

static void on_failed(void *user, const struct err *err)
{
	note(user, TOLD_FAILED, err);
}

static const struct engine_events events = {
	.ready = on_ready,
	.uploaded = on_uploaded,
	.output = on_output,
	.stdin_wanted = on_stdin_wanted,
	.step_ended = on_step_ended,
	.file = on_file,
	.file_data = on_file_data,
	.collected = on_collected,
	.failed = on_failed,
};

/* ---- the keeper ---- */

static void keeper_say(const struct fixture *fx, const struct keeper_message *message, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .align = { .cmsg_level = SOL_SOCKET,
				 .cmsg_type = SCM_RIGHTS,
				 .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec iov = { (void *)(uintptr_t)message, sizeof(*message) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
	}
	assert_int_equal(sendmsg(fx->keeper_fd, &msg, MSG_NOSIGNAL), sizeof(*message));
}

/* The next request, which must be there and be this one. */
static struct keeper_request keeper_hear(const struct fixture *fx, enum keeper_op op)
{
	struct keeper_request request;

	assert_int_equal(recv(fx->keeper_fd, &request, sizeof(request), MSG_DONTWAIT), sizeof(request));
	assert_int_equal(request.op, op);
	assert_int_equal(request.reserved, 0);
	return request;
}

static bool keeper_heard_nothing(const struct fixture *fx)
{
	struct keeper_request request;

	return recv(fx->keeper_fd, &request, sizeof(request), MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void settle(struct fixture *fx)
{
	for (int i = 0; i < 20; i++)
		uv_run(&fx->loop, UV_RUN_NOWAIT);
}

static void keeper_tell(struct guest *g, enum keeper_event event, uint32_t oom_kills)
{
	struct keeper_message message = { .event = event,
					  .slot = g->slot,
					  .generation = 1,
					  .usage = { .cpu_us = 5, .oom_kills = oom_kills } };

	keeper_say(g->fx, &message, -1);
	settle(g->fx);
}

static void keeper_answer(struct guest *g, enum keeper_op op, int error)
{
	struct keeper_request request = keeper_hear(g->fx, op);
	struct keeper_message message = { .event = KEEPER_REPLY,
					  .tag = request.tag,
					  .slot = request.slot,
					  .generation = request.generation,
					  .error = error,
					  .usage = { .cpu_us = 7 } };

	assert_int_equal(request.slot, g->slot);
	assert_int_equal(request.generation, 1);
	keeper_say(g->fx, &message, -1);
	settle(g->fx);
}

static const struct keeper_hello hello = {
	.version = KEEPER_VERSION, .slots = 8, .memory = 1, .cpu_time = 1, .pids = 1, .cgroup_path = "/kiln"
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));
	struct keeper_message message = { .event = KEEPER_REPLY, .hello = hello };
	struct native_options options = { 0 };
	int ends[2];

	assert_non_null(fx);
	assert_int_equal(uv_loop_init(&fx->loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	fx->keeper_fd = ends[0];
	options.keeper_fd = ends[1];
	keeper_say(fx, &message, -1);
	assert_int_equal(engine_native_create(&fx->loop, &options, &fx->engine, NULL), 0);
	keeper_hear(fx, KEEPER_HELLO);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	fx->engine->v->destroy(fx->engine);
	assert_int_equal(uv_loop_close(&fx->loop), 0);
	if (fx->keeper_fd >= 0)
		close(fx->keeper_fd);
	free(fx);
	return 0;
}

/* ---- guests in each of their states ---- */

static struct limits some_limits(void)
{
	struct limits limits;

	for (int i = 0; i < LIMIT_COUNT; i++)
		limits.value[i] = limit_table[i].default_value;
	limits.value[LIMIT_OUTPUT_BYTES] = OUTPUT_LIMIT;
	return limits;
}

static void init_say(struct guest *g, uint8_t type, uint8_t stream, const void *payload, size_t len)
{
	uint8_t header[WIRE_HEADER_SIZE];

	wire_header_put(header, type, stream, (uint32_t)len);
	assert_int_equal(send(g->init_fd, header, sizeof(header), MSG_NOSIGNAL), sizeof(header));
	if (len)
		assert_int_equal(send(g->init_fd, payload, len, MSG_NOSIGNAL), len);
	settle(g->fx);
}

static void init_say_number(struct guest *g, uint8_t type, uint32_t number)
{
	uint8_t payload[4];

	assert_int_equal(wire_u32_encode(number, payload, sizeof(payload)), 4);
	init_say(g, type, 0, payload, sizeof(payload));
}

/* Whether a frame of this type comes from the host; those before it are swallowed. */
static bool init_hears(struct guest *g, uint8_t type)
{
	static uint8_t bytes[2 * WIRE_TO_INIT_MAX];
	ssize_t len = recv(g->init_fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	struct wire_frame frame;
	size_t used = 0;
	int64_t size;

	while (len > 0 &&
	       (size = wire_frame_parse(bytes + used, (size_t)len - used, WIRE_TO_INIT_MAX, &frame)) > 0) {
		used += (size_t)size;
		if (frame.type == type)
			return true;
	}
	return false;
}

static void guest_create(struct fixture *fx, struct guest *g)
{
	const struct engine_sandbox_spec spec = { .image = "host", .limits = some_limits() };

	*g = (struct guest){ .fx = fx, .init_fd = -1, .destroy_at = -1, .slot = fx->next_slot++ };
	assert_int_equal(fx->engine->v->sandbox_create(fx->engine, &spec, &events, g, &g->sb, NULL), 0);
}

static void guest_give(struct guest *g, uint32_t tag)
{
	struct keeper_message message = {
		.event = KEEPER_REPLY, .tag = tag, .slot = g->slot, .generation = 1
	};
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	g->init_fd = ends[0];
	keeper_say(g->fx, &message, ends[1]);
	close(ends[1]);
	settle(g->fx);
}

static void guest_greeting(struct fixture *fx, struct guest *g)
{
	guest_create(fx, g);
	guest_give(g, keeper_hear(fx, KEEPER_CREATE).tag);
}

static void guest_idle(struct fixture *fx, struct guest *g)
{
	guest_greeting(fx, g);
	init_say_number(g, WIRE_HELLO, WIRE_VERSION);
	assert_int_equal(g->told[TOLD_READY], 1);
}

static void guest_uploading(struct fixture *fx, struct guest *g)
{
	static const struct engine_file file = {
		.name = "a", .data = (const uint8_t *)"x", .len = 1, .mode = 0644
	};

	guest_idle(fx, g);
	fx->engine->v->upload(g->sb, &file, 1);
	settle(fx);
}

static void step_begin(struct guest *g)
{
	static char *const argv[] = { (char *)"true", NULL };
	const struct engine_step step = { .argv = argv, .limits = some_limits() };

	assert_int_equal(g->fx->engine->v->step_start(g->sb, &step, NULL), 0);
}

static void guest_preparing(struct fixture *fx, struct guest *g)
{
	guest_idle(fx, g);
	step_begin(g);
}

static void guest_running(struct fixture *fx, struct guest *g)
{
	guest_preparing(fx, g);
	keeper_answer(g, KEEPER_STEP, 0);
	assert_true(init_hears(g, WIRE_START));
	init_say(g, WIRE_STARTED, 0, NULL, 0);
}

static void exit_say(struct guest *g, const struct wire_exit *end)
{
	uint8_t payload[128];
	int64_t len = wire_exit_encode(end, payload, sizeof(payload));

	assert_true(len > 0);
	init_say(g, WIRE_EXIT, 0, payload, (size_t)len);
}

static void guest_ending(struct fixture *fx, struct guest *g)
{
	guest_running(fx, g);
	exit_say(g, &(struct wire_exit){ .status = 3 });
}

static void guest_collecting(struct fixture *fx, struct guest *g)
{
	static const struct engine_collect_spec spec = { .file_bytes = COLLECT_MAX,
							 .total_bytes = COLLECT_MAX,
							 .files = 10 };

	guest_idle(fx, g);
	fx->engine->v->collect(g->sb, &spec);
	settle(fx);
}

static void collected_say(struct guest *g, uint64_t size, uint64_t sent)
{
	struct wire_collected file = { .change = WIRE_CREATED, .size = size, .sent = sent, .path = "out" };
	uint8_t payload[128];
	int64_t len = wire_collected_encode(&file, payload, sizeof(payload));

	assert_true(len > 0);
	init_say(g, WIRE_COLLECTED, 0, payload, (size_t)len);
}

static void guest_in_a_file(struct fixture *fx, struct guest *g)
{
	guest_collecting(fx, g);
	collected_say(g, 5, 5);
	assert_int_equal(g->told[TOLD_FILE], 1);
}

/* The states in which an init can speak. */
static void (*const reach[])(struct fixture *fx, struct guest *g) = {
	guest_greeting, guest_idle,   guest_uploading,	guest_preparing,
	guest_running,	guest_ending, guest_collecting, guest_in_a_file,
};

static void guest_finish(struct guest *g)
{
	if (g->sb)
		g->fx->engine->v->sandbox_destroy(TAKE_PTR(g->sb));
	if (g->init_fd >= 0)
		close(g->init_fd);
	g->init_fd = -1;
	settle(g->fx);
	while (g->fx->keeper_fd >= 0 && !keeper_heard_nothing(g->fx))
		;
}

static void assert_failed_once(struct guest *g)
{
	if (g->told[TOLD_FAILED] != 1)
		fail_msg("failed was told %u times", g->told[TOLD_FAILED]);
	assert_true(g->error < 0);
}

/* Whatever its neighbour did: a guest that stands at EXIT's wait for the keeper goes to its end and is collected. */
static void assert_goes_on(struct guest *g)
{
	static const struct engine_collect_spec spec = { .file_bytes = 1, .total_bytes = 1, .files = 1 };

	exit_say(g, &(struct wire_exit){ .status = 3 });
	keeper_answer(g, KEEPER_STEP_END, 0);
	assert_int_equal(g->told[TOLD_STEP], 1);
	assert_int_equal(g->facts.exit_code, 3);
	g->fx->engine->v->collect(g->sb, &spec);
	settle(g->fx);
	assert_true(init_hears(g, WIRE_COLLECT));
	init_say_number(g, WIRE_COLLECT_END, 0);
	assert_int_equal(g->told[TOLD_COLLECTED], 1);
	assert_int_equal(g->told[TOLD_FAILED], 0);
}

/* ---- the plain way ---- */

static void a_sandbox_goes_from_ready_to_collected(void **state)
{
	struct guest g;

	guest_uploading(*state, &g);
	assert_true(init_hears(&g, WIRE_SYNC));
	init_say(&g, WIRE_SYNCED, 0, "\0\0\0\0", 5);
	assert_int_equal(g.told[TOLD_UPLOADED], 1);
	assert_int_equal(g.error, 0);
	step_begin(&g);
	keeper_answer(&g, KEEPER_STEP, 0);
	assert_true(init_hears(&g, WIRE_START));
	init_say(&g, WIRE_STARTED, 0, NULL, 0);
	init_say(&g, WIRE_OUTPUT, 1, "out", 3);
	init_say_number(&g, WIRE_STDIN_CREDIT, 10);
	exit_say(&g, &(struct wire_exit){ .status = 3, .stdout_bytes = 3, .cpu_us = 99 });
	assert_int_equal(g.told[TOLD_STEP], 0);
	keeper_answer(&g, KEEPER_STEP_END, 0);
	assert_int_equal(g.told[TOLD_STEP], 1);
	assert_int_equal(g.facts.exit_code, 3);
	assert_int_equal(g.facts.cpu_us, 7); /* the keeper's word against init's */
	assert_int_equal(g.output_bytes, 3);
	assert_int_equal(g.stdin_bytes, 10);
	guest_finish(&g);
}

static void the_keeper_is_asked_to_destroy_what_was_destroyed(void **state)
{
	struct fixture *fx = *state;
	struct keeper_request request;
	struct guest g;

	guest_idle(fx, &g);
	assert_int_equal(fx->engine->v->sandbox_count(fx->engine), 1);
	fx->engine->v->sandbox_destroy(TAKE_PTR(g.sb));
	assert_int_equal(fx->engine->v->sandbox_count(fx->engine), 0);
	request = keeper_hear(fx, KEEPER_DESTROY);
	assert_int_equal(request.slot, g.slot);
	assert_int_equal(request.generation, 1);
	guest_finish(&g);
}

static void a_sandbox_that_comes_after_its_destruction_is_destroyed_again(void **state)
{
	struct fixture *fx = *state;
	struct guest g;
	uint32_t tag;
	char byte;

	guest_create(fx, &g);
	tag = keeper_hear(fx, KEEPER_CREATE).tag;
	fx->engine->v->sandbox_destroy(TAKE_PTR(g.sb));
	guest_give(&g, tag);
	assert_int_equal(keeper_hear(fx, KEEPER_DESTROY).slot, g.slot);
	assert_int_equal(recv(g.init_fd, &byte, 1, MSG_DONTWAIT), 0); /* its socket is closed */
	guest_finish(&g);
}

static void a_sandbox_that_the_keeper_cannot_make_has_failed(void **state)
{
	struct fixture *fx = *state;
	struct keeper_message message = { .event = KEEPER_REPLY, .error = -ENOSPC, .stage = "mount" };
	struct guest g;

	guest_create(fx, &g);
	message.tag = keeper_hear(fx, KEEPER_CREATE).tag;
	keeper_say(fx, &message, -1);
	settle(fx);
	assert_failed_once(&g);
	assert_int_equal(g.error, -ENOSPC);
	guest_finish(&g);
}

static void a_step_that_the_keeper_refuses_fails_the_sandbox(void **state)
{
	struct guest g;

	guest_preparing(*state, &g);
	keeper_answer(&g, KEEPER_STEP, -EBUSY);
	assert_failed_once(&g);
	assert_int_equal(g.error, -EBUSY);
	guest_finish(&g);
}

/* ---- a hostile init ---- */

static void bytes_that_are_no_frame_fail_the_sandbox_in_every_state(void **state)
{
	struct guest other, g;

	for (size_t i = 0; i < ARRAY_LEN(reach); i++) {
		guest_running(*state, &other);
		reach[i](*state, &g);
		assert_int_equal(send(g.init_fd, "\xde\xad\xbe\xef garbage", 12, MSG_NOSIGNAL), 12);
		settle(*state);
		assert_failed_once(&g);
		guest_finish(&g);
		assert_goes_on(&other);
		guest_finish(&other);
	}
}

static void a_frame_longer_than_allowed_fails_the_sandbox_before_it_comes(void **state)
{
	uint8_t header[WIRE_HEADER_SIZE];
	struct guest g;

	for (size_t i = 0; i < ARRAY_LEN(reach); i++) {
		reach[i](*state, &g);
		wire_header_put(header, WIRE_OUTPUT, 1, WIRE_TO_HOST_MAX + 1);
		assert_int_equal(send(g.init_fd, header, sizeof(header), MSG_NOSIGNAL), sizeof(header));
		settle(*state);
		assert_failed_once(&g);
		guest_finish(&g);
	}
}

static void a_frame_that_only_the_host_sends_fails_the_sandbox(void **state)
{
	struct guest g;

	for (uint8_t type = 0; type < 8 + 2; type++) {
		if (type == WIRE_DATA)
			continue;
		guest_running(*state, &g);
		init_say(&g, type, 0, NULL, 0);
		assert_failed_once(&g);
		guest_finish(&g);
	}
}

/* Which frame each state of `reach` allows, one bit for each type from HELLO on; DATA is bit 15. */
static void a_frame_out_of_order_fails_the_sandbox(void **state)
{
#define BIT(type) (1u << ((type)-WIRE_HELLO))
	static const unsigned allowed[ARRAY_LEN(reach)] = {
		BIT(WIRE_HELLO),
		0,
		BIT(WIRE_SYNCED),
		0,
		BIT(WIRE_OUTPUT) | BIT(WIRE_STDIN_CREDIT) | BIT(WIRE_EXIT),
		0,
		BIT(WIRE_COLLECTED) | BIT(WIRE_COLLECT_END),
		1u << 15,
	};
	static const uint8_t types[] = { WIRE_HELLO,	    WIRE_SYNCED, WIRE_STARTED,	 WIRE_OUTPUT,
					 WIRE_STDIN_CREDIT, WIRE_EXIT,	 WIRE_COLLECTED, WIRE_COLLECT_END };
	uint8_t payload[128] = { 0 };
	struct guest g;

	for (size_t i = 0; i < ARRAY_LEN(reach); i++) {
		for (size_t t = 0; t < ARRAY_LEN(types); t++) {
			if (allowed[i] & BIT(types[t]))
				continue;
			reach[i](*state, &g);
			init_say(&g, types[t], 1, payload, types[t] == WIRE_STARTED ? 0 : 4);
			assert_failed_once(&g);
			guest_finish(&g);
		}
		if (allowed[i] & 1u << 15)
			continue;
		reach[i](*state, &g);
		init_say(&g, WIRE_DATA, 0, payload, 1);
		assert_failed_once(&g);
		guest_finish(&g);
	}
#undef BIT
}

static void another_version_of_init_fails_the_sandbox(void **state)
{
	struct guest g;

	guest_greeting(*state, &g);
	init_say_number(&g, WIRE_HELLO, WIRE_VERSION + 1);
	assert_failed_once(&g);
	guest_finish(&g);
}

static void a_second_hello_fails_the_sandbox(void **state)
{
	struct guest g;

	guest_idle(*state, &g);
	init_say_number(&g, WIRE_HELLO, WIRE_VERSION);
	assert_failed_once(&g);
	guest_finish(&g);
}

static void an_upload_acknowledged_before_it_was_read_fails_the_sandbox(void **state)
{
	struct fixture *fx = *state;
	const size_t len = 8u << 20; /* more than a socket takes */
	uint8_t *data = calloc(1, len);
	struct engine_file file = { .name = "a", .data = data, .len = len, .mode = 0644 };
	static uint8_t sink[1u << 20];
	struct guest g;

	assert_non_null(data);
	guest_idle(fx, &g);
	fx->engine->v->upload(g.sb, &file, 1);
	settle(fx);
	init_say(&g, WIRE_SYNCED, 0, "\0\0\0\0", 5);
	/* Its owner is told that the bytes may go: they must not be sent any more, whatever init reads. */
	free(data);
	while (recv(g.init_fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		settle(fx);
	assert_int_equal(g.told[TOLD_UPLOADED], 0);
	assert_failed_once(&g);
	guest_finish(&g);
}

static void a_file_that_init_could_not_write_is_named_and_the_sandbox_lives(void **state)
{
	struct guest g;

	guest_uploading(*state, &g);
	assert_true(init_hears(&g, WIRE_SYNC));
	init_say(&g, WIRE_SYNCED, 0,
		 "\0\0\0\x1c"
		 "a",
		 6);
	assert_int_equal(g.told[TOLD_UPLOADED], 1);
	assert_int_equal(g.error, -ENOSPC);
	assert_int_equal(g.told[TOLD_FAILED], 0);
	guest_finish(&g);
}

static void output_up_to_the_limit_is_taken_and_a_byte_more_fails_the_sandbox(void **state)
{
	uint8_t bytes[OUTPUT_LIMIT] = { 0 };
	struct guest g;

	guest_running(*state, &g);
	init_say(&g, WIRE_OUTPUT, 1, bytes, OUTPUT_LIMIT);
	init_say(&g, WIRE_OUTPUT, 2, bytes, OUTPUT_LIMIT);
	assert_int_equal(g.output_bytes, 2 * OUTPUT_LIMIT);
	assert_int_equal(g.told[TOLD_FAILED], 0);
	init_say(&g, WIRE_OUTPUT, 1, bytes, 1);
	assert_failed_once(&g);
	assert_int_equal(g.output_bytes, 2 * OUTPUT_LIMIT);
	guest_finish(&g);
}

static void output_of_a_third_stream_fails_the_sandbox(void **state)
{
	struct guest g;

	for (unsigned stream = 0; stream < 256; stream = stream == 0 ? 3 : stream == 3 ? 255 : 256) {
		guest_running(*state, &g);
		init_say(&g, WIRE_OUTPUT, (uint8_t)stream, "x", 1);
		assert_failed_once(&g);
		guest_finish(&g);
	}
}

static void a_second_started_fails_the_sandbox(void **state)
{
	struct guest g;

	guest_running(*state, &g);
	init_say(&g, WIRE_STARTED, 0, NULL, 0);
	assert_failed_once(&g);
	guest_finish(&g);
}

static void credit_for_more_stdin_than_the_window_fails_the_sandbox(void **state)
{
	struct fixture *fx = *state;
	struct guest g;

	guest_running(fx, &g);
	init_say_number(&g, WIRE_STDIN_CREDIT, WIRE_STDIN_WINDOW);
	assert_int_equal(g.stdin_bytes, WIRE_STDIN_WINDOW);
	/* What was used of it may be given again. */
	fx->engine->v->stdin_write(g.sb, (const uint8_t *)"abc", 3);
	init_say_number(&g, WIRE_STDIN_CREDIT, 3);
	assert_int_equal(g.told[TOLD_FAILED], 0);
	init_say_number(&g, WIRE_STDIN_CREDIT, 1);
	assert_failed_once(&g);
	assert_int_equal(g.stdin_bytes, WIRE_STDIN_WINDOW + 3);
	guest_finish(&g);
}

static void a_second_exit_fails_the_sandbox_and_ends_the_step_only_once(void **state)
{
	struct guest g;

	guest_ending(*state, &g);
	exit_say(&g, &(struct wire_exit){ .status = 0 });
	assert_failed_once(&g);
	assert_int_equal(g.told[TOLD_STEP], 0);
	guest_finish(&g);
}

static void an_exit_that_counts_less_output_than_came_fails_the_sandbox(void **state)
{
	struct guest g;

	guest_running(*state, &g);
	init_say(&g, WIRE_OUTPUT, 1, "abc", 3);
	exit_say(&g, &(struct wire_exit){ .stdout_bytes = 2 });
	assert_failed_once(&g);
	assert_int_equal(g.told[TOLD_STEP], 0);
	guest_finish(&g);
}

static void an_exit_of_unheard_of_values_fails_the_sandbox(void **state)
{
	struct guest g;

	guest_running(*state, &g);
	exit_say(&g, &(struct wire_exit){ .kill = 200 });
	assert_failed_once(&g);
	guest_finish(&g);
}

static void a_file_with_more_content_than_announced_fails_the_sandbox(void **state)
{
	struct guest g;

	guest_in_a_file(*state, &g);
	init_say(&g, WIRE_DATA, 0, "123456", 6);
	assert_failed_once(&g);
	assert_int_equal(g.data_bytes, 0);
	guest_finish(&g);
}

static void a_file_with_less_content_than_announced_fails_the_sandbox(void **state)
{
	struct guest g;

	guest_in_a_file(*state, &g);
	init_say(&g, WIRE_DATA, 0, "123", 3);
	init_say_number(&g, WIRE_COLLECT_END, 0);
	assert_failed_once(&g);
	assert_int_equal(g.told[TOLD_COLLECTED], 0);
	guest_finish(&g);
}

static void files_larger_together_than_asked_for_fail_the_sandbox(void **state)
{
	struct guest g;

	guest_collecting(*state, &g);
	collected_say(&g, COLLECT_MAX + 1, COLLECT_MAX + 1);
	assert_failed_once(&g);
	guest_finish(&g);

	guest_collecting(*state, &g);
	collected_say(&g, 1ull << 40, COLLECT_MAX);
	assert_int_equal(g.told[TOLD_FILE], 1);
	init_say(&g, WIRE_DATA, 0, (uint8_t[COLLECT_MAX]){ 0 }, COLLECT_MAX);
	collected_say(&g, 1, 1);
	assert_failed_once(&g);
	assert_int_equal(g.told[TOLD_FILE], 1);
	guest_finish(&g);
}

static void a_collection_without_end_fails_the_sandbox(void **state)
{
	struct guest g;
	unsigned i;

	guest_collecting(*state, &g);
	for (i = 0; i < 200000 && !g.told[TOLD_FAILED]; i++) {
		struct wire_collected file = { .change = WIRE_DELETED, .path = "x" };
		uint8_t payload[64], header[WIRE_HEADER_SIZE];
		int64_t len = wire_collected_encode(&file, payload, sizeof(payload));

		wire_header_put(header, WIRE_COLLECTED, 0, (uint32_t)len);
		if (send(g.init_fd, header, sizeof(header), MSG_NOSIGNAL) < 0 ||
		    send(g.init_fd, payload, (size_t)len, MSG_NOSIGNAL) < 0)
			break;
		if (i % 50 == 0)
			uv_run(&g.fx->loop, UV_RUN_NOWAIT);
	}
	assert_failed_once(&g);
	guest_finish(&g);
}

/* The keeper knows why an init died, but of one that only closed its socket it will never speak. */
static void an_init_that_closes_its_socket_outside_a_step_has_failed(void **state)
{
	struct guest g;

	for (size_t i = 0; i < ARRAY_LEN(reach); i++) {
		if (reach[i] == guest_running || reach[i] == guest_ending)
			continue;
		reach[i](*state, &g);
		close(g.init_fd);
		g.init_fd = -1;
		settle(*state);
		assert_failed_once(&g);
		guest_finish(&g);
	}
}

static void an_init_that_closes_its_socket_in_a_step_is_ended_by_the_keepers_deadline(void **state)
{
	struct guest g;

	guest_running(*state, &g);
	close(g.init_fd);
	g.init_fd = -1;
	settle(*state);
	assert_int_equal(g.told[TOLD_FAILED], 0);
	keeper_tell(&g, KEEPER_EVENT_DEADLINE, 0);
	assert_int_equal(g.told[TOLD_STEP], 1);
	assert_int_equal(g.facts.kill, STEP_KILL_WALL);
	assert_int_equal(g.facts.cpu_us, 5);
	guest_finish(&g);
}

static void an_init_that_closes_its_socket_after_exit_gives_its_facts_and_then_fails(void **state)
{
	struct guest g;

	guest_ending(*state, &g);
	close(g.init_fd);
	g.init_fd = -1;
	settle(*state);
	keeper_answer(&g, KEEPER_STEP_END, 0);
	assert_int_equal(g.told[TOLD_STEP], 1);
	assert_failed_once(&g);
	guest_finish(&g);
}

static void frames_that_come_byte_by_byte_are_the_same_frames(void **state)
{
	uint8_t bytes[WIRE_HEADER_SIZE + 5];
	struct guest g;

	guest_running(*state, &g);
	wire_header_put(bytes, WIRE_OUTPUT, 1, 5);
	memcpy(bytes + WIRE_HEADER_SIZE, "hello", 5);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(send(g.init_fd, bytes + i, 1, MSG_NOSIGNAL), 1);
		settle(*state);
	}
	assert_int_equal(g.output_bytes, 5);
	init_say(&g, WIRE_OUTPUT, 1, "x", 1);
	assert_int_equal(g.output_bytes, 6);
	guest_finish(&g);
}

static void an_init_that_never_reads_holds_up_nobody(void **state)
{
	struct fixture *fx = *state;
	static uint8_t data[4u << 20];
	struct engine_file file = { .name = "a", .data = data, .len = sizeof(data), .mode = 0644 };
	struct guest g, other;

	guest_running(fx, &other);
	guest_idle(fx, &g);
	fx->engine->v->upload(g.sb, &file, 1);
	settle(fx);
	assert_goes_on(&other);
	guest_finish(&other);
	guest_finish(&g);
}

/* ---- the keeper's word ---- */

static void an_init_that_died_fails_its_sandbox_unless_exit_had_come(void **state)
{
	struct guest g;

	for (size_t i = 0; i < ARRAY_LEN(reach); i++) {
		if (reach[i] == guest_ending)
			continue;
		reach[i](*state, &g);
		keeper_tell(&g, KEEPER_EVENT_DIED, 0);
		assert_failed_once(&g);
		guest_finish(&g);
	}
}

static void an_end_of_the_sandbox_that_crosses_exit_leaves_what_init_told(void **state)
{
	static const enum keeper_event ends[] = { KEEPER_EVENT_DEADLINE, KEEPER_EVENT_DIED };
	static const struct engine_collect_spec all = { .file_bytes = COLLECT_MAX,
							.total_bytes = COLLECT_MAX,
							.files = 10 };
	struct guest g;

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		guest_ending(*state, &g);
		keeper_tell(&g, ends[i], 0);
		assert_int_equal(g.told[TOLD_STEP], 1);
		assert_int_equal(g.facts.exit_code, 3);
		assert_false(g.facts.signaled);
		assert_int_equal(g.facts.kill, STEP_KILL_NONE);
		assert_int_equal(g.told[TOLD_FAILED], 0);
		/* Its files are gone: that is an error, not an empty folder. */
		g.fx->engine->v->collect(g.sb, &all);
		settle(*state);
		assert_int_equal(g.told[TOLD_COLLECTED], 1);
		assert_int_equal(g.error, -EPIPE);
		guest_finish(&g);
	}
}

static void init_killed_for_memory_in_a_step_is_the_steps_end(void **state)
{
	struct guest g;

	guest_running(*state, &g);
	init_say(&g, WIRE_OUTPUT, 1, "last", 4);
	keeper_tell(&g, KEEPER_EVENT_DIED, 1);
	assert_int_equal(g.told[TOLD_STEP], 1);
	assert_int_equal(g.facts.oom_kills, 1);
	assert_int_equal(g.facts.signal, SIGKILL);
	assert_int_equal(g.facts.stdout_bytes, 4);
	assert_int_equal(g.told[TOLD_FAILED], 0);
	guest_finish(&g);
}

static void events_of_another_generation_or_slot_reach_nobody(void **state)
{
	struct fixture *fx = *state;
	struct keeper_message message = { .event = KEEPER_EVENT_DIED };
	struct guest g;

	guest_running(fx, &g);
	message.slot = g.slot;
	message.generation = 2;
	keeper_say(fx, &message, -1);
	message.slot = g.slot + 1;
	message.generation = 1;
	keeper_say(fx, &message, -1);
	settle(fx);
	assert_goes_on(&g);
	guest_finish(&g);
}

static void a_reply_that_nobody_waits_for_is_dropped_with_its_descriptor(void **state)
{
	struct fixture *fx = *state;
	struct guest stray = { .fx = fx, .slot = 7, .init_fd = -1 };
	char byte;

	guest_give(&stray, 4242);
	assert_int_equal(recv(stray.init_fd, &byte, 1, MSG_DONTWAIT), 0);
	assert_true(keeper_heard_nothing(fx));
	close(stray.init_fd);
}

static void keeper_lost(void *user)
{
	((struct fixture *)user)->lost++;
}

static void the_keepers_death_fails_every_sandbox_once_and_is_told_once(void **state)
{
	struct fixture *fx = *state;
	struct guest g[ARRAY_LEN(reach) + 1];
	const struct engine_sandbox_spec spec = { .image = "host", .limits = some_limits() };
	struct engine_sandbox *sb;
	char why[64];

	engine_native_on_keeper_lost(fx->engine, keeper_lost, fx);
	for (size_t i = 0; i < ARRAY_LEN(reach); i++) {
		reach[i](fx, &g[i]);
		while (!keeper_heard_nothing(fx))
			;
	}
	guest_create(fx, &g[ARRAY_LEN(reach)]);
	assert_true(fx->engine->v->healthy(fx->engine, why, sizeof(why)));
	close(fx->keeper_fd);
	fx->keeper_fd = -1;
	settle(fx);
	assert_int_equal(fx->lost, 1);
	assert_false(fx->engine->v->healthy(fx->engine, why, sizeof(why)));
	assert_int_equal(fx->engine->v->sandbox_create(fx->engine, &spec, &events, NULL, &sb, NULL), -EPIPE);
	for (size_t i = 0; i < ARRAY_LEN(g); i++) {
		assert_failed_once(&g[i]);
		guest_finish(&g[i]);
	}
}

static void a_packet_of_another_size_is_the_keepers_death(void **state)
{
	struct fixture *fx = *state;
	struct guest g;

	engine_native_on_keeper_lost(fx->engine, keeper_lost, fx);
	guest_running(fx, &g);
	assert_int_equal(send(fx->keeper_fd, "short", 5, MSG_NOSIGNAL), 5);
	settle(fx);
	assert_int_equal(fx->lost, 1);
	assert_failed_once(&g);
	guest_finish(&g);
}

static void sandboxes_may_destroy_each_other_when_the_keeper_dies(void **state)
{
	struct fixture *fx = *state;
	struct guest g[3];

	for (size_t i = 0; i < ARRAY_LEN(g); i++)
		guest_idle(fx, &g[i]);
	g[1].destroy_at = TOLD_FAILED;
	g[1].also = &g[0];
	g[2].destroy_at = TOLD_FAILED;
	close(fx->keeper_fd);
	fx->keeper_fd = -1;
	settle(fx);
	assert_int_equal(g[0].told[TOLD_FAILED], 0);
	assert_int_equal(g[1].told[TOLD_FAILED], 1);
	assert_int_equal(g[2].told[TOLD_FAILED], 1);
	assert_int_equal(fx->engine->v->sandbox_count(fx->engine), 0);
	for (size_t i = 0; i < ARRAY_LEN(g); i++)
		guest_finish(&g[i]);
}

/* A new front of an old keeper finds words about sandboxes of the one before it in its socket. */
static void a_greeting_passes_over_what_was_meant_for_another_front(void **state)
{
	struct keeper_message gone = { .event = KEEPER_EVENT_GONE, .slot = 1, .generation = 3 };
	struct keeper_message message = { .event = KEEPER_REPLY, .hello = hello };
	struct native_options options = { 0 };
	struct fixture fx = { 0 };
	int ends[2];

	assert_int_equal(uv_loop_init(&fx.loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	fx.keeper_fd = ends[0];
	options.keeper_fd = ends[1];
	keeper_say(&fx, &gone, -1);
	keeper_say(&fx, &message, -1);
	assert_int_equal(engine_native_create(&fx.loop, &options, &fx.engine, NULL), 0);
	fx.engine->v->destroy(fx.engine);
	assert_int_equal(uv_loop_close(&fx.loop), 0);
	close(fx.keeper_fd);
}

static void a_keeper_of_another_version_is_refused(void **state)
{
	struct keeper_message message = { .event = KEEPER_REPLY, .hello = { .version = KEEPER_VERSION + 1 } };
	struct native_options options = { 0 };
	struct engine *engine;
	struct fixture fx;
	uv_loop_t loop;
	int ends[2];

	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	fx.keeper_fd = ends[0];
	options.keeper_fd = ends[1];
	keeper_say(&fx, &message, -1);
	assert_int_equal(engine_native_create(&loop, &options, &engine, NULL), -EPROTO);
	close(ends[0]);
	assert_int_equal(uv_loop_close(&loop), 0);
}

/* ---- destruction ---- */

/* Brings a guest to where the callback `what` is called. */
static void provoke(struct fixture *fx, struct guest *g, enum told what)
{
	switch (what) {
	case TOLD_READY:
		guest_greeting(fx, g);
		g->destroy_at = what;
		init_say_number(g, WIRE_HELLO, WIRE_VERSION);
		break;
	case TOLD_UPLOADED:
		guest_uploading(fx, g);
		assert_true(init_hears(g, WIRE_SYNC));
		g->destroy_at = what;
		init_say(g, WIRE_SYNCED, 0, "\0\0\0\0", 5);
		break;
	case TOLD_OUTPUT:
		guest_running(fx, g);
		g->destroy_at = what;
		init_say(g, WIRE_OUTPUT, 1, "x", 1);
		break;
	case TOLD_STDIN:
		guest_running(fx, g);
		g->destroy_at = what;
		init_say_number(g, WIRE_STDIN_CREDIT, 1);
		break;
	case TOLD_STEP:
		guest_ending(fx, g);
		g->destroy_at = what;
		keeper_answer(g, KEEPER_STEP_END, 0);
		break;
	case TOLD_FILE:
		guest_collecting(fx, g);
		g->destroy_at = what;
		collected_say(g, 1, 1);
		break;
	case TOLD_DATA:
		guest_in_a_file(fx, g);
		g->destroy_at = what;
		init_say(g, WIRE_DATA, 0, "x", 1);
		break;
	case TOLD_COLLECTED:
		guest_collecting(fx, g);
		g->destroy_at = what;
		init_say_number(g, WIRE_COLLECT_END, 0);
		break;
	default:
		guest_running(fx, g);
		g->destroy_at = TOLD_FAILED;
		init_say(g, 99, 0, NULL, 0);
	}
}

static void a_sandbox_may_be_destroyed_in_each_of_its_callbacks(void **state)
{
	struct guest g;

	for (enum told what = 0; what < TOLD_COUNT; what++) {
		provoke(*state, &g, what);
		assert_null(g.sb);
		assert_int_equal(g.told[what], 1);
		assert_int_equal(keeper_hear(*state, KEEPER_DESTROY).slot, g.slot);
		guest_finish(&g);
	}
}

static void nothing_is_told_after_destruction_though_more_has_come(void **state)
{
	uint8_t frames[2 * (WIRE_HEADER_SIZE + 1)];
	struct guest g;

	guest_running(*state, &g);
	g.destroy_at = TOLD_OUTPUT;
	for (int i = 0; i < 2; i++) {
		wire_header_put(frames + i * (WIRE_HEADER_SIZE + 1), WIRE_OUTPUT, 1, 1);
		frames[i * (WIRE_HEADER_SIZE + 1) + WIRE_HEADER_SIZE] = 'x';
	}
	assert_int_equal(send(g.init_fd, frames, sizeof(frames), MSG_NOSIGNAL), sizeof(frames));
	settle(*state);
	assert_int_equal(g.told[TOLD_OUTPUT], 1);
	guest_finish(&g);
}

static void an_engine_ends_with_sandboxes_in_every_state(void **state)
{
	struct fixture *fx;
	struct guest g[ARRAY_LEN(reach)];

	assert_int_equal(setup((void **)&fx), 0);
	for (size_t i = 0; i < ARRAY_LEN(reach); i++) {
		reach[i](fx, &g[i]);
		while (!keeper_heard_nothing(fx))
			;
	}
	assert_int_equal(teardown((void **)&fx), 0);
	for (size_t i = 0; i < ARRAY_LEN(reach); i++)
		close(g[i].init_fd);
}

#define with_engine(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_engine(a_sandbox_goes_from_ready_to_collected),
		with_engine(the_keeper_is_asked_to_destroy_what_was_destroyed),
		with_engine(a_sandbox_that_comes_after_its_destruction_is_destroyed_again),
		with_engine(a_sandbox_that_the_keeper_cannot_make_has_failed),
		with_engine(a_step_that_the_keeper_refuses_fails_the_sandbox),
		with_engine(bytes_that_are_no_frame_fail_the_sandbox_in_every_state),
		with_engine(a_frame_longer_than_allowed_fails_the_sandbox_before_it_comes),
		with_engine(a_frame_that_only_the_host_sends_fails_the_sandbox),
		with_engine(a_frame_out_of_order_fails_the_sandbox),
		with_engine(another_version_of_init_fails_the_sandbox),
		with_engine(a_second_hello_fails_the_sandbox),
		with_engine(an_upload_acknowledged_before_it_was_read_fails_the_sandbox),
		with_engine(a_file_that_init_could_not_write_is_named_and_the_sandbox_lives),
		with_engine(output_up_to_the_limit_is_taken_and_a_byte_more_fails_the_sandbox),
		with_engine(output_of_a_third_stream_fails_the_sandbox),
		with_engine(a_second_started_fails_the_sandbox),
		with_engine(credit_for_more_stdin_than_the_window_fails_the_sandbox),
		with_engine(a_second_exit_fails_the_sandbox_and_ends_the_step_only_once),
		with_engine(an_exit_that_counts_less_output_than_came_fails_the_sandbox),
		with_engine(an_exit_of_unheard_of_values_fails_the_sandbox),
		with_engine(a_file_with_more_content_than_announced_fails_the_sandbox),
		with_engine(a_file_with_less_content_than_announced_fails_the_sandbox),
		with_engine(files_larger_together_than_asked_for_fail_the_sandbox),
		with_engine(a_collection_without_end_fails_the_sandbox),
		with_engine(an_init_that_closes_its_socket_outside_a_step_has_failed),
		with_engine(an_init_that_closes_its_socket_in_a_step_is_ended_by_the_keepers_deadline),
		with_engine(an_init_that_closes_its_socket_after_exit_gives_its_facts_and_then_fails),
		with_engine(frames_that_come_byte_by_byte_are_the_same_frames),
		with_engine(an_init_that_never_reads_holds_up_nobody),
		with_engine(an_init_that_died_fails_its_sandbox_unless_exit_had_come),
		with_engine(an_end_of_the_sandbox_that_crosses_exit_leaves_what_init_told),
		with_engine(init_killed_for_memory_in_a_step_is_the_steps_end),
		with_engine(events_of_another_generation_or_slot_reach_nobody),
		with_engine(a_reply_that_nobody_waits_for_is_dropped_with_its_descriptor),
		with_engine(the_keepers_death_fails_every_sandbox_once_and_is_told_once),
		with_engine(a_packet_of_another_size_is_the_keepers_death),
		with_engine(sandboxes_may_destroy_each_other_when_the_keeper_dies),
		with_engine(a_sandbox_may_be_destroyed_in_each_of_its_callbacks),
		with_engine(nothing_is_told_after_destruction_though_more_has_come),
		cmocka_unit_test(a_greeting_passes_over_what_was_meant_for_another_front),
		cmocka_unit_test(a_keeper_of_another_version_is_refused),
		cmocka_unit_test(an_engine_ends_with_sandboxes_in_every_state),
	};

	return cmocka_run_group_tests_name("native", tests, NULL, NULL);
}
