/*
 * Sessions: files that live longer than one sandbox, and a network of their own, for several users and services.
 *
 * A session is no process. It is a tmpfs with /sandboxes in it, a network namespace with nothing but a loopback that
 * is up, and bounds on all that happens in it; open and idle it costs no more than that. What runs in it are ordinary
 * sandboxes whose spec names the session (`engine_sandbox_spec.session`), its members, of three kinds:
 *
 *   RUN      one step (or several) as one of its users. Its root for uploads, collections and the working directory is
 *            that user's home, /sandboxes/NAME, made at the first one (0755, the user's). It sees /sandboxes with all
 *            homes and /sandboxes/shared (2775, the common group's). Everything else is the run's own and gone with it:
 *            processes, /tmp and the other writable folders, System V IPC. Several users' runs go side by side; whoever
 *            asks for two runs of one user at a time gets them side by side too.
 *   FILES    no step can be started in it. Root for uploads and collections is /sandboxes itself, as whoever owns the
 *            files: for copies of a whole session or of one user's files (ENGINE_COLLECT_TREE, and engine_file with
 *            owners and times), also of a finished one, where it can only read.
 *   SERVICE  a sandbox with an image and files of its own and the session's network. It outlives the front, if a step
 *            runs in it by then.
 *
 * All files of a session are bounded by disk_bytes, whoever writes them; disk_bytes of a member is for what is its own
 * beside them. Files are told from one user to the other by uids: number `user.number` of 1 … ENGINE_SESSION_USERS_MAX
 * is bound to a uid for the session's life, so a number is never to be given to another name in the same session.
 *
 * The end comes by session_destroy(), or at the deadline, which the keeper holds even when nobody else lives. Either
 * way all members die first (they get `failed`, or the end of their step), then `ended` is told.
 *
 * When the front dies the session goes on without it: RUN and FILES members die, SERVICE members with a running step
 * and all files stay. The next front finds it by its id (session_found, session_take), and its services by their
 * numbers (service_take).
 */
#ifndef KILN_ENGINE_SESSION_H
#define KILN_ENGINE_SESSION_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;

#define ENGINE_SESSION_ID_SIZE	 64
#define ENGINE_SESSION_USERS_MAX 126
#define ENGINE_SESSION_NAME_SIZE 32 /* of a user, with its NUL */
#define ENGINE_SERVICES_MAX	 16 /* numbers 1 … 16 */

/* Every engine's session begins with this. */
struct engine_session {
	struct engine *engine; /* the one that was asked for it */
	bool unbounded;	       /* nothing holds memory_bytes and processes of all in it together */
};

struct engine_session_spec {
	uint8_t id
		[ENGINE_SESSION_ID_SIZE]; /* by which it is found again: any bytes, unique among open sessions */
	/*
	 * In which its runs take place, as of image_find(): an engine that is made of others chooses by it. Members
	 * may have others, of the same part.
	 */
	const char *image;
	int64_t disk_bytes;   /* of all its files together */
	int64_t memory_bytes; /* of everything in it together, its files too; held where cgroups hold memory */
	int64_t processes;    /* likewise */
	uint64_t ttl_ms;      /* until its deadline */
};

/* Users of a session. Names are [a-z0-9][a-z0-9_-]*, but not "shared". */
struct engine_session_user {
	uint32_t number; /* 1 … ENGINE_SESSION_USERS_MAX */
	char name[ENGINE_SESSION_NAME_SIZE];
};

enum engine_member {
	ENGINE_MEMBER_RUN,
	ENGINE_MEMBER_FILES,
	ENGINE_MEMBER_SERVICE,
};

enum engine_session_end {
	ENGINE_SESSION_EXPIRED, /* its deadline passed */
	ENGINE_SESSION_LOST,	/* the engine lost it; err says why */
};

struct engine_session_usage {
	uint64_t memory_bytes, disk_used_bytes; /* now; memory 0 where no cgroup holds it */
	uint32_t processes;			/* likewise */
};

struct engine_session_events {
	/* It exists; members can be made. Not for one that was taken. */
	void (*opened)(void *user);
	/* It is over, nothing of it is left: only session_destroy() may be called. Before `opened`: it never was. */
	void (*ended)(void *user, enum engine_session_end why, const struct err *err);
	/* Answers session_weigh(); err not NULL: it cannot be told. Optional. */
	void (*weighed)(void *user, const struct engine_session_usage *usage, const struct err *err);
};

/* What is known of one that was found. */
struct engine_session_record {
	uint8_t id[ENGINE_SESSION_ID_SIZE];
	bool finished;
	uint64_t left_ms; /* until its deadline */
};

#endif
