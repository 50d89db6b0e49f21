#include "pool/ready.h"

#include <stdlib.h>
#include <string.h>

#define KINDS_MAX  128
#define MAKING_MAX 2

/* The runs of one user, and the sandbox for the next of them. */
struct ready {
	struct ready *next, **link;
	struct ready_stock *stock;
	struct engine_sandbox_spec spec; /* as last asked for; its image is ours */
	char *image;
	struct engine_sandbox *sb; /* or NULL */
	bool is_ready, wanted;
	uint64_t asked_us;
};

void ready_init(struct ready_stock *stock, struct engine *inner)
{
	*stock = (struct ready_stock){ .inner = inner };
}

static void unlink_entry(struct ready *entry)
{
	*entry->link = entry->next;
	if (entry->next)
		entry->next->link = entry->link;
}

static void link_first(struct ready *entry)
{
	struct ready_stock *stock = entry->stock;

	entry->next = stock->first;
	entry->link = &stock->first;
	if (entry->next)
		entry->next->link = &entry->next;
	stock->first = entry;
}

/* The sandbox is somebody else's, or gone. */
static struct engine_sandbox *let_go(struct ready *entry)
{
	struct engine_sandbox *sb = entry->sb;

	entry->stock->held -= sb != NULL;
	entry->stock->making -= sb && !entry->is_ready;
	entry->sb = NULL;
	entry->is_ready = false;
	return sb;
}

static void entry_destroy(struct ready *entry)
{
	struct ready_stock *stock = entry->stock;
	struct engine_sandbox *sb = let_go(entry);

	if (sb)
		stock->inner->v->sandbox_destroy(sb);
	unlink_entry(entry);
	stock->count--;
	free(entry->image);
	free(entry);
}

static void on_ready(void *user)
{
	struct ready *entry = user;

	entry->is_ready = true;
	entry->stock->making--;
}

/* One that could not be made is not tried again before the next run of its kind. */
static void on_failed(void *user, const struct err *err)
{
	entry_destroy(user);
}

/* Nothing but these comes of a sandbox that is asked for nothing. */
static const struct engine_events entry_events = { .ready = on_ready, .failed = on_failed };

static bool is_of_kind(const struct ready *entry, const struct engine_sandbox_spec *spec)
{
	return entry->spec.session == spec->session && entry->spec.user.number == spec->user.number &&
	       entry->spec.identity == spec->identity && strcmp(entry->image, spec->image) == 0 &&
	       strcmp(entry->spec.user.name, spec->user.name) == 0;
}

static struct ready *find(struct ready_stock *stock, const struct engine_sandbox_spec *spec)
{
	struct ready *entry = stock->first;

	while (entry && !is_of_kind(entry, spec))
		entry = entry->next;
	return entry;
}

static void drop_last(struct ready_stock *stock)
{
	struct ready *entry = stock->first;

	while (entry->next)
		entry = entry->next;
	entry_destroy(entry);
}

/* NULL: no memory; then its sandboxes are made when they are asked for. */
static struct ready *add(struct ready_stock *stock, const struct engine_sandbox_spec *spec)
{
	struct ready *entry = calloc(1, sizeof(*entry));

	if (entry)
		entry->image = strdup(spec->image);
	if (!entry || !entry->image) {
		free(entry);
		return NULL;
	}
	if (stock->count == KINDS_MAX)
		drop_last(stock);
	entry->stock = stock;
	link_first(entry);
	stock->count++;
	return entry;
}

struct engine_sandbox *ready_take(struct ready_stock *stock, const struct engine_sandbox_spec *spec,
				  uint64_t now_us)
{
	struct ready *entry = find(stock, spec);
	struct engine_sandbox *sb = NULL;

	if (entry) {
		unlink_entry(entry);
		link_first(entry);
	} else {
		entry = add(stock, spec);
	}
	if (!entry) {
		stock->missed++;
		return NULL;
	}
	entry->spec = *spec;
	entry->spec.image = entry->image;
	entry->spec.waits = true;
	entry->spec.warm = NULL;
	entry->spec.folders = NULL;
	entry->asked_us = now_us;
	entry->wanted = true;
	if (entry->is_ready)
		sb = let_go(entry);
	stock->taken += sb != NULL;
	stock->missed += sb == NULL;
	return sb;
}

void ready_fill(struct ready_stock *stock)
{
	struct ready *entry, *next;
	struct err err = ERR_INIT;

	for (entry = stock->first; entry && stock->making < MAKING_MAX; entry = next) {
		next = entry->next;
		if (entry->sb || !entry->wanted)
			continue;
		entry->wanted = false;
		if (stock->inner->v->sandbox_create(stock->inner, &entry->spec, &entry_events, entry,
						    &entry->sb, &err) < 0) {
			entry->sb = NULL;
			entry_destroy(entry);
			continue;
		}
		stock->held++;
		stock->making++;
	}
}

void ready_expire(struct ready_stock *stock, uint64_t before_us)
{
	struct ready *entry, *next;

	for (entry = stock->first; entry; entry = next) {
		next = entry->next;
		if (entry->asked_us < before_us)
			entry_destroy(entry);
	}
}

void ready_drop(struct ready_stock *stock, const struct engine_session *session)
{
	struct ready *entry, *next;

	for (entry = stock->first; entry; entry = next) {
		next = entry->next;
		if (entry->spec.session == session)
			entry_destroy(entry);
	}
}

void ready_clear(struct ready_stock *stock)
{
	while (stock->first)
		entry_destroy(stock->first);
}
