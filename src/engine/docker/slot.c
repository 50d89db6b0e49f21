/*
 * The life of one container, from the front's CREATE to its removal.
 *
 * How it goes: create, attach, start, and the front gets its end of a socket pair; the bytes between are
 * attach.c's. At most one call of the API is under way for a container. What fails before anything of a run is
 * in it is tried once more: making one, and giving a waiting one other limits, for which a new one takes its
 * place if need be (a tmpfs cannot be given another size from outside). One that has died while it waited is told
 * of, and the run takes another. After that a loss is told, in the daemon's words.
 */
#include "engine/docker/names.h"
#include "engine/docker/sessions.h"
#include "engine/docker/spec.h"

#include "base/cleanup.h"
#include "wire/init_config.h"
#include "wire/init_proto.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define DEADLINE_GRACE_MS 5000 /* init's own clock, and its last output, come first */
#define REMOVALS_MAX	  3
#define INSPECTIONS_MAX	  10
#define INSPECTION_MS	  50
#define GREETING_SIZE	  (WIRE_HEADER_SIZE + 4) /* init's HELLO */

static void make(struct slot *slot);
static void queue(struct slot *slot);
static void remove_container(struct slot *slot);
static void make_failed(struct slot *slot, int error, const char *why);

/* ---- telling the front ---- */

void slot_reply(struct slot *slot, int error, const char *why, int fd)
{
	struct keeper_message message = {
		.event = KEEPER_REPLY,
		.tag = slot->tag,
		.slot = slot->index,
		.generation = slot->generation,
		.error = error,
	};

	slot->asked = ASKED_NOTHING;
	snprintf(message.stage, sizeof(message.stage), "%s", error ? why : "");
	front_tell(slot->docker, &message, fd);
}

static void tell_event(struct slot *slot, enum keeper_event event, uint32_t oom_kills, const char *why)
{
	struct keeper_message message = {
		.event = event,
		.slot = slot->index,
		.generation = slot->generation,
		.usage.oom_kills = oom_kills,
	};

	snprintf(message.stage, sizeof(message.stage), "%s", why);
	front_tell(slot->docker, &message, -1);
}

/* ---- ending ---- */

static void close_kept(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void slot_forget_calls(struct slot *slot)
{
	daemon_call_forget(slot->call);
	slot->call = NULL;
	attach_close(slot->attach);
	slot->attach = NULL;
	close_kept(&slot->front_fd);
	close_kept(&slot->kept_fd);
}

static void free_slot(struct slot *slot)
{
	struct session *session = slot->session;
	bool held = slot->holds;

	close_kept(&slot->front_fd);
	close_kept(&slot->kept_fd);
	slot->generation++;
	slot->state = SLOT_FREE;
	slot->asked = ASKED_NOTHING;
	slot->unwanted = slot->again = slot->fresh = slot->holds = false;
	slot->id[0] = slot->why[0] = '\0';
	slot->session = NULL;
	slot->member = KEEPER_MEMBER_NONE;
	if (held)
		docker_session_holder_gone(session);
	else if (session)
		docker_session_left(session);
	waiting_take(slot->docker);
	slots_advance(slot->docker);
}

static void on_removed(void *user, const struct daemon_answer *answer)
{
	struct slot *slot = user;

	slot->call = NULL;
	if (daemon_succeeded(answer) || answer->status == 404) {
		free_slot(slot);
		return;
	}
	/* Podman does not remove what ends at that moment, until it is asked again. */
	if (answer->status == 500 && slot->removals++ < REMOVALS_MAX) {
		remove_container(slot);
		return;
	}
	/* What could not be removed now is found by its label when the daemon is well again. */
	host_doubt(slot->docker, answer);
	free_slot(slot);
}

static struct daemon_call *call_container(struct slot *slot, const char *method, const char *rest,
					  json_t *body, daemon_fn done)
{
	char path[CONTAINER_ID_MAX + 64];

	snprintf(path, sizeof(path), "/containers/%s%s", slot->id, rest);
	return docker_call(slot->docker, method, path, body, done, slot);
}

static void remove_container(struct slot *slot)
{
	slot->call = call_container(slot, "DELETE", "?force=1&v=1", NULL, on_removed);
	if (!slot->call)
		free_slot(slot);
}

/* Its processes go by themselves when their init's input ends; the daemon then removes what is left. */
static void end(struct slot *slot)
{
	struct docker *d = slot->docker;

	attach_close(slot->attach);
	slot->attach = NULL;
	uv_timer_stop(&slot->deadline);
	uv_timer_stop(&slot->inspection);
	if (slot->counted) {
		slot->counted = false;
		d->making--;
	}
	slot->state = SLOT_ENDING;
	if (!slot->id[0]) {
		free_slot(slot);
		return;
	}
	slot->removals = 0;
	remove_container(slot);
}

static void leave_queue(struct slot *slot)
{
	struct docker *d = slot->docker;
	struct slot **at = &d->queued;

	while (*at && *at != slot)
		at = &(*at)->next_queued;
	if (!*at)
		return;
	*at = slot->next_queued;
	d->queued_last = &d->queued;
	while (*d->queued_last)
		d->queued_last = &(*d->queued_last)->next_queued;
}

void slot_destroy(struct slot *slot)
{
	if (slot->state == SLOT_FREE || slot->state == SLOT_ENDING)
		return;
	slot->asked = ASKED_NOTHING;
	if (slot->state == SLOT_QUEUED)
		leave_queue(slot);
	/* Whether the daemon makes it is known only when it says so. */
	if (slot->state == SLOT_MAKING && slot->call && !slot->id[0]) {
		slot->unwanted = true;
		return;
	}
	daemon_call_forget(slot->call);
	slot->call = NULL;
	end(slot);
}

/* Whoever asked something is told that nothing comes of it. */
static void leave_asked(struct slot *slot, const char *why)
{
	if (slot->asked != ASKED_NOTHING)
		slot_reply(slot, -ECANCELED, why, -1);
}

void slot_discard(struct slot *slot)
{
	leave_asked(slot, "it is not wanted any more");
	slot_destroy(slot);
}

bool slots_give_up(struct docker *d, uint32_t tag)
{
	for (uint32_t i = 0; i < d->sandboxes_count; i++) {
		struct slot *slot = &d->slots[i];

		if (slot->asked != ASKED_CREATE || slot->tag != tag)
			continue;
		slot_destroy(slot);
		return true;
	}
	return waiting_leave(d, tag);
}

/* ---- dying by itself ---- */

/* The front knows that the slot is not its own any more. */
static void lost(struct slot *slot, enum keeper_event event, uint32_t oom_kills, const char *why)
{
	if (slot->holds)
		docker_session_holder_died(slot->session, why);
	else
		tell_event(slot, event, oom_kills, why);
	leave_asked(slot, why);
	/* The end of a session may be that of its holder already. */
	if (slot->state != SLOT_ENDING && slot->state != SLOT_FREE)
		end(slot);
}

void slot_drop(struct slot *slot, const char *why)
{
	/* Who waits for an answer takes that for the end. */
	if (slot->asked != ASKED_NOTHING)
		slot_reply(slot, -ESTALE, why, -1);
	else if (slot->state == SLOT_READY || slot->state == SLOT_RUNNING)
		tell_event(slot, KEEPER_EVENT_DIED, 0, why);
	slot_destroy(slot);
}

static bool was_killed(const json_t *state)
{
	return !json_is_true(json_object_get(state, "Running")) &&
	       json_integer_value(json_object_get(state, "ExitCode")) == 128 + SIGKILL;
}

/*
 * That gVisor's kernel was killed for memory Docker hears of only sometimes (its shim looks at the group, which is gone
 * by then), and hardly anything else kills it.
 */
static bool was_out_of_memory(const struct slot *slot, const json_t *state)
{
	struct spec_member member;
	struct spec spec = slot_spec(slot, &slot->limits, &member);

	return json_is_true(json_object_get(state, "OOMKilled")) ||
	       (was_killed(state) && spec.sentry && !host_ignores_groups(slot->docker, spec.runtime));
}

static void inspect(struct slot *slot);

static void on_inspection(uv_timer_t *timer)
{
	struct slot *slot = timer->data;

	if (!slot->call && (slot->state == SLOT_READY || slot->state == SLOT_RUNNING))
		inspect(slot);
}

static void on_inspected(void *user, const struct daemon_answer *answer)
{
	struct slot *slot = user;
	const json_t *state = json_object_get(answer->json, "State");
	bool oom = was_out_of_memory(slot, state);
	const char *error = json_string_value(json_object_get(state, "Error"));
	int status = (int)json_integer_value(json_object_get(state, "ExitCode"));
	char why[KEEPER_STAGE_SIZE];

	slot->call = NULL;
	/* That it has ended, and that memory ran out, the daemon hears of apart, and after its streams have ended. */
	if (daemon_succeeded(answer) && !oom &&
	    (json_is_true(json_object_get(state, "Running")) || was_killed(state)) &&
	    slot->inspections++ < INSPECTIONS_MAX) {
		uv_timer_start(&slot->inspection, on_inspection, INSPECTION_MS, 0);
		return;
	}
	if (!daemon_succeeded(answer))
		snprintf(why, sizeof(why), "%s", answer->text);
	else if (error && error[0])
		daemon_words(why, sizeof(why), error);
	else if (oom)
		snprintf(why, sizeof(why), "the container was out of memory");
	else if (status)
		snprintf(why, sizeof(why), "%.160s, with status %d", slot->why, status);
	else
		snprintf(why, sizeof(why), "%s", slot->why);
	lost(slot, KEEPER_EVENT_DIED, oom, why);
}

static void inspect(struct slot *slot)
{
	slot->call = call_container(slot, "GET", "/json", NULL, on_inspected);
	if (!slot->call)
		lost(slot, KEEPER_EVENT_DIED, 0, slot->why);
}

/* It has ended: how? */
static void look_after(struct slot *slot)
{
	slot->inspections = 0;
	inspect(slot);
}

static void on_attach_closed(void *user, const char *why)
{
	struct slot *slot = user;

	snprintf(slot->why, sizeof(slot->why), "%s", why);
	if (slot->state == SLOT_MAKING) {
		daemon_call_forget(slot->call);
		slot->call = NULL;
		make_failed(slot, -EPIPE, slot->why);
		return;
	}
	/* A change of its limits is under way: its end will show. */
	if (slot->call || (slot->state != SLOT_READY && slot->state != SLOT_RUNNING))
		return;
	look_after(slot);
}

static void on_deadline(uv_timer_t *timer)
{
	struct slot *slot = timer->data;

	if (slot->state != SLOT_RUNNING)
		return;
	daemon_call_forget(slot->call);
	slot->call = NULL;
	/* init's own clock has ended the step in time: where nothing of that comes, it may be stuck in the daemon. */
	if (host_is_silent(slot->docker))
		lost(slot, KEEPER_EVENT_DIED, 0,
		     slot->docker->host.up ? "the daemon does not answer" : slot->docker->host.why);
	else
		lost(slot, KEEPER_EVENT_DEADLINE, 0, "the deadline passed");
}

/* ---- being made ---- */

static void make_over(struct slot *slot)
{
	if (slot->counted)
		slot->docker->making--;
	slot->counted = false;
}

/* Whether the same may go well a moment later: not where the daemon has understood and refused. */
static bool may_go_better(int error)
{
	return error != -ENOENT && error != -EINVAL;
}

static void make_failed(struct slot *slot, int error, const char *why)
{
	struct docker *d = slot->docker;

	make_over(slot);
	attach_close(slot->attach);
	slot->attach = NULL;
	if (slot->id[0])
		host_remove(d, slot->id);
	slot->id[0] = '\0';
	if (slot->unwanted) {
		free_slot(slot);
		return;
	}
	if (d->host.up && names_failed(slot, why)) {
		queue(slot);
		return;
	}
	if (!slot->again && may_go_better(error) && d->host.up) {
		slot->again = true;
		make(slot);
		return;
	}
	if (slot->holds) {
		struct session *session = slot->session;
		char words[KEEPER_STAGE_SIZE];

		/* They may be the slot's own. */
		snprintf(words, sizeof(words), "%s", why);
		free_slot(slot);
		docker_session_holder_made(session, error, words, -1);
		return;
	}
	slot_reply(slot, error, why, -1);
	/* One that was to take another's place is the front's until it destroys it. */
	if (slot->fresh)
		slot->state = SLOT_LOST;
	else
		free_slot(slot);
	slots_advance(d);
}

static int errno_of(const struct daemon_answer *answer)
{
	if (answer->error)
		return answer->error;
	return answer->status == 404 ? -ENOENT : answer->status == 400 ? -EINVAL : -EIO;
}

static void call_failed(struct slot *slot, const struct daemon_answer *answer)
{
	host_doubt(slot->docker, answer);
	/* With a daemon that is away all that was being made is given up, this too. */
	if (slot->state == SLOT_MAKING)
		make_failed(slot, errno_of(answer), answer->text);
}

static void made(struct slot *slot)
{
	int ends[2] = { slot->front_fd, -1 };

	make_over(slot);
	slot->front_fd = -1;
	if (!slot->fresh && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		slot->again = true;
		make_failed(slot, -errno, "make a socket pair");
		return;
	}
	slot->state = SLOT_READY;
	slot->again = false;
	attach_relay(slot->attach, ends[0], slot->fresh ? GREETING_SIZE : 0);
	slot->fresh = false;
	if (slot->holds)
		docker_session_holder_made(slot->session, 0, "", ends[1]);
	else
		slot_reply(slot, 0, "", ends[1]);
	/* The next front will want it. */
	if (slot->member == KEEPER_MEMBER_SERVICE && slot->kept_fd < 0)
		slot->kept_fd = TAKE_FD(ends[1]);
	if (ends[1] >= 0)
		close(ends[1]);
	slots_advance(slot->docker);
}

static void on_started(void *user, const struct daemon_answer *answer)
{
	struct slot *slot = user;

	slot->call = NULL;
	if (daemon_succeeded(answer))
		made(slot);
	else
		call_failed(slot, answer);
}

static void on_attached(void *user)
{
	struct slot *slot = user;

	slot->call = call_container(slot, "POST", "/start", NULL, on_started);
	if (!slot->call)
		make_failed(slot, -ENOMEM, "no memory to start a container");
}

static const struct attach_events attach_events = { .opened = on_attached, .closed = on_attach_closed };

static void on_created(void *user, const struct daemon_answer *answer)
{
	struct slot *slot = user;
	const char *id = json_string_value(json_object_get(answer->json, "Id"));
	struct err err = ERR_INIT;

	slot->call = NULL;
	if (!daemon_succeeded(answer)) {
		/* The folder with init may be what is not there. */
		if (answer->status == 404)
			place_forget(slot->docker);
		call_failed(slot, answer);
		return;
	}
	if (!container_id_valid(id)) {
		make_failed(slot, -EPROTO, "the daemon made a container without an id");
		return;
	}
	memcpy(slot->id, id, CONTAINER_ID_MAX + 1);
	if (slot->unwanted) {
		end(slot);
		return;
	}
	slot->attach = attach_open(&slot->docker->daemon, slot->id, &attach_events, slot, &err);
	if (!slot->attach)
		make_failed(slot, -ENOMEM, err.text);
}

/* Podman runs every container with the same one, whatever it is asked for, and does not say so. */
static bool has_runtime(const struct docker *d, const char *runtime)
{
	return !d->host.podman || !runtime || !runtime[0] || strcmp(runtime, d->host.runtime) == 0;
}

static void make(struct slot *slot)
{
	struct docker *d = slot->docker;
	struct spec_member member;
	struct spec spec = slot_spec(slot, &slot->limits, &member);
	struct names_paths names;
	json_t *container;
	char why[KEEPER_STAGE_SIZE];

	slot->state = SLOT_MAKING;
	slot->why[0] = '\0';
	slot->counted = true;
	d->making++;
	if (!has_runtime(d, spec.runtime)) {
		snprintf(why, sizeof(why), "Podman has the runtime '%s', not '%s'", d->host.runtime,
			 spec.runtime);
		make_failed(slot, -EINVAL, why);
		return;
	}
	names_of(slot, &names);
	spec.passwd = names.passwd;
	spec.group = names.group;
	container = spec_create(&spec);
	if (container && d->host.podman)
		container = podman_container(container);
	slot->call = docker_call(d, "POST", "/containers/create", container, on_created, slot);
	if (slot->call)
		return;
	slot->again = true;
	make_failed(slot, -ENOMEM, "no memory to make a container");
}

static void queue(struct slot *slot)
{
	struct docker *d = slot->docker;

	slot->state = SLOT_QUEUED;
	slot->next_queued = NULL;
	*d->queued_last = slot;
	d->queued_last = &slot->next_queued;
	slots_advance(d);
}

void slots_refuse_queued(struct docker *d, const char *why)
{
	while (d->queued) {
		struct slot *slot = d->queued;

		leave_queue(slot);
		slot->again = true;
		make_failed(slot, -EIO, why);
	}
}

void slots_give_up_calls(struct docker *d, const char *why)
{
	waiting_refuse(d, why);
	for (uint32_t i = 0; i < d->slots_count; i++) {
		struct slot *slot = &d->slots[i];
		bool making = slot->state == SLOT_MAKING;

		if (!making && (!slot->call || slot->asked == ASKED_NOTHING || slot->state == SLOT_ENDING))
			continue;
		daemon_call_forget(slot->call);
		slot->call = NULL;
		slot->again = true;
		if (making)
			make_failed(slot, -EHOSTDOWN, why);
		else
			slot_reply(slot, -EHOSTDOWN, why, -1);
	}
}

/* Podman's service can wait for itself when it makes several at once that join one network and mount one volume. */
static unsigned starts_at_once(const struct docker *d)
{
	return d->host.podman && docker_sessions_busy(d) ? 1 : STARTS_AT_ONCE;
}

void slots_advance(struct docker *d)
{
	while (d->queued && d->making < starts_at_once(d)) {
		struct slot *slot = d->queued;

		if (!d->host.up) {
			slots_refuse_queued(d, d->host.why);
			return;
		}
		if (d->placed != PLACED) {
			place_start(d, slot->digest);
			return;
		}
		if (!names_ready(slot))
			return;
		leave_queue(slot);
		make(slot);
	}
}

static void join(struct slot *slot, const struct keeper_request *request, struct session *session)
{
	slot->session = session;
	slot->member = (enum keeper_member)request->member;
	slot->number = request->number;
	memcpy(slot->name, request->name, sizeof(slot->name));
	memcpy(slot->folders, request->folders, sizeof(slot->folders));
	session->members++;
	if (slot->member != KEEPER_MEMBER_FILES)
		return;
	/* No image is needed for files, and what is written is this container's memory until it ends. */
	memcpy(slot->digest, session->digest, sizeof(slot->digest));
	slot->limits.value[LIMIT_MEMORY_BYTES] += session->limits.value[LIMIT_DISK_BYTES];
}

struct slot *slot_create(struct docker *d, const struct keeper_request *request, struct session *session)
{
	struct slot *slot = slots_free(d);

	if (!slot)
		return NULL;
	slot->tag = request->tag;
	slot->asked = ASKED_CREATE;
	memcpy(slot->digest, request->digest, sizeof(slot->digest));
	slot->limits = request->limits;
	if (session)
		join(slot, request, session);
	queue(slot);
	return slot;
}

struct slot *slot_of_holder(const struct session *session)
{
	return &session->docker->slots[session->docker->sandboxes_count + session->index];
}

void slot_hold(struct session *session, const struct limits *limits)
{
	struct slot *slot = slot_of_holder(session);

	slot->session = session;
	slot->holds = true;
	memcpy(slot->digest, session->digest, sizeof(slot->digest));
	slot->limits = *limits;
	queue(slot);
}

/* ---- other limits ---- */

/* A new container behind the front's socket. */
static void replace(struct slot *slot)
{
	uv_timer_stop(&slot->inspection);
	daemon_call_forget(slot->call);
	slot->call = NULL;
	slot->front_fd = slot->attach ? attach_take_front(slot->attach) : -1;
	attach_close(slot->attach);
	slot->attach = NULL;
	host_remove(slot->docker, slot->id);
	slot->id[0] = '\0';
	slot->limits = slot->wanted;
	slot->fresh = true;
	queue(slot);
}

static void on_adopted(void *user, const struct daemon_answer *answer)
{
	struct slot *slot = user;

	slot->call = NULL;
	if (slot->why[0]) {
		slot_reply(slot, -ESTALE, slot->why, -1);
		return;
	}
	if (!daemon_succeeded(answer)) {
		replace(slot);
		return;
	}
	slot->limits = slot->wanted;
	slot_reply(slot, 0, "", -1);
}

static bool update(struct slot *slot, daemon_fn done)
{
	const struct docker *d = slot->docker;
	struct spec_member member;
	struct spec spec = slot_spec(slot, &slot->wanted, &member);
	json_t *limits = spec_update(&spec);
	char path[CONTAINER_ID_MAX + 64];

	if (limits && d->host.podman)
		limits = podman_update(limits);
	/* Docker's call Podman has only in later versions. */
	snprintf(path, sizeof(path), "%s/containers/%s/update", d->host.podman ? "/libpod" : "", slot->id);
	slot->call = docker_call(slot->docker, "POST", path, limits, done, slot);
	return slot->call != NULL;
}

static void ask(struct slot *slot, const struct keeper_request *request, enum slot_asked asked)
{
	slot->tag = request->tag;
	slot->asked = asked;
	slot->wanted = request->limits;
}

/* What a container has and what is wanted. */
enum groups_fit {
	GROUPS_FIT,
	GROUPS_WILL_DO, /* they are wide enough, and cannot be changed */
	GROUPS_CHANGE,	/* by a call of the daemon's */
	GROUPS_FIXED,	/* gVisor's runsc knows no such call */
};

static enum groups_fit groups_fit(const struct slot *slot)
{
	struct spec_member member;
	struct spec spec = slot_spec(slot, &slot->wanted, &member);

	if (host_ignores_groups(slot->docker, spec.runtime))
		return GROUPS_FIT;
	if (!spec.sentry)
		return spec_same_groups(&slot->limits, &slot->wanted) ? GROUPS_FIT : GROUPS_CHANGE;
	if (!spec_groups_will_do(&slot->limits, &slot->wanted))
		return GROUPS_FIXED;
	return spec_groups_will_do(&slot->wanted, &slot->limits) ? GROUPS_FIT : GROUPS_WILL_DO;
}

void slot_adopt(struct slot *slot, const struct keeper_request *request)
{
	enum groups_fit fit;

	ask(slot, request, ASKED_ADOPT);
	fit = groups_fit(slot);
	/* The front's end of its socket has ended with it: another one in its place is no use. */
	if (slot->why[0])
		slot_reply(slot, -ESTALE, slot->why, -1);
	else if (!spec_same_disk(&slot->limits, &slot->wanted) || fit == GROUPS_WILL_DO ||
		 fit == GROUPS_FIXED)
		replace(slot);
	else if (fit == GROUPS_FIT)
		slot_reply(slot, 0, "", -1);
	else if (!update(slot, on_adopted))
		slot_reply(slot, -ENOMEM, "no memory to change a container's limits", -1);
}

static void on_step_prepared(void *user, const struct daemon_answer *answer)
{
	struct slot *slot = user;

	slot->call = NULL;
	if (daemon_succeeded(answer))
		slot->limits = slot->wanted;
	else
		host_doubt(slot->docker, answer);
	slot_reply(slot, daemon_succeeded(answer) ? 0 : errno_of(answer), answer->text, -1);
	/* It has ended meanwhile. */
	if (slot->why[0] && slot->state == SLOT_RUNNING)
		look_after(slot);
}

void slot_step(struct slot *slot, const struct keeper_request *request)
{
	uint64_t patience_ms = (uint64_t)request->limits.value[LIMIT_WALL_MS] + DEADLINE_GRACE_MS;

	enum groups_fit fit;

	ask(slot, request, ASKED_STEP);
	fit = groups_fit(slot);
	slot->state = SLOT_RUNNING;
	uv_timer_start(&slot->deadline, on_deadline, patience_ms, 0);
	/* Of one that has ended the daemon is being asked already. */
	if (slot->why[0] || fit == GROUPS_FIT || fit == GROUPS_WILL_DO)
		slot_reply(slot, 0, "", -1);
	else if (fit == GROUPS_FIXED)
		slot_reply(slot, -ENOTSUP, "give a later step under gVisor more memory or processor share",
			   -1);
	else if (!update(slot, on_step_prepared))
		slot_reply(slot, -ENOMEM, "no memory to change a container's limits", -1);
}

void slot_step_end(struct slot *slot)
{
	uv_timer_stop(&slot->deadline);
	slot->state = SLOT_READY;
}
