/*
 * What every engine can do: one vtable, so that code above never asks which engine it has.
 *
 * All calls come from, and all events go to, the loop's thread. A sandbox is single use: made, filled, up to
 * ENGINE_STEPS_MAX steps one after the other, collected, destroyed. Nothing blocks. After `failed` no other event of
 * that sandbox comes and only engine_sandbox_destroy() may be called. destroy may be called in any callback. No event
 * comes from inside a call.
 */
#ifndef KILN_ENGINE_ENGINE_H
#define KILN_ENGINE_ENGINE_H

#include "base/err.h"
#include "base/limits.h"
#include "engine/facts.h"
#include "engine/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENGINE_STEPS_MAX   64
#define ENGINE_FOLDERS_MAX 8 /* writable ones of a service; 127 bytes each, 511 together */

struct engine;
struct engine_sandbox;

struct engine_collect_spec;

/* The size of a terminal, in characters; rows 0: none. */
struct engine_tty {
	uint16_t rows, cols;
};

/* A runtime that is booted before any code of the user is there (`warm` of a language). */
struct engine_warm {
	const char *id; /* names the runtime among those of one image: the language's id */
	char *const *argv;
	char *const *envp;
	struct limits limits; /* while it boots */
	unsigned most;	      /* that wait at a time; 0: as many as are asked for */
	bool driver; /* another program than the step's, which is told what to be: wire/init_proto.h */
};

/* Whom the user's programs run as, as they see themselves; uid 0: the sandbox's own user, 1000 and 1000. */
struct engine_identity {
	uint32_t uid, gid; /* 2147483647 at most; gid 0 is as any other, and gives no right */
};

struct engine_sandbox_spec {
	const char *image;
	struct limits limits; /* of the first step; disk_bytes holds for the sandbox's whole life */
	bool loopback;
	struct engine_identity identity;
	bool tty;			/* its steps may have terminals */
	bool waits;			/* nobody has a step for it yet: what can be done ahead is done */
	const struct engine_warm *warm; /* or NULL; it and what it refers to live as long as the engine */
	struct engine_session *session; /* that it is a member of, or NULL; the rest is for members only */
	enum engine_member member;
	struct engine_session_user user; /* of a RUN */
	uint32_t service;		 /* of a SERVICE: its number, for service_take() */
	/* Of a SERVICE, or NULL: folders that it can write beside the usual ones; ENGINE_FOLDERS_MAX at most. */
	char *const *folders;
};

struct engine_file {
	const char *name; /* relative to /sandbox */
	const uint8_t *data;
	size_t len;
	uint32_t mode;
	bool is_dir;
	uint64_t
		stamp; /* 0: an upload; else it is put back from a snapshot: its place in the order of times */
	/*
	 * Of members of a session only. There each upload is newer than all that is there, in the order given, by
	 * nanoseconds if need be. A `remove` has no data; nothing there by that name is fine; with is_dir a folder
	 * goes with all that is in it.
	 */
	bool remove;
	bool is_link;	   /* a symbolic link; data is its target */
	uint64_t mtime_ns; /* of FILES members: the modification time to give it, since 1970 */
	uint32_t owner;	   /* of FILES members: a user's number; 0: the session itself */
};

struct engine_step {
	char *const *argv;
	char *const *envp;
	struct limits limits;
	bool no_stdin; /* it ends at once: as stdin_eof() before anything is written */
	bool in_pwd;   /* starts in the folder that PWD of envp names, not in /sandbox */
	bool hot;      /* in the sandbox's warm runtime, if it has one: else as any other command */
	bool drops;    /* output beyond output_bytes is dropped, and does not end the step */
	/* Not 0: a terminal of this size, in a sandbox with `tty`; all that it prints is stdout. */
	struct engine_tty tty;
	/*
	 * Or NULL: the only thing that may be asked of the sandbox when the step has ended, by collect(), so that it
	 * can be begun as soon as nothing of the step lives. Copied.
	 */
	const struct engine_collect_spec *collects;
};

/* What is known of a sandbox that waits. */
struct engine_idle {
	bool hot;	       /* its runtime is booted */
	uint64_t memory_bytes; /* that this took; 0: not known */
};

enum engine_collect {
	ENGINE_COLLECT_CHANGES, /* files created, changed and deleted since the upload */
	ENGINE_COLLECT_KEEP,	/* files that match a glob, whole, however they came to be */
	/*
	 * All that steps left, so that files with a stamp behind the same uploads make another sandbox the same: each
	 * file created or changed, whole, and each folder, behind what is in it. Fails where it is more than that:
	 * links, other kinds of files, files deleted, or left outside of /sandbox, and what is over the bounds.
	 */
	ENGINE_COLLECT_SNAPSHOT,
	/*
	 * All that there is, whole: files, links and folders, each folder before what is in it, with owners and times.
	 * Of members of a session only. What cannot be had is told as omitted. `globs` choose files as ever.
	 */
	ENGINE_COLLECT_TREE,
};

struct engine_collect_spec {
	enum engine_collect kind;
	char *const *globs;  /* NULL: all */
	uint64_t file_bytes; /* larger ones are cut (CHANGES) or fail the collection (the others) */
	uint64_t total_bytes;
	uint32_t files;
};

enum engine_file_change {
	ENGINE_FILE_CREATED,
	ENGINE_FILE_CHANGED,
	ENGINE_FILE_DELETED,
	ENGINE_FILE_OMITTED,
};

struct engine_collected {
	enum engine_file_change change;
	const char *name; /* bytes as in the sandbox, NUL-terminated, any but '/' components */
	uint64_t size;	  /* in the sandbox */
	uint32_t mode;
	bool truncated;
	bool is_dir;	     /* of a snapshot */
	uint64_t age_ns;     /* of a snapshot: how much later it was written than the newest upload */
	uint8_t omit_reason; /* enum wire_omit, of omitted ones */
	bool is_link;	     /* of a TREE: its target is told as content */
	uint64_t mtime_ns;   /* of a TREE: since 1970 */
	uint32_t owner;	     /* of a TREE: a user's number; 0: the session itself */
};

struct engine_events {
	/* The sandbox exists and its init answers. */
	void (*ready)(void *user);
	/*
	 * All uploads so far are in place; err is NULL, or says which file failed and why. -ENOSPC: disk_bytes;
	 * -ENOMEM: memory_bytes, which holds files too; the sandbox may be dead then.
	 */
	void (*uploaded)(void *user, const struct err *err);
	void (*output)(void *user, int stream, const uint8_t *data, size_t len);
	/* The step takes `len` more bytes of stdin. */
	void (*stdin_wanted)(void *user, size_t len);
	/* The step is over and every process it left is dead. facts->started false: err says why. */
	void (*step_ended)(void *user, const struct step_facts *facts, const struct err *err);
	/* One collected file, its content in `file_data` calls until size (or the cut) is reached, then the next. */
	void (*file)(void *user, const struct engine_collected *file);
	void (*file_data)(void *user, const uint8_t *data, size_t len);
	/* The end of a collection; err not NULL: KEEP or SNAPSHOT could not keep everything, and why. */
	void (*collected)(void *user, const struct err *err);
	/* The engine lost the sandbox. */
	void (*failed)(void *user, const struct err *err);
};

struct engine_vtable {
	const char *name; /* "native", "docker", "fake" */
	int (*sandbox_create)(struct engine *engine, const struct engine_sandbox_spec *spec,
			      const struct engine_events *events, void *user, struct engine_sandbox **ret,
			      struct err *err);
	/*
	 * Gives a sandbox that is ready, and that nothing was asked of yet, to somebody else: its events go to him from
	 * now on, first a `ready` once the spec's limits hold. Image, network and runtime of the spec are those that it
	 * was made with.
	 */
	void (*sandbox_adopt)(struct engine_sandbox *sb, const struct engine_sandbox_spec *spec,
			      const struct engine_events *events, void *user);
	/* Of one that is ready and was asked for nothing yet. */
	void (*sandbox_idle)(struct engine_sandbox *sb, struct engine_idle *ret);
	/* Queues files; their names and data must stay until `uploaded`. */
	void (*upload)(struct engine_sandbox *sb, const struct engine_file *files, size_t count);
	/* Starts a step; argv and envp are copied. -E2BIG when they are too large for one frame. */
	int (*step_start)(struct engine_sandbox *sb, const struct engine_step *step, struct err *err);
	void (*stdin_write)(struct engine_sandbox *sb, const uint8_t *data,
			    size_t len); /* within stdin_wanted; copied */
	void (*stdin_eof)(struct engine_sandbox *sb);
	/*
	 * While held, no output of the running step is taken, so that the program waits when it prints; until it is
	 * killed or its wall_ms are over, for then it ends. For this step only. In a collection, which waits likewise,
	 * no more comes than what is on its way.
	 */
	void (*output_hold)(struct engine_sandbox *sb, bool hold);
	/* The terminal of the running step, which has one, gets another size, and its foreground SIGWINCH. */
	void (*tty_resize)(struct engine_sandbox *sb, const struct engine_tty *size);
	/* A signal, as this host numbers it, to the foreground of the step's terminal, or else to its first process
	 * group. Nothing where no step runs. */
	void (*step_signal)(struct engine_sandbox *sb, int number);
	/* Kills the running step; step_ended follows with this reason, unless it had ended by itself. */
	void (*step_kill)(struct engine_sandbox *sb, enum step_kill reason);
	void (*collect)(struct engine_sandbox *sb, const struct engine_collect_spec *spec);
	void (*sandbox_destroy)(struct engine_sandbox *sb);
	/* The canonical name of an image, or NULL; and its "name@sha256:…" form. */
	const char *(*image_find)(struct engine *engine, const char *name);
	const char *(*image_digest_name)(struct engine *engine, const char *name);
	/* Names of limits that this host cannot enforce, NULL-terminated, static. */
	const char *const *(*unenforced)(struct engine *engine);
	/* False while no sandbox can be made (keeper gone, daemon away); `why` gets a sentence. */
	bool (*healthy)(struct engine *engine, char *why, size_t size);
	/* Sandboxes that exist now. */
	size_t (*sandbox_count)(struct engine *engine);
	/*
	 * Of an engine that is made of others: these, by number (NULL: no more), and the one in which an image
	 * runs that image_find() gave. Both NULL in one that is not.
	 */
	struct engine *(*part)(struct engine *engine, size_t index);
	struct engine *(*part_of)(struct engine *engine, const char *image);
	/*
	 * Sessions (engine/session.h); all NULL in an engine that has none. `opened` or `ended` follows session_open();
	 * -EEXIST: there is one with this id, -EAGAIN: there are too many, -ENOTSUP: not on this host.
	 */
	int (*session_open)(struct engine *engine, const struct engine_session_spec *spec,
			    const struct engine_session_events *events, void *user,
			    struct engine_session **ret, struct err *err);
	/* Those that an earlier front left and nobody has taken; false: no `index`th one. */
	bool (*session_found)(struct engine *engine, size_t index, struct engine_session_record *ret);
	/* Takes one of those; no `opened` comes. -ENOENT: there is none. */
	int (*session_take)(struct engine *engine, const uint8_t id[ENGINE_SESSION_ID_SIZE],
			    const struct engine_session_events *events, void *user,
			    struct engine_session **ret, struct err *err);
	/* The running service of this number that an earlier front left; its events go to `user`. -ENOENT: none. */
	int (*service_take)(struct engine_session *session, uint32_t number,
			    const struct engine_events *events, void *user, struct engine_sandbox **ret,
			    struct err *err);
	/* Moves its deadline to ttl_ms from now. */
	void (*session_prolong)(struct engine_session *session, uint64_t ttl_ms);
	/* For ever: whatever runs is killed, nothing can start, files can be read. */
	void (*session_finish)(struct engine_session *session);
	void (*session_weigh)(struct engine_session *session);
	/* Ends it with all members, whose owners have to destroy those before; no event comes any more. */
	void (*session_destroy)(struct engine_session *session);
	void (*destroy)(struct engine *engine);
};

/* Every engine's struct begins with this. */
struct engine {
	const struct engine_vtable *v;
};

/* The engine that makes an image's sandboxes: this one, or a part of it. */
static inline struct engine *engine_of_image(struct engine *engine, const char *image)
{
	return engine->v->part_of ? engine->v->part_of(engine, image) : engine;
}

/* The engines that there are, by number, or NULL: one alone is its own only part. */
static inline struct engine *engine_part(struct engine *engine, size_t index)
{
	return engine->v->part ? engine->v->part(engine, index) : index == 0 ? engine : NULL;
}

#endif
