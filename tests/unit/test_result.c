#include "base/cleanup.h"
#include "run/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

static void cleanup_result(struct run_result **result)
{
	run_result_destroy(*result);
}

#define AUTO_JSON   __attribute__((cleanup(cleanup_json)))
#define AUTO_RESULT __attribute__((cleanup(cleanup_result)))

/* A result of one step that ended with exit code 0. */
static struct run_result *make_result(void)
{
	struct run_result *result = calloc(1, sizeof(*result));

	assert_non_null(result);
	memcpy(result->id, "r1", 3);
	result->language = strdup("python");
	result->image = strdup("host@sha256:00");
	result->steps = calloc(1, sizeof(*result->steps));
	result->steps_count = 1;
	result->steps[0].name = strdup("run");
	result->steps[0].facts = (struct step_facts){ .started = true,
						      .wall_us = 12900,
						      .cpu_us = 9100,
						      .memory_peak_bytes = 8388608,
						      .processes_peak = 1 };
	result->steps[0].verdict = (struct verdict){ .outcome = RUN_OK, .limit = -1 };
	result->steps[0].out = BUF_INIT(1000);
	result->steps[0].err = BUF_INIT(1000);
	result->timing = (struct run_timing){ 1, 2, 3, 4, 5, 15 };
	return result;
}

/* Compares with JSON whose quotes are written ' for legibility. */
static void assert_json(json_t *actual, const char *quoted)
{
	AUTO_FREE char *text = strdup(quoted);
	AUTO_FREE char *found = json_dumps(actual, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	AUTO_FREE char *wanted = NULL;
	AUTO_JSON json_t *expected = NULL;

	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	expected = json_loads(text, JSON_DECODE_ANY, NULL);
	assert_non_null(expected);
	wanted = json_dumps(expected, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	assert_string_equal(found, wanted);
}

static json_t *step_of(json_t *result)
{
	return json_array_get(json_object_get(result, "steps"), 0);
}

static void has_exactly_the_shape_of_the_api(void **state)
{
	AUTO_RESULT struct run_result *result = make_result();
	AUTO_JSON json_t *json = NULL;

	assert_int_equal(buf_append_str(&result->steps[0].out, "hi\n"), 0);
	json = result_to_json(result);
	assert_json(json,
		    "{'id':'r1','outcome':'ok','language':'python','image':'host@sha256:00','steps':[{'name':"
		    "'run',"
		    "'outcome':'ok','exit_code':0,'signal':null,'stdout':'hi\\n','stdout_encoding':'utf-8',"
		    "'stdout_truncated':false,'stderr':'','stderr_encoding':'utf-8','stderr_truncated':false,"
		    "'wall_ms':12,'cpu_ms':9,'memory_peak_bytes':8388608,'processes_peak':1,'limit':null}],"
		    "'timing':{'queue_us':1,'acquire_us':2,'upload_us':3,'exec_us':4,'collect_us':5,'total_"
		    "us':15}}");
}

static void an_exceeded_limit_is_said_and_explained(void **state)
{
	AUTO_RESULT struct run_result *result = make_result();
	struct step_result *step = &result->steps[0];
	AUTO_JSON json_t *json = NULL;

	step->facts.signaled = true;
	step->facts.signal = 9;
	step->facts.kill = STEP_KILL_WALL;
	step->verdict =
		(struct verdict){ RUN_WALL_TIME_EXCEEDED, LIMIT_WALL_MS, 1003, 1000, ENFORCER_WATCHDOG };
	json = result_to_json(result);
	assert_json(json_object_get(step_of(json), "limit"),
		    "{'name':'wall_ms','value':1000,'used':1003,'enforced_by':'watchdog'}");
	assert_json(json_object_get(step_of(json), "exit_code"), "null");
	assert_json(json_object_get(step_of(json), "signal"), "9");
	assert_json(json_object_get(step_of(json), "outcome"), "'wall_time_exceeded'");
	assert_json(json_object_get(step_of(json), "explanation"),
		    "'killed at its wall time limit: 1000 ms allowed, 1003 ms used (watchdog)'");
}

static void a_command_that_is_not_there_has_its_exit_code_and_error(void **state)
{
	AUTO_RESULT struct run_result *result = make_result();
	struct step_result *step = &result->steps[0];
	AUTO_JSON json_t *json = NULL;

	step->facts = (struct step_facts){ .exit_code = 127 };
	step->verdict = (struct verdict){ .outcome = RUN_FAILED, .limit = -1 };
	step->error = strdup("'nope': not found");
	json = result_to_json(result);
	assert_json(json_object_get(step_of(json), "exit_code"), "127");
	assert_json(json_object_get(step_of(json), "signal"), "null");
	assert_json(json_object_get(step_of(json), "error"), "\"\\u0027nope\\u0027: not found\"");
}

static void a_step_that_never_was_has_neither_exit_code_nor_signal(void **state)
{
	AUTO_RESULT struct run_result *result = make_result();
	AUTO_JSON json_t *json = NULL;

	result->steps[0].facts = (struct step_facts){ .engine_failed = true };
	result->steps[0].verdict = (struct verdict){ .outcome = RUN_ENGINE_ERROR, .limit = -1 };
	result->outcome = RUN_ENGINE_ERROR;
	json = result_to_json(result);
	assert_json(json_object_get(step_of(json), "exit_code"), "null");
	assert_json(json_object_get(step_of(json), "signal"), "null");
	assert_json(json_object_get(json, "outcome"), "'engine_error'");
}

static void assert_stdout(const char *bytes, size_t len, bool truncated, const char *text,
			  const char *encoding)
{
	AUTO_RESULT struct run_result *result = make_result();
	AUTO_JSON json_t *json = NULL;

	assert_int_equal(buf_append(&result->steps[0].out, bytes, len), 0);
	result->steps[0].out_truncated = truncated;
	json = result_to_json(result);
	assert_json(json_object_get(step_of(json), "stdout"), text);
	assert_json(json_object_get(step_of(json), "stdout_encoding"), encoding);
	assert_json(json_object_get(step_of(json), "stdout_truncated"), truncated ? "true" : "false");
}

static void bytes_that_are_not_utf8_come_as_base64_unaltered(void **state)
{
	assert_stdout("a\xff", 2, false, "'Yf8='", "'base64'");
	assert_stdout("a\xff", 2, true, "'Yf8='", "'base64'");
}

static void text_cut_inside_a_character_stays_text_without_it(void **state)
{
	assert_stdout("ab\xe2\x82", 4, true, "'ab'", "'utf-8'");
	assert_stdout("\xe2\x82", 2, true, "''", "'utf-8'");
}

static void text_that_ends_inside_a_character_by_itself_is_base64(void **state)
{
	assert_stdout("ab\xe2\x82", 4, false, "'YWLigg=='", "'base64'");
}

static void text_with_control_characters_stays_text(void **state)
{
	AUTO_RESULT struct run_result *result = make_result();
	AUTO_JSON json_t *json = NULL;
	const json_t *text;

	assert_int_equal(buf_append(&result->steps[0].err, "\0\x1b[m\xc3\xa4", 6), 0);
	json = result_to_json(result);
	text = json_object_get(step_of(json), "stderr");
	assert_int_equal(json_string_length(text), 6);
	assert_memory_equal(json_string_value(text), "\0\x1b[m\xc3\xa4", 6);
}

static void lists_collected_files_by_what_became_of_them(void **state)
{
	AUTO_RESULT struct run_result *result = make_result();
	AUTO_JSON json_t *json = NULL;

	result->collected = true;
	result->files = calloc(4, sizeof(*result->files));
	result->files_count = 4;
	result->files[0] = (struct result_file){
		FILE_CREATED, strdup("out.txt"), (uint8_t *)strdup("hi"), 2, 0644, false, NULL
	};
	result->files[1] =
		(struct result_file){ FILE_CHANGED, strdup("b"), (uint8_t *)strdup("\xff"), 1, 0755,
				      true,	    NULL };
	result->files[2] = (struct result_file){ FILE_DELETED, strdup("gone"), NULL, 0, 0, false, NULL };
	result->files[3] =
		(struct result_file){ FILE_OMITTED, strdup("big"), NULL, 0, 0, false, "too_large" };
	json = result_to_json(result);
	assert_json(
		json_object_get(json, "files"),
		"{'created':{'out.txt':{'content':'hi','encoding':'utf-8','mode':'0644','truncated':false}},"
		"'changed':{'b':{'content':'/w==','encoding':'base64','mode':'0755','truncated':true}},"
		"'deleted':['gone'],'omitted':[{'name':'big','reason':'too_large'}]}");
}

static void a_collection_without_files_is_there_and_empty(void **state)
{
	AUTO_RESULT struct run_result *result = make_result();
	AUTO_JSON json_t *json = NULL;

	result->collected = true;
	json = result_to_json(result);
	assert_json(json_object_get(json, "files"), "{'created':{},'changed':{},'deleted':[],'omitted':[]}");
}

static void says_what_the_host_cannot_enforce(void **state)
{
	AUTO_RESULT struct run_result *result = make_result();
	AUTO_JSON json_t *json = NULL;

	result->unenforced = calloc(2, sizeof(*result->unenforced));
	result->unenforced[0] = "cpu_percent";
	json = result_to_json(result);
	assert_json(json_object_get(json, "unenforced"), "['cpu_percent']");
}

static void an_image_run_has_no_language(void **state)
{
	AUTO_RESULT struct run_result *result = make_result();
	AUTO_JSON json_t *json = NULL;

	free(result->language);
	result->language = NULL;
	json = result_to_json(result);
	assert_json(json_object_get(json, "language"), "null");
}

static void destroys_nothing_and_half_built_results(void **state)
{
	run_result_destroy(NULL);
	run_result_destroy(calloc(1, sizeof(struct run_result)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_exactly_the_shape_of_the_api),
		cmocka_unit_test(an_exceeded_limit_is_said_and_explained),
		cmocka_unit_test(a_command_that_is_not_there_has_its_exit_code_and_error),
		cmocka_unit_test(a_step_that_never_was_has_neither_exit_code_nor_signal),
		cmocka_unit_test(bytes_that_are_not_utf8_come_as_base64_unaltered),
		cmocka_unit_test(text_cut_inside_a_character_stays_text_without_it),
		cmocka_unit_test(text_that_ends_inside_a_character_by_itself_is_base64),
		cmocka_unit_test(text_with_control_characters_stays_text),
		cmocka_unit_test(lists_collected_files_by_what_became_of_them),
		cmocka_unit_test(a_collection_without_files_is_there_and_empty),
		cmocka_unit_test(says_what_the_host_cannot_enforce),
		cmocka_unit_test(an_image_run_has_no_language),
		cmocka_unit_test(destroys_nothing_and_half_built_results),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
