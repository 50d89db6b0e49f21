/*
 * The front's end of the keeper's socket: requests with tags, replies and events.
 */
#include "engine/native/native_session.h"

#include "base/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void link_lost(struct keeper_link *link);

void link_open(struct keeper_link *link, struct native *native, int fd)
{
	*link = (struct keeper_link){ .native = native, .fd = fd, .next_tag = 1 };
	link->unsent_last = &link->unsent;
}

/* One message with at most one descriptor, else -1. Returns 1, 0 (nothing now), or a negative errno. */
static int receive(struct keeper_link *link, int flags, struct keeper_message *ret, int *ret_fd)
{
	ssize_t n = fd_receive(link->fd, ret, sizeof(*ret), flags, ret_fd);

	if (n < 0)
		return n == -EAGAIN || n == -EINTR ? 0 : (int)n;
	if ((size_t)n != sizeof(*ret)) {
		if (*ret_fd >= 0)
			close(*ret_fd);
		return n == 0 ? -EPIPE : -EPROTO;
	}
	ret->stage[sizeof(ret->stage) - 1] = '\0';
	return 1;
}

static void handle_event(struct keeper_link *link, const struct keeper_message *message);

int link_ask(struct keeper_link *link, const struct keeper_request *request, struct keeper_message *ret,
	     int *ret_fd, struct err *err)
{
	int r;

	if (send(link->fd, request, sizeof(*request), MSG_NOSIGNAL) < 0)
		return err_set(err, -errno, "ask the keeper");
	for (;;) {
		r = receive(link, 0, ret, ret_fd);
		if (r < 0)
			return err_set(err, r, "hear the keeper");
		if (r > 0 && ret->event == KEEPER_REPLY && ret->tag == request->tag)
			return 0;
		/* What an earlier front had asked. */
		if (r > 0 && ret->event == KEEPER_REPLY && *ret_fd >= 0)
			close(*ret_fd);
		if (r > 0 && ret->event == KEEPER_EVENT_HOST)
			native_host_changed(link->native, ret, *ret_fd);
		else if (r > 0)
			handle_event(link, ret);
	}
}

int link_hello(struct keeper_link *link, struct keeper_hello *ret, struct err *err)
{
	struct keeper_request request = { .op = KEEPER_HELLO };
	struct keeper_message reply;
	int fd, r = link_ask(link, &request, &reply, &fd, err);

	if (r < 0)
		return err_wrap(err, r, "the keeper did not start");
	if (fd >= 0)
		close(fd);
	if (reply.error || reply.hello.version != KEEPER_VERSION)
		return err_set(err, -EPROTO, "the keeper speaks another version");
	*ret = reply.hello;
	ret->cgroup_path[sizeof(ret->cgroup_path) - 1] = '\0';
	return 0;
}

static void handle_session_reply(struct keeper_link *link, const struct pending *p,
				 const struct keeper_message *message)
{
	struct keeper_request request = { .op = KEEPER_SESSION_CLOSE,
					  .session = message->slot,
					  .session_generation = message->generation };
	int r;

	if (p->session) {
		session_enter(p->session);
		p->session_reply(p->session, message);
		session_leave(p->session);
	} else if (message->error == 0) {
		r = link_send(link, &request, NULL, NULL);
		(void)r; /* the keeper is gone */
	}
}

static void handle_reply(struct keeper_link *link, const struct keeper_message *message, int fd)
{
	for (struct pending **at = &link->pending; *at; at = &(*at)->next) {
		struct pending *p = *at;

		if (p->tag != message->tag)
			continue;
		*at = p->next;
		if (p->session || p->opens) {
			handle_session_reply(link, p, message);
		} else if (p->sb) {
			sandbox_enter(p->sb);
			p->reply(p->sb, message, fd);
			sandbox_leave(p->sb);
		} else if (fd >= 0) {
			/* Created for somebody who has gone: end it again. */
			struct keeper_request request = {
				.op = KEEPER_DESTROY,
				.slot = message->slot,
				.generation = message->generation,
			};
			int r = link_send(link, &request, NULL, NULL);

			(void)r;
			close(fd);
		}
		free(p);
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void handle_event(struct keeper_link *link, const struct keeper_message *message)
{
	struct sandbox *sb = message->slot < KEEPER_SLOTS_MAX ? link->native->by_slot[message->slot] : NULL;

	if (message->event == KEEPER_EVENT_SESSION_GONE) {
		session_on_gone(link->native, message);
		return;
	}
	if (!sb || sb->generation != message->generation)
		return;
	sandbox_enter(sb);
	sandbox_on_message(sb, message);
	sandbox_leave(sb);
}

static void read_messages(struct keeper_link *link)
{
	struct keeper_message message;
	int fd, r;

	while (!link->lost && (r = receive(link, MSG_DONTWAIT, &message, &fd)) != 0) {
		if (r < 0) {
			link_lost(link);
			return;
		}
		if (message.event == KEEPER_REPLY)
			handle_reply(link, &message, fd);
		else if (message.event == KEEPER_EVENT_HOST)
			native_host_changed(link->native, &message, fd);
		else
			handle_event(link, &message);
	}
}

/* 1: gone, 0: the keeper's queue is full, or a negative errno. */
static int send_now(struct keeper_link *link, const struct keeper_request *request)
{
	ssize_t n;

	do {
		n = send(link->fd, request, sizeof(*request), MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 1;
	return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

static void drop_first_unsent(struct keeper_link *link)
{
	struct unsent *first = link->unsent;

	link->unsent = first->next;
	if (!link->unsent)
		link->unsent_last = &link->unsent;
	free(first);
}

/* A broken socket is noticed, and told, by reading. */
static void send_unsent(struct keeper_link *link)
{
	while (link->unsent && send_now(link, &link->unsent->request) != 0)
		drop_first_unsent(link);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct keeper_link *link = poll->data;

	if (events & UV_WRITABLE)
		send_unsent(link);
	if (status < 0 || events & UV_READABLE)
		read_messages(link);
	if (!link->lost)
		uv_poll_start(&link->poll, UV_READABLE | (link->unsent ? UV_WRITABLE : 0), on_poll);
}

static void on_closed(uv_handle_t *handle)
{
	struct keeper_link *link = handle->data;

	link->native->handles--;
}

int link_watch(struct keeper_link *link, struct err *err)
{
	int r = uv_poll_init(link->native->loop, &link->poll, link->fd);

	if (r < 0)
		return err_set(err, r, "watch the keeper");
	link->poll.data = link;
	link->native->handles++;
	r = uv_poll_start(&link->poll, UV_READABLE, on_poll);
	return r < 0 ? err_set(err, r, "watch the keeper") : 0;
}

static int send_or_queue(struct keeper_link *link, const struct keeper_request *request)
{
	int r = link->unsent ? 0 : send_now(link, request);
	struct unsent *unsent;

	if (r != 0)
		return r < 0 ? r : 0;
	unsent = malloc(sizeof(*unsent));
	if (!unsent)
		return -ENOMEM;
	*unsent = (struct unsent){ .request = *request };
	*link->unsent_last = unsent;
	link->unsent_last = &unsent->next;
	uv_poll_start(&link->poll, UV_READABLE | UV_WRITABLE, on_poll);
	return 0;
}

/* `reply` is where the answer goes; without a function nobody waits for one. */
static int send_expecting(struct keeper_link *link, struct keeper_request *request,
			  const struct pending *reply)
{
	struct pending *p = NULL, **at;
	int r;

	if (link->lost)
		return -EPIPE;
	sandboxes_leave(link->native);
	if (reply->reply || reply->session_reply) {
		p = malloc(sizeof(*p));
		if (!p)
			return -ENOMEM;
		*p = *reply;
		request->tag = p->tag = link->next_tag++;
		if (link->next_tag == 0)
			link->next_tag = 1;
	}
	r = send_or_queue(link, request);
	if (r < 0) {
		free(p);
		return r;
	}
	for (at = &link->pending; p && *at; at = &(*at)->next)
		;
	if (p)
		*at = p;
	return 0;
}

int link_send(struct keeper_link *link, struct keeper_request *request, struct sandbox *sb,
	      link_reply_fn reply)
{
	return send_expecting(link, request, &(struct pending){ .sb = sb, .reply = reply });
}

int link_send_session(struct keeper_link *link, struct keeper_request *request, struct session *session,
		      link_session_fn reply)
{
	const struct pending expected = { .session = session,
					  .session_reply = reply,
					  .opens = request->op == KEEPER_SESSION_OPEN };

	return send_expecting(link, request, &expected);
}

void link_forget_session(struct keeper_link *link, struct session *session)
{
	for (struct pending *p = link->pending; p; p = p->next) {
		if (p->session == session)
			p->session = NULL;
	}
}

void link_forget(struct keeper_link *link, struct sandbox *sb)
{
	struct keeper_request request = { .op = KEEPER_UNWANTED };
	int r;

	for (struct pending *p = link->pending; p; p = p->next) {
		if (p->sb != sb)
			continue;
		p->sb = NULL;
		/* Somebody else takes seconds to make one, and has room for so many: others need not wait for it. */
		if (!link->native->host.contained || sb->has_slot)
			continue;
		request.tag = p->tag;
		r = link_send(link, &request, NULL, NULL);
		(void)r; /* the keeper is gone */
	}
}

static void link_lost(struct keeper_link *link)
{
	struct native *native = link->native;
	struct err err = ERR_INIT;
	struct sandbox *sb, *next;

	link->lost = true;
	uv_poll_stop(&link->poll);
	err_set(&err, -EPIPE, "the keeper died");
	/* Destroying one in its callback may take it off the list; each is held while it is told. */
	for (sb = native->sandboxes; sb; sb = next) {
		sandbox_enter(sb);
		sandbox_fail(sb, &err);
		next = sb->next;
		sandbox_leave(sb);
	}
	sessions_lost(native, &err);
	if (native->on_looked)
		native->on_looked(native->on_looked_user, UINT32_MAX);
	if (native->on_lost)
		native->on_lost(native->on_lost_user);
}

void link_close(struct keeper_link *link)
{
	while (link->pending) {
		struct pending *next = link->pending->next;

		free(link->pending);
		link->pending = next;
	}
	while (link->unsent)
		drop_first_unsent(link);
	if (link->poll.data)
		uv_close((uv_handle_t *)&link->poll, on_closed);
	close(link->fd);
	link->fd = -1;
}
