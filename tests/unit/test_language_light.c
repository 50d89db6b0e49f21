/* The key `traffic_light` of language files, and the lights of kiln's own languages. */
#include "language_fixture.h"

#include "run/language.h"
#include "run/language_priv.h"

#include "base/cleanup.h"
#include "light/light.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LIGHT MINIMAL "traffic_light:\n"

static enum light_colour judge(const struct run_light_spec *spec, const char *out, const char *err,
			       int status)
{
	const struct light_input input = {
		.out = out, .out_len = strlen(out), .err = err, .err_len = strlen(err), .status = status
	};
	struct light *light = spec->rules ? light_ref(spec->rules) : NULL;
	struct light_verdict verdict;
	struct light_fault fault;

	if (!light)
		assert_int_equal(light_compile_ruby(spec->ruby, spec->ruby_len, &light, &fault), 0);
	light_judge(light, &input, &verdict);
	light_unref(light);
	return verdict.colour;
}

static void a_language_may_bring_rules_for_its_output(void **state)
{
	struct language toy;
	struct err err = ERR_INIT;

	assert_int_equal(parse(LIGHT
			       "  rules:\n"
			       "    - {in: stdout, regex: '^(\\d+) left$', group: 1, is: '>', value: 0, "
			       "colour: red}\n"
			       "    - {literal: \"7\", not: true, and: [{status: [0, 3]}], colour: green}\n"
			       "    - {colour: amber}\n",
			       &toy, &err),
			 0);
	assert_int_equal(judge(&toy.light, "12 left\n", "", 0), LIGHT_RED);
	assert_int_equal(judge(&toy.light, "0 left\n", "", 3), LIGHT_GREEN);
	assert_int_equal(judge(&toy.light, "0 left\n", "7", 0), LIGHT_AMBER);
	language_finish(&toy);
}

static void a_language_may_bring_a_lambda(void **state)
{
	struct language toy;
	struct err err = ERR_INIT;

	assert_int_equal(parse(LIGHT "  ruby: |\n"
				     "    lambda { |stdout, stderr, status|\n"
				     "      stdout =~ /OK/ ? :green : :red\n"
				     "    }\n",
			       &toy, &err),
			 0);
	assert_int_equal(judge(&toy.light, "OK", "", 0), LIGHT_GREEN);
	language_finish(&toy);
	/* Only Ruby itself could judge by this one, and may. */
	assert_int_equal(
		parse(LIGHT "  ruby: 'lambda { |a, b, c| File.exist?(a) ? :red : :green }'\n", &toy, &err),
		0);
	assert_non_null(toy.light.ruby);
	language_finish(&toy);
}

static void a_mistake_in_a_light_is_named_where_it_stands(void **state)
{
	assert_refused(
		LIGHT "  rules:\n    - {colour: red}\n    - regex: '('\n      colour: green\n",
		"toy.yaml:11: traffic_light.rules[1].regex: the regular expression is wrong at byte 1: "
		"missing closing parenthesis");
	assert_refused(LIGHT "  rules:\n    - colour: green\n      and:\n        - {status: 0}\n"
			     "        - {status: 256}\n",
		       "toy.yaml:13: traffic_light.rules[0].and[1].status: must be between 0 and 255");
	assert_refused(LIGHT "  rules: [{literal: x}]\n",
		       "toy.yaml:9: traffic_light.rules[0].colour: is missing");
	assert_refused(LIGHT "  rules: [{literal: 7, colour: red}]\n",
		       "toy.yaml:9: traffic_light.rules[0].literal: must be a string");
	assert_refused(LIGHT "  rules: [{color: red}]\n",
		       "toy.yaml:9: traffic_light.rules[0]: there is no field 'color' here");
	assert_refused(LIGHT "  rules: []\n",
		       "toy.yaml:9: traffic_light.rules: must have between 1 and 256 rules");
	assert_refused(LIGHT "  rules: {colour: red}\n", "toy.yaml:9: traffic_light.rules: must be an array");
	assert_refused(
		LIGHT "  ruby: |\n    lambda { |a, b, c|\n      a.match(/(/)\n    }\n",
		"toy.yaml:9: traffic_light.ruby: line 2, column 11: the regular expression has, at its "
		"byte 1, a group without its closing parenthesis");
	assert_refused(MINIMAL "traffic_light: red\n",
		       "toy.yaml:8: traffic_light: must be a mapping with `rules` or `ruby`");
	assert_refused(MINIMAL "traffic_light: {}\n",
		       "toy.yaml:8: traffic_light: needs one of `rules` and `ruby`");
	assert_refused(LIGHT "  rules: [{colour: red}]\n  ruby: 'lambda { |a, b, c| :red }'\n",
		       "toy.yaml:9: traffic_light: needs one of `rules` and `ruby`");
	assert_refused(LIGHT "  lambda: x\n", "toy.yaml:9: traffic_light: there is no key 'lambda' here");
}

static void a_version_may_have_a_light_of_its_own(void **state)
{
	struct language_list list;
	struct err err = ERR_INIT;

	assert_int_equal(
		parse_list(LIGHT
			   "  rules: [{colour: red}]\n"
			   "versions:\n"
			   "  - {version: \"1\"}\n"
			   "  - {version: \"2\", traffic_light: {ruby: 'lambda { |a, b, c| :green }'}}\n",
			   &list, &err),
		0);
	assert_int_equal(judge(&list.items[0].light, "", "", 0), LIGHT_RED);
	assert_null(list.items[1].light.rules);
	assert_int_equal(judge(&list.items[1].light, "", "", 0), LIGHT_GREEN);
	language_list_finish(&list);
}

/* What was recorded of each framework in each colour; tests/light/record-languages made it. */
static void assert_judged(const struct language *language, const json_t *recorded)
{
	static const enum light_colour colours[] = { LIGHT_RED, LIGHT_AMBER, LIGHT_GREEN };

	for (size_t i = 0; i < ARRAY_LEN(colours); i++) {
		const json_t *outputs = json_object_get(recorded, light_colour_name(colours[i])), *output;
		size_t at;

		if (json_array_size(outputs) == 0)
			fail_msg("nothing %s is recorded of %s", light_colour_name(colours[i]), language->id);
		json_array_foreach(outputs, at, output)
		{
			enum light_colour colour =
				judge(&language->light, json_string_value(json_object_get(output, "stdout")),
				      json_string_value(json_object_get(output, "stderr")),
				      (int)json_integer_value(json_object_get(output, "status")));

			if (colour != colours[i])
				fail_msg("%s: '%s' is %s, not %s", language->id,
					 json_string_value(json_object_get(output, "what")),
					 light_colour_name(colour), light_colour_name(colours[i]));
		}
	}
}

static void the_frameworks_of_kiln_are_judged_right_by_what_they_really_print(void **state)
{
	struct language_registry *reg;
	const struct language *at = NULL;
	json_t *recorded = json_load_file(KILN_TEST_SOURCE "/tests/light/languages.json", 0, NULL);
	struct err err = ERR_INIT;
	size_t lit = 0;

	assert_non_null(recorded);
	if (language_registry_load(KILN_TEST_SOURCE "/languages", &reg, &err) < 0)
		fail_msg("%s", err.text);
	while ((at = language_next(reg, at))) {
		if (at->start.names && !run_light_wanted(&at->light))
			fail_msg("framework %s has no traffic light", at->id);
		if (!run_light_wanted(&at->light))
			continue;
		lit++;
		assert_judged(at, json_object_get(recorded, at->id));
	}
	assert_true(lit >= 18);
	language_registry_destroy(reg);
	json_decref(recorded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_language_may_bring_rules_for_its_output),
		cmocka_unit_test(a_language_may_bring_a_lambda),
		cmocka_unit_test(a_mistake_in_a_light_is_named_where_it_stands),
		cmocka_unit_test(a_version_may_have_a_light_of_its_own),
		cmocka_unit_test(the_frameworks_of_kiln_are_judged_right_by_what_they_really_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
