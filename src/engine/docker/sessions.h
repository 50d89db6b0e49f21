/* Sessions of the Docker keeper: sessions.c (made, held, ended), session_requests.c (what the front asks of them). */
#ifndef KILN_ENGINE_DOCKER_SESSIONS_H
#define KILN_ENGINE_DOCKER_SESSIONS_H

#include "engine/docker/docker_priv.h"

#define VOLUME_NAME_MAX 95
#define MOUNTPOINT_MAX	255
#define WEIGHERS_MAX	16 /* that wait for one session's weight */

struct held;

enum session_state {
	SESSION_FREE,
	SESSION_SETUP, /* its volume and its holder are being made */
	SESSION_OPEN,
	SESSION_FINISHED, /* can be read */
	SESSION_ENDING,	  /* its containers and its volume are being removed */
};

/*
 * A volume in memory, and a container that does nothing but hold it and a network. That is the slot with the session's
 * number behind those of the sandboxes.
 */
struct session {
	struct docker *docker;
	uint32_t index, generation;
	enum session_state state;
	bool expired;
	bool asked;   /* the front waits for the answer to its OPEN */
	uint32_t tag; /* of that */
	uint8_t id[KEEPER_SESSION_ID_SIZE];
	uint8_t digest[KEEPER_DIGEST_SIZE];
	struct limits limits;
	uint64_t ttl_ms, deadline_ms, spoken_ms; /* by the loop's clock */
	uint32_t members;			 /* slots of it that are not free, without the holder */
	char volume[VOLUME_NAME_MAX + 1], mountpoint[MOUNTPOINT_MAX + 1];
	char why[KEEPER_STAGE_SIZE]; /* it ends */
	bool has_volume;
	uint32_t names_epoch; /* names.c's: for users with these numbers the names are there, of this image */
	uint8_t names_digest[KEEPER_DIGEST_SIZE];
	bool named[KEEPER_SESSION_UIDS];
	struct daemon_call *call;
	struct held *held;				 /* the holder's init; or NULL */
	uint32_t weighers[WEIGHERS_MAX], weighers_count; /* tags */
};

/* sessions.c */
[[nodiscard]] int docker_sessions_begin(struct docker *d, struct err *err);
void docker_sessions_end(struct docker *d);
/* 0, or a negative errno and why; the front is answered later. */
[[nodiscard]] int docker_session_open(struct docker *d, const struct keeper_request *request,
				      struct err *err);
/* Whether containers of an image, or NULL, share neither files nor a network with others. */
bool docker_session_is_apart(const struct docker *d, const struct docker_image *image);
void docker_session_prolong(struct session *session, uint64_t ttl_ms);
void docker_session_finish(struct session *session);
/* The answer comes later. */
[[nodiscard]] int docker_session_weigh(struct session *session, uint32_t tag, struct err *err);
/* `expected`: the front does not have to be told of its members. */
void docker_session_close(struct session *session, bool expected, const char *why);
void docker_session_left(struct session *session);
/* The holder runs, and `fd` is its init (not taken over), or could not be made, or has died, or is gone. */
void docker_session_holder_made(struct session *session, int error, const char *why, int fd);
void docker_session_holder_died(struct session *session, const char *why);
void docker_session_holder_gone(struct session *session);
uint32_t docker_session_uid(const struct session *session);
/* A path of the daemon's machine, which it is asked to mount parts of. */
bool docker_is_mountpoint(const char *path);
void docker_sessions_tick(struct docker *d);
void docker_sessions_close_all(struct docker *d);
/* Those that no front knows yet, and what the front that has gone waited for. */
void docker_sessions_forget_front(struct docker *d);
bool docker_sessions_busy(const struct docker *d);
uint32_t docker_sessions_open(const struct docker *d);
bool docker_session_has_volume(const struct docker *d, const char *name);

/* session_requests.c */
void handle_session(struct docker *d, const struct keeper_request *request);
void handle_session_open(struct docker *d, const struct keeper_request *request);
void handle_session_next(struct docker *d, const struct keeper_request *request);
void handle_service_next(struct docker *d, const struct keeper_request *request);
/* The session that a CREATE names, NULL for none. 0 or a negative errno with `err`. */
[[nodiscard]] int docker_session_of_create(struct docker *d, const struct keeper_request *request,
					   struct session **ret, struct err *err);

/* slot.c */
/* The container that holds a session; sessions.c hears how that goes. */
void slot_hold(struct session *session, const struct limits *limits);
struct slot *slot_of_holder(const struct session *session);
/* Ends one that the front has not asked to be ended, and tells it. */
void slot_drop(struct slot *slot, const char *why);
/* A service that runs: it goes on when the front dies. */
bool slot_outlives_front(const struct slot *slot);
void slots_destroy_of_front(struct docker *d); /* all others */

#endif
