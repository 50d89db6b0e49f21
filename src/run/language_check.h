/*
 * The checks by which `kiln language test` proves that a language works on this node: what each of them runs, with
 * which limits, and what must come of it. Pure; who runs them is the caller.
 */
#ifndef KILN_RUN_LANGUAGE_CHECK_H
#define KILN_RUN_LANGUAGE_CHECK_H

#include "run/language.h"
#include "run/plan.h"
#include "run/request.h"
#include "run/result.h"

#include <stdbool.h>
#include <stddef.h>

enum language_check {
	LANGUAGE_CHECK_VERSION,
	LANGUAGE_CHECK_START,
	LANGUAGE_CHECK_HELLO,
	LANGUAGE_CHECK_ECHO,
	LANGUAGE_CHECK_COMPILE_ERROR,
	LANGUAGE_CHECK_RUNTIME_ERROR,
	LANGUAGE_CHECK_ENDLESS_LOOP,
	LANGUAGE_CHECK_MEMORY_HOG,
	LANGUAGE_CHECK_COUNT,
};

#define LANGUAGE_VERSION_MAX 64

/* "version", "hello", … */
const char *language_check_name(enum language_check check);

/* False where the language's file says nothing to run for it. */
bool language_check_applies(const struct language *language, enum language_check check);

/* What is to be run. 0 and *ret (request_finish()), or a negative errno. */
[[nodiscard]] int language_check_request(const struct language *language, enum language_check check,
					 struct run_request *ret, struct err *err);

/*
 * Sets the limits of time of the step that runs the program: narrow, so that a program without end is told soon;
 * wide, so that it is memory that ends one which takes all of it.
 */
void language_check_limits(enum language_check check, struct run_plan *plan);

/* Whether the result is what it must be; where not, `why` gets a sentence. */
bool language_check_judge(const struct language *language, enum language_check check,
			  const struct run_result *result, char *why, size_t size);

/* The first version in what a version command printed, e.g. "3.11.2"; "" when there is none. */
void language_check_version(const struct run_result *result, char ret[LANGUAGE_VERSION_MAX]);

#endif
