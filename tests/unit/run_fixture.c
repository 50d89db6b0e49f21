#include "run_fixture.h"

#include "base/strv.h"

#include <stdlib.h>
#include <string.h>

static void do_exit(struct fake_process *p)
{
	fake_process_exit(p, fake_process_argv(p)[1] ? fake_process_argv(p)[1][0] - '0' : 0);
}

static void do_say(struct fake_process *p)
{
	fake_process_print(p, 1, fake_process_argv(p)[1], strlen(fake_process_argv(p)[1]));
	fake_process_print(p, 2, "!", 1);
	fake_process_exit(p, 0);
}

static void do_hang(struct fake_process *p)
{
	fake_process_print(p, 1, "begun", 5);
}

static void do_nothing(struct fake_process *p)
{
}

static void cat_input(struct fake_process *p, const uint8_t *data, size_t len)
{
	if (len == 0) {
		fake_process_exit(p, 0);
		return;
	}
	fake_process_print(p, 1, data, len);
	fake_process_want(p, len);
}

/* touch NAME CONTENT [NAME CONTENT]… */
static void do_touch(struct fake_process *p)
{
	char *const *argv = fake_process_argv(p);

	for (size_t i = 1; argv[i]; i += 2)
		fake_process_write(p, argv[i], argv[i + 1], strlen(argv[i + 1]), 0755);
	fake_process_exit(p, 0);
}

static void do_show(struct fake_process *p)
{
	size_t len = 0;
	const void *data = fake_process_file(p, fake_process_argv(p)[1], &len);

	if (data)
		fake_process_print(p, 1, data, len);
	fake_process_exit(p, data ? 0 : 1);
}

static void do_remove(struct fake_process *p)
{
	fake_process_remove(p, fake_process_argv(p)[1]);
	fake_process_exit(p, 0);
}

static void do_binary(struct fake_process *p)
{
	fake_process_write(p, "bin", "\177ELF\0\0", 6, 0755);
	fake_process_write(p, "latin", "caf\xe9", 4, 0644);
	fake_process_write(p, "n\xff", "x", 1, 0644);
	fake_process_exit(p, 0);
}

static void do_flood(struct fake_process *p)
{
	static const char block[4096] = { 'x' };

	for (int i = 0; i < 3; i++)
		fake_process_print(p, 1, block, sizeof(block));
	fake_process_exit(p, 0);
}

static void do_oom(struct fake_process *p)
{
	fake_process_write(p, "partial", "half", 4, 0644);
	fake_process_end(p,
			 &(struct step_facts){ .started = true,
					       .signaled = true,
					       .signal = 9,
					       .oom_kills = 1,
					       .memory_by_cgroup = true,
					       .wall_us = 1500 },
			 NULL);
}

static void do_big(struct fake_process *p)
{
	size_t len = 3 * 1024 * 1024;
	char *data = calloc(1, len);

	memset(data, 'a', len);
	fake_process_write(p, "big", data, len, 0644);
	free(data);
	fake_process_exit(p, 0);
}

static void do_twenty(struct fake_process *p)
{
	size_t len = 1024 * 1024;
	char *data = calloc(1, len);
	char name[] = "fA";

	memset(data, 'a', len);
	for (int i = 0; i < 20; i++, name[1]++)
		fake_process_write(p, name, data, len, 0644);
	free(data);
	fake_process_exit(p, 0);
}

static const struct fake_program programs[] = {
	{ "exit", do_exit },
	{ "say", do_say },
	{ "hang", do_hang },
	{ "cat", do_nothing, cat_input },
	{ "touch", do_touch },
	{ "show", do_show },
	{ "remove", do_remove },
	{ "binary", do_binary },
	{ "flood", do_flood },
	{ "oom", do_oom },
	{ "big", do_big },
	{ "twenty", do_twenty },
	{ NULL },
};

static const char *const unenforced[] = { "memory_bytes", NULL };
static const char *const images[] = { "host", "gcc", NULL };

int run_fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct fake_options options = { .programs = programs,
					      .images = images,
					      .unenforced = unenforced };

	assert_non_null(f);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(engine_fake_create(&f->loop, &options, &f->engine, NULL), 0);
	f->plan = calloc(1, sizeof(*f->plan));
	*state = f;
	return 0;
}

int run_fixture_teardown(void **state)
{
	struct fixture *f = *state;

	run_destroy(f->run);
	run_result_destroy(f->result);
	plan_destroy(f->plan);
	assert_int_equal(f->engine->v->sandbox_count(f->engine), 0);
	f->engine->v->destroy(f->engine);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

char **run_fixture_words(const char *text)
{
	char **v = NULL;

	while (*text) {
		size_t len = strcspn(text, " ");

		assert_int_equal(strv_append(&v, text, len), 0);
		text += len + (text[len] == ' ');
	}
	return v;
}

struct plan_step *run_fixture_step(struct fixture *f, const char *name, const char *command)
{
	struct run_plan *plan = f->plan;
	struct plan_step *step;

	plan->steps = realloc(plan->steps, (plan->steps_count + 1) * sizeof(*step));
	assert_non_null(plan->steps);
	step = &plan->steps[plan->steps_count++];
	*step = (struct plan_step){ .name = strdup(name),
				    .image = strdup("host"),
				    .argv = run_fixture_words(command) };
	for (int i = 0; i < LIMIT_COUNT; i++)
		step->limits.value[i] = limit_table[i].default_value;
	return step;
}

void run_fixture_add(struct fixture *f, const char *name, const char *content)
{
	struct run_plan *plan = f->plan;

	plan->files = realloc(plan->files, (plan->files_count + 1) * sizeof(*plan->files));
	assert_non_null(plan->files);
	plan->files[plan->files_count++] = (struct run_file){
		.name = strdup(name), .data = (uint8_t *)strdup(content), .len = strlen(content), .mode = 0644
	};
}

static void on_output(void *user, size_t step, int stream, const uint8_t *data, size_t len)
{
	struct fixture *f = user;

	for (size_t i = 0; i < len && f->live_len + 1 < sizeof(f->live); i++)
		f->live[f->live_len++] = (char)data[i];
	if (f->destroy_at_output) {
		run_destroy(f->run);
		f->run = NULL;
	}
}

static void on_stdin_wanted(void *user, size_t len)
{
	((struct fixture *)user)->wanted += len;
}

static void on_done(void *user, struct run_result *result)
{
	struct fixture *f = user;

	f->result = result;
	f->done++;
	if (f->destroy_at_done) {
		run_destroy(f->run);
		f->run = NULL;
	}
}

int run_fixture_start(struct fixture *f)
{
	static const struct run_events events = { on_output, on_stdin_wanted, on_done };
	struct run_plan *plan = f->plan;

	f->plan = NULL;
	return run_start(f->engine, plan, &f->options, &events, f, &f->run, &f->err);
}

void run_fixture_spin(struct fixture *f)
{
	uv_run(&f->loop, UV_RUN_DEFAULT);
}

void run_fixture_finish(struct fixture *f)
{
	assert_int_equal(run_fixture_start(f), 0);
	assert_int_equal(f->done, 0);
	run_fixture_spin(f);
	assert_int_equal(f->done, 1);
	assert_non_null(f->result);
}

const struct result_file *run_fixture_file(const struct fixture *f, const char *name)
{
	for (size_t i = 0; i < f->result->files_count; i++) {
		if (strcmp(f->result->files[i].name, name) == 0)
			return &f->result->files[i];
	}
	return NULL;
}

const char *run_fixture_out(const struct fixture *f, size_t step)
{
	return f->result->steps[step].out.data ? (const char *)f->result->steps[step].out.data : "";
}
