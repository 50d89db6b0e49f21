/* Sessions: files that outlive sandboxes, and members. */
#include "engine/fake/fake_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake_session *of(struct engine_session *handle)
{
	return (struct fake_session *)handle;
}

static struct fake_session *session_find(const struct engine *e, const uint8_t *id)
{
	struct fake_session *session = ((const struct fake_engine *)e)->sessions;

	while (session && (session->ended || memcmp(session->spec.id, id, ENGINE_SESSION_ID_SIZE) != 0))
		session = session->next;
	return session;
}

int fake_session_open(struct engine *e, const struct engine_session_spec *spec,
		      const struct engine_session_events *events, void *user, struct engine_session **ret,
		      struct err *err)
{
	struct fake_engine *engine = (struct fake_engine *)e;
	struct fake_session *session;
	struct fake_event *event;
	int code;

	if (fake_fault_due(engine, FAKE_SESSION_REFUSED, &code))
		return err_set(err, code, "the fake engine was told to refuse the session");
	if (session_find(e, spec->id))
		return err_set(err, -EEXIST, "there is a session with this id");
	session = fake_alloc(1, sizeof(*session));
	*session = (struct fake_session){ .engine = engine,
					  .next = engine->sessions,
					  .spec = *spec,
					  .events = *events,
					  .user = user,
					  .taken = true };
	engine->sessions = session;
	*ret = &session->base;
	event = fake_post_session(session, FAKE_EVENT_OPENED);
	if (fake_fault_due(engine, FAKE_SESSION_LOST, &code)) {
		event->kind = FAKE_EVENT_ENDED;
		event->end = ENGINE_SESSION_LOST;
		event->has_err = true;
		err_set(&event->err, code, "the fake engine was told to fail: session");
	}
	return 0;
}

bool fake_session_found(struct engine *e, size_t index, struct engine_session_record *ret)
{
	const struct fake_session *session = ((struct fake_engine *)e)->sessions;

	for (; session; session = session->next) {
		if (session->taken || index-- > 0)
			continue;
		*ret = (struct engine_session_record){ .finished = session->finished,
						       .left_ms = session->spec.ttl_ms };
		memcpy(ret->id, session->spec.id, sizeof(ret->id));
		return true;
	}
	return false;
}

int fake_session_take(struct engine *e, const uint8_t id[ENGINE_SESSION_ID_SIZE],
		      const struct engine_session_events *events, void *user, struct engine_session **ret,
		      struct err *err)
{
	struct fake_session *session = session_find(e, id);

	if (!session || session->taken)
		return err_set(err, -ENOENT, "no session with this id was left");
	session->taken = true;
	session->events = *events;
	session->user = user;
	*ret = &session->base;
	return 0;
}

int fake_service_take(struct engine_session *handle, uint32_t number, const struct engine_events *events,
		      void *user, struct engine_sandbox **ret, struct err *err)
{
	const struct fake_session *session = of(handle);

	for (struct engine_sandbox *sb = session->engine->sandboxes; sb; sb = sb->next) {
		if (sb->session != session || !sb->orphan || sb->service != number)
			continue;
		sb->orphan = false;
		sb->events = *events;
		sb->user = user;
		*ret = sb;
		return 0;
	}
	return err_set(err, -ENOENT, "no service %u was left", number);
}

void fake_session_prolong(struct engine_session *handle, uint64_t ttl_ms)
{
	of(handle)->spec.ttl_ms = ttl_ms;
}

/* All members: a step ends as killed, what has none fails. */
static void members_end(struct fake_session *session, bool but_files)
{
	struct err why = ERR_INIT;

	err_set(&why, -ECANCELED, "the session is over");
	for (struct engine_sandbox *sb = session->engine->sandboxes; sb; sb = sb->next) {
		if (sb->session == session && !(but_files && sb->member == ENGINE_MEMBER_FILES))
			fake_post_err(sb, FAKE_EVENT_FAILED, &why);
	}
}

void fake_session_finish(struct engine_session *handle)
{
	struct fake_session *session = of(handle);

	session->finished = true;
	members_end(session, true);
}

void fake_session_weigh(struct engine_session *handle)
{
	fake_post_session(of(handle), FAKE_EVENT_WEIGHED);
}

static void deliver_weighed(struct fake_session *session)
{
	struct engine_session_usage usage = { 0 };

	for (size_t i = 0; i < session->files_count; i++)
		usage.disk_used_bytes += session->files[i].len;
	usage.memory_bytes = usage.disk_used_bytes;
	if (session->events.weighed)
		session->events.weighed(session->user, &usage, NULL);
}

void fake_session_deliver(struct fake_session *session, struct fake_event *event)
{
	if (event->kind == FAKE_EVENT_ENDED) {
		session->ended = true;
		session->events.ended(session->user, event->end, event->has_err ? &event->err : NULL);
	} else if (event->kind == FAKE_EVENT_OPENED) {
		session->open = true;
		session->events.opened(session->user);
	} else {
		deliver_weighed(session);
	}
}

void fake_session_destroy(struct engine_session *handle)
{
	struct fake_session *session = of(handle);
	struct fake_session **at;

	if (!session)
		return;
	for (struct fake_event *event = session->engine->first; event; event = event->next) {
		if (event->session == session) {
			event->session = NULL;
			event->sb = NULL;
		}
	}
	for (struct engine_sandbox *sb = session->engine->sandboxes; sb; sb = sb->next)
		assert(sb->session != session || sb->orphan);
	for (at = &session->engine->sessions; *at != session; at = &(*at)->next)
		;
	*at = session->next;
	for (size_t i = 0; i < session->files_count; i++) {
		free(session->files[i].name);
		free(session->files[i].data);
	}
	free(session->files);
	free(session);
}

/* ---- members ---- */

/* What stands before a member's own names. */
static void prefix_of(const struct engine_sandbox *sb, char *ret, size_t size)
{
	snprintf(ret, size, "%s%s", sb->member == ENGINE_MEMBER_RUN ? sb->member_user.name : "",
		 sb->member == ENGINE_MEMBER_RUN ? "/" : "");
}

static struct fake_file *session_file(struct fake_session *session, const char *prefix, const char *name)
{
	size_t len = strlen(prefix);

	for (size_t i = 0; i < session->files_count; i++) {
		if (strncmp(session->files[i].name, prefix, len) == 0 &&
		    strcmp(session->files[i].name + len, name) == 0)
			return &session->files[i];
	}
	return NULL;
}

static void add_known(struct engine_sandbox *sb, const struct fake_file *from, const char *name)
{
	struct fake_file *file;

	sb->files = reallocarray(sb->files, sb->files_count + 1, sizeof(*sb->files));
	assert(sb->files);
	file = &sb->files[sb->files_count++];
	*file = *from;
	file->name = fake_copy(name, strlen(name));
	file->data = fake_copy(from->data, from->len);
	file->uploaded = true;
	file->touched = file->removed = false;
	sb->disk_used += file->len;
}

int fake_member_join(struct engine_sandbox *sb, const struct engine_sandbox_spec *spec, struct err *err)
{
	struct fake_session *session = of(spec->session);

	assert(session->taken && !session->ended);
	if (!session->open)
		return err_set(err, -ENOENT, "the session is not open");
	if (session->finished && spec->member != ENGINE_MEMBER_FILES)
		return err_set(err, -ESTALE, "the session is finished");
	assert(spec->member != ENGINE_MEMBER_RUN ||
	       (spec->user.number >= 1 && spec->user.number <= ENGINE_SESSION_USERS_MAX &&
		spec->user.name[0]));
	sb->session = session;
	sb->member = spec->member;
	sb->member_user = spec->user;
	sb->service = spec->service;
	if (spec->member == ENGINE_MEMBER_SERVICE)
		return 0;
	sb->disk_bytes = session->spec.disk_bytes;
	fake_member_look(sb);
	return 0;
}

void fake_member_look(struct engine_sandbox *sb)
{
	const struct fake_session *session = sb->session;
	char prefix[ENGINE_SESSION_NAME_SIZE + 1];
	size_t len;

	for (size_t i = 0; i < sb->files_count; i++) {
		free(sb->files[i].name);
		free(sb->files[i].data);
	}
	sb->files_count = 0;
	sb->disk_used = 0;
	prefix_of(sb, prefix, sizeof(prefix));
	len = strlen(prefix);
	for (size_t i = 0; i < session->files_count; i++) {
		if (strncmp(session->files[i].name, prefix, len) == 0)
			add_known(sb, &session->files[i], session->files[i].name + len);
	}
}

static void session_drop(struct fake_session *session, struct fake_file *file)
{
	free(file->name);
	free(file->data);
	*file = session->files[--session->files_count];
}

static void session_keep(struct fake_session *session, const char *prefix, const struct fake_file *from)
{
	struct fake_file *file = session_file(session, prefix, from->name);
	size_t size = strlen(prefix) + strlen(from->name) + 1;

	if (!file) {
		session->files =
			reallocarray(session->files, session->files_count + 1, sizeof(*session->files));
		assert(session->files);
		file = &session->files[session->files_count++];
		*file = (struct fake_file){ .name = fake_alloc(size, 1) };
		snprintf(file->name, size, "%s%s", prefix, from->name);
	}
	free(file->data);
	file->data = fake_copy(from->data, from->len);
	file->len = from->len;
	file->mode = from->mode;
	file->owner = from->owner;
	file->mtime_ns = from->mtime_ns;
	file->is_dir = from->is_dir;
	file->is_link = from->is_link;
}

void fake_member_leave_files(struct engine_sandbox *sb)
{
	char prefix[ENGINE_SESSION_NAME_SIZE + 1];

	if (!sb->session || sb->member == ENGINE_MEMBER_SERVICE)
		return;
	prefix_of(sb, prefix, sizeof(prefix));
	for (size_t i = 0; i < sb->files_count; i++) {
		struct fake_file *known = session_file(sb->session, prefix, sb->files[i].name);

		if (!sb->files[i].removed)
			session_keep(sb->session, prefix, &sb->files[i]);
		else if (known)
			session_drop(sb->session, known);
	}
}

/* ---- what tests do ---- */

void engine_fake_expire(struct engine *e, const uint8_t id[ENGINE_SESSION_ID_SIZE])
{
	struct fake_session *session = session_find(e, id);

	assert(session);
	members_end(session, false);
	fake_post_session(session, FAKE_EVENT_ENDED)->end = ENGINE_SESSION_EXPIRED;
}

void engine_fake_change_front(struct engine *e)
{
	struct fake_engine *engine = (struct fake_engine *)e;
	struct engine_sandbox *sb, *next;
	struct fake_session *session, *next_session;

	for (sb = engine->sandboxes; sb; sb = next) {
		next = sb->next;
		if (sb->session && sb->member == ENGINE_MEMBER_SERVICE && sb->process && !sb->failed)
			sb->orphan = true;
		else
			fake_sandbox_destroy(sb);
	}
	for (session = engine->sessions; session; session = next_session) {
		next_session = session->next;
		session->taken = false;
		if (!session->open || session->ended)
			fake_session_destroy(&session->base);
	}
}

uint64_t engine_fake_ttl_ms(const struct engine *e, const uint8_t id[ENGINE_SESSION_ID_SIZE])
{
	const struct fake_session *session = session_find(e, id);

	assert(session);
	return session->spec.ttl_ms;
}
