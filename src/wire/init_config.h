/*
 * What the keeper tells init beside the protocol: one sealed memfd for all sandboxes, this struct and
 * behind it the payload's two seccomp programs. Host byte order; both ends are of one build.
 *
 * In a container that somebody else made (engine/docker) init is executed as "init container <uid>": the same bytes are
 * the file INIT_CONTAINER_CONFIG, the uid takes the place of those in it, and the host speaks on descriptors 0 and 1.
 * Of a session it is executed as "init container" with the arguments below behind its name.
 */
#ifndef KILN_WIRE_INIT_CONFIG_H
#define KILN_WIRE_INIT_CONFIG_H

#include <stdint.h>

#define INIT_CONFIG_MAGIC 0x6b696c6e

/* The user of a sandbox, as he sees himself, if nobody says that he is another. */
#define PAYLOAD_UID 1000
#define PAYLOAD_GID 1000

/* Descriptors that init is executed with. */
#define INIT_SOCKET_FD 3
#define INIT_CONFIG_FD 4
#define INIT_CGROUP_FD 5 /* directory of the sandbox's cgroup v2; closed where there is none */

/*
 * Its arguments, in a member of a session or where the payload is another user: INIT_ARG_COUNT of them, its name first.
 * The uid and gid of the payload take the place of those below. INIT_AS_SANDBOX: in no session. INIT_AS_FILES: it has
 * the files of all users beneath its root and starts nothing; owner `n` of a file is the uid that the arguments name,
 * which is the session's, plus n. INIT_AS_SERVICE: behind them are the folders that it can write beside the usual ones.
 * INIT_AS_HOLDER: as INIT_AS_FILES, in the container that a session lives by: it makes what every session has.
 */
enum init_arg { INIT_ARG_NAME, INIT_ARG_UID, INIT_ARG_GID, INIT_ARG_HOME, INIT_ARG_ROLE, INIT_ARG_COUNT };

#define INIT_AS_SANDBOX "sandbox"
#define INIT_AS_RUN	"run"
#define INIT_AS_FILES	"files"
#define INIT_AS_SERVICE "service"
#define INIT_AS_HOLDER	"holder"

#define INIT_CONTAINER_DIR    "/.kiln"
#define INIT_CONTAINER_CONFIG INIT_CONTAINER_DIR "/config"
#define INIT_CONTAINER_WORD   "container"
/* In a container: without a byte from the host for this long there is none any more, and init ends. */
#define INIT_PATIENCE_MS 60000

struct init_config {
	uint32_t magic;
	uint32_t payload_uid, payload_gid; /* inside the sandbox's user namespace */
	uint32_t filter_len
		[2]; /* instructions of struct sock_filter that follow: first the one, then the other program */
};

#endif
