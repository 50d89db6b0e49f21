/* What the front may ask of sessions, and in which of their states. */
#include "keeper/keeper_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/statfs.h>

#define ALLOW(state) (1u << (state))

static int check_ttl(uint64_t ttl_ms, struct err *err)
{
	return ttl_ms == 0 || ttl_ms > KEEPER_SESSION_TTL_MS_MAX
		       ? err_set(err, -EINVAL, "the time of a session is out of bounds")
		       : 0;
}

int handle_session_open(struct keeper *k, const struct keeper_request *request, struct keeper_message *reply,
			struct err *err)
{
	static const uint8_t nothing[KEEPER_SESSION_ID_SIZE];
	int r = check_ttl(request->ttl_ms, err);

	if (r == 0 && memcmp(request->id, nothing, sizeof(nothing)) == 0)
		r = err_set(err, -EINVAL, "a session without an id");
	if (r == 0)
		r = session_open(k, request, err);
	return r < 0 ? r : -EINPROGRESS;
}

static int prolong(struct keeper *k, struct session *session, const struct keeper_request *request,
		   struct keeper_message *reply, struct err *err)
{
	int r = check_ttl(request->ttl_ms, err);

	if (r == 0)
		session_prolong(k, session, request->ttl_ms);
	return r;
}

static int finish(struct keeper *k, struct session *session, const struct keeper_request *request,
		  struct keeper_message *reply, struct err *err)
{
	session_finish(k, session);
	return 0;
}

static int weigh(struct keeper *k, struct session *session, const struct keeper_request *request,
		 struct keeper_message *reply, struct err *err)
{
	struct keeper_session_usage *usage = &reply->session_usage;
	struct statfs fs;

	cgroup_group_weigh(&session->group, &usage->memory_bytes, &usage->processes);
	if (fstatfs(session->files_fd, &fs) == 0)
		usage->disk_used_bytes = (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize;
	return 0;
}

static int end(struct keeper *k, struct session *session, const struct keeper_request *request,
	       struct keeper_message *reply, struct err *err)
{
	session_end(k, session, true);
	return -EINPROGRESS;
}

static const struct {
	enum keeper_op op;
	unsigned states;
	int (*handle)(struct keeper *k, struct session *session, const struct keeper_request *request,
		      struct keeper_message *reply, struct err *err);
} table[] = {
	{ KEEPER_SESSION_PROLONG, ALLOW(SESSION_OPEN) | ALLOW(SESSION_FINISHED), prolong },
	{ KEEPER_SESSION_FINISH, ALLOW(SESSION_OPEN), finish },
	{ KEEPER_SESSION_WEIGH, ALLOW(SESSION_OPEN) | ALLOW(SESSION_FINISHED), weigh },
	{ KEEPER_SESSION_CLOSE, ALLOW(SESSION_SETUP) | ALLOW(SESSION_OPEN) | ALLOW(SESSION_FINISHED), end },
};

static struct session *find(struct keeper *k, const struct keeper_request *request)
{
	struct session *session =
		request->session < k->sessions_count ? &k->sessions[request->session] : NULL;

	return session && session->generation == request->session_generation ? session : NULL;
}

int handle_session(struct keeper *k, const struct keeper_request *request, struct keeper_message *reply,
		   struct err *err)
{
	struct session *session = find(k, request);

	reply->slot = request->session;
	reply->generation = request->session_generation;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].op != request->op)
			continue;
		if (!session || !(table[i].states & ALLOW(session->state)))
			break;
		return table[i].handle(k, session, request, reply, err);
	}
	return err_set(err, -ESTALE, "session %u in its present state", request->session);
}

static uint64_t left_ms(const struct session *session)
{
	uint64_t now_us = keeper_now_us();

	return session->deadline_us > now_us ? (session->deadline_us - now_us) / 1000 : 0;
}

int handle_session_next(struct keeper *k, const struct keeper_request *request, struct keeper_message *reply,
			struct err *err)
{
	for (uint32_t i = request->session; i < k->sessions_count; i++) {
		struct session *session = &k->sessions[i];

		if (session->state != SESSION_OPEN && session->state != SESSION_FINISHED)
			continue;
		session->epoch = k->epoch;
		reply->slot = i;
		reply->generation = session->generation;
		reply->session_record = (struct keeper_session_record){
			.left_ms = left_ms(session),
			.session = i,
			.session_generation = session->generation,
			.finished = session->state == SESSION_FINISHED,
		};
		memcpy(reply->session_record.id, session->id, sizeof(session->id));
		return 0;
	}
	return err_set(err, -ENOENT, "no more sessions");
}

int handle_service_next(struct keeper *k, const struct keeper_request *request, struct keeper_message *reply,
			struct err *err)
{
	for (uint32_t i = request->slot; i < k->slots_count; i++) {
		struct slot *slot = &k->slots[i];

		if (!slot_outlives_front(slot))
			continue;
		slot->epoch = k->epoch;
		reply->slot = i;
		reply->generation = slot->generation;
		reply->session_record = (struct keeper_session_record){
			.session = (uint32_t)(slot->session - k->sessions),
			.session_generation = slot->session->generation,
			.number = slot->number,
			.limits = slot->limits,
		};
		keeper_send(k, reply, slot->front_fd);
		return -EINPROGRESS;
	}
	return err_set(err, -ENOENT, "no more services");
}

/* ---- members ---- */

int session_of_create(struct keeper *k, const struct keeper_request *request, struct session **ret,
		      struct err *err)
{
	*ret = NULL;
	if (!keeper_member_valid(request))
		return err_set(err, -EINVAL, "no such member of a session");
	if (request->member == KEEPER_MEMBER_NONE)
		return 0;
	*ret = find(k, request);
	return *ret ? 0 : err_set(err, -ESTALE, "no session %u", request->session);
}
