/* What the front may ask of sessions, and in which of their states: as keeper/session_requests.c. */
#include "engine/docker/sessions.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ALLOW(state) (1u << (state))

static bool is_good_ttl(uint64_t ttl_ms)
{
	return ttl_ms > 0 && ttl_ms <= KEEPER_SESSION_TTL_MS_MAX;
}

static struct keeper_message reply_to(const struct keeper_request *request)
{
	return (struct keeper_message){ .event = KEEPER_REPLY,
					.tag = request->tag,
					.slot = request->session,
					.generation = request->session_generation };
}

static void agree(struct docker *d, const struct keeper_request *request)
{
	struct keeper_message message = reply_to(request);

	if (request->tag)
		front_tell(d, &message, -1);
}

static void deny(struct docker *d, const struct keeper_request *request, int error, const char *why)
{
	struct keeper_message message = reply_to(request);

	message.error = error;
	snprintf(message.stage, sizeof(message.stage), "%s", why);
	if (request->tag)
		front_tell(d, &message, -1);
}

void handle_session_open(struct docker *d, const struct keeper_request *request)
{
	static const uint8_t nothing[KEEPER_SESSION_ID_SIZE];
	struct err err = ERR_INIT;
	int r = 0;

	if (!is_good_ttl(request->ttl_ms))
		r = err_set(&err, -EINVAL, "the time of a session is out of bounds");
	else if (memcmp(request->id, nothing, sizeof(nothing)) == 0)
		r = err_set(&err, -EINVAL, "a session without an id");
	else if (!d->host.up)
		r = err_set(&err, -EHOSTDOWN, "%s", d->host.why);
	if (r == 0)
		r = docker_session_open(d, request, &err);
	if (r < 0)
		deny(d, request, r, err.text);
}

static void prolong(struct docker *d, struct session *session, const struct keeper_request *request)
{
	if (!is_good_ttl(request->ttl_ms)) {
		deny(d, request, -EINVAL, "the time of a session is out of bounds");
		return;
	}
	docker_session_prolong(session, request->ttl_ms);
	agree(d, request);
}

static void finish(struct docker *d, struct session *session, const struct keeper_request *request)
{
	docker_session_finish(session);
	agree(d, request);
}

static void weigh(struct docker *d, struct session *session, const struct keeper_request *request)
{
	struct err err = ERR_INIT;
	int r = docker_session_weigh(session, request->tag, &err);

	if (r < 0)
		deny(d, request, r, err.text);
}

static void end(struct docker *d, struct session *session, const struct keeper_request *request)
{
	docker_session_close(session, true, "the session is over");
}

static const struct {
	enum keeper_op op;
	unsigned states;
	void (*handle)(struct docker *d, struct session *session, const struct keeper_request *request);
} table[] = {
	{ KEEPER_SESSION_PROLONG, ALLOW(SESSION_OPEN) | ALLOW(SESSION_FINISHED), prolong },
	{ KEEPER_SESSION_FINISH, ALLOW(SESSION_OPEN), finish },
	{ KEEPER_SESSION_WEIGH, ALLOW(SESSION_OPEN) | ALLOW(SESSION_FINISHED), weigh },
	{ KEEPER_SESSION_CLOSE, ALLOW(SESSION_SETUP) | ALLOW(SESSION_OPEN) | ALLOW(SESSION_FINISHED), end },
};

static struct session *find(struct docker *d, const struct keeper_request *request)
{
	struct session *session =
		request->session < d->sessions_count ? &d->sessions[request->session] : NULL;

	return session && session->generation == request->session_generation ? session : NULL;
}

void handle_session(struct docker *d, const struct keeper_request *request)
{
	struct session *session = find(d, request);

	for (size_t i = 0; session && i < ARRAY_LEN(table); i++) {
		if (table[i].op != request->op || !(table[i].states & ALLOW(session->state)))
			continue;
		table[i].handle(d, session, request);
		return;
	}
	deny(d, request, -ESTALE, "the session is not in that state");
}

void handle_session_next(struct docker *d, const struct keeper_request *request)
{
	struct keeper_message message = reply_to(request);
	uint64_t now_ms = uv_now(&d->loop);

	for (uint32_t i = request->session; i < d->sessions_count; i++) {
		const struct session *session = &d->sessions[i];

		if (session->state != SESSION_OPEN && session->state != SESSION_FINISHED)
			continue;
		message.slot = i;
		message.generation = session->generation;
		message.session_record = (struct keeper_session_record){
			.left_ms = session->deadline_ms > now_ms ? session->deadline_ms - now_ms : 0,
			.session = i,
			.session_generation = session->generation,
			.finished = session->state == SESSION_FINISHED,
		};
		memcpy(message.session_record.id, session->id, sizeof(session->id));
		front_tell(d, &message, -1);
		return;
	}
	message.error = -ENOENT;
	front_tell(d, &message, -1);
}

void handle_service_next(struct docker *d, const struct keeper_request *request)
{
	struct keeper_message message = reply_to(request);

	for (uint32_t i = request->slot; i < d->sandboxes_count; i++) {
		const struct slot *slot = &d->slots[i];

		if (!slot_outlives_front(slot))
			continue;
		message.slot = i;
		message.generation = slot->generation;
		message.session_record = (struct keeper_session_record){
			.session = slot->session->index,
			.session_generation = slot->session->generation,
			.number = slot->number,
			.limits = slot->limits,
		};
		front_tell(d, &message, slot->kept_fd);
		return;
	}
	message.error = -ENOENT;
	front_tell(d, &message, -1);
}

int docker_session_of_create(struct docker *d, const struct keeper_request *request, struct session **ret,
			     struct err *err)
{
	struct session *session;
	bool reads = request->member == KEEPER_MEMBER_FILES;

	*ret = NULL;
	if (!keeper_member_valid(request))
		return err_set(err, -EINVAL, "no such member of a session");
	if (request->member == KEEPER_MEMBER_NONE)
		return 0;
	session = find(d, request);
	if (!session)
		return err_set(err, -ESTALE, "no session %u", request->session);
	if (session->state != SESSION_OPEN && !(session->state == SESSION_FINISHED && reads))
		return err_set(err, -ESTALE, "the session is %s",
			       session->state == SESSION_FINISHED ? "finished" : "not open");
	if (!reads && docker_session_is_apart(d, images_find(d, request->digest)))
		return err_set(err, -ENOTSUP,
			       "the image runs under gVisor, where it would share nothing with the session");
	*ret = session;
	return 0;
}
