/*
 * What a compromised front can ask of sessions, over the real sources but without a namespace: sessions and their
 * members are put into their states by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "keeper/keeper_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define GENERATION 5
#define TAG	   77
#define TARGET	   1

enum { RUN, FILES, SERVICE, STRANGER, SLOTS };

struct fixture {
	struct keeper k;
	struct slot slots[SLOTS];
	struct session sessions[3];
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
				 .epoch = 3,
				 .slots = fx->slots,
				 .slots_count = SLOTS,
				 .live = SLOTS,
				 .sessions = fx->sessions,
				 .sessions_count = ARRAY_LEN(fx->sessions),
				 .sessions_due_us = UINT64_MAX };
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

static void arrange(struct fixture *fx, enum session_state state)
{
	static const enum keeper_member members[] = { [RUN] = KEEPER_MEMBER_RUN,
						      [FILES] = KEEPER_MEMBER_FILES,
						      [SERVICE] = KEEPER_MEMBER_SERVICE,
						      [STRANGER] = KEEPER_MEMBER_NONE };

	for (size_t i = 0; i < ARRAY_LEN(fx->sessions); i++)
		fx->sessions[i] = (struct session){ .state = i == TARGET ? state : SESSION_FREE,
						    .generation = GENERATION,
						    .epoch = fx->k.epoch,
						    .deadline_us = UINT64_MAX,
						    .id = { (uint8_t)('a' + i) },
						    .mounts_fd = -1,
						    .network_fd = -1,
						    .files_fd = -1,
						    .sync_fd = -1,
						    .pid_fd = -1,
						    .group = { .host = &fx->k.cgroups } };
	fx->sessions[TARGET].members = SLOTS - 1;
	for (size_t i = 0; i < SLOTS; i++)
		fx->slots[i] = (struct slot){ .state = i == SERVICE ? SLOT_RUNNING : SLOT_READY,
					      .generation = GENERATION,
					      .epoch = fx->k.epoch,
					      .session = i == STRANGER ? NULL : &fx->sessions[TARGET],
					      .member = members[i],
					      .number = 2,
					      .pid_fd = -1,
					      .image_fd = -1,
					      .sync_fd = -1,
					      .front_fd = -1,
					      .disk_fd = -1,
					      .net_fd = -1,
					      .box = CGROUP_BOX_NONE };
}

static struct keeper_request good_request(uint32_t op)
{
	struct keeper_request request = {
		.op = op, .tag = TAG, .session = TARGET, .session_generation = GENERATION, .ttl_ms = 1000
	};

	for (int i = 0; i < LIMIT_COUNT; i++)
		request.limits.value[i] = limit_table[i].default_value;
	request.uid = request.gid = 1000;
	request.id[0] = 'z';
	return request;
}

static bool hear(const struct fixture *fx, struct keeper_message *ret)
{
	ssize_t n = recv(fx->front_fd, ret, sizeof(*ret), MSG_DONTWAIT);

	assert_true(n < 0 || n == (ssize_t)sizeof(*ret));
	return n > 0;
}

/* The error of its answer; 1: there is none. */
static int ask(struct fixture *fx, const struct keeper_request *request)
{
	struct keeper_message reply;

	request_handle(&fx->k, request);
	if (!hear(fx, &reply))
		return 1;
	assert_int_equal(reply.event, KEEPER_REPLY);
	assert_int_equal(reply.tag, TAG);
	return reply.error;
}

static void an_op_is_allowed_in_its_states_only(void **state)
{
	static const struct {
		uint32_t op;
		bool allowed[SESSION_STATE_COUNT];
	} table[] = {
		{ KEEPER_SESSION_PROLONG, { [SESSION_OPEN] = true, [SESSION_FINISHED] = true } },
		{ KEEPER_SESSION_FINISH, { [SESSION_OPEN] = true } },
		{ KEEPER_SESSION_WEIGH, { [SESSION_OPEN] = true, [SESSION_FINISHED] = true } },
		{ KEEPER_SESSION_CLOSE,
		  { [SESSION_SETUP] = true, [SESSION_OPEN] = true, [SESSION_FINISHED] = true } },
	};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		for (int in = 0; in < SESSION_STATE_COUNT; in++) {
			struct keeper_request request = good_request(table[i].op);
			bool refused;

			arrange(fx, (enum session_state)in);
			refused = ask(fx, &request) == -ESTALE;
			if (refused == table[i].allowed[in])
				fail_msg("op %u in state %d", table[i].op, in);
			assert_true(!refused || fx->sessions[TARGET].state == (enum session_state)in);
		}
	}
}

static void a_stale_name_or_another_number_reaches_nobody(void **state)
{
	struct fixture *fx = *state;

	for (uint32_t op = KEEPER_SESSION_PROLONG; op <= KEEPER_SESSION_CLOSE; op++) {
		struct keeper_request request = good_request(op);

		arrange(fx, SESSION_OPEN);
		request.session_generation--;
		assert_int_equal(ask(fx, &request), -ESTALE);
		request.session_generation++;
		for (request.session = 2; request.session > 1; request.session *= 65536)
			assert_int_equal(ask(fx, &request), -ESTALE);
		assert_int_equal(fx->sessions[TARGET].state, SESSION_OPEN);
	}
}

static void a_session_has_an_id_of_its_own_and_an_end(void **state)
{
	struct keeper_request request = good_request(KEEPER_SESSION_OPEN);
	struct fixture *fx = *state;

	arrange(fx, SESSION_OPEN);
	request.id[0] = fx->sessions[TARGET].id[0];
	assert_int_equal(ask(fx, &request), -EEXIST);
	request.id[0] = 0;
	assert_int_equal(ask(fx, &request), -EINVAL);
	request.id[0] = 'z';
	request.ttl_ms = 0;
	assert_int_equal(ask(fx, &request), -EINVAL);
	request.ttl_ms = KEEPER_SESSION_TTL_MS_MAX + 1;
	assert_int_equal(ask(fx, &request), -EINVAL);
	request.ttl_ms = 1;
	request.limits.value[LIMIT_DISK_BYTES] = -1;
	assert_int_equal(ask(fx, &request), -EINVAL);
	fx->k.sessions_count = 0;
	request = good_request(KEEPER_SESSION_OPEN);
	assert_int_equal(ask(fx, &request), -ENOTSUP);
}

static void no_step_begins_where_all_files_are(void **state)
{
	struct keeper_request request = good_request(KEEPER_STEP);
	struct fixture *fx = *state;

	arrange(fx, SESSION_OPEN);
	request.slot = FILES;
	request.generation = GENERATION;
	request.step = 1;
	assert_int_equal(ask(fx, &request), -EPERM);
	assert_int_equal(fx->slots[FILES].state, SLOT_READY);
}

static bool is_taken(struct fixture *fx, const struct keeper_request *request)
{
	struct session *session;

	return session_of_create(&fx->k, request, &session, NULL) == 0;
}

static void a_users_name_is_plain(void **state)
{
	static const char *const bad[] = { "",	 "Lion", "../x", "a/b",	 "shared",   ".x",
					   "-x", "a\n",	 "a b",	 "\xff", "l\xc3ion", "_x" };
	static const char *const good[] = { "a", "lion", "0", "a-b_c", "sharedx", "share" };
	struct keeper_request request = good_request(KEEPER_CREATE);
	struct fixture *fx = *state;

	arrange(fx, SESSION_OPEN);
	request.member = KEEPER_MEMBER_RUN;
	request.number = 1;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(request.name, sizeof(request.name), "%s", bad[i]);
		assert_false(is_taken(fx, &request));
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		snprintf(request.name, sizeof(request.name), "%s", good[i]);
		assert_true(is_taken(fx, &request));
	}
	memset(request.name, 'a', sizeof(request.name));
	assert_false(is_taken(fx, &request));
	request.name[1] = '\0';
	request.number = 0;
	assert_false(is_taken(fx, &request));
	request.number = KEEPER_SESSION_USERS_MAX + 1;
	assert_false(is_taken(fx, &request));
	request.number = KEEPER_SESSION_USERS_MAX;
	assert_true(is_taken(fx, &request));
}

static void a_services_folders_are_absolute_and_plain(void **state)
{
	static const char *const bad[] = { "x",	   "/",	    "/a/",     "//a",	 "/a//b",	"/a/../b",
					   "/..",  "/.",    "/a/.",    "/a/b\n", "/\x7f",	"/dev",
					   "/sys", "/proc", "/proc/1", "/sys/x", "/dev/fd/17/x" };
	static const char *const good[] = { "/.hidden", "/a b",	    "/a/..b", "/device/x",
					    "/sy",	"/process", "/a/proc" };
	struct keeper_request request = good_request(KEEPER_CREATE);
	struct fixture *fx = *state;

	arrange(fx, SESSION_OPEN);
	request.member = KEEPER_MEMBER_SERVICE;
	request.number = 1;
	assert_true(is_taken(fx, &request));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		memset(request.folders, 0, sizeof(request.folders));
		snprintf(request.folders, sizeof(request.folders), "%s", bad[i]);
		if (is_taken(fx, &request))
			fail_msg("'%s' is taken", bad[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		memset(request.folders, 0, sizeof(request.folders));
		snprintf(request.folders, sizeof(request.folders), "%s", good[i]);
		if (!is_taken(fx, &request))
			fail_msg("'%s' is refused", good[i]);
	}
	memset(request.folders, 0, sizeof(request.folders));
	memcpy(request.folders, "/var/lib/x\0/run/y", 17);
	assert_true(is_taken(fx, &request));
	memset(request.folders, 'a', sizeof(request.folders));
	request.folders[0] = '/';
	assert_false(is_taken(fx, &request)); /* no end */
	for (size_t i = 0; i < sizeof(request.folders); i++)
		request.folders[i] = "/a\0"[i % 3];
	assert_false(is_taken(fx, &request)); /* more than there may be */
}

static void what_is_in_no_session_says_so(void **state)
{
	struct keeper_request request = good_request(KEEPER_CREATE);
	struct fixture *fx = *state;

	arrange(fx, SESSION_OPEN);
	assert_false(is_taken(fx, &request)); /* none, with a number of one */
	request.session = request.session_generation = 0;
	assert_true(is_taken(fx, &request));
	for (request.member = KEEPER_MEMBER_RUN; request.member < 70000; request.member *= 3)
		assert_false(is_taken(fx, &request));
}

static void finishing_ends_all_but_who_reads(void **state)
{
	struct keeper_request request = good_request(KEEPER_SESSION_FINISH);
	struct fixture *fx = *state;

	arrange(fx, SESSION_OPEN);
	assert_int_equal(ask(fx, &request), 0);
	assert_int_equal(fx->slots[RUN].state, SLOT_DYING);
	assert_int_equal(fx->slots[SERVICE].state, SLOT_DYING);
	assert_int_equal(fx->slots[FILES].state, SLOT_READY);
	assert_int_equal(fx->slots[STRANGER].state, SLOT_READY);
}

/* As the loop sees that a process is gone, and its groups with it. */
static void bury(struct fixture *fx, size_t i)
{
	assert_int_equal(fx->slots[i].state, SLOT_DYING);
	fx->slots[i].state = SLOT_FREE;
	session_left(&fx->k, &fx->slots[i]);
}

static void the_deadline_ends_all_and_is_told_when_all_is_over(void **state)
{
	struct fixture *fx = *state;
	struct keeper_message message;

	arrange(fx, SESSION_OPEN);
	session_prolong(&fx->k, &fx->sessions[TARGET], 1);
	sessions_tick(&fx->k, fx->sessions[TARGET].deadline_us - 1);
	assert_int_equal(fx->sessions[TARGET].state, SESSION_OPEN);
	sessions_tick(&fx->k, fx->sessions[TARGET].deadline_us);
	assert_int_equal(fx->sessions[TARGET].state, SESSION_ENDING);
	assert_int_equal(fx->slots[STRANGER].state, SLOT_READY);
	bury(fx, RUN);
	bury(fx, SERVICE);
	assert_false(hear(fx, &message));
	bury(fx, FILES);
	assert_int_equal(fx->sessions[TARGET].state, SESSION_FREE);
	assert_true(hear(fx, &message));
	assert_int_equal(message.event, KEEPER_EVENT_SESSION_GONE);
	assert_int_equal(message.slot, TARGET);
	assert_int_equal(message.error, -ETIME);
}

static void a_front_that_dies_takes_runs_and_leaves_services(void **state)
{
	struct fixture *fx = *state;

	arrange(fx, SESSION_OPEN);
	slots_kill_of_front(&fx->k);
	assert_int_equal(fx->slots[RUN].state, SLOT_DYING);
	assert_int_equal(fx->slots[FILES].state, SLOT_DYING);
	assert_int_equal(fx->slots[STRANGER].state, SLOT_DYING);
	assert_int_equal(fx->slots[SERVICE].state, SLOT_RUNNING);
	assert_int_equal(fx->sessions[TARGET].state, SESSION_OPEN);
	slots_kill_all(&fx->k);
	assert_int_equal(fx->slots[SERVICE].state, SLOT_DYING);
}

static void the_next_front_hears_of_what_it_asks_for(void **state)
{
	struct keeper_request request = good_request(KEEPER_SESSION_NEXT);
	struct fixture *fx = *state;
	struct keeper_message message;

	arrange(fx, SESSION_FINISHED);
	fx->k.epoch++;
	request.session = 0;
	request_handle(&fx->k, &request);
	assert_true(hear(fx, &message));
	assert_int_equal(message.error, 0);
	assert_int_equal(message.session_record.session, TARGET);
	assert_int_equal(message.session_record.session_generation, GENERATION);
	assert_int_equal(message.session_record.finished, 1);
	assert_int_equal(message.session_record.id[0], 'b');
	request.session = TARGET + 1;
	assert_int_equal(ask(fx, &request), -ENOENT);
	request = good_request(KEEPER_SERVICE_NEXT);
	request_handle(&fx->k, &request);
	assert_true(hear(fx, &message));
	assert_int_equal(message.slot, SERVICE);
	assert_int_equal(message.session_record.number, 2);
	request.slot = SERVICE + 1;
	assert_int_equal(ask(fx, &request), -ENOENT);
	assert_int_equal(fx->slots[SERVICE].epoch, fx->k.epoch);
	assert_int_equal(fx->sessions[TARGET].epoch, fx->k.epoch);
}

static bool overlap(struct id_range a, struct id_range b)
{
	return a.first < b.first + b.count && b.first < a.first + a.count;
}

static void rootless_no_service_has_an_id_of_a_user_or_of_another(void **state)
{
	struct fixture *fx = *state;
	struct id_range users, service[KEEPER_SERVICES_MAX];

	arrange(fx, SESSION_OPEN);
	users = join_users(&fx->slots[RUN]);
	assert_int_equal(users.first, JOIN_ID_FIRST);
	assert_true(users.count > KEEPER_SESSION_USERS_MAX);
	for (uint32_t i = 0; i < KEEPER_SERVICES_MAX; i++) {
		fx->slots[SERVICE].number = i + 1;
		service[i] = join_users(&fx->slots[SERVICE]);
		assert_int_equal(service[i].count, 1);
		assert_false(overlap(service[i], users));
		assert_true(i == 0 || !overlap(service[i], service[i - 1]));
		assert_true(service[i].first < JOIN_ID_FIRST + JOIN_ID_COUNT);
	}
}

#define with_keeper(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_keeper(an_op_is_allowed_in_its_states_only),
		with_keeper(a_stale_name_or_another_number_reaches_nobody),
		with_keeper(a_session_has_an_id_of_its_own_and_an_end),
		with_keeper(no_step_begins_where_all_files_are),
		with_keeper(a_users_name_is_plain),
		with_keeper(a_services_folders_are_absolute_and_plain),
		with_keeper(what_is_in_no_session_says_so),
		with_keeper(finishing_ends_all_but_who_reads),
		with_keeper(the_deadline_ends_all_and_is_told_when_all_is_over),
		with_keeper(a_front_that_dies_takes_runs_and_leaves_services),
		with_keeper(the_next_front_hears_of_what_it_asks_for),
		with_keeper(rootless_no_service_has_an_id_of_a_user_or_of_another),
	};

	return cmocka_run_group_tests_name("keeper_sessions", tests, NULL, NULL);
}
