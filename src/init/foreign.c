/*
 * Other ways to the same end, for a kernel that is not Linux' own.
 *
 * How files are the user's without setfsuid(2): by the effective ids. That takes the effective capabilities away with
 * root's and gives them back with it, which is as it should be: init's rights over the user's files are what it puts
 * down. Of what a matching effective id lets another process do to init, there is only its place among the processors
 * and its nice value, which mean nothing to gVisor.
 */
#include "init/foreign.h"

#include "init/proc_text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAME ((uid_t)-1)

/* ---- whose files ---- */

static void ids_or_end(long r)
{
	if (r < 0)
		_exit(1);
}

void files_begin_as(const struct foreign *foreign, uid_t user, gid_t group)
{
	if (foreign->by_euid)
		ids_or_end(syscall(SYS_setresgid, SAME, group, SAME));
	else
		setfsgid(group);
	files_as(foreign, user);
}

void files_as(const struct foreign *foreign, uid_t uid)
{
	if (foreign->by_euid)
		ids_or_end(syscall(SYS_setresuid, SAME, uid, SAME));
	else
		setfsuid(uid);
}

/* ---- memory ---- */

bool meminfo_bytes(const char *path, uint64_t *ret)
{
	uint64_t anonymous, files;
	char text[2048];

	if (!proc_text(AT_FDCWD, path, text, sizeof(text)) || !proc_bytes(text, "\nAnonPages:", &anonymous) ||
	    !proc_bytes(text, "\nShmem:", &files))
		return false;
	*ret = anonymous + files;
	return true;
}

/* ---- what steps leave ---- */

/* A kernel without them has none; one that does not say may have some. */
static bool may_be_some(int r, const int *count)
{
	return r < 0 ? errno != ENOSYS : *count != 0;
}

bool ipc_is_left(void)
{
	struct seminfo sem = { 0 };
	struct shm_info shm = { 0 };
	struct msginfo msg = { 0 };
	union {
		struct seminfo *info;
	} argument = { &sem };

	return may_be_some(shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&shm), &shm.used_ids) ||
	       may_be_some(semctl(0, 0, SEM_INFO, argument), &sem.semusz) ||
	       may_be_some(msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&msg), &msg.msgpool);
}

/* ---- what is so ---- */

/* Linux tells of each process what is its own; gVisor does not, but has a meminfo for each sandbox. */
static bool is_own_meminfo(void)
{
	char text[4096];
	uint64_t bytes;

	return proc_text(AT_FDCWD, "/proc/self/status", text, sizeof(text)) && !strstr(text, "\nRssAnon:") &&
	       strstr(text, "\nVmRSS:") && meminfo_bytes(OWN_MEMINFO, &bytes);
}

/* A process that has become the user, and may have one: whether it can have another one yet. */
static _Noreturn void try_to_fork(uid_t user, gid_t group)
{
	const struct rlimit one = { 1, 1 };
	pid_t pid;

	if (syscall(SYS_setresgid, group, group, group) < 0 || syscall(SYS_setresuid, user, user, user) < 0 ||
	    setrlimit(RLIMIT_NPROC, &one) < 0)
		_exit(1);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	_exit(pid > 0 && waitpid(pid, NULL, 0) == pid ? 0 : 1);
}

static bool is_nproc_without_self(uid_t user, gid_t group)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	int status;

	if (pid == 0)
		try_to_fork(user, group);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

struct foreign foreign_probe(uid_t user, gid_t group)
{
	/* It answers with what the id is now, and changes nothing. */
	struct foreign foreign = { .by_euid = syscall(SYS_setfsuid, -1) < 0 };

	foreign.own_meminfo = is_own_meminfo();
	foreign.nproc_without_self =
		(foreign.by_euid || foreign.own_meminfo) && is_nproc_without_self(user, group);
	return foreign;
}
