/*
 * Two engines as one: each image runs in the one that the settings choose for it, or that has it.
 *
 * When one of them can make no sandboxes the other goes on; `healthy` is false only when neither can. parts tell
 * of each.
 */
#ifndef KILN_ENGINE_MIXED_MIXED_H
#define KILN_ENGINE_MIXED_MIXED_H

#include "base/err.h"
#include "engine/docker/images.h"
#include "engine/engine.h"

/*
 * Both engines are engine_native_create()'s, or pools over such; they belong to the new one from now on, on an
 * error they do not. `images` are the daemon's, and outlive it. -ENOMEM.
 */
[[nodiscard]] int mixed_create(struct engine *native, struct engine *docker,
			       const struct docker_images *images, struct engine **ret, struct err *err);

#endif
