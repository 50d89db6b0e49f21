/*
 * An engine in memory, for the unit tests of all that is above engines. Nothing is executed: a step's argv[0]
 * names a program of the table given at creation, and that program's C function decides what the step prints,
 * writes and how it ends.
 *
 * Every event comes from the loop, one a turn, in the order in which it was caused, and never inside a call of
 * the engine. Destroying a sandbox drops its events. Calls that break engine.h's contract (a step while one is
 * running, more stdin than was wanted, …) are asserted on: they are bugs of the code under test.
 */
#ifndef KILN_ENGINE_FAKE_FAKE_H
#define KILN_ENGINE_FAKE_FAKE_H

#include "engine/engine.h"

#include <uv.h>

struct fake_process;

/* What a step does. A `start` that neither ends nor waits for input leaves the step running until it is killed. */
struct fake_program {
	const char *name; /* argv[0] */
	void (*start)(struct fake_process *process);
	void (*input)(struct fake_process *process, const uint8_t *data,
		      size_t len); /* len 0: end of file; may be NULL */
};

/* What a program can do. All but the first three end up as events of a later turn of the loop. */
char *const *fake_process_argv(const struct fake_process *process);
char *const *fake_process_envp(const struct fake_process *process);
const void *fake_process_file(const struct fake_process *process, const char *name,
			      size_t *ret_len); /* or NULL */
void fake_process_print(struct fake_process *process, int stream, const void *data, size_t len);
void fake_process_write(struct fake_process *process, const char *name, const void *data, size_t len,
			uint32_t mode);
void fake_process_remove(struct fake_process *process, const char *name);
void fake_process_want(struct fake_process *process,
		       size_t len); /* more stdin; 16 bytes are wanted at the start */
struct engine_tty fake_process_tty(const struct fake_process *process); /* as it is now; rows 0: none */
int fake_process_signal(const struct fake_process *process);		/* the last that came, or 0 */
bool fake_process_is_held(const struct fake_process *process);		/* it should not print now */
void fake_process_exit(struct fake_process *process, int exit_code);
void fake_process_end(struct fake_process *process, const struct step_facts *facts, const struct err *err);

/*
 * Where an engine can fail. _REFUSED: the call or its answer says so; _LOST: `failed` comes instead of the
 * answer.
 */
enum fake_fault {
	FAKE_CREATE_REFUSED,
	FAKE_CREATE_LOST,
	FAKE_UPLOAD_REFUSED,
	FAKE_UPLOAD_LOST,
	FAKE_STEP_REFUSED,
	FAKE_STEP_LOST, /* after what the program did in its `start` */
	FAKE_COLLECT_REFUSED,
	FAKE_COLLECT_LOST,
	FAKE_SESSION_REFUSED,
	FAKE_SESSION_LOST,
	FAKE_FAULT_COUNT,
};

struct fake_options {
	const struct fake_program *programs; /* ends with a NULL name */
	const char *const *images;	     /* NULL-terminated; NULL: only "host" */
	const char *const *unenforced;	     /* or NULL */
	bool warm_fails;		     /* no runtime boots */
};

[[nodiscard]] int engine_fake_create(uv_loop_t *loop, const struct fake_options *options, struct engine **ret,
				     struct err *err);

/* The next `times` occasions of `fault` fail with this negative errno. */
void engine_fake_fail(struct engine *engine, enum fake_fault fault, unsigned times, int code);

/* What healthy() says from now on; NULL: well again. The text must outlive the engine. */
void engine_fake_set_sick(struct engine *engine, const char *why);

/* While stopped, no event is delivered. */
void engine_fake_stop(struct engine *engine, bool stopped);

/*
 * Instead of the files that changed, collections report what `collect` emits with the two functions below,
 * however absurd: data without a file, more than was announced, …
 */
void engine_fake_on_collect(struct engine *engine, void (*collect)(struct engine_sandbox *sb));
void engine_fake_emit_file(struct engine_sandbox *sb, const struct engine_collected *file);
void engine_fake_emit_data(struct engine_sandbox *sb, const void *data, size_t len);

/* How many sandboxes were ever asked for, how many of them loopback, how many steps started. */
struct fake_counts {
	unsigned created, adopted, loopback, steps;
};
struct fake_counts engine_fake_counts(const struct engine *engine);

/*
 * Sessions keep files as real ones do: those of a user are in his runs, what these leave is there for the next. Times
 * do not pass: a deadline is here when engine_fake_expire() says so.
 */
void engine_fake_expire(struct engine *engine, const uint8_t id[ENGINE_SESSION_ID_SIZE]);
/* As if the front had died and another one asked: members but running services are gone, without an event. */
void engine_fake_change_front(struct engine *engine);
/* What was last asked for. */
uint64_t engine_fake_ttl_ms(const struct engine *engine, const uint8_t id[ENGINE_SESSION_ID_SIZE]);

#endif
