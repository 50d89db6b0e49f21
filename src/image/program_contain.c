/*
 * Three processes: the first is what our caller knows, hears SIGTERM, and is told when the caller dies; the second is
 * PID 1 of the new namespace, and with it everything in there is killed; the third executes the program. Only the
 * first two are made here; they keep no descriptors, since an end of file is how the caller sees that all is over.
 */
#include "image/program.h"

#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A key at the terminal is for the caller alone, which says SIGTERM when it wants an end. */
static _Noreturn void wait_outside(pid_t inner, const sigset_t *signals)
{
	int status, number;

	close_range(0, ~0u, 0);
	for (;;) {
		if (waitpid(inner, &status, WNOHANG) == inner)
			_exit(status_of(status));
		number = sigwaitinfo(signals, NULL);
		if (number == SIGTERM)
			kill(inner, SIGKILL);
	}
}

static _Noreturn void wait_inside(pid_t program)
{
	int status;

	close_range(0, ~0u, 0);
	for (;;) {
		if (waitpid(-1, &status, 0) == program)
			_exit(status_of(status));
	}
}

void program_contain(void)
{
	sigset_t signals;
	pid_t pid;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	if (unshare(CLONE_NEWNS | CLONE_NEWPID) < 0)
		return;
	setpgid(0, 0);
	pid = fork();
	if (pid < 0)
		_exit(126);
	if (pid > 0)
		wait_outside(pid, &signals);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* What the host mounts later may come in, nothing goes out. Who may not mount leaves nothing mounted either. */
	(void)!mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
	(void)!mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	pid = fork();
	if (pid < 0)
		_exit(126);
	if (pid > 0)
		wait_inside(pid);
}
