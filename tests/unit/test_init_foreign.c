/*
 * What init does otherwise where the kernel is not Linux' own. A filter makes this kernel refuse what such a one lacks,
 * in forked children.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "init/foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define USER	   54321
#define GROUP	   54322
#define HIGHEST_FD 700

/* In a child: fails with its line in the source, which is what the test shows. */
#define CHECK(what)                                                                                          \
	do {                                                                                                 \
		if (!(what)) {                                                                               \
			fprintf(stderr, "line %d: %s, errno %d\n", __LINE__, #what, errno);                  \
			_exit(1);                                                                            \
		}                                                                                            \
	} while (0)

#define ANY_ARGUMENT (-1)

/* From now on the call fails so; or only where the lower half of one of its arguments is ~0. */
static void refuse(int number, int error, int argument)
{
	const bool any = argument == ANY_ARGUMENT;
	const unsigned offset =
		any ? 0 : (unsigned)(offsetof(struct seccomp_data, args) + 8u * (unsigned)argument);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, any ? (unsigned)number : ~0u, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
}

static void in_a_child(void (*body)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void as_root_in_a_child(void (*body)(void))
{
	if (geteuid() != 0)
		skip();
	in_a_child(body);
}

/* ---- whose files ---- */

static char folder[] =
	"/tmp/kiln-foreign-XXXXXX"; /* in which the user may make files, and root has a secret */

static int make_folder(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/kiln-foreign-XXXXXX");
	if (!mkdtemp(folder) || chmod(folder, 0777) < 0)
		return -1;
	return 0;
}

static int remove_folder(void **state)
{
	static const char *const names[] = { "secret", "made", "again" };
	char path[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

static int open_in_folder(const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return open(path, flags | O_CLOEXEC, 0600);
}

static unsigned long long effective_capabilities(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long caps = 0;
	char line[256];

	CHECK(file);
	while (fgets(line, sizeof(line), file) && sscanf(line, "CapEff: %llx", &caps) != 1)
		;
	fclose(file);
	return caps;
}

static void files_are_the_users(const struct foreign *foreign)
{
	unsigned long long caps = effective_capabilities();
	struct stat st;
	int fd = open_in_folder("secret", O_CREAT | O_WRONLY);

	CHECK(fd >= 0 && close(fd) == 0);
	files_begin_as(foreign, USER, GROUP);
	CHECK(open_in_folder("secret", O_RDONLY) < 0 && errno == EACCES);
	fd = open_in_folder("made", O_CREAT | O_EXCL | O_WRONLY);
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == USER && st.st_gid == GROUP);
	CHECK(close(fd) == 0);
	CHECK(chown(folder, 0, 0) < 0 || !foreign->by_euid);
	files_as(foreign, getuid());
	fd = open_in_folder("secret", O_RDONLY);
	CHECK(fd >= 0 && close(fd) == 0);
	CHECK(effective_capabilities() == caps);
	CHECK(setpriority(PRIO_PROCESS, 0, -1) == 0); /* they are more than a number */
	files_as(foreign, USER);
	CHECK(open_in_folder("secret", O_RDONLY) < 0 && errno == EACCES);
	fd = open_in_folder("again", O_CREAT | O_EXCL | O_WRONLY);
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == USER && st.st_gid == GROUP);
}

static void with_setfsuid(void)
{
	struct foreign foreign = foreign_probe(USER, GROUP);

	CHECK(!foreign.by_euid && !foreign.nproc_without_self && !foreign.own_meminfo);
	files_are_the_users(&foreign);
}

static void files_are_the_users_by_setfsuid_on_linux(void **state)
{
	as_root_in_a_child(with_setfsuid);
}

static struct foreign without_setfsuid(void)
{
	refuse(SYS_setfsuid, ENOSYS, ANY_ARGUMENT);
	refuse(SYS_setfsgid, ENOSYS, ANY_ARGUMENT);
	return foreign_probe(USER, GROUP);
}

static void with_effective_ids(void)
{
	struct foreign foreign = without_setfsuid();

	/* This kernel counts a process that became the user, and tells of its processes. */
	CHECK(foreign.by_euid && !foreign.nproc_without_self && !foreign.own_meminfo);
	files_are_the_users(&foreign);
}

static void files_are_the_users_without_setfsuid_too(void **state)
{
	as_root_in_a_child(with_effective_ids);
}

/* What the user can do to a process that works as him by its effective ids. */
static void attack(void)
{
	struct foreign foreign = without_setfsuid();
	struct rlimit limit;
	pid_t init = getpid(), pid;
	int status;

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	files_begin_as(&foreign, USER, GROUP);
	files_as(&foreign, getuid());
	pid = fork();
	if (pid == 0) {
		CHECK(setresgid(GROUP, GROUP, GROUP) == 0 && setresuid(USER, USER, USER) == 0);
		/* Until it is him again. */
		while (getpgid(init) != init)
			sched_yield();
		CHECK(kill(init, 0) < 0 && errno == EPERM);
		CHECK(ptrace(PTRACE_ATTACH, init, NULL, NULL) < 0 && errno == EPERM);
		CHECK(prlimit(init, RLIMIT_NOFILE, NULL, &limit) < 0 && errno == EPERM);
		_exit(0);
	}
	files_as(&foreign, USER);
	CHECK(setpgid(0, 0) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	/* The other way round it may: init ends what the user has started. */
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		files_as(&foreign, getuid());
		CHECK(setresuid(USER, USER, USER) == 0);
		pause();
	}
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
}

static void a_user_can_neither_signal_nor_trace_whoever_works_as_him(void **state)
{
	as_root_in_a_child(attack);
}

/* ---- descriptors ---- */

static void open_many(void)
{
	struct rlimit limit;

	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (int fd = 3; fd < 500; fd++)
		CHECK(dup2(STDERR_FILENO, fd) == fd);
	CHECK(dup2(STDERR_FILENO, HIGHEST_FD) == HIGHEST_FD);
	/* What is open beyond a limit that was lowered since is closed as well. */
	limit.rlim_cur = 600;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void only_these_are_open(int first)
{
	for (int fd = 0; fd < first; fd++)
		CHECK(fcntl(fd, F_GETFD) >= 0);
	for (int fd = first; fd <= HIGHEST_FD; fd++)
		CHECK(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
}

static void close_as_it_comes(void)
{
	open_many();
	CHECK(close_from(6) == 0);
	only_these_are_open(6);
}

static void close_to_the_end_refused(void)
{
	refuse(SYS_close_range, EINVAL, 1);
	CHECK(close_range(6, ~0u, 0) < 0 && errno == EINVAL);
	close_as_it_comes();
}

static void close_range_unknown(void)
{
	refuse(SYS_close_range, ENOSYS, ANY_ARGUMENT);
	close_as_it_comes();
}

static void close_range_forbidden(void)
{
	refuse(SYS_close_range, EPERM, ANY_ARGUMENT);
	close_as_it_comes();
}

static void no_list_of_descriptors(void)
{
	open_many();
	CHECK(close_listed("/proc/self/fd/none", 6) == -ENOENT);
	CHECK(fcntl(HIGHEST_FD, F_GETFD) >= 0);
}

static void all_descriptors_are_closed_however_the_kernel_lets_that_be_done(void **state)
{
	in_a_child(close_as_it_comes);
	in_a_child(close_to_the_end_refused);
	in_a_child(close_range_unknown);
	in_a_child(close_range_forbidden);
}

static void without_a_list_of_descriptors_that_fails(void **state)
{
	in_a_child(no_list_of_descriptors);
}

/* ---- memory, and what is left ---- */

static bool bytes_of(const char *text, uint64_t *ret)
{
	char path[] = "/tmp/kiln-meminfo-XXXXXX";
	int fd = mkstemp(path);
	bool found;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	found = meminfo_bytes(path, ret);
	unlink(path);
	return found;
}

static void memory_is_what_a_meminfo_of_ones_own_says(void **state)
{
	uint64_t bytes = 0;

	/* As gVisor has it. */
	assert_true(bytes_of("MemTotal:       24684084 kB\nCached:             4588 kB\n"
			     "Active(anon):       8560 kB\nAnonPages:          8560 kB\n"
			     "Mapped:              492 kB\nShmem:              4096 kB\n",
			     &bytes));
	assert_int_equal(bytes, (8560 + 4096) * 1024);
	assert_false(bytes_of("MemTotal: 1 kB\nAnonPages: 8560 kB\n", &bytes));
	assert_false(bytes_of("MemTotal: 1 kB\nAnonPages: some\nShmem: 1 kB\n", &bytes));
	assert_false(meminfo_bytes("/nowhere", &bytes));
}

static void leave_and_remove(void)
{
	int id;

	CHECK(unshare(CLONE_NEWIPC) == 0);
	CHECK(!ipc_is_left());
	id = shmget(IPC_PRIVATE, 4096, 0600);
	CHECK(id >= 0 && ipc_is_left());
	CHECK(shmctl(id, IPC_RMID, NULL) == 0 && !ipc_is_left());
	id = semget(IPC_PRIVATE, 1, 0600);
	CHECK(id >= 0 && ipc_is_left());
	CHECK(semctl(id, 0, IPC_RMID) == 0 && !ipc_is_left());
	id = msgget(IPC_PRIVATE, 0600);
	CHECK(id >= 0 && ipc_is_left());
	CHECK(msgctl(id, IPC_RMID, NULL) == 0 && !ipc_is_left());
	refuse(SYS_shmctl, EINVAL, ANY_ARGUMENT);
	CHECK(ipc_is_left()); /* for all that is known */
}

static void what_steps_leave_of_system_v_is_seen_without_a_list(void **state)
{
	as_root_in_a_child(leave_and_remove);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files_are_the_users_by_setfsuid_on_linux, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(files_are_the_users_without_setfsuid_too, make_folder,
						remove_folder),
		cmocka_unit_test(a_user_can_neither_signal_nor_trace_whoever_works_as_him),
		cmocka_unit_test(all_descriptors_are_closed_however_the_kernel_lets_that_be_done),
		cmocka_unit_test(without_a_list_of_descriptors_that_fails),
		cmocka_unit_test(memory_is_what_a_meminfo_of_ones_own_says),
		cmocka_unit_test(what_steps_leave_of_system_v_is_seen_without_a_list),
	};

	return cmocka_run_group_tests_name("init: other kernels", tests, NULL, NULL);
}
