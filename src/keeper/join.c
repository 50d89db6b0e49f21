/*
 * Members of sessions, rootless.
 *
 * The files and the network of a session belong to a user namespace of the session's own, in which its part of the
 * user's range is mapped: only who is in there may copy its mounts or join its network, and whoever goes there does
 * not come back. So for each member a helper goes. It shares the keeper's memory and descriptors, and the keeper waits
 * for it, as after vfork(): it enters the session's user namespace and network and clones the member from there, in a
 * user namespace below, as the keeper's child. It may write that one's maps, which the keeper, two levels above, may
 * not. Then it enters the session's mounts, sends copies of them to the member, and ends.
 *
 * So a member is as closed as any other sandbox rootless: its mounts belong to its own user namespace; and as for root
 * the network belongs to one that nobody inside has rights in.
 */
#include "keeper/keeper_priv.h"

#include "base/fd.h"
#include "sandbox/setup.h"

#include <errno.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct join {
	struct slot *slot;
	const struct setup *setup;
	struct clone_args args;
	int user_fd; /* the session's user namespace */
	int r;
	struct err *err;
};

struct id_range join_users(const struct slot *slot)
{
	if (slot->member == KEEPER_MEMBER_SERVICE)
		return (struct id_range){ JOIN_ID_FIRST + KEEPER_SESSION_UIDS + slot->number - 1, 1 };
	return (struct id_range){ JOIN_ID_FIRST, KEEPER_SESSION_UIDS };
}

static int enter(const struct join *join)
{
	if (setns(join->user_fd, CLONE_NEWUSER) < 0)
		return err_set(join->err, -errno, "enter the user namespace of a session");
	if (setns(join->slot->session->network_fd, CLONE_NEWNET) < 0)
		return err_set(join->err, -errno, "enter the network of a session");
	return 0;
}

static int clone_member(struct join *join)
{
	struct id_range users = join_users(join->slot);
	pid_t pid = (pid_t)syscall(SYS_clone3, &join->args, sizeof(join->args));
	int r;

	if (pid == 0)
		setup_child(join->setup);
	if (pid < 0)
		return err_set(join->err, -errno, "clone a sandbox of a session");
	join->slot->pid = pid;
	r = idmap_write_below(pid, &users, &join->slot->inside, join->err);
	if (r == 0 && send(join->slot->sync_fd, "", 1, MSG_NOSIGNAL) < 0)
		r = err_set(join->err, -errno, "start the sandbox");
	return r;
}

/* In two packets, each with a descriptor. */
static int send_files(const struct join *join)
{
	struct mount_values files = { .sandboxes_fd = -1, .home_fd = -1 };
	int r = mounts_session_enter(join->setup->member, &files);

	if (r == 0)
		r = (int)fd_send(join->slot->sync_fd, "", 1, files.sandboxes_fd);
	if (r >= 0)
		r = (int)fd_send(join->slot->sync_fd, "", 1, files.home_fd);
	if (files.sandboxes_fd >= 0)
		close(files.sandboxes_fd);
	if (files.home_fd >= 0)
		close(files.home_fd);
	return r < 0 ? err_set(join->err, r, "reach the files of a session") : 0;
}

static int help(void *user)
{
	struct join *join = user;

	join->r = enter(join);
	if (join->r == 0)
		join->r = clone_member(join);
	if (join->r == 0 && join->setup->member)
		join->r = send_files(join);
	_exit(0);
}

int join_clone(struct slot *slot, const struct setup *setup, const struct clone_args *args, struct err *err)
{
	alignas(16) char stack[JOIN_STACK_SIZE];
	struct join join = { .slot = slot,
			     .setup = setup,
			     .args = *args,
			     .user_fd = ioctl(slot->session->network_fd, NS_GET_USERNS),
			     .r = -ECHILD,
			     .err = err };
	int pid;

	if (join.user_fd < 0)
		return err_set(err, -errno, "find the user namespace of a session");
	/* The keeper's child, not the helper's; which signal tells of its end it takes from the helper. */
	join.args.flags |= CLONE_PARENT;
	join.args.exit_signal = 0;
	pid = clone(help, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &join);
	if (pid < 0)
		join.r = err_set(err, -errno, "clone a helper");
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(join.user_fd);
	/* It was killed. */
	return join.r == -ECHILD ? err_set(err, -ECHILD, "start a sandbox of a session") : join.r;
}
