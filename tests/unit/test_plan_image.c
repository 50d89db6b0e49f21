/* What the maker of an image has said about running it, in plans. */
#include "run/plan.h"

#include "base/cleanup.h"
#include "base/strv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct plan_context context;
	struct image_account account;
	struct run_request req;
	struct run_plan *plan;
};

static const char *image_find(void *user, const char *name)
{
	return name;
}

static void add(char ***v, const char *text)
{
	assert_int_equal(strv_append(v, text, strlen(text)), 0);
}

static int config_of(void *user, const char *name, struct image *ret, struct err *err)
{
	const struct image_account *account = user;

	*ret = (struct image){ .workdir = strdup("/work") };
	add(&ret->env, "B=image");
	add(&ret->entrypoint, "enter");
	if (account->uid)
		ret->account = (struct image_account){ account->uid, account->gid, strdup(account->name),
						       strdup(account->home) };
	return 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->account = (struct image_account){ 70, 0, (char *)"app", (char *)"/home/app" };
	f->context = (struct plan_context){ .image_find = image_find,
					    .image_config = config_of,
					    .image_user = &f->account };
	for (int i = 0; i < LIMIT_COUNT; i++)
		f->context.ceilings.value[i] = limit_table[i].default_ceiling;
	f->req.image = strdup("debian");
	f->req.steps = calloc(2, sizeof(*f->req.steps));
	f->req.steps_count = 2;
	for (size_t i = 0; i < 2; i++)
		add(&f->req.steps[i].command, "true");
	f->req.steps[1].image = strdup("host");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	plan_destroy(f->plan);
	for (size_t i = 0; i < 2; i++)
		strv_free(f->req.steps[i].command);
	free(f->req.steps[1].image);
	free(f->req.steps);
	free(f->req.image);
	free(f);
	return 0;
}

/* The first step, with what stands in its environment. */
static const struct plan_step *first_step(struct fixture *f)
{
	struct err err = ERR_INIT;

	if (plan_make(&f->req, &f->context, &f->plan, &err) < 0)
		fail_msg("%s", err.text);
	return f->plan->steps;
}

static void assert_env(const struct plan_step *step, const char *name, const char *value)
{
	size_t len = strlen(name);

	for (char **at = step->envp; at && *at; at++) {
		if (strncmp(*at, name, len) == 0 && (*at)[len] == '=') {
			assert_string_equal(*at + len + 1, value);
			return;
		}
	}
	fail_msg("no %s", name);
}

static void entrypoint_environment_and_folder_are_the_images(void **state)
{
	const struct plan_step *step = first_step(*state);

	assert_int_equal(strv_len(step->argv), 2);
	assert_string_equal(step->argv[0], "enter");
	assert_env(step, "B", "image");
	assert_env(step, "PWD", "/work");
	assert_true(step->in_pwd);
}

static void the_user_of_an_image_is_who_its_steps_run_as(void **state)
{
	const struct plan_step *step = first_step(*state);

	assert_int_equal(step->identity.uid, 70);
	assert_int_equal(step->identity.gid, 0);
	assert_env(step, "HOME", "/home/app");
	assert_env(step, "USER", "app");
	assert_env(step, "LOGNAME", "app");
}

static void a_step_in_another_image_has_that_ones_user(void **state)
{
	const struct plan_step *step = first_step(*state) + 1;

	assert_string_equal(step->image, "host");
	assert_int_equal(step->identity.uid, 0);
	assert_env(step, "HOME", "/home/sandbox");
	assert_env(step, "USER", "sandbox");
}

static void the_root_of_an_image_is_the_user_of_all_sandboxes(void **state)
{
	struct fixture *f = *state;
	const struct plan_step *step;

	f->account.uid = 0;
	step = first_step(f);
	assert_int_equal(step->identity.uid, 0);
	assert_env(step, "HOME", "/home/sandbox");
	assert_env(step, "USER", "sandbox");
}

static void a_user_of_a_session_is_nobody_else_in_an_image(void **state)
{
	struct fixture *f = *state;
	const struct plan_step *step;

	f->context.login = "lion";
	f->context.home = "/sandboxes/lion";
	step = first_step(f);
	assert_int_equal(step->identity.uid, 0);
	assert_env(step, "HOME", "/sandboxes/lion");
	assert_env(step, "USER", "lion");
	assert_env(step, "PWD", "/sandboxes/lion");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(entrypoint_environment_and_folder_are_the_images, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_user_of_an_image_is_who_its_steps_run_as, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_step_in_another_image_has_that_ones_user, setup, teardown),
		cmocka_unit_test_setup_teardown(the_root_of_an_image_is_the_user_of_all_sandboxes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_user_of_a_session_is_nobody_else_in_an_image, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
