/*
 * The templates of the mount plans (sandbox/mounts.h): made by a child in a mount namespace of its own, which the
 * descriptor keeps when the child is gone.
 */
#include "keeper/keeper_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEMPLATE_FROM 2 /* sandboxes */

struct outcome {
	int error;
	char what[64];
};

/* `plan` NULL: the base. */
static _Noreturn void make_in_child(const struct mount_plan *plan, const char *images, int fd)
{
	const struct mount_op *failed = NULL;
	struct outcome outcome = { .error = plan ? mount_template_sources(plan, images, &failed)
						 : mount_template_base() };
	char byte;

	if (outcome.error < 0 && failed)
		snprintf(outcome.what, sizeof(outcome.what), "%s %.40s", mount_kind_name(failed->kind),
			 failed->target);
	if (send(fd, &outcome, sizeof(outcome), MSG_NOSIGNAL) < 0)
		_exit(1);
	_exit(recv(fd, &byte, 1, 0) == 0 ? 0 : 1); /* until the keeper has the namespace */
}

static int open_namespace(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A descriptor, or -errno. */
static int make(const struct keeper *k, const struct mount_plan *plan)
{
	struct clone_args args = { .flags = CLONE_NEWNS, .exit_signal = SIGCHLD };
	struct outcome outcome = { .error = -EIO };
	int ends[2], fd = -1;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		close(ends[0]);
		make_in_child(plan, k->settings.images, ends[1]);
	}
	close(ends[1]);
	if (pid > 0 && recv(ends[0], &outcome, sizeof(outcome), 0) == (ssize_t)sizeof(outcome) &&
	    !outcome.error)
		outcome.error = fd = open_namespace(pid);
	close(ends[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (fd < 0 && k->settings.serve)
		keeper_log("no template for mounts, making a sandbox takes longer: %.63s: %s", outcome.what,
			   strerrorname_np(-outcome.error));
	return fd >= 0 ? fd : outcome.error;
}

/* A file that was copied may be written anew; a folder is mounted, and must only be the same one. */
static struct template_source look_at(const char *path, bool is_copied)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct template_source){ 0 };
	if (is_copied)
		return (struct template_source){ st.st_dev, st.st_ino, st.st_size, st.st_mtim };
	return (struct template_source){ .device = st.st_dev, .inode = st.st_ino };
}

/* What the plan has of the host; all zeros: the host does not have it. */
static void look_at_sources(const struct keeper *k, const struct mount_plan *plan,
			    struct template_source ret[TEMPLATE_SOURCES_MAX])
{
	unsigned count = 0;

	memset(ret, 0, TEMPLATE_SOURCES_MAX * sizeof(*ret));
	for (unsigned i = 0; i < plan->count && count < TEMPLATE_SOURCES_MAX; i++) {
		const struct mount_op *op = &plan->ops[i];

		if (op->kind == MOUNT_COPY || op->kind == MOUNT_OVERLAY)
			ret[count++] = look_at(op->source, op->kind == MOUNT_COPY);
		else if (op->kind == MOUNT_IMAGE)
			ret[count++] = look_at(k->settings.images, false);
	}
}

static void template_open(struct keeper *k, struct plan_template *of_plan, const struct mount_plan *plan)
{
	of_plan->tried = true;
	of_plan->namespaces = (struct mount_template){ -1, k->template_base_fd };
	if (k->template_base_fd < 0)
		return;
	look_at_sources(k, plan, of_plan->made_of);
	of_plan->namespaces.sources_fd = make(k, plan);
}

/*
 * Rootless a namespace belongs to its sandbox's user namespace, which is made first. One or two sandboxes are made
 * sooner without.
 */
static bool is_worth_it(struct keeper *k)
{
	return k->privileged && k->overlay && (k->settings.serve || ++k->made_without > TEMPLATE_FROM);
}

const struct mount_template *template_for(struct keeper *k, bool stored_image)
{
	struct plan_template *of_plan = stored_image ? &k->image_template : &k->host_template;
	const struct mount_plan *plan = stored_image ? &k->image_plan : &k->plan;
	struct template_source now[TEMPLATE_SOURCES_MAX];

	if (!of_plan->tried) {
		if (!is_worth_it(k))
			return NULL;
		if (!k->template_base_fd)
			k->template_base_fd = make(k, NULL);
		template_open(k, of_plan, plan);
	}
	if (of_plan->namespaces.sources_fd < 0)
		return NULL;
	look_at_sources(k, plan, now);
	if (memcmp(now, of_plan->made_of, sizeof(now)) != 0) {
		close(of_plan->namespaces.sources_fd);
		template_open(k, of_plan, plan);
	}
	return of_plan->namespaces.sources_fd < 0 ? NULL : &of_plan->namespaces;
}
