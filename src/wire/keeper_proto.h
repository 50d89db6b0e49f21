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

#include <stdint.h>

#define KEEPER_VERSION	 1
#define KEEPER_SLOTS_MAX 4096

enum keeper_op {
	KEEPER_HELLO = 1, /* reply: struct keeper_hello in `hello` */
	KEEPER_CREATE,	  /* limits, image, flags; reply: slot, generation and init's socket as SCM_RIGHTS */
	KEEPER_ADOPT, /* limits: those of a run that gets a sandbox which waited for one; before its first step */
	KEEPER_STEP,	 /* step, limits: prepares the cgroup, holds the deadline from now on */
	KEEPER_STEP_END, /* ends the deadline; reply: counters in `usage` */
	KEEPER_USAGE, /* of a sandbox that no step runs in: reply: counters since it was made or its last step */
	KEEPER_DESTROY, /* kills everything in it; no reply, an EVENT_GONE when it is gone */
	KEEPER_OP_COUNT,
};

enum keeper_event {
	KEEPER_REPLY = 0,      /* answers the request with this tag */
	KEEPER_EVENT_CPU,      /* the step used up its cpu_ms */
	KEEPER_EVENT_OOM,      /* the kernel killed a process of the step for memory */
	KEEPER_EVENT_DEADLINE, /* the deadline passed with the step not ended: sandbox killed; `usage` holds */
	KEEPER_EVENT_DIED,     /* init is gone though nobody asked for it; `usage` holds */
	KEEPER_EVENT_GONE,     /* a destroyed sandbox is gone, its slot free */
};

#define KEEPER_FLAG_LOOPBACK 1u
#define KEEPER_FLAG_WARM     2u /* a runtime boots in it before the first step */
#define KEEPER_FLAG_DOJO     4u /* its user is the one of cyber-dojo's images: 41966:51966 inside */
#define KEEPER_FLAGS_ALL     7u

/* What stands at the root of a new sandbox. */
enum keeper_image {
	KEEPER_IMAGE_HOST,   /* this machine's own /usr */
	KEEPER_IMAGE_STORED, /* the one of the store that `digest` names */
};

#define KEEPER_DIGEST_SIZE 32 /* SHA-256 */

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
};

struct keeper_usage {
	uint64_t cpu_us;
	uint64_t memory_peak_bytes;
	uint32_t oom_kills;
	uint32_t forks_refused;
	uint32_t processes_peak; /* 0: unknown */
	uint32_t reserved;
};

struct keeper_hello {
	uint32_t version;
	uint32_t slots;
	uint8_t privileged, cgroup_version;
	uint8_t memory, cpu, pids, cpu_time; /* held by a cgroup */
	uint8_t swap_limited, separate_uids, overlay;
	uint8_t reserved[3];
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
	char stage[64]; /* of an error: what was being done */
	union {
		struct keeper_usage usage;
		struct keeper_hello hello;
	};
};

#endif
