/*
 * Traffic lights: what a test run's output means, as one colour. Pure: no descriptor, no clock, no global.
 *
 * A light is compiled once, from ordered rules (docs/traffic-lights.md) or from the Ruby lambda that a cyber-dojo
 * image or start-point carries, and then judges outputs. A lambda is not run by Ruby: it is parsed as the small
 * language that such lambdas are written in and evaluated here, on values in a bounded arena, with a bounded amount of
 * work. What leaves that language is `unsupported`, which tells the caller that a real Ruby could still judge it.
 *
 * A compiled light never changes, so that any number of threads may judge by it at once; taking and dropping
 * references is for one thread.
 */
#ifndef KILN_LIGHT_LIGHT_H
#define KILN_LIGHT_LIGHT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t;
struct light;

/* Ceilings. Texts beyond theirs are looked at up to it only. */
#define LIGHT_SOURCE_BYTES  65536	      /* of a lambda */
#define LIGHT_PATTERN_BYTES 16384	      /* of one regular expression */
#define LIGHT_RULES	    256		      /* conditions that `and` nests included */
#define LIGHT_RULES_BYTES   65536	      /* all texts of the rules together */
#define LIGHT_TEXT_BYTES    (4 * 1024 * 1024) /* of each stream */

enum light_colour {
	LIGHT_RED,
	LIGHT_AMBER,
	LIGHT_GREEN,
	LIGHT_FAULTY, /* the light itself is at fault, not what it looked at */
};

enum light_fault_kind {
	LIGHT_WRONG,	   /* Ruby would refuse it or raise an exception too; or it gave no colour */
	LIGHT_UNSUPPORTED, /* outside the language; a real Ruby may know better */
	LIGHT_LIMIT,	   /* it needs more work or memory than a light may */
	LIGHT_NO_MEMORY,
};

/* Why a light is faulty. */
struct light_fault {
	enum light_fault_kind kind;
	uint32_t line, column; /* in the lambda, from 1, column in characters; 0 where there is no place */
	bool no_colour;	       /* it ended well, but with something else than a colour */
	char text[256];	       /* one sentence, valid UTF-8, no control characters, without the place */
};

struct light_input {
	const void *out; /* bytes of stdout; what is not UTF-8 is left out before anything looks at it */
	size_t out_len;
	const void *err; /* of stderr */
	size_t err_len;
	int status; /* 0..255, or 128 + signal */
};

struct light_verdict {
	enum light_colour colour;
	struct light_fault fault; /* where the colour is LIGHT_FAULTY */
};

/* "red", "amber", "green" or "faulty". */
const char *light_colour_name(enum light_colour colour);

/* The fault as one sentence, its place in front ("line 3, column 7: …"). */
void light_fault_explain(const struct light_fault *fault, char *text, size_t size);

/*
 * Compiles a lambda. Returns 0 and *ret with one reference, or -EINVAL with *ret_fault filled: the lambda is wrong,
 * unsupported or too large. -ENOMEM fills it as well.
 */
[[nodiscard]] int light_compile_ruby(const char *source, size_t len, struct light **ret,
				     struct light_fault *ret_fault);

/*
 * Compiles the array `rules` of a request; `field` is its path there ("traffic_light.rules"). Returns 0 and *ret with
 * one reference, -EINVAL with *err a refusal that names the field at fault, or -ENOMEM.
 */
[[nodiscard]] int light_compile_rules(const struct json_t *rules, const char *field, struct light **ret,
				      struct err *err);

/* Judges; a fault is a verdict too. Takes at most about a second of processor time and some 64 MiB. */
void light_judge(const struct light *light, const struct light_input *input, struct light_verdict *ret);

struct light *light_ref(struct light *light);
/* NULL is fine. */
void light_unref(struct light *light);

/*
 * Appends `text` without every byte that is not part of valid UTF-8, at most `max_chars` characters of it. Returns 0,
 * -EMSGSIZE or -ENOMEM; *ret_truncated says whether characters were left over.
 */
[[nodiscard]] int light_text_clean(const void *text, size_t len, size_t max_chars, struct buf *ret,
				   bool *ret_truncated);

#endif
