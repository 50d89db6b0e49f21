/* A Docker daemon that follows a script, and the Docker keeper before it. */
#ifndef KILN_TESTS_DOCKER_FIXTURE_H
#define KILN_TESTS_DOCKER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fd.h"
#include "engine/docker/docker_priv.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static struct keeper_request a_request(enum keeper_op op, uint32_t tag)
{
	struct keeper_request request = { .op = op, .tag = tag };

	memset(request.digest, 0x11, sizeof(request.digest));
	for (int i = 0; i < LIMIT_COUNT; i++)
		request.limits.value[i] = limit_table[i].default_value;
	return request;
}

static void ask_for_one(struct fixture *f, uint32_t tag)
{
	struct keeper_request request = a_request(KEEPER_CREATE, tag);

	request.image = KEEPER_IMAGE_STORED;
	ask(f, &request);
}

static struct keeper_message create(struct fixture *f, int *ret_fd)
{
	ask_for_one(f, 2);
	return await(f, KEEPER_REPLY, ret_fd);
}

#endif
