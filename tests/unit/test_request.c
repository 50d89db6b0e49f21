#include "base/cleanup.h"
#include "base/strv.h"
#include "run/request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define AUTO_REQUEST __attribute__((cleanup(request_finish)))

static struct run_request parse(const char *json)
{
	struct run_request req;
	struct err err = ERR_INIT;

	if (request_parse(json, strlen(json), &request_bounds_default, &req, &err) < 0)
		fail_msg("%s: %s (%s)", json, err.text, err.field);
	return req;
}

struct refusal {
	const char *json;
	int status;
	const char *slug;
	const char *field;
};

static void assert_refused_len(const char *json, size_t len, const struct refusal *expected)
{
	struct run_request req;
	struct err err = ERR_INIT;
	int r = request_parse(json, len, &request_bounds_default, &req, &err);

	request_finish(&req);
	if (r != -EINVAL)
		fail_msg("taken: %.80s", json);
	if (strcmp(err.slug, expected->slug) != 0 || strcmp(err.field, expected->field) != 0 ||
	    err_kind_http_status(err.kind) != expected->status)
		fail_msg("%.80s: got %d %s '%s': %s", json, err_kind_http_status(err.kind), err.slug,
			 err.field, err.text);
	assert_true(strlen(err.text) > 0);
	for (const char *c = err.text; *c; c++)
		assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
}

static void assert_refused(const struct refusal *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_refused_len(cases[i].json, strlen(cases[i].json), &cases[i]);
}

static void reads_every_field(void **state)
{
	AUTO_REQUEST struct run_request req =
		parse("{\"language\":\"python@>=3.9,<4\",\"files\":{\"main.py\":\"print(1)\",\"lib/"
		      "x.sh\":{\"content\":\"aGk=\","
		      "\"encoding\":\"base64\",\"mode\":\"0755\"}},\"entry\":\"main.py\",\"args\":[\"a\","
		      "\"\"],\"stdin\":\"in\\u0000put\","
		      "\"env\":{\"A\":\"1=2\",\"_b\":\"\"},\"steps\":[{\"name\":\"run\",\"command\":[\"sh\","
		      "\"-c\",\"true\"],\"image\":"
		      "\"debian/"
		      "gcc:12\",\"limits\":{\"cpu_ms\":5},\"stdin\":{\"content\":\"\"},\"env\":{\"C\":\"d\"},"
		      "\"keep\":[\"*.o\"]}],"
		      "\"limits\":{\"wall_ms\":1000},\"collect\":[\"**/*.txt\"],\"network\":\"loopback\"}");

	assert_string_equal(req.language, "python");
	assert_string_equal(req.version_range, ">=3.9,<4");
	assert_null(req.image);
	assert_int_equal(req.files_count, 2);
	assert_string_equal(req.files[0].name, "main.py");
	assert_memory_equal(req.files[0].data, "print(1)", 8);
	assert_int_equal(req.files[0].mode, 0644);
	assert_string_equal(req.files[1].name, "lib/x.sh");
	assert_int_equal(req.files[1].len, 2);
	assert_memory_equal(req.files[1].data, "hi", 2);
	assert_int_equal(req.files[1].mode, 0755);
	assert_string_equal(req.entry, "main.py");
	assert_int_equal(strv_len(req.args), 2);
	assert_string_equal(req.args[1], "");
	assert_int_equal(req.stdin_bytes.len, 6);
	assert_memory_equal(req.stdin_bytes.data, "in\0put", 6);
	assert_string_equal(req.env[0], "A=1=2");
	assert_string_equal(req.env[1], "_b=");
	assert_int_equal(req.limits.value[LIMIT_WALL_MS], 1000);
	assert_int_equal(req.limits.value[LIMIT_CPU_MS], LIMIT_UNSET);
	assert_int_equal(req.collect, COLLECT_GLOBS);
	assert_string_equal(req.collect_globs[0], "**/*.txt");
	assert_true(req.network_loopback);
	assert_false(req.archive_given);
}

static void reads_every_field_of_a_step(void **state)
{
	AUTO_REQUEST struct run_request req =
		parse("{\"image\":\"host\",\"steps\":[{\"name\":\"a\",\"command\":[\"x\"]},{\"name\":\"run "
		      "it\",\"command\":"
		      "[\"sh\",\"-c\"],\"image\":\"debian/"
		      "gcc:12\",\"limits\":{\"cpu_ms\":5},\"stdin\":{\"content\":\"\"},\"env\":"
		      "{\"C\":\"d\"},\"keep\":[\"*.o\"]}]}");

	assert_string_equal(req.image, "host");
	assert_int_equal(req.steps_count, 2);
	assert_false(req.steps[0].has_stdin);
	assert_null(req.steps[0].image);
	assert_null(req.steps[0].keep);
	assert_string_equal(req.steps[1].name, "run it");
	assert_int_equal(strv_len(req.steps[1].command), 2);
	assert_string_equal(req.steps[1].image, "debian/gcc:12");
	assert_int_equal(req.steps[1].limits.value[LIMIT_CPU_MS], 5);
	assert_true(req.steps[1].has_stdin);
	assert_int_equal(req.steps[1].stdin_bytes.len, 0);
	assert_string_equal(req.steps[1].env[0], "C=d");
	assert_string_equal(req.steps[1].keep[0], "*.o");
}

static void takes_every_word_of_collect(void **state)
{
	AUTO_REQUEST struct run_request absent = parse("{\"language\":\"c\"}");
	AUTO_REQUEST struct run_request none = parse("{\"language\":\"c\",\"collect\":\"none\"}");
	AUTO_REQUEST struct run_request text = parse("{\"language\":\"c\",\"collect\":\"text\"}");
	AUTO_REQUEST struct run_request all = parse("{\"language\":\"c\",\"collect\":\"all\"}");
	AUTO_REQUEST struct run_request no_globs = parse("{\"language\":\"c\",\"collect\":[]}");

	assert_int_equal(absent.collect, COLLECT_NONE);
	assert_int_equal(none.collect, COLLECT_NONE);
	assert_int_equal(text.collect, COLLECT_TEXT);
	assert_int_equal(all.collect, COLLECT_ALL);
	assert_int_equal(no_globs.collect, COLLECT_NONE);
}

static void takes_languages_and_images_of_the_grammar(void **state)
{
	static const char *const right[] = {
		"\"language\":\"c++\"",
		"\"language\":\"c#@12\"",
		"\"language\":\"Python_3.x-y@^3.11\"",
		"\"image\":\"host\",\"steps\":[{\"name\":\"r\",\"command\":[\"x\"]}]",
		"\"image\":\"127.0.0.1:5000/a/b:1\",\"steps\":[{\"name\":\"r\",\"command\":[\"x\"]}]",
		"\"image\":\"a/b-c_d.e:latest\",\"steps\":[{\"name\":\"r\",\"command\":[\"x\"]}]",
		"\"image\":\"p@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\","
		"\"steps\":[{\"name\":\"r\",\"command\":[\"x\"]}]",
	};

	for (size_t i = 0; i < ARRAY_LEN(right); i++) {
		AUTO_FREE char *json = NULL;

		assert_true(asprintf(&json, "{%s}", right[i]) > 0);
		AUTO_REQUEST struct run_request req = parse(json);

		assert_true(req.language || req.image);
	}
}

static void names_of_files_to_choose_may_say_where_they_are(void **state)
{
	AUTO_REQUEST struct run_request req = parse("{\"language\":\"c\",\"collect\":[\"./a.out\",\".//././b/"
						    "c\",\"out/\",\"./\",\".\",\"*/\",\".x\",\"./...\"]}");
	static const char *const expected[] = { "a.out", "b/c", "out/**", "**", "**", "*/**", ".x", "..." };

	for (size_t i = 0; i < ARRAY_LEN(expected); i++)
		assert_string_equal(req.collect_globs[i], expected[i]);
}

static void refuses_what_is_not_json(void **state)
{
	static const struct refusal cases[] = {
		{ "", 400, "malformed_json", "" },
		{ "{", 400, "malformed_json", "" },
		{ "{\"language\":\"c\"} x", 400, "malformed_json", "" },
		{ "{\"language\":\"c\"}{}", 400, "malformed_json", "" },
		{ "\xef\xbb\xbf{\"language\":\"c\"}", 400, "malformed_json", "" },
		{ "{\"limits\":{\"cpu_ms\":NaN}}", 400, "malformed_json", "" },
		{ "{\"language\":\"\xff\"}", 400, "malformed_json", "" },
		{ "{\"language\":\"\\ud800\"}", 400, "malformed_json", "" },
		{ "{'language':'c'}", 400, "malformed_json", "" },
		{ "{\"language\":\"c\",}", 400, "malformed_json", "" },
		{ "{\"language\":\"a\nb\"}", 400, "malformed_json", "" },
		{ "{\"a\\", 400, "malformed_json", "" },
		{ "[]", 400, "wrong_type", "" },
		{ "\"x\"", 400, "malformed_json", "" },
	};

	assert_refused(cases, ARRAY_LEN(cases));
}

static void refuses_a_name_that_stands_twice_naming_it(void **state)
{
	static const struct refusal cases[] = {
		{ "{\"language\":\"c\",\"language\":\"d\"}", 400, "malformed_json", "language" },
		{ "{\"files\":{\"a\":\"1\",\"a\":\"2\"}}", 400, "malformed_json", "files.a" },
		{ "{\"stdin\":\"{[\",\"env\":{\"A\":\"1\",\"B\":\":,\",\"A\":\"1\"}}", 400, "malformed_json",
		  "env.A" },
		{ "{\"steps\":[{\"name\":\"a\"},{\"env\":{},\"keep\":[\"x\",\"y\"],\"env\":{}}]}", 400,
		  "malformed_json", "steps[1].env" },
	};

	assert_refused(cases, ARRAY_LEN(cases));
}

static void refuses_a_nul_byte_in_a_name_naming_where(void **state)
{
	static const struct refusal cases[] = {
		{ "{\"a\\u0000b\":1}", 400, "malformed_json", "" },
		{ "{\"stdin\":\"files\",\"files\":{\"a\\u0000b\":\"1\"}}", 400, "malformed_json", "files" },
		{ "{\"steps\":[{\"env\":{\"a\\u0000b\":\"1\"}}]}", 400, "malformed_json", "steps[0].env" },
	};

	assert_refused(cases, ARRAY_LEN(cases));
}

static void refuses_numbers_that_no_machine_word_holds_naming_the_field(void **state)
{
	static const struct refusal cases[] = {
		{ "{\"limits\":{\"cpu_ms\":9223372036854775808}}", 422, "limit_too_high", "limits.cpu_ms" },
		{ "{\"limits\":{\"wall_ms\":1,\"cpu_ms\":-9223372036854775809}}", 422, "limit_too_low",
		  "limits.cpu_ms" },
		{ "{\"steps\":[{\"limits\":{\"cpu_ms\" : 99999999999999999999 }}]}", 422, "limit_too_high",
		  "steps[0].limits.cpu_ms" },
		{ "{\"limits\":{\"cpu_ms\":1e999}}", 400, "bad_value", "limits.cpu_ms" },
		{ "{\"stdin\":99999999999999999999}", 400, "bad_value", "stdin" },
		{ "{\"args\":[\"x\",99999999999999999999]}", 400, "bad_value", "args[1]" },
		{ "[99999999999999999999]", 400, "bad_value", "[0]" },
	};

	assert_refused(cases, ARRAY_LEN(cases));
}

static void refuses_a_million_brackets_at_once(void **state)
{
	static const struct refusal expected = { NULL, 400, "malformed_json", "" };
	static const char *const units[] = { "[", "{\"a\":", "[[],", "{\"\":[" };
	size_t size = 1000000;
	AUTO_FREE char *json = malloc(size + 1);

	assert_non_null(json);
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		size_t len = strlen(units[i]), used = 0;

		for (; used + len <= size; used += len)
			memcpy(json + used, units[i], len);
		json[used] = '\0';
		assert_refused_len(json, used, &expected);
	}
}

static void refuses_too_many_values_before_they_cost_memory(void **state)
{
	static const struct refusal expected = { NULL, 413, "too_many", "" };
	size_t size = 2000000;
	AUTO_FREE char *json = malloc(size + 1);

	assert_non_null(json);
	memset(json, '0', size);
	json[0] = '[';
	for (size_t i = 2; i < size - 1; i += 2)
		json[i] = ',';
	json[size - 1] = ']';
	json[size] = '\0';
	assert_refused_len(json, size, &expected);
}

static void brackets_and_commas_in_strings_do_not_count(void **state)
{
	AUTO_FREE char *json = malloc(600100);
	size_t used = (size_t)snprintf(json, 100, "{\"language\":\"c\",\"stdin\":\"\\\"");

	for (size_t i = 0; i < 200000; i++, used += 3)
		memcpy(json + used, "[,{", 3);
	memcpy(json + used, "\"}", 3);
	AUTO_REQUEST struct run_request req = parse(json);
	assert_int_equal(req.stdin_bytes.len, 600001);
}

static void refuses_wrong_types_naming_the_field(void **state)
{
	static const struct refusal cases[] = {
		{ "{\"language\":1}", 400, "wrong_type", "language" },
		{ "{\"language\":null}", 400, "wrong_type", "language" },
		{ "{\"image\":[]}", 400, "wrong_type", "image" },
		{ "{\"files\":[]}", 400, "wrong_type", "files" },
		{ "{\"files\":{\"a\":1}}", 400, "wrong_type", "files.a" },
		{ "{\"files\":{\"a\":{\"content\":1}}}", 400, "wrong_type", "files.a.content" },
		{ "{\"files\":{\"a\":{\"content\":\"\",\"mode\":420}}}", 400, "wrong_type", "files.a.mode" },
		{ "{\"files\":{\"a\":{\"content\":\"\",\"encoding\":1}}}", 400, "wrong_type",
		  "files.a.encoding" },
		{ "{\"archive\":{}}", 400, "wrong_type", "archive" },
		{ "{\"entry\":1}", 400, "wrong_type", "entry" },
		{ "{\"args\":\"x\"}", 400, "wrong_type", "args" },
		{ "{\"args\":[\"x\",1]}", 400, "wrong_type", "args[1]" },
		{ "{\"stdin\":1}", 400, "wrong_type", "stdin" },
		{ "{\"stdin\":{\"content\":null}}", 400, "wrong_type", "stdin.content" },
		{ "{\"env\":[]}", 400, "wrong_type", "env" },
		{ "{\"env\":{\"A\":1}}", 400, "wrong_type", "env.A" },
		{ "{\"steps\":{}}", 400, "wrong_type", "steps" },
		{ "{\"steps\":[1]}", 400, "wrong_type", "steps[0]" },
		{ "{\"steps\":[{\"name\":1}]}", 400, "wrong_type", "steps[0].name" },
		{ "{\"steps\":[{\"command\":\"x\"}]}", 400, "wrong_type", "steps[0].command" },
		{ "{\"steps\":[{\"keep\":\"x\"}]}", 400, "wrong_type", "steps[0].keep" },
		{ "{\"limits\":[]}", 400, "wrong_type", "limits" },
		{ "{\"limits\":{\"wall_ms\":\"5\"}}", 400, "wrong_type", "limits.wall_ms" },
		{ "{\"limits\":{\"wall_ms\":1.5}}", 400, "wrong_type", "limits.wall_ms" },
		{ "{\"limits\":{\"wall_ms\":true}}", 400, "wrong_type", "limits.wall_ms" },
		{ "{\"collect\":1}", 400, "wrong_type", "collect" },
		{ "{\"collect\":[1]}", 400, "wrong_type", "collect[0]" },
		{ "{\"network\":true}", 400, "wrong_type", "network" },
	};

	assert_refused(cases, ARRAY_LEN(cases));
}

static void refuses_unknown_fields_naming_their_path(void **state)
{
	static const struct refusal cases[] = {
		{ "{\"langauge\":\"c\"}", 400, "unknown_field", "langauge" },
		{ "{\"files\":{\"a\":{\"content\":\"\",\"size\":1}}}", 400, "unknown_field", "files.a.size" },
		{ "{\"stdin\":{\"content\":\"\",\"mode\":\"0644\"}}", 400, "unknown_field", "stdin.mode" },
		{ "{\"limits\":{\"memory\":1}}", 400, "unknown_field", "limits.memory" },
		{ "{\"steps\":[{\"name\":\"a\",\"cmd\":[]}]}", 400, "unknown_field", "steps[0].cmd" },
		{ "{\"a\\nb\\u007f\\u009b\":1}", 400, "unknown_field", "a?b??" },
	};

	assert_refused(cases, ARRAY_LEN(cases));
}

static void refuses_bad_values_naming_the_field(void **state)
{
	static const struct refusal cases[] = {
		{ "{}", 400, "missing_field", "language" },
		{ "{\"language\":\"c\",\"image\":\"host\"}", 400, "conflict", "image" },
		{ "{\"image\":\"host\"}", 400, "missing_field", "steps" },
		{ "{\"language\":\"\"}", 400, "bad_value", "language" },
		{ "{\"language\":\"c d\"}", 400, "bad_value", "language" },
		{ "{\"language\":\"../c\"}", 400, "bad_value", "language" },
		{ "{\"language\":\"c@\"}", 400, "bad_value", "language" },
		{ "{\"language\":\"c@1/2\"}", 400, "bad_value", "language" },
		{ "{\"language\":\"c@1@2\"}", 400, "bad_value", "language" },
		{ "{\"language\":\"c\\u0000\"}", 400, "bad_value", "language" },
		{ "{\"image\":\"Host\"}", 400, "bad_value", "image" },
		{ "{\"image\":\"a/../b\"}", 400, "bad_value", "image" },
		{ "{\"image\":\"a//b\"}", 400, "bad_value", "image" },
		{ "{\"image\":\"/a\"}", 400, "bad_value", "image" },
		{ "{\"image\":\"a/\"}", 400, "bad_value", "image" },
		{ "{\"image\":\"a:\"}", 400, "bad_value", "image" },
		{ "{\"image\":\"a:123456/b\"}", 400, "bad_value", "image" },
		{ "{\"image\":\"a:5000/\"}", 400, "bad_value", "image" },
		{ "{\"image\":\"a:5000/../b\"}", 400, "bad_value", "image" },
		{ "{\"image\":\":5000/b\"}", 400, "bad_value", "image" },
		{ "{\"image\":\"a@sha256:12\"}", 400, "bad_value", "image" },
		{ "{\"entry\":\"../x\"}", 400, "bad_name", "entry" },
		{ "{\"args\":[\"a\\u0000\"]}", 400, "bad_value", "args[0]" },
		{ "{\"stdin\":{}}", 400, "missing_field", "stdin.content" },
		{ "{\"stdin\":{\"content\":\"Zg\",\"encoding\":\"base64\"}}", 400, "bad_encoding",
		  "stdin.content" },
		{ "{\"stdin\":{\"content\":\"Zg\",\"encoding\":\"hex\"}}", 400, "bad_encoding",
		  "stdin.encoding" },
		{ "{\"env\":{\"\":\"1\"}}", 400, "bad_name", "env." },
		{ "{\"env\":{\"A=B\":\"1\"}}", 400, "bad_name", "env.A=B" },
		{ "{\"env\":{\"1A\":\"1\"}}", 400, "bad_name", "env.1A" },
		{ "{\"env\":{\"A\":\"1\\u0000\"}}", 400, "bad_value", "env.A" },
		{ "{\"steps\":[]}", 400, "bad_value", "steps" },
		{ "{\"steps\":[{\"command\":[\"x\"]}]}", 400, "missing_field", "steps[0].name" },
		{ "{\"steps\":[{\"name\":\"r\"}]}", 400, "missing_field", "steps[0].command" },
		{ "{\"steps\":[{\"name\":\"r\",\"command\":[]}]}", 400, "bad_value", "steps[0].command" },
		{ "{\"steps\":[{\"name\":\"r\",\"command\":[\"\"]}]}", 400, "bad_value", "steps[0].command" },
		{ "{\"steps\":[{\"name\":\"\",\"command\":[\"x\"]}]}", 400, "bad_name", "steps[0].name" },
		{ "{\"steps\":[{\"name\":\"a\\nb\",\"command\":[\"x\"]}]}", 400, "bad_name",
		  "steps[0].name" },
		{ "{\"steps\":[{\"keep\":[\"/x\"]}]}", 400, "bad_value", "steps[0].keep[0]" },
		{ "{\"steps\":[{\"keep\":[\"a\",\"../x\"]}]}", 400, "bad_value", "steps[0].keep[1]" },
		{ "{\"collect\":[\"a..b\",\"...\",\"a/../*\"]}", 400, "bad_value", "collect[2]" },
		{ "{\"collect\":[\"./..\"]}", 400, "bad_value", "collect[0]" },
		{ "{\"collect\":\"some\"}", 400, "bad_value", "collect" },
		{ "{\"collect\":[\"\"]}", 400, "bad_value", "collect[0]" },
		{ "{\"network\":\"host\"}", 400, "bad_value", "network" },
		{ "{\"archive\":\"???\"}", 400, "missing_field", "language" },
		{ "{\"language\":\"c\",\"archive\":\"???\"}", 400, "bad_encoding", "archive" },
		{ "{\"language\":\"c\",\"archive\":\"\"}", 400, "bad_archive", "archive" },
		{ "{\"language\":\"c\",\"tests\":[]}", 422, "not_supported", "tests" },
		{ "{\"traffic_light\":1}", 400, "wrong_type", "traffic_light" },
		{ "{\"traffic_light\":{\"lua\":\"\"}}", 400, "unknown_field", "traffic_light.lua" },
		{ "{\"traffic_light\":{\"ruby\":1}}", 400, "wrong_type", "traffic_light.ruby" },
		{ "{\"traffic_light\":{\"ruby\":\"\"}}", 400, "bad_value", "traffic_light.ruby" },
		{ "{\"traffic_light\":{\"ruby\":\"x\",\"report\":\"xml\"}}", 400, "bad_value",
		  "traffic_light.report" },
		{ "{\"traffic_light\":{\"rules\":[]}}", 400, "bad_value", "traffic_light.rules" },
		{ "{\"traffic_light\":{\"rules\":[{\"status\":1}]}}", 400, "missing_field",
		  "traffic_light.rules[0].colour" },
		{ "{\"traffic_light\":{\"ruby\":\"x\",\"rules\":[{\"colour\":\"red\"}]}}", 400, "conflict",
		  "traffic_light" },
	};

	assert_refused(cases, ARRAY_LEN(cases));
}

static void refuses_limits_below_their_minimum(void **state)
{
	static const struct refusal cases[] = {
		{ "{\"limits\":{\"wall_ms\":0}}", 422, "limit_too_low", "limits.wall_ms" },
		{ "{\"limits\":{\"wall_ms\":-5}}", 422, "limit_too_low", "limits.wall_ms" },
		{ "{\"limits\":{\"memory_bytes\":1}}", 422, "limit_too_low", "limits.memory_bytes" },
		{ "{\"steps\":[{\"limits\":{\"processes\":0}}]}", 422, "limit_too_low",
		  "steps[0].limits.processes" },
	};

	assert_refused(cases, ARRAY_LEN(cases));
}

static void refuses_bad_file_names(void **state)
{
	static const struct refusal cases[] = {
		{ "{\"files\":{\"\":\"\"}}", 400, "bad_name", "files." },
		{ "{\"files\":{\".\":\"\"}}", 400, "bad_name", "files.." },
		{ "{\"files\":{\"..\":\"\"}}", 400, "bad_name", "files..." },
		{ "{\"files\":{\"../a\":\"\"}}", 400, "bad_name", "files.../a" },
		{ "{\"files\":{\"a/../b\":\"\"}}", 400, "bad_name", "files.a/../b" },
		{ "{\"files\":{\"a/..\":\"\"}}", 400, "bad_name", "files.a/.." },
		{ "{\"files\":{\"./a\":\"\"}}", 400, "bad_name", "files../a" },
		{ "{\"files\":{\"/a\":\"\"}}", 400, "bad_name", "files./a" },
		{ "{\"files\":{\"/\":\"\"}}", 400, "bad_name", "files./" },
		{ "{\"files\":{\"a/\":\"\"}}", 400, "bad_name", "files.a/" },
		{ "{\"files\":{\"a//b\":\"\"}}", 400, "bad_name", "files.a//b" },
		{ "{\"files\":{\"a\":\"\",\"a/b\":\"\"}}", 400, "conflict", "files.a/b" },
		{ "{\"files\":{\"a/b\":\"\",\"a\":\"\"}}", 400, "conflict", "files.a" },
		{ "{\"files\":{\"a/b/c/d\":\"\",\"a/b\":\"\"}}", 400, "conflict", "files.a/b" },
		{ "{\"files\":{\"a\":\"\",\"a/b/c/d\":\"\"}}", 400, "conflict", "files.a/b/c/d" },
		{ "{\"files\":{\"a\":{\"content\":\"\",\"mode\":\"4755\"}}}", 400, "bad_value",
		  "files.a.mode" },
		{ "{\"files\":{\"a\":{\"content\":\"\",\"mode\":\"0888\"}}}", 400, "bad_value",
		  "files.a.mode" },
		{ "{\"files\":{\"a\":{\"content\":\"\",\"mode\":\"\"}}}", 400, "bad_value", "files.a.mode" },
		{ "{\"files\":{\"a\":{\"content\":\"!\",\"encoding\":\"base64\"}}}", 400, "bad_encoding",
		  "files.a.content" },
		{ "{\"files\":{\"a\":{\"mode\":\"0644\"}}}", 400, "missing_field", "files.a.content" },
	};

	assert_refused(cases, ARRAY_LEN(cases));
}

static void takes_names_that_only_look_bad(void **state)
{
	AUTO_REQUEST struct run_request req =
		parse("{\"language\":\"c\",\"files\":{\"...\":\"\",\"a..b\":\"\",\".x\":\"\",\"a "
		      "b\\n\":\"\",\"ab\":\"\",\"a/b\":\"\","
		      "\"a/c\":\"\",\"\xc3\xa4/-\":\"\"}}");

	assert_int_equal(req.files_count, 8);
	assert_null(req.files[0].data);
}

static int add(struct run_request *req, const char *name, const struct request_bounds *bounds,
	       struct err *err)
{
	return request_add_file(req, name, "12345", 5, 0644, bounds, err);
}

static void names_may_be_as_long_as_promised_and_no_longer(void **state)
{
	AUTO_REQUEST struct run_request req = { 0 };
	struct err err = ERR_INIT;
	char name[4098];

	memset(name, 'a', sizeof(name));
	for (size_t i = 1; i < sizeof(name); i += 2)
		name[i] = '/';
	name[4096] = '\0';
	name[4095] = 'a';
	assert_int_equal(add(&req, name, &request_bounds_default, &err), 0);
	name[4096] = 'a';
	name[4097] = '\0';
	assert_int_equal(add(&req, name, &request_bounds_default, &err), -EINVAL);
	assert_string_equal(err.slug, "bad_name");

	memset(name, 'b', 256);
	name[255] = '\0';
	assert_int_equal(add(&req, name, &request_bounds_default, &err), 0);
	name[255] = 'b';
	name[256] = '\0';
	assert_int_equal(add(&req, name, &request_bounds_default, &err), -EINVAL);
	assert_string_equal(err.slug, "bad_name");
}

static void adds_files_that_are_not_from_json_with_the_same_checks(void **state)
{
	AUTO_REQUEST struct run_request req = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(request_add_file(&req, "a", "x\0y", 3, 04755, &request_bounds_default, &err), 0);
	assert_int_equal(req.files[0].mode, 0755);
	assert_memory_equal(req.files[0].data, "x\0y", 3);
	assert_int_equal(add(&req, "\xff", &request_bounds_default, &err), -EINVAL);
	assert_string_equal(err.slug, "bad_name");
	assert_string_equal(err.field, "files.?");
	assert_int_equal(add(&req, "a", &request_bounds_default, &err), -EINVAL);
	assert_string_equal(err.slug, "conflict");
	assert_int_equal(req.files_count, 1);
}

static void holds_files_to_their_bounds(void **state)
{
	static const struct request_bounds bounds = { .files = 3, .files_bytes = 12 };
	AUTO_REQUEST struct run_request req = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(add(&req, "a", &bounds, &err), 0);
	assert_int_equal(add(&req, "b", &bounds, &err), 0);
	assert_int_equal(add(&req, "c", &bounds, &err), -EINVAL);
	assert_string_equal(err.slug, "too_large");
	assert_int_equal(err_kind_http_status(err.kind), 413);
	assert_int_equal(request_add_file(&req, "c", "", 0, 0644, &bounds, &err), 0);
	assert_int_equal(request_add_file(&req, "d", "", 0, 0644, &bounds, &err), -EINVAL);
	assert_string_equal(err.slug, "too_many");
}

static void holds_implied_folders_to_their_bound(void **state)
{
	static const struct request_bounds bounds = { .files = 3, .files_bytes = 100 };
	AUTO_REQUEST struct run_request req = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(add(&req, "a/b/c/x", &bounds, &err), 0);
	assert_int_equal(add(&req, "a/b/c/y", &bounds, &err), 0);
	assert_int_equal(add(&req, "a/d/z", &bounds, &err), -EINVAL);
	assert_string_equal(err.slug, "too_many");
}

static void assert_over_bound(const char *json, const struct request_bounds *bounds, const char *slug,
			      const char *field)
{
	struct run_request req;
	struct err err = ERR_INIT;

	assert_int_equal(request_parse(json, strlen(json), bounds, &req, &err), -EINVAL);
	request_finish(&req);
	assert_int_equal(err_kind_http_status(err.kind), 413);
	assert_string_equal(err.slug, slug);
	assert_string_equal(err.field, field);
}

static void holds_the_rest_to_its_bounds(void **state)
{
	static const struct request_bounds bounds = {
		.files = 2, .files_bytes = 4, .steps = 1, .args_bytes = 8, .stdin_bytes = 2
	};

	assert_over_bound("{\"files\":{\"a\":\"12345\"}}", &bounds, "too_large", "files.a");
	assert_over_bound("{\"files\":{\"a\":\"\",\"b\":\"\",\"c\":\"\"}}", &bounds, "too_many", "files.c");
	assert_over_bound("{\"stdin\":\"123\"}", &bounds, "too_large", "stdin");
	assert_over_bound("{\"steps\":[{},{}]}", &bounds, "too_many", "steps");
	assert_over_bound("{\"language\":\"c\",\"args\":[\"1234567\",\"\"]}", &bounds, "too_large", "args");
	assert_over_bound(
		"{\"language\":\"c\",\"args\":[\"12\"],\"steps\":[{\"name\":\"r\",\"command\":[\"12345\"]}]}",
		&bounds, "too_large", "steps[0].command");
	assert_over_bound("{\"language\":\"c\",\"args\":[\"1\"],\"env\":{\"A\":\"12345\"}}", &bounds,
			  "too_large", "env");
	assert_over_bound("{\"language\":\"c\",\"steps\":[{\"name\":\"r\",\"command\":[\"1\"],\"env\":{\"A\":"
			  "\"12345\"}}]}",
			  &bounds, "too_large", "steps[0].env");
}

static void quotes_little_of_a_long_bad_request(void **state)
{
	AUTO_FREE char *json = malloc(100100);
	struct run_request req;
	struct err err = ERR_INIT;
	size_t quoted = 0;

	memset(json, 'q', 100100);
	memcpy(json, "{\"", 2);
	memcpy(json + 100000, "\":1}", 5);
	assert_int_equal(request_parse(json, strlen(json), &request_bounds_default, &req, &err), -EINVAL);
	request_finish(&req);
	for (const char *c = err.text; *c; c++)
		quoted += *c == 'q';
	assert_in_range(quoted, 1, 100);
	assert_true(strlen(err.field) < 64);
}

static void reads_ten_thousand_files_in_one_deep_folder(void **state)
{
	AUTO_REQUEST struct run_request req = { 0 };
	struct err err = ERR_INIT;
	char name[4097];

	for (size_t i = 0; i < 4000; i += 2)
		memcpy(name + i, "d/", 2);
	for (unsigned int i = 0; i < 10000; i++) {
		snprintf(name + 4000, sizeof(name) - 4000, "f%u", i);
		assert_int_equal(add(&req, name, &request_bounds_default, &err), 0);
	}
	assert_int_equal(req.files_count, 10000);
	assert_int_equal(req.folders_count, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_field),
		cmocka_unit_test(reads_every_field_of_a_step),
		cmocka_unit_test(takes_every_word_of_collect),
		cmocka_unit_test(takes_languages_and_images_of_the_grammar),
		cmocka_unit_test(names_of_files_to_choose_may_say_where_they_are),
		cmocka_unit_test(refuses_what_is_not_json),
		cmocka_unit_test(refuses_a_name_that_stands_twice_naming_it),
		cmocka_unit_test(refuses_a_nul_byte_in_a_name_naming_where),
		cmocka_unit_test(refuses_numbers_that_no_machine_word_holds_naming_the_field),
		cmocka_unit_test(refuses_a_million_brackets_at_once),
		cmocka_unit_test(refuses_too_many_values_before_they_cost_memory),
		cmocka_unit_test(brackets_and_commas_in_strings_do_not_count),
		cmocka_unit_test(refuses_wrong_types_naming_the_field),
		cmocka_unit_test(refuses_unknown_fields_naming_their_path),
		cmocka_unit_test(refuses_bad_values_naming_the_field),
		cmocka_unit_test(refuses_limits_below_their_minimum),
		cmocka_unit_test(refuses_bad_file_names),
		cmocka_unit_test(takes_names_that_only_look_bad),
		cmocka_unit_test(names_may_be_as_long_as_promised_and_no_longer),
		cmocka_unit_test(adds_files_that_are_not_from_json_with_the_same_checks),
		cmocka_unit_test(holds_files_to_their_bounds),
		cmocka_unit_test(holds_implied_folders_to_their_bound),
		cmocka_unit_test(holds_the_rest_to_its_bounds),
		cmocka_unit_test(quotes_little_of_a_long_bad_request),
		cmocka_unit_test(reads_ten_thousand_files_in_one_deep_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
