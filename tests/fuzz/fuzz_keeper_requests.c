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

#define SLOTS 4 /* one in each state but FREE: nothing can be made */

static void arrange(struct keeper *k, struct slot *slots)
{
	static const enum slot_state states[SLOTS] = { SLOT_SETUP, SLOT_READY, SLOT_RUNNING, SLOT_DYING };

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
		       (after->state == SLOT_RUNNING && before->state != SLOT_RUNNING) ||
	       after->state == before->state);
}

static void check_request(struct keeper *k, const struct keeper_request *request, int front_fd)
{
	struct slot before[SLOTS];
	struct keeper_message reply;
	unsigned moved = 0;
	ssize_t n;

	memcpy(before, k->slots, sizeof(before));
	request_handle(k, request);
	for (uint32_t i = 0; i < SLOTS; i++) {
		check_move(&before[i], &k->slots[i]);
		if (before[i].state == k->slots[i].state)
			continue;
		assert(request->slot == i && request->generation == 1 && !request->reserved);
		moved++;
	}
	assert(moved <= 1 && k->live == SLOTS);
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
	assert(memchr(reply.stage, '\0', sizeof(reply.stage)));
	assert(recv(front_fd, &reply, sizeof(reply), MSG_DONTWAIT) < 0);
}

/* The input is one request after the other, as they lie in memory; a rest that is none is left out. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct keeper_request request;
	struct slot slots[SLOTS];
	struct keeper k;
	int ends[2];

	arrange(&k, slots);
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
