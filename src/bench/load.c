#include "bench/load.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "bench/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define ANSWER_MAX    (64U << 20)
#define RECEIVE_BYTES 16384
#define EVENTS	      64
#define SILENCE_MS    60000

struct connection {
	int fd;
	struct buf received;
	size_t sent;
	uint64_t begin_ns;
	bool busy;
};

struct crowd {
	const struct load *load;
	struct connection *connections;
	struct load_result result;
	uint64_t end_ns;
	unsigned busy;
	int epoll_fd;
};

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Sends what is left of the request; what the socket does not take now goes when it is writable. */
static int request_push(struct crowd *crowd, struct connection *c, struct err *err)
{
	const struct post_target *target = crowd->load->target;
	bool waits = false;

	while (c->sent < target->request_len && !waits) {
		ssize_t n = send(c->fd, target->request + c->sent, target->request_len - c->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			c->sent += (size_t)n;
		else if (errno == EAGAIN)
			waits = true;
		else if (errno != EINTR)
			return err_set(err, -errno, "send");
	}
	return 0;
}

static int request_begin(struct crowd *crowd, struct connection *c, struct err *err)
{
	if (!c->busy)
		crowd->busy++;
	c->busy = true;
	c->sent = 0;
	c->begin_ns = clock_ns();
	return request_push(crowd, c, err);
}

static int answer_count(struct crowd *crowd, struct connection *c, const struct answer *answer,
			struct err *err)
{
	const char *body = (const char *)c->received.data + answer->body_at;
	const char *expect = crowd->load->expect;
	uint64_t now = clock_ns();

	if (answer->status == 503) {
		crowd->result.refused++;
		return 0;
	}
	if (answer->status != 200)
		return err_refuse(err, ERR_IMPOSSIBLE, "job_failed", NULL, "status %d: %.*s", answer->status,
				  answer->body_len > 200 ? 200 : (int)answer->body_len, body);
	if (!memmem(body, answer->body_len, expect, strlen(expect)))
		return err_refuse(err, ERR_IMPOSSIBLE, "job_failed", NULL, "an answer without '%s': %.*s",
				  expect, answer->body_len > 300 ? 300 : (int)answer->body_len, body);
	if (now > crowd->end_ns)
		return 0;
	crowd->result.runs++;
	return samples_add(&crowd->result.times_us, (double)(now - c->begin_ns) / 1000) < 0
		       ? err_set(err, -ENOMEM, "out of memory")
		       : 0;
}

/* What came: when that completes an answer, the next request goes out, as long as there is time. */
static int connection_read(struct crowd *crowd, struct connection *c, struct err *err)
{
	uint8_t *room = buf_reserve(&c->received, RECEIVE_BYTES);
	ssize_t n = room ? recv(c->fd, room, RECEIVE_BYTES, MSG_DONTWAIT) : -1;
	struct answer answer;
	int r;

	if (!room)
		return err_set(err, -EMSGSIZE, "an answer of more than %u bytes", ANSWER_MAX);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : err_set(err, -errno, "receive");
	if (n == 0)
		return err_set(err, -EPIPE, "the server closed a connection");
	c->received.len += (size_t)n;
	r = answer_find((const char *)c->received.data, c->received.len, &answer);
	if (r <= 0)
		return r < 0 ? err_set(err, -EPROTO, "that is no HTTP answer") : 0;
	r = answer_count(crowd, c, &answer, err);
	buf_consume(&c->received, answer.total);
	if (r >= 0 && answer.close)
		return err_set(err, -EPIPE, "the server closes connections");
	if (r >= 0 && clock_ns() < crowd->end_ns)
		return request_begin(crowd, c, err);
	c->busy = false;
	crowd->busy--;
	return r;
}

static int connection_open(struct crowd *crowd, struct connection *c, struct err *err)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };
	int fd = post_connect(crowd->load->target, err);

	if (fd < 0)
		return fd;
	c->fd = fd;
	c->received = BUF_INIT(ANSWER_MAX);
	if (epoll_ctl(crowd->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return err_set(err, -errno, "epoll");
	return 0;
}

/* Edge-triggered: reads until nothing comes any more. */
static int connection_serve(struct crowd *crowd, struct connection *c, uint32_t events, struct err *err)
{
	int r = 0;

	if (events & EPOLLOUT && c->busy)
		r = request_push(crowd, c, err);
	while (r >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		uint8_t one;

		r = connection_read(crowd, c, err);
		if (r >= 0 && recv(c->fd, &one, 1, MSG_PEEK | MSG_DONTWAIT) < 0)
			break;
	}
	return r;
}

static int crowd_serve(struct crowd *crowd, struct err *err)
{
	struct epoll_event events[EVENTS];
	int r = 0;

	while (r >= 0 && crowd->busy > 0) {
		int n = epoll_wait(crowd->epoll_fd, events, EVENTS, SILENCE_MS);

		if (n == 0)
			return err_set(err, -ETIMEDOUT, "no answer for %d seconds", SILENCE_MS / 1000);
		if (n < 0 && errno != EINTR)
			return err_set(err, -errno, "epoll");
		for (int i = 0; r >= 0 && i < n; i++)
			r = connection_serve(crowd, events[i].data.ptr, events[i].events, err);
	}
	return r;
}

static void crowd_finish(struct crowd *crowd)
{
	for (unsigned i = 0; crowd->connections && i < crowd->load->connections; i++) {
		if (crowd->connections[i].fd >= 0)
			close(crowd->connections[i].fd);
		buf_finish(&crowd->connections[i].received);
	}
	free(crowd->connections);
	if (crowd->epoll_fd >= 0)
		close(crowd->epoll_fd);
}

static int crowd_begin(struct crowd *crowd, struct err *err)
{
	unsigned count = crowd->load->connections;
	int r = 0;

	crowd->connections = calloc(count, sizeof(*crowd->connections));
	crowd->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; crowd->connections && i < count; i++)
		crowd->connections[i].fd = -1;
	if (!crowd->connections || crowd->epoll_fd < 0)
		return err_set(err, -ENOMEM, "%u connections", count);
	for (unsigned i = 0; r >= 0 && i < count; i++)
		r = connection_open(crowd, &crowd->connections[i], err);
	return r;
}

int load_run(const struct load *load, struct load_result *ret, struct err *err)
{
	struct crowd crowd = { .load = load, .epoll_fd = -1 };
	double cpu = cpu_seconds();
	int r = crowd_begin(&crowd, err);

	crowd.end_ns = clock_ns() + (uint64_t)load->ms * 1000000U;
	for (unsigned i = 0; r >= 0 && i < load->connections; i++)
		r = request_begin(&crowd, &crowd.connections[i], err);
	if (r >= 0)
		r = crowd_serve(&crowd, err);
	crowd_finish(&crowd);
	if (r < 0) {
		samples_finish(&crowd.result.times_us);
		return r;
	}
	crowd.result.per_second = (double)crowd.result.runs / (load->ms / 1000.0);
	crowd.result.cpu_share = (cpu_seconds() - cpu) / (load->ms / 1000.0);
	*ret = crowd.result;
	return 0;
}
