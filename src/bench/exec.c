#include "bench/exec.h"

#include "base/cleanup.h"
#include "base/strv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_FALLBACK "/usr/local/bin:/usr/bin:/bin"

struct program {
	char *path;
	char **argv;
	char **envp;
};

struct exec_subject {
	struct subject subject;
	struct program *programs;
	size_t count;
	char *dir;
	int null_fd;
};

static void exec_destroy(struct subject *subject)
{
	struct exec_subject *e = container_of(subject, struct exec_subject, subject);

	for (size_t i = 0; e->programs && i < e->count; i++) {
		free(e->programs[i].path);
		strv_free(e->programs[i].argv);
		strv_free(e->programs[i].envp);
	}
	free(e->programs);
	free(e->dir);
	if (e->null_fd >= 0)
		close(e->null_fd);
	free(e->subject.name);
	free(e);
}

/* In the child, on the parent's memory: nothing but system calls, and no way back. */
__attribute__((noinline, noreturn)) static void child_exec(const struct exec_subject *e,
							   const struct program *p)
{
	if (e->dir && chdir(e->dir) < 0)
		_exit(126);
	dup2(e->null_fd, STDIN_FILENO);
	dup2(e->null_fd, STDOUT_FILENO);
	dup2(e->null_fd, STDERR_FILENO);
	execve(p->path, p->argv, p->envp);
	_exit(127);
}

static int program_run(const struct exec_subject *e, const struct program *p, struct err *err)
{
	int status = 0;
	pid_t pid = vfork();

	if (pid == 0)
		child_exec(e, p);
	if (pid < 0)
		return err_set(err, -errno, "%s: vfork", e->subject.name);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return err_set(err, -errno, "%s: waitpid", e->subject.name);
	}
	if (WIFSIGNALED(status))
		return err_refuse(err, ERR_IMPOSSIBLE, "job_failed", NULL, "%s: %s was ended by signal %d",
				  e->subject.name, p->path, WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return err_refuse(err, ERR_IMPOSSIBLE, "job_failed", NULL, "%s: %s ended with exit code %d",
				  e->subject.name, p->path, WEXITSTATUS(status));
	return 0;
}

static int exec_once(struct subject *subject, uint64_t *ret_ns, struct err *err)
{
	const struct exec_subject *e = container_of(subject, struct exec_subject, subject);
	uint64_t begin = clock_ns();

	for (size_t i = 0; i < e->count; i++) {
		int r = program_run(e, &e->programs[i], err);

		if (r < 0)
			return r;
	}
	*ret_ns = clock_ns() - begin;
	return 0;
}

static const char *path_of(char *const *envp)
{
	for (; *envp; envp++) {
		if (strncmp(*envp, "PATH=", 5) == 0)
			return *envp + 5;
	}
	return NULL;
}

/*
 * The file that a program's name means: itself when it has a slash (it may come to be in a step), else by the PATH of
 * its own environment.
 */
static char *program_find(const char *name, char *const *envp)
{
	const char *path = path_of(envp);
	size_t len;

	if (strchr(name, '/'))
		return strdup(name);
	for (path = path ? path : PATH_FALLBACK; *path; path += len + (path[len] == ':')) {
		char *file = NULL;

		len = strcspn(path, ":");
		if (asprintf(&file, "%.*s/%s", (int)len, path, name) < 0)
			return NULL;
		if (access(file, X_OK) == 0)
			return file;
		free(file);
	}
	errno = ENOENT;
	return NULL;
}

static int program_fill(struct program *p, const struct exec_step *step, const char *name, struct err *err)
{
	if (!step->argv || !step->argv[0])
		return err_set(err, -EINVAL, "%s: no program", name);
	p->path = program_find(step->argv[0], step->envp ? step->envp : environ);
	if (!p->path)
		return err_set(err, -errno, "%s: %s", name, step->argv[0]);
	p->argv = strv_copy(step->argv);
	p->envp = strv_copy(step->envp ? step->envp : environ);
	return p->argv && p->envp ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static const struct subject_vtable exec_vtable = { .once = exec_once, .destroy = exec_destroy };

int exec_create(const char *name, const struct exec_step *steps, size_t count, const char *dir,
		struct subject **ret, struct err *err)
{
	struct exec_subject *e = calloc(1, sizeof(*e));
	int r = 0;

	if (!e)
		return err_set(err, -ENOMEM, "out of memory");
	e->subject = (struct subject){ .v = &exec_vtable, .name = strdup(name) };
	e->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	e->dir = dir ? strdup(dir) : NULL;
	e->programs = calloc(count + 1, sizeof(*e->programs));
	e->count = count;
	if (!e->subject.name || !e->programs || (dir && !e->dir))
		r = err_set(err, -ENOMEM, "out of memory");
	else if (e->null_fd < 0)
		r = err_set(err, -errno, "/dev/null");
	else if (count == 0)
		r = err_set(err, -EINVAL, "%s: no program", name);
	for (size_t i = 0; r >= 0 && i < count; i++)
		r = program_fill(&e->programs[i], &steps[i], name, err);
	if (r < 0) {
		exec_destroy(&e->subject);
		return r;
	}
	*ret = &e->subject;
	return 0;
}

/* A worker: counts until the time is over, tells the count and ends. */
static void worker_run(struct subject *subject, unsigned ms, int report_fd)
{
	uint64_t end = clock_ns() + (uint64_t)ms * 1000000U, count = 0, ns;
	int64_t told;

	while (clock_ns() < end) {
		if (exec_once(subject, &ns, NULL) < 0) {
			count = 0;
			break;
		}
		count++;
	}
	told = (int64_t)count;
	_exit(write(report_fd, &told, sizeof(told)) == sizeof(told) ? 0 : 1);
}

/* Returns how many were started; fewer than asked for with *err filled. */
static unsigned workers_start(struct subject *subject, pid_t *pids, unsigned workers, unsigned ms,
			      int report_fd, struct err *err)
{
	for (unsigned i = 0; i < workers; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			worker_run(subject, ms, report_fd);
		if (pids[i] < 0) {
			err_set(err, -errno, "fork");
			return i;
		}
	}
	return workers;
}

int exec_rate(struct subject *subject, unsigned workers, unsigned ms, double *ret_per_second, struct err *err)
{
	AUTO_FREE pid_t *pids = calloc(workers + 1, sizeof(*pids));
	uint64_t begin = clock_ns();
	int64_t count, sum = 0;
	unsigned started, well = 0;
	int fds[2];

	if (!pids)
		return err_set(err, -ENOMEM, "out of memory");
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, -errno, "pipe");
	started = workers_start(subject, pids, workers, ms, fds[1], err);
	close(fds[1]);
	while (read(fds[0], &count, sizeof(count)) == sizeof(count)) {
		well += count > 0;
		sum += count;
	}
	close(fds[0]);
	for (unsigned i = 0; i < started; i++)
		waitpid(pids[i], NULL, 0);
	if (started < workers)
		return err->code;
	if (well < workers)
		return err_refuse(err, ERR_IMPOSSIBLE, "job_failed", NULL,
				  "%s failed while its rate was measured", subject->name);
	*ret_per_second = (double)sum / ((double)(clock_ns() - begin) / 1e9);
	return 0;
}
