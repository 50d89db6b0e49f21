/*
 * The table of what the front may ask, and in which state of the sandbox. All that a compromised front can do
 * is in here.
 */
#include "keeper/keeper_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ALLOW(state) (1u << (state))

typedef int (*request_fn)(struct keeper *k, struct slot *slot, const struct keeper_request *request,
			  struct keeper_message *reply, struct err *err);

static int handle_hello(struct keeper *k, struct slot *slot, const struct keeper_request *request,
			struct keeper_message *reply, struct err *err)
{
	const struct cgroup_host *c = &k->cgroups;

	reply->hello = (struct keeper_hello){
		.version = KEEPER_VERSION,
		.slots = k->slots_count,
		.privileged = k->privileged,
		.cgroup_version = (uint8_t)c->version,
		.memory = c->memory,
		.cpu = c->cpu,
		.pids = c->pids,
		.cpu_time = c->cpu_time,
		.swap_limited = c->swap_limited,
		.separate_uids = k->privileged || k->idmap.ranges,
		.overlay = k->overlay,
		.leftovers = c->leftovers,
		.lost = k->lost,
		.sessions = k->sessions_count,
		.sessions_open = sessions_open(k),
	};
	memcpy(reply->hello.cgroup_path, c->path, sizeof(reply->hello.cgroup_path));
	return 0;
}

static int check_limits(const struct limits *limits, struct err *err)
{
	for (int i = 0; i < LIMIT_COUNT; i++) {
		if (limits->value[i] < limit_table[i].minimum || limits->value[i] > INT64_MAX / 1000000)
			return err_set(err, -EINVAL, "limit %s is out of bounds", limit_table[i].name);
	}
	return 0;
}

/*
 * Ids inside choose no id of the host: to those its slot has, or its session. 0 is init's; and a session's run is one
 * of many users, of whom none may be beyond the end, or in init's group.
 */
static int check_ids(const struct keeper_request *request, struct err *err)
{
	bool many = request->member == KEEPER_MEMBER_RUN || request->member == KEEPER_MEMBER_FILES;
	uint32_t most = KEEPER_ID_MAX - (many ? KEEPER_SESSION_UIDS : 0);

	if (request->uid == 0 || request->uid > most || request->gid > most || (many && request->gid == 0))
		return err_set(err, -EINVAL, "no sandbox can have the user %u:%u", request->uid,
			       request->gid);
	return 0;
}

/* The answer comes later, from the slot. */
static int handle_create(struct keeper *k, struct slot *slot, const struct keeper_request *request,
			 struct keeper_message *reply, struct err *err)
{
	struct session *session = NULL;
	int r = check_limits(&request->limits, err);

	if (r < 0)
		return r;
	if (request->image > KEEPER_IMAGE_STORED || request->flags & ~KEEPER_FLAGS_ALL)
		return err_set(err, -EINVAL, "no such image or flag");
	r = check_ids(request, err);
	if (r == 0)
		r = session_of_create(k, request, &session, err);
	if (r < 0)
		return r;
	r = slot_create(k, request, session, err);
	return r < 0 ? r : -EINPROGRESS;
}

static int handle_adopt(struct keeper *k, struct slot *slot, const struct keeper_request *request,
			struct keeper_message *reply, struct err *err)
{
	int r = check_limits(&request->limits, err);

	return r < 0 ? r : slot_adopt(k, slot, &request->limits, err);
}

static int handle_step(struct keeper *k, struct slot *slot, const struct keeper_request *request,
		       struct keeper_message *reply, struct err *err)
{
	int r = check_limits(&request->limits, err);

	if (r == 0 && (request->step == 0 || request->step > 1u << 20))
		r = err_set(err, -EINVAL, "step number out of bounds");
	if (r == 0 && slot->member == KEEPER_MEMBER_FILES)
		r = err_set(err, -EPERM, "no step where all files of a session are");
	return r < 0 ? r : slot_step(k, slot, request, err);
}

static int handle_step_end(struct keeper *k, struct slot *slot, const struct keeper_request *request,
			   struct keeper_message *reply, struct err *err)
{
	slot_step_end(k, slot, &reply->usage);
	return 0;
}

static int handle_usage(struct keeper *k, struct slot *slot, const struct keeper_request *request,
			struct keeper_message *reply, struct err *err)
{
	cgroup_box_weigh(&slot->box, &reply->usage);
	return 0;
}

static int handle_destroy(struct keeper *k, struct slot *slot, const struct keeper_request *request,
			  struct keeper_message *reply, struct err *err)
{
	slot_kill(k, slot, true);
	return -EINPROGRESS;
}

static int open_session(struct keeper *k, struct slot *slot, const struct keeper_request *request,
			struct keeper_message *reply, struct err *err)
{
	int r = check_limits(&request->limits, err);

	return r < 0 ? r : handle_session_open(k, request, reply, err);
}

static int ask_session(struct keeper *k, struct slot *slot, const struct keeper_request *request,
		       struct keeper_message *reply, struct err *err)
{
	return handle_session(k, request, reply, err);
}

static int next_session(struct keeper *k, struct slot *slot, const struct keeper_request *request,
			struct keeper_message *reply, struct err *err)
{
	return handle_session_next(k, request, reply, err);
}

static int next_service(struct keeper *k, struct slot *slot, const struct keeper_request *request,
			struct keeper_message *reply, struct err *err)
{
	return handle_service_next(k, request, reply, err);
}

static const struct {
	const char *name;
	bool needs_slot;
	unsigned states;
	request_fn handle;
} table[KEEPER_OP_COUNT] = {
	[KEEPER_HELLO] = { "hello", false, 0, handle_hello },
	[KEEPER_CREATE] = { "create", false, 0, handle_create },
	[KEEPER_ADOPT] = { "adopt", true, ALLOW(SLOT_READY), handle_adopt },
	[KEEPER_STEP] = { "step", true, ALLOW(SLOT_READY), handle_step },
	[KEEPER_STEP_END] = { "step end", true, ALLOW(SLOT_RUNNING), handle_step_end },
	[KEEPER_USAGE] = { "usage", true, ALLOW(SLOT_READY), handle_usage },
	[KEEPER_DESTROY] = { "destroy", true, ALLOW(SLOT_READY) | ALLOW(SLOT_RUNNING) | ALLOW(SLOT_SETUP),
			     handle_destroy },
	[KEEPER_SESSION_OPEN] = { "session", false, 0, open_session },
	[KEEPER_SESSION_PROLONG] = { "prolong", false, 0, ask_session },
	[KEEPER_SESSION_FINISH] = { "finish", false, 0, ask_session },
	[KEEPER_SESSION_WEIGH] = { "weigh", false, 0, ask_session },
	[KEEPER_SESSION_CLOSE] = { "close", false, 0, ask_session },
	[KEEPER_SESSION_NEXT] = { "next session", false, 0, next_session },
	[KEEPER_SERVICE_NEXT] = { "next service", false, 0, next_service },
};

static int find_slot(struct keeper *k, const struct keeper_request *request, struct slot **ret,
		     struct err *err)
{
	struct slot *slot;

	if (request->slot >= k->slots_count)
		return err_set(err, -ENOENT, "no sandbox %u", request->slot);
	slot = &k->slots[request->slot];
	if (slot->generation != request->generation || !(table[request->op].states & ALLOW(slot->state)))
		return err_set(err, -ESTALE, "%s of sandbox %u in its present state", table[request->op].name,
			       request->slot);
	*ret = slot;
	return 0;
}

void request_handle(struct keeper *k, const struct keeper_request *request)
{
	struct keeper_message reply = {
		.event = KEEPER_REPLY,
		.tag = request->tag,
		.slot = request->slot,
		.generation = request->generation,
	};
	struct err err = ERR_INIT;
	struct slot *slot = NULL;
	int r = 0;

	if (request->op >= KEEPER_OP_COUNT || !table[request->op].handle || request->reserved)
		r = err_set(&err, -EINVAL, "unknown request %u", request->op);
	if (r == 0 && table[request->op].needs_slot)
		r = find_slot(k, request, &slot, &err);
	if (r == 0)
		r = table[request->op].handle(k, slot, request, &reply, &err);
	if (r == -EINPROGRESS)
		return;
	reply.error = r;
	if (r < 0)
		snprintf(reply.stage, sizeof(reply.stage), "%.63s", err.text);
	keeper_send(k, &reply, -1);
}
