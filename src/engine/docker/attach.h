/*
 * A container's standard streams, attached over the daemon's API, and relayed to a socket of the front's.
 *
 * The bytes between are not looked at, but for the daemon's own framing. Nothing grows: what one side does not take is
 * not read from the other.
 */
#ifndef KILN_ENGINE_DOCKER_ATTACH_H
#define KILN_ENGINE_DOCKER_ATTACH_H

#include "engine/docker/daemon.h"

struct attach;

struct attach_events {
	/* The daemon has switched over: the container may be started. */
	void (*opened)(void *user);
	/* It is over: the container has ended, the daemon is gone, or never agreed. `why` says what is known. Once. */
	void (*closed)(void *user, const char *why);
};

/* Events never come from inside a call. NULL with *err filled: it could not even be begun. */
struct attach *attach_open(struct daemon *daemon, const char *container, const struct attach_events *events,
			   void *user, struct err *err);

/*
 * Relays to `front_fd` (taken over) from now on. `passed`: bytes of the container's output that are dropped
 * first, those of a greeting that the front has had from another container.
 */
void attach_relay(struct attach *attach, int front_fd, size_t passed);

/* Hands the front's socket out again, -1 when there is none. */
int attach_take_front(struct attach *attach);

/* Closes both sides; no event comes any more. NULL is fine. */
void attach_close(struct attach *attach);

#endif
