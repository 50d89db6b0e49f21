#include "image/unpack.h"

#include "base/cleanup.h"

#include <errno.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TARS_MAX 512

/* Shared with the child, which is not believed: read once, bounded. */
struct report {
	struct layer_count count;
	int result;
	bool over;
	char text[sizeof(((struct err *)0)->text)];
};

struct unpack {
	struct report *report;
	pid_t pid;
	int pid_fd;
	int status;
};

static int do_job(const struct unpack_job *job, struct report *report, struct err *err)
{
	struct layer_options options = job->options;
	int r = 0;

	for (size_t i = 0; i < job->tars_count && r == 0; i++) {
		options.whiteouts = job->options.whiteouts && i > 0;
		r = layer_apply(job->tar_fds[i], job->root_fd, &options, &report->count, err);
		if (r < 0 && job->tars_count > 1)
			err_wrap(err, r, "layer %zu", i + 1);
	}
	if (r == 0 && job->furnish)
		r = layer_furnish(job->root_fd, job->workdir, err);
	return r;
}

static bool keeps(const struct unpack_job *job, int fd)
{
	for (size_t i = 0; i < job->tars_count; i++) {
		if (job->tar_fds[i] == fd)
			return true;
	}
	return fd == job->root_fd || fd == STDERR_FILENO;
}

static int close_others(const struct unpack_job *job)
{
	struct rlimit files;
	int most = 0;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	for (size_t i = 0; i < job->tars_count; i++)
		most = job->tar_fds[i] > most ? job->tar_fds[i] : most;
	most = job->root_fd > most ? job->root_fd : most;
	for (int fd = 0; fd <= most; fd++) {
		if (!keeps(job, fd))
			close(fd);
	}
	return close_range((unsigned)most + 1, ~0u, 0) < 0 ? -errno : 0;
}

static _Noreturn void child(const struct unpack_job *job, struct report *report, pid_t parent)
{
	struct err err = ERR_INIT;
	int r = prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? -errno : 0;

	if (getppid() != parent)
		_exit(1);
	umask(022);
	if (r == 0)
		r = close_others(job);
	if (r == 0)
		r = unpack_confine(job->root_fd, job->as_user, &err);
	/* A change of credentials takes the death signal away. */
	if (r == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent))
		r = err_set(&err, -EPERM, "tie the unpacking to its parent");
	if (r == 0)
		r = do_job(job, report, &err);
	report->result = r;
	snprintf(report->text, sizeof(report->text), "%s", err.text);
	report->over = true;
	_exit(0);
}

int unpack_start(const struct unpack_job *job, struct unpack **ret, struct err *err)
{
	struct unpack *unpack = calloc(1, sizeof(*unpack));
	pid_t parent = getpid();

	if (!unpack)
		return err_set(err, -ENOMEM, "unpack an image");
	unpack->pid_fd = -1;
	unpack->report = mmap(NULL, sizeof(*unpack->report), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (unpack->report == MAP_FAILED || job->tars_count > TARS_MAX ||
	    (geteuid() == 0 && fchown(job->root_fd, job->as_user, job->as_user) < 0)) {
		unpack->report = unpack->report == MAP_FAILED ? NULL : unpack->report;
		unpack_destroy(unpack);
		return err_set(err, job->tars_count > TARS_MAX ? -E2BIG : -errno, "unpack an image");
	}
	unpack->pid = fork();
	if (unpack->pid == 0)
		child(job, unpack->report, parent);
	if (unpack->pid > 0)
		unpack->pid_fd = (int)syscall(SYS_pidfd_open, unpack->pid, 0);
	if (unpack->pid_fd < 0) {
		int r = -errno;

		unpack_destroy(unpack);
		return err_set(err, r, "unpack an image");
	}
	*ret = unpack;
	return 0;
}

static void reap(struct unpack *unpack)
{
	while (waitpid(unpack->pid, &unpack->status, 0) < 0 && errno == EINTR)
		;
	unpack->pid = 0;
}

bool unpack_wait(struct unpack *unpack, int ms, struct layer_count *ret)
{
	struct pollfd poll_fd = { .fd = unpack->pid_fd, .events = POLLIN };

	if (unpack->pid > 0 && poll(&poll_fd, 1, ms) > 0)
		reap(unpack);
	*ret = unpack->report->count;
	return unpack->pid == 0;
}

int unpack_result(struct unpack *unpack, struct err *err)
{
	char text[sizeof(unpack->report->text)];
	int result = unpack->report->result;

	memcpy(text, unpack->report->text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (char *c = text; *c; c++)
		*c = (unsigned char)*c < 0x20 || *c == 0x7f ? ' ' : *c;
	if (WIFSIGNALED(unpack->status))
		return err_set(err, -EIO, "the process that unpacks was ended by signal %d",
			       WTERMSIG(unpack->status));
	if (!unpack->report->over)
		return err_set(err, -EIO, "the process that unpacks ended without a word");
	if (result == 0)
		return 0;
	return err_set(err, result < 0 && result > -4096 ? result : -EIO, "%s", text);
}

void unpack_destroy(struct unpack *unpack)
{
	if (!unpack)
		return;
	if (unpack->pid > 0) {
		kill(unpack->pid, SIGKILL);
		reap(unpack);
	}
	cleanup_close(&unpack->pid_fd);
	if (unpack->report)
		munmap(unpack->report, sizeof(*unpack->report));
	free(unpack);
}
