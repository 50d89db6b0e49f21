/* All containers of this keeper: the front's sandboxes and, behind them, the holders of sessions. */
#include "engine/docker/sessions.h"

#include <errno.h>
#include <string.h>

int slots_begin(struct docker *d, struct err *err)
{
	d->sandboxes_count = (uint32_t)d->options->containers;
	d->slots_count = d->sandboxes_count + d->sessions_count;
	d->slots = calloc(d->slots_count, sizeof(*d->slots));
	d->waiting = calloc(d->slots_count, sizeof(*d->waiting));
	if (!d->slots || !d->waiting) {
		d->slots_count = 0;
		return err_set(err, -ENOMEM, "containers");
	}
	d->queued_last = &d->queued;
	for (uint32_t i = 0; i < d->slots_count; i++) {
		struct slot *slot = &d->slots[i];

		slot->docker = d;
		slot->index = i;
		slot->front_fd = slot->kept_fd = -1;
		uv_timer_init(&d->loop, &slot->deadline);
		uv_timer_init(&d->loop, &slot->inspection);
		slot->deadline.data = slot->inspection.data = slot;
		d->handles += 2;
	}
	return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	((struct slot *)handle->data)->docker->handles--;
}

void slots_end(struct docker *d)
{
	for (uint32_t i = 0; i < d->slots_count; i++) {
		struct slot *slot = &d->slots[i];

		slot_forget_calls(slot);
		uv_close((uv_handle_t *)&slot->deadline, on_timer_closed);
		uv_close((uv_handle_t *)&slot->inspection, on_timer_closed);
	}
}

/* Holders end with their sessions. */
void slots_destroy_all(struct docker *d)
{
	d->waiting_count = 0;
	for (uint32_t i = 0; i < d->sandboxes_count; i++)
		slot_destroy(&d->slots[i]);
}

bool slot_outlives_front(const struct slot *slot)
{
	return slot->state == SLOT_RUNNING && slot->member == KEEPER_MEMBER_SERVICE &&
	       slot->asked == ASKED_NOTHING && slot->kept_fd >= 0;
}

void slots_destroy_of_front(struct docker *d)
{
	d->waiting_count = 0;
	for (uint32_t i = 0; i < d->sandboxes_count; i++) {
		if (!slot_outlives_front(&d->slots[i]))
			slot_destroy(&d->slots[i]);
	}
}

struct slot *slots_free(const struct docker *d)
{
	for (uint32_t i = 0; i < d->sandboxes_count; i++) {
		if (d->slots[i].state == SLOT_FREE)
			return &d->slots[i];
	}
	return NULL;
}

bool slots_busy(const struct docker *d)
{
	for (uint32_t i = 0; i < d->slots_count; i++) {
		if (d->slots[i].state != SLOT_FREE)
			return true;
	}
	return false;
}

bool slot_has_container(const struct docker *d, const char *id)
{
	for (uint32_t i = 0; i < d->slots_count; i++) {
		if (d->slots[i].state != SLOT_FREE && strcmp(d->slots[i].id, id) == 0)
			return true;
	}
	return false;
}
