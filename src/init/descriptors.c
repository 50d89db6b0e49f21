/*
 * Closing all descriptors from one on, also where close_range(2) is refused. Between fork and exec: async-signal-safe.
 */
#include "init/foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIST_SIZE 4096

/* As getdents64(2) has it. */
struct entry {
	uint64_t inode;
	int64_t offset;
	uint16_t size;
	uint8_t type;
	char name[];
};

/* -1: not a number. */
static int fd_of(const char *name)
{
	int fd = 0;

	if (name[0] == '\0')
		return -1;
	for (; *name; name++) {
		if (*name < '0' || *name > '9' || fd > (INT_MAX - 9) / 10)
			return -1;
		fd = 10 * fd + (*name - '0');
	}
	return fd;
}

/* Those that one read of the list names; how many. */
static int close_some(const char *list, long len, int first, int list_fd)
{
	int count = 0;

	for (long at = 0; at < len;) {
		const struct entry *entry = (const void *)(list + at);
		int fd = fd_of(entry->name);

		if (fd >= first && fd != list_fd && close(fd) == 0)
			count++;
		at += entry->size;
	}
	return count;
}

int close_listed(const char *folder, int first)
{
	_Alignas(struct entry) char list[LIST_SIZE];
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int closed = 1;
	long n = 0;

	if (fd < 0)
		return -errno;
	/* A list that shrinks while it is read may pass over some: so it is read until it names none. */
	while (closed > 0 && n >= 0) {
		closed = 0;
		if (lseek(fd, 0, SEEK_SET) < 0)
			n = -1;
		while (n >= 0 && (n = syscall(SYS_getdents64, fd, list, sizeof(list))) > 0)
			closed += close_some(list, n, first, fd);
	}
	n = n < 0 ? -errno : 0;
	close(fd);
	return (int)n;
}

int close_from(int first)
{
	if (close_range((unsigned)first, ~0u, 0) == 0)
		return 0;
	/* gVisor takes the last for a signed number. */
	if (errno == EINVAL && close_range((unsigned)first, INT_MAX, 0) == 0)
		return 0;
	return close_listed("/proc/self/fd", first);
}
