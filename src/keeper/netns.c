/*
 * Network namespaces are by far the dearest part of a sandbox to make and to destroy, and the only part that is used
 * again: one in which no interface but a loopback that was never up exists holds nothing but sockets, and without
 * processes there are none. That is checked each time. What is in doubt is not used again.
 *
 * Only as root, where these namespaces belong to the host's user namespace: nothing inside can have configured them.
 */
#include "keeper/keeper_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void netns_open(struct netns_stock *stock, bool privileged)
{
	stock->count = 0;
	stock->own_fd = privileged ? open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) : -1;
}

int netns_take(struct netns_stock *stock)
{
	return stock->count ? stock->fd[--stock->count] : -1;
}

int netns_of(const struct netns_stock *stock, pid_t pid)
{
	char path[64];

	if (stock->own_fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* "sockets: used 0": counted are all that programs have, of every family, those under way in other sockets too. */
static bool has_no_sockets(void)
{
	char text[128];
	int fd = open("/proc/thread-self/net/sockstat", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return strncmp(text, "sockets: used 0\n", 16) == 0;
}

static bool is_empty(const struct netns_stock *stock, int fd)
{
	bool empty;

	if (setns(fd, CLONE_NEWNET) < 0)
		return false;
	empty = has_no_sockets();
	/* In the wrong one every later sandbox without a stocked one would still get its own; but /proc would lie. */
	while (setns(stock->own_fd, CLONE_NEWNET) < 0) {
		if (errno != EINTR)
			return false;
	}
	return empty;
}

void netns_give_back(struct netns_stock *stock, int fd)
{
	if (fd < 0)
		return;
	if (stock->own_fd >= 0 && stock->count < NETNS_STOCK_MAX && is_empty(stock, fd))
		stock->fd[stock->count++] = fd;
	else
		close(fd);
}
