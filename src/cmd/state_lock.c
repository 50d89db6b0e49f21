#include "cmd/state_lock.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HIGH_FD 20 /* away from the numbers that the keeper expects */
#define TRIES	10 /* between a refusal and the question who it was, that one may have ended */

/* "DIR/NAME", with the number unless it is 1. */
static char *numbered(const char *state_dir, const char *name, unsigned number, const char *suffix)
{
	char text[16] = "";
	char *path;

	if (number > 1)
		snprintf(text, sizeof(text), "-%u", number);
	return asprintf(&path, "%s/%s%s%s", state_dir, name, text, suffix) < 0 ? NULL : path;
}

static int lock_file_open(const char *state_dir, unsigned number, int *ret_fd, struct err *err)
{
	AUTO_FREE char *path = numbered(state_dir, "serve", number, ".lock");
	AUTO_CLOSE int low_fd = -1;

	if (!path)
		return err_set(err, -ENOMEM, "state folder");
	low_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* Before there is a lock: to close any descriptor of the file would give it up. */
	*ret_fd = low_fd < 0 ? -1 : fcntl(low_fd, F_DUPFD_CLOEXEC, HIGH_FD);
	return *ret_fd < 0 ? err_set(err, -errno, "lock the state folder: open '%s'", path) : 0;
}

static int refuse(const char *state_dir, pid_t pid, struct err *err)
{
	char who[32] = "";

	/* 0 or less: it is in another pid namespace, or on another machine. */
	if (pid > 0)
		snprintf(who, sizeof(who), " (pid %d)", (int)pid);
	err_refuse(err, ERR_CONFLICT, "state_dir_in_use", "state_dir",
		   "the state folder '%.256s' is used by another kiln serve%s", state_dir, who);
	if (err)
		err->code = -EBUSY;
	return -EBUSY;
}

int state_lock(const char *state_dir, unsigned number, int *ret_fd, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	struct flock holder = { .l_type = F_UNLCK };
	int r = lock_file_open(state_dir, number, &fd, err);

	for (int i = 0; r == 0 && i < TRIES; i++) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

		if (fcntl(fd, F_SETLK, &lock) == 0) {
			*ret_fd = TAKE_FD(fd);
			return 0;
		}
		if (errno != EACCES && errno != EAGAIN)
			return err_set(err, -errno, "lock the state folder '%.256s'", state_dir);
		holder = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
		if (fcntl(fd, F_GETLK, &holder) < 0 || holder.l_type != F_UNLCK)
			break;
	}
	return r < 0 ? r : refuse(state_dir, holder.l_type == F_UNLCK ? 0 : holder.l_pid, err);
}

char *state_sessions_dir(const char *state_dir)
{
	const char *text = getenv(STATE_NUMBER);
	unsigned number = 0;

	for (; text && *text >= '0' && *text <= '9' && number <= STATE_SERVERS_MAX; text++)
		number = number * 10 + (unsigned)(*text - '0');
	return numbered(state_dir, "sessions", number <= STATE_SERVERS_MAX ? number : 1, "");
}
