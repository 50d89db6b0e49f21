/*
 * Sessions: made, joined, ended.
 *
 * A child in new mount and network namespaces makes the files and raises the loopback, sends the namespaces as
 * descriptors and ends. They live on by those descriptors alone, so that an idle session has no process. Sandboxes
 * that are created as members find them in their set-up. Each session has its own host uids, of which no two sandboxes
 * of different sessions share one. Rootless the child is in a new user namespace too, in which those uids are mapped
 * and to which the other two belong (join.c).
 */
#include "keeper/keeper_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "sandbox/setup.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETUP_PATIENCE_US 15000000
#define REMOVE_RETRY_US	  5000

static uint32_t session_number(const struct keeper *k, const struct session *session)
{
	return (uint32_t)(session - k->sessions);
}

uint64_t session_uid(const struct keeper *k, const struct session *session)
{
	return k->settings.uid_base + 2ull * k->slots_count +
	       (uint64_t)KEEPER_SESSION_UIDS * session_number(k, session);
}

static void due(struct keeper *k, uint64_t at_us)
{
	if (at_us < k->sessions_due_us)
		k->sessions_due_us = at_us;
}

static void tell(struct keeper *k, const struct session *session, enum keeper_event event, int error,
		 const char *stage)
{
	struct keeper_message message = { .event = event,
					  .tag = session->tag,
					  .slot = session_number(k, session),
					  .generation = session->generation,
					  .error = error };

	snprintf(message.stage, sizeof(message.stage), "%.63s", stage);
	if (session->epoch == k->epoch)
		keeper_send(k, &message, -1);
}

static void close_watched(struct keeper *k, int *fd)
{
	if (*fd < 0)
		return;
	keeper_unwatch(k, *fd);
	close(*fd);
	*fd = -1;
}

static void close_plain(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static struct session *find_free(struct keeper *k)
{
	for (uint32_t i = 0; i < k->sessions_count; i++) {
		struct session *session = &k->sessions[(k->next_session + i) % k->sessions_count];

		if (session->state == SESSION_FREE) {
			k->next_session = (session_number(k, session) + 1) % k->sessions_count;
			return session;
		}
	}
	return NULL;
}

static bool id_is_taken(const struct keeper *k, const uint8_t *id)
{
	for (uint32_t i = 0; i < k->sessions_count; i++) {
		const struct session *session = &k->sessions[i];

		if (session->state != SESSION_FREE && session->state != SESSION_ENDING &&
		    memcmp(session->id, id, KEEPER_SESSION_ID_SIZE) == 0)
			return true;
	}
	return false;
}

/* The child waits for a byte: rootless its maps come first. */
static int let_go(struct keeper *k, const struct session *session, pid_t pid, struct err *err)
{
	const struct id_range part = { k->slots_count + (uint64_t)JOIN_ID_COUNT * session_number(k, session),
				       JOIN_ID_COUNT };
	int r = k->privileged ? 0 : idmap_write_session(&k->idmap, pid, &part, err);

	if (r < 0)
		return r;
	return send(session->sync_fd, "", 1, MSG_NOSIGNAL) < 0 ? err_set(err, -errno, "start a session") : 0;
}

static int start_child(struct keeper *k, struct session *session, uint64_t disk_bytes, struct err *err)
{
	uid_t owner = k->privileged ? (uid_t)session_uid(k, session) : JOIN_ID_FIRST;
	struct clone_args args = {
		.flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_PIDFD | (k->privileged ? 0 : CLONE_NEWUSER),
		.pidfd = (uint64_t)(uintptr_t)&session->pid_fd,
		.exit_signal = SIGCHLD,
	};
	int sync[2], r = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) < 0)
		return err_set(err, -errno, "make the sync socket");
	session->sync_fd = sync[0];
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		setup_session(sync[1], disk_bytes, owner, k->fresh_proc);
	if (pid < 0)
		r = -errno;
	close(sync[1]);
	if (r < 0)
		return err_set(err, r, "clone for a session");
	r = keeper_watch(k, session->pid_fd, WATCH_SESSION_PID, session_number(k, session));
	if (r == 0)
		r = keeper_watch(k, session->sync_fd, WATCH_SESSION_SYNC, session_number(k, session));
	return r < 0 ? err_set(err, r, "watch a session") : let_go(k, session, pid, err);
}

static void try_release(struct keeper *k, struct session *session)
{
	if (session->pid_fd >= 0)
		return; /* its child is dying */
	if (cgroup_group_remove(&session->group) < 0) {
		session->retry_us = keeper_now_us() + REMOVE_RETRY_US;
		due(k, session->retry_us);
		return;
	}
	close_watched(k, &session->sync_fd);
	close_plain(&session->mounts_fd);
	close_plain(&session->network_fd);
	close_plain(&session->files_fd);
	session->state = SESSION_FREE;
	tell(k, session, KEEPER_EVENT_SESSION_GONE, session->expired ? -ETIME : 0, "");
}

int session_open(struct keeper *k, const struct keeper_request *request, struct err *err)
{
	struct session *session;
	int r;

	if (!k->sessions_count)
		return err_set(err, -ENOTSUP, "sessions are not possible here");
	if (id_is_taken(k, request->id))
		return err_set(err, -EEXIST, "a session with this id is open");
	session = find_free(k);
	if (!session)
		return err_set(err, -EAGAIN, "all %u sessions are in use", k->sessions_count);
	*session = (struct session){ .state = SESSION_SETUP,
				     .generation = session->generation + 1,
				     .epoch = k->epoch,
				     .tag = request->tag,
				     .ttl_ms = request->ttl_ms,
				     .deadline_us = keeper_now_us() + SETUP_PATIENCE_US,
				     .mounts_fd = -1,
				     .network_fd = -1,
				     .files_fd = -1,
				     .sync_fd = -1,
				     .pid_fd = -1 };
	memcpy(session->id, request->id, sizeof(session->id));
	due(k, session->deadline_us);
	r = cgroup_group_create(&session->group, &k->cgroups, session_number(k, session), &request->limits,
				err);
	if (r == 0)
		r = start_child(k, session, (uint64_t)request->limits.value[LIMIT_DISK_BYTES], err);
	if (r < 0) {
		session->epoch = k->epoch - 1; /* the refusal is all that is told */
		session_end(k, session, true);
	}
	return r;
}

static void setup_failed(struct keeper *k, struct session *session, int error, const char *stage)
{
	tell(k, session, KEEPER_REPLY, error, stage);
	session->epoch = k->epoch - 1;
	session_end(k, session, true);
}

static void setup_done(struct keeper *k, struct session *session)
{
	if (session->mounts_fd < 0 || session->network_fd < 0 || session->files_fd < 0) {
		setup_failed(k, session, -EIO, "make a session's files");
		return;
	}
	session->state = SESSION_OPEN;
	session->deadline_us = keeper_now_us() + session->ttl_ms * 1000;
	due(k, session->deadline_us);
	tell(k, session, KEEPER_REPLY, 0, "");
}

/* All that comes is from our own code; what is said twice is not kept. */
static void keep_fd(struct session *session, uint32_t kind, int fd)
{
	int *place = kind == SETUP_REPORT_MOUNTS    ? &session->mounts_fd
		     : kind == SETUP_REPORT_NETWORK ? &session->network_fd
		     : kind == SETUP_REPORT_DISK    ? &session->files_fd
						    : NULL;

	if (place && *place < 0)
		*place = fd;
	else
		close(fd);
}

void session_on_sync(struct keeper *k, struct session *session)
{
	struct setup_report report = { 0 };
	int fd;
	ssize_t n = fd_receive(session->sync_fd, &report, sizeof(report), MSG_DONTWAIT, &fd);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (fd >= 0)
		keep_fd(session, report.kind, fd);
	if (n == (ssize_t)sizeof(report) && report.kind != SETUP_REPORT_FAILED)
		return;
	close_watched(k, &session->sync_fd);
	if (session->state != SESSION_SETUP)
		return;
	if (n == (ssize_t)sizeof(report))
		setup_failed(k, session, report.error > 0 ? -report.error : -EIO,
			     setup_stage_name(report.stage));
	else
		setup_done(k, session);
}

void session_on_dead(struct keeper *k, struct session *session)
{
	siginfo_t info = { 0 };

	if (waitid((idtype_t)P_PIDFD, (id_t)session->pid_fd, &info, WEXITED | WNOHANG) < 0 ||
	    info.si_pid == 0)
		return;
	close_watched(k, &session->pid_fd);
	if (session->state == SESSION_ENDING && session->members == 0)
		try_release(k, session);
}

void session_prolong(struct keeper *k, struct session *session, uint64_t ttl_ms)
{
	session->deadline_us = keeper_now_us() + ttl_ms * 1000;
	due(k, session->deadline_us);
}

static void kill_members(struct keeper *k, const struct session *session, bool files_too, bool expected)
{
	for (uint32_t i = 0; i < k->slots_count && session->members; i++) {
		struct slot *slot = &k->slots[i];

		if (slot->session == session && (files_too || slot->member != KEEPER_MEMBER_FILES))
			slot_kill(k, slot, expected);
	}
}

void session_finish(struct keeper *k, struct session *session)
{
	session->state = SESSION_FINISHED;
	kill_members(k, session, false, false);
}

void session_end(struct keeper *k, struct session *session, bool expected)
{
	if (session->state == SESSION_FREE || session->state == SESSION_ENDING)
		return;
	session->state = SESSION_ENDING;
	if (session->pid_fd >= 0)
		syscall(SYS_pidfd_send_signal, session->pid_fd, SIGKILL, NULL, 0);
	kill_members(k, session, true, expected);
	if (session->members == 0)
		try_release(k, session);
}

int session_join(struct keeper *k, struct session *session, const struct keeper_request *request,
		 struct slot *slot, struct err *err)
{
	bool reads = request->member == KEEPER_MEMBER_FILES;

	slot->session = NULL;
	slot->member = KEEPER_MEMBER_NONE;
	slot->number = 0;
	if (!session)
		return 0;
	if (session->state != SESSION_OPEN && !(session->state == SESSION_FINISHED && reads))
		return err_set(err, -ESTALE, "the session is %s",
			       session->state == SESSION_FINISHED ? "finished" : "not open");
	slot->session = session;
	slot->member = (enum keeper_member)request->member;
	slot->number = request->number;
	session->members++;
	cgroup_group_share(&session->group, session->members);
	return 0;
}

void session_left(struct keeper *k, struct slot *slot)
{
	struct session *session = slot->session;

	if (!session)
		return;
	slot->session = NULL;
	session->members--;
	if (cgroup_group_keeps(&session->group)) {
		session->groups_us = keeper_now_us() + CGROUP_KEPT_IDLE_US;
		due(k, session->groups_us);
	}
	if (session->state == SESSION_ENDING && session->members == 0)
		try_release(k, session);
	else
		cgroup_group_share(&session->group, session->members);
}

uint32_t sessions_open(const struct keeper *k)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < k->sessions_count; i++)
		count += k->sessions[i].state == SESSION_OPEN || k->sessions[i].state == SESSION_FINISHED;
	return count;
}

void sessions_end_unknown(struct keeper *k)
{
	for (uint32_t i = 0; i < k->sessions_count; i++) {
		if (k->sessions[i].state == SESSION_SETUP)
			session_end(k, &k->sessions[i], true);
	}
}

static uint64_t end_of(const struct session *session)
{
	if (session->state == SESSION_FREE)
		return UINT64_MAX;
	if (session->state != SESSION_ENDING)
		return session->deadline_us;
	return session->members == 0 && session->pid_fd < 0 ? session->retry_us : UINT64_MAX;
}

static bool keeps_groups(const struct session *session)
{
	return session->state != SESSION_FREE && cgroup_group_keeps(&session->group);
}

/* When this one wants something. */
static uint64_t due_of(const struct session *session)
{
	uint64_t end_us = end_of(session);

	return keeps_groups(session) && session->groups_us < end_us ? session->groups_us : end_us;
}

static void tick(struct keeper *k, struct session *session)
{
	if (session->state == SESSION_ENDING) {
		try_release(k, session);
	} else if (session->state == SESSION_SETUP) {
		setup_failed(k, session, -ETIMEDOUT, "wait for a session to be set up");
	} else {
		session->expired = true;
		session_end(k, session, false);
	}
}

/* There may be a thousand: they are looked through only when the first of them can be due. */
uint64_t sessions_tick(struct keeper *k, uint64_t now_us)
{
	uint64_t next_us = UINT64_MAX;

	if (now_us < k->sessions_due_us)
		return k->sessions_due_us;
	k->sessions_due_us = UINT64_MAX;
	for (uint32_t i = 0; i < k->sessions_count; i++) {
		struct session *session = &k->sessions[i];

		if (now_us >= end_of(session))
			tick(k, session);
		else if (keeps_groups(session) && now_us >= session->groups_us)
			cgroup_group_clear(&session->group);
	}
	for (uint32_t i = 0; i < k->sessions_count; i++) {
		uint64_t at_us = due_of(&k->sessions[i]);

		if (at_us < next_us)
			next_us = at_us;
	}
	due(k, next_us);
	return k->sessions_due_us;
}
