/*
 * Network namespaces are by far the dearest part of a sandbox to make and to destroy, and the only part that is
 * used again: one in which no interface but a loopback that was never up exists holds nothing but sockets, which
 * end with the processes, and what sockets leave: counters (each failed connect() is one more OutNoRoutes) and flow
 * labels, which linger. So each time it must have no socket, and those tables must read as in a namespace that is
 * new, byte for byte. What is in doubt is not used again.
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

/*
 * What /proc/net tells of a namespace that sockets can change and that outlives them while no interface is up; what
 * a kernel does not have is left out.
 */
static const char *const tables[] = { "snmp", "snmp6", "netstat", "ip6_flowlabel", "rt6_stats" };

/* Appends a table of this thread's namespace to the text. False: not to be read, or too long. */
static bool append_table(const char *name, char *text, size_t *len)
{
	char path[64];
	ssize_t n = 1;
	int fd;

	snprintf(path, sizeof(path), "/proc/thread-self/net/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT;
	while (n > 0 && *len < NETNS_TABLES_MAX) {
		n = read(fd, text + *len, NETNS_TABLES_MAX - *len);
		*len += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	return n == 0;
}

static bool read_tables(char *text, size_t *ret_len)
{
	*ret_len = 0;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (!append_table(tables[i], text, ret_len))
			return false;
	}
	return true;
}

static bool go_home(const struct netns_stock *stock)
{
	/* In the wrong one every later sandbox without a stocked one would still get its own; but /proc would lie. */
	while (setns(stock->own_fd, CLONE_NEWNET) < 0) {
		if (errno != EINTR)
			return false;
	}
	return true;
}

void netns_open(struct netns_stock *stock, bool privileged)
{
	bool known;

	stock->count = 0;
	stock->own_fd = privileged ? open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) : -1;
	if (stock->own_fd < 0)
		return;
	known = unshare(CLONE_NEWNET) == 0 && read_tables(stock->fresh, &stock->fresh_len);
	if (go_home(stock) && known)
		return;
	close(stock->own_fd);
	stock->own_fd = -1;
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

static bool is_like_fresh(const struct netns_stock *stock)
{
	char now[NETNS_TABLES_MAX];
	size_t len;

	return read_tables(now, &len) && len == stock->fresh_len && memcmp(now, stock->fresh, len) == 0;
}

static bool is_empty(const struct netns_stock *stock, int fd)
{
	bool empty;

	if (setns(fd, CLONE_NEWNET) < 0)
		return false;
	empty = has_no_sockets() && is_like_fresh(stock);
	return go_home(stock) && empty;
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
