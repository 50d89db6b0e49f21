/*
 * Sessions: a volume in memory, and a container that holds it.
 *
 * The volume is a tmpfs, which the daemon mounts for as long as a container uses it. So each session has one container
 * that does nothing else, its holder: its network, with nothing but a loopback, is the session's, and the volume is
 * mounted while it lives. What runs in the session are ordinary containers that join that network and have the volume.
 * The holder's init is spoken to by us alone; like every init it ends when it hears nothing of us any more, and
 * with it go the files, when kiln is dead as at the deadline. A volume without a holder is an empty name; the next
 * start removes it.
 *
 * Each session has uids of its own, below those of the containers at the end of the range.
 */
#include "engine/docker/sessions.h"
#include "engine/docker/spec.h"

#include "base/cleanup.h"
#include "wire/init_config.h"
#include "wire/init_proto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define HOLDER_MEMORY_BYTES (32 << 20)
#define HOLDER_PROCESSES    16
#define PING_MS		    (INIT_PATIENCE_MS / 4)
#define MAPPED_UID	    25000 /* where a daemon has 65536 ids and no more; containers have 4096 before */
#define MAPPED_COUNT	    40000
#define HEARD_MAX	    256u /* nothing that a holder's init says is longer */

/* The front's end of a holder's init, which the front never gets. It outlives its session for the loop's sake. */
struct held {
	struct session *session; /* NULL: it is let go */
	struct docker *docker;
	uv_poll_t poll;
	int fd;
	bool greeted;
	uint8_t in[HEARD_MAX];
	size_t in_len;
};

static void advance(struct session *session);

/* ---- telling the front ---- */

static void tell(const struct session *session, enum keeper_event event, int error, const char *why)
{
	struct keeper_message message = {
		.event = event,
		.tag = event == KEEPER_REPLY ? session->tag : 0,
		.slot = session->index,
		.generation = session->generation,
		.error = error,
	};

	snprintf(message.stage, sizeof(message.stage), "%s", error ? why : "");
	front_tell(session->docker, &message, -1);
}

static void answer_open(struct session *session, int error, const char *why)
{
	if (!session->asked)
		return;
	session->asked = false;
	tell(session, KEEPER_REPLY, error, why);
}

static void answer_weighers(struct session *session, int error, uint64_t used)
{
	for (uint32_t i = 0; i < session->weighers_count; i++) {
		struct keeper_message message = {
			.event = KEEPER_REPLY,
			.tag = session->weighers[i],
			.slot = session->index,
			.generation = session->generation,
			.error = error,
			.session_usage.disk_used_bytes = used,
		};

		if (error)
			snprintf(message.stage, sizeof(message.stage), "the session is over");
		front_tell(session->docker, &message, -1);
	}
	session->weighers_count = 0;
}

/* ---- the holder's init ---- */

static void on_held_closed(uv_handle_t *handle)
{
	struct held *held = handle->data;

	held->docker->handles--;
	close(held->fd);
	free(held);
}

static void let_go(struct session *session)
{
	if (!session->held)
		return;
	session->held->session = NULL;
	uv_close((uv_handle_t *)&session->held->poll, on_held_closed);
	session->held = NULL;
}

static void opened(struct session *session)
{
	if (session->state != SESSION_SETUP)
		return;
	session->state = SESSION_OPEN;
	session->deadline_ms = uv_now(&session->docker->loop) + session->ttl_ms;
	session->spoken_ms = uv_now(&session->docker->loop);
	answer_open(session, 0, "");
}

/* False: it is not what our init says. */
static bool hear_frame(struct held *held, const struct wire_frame *frame)
{
	uint32_t version;
	uint64_t used;

	if (!held->greeted) {
		held->greeted = frame->type == WIRE_HELLO && wire_u32_decode(frame, &version) == 0 &&
				version == WIRE_VERSION;
		if (held->greeted)
			opened(held->session);
		return held->greeted;
	}
	if (frame->type != WIRE_WEIGHED || wire_weighed_decode(frame, &used) < 0)
		return false;
	answer_weighers(held->session, 0, used);
	return true;
}

static bool hear_frames(struct held *held)
{
	struct wire_frame frame;
	int64_t size = 0;
	size_t used = 0;

	while (held->session && (size = wire_frame_parse(held->in + used, held->in_len - used,
							 HEARD_MAX - WIRE_HEADER_SIZE, &frame)) > 0) {
		if (!hear_frame(held, &frame))
			return false;
		used += (size_t)size;
	}
	memmove(held->in, held->in + used, held->in_len - used);
	held->in_len -= used;
	return size >= 0;
}

/* When it closes, the container has ended or will: slot.c hears of it, and why. */
static void on_held(uv_poll_t *poll, int status, int events)
{
	struct held *held = poll->data;
	ssize_t n = recv(held->fd, held->in + held->in_len, sizeof(held->in) - held->in_len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		uv_poll_stop(poll);
		return;
	}
	held->in_len += (size_t)n;
	if (!hear_frames(held) && held->session)
		docker_session_close(held->session, false, "the session's init said what it may not");
}

static bool speak(struct session *session, enum wire_type type)
{
	uint8_t frame[WIRE_HEADER_SIZE];

	session->spoken_ms = uv_now(&session->docker->loop);
	wire_header_put(frame, type, 0, 0);
	/* A few bytes now and then: a socket that has no room for them is one that nobody reads. */
	return session->held && send(session->held->fd, frame, sizeof(frame), MSG_DONTWAIT | MSG_NOSIGNAL) ==
					(ssize_t)sizeof(frame);
}

static int hold(struct session *session, int fd)
{
	struct held *held = calloc(1, sizeof(*held));
	int r;

	if (!held)
		return -ENOMEM;
	held->docker = session->docker;
	held->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	r = held->fd < 0 ? -errno : uv_poll_init(&session->docker->loop, &held->poll, held->fd);
	if (r < 0) {
		if (held->fd >= 0)
			close(held->fd);
		free(held);
		return r;
	}
	held->poll.data = held;
	held->session = session;
	session->held = held;
	session->docker->handles++;
	uv_poll_start(&held->poll, UV_READABLE, on_held);
	return 0;
}

void docker_session_holder_made(struct session *session, int error, const char *why, int fd)
{
	/* The slot that says so is on its way out when it failed, and goes when the session ends else. */
	if (session->state == SESSION_SETUP && error == 0)
		error = hold(session, fd);
	if (error)
		docker_session_close(session, false, why[0] ? why : "hold a session");
}

void docker_session_holder_died(struct session *session, const char *why)
{
	docker_session_close(session, false, why);
}

void docker_session_holder_gone(struct session *session)
{
	advance(session);
}

/* ---- being made ---- */

static void make_holder(struct session *session)
{
	struct limits limits = session->limits;

	limits.value[LIMIT_MEMORY_BYTES] = HOLDER_MEMORY_BYTES;
	limits.value[LIMIT_PROCESSES] = HOLDER_PROCESSES;
	limits.value[LIMIT_CPU_PERCENT] = 100;
	slot_hold(session, &limits);
}

bool docker_is_mountpoint(const char *path)
{
	return path && path[0] == '/' && strlen(path) <= MOUNTPOINT_MAX && !strstr(path, "/..");
}

static void on_volume(void *user, const struct daemon_answer *answer)
{
	struct session *session = user;
	const char *mountpoint = json_string_value(json_object_get(answer->json, "Mountpoint"));

	session->call = NULL;
	session->has_volume = daemon_succeeded(answer);
	snprintf(session->mountpoint, sizeof(session->mountpoint), "%s", mountpoint ? mountpoint : "");
	if (!session->has_volume) {
		host_doubt(session->docker, answer);
		docker_session_close(session, false, answer->text);
	} else if (!docker_is_mountpoint(mountpoint)) {
		docker_session_close(session, false, "the daemon made a volume without a place");
	}
	if (session->state == SESSION_SETUP)
		make_holder(session);
	else
		advance(session);
}

static int name_volume(struct session *session)
{
	uint8_t nonce[8];
	char hex[2 * sizeof(nonce) + 1];

	if (getrandom(nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
		return -EIO;
	hex_encode(nonce, sizeof(nonce), hex);
	snprintf(session->volume, sizeof(session->volume), "kiln-session-%.16s-%s", session->docker->owner,
		 hex);
	return 0;
}

static bool id_is_taken(const struct docker *d, const uint8_t *id)
{
	for (uint32_t i = 0; i < d->sessions_count; i++) {
		const struct session *session = &d->sessions[i];

		if (session->state != SESSION_FREE && session->state != SESSION_ENDING &&
		    memcmp(session->id, id, KEEPER_SESSION_ID_SIZE) == 0)
			return true;
	}
	return false;
}

static struct session *find_free(struct docker *d)
{
	for (uint32_t i = 0; i < d->sessions_count; i++) {
		if (d->sessions[i].state == SESSION_FREE)
			return &d->sessions[i];
	}
	return NULL;
}

static void take(struct session *session, const struct keeper_request *request)
{
	session->state = SESSION_SETUP;
	session->generation++;
	session->expired = session->has_volume = false;
	session->asked = true;
	memset(session->named, 0, sizeof(session->named));
	session->tag = request->tag;
	session->ttl_ms = request->ttl_ms;
	session->limits = request->limits;
	memcpy(session->id, request->id, sizeof(session->id));
	memcpy(session->digest, request->digest, sizeof(session->digest));
}

static int begin(struct session *session, const struct keeper_request *request, struct err *err)
{
	struct docker *d = session->docker;
	json_t *body;

	if (name_volume(session) < 0)
		return err_set(err, -EIO, "name a session's volume");
	take(session, request);
	body = spec_volume(session->volume, d->owner, &session->limits);
	if (body && d->host.podman)
		body = podman_volume(body);
	session->call = docker_call(d, "POST", "/volumes/create", body, on_volume, session);
	if (session->call)
		return 0;
	session->state = SESSION_FREE;
	session->asked = false;
	return err_set(err, -ENOMEM, "make a session");
}

/* The front has ended one and asks for another: that takes the daemon a while. */
static bool wait_for_room(struct docker *d, const struct keeper_request *request)
{
	bool ending = false;

	for (uint32_t i = 0; i < d->sessions_count; i++)
		ending |= d->sessions[i].state == SESSION_ENDING;
	if (!ending || d->opens_count == d->sessions_count)
		return false;
	d->opens[d->opens_count++] = *request;
	return true;
}

bool docker_session_is_apart(const struct docker *d, const struct docker_image *image)
{
	return image && host_is_sentry(d, image->runtime ? image->runtime : d->options->runtime);
}

int docker_session_open(struct docker *d, const struct keeper_request *request, struct err *err)
{
	const struct docker_image *image = images_find(d, request->digest);
	struct session *session;

	if (!image)
		return err_set(err, -ENOENT, "the daemon has no such image");
	if (docker_session_is_apart(d, image))
		return err_set(err, -ENOTSUP,
			       "containers under gVisor do not share a network and files: no sessions");
	if (id_is_taken(d, request->id))
		return err_set(err, -EEXIST, "a session with this id is open");
	session = find_free(d);
	if (session)
		return begin(session, request, err);
	return wait_for_room(d, request)
		       ? 0
		       : err_set(err, -EAGAIN, "all %u sessions are in use", d->sessions_count);
}

/* One is free. */
static void open_next(struct docker *d)
{
	struct keeper_request request;

	if (d->opens_count == 0)
		return;
	request = d->opens[0];
	memmove(d->opens, d->opens + 1, --d->opens_count * sizeof(*d->opens));
	handle_session_open(d, &request);
}

/* ---- while it lives ---- */

void docker_session_prolong(struct session *session, uint64_t ttl_ms)
{
	session->deadline_ms = uv_now(&session->docker->loop) + ttl_ms;
}

static void drop_members(struct session *session, bool files_too, bool expected, const char *why)
{
	struct docker *d = session->docker;

	for (uint32_t i = 0; i < d->sandboxes_count; i++) {
		struct slot *slot = &d->slots[i];

		if (slot->session != session || slot->state == SLOT_FREE ||
		    (!files_too && slot->member == KEEPER_MEMBER_FILES))
			continue;
		if (expected)
			slot_destroy(slot);
		else
			slot_drop(slot, why);
	}
}

void docker_session_finish(struct session *session)
{
	session->state = SESSION_FINISHED;
	drop_members(session, false, false, "the session is finished");
}

int docker_session_weigh(struct session *session, uint32_t tag, struct err *err)
{
	bool first = session->weighers_count == 0;

	if (session->weighers_count == WEIGHERS_MAX)
		return err_set(err, -EBUSY, "too many ask for one session's weight");
	if (first && !speak(session, WIRE_WEIGH))
		return err_set(err, -EPIPE, "the session's init does not listen");
	session->weighers[session->weighers_count++] = tag;
	return 0;
}

/* ---- its end ---- */

static void on_volume_removed(void *user, const struct daemon_answer *answer)
{
	struct session *session = user;

	session->call = NULL;
	session->has_volume = false;
	/* What could not be removed now is found by its label when the daemon is well again. */
	if (!daemon_succeeded(answer) && answer->status != 404)
		host_doubt(session->docker, answer);
	advance(session);
}

static bool remove_volume(struct session *session)
{
	char path[VOLUME_NAME_MAX + 32];

	snprintf(path, sizeof(path), "/volumes/%s", session->volume);
	session->call = docker_call(session->docker, "DELETE", path, NULL, on_volume_removed, session);
	return session->call != NULL;
}

/* One thing after the other: its members, its holder, its volume. */
static void advance(struct session *session)
{
	struct slot *holder = slot_of_holder(session);

	if (session->state != SESSION_ENDING || session->members || session->call)
		return;
	if (holder->state != SLOT_FREE) {
		let_go(session);
		slot_destroy(holder);
		return;
	}
	if (session->has_volume && remove_volume(session))
		return;
	session->state = SESSION_FREE;
	tell(session, KEEPER_EVENT_SESSION_GONE, session->expired ? -ETIME : -EPIPE, session->why);
	open_next(session->docker);
}

void docker_session_close(struct session *session, bool expected, const char *why)
{
	if (session->state == SESSION_FREE || session->state == SESSION_ENDING)
		return;
	snprintf(session->why, sizeof(session->why), "%s", why);
	answer_open(session, -EIO, why);
	answer_weighers(session, -ESTALE, 0);
	session->state = SESSION_ENDING;
	let_go(session);
	session->members++; /* so that it is not freed under our feet */
	drop_members(session, true, expected, why);
	docker_session_left(session);
}

void docker_session_left(struct session *session)
{
	session->members--;
	advance(session);
}

/* ---- all of them ---- */

uint32_t docker_session_uid(const struct session *session)
{
	const struct docker *d = session->docker;
	const struct docker_options *options = d->options;

	if (d->host.mapped)
		return MAPPED_UID + KEEPER_SESSION_UIDS * session->index;
	return (uint32_t)(options->uid_base + options->uid_count - options->containers -
			  KEEPER_SESSION_UIDS * (int64_t)(session->index + 1));
}

/* As many as containers, as far as there are uids for them in half of the range, and in that of a mapped daemon. */
static uint32_t count_possible(const struct docker_options *options)
{
	int64_t room = (options->uid_count / 2 - options->containers) / KEEPER_SESSION_UIDS;
	int64_t most = MAPPED_COUNT / KEEPER_SESSION_UIDS;

	most = options->containers < most ? options->containers : most;
	return room <= 0 ? 0 : (uint32_t)(room < most ? room : most);
}

int docker_sessions_begin(struct docker *d, struct err *err)
{
	d->sessions_count = count_possible(d->options);
	d->sessions = calloc(d->sessions_count + 1, sizeof(*d->sessions));
	d->opens = calloc(d->sessions_count + 1, sizeof(*d->opens));
	if (!d->sessions || !d->opens)
		return err_set(err, -ENOMEM, "sessions");
	for (uint32_t i = 0; i < d->sessions_count; i++) {
		d->sessions[i].docker = d;
		d->sessions[i].index = i;
	}
	return 0;
}

void docker_sessions_end(struct docker *d)
{
	for (uint32_t i = 0; i < d->sessions_count; i++) {
		daemon_call_forget(d->sessions[i].call);
		d->sessions[i].call = NULL;
		let_go(&d->sessions[i]);
	}
}

void docker_sessions_tick(struct docker *d)
{
	uint64_t now_ms = uv_now(&d->loop);

	for (uint32_t i = 0; i < d->sessions_count; i++) {
		struct session *session = &d->sessions[i];

		if (session->state != SESSION_OPEN && session->state != SESSION_FINISHED)
			continue;
		if (now_ms >= session->deadline_ms) {
			session->expired = true;
			docker_session_close(session, false, "the session's time was over");
		} else if (now_ms - session->spoken_ms >= PING_MS && !speak(session, WIRE_PING)) {
			docker_session_close(session, false, "the session's init does not listen");
		}
	}
}

void docker_sessions_close_all(struct docker *d)
{
	d->opens_count = 0;
	for (uint32_t i = 0; i < d->sessions_count; i++)
		docker_session_close(&d->sessions[i], true, "kiln ends");
}

void docker_sessions_forget_front(struct docker *d)
{
	d->opens_count = 0;
	for (uint32_t i = 0; i < d->sessions_count; i++) {
		struct session *session = &d->sessions[i];

		session->asked = false;
		session->weighers_count = 0;
		if (session->state == SESSION_SETUP)
			docker_session_close(session, true, "the front has gone");
	}
}

bool docker_sessions_busy(const struct docker *d)
{
	for (uint32_t i = 0; i < d->sessions_count; i++) {
		if (d->sessions[i].state != SESSION_FREE)
			return true;
	}
	return false;
}

uint32_t docker_sessions_open(const struct docker *d)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < d->sessions_count; i++)
		count += d->sessions[i].state == SESSION_OPEN || d->sessions[i].state == SESSION_FINISHED;
	return count;
}

bool docker_session_has_volume(const struct docker *d, const char *name)
{
	for (uint32_t i = 0; i < d->sessions_count; i++) {
		if (d->sessions[i].state != SESSION_FREE && strcmp(d->sessions[i].volume, name) == 0)
			return true;
	}
	return false;
}
