#include "base/cleanup.h"
#include "keeper/keeper_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define SLOTS	 5 /* one in each state but FREE, and a service: nothing can be made */
#define SESSIONS 4 /* likewise; what ends does not get free, since its child is not heard of any more */
#define NO_PID	 0x7fffffff

enum { SETTING_UP, OPEN_ONE, FINISHED_ONE, ENDING_ONE };

static void arrange_sessions(struct keeper *k, struct session *sessions)
{
	static const enum session_state states[SESSIONS] = { SESSION_SETUP, SESSION_OPEN, SESSION_FINISHED,
							     SESSION_ENDING };

	for (int i = 0; i < SESSIONS; i++)
		sessions[i] = (struct session){ .state = states[i],
						.generation = 1,
						.deadline_us = UINT64_MAX,
						.id = { (uint8_t)(i + 1) },
						.mounts_fd = -1,
						.network_fd = -1,
						.files_fd = -1,
						.sync_fd = -1,
						.pid_fd = NO_PID,
						.group = { .host = &k->cgroups } };
	k->sessions = sessions;
	k->sessions_count = SESSIONS;
	k->sessions_due_us = UINT64_MAX;
	/* A run and a service are in the open one. */
	for (int i = 1; i < SLOTS; i += 3) {
		k->slots[i].session = &sessions[OPEN_ONE];
		k->slots[i].member = i == 1 ? KEEPER_MEMBER_RUN : KEEPER_MEMBER_SERVICE;
		sessions[OPEN_ONE].members++;
	}
}

static void arrange(struct keeper *k, struct slot *slots, struct session *sessions)
{
	static const enum slot_state states[SLOTS] = { SLOT_SETUP, SLOT_READY, SLOT_RUNNING, SLOT_DYING,
						       SLOT_RUNNING };

	for (int i = 0; i < SLOTS; i++)
		slots[i] = (struct slot){ .state = states[i],
					  .generation = 1,
					  .pid_fd = -1,
					  .image_fd = -1,
					  .sync_fd = -1,
					  .front_fd = -1,
					  .disk_fd = -1,
					  .net_fd = -1,
					  .box = CGROUP_BOX_NONE };
	*k = (struct keeper){ .slots = slots,
			      .slots_count = SLOTS,
			      .live = SLOTS,
			      .socket_fd = -1,
			      .epoll_fd = -1,
			      .signal_fd = -1 };
	arrange_sessions(k, sessions);
}

/* A session goes only on, and what has ended stays so. */
static void check_session(const struct session *before, const struct session *after,
			  const struct keeper_request *request)
{
	assert(after->generation == 1 && after->state >= before->state);
	if (before->state == after->state)
		return;
	assert(before->state != SESSION_ENDING);
	assert((request->op == KEEPER_SESSION_FINISH && before->state == SESSION_OPEN &&
		after->state == SESSION_FINISHED) ||
	       (request->op == KEEPER_SESSION_CLOSE && after->state == SESSION_ENDING));
}

/* Requests for sessions: how many of them changed, and what of their members may have with them. */
static unsigned check_sessions(const struct keeper *k, const struct session *before,
			       const struct keeper_request *request)
{
	unsigned changed = 0;

	for (uint32_t i = 0; i < SESSIONS; i++) {
		check_session(&before[i], &k->sessions[i], request);
		if (before[i].state == k->sessions[i].state)
			continue;
		assert(request->session == i && request->session_generation == 1 && !request->reserved);
		changed++;
	}
	assert(k->sessions[OPEN_ONE].members == 2);
	return changed;
}

/* A slot may go only where its state lets it, and never to another generation. */
static void check_move(const struct slot *before, const struct slot *after)
{
	static const unsigned to[SLOT_STATE_COUNT] = {
		[SLOT_SETUP] = 1u << SLOT_DYING,
		[SLOT_READY] = 1u << SLOT_RUNNING | 1u << SLOT_DYING,
		[SLOT_RUNNING] = 1u << SLOT_READY | 1u << SLOT_DYING,
	};

	assert(after->generation == before->generation);
	assert(after->state == before->state || to[before->state] & 1u << after->state);
	assert((after->link_active != NULL) ==
		       (after->state == SLOT_RUNNING && before->state != SLOT_RUNNING &&
			after->member != KEEPER_MEMBER_SERVICE) ||
	       after->state == before->state);
}

static bool is_of_sessions(uint32_t op)
{
	return op >= KEEPER_SESSION_OPEN && op <= KEEPER_SERVICE_NEXT;
}

/* What is answered to a request for sessions: at most one message, and none to CLOSE. */
static void check_session_answer(const struct keeper_request *request, int front_fd, unsigned changed)
{
	struct keeper_message reply;
	ssize_t n = recv(front_fd, &reply, sizeof(reply), MSG_DONTWAIT);

	if (n < 0) {
		assert(request->op == KEEPER_SESSION_CLOSE && changed == 1);
		return;
	}
	assert(n == (ssize_t)sizeof(reply) && reply.event == KEEPER_REPLY && reply.tag == request->tag);
	assert(reply.error <= 0 && memchr(reply.stage, '\0', sizeof(reply.stage)));
	assert(request->op != KEEPER_SESSION_OPEN || reply.error < 0);
	assert(request->op != KEEPER_SESSION_CLOSE || reply.error < 0);
	assert(recv(front_fd, &reply, sizeof(reply), MSG_DONTWAIT) < 0);
}

/* As KEEPER_CREATE is refused before anything is looked for; a run of a session has the ids behind it too. */
static bool may_be_user(const struct keeper_request *request)
{
	bool many = request->member == KEEPER_MEMBER_RUN || request->member == KEEPER_MEMBER_FILES;
	uint32_t most = many ? KEEPER_ID_MAX - KEEPER_SESSION_UIDS : KEEPER_ID_MAX;

	return request->uid && request->uid <= most && request->gid <= most && (request->gid || !many);
}

static void check_request(struct keeper *k, const struct keeper_request *request, int front_fd)
{
	struct session sessions[SESSIONS];
	struct slot before[SLOTS];
	struct keeper_message reply;
	unsigned moved = 0, changed;
	ssize_t n;

	memcpy(before, k->slots, sizeof(before));
	memcpy(sessions, k->sessions, sizeof(sessions));
	request_handle(k, request);
	changed = check_sessions(k, sessions, request);
	for (uint32_t i = 0; i < SLOTS; i++) {
		check_move(&before[i], &k->slots[i]);
		if (before[i].state == k->slots[i].state)
			continue;
		if (is_of_sessions(request->op)) {
			assert(changed && k->slots[i].session == &k->sessions[OPEN_ONE] &&
			       k->slots[i].state == SLOT_DYING);
			continue;
		}
		assert(request->slot == i && request->generation == 1 && !request->reserved);
		moved++;
	}
	assert(moved <= 1 && k->live == SLOTS);
	if (is_of_sessions(request->op)) {
		check_session_answer(request, front_fd, changed);
		return;
	}
	assert(changed == 0);
	n = recv(front_fd, &reply, sizeof(reply), MSG_DONTWAIT);
	if (n < 0) { /* only a sandbox's destruction is answered later */
		assert(errno == EAGAIN && moved == 1 && request->op == KEEPER_DESTROY);
		return;
	}
	assert(n == (ssize_t)sizeof(reply) && reply.event == KEEPER_REPLY && reply.tag == request->tag);
	assert(reply.error <= 0);
	if (request->op == KEEPER_HELLO)
		assert(reply.error == (request->reserved ? -EINVAL : 0));
	else if (request->op == KEEPER_ADOPT ||
		 request->op == KEEPER_USAGE) /* of one that waits, which it goes on to do */
		assert(moved == 0 && (reply.error < 0 || before[request->slot].state == SLOT_READY));
	else
		assert((reply.error < 0) == (moved == 0));
	if (request->op == KEEPER_CREATE)
		assert(may_be_user(request) || reply.error == -EINVAL);
	assert(memchr(reply.stage, '\0', sizeof(reply.stage)));
	assert(recv(front_fd, &reply, sizeof(reply), MSG_DONTWAIT) < 0);
}

/* The input is one request after the other, as they lie in memory; a rest that is none is left out. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct keeper_request request;
	struct session sessions[SESSIONS];
	struct slot slots[SLOTS];
	struct keeper k;
	int ends[2];

	arrange(&k, slots, sessions);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	k.socket_fd = ends[0];
	for (; len >= sizeof(request); data += sizeof(request), len -= sizeof(request)) {
		memcpy(&request, data, sizeof(request));
		check_request(&k, &request, ends[1]);
	}
	slots_tick(&k);
	close(ends[0]);
	close(ends[1]);
	return 0;
}
