/*
 * The native engine: sandboxes from Linux namespaces and cgroups, made by a keeper process.
 */
#ifndef KILN_ENGINE_NATIVE_NATIVE_H
#define KILN_ENGINE_NATIVE_NATIVE_H

#include "base/err.h"
#include "engine/engine.h"

#include <sys/types.h>
#include <uv.h>

struct native_options {
	int64_t uid_base; /* as in config.h; 0: default */
	int64_t uid_count;
	const char *cgroup;    /* as in config.h; NULL: found out */
	const char *state_dir; /* with the stored images, as in image/store.h; NULL: there are none */
	/* Finds a stored image: writes its "name@sha256:…" and returns true. NULL: there are none. */
	bool (*image_find)(void *user, const char *name, char *ret, size_t size);
	void *user;
	const char *name; /* of the engine, where another keeper stands behind it; NULL: "native" */
	/*
	 * Such a keeper's images, a descriptor that is the callee's; NULL: there are none. May come before
	 * create returns.
	 */
	void (*on_images)(void *user, int fd);
	int keeper_fd; /* socket to a keeper that is there already (taken over), or -1: one is started */
	int lock_fd; /* of engine_native_serve_exec(): the keeper holds it open as long as it lives; -1: none */
};

/*
 * Makes the engine. With keeper_fd -1 a keeper is started as a child process with this process's
 * privileges; it ends with the engine. To be called before privileges are dropped and, in the server,
 * before anything is listened on.
 */
[[nodiscard]] int engine_native_create(uv_loop_t *loop, const struct native_options *options,
				       struct engine **ret, struct err *err);

/* `pid` is a child of ours that ends with the engine's socket: destroying the engine waits for it. */
void engine_native_keeper_is(struct engine *engine, pid_t pid);

/* Called once when the keeper died; running sandboxes have got `failed` before. Optional. */
void engine_native_on_keeper_lost(struct engine *engine, void (*lost)(void *user), void *user);

/*
 * Has another keeper (native_options.on_images) look at its images now. Returns a number, ever larger ones, that
 * `looked` is called with when what it has seen has been told; UINT32_MAX then stands for all of them: the keeper
 * died. 0: it could not be asked.
 */
void engine_native_on_looked(struct engine *engine, void (*looked)(void *user, uint32_t number), void *user);
uint32_t engine_native_look(struct engine *engine);

/* What the keeper found out about this host, for doctor and /v1/node. Valid as long as the engine. */
struct native_host {
	bool privileged;		  /* keeper runs as real root */
	int cgroup_version;		  /* 2, 1, or 0: none that kiln can use */
	char cgroup_path[256];		  /* where kiln makes its groups; "" without */
	bool memory, cpu, pids, cpu_time; /* each held by a cgroup */
	bool swap_limited;		  /* false: swap cannot be switched off for a sandbox here */
	bool separate_uids;		  /* own uid range per sandbox (root, or subuid with newuidmap) */
	bool contained;			  /* sandboxes are containers that the keeper has made elsewhere */
	bool overlay;			  /* false: image is bind-mounted */
	uint32_t slots;			  /* most sandboxes at one time */
	uint32_t leftovers;		  /* sandboxes of an earlier keeper that were removed at start */
	uint32_t sessions;		  /* most at one time; 0: none, as without uids for their users */
	uint32_t lost;			  /* sandboxes, with their runs, of an earlier front of this keeper */
};
const struct native_host *engine_native_host(const struct engine *engine);

/*
 * Turns this process into the keeper of a server, which starts `argv` of this program again as its front
 * with KILN_KEEPER_FD in its environment (see keeper/README.md). Returns only when that failed. Descriptors
 * but the standard ones are closed.
 */
[[nodiscard]] int engine_native_serve_exec(const struct native_options *options, char **argv,
					   struct err *err);

/* A sealed memfd with the keeper's program. */
[[nodiscard]] int engine_native_keeper_program(int *ret_fd, struct err *err);

#endif
