/*
 * A real keeper under a storm of requests (suite "engine": needs root, or a host that lets us make sandboxes
 * rootless).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "engine/native/native_priv.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PACKETS	     100000
#define HELLO_EVERY  1000
#define CREATE_EVERY 1000
#define TAG_HELLO    0x7e110
#define TAG_CREATE   0x7c8ea7e
#define PATIENCE_MS  20000
#define BOXES	     1024

/* One keeper and the sandboxes that it made for us. */
struct front {
	int fd;
	pid_t pid;
	struct keeper_hello hello;
	uint32_t generation[BOXES]; /* of the live sandbox in each slot, or 0 */
	unsigned live, made;
	uint32_t hellos; /* answered */
	struct keeper_message last;
};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void note(struct front *f, const struct keeper_message *m)
{
	f->last = *m;
	if (m->event == KEEPER_REPLY && m->tag == TAG_HELLO && m->error == 0) {
		f->hello = m->hello;
		f->hellos++;
	} else if (m->event == KEEPER_REPLY && m->tag == TAG_CREATE && m->error == 0) {
		assert_true(m->slot < BOXES);
		assert_int_equal(f->generation[m->slot], 0);
		f->generation[m->slot] = m->generation;
		f->live++;
		f->made++;
	} else if (m->event == KEEPER_EVENT_GONE && f->generation[m->slot] == m->generation) {
		f->generation[m->slot] = 0;
		f->live--;
	}
}

/* Reads one message; false: none within the time. Sandboxes' sockets are closed at once: their init ends. */
static bool hear(struct front *f, int wait_ms, bool keep_init, int *ret_init_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct keeper_message message;
	struct iovec iov = { &message, sizeof(message) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct pollfd p = { f->fd, POLLIN, 0 };
	struct cmsghdr *c;
	int fd;

	if (poll(&p, 1, wait_ms) != 1)
		return false;
	assert_int_equal(recvmsg(f->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC), sizeof(message));
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS) {
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		if (keep_init)
			*ret_init_fd = fd;
		else
			close(fd);
	}
	note(f, &message);
	return true;
}

static void say(struct front *f, const void *packet, size_t len)
{
	while (send(f->fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		assert_true(errno == EAGAIN || errno == EINTR);
		assert_true(hear(f, PATIENCE_MS, false, NULL));
	}
	while (hear(f, 0, false, NULL))
		;
}

static struct keeper_request good_request(uint32_t op, uint32_t tag)
{
	struct keeper_request request = { .op = op, .tag = tag, .step = 1 };

	for (int i = 0; i < LIMIT_COUNT; i++)
		request.limits.value[i] = limit_table[i].default_value;
	request.uid = request.gid = 1000;
	return request;
}

static void greet(struct front *f)
{
	struct keeper_request request = good_request(KEEPER_HELLO, TAG_HELLO);
	uint32_t before = f->hellos;

	say(f, &request, sizeof(request));
	while (f->hellos == before) {
		if (!hear(f, PATIENCE_MS, false, NULL))
			fail_msg("the keeper does not answer any more");
	}
}

static void front_open(struct front *f)
{
	const struct native_options options = { .keeper_fd = -1 };

	*f = (struct front){ .fd = -1 };
	assert_int_equal(keeper_start_child(&options, &f->fd, &f->pid, NULL), 0);
	greet(f);
}

/* A keeper ends by itself, with status 0, when its socket closes. */
static void front_close(struct front *f)
{
	int status;

	close(f->fd);
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static unsigned boxes_in(const char *cgroup_path)
{
	DIR *dir = opendir(cgroup_path);
	struct dirent *entry;
	unsigned count = 0;

	while (dir && (entry = readdir(dir)))
		count += entry->d_type == DT_DIR && entry->d_name[0] == 's';
	if (dir)
		closedir(dir);
	return count;
}

static bool has_children(pid_t pid)
{
	char path[64], text[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	return text[0] != '\0';
}

/* Any bits, but often enough near to something that would be taken. */
static struct keeper_request random_request(uint64_t *seed)
{
	struct keeper_request request = good_request((uint32_t)next_random(seed) % 8, 1);
	uint64_t bits = next_random(seed);

	request.slot = (uint32_t)next_random(seed) % (bits & 1 ? 160 : UINT32_MAX);
	request.generation = bits & 2 ? 1 : (uint32_t)next_random(seed);
	request.step = bits & 4 ? 1 + (uint32_t)(bits >> 32) % 64 : (uint32_t)next_random(seed);
	request.flags = bits & 8 ? 0 : (uint32_t)next_random(seed);
	request.reserved = bits & 48 ? 0 : (uint32_t)next_random(seed);
	if (bits & 64)
		request.limits.value[(bits >> 8) % LIMIT_COUNT] = (int64_t)next_random(seed);
	/* Sandboxes are made on purpose, at a rate that a test has time for. */
	if (request.op == KEEPER_CREATE)
		request.image = 1 + (uint32_t)(bits >> 40);
	return request;
}

static void storm(struct front *f, uint64_t seed)
{
	for (unsigned i = 0; i < PACKETS; i++) {
		struct keeper_request request = random_request(&seed);
		uint8_t packet[2 * sizeof(request)] = { 0 };
		size_t len = sizeof(request);

		/* Of another size, but not empty: an empty packet is the end of the connection. */
		if (next_random(&seed) % 16 == 0)
			len = 1 + next_random(&seed) % (sizeof(packet) - 1);
		memcpy(packet, &request, sizeof(request));
		say(f, packet, len);
		if (i % CREATE_EVERY == 0) {
			request = good_request(KEEPER_CREATE, TAG_CREATE);
			say(f, &request, sizeof(request));
		}
		if (i % HELLO_EVERY == 0)
			greet(f);
	}
}

static void destroy_all(struct front *f)
{
	/* A CREATE that is still under way is answered before its sandbox can be named. */
	for (int round = 0; round < 200 && (round < 10 || f->live); round++) {
		for (uint32_t slot = 0; slot < BOXES; slot++) {
			struct keeper_request request = good_request(KEEPER_DESTROY, 1);

			if (!f->generation[slot])
				continue;
			request.slot = slot;
			request.generation = f->generation[slot];
			say(f, &request, sizeof(request));
		}
		while (hear(f, 100, false, NULL))
			;
	}
	assert_int_equal(f->live, 0);
}

/* A sandbox of another keeper, held open; false: this host lets us make none. */
static bool neighbour_open(struct front *f, int *ret_init_fd)
{
	struct keeper_request request = good_request(KEEPER_CREATE, TAG_CREATE);

	front_open(f);
	assert_int_equal(send(f->fd, &request, sizeof(request), MSG_NOSIGNAL), sizeof(request));
	assert_true(hear(f, PATIENCE_MS, true, ret_init_fd));
	if (f->last.error)
		print_message("# no sandbox here: %s: %s\n", f->last.stage, strerror(-f->last.error));
	return f->last.error == 0;
}

static void assert_works(struct front *f)
{
	struct keeper_request request = good_request(KEEPER_STEP, 5);

	for (uint32_t op = KEEPER_STEP; op <= KEEPER_STEP_END; op++) {
		request.op = op;
		request.generation = f->generation[0];
		assert_int_equal(send(f->fd, &request, sizeof(request), MSG_NOSIGNAL), sizeof(request));
		assert_true(hear(f, PATIENCE_MS, false, NULL));
		assert_int_equal(f->last.event, KEEPER_REPLY);
		assert_int_equal(f->last.error, 0);
	}
}

static void a_storm_of_requests_leaves_no_sandbox_and_touches_no_neighbour(void **state)
{
	static struct front front, neighbour;
	int init_fd = -1;

	if (!neighbour_open(&neighbour, &init_fd)) {
		front_close(&neighbour);
		skip();
	}
	front_open(&front);
	storm(&front, 0x9e3779b97f4a7c15);
	assert_true(front.made > 0);
	destroy_all(&front);
	greet(&front);
	assert_false(has_children(front.pid));
	if (front.hello.cgroup_version)
		assert_int_equal(boxes_in(front.hello.cgroup_path), 0);
	assert_works(&neighbour);
	if (neighbour.hello.cgroup_version)
		assert_int_equal(boxes_in(neighbour.hello.cgroup_path), 1);
	front_close(&front);
	assert_int_not_equal(access(front.hello.cgroup_path, F_OK), 0);
	front_close(&neighbour);
	assert_int_not_equal(access(neighbour.hello.cgroup_path, F_OK), 0);
	close(init_fd);
}

static void a_packet_of_another_size_is_refused_and_the_next_one_answered(void **state)
{
	static const size_t sizes[] = { 1, sizeof(struct keeper_request) - 1,
					sizeof(struct keeper_request) + 1, 4096 };
	static const uint8_t bytes[4096];
	static struct front front;

	front_open(&front);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		assert_int_equal(send(front.fd, bytes, sizes[i], MSG_NOSIGNAL), sizes[i]);
		assert_true(hear(&front, PATIENCE_MS, false, NULL));
		assert_int_equal(front.last.event, KEEPER_REPLY);
		assert_int_equal(front.last.error, -EMSGSIZE);
		greet(&front);
	}
	front_close(&front);
}

static void a_keeper_ends_its_sandboxes_when_its_front_is_gone(void **state)
{
	static struct front front;
	char byte;
	int init_fd = -1;

	if (!neighbour_open(&front, &init_fd)) {
		front_close(&front);
		skip();
	}
	assert_int_not_equal(access(front.hello.cgroup_version ? front.hello.cgroup_path : "/", F_OK), -1);
	front_close(&front);
	/* HELLO, and then its end. */
	while (recv(init_fd, &byte, 1, 0) > 0)
		;
	assert_int_not_equal(access(front.hello.cgroup_path, F_OK), 0);
	close(init_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_of_another_size_is_refused_and_the_next_one_answered),
		cmocka_unit_test(a_keeper_ends_its_sandboxes_when_its_front_is_gone),
		cmocka_unit_test(a_storm_of_requests_leaves_no_sandbox_and_touches_no_neighbour),
	};

	return cmocka_run_group_tests_name("keeper_live", tests, NULL, NULL);
}
