/*
 * The requests that the front may make of the keeper, over a SEQPACKET socket: fixed-size structs in host
 * byte order, one a packet. A packet of another size, an unknown op, a slot that is not the caller's or not
 * in the right state is answered with an error and changes nothing; the table of what each state allows is
 * in keeper/requests.c.
 *
 * A sandbox is named by slot and generation: a stale pair is refused, so a late request cannot reach a
 * neighbour.
 */
#ifndef KILN_WIRE_KEEPER_PROTO_H
#define KILN_WIRE_KEEPER_PROTO_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

#define KEEPER_VERSION	 3
#define KEEPER_SLOTS_MAX 4096

enum keeper_op {
	KEEPER_HELLO = 1, /* reply: struct keeper_hello in `hello` */
	KEEPER_CREATE,	  /* limits, image, flags; reply: slot, generation and init's socket as SCM_RIGHTS */
	KEEPER_ADOPT, /* limits: those of a run that gets a sandbox which waited for one; before its first step */
	KEEPER_STEP,	 /* step, limits: prepares the cgroup, holds the deadline from now on */
	KEEPER_STEP_END, /* ends the deadline; reply: counters in `usage` */
	KEEPER_USAGE, /* of a sandbox that no step runs in: reply: counters since it was made or its last step */
	KEEPER_DESTROY, /* kills everything in it; no reply, an EVENT_GONE when it is gone */
	/* Sessions: engine/session.h tells what they are. They are named by `session` and `session_generation`. */
	/*
	 * id, limits (disk, memory, processes), ttl_ms, and the image of its runs, which is a contained engine's
	 * alone; reply: slot, generation of it
	 */
	KEEPER_SESSION_OPEN,
	KEEPER_SESSION_PROLONG, /* ttl_ms: its deadline is as far from now */
	KEEPER_SESSION_FINISH,	/* kills what runs in it; from now on its files can be read, no more */
	KEEPER_SESSION_WEIGH,	/* reply: `session_usage` */
	KEEPER_SESSION_CLOSE,	/* kills all in it and removes it; no reply */
	KEEPER_SESSION_NEXT, /* reply: `session_record` of the first from number `session` on; -ENOENT: no more */
	KEEPER_SERVICE_NEXT, /* the same of services that run, from `slot` on, with init's socket as SCM_RIGHTS */
	/*
	 * Of a keeper whose sandboxes somebody else makes: looks at its images now. When they are known an
	 * EVENT_HOST comes with this request's tag.
	 */
	KEEPER_LOOK,
	/*
	 * Of such a keeper: what the CREATE with this request's tag asks for is wanted no more. No reply but that
	 * one's, if it has not come yet.
	 */
	KEEPER_UNWANTED,
	KEEPER_OP_COUNT,
};

enum keeper_event {
	KEEPER_REPLY = 0,      /* answers the request with this tag */
	KEEPER_EVENT_CPU,      /* the step used up its cpu_ms */
	KEEPER_EVENT_OOM,      /* the kernel killed a process of the step for memory */
	KEEPER_EVENT_DEADLINE, /* the deadline passed with the step not ended: sandbox killed; `usage` holds */
	KEEPER_EVENT_DIED,     /* init is gone though nobody asked for it; `usage` holds */
	KEEPER_EVENT_GONE,     /* a destroyed sandbox is gone, its slot free */
	KEEPER_EVENT_SESSION_GONE, /* a session (its number as slot) and all in it; error -ETIME: its time was up */
	/*
	 * Of a keeper whose sandboxes somebody else makes (engine/docker), about no sandbox: `hello` as it is
	 * now, `error` and `stage` while none can be made, and perhaps a descriptor: the images, as
	 * engine/docker/images.h has them.
	 */
	KEEPER_EVENT_HOST,
};

#define KEEPER_FLAG_LOOPBACK 1u
#define KEEPER_FLAG_WARM     2u /* a runtime boots in it before the first step */
#define KEEPER_FLAG_TTY	     4u /* steps may have terminals */
#define KEEPER_FLAGS_ALL     7u

/* Of uids and gids inside a sandbox. Which uid of the host that is the keeper alone says. */
#define KEEPER_ID_MAX 2147483647u

/* What stands at the root of a new sandbox. */
enum keeper_image {
	KEEPER_IMAGE_HOST,   /* this machine's own /usr */
	KEEPER_IMAGE_STORED, /* the one of the store that `digest` names */
};

#define KEEPER_STAGE_SIZE 256

#define KEEPER_DIGEST_SIZE 32 /* SHA-256 */

#define KEEPER_SESSIONS_MAX	  1024
#define KEEPER_SESSION_ID_SIZE	  64
#define KEEPER_SESSION_UIDS	  128 /* host uids of one: its own, and those of its users by their number */
#define KEEPER_SESSION_USERS_MAX  126
#define KEEPER_SERVICES_MAX	  16
#define KEEPER_NAME_SIZE	  32
#define KEEPER_FOLDERS_SIZE	  512
#define KEEPER_FOLDERS_MAX	  8
#define KEEPER_FOLDER_SIZE	  128 /* of one, with its NUL */
#define KEEPER_SESSION_TTL_MS_MAX (366ull * 24 * 3600 * 1000)

/* What a sandbox that is created in a session has of it. */
enum keeper_member {
	KEEPER_MEMBER_NONE,    /* it is in none */
	KEEPER_MEMBER_RUN,     /* the files, as the user of `number` and `name` */
	KEEPER_MEMBER_FILES,   /* all files, but no step */
	KEEPER_MEMBER_SERVICE, /* the network; `number` for the next front, `folders` */
	KEEPER_MEMBER_COUNT,
};

struct keeper_request {
	uint32_t op;
	uint32_t tag; /* comes back in the reply */
	uint32_t slot;
	uint32_t generation;
	uint32_t image; /* enum keeper_image */
	uint32_t flags;
	uint32_t step;
	uint32_t reserved;		    /* 0 */
	uint8_t digest[KEEPER_DIGEST_SIZE]; /* of a stored image; else 0 */
	struct limits limits;
	uint32_t session, session_generation; /* 0, 0: none */
	uint32_t member;		      /* enum keeper_member */
	uint32_t number;
	uint32_t uid, gid; /* of CREATE: whom its programs see themselves as; not uid 0 */
	uint64_t ttl_ms;
	char name[KEEPER_NAME_SIZE];
	uint8_t id[KEEPER_SESSION_ID_SIZE];
	char folders[KEEPER_FOLDERS_SIZE]; /* absolute paths, each with its NUL; "" ends them */
};

/* Why a service may not have this folder (`len` bytes and a NUL), or NULL. Front and keeper ask by themselves. */
const char *keeper_folder_fault(const char *path, size_t len);

/* Whether what a CREATE says of a session, and as what of it, can be at all. Pure. */
bool keeper_member_valid(const struct keeper_request *request);

struct keeper_usage {
	uint64_t cpu_us;
	uint64_t memory_peak_bytes;
	uint32_t oom_kills;
	uint32_t forks_refused;
	uint32_t processes_peak; /* 0: unknown */
	uint32_t reserved;
};

struct keeper_session_usage {
	uint64_t memory_bytes, disk_used_bytes;
	uint32_t processes;
	uint32_t reserved;
};

struct keeper_session_record {
	uint8_t id[KEEPER_SESSION_ID_SIZE];
	uint64_t left_ms;
	uint32_t session, session_generation;
	uint32_t finished;
	uint32_t number;      /* of a service */
	struct limits limits; /* of a service: of its step */
};

struct keeper_hello {
	uint32_t version;
	uint32_t slots;
	uint32_t sessions;	/* most at one time; 0: none are possible here */
	uint32_t sessions_open; /* that an earlier front left */
	uint8_t privileged, cgroup_version;
	uint8_t memory, cpu, pids, cpu_time; /* held by a cgroup */
	uint8_t swap_limited, separate_uids, overlay;
	uint8_t contained; /* sandboxes are containers: one group for init and steps, and init tells USAGE */
	uint8_t reserved[2];
	uint32_t leftovers; /* sandboxes of a former keeper that were removed at start */
	uint32_t lost;	    /* sandboxes that a former front of this keeper left behind */
	char cgroup_path[256];
};

struct keeper_message {
	uint32_t event; /* enum keeper_event */
	uint32_t tag;
	uint32_t slot;
	uint32_t generation;
	int32_t error; /* 0 or negative errno */
	uint32_t reserved;
	char stage[KEEPER_STAGE_SIZE]; /* of an error: what was being done, or in whose words it failed */
	union {
		struct keeper_usage usage;
		struct keeper_hello hello;
		struct keeper_session_usage session_usage;
		struct keeper_session_record session_record;
	};
};

#endif
