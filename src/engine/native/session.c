/*
 * Sessions as the front sees them: numbers that the keeper has given out, and what an earlier front left.
 */
#include "engine/native/native_session.h"

#include "base/strv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static struct session *of(struct engine_session *handle)
{
	return (struct session *)handle;
}

static struct session *session_new(struct native *native)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->base.engine = &native->base;
	session->base.unbounded = native->host.contained || !native->host.memory || !native->host.pids;
	session->native = native;
	session->next = native->sessions;
	session->link = &native->sessions;
	if (session->next)
		session->next->link = &session->next;
	native->sessions = session;
	return session;
}

static void give_number(struct session *session, uint32_t number, uint32_t generation)
{
	if (number >= KEEPER_SESSIONS_MAX)
		return;
	session->number = number;
	session->generation = generation;
	session->has_number = true;
	session->native->by_number[number] = session;
}

static void lose_number(struct session *session)
{
	if (session->has_number && session->native->by_number[session->number] == session)
		session->native->by_number[session->number] = NULL;
	session->has_number = false;
}

static void drop_left_services(struct session *session)
{
	struct left_service **at = &session->native->left_services;

	while (*at) {
		struct left_service *left = *at;

		if (left->session != session) {
			at = &left->next;
			continue;
		}
		*at = left->next;
		close(left->fd);
		free(left);
	}
}

static void dispose(struct session *session)
{
	*session->link = session->next;
	if (session->next)
		session->next->link = session->link;
	free(session);
}

void session_enter(struct session *session)
{
	session->busy++;
}

void session_leave(struct session *session)
{
	if (--session->busy == 0 && session->destroyed)
		dispose(session);
}

/* Fails only when the keeper is gone, and its sessions with it. */
static void ask(struct session *session, enum keeper_op op, uint64_t ttl_ms)
{
	struct keeper_request request = { .op = op,
					  .session = session->number,
					  .session_generation = session->generation,
					  .ttl_ms = ttl_ms };
	int r = session->has_number ? link_send(&session->native->link, &request, NULL, NULL) : 0;

	(void)r;
}

static void end(struct session *session, enum engine_session_end why, const struct err *err)
{
	enum native_session_state was = session->state;

	session->state = NATIVE_SESSION_ENDED;
	lose_number(session);
	drop_left_services(session);
	if (was == NATIVE_SESSION_LEFT) {
		session->destroyed = true; /* nobody has it */
		return;
	}
	if (was != NATIVE_SESSION_ENDED && !session->destroyed)
		session->events->ended(session->user, why, err);
}

static void on_opened(struct session *session, const struct keeper_message *reply)
{
	struct err err = ERR_INIT;

	if (reply->error) {
		err_set(&err, reply->error, "%s", reply->stage);
		end(session, ENGINE_SESSION_LOST, &err);
		return;
	}
	give_number(session, reply->slot, reply->generation);
	session->state = NATIVE_SESSION_OPEN;
	session->events->opened(session->user);
}

static bool has_id(const struct native *native, const uint8_t *id)
{
	for (const struct session *s = native->sessions; s; s = s->next) {
		if (!s->destroyed && s->state != NATIVE_SESSION_ENDED &&
		    memcmp(s->record.id, id, ENGINE_SESSION_ID_SIZE) == 0)
			return true;
	}
	return false;
}

static uint32_t count_open(const struct native *native)
{
	uint32_t count = 0;

	for (const struct session *s = native->sessions; s; s = s->next)
		count += !s->destroyed && s->state != NATIVE_SESSION_ENDED;
	return count;
}

static int refuse_all(const struct native_host *host, struct err *err)
{
	if (host->contained)
		return err_set(err, -ENOTSUP,
			       "sessions in containers need a daemon of Docker's, not Podman's, and %d uids "
			       "each (uid_count)",
			       KEEPER_SESSION_UIDS);
	if (!host->separate_uids)
		return err_set(
			err, -ENOTSUP,
			"sessions need a uid for each of their users: start kiln as root, or give its "
			"user newuidmap and a range in /etc/subuid and /etc/subgid ('kiln doctor' tells "
			"how)");
	return err_set(
		err, -ENOTSUP,
		"each session needs %d uids, and the range of kiln's user in /etc/subuid or /etc/subgid "
		"has not so many to spare: 65536 are usual",
		KEEPER_SESSION_UIDS + KEEPER_SERVICES_MAX);
}

/* Whether this host has one more. */
static int room_check(const struct native *native, struct err *err)
{
	uint32_t most = native->host.sessions;

	if (!most)
		return refuse_all(&native->host, err);
	if (count_open(native) < most)
		return 0;
	return native->host.privileged || native->host.contained
		       ? err_set(err, -EAGAIN, "all %u that there can be are open", most)
		       : err_set(err, -EAGAIN,
				 "all %u are open that the range of kiln's user in /etc/subuid, or its limit "
				 "of "
				 "open files, is enough for",
				 most);
}

int session_open(struct engine *engine, const struct engine_session_spec *spec,
		 const struct engine_session_events *events, void *user, struct engine_session **ret,
		 struct err *err)
{
	struct native *native = (struct native *)engine;
	struct keeper_request request = { .op = KEEPER_SESSION_OPEN, .ttl_ms = spec->ttl_ms };
	struct session *session;
	int r;

	_Static_assert(sizeof(request.id) == sizeof(spec->id), "one id");
	r = room_check(native, err);
	if (r < 0)
		return r;
	if (has_id(native, spec->id))
		return err_set(err, -EEXIST, "a session with this id is open");
	if (native->host.contained && (!spec->image || !native_image_of(spec->image, &request)))
		return err_set(err, -ENOENT, "image '%s'", spec->image ? spec->image : "");
	for (int i = 0; i < LIMIT_COUNT; i++)
		request.limits.value[i] = limit_table[i].minimum;
	request.limits.value[LIMIT_DISK_BYTES] = spec->disk_bytes;
	request.limits.value[LIMIT_MEMORY_BYTES] = spec->memory_bytes;
	request.limits.value[LIMIT_PROCESSES] = spec->processes;
	memcpy(request.id, spec->id, sizeof(request.id));
	session = session_new(native);
	if (!session)
		return err_set(err, -ENOMEM, "a session");
	session->events = events;
	session->user = user;
	session->state = NATIVE_SESSION_OPENING;
	memcpy(session->record.id, spec->id, sizeof(session->record.id));
	r = link_send_session(&native->link, &request, session, on_opened);
	if (r < 0) {
		dispose(session);
		return err_set(err, r, "ask the keeper for a session");
	}
	*ret = &session->base;
	return 0;
}

bool session_found(struct engine *engine, size_t index, struct engine_session_record *ret)
{
	const struct session *session = ((struct native *)engine)->sessions;

	for (; session; session = session->next) {
		uint64_t gone_ms;

		if (session->state != NATIVE_SESSION_LEFT || index-- > 0)
			continue;
		*ret = session->record;
		gone_ms = (uv_hrtime() / 1000 - session->left_at_us) / 1000;
		ret->left_ms -= gone_ms < ret->left_ms ? gone_ms : ret->left_ms;
		return true;
	}
	return false;
}

int session_take(struct engine *engine, const uint8_t id[ENGINE_SESSION_ID_SIZE],
		 const struct engine_session_events *events, void *user, struct engine_session **ret,
		 struct err *err)
{
	struct session *session = ((struct native *)engine)->sessions;

	while (session && (session->state != NATIVE_SESSION_LEFT ||
			   memcmp(session->record.id, id, ENGINE_SESSION_ID_SIZE) != 0))
		session = session->next;
	if (!session)
		return err_set(err, -ENOENT, "no session with this id was left");
	session->events = events;
	session->user = user;
	session->state = NATIVE_SESSION_OPEN;
	*ret = &session->base;
	return 0;
}

void session_prolong(struct engine_session *handle, uint64_t ttl_ms)
{
	ask(of(handle), KEEPER_SESSION_PROLONG, ttl_ms);
}

void session_finish(struct engine_session *handle)
{
	of(handle)->record.finished = true;
	ask(of(handle), KEEPER_SESSION_FINISH, 0);
}

static void on_weighed(struct session *session, const struct keeper_message *reply)
{
	struct engine_session_usage usage = { .memory_bytes = reply->session_usage.memory_bytes,
					      .disk_used_bytes = reply->session_usage.disk_used_bytes,
					      .processes = reply->session_usage.processes };
	struct err err = ERR_INIT;

	if (session->destroyed || !session->events->weighed)
		return;
	if (reply->error)
		err_set(&err, reply->error, "%s", reply->stage);
	session->events->weighed(session->user, &usage, reply->error ? &err : NULL);
}

void session_weigh(struct engine_session *handle)
{
	struct session *session = of(handle);
	struct keeper_request request = { .op = KEEPER_SESSION_WEIGH,
					  .session = session->number,
					  .session_generation = session->generation };
	int r = link_send_session(&session->native->link, &request, session, on_weighed);

	(void)r; /* the keeper is gone: then so is the session, which is told */
}

void session_destroy(struct engine_session *handle)
{
	struct session *session = of(handle);

	if (!session || session->destroyed)
		return;
	session->destroyed = true;
	link_forget_session(&session->native->link, session);
	ask(session, KEEPER_SESSION_CLOSE, 0);
	lose_number(session);
	drop_left_services(session);
	if (session->busy == 0)
		dispose(session);
}

void session_on_gone(struct native *native, const struct keeper_message *message)
{
	struct session *session =
		message->slot < KEEPER_SESSIONS_MAX ? native->by_number[message->slot] : NULL;
	struct err err = ERR_INIT;

	if (!session || session->generation != message->generation)
		return;
	session_enter(session);
	if (message->error != -ETIME)
		err_set(&err, -EPIPE, "%s",
			message->stage[0] ? message->stage : "the keeper ended the session");
	end(session, message->error == -ETIME ? ENGINE_SESSION_EXPIRED : ENGINE_SESSION_LOST,
	    message->error == -ETIME ? NULL : &err);
	session_leave(session);
}

void sessions_lost(struct native *native, const struct err *err)
{
	struct session *session, *next;

	/* Destroying one in its callback may take it off the list; each is held while it is told. */
	for (session = native->sessions; session; session = next) {
		session_enter(session);
		end(session, ENGINE_SESSION_LOST, err);
		next = session->next;
		session_leave(session);
	}
}

void sessions_clear(struct native *native)
{
	while (native->sessions) {
		drop_left_services(native->sessions);
		lose_number(native->sessions);
		link_forget_session(&native->link, native->sessions);
		dispose(native->sessions);
	}
}

/* ---- what an earlier front left ---- */

static int find_left_sessions(struct native *native, struct err *err)
{
	struct keeper_request request = { .op = KEEPER_SESSION_NEXT };
	struct keeper_message reply;
	int fd, r;

	for (;;) {
		const struct keeper_session_record *record = &reply.session_record;
		struct session *session;

		r = link_ask(&native->link, &request, &reply, &fd, err);
		if (r < 0)
			return r;
		if (fd >= 0)
			close(fd);
		if (reply.error)
			return reply.error == -ENOENT ? 0 : err_set(err, reply.error, "%s", reply.stage);
		session = session_new(native);
		if (!session)
			return err_set(err, -ENOMEM, "a session");
		session->state = NATIVE_SESSION_LEFT;
		session->left_at_us = uv_hrtime() / 1000;
		session->record.finished = record->finished;
		session->record.left_ms = record->left_ms;
		memcpy(session->record.id, record->id, sizeof(session->record.id));
		give_number(session, record->session, record->session_generation);
		request.session = record->session + 1;
	}
}

static int keep_left_service(struct native *native, const struct keeper_message *reply, int fd)
{
	const struct keeper_session_record *record = &reply->session_record;
	struct session *session =
		record->session < KEEPER_SESSIONS_MAX ? native->by_number[record->session] : NULL;
	struct left_service *left;

	if (fd < 0)
		return -EPROTO;
	left = session && session->generation == record->session_generation ? calloc(1, sizeof(*left)) : NULL;
	if (!left) {
		close(fd);
		return session ? -ENOMEM : 0;
	}
	*left = (struct left_service){ .next = native->left_services,
				       .session = session,
				       .number = record->number,
				       .slot = reply->slot,
				       .generation = reply->generation,
				       .fd = fd,
				       .limits = record->limits };
	native->left_services = left;
	return 0;
}

static int find_left_services(struct native *native, struct err *err)
{
	struct keeper_request request = { .op = KEEPER_SERVICE_NEXT };
	struct keeper_message reply;
	int fd, r;

	for (;;) {
		r = link_ask(&native->link, &request, &reply, &fd, err);
		if (r < 0)
			return r;
		if (reply.error)
			return reply.error == -ENOENT ? 0 : err_set(err, reply.error, "%s", reply.stage);
		r = keep_left_service(native, &reply, fd);
		if (r < 0)
			return err_set(err, r, "take over a service");
		request.slot = reply.slot + 1;
	}
}

int session_find_left(struct native *native, struct err *err)
{
	int r = find_left_sessions(native, err);

	return r < 0 ? r : find_left_services(native, err);
}

static int resync(struct sandbox *sb)
{
	if (getrandom(sb->nonce, sizeof(sb->nonce), 0) != (ssize_t)sizeof(sb->nonce))
		return -EIO;
	sb->state = SANDBOX_RESYNCING;
	return outgoing_frame(&sb->out, WIRE_RESYNC, sb->nonce, sizeof(sb->nonce));
}

/* A step of it runs, the only one that it ever has. */
static int take_over(struct session *session, struct left_service *left, const struct engine_events *events,
		     void *user, struct engine_sandbox **ret, struct err *err)
{
	const struct engine_sandbox_spec spec = { .limits = left->limits };
	struct sandbox *sb = sandbox_new(session->native, &spec);
	int fd = left->fd, r;

	left->fd = -1;
	if (!sb) {
		close(fd);
		return err_set(err, -ENOMEM, "a sandbox");
	}
	sb->events = events;
	sb->user = user;
	sb->limits = left->limits;
	sb->step = 1;
	sb->started = true;
	sb->started_us = uv_hrtime() / 1000;
	sandbox_take_slot(sb, left->slot, left->generation);
	sandbox_enlist(sb);
	r = sandbox_connect(sb, fd);
	if (r == 0)
		r = resync(sb);
	if (r < 0) {
		sandbox_destroy((struct engine_sandbox *)(void *)sb);
		return err_set(err, r, "take over a service");
	}
	sandbox_write(sb);
	*ret = (struct engine_sandbox *)(void *)sb;
	return 0;
}

int service_take(struct engine_session *handle, uint32_t number, const struct engine_events *events,
		 void *user, struct engine_sandbox **ret, struct err *err)
{
	struct session *session = of(handle);
	struct left_service **at = &session->native->left_services;
	struct left_service *left;
	int r;

	while (*at && ((*at)->session != session || (*at)->number != number))
		at = &(*at)->next;
	left = *at;
	if (!left)
		return err_set(err, -ENOENT, "no service %u was left", number);
	*at = left->next;
	r = take_over(session, left, events, user, ret, err);
	free(left);
	return r;
}

/* ---- members ---- */

static int compare_folders(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Each once, and before those that lie in it. */
static int put_folders(char *const *folders, char *to, struct err *err)
{
	const char *sorted[KEEPER_FOLDERS_MAX];
	size_t used = 0, count = strv_len(folders);

	if (count > KEEPER_FOLDERS_MAX)
		return err_set(err, -E2BIG, "the writable folders of a service");
	for (size_t i = 0; i < count; i++)
		sorted[i] = folders[i];
	qsort(sorted, count, sizeof(sorted[0]), compare_folders);
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(sorted[i]) + 1;

		if (i > 0 && strcmp(sorted[i], sorted[i - 1]) == 0)
			continue;
		if (len <= 1 || len > KEEPER_FOLDERS_SIZE - 1 - used)
			return err_set(err, -E2BIG, "the writable folders of a service");
		memcpy(to + used, sorted[i], len);
		used += len;
	}
	return 0;
}

int session_of_spec(const struct engine_sandbox_spec *spec, struct keeper_request *request, struct err *err)
{
	static const enum keeper_member members[] = {
		[ENGINE_MEMBER_RUN] = KEEPER_MEMBER_RUN,
		[ENGINE_MEMBER_FILES] = KEEPER_MEMBER_FILES,
		[ENGINE_MEMBER_SERVICE] = KEEPER_MEMBER_SERVICE,
	};
	const struct session *session = of(spec->session);

	if (!session)
		return 0;
	if (session->state != NATIVE_SESSION_OPEN)
		return err_set(err, -ENOENT, "the session is not open");
	if (session->record.finished && spec->member != ENGINE_MEMBER_FILES)
		return err_set(err, -ESTALE, "the session is finished");
	request->session = session->number;
	request->session_generation = session->generation;
	request->member = members[spec->member];
	if (spec->member == ENGINE_MEMBER_RUN) {
		request->number = spec->user.number;
		memcpy(request->name, spec->user.name, strnlen(spec->user.name, sizeof(request->name)));
	} else if (spec->member == ENGINE_MEMBER_SERVICE) {
		request->number = spec->service;
		return put_folders(spec->folders, request->folders, err);
	}
	return 0;
}
