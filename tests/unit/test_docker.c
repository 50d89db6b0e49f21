/*
 * The Docker keeper against a daemon that follows a script: what it makes of good answers, of bad ones, and of
 * none. A real daemon stands behind tests/integration/test_docker_engine.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "engine/docker/docker_priv.h"
#include "engine/docker/images.h"
#include "wire/init_proto.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 30000
#define IMAGE	    "1111111111111111111111111111111111111111111111111111111111111111"
#define CONTAINERS  4
#define CONTAINER   "2222222222222222222222222222222222222222222222222222222222222222"

/* ---- the scripted daemon ---- */

struct line {
	const char *request; /* begin of "METHOD /path" behind the version */
	const char *
		answer; /* "STATUS body", behind "~" a moment later; NULL: closes without a word; "": never answers */
	unsigned times; /* that it answers so; 0: always */
};

/* One for each test; the first line that fits answers, those of `well` behind it. */
struct script {
	const struct line *own;
	const char *stream; /* what the container's init "says", raw, when it is started */
	size_t stream_len;
};

static const struct line well[] = {
	{ "GET /info", "200 {\"MemoryLimit\":true,\"SwapLimit\":true,\"CpuCfsQuota\":true,\"PidsLimit\":true,"
		       "\"CgroupVersion\":\"2\"}" },
	{ "GET /containers/json", "200 []" },
	{ "GET /images/json", "200 [{\"Id\":\"sha256:" IMAGE "\",\"RepoTags\":[\"a/b:1\"],\"Created\":7}]" },
	{ "GET /images/sha256:",
	  "200 {\"Id\":\"sha256:" IMAGE "\",\"Os\":\"linux\",\"Size\":5,\"Config\":{}}" },
	{ "POST /volumes/create", "201 {}" },
	{ "POST /containers/create", "201 {\"Id\":\"" CONTAINER "\"}" },
	{ "PUT /containers/", "200 " },
	{ "POST /containers/" CONTAINER "/attach", "101 " },
	{ "POST /containers/" CONTAINER "/start", "204 " },
	{ "GET /containers/" CONTAINER "/json", "200 {\"State\":{\"OOMKilled\":true,\"Error\":\"\"}}" },
	{ "DELETE /containers/", "204 " },
	{ NULL, NULL },
};

static const char *answer_of(const struct line *lines, const char *request, bool *ret_found)
{
	static unsigned had; /* times, of the one line of a script that has a number */

	for (; lines && lines->request; lines++) {
		if (strncmp(request, lines->request, strlen(lines->request)) == 0 &&
		    (!lines->times || had++ < lines->times)) {
			*ret_found = true;
			return lines->answer;
		}
	}
	return NULL;
}

/* Reads a request; "METHOD /path" behind the version into `ret`. False: the client closed. */
static bool read_request(int fd, char *ret, size_t size)
{
	static char data[1 << 22];
	size_t len = 0, want = 0;
	char *end = NULL, *path;

	while (!end || len < want) {
		ssize_t n = read(fd, data + len, sizeof(data) - 1 - len);

		if (n <= 0)
			return false;
		len += (size_t)n;
		data[len] = '\0';
		if (!end && (end = strstr(data, "\r\n\r\n"))) {
			const char *length = strcasestr(data, "content-length: ");

			want = (size_t)(end + 4 - data) +
			       (length && length < end ? strtoull(length + 16, NULL, 10) : 0);
		}
	}
	path = strchr(data, ' ');
	*strstr(data, " HTTP/") = '\0';
	snprintf(ret, size, "%.*s %s", (int)(path - data), data,
		 strncmp(path + 1, "/v1.", 4) == 0 ? strchr(path + 2, '/') : path + 1);
	return true;
}

static void respond(int fd, const char *answer)
{
	char head[256];
	int status = (int)strtoll(answer, NULL, 10);
	const char *body = strchr(answer, ' ') + 1;

	if (status == 101)
		snprintf(head, sizeof(head), "HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n");
	else
		snprintf(head, sizeof(head),
			 "HTTP/1.1 %d x\r\nApi-Version: 1.41\r\nConnection: close\r\nContent-Length: "
			 "%zu\r\n\r\n",
			 status, strlen(body));
	if (fd_write_all(fd, head, strlen(head)) < 0 || fd_write_all(fd, body, strlen(body)) < 0)
		return;
}

static _Noreturn void be_daemon(int listen_fd, const struct script *script)
{
	int attached = -1;

	for (;;) {
		int fd = accept(listen_fd, NULL, NULL);
		char request[4096];
		bool found = false;
		const char *answer;

		if (fd < 0 || !read_request(fd, request, sizeof(request))) {
			close(fd);
			continue;
		}
		answer = answer_of(script->own, request, &found);
		if (!found)
			answer = answer_of(well, request, &found);
		if (!found && strncmp(request, "GET /_ping", 10) == 0)
			answer = "200 OK";
		if (answer && answer[0] == '~')
			poll(NULL, 0, 300);
		if (answer && answer[0])
			respond(fd, answer + (answer[0] == '~'));
		if (strstr(request, "/attach")) {
			attached = fd;
			continue;
		}
		if (strstr(request, "/start") && script->stream &&
		    fd_write_all(attached, script->stream, script->stream_len) < 0)
			attached = -1;
		if (answer && !answer[0])
			continue; /* held for ever */
		close(fd);
	}
}

struct fixture {
	char folder[64], path[96];
	int listen_fd, front_fd;
	pid_t daemon, keeper;
};

static void begin(struct fixture *f, const struct script *script)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct docker_options options = {
		.owner = "test", .uid_base = 100000, .uid_count = 1000, .containers = CONTAINERS
	};
	static char host[128];
	struct err err = ERR_INIT;

	*f = (struct fixture){ .folder = "/tmp/kiln-docker-XXXXXX", .listen_fd = -1 };
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/socket", f->folder);
	snprintf(host, sizeof(host), "unix://%s", f->path);
	options.host = host;
	if (script) {
		memcpy(address.sun_path, f->path, strlen(f->path) + 1);
		f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(f->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
		assert_int_equal(listen(f->listen_fd, 64), 0);
		f->daemon = fork();
		if (f->daemon == 0)
			be_daemon(f->listen_fd, script);
		close(f->listen_fd);
	}
	assert_int_equal(docker_keeper_start(&options, &f->front_fd, &f->keeper, &err), 0);
}

/* The keeper ends with its front; it may wait for a daemon that does not answer, which nobody waits for here. */
static void end(struct fixture *f)
{
	close(f->front_fd);
	if (f->daemon > 0) {
		kill(f->daemon, SIGKILL);
		waitpid(f->daemon, NULL, 0);
	}
	kill(f->keeper, SIGKILL);
	waitpid(f->keeper, NULL, 0);
	unlink(f->path);
	rmdir(f->folder);
}

static void ask(struct fixture *f, struct keeper_request *request)
{
	assert_int_equal(send(f->front_fd, request, sizeof(*request), MSG_NOSIGNAL), sizeof(*request));
}

/* The next message of that kind; others are passed over. `*ret_fd` of it, or -1. */
static struct keeper_message await(struct fixture *f, enum keeper_event event, int *ret_fd)
{
	struct keeper_message message;
	struct pollfd p = { .fd = f->front_fd, .events = POLLIN };

	for (;;) {
		int fd = -1;

		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		assert_int_equal(fd_receive(f->front_fd, &message, sizeof(message), 0, &fd), sizeof(message));
		if (message.event == event) {
			if (ret_fd)
				*ret_fd = fd;
			else if (fd >= 0)
				close(fd);
			return message;
		}
		if (fd >= 0)
			close(fd);
	}
}

static struct keeper_message hello(struct fixture *f)
{
	struct keeper_request request = { .op = KEEPER_HELLO, .tag = 1 };

	ask(f, &request);
	return await(f, KEEPER_REPLY, NULL);
}

static void ask_for_one(struct fixture *f, uint32_t tag)
{
	struct keeper_request request = { .op = KEEPER_CREATE, .tag = tag, .image = KEEPER_IMAGE_STORED };

	memset(request.digest, 0x11, sizeof(request.digest));
	for (int i = 0; i < LIMIT_COUNT; i++)
		request.limits.value[i] = limit_table[i].default_value;
	ask(f, &request);
}

static struct keeper_message create(struct fixture *f, int *ret_fd)
{
	ask_for_one(f, 2);
	return await(f, KEEPER_REPLY, ret_fd);
}

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

/* A list that hangs, and one that fails as Podman's does when a container goes meanwhile. */
static void a_question_that_is_lost_is_soon_asked_again(void **state)
{
	static const char *const first[] = { "", "500 {\"message\":\"no such container\"}" };

	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		const struct line own[] = { { "GET /containers/json", first[i], 1 }, { 0 } };
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
	unwanted.op = KEEPER_USAGE;
	unwanted.tag = 3;
	ask(&f, &unwanted);
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
	struct keeper_request request = { .op = op, .tag = 3, .ttl_ms = 60000, .id = "dojo" };

	memset(request.digest, 0x11, sizeof(request.digest));
	for (int i = 0; i < LIMIT_COUNT; i++)
		request.limits.value[i] = limit_table[i].default_value;
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
	const struct script first = { .own = no_volume }, second = { .own = no_holder };
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
		cmocka_unit_test(requests_out_of_place_change_nothing),
		cmocka_unit_test(a_session_is_made_has_members_and_ends_with_them),
		cmocka_unit_test(a_request_whose_session_is_gone_leaves_its_place_to_the_next),
		cmocka_unit_test(a_session_whose_time_is_over_takes_its_members_along),
		cmocka_unit_test(a_session_that_cannot_be_made_says_why),
		cmocka_unit_test(requests_of_sessions_out_of_place_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
