/*
 * One engine, one run after the other: nothing but the language decides how a check ends.
 */
#include "cmd/language.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "cmd/cmd.h"
#include "cmd/node_start.h"
#include "cmd/table.h"
#include "run/language_check.h"
#include "run/run.h"

#include <errno.h>

#define COLUMNS 6
#define WHY_MAX 512

/* What became of one version of a language. */
struct outcome {
	const struct language *language;
	char version[LANGUAGE_VERSION_MAX]; /* as it says itself, else as the file does */
	bool ran[LANGUAGE_CHECK_COUNT], passed[LANGUAGE_CHECK_COUNT];
	json_t *problems; /* texts */
	int64_t hello_ms; /* from request to result; -1: it did not say hello */
};

struct tester {
	const struct config *config;
	uv_loop_t loop;
	struct node node;
	struct run_result *result; /* of the run that is under way */
	struct outcome *outcomes;
	size_t count;
	json_t *unknown; /* problems of names that choose nothing */
};

static void on_done(void *user, struct run_result *result)
{
	struct tester *t = user;

	t->result = result;
	uv_stop(&t->loop);
}

/* Runs a check to its end; *ret: run_result_destroy(). */
static int run_check(struct tester *t, const struct language *language, enum language_check check,
		     struct run_result **ret, struct err *err)
{
	static const struct run_events events = { .done = on_done };
	const struct run_options options = { 0 };
	struct plan_context context;
	struct run_request req;
	struct run_plan *plan;
	struct run *run;
	int r;

	r = language_check_request(language, check, &req, err);
	if (r < 0)
		return r;
	node_plan_context(&t->node, t->config, &context);
	context.language = language;
	r = plan_make(&req, &context, &plan, err);
	request_finish(&req);
	if (r < 0)
		return r;
	language_check_limits(check, plan);
	t->result = NULL;
	r = run_start(t->node.engine, plan, &options, &events, t, &run, err);
	if (r < 0)
		return r;
	while (!t->result && uv_run(&t->loop, UV_RUN_DEFAULT) >= 0)
		;
	run_destroy(run);
	*ret = t->result;
	return 0;
}

static void add_problem(struct outcome *outcome, enum language_check check, const char *why)
{
	json_array_append_new(outcome->problems, json_sprintf("%s: %s", language_check_name(check), why));
}

static void note(struct outcome *outcome, enum language_check check, const struct run_result *result)
{
	char version[LANGUAGE_VERSION_MAX], why[WHY_MAX] = "";

	outcome->passed[check] = language_check_judge(outcome->language, check, result, why, sizeof(why));
	if (!outcome->passed[check])
		add_problem(outcome, check, why);
	language_check_version(result, version);
	if (check == LANGUAGE_CHECK_VERSION && *version)
		snprintf(outcome->version, sizeof(outcome->version), "%s", version);
	if ((check == LANGUAGE_CHECK_HELLO || check == LANGUAGE_CHECK_START) && outcome->passed[check])
		outcome->hello_ms = (int64_t)(result->timing.total_us / 1000);
}

/* A check that cannot even be planned is a problem of its language, not of the test. */
static void check_language(struct tester *t, struct outcome *outcome)
{
	struct run_result *result = NULL;

	for (int check = 0; check < LANGUAGE_CHECK_COUNT; check++) {
		struct err err = ERR_INIT;

		if (!language_check_applies(outcome->language, (enum language_check)check))
			continue;
		outcome->ran[check] = true;
		if (run_check(t, outcome->language, (enum language_check)check, &result, &err) < 0) {
			add_problem(outcome, (enum language_check)check, err.text);
			continue;
		}
		note(outcome, (enum language_check)check, result);
		run_result_destroy(result);
	}
}

static bool is_ok(const struct outcome *outcome)
{
	return json_array_size(outcome->problems) == 0;
}

static int add_outcome(struct tester *t, const struct language *language, struct err *err)
{
	struct outcome *grown;

	for (size_t i = 0; i < t->count; i++) {
		if (t->outcomes[i].language == language)
			return 0;
	}
	grown = reallocarray(t->outcomes, t->count + 1, sizeof(*grown));
	if (!grown)
		return err_set(err, -ENOMEM, "out of memory");
	t->outcomes = grown;
	grown[t->count] = (struct outcome){ .language = language, .hello_ms = -1, .problems = json_array() };
	snprintf(grown[t->count].version, sizeof(grown[t->count].version), "%s", language->version);
	if (!grown[t->count].problems)
		return err_set(err, -ENOMEM, "out of memory");
	t->count++;
	return 0;
}

/* Adds the available languages that "name" or "name@range" chooses, or all when it is NULL. */
static int choose(struct tester *t, const char *name, struct err *err)
{
	AUTO_FREE char *id = name ? strndup(name, strcspn(name, "@")) : NULL;
	const char *range = name && strchr(name, '@') ? strchr(name, '@') + 1 : NULL;
	const struct language *l = NULL;
	bool known = false, any = false;
	int r = name && !id ? err_set(err, -ENOMEM, "out of memory") : 0;

	if (r == 0 && range && !language_range_valid(range))
		return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "'%.64s' is not a range of versions",
				  range);
	while (r == 0 && (l = language_next(t->node.languages, l))) {
		if (id && (!language_has_name(l, id) || !language_version_fits(l->version, range)))
			continue;
		known = true;
		if (!l->available)
			continue;
		any = true;
		r = add_outcome(t, l, err);
	}
	if (r == 0 && name && !any)
		json_array_append_new(t->unknown,
				      json_sprintf("%s: %s", name,
						   known ? "is not installed on this node, nor is its image"
							 : "there is no such language"));
	return r;
}

static void show_progress(const struct tester *t, size_t at)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (at < t->count)
		fprintf(stderr, "\r\033[Ktesting %zu of %zu: %s %s", at + 1, t->count,
			t->outcomes[at].language->id, t->outcomes[at].language->version);
	else
		fprintf(stderr, "\r\033[K");
}

static json_t *outcome_to_json(const struct outcome *outcome)
{
	const struct language *language = outcome->language;
	json_t *checks = json_object(), *aliases = json_array();

	for (int i = 0; i < LANGUAGE_CHECK_COUNT; i++) {
		if (outcome->ran[i])
			json_object_set_new(checks, language_check_name((enum language_check)i),
					    json_boolean(outcome->passed[i]));
	}
	for (size_t i = 0; language->aliases && language->aliases[i]; i++)
		json_array_append_new(aliases, json_string(language->aliases[i]));
	return json_pack("{s:s, s:s, s:o, s:s, s:s, s:b, s:o, s:o, s:O}", "id", language->id, "name",
			 language->name, "aliases", aliases, "version", outcome->version, "image",
			 language->image, "ok", is_ok(outcome), "checks", checks, "hello_ms",
			 outcome->hello_ms < 0 ? json_null() : json_integer(outcome->hello_ms), "problems",
			 outcome->problems);
}

static int print_json(const struct tester *t, struct err *err)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->count; i++)
		json_array_append_new(list, outcome_to_json(&t->outcomes[i]));
	return cmd_json_print(json_pack("{s:o, s:O}", "languages", list, "problems", t->unknown), err);
}

struct row {
	char checks[32], hello[32];
};

static void fill_row(const struct outcome *outcome, struct row *row, const char **cells)
{
	int ran = 0, passed = 0;

	for (int i = 0; i < LANGUAGE_CHECK_COUNT; i++) {
		ran += outcome->ran[i];
		passed += outcome->passed[i];
	}
	snprintf(row->checks, sizeof(row->checks), "%d of %d", passed, ran);
	if (outcome->hello_ms >= 0)
		snprintf(row->hello, sizeof(row->hello), "%lld ms", (long long)outcome->hello_ms);
	cells[0] = outcome->language->id;
	cells[1] = outcome->version;
	cells[2] = outcome->language->image;
	cells[3] = is_ok(outcome) ? "ok" : "FAILED";
	cells[4] = row->checks;
	cells[5] = row->hello;
}

static void print_problems(const struct tester *t)
{
	json_t *text;
	size_t at;

	for (size_t i = 0; i < t->count; i++) {
		json_array_foreach(t->outcomes[i].problems, at, text)
			printf("%s %s (%s): %s\n", t->outcomes[i].language->id, t->outcomes[i].version,
			       t->outcomes[i].language->image, json_string_value(text));
	}
	json_array_foreach(t->unknown, at, text) printf("%s\n", json_string_value(text));
}

static int print_table(const struct tester *t, struct err *err)
{
	static const char *const head[COLUMNS] = {
		"LANGUAGE", "VERSION", "IMAGE", "RESULT", "CHECKS", "HELLO"
	};
	AUTO_FREE const char **cells = calloc((t->count + 1) * COLUMNS, sizeof(*cells));
	AUTO_FREE struct row *rows = calloc(t->count + 1, sizeof(*rows));

	if (!cells || !rows)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(cells, head, sizeof(head));
	for (size_t i = 0; i < t->count; i++)
		fill_row(&t->outcomes[i], &rows[i], cells + (i + 1) * COLUMNS);
	table_print(cells, t->count + 1, COLUMNS);
	print_problems(t);
	return 0;
}

static int test(struct tester *t, const char *const *names, size_t count, bool json, struct err *err)
{
	bool ok = true;
	int r = 0;

	if (count == 0)
		r = choose(t, NULL, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = choose(t, names[i], err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < t->count; i++) {
		show_progress(t, i);
		check_language(t, &t->outcomes[i]);
		ok = ok && is_ok(&t->outcomes[i]);
	}
	show_progress(t, t->count);
	r = json ? print_json(t, err) : print_table(t, err);
	if (r < 0)
		return r;
	return ok && t->count > 0 && json_array_size(t->unknown) == 0;
}

static void tester_finish(struct tester *t)
{
	for (size_t i = 0; i < t->count; i++)
		json_decref(t->outcomes[i].problems);
	free(t->outcomes);
	json_decref(t->unknown);
}

int language_test(const struct config *config, const char *const *names, size_t count, bool json,
		  struct err *err)
{
	struct tester t = { .config = config, .unknown = json_array() };
	int r = t.unknown ? uv_loop_init(&t.loop) : -ENOMEM;

	if (r < 0) {
		json_decref(t.unknown);
		return err_set(err, r, "event loop");
	}
	r = node_start(&t.loop, config, &t.node, err);
	if (r >= 0)
		r = test(&t, names, count, json, err);
	tester_finish(&t);
	node_close(&t.node, &t.loop);
	uv_loop_close(&t.loop);
	return r;
}
