/*
 * The Docker engine: sandboxes are containers of a daemon that speaks the Docker Engine API (Docker, Podman).
 *
 * Everything above a keeper's socket is the native engine's: the same front, the same frames, the same init.
 * What stands here is another keeper. It makes containers where the native one makes namespaces, hands the
 * front a socket to each one's init, and answers the same table of requests (wire/keeper_proto.h). So the front
 * of a server stays as confined as ever: the daemon's socket, which is as good as root, is held by this process
 * alone, which parses nothing of a stranger's but fixed-size requests and, as a stranger's, what the daemon
 * says.
 */
#ifndef KILN_ENGINE_DOCKER_DOCKER_H
#define KILN_ENGINE_DOCKER_DOCKER_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct docker_options {
	const char *host; /* "unix:///run/docker.sock" or "tcp://name:2376" */
	/*
	 * Files (PEM) for TLS over TCP; "" or NULL: the first: the machine's authorities, the others: no
	 * certificate.
	 */
	const char *tls_ca, *tls_cert, *tls_key;
	const char *runtime;	/* of the daemon's; "" or NULL: its own choice */
	char *const *rules;	/* of config/engine_rules.h: runtimes of single images; NULL: none */
	const char *host_image; /* for rules about the image "host"; NULL or "": there is none */
	const char *owner;	/* a text of this node's own, by which it knows its containers again */
	int64_t uid_base;	/* one uid for each container, from the end of this range */
	int64_t uid_count;
	int64_t containers; /* most at one time */
	bool heirs; /* another keeper of this owner may have begun when this one ends: it leaves nothing to sweep */
};

/*
 * Serves `front_fd` (taken over) as a keeper until the front closes it; then its containers are removed. Returns 0 or a
 * negative errno. Reads the TLS files and connects only once it is running; a daemon that is away is no error.
 */
[[nodiscard]] int docker_keeper_serve(const struct docker_options *options, int front_fd, struct err *err);

/*
 * Starts `argv` of this program as its front, with KILN_KEEPER_FD in the environment, again when it crashes, and serves
 * it. Returns its exit status, or a negative errno.
 */
[[nodiscard]] int docker_keeper_serve_front(const struct docker_options *options, char *const *argv,
					    struct err *err);

/* Forks a process that does docker_keeper_serve(); *ret_fd is the front's end, and closing it ends the process. */
[[nodiscard]] int docker_keeper_start(const struct docker_options *options, int *ret_fd, pid_t *ret_pid,
				      struct err *err);

#endif
