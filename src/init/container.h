/*
 * What init does only in a container that somebody else made, and what it does otherwise where the kernel is not Linux.
 */
#ifndef KILN_INIT_CONTAINER_H
#define KILN_INIT_CONTAINER_H

#include "init/foreign.h"
#include "wire/step_kill.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct init;

/* The control groups of a container, read only: descriptors of their files, -1 where they are not to be seen. */
struct counters {
	int memory_fd, peak_fd, oom_fd, cpu_fd, pids_fd, tasks_fd;
	uint64_t peak_before, oom_before, refused_before, cpu_before_us, own_cpu_before_us; /* the step */
	uint64_t tasks_seen;								    /* without init */
	uint64_t memory_seen;  /* of its samples */
	uint64_t meminfo_base; /* what init alone holds, where /proc/meminfo is the sandbox's own */
};

/*
 * container.c: made ready by ourselves what the keeper makes ready in a sandbox. Arguments as in
 * wire/init_config.h; all but the user's id may be missing.
 */
void container_enter(struct init *init, int argc, char **argv);
/* Around the making of a terminal, which is nobody's else at any other time. Nothing of the user's lives meanwhile. */
void container_make_terminal(const struct init *init, bool begin);
/* Ends init when the host was not heard of for too long. */
void container_check_host(const struct init *init);
/* Milliseconds until that; -1 outside of a container. */
int container_host_timeout(const struct init *init);

/* counters.c: what the container's control groups count. All do nothing outside of a container. */
void counters_open(struct init *init);
void counters_begin(struct init *init);
/* May set *ret_kill. */
void counters_sample(struct init *init, enum step_kill *ret_kill);
/* Tells USAGE: since counters_begin(), or ever. */
void counters_tell(struct init *init);

/* beneath.c: opens without following links and without leaving dir_fd, also where the kernel has no openat2(). */
int open_beneath(int dir_fd, const char *path, int flags, mode_t mode);
/* Takes over the descriptor of a folder. NULL: no memory. */
DIR *folder_take(int fd);
/* Not a link that leads to one: gVisor's kernel follows it where O_NOFOLLOW comes with O_DIRECTORY. */
bool is_folder_itself(int dir_fd, const char *name);

#endif
