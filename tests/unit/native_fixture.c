#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "native_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

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

const struct engine_events guest_events = {
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

void keeper_say(const struct fixture *fx, const struct keeper_message *message, int fd)
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

struct keeper_request keeper_hear(const struct fixture *fx, enum keeper_op op)
{
	struct keeper_request request;

	assert_int_equal(recv(fx->keeper_fd, &request, sizeof(request), MSG_DONTWAIT), sizeof(request));
	assert_int_equal(request.op, op);
	assert_int_equal(request.reserved, 0);
	return request;
}

bool keeper_heard_nothing(const struct fixture *fx)
{
	struct keeper_request request;

	return recv(fx->keeper_fd, &request, sizeof(request), MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

void settle(struct fixture *fx)
{
	for (int i = 0; i < 20; i++)
		uv_run(&fx->loop, UV_RUN_NOWAIT);
}

void keeper_tell(struct guest *g, enum keeper_event event, uint32_t oom_kills)
{
	struct keeper_message message = { .event = event,
					  .slot = g->slot,
					  .generation = 1,
					  .usage = { .cpu_us = 5, .oom_kills = oom_kills } };

	keeper_say(g->fx, &message, -1);
	settle(g->fx);
}

void keeper_answer(struct guest *g, enum keeper_op op, int error)
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

const struct keeper_hello keeper_hello = {
	.version = KEEPER_VERSION, .slots = 8, .memory = 1, .cpu_time = 1, .pids = 1, .cgroup_path = "/kiln"
};

int native_setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));
	struct keeper_message message = { .event = KEEPER_REPLY, .hello = keeper_hello };
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

int native_teardown(void **state)
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

struct limits some_limits(void)
{
	struct limits limits;

	for (int i = 0; i < LIMIT_COUNT; i++)
		limits.value[i] = limit_table[i].default_value;
	limits.value[LIMIT_OUTPUT_BYTES] = OUTPUT_LIMIT;
	return limits;
}

void init_say(struct guest *g, uint8_t type, uint8_t stream, const void *payload, size_t len)
{
	uint8_t header[WIRE_HEADER_SIZE];

	wire_header_put(header, type, stream, (uint32_t)len);
	assert_int_equal(send(g->init_fd, header, sizeof(header), MSG_NOSIGNAL), sizeof(header));
	if (len)
		assert_int_equal(send(g->init_fd, payload, len, MSG_NOSIGNAL), len);
	settle(g->fx);
}

void init_say_number(struct guest *g, uint8_t type, uint32_t number)
{
	uint8_t payload[4];

	assert_int_equal(wire_u32_encode(number, payload, sizeof(payload)), 4);
	init_say(g, type, 0, payload, sizeof(payload));
}

bool init_hears(struct guest *g, uint8_t type)
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

void guest_create(struct fixture *fx, struct guest *g)
{
	const struct engine_sandbox_spec spec = { .image = "host", .limits = some_limits() };

	*g = (struct guest){ .fx = fx, .init_fd = -1, .destroy_at = -1, .slot = fx->next_slot++ };
	assert_int_equal(fx->engine->v->sandbox_create(fx->engine, &spec, &guest_events, g, &g->sb, NULL), 0);
}

void guest_give(struct guest *g, uint32_t tag)
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

void guest_greeting(struct fixture *fx, struct guest *g)
{
	guest_create(fx, g);
	guest_give(g, keeper_hear(fx, KEEPER_CREATE).tag);
}

void guest_idle(struct fixture *fx, struct guest *g)
{
	guest_greeting(fx, g);
	init_say_number(g, WIRE_HELLO, WIRE_VERSION);
	assert_int_equal(g->told[TOLD_READY], 1);
}

void guest_uploading(struct fixture *fx, struct guest *g)
{
	static const struct engine_file file = {
		.name = "a", .data = (const uint8_t *)"x", .len = 1, .mode = 0644
	};

	guest_idle(fx, g);
	fx->engine->v->upload(g->sb, &file, 1);
	settle(fx);
}

void step_begin_with(struct guest *g, const struct limits *limits)
{
	static char *const argv[] = { (char *)"true", NULL };
	const struct engine_step step = { .argv = argv, .limits = *limits };

	assert_int_equal(g->fx->engine->v->step_start(g->sb, &step, NULL), 0);
}

/* With another limit than the sandbox has, so that the keeper's answer is waited for. */
void step_begin(struct guest *g)
{
	struct limits limits = some_limits();

	limits.value[LIMIT_PROCESSES]++;
	step_begin_with(g, &limits);
}

void guest_preparing(struct fixture *fx, struct guest *g)
{
	guest_idle(fx, g);
	step_begin(g);
}

void guest_running(struct fixture *fx, struct guest *g)
{
	guest_preparing(fx, g);
	keeper_answer(g, KEEPER_STEP, 0);
	assert_true(init_hears(g, WIRE_START));
	init_say(g, WIRE_STARTED, 0, NULL, 0);
}

void exit_say(struct guest *g, const struct wire_exit *end)
{
	uint8_t payload[128];
	int64_t len = wire_exit_encode(end, payload, sizeof(payload));

	assert_true(len > 0);
	init_say(g, WIRE_EXIT, 0, payload, (size_t)len);
}

void guest_ending(struct fixture *fx, struct guest *g)
{
	guest_running(fx, g);
	exit_say(g, &(struct wire_exit){ .status = 3 });
}

void guest_collecting(struct fixture *fx, struct guest *g)
{
	static const struct engine_collect_spec spec = { .file_bytes = COLLECT_MAX,
							 .total_bytes = COLLECT_MAX,
							 .files = 10 };

	guest_idle(fx, g);
	fx->engine->v->collect(g->sb, &spec);
	settle(fx);
}

void collected_say(struct guest *g, uint64_t size, uint64_t sent)
{
	struct wire_collected file = { .change = WIRE_CREATED, .size = size, .sent = sent, .path = "out" };
	uint8_t payload[128];
	int64_t len = wire_collected_encode(&file, payload, sizeof(payload));

	assert_true(len > 0);
	init_say(g, WIRE_COLLECTED, 0, payload, (size_t)len);
}

void guest_in_a_file(struct fixture *fx, struct guest *g)
{
	guest_collecting(fx, g);
	collected_say(g, 5, 5);
	assert_int_equal(g->told[TOLD_FILE], 1);
}

void (*const reach[GUEST_STATES])(struct fixture *fx, struct guest *g) = {
	guest_greeting, guest_idle,   guest_uploading,	guest_preparing,
	guest_running,	guest_ending, guest_collecting, guest_in_a_file,
};

void guest_finish(struct guest *g)
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

void assert_failed_once(struct guest *g)
{
	if (g->told[TOLD_FAILED] != 1)
		fail_msg("failed was told %u times", g->told[TOLD_FAILED]);
	assert_true(g->error < 0);
}

void assert_goes_on(struct guest *g)
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
