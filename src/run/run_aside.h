/*
 * What kiln itself runs beside a client's run: a plan of one step, with an environment of its own.
 */
#ifndef KILN_RUN_RUN_ASIDE_H
#define KILN_RUN_RUN_ASIDE_H

#include "engine/engine.h"
#include "run/plan.h"

/*
 * A plan that runs `argv` in `image` within `wanted`, each cut at its ceiling; 0 in it: the limit's default. Returns 0
 * and *ret, -ENOENT when there is no such image, or -ENOMEM.
 */
[[nodiscard]] int run_aside_plan(struct engine *engine, const char *image, char *const *argv,
				 const int64_t wanted[LIMIT_COUNT], const struct limits *ceilings,
				 struct run_plan **ret);

#endif
