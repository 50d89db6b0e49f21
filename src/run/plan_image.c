/*
 * What the maker of a stored image said about running it, as Docker takes it: ENV stands below all other
 * variables, ENTRYPOINT before the command, and the program starts in WORKDIR. But a run that brings files
 * starts where they are, in /sandbox, and a language's own commands are neither prefixed nor moved. USER is who
 * programs run as, with his home.
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

struct variable {
	const char *name, *value; /* NULL: not set */
};

static int set_all(char ***env, const struct variable *variables, size_t count)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (variables[i].value)
			r = plan_env_set(env, variables[i].name, strlen(variables[i].name),
					 variables[i].value);
	}
	return r;
}

/* In a session a step begins in the home of its user. */
static int set_user(char ***env, const struct plan_context *context)
{
	const struct variable variables[] = { { "HOME", context->home },
					      { "USER", context->login },
					      { "LOGNAME", context->login },
					      { "PWD", context->home } };

	return context->login ? set_all(env, variables, ARRAY_LEN(variables)) : 0;
}

/*
 * Sessions have users of their own. The home of an image's user can be read only, as all of the image: the commands of
 * a language count on one that can be written.
 */
static int become_account(struct plan_step *step, const struct image_account *account, bool by_name)
{
	const struct variable variables[] = { { "HOME", by_name ? account->home : NULL },
					      { "USER", account->name },
					      { "LOGNAME", account->name } };

	if (account->uid == 0)
		return 0;
	step->identity = (struct engine_identity){ account->uid, account->gid };
	return set_all(&step->envp, variables, ARRAY_LEN(variables));
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
	if (!context->login)
		r = become_account(step, &image.account, by_name);
	if (r == 0)
		r = plan_env_merge(&step->envp, image.env);
	if (r == 0 && by_name)
		r = prefix(step, image.entrypoint);
	if (r == 0 && by_name && ret_in_pwd && !context->login && image.workdir && image.workdir[0] == '/') {
		r = plan_env_set(&step->envp, "PWD", 3, image.workdir);
		*ret_in_pwd = r == 0;
	}
	return r < 0 ? err_set(err, r, "plan") : 0;
}
