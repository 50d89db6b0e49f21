/*
 * What the maker of a stored image said about running it, as Docker takes it: ENV stands below all other
 * variables, ENTRYPOINT before the command, and the program starts in WORKDIR. But a run that brings files
 * starts where they are, in /sandbox, and a language's own commands are neither prefixed nor moved. USER is
 * described in docs/images.md.
 */
#include "run/plan_priv.h"

#include "base/cleanup.h"
#include "base/strv.h"

#include <errno.h>
#include <string.h>

static int prefix(struct plan_step *step, char *const *entrypoint)
{
	int r = 0;

	for (; r == 0 && entrypoint && *entrypoint; entrypoint++)
		r = strv_append(&step->argv, *entrypoint, strlen(*entrypoint));
	return r;
}

/* In a session a step begins in the home of its user. */
static int set_user(char ***env, const struct plan_context *context)
{
	const struct {
		const char *name, *value;
	} variables[] = { { "HOME", context->home },
			  { "USER", context->login },
			  { "LOGNAME", context->login },
			  { "PWD", context->home } };
	int r = 0;

	for (size_t i = 0; r == 0 && context->login && i < ARRAY_LEN(variables); i++)
		r = plan_env_set(env, variables[i].name, strlen(variables[i].name), variables[i].value);
	return r;
}

int plan_image_apply(struct plan_step *step, const struct plan_context *context, bool by_name,
		     bool *ret_in_pwd, struct err *err)
{
	AUTO_IMAGE struct image image = { 0 };
	int r = plan_env_base(&step->envp);

	if (r == 0)
		r = set_user(&step->envp, context);
	if (r < 0)
		return err_set(err, r, "plan");
	if (!context->image_config || strcmp(step->image, "host") == 0)
		return 0;
	r = context->image_config(context->image_user, step->image, &image, err);
	if (r < 0)
		return r;
	r = plan_env_merge(&step->envp, image.env);
	if (r == 0 && by_name)
		r = prefix(step, image.entrypoint);
	if (r == 0 && by_name && ret_in_pwd && !context->login && image.workdir && image.workdir[0] == '/') {
		r = plan_env_set(&step->envp, "PWD", 3, image.workdir);
		*ret_in_pwd = r == 0;
	}
	return r < 0 ? err_set(err, r, "plan") : 0;
}
