/*
 * What the files of light/ share: memory in arenas, work on a meter, faults, patterns.
 */
#ifndef KILN_LIGHT_LIGHT_PRIV_H
#define KILN_LIGHT_LIGHT_PRIV_H

#include "light/light.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* A piece of somebody else's bytes; not NUL-terminated. */
struct text {
	const char *data;
	size_t len;
};

#define TEXT(literal) ((struct text){ literal, sizeof(literal) - 1 })

bool text_is(struct text a, const char *b);
bool text_same(struct text a, struct text b);

/* Memory that is only ever freed as a whole. Aligned for anything, zeroed; NULL when over `max` or out of memory. */
struct arena {
	struct arena_chunk *chunks;
	size_t used, max; /* bytes handed out, and their ceiling */
};

void *arena_alloc(struct arena *arena, size_t size);
void arena_finish(struct arena *arena);

/* Work that one judgement may still do: about a nanosecond a unit. */
struct meter {
	uint64_t left;
};

#define LIGHT_WORK 500000000

/* False, and nothing left, when it does not suffice. */
bool meter_take(struct meter *meter, uint64_t work);

/* Fills *fault and returns -EINVAL (-ENOMEM for LIGHT_NO_MEMORY). Control characters become '?'. */
int fault_set(struct light_fault *fault, enum light_fault_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

int fault_no_memory(struct light_fault *fault);

/* A compiled regular expression. Its source and options are as Ruby wrote them; the texts belong to the arena. */
struct pattern {
	pcre2_code *code;
	struct text source;
	uint32_t options; /* PATTERN_* */
	uint32_t groups;
	size_t bytes; /* that it came to, which may be thousands of times its source: a repeated group is copied */
	struct pattern *next; /* of the same owner */
};

#define PATTERN_CASELESS 1 /* the numbers of Regexp::IGNORECASE, EXTENDED and MULTILINE */
#define PATTERN_EXTENDED 2
#define PATTERN_DOTALL	 4

/*
 * What the patterns of one light may come to, all together: machine code is made of it, in about 300 ns and from about
 * 20 bytes for each.
 */
size_t patterns_bytes_max(size_t source_len);

/* One match: `groups` + 1 pairs of offsets, PCRE2_UNSET where a group took no part. */
struct pattern_match {
	pcre2_match_data *data;
	const size_t *offsets;
};

/*
 * Compiles `source` in PCRE2's own syntax, with `^` and `$` at every line; `name` is how faults call it. Fills all of
 * *ret but next and source. Returns 0, -EINVAL or -ENOMEM.
 */
[[nodiscard]] int pattern_compile(struct text source, uint32_t options, struct pattern *ret,
				  struct light_fault *fault);

/* The same for Ruby's syntax, which is translated; the options too are Ruby's. */
[[nodiscard]] int pattern_compile_ruby(struct text source, uint32_t options, struct pattern *ret,
				       struct light_fault *fault);

void pattern_finish(struct pattern *pattern);

/*
 * The first match at or behind `start`. Returns 1, 0 for none, or -EINVAL with a fault: over a limit. `data` has room
 * for the pattern's groups (pcre2_match_data_create_from_pattern()). The subject is valid UTF-8.
 */
[[nodiscard]] int pattern_match(const struct pattern *pattern, struct text subject, size_t start,
				pcre2_match_data *data, struct meter *meter, struct light_fault *fault);

/*
 * Translates a Ruby regular expression into PCRE2's. Options are PATTERN_*, of which PATTERN_EXTENDED is dealt with
 * here and the others are the caller's to pass on. Appends to *ret. Returns 0, -EINVAL or -ENOMEM.
 */
[[nodiscard]] int regex_translate(struct text source, uint32_t options, struct buf *ret,
				  struct light_fault *fault);

/* A light of either kind. */
struct ruby_program;
struct rule_list;

struct light {
	unsigned refs;
	struct ruby_program *ruby; /* one of them is there */
	struct rule_list *rules;
};

/* The streams as they are judged. `both` is stdout followed by stderr. */
struct light_texts {
	struct text out, err, both;
	int status;
};

[[nodiscard]] int ruby_compile(struct text source, struct ruby_program **ret, struct light_fault *fault);
void ruby_judge(const struct ruby_program *program, const struct light_texts *texts,
		struct light_verdict *ret);
void ruby_destroy(struct ruby_program *program);

void rules_judge(const struct rule_list *rules, const struct light_texts *texts, struct light_verdict *ret);
void rules_destroy(struct rule_list *rules);

#endif
