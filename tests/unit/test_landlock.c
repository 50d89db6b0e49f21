/*
 * The rules that init puts payloads under, tried in forked children: they name folders that this machine has too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "init/init_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs `attempt` under the rules; returns its errno, or 0 where it succeeded. Skips where the kernel has none. */
static int under_the_rules(int (*attempt)(void))
{
	int fd = landlock_prepare(NULL), status;
	pid_t pid;

	if (fd == LANDLOCK_NONE)
		skip();
	assert_true(fd >= 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
			_exit(255);
		_exit(attempt() < 0 ? errno : 0);
	}
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static char folder[64];	 /* below /tmp, made by the set-up */
static char outside[96]; /* a writable folder below none of those that the rules name */

static int make_below_tmp(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/file", folder);
	return open(path, O_WRONLY | O_CREAT, 0600);
}

static int rename_between_folders(void)
{
	char from[96], to[96], dir[96];

	snprintf(from, sizeof(from), "%s/from", folder);
	snprintf(dir, sizeof(dir), "%s/dir", folder);
	snprintf(to, sizeof(to), "%s/dir/to", folder);
	if (open(from, O_WRONLY | O_CREAT, 0600) < 0 || mkdir(dir, 0700) < 0)
		return -1;
	return rename(from, to);
}

static int make_outside(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/file", outside);
	return open(path, O_WRONLY | O_CREAT, 0600);
}

static int make_a_folder_outside(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/dir", outside);
	return mkdir(path, 0700);
}

static int remove_outside(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/there", outside);
	return unlink(path);
}

static int write_to_null(void)
{
	int fd = open("/dev/null", O_WRONLY);

	return fd < 0 || write(fd, "x", 1) != 1 ? -1 : 0;
}

static int reopen_a_pipe(void)
{
	char path[64];
	int ends[2];

	if (pipe(ends) < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
	return open(path, O_WRONLY);
}

static int signal_the_parent(void)
{
	return kill(getppid(), 0);
}

static void the_scratch_folders_can_be_written(void **state)
{
	assert_int_equal(under_the_rules(make_below_tmp), 0);
	assert_int_equal(under_the_rules(rename_between_folders), 0);
}

static void elsewhere_nothing_can_be_made_or_removed(void **state)
{
	if (!outside[0])
		skip();
	assert_int_equal(under_the_rules(make_outside), EACCES);
	assert_int_equal(under_the_rules(make_a_folder_outside), EACCES);
	assert_int_equal(under_the_rules(remove_outside), EACCES);
}

static void harmless_devices_and_pipes_can_be_opened(void **state)
{
	assert_int_equal(under_the_rules(write_to_null), 0);
	assert_int_equal(under_the_rules(reopen_a_pipe), 0);
}

static void a_process_outside_the_rules_cannot_be_signalled(void **state)
{
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1u) < 6)
		skip();
	assert_int_equal(under_the_rules(signal_the_parent), EPERM);
}

static int set_up(void **state)
{
	char there[128];

	snprintf(folder, sizeof(folder), "/tmp/kiln-landlock-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	/* Writable for root, and for a user with a session. */
	snprintf(outside, sizeof(outside), "/run/kiln-landlock-XXXXXX");
	if (!mkdtemp(outside)) {
		snprintf(outside, sizeof(outside), "%s/kiln-landlock-XXXXXX",
			 getenv("XDG_RUNTIME_DIR") ?: "/nowhere");
		if (!mkdtemp(outside))
			outside[0] = '\0';
	}
	if (!outside[0])
		return 0;
	snprintf(there, sizeof(there), "%s/there", outside);
	return close(open(there, O_WRONLY | O_CREAT, 0600));
}

static void remove_tree(const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/rm", "rm", "-rf", path, NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

static int tear_down(void **state)
{
	remove_tree(folder);
	if (outside[0])
		remove_tree(outside);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_scratch_folders_can_be_written),
		cmocka_unit_test(elsewhere_nothing_can_be_made_or_removed),
		cmocka_unit_test(harmless_devices_and_pipes_can_be_opened),
		cmocka_unit_test(a_process_outside_the_rules_cannot_be_signalled),
	};

	return cmocka_run_group_tests_name("landlock", tests, set_up, tear_down);
}
