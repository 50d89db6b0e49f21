/* Apart from the rest because it runs between clone and exec: system calls on prepared data only. */
#include "sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int enter_group(int dir_fd)
{
	int fd = openat(dir_fd, "tasks", O_WRONLY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, "0", 1) != 1)
		r = -errno;
	close(fd);
	return r;
}

int cgroup_box_enter(const struct cgroup_box *box)
{
	int r = 0;

	if (!box->host || box->host->version != 1)
		return 0;
	for (int i = 0; i < CGROUP_HIERARCHIES && r == 0; i++)
		r = box->fd[i] < 0 ? 0 : enter_group(box->fd[i]);
	return r;
}
