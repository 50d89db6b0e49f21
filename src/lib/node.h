/*
 * What one kiln process runs code with: settings, the native engine and the registry of languages, opened
 * together and closed together. The command line, the server and libkiln each hold one. Internal to kiln; the
 * public library is include/kiln/kiln.h.
 */
#ifndef KILN_LIB_NODE_H
#define KILN_LIB_NODE_H

#include "base/err.h"
#include "config/config.h"
#include "engine/docker/images.h"
#include "engine/engine.h"
#include "engine/native/native.h"
#include "image/make.h"
#include "run/language.h"
#include "run/plan.h"

#include <uv.h>

struct node {
	struct engine *engine; /* what runs go to; NULL when not opened */
	struct engine *native,
		*containers; /* those that there are; the engine itself, or its parts below their pools */
	char **rules;	     /* which image runs in which: of the settings, then of the languages */
	struct language_registry *languages; /* likewise; probed */
	struct image_store *images;	     /* likewise; for reading */
	struct docker_images docker;	     /* those of the daemon, where the engine is docker */
	bool is_docker;			     /* the daemon's images are the only ones */
	bool is_mixed;			     /* both are there */
	const char *docker_runtime;	     /* where no rule names one; "": the daemon's choice */
	/* An image of the daemon's ("sha256:…") is to have another runtime from now on; may be NULL. */
	void (*image_changed)(void *user, const char *digest);
	void *image_changed_user;
	int64_t images_seen_ns; /* when its names had last changed */
};

/*
 * Reads the languages, those of kiln and those in the state folder's `languages`, and says which of them this
 * host can run. Needs no engine. Returns 0 or a negative errno; *ret is destroyed with
 * language_registry_destroy().
 */
[[nodiscard]] int node_languages_load(const struct config *config, struct language_registry **ret,
				      struct err *err);

/*
 * The rules (config/engine_rules.h) of the settings and, behind them, of the languages that say what their image
 * runs in. *ret: strv_free(). Two languages that disagree about an image are an error.
 */
[[nodiscard]] int node_engine_rules(const struct config *config, const struct language_registry *languages,
				    char ***ret, struct err *err);

/* The settings that are the engine's. */
struct native_options node_native_options(const struct config *config, int keeper_fd);

/*
 * Opens them. `keeper_fd` as in struct native_options: of the native engine where there is one; `docker_fd`: the
 * Docker engine's, or -1 where it is not wanted. Returns 0, or a negative errno with nothing left open. Starts a
 * keeper process when keeper_fd is -1, which the Docker engine's cannot be; may block for the milliseconds that
 * this takes. A node with both engines is complete with node_mix().
 */
[[nodiscard]] int node_open(uv_loop_t *loop, const struct config *config, int keeper_fd, int docker_fd,
			    struct node *ret, struct err *err);

/* Makes one engine of both, each of which may have got a pool around it; they are the node's in any case. */
[[nodiscard]] int node_mix(struct node *node, struct engine *native, struct engine *docker, struct err *err);

/*
 * How images are made by these settings, without progress. *ret points into them, the store, and
 * *ret_runtime_dir, which is the caller's.
 */
[[nodiscard]] int node_image_make(const struct config *config, struct image_store *store,
				  char **ret_runtime_dir, struct image_make *ret, struct err *err);

/* plan_context's image_config; `user` is the node. */
int node_image_config(void *user, const char *name, struct image *ret, struct err *err);

/* The images of the daemon, as GET /v1/images lists them: an array, or NULL when out of memory. */
json_t *node_docker_images(const struct node *node);

/* One of them, by any of its names, as GET /v1/images/{name} tells of it; NULL: none, or out of memory. */
json_t *node_docker_image(const struct node *node, const char *name);

/*
 * Looks whether images came or went since the last time, and says of each language that needs one whether it
 * can be run. Cheap when nothing did.
 */
void node_images_look(struct node *node);

/* What plan_make() needs; valid as long as the node and the settings. */
void node_plan_context(struct node *node, const struct config *config, struct plan_context *ret);

/*
 * Closes the engine (its keeper and every sandbox with it) and the registry, and runs the loop until their
 * handles are closed: the loop must hold no other handles. A node never opened, or zeroed, is fine.
 */
void node_close(struct node *node, uv_loop_t *loop);

#endif
