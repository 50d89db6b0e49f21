/*
 * The subset of compose files (compose-spec.io) that describes services of a session: of each service its image,
 * command, environment, healthcheck, depends_on, tmpfs and mem_limit. Any other key is refused by its name, and so are
 * variables of the composing machine ($NAME), for there is none. Pure.
 */
#ifndef KILN_SESSION_COMPOSE_H
#define KILN_SESSION_COMPOSE_H

#include "base/err.h"

#include <jansson.h>
#include <stddef.h>

#define COMPOSE_BYTES_MAX 65536

/*
 * The `services` of POST /v1/sessions that say the same. 0 and *ret (json_decref()), or -EINVAL with a refusal whose
 * field begins with "compose" and which names line and key, or -ENOMEM.
 */
[[nodiscard]] int compose_read(const char *text, size_t len, json_t **ret, struct err *err);

/*
 * A refusal of what compose_read() gave, whose field is in the words of POST /v1/sessions, gets those of the file:
 * mem_limit, environment, healthcheck. `err` may be NULL.
 */
void compose_rename(struct err *err);

#endif
