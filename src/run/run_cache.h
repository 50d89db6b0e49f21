/*
 * Which steps the cache of compile steps is for, and under which key they are in it. Pure.
 *
 * That is the first step of a run, in a sandbox in which nothing happened before: when it is called "compile", or says
 * what to keep. The key is over everything that can change what it leaves: the files, with names, modes and order, the
 * argument vector, environment, input and limits of the step, the image by its digest, the language and its version,
 * the network, the version of kiln, and for whom it is.
 */
#ifndef KILN_RUN_RUN_CACHE_H
#define KILN_RUN_RUN_CACHE_H

#include "cache/cache.h"
#include "run/plan.h"

/* Files and input of more bytes are not looked up: hashing them would hold up other runs for too long. */
#define RUN_CACHE_INPUT_BYTES (1024 * 1024)

/* More files than these are not kept. */
#define RUN_CACHE_FILES 1000

/* False: the first step of this plan is none for the cache. `image` is its image by digest. */
[[nodiscard]] bool run_cache_key(const struct run_plan *plan, const char *image, const char *scope,
				 struct cache_key *ret);

#endif
