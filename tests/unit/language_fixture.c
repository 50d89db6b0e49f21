#include "language_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int parse_list(const char *text, struct language_list *ret, struct err *err)
{
	*ret = (struct language_list){ 0 };
	return language_parse("toy.yaml", (const uint8_t *)text, strlen(text), ret, err);
}

int parse(const char *text, struct language *ret, struct err *err)
{
	struct language_list list;
	int r = parse_list(text, &list, err);

	*ret = (struct language){ 0 };
	if (r == 0) {
		assert_int_equal(list.count, 1);
		*ret = list.items[0];
		free(list.items);
	}
	return r;
}

void assert_refused(const char *text, const char *sentence)
{
	struct language language;
	struct err err = ERR_INIT;

	assert_int_equal(parse(text, &language, &err), -EINVAL);
	assert_string_equal(err.text, sentence);
}
