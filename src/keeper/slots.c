/*
 * Sandboxes: made, watched, ended.
 *
 * Making one does not block the loop for longer than clone and the cgroup writes: the child does its mounts
 * by itself and asks for its uid maps on a sync socket, whose end of file says that init is executed.
 * Ending one is kill by pidfd; waitid returns when the kernel has killed and reaped the whole pid
 * namespace, after which the groups can be removed.
 */
#include "keeper/keeper_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "sandbox/setup.h"
#include "wire/init_config.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* After a step's wall time init has this long to end it by itself and report. */
#define DEADLINE_GRACE_US 1500000
#define CPU_CHECK_MIN_US  1000
#define CPU_CHECK_MAX_US  500000
#define SAMPLE_US	  20000 /* where only samples tell how many processes there were */
#define REMOVE_RETRY_US	  5000
#define SETUP_PATIENCE_US 15000000
#define TICK_MAX_US	  3600000000ull /* what epoll counts in milliseconds would overflow after 24 days */

static uint32_t slot_number(const struct keeper *k, const struct slot *slot)
{
	return (uint32_t)(slot - k->slots);
}

static void set_active(struct keeper *k, struct slot *slot, bool active)
{
	if (active == (slot->link_active != NULL))
		return;
	if (active) {
		slot->next_active = k->active;
		slot->link_active = &k->active;
		if (k->active)
			k->active->link_active = &slot->next_active;
		k->active = slot;
		return;
	}
	*slot->link_active = slot->next_active;
	if (slot->next_active)
		slot->next_active->link_active = slot->link_active;
	slot->link_active = NULL;
}

static void tell(struct keeper *k, struct slot *slot, enum keeper_event event)
{
	struct keeper_message message = { .event = event,
					  .slot = slot_number(k, slot),
					  .generation = slot->generation };

	/* The last word on a sandbox that ended under its step. */
	if (event == KEEPER_EVENT_DIED || event == KEEPER_EVENT_DEADLINE)
		cgroup_box_usage(&slot->box, &message.usage);
	if (slot->epoch == k->epoch)
		keeper_send(k, &message, -1);
}

static void reply_created(struct keeper *k, struct slot *slot, int error, const char *stage)
{
	struct keeper_message message = {
		.event = KEEPER_REPLY,
		.tag = slot->tag,
		.slot = slot_number(k, slot),
		.generation = slot->generation,
		.error = error,
	};

	snprintf(message.stage, sizeof(message.stage), "%.63s", stage);
	if (slot->epoch == k->epoch)
		keeper_send(k, &message, error ? -1 : slot->front_fd);
}

static void close_fd(struct keeper *k, int *fd)
{
	if (*fd < 0)
		return;
	keeper_unwatch(k, *fd);
	close(*fd);
	*fd = -1;
}

static uint64_t supervisor_of(const struct keeper *k, uint32_t number)
{
	return k->settings.uid_base + 2ull * number;
}

/*
 * In turn: what the kernel gives back a moment late of a uid's budgets (message queues, with their namespace) the next
 * one does not miss.
 */
static struct slot *find_free(struct keeper *k)
{
	for (uint32_t i = 0; i < k->slots_count; i++) {
		struct slot *slot = &k->slots[(k->next_slot + i) % k->slots_count];

		if (slot->state == SLOT_FREE) {
			k->next_slot = (slot_number(k, slot) + 1) % k->slots_count;
			return slot;
		}
	}
	return NULL;
}

/* What the child's set-up refers to. */
struct plan {
	struct setup setup;
	struct mount_member member;
	char uid[16], gid[16], home[16 + KEEPER_NAME_SIZE], line[128];
	char *argv[INIT_ARG_COUNT + KEEPER_FOLDERS_MAX + 1];
};

/* The uids of its payload, as set-up sees them: those of a session, else one alone. */
static struct id_range users_of(const struct keeper *k, const struct slot *slot)
{
	if (slot->session && !k->privileged)
		return join_users(slot);
	if (slot->session && slot->member != KEEPER_MEMBER_SERVICE)
		return (struct id_range){ session_uid(k, slot->session), KEEPER_SESSION_UIDS };
	return (struct id_range){ supervisor_of(k, slot_number(k, slot)) + 1, 1 };
}

/* Init has the usual ones in its configuration, and is told of others. */
static void plan_ids(const struct slot *slot, struct plan *plan)
{
	snprintf(plan->uid, sizeof(plan->uid), "%u", slot->inside.uid);
	snprintf(plan->gid, sizeof(plan->gid), "%u", slot->inside.gid);
	snprintf(plan->home, sizeof(plan->home), "/sandbox");
	plan->argv[INIT_ARG_UID] = plan->uid;
	plan->argv[INIT_ARG_GID] = plan->gid;
	plan->argv[INIT_ARG_HOME] = plan->home;
	plan->argv[INIT_ARG_ROLE] = (char *)INIT_AS_SANDBOX;
}

/* A run is its user, in his home, with a line in /etc/passwd. */
static void plan_run(const struct slot *slot, const struct keeper_request *request, struct plan *plan)
{
	unsigned uid = slot->inside.uid + request->number;

	plan->member.name = request->name;
	plan->member.user = plan->member.owner + request->number;
	snprintf(plan->uid, sizeof(plan->uid), "%u", uid);
	snprintf(plan->home, sizeof(plan->home), "/sandboxes/%s", request->name);
	snprintf(plan->line, sizeof(plan->line), "%s:x:%u:%u::%s:/bin/bash\n", request->name, uid,
		 slot->inside.gid, plan->home);
	plan->setup.values.passwd_line = plan->line;
}

/* A sandbox as any other, that can write in more folders. */
static void plan_service(const struct keeper_request *request, struct plan *plan)
{
	size_t count = INIT_ARG_COUNT;

	plan->argv[INIT_ARG_ROLE] = (char *)INIT_AS_SERVICE;
	plan->setup.values.folders = request->folders;
	for (const char *at = request->folders; *at; at += strlen(at) + 1)
		plan->argv[count++] = (char *)at;
}

static void plan_member(const struct keeper *k, const struct slot *slot, const struct keeper_request *request,
			struct plan *plan)
{
	bool runs = slot->member == KEEPER_MEMBER_RUN;
	struct id_range users = users_of(k, slot);

	plan->setup.joined = !k->privileged;
	plan->setup.net_fd = k->privileged ? slot->session->network_fd : -1;
	plan->setup.loopback = false; /* it is up */
	if (slot->member == KEEPER_MEMBER_SERVICE) {
		plan_service(request, plan);
		return;
	}
	plan->member = (struct mount_member){ .mnt_fd = slot->session->mounts_fd,
					      .user = (uid_t)users.first,
					      .owner = (uid_t)users.first,
					      .owners = users.count,
					      .read_only = slot->session->state == SESSION_FINISHED };
	snprintf(plan->home, sizeof(plan->home), "/sandboxes");
	if (runs)
		plan_run(slot, request, plan);
	plan->setup.member = &plan->member;
	if (k->privileged) {
		plan->setup.values.user = plan->member.user;
		plan->setup.values.group = plan->member.owner;
	} else {
		plan->setup.values.user += plan->member.user - plan->member.owner;
	}
	plan->argv[INIT_ARG_ROLE] = (char *)(runs ? INIT_AS_RUN : INIT_AS_FILES);
}

/* What a service or a terminal puts into the root is not in a template. */
static bool has_own_mounts(const struct slot *slot, const struct keeper_request *request)
{
	return slot->member == KEEPER_MEMBER_SERVICE || request->flags & KEEPER_FLAG_TTY;
}

static void fill_setup(struct keeper *k, const struct slot *slot, const struct keeper_request *request,
		       struct plan *plan)
{
	struct setup *setup = &plan->setup;
	uint64_t supervisor = supervisor_of(k, slot_number(k, slot));
	uid_t user = slot->inside.uid;
	gid_t group = slot->inside.gid;

	if (k->privileged)
		user = group = (uid_t)(supervisor + 1);

	*plan = (struct plan){ .argv = { (char *)"kiln-init" } };

	*setup = (struct setup){
		.plan = slot->image_fd >= 0 ? &k->image_plan : &k->plan,
		.values = { .disk_bytes = (uint64_t)request->limits.value[LIMIT_DISK_BYTES],
			    .user = user,
			    .group = group,
			    .may_mknod = k->privileged,
			    .overlay = k->overlay,
			    .tty = request->flags & KEEPER_FLAG_TTY,
			    .images = k->settings.images,
			    .image = slot->image_fd >= 0 ? slot->image : NULL,
			    .sandboxes_fd = -1,
			    .home_fd = -1 },
		.init_argv = plan->argv,
		.privileged = k->privileged,
		.single_uid = !k->privileged && !k->idmap.ranges,
		.loopback = request->flags & KEEPER_FLAG_LOOPBACK,
		.fresh_proc = k->fresh_proc,
		.signals_ignored = k->signals_ignored,
		.supervisor = (uid_t)supervisor,
		.init_fd = k->init_fd,
		.config_fd = slot->session && slot->member == KEEPER_MEMBER_SERVICE ? k->service_config_fd
										    : k->config_fd,
		.box = &slot->box,
		.net_fd = slot->net_fd,
		.mounts_from = has_own_mounts(slot, request) ? NULL : template_for(k, slot->image_fd >= 0),
		.cgroup_fd = k->cgroups.version == 2 ? slot->box.fd[0] : -1,
	};
	if (slot->session || slot->inside.uid != PAYLOAD_UID || slot->inside.gid != PAYLOAD_GID)
		plan_ids(slot, plan);
	if (slot->session)
		plan_member(k, slot, request, plan);
}

static int clone_setup(struct keeper *k, struct slot *slot, const struct setup *setup, struct err *err)
{
	struct clone_args args = {
		.flags = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD |
			 (setup->mounts_from ? 0 : CLONE_NEWNS) |
			 (setup->net_fd < 0 && !slot->session ? CLONE_NEWNET : 0) |
			 (k->privileged ? 0 : CLONE_NEWUSER),
		.pidfd = (uint64_t)(uintptr_t)&slot->pid_fd,
		.exit_signal = SIGCHLD,
	};
	int cgroup_fd = cgroup_box_clone_fd(&slot->box);
	pid_t pid;

	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	if (setup->joined)
		return join_clone(slot, setup, &args, err);
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		setup_child(setup);
	if (pid < 0)
		return err_set(err, -errno, "clone a sandbox");
	slot->pid = pid;
	return 0;
}

/* The child waits for a byte: rootless its maps come first. Members of sessions have got it then. */
static int let_go(struct keeper *k, struct slot *slot, struct err *err)
{
	int r = 0;

	if (!k->privileged)
		r = idmap_write_rootless(&k->idmap, slot->pid, slot_number(k, slot), &slot->inside, err);
	if (r < 0)
		return r;
	return send(slot->sync_fd, "", 1, MSG_NOSIGNAL) < 0 ? err_set(err, -errno, "start the sandbox") : 0;
}

static int watch(struct keeper *k, const struct slot *slot)
{
	int r = keeper_watch(k, slot->pid_fd, WATCH_PID, slot_number(k, slot));

	if (r == 0)
		r = keeper_watch(k, slot->sync_fd, WATCH_SYNC, slot_number(k, slot));
	if (r == 0 && slot->box.oom_fd >= 0)
		r = keeper_watch(k, slot->box.oom_fd, WATCH_OOM, slot_number(k, slot));
	return r;
}

static int start_child(struct keeper *k, struct slot *slot, const struct keeper_request *request,
		       struct err *err)
{
	/* A loopback that was up has state, in counters and caches: such a namespace is nobody's second one. */
	bool reusable = !slot->session && !(request->flags & KEEPER_FLAG_LOOPBACK);
	int wire[2], sync[2], r, watched;
	struct plan plan;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, wire) < 0)
		return err_set(err, -errno, "make init's socket");
	slot->front_fd = wire[0];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) < 0) {
		close(wire[1]);
		return err_set(err, -errno, "make the sync socket");
	}
	slot->sync_fd = sync[0];
	if (reusable)
		slot->net_fd = netns_take(&k->netns);
	fill_setup(k, slot, request, &plan);
	plan.setup.sync_fd = sync[1];
	plan.setup.socket_fd = wire[1];
	r = clone_setup(k, slot, &plan.setup, err);
	close(wire[1]);
	close(sync[1]);
	if (!slot->pid)
		return r;
	if (slot->net_fd < 0 && reusable)
		slot->net_fd = netns_of(&k->netns, slot->pid);
	watched = watch(k, slot);
	if (r == 0 && watched < 0)
		r = err_set(err, watched, "watch a sandbox");
	return r < 0 || plan.setup.joined ? r : let_go(k, slot, err);
}

static void release(struct keeper *k, struct slot *slot)
{
	close_fd(k, &slot->sync_fd);
	close_fd(k, &slot->pid_fd);
	if (slot->front_fd >= 0)
		close(slot->front_fd);
	if (slot->disk_fd >= 0)
		close(slot->disk_fd);
	netns_give_back(&k->netns, slot->net_fd);
	if (slot->image_fd >= 0)
		close(slot->image_fd);
	slot->front_fd = slot->disk_fd = slot->net_fd = slot->image_fd = -1;
	set_active(k, slot, false);
	slot->state = SLOT_FREE;
	slot->pid = 0;
	k->live--;
	k->turned_over_us = keeper_now_us();
	session_left(k, slot);
}

/* All processes are dead; the groups may need a moment more. */
static void try_release(struct keeper *k, struct slot *slot)
{
	if (slot->box.oom_fd >= 0)
		keeper_unwatch(k, slot->box.oom_fd);
	if (cgroup_box_remove(&slot->box) < 0) {
		slot->retry_us = keeper_now_us() + REMOVE_RETRY_US;
		set_active(k, slot, true);
		return;
	}
	tell(k, slot, KEEPER_EVENT_GONE);
	release(k, slot);
}

int slot_create(struct keeper *k, const struct keeper_request *request, struct session *session,
		struct err *err)
{
	struct slot *slot = find_free(k);
	int r;

	if (!slot)
		return err_set(err, -EAGAIN, "all %u sandboxes are in use", k->slots_count);
	slot->image_fd = -1;
	r = request->image == KEEPER_IMAGE_STORED ? image_hold(k, request->digest, slot, err) : 0;
	if (r == 0)
		r = session_join(k, session, request, slot, err);
	if (r < 0) {
		close_fd(k, &slot->image_fd);
		return r;
	}
	slot->state = SLOT_SETUP;
	slot->generation++;
	slot->epoch = k->epoch;
	slot->tag = request->tag;
	slot->pid = 0;
	slot->pid_fd = slot->sync_fd = slot->front_fd = slot->disk_fd = slot->net_fd = -1;
	slot->limits = request->limits;
	slot->inside = (struct inside){ request->uid, request->gid };
	slot->expected = slot->reaped = slot->cpu_told = slot->oom_told = slot->used = false;
	slot->deadline_us = keeper_now_us() + SETUP_PATIENCE_US;
	slot->check_us = slot->retry_us = 0;
	set_active(k, slot, true);
	k->live++;
	k->turned_over_us = keeper_now_us();
	r = cgroup_box_create(&slot->box, &k->cgroups, session ? &session->group : NULL, slot_number(k, slot),
			      k->privileged ? (uid_t)supervisor_of(k, slot_number(k, slot)) : geteuid(), err);
	if (r == 0) {
		slot->box.warm = request->flags & KEEPER_FLAG_WARM;
		r = cgroup_box_prepare(&slot->box, &request->limits, err);
	}
	if (r == 0)
		r = start_child(k, slot, request, err);
	if (r < 0) {
		slot_kill(k, slot, true);
		slot->reaped = slot->pid == 0;
		if (slot->reaped)
			try_release(k, slot);
	}
	return r;
}

static void setup_failed(struct keeper *k, struct slot *slot, int error, const char *stage)
{
	reply_created(k, slot, error, stage);
	slot_kill(k, slot, true);
}

/* Init is executed. */
static void setup_done(struct keeper *k, struct slot *slot)
{
	close_fd(k, &slot->sync_fd);
	slot->state = SLOT_READY;
	set_active(k, slot, false);
	reply_created(k, slot, 0, "");
	/* That of a service must not close with the front. */
	if (slot->member == KEEPER_MEMBER_SERVICE)
		return;
	close(slot->front_fd);
	slot->front_fd = -1;
}

static void setup_map(struct keeper *k, struct slot *slot)
{
	struct id_range users = users_of(k, slot);
	struct err err = ERR_INIT;
	int r = idmap_write_root(slot->pid, supervisor_of(k, slot_number(k, slot)), &users, &slot->inside,
				 &err);

	if (r < 0)
		setup_failed(k, slot, r, "write the uid maps");
	else if (send(slot->sync_fd, "", 1, MSG_NOSIGNAL) < 0)
		setup_failed(k, slot, -errno, "go on after the uid maps");
}

void slot_on_sync(struct keeper *k, struct slot *slot)
{
	struct setup_report report = { 0 };
	char stage[128];
	int fd;
	ssize_t n = fd_receive(slot->sync_fd, &report, sizeof(report), MSG_DONTWAIT, &fd);

	if (n == -EAGAIN || n == -EINTR)
		return;
	/* All before the last exec is our own code: a second context would be a bug of ours, and is not kept. */
	if (fd >= 0 && slot->disk_fd < 0 && report.kind == SETUP_REPORT_DISK)
		slot->disk_fd = fd;
	else if (fd >= 0)
		close(fd);
	/* Its death closes it too: what has failed or was killed must not become ready by that. */
	if (slot->state != SLOT_SETUP) {
		close_fd(k, &slot->sync_fd);
		return;
	}
	if (n == 0) {
		setup_done(k, slot);
		return;
	}
	if (n == (ssize_t)sizeof(report) && report.kind == SETUP_REPORT_DISK)
		return;
	if (n == (ssize_t)sizeof(report) && report.kind == SETUP_REPORT_MAP && k->privileged &&
	    !slot->reaped) {
		setup_map(k, slot);
		return;
	}
	report.what[sizeof(report.what) - 1] = '\0';
	snprintf(stage, sizeof(stage), "%s%s%s", setup_stage_name(report.stage), report.what[0] ? ": " : "",
		 report.what);
	setup_failed(k, slot, report.error > 0 ? -report.error : -EIO, stage);
}

void slot_on_dead(struct keeper *k, struct slot *slot)
{
	siginfo_t info = { 0 };

	if (waitid((idtype_t)P_PIDFD, (id_t)slot->pid_fd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return;
	slot->reaped = true;
	close_fd(k, &slot->pid_fd);
	if (slot->state == SLOT_SETUP && slot->sync_fd >= 0)
		slot_on_sync(k, slot); /* its last words */
	if (!slot->expected)
		tell(k, slot, KEEPER_EVENT_DIED);
	slot->expected = true;
	slot->state = SLOT_DYING;
	set_active(k, slot, false);
	try_release(k, slot);
}

void slot_on_oom(struct keeper *k, struct slot *slot)
{
	uint64_t count;

	if (read(slot->box.oom_fd, &count, sizeof(count)) < 0 || slot->state != SLOT_RUNNING ||
	    slot->oom_told)
		return;
	/* The notice comes before the kill is counted; the tick looks again until it is. */
	slot->check_us = 0;
}

/*
 * What a runtime has already written may be more than the run is to have: then as much as holds that, and less than
 * twice as much. In a sandbox without the runtime the program would have had to write it.
 */
static int resize_scratch(const struct slot *slot, uint64_t disk_bytes)
{
	uint64_t most = (uint64_t)slot->limits.value[LIMIT_DISK_BYTES];
	int r = mounts_resize_scratch(slot->disk_fd, disk_bytes);

	while (r == -EINVAL && disk_bytes < most) {
		disk_bytes = disk_bytes < most / 2 ? 2 * disk_bytes : most;
		r = mounts_resize_scratch(slot->disk_fd, disk_bytes);
	}
	return r;
}

/* Files come before the first step, so what bounds them must hold now. */
int slot_adopt(struct keeper *k, struct slot *slot, const struct limits *limits, struct err *err)
{
	int64_t disk_bytes = limits->value[LIMIT_DISK_BYTES];
	int r = 0;

	if (disk_bytes != slot->limits.value[LIMIT_DISK_BYTES])
		r = resize_scratch(slot, (uint64_t)disk_bytes);
	if (r < 0)
		return err_set(err, r, "give the scratch another size");
	r = cgroup_box_prepare(&slot->box, limits, err);
	if (r == 0)
		slot->limits = *limits;
	return r;
}

int slot_step(struct keeper *k, struct slot *slot, const struct keeper_request *request, struct err *err)
{
	int r = cgroup_box_step(&slot->box, request->step, &request->limits, err);

	if (r < 0)
		return r;
	slot->limits = request->limits;
	slot->deadline_us =
		keeper_now_us() + (uint64_t)request->limits.value[LIMIT_WALL_MS] * 1000 + DEADLINE_GRACE_US;
	slot->check_us = keeper_now_us() + CPU_CHECK_MIN_US;
	slot->cpu_told = slot->oom_told = false;
	slot->used = true;
	slot->state = SLOT_RUNNING;
	/* A service has no deadline but its session's, and nobody waits for the moment at which a limit is used up. */
	set_active(k, slot, slot->member != KEEPER_MEMBER_SERVICE);
	return 0;
}

void slot_step_end(struct keeper *k, struct slot *slot, struct keeper_usage *ret)
{
	cgroup_box_usage(&slot->box, ret);
	slot->state = SLOT_READY;
	set_active(k, slot, false);
}

void slot_kill(struct keeper *k, struct slot *slot, bool expected)
{
	if (slot->state == SLOT_FREE || slot->state == SLOT_DYING)
		return;
	slot->state = SLOT_DYING;
	slot->expected = expected;
	set_active(k, slot, false);
	if (slot->pid_fd >= 0)
		syscall(SYS_pidfd_send_signal, slot->pid_fd, SIGKILL, NULL, 0);
}

bool slot_outlives_front(const struct slot *slot)
{
	return slot->state == SLOT_RUNNING && slot->member == KEEPER_MEMBER_SERVICE;
}

void slots_kill_of_front(struct keeper *k)
{
	for (uint32_t i = 0; i < k->slots_count; i++) {
		if (!slot_outlives_front(&k->slots[i]))
			slot_kill(k, &k->slots[i], true);
	}
	sessions_end_unknown(k);
}

void slots_kill_all(struct keeper *k)
{
	for (uint32_t i = 0; i < k->slots_count; i++)
		slot_kill(k, &k->slots[i], true);
}

/* When the rest of the processor time could be used up at the soonest, with every core at work. */
static void check_usage(struct keeper *k, struct slot *slot, uint64_t now_us)
{
	uint64_t limit_us = (uint64_t)slot->limits.value[LIMIT_CPU_MS] * 1000;
	uint64_t used_us = k->cgroups.cpu_time ? cgroup_box_cpu_us(&slot->box) : 0;
	uint64_t wait_us = CPU_CHECK_MAX_US;

	cgroup_box_sample(&slot->box);
	if (k->cgroups.memory && !slot->oom_told && cgroup_box_oom_kills(&slot->box)) {
		slot->oom_told = true;
		tell(k, slot, KEEPER_EVENT_OOM);
	}
	if (k->cgroups.cpu_time && !slot->cpu_told && used_us >= limit_us) {
		slot->cpu_told = true;
		tell(k, slot, KEEPER_EVENT_CPU);
	}
	if (k->cgroups.cpu_time && !slot->cpu_told)
		wait_us = (limit_us - used_us) / (uint64_t)k->cgroups.processors;
	if (wait_us < CPU_CHECK_MIN_US)
		wait_us = CPU_CHECK_MIN_US;
	if (wait_us > SAMPLE_US)
		wait_us = SAMPLE_US;
	slot->check_us = now_us + wait_us;
}

static void tick(struct keeper *k, struct slot *slot, uint64_t now_us)
{
	if (slot->state == SLOT_DYING) {
		if (slot->reaped && now_us >= slot->retry_us)
			try_release(k, slot);
		return;
	}
	if (slot->state == SLOT_SETUP) {
		if (now_us >= slot->deadline_us)
			setup_failed(k, slot, -ETIMEDOUT, "wait for the sandbox to be set up");
		return;
	}
	if (now_us >= slot->check_us)
		check_usage(k, slot, now_us);
	if (now_us >= slot->deadline_us) {
		tell(k, slot, KEEPER_EVENT_DEADLINE);
		slot_kill(k, slot, true);
	}
}

/* A burst leaves nothing behind; when it is next to be called. */
static uint64_t groups_tick(struct keeper *k, uint64_t now_us)
{
	uint64_t due_us = k->turned_over_us + CGROUP_KEPT_IDLE_US;

	if (!cgroup_host_keeps(&k->cgroups))
		return UINT64_MAX;
	if (now_us < due_us)
		return due_us;
	cgroup_host_clear(&k->cgroups);
	return UINT64_MAX;
}

int slots_tick(struct keeper *k)
{
	uint64_t now_us = keeper_now_us(), next_us, sessions_us;
	struct slot *slot, *next;

	for (slot = k->active; slot; slot = next) {
		next = slot->next_active;
		tick(k, slot, now_us);
	}
	next_us = groups_tick(k, now_us);
	for (slot = k->active; slot; slot = slot->next_active) {
		uint64_t at = slot->state == SLOT_DYING ? slot->retry_us : slot->deadline_us;

		if (slot->state == SLOT_RUNNING && slot->check_us < at)
			at = slot->check_us;
		if (at < next_us)
			next_us = at;
	}
	sessions_us = sessions_tick(k, now_us);
	if (sessions_us < next_us)
		next_us = sessions_us;
	if (next_us == UINT64_MAX)
		return -1;
	if (next_us - now_us > TICK_MAX_US && next_us > now_us)
		next_us = now_us + TICK_MAX_US;
	return next_us <= now_us ? 0 : (int)((next_us - now_us + 999) / 1000);
}
