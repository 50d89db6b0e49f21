#include "cmd/stream.h"

#include "base/cleanup.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#define SOURCE_CHUNK 65536

struct sink {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int fd;
	uv_async_t *wake;
	uint8_t *data; /* SINK_MAX bytes of address space, a ring */
	size_t head, used;
	int failure; /* negative errno, 0 while all is well */
	bool ending;
};

struct source {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int fd;
	uv_async_t *wake;
	uint8_t data[SOURCE_CHUNK];
	size_t start, end; /* what was read and not taken */
	size_t credit;
	bool eof;
	bool forgotten; /* the owner has gone: the thread frees it */
	bool ended;	/* the thread has gone: the owner frees it */
};

/* Threads take no signals: those are the loop's. */
static int thread_start(pthread_t *thread, void *(*body)(void *), void *arg, struct err *err)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(thread, NULL, body, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r == 0 ? 0 : err_set(err, -r, "thread for a stream");
}

/* An inherited descriptor may be non-blocking: waits until it is worth another try. */
static bool worth_retry(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	if (errno == EINTR)
		return true;
	return errno == EAGAIN && poll(&p, 1, -1) >= 0;
}

static ssize_t write_some(int fd, const uint8_t *data, size_t len)
{
	ssize_t n;

	do {
		n = write(fd, data, len);
	} while (n < 0 && worth_retry(fd, POLLOUT));
	return n < 0 ? -errno : n;
}

static ssize_t read_some(int fd, uint8_t *data, size_t len)
{
	ssize_t n;

	do {
		n = read(fd, data, len);
	} while (n < 0 && worth_retry(fd, POLLIN));
	return n < 0 ? -errno : n;
}

static void *sink_body(void *arg)
{
	struct sink *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		size_t len;
		ssize_t n;

		while (s->used == 0 && !s->ending)
			pthread_cond_wait(&s->changed, &s->lock);
		if (s->used == 0 || s->failure)
			break;
		len = s->used < SINK_MAX - s->head ? s->used : SINK_MAX - s->head;
		pthread_mutex_unlock(&s->lock);
		n = write_some(s->fd, s->data + s->head, len);
		pthread_mutex_lock(&s->lock);
		if (n < 0) {
			s->failure = (int)n;
			s->used = 0;
			if (s->wake)
				uv_async_send(s->wake);
		} else {
			s->head = (s->head + (size_t)n) % SINK_MAX;
			s->used -= (size_t)n;
		}
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void sink_free(struct sink *s)
{
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
	free(s->data);
	free(s);
}

int sink_create(int fd, uv_async_t *wake, struct sink **ret, struct err *err)
{
	struct sink *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "stream");
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->fd = fd;
	s->wake = wake;
	s->data = malloc(SINK_MAX);
	r = s->data ? thread_start(&s->thread, sink_body, s, err) : err_set(err, -ENOMEM, "stream");
	if (r < 0) {
		sink_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void sink_write(struct sink *s, const uint8_t *data, size_t len)
{
	pthread_mutex_lock(&s->lock);
	while (len > 0) {
		size_t tail, n;

		while (s->used == SINK_MAX && !s->failure)
			pthread_cond_wait(&s->changed, &s->lock);
		if (s->failure)
			break;
		tail = (s->head + s->used) % SINK_MAX;
		n = SINK_MAX - s->used;
		n = n < SINK_MAX - tail ? n : SINK_MAX - tail;
		n = n < len ? n : len;
		memcpy(s->data + tail, data, n);
		s->used += n;
		data += n;
		len -= n;
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
}

bool sink_broken(struct sink *s)
{
	bool broken;

	pthread_mutex_lock(&s->lock);
	broken = s->failure != 0;
	pthread_mutex_unlock(&s->lock);
	return broken;
}

void sink_detach(struct sink *s)
{
	pthread_mutex_lock(&s->lock);
	s->wake = NULL;
	pthread_mutex_unlock(&s->lock);
}

int sink_finish(struct sink *s)
{
	int failure;

	if (!s)
		return 0;
	pthread_mutex_lock(&s->lock);
	s->ending = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	failure = s->failure;
	sink_free(s);
	return failure;
}

static void source_free(struct source *s)
{
	if (s->fd > STDIN_FILENO)
		close(s->fd);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
	free(s);
}

static void *source_body(void *arg)
{
	struct source *s = arg;
	bool mine;

	pthread_mutex_lock(&s->lock);
	while (!s->eof && !s->forgotten) {
		size_t len;
		ssize_t n;

		if (s->credit == 0 || s->start < s->end) {
			pthread_cond_wait(&s->changed, &s->lock);
			continue;
		}
		len = s->credit < SOURCE_CHUNK ? s->credit : SOURCE_CHUNK;
		pthread_mutex_unlock(&s->lock);
		n = read_some(s->fd, s->data, len);
		pthread_mutex_lock(&s->lock);
		s->start = 0;
		s->end = n > 0 ? (size_t)n : 0;
		s->credit -= s->end;
		s->eof = n <= 0;
		if (s->wake)
			uv_async_send(s->wake);
	}
	s->ended = true;
	mine = s->forgotten;
	pthread_mutex_unlock(&s->lock);
	if (mine)
		source_free(s);
	return NULL;
}

int source_create(int fd, uv_async_t *wake, struct source **ret, struct err *err)
{
	struct source *s = calloc(1, sizeof(*s));
	pthread_t thread;
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "stream");
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->fd = fd;
	s->wake = wake;
	r = thread_start(&thread, source_body, s, err);
	if (r < 0) {
		s->fd = -1; /* stays the caller's */
		source_free(s);
		return r;
	}
	pthread_detach(thread);
	*ret = s;
	return 0;
}

void source_want(struct source *s, size_t len)
{
	pthread_mutex_lock(&s->lock);
	s->credit += len;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

size_t source_take(struct source *s, uint8_t *buf, size_t size, bool *ret_eof)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->end - s->start < size ? s->end - s->start : size;
	memcpy(buf, s->data + s->start, n);
	s->start += n;
	*ret_eof = s->eof && s->start == s->end;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return n;
}

void source_destroy(struct source *s)
{
	bool mine;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->wake = NULL;
	s->forgotten = true;
	mine = s->ended;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (mine)
		source_free(s);
}
