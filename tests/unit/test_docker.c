/*
 * The Docker keeper against a daemon that follows a script: what it makes of good answers, of bad ones, and of
 * none. A real daemon stands behind tests/integration/test_docker_engine.py.
 */
#include "docker_fixture.h"

#include "base/cleanup.h"
#include "engine/docker/images.h"
#include "wire/init_proto.h"

#include <sys/mman.h>

/* Its whole answer to a CREATE, from a daemon that has one line other than well. */
static struct keeper_message create_with(const struct line *own, const char *stream, size_t stream_len)
{
	const struct script script = { .own = own, .stream = stream, .stream_len = stream_len };
	struct keeper_message reply;
	struct fixture f;
	int fd = -1;

	begin(&f, &script);
	hello(&f);
	reply = create(&f, &fd);
	if (fd >= 0)
		close(fd);
	end(&f);
	return reply;
}

/* ---- with good answers ---- */

static const char greeting[] = "\1\0\0\0\0\0\0\14\0\0\0\4\100\0\0\0\0\0\0\1";

static void a_container_is_made_and_its_init_is_heard(void **state)
{
	const struct script script = { .stream = greeting, .stream_len = sizeof(greeting) - 1 };
	struct keeper_message reply;
	struct wire_frame frame;
	struct fixture f;
	uint8_t data[64];
	int fd = -1;

	begin(&f, &script);
	reply = hello(&f);
	assert_true(reply.hello.contained && reply.hello.memory && reply.hello.pids);
	assert_int_equal(reply.hello.cgroup_version, 2);
	reply = create(&f, &fd);
	assert_int_equal(reply.error, 0);
	assert_true(fd >= 0);
	assert_int_equal(recv(fd, data, sizeof(data), 0), 12);
	assert_int_equal(wire_frame_parse(data, 12, WIRE_TO_HOST_MAX, &frame), 12);
	assert_int_equal(frame.type, WIRE_HELLO);
	close(fd);
	end(&f);
}

/* A list that hangs; one that always fails, as Podman's where half a container was left, is not waited for. */
static void a_question_that_is_lost_is_soon_asked_again(void **state)
{
	static const char *const first[] = { "", "500 {\"message\":\"no such container\"}" };

	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		const struct line own[] = { { "GET /containers/json", first[i], i == 0 }, { 0 } };
		const struct script script = { .own = own };
		struct docker_images images = { 0 };
		struct keeper_request request = { .op = KEEPER_HELLO };
		struct fixture f;
		char name[256];
		int fd = -1;

		begin(&f, &script);
		ask(&f, &request);
		while (fd < 0)
			await(&f, KEEPER_EVENT_HOST, &fd);
		docker_images_read(&images, fd);
		assert_non_null(docker_images_find(&images, "a/b:1", name, sizeof(name)));
		docker_images_finish(&images);
		end(&f);
	}
}

static void the_images_come_with_the_host(void **state)
{
	const struct script script = { 0 };
	struct docker_images images = { 0 };
	struct keeper_request request = { .op = KEEPER_HELLO };
	struct fixture f;
	char name[256];
	int fd = -1;

	begin(&f, &script);
	ask(&f, &request);
	while (fd < 0)
		await(&f, KEEPER_EVENT_HOST, &fd);
	docker_images_read(&images, fd);
	assert_non_null(docker_images_find(&images, "a/b:1", name, sizeof(name)));
	assert_string_equal(name, "a/b:1@sha256:" IMAGE);
	docker_images_finish(&images);
	end(&f);
}

static void init_that_dies_of_memory_is_told_with_it(void **state)
{
	/* An unknown stream ends the attachment, as the end of the container would. */
	static const char nonsense[] = "\7\0\0\0\0\0\0\1x";
	/* What the daemon knows when it is asked first: it hears of the end, and of its reason, a moment later. */
	static const char *const before[] = {
		"200 {\"State\":{\"OOMKilled\":true,\"Running\":true}}",
		"200 {\"State\":{\"OOMKilled\":false,\"Running\":true}}",
		"200 {\"State\":{\"OOMKilled\":false,\"Running\":false,\"ExitCode\":137}}",
	};

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		const struct line own[] = { { "GET /containers/" CONTAINER "/json", before[i], 1 }, { 0 } };
		const struct script script = { .own = own,
					       .stream = nonsense,
					       .stream_len = sizeof(nonsense) - 1 };
		struct keeper_message event;
		struct fixture f;
		int fd = -1;

		begin(&f, &script);
		hello(&f);
		assert_int_equal(create(&f, &fd).error, 0);
		event = await(&f, KEEPER_EVENT_DIED, NULL);
		assert_int_equal(event.usage.oom_kills, 1);
		assert_non_null(strstr(event.stage, "out of memory"));
		close(fd);
		end(&f);
	}
}

static void how_a_container_ended_is_told_where_nobody_says_why(void **state)
{
	static const char nonsense[] = "\7\0\0\0\0\0\0\1x";
	const struct line own[] = { { "GET /containers/" CONTAINER "/json",
				      "200 {\"State\":{\"OOMKilled\":false,\"ExitCode\":137}}", 0 },
				    { 0 } };
	const struct script script = { .own = own, .stream = nonsense, .stream_len = sizeof(nonsense) - 1 };
	struct keeper_message event;
	struct fixture f;
	int fd = -1;

	begin(&f, &script);
	hello(&f);
	assert_int_equal(create(&f, &fd).error, 0);
	event = await(&f, KEEPER_EVENT_DIED, NULL);
	assert_int_equal(event.usage.oom_kills, 0);
	assert_non_null(strstr(event.stage, ", with status 137"));
	close(fd);
	end(&f);
}

/* ---- with bad ones ---- */

static void what_the_daemon_refuses_is_told_in_its_words(void **state)
{
	static const struct line own[] = {
		{ "POST /containers/" CONTAINER "/start",
		  "500 {\"message\":\"no space left on device\\n\\u001b[1m\"}" },
		{ NULL, NULL },
	};
	struct keeper_message reply = create_with(own, NULL, 0);

	assert_int_equal(reply.error, -EIO);
	assert_non_null(strstr(reply.stage, "no space left on device"));
	assert_null(strchr(reply.stage, '\033'));
}

static void answers_that_are_none_fail_that_one_container(void **state)
{
	static const struct line rows[] = {
		{ "POST /containers/create", "201 {\"Id\":\"../../etc\"}" },
		{ "POST /containers/create", "201 {\"Id\":17}" },
		{ "POST /containers/create", "201 [" },
		{ "POST /containers/create", "404 {\"message\":\"No such image\"}" },
		{ "POST /containers/" CONTAINER "/attach", "404 {\"message\":\"No such container\"}" },
		{ "POST /containers/" CONTAINER "/start", NULL },
		{ "POST /volumes/create", "500 {\"message\":\"disk full\"}" },
		{ "PUT /containers/", "403 {\"message\":\"container rootfs is marked read-only\"}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct line own[] = { rows[i], { NULL, NULL } };

		assert_true(create_with(own, NULL, 0).error < 0);
	}
}

static void an_answer_without_end_is_cut_off(void **state)
{
	AUTO_FREE char *huge = malloc(LARGE_ANSWER + 64);
	struct line own[] = { { "GET /info", huge }, { NULL, NULL } };
	const struct script script = { .own = own };
	struct keeper_message event;
	struct fixture f;

	assert_non_null(huge);
	memset(huge, ' ', LARGE_ANSWER + 63);
	memcpy(huge, "200 ", 4);
	huge[LARGE_ANSWER + 63] = '\0';
	begin(&f, &script);
	event = await(&f, KEEPER_EVENT_HOST, NULL);
	assert_int_equal(event.error, -EHOSTDOWN);
	assert_non_null(strstr(event.stage, "longer than"));
	end(&f);
}

static void without_a_daemon_hello_is_answered_and_says_so(void **state)
{
	struct keeper_message event;
	struct fixture f;

	begin(&f, NULL);
	event = await(&f, KEEPER_EVENT_HOST, NULL);
	assert_int_equal(event.error, -EHOSTDOWN);
	assert_non_null(strstr(event.stage, "does not answer"));
	assert_int_equal(hello(&f).error, 0);
	assert_int_equal(create(&f, NULL).error, -EHOSTDOWN);
	end(&f);
}

/* Of a daemon that makes containers slowly: others do not wait for what somebody has gone away from. */
static void what_is_wanted_no_more_gives_its_place_free(void **state)
{
	const struct line own[] = { { "POST /containers/create", "" }, { NULL, NULL } };
	const struct script script = { .own = own };
	struct keeper_request unwanted = { .op = KEEPER_UNWANTED };
	struct keeper_message reply;
	struct fixture f;

	begin(&f, &script);
	hello(&f);
	/* More than there can be, all of them given up: being made, before that, and waiting for a place. */
	for (uint32_t tag = 100; tag < 100 + 3 * CONTAINERS; tag++) {
		ask_for_one(&f, tag);
		unwanted.tag = tag;
		ask(&f, &unwanted);
		reply = await(&f, KEEPER_REPLY, NULL);
		assert_int_equal(reply.tag, tag);
		assert_int_equal(reply.error, -ECANCELED);
	}
	/* What has been answered, or was never asked for, is not answered. */
	ask(&f, &unwanted);
	unwanted.tag = 0;
	ask(&f, &unwanted);
	unwanted = (struct keeper_request){ .op = KEEPER_USAGE, .tag = 3 };
	ask(&f, &unwanted);
	assert_int_equal(await(&f, KEEPER_REPLY, NULL).tag, 3);
	end(&f);
}

static void what_was_asked_of_one_that_is_destroyed_is_answered(void **state)
{
	const struct line own[] = { { "POST /containers/" CONTAINER "/update", "" }, { NULL, NULL } };
	const struct script script = { own, greeting, sizeof(greeting) - 1 };
	struct keeper_request request = a_request(KEEPER_ADOPT, 60);
	struct keeper_message made, reply;
	struct fixture f;

	begin(&f, &script);
	hello(&f);
	made = create(&f, NULL);
	request.slot = made.slot;
	request.generation = made.generation;
	request.limits.value[LIMIT_MEMORY_BYTES] /= 2;
	ask(&f, &request);
	request.op = KEEPER_DESTROY;
	request.tag = 0;
	ask(&f, &request);
	reply = await(&f, KEEPER_REPLY, NULL);
	assert_int_equal(reply.tag, 60);
	assert_int_equal(reply.error, -ECANCELED);
	end(&f);
}

static void a_daemon_that_dies_is_told_of_once(void **state)
{
	const struct script script = { .stream = greeting, .stream_len = sizeof(greeting) - 1 };
	struct keeper_request next = { .op = KEEPER_USAGE, .tag = 3 }, destroy = { .op = KEEPER_DESTROY };
	struct keeper_message made;
	struct fixture f;

	begin(&f, &script);
	hello(&f);
	made = create(&f, NULL);
	destroy.slot = made.slot;
	destroy.generation = made.generation;
	ask(&f, &destroy);
	poll(NULL, 0, 300); /* nobody hears of the removal */
	kill(f.daemon, SIGKILL);
	waitpid(f.daemon, NULL, 0);
	f.daemon = 0;
	ask_for_one(&f, 77);
	assert_int_equal(await(&f, KEEPER_REPLY, NULL).tag, 77);
	ask(&f, &next);
	assert_int_equal(await(&f, KEEPER_REPLY, NULL).tag, 3);
	end(&f);
}

static void requests_out_of_place_change_nothing(void **state)
{
	const struct script script = { 0 };
	struct keeper_request request = {
		.op = KEEPER_STEP, .tag = 9, .slot = 3, .generation = 5, .step = 1
	};
	struct fixture f;

	begin(&f, &script);
	hello(&f);
	ask(&f, &request);
	assert_int_equal(await(&f, KEEPER_REPLY, NULL).error, -ESTALE);
	request.op = 77;
	ask(&f, &request);
	assert_int_equal(await(&f, KEEPER_REPLY, NULL).error, -EINVAL);
	request = (struct keeper_request){ .op = KEEPER_CREATE, .image = KEEPER_IMAGE_STORED };
	ask(&f, &request); /* limits of nothing */
	assert_int_equal(await(&f, KEEPER_REPLY, NULL).error, -EINVAL);
	end(&f);
}

/* ---- sessions ---- */

static struct keeper_request session_request(enum keeper_op op)
{
	struct keeper_request request = a_request(op, 3);

	request.ttl_ms = 60000;
	memcpy(request.id, "dojo", 5);
	return request;
}

static const struct line with_volumes[] = {
	{ "POST /volumes/create", "201 {\"Mountpoint\":\"/var/lib/docker/volumes/v/_data\"}" },
	{ "DELETE /volumes/", "204 " },
	{ NULL, NULL },
};

static const struct script holding = { .own = with_volumes,
				       .stream = greeting,
				       .stream_len = sizeof(greeting) - 1 };

static struct keeper_message open_session(struct fixture *f, const struct script *script)
{
	struct keeper_request request = session_request(KEEPER_SESSION_OPEN);

	begin(f, script);
	hello(f);
	ask(f, &request);
	return await(f, KEEPER_REPLY, NULL);
}

static struct keeper_request member_request(const struct keeper_message *session, enum keeper_member member,
					    const char *name)
{
	struct keeper_request request = session_request(KEEPER_CREATE);

	request.image = KEEPER_IMAGE_STORED;
	request.session = session->slot;
	request.session_generation = session->generation;
	request.member = member;
	request.number = 1;
	snprintf(request.name, sizeof(request.name), "%s", name);
	return request;
}

static void a_session_is_made_has_members_and_ends_with_them(void **state)
{
	struct keeper_message session, member;
	struct keeper_request request;
	struct fixture f;
	int fd = -1;

	session = open_session(&f, &holding);
	assert_int_equal(session.error, 0);
	request = member_request(&session, KEEPER_MEMBER_RUN, "lion");
	ask(&f, &request);
	member = await(&f, KEEPER_REPLY, &fd);
	assert_int_equal(member.error, 0);
	assert_true(fd >= 0);
	close(fd);
	request = session_request(KEEPER_SESSION_NEXT);
	ask(&f, &request);
	member = await(&f, KEEPER_REPLY, NULL);
	assert_int_equal(member.error, 0);
	assert_string_equal((const char *)member.session_record.id, "dojo");
	assert_true(member.session_record.left_ms > 50000 && member.session_record.left_ms <= 60000);
	request.op = KEEPER_SESSION_CLOSE;
	request.session = session.slot;
	request.session_generation = session.generation;
	ask(&f, &request);
	assert_int_equal(await(&f, KEEPER_EVENT_SESSION_GONE, NULL).generation, session.generation);
	request = member_request(&session, KEEPER_MEMBER_FILES, "");
	ask(&f, &request);
	assert_int_equal(await(&f, KEEPER_REPLY, NULL).error, -ESTALE);
	end(&f);
}

/* Of those that wait for a place the first ones' session ends: the last gets it. */
static void a_request_whose_session_is_gone_leaves_its_place_to_the_next(void **state)
{
	const struct line own[] = {
		with_volumes[0], with_volumes[1], { "DELETE /containers/", "~204 " }, { NULL, NULL }
	};
	const struct script script = { .own = own, .stream = greeting, .stream_len = sizeof(greeting) - 1 };
	struct keeper_message session, reply, first = { 0 };
	struct keeper_request request;
	struct fixture f;

	session = open_session(&f, &script);
	assert_int_equal(session.error, 0);
	for (uint32_t i = 0; i < CONTAINERS; i++) {
		ask_for_one(&f, 10 + i);
		reply = await(&f, KEEPER_REPLY, NULL);
		assert_int_equal(reply.error, 0);
		first = i == 0 ? reply : first;
	}
	request = (struct keeper_request){ .op = KEEPER_DESTROY,
					   .slot = first.slot,
					   .generation = first.generation };
	ask(&f, &request);
	request = member_request(&session, KEEPER_MEMBER_RUN, "lion");
	/* As many as there are ends, the holder's among them. */
	for (request.tag = 18; request.tag <= 20; request.tag++)
		ask(&f, &request);
	ask_for_one(&f, 21);
	request = session_request(KEEPER_SESSION_CLOSE);
	request.session = session.slot;
	request.session_generation = session.generation;
	ask(&f, &request);
	do {
		reply = await(&f, KEEPER_REPLY, NULL);
		if (reply.tag >= 18 && reply.tag <= 20)
			assert_int_equal(reply.error, -ESTALE);
	} while (reply.tag != 21);
	assert_int_equal(reply.error, 0);
	end(&f);
}

static void a_session_whose_time_is_over_takes_its_members_along(void **state)
{
	struct keeper_message session;
	struct keeper_request request;
	struct fixture f;
	int fd = -1;

	session = open_session(&f, &holding);
	request = member_request(&session, KEEPER_MEMBER_SERVICE, "");
	ask(&f, &request);
	await(&f, KEEPER_REPLY, &fd);
	close(fd);
	request = session_request(KEEPER_SESSION_PROLONG);
	request.session = session.slot;
	request.session_generation = session.generation;
	request.ttl_ms = 1;
	ask(&f, &request);
	assert_string_equal(await(&f, KEEPER_EVENT_DIED, NULL).stage, "the session's time was over");
	assert_int_equal(await(&f, KEEPER_EVENT_SESSION_GONE, NULL).error, -ETIME);
	end(&f);
}

static void a_session_that_cannot_be_made_says_why(void **state)
{
	static const struct line no_volume[] = {
		{ "POST /volumes/create", "201 {\"Mountpoint\":\"/a/../b\"}" },
		{ "DELETE /volumes/", "204 " },
		{ NULL, NULL },
	};
	static const struct line no_holder[] = {
		{ "POST /volumes/create", "201 {\"Mountpoint\":\"/v\"}" },
		{ "DELETE /volumes/", "204 " },
		{ "POST /containers/" CONTAINER "/start", "500 {\"message\":\"no space left\"}" },
		{ NULL, NULL },
	};
	static const struct line no_attachment[] = {
		{ "POST /volumes/create", "201 {\"Mountpoint\":\"/v\"}" },
		{ "POST /containers/" CONTAINER "/attach", "500 {\"message\":\"no room for it\"}" },
		{ NULL, NULL },
	};
	const struct script first = { .own = no_volume }, second = { .own = no_holder };
	const struct script third = { .own = no_attachment };
	const struct script mute = { .own = with_volumes,
				     .stream = "\1\0\0\0\0\0\0\10\0\0\0\0\115\0\0\0",
				     .stream_len = 16 };
	struct keeper_message reply;
	struct fixture f;

	reply = open_session(&f, &first);
	assert_int_equal(reply.error, -EIO);
	assert_string_equal(reply.stage, "the daemon made a volume without a place");
	await(&f, KEEPER_EVENT_SESSION_GONE, NULL);
	end(&f);
	reply = open_session(&f, &second);
	assert_int_equal(reply.error, -EIO);
	assert_string_equal(reply.stage, "no space left");
	end(&f);
	reply = open_session(&f, &third);
	assert_string_equal(reply.stage, "no room for it");
	end(&f);
	reply = open_session(&f, &mute);
	assert_string_equal(reply.stage, "the session's init said what it may not");
	end(&f);
}

static void requests_of_sessions_out_of_place_change_nothing(void **state)
{
	static const enum keeper_op ops[] = { KEEPER_SESSION_PROLONG, KEEPER_SESSION_FINISH,
					      KEEPER_SESSION_WEIGH, KEEPER_SESSION_CLOSE };
	struct keeper_message session = { .slot = 4000, .generation = 7 };
	struct keeper_request request;
	struct fixture f;

	session = open_session(&f, &holding);
	request = session_request(KEEPER_SESSION_OPEN);
	ask(&f, &request);
	assert_int_equal(await(&f, KEEPER_REPLY, NULL).error, -EEXIST);
	request.id[0] = 'x';
	request.ttl_ms = 0;
	ask(&f, &request);
	assert_int_equal(await(&f, KEEPER_REPLY, NULL).error, -EINVAL);
	request.ttl_ms = 1000;
	request.digest[0]++;
	ask(&f, &request);
	assert_int_equal(await(&f, KEEPER_REPLY, NULL).error, -ENOENT);
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		request = session_request(ops[i]);
		request.session = 4000;
		ask(&f, &request);
		assert_int_equal(await(&f, KEEPER_REPLY, NULL).error, -ESTALE);
	}
	request = member_request(&session, KEEPER_MEMBER_RUN, "../lion");
	ask(&f, &request);
	assert_int_equal(await(&f, KEEPER_REPLY, NULL).error, -EINVAL);
	request = member_request(&session, KEEPER_MEMBER_SERVICE, "");
	memcpy(request.folders, "/a/../b", 8);
	ask(&f, &request);
	assert_int_equal(await(&f, KEEPER_REPLY, NULL).error, -EINVAL);
	request = member_request(&session, KEEPER_MEMBER_FILES, "");
	request.session_generation++;
	ask(&f, &request);
	assert_int_equal(await(&f, KEEPER_REPLY, NULL).error, -ESTALE);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_is_made_and_its_init_is_heard),
		cmocka_unit_test(a_question_that_is_lost_is_soon_asked_again),
		cmocka_unit_test(the_images_come_with_the_host),
		cmocka_unit_test(init_that_dies_of_memory_is_told_with_it),
		cmocka_unit_test(how_a_container_ended_is_told_where_nobody_says_why),
		cmocka_unit_test(what_the_daemon_refuses_is_told_in_its_words),
		cmocka_unit_test(answers_that_are_none_fail_that_one_container),
		cmocka_unit_test(an_answer_without_end_is_cut_off),
		cmocka_unit_test(without_a_daemon_hello_is_answered_and_says_so),
		cmocka_unit_test(what_is_wanted_no_more_gives_its_place_free),
		cmocka_unit_test(what_was_asked_of_one_that_is_destroyed_is_answered),
		cmocka_unit_test(a_daemon_that_dies_is_told_of_once),
		cmocka_unit_test(requests_out_of_place_change_nothing),
		cmocka_unit_test(a_session_is_made_has_members_and_ends_with_them),
		cmocka_unit_test(a_request_whose_session_is_gone_leaves_its_place_to_the_next),
		cmocka_unit_test(a_session_whose_time_is_over_takes_its_members_along),
		cmocka_unit_test(a_session_that_cannot_be_made_says_why),
		cmocka_unit_test(requests_of_sessions_out_of_place_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
