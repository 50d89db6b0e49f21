/*
 * What Docker's own credential store knows of a registry: config.json with `auths`, `credsStore` and `credHelpers`, as
 * `docker login` writes it. Blocks; for a process of its own.
 */
#ifndef KILN_ENGINE_DOCKER_CREDENTIALS_H
#define KILN_ENGINE_DOCKER_CREDENTIALS_H

#include "base/err.h"

#include <jansson.h>
#include <stddef.h>

#define CREDENTIALS_HUB "https://index.docker.io/v1/" /* what the file calls Docker Hub */

/* The registry of a reference, as the file has it; a name without one is Docker Hub's. Cut to fit. Pure. */
void credentials_registry(const char *reference, char *ret, size_t size);

/*
 * The header X-Registry-Auth's value for the registry of `reference`; *ret is NULL where nothing is known, and the
 * caller's. `folder` NULL or "": $DOCKER_CONFIG, else .docker in the home folder. No file is no error; one that is
 * none, or a helper that is there and fails, is: -EINVAL, -EIO. A helper that is not installed knows nothing.
 */
[[nodiscard]] int credentials_find(const char *folder, const char *reference, char **ret, struct err *err);

/*
 * The same from a document; *ret_helper gets the helper's name that must be asked instead, else NULL. Both free().
 * Pure.
 */
[[nodiscard]] int credentials_read(const json_t *config, const char *registry, char **ret, char **ret_helper,
				   struct err *err);

#endif
