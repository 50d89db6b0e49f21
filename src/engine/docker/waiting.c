/* Requests to make a container for which there is no slot yet: they wait for one that is being removed. */
#include "engine/docker/docker_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void drop(struct docker *d, uint32_t i)
{
	d->waiting_count--;
	memmove(d->waiting + i, d->waiting + i + 1, (d->waiting_count - i) * sizeof(*d->waiting));
}

/* One that is refused at once, since its session is gone, leaves the slot to the next. */
void waiting_take(struct docker *d)
{
	for (uint32_t most = d->waiting_count; most > 0 && d->waiting_count > 0 && slots_free(d); most--) {
		struct keeper_request request = d->waiting[0];

		drop(d, 0);
		request_create(d, &request);
	}
}

bool waiting_keep(struct docker *d, const struct keeper_request *request)
{
	bool ending = false;

	for (uint32_t i = 0; i < d->sandboxes_count && !ending; i++)
		ending = d->slots[i].state == SLOT_ENDING || d->slots[i].unwanted;
	if (!ending || d->waiting_count == d->sandboxes_count)
		return false;
	d->waiting[d->waiting_count++] = *request;
	return true;
}

bool waiting_leave(struct docker *d, uint32_t tag)
{
	uint32_t i = 0;

	while (i < d->waiting_count && d->waiting[i].tag != tag)
		i++;
	if (i == d->waiting_count)
		return false;
	drop(d, i);
	return true;
}

void waiting_refuse(struct docker *d, const char *why)
{
	struct keeper_message message = { .event = KEEPER_REPLY, .error = -EHOSTDOWN };

	snprintf(message.stage, sizeof(message.stage), "%s", why);
	for (uint32_t i = 0; i < d->waiting_count; i++) {
		message.tag = d->waiting[i].tag;
		front_tell(d, &message, -1);
	}
	d->waiting_count = 0;
}
