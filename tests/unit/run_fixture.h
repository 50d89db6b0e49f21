/*
 * What the tests of runs share: a loop, the fake engine with a set of small programs, a plan that the test
 * fills in, and the result. cmocka's set-up and tear-down; tear-down asserts that no sandbox is left.
 */
#ifndef KILN_TESTS_RUN_FIXTURE_H
#define KILN_TESTS_RUN_FIXTURE_H

#include "engine/fake/fake.h"
#include "run/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <uv.h>

#include <cmocka.h>

struct fixture {
	uv_loop_t loop;
	struct engine *engine;
	struct run_plan *plan;
	struct run_options options;
	struct run *run;
	struct run_result *result;
	unsigned done;
	char live[64]; /* output as it came */
	size_t live_len, wanted;
	bool destroy_at_output, destroy_at_done;
	struct err err;
};

int run_fixture_setup(void **state);
int run_fixture_teardown(void **state);

/* The words of a text, NULL-terminated. */
char **run_fixture_words(const char *text);

/* Adds to the plan. The step has default limits and the image "host". */
struct plan_step *run_fixture_step(struct fixture *f, const char *name, const char *command);
void run_fixture_add(struct fixture *f, const char *name, const char *content);

/* Starts the plan; spins the loop until nothing is left to do; both, and asserts that there is a result. */
int run_fixture_start(struct fixture *f);
void run_fixture_spin(struct fixture *f);
void run_fixture_finish(struct fixture *f);

/* Of the result: a file by its name or NULL, the stdout of a step. */
const struct result_file *run_fixture_file(const struct fixture *f, const char *name);
const char *run_fixture_out(const struct fixture *f, size_t step);

#endif
