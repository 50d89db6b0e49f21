/* Sessions of the native engine: session.c, for the rest of it. */
#ifndef KILN_ENGINE_NATIVE_NATIVE_SESSION_H
#define KILN_ENGINE_NATIVE_NATIVE_SESSION_H

#include "engine/native/native_priv.h"

enum native_session_state {
	NATIVE_SESSION_OPENING,
	NATIVE_SESSION_LEFT, /* by an earlier front, and not taken */
	NATIVE_SESSION_OPEN,
	NATIVE_SESSION_ENDED,
};

struct session {
	struct engine_session base;
	struct native *native;
	struct session *next, **link;
	const struct engine_session_events *events;
	void *user;
	enum native_session_state state;
	uint32_t number, generation;
	bool has_number;
	struct engine_session_record record; /* as it was found, or as far as it is known */
	uint64_t left_at_us;		     /* when left_ms of that was true */
	unsigned busy;			     /* callbacks under way: freed only when none is */
	bool destroyed;
};

/* A service that an earlier front left. */
struct left_service {
	struct left_service *next;
	struct session *session;
	uint32_t number, slot, generation;
	int fd; /* init's socket */
	struct limits limits;
};

[[nodiscard]] int session_open(struct engine *engine, const struct engine_session_spec *spec,
			       const struct engine_session_events *events, void *user,
			       struct engine_session **ret, struct err *err);
bool session_found(struct engine *engine, size_t index, struct engine_session_record *ret);
[[nodiscard]] int session_take(struct engine *engine, const uint8_t id[ENGINE_SESSION_ID_SIZE],
			       const struct engine_session_events *events, void *user,
			       struct engine_session **ret, struct err *err);
[[nodiscard]] int service_take(struct engine_session *handle, uint32_t number,
			       const struct engine_events *events, void *user, struct engine_sandbox **ret,
			       struct err *err);
void session_prolong(struct engine_session *handle, uint64_t ttl_ms);
void session_finish(struct engine_session *handle);
void session_weigh(struct engine_session *handle);
void session_destroy(struct engine_session *handle);
/* Learns of the keeper what an earlier front left; blocks. */
[[nodiscard]] int session_find_left(struct native *native, struct err *err);
/* What a CREATE says of the session that the sandbox is to be in. */
[[nodiscard]] int session_of_spec(const struct engine_sandbox_spec *spec, struct keeper_request *request,
				  struct err *err);
/* The image in a request, from "host" or "name@sha256:…"; false: it is neither. */
bool native_image_of(const char *image, struct keeper_request *request);
void session_on_gone(struct native *native, const struct keeper_message *message);
/* The keeper is gone, and all sessions with it. */
void sessions_lost(struct native *native, const struct err *err);
void sessions_clear(struct native *native);
void session_enter(struct session *session);
/* May free it. */
void session_leave(struct session *session);

#endif
