#include "bench/server.h"

#include "base/cleanup.h"
#include "base/strv.h"
#include "bench/subject.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 30000
#define STOP_MS	 20000
#define LOOK_MS	 5
#define LOG_SEEN 4096

static const char listening[] = "listening on http://";

static void wait_ms(unsigned ms)
{
	const struct timespec time = { .tv_nsec = (long)ms * 1000000 };

	nanosleep(&time, NULL);
}

/* The child's half, up to the exec; its log goes to a file in memory, which never makes it wait. */
__attribute__((noreturn)) static void server_exec(char **argv, const cpu_set_t *cpus, int log_fd)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (cpus)
		sched_setaffinity(0, sizeof(*cpus), cpus);
	dup2(log_fd, STDERR_FILENO);
	dup2(log_fd, STDOUT_FILENO);
	execv("/proc/self/exe", argv);
	_exit(127);
}

static int argv_make(char *const *flags, char ***ret)
{
	/* Without sessions, so that it may stand beside a server with the same state folder. */
	static const char *const words[] = { "kiln", "serve", "--listen=127.0.0.1:0", "--sessions=0" };
	char **argv = NULL;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(words); i++)
		r = strv_append(&argv, words[i], strlen(words[i]));
	for (size_t i = 0; r >= 0 && i < strv_len(flags); i++)
		r = strv_append(&argv, flags[i], strlen(flags[i]));
	if (r < 0)
		strv_free(argv);
	else
		*ret = argv;
	return r;
}

/* The log so far, as text. */
static void log_read(const struct server *server, char text[LOG_SEEN])
{
	ssize_t n = pread(server->log_fd, text, LOG_SEEN - 1, 0);

	text[n > 0 ? n : 0] = '\0';
}

static bool url_found(struct server *server)
{
	char text[LOG_SEEN], *at;

	log_read(server, text);
	at = strstr(text, listening);
	if (!at || !strchr(at, '"'))
		return false;
	at += sizeof(listening) - 1;
	snprintf(server->url, sizeof(server->url), "http://%.*s", (int)strcspn(at, "\""), at);
	return true;
}

static int listening_await(struct server *server, struct err *err)
{
	uint64_t end = clock_ns() + START_MS * 1000000ULL;
	char text[LOG_SEEN];
	int status;

	while (!url_found(server)) {
		if (waitpid(server->pid, &status, WNOHANG) == server->pid) {
			server->pid = 0;
			log_read(server, text);
			return err_set(err, -ECHILD, "kiln serve did not start: %.300s", text);
		}
		if (clock_ns() > end)
			return err_set(err, -ETIMEDOUT, "kiln serve does not listen after %d s",
				       START_MS / 1000);
		wait_ms(LOOK_MS);
	}
	return 0;
}

int server_start(char *const *flags, const cpu_set_t *cpus, struct server *ret, struct err *err)
{
	struct server server = { .log_fd = memfd_create("log", MFD_CLOEXEC) };
	char **argv = NULL;
	int r = 0;

	if (server.log_fd < 0)
		return err_set(err, -errno, "memfd");
	if (argv_make(flags, &argv) < 0)
		r = err_set(err, -ENOMEM, "out of memory");
	if (r >= 0) {
		server.pid = fork();
		if (server.pid == 0)
			server_exec(argv, cpus, server.log_fd);
		if (server.pid < 0)
			r = err_set(err, -errno, "fork");
	}
	strv_free(argv);
	if (r >= 0)
		r = listening_await(&server, err);
	if (r < 0) {
		server_stop(&server);
		return r;
	}
	*ret = server;
	return 0;
}

void server_stop(struct server *server)
{
	uint64_t end = clock_ns() + STOP_MS * 1000000ULL;

	if (server->pid > 0) {
		kill(server->pid, SIGTERM);
		while (waitpid(server->pid, NULL, WNOHANG) == 0) {
			if (clock_ns() > end)
				kill(server->pid, SIGKILL);
			wait_ms(LOOK_MS);
		}
	}
	if (server->pid != 0 || server->url[0])
		close(server->log_fd);
	*server = (struct server){ 0 };
}
