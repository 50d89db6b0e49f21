/*
 * One run from plan to result: takes sandboxes from an engine, uploads, runs the steps in order until one
 * fails, collects, and gives the sandbox back. Driven by engine events on the loop's thread; never blocks.
 */
#ifndef KILN_RUN_RUN_H
#define KILN_RUN_RUN_H

#include "cache/cache.h"
#include "engine/engine.h"
#include "run/plan.h"
#include "run/result.h"
#include "run/run_light.h"

struct run;

struct run_events {
	/* Output as it is printed; stream 1 or 2. NULL: not wanted (it is in the result in any case). */
	void (*output)(void *user, size_t step, int stream, const uint8_t *data, size_t len);
	/* `len` more bytes of live stdin may be given with run_stdin_write(). NULL without live stdin. */
	void (*stdin_wanted)(void *user, size_t len);
	/* The end, exactly once unless run_destroy() came first; the result is the callee's (run_result_destroy()). */
	void (*done)(void *user, struct run_result *result);
};

/* The session in which a run takes place, as one of its users (engine/session.h). */
struct run_member {
	struct engine_session *session;
	struct engine_session_user user;
	char *const *remove; /* names of files and folders that go before the plan's files come; or NULL */
};

struct run_options {
	bool live_stdin;     /* stdin of the last step comes through run_stdin_write() instead of the plan */
	uint64_t queue_us;   /* how long the request waited before; for `timing` */
	struct cache *cache; /* of compile steps, which must outlive the run; NULL: none */
	const char *cache_scope; /* whose results this run may be given; needed during run_start() only */
	struct uv_loop_s
		*loop; /* in whose thread pool a traffic light is judged; NULL: at once, up to a second */
	struct light_cache *lights;    /* of compiled lambdas, which must outlive the run; or NULL */
	struct light_sources *sources; /* of images' own lights, which must outlive the run; or NULL */
	/* The image with Ruby, for lights that only it can judge, and the node's ceilings; both outlive the run. */
	const char *ruby_image; /* NULL: there is none */
	const struct limits *ceilings;
	const struct run_member *member; /* or NULL; must outlive the run */
};

/*
 * Starts a plan, which becomes the run's own even on failure. Returns 0 and *ret, or a negative errno: nothing
 * was started, no event comes. `done` may come only after this returned.
 */
[[nodiscard]] int run_start(struct engine *engine, struct run_plan *plan, const struct run_options *options,
			    const struct run_events *events, void *user, struct run **ret, struct err *err);

/*
 * While held its programs wait when they print, and no more output comes than what is on its way. On time that is
 * theirs; at its end what they printed comes all the same.
 */
void run_hold(struct run *run, bool hold);

/* Ends it early with outcome `cancelled`; `done` still comes, from the loop, never in here. */
void run_cancel(struct run *run);

/*
 * Ends it at once with outcome `cancelled` and what it has printed, because `why`; `done` is called in here. False: it
 * had ended but for the judging of its light, and goes on.
 */
bool run_stop(struct run *run, const struct err *why);

/* Bytes for live stdin, at most what stdin_wanted allowed in sum; copied. run_stdin_eof() closes it. */
void run_stdin_write(struct run *run, const uint8_t *data, size_t len);
void run_stdin_eof(struct run *run);

/* Another size for the terminal of the last step, if the plan has one; holds for one that has not begun too. */
void run_resize(struct run *run, const struct engine_tty *size);

/* A signal to the step that runs, see engine.h; nothing between steps. */
void run_signal(struct run *run, int number);

/* What it was started with, until it is destroyed; but its traffic light, which is the judge's. */
const struct run_plan *run_plan_of(const struct run *run);

/* Frees the run, at any time, in a callback too; a run not done is killed without an event. NULL is fine. */
void run_destroy(struct run *run);

#endif
