#include "pool/ready.h"

#include <stdlib.h>
#include <string.h>

#define KINDS_MAX  128
#define MAKING_MAX 2
#define HELD_MAX   256
#define BOXES_MAX  6
#define QUICK_US   1000000
#define CALM_US	   10000000

struct box {
	struct ready *entry;
	struct engine_sandbox *sb; /* or NULL */
	bool is_ready;
};

/* The runs of one user, and the sandboxes for the next of them. */
struct ready {
	struct ready *next, **link;
	struct ready_stock *stock;
	struct engine_sandbox_spec spec; /* as last asked for; its image is ours */
	char *image;
	struct box boxes[BOXES_MAX];
	unsigned want;	  /* how many there should be */
	unsigned missing; /* that are to be made yet */
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
static struct engine_sandbox *let_go(struct box *box)
{
	struct ready_stock *stock = box->entry->stock;
	struct engine_sandbox *sb = box->sb;

	stock->held -= sb != NULL;
	stock->making -= sb && !box->is_ready;
	box->sb = NULL;
	box->is_ready = false;
	return sb;
}

static void box_destroy(struct box *box)
{
	struct engine *inner = box->entry->stock->inner;
	struct engine_sandbox *sb = let_go(box);

	if (sb)
		inner->v->sandbox_destroy(sb);
}

static void entry_destroy(struct ready *entry)
{
	struct ready_stock *stock = entry->stock;

	for (size_t i = 0; i < BOXES_MAX; i++)
		box_destroy(&entry->boxes[i]);
	unlink_entry(entry);
	stock->count--;
	free(entry->image);
	free(entry);
}

static void on_ready(void *user)
{
	struct box *box = user;

	box->is_ready = true;
	box->entry->stock->making--;
	ready_fill(box->entry->stock);
}

/* One that could not be made is not tried again before the next run of its kind. */
static void on_failed(void *user, const struct err *err)
{
	box_destroy(user);
}

/* Nothing but these comes of a sandbox that is asked for nothing. */
static const struct engine_events box_events = { .ready = on_ready, .failed = on_failed };

static bool is_of_kind(const struct ready *entry, const struct engine_sandbox_spec *spec)
{
	return entry->spec.session == spec->session && entry->spec.user.number == spec->user.number &&
	       entry->spec.identity.uid == spec->identity.uid &&
	       entry->spec.identity.gid == spec->identity.gid && strcmp(entry->image, spec->image) == 0 &&
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
	for (size_t i = 0; i < BOXES_MAX; i++)
		entry->boxes[i].entry = entry;
	link_first(entry);
	stock->count++;
	return entry;
}

static unsigned boxes_held(const struct ready *entry)
{
	unsigned held = 0;

	for (size_t i = 0; i < BOXES_MAX; i++)
		held += entry->boxes[i].sb != NULL;
	return held;
}

static struct engine_sandbox *take_ready(struct ready *entry)
{
	for (size_t i = 0; i < BOXES_MAX; i++) {
		if (entry->boxes[i].is_ready)
			return let_go(&entry->boxes[i]);
	}
	return NULL;
}

struct engine_sandbox *ready_take(struct ready_stock *stock, const struct engine_sandbox_spec *spec,
				  uint64_t now_us)
{
	struct ready *entry = find(stock, spec);
	bool quick = entry && now_us - entry->asked_us < QUICK_US;
	struct engine_sandbox *sb;
	unsigned held;

	stock->low = false;
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
	sb = take_ready(entry);
	held = boxes_held(entry);
	entry->want = !quick ? 1 : entry->want < BOXES_MAX ? entry->want + 1 : BOXES_MAX;
	entry->missing = held < entry->want ? entry->want - held : 0;
	stock->low = quick && held < entry->want / 2;
	stock->taken += sb != NULL;
	stock->missed += sb == NULL;
	return sb;
}

static void box_fill(struct box *box)
{
	struct ready_stock *stock = box->entry->stock;

	box->entry->missing--;
	if (stock->inner->v->sandbox_create(stock->inner, &box->entry->spec, &box_events, box, &box->sb,
					    NULL) < 0) {
		box->sb = NULL;
		return;
	}
	stock->held++;
	stock->making++;
}

void ready_fill(struct ready_stock *stock)
{
	for (struct ready *entry = stock->first; entry; entry = entry->next) {
		for (size_t i = 0; i < BOXES_MAX; i++) {
			if (stock->making == MAKING_MAX || stock->held >= HELD_MAX)
				return;
			if (!entry->boxes[i].sb && entry->missing)
				box_fill(&entry->boxes[i]);
		}
	}
}

static void keep_one(struct ready *entry)
{
	for (size_t i = 0; i < BOXES_MAX && boxes_held(entry) > 1; i++)
		box_destroy(&entry->boxes[i]);
	entry->want = 1;
	entry->missing = 0;
}

void ready_expire(struct ready_stock *stock, uint64_t before_us, uint64_t now_us)
{
	struct ready *entry, *next;

	for (entry = stock->first; entry; entry = next) {
		next = entry->next;
		if (entry->asked_us < before_us)
			entry_destroy(entry);
		else if (entry->want > 1 && now_us - entry->asked_us > CALM_US)
			keep_one(entry);
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
