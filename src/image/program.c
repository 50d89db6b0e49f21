#include "image/program.h"

#include "base/cleanup.h"
#include "base/strv.h"
#include "image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_BYTES 8192

static const struct {
	const char *program, *package;
} packages[] = { { "mmdebstrap", "mmdebstrap" }, { "skopeo", "skopeo" }, { "npm", "npm" }, { "tar", "tar" } };

static const char *const kept_variables[] = { "PATH",
					      "HOME",
					      "http_proxy",
					      "https_proxy",
					      "no_proxy",
					      "HTTP_PROXY",
					      "HTTPS_PROXY",
					      "NO_PROXY",
					      "SSL_CERT_FILE",
					      "SSL_CERT_DIR",
					      "REGISTRY_AUTH_FILE",
					      "XDG_RUNTIME_DIR",
					      "NODE_EXTRA_CA_CERTS" };

int progress_tell(const struct image_progress *progress, const char *phase, uint64_t done, uint64_t total)
{
	return progress && progress->tell ? progress->tell(progress->user, phase, done, total) : 0;
}

static int add_variable(char ***env, const char *name, const char *value)
{
	AUTO_FREE char *text = NULL;
	int n = asprintf(&text, "%s=%s", name, value);

	if (n < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return strv_append(env, text, (size_t)n);
}

static int make_environment(char *const *added, char ***ret)
{
	int r = add_variable(ret, "LC_ALL", "C.UTF-8");

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(kept_variables); i++) {
		const char *value = getenv(kept_variables[i]);

		if (value)
			r = add_variable(ret, kept_variables[i], value);
	}
	if (r == 0 && !getenv("PATH"))
		r = add_variable(ret, "PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
	for (; r == 0 && added && *added; added++)
		r = strv_append(ret, *added, strlen(*added));
	return r;
}

/* Between fork and exec: prepared data and system calls only. */
static _Noreturn void execute(const struct program_spec *spec, char *const *env, int null_fd, int out_fd,
			      int err_fd, int fail_fd)
{
	const struct sigaction normal = { .sa_handler = SIG_DFL };
	sigset_t none;
	int error;

	for (int i = 1; i < NSIG; i++)
		sigaction(i, &normal, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	if (spec->contained && geteuid() == 0)
		program_contain();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	if (dup2(null_fd, 0) >= 0 && dup2(out_fd, 1) >= 0 && dup2(err_fd, 2) >= 0 &&
	    chdir(spec->dir ? spec->dir : "/") == 0 && close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
		execvpe(spec->argv[0], (char *const *)spec->argv, env);
	error = errno;
	if (write(fail_fd, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

struct pipes {
	int out[2], err[2], fail[2], null_fd;
};

static void pipes_close(struct pipes *p)
{
	for (int i = 0; i < 2; i++) {
		cleanup_close(&p->out[i]);
		cleanup_close(&p->err[i]);
		cleanup_close(&p->fail[i]);
	}
	cleanup_close(&p->null_fd);
}

static int pipes_open(struct pipes *p, bool takes_stdout)
{
	*p = (struct pipes){ { -1, -1 }, { -1, -1 }, { -1, -1 }, -1 };
	p->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (p->null_fd < 0 || pipe2(p->err, O_CLOEXEC) < 0 || pipe2(p->fail, O_CLOEXEC) < 0 ||
	    (takes_stdout && pipe2(p->out, O_CLOEXEC) < 0))
		return -errno;
	return 0;
}

static int not_started(const char *name, int error, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(packages) && error == ENOENT; i++) {
		if (strcmp(packages[i].program, name) == 0)
			return err_set(err, -ENOENT, "the program '%s' is not installed (Debian package %s)",
				       name, packages[i].package);
	}
	return err_set(err, -error, "start '%s'", name);
}

/* End of file on the pipe: it was executed. */
static int wait_for_exec(struct program *program, int fail_fd, struct err *err)
{
	int error = 0;
	ssize_t n;

	do {
		n = read(fail_fd, &error, sizeof(error));
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	program_stop(program);
	return not_started(program->name, n == (ssize_t)sizeof(error) ? error : EIO, err);
}

int program_start(const struct program_spec *spec, struct program *ret, struct err *err)
{
	char **env = NULL;
	struct pipes p;
	int r = make_environment(spec->env, &env);

	*ret = (struct program){
		.stdout_fd = -1, .stderr_fd = -1, .line = BUF_INIT(LINE_MAX_BYTES), .name = spec->argv[0]
	};
	if (r < 0) {
		strv_free(env);
		return err_set(err, r, "start '%s'", spec->argv[0]);
	}
	r = pipes_open(&p, spec->takes_stdout);
	if (r == 0) {
		ret->pid = fork();
		if (ret->pid == 0)
			execute(spec, env, p.null_fd, spec->takes_stdout ? p.out[1] : p.err[1], p.err[1],
				p.fail[1]);
		r = ret->pid < 0 ? -errno : 0;
	}
	strv_free(env);
	if (r == 0) {
		ret->stdout_fd = TAKE_FD(p.out[0]);
		ret->stderr_fd = TAKE_FD(p.err[0]);
		fcntl(ret->stderr_fd, F_SETFL, O_NONBLOCK);
		cleanup_close(&p.fail[1]);
		p.fail[1] = -1;
		r = wait_for_exec(ret, p.fail[0], err);
	} else {
		ret->pid = 0;
		err_set(err, r, "start '%s'", spec->argv[0]);
	}
	pipes_close(&p);
	return r;
}

/* What strange programs say goes to a terminal only without its control characters. */
static void keep_printable(char *to, size_t size, const char *from)
{
	size_t used = 0;

	for (; *from && used + 1 < size; from++)
		to[used++] = (unsigned char)*from < 0x20 || *from == 0x7f ? ' ' : *from;
	to[used] = '\0';
}

static bool reads_like_error(const char *line)
{
	return strncmp(line, "E: ", 3) == 0 || strstr(line, "rror") || strstr(line, "level=fatal");
}

static void one_line(struct program *program, const char *line)
{
	if (!*line)
		return;
	keep_printable(program->said, sizeof(program->said), line);
	/* The first is the cause, what follows its consequences. */
	if (!program->failed[0] && reads_like_error(line))
		memcpy(program->failed, program->said, sizeof(program->failed));
	if (program->on_line)
		program->on_line(program->user, program->said);
}

static void take_lines(struct program *program, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '\n' && text[i] != '\r') {
			if (buf_append(&program->line, &text[i], 1) < 0)
				continue; /* the rest of a line that is too long */
			continue;
		}
		if (program->line.len)
			one_line(program, (const char *)program->line.data);
		program->line.len = 0;
	}
}

void program_listen(struct program *program)
{
	char chunk[4096];
	ssize_t n;

	while (program->stderr_fd >= 0) {
		n = read(program->stderr_fd, chunk, sizeof(chunk));
		if (n > 0) {
			take_lines(program, chunk, (size_t)n);
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else if (n < 0 && errno == EAGAIN) {
			return;
		} else {
			close(program->stderr_fd);
			program->stderr_fd = -1;
		}
	}
}

bool program_wait(struct program *program, int ms)
{
	struct pollfd poll_fd = { .fd = program->stderr_fd, .events = POLLIN };

	if (program->stderr_fd >= 0 && poll(&poll_fd, 1, ms) > 0)
		program_listen(program);
	return program->stderr_fd < 0;
}

static void forget(struct program *program)
{
	program->pid = 0;
	cleanup_close(&program->stdout_fd);
	cleanup_close(&program->stderr_fd);
	program->stdout_fd = program->stderr_fd = -1;
	buf_finish(&program->line);
}

int program_end(struct program *program, struct err *err)
{
	int status = 0;
	const char *words;
	pid_t pid = 0;

	/* Its stderr may live on in a daemon that it left behind: its own end is what counts. */
	while (pid == 0 || (pid < 0 && errno == EINTR)) {
		bool closed = program_wait(program, 200);

		pid = waitpid(program->pid, &status, closed ? 0 : WNOHANG);
	}
	if (pid < 0)
		return err_set(err, -errno, "wait for '%s'", program->name);
	program_listen(program);
	if (program->line.len)
		one_line(program, (const char *)program->line.data);
	forget(program);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	words = program->failed[0] ? program->failed : program->said;
	if (WIFSIGNALED(status))
		return err_set(err, -EIO, "%s was ended by signal %d", program->name, WTERMSIG(status));
	return err_set(err, -EIO, "%s failed (status %d): %s", program->name, WEXITSTATUS(status), words);
}

/* mmdebstrap does not listen itself: its child does, and tidies up. */
static void tell_children(pid_t pid)
{
	AUTO_FREE char *text = NULL;
	AUTO_CLOSE int fd = -1;
	char path[64], *end;
	long long child;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || tree_read_fd(fd, LINE_MAX_BYTES, &text, NULL) < 0)
		return;
	for (char *at = text; (child = strtoll(at, &end, 10)) > 1; at = end)
		kill((pid_t)child, SIGTERM);
}

void program_stop(struct program *program)
{
	if (program->pid > 0) {
		tell_children(program->pid);
		kill(program->pid, SIGTERM);
		/* It tidies up; whoever reads its output must be gone for it to notice. */
		cleanup_close(&program->stdout_fd);
		program->stdout_fd = -1;
		while (waitpid(program->pid, NULL, 0) < 0 && errno == EINTR)
			;
		forget(program);
	}
}

int program_run_quietly(const char *const *argv)
{
	const struct program_spec spec = { .argv = argv };
	struct program program;
	int r = program_start(&spec, &program, NULL);

	return r < 0 ? r : program_end(&program, NULL);
}

int program_run_read(const char *const *argv, struct buf *ret, struct err *err)
{
	const struct program_spec spec = { .argv = argv, .takes_stdout = true };
	struct program program;
	int r = program_start(&spec, &program, err);
	ssize_t n = 1;

	while (r == 0 && n != 0) {
		uint8_t *at = buf_reserve(ret, ret->max - ret->len < 4096 ? ret->max - ret->len : 4096);

		if (!at || ret->len == ret->max) {
			r = err_set(err, -EFBIG, "'%s' says too much", argv[0]);
			break;
		}
		n = read(program.stdout_fd, at, ret->max - ret->len < 4096 ? ret->max - ret->len : 4096);
		if (n < 0 && errno != EINTR)
			r = err_set(err, -errno, "read from '%s'", argv[0]);
		ret->len += n > 0 ? (size_t)n : 0;
		program_listen(&program);
	}
	if (r < 0)
		program_stop(&program);
	return r < 0 ? r : program_end(&program, err);
}
