#include "whitespace/whitespace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Programs are written with S, T and L; everything else in them is comment, as in the language. */
static size_t signs(const char *text, char *ret)
{
	size_t len = 0;

	for (; *text; text++) {
		if (*text == 'S' || *text == 'T' || *text == 'L')
			ret[len++] = *text == 'S' ? ' ' : *text == 'T' ? '\t' : '\n';
		else
			ret[len++] = '-';
	}
	return len;
}

/* What a program prints; "error: …" when it fails. To be freed. */
static char *output(const char *text, const char *input)
{
	char source[4096], error[WS_ERROR_MAX] = "";
	struct ws_program program = { 0 };
	char *printed = NULL;
	size_t len;
	FILE *in = fmemopen((void *)(uintptr_t)input, strlen(input) + !*input, "re");
	FILE *out = open_memstream(&printed, &len);
	int r = ws_parse(source, signs(text, source), &program, error);

	if (!*input)
		getc(in);
	if (r == 0)
		r = ws_run(&program, in, out, 10000, error);
	if (r < 0)
		fprintf(out, "error: %s", error);
	fclose(out);
	fclose(in);
	ws_program_finish(&program);
	return printed;
}

static void assert_output(const char *text, const char *input, const char *expected)
{
	char *printed = output(text, input);

	assert_string_equal(printed, expected);
	free(printed);
}

static void numbers_are_pushed_and_printed(void **state)
{
	assert_output("SSSTSTL TLST SSTTL TLST SSSL TLST", "", "5-10");
}

static void characters_are_printed_as_utf8(void **state)
{
	/* 72, 228, 8364 */
	assert_output("SSSTSSTSSSL TLSS SSSTTTSSTSSL TLSS SSSTSSSSSTSTSTTSSL TLSS", "",
		      "H\303\244\342\202\254");
	assert_output("SSTTL TLSS", "", "error: instruction 2: a number is no character");
}

static void the_stack_is_worked_on(void **state)
{
	/* 1 2 duplicate; print, print, print */
	assert_output("SSSTL SSSTSL SLS TLST TLST TLST", "", "221");
	/* 1 2 swap */
	assert_output("SSSTL SSSTSL SLT TLST TLST", "", "12");
	/* 1 2 3, copy 2 */
	assert_output("SSSTL SSSTSL SSSTTL STSSTSL TLST", "", "1");
	/* 1 2 3, slide 2 */
	assert_output("SSSTL SSSTSL SSSTTL STLSTSL TLST", "", "3");
	assert_output("SLL", "", "error: instruction 1: too little is on the stack");
	assert_output("SSSTL STSSTL", "", "error: instruction 2: too little is on the stack");
}

static void division_rounds_down(void **state)
{
	/* -7 / 2, -7 mod 2, 7 mod -2 */
	assert_output("SSTTTTL SSSTSL TSTS TLST", "", "-4");
	assert_output("SSTTTTL SSSTSL TSTT TLST", "", "1");
	assert_output("SSSTTTL SSTTSL TSTT TLST", "", "-1");
	assert_output("SSSTL SSSL TSTS", "", "error: instruction 3: division by zero");
	assert_output("SSSTL SSSL TSTT", "", "error: instruction 3: division by zero");
}

/* 2^62 doubled; a literal of 65 digits; the least number by minus one. */
static void what_does_not_fit_is_said(void **state)
{
	assert_output("SSST SSSSSSSSSS SSSSSSSSSS SSSSSSSSSS SSSSSSSSSS SSSSSSSSSS SSSSSSSSSS SSL SLS TSSS",
		      "", "error: instruction 3: a number does not fit into 64 bits");
	assert_output("SSST SSSSSSSSSS SSSSSSSSSS SSSSSSSSSS SSSSSSSSSS SSSSSSSSSS SSSSSSSSSS SSSSL", "",
		      "error: instruction 1: a number does not fit into 64 bits");
	assert_output(
		"SSTT SSSSSSSSSS SSSSSSSSSS SSSSSSSSSS SSSSSSSSSS SSSSSSSSSS SSSSSSSSSS SSSL SSTTL TSTS", "",
		"error: instruction 3: a number does not fit into 64 bits");
}

static void the_heap_keeps_what_is_stored_at_any_address(void **state)
{
	/* heap[-3] = 9; print heap[-3], heap[8] */
	assert_output("SSTTTL SSSTSSTL TTS SSTTTL TTT TLST SSSTSSSL TTT TLST", "", "90");
}

static void labels_lead_jumps_and_calls(void **state)
{
	/* push 3; mark S: print, minus one, duplicate, zero -> T, jump S; mark T: end */
	assert_output("SSSTTL LSSSL SLS TLST SSSTL TSST SLS LTSTL LSLSL LSSTL LLL SSSTL TLST", "", "321");
	/* call SS; end; mark SS: push 7, print, return */
	assert_output("LSTSSL LLL LSSSSL SSSTTTL TLST LTL", "", "7");
	/* -1: jump if negative over a print */
	assert_output("SSTTL LTTSL SSSTL TLST LSSSL", "", "");
	assert_output("LTL", "", "error: instruction 1: nothing called what returns");
}

static void wrong_labels_are_refused_before_anything_runs(void **state)
{
	assert_output("SSSTL TLST LSLSL", "", "error: instruction 4: a label that is jumped to is nowhere");
	assert_output("LSSSL LSSSL", "", "error: instruction 3: a label is marked twice");
	assert_output("LSSS", "", "error: instruction 1: a label has no end");
}

static void what_is_no_instruction_is_refused(void **state)
{
	assert_output("SSSTL TTLSSS", "", "error: instruction 2: there is no such instruction");
	assert_output("SSSTL TL", "", "error: instruction 2: the program ends in the middle of it");
	assert_output("SSL", "", "error: instruction 1: a number has no sign");
	assert_output("SSST", "", "error: instruction 1: a number has no end");
}

static void input_is_read_by_character_and_number(void **state)
{
	/* read a character to 0, print it; read a number to 0, print it */
	assert_output("SSSL TLTS SSSL TTT TLST SSSL TLTT SSSL TTT TLST", "\303\244-42\n", "228-42");
	assert_output("SSSL TLTS SSSL TTT TLST", "", "-1");
	assert_output("SSSL TLTT", "seven\n", "error: instruction 2: the input is no number");
	assert_output("SSSL TLTT", "",
		      "error: instruction 2: a number was asked for at the end of the input");
}

static void a_program_without_end_is_stopped_by_its_steps(void **state)
{
	assert_output("LSSSL LSLSL", "", "error: instruction 1: it took too many steps");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_pushed_and_printed),
		cmocka_unit_test(characters_are_printed_as_utf8),
		cmocka_unit_test(the_stack_is_worked_on),
		cmocka_unit_test(division_rounds_down),
		cmocka_unit_test(what_does_not_fit_is_said),
		cmocka_unit_test(the_heap_keeps_what_is_stored_at_any_address),
		cmocka_unit_test(labels_lead_jumps_and_calls),
		cmocka_unit_test(wrong_labels_are_refused_before_anything_runs),
		cmocka_unit_test(what_is_no_instruction_is_refused),
		cmocka_unit_test(input_is_read_by_character_and_number),
		cmocka_unit_test(a_program_without_end_is_stopped_by_its_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
