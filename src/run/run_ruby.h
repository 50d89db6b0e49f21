/*
 * A traffic light that is outside of kiln's own small language (light/light.h), judged by Ruby itself: in a sandbox of
 * its own, like any program of a stranger's, within two seconds of processor time and five by the clock.
 */
#ifndef KILN_RUN_RUN_RUBY_H
#define KILN_RUN_RUN_RUBY_H

#include "base/buf.h"
#include "engine/engine.h"
#include "light/light.h"

struct run_ruby;
struct uv_loop_s;

enum run_ruby_fault {
	RUN_RUBY_NONE,	 /* there is a colour */
	RUN_RUBY_SOURCE, /* an exception when the source was evaluated */
	RUN_RUBY_CALL,	 /* an exception when the lambda was called; no answer in time too */
	RUN_RUBY_COLOUR, /* something else than a colour; `message` is what */
};

struct run_ruby_verdict {
	enum run_ruby_fault fault;
	enum light_colour colour;
	const char *class_name; /* of an exception, UTF-8; "" */
	const char *message;	/* UTF-8 */
	size_t message_len;
};

struct run_ruby_options {
	struct engine *engine;
	const char *image; /* with Ruby in it */
	struct limits ceilings;
	/* The end, exactly once unless run_ruby_destroy() came first, which may be called in it. */
	void (*done)(void *user, const struct run_ruby_verdict *verdict);
	void *user;
};

/*
 * Starts judging; `source` and the texts of `input` are copied. Returns 0 and *ret, or a negative errno: nothing was
 * started; -ENOENT when there is no such image.
 */
[[nodiscard]] int run_ruby_start(const struct run_ruby_options *options, const char *source, size_t len,
				 const struct light_input *input, struct run_ruby **ret, struct err *err);

/* At any time. NULL is fine. */
void run_ruby_destroy(struct run_ruby *ruby);

#endif
