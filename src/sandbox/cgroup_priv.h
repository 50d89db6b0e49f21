/* What cgroup.c, cgroup_v1.c, cgroup_v2.c and cgroup_host.c share. */
#ifndef KILN_SANDBOX_CGROUP_PRIV_H
#define KILN_SANDBOX_CGROUP_PRIV_H

#include "sandbox/cgroup.h"

#include <stddef.h>

/* One value in one write. 0 or -errno. */
[[nodiscard]] int cgroup_write(int dir_fd, const char *file, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The whole small file as text; its length or -errno. */
int cgroup_read(int dir_fd, const char *file, char *text, size_t size);
/* A file that holds one number; `missing` when it is not there or not a number. */
uint64_t cgroup_read_number(int dir_fd, const char *file, uint64_t missing);
/* The number behind `key` in "key number" lines; `missing` without. Pure. */
uint64_t cgroup_find_key(const char *text, const char *key, uint64_t missing);
/* One of a box's counters: the number in its file, or behind `key` in a file of "key number" lines. */
uint64_t cgroup_count(const struct cgroup_box *box, enum cgroup_counter counter, const char *key,
		      uint64_t missing);

/* Whether all limits that a group holds are these already. */
bool cgroup_holds(const struct cgroup_box *box, const struct limits *limits);

/* A sub-folder, made when it is not there; its descriptor or -errno. */
int cgroup_make(int dir_fd, const char *name);
/* Kills what is in a group and its sub-groups and removes them; boxes removed, or -errno. */
int cgroup_remove_tree(int dir_fd, const char *name);

/*
 * cgroup_keep.c: groups that are used again. They have names of their own, so that nobody takes one for a sandbox.
 */
#define CGROUP_KEPT_PREFIX 'k'
struct cgroup_name {
	char text[32];
};
/* Below the group of a session, or (NULL) beside all others; `kind` is its letter. */
struct cgroup_name cgroup_name_in(const struct cgroup_group *group, char kind, unsigned number);
bool cgroup_can_keep(const struct cgroup_box *box, enum cgroup_hierarchy hierarchy);
/* False: there is none. */
bool cgroup_take_kept(struct cgroup_box *box, enum cgroup_hierarchy hierarchy);
/* Of a group without processes: keeps it, unless it is not as new or there are enough. */
bool cgroup_keep(struct cgroup_box *box, enum cgroup_hierarchy hierarchy);
void cgroup_stock_open(struct cgroup_host *host);
void cgroup_stock_close(struct cgroup_host *host);

struct cgroup_file {
	int dir_fd;
	const char *name;
};

struct cgroup_ops {
	int (*create)(struct cgroup_box *box, uid_t owner, struct err *err);
	int (*prepare)(struct cgroup_box *box, const struct limits *limits, struct err *err);
	int (*step)(struct cgroup_box *box, uint32_t step, const struct limits *limits, struct err *err);
	struct cgroup_file (*counter)(const struct cgroup_box *box, enum cgroup_counter counter);
	uint64_t (*cpu_us)(struct cgroup_box *box);
	uint32_t (*oom_kills)(struct cgroup_box *box);
	uint64_t (*memory_peak)(struct cgroup_box *box);
	int (*remove)(struct cgroup_box *box);
};

extern const struct cgroup_ops cgroup_ops_v1, cgroup_ops_v2;

extern const char *const cgroup_controller_names[CGROUP_HIERARCHIES];

#endif
