#include "bench/post.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "bench/answer.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#define ANSWER_MAX    (256U << 20)
#define PATIENCE_S    300
#define RECEIVE_BYTES 65536

struct post_subject {
	struct subject subject;
	struct post_target target;
	post_check_fn check;
	void *user;
	struct buf received;
	char *mark; /* in the request, where its number goes; or NULL */
	uint64_t number;
	int fd;
};

struct url {
	char host[256];
	char port[8];
	const char *path;
};

static int url_read(const char *text, struct url *ret, struct err *err)
{
	static const char scheme[] = "http://";
	const char *host = text + sizeof(scheme) - 1, *end, *colon;
	size_t len;

	if (strncmp(text, scheme, sizeof(scheme) - 1) != 0)
		return err_set(err, -EINVAL, "'%.100s' is not of the form http://host:port/path", text);
	end = host + strcspn(host, "/");
	colon = memrchr(host, ':', (size_t)(end - host));
	if (colon && memchr(colon, ']', (size_t)(end - colon)))
		colon = NULL;
	len = (size_t)((colon ? colon : end) - host);
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(ret->host) || (colon && end - colon > 6))
		return err_set(err, -EINVAL, "'%.100s' names no host", text);
	snprintf(ret->host, sizeof(ret->host), "%.*s", (int)len, host);
	snprintf(ret->port, sizeof(ret->port), "%.*s", colon ? (int)(end - colon - 1) : 2,
		 colon ? colon + 1 : "80");
	ret->path = *end ? end : "/";
	return 0;
}

static int request_write(const struct post_options *o, const struct url *url, struct buf *out)
{
	int r = buf_printf(out,
			   "POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/json\r\n"
			   "Accept: application/json\r\nContent-Length: %zu\r\n",
			   url->path, url->host, url->port, o->body_len);

	if (r >= 0 && o->token)
		r = buf_printf(out, "Authorization: Bearer %s\r\n", o->token);
	if (r >= 0)
		r = buf_append_str(out, "\r\n");
	return r < 0 ? r : buf_append(out, o->body, o->body_len);
}

int post_target_init(const struct post_options *options, struct post_target *ret, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	AUTO_BUF struct buf request = BUF_INIT(ANSWER_MAX);
	struct addrinfo *found = NULL;
	struct url url;
	int r = url_read(options->url, &url, err);

	if (r < 0)
		return r;
	r = getaddrinfo(url.host, url.port, &hints, &found);
	if (r != 0)
		return err_set(err, -EHOSTUNREACH, "%s: %s", url.host, gai_strerror(r));
	*ret = (struct post_target){ .address_len = found->ai_addrlen };
	memcpy(&ret->address, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	if (request_write(options, &url, &request) < 0)
		return err_set(err, -ENOMEM, "a request of %zu bytes", options->body_len);
	ret->request = (char *)buf_take(&request, &ret->request_len);
	return ret->request ? 0 : err_set(err, -ENOMEM, "out of memory");
}

void post_target_finish(struct post_target *target)
{
	free(target->request);
	target->request = NULL;
}

int post_connect(const struct post_target *target, struct err *err)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	const int on = 1;
	AUTO_CLOSE int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_set(err, -errno, "socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&target->address, target->address_len) < 0)
		return err_set(err, -errno, "connect");
	return TAKE_FD(fd);
}

static void post_close(struct post_subject *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static int request_send(struct post_subject *p, struct err *err)
{
	for (size_t sent = 0; sent < p->target.request_len;) {
		ssize_t n = send(p->fd, p->target.request + sent, p->target.request_len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, -errno, "%s: send", p->subject.name);
		sent += (size_t)n;
	}
	return 0;
}

/* Digits instead of the mark. */
static void request_number(struct post_subject *p)
{
	char digits[sizeof(POST_MARK)];

	if (!p->mark)
		return;
	snprintf(digits, sizeof(digits), "%0*llu", (int)sizeof(POST_MARK) - 1,
		 (unsigned long long)p->number++);
	memcpy(p->mark, digits, sizeof(POST_MARK) - 1);
}

static int answer_receive(struct post_subject *p, struct answer *ret, struct err *err)
{
	int r;

	buf_consume(&p->received, p->received.len);
	while ((r = answer_find((const char *)p->received.data, p->received.len, ret)) == 0) {
		uint8_t *room = buf_reserve(&p->received, RECEIVE_BYTES);
		ssize_t n = room ? recv(p->fd, room, RECEIVE_BYTES, 0) : -1;

		if (n < 0 && room && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, room ? -errno : -ENOMEM, "%s: receive", p->subject.name);
		if (n == 0)
			return err_set(err, -EPIPE, "%s: closed the connection", p->subject.name);
		p->received.len += (size_t)n;
	}
	return r < 0 ? err_set(err, -EPROTO, "%s: that is no HTTP answer", p->subject.name) : 0;
}

static int answer_check(struct post_subject *p, const struct answer *answer, struct err *err)
{
	const char *body = (const char *)p->received.data + answer->body_at;

	if (answer->status != 200)
		return err_refuse(err, ERR_IMPOSSIBLE, "job_failed", NULL, "%s: status %d: %.*s",
				  p->subject.name, answer->status,
				  answer->body_len > 200 ? 200 : (int)answer->body_len, body);
	if (!p->check)
		return 0;
	int r = p->check(p->user, body, answer->body_len, err);

	return r < 0 ? err_wrap(err, r, "%s", p->subject.name) : 0;
}

static int post_once(struct subject *subject, uint64_t *ret_ns, struct err *err)
{
	struct post_subject *p = container_of(subject, struct post_subject, subject);
	struct answer answer;
	uint64_t begin, ns;
	int r;

	if (p->fd < 0) {
		r = post_connect(&p->target, err);
		if (r < 0)
			return err_wrap(err, r, "%s", subject->name);
		p->fd = r;
	}
	request_number(p);
	begin = clock_ns();
	r = request_send(p, err);
	if (r >= 0)
		r = answer_receive(p, &answer, err);
	ns = clock_ns() - begin;
	if (r < 0 || answer.close)
		post_close(p);
	if (r >= 0)
		r = answer_check(p, &answer, err);
	if (r >= 0)
		*ret_ns = ns;
	return r;
}

static void post_destroy(struct subject *subject)
{
	struct post_subject *p = container_of(subject, struct post_subject, subject);

	post_close(p);
	post_target_finish(&p->target);
	buf_finish(&p->received);
	free(p->subject.name);
	free(p);
}

static const struct subject_vtable post_vtable = { .once = post_once, .destroy = post_destroy };

int post_create(const char *name, const struct post_options *options, struct subject **ret, struct err *err)
{
	struct post_subject *p = calloc(1, sizeof(*p));
	struct timespec now;
	int r;

	if (!p)
		return err_set(err, -ENOMEM, "out of memory");
	*p = (struct post_subject){
		.subject = { .v = &post_vtable, .name = strdup(name) },
		.check = options->check,
		.user = options->user,
		.received = BUF_INIT(ANSWER_MAX),
		.fd = -1,
	};
	r = p->subject.name ? post_target_init(options, &p->target, err)
			    : err_set(err, -ENOMEM, "out of memory");
	if (r < 0) {
		post_destroy(&p->subject);
		return r;
	}
	/* Since 1970: another process's numbers are others, too. */
	clock_gettime(CLOCK_REALTIME, &now);
	p->number = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
	p->mark = memmem(p->target.request, p->target.request_len, POST_MARK, sizeof(POST_MARK) - 1);
	*ret = &p->subject;
	return 0;
}
