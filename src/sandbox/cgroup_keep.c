/*
 * Version 1: groups that are used again.
 *
 * To make and remove one group costs as much as ten mounts, and a sandbox has four. Three of them hold nothing once
 * they are empty but counters and limits. Limits are written again; of the counters the time used has a base, and
 * those of processes (the most at a time, refusals) must be what any sandbox reaches before its program is
 * executed, or the group is removed like that of memory. A session's are below its own group and go to its own
 * sandboxes.
 */
#include "sandbox/cgroup_priv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROCESSES_OF_ANY 2 /* init, and one process of a step */

bool cgroup_can_keep(const struct cgroup_box *box, enum cgroup_hierarchy hierarchy)
{
	return box->host->stock && hierarchy != CGROUP_MEMORY;
}

/* The stock of its kind; that of a session is there when it is first needed. */
static struct cgroup_stock *stock_of(const struct cgroup_box *box)
{
	return box->group ? box->group->stock : box->host->stock;
}

static void move_fd(int *to, int *from)
{
	*to = *from;
	*from = -1;
}

bool cgroup_take_kept(struct cgroup_box *box, enum cgroup_hierarchy hierarchy)
{
	struct cgroup_stock *stock = stock_of(box);
	struct cgroup_kept *kept;

	if (!cgroup_can_keep(box, hierarchy) || !stock || stock->count[hierarchy] == 0)
		return false;
	kept = &stock->items[hierarchy][--stock->count[hierarchy]];
	box->host->stock->of_sessions -= box->group != NULL;
	box->number[hierarchy] = kept->number;
	move_fd(&box->fd[hierarchy], &kept->fd);
	if (hierarchy == CGROUP_PIDS)
		box->written.value[LIMIT_PROCESSES] = kept->limit;
	/* Any quota is written again, which gives back what was used of this period's: -1 is like no other. */
	if (hierarchy == CGROUP_CPU && kept->limit && kept->limit < 100 * box->host->processors)
		box->written.value[LIMIT_CPU_PERCENT] = -1;
	return true;
}

/* Whether its counters say what a new one's would. */
static bool is_as_new(struct cgroup_box *box, enum cgroup_hierarchy hierarchy)
{
	return hierarchy != CGROUP_PIDS ||
	       (cgroup_count(box, COUNTER_PIDS_PEAK, NULL, 0) <= PROCESSES_OF_ANY &&
		cgroup_count(box, COUNTER_PIDS_EVENTS, "max", 0) == 0);
}

bool cgroup_keep(struct cgroup_box *box, enum cgroup_hierarchy hierarchy)
{
	struct cgroup_stock *stock;
	struct cgroup_kept *kept;

	if (box->group && box->host->stock->of_sessions == CGROUP_KEPT_OF_SESSIONS_MAX)
		return false;
	if (box->group && !box->group->stock)
		box->group->stock = calloc(1, sizeof(*box->group->stock));
	stock = stock_of(box);
	if (!stock || stock->count[hierarchy] == CGROUP_KEPT_MAX || !is_as_new(box, hierarchy))
		return false;
	kept = &stock->items[hierarchy][stock->count[hierarchy]++];
	box->host->stock->of_sessions += box->group != NULL;
	kept->number = box->number[hierarchy];
	move_fd(&kept->fd, &box->fd[hierarchy]);
	kept->limit = box->written.value[hierarchy == CGROUP_PIDS ? LIMIT_PROCESSES : LIMIT_CPU_PERCENT];
	return true;
}

/* Hosts may have several controllers in one hierarchy: then a sandbox has one group for them, not one each. */
static bool are_apart(const struct cgroup_host *host)
{
	struct stat st[CGROUP_HIERARCHIES];

	for (int i = 0; i < CGROUP_HIERARCHIES; i++) {
		if (host->fd[i] < 0 || fstat(host->fd[i], &st[i]) < 0)
			return false;
		for (int j = 0; j < i; j++) {
			if (st[i].st_dev == st[j].st_dev)
				return false;
		}
	}
	return true;
}

/* Without memory for it nothing is kept. */
void cgroup_stock_open(struct cgroup_host *host)
{
	if (host->version == 1 && geteuid() == 0 && are_apart(host))
		host->stock = calloc(1, sizeof(*host->stock));
}

static bool has_any(const struct cgroup_stock *stock)
{
	for (int i = 0; stock && i < CGROUP_HIERARCHIES; i++) {
		if (stock->count[i])
			return true;
	}
	return false;
}

static void clear(struct cgroup_stock *stock, const struct cgroup_host *host,
		  const struct cgroup_group *group)
{
	for (int i = 0; stock && i < CGROUP_HIERARCHIES; i++) {
		while (stock->count[i]) {
			struct cgroup_kept *kept = &stock->items[i][--stock->count[i]];

			if (group && host->stock)
				host->stock->of_sessions--;
			/* Of one that is not removed the number is never used again; it goes with the folder above. */
			(void)unlinkat(host->fd[i],
				       cgroup_name_in(group, CGROUP_KEPT_PREFIX, kept->number).text,
				       AT_REMOVEDIR);
			close(kept->fd);
		}
	}
}

bool cgroup_host_keeps(const struct cgroup_host *host)
{
	return has_any(host->stock);
}

void cgroup_host_clear(struct cgroup_host *host)
{
	clear(host->stock, host, NULL);
}

bool cgroup_group_keeps(const struct cgroup_group *group)
{
	return has_any(group->stock);
}

void cgroup_group_clear(struct cgroup_group *group)
{
	clear(group->stock, group->host, group);
	free(group->stock);
	group->stock = NULL;
}

void cgroup_stock_close(struct cgroup_host *host)
{
	cgroup_host_clear(host);
	free(host->stock);
	host->stock = NULL;
}
