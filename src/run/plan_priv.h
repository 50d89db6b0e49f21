/*
 * The parts of the plan among themselves: environments, placeholders, limits. Pure.
 */
#ifndef KILN_RUN_PLAN_PRIV_H
#define KILN_RUN_PLAN_PRIV_H

#include "run/plan.h"

/* [A-Za-z_][A-Za-z0-9_]*, `len` bytes. */
bool plan_env_name_ok(const char *name, size_t len);

/*
 * Sets a variable in "NAME=value" strings, in the place of one of the same name. 0 or -ENOMEM with *env
 * unchanged.
 */
[[nodiscard]] int plan_env_set(char ***env, const char *name, size_t name_len, const char *value);

/*
 * Begins the environment of a step whose image is set, and puts into the step what the image's maker said.
 * `by_name`: the image was asked for itself, not a language in it. ret_in_pwd NULL: the step starts in
 * /sandbox in any case.
 */
[[nodiscard]] int plan_image_apply(struct plan_step *step, const struct plan_context *context, bool by_name,
				   bool *ret_in_pwd, struct err *err);

/* Sets every variable of `over` in *env. Entries without '=' are passed over. 0 or -ENOMEM. */
[[nodiscard]] int plan_env_merge(char ***env, char *const *over);

/* Sets what every step has: PATH, HOME, USER, LOGNAME, LANG, PWD. 0 or -ENOMEM. */
[[nodiscard]] int plan_env_base(char ***env);

/*
 * False when an argument of a language's command has a {word} that is none of the placeholders, or {files}
 * with other text beside it; the culprit is then in `unknown`.
 */
bool plan_placeholders_ok(const char *argument, char *unknown, size_t size);

/* What placeholders stand for. */
struct plan_sources {
	const struct run_file *files;
	size_t files_count;
	char *const *extensions; /* of {files} */
	const char *entry;	 /* of {entry}, {stem}, {dir}, {class}; NULL: there is none */
	const char *class_name;	 /* of {class}; NULL: the entry's stem without its folder */
	int64_t memory_bytes;	 /* of the step, for {heap_mib} */
};

/* True when a command needs "files" or, for {entry}, {stem}, {dir} and {class}, "entry". */
bool plan_command_needs(char *const *command, const char *name);

/* True when {files} would be at least one argument. */
bool plan_has_sources(const struct plan_sources *sources);

/* Fills the placeholders of a language's command in. 0 and *ret (strv_free()), or -ENOMEM. */
[[nodiscard]] int plan_command_fill(char *const *command, const struct plan_sources *sources, char ***ret);

/*
 * Checks limits that a request says against minimum and ceiling; `prefix` is "limits" or "steps[1].limits". 0,
 * or -EINVAL with a refusal that names field and bound.
 */
[[nodiscard]] int plan_limits_check(const struct limits *asked, const struct limits *ceilings,
				    const char *prefix, struct err *err);

/*
 * The limits of a step: kiln's defaults under the language's (both cut at the ceilings), under the request's,
 * under the step's. `language` and `step` may be NULL.
 */
struct limits plan_limits_resolve(const struct limits *language, const struct limits *request,
				  const struct limits *step, const struct limits *ceilings);

/* Gives all steps of one sandbox the largest disk_bytes among them: its file system is made once. */
void plan_limits_share_disk(struct plan_step *steps, size_t count);

/* The bytes that a sandbox needs for the files: whole pages, as its tmpfs counts them. */
uint64_t plan_files_bytes(const struct run_file *files, size_t count);

#endif
