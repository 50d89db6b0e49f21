/*
 * What the front may ask, and in which state of a container: the same table as the native keeper's (keeper/requests.c).
 */
#include "engine/docker/sessions.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define ALLOW(state)	 (1u << (state))
#define SEND_PATIENCE_US 500000
#define STEP_MAX	 (1u << 20)

void front_tell(struct docker *d, const struct keeper_message *message, int fd)
{
	if (d->front_fd < 0)
		return;
	/* Waits half a second at the most; a front that does not read is none. */
	if (fd_send(d->front_fd, message, sizeof(*message), fd) != (ssize_t)sizeof(*message))
		shutdown(d->front_fd, SHUT_RDWR);
}

void docker_refuse(struct docker *d, const struct keeper_request *request, int error, const char *why)
{
	struct keeper_message message = {
		.event = KEEPER_REPLY,
		.tag = request->tag,
		.slot = request->slot,
		.generation = request->generation,
		.error = error,
	};

	snprintf(message.stage, sizeof(message.stage), "%s", why);
	front_tell(d, &message, -1);
}

void front_tell_host(struct docker *d, int fd)
{
	struct keeper_message message = { .event = KEEPER_EVENT_HOST, .error = d->host.up ? 0 : -EHOSTDOWN };

	host_hello(d, &message.hello);
	if (!d->host.up)
		snprintf(message.stage, sizeof(message.stage), "%s", d->host.why);
	front_tell(d, &message, fd);
	if (!d->hello_wanted)
		return;
	d->hello_wanted = false;
	message.event = KEEPER_REPLY;
	message.tag = d->hello_tag;
	message.error = 0;
	front_tell(d, &message, -1);
}

void front_tell_looked(struct docker *d, uint32_t tag)
{
	struct keeper_message message = { .event = KEEPER_EVENT_HOST,
					  .tag = tag,
					  .error = d->host.up ? 0 : -EHOSTDOWN };

	host_hello(d, &message.hello);
	if (!d->host.up)
		snprintf(message.stage, sizeof(message.stage), "%s", d->host.why);
	front_tell(d, &message, -1);
}

/* ---- the table ---- */

static void handle_hello(struct docker *d, struct slot *slot, const struct keeper_request *request)
{
	d->hello_wanted = true;
	d->hello_tag = request->tag;
	d->hello_ms = uv_now(&d->loop);
	/* What the daemon is and has is found out first, or that it is away. */
	if (d->asked_once)
		front_tell_host(d, images_memfd(d));
}

static bool limits_are_good(const struct limits *limits)
{
	for (int i = 0; i < LIMIT_COUNT; i++) {
		if (limits->value[i] < limit_table[i].minimum || limits->value[i] > INT64_MAX / 1000000)
			return false;
	}
	return true;
}

static void handle_create(struct docker *d, struct slot *slot, const struct keeper_request *request)
{
	/* Files of a session need no image. */
	bool image = request->image == KEEPER_IMAGE_STORED || request->member == KEEPER_MEMBER_FILES;
	struct session *session = NULL;
	struct err err = ERR_INIT;
	int r = docker_session_of_create(d, request, &session, &err);

	if (!limits_are_good(&request->limits) || !image || request->flags & ~KEEPER_FLAGS_ALL)
		docker_refuse(d, request, -EINVAL, "no such image, flag or limit");
	else if (r < 0)
		docker_refuse(d, request, r, err.text);
	else if (!d->host.up)
		docker_refuse(d, request, -EHOSTDOWN, d->host.why);
	else if (!slot_create(d, request, session) && !waiting_keep(d, request))
		docker_refuse(d, request, -EBUSY, "all containers that docker.containers allows are in use");
}

void request_create(struct docker *d, const struct keeper_request *request)
{
	handle_create(d, NULL, request);
}

static void handle_adopt(struct docker *d, struct slot *slot, const struct keeper_request *request)
{
	if (limits_are_good(&request->limits))
		slot_adopt(slot, request);
	else
		docker_refuse(d, request, -EINVAL, "a limit is out of bounds");
}

static void handle_step(struct docker *d, struct slot *slot, const struct keeper_request *request)
{
	if (slot->member == KEEPER_MEMBER_FILES)
		docker_refuse(d, request, -EPERM, "no step where all files of a session are");
	else if (limits_are_good(&request->limits) && request->step > 0 && request->step <= STEP_MAX)
		slot_step(slot, request);
	else
		docker_refuse(d, request, -EINVAL, "a limit or the step's number is out of bounds");
}

static void answer(struct slot *slot, const struct keeper_request *request)
{
	slot->tag = request->tag;
	slot_reply(slot, 0, "", -1);
}

/* Init counts: there is nothing to add here. */
static void handle_step_end(struct docker *d, struct slot *slot, const struct keeper_request *request)
{
	slot_step_end(slot);
	answer(slot, request);
}

static void handle_usage(struct docker *d, struct slot *slot, const struct keeper_request *request)
{
	answer(slot, request);
}

static void handle_destroy(struct docker *d, struct slot *slot, const struct keeper_request *request)
{
	slot_discard(slot);
}

static void handle_of_session(struct docker *d, struct slot *slot, const struct keeper_request *request)
{
	switch (request->op) {
	case KEEPER_SESSION_OPEN:
		if (limits_are_good(&request->limits))
			handle_session_open(d, request);
		else
			docker_refuse(d, request, -EINVAL, "a limit is out of bounds");
		break;
	case KEEPER_SESSION_NEXT:
		handle_session_next(d, request);
		break;
	case KEEPER_SERVICE_NEXT:
		handle_service_next(d, request);
		break;
	default:
		handle_session(d, request);
	}
}

static void handle_look(struct docker *d, struct slot *slot, const struct keeper_request *request)
{
	if (request->tag)
		images_look_for(d, request->tag);
	else
		docker_refuse(d, request, -EINVAL, "a request to look has a tag");
}

static void handle_unwanted(struct docker *d, struct slot *slot, const struct keeper_request *request)
{
	if (slots_give_up(d, request->tag))
		docker_refuse(d, request, -ECANCELED, "it is not wanted any more");
}

static const struct {
	bool needs_slot;
	unsigned states;
	void (*handle)(struct docker *d, struct slot *slot, const struct keeper_request *request);
} table[KEEPER_OP_COUNT] = {
	[KEEPER_HELLO] = { false, 0, handle_hello },
	[KEEPER_CREATE] = { false, 0, handle_create },
	[KEEPER_LOOK] = { false, 0, handle_look },
	[KEEPER_UNWANTED] = { false, 0, handle_unwanted },
	[KEEPER_SESSION_OPEN] = { false, 0, handle_of_session },
	[KEEPER_SESSION_PROLONG] = { false, 0, handle_of_session },
	[KEEPER_SESSION_FINISH] = { false, 0, handle_of_session },
	[KEEPER_SESSION_WEIGH] = { false, 0, handle_of_session },
	[KEEPER_SESSION_CLOSE] = { false, 0, handle_of_session },
	[KEEPER_SESSION_NEXT] = { false, 0, handle_of_session },
	[KEEPER_SERVICE_NEXT] = { false, 0, handle_of_session },
	[KEEPER_ADOPT] = { true, ALLOW(SLOT_READY), handle_adopt },
	[KEEPER_STEP] = { true, ALLOW(SLOT_READY), handle_step },
	[KEEPER_STEP_END] = { true, ALLOW(SLOT_RUNNING), handle_step_end },
	[KEEPER_USAGE] = { true, ALLOW(SLOT_READY), handle_usage },
	[KEEPER_DESTROY] = { true,
			     ALLOW(SLOT_QUEUED) | ALLOW(SLOT_MAKING) | ALLOW(SLOT_READY) |
				     ALLOW(SLOT_RUNNING) | ALLOW(SLOT_LOST),
			     handle_destroy },
};

static struct slot *find_slot(struct docker *d, const struct keeper_request *request)
{
	struct slot *slot = request->slot < d->sandboxes_count ? &d->slots[request->slot] : NULL;

	if (!slot || slot->generation != request->generation ||
	    !(table[request->op].states & ALLOW(slot->state)) ||
	    (slot->asked != ASKED_NOTHING && request->op != KEEPER_DESTROY))
		return NULL;
	return slot;
}

static void handle(struct docker *d, const struct keeper_request *request)
{
	struct slot *slot = NULL;

	if (request->op >= KEEPER_OP_COUNT || !table[request->op].handle) {
		docker_refuse(d, request, -EINVAL, "no such request");
		return;
	}
	if (table[request->op].needs_slot) {
		slot = find_slot(d, request);
		if (!slot && request->op == KEEPER_DESTROY)
			return; /* it has gone already */
		if (!slot) {
			docker_refuse(d, request, -ESTALE, "the container is not in that state");
			return;
		}
	}
	table[request->op].handle(d, slot, request);
}

/* ---- the socket ---- */

static void on_front(uv_poll_t *poll, int status, int events)
{
	struct docker *d = poll->data;
	struct keeper_request request;
	ssize_t n;

	while (d->front_fd >= 0) {
		n = recv(d->front_fd, &request, sizeof(request), MSG_DONTWAIT | MSG_TRUNC);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n != (ssize_t)sizeof(request)) {
			requests_end(d);
			front_lost(d);
			return;
		}
		handle(d, &request);
	}
}

static void on_closed(uv_handle_t *handle)
{
	((struct docker *)handle->data)->handles--;
	free(handle);
}

int requests_begin(struct docker *d, int front_fd, struct err *err)
{
	const struct timeval patience = { .tv_usec = SEND_PATIENCE_US };
	uv_poll_t *poll;
	int r;

	d->front_fd = front_fd;
	if (setsockopt(front_fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return err_set(err, -errno, "the front's socket");
	poll = malloc(sizeof(*poll));
	if (!poll)
		return err_set(err, -ENOMEM, "watch the front's socket");
	r = uv_poll_init(&d->loop, poll, front_fd);
	if (r < 0) {
		free(poll);
		return err_set(err, r, "the front's socket");
	}
	poll->data = d;
	d->front_poll = poll;
	d->handles++;
	r = uv_poll_start(poll, UV_READABLE, on_front);
	return r < 0 ? err_set(err, r, "the front's socket") : 0;
}

void requests_end(struct docker *d)
{
	if (d->front_fd < 0)
		return;
	if (d->front_poll)
		uv_close((uv_handle_t *)d->front_poll, on_closed);
	d->front_poll = NULL;
	close(d->front_fd);
	d->front_fd = -1;
	d->hello_wanted = false;
	d->look_wanted = d->look_under_way = 0;
	d->waiting_count = 0;
}
