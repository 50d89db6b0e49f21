#include "lolcode/lolcode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What a program between HAI and KTHXBYE prints, with the mistake that ends it. To be freed. */
static char *output(const char *body, const char *input)
{
	char *printed = NULL, *source = NULL, error[LOL_ERROR_MAX] = "";
	struct lol_program *program = NULL;
	size_t len;
	FILE *in = fmemopen((void *)(uintptr_t)input, strlen(input) + !*input, "re");
	FILE *out = open_memstream(&printed, &len);
	int r, source_len = asprintf(&source, "HAI 1.2\n%s\nKTHXBYE\n", body);

	assert_true(source_len > 0);
	if (!*input)
		getc(in);
	r = lol_parse(source, (size_t)source_len, &program, error);
	if (r == 0)
		r = lol_run(program, in, out, 100000, error);
	if (r < 0)
		fprintf(out, "error: %s", error);
	fclose(out);
	fclose(in);
	free(source);
	lol_program_destroy(program);
	return printed;
}

static void assert_output(const char *body, const char *input, const char *expected)
{
	char *printed = output(body, input);

	assert_string_equal(printed, expected);
	free(printed);
}

/* What VISIBLE says of an expression. */
static void assert_value(const char *expression, const char *expected)
{
	char body[512], line[512];

	snprintf(body, sizeof(body), "VISIBLE %s", expression);
	snprintf(line, sizeof(line), strncmp(expected, "error", 5) == 0 ? "%s" : "%s\n", expected);
	assert_output(body, "", line);
}

static void visible_prints_all_that_stands_behind_it(void **state)
{
	assert_value("\"a\" 1 WIN", "a1WIN");
	assert_value("\"a\" AN 2.5", "a2.50");
	assert_output("VISIBLE \"no line\"!", "", "no line");
}

static void comments_and_commas_and_dots_are_as_they_should(void **state)
{
	assert_output("VISIBLE 1, VISIBLE 2 BTW and not 3\nOBTW\nVISIBLE 4\nTLDR\nVISIBLE ...\n  5", "",
		      "1\n2\n5\n");
	assert_output("OBTW for ever", "", "error: line 4: OBTW has no TLDR");
}

static void yarns_know_their_escapes(void **state)
{
	assert_value("\"a:)b:>c:\"d::e\"", "a\nb\tc\"d:e");
	assert_value("\":(E4):(20AC):(1F600)\"", "\303\244\342\202\254\360\237\230\200");
	assert_value("\":(D800)\"", "error: line 2: :( ) in a YARN is no hexadecimal number of a character");
	assert_value("\":x\"", "error: line 2: an unknown escape in a YARN");
	assert_output("I HAS A cat ITZ 9\nVISIBLE \"<:{cat}>\"", "", "<9>\n");
}

static void arithmetic_is_whole_until_a_point_comes(void **state)
{
	assert_value("SUM OF 2 AN 3", "5");
	assert_value("QUOSHUNT OF 7 AN 2", "3");
	assert_value("QUOSHUNT OF 7 AN 2.0", "3.50");
	assert_value("MOD OF 7 AN 3", "1");
	assert_value("BIGGR OF 7 AN SMALLR OF 9 AN 8", "8");
	assert_value("PRODUKT OF \"3\" AN \"1.5\"", "4.50");
	assert_value("DIFF OF 3.149 AN 0", "3.14");
	assert_value("SUM OF WIN AN 1", "2");
}

static void what_cannot_be_calculated_is_said_with_its_line(void **state)
{
	assert_value("QUOSHUNT OF 1 AN 0", "error: line 2: division by zero");
	assert_value("MOD OF 1 AN 0", "error: line 2: division by zero");
	assert_value("SUM OF 9223372036854775807 AN 1", "error: line 2: a number does not fit into a NUMBR");
	assert_value("QUOSHUNT OF -9223372036854775808 AN -1",
		     "error: line 2: a number does not fit into a NUMBR");
	assert_value("MOD OF -9223372036854775808 AN -1", "0");
	assert_value("SUM OF \"cat\" AN 1", "error: line 2: a YARN is no number");
	assert_value("SUM OF NOOB AN 1", "error: line 2: a NOOB has no value");
}

static void troofs_are_combined(void **state)
{
	assert_value("BOTH OF WIN AN FAIL", "FAIL");
	assert_value("EITHER OF WIN AN FAIL", "WIN");
	assert_value("WON OF WIN AN WIN", "FAIL");
	assert_value("NOT \"\"", "WIN");
	assert_value("ALL OF WIN AN 1 AN \"x\" MKAY", "WIN");
	assert_value("ANY OF FAIL AN 0 AN 0.0 MKAY", "FAIL");
}

static void equality_casts_nothing_but_numbers(void **state)
{
	assert_value("BOTH SAEM 1 AN 1.0", "WIN");
	assert_value("BOTH SAEM 1 AN \"1\"", "FAIL");
	assert_value("DIFFRINT \"a\" AN \"b\"", "WIN");
}

static void values_are_cast(void **state)
{
	assert_value("MAEK \"12\" A NUMBR", "12");
	assert_value("MAEK 3.99 A NUMBR", "3");
	assert_value("SMOOSH \"<\" AN MAEK NOOB A YARN AN \">\" MKAY", "<>");
	assert_value("MAEK 1e A NUMBR", "error: line 2: a number goes on with letters");
	assert_output("I HAS A x ITZ \"7\"\nx IS NOW A NUMBR\nVISIBLE BOTH SAEM x AN 7", "", "WIN\n");
}

static void variables_are_declared_before_they_are_used(void **state)
{
	assert_output("I HAS A x\nx R 3\nVISIBLE x", "", "3\n");
	assert_output("I HAS A x ITZ A NUMBAR\nVISIBLE x", "", "0.00\n");
	assert_output("VISIBLE x", "", "error: line 2: there is no such variable: x");
	assert_output("x R 1", "", "error: line 2: there is no such variable: x");
	assert_output("SUM OF 1 AN 1\nVISIBLE IT", "", "2\n");
}

static void o_rly_takes_one_branch(void **state)
{
	static const char body[] =
		"I HAS A x\nGIMMEH x\nBOTH SAEM x AN \"1\", O RLY?\nYA RLY\nVISIBLE \"one\"\n"
		"MEBBE BOTH SAEM x AN \"2\"\nVISIBLE \"two\"\nNO WAI\nVISIBLE \"many\"\nOIC";

	assert_output(body, "1\n", "one\n");
	assert_output(body, "2\n", "two\n");
	assert_output(body, "3", "many\n");
}

static void wtf_falls_through_until_gtfo(void **state)
{
	static const char body[] =
		"I HAS A x\nGIMMEH x\nx, WTF?\nOMG \"a\"\nVISIBLE 1\nOMG \"b\"\nVISIBLE 2\nGTFO\n"
		"OMGWTF\nVISIBLE 3\nOIC";

	assert_output(body, "a\n", "1\n2\n");
	assert_output(body, "b\n", "2\n");
	assert_output(body, "c\n", "3\n");
}

static void loops_count_and_end(void **state)
{
	assert_output("IM IN YR l UPPIN YR i TIL BOTH SAEM i AN 3\nVISIBLE i!\nIM OUTTA YR l", "", "012");
	assert_output(
		"I HAS A i ITZ 2\nIM IN YR l NERFIN YR i WILE DIFFRINT i AN 0\nVISIBLE i!\nIM OUTTA YR l\n"
		"VISIBLE i",
		"", "210\n");
	assert_output("IM IN YR l\nGTFO\nIM OUTTA YR l\nVISIBLE \"out\"", "", "out\n");
	assert_output("IM IN YR l UPPIN YR i\nGTFO\nIM OUTTA YR l\nVISIBLE i", "",
		      "error: line 5: there is no such variable: i");
	assert_output("IM IN YR l\nIM OUTTA YR m", "",
		      "error: line 3: the loop that ends here has another label");
	assert_output("IM IN YR l\nIM OUTTA YR l", "", "error: line 2: it took too many steps");
}

static void functions_have_variables_of_their_own(void **state)
{
	assert_output("VISIBLE I IZ fac YR 5 MKAY\nHOW IZ I fac YR n\nBOTH SAEM n AN 0, O RLY?\nYA "
		      "RLY\nFOUND YR 1\n"
		      "OIC\nFOUND YR PRODUKT OF n AN I IZ fac YR DIFF OF n AN 1 MKAY\nIF U SAY SO",
		      "", "120\n");
	assert_output("I HAS A x ITZ 1\nHOW IZ I f\nVISIBLE x\nIF U SAY SO\nI IZ f MKAY", "",
		      "error: line 4: there is no such variable: x");
	assert_output("HOW IZ I f YR a AN YR b\nSUM OF a AN b\nIF U SAY SO\nVISIBLE I IZ f YR 1 AN YR 2 MKAY",
		      "", "3\n");
	assert_output("HOW IZ I f\nGTFO\nIF U SAY SO\nVISIBLE BOTH SAEM NOOB AN I IZ f MKAY", "", "WIN\n");
}

static void calls_that_cannot_be_are_said(void **state)
{
	assert_output("I IZ f MKAY", "", "error: line 2: there is no such function: f");
	assert_output("HOW IZ I f YR a\nIF U SAY SO\nI IZ f MKAY", "",
		      "error: line 4: a function gets too many or too few arguments: f");
	assert_output("HOW IZ I f\nI IZ f MKAY\nIF U SAY SO\nI IZ f MKAY", "",
		      "error: line 3: functions call one another too deep: f");
	assert_output("FOUND YR 1", "", "error: line 2: FOUND YR outside of a function");
}

static void input_comes_by_the_line(void **state)
{
	assert_output("I HAS A x\nGIMMEH x\nVISIBLE x\nGIMMEH x\nVISIBLE BOTH SAEM x AN \"\"", "one",
		      "one\nWIN\n");
}

static void what_is_no_program_is_refused(void **state)
{
	assert_output("I HAS A", "", "error: line 2: a name is missing");
	assert_output("VISIBLE", "", "error: line 2: VISIBLE what?");
	assert_output("VISIBLE \"open", "", "error: line 2: a YARN has no end");
	assert_output("IM IN YR l", "", "error: line 3: a block has no end, at KTHXBYE");
	assert_output("VISIBLE 1 2 OIC", "", "error: line 2: a name is missing, at OIC");
	assert_output("$", "", "error: line 2: a character that means nothing here");
	assert_output("KTHXBYE\nVISIBLE 1", "", "error: line 3: something stands behind KTHXBYE, at VISIBLE");
}

static void what_is_nested_without_end_is_refused(void **state)
{
	char body[4096] = "VISIBLE ";
	size_t len = strlen(body);

	while (len < 2000)
		len += (size_t)snprintf(body + len, sizeof(body) - len, "NOT ");
	assert_output(body, "", "error: line 2: nested too deep, at NOT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(visible_prints_all_that_stands_behind_it),
		cmocka_unit_test(comments_and_commas_and_dots_are_as_they_should),
		cmocka_unit_test(yarns_know_their_escapes),
		cmocka_unit_test(arithmetic_is_whole_until_a_point_comes),
		cmocka_unit_test(what_cannot_be_calculated_is_said_with_its_line),
		cmocka_unit_test(troofs_are_combined),
		cmocka_unit_test(equality_casts_nothing_but_numbers),
		cmocka_unit_test(values_are_cast),
		cmocka_unit_test(variables_are_declared_before_they_are_used),
		cmocka_unit_test(o_rly_takes_one_branch),
		cmocka_unit_test(wtf_falls_through_until_gtfo),
		cmocka_unit_test(loops_count_and_end),
		cmocka_unit_test(functions_have_variables_of_their_own),
		cmocka_unit_test(calls_that_cannot_be_are_said),
		cmocka_unit_test(input_comes_by_the_line),
		cmocka_unit_test(what_is_no_program_is_refused),
		cmocka_unit_test(what_is_nested_without_end_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
