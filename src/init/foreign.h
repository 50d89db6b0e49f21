/*
 * What init does otherwise where the kernel is not Linux' own: gVisor's lacks calls that init is made of, and refuses
 * others. What is so is asked once; each of these keeps the promise of what it stands for, or fails.
 */
#ifndef KILN_INIT_FOREIGN_H
#define KILN_INIT_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* All false on Linux. */
struct foreign {
	/*
	 * There is no setfsuid(2): while init has files of the user's in hand its effective ids are his. Real and saved
	 * ones stay its own, so that he can neither signal nor trace it, nor change its limits.
	 */
	bool by_euid;
	bool nproc_without_self; /* RLIMIT_NPROC does not count a process that became the user */
	bool own_meminfo; /* /proc/meminfo tells of this sandbox and nothing else, and processes of little */
};

/* Of a process that has everything to become `user` with, and no other one beside it. */
struct foreign foreign_probe(uid_t user, gid_t group);

/* From now on files are made and opened as the user's, his group's for good. Ends the process where that is refused. */
void files_begin_as(const struct foreign *foreign, uid_t user, gid_t group);
/* As that user, or with getuid() as init itself. Ends the process where that is refused. */
void files_as(const struct foreign *foreign, uid_t uid);

/* Closes all from `first` on. Async-signal-safe. 0 or -errno. */
[[nodiscard]] int close_from(int first);
/* The same without close_range(2), by a folder that lists them: /proc/self/fd. */
[[nodiscard]] int close_listed(const char *folder, int first);

#define OWN_MEMINFO "/proc/meminfo"
/* What a sandbox holds in memory, its files included, by a meminfo of its own. False: that does not say. */
bool meminfo_bytes(const char *path, uint64_t *ret);
/* Whether System V queues, semaphores and shared memory were left, where no file in /proc lists them. */
bool ipc_is_left(void);

#endif
