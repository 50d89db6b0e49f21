/*
 * Names for the uids of containers: an /etc/passwd and an /etc/group for each, which say what the image's do and one
 * line more. They lie in a volume of this keeper's, that no container has, and are bound over the image's, read-only.
 */
#ifndef KILN_ENGINE_DOCKER_NAMES_H
#define KILN_ENGINE_DOCKER_NAMES_H

#include "engine/docker/docker_priv.h"
#include "engine/docker/spec.h"

struct names;

/* Who a container's processes are. */
struct names_user {
	uint32_t uid, gid;
	char name[KEEPER_NAME_SIZE];
	char home[16 + KEEPER_NAME_SIZE];
	bool group; /* it has the user's name, and nobody else is in it */
};

#define NAMES_PATH_MAX 400

/* Where they are on the daemon's machine. */
struct names_paths {
	char passwd[NAMES_PATH_MAX], group[NAMES_PATH_MAX]; /* "": there is none */
};

[[nodiscard]] int names_begin(struct docker *d, struct err *err);
void names_end(struct docker *d);
/*
 * Whether a slot can be made now: false until its names are there, for which slots_advance() is called. Where they
 * cannot be had it is made without: slot->named says so.
 */
bool names_ready(struct slot *slot);
void names_of(const struct slot *slot, struct names_paths *ret);
/* Something is under way. */
bool names_busy(const struct docker *d);
/* A container with names could not be made: true where they were the reason, and it is to be tried anew. */
bool names_failed(struct slot *slot, const char *why);
bool names_has_volume(const struct docker *d, const char *name);
bool names_has_container(const struct docker *d, const char *id);
/* The daemon is away: what is under way is not waited for. */
void names_give_up(struct docker *d);
/* Nothing has names any more. */
void names_remove_volume(struct docker *d);

/* slot_spec.c: of a slot that has names; false: of one that starts nothing. */
bool slot_user(const struct slot *slot, struct names_user *ret);
uint32_t slot_own_uid(const struct docker *d, uint32_t index);

#endif
