/*
 * What is started ahead for a language, worked out once from its file: the same process for every run, so that a stock
 * of them can wait. Pure.
 */
#include "run/language_priv.h"

#include "base/cleanup.h"
#include "base/glob.h"
#include "base/strv.h"
#include "run/plan_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BOOT_WALL_MS 60000

/* A driver has a few files open that a step of its own would not: with fewer than this that could be told. */
#define OPEN_FILES_MIN 64

/* Limits that can be lowered when the step begins: while it boots it may have as much as any step. */
static const enum limit_id lowered_limits[] = { LIMIT_FILE_BYTES, LIMIT_OPEN_FILES, LIMIT_PROCESSES };

const struct language_step *language_first_step(const struct language *language)
{
	return language->compile.command ? &language->compile : &language->run;
}

static struct limits boot_limits(const struct limits *own)
{
	struct limits limits;

	for (int i = 0; i < LIMIT_COUNT; i++)
		limits.value[i] = own->value[i] != LIMIT_UNSET ? own->value[i] : limit_table[i].default_value;
	for (size_t i = 0; i < ARRAY_LEN(lowered_limits); i++) {
		int64_t most = limit_table[lowered_limits[i]].default_ceiling;

		if (limits.value[lowered_limits[i]] < most)
			limits.value[lowered_limits[i]] = most;
	}
	limits.value[LIMIT_WALL_MS] = BOOT_WALL_MS;
	return limits;
}

/* A driver's command, or the step's own for the one file that a run has when nobody names others. */
static int fill_command(const struct language *language, struct language_warm *warm)
{
	const struct language_step *step = language_first_step(language);
	const struct run_file file = { .name = language->source_file };
	const struct limits limits = boot_limits(&step->limits);
	struct plan_sources sources = { .memory_bytes = limits.value[LIMIT_MEMORY_BYTES] };

	if (!warm->command) {
		sources.files = &file;
		sources.files_count = 1;
		sources.extensions = language->extensions;
		sources.entry = language->source_file;
	}
	return plan_command_fill(warm->command ? warm->command : step->command, &sources, &warm->argv);
}

int language_warm_prepare(struct language *language, struct language_warm *warm)
{
	const struct language_step *step = language_first_step(language);
	int r = fill_command(language, warm);

	if (r == 0 && asprintf(&warm->id, "%s%s%s", language->id, *language->version ? "@" : "",
			       language->version) < 0) {
		warm->id = NULL;
		r = -ENOMEM;
	}
	if (r == 0)
		r = plan_env_base(&warm->envp);
	if (r == 0)
		r = plan_env_merge(&warm->envp, step->env);
	if (r < 0)
		return r;
	warm->engine = (struct engine_warm){
		.id = warm->id,
		.argv = warm->argv,
		.envp = warm->envp,
		.limits = boot_limits(&step->limits),
		.most = warm->most,
		.driver = warm->command != NULL,
	};
	return 0;
}

static bool same_texts(char *const *a, char *const *b)
{
	while (*a && *b && strcmp(*a, *b) == 0) {
		a++;
		b++;
	}
	return !*a && !*b;
}

static bool matches_any(char *const *globs, const char *name)
{
	for (; globs && *globs; globs++) {
		if (glob_match(*globs, name))
			return true;
	}
	return false;
}

/* Whether a driver can take these on after it has booted: not what the loader and the C library read. */
static bool env_can_come_late(const struct language_warm *warm, char *const *env)
{
	static char *const library[] = { (char *)"LD_*", (char *)"MALLOC_*", (char *)"GLIBC_*", NULL };

	for (; env && *env; env++) {
		size_t len = strcspn(*env, "=");
		char name[256];

		if (len >= sizeof(name))
			return false;
		memcpy(name, *env, len);
		name[len] = '\0';
		if (matches_any(library, name) || matches_any(warm->cold_env, name))
			return false;
	}
	return true;
}

bool language_warm_fits(const struct language_warm *warm, char *const *argv, char *const *envp,
			char *const *request_env, const struct limits *limits)
{
	const struct limits *boot = &warm->engine.limits;

	/* Of the stack follow the sizes of threads' stacks, which a runtime works out as it boots. */
	if (limits->value[LIMIT_STACK_BYTES] != boot->value[LIMIT_STACK_BYTES])
		return false;
	for (size_t i = 0; i < ARRAY_LEN(lowered_limits); i++) {
		if (limits->value[lowered_limits[i]] > boot->value[lowered_limits[i]])
			return false;
	}
	/* What it works out from its memory, a step of its own would have in its command. */
	if (warm->command)
		return limits->value[LIMIT_OPEN_FILES] >= OPEN_FILES_MIN &&
		       limits->value[LIMIT_MEMORY_BYTES] == boot->value[LIMIT_MEMORY_BYTES] &&
		       env_can_come_late(warm, request_env);
	return same_texts(warm->argv, argv) && same_texts(warm->envp, envp);
}

void language_warm_destroy(struct language_warm *warm)
{
	if (!warm)
		return;
	strv_free(warm->command);
	strv_free(warm->cold_env);
	strv_free(warm->argv);
	strv_free(warm->envp);
	free(warm->until);
	free(warm->id);
	free(warm);
}
