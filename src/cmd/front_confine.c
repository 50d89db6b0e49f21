/*
 * See capabilities(7), landlock(7), seccomp(2). A front that is taken over by a stranger's bytes holds: listening and
 * accepted sockets, the keeper's socket (whose requests are checked against the state of each sandbox), the sandboxes'
 * sockets, and memory. No file but the few below, no new program, no new socket, no other process.
 */
#include "cmd/front_confine.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Every right of the first Landlock ABI; all are denied everywhere. */
#define LANDLOCK_EVERYTHING ((1ULL << 13) - 1)

int front_limits_set(struct err *err)
{
	const struct rlimit none = { 0, 0 };
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return err_set(err, -errno, "limit of open files");
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return err_set(err, -errno, "limits of the front");
	return 0;
}

/* True when every id is the new one and root cannot be had back. */
static bool ids_are_final(uid_t uid, gid_t gid)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (getresuid(&ruid, &euid, &suid) < 0 || getresgid(&rgid, &egid, &sgid) < 0)
		return false;
	if (ruid != uid || euid != uid || suid != uid || rgid != gid || egid != gid || sgid != gid)
		return false;
	return getgroups(0, NULL) == 0 && setresuid(0, 0, 0) < 0 && setresgid(0, 0, 0) < 0;
}

/* Who to become: the configured user, else the uid behind the sandboxes' range, which is nobody else's. */
static int find_ids(const struct config *config, uid_t *ret_uid, gid_t *ret_gid, struct err *err)
{
	const struct passwd *pw;

	if (!config->user || !config->user[0]) {
		*ret_uid = (uid_t)(config->uid_base + config->uid_count);
		*ret_gid = (gid_t)*ret_uid;
		return 0;
	}
	errno = 0;
	pw = getpwnam(config->user);
	if (!pw)
		return err_set(err, errno ? -errno : -ENOENT, "user '%s' of the front", config->user);
	if (pw->pw_uid == 0 || pw->pw_gid == 0)
		return err_set(err, -EPERM, "the front may not run as '%s', which is root or of its group",
			       config->user);
	*ret_uid = pw->pw_uid;
	*ret_gid = pw->pw_gid;
	return 0;
}

static int become_user(const struct config *config, struct err *err)
{
	uid_t uid = 0;
	gid_t gid = 0;
	int r = find_ids(config, &uid, &gid, err);

	if (r < 0)
		return r;
	for (int cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return err_set(err, -errno, "give up capability %d", cap);
	}
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return err_set(err, -errno, "become user %u", (unsigned)uid);
	if (!ids_are_final(uid, gid))
		return err_set(err, -EPERM, "become user %u: root did not let go", (unsigned)uid);
	return 0;
}

/* What may still be read, if it is there. */
static const char *const readable[] = {
	"/dev/null",	   /* libmicrohttpd's listeners hold a descriptor of it in reserve */
	"/dev/urandom",	   /* jansson's seed */
	"/usr/lib/locale", /* libarchive's conversion of names */
};

static int readable_allow(int ruleset, const char *path, uint64_t rights, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_PATH | O_CLOEXEC);
	const struct landlock_path_beneath_attr rule = {
		.allowed_access = rights,
		.parent_fd = fd,
	};

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_set(
			err, -errno,
			"'%s' cannot be reached by the front's user %u, who may not search a folder above it",
			path, (unsigned)geteuid());
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return err_set(err, -errno, "Landlock, a rule for '%s'", path);
	return 0;
}

/* -EOPNOTSUPP and -ENOSYS are no failure: a kernel without Landlock leaves the work to uid and seccomp. */
static int files_hide(const struct config *config, struct err *err)
{
	AUTO_FREE char *names = NULL;
	const struct landlock_ruleset_attr attr = { .handled_access_fs = LANDLOCK_EVERYTHING };
	AUTO_CLOSE int ruleset =
		(int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	int r = 0;

	if (ruleset < 0)
		return errno == EOPNOTSUPP || errno == ENOSYS ? 0 : err_set(err, -errno, "Landlock");
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(readable); i++)
		r = readable_allow(ruleset, readable[i], LANDLOCK_ACCESS_FS_READ_FILE, err);
	/* The names of the stored images with their descriptions, not the images. */
	if (r >= 0 && asprintf(&names, "%s/images/names", config->state_dir) < 0) {
		names = NULL;
		r = err_set(err, -ENOMEM, "Landlock");
	}
	if (r >= 0)
		r = readable_allow(ruleset, names, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
				   err);
	if (r >= 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		r = err_set(err, -errno, "Landlock");
	return r;
}

int front_confine(const struct config *config, struct err *err)
{
	int r;

	if (geteuid() == 0) {
		r = become_user(config, err);
		if (r < 0)
			return r;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(err, -errno, "give up privileges");
	r = files_hide(config, err);
	if (r < 0)
		return r;
	return front_seccomp_load(err);
}
