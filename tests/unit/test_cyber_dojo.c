/* The cyber-dojo dialect's pure parts: what its clients send, and what is said of a run. */
#include "api/dialects/cyber_dojo_answer.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *refusal(enum dojo_call_id call, const char *body)
{
	static struct err err;
	struct dojo_request request;
	int r;

	err = ERR_INIT;
	r = dojo_request_parse(call, body, strlen(body), &request, &err);
	dojo_request_finish(&request);
	assert_int_equal(r, -EINVAL);
	assert_int_equal(err_kind_http_status(err.kind), 400);
	return err.text;
}

#define RUN(files, manifest) "{\"id\":\"a\",\"files\":{" files "},\"manifest\":{" manifest "}}"
#define GREEN		     "\"image_name\":\"green\",\"max_seconds\":5"

static struct dojo_request parsed(const char *body)
{
	struct dojo_request request;
	struct err err = ERR_INIT;

	if (dojo_request_parse(DOJO_RUN, body, strlen(body), &request, &err) < 0)
		fail_msg("%s", err.text);
	return request;
}

static void an_empty_body_is_an_empty_object(void **state)
{
	struct dojo_request request;

	assert_int_equal(dojo_request_parse(DOJO_ALIVE, "", 0, &request, NULL), 0);
	dojo_request_finish(&request);
	assert_string_equal(refusal(DOJO_RUN, ""), "missing arguments: :id, :files, :manifest");
}

static void refuses_in_the_words_of_the_original(void **state)
{
	static const struct {
		enum dojo_call_id call;
		const char *body, *text;
	} cases[] = {
		{ DOJO_READY, " ", "body is not JSON" },
		{ DOJO_READY, "{} x", "body is not JSON" },
		{ DOJO_READY, "{\"a\\u0000b\":1}", "body is not JSON" },
		{ DOJO_READY, "42", "body is not JSON Hash" },
		{ DOJO_READY, "\"{}\"", "body is not JSON Hash" },
		{ DOJO_SHA, "{\"a\":1}", "wrong number of arguments (given 1, expected 0)" },
		{ DOJO_CALLS, "{}", "unknown path" },
		{ DOJO_CALLS, "x", "body is not JSON" },
		{ DOJO_PULL_IMAGE, "{\"id\":1}", "missing argument: :image_name" },
		{ DOJO_PULL_IMAGE, "{\"id\":1,\"image_name\":\"a\",\"b-c\":1}",
		  "unknown argument: :\"b-c\"" },
		{ DOJO_RUN, RUN("", "\"image_name\":\"a\""), "can't convert nil into Integer" },
		{ DOJO_RUN, RUN("", "\"max_seconds\":1"), "image_name is missing" },
		{ DOJO_RUN, RUN("", "\"image_name\":\"a\",\"max_seconds\":\"1__0\""),
		  "invalid value for Integer(): \"1__0\"" },
		{ DOJO_RUN, RUN("", GREEN ",\"rag_lambda\":null"), "rag_lambda is not a String" },
		{ DOJO_RUN, RUN("\"a\":null", GREEN), "the content of file \"a\" is not a String" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(refusal(cases[i].call, cases[i].body), cases[i].text);
}

static void reads_seconds_as_ruby_reads_an_integer(void **state)
{
	static const struct {
		const char *text;
		int seconds;
	} cases[] = {
		{ "1", 1 },	   { "1.9", 1 },       { "15", 15 },	  { "16", 15 },
		{ "1e300", 15 },   { "\"7\"", 7 },     { "\" +7 \"", 7 }, { "\"0x0A\"", 10 },
		{ "\"0b11\"", 3 }, { "\"0o17\"", 15 }, { "\"010\"", 8 },  { "\"1_0\"", 10 },
		{ "\"0d9\"", 9 },  { "\"0_7\"", 7 },
	};
	char body[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dojo_request request;

		snprintf(body, sizeof(body), RUN("", "\"image_name\":\"a\",\"max_seconds\":%s"),
			 cases[i].text);
		request = parsed(body);
		assert_int_equal(request.max_seconds, cases[i].seconds);
		dojo_request_finish(&request);
	}
}

static void puts_names_where_tar_would(void **state)
{
	struct dojo_request request =
		parsed(RUN("\"/etc//x\":\"1\",\"./a\":\"2\",\"a\":\"3\",\"d/./f\":\"4\"", GREEN));

	assert_string_equal(request.tar_fault, "");
	assert_int_equal(request.files.files_count, 3);
	assert_string_equal(request.files.files[0].name, "etc/x");
	assert_string_equal(request.files.files[1].name, "a");
	assert_memory_equal(request.files.files[1].data, "3", 1);
	assert_string_equal(request.files.files[2].name, "d/f");
	assert_int_equal(request.aliases_count, 3);
	dojo_request_finish(&request);
}

static void says_what_tar_says_of_names_that_it_refuses(void **state)
{
	static const char *const bodies[] = {
		RUN("\"..\":\"\"", GREEN),
		RUN("\"a/../b\":\"\"", GREEN),
		RUN("\"\":\"\"", GREEN),
		RUN("\"a/\":\"\"", GREEN),
		RUN("\"/\":\"\"", GREEN),
		RUN("\"a/.\":\"\"", GREEN),
		RUN("\"a\":\"\",\"a/b\":\"\"", GREEN),
	};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct dojo_request request = parsed(bodies[i]);

		assert_non_null(strstr(request.tar_fault, "tar: "));
		dojo_request_finish(&request);
	}
}

/* ---- answers ---- */

struct world {
	struct text_kind *kind;
	struct dojo_request request;
	struct step_result step;
	struct result_file files[40];
	struct run_result result;
	struct buf out, err;
	struct dojo_light light;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	assert_int_equal(text_kind_create(&w->kind, NULL), 0);
	w->request = parsed(RUN("\"sent\":\"1\",\"/odd\":\"2\"", GREEN));
	w->step.facts.started = true;
	w->step.verdict.limit = -1;
	w->result = (struct run_result){ .steps = &w->step, .steps_count = 1, .files = w->files };
	w->out = w->err = BUF_INIT(4096);
	w->light.colour = LIGHT_GREEN;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	text_kind_destroy(w->kind);
	dojo_request_finish(&w->request);
	buf_finish(&w->light.message);
	free(w);
	return 0;
}

static json_t *answer(struct world *w)
{
	const struct dojo_facts facts = {
		.request = &w->request,
		.result = &w->result,
		.end = dojo_end_of(&w->result),
		.out = &w->out,
		.err = &w->err,
		.light = &w->light,
		.kind = w->kind,
	};
	json_t *document = dojo_answer(&facts);

	assert_non_null(document);
	return document;
}

static const char *text_of(json_t *document, const char *key)
{
	return json_string_value(json_object_get(json_object_get(document, "run_cyber_dojo_sh"), key));
}

static json_t *file_of(json_t *document, const char *list, const char *name)
{
	return json_object_get(json_object_get(json_object_get(document, "run_cyber_dojo_sh"), list), name);
}

static void put(struct world *w, enum file_change change, const char *name, const void *data, size_t len)
{
	w->files[w->result.files_count++] = (struct result_file){
		.change = change, .name = (char *)name, .data = (uint8_t *)data, .len = len
	};
}

static void tells_the_ends_apart(void **state)
{
	static const struct {
		struct step_facts facts;
		enum run_outcome outcome;
		const char *status, *told;
	} cases[] = {
		{ { .started = true, .exit_code = 3 }, RUN_FAILED, "3", "green" },
		{ { .started = true, .signaled = true, .signal = SIGKILL }, RUN_SIGNALED, "143", "faulty" },
		{ { .started = true, .kill = STEP_KILL_WALL, .signaled = true, .signal = SIGKILL },
		  RUN_WALL_TIME_EXCEEDED,
		  "142",
		  "timed_out" },
		{ { .started = true, .kill = STEP_KILL_MEMORY, .signaled = true, .signal = SIGKILL },
		  RUN_MEMORY_EXCEEDED,
		  "143",
		  "faulty" },
		{ { .started = false, .exit_code = 127 }, RUN_FAILED, "143", "faulty" },
		{ { .engine_failed = true }, RUN_ENGINE_ERROR, "143", "faulty" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *document;

		w->step.facts = cases[i].facts;
		w->result.outcome = cases[i].outcome;
		document = answer(w);
		assert_string_equal(text_of(document, "status"), cases[i].status);
		assert_string_equal(text_of(document, "outcome"), cases[i].told);
		json_decref(document);
	}
}

static void tells_sixteen_created_texts_by_name_and_changes_that_are_some(void **state)
{
	static char names[20][8];
	struct world *w = *state;
	json_t *document;

	for (size_t i = 0; i < 20; i++) {
		snprintf(names[i], sizeof(names[i]), "f%02zu", 19 - i);
		put(w, FILE_CREATED, names[i], "x", 1);
	}
	put(w, FILE_CREATED, "a", "\0\0", 2);
	put(w, FILE_CHANGED, "sent", "1", 1);
	document = answer(w);
	assert_int_equal(
		json_object_size(json_object_get(json_object_get(document, "run_cyber_dojo_sh"), "created")),
		16);
	assert_non_null(file_of(document, "created", "f00"));
	assert_non_null(file_of(document, "created", "f15"));
	assert_null(file_of(document, "created", "f16"));
	assert_null(file_of(document, "created", "a"));
	assert_null(file_of(document, "changed", "sent"));
	json_decref(document);
}

static void tells_a_file_of_another_name_as_created(void **state)
{
	struct world *w = *state;
	json_t *document = answer(w);

	assert_string_equal(
		json_string_value(json_object_get(file_of(document, "created", "odd"), "content")), "2");
	json_decref(document);
	put(w, FILE_CHANGED, "odd", "22", 2);
	document = answer(w);
	assert_string_equal(
		json_string_value(json_object_get(file_of(document, "created", "odd"), "content")), "22");
	json_decref(document);
	w->files[0].change = FILE_DELETED;
	document = answer(w);
	assert_null(file_of(document, "created", "odd"));
	json_decref(document);
}

static void cuts_by_characters(void **state)
{
	struct world *w = *state;
	char *text = malloc(3 * 51201);
	json_t *document, *file;

	assert_non_null(text);
	for (size_t i = 0; i < 51201; i++)
		memcpy(text + 3 * i, "\xe2\x82\xac", 3);
	put(w, FILE_CREATED, "exact", text, 3 * 51200);
	put(w, FILE_CREATED, "more", text, 3 * 51201);
	document = answer(w);
	file = file_of(document, "created", "exact");
	assert_int_equal(json_string_length(json_object_get(file, "content")), 3 * 51200);
	assert_true(json_is_false(json_object_get(file, "truncated")));
	file = file_of(document, "created", "more");
	assert_int_equal(json_string_length(json_object_get(file, "content")), 3 * 51200);
	assert_true(json_is_true(json_object_get(file, "truncated")));
	json_decref(document);
	free(text);
}

/* Whatever a sandbox or Ruby says may stand in a log, and a log is JSON. */
static void tells_faults_in_any_bytes(void **state)
{
	struct world *w = *state;

	w->light.source = "\xff\n\xe2\x82";
	w->light.source_len = 4;
	w->light.message = BUF_INIT(16);
	assert_int_equal(buf_append(&w->light.message, "\xf0\x9f\0\n\xff", 5), 0);
	memcpy(w->light.class_name, "\xc3", 2);
	for (int fault = DOJO_FAULT_MISSING; fault <= DOJO_FAULT_COLOUR; fault++) {
		json_t *document;

		w->light.fault = (enum dojo_fault)fault;
		document = answer(w);
		assert_string_equal(text_of(document, "outcome"), "faulty");
		assert_string_equal(text_of(document, "status"), "0");
		json_decref(document);
	}
}

static void a_worked_lambda_of_the_manifest_leaves_null(void **state)
{
	struct world *w = *state;
	json_t *document;

	w->light.from_manifest = true;
	document = answer(w);
	assert_true(json_is_null(json_object_get(json_object_get(document, "run_cyber_dojo_sh"), "log")));
	json_decref(document);
}

static void what_is_text_is_what_file_says(void **state)
{
	static const struct {
		const char *data;
		size_t len;
		bool text;
	} cases[] = {
		{ "", 0, true },
		{ "\0", 1, true },
		{ "\0\0", 2, false },
		{ "caf\xe9\n", 5, true },
		{ "\x7f"
		  "ELF\1\0\0",
		  7, false },
		{ "\xff\xfeh\0i\0", 6, true },
		{ "a\x1b[31mb", 7, true },
		{ "h\0e\0", 4, false },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(text_kind_is_text(w->kind, cases[i].data, cases[i].len), cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_body_is_an_empty_object),
		cmocka_unit_test(refuses_in_the_words_of_the_original),
		cmocka_unit_test(reads_seconds_as_ruby_reads_an_integer),
		cmocka_unit_test(puts_names_where_tar_would),
		cmocka_unit_test(says_what_tar_says_of_names_that_it_refuses),
		cmocka_unit_test_setup_teardown(tells_the_ends_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_sixteen_created_texts_by_name_and_changes_that_are_some,
						setup, teardown),
		cmocka_unit_test_setup_teardown(tells_a_file_of_another_name_as_created, setup, teardown),
		cmocka_unit_test_setup_teardown(cuts_by_characters, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_faults_in_any_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_worked_lambda_of_the_manifest_leaves_null, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_text_is_what_file_says, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
