#include "session/store_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 20

/*
 * A front whose keeper was killed still answers for a moment, and writes what it knows: the next server's waits for
 * its end rather than to write beside it.
 */
int store_lock(const char *dir, unsigned patience_ms, int *ret_fd, struct err *err)
{
	static const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int fd = -1;

	if (asprintf(&path, "%s/lock", dir) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "sessions");
	}
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, -errno, "sessions: open '%s'", path);
	for (unsigned waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited_ms += LOOK_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_set(err, -errno, "sessions: lock '%s'", path);
		if (waited_ms >= patience_ms)
			return err_set(err, -EBUSY, "sessions: '%s' is used by another kiln serve", dir);
		nanosleep(&pause, NULL);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}
