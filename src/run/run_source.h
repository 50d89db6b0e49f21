/*
 * The traffic light that an image brings, as cyber-dojo's do: a Ruby lambda in a file of theirs, which is read in a
 * sandbox of that image, because an image is a stranger's too.
 */
#ifndef KILN_RUN_RUN_SOURCE_H
#define KILN_RUN_RUN_SOURCE_H

#include "engine/engine.h"
#include "light/sources.h"

struct run_source;

struct run_source_found {
	const char *text; /* len bytes; NULL: there is none */
	size_t len;
	const char *
		why; /* there is none: what is said of it, a line of why_len bytes, perhaps empty; not NULL */
	size_t why_len;
};

struct run_source_options {
	struct engine *engine;
	const char *image; /* with its digest */
	struct limits ceilings;
	struct light_sources *sources; /* where it is remembered, outlives the reading; or NULL */
	/* The end, exactly once unless run_source_destroy() came first, which may be called in it. */
	void (*done)(void *user, const struct run_source_found *found);
	void *user;
};

/* Starts reading. Returns 0 and *ret, or a negative errno: nothing was started; -ENOENT: no such image. */
[[nodiscard]] int run_source_start(const struct run_source_options *options, struct run_source **ret,
				   struct err *err);

/* At any time. NULL is fine. */
void run_source_destroy(struct run_source *source);

#endif
