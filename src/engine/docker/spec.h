/* What a container, or a volume, is made with: documents for the daemon. Pure. */
#ifndef KILN_ENGINE_DOCKER_SPEC_H
#define KILN_ENGINE_DOCKER_SPEC_H

#include "engine/docker/docker_priv.h"

struct slot;

/* A container. */
struct spec {
	const char *owner, *runtime, *volume;
	uint32_t uid;
	const uint8_t *digest;
	const struct limits *limits;
	char *const *volumes;		  /* of the image, or NULL */
	bool swap, cpu, pids;		  /* what the daemon can limit */
	bool sentry;			  /* it has a kernel of its own: gVisor's */
	const struct spec_member *member; /* of a session; or NULL */
	const char *passwd, *group; /* on the daemon's machine, over the image's; NULL or "": as they are */
};

/* What of a session a container has. */
struct spec_member {
	const char *role; /* INIT_AS_… */
	uint32_t gid;
	const char *volume;	/* with the files; NULL: it has none of them */
	bool read_only;		/* them */
	const char *home;	/* of a run: the user's name */
	const char *mountpoint; /* of the volume, where the daemon has it */
	const char *network;	/* the id of the container whose it is; NULL: its own */
	const char *folders;	/* of a service: as in a request */
};

/* Each a new reference, NULL: no memory. */
json_t *spec_create(const struct spec *spec);
json_t *spec_update(const struct spec *spec); /* what of it can be changed */
json_t *spec_helper(const struct spec *spec); /* never started: it holds the volume for an upload */
/* Whether a living container can be given other limits. */
bool spec_same_disk(const struct limits *a, const struct limits *b);
bool spec_same_groups(const struct limits *a, const struct limits *b);
/*
 * Of gVisor's, which cannot: whether the ones it has will do for a later step. Behind init's looks at what its kernel
 * holds its group is a second wall.
 */
bool spec_groups_will_do(const struct limits *have, const struct limits *wanted);
void hex_encode(const uint8_t *data, size_t len, char *ret); /* 2 * len + 1 bytes */
bool hex_decode(const char *text, uint8_t *ret, size_t len);
bool container_id_valid(const char *text);

/*
 * podman.c: what spec_create(), spec_update() and spec_volume() made, in words that Podman takes; a new reference for
 * theirs. NULL: no memory, or they had none.
 */
json_t *podman_container(json_t *container);
json_t *podman_update(json_t *update);
json_t *podman_volume(json_t *volume);

/* The volume of a session's files. */
json_t *spec_volume(const char *name, const char *owner, const struct limits *limits);

/* slot_spec.c: that of a slot's container with these limits. `member`: room for what a session adds. */
struct spec slot_spec(const struct slot *slot, const struct limits *limits, struct spec_member *member);

#endif
