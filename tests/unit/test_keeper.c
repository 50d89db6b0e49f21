/*
 * The keeper's table of requests as a compromised front would use it, over the real sources but without a sandbox:
 * the slots are put into their states by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "keeper/keeper_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define GENERATION 5
#define TAG	   77
#define TARGET	   1 /* the slot that is asked for; its neighbours must never change */

struct fixture {
	struct keeper k;
	struct slot slots[3], before[3];
	int front_fd;
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));
	int ends[2];

	assert_non_null(fx);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	fx->front_fd = ends[0];
	fx->k = (struct keeper){ .socket_fd = ends[1],
				 .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
				 .signal_fd = -1,
				 .slots = fx->slots,
				 .slots_count = ARRAY_LEN(fx->slots) };
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	close(fx->front_fd);
	close(fx->k.socket_fd);
	close(fx->k.epoll_fd);
	free(fx);
	return 0;
}

/* All slots at work but the target, which is in `state`. */
static void arrange(struct fixture *fx, enum slot_state state)
{
	memset(fx->slots, 0, sizeof(fx->slots));
	fx->k.active = NULL;
	fx->k.live = 0;
	for (size_t i = 0; i < ARRAY_LEN(fx->slots); i++) {
		fx->slots[i] = (struct slot){ .state = i == TARGET ? state : SLOT_READY,
					      .generation = GENERATION,
					      .pid_fd = -1,
					      .image_fd = -1,
					      .sync_fd = -1,
					      .front_fd = -1,
					      .disk_fd = -1,
					      .net_fd = -1,
					      .box = CGROUP_BOX_NONE };
		fx->k.live += fx->slots[i].state != SLOT_FREE;
	}
	memcpy(fx->before, fx->slots, sizeof(fx->slots));
}

static struct keeper_request good_request(uint32_t op)
{
	struct keeper_request request = {
		.op = op, .tag = TAG, .slot = TARGET, .generation = GENERATION, .step = 1
	};

	for (int i = 0; i < LIMIT_COUNT; i++)
		request.limits.value[i] = limit_table[i].default_value;
	request.uid = request.gid = 1000;
	return request;
}

/* The next message, or false: there is none. */
static bool hear(const struct fixture *fx, struct keeper_message *ret)
{
	ssize_t n = recv(fx->front_fd, ret, sizeof(*ret), MSG_DONTWAIT);

	if (n < 0)
		return false;
	assert_int_equal(n, sizeof(*ret));
	return true;
}

static bool neighbours_are_untouched(const struct fixture *fx)
{
	for (size_t i = 0; i < ARRAY_LEN(fx->slots); i++) {
		struct slot now = fx->slots[i], was = fx->before[i];

		/* The list of timers goes through them; nothing else does. */
		now.link_active = was.link_active = NULL;
		now.next_active = was.next_active = NULL;
		if (i != TARGET && memcmp(&now, &was, sizeof(now)) != 0)
			return false;
	}
	return true;
}

static void assert_refused(struct fixture *fx, const struct keeper_request *request, const char *why)
{
	struct keeper_message reply;

	request_handle(&fx->k, request);
	if (!hear(fx, &reply))
		fail_msg("op %u, %s: no answer", request->op, why);
	if (reply.event != KEEPER_REPLY || reply.error >= 0 || !reply.stage[0])
		fail_msg("op %u, %s: not refused", request->op, why);
	assert_int_equal(reply.tag, request->tag);
	if (memcmp(fx->slots, fx->before, sizeof(fx->slots)) != 0 || fx->k.active)
		fail_msg("op %u, %s: refused, but something changed", request->op, why);
	if (hear(fx, &reply))
		fail_msg("op %u, %s: answered twice", request->op, why);
}

static const uint32_t ops[] = { 0,
				KEEPER_HELLO,
				KEEPER_CREATE,
				KEEPER_STEP,
				KEEPER_STEP_END,
				KEEPER_DESTROY,
				KEEPER_OP_COUNT,
				255,
				INT32_MAX,
				(uint32_t)INT32_MAX + 1,
				UINT32_MAX };

/* Written down a second time on purpose: what each state allows, one bit a state. */
static unsigned states_allowed(uint32_t op)
{
	switch (op) {
	case KEEPER_STEP:
		return 1u << SLOT_READY;
	case KEEPER_STEP_END:
		return 1u << SLOT_RUNNING;
	case KEEPER_DESTROY:
		return 1u << SLOT_SETUP | 1u << SLOT_READY | 1u << SLOT_RUNNING;
	default:
		return 0;
	}
}

static void an_op_in_a_state_that_does_not_allow_it_is_refused(void **state)
{
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		for (enum slot_state s = SLOT_FREE; s < SLOT_STATE_COUNT; s++) {
			struct keeper_request request = good_request(ops[i]);

			/* HELLO is always answered; CREATE into a free slot would make a sandbox. */
			if (ops[i] == KEEPER_HELLO || (ops[i] == KEEPER_CREATE && s == SLOT_FREE) ||
			    states_allowed(ops[i]) & 1u << s)
				continue;
			arrange(fx, s);
			assert_refused(fx, &request, "wrong state");
		}
	}
}

static void an_op_that_is_allowed_changes_its_slot_only(void **state)
{
	static const enum slot_state becomes[KEEPER_OP_COUNT] = {
		[KEEPER_STEP] = SLOT_RUNNING, [KEEPER_STEP_END] = SLOT_READY, [KEEPER_DESTROY] = SLOT_DYING
	};
	struct fixture *fx = *state;
	struct keeper_message reply;

	for (uint32_t op = KEEPER_STEP; op <= KEEPER_DESTROY; op++) {
		for (enum slot_state s = SLOT_FREE; s < SLOT_STATE_COUNT; s++) {
			struct keeper_request request = good_request(op);

			if (!(states_allowed(op) & 1u << s))
				continue;
			arrange(fx, s);
			request_handle(&fx->k, &request);
			assert_int_equal(fx->slots[TARGET].state, becomes[op]);
			assert_int_equal(fx->slots[TARGET].generation, GENERATION);
			assert_true(neighbours_are_untouched(fx));
			if (op == KEEPER_DESTROY)
				continue; /* answered by an event when it is gone */
			assert_true(hear(fx, &reply));
			assert_int_equal(reply.error, 0);
			assert_int_equal(reply.tag, TAG);
		}
	}
}

static void a_stale_generation_reaches_nobody(void **state)
{
	static const uint32_t generations[] = { 0, GENERATION - 1, GENERATION + 1, UINT32_MAX };
	struct fixture *fx = *state;

	for (uint32_t op = KEEPER_STEP; op <= KEEPER_DESTROY; op++) {
		for (enum slot_state s = SLOT_FREE; s < SLOT_STATE_COUNT; s++) {
			for (size_t i = 0; i < ARRAY_LEN(generations); i++) {
				struct keeper_request request = good_request(op);

				arrange(fx, s);
				request.generation = generations[i];
				assert_refused(fx, &request, "stale generation");
			}
		}
	}
}

static void a_slot_beyond_the_last_is_refused(void **state)
{
	static const uint32_t slots[] = { 3, 4, KEEPER_SLOTS_MAX, INT32_MAX, UINT32_MAX };
	struct fixture *fx = *state;

	for (uint32_t op = KEEPER_STEP; op <= KEEPER_DESTROY; op++) {
		for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
			struct keeper_request request = good_request(op);

			arrange(fx, SLOT_READY);
			request.slot = slots[i];
			assert_refused(fx, &request, "no such slot");
		}
	}
}

static void a_reserved_field_that_is_set_is_refused_in_every_op(void **state)
{
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		for (enum slot_state s = SLOT_FREE; s < SLOT_STATE_COUNT; s++) {
			struct keeper_request request = good_request(ops[i]);

			arrange(fx, s);
			request.reserved = 1;
			assert_refused(fx, &request, "reserved");
		}
	}
}

static void limits_out_of_bounds_are_refused(void **state)
{
	static const int64_t values[] = { INT64_MIN, -1, 0, INT64_MAX / 1000000 + 1, INT64_MAX };
	static const uint32_t with_limits[] = { KEEPER_CREATE, KEEPER_STEP };
	struct fixture *fx = *state;

	for (size_t o = 0; o < ARRAY_LEN(with_limits); o++) {
		for (int limit = 0; limit < LIMIT_COUNT; limit++) {
			for (size_t i = 0; i < ARRAY_LEN(values); i++) {
				struct keeper_request request = good_request(with_limits[o]);

				/* With a free slot a CREATE that is not refused would be seen at once. */
				arrange(fx, with_limits[o] == KEEPER_CREATE ? SLOT_FREE : SLOT_READY);
				request.limits.value[limit] = values[i];
				assert_refused(fx, &request, limit_table[limit].name);
			}
		}
	}
}

static void a_limit_below_its_minimum_is_refused(void **state)
{
	struct fixture *fx = *state;

	for (int limit = 0; limit < LIMIT_COUNT; limit++) {
		struct keeper_request request = good_request(KEEPER_STEP);

		arrange(fx, SLOT_READY);
		request.limits.value[limit] = limit_table[limit].minimum - 1;
		assert_refused(fx, &request, limit_table[limit].name);
	}
}

static void a_sandbox_of_an_unknown_image_or_with_unknown_flags_is_refused(void **state)
{
	static const uint32_t images[] = { 1, UINT32_MAX };
	static const uint32_t flags[] = { KEEPER_FLAGS_ALL + 1, 1u << 31, UINT32_MAX };
	struct fixture *fx = *state;
	struct keeper_request request;

	for (size_t i = 0; i < ARRAY_LEN(images); i++) {
		arrange(fx, SLOT_FREE);
		request = good_request(KEEPER_CREATE);
		request.image = images[i];
		assert_refused(fx, &request, "image");
	}
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		arrange(fx, SLOT_FREE);
		request = good_request(KEEPER_CREATE);
		request.flags = flags[i];
		assert_refused(fx, &request, "flags");
	}
}

static void a_sandbox_whose_user_is_root_or_none_is_refused(void **state)
{
	static const uint32_t ids[][2] = { { 0, 0 },
					   { 0, 1000 },
					   { KEEPER_ID_MAX + 1, 1000 },
					   { 1000, KEEPER_ID_MAX + 1 },
					   { UINT32_MAX, UINT32_MAX } };
	struct fixture *fx = *state;

	/* With a free slot a CREATE that is not refused would be seen at once. */
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct keeper_request request = good_request(KEEPER_CREATE);

		arrange(fx, SLOT_FREE);
		request.uid = ids[i][0];
		request.gid = ids[i][1];
		assert_refused(fx, &request, "ids");
	}
}

static void a_step_number_out_of_bounds_is_refused(void **state)
{
	static const uint32_t steps[] = { 0, (1u << 20) + 1, UINT32_MAX };
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct keeper_request request = good_request(KEEPER_STEP);

		arrange(fx, SLOT_READY);
		request.step = steps[i];
		assert_refused(fx, &request, "step");
	}
}

static void a_sandbox_more_than_there_are_slots_is_refused(void **state)
{
	struct fixture *fx = *state;
	struct keeper_request request = good_request(KEEPER_CREATE);

	arrange(fx, SLOT_DYING);
	assert_refused(fx, &request, "no free slot");
}

static void hello_is_answered_whatever_the_other_fields_say(void **state)
{
	struct fixture *fx = *state;
	struct keeper_request request = good_request(KEEPER_HELLO);
	struct keeper_message reply;

	arrange(fx, SLOT_RUNNING);
	request.slot = UINT32_MAX;
	request.generation = 1;
	memset(&request.limits, 0xff, sizeof(request.limits));
	request_handle(&fx->k, &request);
	assert_true(hear(fx, &reply));
	assert_int_equal(reply.error, 0);
	assert_int_equal(reply.hello.version, KEEPER_VERSION);
	assert_int_equal(reply.hello.slots, ARRAY_LEN(fx->slots));
	assert_memory_equal(fx->slots, fx->before, sizeof(fx->slots));
}

static void a_step_past_its_deadline_ends_without_anybody_asking(void **state)
{
	struct fixture *fx = *state;
	struct keeper_request request = good_request(KEEPER_STEP);
	struct keeper_message message;

	arrange(fx, SLOT_READY);
	request_handle(&fx->k, &request);
	assert_true(hear(fx, &message));
	assert_true(slots_tick(&fx->k) >= 0);
	assert_false(hear(fx, &message));
	fx->slots[TARGET].deadline_us = 1;
	slots_tick(&fx->k);
	assert_true(hear(fx, &message));
	assert_int_equal(message.event, KEEPER_EVENT_DEADLINE);
	assert_int_equal(message.slot, TARGET);
	assert_int_equal(message.generation, GENERATION);
	assert_int_equal(fx->slots[TARGET].state, SLOT_DYING);
	assert_null(fx->k.active);
	assert_int_equal(slots_tick(&fx->k), -1);
	assert_true(neighbours_are_untouched(fx));
}

static void the_deadline_of_a_step_is_its_wall_time_and_a_grace(void **state)
{
	struct fixture *fx = *state;
	struct keeper_request request = good_request(KEEPER_STEP);
	uint64_t earliest_us = keeper_now_us(), wall_us;

	arrange(fx, SLOT_READY);
	request.limits.value[LIMIT_WALL_MS] = INT64_MAX / 1000000;
	wall_us = (uint64_t)request.limits.value[LIMIT_WALL_MS] * 1000;
	request_handle(&fx->k, &request);
	assert_true(fx->slots[TARGET].deadline_us >= earliest_us + wall_us);
	assert_true(fx->slots[TARGET].deadline_us <= keeper_now_us() + wall_us + 5000000);
}

static void all_steps_end_when_the_front_is_gone(void **state)
{
	struct fixture *fx = *state;
	struct keeper_request request = good_request(KEEPER_STEP);

	arrange(fx, SLOT_READY);
	request_handle(&fx->k, &request);
	slots_kill_all(&fx->k);
	for (size_t i = 0; i < ARRAY_LEN(fx->slots); i++)
		assert_int_equal(fx->slots[i].state, SLOT_DYING);
	assert_null(fx->k.active);
}

/* The death of a child closes its sync socket as the exec of init does. */
static void a_sandbox_killed_while_it_is_made_is_never_ready(void **state)
{
	struct fixture *fx = *state;
	struct keeper_request request = good_request(KEEPER_DESTROY);
	struct keeper_message message;
	int sync[2];

	arrange(fx, SLOT_SETUP);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync), 0);
	fx->slots[TARGET].sync_fd = sync[0];
	request_handle(&fx->k, &request);
	assert_int_equal(fx->slots[TARGET].state, SLOT_DYING);
	close(sync[1]);
	slot_on_sync(&fx->k, &fx->slots[TARGET]);
	assert_int_equal(fx->slots[TARGET].state, SLOT_DYING);
	assert_int_equal(fx->slots[TARGET].sync_fd, -1);
	assert_false(hear(fx, &message));
}

static void a_word_about_a_former_fronts_sandbox_is_not_said(void **state)
{
	struct fixture *fx = *state;
	struct keeper_request request = good_request(KEEPER_STEP);
	struct keeper_message message;

	arrange(fx, SLOT_READY);
	request_handle(&fx->k, &request);
	assert_true(hear(fx, &message));
	fx->k.epoch++;
	fx->slots[TARGET].deadline_us = 1;
	slots_tick(&fx->k);
	assert_int_equal(fx->slots[TARGET].state, SLOT_DYING);
	assert_false(hear(fx, &message));
}

static void a_front_that_does_not_read_is_cut_off(void **state)
{
	struct fixture *fx = *state;
	struct keeper_request request = good_request(KEEPER_HELLO);
	char byte;

	arrange(fx, SLOT_READY);
	keeper_be_patient(fx->k.socket_fd);
	for (int i = 0; i < 100000 && recv(fx->k.socket_fd, &byte, 1, MSG_DONTWAIT) < 0; i++)
		request_handle(&fx->k, &request);
	assert_int_equal(recv(fx->k.socket_fd, &byte, 1, MSG_DONTWAIT), 0);
}

#define with_keeper(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_keeper(an_op_in_a_state_that_does_not_allow_it_is_refused),
		with_keeper(an_op_that_is_allowed_changes_its_slot_only),
		with_keeper(a_stale_generation_reaches_nobody),
		with_keeper(a_slot_beyond_the_last_is_refused),
		with_keeper(a_reserved_field_that_is_set_is_refused_in_every_op),
		with_keeper(limits_out_of_bounds_are_refused),
		with_keeper(a_limit_below_its_minimum_is_refused),
		with_keeper(a_sandbox_of_an_unknown_image_or_with_unknown_flags_is_refused),
		with_keeper(a_sandbox_whose_user_is_root_or_none_is_refused),
		with_keeper(a_step_number_out_of_bounds_is_refused),
		with_keeper(a_sandbox_more_than_there_are_slots_is_refused),
		with_keeper(hello_is_answered_whatever_the_other_fields_say),
		with_keeper(a_step_past_its_deadline_ends_without_anybody_asking),
		with_keeper(the_deadline_of_a_step_is_its_wall_time_and_a_grace),
		with_keeper(all_steps_end_when_the_front_is_gone),
		with_keeper(a_sandbox_killed_while_it_is_made_is_never_ready),
		with_keeper(a_word_about_a_former_fronts_sandbox_is_not_said),
		with_keeper(a_front_that_does_not_read_is_cut_off),
	};

	return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
