/*
 * libkiln: run other people's code in sandboxes, from C.
 *
 *	struct kiln_engine *engine;
 *	struct kiln_run *run;
 *	struct kiln_error error;
 *
 *	if (kiln_engine_create(NULL, &engine, &error) < 0)
 *		errx(1, "%s", error.text);
 *	if (kiln_run_create(engine, "python", NULL, &run, &error) < 0 ||
 *	    kiln_run_add_file(run, "main.py", "print(6 * 7)", 12, 0644, &error) < 0 ||
 *	    kiln_run_execute(run, &error) < 0)
 *		errx(1, "%s", error.text);
 *	puts(kiln_run_json(run));
 *
 * Functions that can fail return 0, or a negative errno with a sentence in *error (which may be NULL). A program that
 * fails, crashes or is killed at a limit is no error: kiln_run_execute() returns 0 and the result says what happened.
 * Times are in milliseconds, sizes in bytes, text is UTF-8. What is passed in is copied; what is returned belongs to
 * the object it came from and lives as long as that. Destructors accept NULL.
 *
 * Threads: an engine and its runs belong to one thread at a time; several engines may work side by side in several
 * threads. kiln_run_cancel() alone may be called from any thread and from a signal handler.
 *
 * Processes: an engine starts a child process, the keeper, with the privileges of the caller, and reaps it. It needs
 * SIGPIPE ignored or handled by the caller, and no handler that waits for every child (waitpid with -1). When the
 * calling process dies, its sandboxes die with it.
 */
#ifndef KILN_KILN_H
#define KILN_KILN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kiln_engine;
struct kiln_run;

struct kiln_error {
	int code;	 /* negative errno */
	char field[128]; /* the part at fault, e.g. "limits.memory_bytes"; may be empty */
	char text[512];	 /* one sentence without newline */
};

/* The version of the library, "0.1.0". */
const char *kiln_version(void);

/*
 * Makes an engine of this host's namespaces and cgroups. `settings` is a NULL-terminated list of "--name=value" with
 * the settings of kiln.conf (as `kiln help serve` lists them), or NULL; the environment's KILN_* and
 * /etc/kiln/kiln.conf hold too. Blocks for some milliseconds. Destroying it ends its keeper and whatever of it is
 * still there; its runs must have been destroyed before.
 */
int kiln_engine_create(const char *const *settings, struct kiln_engine **ret, struct kiln_error *error);
void kiln_engine_destroy(struct kiln_engine *engine);

/*
 * Begins a run. Either `language` (id or alias, also "python@>=3.9") is given, which brings its steps and default
 * limits, or `image` (e.g. "host"), to which kiln_run_add_step() adds the steps; the other is NULL. Nothing is
 * checked against languages, images and ceilings before kiln_run_execute().
 */
int kiln_run_create(struct kiln_engine *engine, const char *language, const char *image,
		    struct kiln_run **ret, struct kiln_error *error);
void kiln_run_destroy(struct kiln_run *run);

/* A file in the sandbox's working folder: a relative name without "..", permission bits 0..0777. */
int kiln_run_add_file(struct kiln_run *run, const char *name, const void *data, size_t len, unsigned mode,
		      struct kiln_error *error);

/* A step; `command` is NULL-terminated. Steps run in order until one fails. */
int kiln_run_add_step(struct kiln_run *run, const char *name, const char *const *command,
		      struct kiln_error *error);

/* The file to run, its arguments and "NAME=value" of its environment. */
int kiln_run_set_entry(struct kiln_run *run, const char *name, struct kiln_error *error);
int kiln_run_add_arg(struct kiln_run *run, const char *arg, struct kiln_error *error);
int kiln_run_add_env(struct kiln_run *run, const char *name_and_value, struct kiln_error *error);

/* All of stdin of the last step; none otherwise. */
int kiln_run_set_stdin(struct kiln_run *run, const void *data, size_t len, struct kiln_error *error);

/* A limit of every step, e.g. "memory_bytes" or "wall_ms". -EINVAL: no such limit, or value < 1. */
int kiln_run_set_limit(struct kiln_run *run, const char *name, int64_t value, struct kiln_error *error);

/* Which files that the run made or changed the JSON result holds: "none" (default), "text" or "all". */
int kiln_run_set_collect(struct kiln_run *run, const char *what, struct kiln_error *error);

/*
 * Has every piece of output handed to `output` as it is printed, on the thread that executes; `stream` is 1 or 2. All
 * of it is in the result too. The callback may call kiln_run_cancel(), no other function of this run or its engine.
 */
typedef void (*kiln_output_fn)(void *user, size_t step, int stream, const void *data, size_t len);
void kiln_run_on_output(struct kiln_run *run, kiln_output_fn output, void *user);

/*
 * Runs it and waits for its end, which its limits bound. Once a run; -EALREADY after that. -EINVAL with `field`: the
 * request is impossible, nothing was run.
 */
int kiln_run_execute(struct kiln_run *run, struct kiln_error *error);

/*
 * Ends a run early, with outcome "cancelled"; one not executed yet ends as soon as it is. Async-signal-safe. The run
 * must not be destroyed meanwhile. Harmless when the run is over.
 */
void kiln_run_cancel(struct kiln_run *run);

/* What happened, after kiln_run_execute() returned 0; before that NULL, 0 and false. */

/* "ok", "failed", "signaled", "wall_time_exceeded", … as in the HTTP API. */
const char *kiln_run_outcome(const struct kiln_run *run);

struct kiln_step {
	const char *name;
	const char *outcome;
	const char
		*explanation; /* a sentence for people: which limit and by how much, or what else happened */
	int exit_code;	      /* -1 where a signal ended it */
	int signal;	      /* 0 where none ended it */
	const void *stdout_data; /* what was kept, a NUL behind it */
	size_t stdout_len;
	const void *stderr_data;
	size_t stderr_len;
	bool stdout_truncated, stderr_truncated;
	uint64_t wall_ms, cpu_ms, memory_peak_bytes;
	uint32_t processes_peak;
};

/* Steps that ran. */
size_t kiln_run_steps(const struct kiln_run *run);

/* The step of this index; false when there is none. */
bool kiln_run_step(const struct kiln_run *run, size_t index, struct kiln_step *ret);

/* The whole result as JSON text in the shape of POST /v1/runs; NULL when out of memory. */
const char *kiln_run_json(struct kiln_run *run);

#ifdef __cplusplus
}
#endif

#endif
