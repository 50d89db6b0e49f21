/*
 * The keeper: the only privileged process of kiln.
 *
 * How it works. A static program of its own, executed from a sealed memfd, so that nothing of the front or
 * of an embedding program is in its memory. It reads fixed-size requests from one SEQPACKET socket
 * (requests.c is the table of what each state allows), owns namespaces, mounts, cgroups and uid ranges
 * (slots.c over sandbox/), and holds every deadline. In serve mode it is the main process and starts the
 * front as its child (front.c); else it is the child of whoever holds the other end, and ends when that
 * closes. Whatever ends it, its sandboxes die with it: their init's death signal, and with init its pid
 * namespace; what cannot die by itself (cgroups) is swept by the next keeper.
 */
#include "keeper/keeper_priv.h"

#include "base/fd.h"
#include "base/plural.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EXIT_ENGINE	 125
#define STOP_PATIENCE_US (5ull * 1000000)
#define FDS_PER_SANDBOX	 12 /* 10 of a running one */
#define FDS_PER_SESSION	 5
#define FDS_RESERVE	 64 /* its own, and of one that is being made */
#define FDS_OF_KEPT	 (3 * CGROUP_KEPT_MAX + CGROUP_KEPT_OF_SESSIONS_MAX)

uint64_t keeper_now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

void keeper_log(const char *format, ...)
{
	char line[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	dprintf(STDERR_FILENO, "kiln keeper: %.*s", n, line);
}

int keeper_watch(struct keeper *k, int fd, enum watch_kind kind, uint32_t slot)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)kind << 32 | slot };

	return epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void keeper_unwatch(struct keeper *k, int fd)
{
	epoll_ctl(k->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

void keeper_be_patient(int socket_fd)
{
	struct timeval patience = { .tv_usec = 500 * 1000 };

	setsockopt(socket_fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

void keeper_send(struct keeper *k, const struct keeper_message *message, int fd)
{
	ssize_t n;

	if (k->socket_fd < 0)
		return;
	/* Blocks while the front's queue is full; a stopped front is cut off rather than waited for (SO_SNDTIMEO). */
	n = fd_send(k->socket_fd, message, sizeof(*message), fd);
	if (n < 0 && n != -EPIPE) {
		keeper_log("the front does not read (%s): its connection is closed",
			   strerrorname_np((int)-n));
		shutdown(k->socket_fd, SHUT_RDWR);
	}
}

static void socket_closed(struct keeper *k)
{
	keeper_unwatch(k, k->socket_fd);
	close(k->socket_fd);
	k->socket_fd = -1;
	slots_kill_of_front(k);
	if (!k->settings.serve)
		k->stopping = true;
}

static void handle_socket(struct keeper *k)
{
	struct keeper_request request;
	ssize_t n = recv(k->socket_fd, &request, sizeof(request), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		socket_closed(k);
		return;
	}
	if ((size_t)n != sizeof(request)) {
		struct keeper_message message = { .event = KEEPER_REPLY, .error = -EMSGSIZE };

		keeper_send(k, &message, -1);
		return;
	}
	request_handle(k, &request);
}

static void handle_signals(struct keeper *k)
{
	struct signalfd_siginfo info;

	while (read(k->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD || !k->settings.serve)
			continue;
		front_tell_end(k, (int)info.ssi_signo);
	}
	front_reap(k);
	builder_reap(k);
}

static void dispatch(struct keeper *k, const struct epoll_event *event)
{
	uint32_t number = (uint32_t)event->data.u64;
	struct slot *slot = number < k->slots_count ? &k->slots[number] : NULL;
	struct session *session = number < k->sessions_count ? &k->sessions[number] : NULL;

	switch ((enum watch_kind)(event->data.u64 >> 32)) {
	case WATCH_SOCKET:
		if (k->socket_fd >= 0)
			handle_socket(k);
		break;
	case WATCH_SIGNAL:
		handle_signals(k);
		break;
	case WATCH_PID:
		if (slot->pid_fd >= 0)
			slot_on_dead(k, slot);
		break;
	case WATCH_SYNC:
		if (slot->sync_fd >= 0)
			slot_on_sync(k, slot);
		break;
	case WATCH_OOM:
		if (slot->box.oom_fd >= 0)
			slot_on_oom(k, slot);
		break;
	case WATCH_SESSION_PID:
		if (session->pid_fd >= 0)
			session_on_dead(k, session);
		break;
	case WATCH_SESSION_SYNC:
		if (session->sync_fd >= 0)
			session_on_sync(k, session);
		break;
	}
}

static int run_loop(struct keeper *k)
{
	uint64_t stop_us = 0;

	for (;;) {
		struct epoll_event events[64];
		int timeout = slots_tick(k);
		int n;

		if (k->stopping) {
			if (!stop_us) {
				stop_us = keeper_now_us() + STOP_PATIENCE_US;
				slots_kill_all(k);
				builder_tell_end(k);
			}
			if ((k->live == 0 && k->builder_pid <= 0) || keeper_now_us() > stop_us)
				return k->settings.serve ? k->front_status : 0;
			if (timeout < 0 || timeout > 50)
				timeout = 50;
		}
		n = epoll_wait(k->epoll_fd, events, 64, timeout);
		for (int i = 0; i < n; i++)
			dispatch(k, &events[i]);
	}
}

static int read_settings(struct keeper *k, struct err *err)
{
	struct keeper_settings *s = &k->settings;

	if (pread(KEEPER_SETTINGS_FD, s, sizeof(*s), 0) != (ssize_t)sizeof(*s) ||
	    s->magic != KEEPER_SETTINGS_MAGIC)
		return err_set(err, -EINVAL, "not started by kiln: no settings");
	close(KEEPER_SETTINGS_FD);
	s->cgroup[sizeof(s->cgroup) - 1] = '\0';
	s->images[sizeof(s->images) - 1] = '\0';
	if (!s->uid_base)
		s->uid_base = KEEPER_UID_BASE_DEFAULT;
	if (!s->uid_count)
		s->uid_count = KEEPER_UID_COUNT_DEFAULT;
	if (s->uid_base < KEEPER_UID_BASE_MIN || s->uid_count < 2 || s->uid_count > UINT32_MAX ||
	    s->uid_base > UINT32_MAX - s->uid_count)
		return err_set(err, -EINVAL, "uid range %llu+%llu", (unsigned long long)s->uid_base,
			       (unsigned long long)s->uid_count);
	return 0;
}

/*
 * How many sessions there are uids for, which they have behind those of the sandboxes. As root never more than half of
 * all; rootless, where /etc/subuid gives 65536, what the sandboxes leave.
 */
static uint64_t sessions_by_uids(const struct keeper *k)
{
	uint64_t slots =
		k->idmap.uid_count / 2 < KEEPER_SLOTS_MAX ? k->idmap.uid_count / 2 : KEEPER_SLOTS_MAX;

	if (k->privileged)
		return k->settings.uid_count / 2 / KEEPER_SESSION_UIDS;
	return k->idmap.ranges ? (k->idmap.uid_count - slots) / JOIN_ID_COUNT : 0;
}

static int allocate_sessions(struct keeper *k, uint64_t files, struct err *err)
{
	uint64_t count = KEEPER_SESSIONS_MAX;

	k->sessions_due_us = UINT64_MAX;
	if (count > files / 3 / FDS_PER_SESSION)
		count = files / 3 / FDS_PER_SESSION;
	if (count > sessions_by_uids(k))
		count = sessions_by_uids(k);
	k->sessions_count = (uint32_t)count;
	k->sessions = calloc(count ? count : 1, sizeof(*k->sessions));
	return k->sessions ? 0 : err_set(err, -ENOMEM, "sessions");
}

/* As many slots as uids and descriptors allow. */
static int allocate_slots(struct keeper *k, struct err *err)
{
	struct rlimit files = { 0 };
	uint64_t count = KEEPER_SLOTS_MAX, uids;
	uint64_t reserve = FDS_RESERVE + (k->cgroups.stock ? FDS_OF_KEPT : 0);
	int r;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < reserve + FDS_PER_SANDBOX)
		return err_set(err, -EMFILE, "too few descriptors allowed");
	r = allocate_sessions(k, files.rlim_cur - reserve, err);
	if (r < 0)
		return r;
	files.rlim_cur -= reserve + FDS_PER_SESSION * k->sessions_count;
	uids = k->privileged ? k->settings.uid_count - (uint64_t)KEEPER_SESSION_UIDS * k->sessions_count
			     : k->idmap.uid_count - (uint64_t)JOIN_ID_COUNT * k->sessions_count;
	if (count > files.rlim_cur / FDS_PER_SANDBOX)
		count = files.rlim_cur / FDS_PER_SANDBOX;
	if (k->privileged && count > uids / 2)
		count = uids / 2;
	if (!k->privileged && k->idmap.ranges && count > uids)
		count = uids;
	k->slots_count = (uint32_t)count;
	k->slots = calloc(count, sizeof(*k->slots));
	if (!k->slots)
		return err_set(err, -ENOMEM, "slots");
	for (uint32_t i = 0; i < k->slots_count; i++) {
		k->slots[i].pid_fd = k->slots[i].sync_fd = -1;
		k->slots[i].front_fd = k->slots[i].disk_fd = k->slots[i].net_fd = k->slots[i].image_fd = -1;
		k->slots[i].box = CGROUP_BOX_NONE;
	}
	return 0;
}

/* First of all: a signal that comes while we prepare waits for the loop instead of ending us half-way. */
static void block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGCHLD);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGHUP);
	sigaddset(signals, SIGPIPE);
	sigprocmask(SIG_BLOCK, signals, NULL);
}

static int open_loop(struct keeper *k, struct err *err)
{
	sigset_t signals;

	block_signals(&signals);
	k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	k->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (k->epoll_fd < 0 || k->signal_fd < 0)
		return err_set(err, -errno, "open the loop");
	return keeper_watch(k, k->signal_fd, WATCH_SIGNAL, 0);
}

static void claim_uids(struct keeper *k)
{
	int lock_fd; /* never closed: the lock is ours as long as we live */
	int r = idmap_claim_part(&k->settings, &lock_fd);

	if (r < 0)
		keeper_log("uids from %llu on may be shared with another keeper: %s",
			   (unsigned long long)k->settings.uid_base, strerrorname_np(-r));
}

static int start(struct keeper *k, char **argv, struct err *err)
{
	int r = read_settings(k, err);

	k->privileged = geteuid() == 0;
	k->argv = argv;
	if (r == 0 && !k->privileged) {
		idmap_find(&k->idmap);
		idmap_try_ranges(&k->idmap);
	}
	if (r == 0 && k->privileged)
		claim_uids(k);
	if (r == 0)
		r = cgroup_host_open(&k->cgroups, k->settings.cgroup, err);
	if (r == 0)
		r = prepare_shared(k, err);
	if (r == 0)
		r = allocate_slots(k, err);
	if (r == 0)
		r = open_loop(k, err);
	netns_open(&k->netns, k->privileged);
	if (r == 0 && k->settings.serve && k->settings.images[0])
		r = builder_start(k, err);
	if (r == 0 && k->privileged)
		r = keeper_confine(err);
	if (r < 0)
		return r;
	if (k->cgroups.leftovers)
		keeper_log("removed %u %s that an earlier keeper left behind", k->cgroups.leftovers,
			   plural(k->cgroups.leftovers, "sandbox", "sandboxes"));
	if (k->settings.serve)
		return front_start(k, err);
	k->socket_fd = KEEPER_SOCKET_FD;
	fcntl(k->socket_fd, F_SETFD, FD_CLOEXEC);
	keeper_be_patient(k->socket_fd);
	return keeper_watch(k, k->socket_fd, WATCH_SOCKET, 0);
}

int main(int argc, char **argv)
{
	static struct keeper keeper = { .socket_fd = -1, .builder_fd = -1 };
	struct err err = ERR_INIT;
	sigset_t signals;
	int status;

	block_signals(&signals);
	prctl(PR_SET_NAME, "kiln-keeper", 0, 0, 0);
	/* Rootless, newuidmap must be able to look at our children in /proc; they inherit this. */
	if (geteuid() == 0)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* The program of the front, and the lock of the state folder, wherever that is. */
	close_range(KEEPER_FRONT_FD, ~0u, CLOSE_RANGE_CLOEXEC);
	if (start(&keeper, argv, &err) < 0) {
		keeper_log("%s", err.text);
		cgroup_host_close(&keeper.cgroups);
		return EXIT_ENGINE;
	}
	status = run_loop(&keeper);
	cgroup_host_close(&keeper.cgroups);
	return status;
}
