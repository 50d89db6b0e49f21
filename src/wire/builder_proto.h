/*
 * What the front may ask of the builder, the process that makes and removes images for it, over a SEQPACKET socket:
 * fixed-size structs in host byte order, one a packet. A job is named by a number of the front's choice that it never
 * uses twice. Each BUILDER_START is answered by any number of BUILDER_PROGRESS and one BUILDER_OVER.
 */
#ifndef KILN_WIRE_BUILDER_PROTO_H
#define KILN_WIRE_BUILDER_PROTO_H

#include <stdint.h>

#define BUILDER_JOBS_MAX 8 /* at one time */
#define BUILDER_NAME_MAX 208
#define BUILDER_SLUG_MAX 48
#define BUILDER_TEXT_MAX 512

enum builder_op {
	BUILDER_HELLO = 1, /* a new front: whatever its predecessor wanted is given up */
	BUILDER_START,	   /* `kind`, `name`, `source`; with BUILDER_IMPORT the archive as SCM_RIGHTS */
	BUILDER_CANCEL,
	BUILDER_OP_COUNT,
};

enum builder_kind {
	BUILDER_BUILD,	       /* `source`: name of a recipe, which names the image */
	BUILDER_PULL,	       /* `source`: reference to a registry */
	BUILDER_IMPORT,	       /* `source`: what is written down about where it came from */
	BUILDER_REMOVE,	       /* no `source` */
	BUILDER_DAEMON_PULL,   /* the Docker daemon's: `source`, which is the name too */
	BUILDER_DAEMON_REMOVE, /* likewise; no `source` */
	BUILDER_KIND_COUNT,
};

/* Those that the Docker daemon is asked for, not kiln's own store. */
static inline int builder_kind_is_daemons(uint32_t kind)
{
	return kind == BUILDER_DAEMON_PULL || kind == BUILDER_DAEMON_REMOVE;
}

struct builder_request {
	uint32_t op;
	uint32_t kind;
	uint64_t job;
	char name[BUILDER_NAME_MAX]; /* of the image; NUL-terminated, as all text here */
	char source[BUILDER_NAME_MAX];
};

enum builder_event {
	BUILDER_PROGRESS,
	BUILDER_OVER, /* `result` 0, or a negative errno with kind, slug and text of a struct err */
	/*
	 * Of no job, and not from a builder: the one that there was has died with all its jobs. Another one is there
	 * now; it may have taken requests that this front made of its predecessor, which a BUILDER_HELLO gives up.
	 */
	BUILDER_DIED,
};

struct builder_message {
	uint32_t event;
	int32_t result;
	uint64_t job;
	uint64_t done_bytes, total_bytes;
	uint32_t err_kind;
	uint32_t reserved;
	char slug[BUILDER_SLUG_MAX]; /* "": an internal error */
	char field[128];
	char text[BUILDER_TEXT_MAX]; /* of the error, or what is being done */
};

#endif
