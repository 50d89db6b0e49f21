/*
 * Which engine an image runs in, and in which runtime: rules "PATTERN=native", "PATTERN=docker",
 * "PATTERN=docker:RUNTIME".
 *
 * A pattern is as in a shell (fnmatch(3)), '*' matches '/' too; it fits a name as a whole, or without its tag and
 * digest. The first rule that fits one of an image's names decides, so that another name of the same image is no
 * way round it. Pure.
 */
#ifndef KILN_CONFIG_ENGINE_RULES_H
#define KILN_CONFIG_ENGINE_RULES_H

#include <stdbool.h>

#define ENGINE_RUNTIME_MAX 64

enum engine_kind {
	ENGINE_KIND_ANY, /* no rule says */
	ENGINE_KIND_NATIVE,
	ENGINE_KIND_DOCKER,
};

struct engine_choice {
	enum engine_kind kind;
	const char *runtime; /* of the daemon's, in the rule's text; NULL: its own choice */
};

/* What a rule says, whatever its pattern; false: it is not written like one. */
bool engine_rule_read(const char *rule, struct engine_choice *ret);

/* True for the name of a runtime: letters, digits and "._-", at most ENGINE_RUNTIME_MAX. */
bool engine_runtime_valid(const char *text);

/* Whether a rule is one and fits a name. */
bool engine_rule_fits(const char *rule, const char *name);

/* By the first rule that fits the name; `rules` is NULL-terminated, or NULL. */
struct engine_choice engine_rules_choose(char *const *rules, const char *name);

#endif
