/*
 * The traffic light of a run: what a request asks for, and how its output is judged once it has ended, in libuv's
 * thread pool, because a light may work for up to a second.
 */
#ifndef KILN_RUN_RUN_LIGHT_H
#define KILN_RUN_RUN_LIGHT_H

#include "light/light.h"
#include "light/report.h"

#include <uv.h>

struct light_cache;
struct run_result;

enum light_report {
	LIGHT_REPORT_NONE,
	LIGHT_REPORT_TAP,   /* of stdout */
	LIGHT_REPORT_JUNIT, /* of stdout, where that is XML, and of collected files named *.xml */
};

/* What a request asks for, or a language's file brings. Owns all of it; all zero: nothing. */
struct run_light_spec {
	struct light *rules; /* or */
	char *ruby;	     /* the source of a lambda, compiled when it judges */
	size_t ruby_len;
	bool of_language; /* of a request: the language's own, which plan_make() puts here in its place */
	bool of_image;	  /* of a plan: the image's own, whose source becomes `ruby` when it is known */
	enum light_report report;
};

static inline bool run_light_wanted(const struct run_light_spec *spec)
{
	return spec->rules || spec->ruby || spec->of_image;
}

void run_light_spec_finish(struct run_light_spec *spec);

/* Gives `to` the rules or the lambda of `from`; its report stays. 0 or -ENOMEM. */
[[nodiscard]] int run_light_spec_lend(const struct run_light_spec *from, struct run_light_spec *to);

/* What is said of it in the answer. */
struct run_light_result {
	bool judged; /* all else means something */
	enum light_colour colour;
	char reason[384]; /* of faulty: a sentence */
	/* Only Ruby itself could judge it: the lambda, of which this is the owner. NULL: not so. */
	char *unsupported;
	size_t unsupported_len;
	bool has_report;
	struct report report;
};

/* A judgement under way. */
struct run_judging;

struct run_judging_options {
	uv_loop_t *loop;	    /* NULL: judges at once, within run_light_judge() */
	struct light_cache *lights; /* of compiled lambdas, outlives the judging; or NULL */
	/* The end, exactly once unless abandoned: the result is handed back with its light. */
	void (*done)(void *user, struct run_result *result);
	void *user;
};

/* False, with the reason in its light, where the output is not the whole that the program wanted to print. */
bool run_light_may_judge(struct run_result *result);

/* The light cannot be had: faulty, for this reason. */
void run_light_set_faulty(struct run_light_result *light, const char *reason);

/* What is judged of a result that has a step: its last one. */
void run_light_input(const struct run_result *result, struct light_input *ret);

/*
 * Judges a result, which it takes over with the spec (*spec is empty afterwards). Returns 0, and *ret (until `done`)
 * when it is under way; *ret is NULL when `done` was called already. Without memory the light is faulty.
 */
void run_light_judge(const struct run_judging_options *options, struct run_light_spec *spec,
		     struct run_result *result, struct run_judging **ret);

/* Frees it, as soon as its thread lets go of it, without `done`. NULL is fine. */
void run_light_abandon(struct run_judging *judging);

#endif
