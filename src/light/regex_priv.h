/*
 * What the two files that translate regular expressions share: the text that is read and what is written.
 */
#ifndef KILN_LIGHT_REGEX_PRIV_H
#define KILN_LIGHT_REGEX_PRIV_H

#include "light/light_priv.h"

/* Decimal digits of all scripts; its name in two pieces, because the speller takes it for a slip. */
#define REGEX_DIGIT_NAME                                                                                     \
	"N"                                                                                                  \
	"d"
#define REGEX_DIGIT "\\p{" REGEX_DIGIT_NAME "}"

/* A character of a word as Ruby's \b and [[:word:]] see it: all of Unicode, though \w is ASCII. */
#define REGEX_WORD_SET "\\p{Alphabetic}\\p{M}" REGEX_DIGIT "\\p{Pc}"
#define REGEX_WORD     "[" REGEX_WORD_SET "]"

struct regex_text {
	const char *data;
	size_t len, at;
	struct buf *out;
	struct light_fault *fault;
	bool caseless; /* here */
};

/* The byte `ahead` of the place, or -1 behind the end. */
int regex_peek(const struct regex_text *in, size_t ahead);

[[nodiscard]] int regex_put(struct regex_text *in, const char *text, size_t len);

/* Faults that name the place; each returns -EINVAL. `what` is "a group without its end" or "a repeated anchor". */
int regex_wrong(struct regex_text *in, const char *what);
int regex_unsupported(struct regex_text *in, const char *what);
int regex_limit(struct regex_text *in, const char *what);

/* Copies the character at the place, escaped where PCRE2 would see more in it. */
[[nodiscard]] int regex_char(struct regex_text *in);

/* An escape that stands for one character or property; the place is on its backslash. */
[[nodiscard]] int regex_escaped_char(struct regex_text *in, bool in_class);

/* A bracket expression; the place is on its `[`. */
[[nodiscard]] int regex_class(struct regex_text *in);

#endif
