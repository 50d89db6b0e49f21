/*
 * Whether a file of the step has grown to its limit of size. The kernel refuses what would be written beyond and counts
 * it nowhere: it sends SIGXFSZ to who wrote, and that may be a child of the program, or ignore it as Python does. But
 * it fills the file up to the limit first. So when a step has failed, and the limit is one that a file can reach, init
 * looks for a file of just this size that the step has touched.
 */
#include "init/init_priv.h"

#include "wire/writable.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define VISIT_MAX 4096
#define DEPTH_MAX 32
#define SLACK_NS  ((int64_t)20000000) /* times of files come in ticks, and lag behind */

struct look {
	const struct uploads *uploads;
	uid_t owner;
	uint64_t limit;
	int64_t since_ns;
	unsigned left; /* entries that may still be visited */
};

static bool look_in(struct look *l, int fd, unsigned depth);

/* It came with the run and was not touched since: its user cannot set ctime. */
static bool is_as_uploaded(const struct uploads *up, const struct stat *st)
{
	for (size_t i = 0; i < up->count; i++) {
		if (up->items[i].inode == st->st_ino && up->items[i].ctime_ns == time_ns(&st->st_ctim))
			return true;
	}
	return false;
}

static bool look_at(struct look *l, int dir_fd, const char *name, unsigned depth)
{
	struct stat st;
	int fd;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_uid != l->owner)
		return false;
	if (S_ISREG(st.st_mode))
		return (uint64_t)st.st_size == l->limit && time_ns(&st.st_ctim) >= l->since_ns &&
		       !is_as_uploaded(l->uploads, &st);
	if (!S_ISDIR(st.st_mode) || depth == DEPTH_MAX)
		return false;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && look_in(l, fd, depth + 1);
}

/* Takes over fd. */
static bool look_in(struct look *l, int fd, unsigned depth)
{
	struct dirent *entry;
	bool found = false;
	DIR *dir = folder_take(fd);

	if (!dir)
		return false;
	while (!found && l->left && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		l->left--;
		found = look_at(l, dirfd(dir), entry->d_name, depth);
	}
	closedir(dir);
	return found;
}

static int64_t step_begin_ns(const struct step *step)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return time_ns(&now) - (int64_t)(now_us() - step->start_us) * 1000;
}

bool size_was_reached(const struct init *init)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	const struct limits *limits = &init->step.limits;
	int64_t limit = limits->value[LIMIT_FILE_BYTES];
	struct look look = { .uploads = &init->uploads,
			     .owner = init->config->payload_uid,
			     .limit = (uint64_t)limit,
			     .since_ns = step_begin_ns(&init->step) - SLACK_NS,
			     .left = VISIT_MAX };
	bool found;
	int fd;

	if (limit <= 0 || limit >= limits->value[LIMIT_DISK_BYTES])
		return false;
	fd = openat(init->sandbox_fd, ".", flags);
	found = fd >= 0 && look_in(&look, fd, 0);
	for (size_t i = 0; !found && i < sizeof(writable_outside) / sizeof(writable_outside[0]); i++) {
		fd = open(writable_outside[i], flags);
		found = fd >= 0 && look_in(&look, fd, 0);
	}
	return found;
}
