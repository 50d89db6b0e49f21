#include "config/engine_rules.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_LEN 320 /* longer ones are no names of images */

bool engine_runtime_valid(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t len = strlen(text);

	return len > 0 && len <= ENGINE_RUNTIME_MAX && strspn(text, letters) == len && text[0] != '-';
}

bool engine_rule_read(const char *rule, struct engine_choice *ret)
{
	static const char with_runtime[] = "docker:";
	const char *value = strrchr(rule, '=');

	*ret = (struct engine_choice){ 0 };
	if (!value || value == rule)
		return false;
	value++;
	if (strcmp(value, "native") == 0)
		ret->kind = ENGINE_KIND_NATIVE;
	else if (strcmp(value, "docker") == 0)
		ret->kind = ENGINE_KIND_DOCKER;
	else if (strncmp(value, with_runtime, sizeof(with_runtime) - 1) == 0 &&
		 engine_runtime_valid(value + sizeof(with_runtime) - 1))
		*ret = (struct engine_choice){ ENGINE_KIND_DOCKER, value + sizeof(with_runtime) - 1 };
	return ret->kind != ENGINE_KIND_ANY;
}

/* "a/b:1@sha256:…" is "a/b:1" and "a/b" too. */
static bool fits(const char *pattern, const char *name)
{
	char text[NAME_MAX_LEN], *slash, *mark;

	if (snprintf(text, sizeof(text), "%s", name) >= (int)sizeof(text))
		return false;
	if (fnmatch(pattern, text, 0) == 0)
		return true;
	mark = strchr(text, '@');
	if (mark)
		*mark = '\0';
	if (mark && fnmatch(pattern, text, 0) == 0)
		return true;
	slash = strrchr(text, '/');
	mark = strchr(slash ? slash : text, ':');
	if (mark)
		*mark = '\0';
	return mark && fnmatch(pattern, text, 0) == 0;
}

bool engine_rule_fits(const char *rule, const char *name)
{
	char pattern[NAME_MAX_LEN];
	const char *end = strrchr(rule, '=');

	return end &&
	       snprintf(pattern, sizeof(pattern), "%.*s", (int)(end - rule), rule) < (int)sizeof(pattern) &&
	       fits(pattern, name);
}

struct engine_choice engine_rules_choose(char *const *rules, const char *name)
{
	struct engine_choice choice = { 0 };

	for (; rules && *rules; rules++) {
		if (engine_rule_fits(*rules, name) && engine_rule_read(*rules, &choice))
			return choice;
	}
	return (struct engine_choice){ 0 };
}
