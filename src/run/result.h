/*
 * The truth about one run, as POST /v1/runs answers it. Owns all it points to.
 */
#ifndef KILN_RUN_RESULT_H
#define KILN_RUN_RESULT_H

#include "base/buf.h"
#include "run/request.h"
#include "run/run_light.h"
#include "run/verdict.h"

#include <jansson.h>

struct step_result {
	char *name;
	struct step_facts facts;
	struct verdict verdict;
	struct buf out; /* what was kept of stdout: at most output_bytes */
	struct buf err; /* of stderr */
	bool out_truncated, err_truncated;
	bool cached; /* it was not run: all this is what was seen when the same step was */
	char *error; /* of engine_error or a step that could not start: one sentence, or NULL */
};

enum file_change {
	FILE_CREATED,
	FILE_CHANGED,
	FILE_DELETED,
	FILE_OMITTED,
};

struct result_file {
	enum file_change change;
	char *name; /* UTF-8; of an omitted one with bytes that are not, escaped as \xNN */
	uint8_t *data;
	size_t len;
	uint32_t mode;
	bool truncated;
	const char *reason; /* of omitted ones; static, or in one piece of memory with the name */
};

struct run_timing {
	uint64_t queue_us, acquire_us, upload_us, exec_us, collect_us, total_us;
};

struct run_result {
	char id[32];
	enum run_outcome outcome;
	char *language; /* or NULL */
	char *image;	/* "name@sha256:…" */
	struct step_result *steps;
	size_t steps_count;
	bool collected; /* `files` stands in the answer */
	struct result_file *files;
	size_t files_count;
	const char **unenforced; /* array of static names of limits, NULL-terminated; or NULL */
	struct run_light_result light;
	struct run_timing timing;
};

/*
 * The JSON of API.md. Bytes that are not UTF-8 go as base64, never altered; but text that was cut at a limit in the
 * middle of a character is still given as UTF-8 with the broken character left out. A step that did not end well has
 * an `explanation` too, one sentence for people. NULL when out of memory.
 */
json_t *result_to_json(const struct run_result *result);
/* The same as text, from malloc. */
char *result_to_text(const struct run_result *result);

/* Of all limits, in their order, those that an engine does not enforce; with `enforced` the others. NULL: no memory. */
json_t *result_limit_names(const char *const *unenforced, bool enforced);

/*
 * Leaves of what was collected whole (COLLECT_ALL) what a request would have collected with `mode`; `globs` of
 * COLLECT_GLOBS.
 */
void result_files_choose(struct run_result *result, enum collect_mode mode, char *const *globs);

/* What an engine lost was ended from outside, because `why`: run and step are `cancelled`, not failed by the engine. */
void result_cancel(struct run_result *result, const char *why);

/* Frees all that it points to and itself, half-built ones too. NULL is fine. */
void run_result_destroy(struct run_result *result);

#endif
