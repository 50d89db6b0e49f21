/*
 * The state of a run, shared by run.c (sandboxes and the order of things), run_step.c (one step), run_collect.c (what
 * is fetched from a sandbox) and run_cache.c (a step that is not run). See run.c for how they play together.
 */
#ifndef KILN_RUN_RUN_PRIV_H
#define KILN_RUN_RUN_PRIV_H

#include "run/run.h"
#include "run/run_gather.h"
#include "run/run_ruby.h"
#include "run/run_source.h"

enum run_state {
	RUN_STATE_ACQUIRE,  /* waits for `ready` */
	RUN_STATE_UPLOAD,   /* for `uploaded` */
	RUN_STATE_STEP,	    /* for `step_ended` */
	RUN_STATE_SNAPSHOT, /* for `collected`, and then what would come next without it */
	RUN_STATE_KEEP,	    /* for `collected`, and then the next sandbox */
	RUN_STATE_COLLECT,  /* for `collected`, and then the end */
	RUN_STATE_JUDGE,    /* for the traffic light, and then the end */
	RUN_STATE_DONE,
};

struct run {
	struct engine *engine;
	struct run_plan *plan;
	struct run_options options;
	struct run_events events;
	void *user;
	struct run_result *result; /* with room for every step of the plan; NULL once handed out */
	struct engine_sandbox *sb; /* or NULL */
	enum run_state state;
	size_t step;	   /* that runs, or runs next */
	bool sandbox_used; /* a step has begun in `sb` */
	bool retried, cancelled, held;
	struct run_file *kept; /* what the step before kept for a fresh sandbox */
	size_t kept_count;
	struct engine_file *uploads; /* while they are on their way */
	struct run_gather gather;
	int gather_error;
	struct run_judging *judging; /* or NULL */
	struct run_ruby *ruby;	     /* likewise; `result` waits for it */
	struct run_source *source;   /* likewise */
	size_t stdin_at;	     /* bytes of the plan's stdin that were given */
	size_t live_credit;
	bool stdin_closed, live_eof;
	uint64_t began_us, phase_us;
	/* The first step and the cache: */
	struct cache_key cache_key;
	bool cacheable;			  /* it has a key, and is to be kept when it ends well */
	const struct cache_entry *cached; /* what it once left, lent until it is put back; or NULL */
	struct cache_draft *draft;	  /* what it left, while that is fetched; or NULL */
	bool *ret_destroyed;		  /* set by run_destroy(), for who must know after a callback */
};

/* Microseconds since the last call or run_phase_begin(). */
void run_phase_begin(struct run *run);
uint64_t run_phase_us(struct run *run);

/*
 * The ends of a run. Each hands the result to `done`, which may free the run: they come last in whatever calls
 * them. run_lose() is the engine's fault, told in the step that stood next; run_refuse_files() a step that
 * cannot be because its files do not fit into disk_bytes or memory_bytes; run_finish() all others.
 */
void run_finish(struct run *run, enum run_outcome outcome);
void run_lose(struct run *run, const struct err *err);
void run_refuse_files(struct run *run, enum limit_id limit, const struct err *err);

/* Gives back the sandbox, if there is one. */
void run_sandbox_release(struct run *run);

/* Asks for a sandbox for run->step; 0 or a negative errno. */
int run_sandbox_acquire(struct run *run, struct err *err);

/* run_step.c */
void run_step_begin(struct run *run);
/* What follows on a step that is over: the next step, a collection, or the end. */
void run_step_follow(struct run *run);
/* True when the sandbox is of no more use after this step, if it ended well. */
bool run_step_is_end(const struct run *run);
void run_on_output(void *user, int stream, const uint8_t *data, size_t len);
void run_on_stdin_wanted(void *user, size_t len);
void run_on_step_ended(void *user, const struct step_facts *facts, const struct err *err);

/* run_cache.c */
void run_cache_look(struct run *run);	     /* finds run->cached */
void run_cache_forget(struct run *run);	     /* ends all use of the cache */
void run_cache_replay(struct run *run);	     /* tells the cached step as if it had just been run */
bool run_cache_wants(const struct run *run); /* the step that ended is to be kept */
void run_snapshot_begin(struct run *run);
void run_snapshot_file(struct run *run, const struct engine_collected *file);
void run_snapshot_data(struct run *run, const uint8_t *data, size_t len);
void run_snapshot_end(struct run *run, bool whole);

/* run_collect.c */
/* What a collection of all that the run changed asks for. */
struct engine_collect_spec run_collect_spec(const struct run *run);
void run_collect_begin(struct run *run);
/*
 * The sandbox has failed. True: that was while files were collected of a step that ran out of memory, of which init may
 * die too; only they are lost, and the run has ended as that step has.
 */
bool run_collect_lost(struct run *run);
void run_keep_begin(struct run *run);
void run_kept_free(struct run *run);
void run_on_file(void *user, const struct engine_collected *file);
void run_on_file_data(void *user, const uint8_t *data, size_t len);
void run_on_collected(void *user, const struct err *err);

#endif
